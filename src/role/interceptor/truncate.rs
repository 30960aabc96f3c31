//! A direction ends behind a record: FIN, and no close_notify, which only who has the keys can write. The receiver must
//! not take that for the end of the data (RFC 8446 §6.1).

use super::Passage;
use super::records::Record;
use crate::event::Deed;
use crate::role::config::{RecordChoice, Side};

pub(super) fn passage(choice: RecordChoice, side: Side, record: &Record) -> Passage {
    if !record.is(choice, side) {
        return Passage::Untouched;
    }
    Passage::Last(Deed::Truncated {
        record: choice.number,
    })
}
