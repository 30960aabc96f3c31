//! A constant delay, as of a cable's length.

use std::time::Duration;

use super::{Impair, Verdict};
use crate::rng::Stream;
use crate::time::Instant;

pub(super) struct Delay(pub(super) Duration);

impl Impair for Delay {
    fn judge(&mut self, _: &[u8], at: Instant, _: &mut Stream) -> Verdict {
        Verdict::Pass(at + self.0)
    }
}
