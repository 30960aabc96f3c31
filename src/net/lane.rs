//! One direction of a link: asks its impairments one after the other, and keeps the packets that others are to
//! overtake.

use crate::event::DropCause;
use crate::impair::{Impair, Impairment, Verdict};
use crate::name::Name;
use crate::rng::{Seed, Stream};
use crate::time::Instant;

use super::topology::Link;

/// One direction of a link.
pub(super) struct Lane {
    pub(super) link: Name,
    /// The NIC at its end.
    pub(super) to: usize,
    pub(super) mtu: usize,
    impairments: Vec<(Box<dyn Impair>, Stream)>,
}

/// How a packet leaves a lane that does not drop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// At this moment.
    At(Instant),
    /// At this moment, and a copy at that one.
    Twice(Instant, Instant),
    /// At this moment, with this bit flipped.
    Flipped(Instant, usize),
    /// Behind so many others.
    Behind {
        by: u64,
        at: Instant,
        latest: Instant,
    },
}

impl Lane {
    /// The direction that begins at end `side` of `link`.
    pub(super) fn new(link: &Link, side: usize, seed: Seed) -> Self {
        let way = ["there", "back"][side];
        // There is one of each kind at most: its word names the stream, and others come and go without changing it.
        let start = |i: &Impairment| {
            let name = format_args!("link/{}/{way}/{}", link.name, i.word());
            (i.start(), seed.stream(name))
        };
        Self {
            link: link.name.clone(),
            to: link.ends[1 - side],
            mtu: link.mtu,
            impairments: link.impairments[side].iter().map(start).collect(),
        }
    }

    /// What becomes of a packet that enters now and is `size` bytes large on the link. Impairments judge in their order
    /// until one drops the packet, doubles it or puts it behind others: the rest is not asked then.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        packet: &[u8],
        size: usize,
    ) -> Result<Leaving, DropCause> {
        if size > self.mtu {
            return Err(DropCause::TooBig);
        }
        let (mut at, mut flipped) = (now, None);
        for (impairment, rng) in &mut self.impairments {
            match impairment.judge(packet, at, rng) {
                Verdict::Pass(later) => at = later,
                Verdict::Flip { at: later, bit } => (at, flipped) = (later, Some(bit)),
                Verdict::Drop(cause) => return Err(cause),
                Verdict::Twice(first, second) => return Ok(Leaving::Twice(first, second)),
                Verdict::Behind { by, at, latest } => {
                    return Ok(Leaving::Behind { by, at, latest });
                }
            }
        }
        Ok(match flipped {
            Some(bit) => Leaving::Flipped(at, bit),
            None => Leaving::At(at),
        })
    }
}

/// Packets that wait for later ones to overtake them, of all lanes.
pub(super) struct Overtaken<T>(Vec<Waiting<T>>);

struct Waiting<T> {
    lane: usize,
    by: u64,
    at: Instant,
    latest: Instant,
    what: T,
}

impl<T> Overtaken<T> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// `what` waits on `lane` for `by` others until `latest`, and does not leave before `at`.
    pub(super) fn hold(&mut self, lane: usize, by: u64, at: Instant, latest: Instant, what: T) {
        self.0.push(Waiting {
            lane,
            by,
            at,
            latest,
            what,
        });
    }

    /// A packet passes on `lane` and arrives `at`: those for which it was the last leave right behind it.
    pub(super) fn passed(&mut self, lane: usize, at: Instant) -> Vec<(Instant, T)> {
        for waiting in self.0.iter_mut().filter(|w| w.lane == lane) {
            waiting.by = waiting.by.saturating_sub(1);
        }
        let free = self.0.extract_if(.., |w| w.by == 0);
        free.map(|w| (w.at.max(at), w.what)).collect()
    }

    /// The moment at which the first of them waits no longer.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|w| w.latest).min()
    }

    /// Those that wait no longer, the first to give up first.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(Instant, T)> {
        let mut due: Vec<_> = self.0.extract_if(.., |w| w.latest <= now).collect();
        due.sort_by_key(|w| w.latest);
        due.into_iter().map(|w| (w.latest, w.what)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(n: u64) -> Instant {
        Instant::from_nanos(n)
    }

    #[test]
    fn one_that_waits_leaves_behind_the_last_that_overtakes_it() {
        let mut overtaken = Overtaken::new();
        overtaken.hold(0, 2, at(5), at(100), 'a');
        assert!(overtaken.passed(1, at(6)).is_empty(), "another lane");
        assert!(overtaken.passed(0, at(6)).is_empty());
        assert_eq!(overtaken.passed(0, at(7)), [(at(7), 'a')]);
        assert!(overtaken.is_empty());
        // What overtakes it may have come by a shorter way; it does not arrive early for that.
        overtaken.hold(0, 1, at(50), at(100), 'b');
        assert_eq!(overtaken.passed(0, at(40)), [(at(50), 'b')]);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut overtaken = Overtaken::new();
        overtaken.hold(0, 2, at(5), at(100), 'a');
        overtaken.hold(0, 2, at(6), at(90), 'b');
        assert_eq!(overtaken.next(), Some(at(90)));
        assert!(overtaken.due(at(89)).is_empty());
        assert_eq!(overtaken.due(at(100)), [(at(90), 'b'), (at(100), 'a')]);
        assert_eq!(overtaken.next(), None);
    }
}
