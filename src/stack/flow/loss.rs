//! What a flow finds lost, or too large for the way, and sends again.

use super::Flow;
use crate::wire::packet::Segment;

impl Flow {
    /// A duplicate leaves the window alone (RFC 5681 §2). Linux opens its window while it reports a gap, and the
    /// socket counts only the first kind: where there is a gap, the SACK option says so (RFC 6675 §2).
    pub(in crate::stack) fn count_duplicates(&mut self, again: bool, segment: &Segment<'_>) {
        self.repeats = 0;
        let same_window = segment.window == self.last_window;
        if !again || !(same_window || segment.sack) {
            (self.duplicate_acks, self.duplicates_seen) = (0, 0);
            return;
        }
        self.duplicate_acks += 1;
        self.duplicates_seen = if same_window {
            self.duplicates_seen + 1
        } else {
            0
        };
        if self.duplicate_acks == 3 {
            self.repeats = 3_u32.saturating_sub(self.duplicates_seen);
        }
    }

    /// Whether [`Flow::takes_repeats`] may give any.
    pub(in crate::stack) const fn has_repeats(&self) -> bool {
        self.repeats > 0
    }

    /// How often the socket, which has seen the last acknowledgment once, must see it again: smoltcp sends again after
    /// three duplicates only. Of a partial acknowledgment nobody sends any, and of others it may have missed some. Asked
    /// once.
    pub(in crate::stack) fn takes_repeats(&mut self) -> u32 {
        let repeats = std::mem::take(&mut self.repeats);
        if self.socket().send_queue() == 0 {
            return 0;
        }
        self.resends_partial |= std::mem::take(&mut self.partial_ack);
        repeats
    }

    /// Whether a segment with this sequence number is in flight (RFC 5927 §4.1: what ICMP quotes must be).
    pub(in crate::stack) fn is_in_flight(&self, sequence: u32) -> bool {
        let (Some(from), Some(to)) = (self.last_ack, self.sent_to) else {
            return false;
        };
        sequence.wrapping_sub(from) < to.wrapping_sub(from)
    }

    /// The way to the peer carries `mtu` bytes at most. `false`, and nothing changed, when we knew.
    pub(in crate::stack) fn narrow(&mut self, mtu: usize) -> bool {
        // As in `Stack::mss_at`.
        let mss = mtu.saturating_sub(40);
        if mss >= self.mss {
            return false;
        }
        self.mss = mss;
        self.path_mtu = Some(mtu);
        if let Some(congestion) = &mut self.congestion {
            congestion.set_mss(mss);
        }
        true
    }

    /// What is in flight is to leave again at once.
    pub(in crate::stack) const fn resize(&mut self) {
        self.resized_to = self.sent_to;
        self.send_again = true;
    }

    /// Whether it is to leave again now; asked once.
    pub(in crate::stack) fn takes_again(&mut self) -> bool {
        std::mem::take(&mut self.send_again)
    }
}
