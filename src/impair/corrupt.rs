//! Flipped bits. What a link's own frame check would catch is plain loss to everybody above; here a bit flips where no
//! such check watches, in a switch's or a host's memory, and the checksums of IP and TCP are what is left to notice it
//! (J. Stone and C. Partridge, "When the CRC and TCP checksum disagree", SIGCOMM 2000).

use super::pick::{Pick, Picker};
use super::{Impair, Verdict};
use crate::rng::{Rng, Stream};
use crate::time::Instant;

pub(super) struct Corrupt(Picker);

impl Corrupt {
    pub(super) const fn new(pick: Pick) -> Self {
        Self(Picker::new(pick))
    }
}

impl Impair for Corrupt {
    fn judge(&mut self, packet: &[u8], at: Instant, rng: &mut Stream) -> Verdict {
        if packet.is_empty() || !self.0.takes(packet, rng) {
            return Verdict::Pass(at);
        }
        let bits = packet.len() as u64 * 8;
        // 64 bits of chance for at most 20 bits of place: no place is favoured that anybody could measure.
        let bit = usize::try_from(rng.next_u64() % bits).unwrap_or(0);
        Verdict::Flip { at, bit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::{Matching, Which};
    use crate::rng::Seed;

    #[test]
    fn any_bit_of_the_packet_may_flip_and_no_other() {
        let pick = Pick {
            matching: Matching::Any,
            which: Which::Share("100 %".parse().unwrap()),
        };
        let mut corrupt = Corrupt::new(pick);
        let mut rng = Seed(1).stream("corrupt");
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let verdict = corrupt.judge(&[0; 4], Instant::ZERO, &mut rng);
            let Verdict::Flip { bit, .. } = verdict else {
                panic!("{verdict:?}");
            };
            seen.insert(bit);
        }
        assert_eq!(seen, (0..32).collect());
    }
}
