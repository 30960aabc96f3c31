//! Packets that arrive twice, as from a network that learns a new path while the old one still delivers.

use std::time::Duration;

use super::pick::{Pick, Picker};
use super::{Impair, Verdict};
use crate::rng::Stream;
use crate::time::Instant;

pub(super) struct Duplicate {
    picker: Picker,
    later: Duration,
}

impl Duplicate {
    pub(super) const fn new(pick: Pick, later: Duration) -> Self {
        Self {
            picker: Picker::new(pick),
            later,
        }
    }
}

impl Impair for Duplicate {
    fn judge(&mut self, packet: &[u8], at: Instant, rng: &mut Stream) -> Verdict {
        if self.picker.takes(packet, rng) {
            Verdict::Twice(at, at + self.later)
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
    fn the_copy_comes_later_by_what_is_said() {
        let pick = Pick {
            matching: Matching::Any,
            which: Which::Nth(vec![2]),
        };
        let mut duplicate = Duplicate::new(pick, Duration::from_nanos(5));
        let mut rng = Seed(1).stream("duplicate");
        let at = Instant::from_nanos(7);
        let mut judge = || duplicate.judge(&[], at, &mut rng);
        assert_eq!(judge(), Verdict::Pass(at));
        assert_eq!(judge(), Verdict::Twice(at, Instant::from_nanos(12)));
        assert_eq!(judge(), Verdict::Pass(at));
    }
}
