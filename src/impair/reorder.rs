//! Packets that later ones overtake, as where parallel paths carry one flow.

use std::time::Duration;

use super::pick::{Pick, Picker};
use super::{Impair, Verdict};
use crate::rng::Stream;
use crate::time::Instant;

pub(super) struct Reorder {
    picker: Picker,
    by: u64,
    at_most: Duration,
}

impl Reorder {
    pub(super) const fn new(pick: Pick, by: u64, at_most: Duration) -> Self {
        Self {
            picker: Picker::new(pick),
            by,
            at_most,
        }
    }
}

impl Impair for Reorder {
    fn judge(&mut self, packet: &[u8], at: Instant, rng: &mut Stream) -> Verdict {
        if self.picker.takes(packet, rng) {
            Verdict::Behind {
                by: self.by,
                at,
                latest: at + self.at_most,
            }
        } else {
            Verdict::Pass(at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::{Matching, Which};
    use crate::rng::Seed;

    #[test]
    fn one_that_is_picked_waits_for_others_and_not_for_ever() {
        let pick = Pick {
            matching: Matching::Any,
            which: Which::Nth(vec![1]),
        };
        let mut reorder = Reorder::new(pick, 3, Duration::from_nanos(20));
        let mut rng = Seed(1).stream("reorder");
        let at = Instant::from_nanos(7);
        let behind = Verdict::Behind {
            by: 3,
            at,
            latest: Instant::from_nanos(27),
        };
        assert_eq!(reorder.judge(&[], at, &mut rng), behind);
        assert_eq!(reorder.judge(&[], at, &mut rng), Verdict::Pass(at));
    }
}
