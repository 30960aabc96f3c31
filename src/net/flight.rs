//! The packets that are on links, in the order in which they arrive. A lab's links mostly delay by a constant, so that
//! most packets arrive after all that left before them: those wait in line, and only the others in a heap.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use crate::time::Instant;

/// Things on their way. They arrive in order of time, then of departure.
pub(super) struct Flights<T> {
    departures: u64,
    line: VecDeque<Flight<T>>,
    heap: BinaryHeap<Reverse<Flight<T>>>,
}

struct Flight<T> {
    /// Time of arrival, and which departure it was.
    key: (Instant, u64),
    what: T,
}

impl<T> Flights<T> {
    pub(super) const fn new() -> Self {
        Self {
            departures: 0,
            line: VecDeque::new(),
            heap: BinaryHeap::new(),
        }
    }

    /// `what` leaves now and arrives `at` that time.
    pub(super) fn depart(&mut self, at: Instant, what: T) {
        self.departures += 1;
        let key = (at, self.departures);
        let flight = Flight { key, what };
        if self.line.back().is_none_or(|last| last.key <= key) {
            self.line.push_back(flight);
        } else {
            self.heap.push(Reverse(flight));
        }
    }

    /// When the next one arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        let line = self.line.front().map(|f| f.key.0);
        let heap = self.heap.peek().map(|f| f.0.key.0);
        match (line, heap) {
            (Some(line), Some(heap)) => Some(line.min(heap)),
            (line, heap) => line.or(heap),
        }
    }

    /// What arrives by `now`, the earliest first.
    pub(super) fn arrive(&mut self, now: Instant) -> Option<T> {
        let line = self.line.front().map(|f| f.key);
        let heap = self.heap.peek().map(|f| f.0.key);
        let in_line = match (line, heap) {
            (Some(line), Some(heap)) => line < heap,
            (line, _) => line.is_some(),
        };
        let (at, _) = if in_line { line } else { heap }?;
        if at > now {
            return None;
        }
        let flight = if in_line {
            self.line.pop_front()
        } else {
            self.heap.pop().map(|f| f.0)
        };
        flight.map(|f| f.what)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty() && self.heap.is_empty()
    }
}

impl<T> PartialEq for Flight<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Flight<T> {}

impl<T> PartialOrd for Flight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Flight<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a sorted list, with departures between the arrivals.
        #[test]
        fn arrive_in_order_of_time_then_of_departure(
            rounds in proptest::collection::vec((proptest::collection::vec(0_u64..4, 0..6), 0_u64..3), 1..40)
        ) {
            let mut flights = Flights::new();
            let mut model = std::collections::BTreeSet::new();
            let (mut now, mut number) = (0, 0);
            for (delays, step) in rounds {
                for delay in delays {
                    let at = Instant::from_nanos(now + delay);
                    flights.depart(at, number);
                    model.insert((at, number));
                    number += 1;
                }
                prop_assert_eq!(flights.next(), model.first().map(|f| f.0));
                prop_assert_eq!(flights.is_empty(), model.is_empty());
                now += step;
                let due = Instant::from_nanos(now);
                while let Some(number) = flights.arrive(due) {
                    let (at, expected) = model.pop_first().unwrap();
                    prop_assert!(at <= due);
                    prop_assert_eq!(number, expected);
                }
                prop_assert!(model.first().is_none_or(|f| f.0 > due));
            }
        }
    }
}
