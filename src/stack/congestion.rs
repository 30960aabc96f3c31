//! The congestion window of one connection: RFC 6928 at the start, RFC 5681 after it. smoltcp's own controller
//! starts at 2048 bytes and cannot be told otherwise, so it is off; a stream offers bytes to its socket only while
//! fewer than the window are in flight.

/// A Reno controller counting acknowledged bytes (RFC 3465).
#[derive(Debug, Clone)]
pub(super) struct Congestion {
    window: usize,
    threshold: usize,
    mss: usize,
    /// Acknowledged bytes that did not yet make a whole segment of growth in congestion avoidance.
    acked: usize,
    /// No second reduction before this much is acknowledged: one window is lost once (RFC 5681 §3.2).
    recovering: usize,
}

impl Congestion {
    /// The initial window of RFC 6928 §2: `min(10 * MSS, max(2 * MSS, 14600))`.
    pub(super) const fn new(mss: usize) -> Self {
        let floor = if 2 * mss > 14_600 { 2 * mss } else { 14_600 };
        let window = if 10 * mss < floor { 10 * mss } else { floor };
        Self {
            window,
            threshold: usize::MAX,
            mss,
            acked: 0,
            recovering: 0,
        }
    }

    /// Bytes that may be in flight.
    pub(super) const fn window(&self) -> usize {
        self.window
    }

    /// Segments are smaller from now on.
    pub(super) const fn set_mss(&mut self, mss: usize) {
        self.mss = mss;
    }

    /// `bytes` were acknowledged for the first time.
    pub(super) fn on_acknowledged(&mut self, bytes: usize) {
        self.recovering = self.recovering.saturating_sub(bytes);
        if self.window < self.threshold {
            // Slow start, RFC 5681 §3.1. Without the limit L of RFC 3465 §2.2, as in Linux: our receivers acknowledge
            // once for all segments of an instant, and the limit would make of that one step of growth.
            self.window += bytes;
            return;
        }
        self.acked += bytes;
        if self.acked >= self.window {
            self.acked -= self.window;
            self.window += self.mss;
        }
    }

    /// A segment was sent again with `in_flight` bytes outstanding: after duplicate ACKs (`timeout` false) or after
    /// the retransmission timer ran out.
    pub(super) fn on_retransmission(&mut self, in_flight: usize, timeout: bool) {
        if self.recovering > 0 && !timeout {
            return;
        }
        // RFC 5681 §3.1, equation 4.
        self.threshold = (in_flight / 2).max(2 * self.mss);
        self.window = if timeout { self.mss } else { self.threshold };
        self.acked = 0;
        self.recovering = in_flight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_window_is_ten_segments_or_14600_bytes() {
        assert_eq!(Congestion::new(536).window(), 5_360);
        assert_eq!(Congestion::new(1_460).window(), 14_600);
        assert_eq!(Congestion::new(8_960).window(), 17_920);
    }

    #[test]
    fn doubles_then_grows_by_a_segment_a_round_trip() {
        let mut c = Congestion::new(1_000);
        for _ in 0..10 {
            c.on_acknowledged(1_000);
        }
        assert_eq!(c.window(), 20_000, "slow start doubles in a round trip");
        c.on_retransmission(20_000, false);
        assert_eq!(c.window(), 10_000, "halved once");
        c.on_retransmission(20_000, false);
        assert_eq!(c.window(), 10_000, "and not twice for the same window");
        for _ in 0..10 {
            c.on_acknowledged(1_000);
        }
        assert_eq!(c.window(), 11_000, "congestion avoidance adds one segment");
        c.on_retransmission(11_000, true);
        assert_eq!(c.window(), 1_000, "a timeout begins again with one segment");
    }
}
