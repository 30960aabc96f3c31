//! What one flipped bit does: to a block under the cipher, and to a message under GCM.

use super::cipher::{Aes, Block, Size, xor};
use super::gcm::{self, NONCE};
use crate::rng::{Rng, Seed};

/// Bits of a block.
const BITS: usize = 128;

/// How many bits of the output changed, over many trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// How often so many of the 128 bits changed.
    pub counts: [u64; BITS + 1],
}

impl Distribution {
    /// Number of trials.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Mean number of bits that changed.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let sum: u64 = self.counts.iter().zip(0..).map(|(n, bits)| n * bits).sum();
        sum as f64 / self.trials() as f64
    }

    /// Standard deviation. That of 128 tossed coins is 5.66.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let square = |bits: usize| (bits as f64 - mean).powi(2);
        let sum: f64 = (0..=BITS).map(|b| self.counts[b] as f64 * square(b)).sum();
        (sum / self.trials() as f64).sqrt()
    }

    /// The fewest and the most bits that changed.
    #[must_use]
    pub fn extremes(&self) -> (usize, usize) {
        let seen = |b: &usize| self.counts[*b] > 0;
        let least = (0..=BITS).find(seen).unwrap_or(0);
        (least, (0..=BITS).rev().find(seen).unwrap_or(0))
    }
}

/// One flipped bit of the key, and one of the block: random keys and blocks, each trial with both.
#[must_use]
pub fn measure(size: Size, seed: Seed, trials: u64) -> (Distribution, Distribution) {
    let mut rng = seed.stream("explain/avalanche");
    let none = Distribution {
        counts: [0; BITS + 1],
    };
    let (mut by_key, mut by_block) = (none.clone(), none);
    for _ in 0..trials {
        let (mut key, mut block) = (vec![0; size.bytes()], [0; 16]);
        rng.fill_bytes(&mut key);
        rng.fill_bytes(&mut block);
        let (key_bit, block_bit) = (
            rng.next_u32() as usize % size.bits(),
            rng.next_u32() as usize % BITS,
        );
        let mut other_key = key.clone();
        flip(&mut other_key, key_bit);
        let mut other_block = block;
        flip(&mut other_block, block_bit);
        let (Some(aes), Some(other)) = (Aes::new(&key), Aes::new(&other_key)) else {
            continue;
        };
        let ciphertext = aes.encrypt(block);
        by_key.counts[changed(ciphertext, other.encrypt(block))] += 1;
        by_block.counts[changed(ciphertext, aes.encrypt(other_block))] += 1;
    }
    (by_key, by_block)
}

/// What a flipped bit does to a message under GCM, for every bit of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Bits of the message, each of which was flipped once.
    pub bits: usize,
    /// Flips of a plaintext bit after which exactly that bit of the ciphertext was another, and no other.
    pub one_for_one: usize,
    /// The fewest and the most bits of the tag that changed with it.
    pub tag_changes: (usize, usize),
    /// Flips of a ciphertext bit that the tag gave away.
    pub refused: usize,
    /// The plaintext that a flipped bit would have made, had nobody looked at the tag: the last bit of the first byte.
    pub forged: Vec<u8>,
}

/// Flips every bit of `plaintext`, and of its ciphertext.
#[must_use]
pub fn of_message(aes: &Aes, nonce: &[u8; NONCE], additional: &[u8], plaintext: &[u8]) -> Message {
    let sealed = gcm::seal(aes, nonce, additional, plaintext);
    let ciphertext = sealed.ciphertext();
    let bits = plaintext.len() * 8;
    let (mut one_for_one, mut refused, mut least, mut most) = (0, 0, BITS, 0);
    for bit in 0..bits {
        let mut other = plaintext.to_vec();
        flip(&mut other, bit);
        let resealed = gcm::seal(aes, nonce, additional, &other);
        let mut tampered = ciphertext.clone();
        flip(&mut tampered, bit);
        one_for_one += usize::from(resealed.ciphertext() == tampered);
        let tag = changed(sealed.tag, resealed.tag);
        (least, most) = (least.min(tag), most.max(tag));
        let opened = gcm::open(aes, nonce, additional, &tampered, &sealed.tag);
        refused += usize::from(opened.is_none());
    }
    let mut tampered = ciphertext;
    if !tampered.is_empty() {
        flip(&mut tampered, 0);
    }
    Message {
        bits,
        one_for_one,
        tag_changes: (least, most),
        refused,
        forged: gcm::decrypt_blindly(aes, nonce, &tampered),
    }
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn changed(a: Block, b: Block) -> usize {
    let ones = |byte: u8| byte.count_ones() as usize;
    xor(a, b).into_iter().map(ones).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_bits_change_as_often_as_coins_fall() {
        for size in Size::ALL {
            let (by_key, by_block) = measure(size, Seed(1), 2_000);
            for distribution in [by_key, by_block] {
                assert_eq!(distribution.trials(), 2_000);
                // The mean of 2000 such trials strays by 0.13; four of those are no chance.
                assert!(
                    (distribution.mean() - 64.0).abs() < 0.51,
                    "{}",
                    distribution.mean()
                );
                assert!((distribution.deviation() - 5.66).abs() < 0.4);
                let (least, most) = distribution.extremes();
                assert!(least > 35 && most < 93, "{least} to {most}");
            }
        }
    }

    #[test]
    fn under_gcm_a_bit_is_a_bit_and_the_tag_tells() {
        let aes = Aes::new(&[5; 32]).unwrap();
        let message = of_message(&aes, &[6; NONCE], b"", b"GET /api/users");
        assert_eq!(
            (message.bits, message.one_for_one, message.refused),
            (112, 112, 112)
        );
        assert!(message.tag_changes.0 > 30);
        assert_eq!(message.forged, b"FET /api/users");
    }
}
