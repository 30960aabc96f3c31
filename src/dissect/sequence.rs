//! Wireshark's analysis of TCP sequence numbers: which segments look retransmitted, out of order, duplicate. It
//! judges by one tap's view alone, and so do we, with its rules (`tcp_analyze_sequence_number`), so that
//! `tcp.analysis` fields select the same frames.

use std::time::Duration;

use super::output::Output;
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
    /// It opens a connection between ends that had another one before.
    pub(super) reused_ports: bool,
    /// Segments before it were not seen.
    pub(super) lost_segment: bool,
    /// It acknowledges what was not seen.
    pub(super) ack_lost_segment: bool,
    pub(super) keep_alive: bool,
    pub(super) keep_alive_ack: bool,
    /// Its sender has no room.
    pub(super) zero_window: bool,
    /// One byte for a receiver that has no room.
    pub(super) zero_window_probe: bool,
    /// There still is none.
    pub(super) zero_window_probe_ack: bool,
    /// It fills the receiver's window to the last byte.
    pub(super) window_full: bool,
    /// Nothing new but the window.
    pub(super) window_update: bool,
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

    /// The fields that say it.
    pub(super) fn push(&self, out: &mut Output<'_>) {
        if *self != Self::default() {
            out.present("tcp.analysis.flags");
        }
        for (name, found) in [
            ("tcp.analysis.reused_ports", self.reused_ports),
            ("tcp.analysis.lost_segment", self.lost_segment),
            ("tcp.analysis.ack_lost_segment", self.ack_lost_segment),
            ("tcp.analysis.window_update", self.window_update),
            ("tcp.analysis.window_full", self.window_full),
            ("tcp.analysis.keep_alive", self.keep_alive),
            ("tcp.analysis.keep_alive_ack", self.keep_alive_ack),
            ("tcp.analysis.zero_window_probe", self.zero_window_probe),
            ("tcp.analysis.zero_window", self.zero_window),
            (
                "tcp.analysis.zero_window_probe_ack",
                self.zero_window_probe_ack,
            ),
        ] {
            if found {
                out.present(name);
            }
        }
        if let Some(n) = self.duplicate_ack {
            out.present("tcp.analysis.duplicate_ack");
            out.number("tcp.analysis.duplicate_ack_num", n);
        }
        match self.late {
            Some(Late::Fast) => out.present("tcp.analysis.fast_retransmission"),
            Some(Late::Spurious) => out.present("tcp.analysis.spurious_retransmission"),
            Some(Late::OutOfOrder) => out.present("tcp.analysis.out_of_order"),
            Some(Late::Retransmission) | None => {}
        }
        if self.is_retransmission() {
            out.present("tcp.analysis.retransmission");
        }
    }
}

/// The state of one connection, both sides.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    sides: [Side; 2],
    /// The ends had another connection before, and this one has not begun.
    reused_ports: bool,
    syn_at: Option<Instant>,
    /// From SYN to the first ACK without one.
    round_trip: Option<Duration>,
}

#[derive(Debug, Default)]
struct Side {
    /// The highest sequence number sent, and one.
    next: Option<u32>,
    next_at: Instant,
    /// The same, up to the first gap.
    whole: Option<u32>,
    /// The number in the field, valid or not.
    last_ack: u32,
    last_ack_at: Instant,
    window: Option<u16>,
    scale: Scale,
    /// It sent a SYN and no acknowledgment since, so that what is known of its window is of that SYN and not scaled.
    unscaled_yet: bool,
    /// Of the same number.
    duplicate_acks: u32,
    /// That number acknowledged what was not seen, and it was said.
    acked_unseen: bool,
    /// What the last segment was.
    last: Finding,
}

/// What is known of a side's window scaling (RFC 7323 §2.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Scale {
    /// No SYN told.
    #[default]
    Unknown,
    /// A SYN without the option.
    None,
    By(u8),
}

impl Analysis {
    /// The next segment begins a connection, between ends that had another one.
    pub(super) const fn begins_anew(&mut self) {
        self.reused_ports = true;
    }

    /// Judges a segment that `side` sent at `now`.
    pub(super) fn judge(&mut self, side: usize, segment: &Segment<'_>, now: Instant) -> Finding {
        let (first, second) = self.sides.split_at_mut(1);
        let (fwd, rev) = if side == 0 {
            (&mut first[0], &mut second[0])
        } else {
            (&mut second[0], &mut first[0])
        };
        let (seq, flags) = (segment.sequence, segment.flags);
        let bytes = segment.payload.len() as u32;
        let ack = segment.acknowledgment;

        let mut finding = Finding {
            reused_ports: std::mem::take(&mut self.reused_ports),
            ..Finding::default()
        };
        fwd.window(rev, segment, &mut finding);
        if ack != fwd.last_ack {
            fwd.duplicate_acks = 0;
            fwd.acked_unseen = false;
        }
        if let Some(n) = finding.duplicate_ack {
            fwd.duplicate_acks = n;
            fwd.acked_unseen = false;
        }
        if flags.ack() {
            finding.ack_lost_segment = rev.is_acked_unseen(ack);
        }
        let carries = bytes > 0 || flags.syn() || flags.fin();
        if carries && !finding.keep_alive {
            finding.late = late(fwd, rev, segment, now, self.round_trip);
        }

        let end = seq
            .wrapping_add(bytes)
            .wrapping_add(u32::from(flags.syn() || flags.fin()));
        if !finding.zero_window_probe {
            if fwd.next.is_none_or(|next| after(end, next)) {
                fwd.next = Some(end);
                fwd.next_at = now;
            }
            if fwd.whole.is_none_or(|whole| whole == seq) {
                fwd.whole = fwd.next;
            }
        }
        fwd.last_ack = ack;
        fwd.last_ack_at = now;
        fwd.window = Some(segment.window);
        fwd.last = finding;

        if flags.syn() {
            if !flags.ack() {
                self.syn_at = Some(now);
            }
            fwd.unscaled_yet = true;
            scaling(fwd, rev, segment);
        } else if flags.ack() {
            fwd.unscaled_yet = false;
            if let (None, Some(syn_at)) = (self.round_trip, self.syn_at) {
                self.round_trip = Some(now - syn_at).filter(|trip| !trip.is_zero());
            }
        }
        finding
    }
}

impl Side {
    /// What a segment of this side says without looking at what is sent again: windows, probes of all kinds, gaps and
    /// duplicate acknowledgments.
    fn window(&self, rev: &Self, segment: &Segment<'_>, finding: &mut Finding) {
        let (seq, flags, window) = (segment.sequence, segment.flags, segment.window);
        let bytes = segment.payload.len() as u32;
        let bare = !(flags.syn() || flags.fin() || flags.rst());
        let next = self.next;
        // A probe is nothing else.
        if bytes == 1 && next == Some(seq) && rev.window == Some(0) {
            finding.zero_window_probe = true;
            return;
        }
        finding.zero_window = window == 0 && bare;
        finding.lost_segment = next.is_some_and(|next| after(seq, next)) && !flags.rst();
        if !bare {
            return;
        }
        finding.keep_alive = bytes <= 1 && next.is_some_and(|next| seq == next.wrapping_sub(1));
        finding.window_full = bytes > 0 && rev.edge() == Some(seq.wrapping_add(bytes));
        let repeats = bytes == 0 && next == Some(seq) && segment.acknowledgment == self.last_ack;
        if !repeats {
            return;
        }
        let same = self.window == Some(window);
        finding.window_update = window != 0 && !same;
        finding.keep_alive_ack = window != 0 && same && rev.last.keep_alive;
        finding.zero_window_probe_ack = window == 0 && same && rev.last.zero_window_probe;
        // An answer to a keep-alive looks the same and is none.
        if window != 0 && same && !finding.keep_alive_ack {
            finding.duplicate_ack = Some(self.duplicate_acks + 1);
        }
    }

    /// The sequence number up to which the other side may send, if its scaling is known.
    fn edge(&self) -> Option<u32> {
        let shift = match self.scale {
            Scale::Unknown => return None,
            Scale::By(shift) if !self.unscaled_yet => shift,
            Scale::None | Scale::By(_) => 0,
        };
        Some(self.last_ack.wrapping_add(u32::from(self.window?) << shift))
    }

    /// Whether `ack` is of data of this side that was not seen; it is said once.
    fn is_acked_unseen(&mut self, ack: u32) -> bool {
        let (Some(whole), Some(next)) = (self.whole, self.next) else {
            return false;
        };
        if !after(ack, whole) {
            return false;
        }
        if after(next, whole) {
            self.whole = Some(next);
            return true;
        }
        let new = self.duplicate_acks == 0 && !self.acked_unseen;
        self.duplicate_acks = 0;
        self.acked_unseen = true;
        new
    }
}

/// A SYN tells whether windows will be scaled: one without the option, that they are not, on either side.
fn scaling(fwd: &mut Side, rev: &mut Side, segment: &Segment<'_>) {
    if let Some(shift) = segment.window_scale {
        fwd.scale = Scale::By(shift.min(14));
    }
    if fwd.scale == Scale::Unknown {
        (fwd.scale, rev.scale) = (Scale::None, Scale::None);
    } else if segment.flags.ack() && rev.scale == Scale::None {
        fwd.scale = Scale::None;
    }
}

fn late(
    fwd: &Side,
    rev: &Side,
    segment: &Segment<'_>,
    now: Instant,
    round_trip: Option<Duration>,
) -> Option<Late> {
    let (seq, bytes) = (segment.sequence, segment.payload.len() as u32);
    let end = seq.wrapping_add(bytes);
    if bytes > 0 && rev.last_ack != 0 && !after(end, rev.last_ack) {
        return Some(Late::Spurious);
    }
    let next = fwd.next?;
    // More than a byte from the last one on is new data behind a probe.
    let not_advanced = after(next, seq) && !(bytes > 1 && next.wrapping_sub(1) == seq);
    if !not_advanced {
        return None;
    }
    // Wireshark's counter is minus one behind an acknowledgment of what was not seen, and has no sign.
    let duplicates = rev.duplicate_acks >= 2 || rev.acked_unseen;
    if duplicates && rev.last_ack == seq && now - rev.last_ack_at < FAST {
        return Some(Late::Fast);
    }
    let counted = u32::from(segment.flags.syn() || segment.flags.fin());
    let soon = now - fwd.next_at < round_trip.unwrap_or(REORDERED);
    if soon && next != end.wrapping_add(counted) {
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
