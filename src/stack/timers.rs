//! When each flow wants to be looked at next. The times of all flows lie side by side, so that an entry of the wheel
//! that is no longer wanted, as most are once an acknowledgment has come, is passed over without a look at its flow.

use crate::time::Instant;
use crate::time::wheel::Wheel;

/// One deadline a flow, by the flow's number.
#[derive(Default)]
pub(super) struct Timers {
    wheel: Wheel<u32>,
    of: Vec<Timer>,
}

/// [`Instant::FAR_FUTURE`] stands for never.
#[derive(Clone, Copy)]
struct Timer {
    /// Time of the flow's one live entry in the wheel: never after the deadline.
    armed: Instant,
    deadline: Instant,
}

const NEVER: Timer = Timer {
    armed: Instant::FAR_FUTURE,
    deadline: Instant::FAR_FUTURE,
};

impl Timers {
    /// Sets the deadline of flow number `id`, or takes it away.
    pub(super) fn set(&mut self, id: u32, deadline: Option<Instant>) {
        let index = id as usize;
        if index >= self.of.len() {
            self.of.resize(index + 1, NEVER);
        }
        let timer = &mut self.of[index];
        timer.deadline = deadline.unwrap_or(Instant::FAR_FUTURE);
        if timer.deadline < timer.armed {
            timer.armed = timer.deadline;
            self.wheel.push(timer.armed, id);
        }
    }

    /// When [`Timers::pop_due`] may give something, at the earliest.
    pub(super) fn next(&mut self) -> Option<Instant> {
        self.wheel.next()
    }

    /// A flow whose deadline has come by `now`: the earliest first, and of several the lowest number. Its deadline is
    /// then gone.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        while let Some((at, id)) = self.wheel.pop_due(now) {
            let timer = &mut self.of[id as usize];
            if timer.armed != at {
                continue;
            }
            if timer.deadline <= now {
                *timer = NEVER;
                return Some(id);
            }
            // Its time was put off since: the entry moves on.
            timer.armed = timer.deadline;
            if timer.armed < Instant::FAR_FUTURE {
                self.wheel.push(timer.armed, id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn fires_at_the_last_deadline_set_and_once() {
        let mut timers = Timers::default();
        timers.set(3, Some(at(50)));
        timers.set(1, Some(at(70)));
        timers.set(3, Some(at(60)));
        timers.set(2, Some(at(60)));
        timers.set(2, None);
        timers.set(1, Some(at(60)));
        assert_eq!(timers.pop_due(at(59)), None);
        assert_eq!(timers.pop_due(at(60)), Some(1));
        assert_eq!(timers.pop_due(at(60)), Some(3));
        assert_eq!(timers.pop_due(at(1_000)), None);
        assert_eq!(timers.next(), None);
    }
}
