//! The lab clock's moments as smoltcp counts them.

use crate::time::Instant;

/// smoltcp counts microseconds; what is below is cut off, so that nothing fires early twice.
pub(super) fn micros(now: Instant) -> smoltcp::time::Instant {
    let micros = now.as_nanos() / 1_000;
    smoltcp::time::Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

pub(super) fn from_micros(at: smoltcp::time::Instant) -> Instant {
    let micros = u64::try_from(at.total_micros()).unwrap_or(0);
    Instant::from_nanos(micros.saturating_mul(1_000))
}
