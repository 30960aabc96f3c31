//! One bit of one record is flipped. The record's length stays, and its authentication tag no longer fits (RFC 8446
//! §5.2): the receiver answers bad_record_mac and gives the connection up.

use super::Passage;
use super::records::Record;
use crate::event::Deed;
use crate::role::config::{RecordChoice, Side};
use crate::wire::tls::RecordHeader;

pub(super) fn passage(choice: RecordChoice, bit: u64, side: Side, record: &Record) -> Passage {
    let byte = usize::try_from(bit / 8).unwrap_or(usize::MAX);
    if !record.is(choice, side) || byte >= record.fragment().len() {
        return Passage::Untouched;
    }
    let mut bytes = record.bytes.clone();
    let at = RecordHeader::BYTES + byte;
    bytes[at] ^= 0x80 >> (bit % 8);
    let deed = Deed::Flipped {
        record: choice.number,
        bit,
    };
    Passage::Changed(bytes, deed, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::interceptor::records::Records;

    #[test]
    fn one_bit_differs() {
        let mut records = Records::default();
        records.feed(&[23, 3, 3, 0, 2, 0xff, 0]);
        let record = records.next().unwrap();
        let choice = |from, number| RecordChoice { from, number };
        let flipped = |choice, bit| passage(choice, bit, Side::Client, &record);
        let Passage::Changed(bytes, _, at) = flipped(choice(Side::Client, 1), 9) else {
            panic!("changed")
        };
        assert_eq!((bytes, at), (vec![23, 3, 3, 0, 2, 0xff, 0x40], 6));
        for (choice, bit) in [
            (choice(Side::Client, 2), 0),
            (choice(Side::Server, 1), 0),
            (choice(Side::Client, 1), 16),
        ] {
            assert!(matches!(flipped(choice, bit), Passage::Untouched));
        }
    }
}
