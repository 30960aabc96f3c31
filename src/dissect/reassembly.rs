//! One direction of a TCP connection, put in order: every byte once, whatever was sent twice, cut or overtaken.

use std::collections::BTreeMap;

/// Bytes ahead of a gap that are held; what comes beyond them is passed over, and its retransmission awaited.
const MOST_HELD: usize = 4 * 1024 * 1024;

/// The byte stream of one direction, from its first byte.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    /// Bytes delivered.
    delivered: u64,
    /// Pieces behind a gap, by their place in the stream.
    held: BTreeMap<u64, Vec<u8>>,
    held_bytes: usize,
    /// Where FIN ends the stream.
    end: Option<u64>,
    ended: bool,
}

impl Reassembly {
    /// Takes a segment's data, whose first byte has the relative sequence number `sequence` (the stream's first byte
    /// has 1), and gives to `deliver` what is now in order. True when the stream ends with it.
    pub(super) fn accept(
        &mut self,
        sequence: u32,
        data: &[u8],
        fin: bool,
        mut deliver: impl FnMut(&[u8]),
    ) -> bool {
        let place = self.place(sequence);
        if fin && self.end.is_none() {
            self.end = u64::try_from(place + data.len() as i64).ok();
        }
        self.piece(place, data, &mut deliver);
        while let Some(first) = self.held.first_entry() {
            if *first.key() > self.delivered {
                break;
            }
            let (place, piece) = first.remove_entry();
            self.held_bytes -= piece.len();
            self.piece(place as i64, &piece, &mut deliver);
        }
        let ends = self.end == Some(self.delivered) && !self.ended;
        self.ended |= ends;
        ends
    }

    /// Whether all of a segment's data has been seen before.
    pub(super) fn has_seen(&self, sequence: u32, bytes: usize) -> bool {
        let (place, bytes) = (self.place(sequence), bytes as i64);
        let again = |from: u64, piece: &Vec<u8>| {
            from as i64 <= place && place + bytes <= from as i64 + piece.len() as i64
        };
        place + bytes <= self.delivered as i64
            || (u64::try_from(place).ok())
                .and_then(|place| self.held.range(..=place).next_back())
                .is_some_and(|(from, piece)| again(*from, piece))
    }

    /// The place in the stream that is meant, of those 2^32 apart the one nearest to where delivery stands.
    fn place(&self, sequence: u32) -> i64 {
        let expected = (self.delivered as u32).wrapping_add(1);
        self.delivered as i64 + i64::from(sequence.wrapping_sub(expected) as i32)
    }

    fn piece(&mut self, place: i64, data: &[u8], deliver: &mut impl FnMut(&[u8])) {
        let known = usize::try_from(self.delivered as i64 - place);
        match known {
            // At or before the edge: only what is new counts.
            Ok(known) if known < data.len() => {
                deliver(&data[known..]);
                self.delivered += (data.len() - known) as u64;
            }
            Ok(_) => {}
            Err(_) if data.is_empty() || self.held_bytes + data.len() > MOST_HELD => {}
            Err(_) => {
                let held = self.held.entry(place as u64).or_default();
                if held.len() < data.len() {
                    self.held_bytes += data.len() - held.len();
                    *held = data.to_vec();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gaps_are_waited_for_and_doubles_dropped() {
        let mut r = Reassembly::default();
        let mut got = Vec::new();
        let mut take = |r: &mut Reassembly, seq, data: &[u8], fin| {
            let ended = r.accept(seq, data, fin, |d| got.extend_from_slice(d));
            (ended, String::from_utf8(got.clone()).unwrap())
        };
        assert_eq!(take(&mut r, 1, b"ab", false), (false, "ab".into()));
        assert_eq!(take(&mut r, 6, b"fg", true), (false, "ab".into()));
        assert!(r.has_seen(6, 2) && r.has_seen(1, 2) && !r.has_seen(3, 1));
        assert_eq!(take(&mut r, 2, b"bcd", false), (false, "abcd".into()));
        assert_eq!(take(&mut r, 5, b"e", false), (true, "abcdefg".into()));
        assert_eq!(take(&mut r, 6, b"fg", true), (false, "abcdefg".into()));
    }

    #[test]
    fn the_buffer_is_bounded() {
        let mut r = Reassembly::default();
        let piece = vec![0; 1 << 20];
        for n in 0..10 {
            r.accept(2 + n * (1 << 20), &piece, false, |_| {
                panic!("a gap is before it")
            });
        }
        assert_eq!(r.held_bytes, MOST_HELD);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut r = Reassembly {
            delivered: u64::from(u32::MAX) - 2,
            ..Reassembly::default()
        };
        let mut got = Vec::new();
        r.accept(2, b"ef", false, |d| got.extend_from_slice(d));
        r.accept(u32::MAX - 1, b"abcd", false, |d| got.extend_from_slice(d));
        assert_eq!(got, b"abcdef");
        assert_eq!(r.delivered, u64::from(u32::MAX) + 4);
    }

    proptest! {
        #[test]
        fn any_order_of_any_pieces_gives_the_stream(
            pieces in proptest::collection::vec((0_usize..200, 1_usize..60), 0..40),
            order in any::<u64>(),
        ) {
            let stream: Vec<u8> = (0..200).map(|i| i as u8).collect();
            let mut cuts: Vec<(usize, usize)> = pieces
                .into_iter()
                .chain((0..200).step_by(10).map(|from| (from, 10)))
                .map(|(from, n)| (from, n.min(200 - from)))
                .collect();
            // A cheap shuffle by a drawn number.
            cuts.sort_by_key(|(from, n)| (*from as u64 * 31 + *n as u64 * 17).wrapping_mul(order | 1));
            let mut r = Reassembly::default();
            let (mut got, mut ends) = (Vec::new(), 0);
            for (from, n) in cuts {
                let fin = from + n == 200;
                let seq = from as u32 + 1;
                ends += usize::from(r.accept(seq, &stream[from..from + n], fin, |d| got.extend_from_slice(d)));
            }
            prop_assert_eq!(got, stream);
            prop_assert_eq!(ends, 1);
            prop_assert_eq!(r.held_bytes, 0);
        }
    }
}
