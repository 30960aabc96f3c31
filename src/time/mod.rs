//! The lab clock: nanoseconds since the run began, and the calendar date they stand for.
//! Nobody here knows what drives it; `world` does, in virtual time or against the wall clock.

use std::fmt;
use std::future::Future;
use std::ops::{Add, AddAssign, Sub};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) mod wheel;

use wheel::Wheel;

/// A moment of the run, in nanoseconds since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// Later than any event.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Milliseconds since the start, for people.
    #[must_use]
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

/// Milliseconds with six decimals, as in `20.016640 ms`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} ms", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A calendar moment: seconds since 1970-01-01T00:00:00Z, as certificates and log lines count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// Midnight UTC of a day of the proleptic Gregorian calendar, from 1970 on.
    #[must_use]
    pub const fn from_ymd(year: u32, month: u32, day: u32) -> Self {
        // Days from civil: years start in March, so that the leap day is the last of its year.
        let y = (year - (month <= 2) as u32) as u64;
        let m = ((month + 9) % 12) as u64;
        let day_of_year = (153 * m + 2) / 5 + day as u64 - 1;
        let days = 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719_468;
        Self(days * 86_400)
    }

    /// Year, month (1 to 12) and day (1 to 31), UTC.
    #[must_use]
    pub fn to_ymd(self) -> (i32, u8, u8) {
        // Civil from days, the inverse of the above.
        let days = self.0 / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let m = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * m + 2) / 5 + 1;
        let month = if m < 10 { m + 3 } else { m - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        // Dates of 64-bit seconds beyond the year 2^31 do not occur in certificates.
        (
            i32::try_from(year).unwrap_or(i32::MAX),
            month as u8,
            day as u8,
        )
    }

    /// The `IMF-fixdate` of RFC 9110 §5.6.7: `Wed, 05 Nov 2025 00:00:00 GMT`.
    #[must_use]
    pub fn to_http_date(self) -> String {
        httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(self.0))
    }
}

/// RFC 3339, as in `2025-11-05T00:00:00Z`.
impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.to_ymd();
        let rest = self.0 % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            rest / 3600,
            rest / 60 % 60,
            rest % 60
        )
    }
}

/// A calendar moment to the microsecond: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMicros(pub u64);

/// RFC 3339 with six decimals, as in `2018-07-02T22:23:00.186641Z`.
impl fmt::Display for UnixMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = UnixSeconds(self.0 / 1_000_000).to_string();
        let seconds = seconds.trim_end_matches('Z');
        write!(f, "{seconds}.{:06}Z", self.0 % 1_000_000)
    }
}

/// A handle on the lab clock. Cloning shares the clock.
#[derive(Clone)]
pub struct Clock(Arc<Shared>);

struct Shared {
    now: AtomicU64,
    epoch: UnixSeconds,
    sleepers: Mutex<Sleepers>,
}

/// Those who sleep. A wheel says who is due, so that a sleep costs the same however many others sleep.
#[derive(Default)]
struct Sleepers {
    seq: u64,
    wheel: Wheel<Ticket>,
    beds: Vec<Bed>,
    free: Vec<u32>,
}

/// A sleep: of those due at one moment the first to come is the first to wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    seq: u64,
    bed: u32,
}

/// Where a sleeper's waker is kept. The wheel still knows a ticket after its sleep was given up; the bed does not.
struct Bed {
    seq: u64,
    waker: Option<Waker>,
}

impl Sleepers {
    fn lie_down(&mut self, at: Instant, waker: Waker) -> Ticket {
        self.seq += 1;
        let seq = self.seq;
        let bed = Bed {
            seq,
            waker: Some(waker),
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.beds[number as usize] = bed;
                number
            }
            None => {
                self.beds.push(bed);
                // 2^32 sleepers do not fit any machine.
                (self.beds.len() - 1) as u32
            }
        };
        let ticket = Ticket { seq, bed: number };
        self.wheel.push(at, ticket);
        ticket
    }

    /// The waker of a sleep that nobody has given up, taken out.
    fn get_up(&mut self, ticket: Ticket) -> Option<Waker> {
        let bed = &mut self.beds[ticket.bed as usize];
        if bed.seq != ticket.seq {
            return None;
        }
        let waker = bed.waker.take()?;
        self.free.push(ticket.bed);
        Some(waker)
    }

    fn is_asleep(&self, ticket: Ticket) -> bool {
        let bed = &self.beds[ticket.bed as usize];
        bed.seq == ticket.seq && bed.waker.is_some()
    }

    /// When the first one wants to wake.
    fn next(&mut self) -> Option<Instant> {
        while let Some((at, ticket)) = self.wheel.peek() {
            if self.is_asleep(ticket) {
                return Some(at);
            }
            self.wheel.pop_due(at);
        }
        None
    }

    /// The waker of the first who is due by `now`.
    fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        while let Some((_, ticket)) = self.wheel.pop_due(now) {
            if let Some(waker) = self.get_up(ticket) {
                return Some(waker);
            }
        }
        None
    }
}

impl Clock {
    /// A clock at the start of a run that begins on the date `epoch`.
    #[must_use]
    pub fn new(epoch: UnixSeconds) -> Self {
        Self(Arc::new(Shared {
            now: AtomicU64::new(0),
            epoch,
            sleepers: Mutex::default(),
        }))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant(self.0.now.load(Ordering::Relaxed))
    }

    /// The date at which the run began.
    #[must_use]
    pub fn epoch(&self) -> UnixSeconds {
        self.0.epoch
    }

    /// The present date.
    #[must_use]
    pub fn date(&self) -> UnixSeconds {
        UnixSeconds(self.0.epoch.0 + self.now().as_nanos() / 1_000_000_000)
    }

    /// The present date, to the microsecond.
    #[must_use]
    pub fn date_micros(&self) -> UnixMicros {
        UnixMicros(self.0.epoch.0 * 1_000_000 + self.now().as_nanos() / 1_000)
    }

    /// Completes `d` from now.
    #[must_use]
    pub fn sleep(&self, d: Duration) -> Sleep {
        self.sleep_until(self.now() + d)
    }

    /// Completes at `at`, or at once when that has passed.
    #[must_use]
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep {
            clock: self.clone(),
            at,
            ticket: None,
        }
    }

    /// When the first sleeper wants to wake; the driver's side of the clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.sleepers().next()
    }

    /// Moves the clock to `to` (never back) and wakes every sleeper due by then, earliest first.
    pub fn advance(&self, to: Instant) {
        let to = to.max(self.now());
        self.0.now.store(to.0, Ordering::Relaxed);
        loop {
            // The lock is released before waking: a waker may run code that sleeps again.
            let Some(waker) = self.sleepers().pop_due(to) else {
                return;
            };
            waker.wake();
        }
    }

    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        // A panic elsewhere cannot leave the map half-changed.
        self.0
            .sleepers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// The future of [`Clock::sleep`].
pub struct Sleep {
    clock: Clock,
    at: Instant,
    ticket: Option<Ticket>,
}

impl Sleep {
    fn cancel(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.clock.sleepers().get_up(ticket);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.at {
            self.cancel();
            return Poll::Ready(());
        }
        let clock = self.clock.clone();
        let mut sleepers = clock.sleepers();
        match self.ticket {
            // Asleep already: only who is to be woken may have changed.
            Some(ticket) if sleepers.is_asleep(ticket) => {
                sleepers.beds[ticket.bed as usize].waker = Some(cx.waker().clone());
            }
            _ => self.ticket = Some(sleepers.lie_down(self.at, cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_print_and_parse_back() {
        assert_eq!(UnixSeconds::from_ymd(2025, 11, 5).0, 1_762_300_800);
        for (y, m, d) in [(1970, 1, 1), (2000, 2, 29), (2024, 12, 31), (2100, 3, 1)] {
            let s = UnixSeconds::from_ymd(y, m, d).to_string();
            assert_eq!(s, format!("{y:04}-{m:02}-{d:02}T00:00:00Z"));
        }
        assert_eq!(
            UnixSeconds(1_762_300_800).to_http_date(),
            "Wed, 05 Nov 2025 00:00:00 GMT"
        );
    }

    #[test]
    fn sleepers_wake_in_order_of_time_then_of_registration() {
        use std::task::Wake;
        struct Note(&'static str, Arc<Mutex<Vec<&'static str>>>);
        impl Wake for Note {
            fn wake(self: Arc<Self>) {
                self.1.lock().unwrap().push(self.0);
            }
        }
        let clock = Clock::new(UnixSeconds(0));
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut sleeps = Vec::new();
        for (name, ms) in [("late", 30), ("first", 10), ("second", 10)] {
            let mut sleep = Box::pin(clock.sleep(Duration::from_millis(ms)));
            let waker = Waker::from(Arc::new(Note(name, log.clone())));
            assert!(
                sleep
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            sleeps.push(sleep);
        }
        assert_eq!(clock.next_deadline(), Some(Instant(10_000_000)));
        clock.advance(Instant(20_000_000));
        assert_eq!(*log.lock().unwrap(), ["first", "second"]);
        sleeps.clear();
        assert_eq!(
            clock.next_deadline(),
            None,
            "a dropped sleep leaves nothing behind"
        );
    }
}
