//! A limited rate with a queue before it, whose tail is dropped. No packet is held here: the moments at which those
//! before it begin to leave say how much is waiting.

use std::collections::VecDeque;

use super::{Impair, Verdict};
use crate::event::DropCause;
use crate::rng::Stream;
use crate::time::Instant;
use crate::units::{BitRate, Bytes};

pub(super) struct Rate {
    rate: BitRate,
    queue: Bytes,
    packets: Option<u64>,
    idle_from: Instant,
    /// When each packet that may still be waiting begins to leave. Kept only where packets are counted.
    starts: VecDeque<Instant>,
}

impl Rate {
    pub(super) const fn new(rate: BitRate, queue: Bytes, packets: Option<u64>) -> Self {
        Self {
            rate,
            queue,
            packets,
            idle_from: Instant::ZERO,
            starts: VecDeque::new(),
        }
    }

    /// Whether as many packets as may wait are waiting already.
    fn is_full(&mut self, at: Instant) -> bool {
        let Some(most) = self.packets else {
            return false;
        };
        while self.starts.front().is_some_and(|start| *start <= at) {
            self.starts.pop_front();
        }
        self.starts.len() as u64 >= most
    }
}

impl Impair for Rate {
    fn judge(&mut self, packet: &[u8], at: Instant, _: &mut Stream) -> Verdict {
        let start = self.idle_from.max(at);
        let waiting = (start - at).as_nanos() * u128::from(self.rate.bits_per_second());
        let too_many_bytes = waiting > u128::from(self.queue.0) * 8_000_000_000;
        // One that finds the line idle does not wait, whatever the queue.
        if too_many_bytes || (start > at && self.is_full(at)) {
            return Verdict::Drop(DropCause::QueueFull);
        }
        if self.packets.is_some() && start > at {
            self.starts.push_back(start);
        }
        self.idle_from = start + self.rate.time_for(packet.len());
        Verdict::Pass(self.idle_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    const PACKET: [u8; 1_000] = [0; 1_000];

    const fn ms(n: u64) -> Instant {
        Instant::from_nanos(n * 1_000_000)
    }

    #[test]
    fn packets_queue_and_the_queue_ends() {
        // 1000 bytes at 8 Mbit/s take 1 ms each; two may wait.
        let mut rate = Rate::new("8 Mbit/s".parse().unwrap(), Bytes(2_000), None);
        let mut rng = Seed(1).stream("rate");
        let verdicts: Vec<_> = (0..4)
            .map(|_| rate.judge(&PACKET, ms(0), &mut rng))
            .collect();
        let pass = |n| Verdict::Pass(ms(n));
        let full = Verdict::Drop(DropCause::QueueFull);
        assert_eq!(verdicts, [pass(1), pass(2), pass(3), full]);
        assert_eq!(rate.judge(&PACKET, ms(2), &mut rng), pass(4));
    }

    #[test]
    fn a_queue_may_count_packets() {
        let mut rate = Rate::new("8 Mbit/s".parse().unwrap(), Bytes(64 << 10), Some(2));
        let mut rng = Seed(1).stream("rate");
        let mut judge = |at| rate.judge(&PACKET, at, &mut rng);
        let pass = |n| Verdict::Pass(ms(n));
        let full = Verdict::Drop(DropCause::QueueFull);
        assert_eq!(judge(ms(0)), pass(1), "it does not wait");
        assert_eq!([judge(ms(0)), judge(ms(0))], [pass(2), pass(3)]);
        assert_eq!(judge(ms(0)), full);
        assert_eq!(judge(ms(1)), pass(4), "one left");
        assert_eq!(judge(ms(1)), full);
    }

    #[test]
    fn without_a_queue_a_packet_passes_where_the_line_is_idle() {
        let mut rate = Rate::new("8 Mbit/s".parse().unwrap(), Bytes(64 << 10), Some(0));
        let mut rng = Seed(1).stream("rate");
        let mut judge = |at| rate.judge(&PACKET, at, &mut rng);
        assert_eq!(judge(ms(0)), Verdict::Pass(ms(1)));
        assert_eq!(judge(ms(0)), Verdict::Drop(DropCause::QueueFull));
        assert_eq!(judge(ms(1)), Verdict::Pass(ms(2)));
    }
}
