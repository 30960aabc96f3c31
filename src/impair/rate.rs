//! A limited rate with a queue before it. No packet is held here: the moment at which the line falls idle says how
//! much is waiting.

use super::{Impair, Verdict};
use crate::event::DropCause;
use crate::rng::Stream;
use crate::time::Instant;
use crate::units::{BitRate, Bytes};

pub(super) struct Rate {
    rate: BitRate,
    queue: Bytes,
    idle_from: Instant,
}

impl Rate {
    pub(super) const fn new(rate: BitRate, queue: Bytes) -> Self {
        Self {
            rate,
            queue,
            idle_from: Instant::ZERO,
        }
    }
}

impl Impair for Rate {
    fn judge(&mut self, packet: &[u8], at: Instant, _: &mut Stream) -> Verdict {
        let start = self.idle_from.max(at);
        let waiting = (start - at).as_nanos() * u128::from(self.rate.bits_per_second());
        if waiting > u128::from(self.queue.0) * 8_000_000_000 {
            return Verdict::Drop(DropCause::QueueFull);
        }
        self.idle_from = start + self.rate.time_for(packet.len());
        Verdict::Pass(self.idle_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn packets_queue_and_the_queue_ends() {
        // 1000 bytes at 8 Mbit/s take 1 ms each; two may wait.
        let mut rate = Rate::new("8 Mbit/s".parse().unwrap(), Bytes(2_000));
        let mut rng = Seed(1).stream("rate");
        let packet = [0; 1_000];
        let ms = |n: u64| Instant::from_nanos(n * 1_000_000);
        let verdicts: Vec<_> = (0..4)
            .map(|_| rate.judge(&packet, ms(0), &mut rng))
            .collect();
        let pass = |n| Verdict::Pass(ms(n));
        let full = Verdict::Drop(DropCause::QueueFull);
        assert_eq!(verdicts, [pass(1), pass(2), pass(3), full]);
        assert_eq!(rate.judge(&packet, ms(2), &mut rng), pass(4));
    }
}
