//! The opening of records, one after the other in one direction (RFC 8446 §5.3, RFC 5246 §6.2.3, RFC 5288 §3,
//! RFC 7905 §2, RFC 7366). How long it takes depends on what is inside: it is for reading recordings and for teaching,
//! not for a server that an attacker can time (Lucky Thirteen).

use aws_lc_rs::cipher::{AES_128, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{aead, hmac};

use super::key_schedule::{Protection, SuiteParameters, TrafficKeys};
use crate::wire::tls::TLS13;

/// Bytes of an AES block, and of the initialisation vector before each CBC record.
const BLOCK: usize = 16;

/// Opens the records of one direction.
#[derive(Debug)]
pub struct Opener {
    version: u16,
    cipher: Cipher,
    sequence: u64,
}

#[derive(Debug)]
enum Cipher {
    Aead { key: aead::LessSafeKey, iv: Vec<u8> },
    Cbc(Box<Cbc>),
}

#[derive(Debug)]
struct Cbc {
    key: DecryptingKey,
    mac: hmac::Key,
    encrypt_then_mac: bool,
}

impl Opener {
    /// Starts with sequence number 0. `encrypt_then_mac` tells whether RFC 7366 was agreed, which changes CBC suites
    /// alone. `None` when a length in `keys` does not fit the suite.
    #[must_use]
    pub fn new(suite: SuiteParameters, keys: TrafficKeys, encrypt_then_mac: bool) -> Option<Self> {
        if keys.iv.len() != suite.iv_bytes
            || keys.key.len() != suite.key_bytes
            || keys.mac.len() != suite.mac_key_bytes()
        {
            return None;
        }
        let cipher = match suite.protection {
            Protection::Aead(algorithm) => Cipher::Aead {
                key: aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, &keys.key).ok()?),
                iv: keys.iv,
            },
            Protection::Cbc(algorithm) => {
                let aes = if keys.key.len() == 16 {
                    &AES_128
                } else {
                    &AES_256
                };
                let key = UnboundCipherKey::new(aes, &keys.key).ok()?;
                Cipher::Cbc(Box::new(Cbc {
                    key: DecryptingKey::cbc(key).ok()?,
                    mac: hmac::Key::new(algorithm, &keys.mac),
                    encrypt_then_mac,
                }))
            }
        };
        Some(Self {
            version: suite.version,
            cipher,
            sequence: 0,
        })
    }

    /// The plaintext of a record, TLS 1.3's with padding and inner type still on it. `None` when it is not
    /// authentic under these keys; the next one is then still tried with the same sequence number.
    #[must_use]
    pub fn open(&mut self, content_type: u8, version: u16, fragment: &[u8]) -> Option<Vec<u8>> {
        let head = |length: usize| pseudo_header(self.sequence, content_type, version, length);
        let plain = match &self.cipher {
            Cipher::Aead { key, iv } if self.version == TLS13 => {
                // The record's own header is authenticated (RFC 8446 §5.2).
                let aad = &head(fragment.len())[8..];
                open_aead(key, counted(iv, self.sequence), aad, fragment)?
            }
            Cipher::Aead { key, iv } => {
                let (nonce, sealed) = if iv.len() == 4 {
                    let (explicit, sealed) = fragment.split_at_checked(8)?;
                    let mut nonce = [0; 12];
                    nonce[..4].copy_from_slice(iv);
                    nonce[4..].copy_from_slice(explicit);
                    (nonce, sealed)
                } else {
                    (counted(iv, self.sequence), fragment)
                };
                let length = sealed.len().checked_sub(key.algorithm().tag_len())?;
                open_aead(key, nonce, &head(length), sealed)?
            }
            Cipher::Cbc(cbc) => cbc.open(head, fragment)?,
        };
        self.sequence += 1;
        Some(plain)
    }
}

impl Cbc {
    /// `head` gives what is authenticated beside content of some length.
    fn open(&self, head: impl Fn(usize) -> [u8; 13], fragment: &[u8]) -> Option<Vec<u8>> {
        let tag_bytes = self.mac.algorithm().tag_len();
        if self.encrypt_then_mac {
            let at = fragment.len().checked_sub(tag_bytes)?;
            let (encrypted, tag) = fragment.split_at(at);
            verify(&self.mac, &head(at), encrypted, tag)?;
            return unpadded(decrypt(&self.key, encrypted)?, 0);
        }
        let mut content = unpadded(decrypt(&self.key, fragment)?, tag_bytes)?;
        let tag = content.split_off(content.len().checked_sub(tag_bytes)?);
        verify(&self.mac, &head(content.len()), &content, &tag)?;
        Some(content)
    }
}

/// What TLS 1.2 authenticates beside the content (RFC 5246 §6.2.3.1 and §6.2.3.3): sequence number, type, version,
/// length.
#[must_use]
pub fn pseudo_header(sequence: u64, content_type: u8, version: u16, length: usize) -> [u8; 13] {
    let mut head = [0; 13];
    head[..8].copy_from_slice(&sequence.to_be_bytes());
    head[8] = content_type;
    head[9..11].copy_from_slice(&version.to_be_bytes());
    head[11..].copy_from_slice(&(length as u16).to_be_bytes());
    head
}

/// The nonce of RFC 8446 §5.3: the sequence number on the last 8 bytes of `iv`, which has 12.
fn counted(iv: &[u8], sequence: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce.copy_from_slice(iv);
    for (n, s) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
        *n ^= s;
    }
    nonce
}

fn open_aead(
    key: &aead::LessSafeKey,
    nonce: [u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let mut buffer = sealed.to_vec();
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    let plain = key.open_in_place(nonce, aead::Aad::from(aad), &mut buffer);
    let bytes = plain.ok()?.len();
    buffer.truncate(bytes);
    Some(buffer)
}

fn verify(key: &hmac::Key, head: &[u8], content: &[u8], tag: &[u8]) -> Option<()> {
    let all = [head, content].concat();
    hmac::verify(key, &all, tag).ok()
}

/// Initialisation vector and blocks to what is under them, one block at least.
fn decrypt(key: &DecryptingKey, fragment: &[u8]) -> Option<Vec<u8>> {
    let (iv, blocks) = fragment.split_first_chunk::<BLOCK>()?;
    if blocks.is_empty() || !blocks.len().is_multiple_of(BLOCK) {
        return None;
    }
    let mut plain = blocks.to_vec();
    let context = DecryptionContext::Iv128(FixedLength::from(*iv));
    key.decrypt(&mut plain, context).ok()?;
    Some(plain)
}

/// Without its padding: n bytes of value n, and n itself (RFC 5246 §6.2.3.2). `least` bytes must remain.
fn unpadded(mut plain: Vec<u8>, least: usize) -> Option<Vec<u8>> {
    let n = *plain.last()?;
    let content = plain.len().checked_sub(usize::from(n) + 1)?;
    if content < least || plain[content..].iter().any(|b| *b != n) {
        return None;
    }
    plain.truncate(content);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect::key_schedule::suite_parameters;

    fn keys(suite: SuiteParameters, byte: u8) -> TrafficKeys {
        TrafficKeys {
            mac: vec![byte; suite.mac_key_bytes()],
            key: vec![byte; suite.key_bytes],
            iv: vec![byte; suite.iv_bytes],
        }
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let gcm = suite_parameters(0x1302).unwrap();
        let cbc = suite_parameters(0x003d).unwrap();
        for suite in [gcm, cbc] {
            for part in 0..3 {
                let mut keys = keys(suite, 0);
                [&mut keys.mac, &mut keys.key, &mut keys.iv][part].push(0);
                assert!(Opener::new(suite, keys, false).is_none());
            }
            for encrypt_then_mac in [false, true] {
                let mut opener = Opener::new(suite, keys(suite, 0), encrypt_then_mac).unwrap();
                for n in 0..100 {
                    assert_eq!(opener.open(23, 0x0303, &vec![0; n]), None, "{n} bytes");
                }
            }
        }
    }

    #[test]
    fn padding_is_as_the_rfc_says() {
        assert_eq!(unpadded(vec![7, 8, 1, 1], 0), Some(vec![7, 8]));
        assert_eq!(unpadded(vec![0], 0), Some(vec![]));
        assert_eq!(unpadded(vec![7, 8, 1, 1], 3), None, "too little remains");
        assert_eq!(unpadded(vec![7, 2, 1, 2], 0), None, "another value inside");
        assert_eq!(unpadded(vec![7, 4], 0), None, "longer than the record");
        assert_eq!(unpadded(vec![], 0), None);
    }
}
