//! Wireshark's analysis of TCP sequence numbers: which segments look retransmitted, out of order, duplicate. It
//! judges by one tap's view alone, and so do we, with its rules (`tcp_analyze_sequence_number`), so that
//! `tcp.analysis` fields select the same frames.

use std::time::Duration;

use crate::time::Instant;
use crate::wire::packet::Segment;

/// How long after a duplicate acknowledgment a retransmission counts as fast.
const FAST: Duration = Duration::from_millis(20);
/// Until the handshake has shown the round-trip time: how close to its neighbours a late segment counts as
/// reordered rather than sent again.
const REORDERED: Duration = Duration::from_millis(3);

/// What is said of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Finding {
    /// Segments before it were not seen.
    pub(super) lost_segment: bool,
    pub(super) keep_alive: bool,
    /// The how-many-eth duplicate acknowledgment it is.
    pub(super) duplicate_ack: Option<u32>,
    pub(super) late: Option<Late>,
}

/// Why a segment does not carry the sequence numbers that come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    Retransmission,
    /// Soon after duplicate acknowledgments.
    Fast,
    /// Of what has been acknowledged.
    Spurious,
    /// So soon that it was overtaken, not sent again.
    OutOfOrder,
}

impl Finding {
    /// Whether Wireshark marks it `tcp.analysis.retransmission`.
    pub(super) const fn is_retransmission(&self) -> bool {
        matches!(
            self.late,
            Some(Late::Retransmission | Late::Fast | Late::Spurious)
        )
    }
}

/// The state of one connection, both sides.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    sides: [Side; 2],
    syn_at: Option<Instant>,
    /// From SYN to the ACK that completes the handshake.
    round_trip: Option<Duration>,
}

#[derive(Debug, Default)]
struct Side {
    /// The highest sequence number sent, and one.
    next: Option<u32>,
    next_at: Instant,
    last_ack: Option<u32>,
    last_ack_at: Instant,
    window: u16,
    duplicate_acks: u32,
    /// The last segment was a keep-alive.
    keep_alive: bool,
}

impl Analysis {
    /// The handshake's last ACK passed at `now`.
    pub(super) fn established(&mut self, now: Instant) {
        if let (None, Some(syn_at)) = (self.round_trip, self.syn_at) {
            self.round_trip = Some(now - syn_at);
        }
    }

    /// Judges a segment that `side` sent at `now`.
    pub(super) fn judge(&mut self, side: usize, segment: &Segment<'_>, now: Instant) -> Finding {
        let mut finding = Finding::default();
        let (first, second) = self.sides.split_at_mut(1);
        let (fwd, rev) = if side == 0 {
            (&mut first[0], &mut second[0])
        } else {
            (&mut second[0], &mut first[0])
        };
        let (seq, flags) = (segment.sequence, segment.flags);
        let bytes = segment.payload.len() as u32;
        let ack = flags.ack().then_some(segment.acknowledgment);
        let bare = !(flags.syn() || flags.fin() || flags.rst());
        if flags.syn() && !flags.ack() {
            self.syn_at = Some(now);
        }

        let probe = bytes == 1 && fwd.next == Some(seq) && rev.window == 0 && rev.next.is_some();
        if !probe && let Some(next) = fwd.next {
            finding.lost_segment = after(seq, next) && !flags.rst();
            finding.keep_alive = bytes <= 1 && seq == next.wrapping_sub(1) && bare;
            let repeats = bytes == 0
                && segment.window != 0
                && segment.window == fwd.window
                && seq == next
                && ack.is_some()
                && ack == fwd.last_ack
                && bare;
            // An answer to a keep-alive looks the same and is none.
            if repeats && !rev.keep_alive {
                finding.duplicate_ack = Some(fwd.duplicate_acks + 1);
            }
        }
        fwd.duplicate_acks = finding.duplicate_ack.unwrap_or(0);

        let carries = bytes > 0 || flags.syn() || flags.fin();
        if carries && !probe && !finding.keep_alive {
            finding.late = late(fwd, rev, seq, bytes, now, self.round_trip);
        }

        let end = seq
            .wrapping_add(bytes)
            .wrapping_add(u32::from(flags.syn() || flags.fin()));
        if !probe && fwd.next.is_none_or(|next| after(end, next)) {
            fwd.next = Some(end);
            fwd.next_at = now;
        }
        if ack.is_some() {
            fwd.last_ack = ack;
            fwd.last_ack_at = now;
        }
        fwd.window = segment.window;
        fwd.keep_alive = finding.keep_alive;
        finding
    }
}

fn late(
    fwd: &Side,
    rev: &Side,
    seq: u32,
    bytes: u32,
    now: Instant,
    round_trip: Option<Duration>,
) -> Option<Late> {
    let next = fwd.next?;
    let end = seq.wrapping_add(bytes);
    // More than a byte from the last one on is new data behind a probe.
    let not_advanced = after(next, seq) && !(bytes > 1 && next.wrapping_sub(1) == seq);
    if bytes > 0 && rev.last_ack.is_some_and(|ack| !after(end, ack)) {
        return Some(Late::Spurious);
    }
    if !not_advanced {
        return None;
    }
    if rev.duplicate_acks >= 2 && rev.last_ack == Some(seq) && now - rev.last_ack_at < FAST {
        return Some(Late::Fast);
    }
    if now - fwd.next_at < round_trip.unwrap_or(REORDERED) && next != end {
        return Some(Late::OutOfOrder);
    }
    Some(Late::Retransmission)
}

/// Whether `a` comes after `b`, modulo 2^32.
const fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::Flags;

    const ACK: u8 = 0x10;

    struct Run(Analysis, Instant);

    impl Run {
        fn new() -> Self {
            let mut run = Self(Analysis::default(), Instant::ZERO);
            run.send(0, 99, 0, 0x02, 0, 10);
            run.send(1, 499, 100, 0x12, 0, 10);
            run.send(0, 100, 500, ACK, 0, 10);
            let now = run.1;
            run.0.established(now);
            run
        }

        fn send(
            &mut self,
            side: usize,
            seq: u32,
            ack: u32,
            flags: u8,
            n: usize,
            ms: u64,
        ) -> Finding {
            self.1 += Duration::from_millis(ms);
            let segment = Segment {
                source_port: 0,
                destination_port: 0,
                sequence: seq,
                acknowledgment: ack,
                flags: Flags(flags),
                window: 1000,
                mss: None,
                window_scale: None,
                sack_permitted: false,
                sack: false,
                header_bytes: 20,
                payload: &[0; 2000][..n],
            };
            self.0.judge(side, &segment, self.1)
        }
    }

    #[test]
    fn a_timeout_is_a_retransmission() {
        let mut run = Run::new();
        assert_eq!(run.send(0, 100, 500, ACK, 10, 1), Finding::default());
        let again = run.send(0, 100, 500, ACK, 10, 1000);
        assert_eq!(again.late, Some(Late::Retransmission));
        assert!(again.is_retransmission());
    }

    #[test]
    fn a_lost_syn_is_a_retransmission() {
        let mut run = Run(Analysis::default(), Instant::ZERO);
        assert_eq!(run.send(0, 99, 0, 0x02, 0, 0), Finding::default());
        assert!(run.send(0, 99, 0, 0x02, 0, 1000).is_retransmission());
    }

    #[test]
    fn a_swap_is_out_of_order() {
        let mut run = Run::new();
        assert!(run.send(0, 110, 500, ACK, 10, 1).lost_segment);
        let swapped = run.send(0, 100, 500, ACK, 10, 1);
        assert_eq!(swapped.late, Some(Late::OutOfOrder));
        assert!(!swapped.is_retransmission());
    }

    #[test]
    fn after_duplicate_acks_it_is_fast_and_of_acked_data_spurious() {
        let mut run = Run::new();
        run.send(0, 100, 500, ACK, 10, 1);
        run.send(0, 120, 500, ACK, 10, 1);
        run.send(1, 500, 110, ACK, 0, 1);
        for n in 1..=3 {
            let ack = run.send(1, 500, 110, ACK, 0, 1);
            assert_eq!(ack.duplicate_ack, Some(n));
        }
        assert_eq!(run.send(0, 110, 500, ACK, 10, 1).late, Some(Late::Fast));
        run.send(1, 500, 130, ACK, 0, 1);
        let spurious = run.send(0, 110, 500, ACK, 10, 100);
        assert_eq!(spurious.late, Some(Late::Spurious));
    }

    #[test]
    fn keep_alives_are_not_retransmissions_nor_their_answers_duplicates() {
        let mut run = Run::new();
        run.send(1, 500, 100, ACK, 0, 1);
        let probe = run.send(0, 99, 500, ACK, 0, 1000);
        assert!(probe.keep_alive && probe.late.is_none());
        assert_eq!(run.send(1, 500, 100, ACK, 0, 1).duplicate_ack, None);
    }
}
