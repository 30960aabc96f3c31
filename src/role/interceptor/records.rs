//! A direction's bytes as TLS records, found by their heads alone. What is not TLS passes as it is.

use crate::role::config::{RecordChoice, Side};
use crate::wire::tls::{RecordHeader, content_type};

/// A whole record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) header: RecordHeader,
    /// Head and fragment.
    pub(super) bytes: Vec<u8>,
    /// Its number among those of application data, from 1; 0 for others.
    pub(super) number: u64,
}

impl Record {
    /// Whether `choice` is this record of `side`.
    pub(super) fn is(&self, choice: RecordChoice, side: Side) -> bool {
        choice.from == side && choice.number == self.number
    }

    pub(super) fn fragment(&self) -> &[u8] {
        &self.bytes[RecordHeader::BYTES..]
    }
}

/// Cuts a direction into records.
#[derive(Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    /// Of application data so far.
    count: u64,
    not_tls: bool,
}

impl Records {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole record.
    pub(super) fn next(&mut self) -> Option<Record> {
        if self.not_tls {
            return None;
        }
        let header = RecordHeader::read(&self.bytes)?;
        if !header.is_plausible() {
            self.not_tls = true;
            return None;
        }
        let length = RecordHeader::BYTES + header.length;
        if self.bytes.len() < length {
            return None;
        }
        let rest = self.bytes.split_off(length);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        let mut number = 0;
        if header.content_type == content_type::APPLICATION_DATA {
            self.count += 1;
            number = self.count;
        }
        Some(Record {
            header,
            bytes,
            number,
        })
    }

    /// What came, once it is known not to be TLS.
    pub(super) fn not_tls(&mut self) -> Option<Vec<u8>> {
        self.not_tls.then(|| std::mem::take(&mut self.bytes))
    }

    /// What is left at the end: less than a record.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_whole_however_they_are_cut() {
        let wire = [22, 3, 3, 0, 2, 7, 8, 23, 3, 3, 0, 1, 9, 23, 3, 3, 0, 0, 23];
        for cut in 0..wire.len() {
            let mut records = Records::default();
            let mut found = Vec::new();
            for part in [&wire[..cut], &wire[cut..]] {
                records.feed(part);
                found.extend(std::iter::from_fn(|| records.next()));
            }
            let numbers: Vec<u64> = found.iter().map(|r| r.number).collect();
            assert_eq!(numbers, [0, 1, 2], "cut at {cut}");
            assert_eq!(found[1].fragment(), [9]);
            assert_eq!(records.not_tls(), None);
            assert_eq!(records.rest(), [23]);
        }
    }

    #[test]
    fn other_protocols_pass() {
        let mut records = Records::default();
        records.feed(b"GET / HTTP/1.1\r\n");
        assert_eq!(records.next(), None);
        assert_eq!(
            records.not_tls().as_deref(),
            Some(&b"GET / HTTP/1.1\r\n"[..])
        );
        records.feed(&[22, 3, 3, 0, 0]);
        assert_eq!(records.next(), None, "once not TLS, never TLS");
    }
}
