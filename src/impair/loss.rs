//! Independent random loss.

use super::{Impair, Verdict};
use crate::event::DropCause;
use crate::rng::{Stream, chance};
use crate::time::Instant;
use crate::units::Probability;

pub(super) struct Loss(pub(super) Probability);

impl Impair for Loss {
    fn judge(&mut self, _: &[u8], at: Instant, rng: &mut Stream) -> Verdict {
        if chance(rng, self.0.parts_of_2_32()) {
            Verdict::Drop(DropCause::Loss)
        } else {
            Verdict::Pass(at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn loses_exactly_what_the_seed_says() {
        let mut rng = Seed(1).stream("loss");
        let lost = |p: &str, rng: &mut Stream| {
            let mut loss = Loss(p.parse().unwrap());
            (0..10_000)
                .filter(|_| loss.judge(&[], Instant::ZERO, rng) != Verdict::Pass(Instant::ZERO))
                .count()
        };
        assert_eq!(lost("0 %", &mut rng), 0);
        assert_eq!(lost("100 %", &mut rng), 10_000);
        assert_eq!(lost("2 %", &mut Seed(1).stream("loss")), 201);
    }
}
