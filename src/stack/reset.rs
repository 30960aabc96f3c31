//! Whether a RST is believed (RFC 9293 §3.10.7.4, RFC 5961 §3.2). smoltcp believes every one inside the receive window, as
//! RFC 793 had it; whoever knows addresses and ports then has to hit one of 65,535 numbers only. Today's rule asks for
//! the very next number: any other inside the window is answered with a challenge ACK, to which a peer that really has
//! reset the connection answers with a RST that fits.

use std::time::Duration;

use crate::time::Instant;
use crate::wire::packet::Segment;

/// Challenges of one connection are this far apart at least (RFC 5961 §7).
const BETWEEN_CHALLENGES: Duration = Duration::from_secs(1);

/// What becomes of a RST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the peer's.
    Believe,
    /// It is outside the window: nothing is said.
    Ignore,
    /// It is inside the window, and not the next number: the peer is asked.
    Challenge,
}

impl Verdict {
    /// Of a RST whose sequence number is `beyond` the next one, where the window is `window` bytes at most.
    pub(super) const fn of(beyond: usize, window: usize) -> Self {
        match beyond {
            0 => Self::Believe,
            beyond if beyond < window => Self::Challenge,
            _ => Self::Ignore,
        }
    }
}

/// Where both directions of a connection are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    /// The next sequence number that the peer sends (RCV.NXT).
    received_to: Option<u32>,
    /// The next one that we send (SND.NXT).
    sent_to: Option<u32>,
    /// The window field of our last segment.
    window: u16,
    challenged: Option<Instant>,
}

impl Numbers {
    /// Notes a segment of the peer's that the socket takes.
    pub(super) fn on_received(&mut self, segment: &Segment<'_>) {
        if segment.flags.rst() {
            return;
        }
        let end = end(segment);
        match self.received_to {
            _ if segment.flags.syn() => self.received_to = Some(end),
            // In order. A gap is closed for us by the ACK that tells so at once.
            Some(to) if !is_before(to, segment.sequence) && is_before(to, end) => {
                self.received_to = Some(end);
            }
            Some(_) | None => {}
        }
    }

    /// Notes a segment of ours.
    pub(super) fn on_sent(&mut self, segment: &Segment<'_>) {
        let end = end(segment);
        if self.sent_to.is_none_or(|to| is_before(to, end)) {
            self.sent_to = Some(end);
        }
        self.window = segment.window;
        if segment.flags.ack()
            && self
                .received_to
                .is_none_or(|to| is_before(to, segment.acknowledgment))
        {
            self.received_to = Some(segment.acknowledgment);
        }
    }

    /// What becomes of a RST with this sequence number, where the window is `window` bytes at most.
    pub(super) fn judge(&self, sequence: u32, window: usize) -> Verdict {
        let Some(to) = self.received_to else {
            return Verdict::Believe;
        };
        Verdict::of(sequence.wrapping_sub(to) as usize, window)
    }

    /// Sequence number, acknowledgment and window of a challenge ACK, when one is due at `now`.
    pub(super) fn challenge(&mut self, now: Instant) -> Option<(u32, u32, u16)> {
        let early = |at: Instant| now < at + BETWEEN_CHALLENGES;
        if self.challenged.is_some_and(early) {
            return None;
        }
        let numbers = self.all()?;
        self.challenged = Some(now);
        Some(numbers)
    }

    /// Our next sequence number, the peer's next one, and the window field of our last segment.
    pub(super) fn all(&self) -> Option<(u32, u32, u16)> {
        Some((self.sent_to?, self.received_to?, self.window))
    }

    /// Whether a segment carries bytes that have not come before.
    pub(super) fn is_new(&self, segment: &Segment<'_>) -> bool {
        let end = segment.sequence.wrapping_add(segment.payload.len() as u32);
        !segment.payload.is_empty() && self.received_to.is_some_and(|to| is_before(to, end))
    }
}

/// The sequence number behind a segment.
fn end(segment: &Segment<'_>) -> u32 {
    let flags = u32::from(segment.flags.syn()) + u32::from(segment.flags.fin());
    let length = (segment.payload.len() as u32).wrapping_add(flags);
    segment.sequence.wrapping_add(length)
}

/// Whether `a` comes before `b`, as sequence numbers (RFC 9293 §3.4).
pub(super) const fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::Flags;

    fn segment(sequence: u32, acknowledgment: u32, flags: u8, payload: &[u8]) -> Segment<'_> {
        Segment {
            source_port: 443,
            destination_port: 50_000,
            sequence,
            acknowledgment,
            flags: Flags(flags),
            window: 500,
            mss: None,
            window_scale: None,
            sack_permitted: false,
            sack: false,
            header_bytes: 20,
            payload,
        }
    }

    /// Across the end of the numbers: a SYN-ACK, five bytes, two of them again with one more, and a gap.
    #[test]
    fn only_the_next_number_is_believed() {
        let start = u32::MAX - 3;
        let mut numbers = Numbers::default();
        assert_eq!(numbers.judge(9, 100), Verdict::Believe, "smoltcp's affair");
        numbers.on_received(&segment(start, 8, 0x12, b""));
        numbers.on_sent(&segment(8, start.wrapping_add(1), 0x10, b""));
        numbers.on_received(&segment(start.wrapping_add(1), 8, 0x10, b"abcde"));
        numbers.on_received(&segment(start.wrapping_add(4), 8, 0x10, b"def"));
        numbers.on_received(&segment(start.wrapping_add(9), 8, 0x10, b"ij"));
        let next = start.wrapping_add(7);
        assert_eq!(numbers.judge(next, 100), Verdict::Believe);
        for inside in [1, 99] {
            let sequence = next.wrapping_add(inside);
            assert_eq!(numbers.judge(sequence, 100), Verdict::Challenge);
        }
        for outside in [100, 0x7fff_ffff, u32::MAX] {
            let sequence = next.wrapping_add(outside);
            assert_eq!(numbers.judge(sequence, 100), Verdict::Ignore, "{outside}");
        }
        // The gap is closed: our ACK says so.
        numbers.on_sent(&segment(8, start.wrapping_add(11), 0x10, b""));
        assert_eq!(numbers.judge(start.wrapping_add(11), 100), Verdict::Believe);
    }

    #[test]
    fn challenges_are_rare() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.challenge(Instant::ZERO), None, "nothing is known");
        numbers.on_sent(&segment(8, 70, 0x18, b"abc"));
        let challenge = Some((11, 70, 500));
        assert_eq!(numbers.challenge(Instant::ZERO), challenge);
        let later = |ms| Instant::ZERO + Duration::from_millis(ms);
        assert_eq!(numbers.challenge(later(999)), None);
        assert_eq!(numbers.challenge(later(1_000)), challenge);
    }
}
