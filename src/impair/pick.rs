//! Which packets an impairment takes: a share of them at random, or those with given numbers.

use super::Matching;
use crate::rng::{Stream, chance};
use crate::units::Probability;

/// Which packets an impairment takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Only these come into question.
    pub matching: Matching,
    /// Which of them.
    pub which: Which,
}

/// Which of the packets that come into question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Each with this probability.
    Share(Probability),
    /// Those with these numbers, counted from 1.
    Nth(Vec<u64>),
}

/// A pick at work.
pub(super) struct Picker {
    pick: Pick,
    seen: u64,
}

impl Picker {
    pub(super) const fn new(pick: Pick) -> Self {
        Self { pick, seen: 0 }
    }

    /// Whether this packet is one. Draws once for each that comes into question.
    pub(super) fn takes(&mut self, packet: &[u8], rng: &mut Stream) -> bool {
        if !self.pick.matching.matches(packet) {
            return false;
        }
        self.seen += 1;
        match &self.pick.which {
            Which::Share(p) => chance(rng, p.parts_of_2_32()),
            Which::Nth(nth) => nth.contains(&self.seen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    fn picker(which: Which) -> Picker {
        Picker::new(Pick {
            matching: Matching::Any,
            which,
        })
    }

    #[test]
    fn a_share_is_drawn_and_numbers_are_counted() {
        let mut rng = Seed(1).stream("pick");
        let mut taken = |picker: &mut Picker| -> Vec<usize> {
            let packets = 1..=1_000;
            packets.filter(|_| picker.takes(&[], &mut rng)).collect()
        };
        let share = |text: &str| Which::Share(text.parse().unwrap());
        assert_eq!(taken(&mut picker(share("0 %"))).len(), 0);
        assert_eq!(taken(&mut picker(share("100 %"))).len(), 1_000);
        let tenth = taken(&mut picker(share("10 %"))).len();
        assert!((70..130).contains(&tenth), "{tenth}");
        assert_eq!(taken(&mut picker(Which::Nth(vec![2, 5]))), [2, 5]);
    }

    #[test]
    fn only_what_matches_is_counted() {
        let mut picker = Picker::new(Pick {
            matching: Matching::Udp,
            which: Which::Nth(vec![1]),
        });
        let mut rng = Seed(1).stream("pick");
        assert!(!picker.takes(&[], &mut rng), "no UDP datagram");
        assert_eq!(picker.seen, 0);
    }
}
