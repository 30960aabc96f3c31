//! A record is sent a second time. Every record is encrypted under its own number (RFC 8446 §5.3), which is not sent: as
//! the next record it cannot be opened.

use std::time::Duration;

use super::Passage;
use super::records::Record;
use crate::event::Deed;
use crate::role::config::{RecordChoice, Side};

pub(super) fn passage(
    choice: RecordChoice,
    after: Duration,
    side: Side,
    record: &Record,
) -> Passage {
    if !record.is(choice, side) {
        return Passage::Untouched;
    }
    let deed = Deed::Replayed {
        record: choice.number,
    };
    Passage::Again(deed, after)
}
