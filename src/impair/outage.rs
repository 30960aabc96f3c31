//! A link that is down for a while: what enters it then is lost, what is on it already arrives.

use std::time::Duration;

use super::{Impair, Verdict};
use crate::event::DropCause;
use crate::rng::Stream;
use crate::time::Instant;

/// From when until when, since the start of the run. At its end the link is up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first moment at which it is down.
    pub from: Duration,
    /// The first moment at which it is up again.
    pub to: Duration,
}

pub(super) struct Outage(pub(super) Vec<Span>);

impl Impair for Outage {
    fn judge(&mut self, _: &[u8], at: Instant, _: &mut Stream) -> Verdict {
        let since = at - Instant::ZERO;
        let is_down = |span: &Span| (span.from..span.to).contains(&since);
        if self.0.iter().any(is_down) {
            Verdict::Drop(DropCause::Outage)
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
    fn a_link_is_down_from_the_first_moment_to_before_the_last() {
        let span = |from, to| Span {
            from: Duration::from_nanos(from),
            to: Duration::from_nanos(to),
        };
        let mut outage = Outage(vec![span(2, 4), span(6, 7)]);
        let mut rng = Seed(1).stream("outage");
        let lost: Vec<u64> = (0..9)
            .filter(|n| {
                let at = Instant::from_nanos(*n);
                outage.judge(&[], at, &mut rng) == Verdict::Drop(DropCause::Outage)
            })
            .collect();
        assert_eq!(lost, [2, 3, 6]);
    }
}
