//! The block cipher of FIPS 197, written to be read: its tables are computed from their definition and every step can
//! be watched. It takes time that depends on the key, so it protects nothing: real connections use aws-lc.

/// A block: 16 bytes, which the cipher reads as four columns of four.
pub type Block = [u8; 16];

/// Length of a key. TLS uses the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 128 bits, 10 rounds.
    Aes128,
    /// 192 bits, 12 rounds.
    Aes192,
    /// 256 bits, 14 rounds.
    Aes256,
}

impl Size {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Aes128, Self::Aes192, Self::Aes256];

    /// Bytes of a key.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Bits of a key.
    #[must_use]
    pub const fn bits(self) -> usize {
        self.bytes() * 8
    }

    /// Number of rounds (FIPS 197 Table 3).
    #[must_use]
    pub const fn rounds(self) -> usize {
        self.bytes() / 4 + 6
    }

    /// The size of a key of so many bytes.
    #[must_use]
    pub fn of_key(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.bytes() == bytes)
    }
}

/// A transformation of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transformation {
    /// Each byte by the S-box (§5.1.1).
    SubBytes,
    /// Row r goes left by r columns (§5.1.2).
    ShiftRows,
    /// Each column is multiplied by a fixed polynomial (§5.1.3).
    MixColumns,
    /// The round key is added, bit by bit (§5.1.4).
    AddRoundKey,
}

impl Transformation {
    /// Its name in FIPS 197.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SubBytes => "SubBytes",
            Self::ShiftRows => "ShiftRows",
            Self::MixColumns => "MixColumns",
            Self::AddRoundKey => "AddRoundKey",
        }
    }
}

/// The state after a transformation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Round 0 is the AddRoundKey before the first round.
    pub round: usize,
    /// What was done.
    pub did: Transformation,
    /// The state after it.
    pub state: Block,
}

/// A word of the key schedule that takes more than an exclusive-or: the values of FIPS 197 Appendix A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordStep {
    /// Which word.
    pub index: usize,
    /// The word before it.
    pub temp: [u8; 4],
    /// Rotated; `None` in the middle of a 256-bit key, where nothing is rotated.
    pub rotated: Option<[u8; 4]>,
    /// Through the S-box.
    pub substituted: [u8; 4],
    /// The round constant, which comes with the rotation.
    pub constant: Option<u8>,
    /// The word a key's length before, which all this is added to.
    pub earlier: [u8; 4],
    /// The new word.
    pub word: [u8; 4],
}

/// A key, expanded to its round keys.
#[derive(Debug, Clone)]
pub struct Aes {
    size: Size,
    words: Vec<[u8; 4]>,
    steps: Vec<WordStep>,
}

impl Aes {
    /// Expands a key (FIPS 197 §5.2); `None` when it has not 16, 24 or 32 bytes.
    #[must_use]
    pub fn new(key: &[u8]) -> Option<Self> {
        let size = Size::of_key(key.len())?;
        let key_words = size.bytes() / 4;
        let mut words: Vec<[u8; 4]> = key
            .chunks_exact(4)
            .map(|c| [c[0], c[1], c[2], c[3]])
            .collect();
        let mut steps = Vec::new();
        let mut constant = 1;
        for index in key_words..4 * (size.rounds() + 1) {
            let (temp, earlier) = (words[index - 1], words[index - key_words]);
            let is_first = index % key_words == 0;
            if is_first || (key_words > 6 && index % key_words == 4) {
                let rotated = is_first.then(|| [temp[1], temp[2], temp[3], temp[0]]);
                let substituted = rotated.unwrap_or(temp).map(sub_byte);
                let mut word = xor(earlier, substituted);
                if is_first {
                    word[0] ^= constant;
                }
                steps.push(WordStep {
                    index,
                    temp,
                    rotated,
                    substituted,
                    constant: is_first.then_some(constant),
                    earlier,
                    word,
                });
                if is_first {
                    constant = double(constant);
                }
                words.push(word);
            } else {
                words.push(xor(earlier, temp));
            }
        }
        Some(Self { size, words, steps })
    }

    /// Its size.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The round keys: one for each round, and the one before the first.
    #[must_use]
    pub fn round_keys(&self) -> Vec<Block> {
        (0..=self.size.rounds())
            .map(|r| self.round_key(r))
            .collect()
    }

    /// How the words came about that are more than an exclusive-or of two earlier ones.
    #[must_use]
    pub fn word_steps(&self) -> &[WordStep] {
        &self.steps
    }

    /// Encrypts a block (FIPS 197 §5.1).
    #[must_use]
    pub fn encrypt(&self, block: Block) -> Block {
        self.encrypt_watched(block, |_| {})
    }

    /// Encrypts a block and shows the state after every transformation.
    pub fn encrypt_watched(&self, block: Block, mut watch: impl FnMut(Step)) -> Block {
        use Transformation::{AddRoundKey, MixColumns, ShiftRows, SubBytes};
        let rounds = self.size.rounds();
        let mut state = block;
        for round in 0..=rounds {
            let all = [SubBytes, ShiftRows, MixColumns, AddRoundKey];
            let happens = |did: &Transformation| match did {
                SubBytes | ShiftRows => round > 0,
                // The last round has none: it would only be a linear map behind the last key.
                MixColumns => round > 0 && round < rounds,
                AddRoundKey => true,
            };
            for did in all.into_iter().filter(happens) {
                state = match did {
                    SubBytes => state.map(sub_byte),
                    ShiftRows => shift_rows(state),
                    MixColumns => mix_columns(state, [2, 3, 1, 1]),
                    AddRoundKey => xor(state, self.round_key(round)),
                };
                watch(Step { round, did, state });
            }
        }
        state
    }

    /// Decrypts a block (FIPS 197 §5.3).
    #[must_use]
    pub fn decrypt(&self, block: Block) -> Block {
        let rounds = self.size.rounds();
        let mut state = block;
        for round in (0..=rounds).rev() {
            state = xor(state, self.round_key(round));
            if round > 0 {
                if round < rounds {
                    state = mix_columns(state, [14, 11, 13, 9]);
                }
                state = unshift_rows(state).map(unsub_byte);
            }
        }
        state
    }

    fn round_key(&self, round: usize) -> Block {
        let mut key = [0; 16];
        for (bytes, word) in key.chunks_exact_mut(4).zip(&self.words[4 * round..]) {
            bytes.copy_from_slice(word);
        }
        key
    }
}

/// Bit by bit, the sum in GF(2).
#[must_use]
pub fn xor<const N: usize>(a: [u8; N], b: [u8; N]) -> [u8; N] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// The byte by the S-box: the inverse in GF(2^8), then an affine map (§5.1.1).
#[must_use]
pub fn sub_byte(byte: u8) -> u8 {
    S_BOX[usize::from(byte)]
}

fn unsub_byte(byte: u8) -> u8 {
    INVERSE_S_BOX[usize::from(byte)]
}

const S_BOX: [u8; 256] = s_box();
const INVERSE_S_BOX: [u8; 256] = inverse_s_box();

const fn s_box() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let inverse = inverse(byte as u8);
        table[byte] = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4)
            ^ 0x63;
        byte += 1;
    }
    table
}

const fn inverse_s_box() -> [u8; 256] {
    let (mut table, forward) = ([0; 256], s_box());
    let mut byte = 0;
    while byte < 256 {
        table[forward[byte] as usize] = byte as u8;
        byte += 1;
    }
    table
}

/// `a^254`, which is the inverse in a field of 256 elements; that of zero is zero.
const fn inverse(a: u8) -> u8 {
    let (mut power, mut n) = (1, 0);
    while n < 254 {
        power = multiply(power, a);
        n += 1;
    }
    power
}

/// Times x in GF(2^8), modulo x^8 + x^4 + x^3 + x + 1 (§4.2).
const fn double(a: u8) -> u8 {
    (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1b }
}

/// The product in GF(2^8).
const fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b > 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = double(a);
        b >>= 1;
    }
    product
}

/// Byte r of column c stands at 4c + r (§3.4).
fn shift_rows(state: Block) -> Block {
    std::array::from_fn(|i| state[(i + 4 * (i % 4)) % 16])
}

fn unshift_rows(state: Block) -> Block {
    std::array::from_fn(|i| state[(i + 16 - 4 * (i % 4)) % 16])
}

/// Each column times the circulant matrix with this first row.
fn mix_columns(state: Block, first_row: [u8; 4]) -> Block {
    std::array::from_fn(|i| {
        let (column, row) = (i / 4 * 4, i % 4);
        let term = |k: usize| multiply(first_row[(k + 4 - row) % 4], state[column + k]);
        (0..4).fold(0, |sum, k| sum ^ term(k))
    })
}

#[cfg(test)]
mod tests {
    use super::super::unhex;
    use super::*;
    use crate::rng::{Rng, Seed};
    use aes::cipher::{BlockCipherEncrypt, KeyInit};

    fn block(hex: &str) -> Block {
        unhex(hex).unwrap().try_into().unwrap()
    }

    /// FIPS 197 Appendix C: one plaintext, a key of each size.
    #[test]
    fn the_vectors_of_the_standard() {
        let plain = block("00112233445566778899aabbccddeeff");
        for (size, cipher) in [
            (Size::Aes128, "69c4e0d86a7b0430d8cdb78070b4c55a"),
            (Size::Aes192, "dda97ca4864cdfe06eaf70a0ec0d7191"),
            (Size::Aes256, "8ea2b7ca516745bfeafc49904b496089"),
        ] {
            let key: Vec<u8> = (0..size.bytes() as u8).collect();
            let aes = Aes::new(&key).unwrap();
            assert_eq!(aes.encrypt(plain), block(cipher), "{size:?}");
            assert_eq!(aes.decrypt(block(cipher)), plain, "{size:?}");
        }
        assert!(Aes::new(&[0; 17]).is_none());
    }

    /// FIPS 197 Appendix B, the second round, and Appendix A.3.
    #[test]
    fn the_steps_of_the_standard() {
        let aes = Aes::new(&unhex("2b7e151628aed2a6abf7158809cf4f3c").unwrap()).unwrap();
        let mut steps = Vec::new();
        aes.encrypt_watched(block("3243f6a8885a308d313198a2e0370734"), |s| steps.push(s));
        let at = |round, did| {
            let found = steps.iter().find(|s| s.round == round && s.did == did);
            found.unwrap().state
        };
        use Transformation::{AddRoundKey, MixColumns, ShiftRows, SubBytes};
        assert_eq!(
            at(0, AddRoundKey),
            block("193de3bea0f4e22b9ac68d2ae9f84808")
        );
        assert_eq!(at(1, SubBytes), block("d42711aee0bf98f1b8b45de51e415230"));
        assert_eq!(at(1, ShiftRows), block("d4bf5d30e0b452aeb84111f11e2798e5"));
        assert_eq!(at(1, MixColumns), block("046681e5e0cb199a48f8d37a2806264c"));
        assert_eq!(
            at(1, AddRoundKey),
            block("a49c7ff2689f352b6b5bea43026a5049")
        );
        assert_eq!(
            at(10, AddRoundKey),
            block("3925841d02dc09fbdc118597196a0b32")
        );
        let a3 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
        let aes = Aes::new(&unhex(a3).unwrap()).unwrap();
        let first = aes.word_steps()[0];
        assert_eq!((first.index, first.constant), (8, Some(1)));
        assert_eq!(first.rotated, Some([0x14, 0xdf, 0xf4, 0x09]));
        assert_eq!(first.substituted, [0xfa, 0x9e, 0xbf, 0x01]);
        assert_eq!(first.word, [0x9b, 0xa3, 0x54, 0x11]);
        let second = aes.word_steps()[1];
        assert_eq!((second.index, second.rotated), (12, None));
        assert_eq!(second.word, [0xa8, 0xb0, 0x9c, 0x1a]);
        assert_eq!(aes.round_keys()[14][12..], [0x70, 0x6c, 0x63, 0x1e]);
    }

    #[test]
    fn the_last_round_mixes_no_columns() {
        for size in Size::ALL {
            let mut counts = [0; 4];
            let aes = Aes::new(&vec![7; size.bytes()]).unwrap();
            aes.encrypt_watched([0; 16], |step| counts[step.did as usize] += 1);
            let n = size.rounds();
            assert_eq!(counts, [n, n, n - 1, n + 1]);
            assert_eq!(aes.round_keys().len(), n + 1);
        }
    }

    #[test]
    fn agrees_with_another_implementation_for_random_keys() {
        let mut rng = Seed(1).stream("test/aes");
        for _ in 0..64 {
            let (mut key, mut plain) = ([0; 32], [0; 16]);
            rng.fill_bytes(&mut key);
            rng.fill_bytes(&mut plain);
            for size in Size::ALL {
                let key = &key[..size.bytes()];
                let mut theirs = plain.into();
                match size {
                    Size::Aes128 => aes::Aes128::new_from_slice(key)
                        .unwrap()
                        .encrypt_block(&mut theirs),
                    Size::Aes192 => aes::Aes192::new_from_slice(key)
                        .unwrap()
                        .encrypt_block(&mut theirs),
                    Size::Aes256 => aes::Aes256::new_from_slice(key)
                        .unwrap()
                        .encrypt_block(&mut theirs),
                }
                let ours = Aes::new(key).unwrap();
                assert_eq!(ours.encrypt(plain)[..], theirs[..]);
                assert_eq!(ours.decrypt(ours.encrypt(plain)), plain);
            }
        }
    }
}
