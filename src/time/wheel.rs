//! Many timers. Near ones lie in slots of about a millisecond, far ones in an ordered map, so that setting
//! a timer costs the same whether there are ten or a hundred thousand.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::Instant;

/// 2^20 ns, about 1 ms.
const SLOT_BITS: u32 = 20;
/// Slots ahead of the cursor: about 4.3 s, more than a first retransmission or a delayed ACK waits.
const SLOTS: u64 = 4096;

/// Entries fire in order of time, then of id. There is no removal: whoever owns an entry checks on firing whether
/// it still wants it.
pub(crate) struct Wheel<I> {
    slots: Vec<Vec<(Instant, I)>>,
    /// One bit a slot: whether it holds anything.
    occupied: [u64; (SLOTS / 64) as usize],
    /// Everything in slots up to this one is in `near`.
    cursor: u64,
    near: BinaryHeap<Reverse<(Instant, I)>>,
    far: BTreeMap<u64, Vec<(Instant, I)>>,
}

impl<I: Copy + Ord> Default for Wheel<I> {
    fn default() -> Self {
        Self {
            slots: vec![Vec::new(); SLOTS as usize],
            occupied: [0; (SLOTS / 64) as usize],
            cursor: 0,
            near: BinaryHeap::new(),
            far: BTreeMap::new(),
        }
    }
}

impl<I: Copy + Ord> Wheel<I> {
    pub(crate) fn push(&mut self, at: Instant, id: I) {
        let slot = at.as_nanos() >> SLOT_BITS;
        if slot <= self.cursor {
            self.near.push(Reverse((at, id)));
        } else if slot - self.cursor < SLOTS {
            let index = (slot % SLOTS) as usize;
            self.slots[index].push((at, id));
            self.occupied[index / 64] |= 1 << (index % 64);
        } else {
            self.far.entry(slot).or_default().push((at, id));
        }
    }

    /// The earliest entry's time.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        while self.near.is_empty() {
            self.advance()?;
        }
        self.near.peek().map(|e| e.0.0)
    }

    /// The earliest entry.
    pub(crate) fn peek(&mut self) -> Option<(Instant, I)> {
        self.next()?;
        self.near.peek().map(|e| e.0)
    }

    /// Takes the earliest entry if it is due by `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, I)> {
        if self.next()? > now {
            return None;
        }
        self.near.pop().map(|e| e.0)
    }

    /// Moves the cursor to the next slot that holds something. `None` when nothing does.
    fn advance(&mut self) -> Option<()> {
        let far = self.far.first_key_value().map(|(slot, _)| *slot);
        let slot = [self.next_occupied(), far].into_iter().flatten().min()?;
        self.cursor = slot;
        let index = (slot % SLOTS) as usize;
        self.near.extend(self.slots[index].drain(..).map(Reverse));
        self.occupied[index / 64] &= !(1 << (index % 64));
        if far == Some(slot)
            && let Some(entries) = self.far.remove(&slot)
        {
            self.near.extend(entries.into_iter().map(Reverse));
        }
        Some(())
    }

    fn next_occupied(&self) -> Option<u64> {
        let words = self.occupied.len() as u64;
        let first = self.cursor + 1;
        // One word more than there are: the first one is looked at from the middle, and once more from its start.
        (0..=words).find_map(|n| {
            let base = (first / 64 + n) * 64;
            let mut word = self.occupied[(base % SLOTS / 64) as usize];
            if n == 0 {
                word &= u64::MAX << (first % 64);
            } else if n == words {
                word &= !(u64::MAX << (first % 64));
            }
            (word != 0).then(|| base + u64::from(word.trailing_zeros()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a sorted list, with pushes between the pops.
        #[test]
        fn fires_in_order(rounds in proptest::collection::vec(
            (proptest::collection::vec(0_u64..30_000_000_000, 0..8), 0_u64..2_000_000_000), 1..30)
        ) {
            let mut wheel = Wheel::default();
            let mut model = std::collections::BTreeSet::new();
            let (mut now, mut id) = (0, 0);
            for (pushes, step) in rounds {
                for after in pushes {
                    let at = Instant::from_nanos(now + after);
                    wheel.push(at, id);
                    model.insert((at, id));
                    id += 1;
                }
                prop_assert_eq!(wheel.next(), model.first().map(|e| e.0));
                now += step;
                let due = Instant::from_nanos(now);
                while let Some(entry) = wheel.pop_due(due) {
                    prop_assert_eq!(Some(entry), model.pop_first());
                    prop_assert!(entry.0 <= due);
                }
                prop_assert!(model.first().is_none_or(|e| e.0 > due));
            }
        }
    }
}
