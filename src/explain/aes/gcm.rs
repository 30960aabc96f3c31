//! Galois/Counter Mode (NIST SP 800-38D) around the block cipher, with everything in between in view.

use super::cipher::{Aes, Block, xor};

/// Bytes of a nonce. The standard knows others, TLS does not.
pub const NONCE: usize = 12;

/// A block of data under the key stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Nonce and counter, which the cipher encrypts.
    pub counter: Block,
    /// What comes out: the key stream.
    pub stream: Block,
    /// What goes in; the last block may be short.
    pub input: Vec<u8>,
    /// Both added.
    pub output: Vec<u8>,
}

/// A step of GHASH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// What the block is.
    pub what: Hashes,
    /// The block, filled with zeros.
    pub block: Block,
    /// The sum with what came before, times H.
    pub value: Block,
}

/// What GHASH reads, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashes {
    /// Additional data: protected against change, not encrypted.
    AdditionalData,
    /// Ciphertext.
    Ciphertext,
    /// The lengths of both, in bits.
    Lengths,
}

/// Everything about a sealed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The hash key H: the cipher of a block of zeros.
    pub hash_key: Block,
    /// The first counter block, which is kept for the tag.
    pub first_counter: Block,
    /// The data, block by block.
    pub blocks: Vec<Counted>,
    /// GHASH, step by step.
    pub hash: Vec<Hashed>,
    /// The first counter block, encrypted, which masks the last value of GHASH.
    pub mask: Block,
    /// The tag.
    pub tag: Block,
}

impl Sealed {
    /// The ciphertext without the tag: as long as the plaintext.
    #[must_use]
    pub fn ciphertext(&self) -> Vec<u8> {
        self.blocks.iter().flat_map(|b| b.output.clone()).collect()
    }
}

/// Encrypts and authenticates (§7.1). Uses the cipher forwards only.
#[must_use]
pub fn seal(aes: &Aes, nonce: &[u8; NONCE], additional: &[u8], plaintext: &[u8]) -> Sealed {
    let blocks = counted(aes, nonce, plaintext);
    let ciphertext: Vec<u8> = blocks.iter().flat_map(|b| b.output.clone()).collect();
    let hash_key = aes.encrypt([0; 16]);
    let hash = ghash(hash_key, additional, &ciphertext);
    let first_counter = counter(nonce, 1);
    let mask = aes.encrypt(first_counter);
    let last = hash.last().map_or([0; 16], |h| h.value);
    Sealed {
        hash_key,
        first_counter,
        blocks,
        hash,
        mask,
        tag: xor(last, mask),
    }
}

/// Decrypts what is authentic (§7.2); `None` when the tag is not right, with nothing of the plaintext.
#[must_use]
pub fn open(
    aes: &Aes,
    nonce: &[u8; NONCE],
    additional: &[u8],
    ciphertext: &[u8],
    tag: &Block,
) -> Option<Vec<u8>> {
    let hash = ghash(aes.encrypt([0; 16]), additional, ciphertext);
    let last = hash.last().map_or([0; 16], |h| h.value);
    let right = xor(last, aes.encrypt(counter(nonce, 1)));
    // Nobody measures the time of a page: a plain comparison will do.
    (right == *tag).then(|| decrypt_blindly(aes, nonce, ciphertext))
}

/// Decrypts without asking for the tag, as no program may: to show what the tag is for.
#[must_use]
pub fn decrypt_blindly(aes: &Aes, nonce: &[u8; NONCE], ciphertext: &[u8]) -> Vec<u8> {
    let blocks = counted(aes, nonce, ciphertext);
    blocks.into_iter().flat_map(|b| b.output).collect()
}

fn counted(aes: &Aes, nonce: &[u8; NONCE], data: &[u8]) -> Vec<Counted> {
    let mut blocks = Vec::new();
    // 1 is for the tag, the data begin with 2.
    for (input, number) in data.chunks(16).zip(2_u32..) {
        let counter = counter(nonce, number);
        let stream = aes.encrypt(counter);
        let output = input.iter().zip(stream).map(|(a, b)| a ^ b).collect();
        blocks.push(Counted {
            counter,
            stream,
            input: input.to_vec(),
            output,
        });
    }
    blocks
}

fn counter(nonce: &[u8; NONCE], number: u32) -> Block {
    let mut block = [0; 16];
    block[..NONCE].copy_from_slice(nonce);
    block[NONCE..].copy_from_slice(&number.to_be_bytes());
    block
}

fn ghash(key: Block, additional: &[u8], ciphertext: &[u8]) -> Vec<Hashed> {
    let filled = |what: Hashes| {
        move |chunk: &[u8]| {
            let mut block = [0; 16];
            block[..chunk.len()].copy_from_slice(chunk);
            (what, block)
        }
    };
    let lengths = (additional.len() as u128 * 8) << 64 | (ciphertext.len() as u128 * 8);
    let blocks = additional
        .chunks(16)
        .map(filled(Hashes::AdditionalData))
        .chain(ciphertext.chunks(16).map(filled(Hashes::Ciphertext)))
        .chain([(Hashes::Lengths, lengths.to_be_bytes())]);
    let mut value = [0; 16];
    blocks
        .map(|(what, block)| {
            value = multiply(xor(value, block), key);
            Hashed { what, block, value }
        })
        .collect()
}

/// The product in GF(2^128), the first bit being the coefficient of x^0 (§6.3).
fn multiply(a: Block, b: Block) -> Block {
    const R: u128 = 0xe1 << 120;
    let (a, mut shifted) = (u128::from_be_bytes(a), u128::from_be_bytes(b));
    let mut product = 0;
    for bit in (0..128).rev() {
        if a >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = (shifted >> 1) ^ if shifted & 1 == 1 { R } else { 0 };
    }
    product.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::cipher::Size;
    use super::*;
    use crate::rng::{Rng, Seed};
    use aws_lc_rs::aead::{
        AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey,
    };

    fn theirs(
        key: &[u8],
        nonce: [u8; NONCE],
        additional: &[u8],
        plain: &[u8],
    ) -> (Vec<u8>, Vec<u8>) {
        let algorithm = match Size::of_key(key.len()).unwrap() {
            Size::Aes128 => &AES_128_GCM,
            Size::Aes192 => &AES_192_GCM,
            Size::Aes256 => &AES_256_GCM,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap());
        let mut data = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(additional), &mut data);
        (data, tag.unwrap().as_ref().to_vec())
    }

    #[test]
    fn agrees_with_aws_lc_for_random_messages() {
        let mut rng = Seed(1).stream("test/gcm");
        for length in 0..80 {
            let (mut key, mut nonce) = ([0; 32], [0; NONCE]);
            let (mut plain, mut additional) = (vec![0; length], vec![0; length / 3]);
            for bytes in [&mut key[..], &mut nonce, &mut plain, &mut additional] {
                rng.fill_bytes(bytes);
            }
            for size in Size::ALL {
                let key = &key[..size.bytes()];
                let aes = Aes::new(key).unwrap();
                let ours = seal(&aes, &nonce, &additional, &plain);
                let (ciphertext, tag) = theirs(key, nonce, &additional, &plain);
                assert_eq!((ours.ciphertext(), &ours.tag[..]), (ciphertext, &tag[..]));
                let back = open(&aes, &nonce, &additional, &ours.ciphertext(), &ours.tag);
                assert_eq!(back, Some(plain.clone()));
            }
        }
    }

    #[test]
    fn the_request_of_the_text_agrees_with_aws_lc() {
        let key: Vec<u8> = (0..32).collect();
        let aes = Aes::new(&key).unwrap();
        let ours = seal(&aes, &[9; NONCE], b"header", b"GET /api/users");
        let (ciphertext, tag) = theirs(&key, [9; NONCE], b"header", b"GET /api/users");
        assert_eq!((ours.ciphertext(), &ours.tag[..]), (ciphertext, &tag[..]));
        assert_eq!(ours.ciphertext().len(), 14);
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let aes = Aes::new(&[1; 16]).unwrap();
        let sealed = seal(&aes, &[2; NONCE], b"header", b"GET /api/users");
        let (ciphertext, tag) = (sealed.ciphertext(), sealed.tag);
        let flip = |bytes: &[u8], bit: usize| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        for bit in 0..ciphertext.len() * 8 {
            let changed = flip(&ciphertext, bit);
            assert_eq!(open(&aes, &[2; NONCE], b"header", &changed, &tag), None);
        }
        for bit in 0..128 {
            let changed: Block = flip(&tag, bit).try_into().unwrap();
            assert_eq!(
                open(&aes, &[2; NONCE], b"header", &ciphertext, &changed),
                None
            );
        }
        assert_eq!(open(&aes, &[2; NONCE], b"Header", &ciphertext, &tag), None);
        assert_eq!(open(&aes, &[3; NONCE], b"header", &ciphertext, &tag), None);
    }
}
