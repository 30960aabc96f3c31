//! A delay that differs from packet to packet.

use std::time::Duration;

use super::{Impair, Verdict};
use crate::rng::{Rng, Stream};
use crate::time::Instant;

/// A varying delay, on top of the constant one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter {
    /// The least is nothing, the most is this.
    pub up_to: Duration,
    /// How the delays spread between.
    pub distribution: Distribution,
    /// Whether a packet may overtake an earlier one. On one path it may not: it waits behind.
    pub reorder: bool,
}

/// How delays spread between nothing and the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Each is as likely as any other.
    Uniform,
    /// Around the middle, with a standard deviation of a twelfth of the most: the sum of twelve uniform ones (Irwin and
    /// Hall), which is a normal distribution but for its ends.
    Normal,
}

impl Distribution {
    /// All of them, with their words in lab files.
    pub const WORDS: [(&str, Self); 2] = [("uniform", Self::Uniform), ("normal", Self::Normal)];

    /// A part of `most`.
    fn draw(self, most: Duration, rng: &mut Stream) -> Duration {
        let draws: u64 = match self {
            Self::Uniform => 1,
            Self::Normal => 12,
        };
        let sum: u64 = (0..draws).map(|_| u64::from(rng.next_u32())).sum();
        // At most 2^64 ns and 12 times 2^32: 100 bits.
        let nanos = most.as_nanos() * u128::from(sum) / (u128::from(draws) << 32);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

pub(super) struct Jittering {
    jitter: Jitter,
    /// When the last packet leaves.
    last: Instant,
}

impl Jittering {
    pub(super) const fn new(jitter: Jitter) -> Self {
        Self {
            jitter,
            last: Instant::ZERO,
        }
    }
}

impl Impair for Jittering {
    fn judge(&mut self, _: &[u8], at: Instant, rng: &mut Stream) -> Verdict {
        let drawn = at + self.jitter.distribution.draw(self.jitter.up_to, rng);
        if self.jitter.reorder {
            return Verdict::Pass(drawn);
        }
        self.last = self.last.max(drawn);
        Verdict::Pass(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    /// When packets that come every 10 µs leave.
    fn leaving(distribution: Distribution, reorder: bool) -> Vec<(u64, u64)> {
        let mut jitter = Jittering::new(Jitter {
            up_to: Duration::from_millis(12),
            distribution,
            reorder,
        });
        let mut rng = Seed(1).stream("jitter");
        let each = (0..10_000_u64).map(|n| {
            let at = Instant::from_nanos(n * 10_000);
            let verdict = jitter.judge(&[], at, &mut rng);
            let Verdict::Pass(leaves) = verdict else {
                panic!("{verdict:?}");
            };
            (at.as_nanos(), leaves.as_nanos())
        });
        each.collect()
    }

    fn delays(distribution: Distribution) -> Vec<f64> {
        let all = leaving(distribution, true);
        let delay = |(at, leaves): &(u64, u64)| (leaves - at) as f64 / 1e6;
        all.iter().map(delay).collect()
    }

    #[test]
    fn delays_spread_as_told_and_never_beyond() {
        // Mean and standard deviation of 0 to 12: 6 and 12/√12 for uniform ones, 6 and 1 for normal ones.
        for (distribution, deviation) in [
            (Distribution::Uniform, 12.0 / 12_f64.sqrt()),
            (Distribution::Normal, 1.0),
        ] {
            let all = delays(distribution);
            assert!(all.iter().all(|d| (0.0..12.0).contains(d)));
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            assert!((mean - 6.0).abs() < 0.1, "{mean}");
            let square = all.iter().map(|d| (d - mean).powi(2)).sum::<f64>();
            let found = (square / all.len() as f64).sqrt();
            assert!((found / deviation - 1.0).abs() < 0.03, "{found}");
        }
    }

    #[test]
    fn packets_keep_their_order_unless_told_otherwise() {
        let in_order = |all: &[(u64, u64)]| all.windows(2).all(|w| w[0].1 <= w[1].1);
        assert!(in_order(&leaving(Distribution::Uniform, false)));
        assert!(!in_order(&leaving(Distribution::Uniform, true)));
    }
}
