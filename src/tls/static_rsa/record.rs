//! The record layer: records out of a byte stream and into one, within the limits of RFC 5246 §6.2, and their
//! protection on the way out (the way in is the dissection's [`Opener`]).

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{aead, hmac};
use rustls::AlertDescription;

use super::{Error, Suite};
use crate::dissect::key_schedule::{Protection, TrafficKeys};
use crate::dissect::opener::{Opener, pseudo_header};
use crate::tls::random::Randomness;
use crate::wire::tls::{RecordHeader, TLS12, content_type};

/// The most that one record carries (RFC 5246 §6.2.1).
pub(super) const PLAINTEXT_MAX: usize = 1 << 14;
/// And how much longer protection may make it (RFC 5246 §6.2.3).
const EXPANSION_MAX: usize = 2048;
/// How many records without content may follow each other: they are allowed, and cost the sender nothing.
const EMPTY_MAX: usize = 32;

/// A record of the peer's, opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) content_type: u8,
    pub(super) content: Vec<u8>,
}

/// Both directions of a connection's records.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// What came in and is not read yet, from `at` on.
    incoming: Vec<u8>,
    at: usize,
    /// Records without content since the last with some.
    empty: usize,
    /// The version is agreed, so that every record must say it.
    pub(super) agreed: bool,
    /// Opens what comes in, after the peer's ChangeCipherSpec.
    pub(super) opener: Option<Opener>,
    /// Protects what goes out, after our ChangeCipherSpec.
    pub(super) sealer: Option<Sealer>,
}

impl Records {
    /// Takes bytes of the peer's.
    pub(super) fn take_in(&mut self, bytes: &[u8]) {
        self.incoming.drain(..self.at);
        self.at = 0;
        self.incoming.extend_from_slice(bytes);
    }

    /// The next whole record; `None` when more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Error> {
        let unread = &self.incoming[self.at..];
        let Some(header) = RecordHeader::read(unread) else {
            return Ok(None);
        };
        self.check(header)?;
        let end = RecordHeader::BYTES + header.length;
        let Some(fragment) = unread.get(RecordHeader::BYTES..end) else {
            return Ok(None);
        };
        let content = match &mut self.opener {
            None => fragment.to_vec(),
            Some(opener) => opener
                .open(header.content_type, header.version, fragment)
                .ok_or_else(|| {
                    Error::refused(
                        AlertDescription::BadRecordMac,
                        "a record is not authentic under the agreed keys",
                    )
                })?,
        };
        self.at += end;
        if content.len() > PLAINTEXT_MAX {
            return Err(overflow());
        }
        if content.is_empty() {
            self.empty += 1;
            // RFC 5246 §6.2.1: only application data may be empty.
            if header.content_type != content_type::APPLICATION_DATA || self.empty > EMPTY_MAX {
                return Err(Error::unexpected("an empty record"));
            }
        } else {
            self.empty = 0;
        }
        Ok(Some(Record {
            content_type: header.content_type,
            content,
        }))
    }

    fn check(&self, header: RecordHeader) -> Result<(), Error> {
        let known = content_type::CHANGE_CIPHER_SPEC..=content_type::APPLICATION_DATA;
        if !known.contains(&header.content_type) {
            return Err(Error::unexpected(format_args!(
                "a record of type {}",
                header.content_type
            )));
        }
        // Before the ServerHello a record may say any version of the family (RFC 5246 appendix E.1).
        if header.version >> 8 != 3 || (self.agreed && header.version != TLS12) {
            return Err(Error::refused(
                AlertDescription::ProtocolVersion,
                format!("a record has version 0x{:04x}", header.version),
            ));
        }
        let most = match self.opener {
            None => PLAINTEXT_MAX,
            Some(_) => PLAINTEXT_MAX + EXPANSION_MAX,
        };
        if header.length > most {
            return Err(overflow());
        }
        Ok(())
    }

    /// Appends records with `content` to `out`, as many as it takes. A first ClientHello says version 1.0, for servers
    /// that look no further (RFC 5246 appendix E.1).
    pub(super) fn write(
        &mut self,
        content_type: u8,
        content: &[u8],
        randomness: &mut Randomness,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let version: u16 = if self.agreed { TLS12 } else { 0x0301 };
        for piece in content.chunks(PLAINTEXT_MAX) {
            let sealed;
            let fragment = match &mut self.sealer {
                None => piece,
                Some(sealer) => {
                    sealed = sealer
                        .seal(content_type, piece, randomness)
                        .ok_or_else(|| {
                            Error::refused(
                                AlertDescription::InternalError,
                                "sealing a record failed",
                            )
                        })?;
                    &sealed
                }
            };
            out.push(content_type);
            out.extend(version.to_be_bytes());
            out.extend((fragment.len() as u16).to_be_bytes());
            out.extend_from_slice(fragment);
        }
        Ok(())
    }
}

fn overflow() -> Error {
    let why = format!("a record is longer than {PLAINTEXT_MAX} bytes");
    Error::refused(AlertDescription::RecordOverflow, why)
}

/// Protects the records of one direction, one after the other.
#[derive(Debug)]
pub(super) struct Sealer {
    cipher: Cipher,
    sequence: u64,
}

#[derive(Debug)]
enum Cipher {
    Gcm {
        key: aead::LessSafeKey,
        /// The implicit part of each nonce.
        salt: [u8; 4],
    },
    Cbc(Box<Cbc>),
}

#[derive(Debug)]
struct Cbc {
    key: EncryptingKey,
    mac: hmac::Key,
    encrypt_then_mac: bool,
}

impl Sealer {
    /// Starts with sequence number 0. `None` when a length in `keys` does not fit the suite.
    pub(super) fn new(suite: Suite, keys: &TrafficKeys, encrypt_then_mac: bool) -> Option<Self> {
        let cipher = match suite.parameters().protection {
            Protection::Aead(algorithm) => Cipher::Gcm {
                key: aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, &keys.key).ok()?),
                salt: keys.iv.as_slice().try_into().ok()?,
            },
            Protection::Cbc(algorithm) => {
                let aes = match keys.key.len() {
                    16 => &AES_128,
                    _ => &AES_256,
                };
                let key = UnboundCipherKey::new(aes, &keys.key).ok()?;
                Cipher::Cbc(Box::new(Cbc {
                    key: EncryptingKey::cbc(key).ok()?,
                    mac: hmac::Key::new(algorithm, &keys.mac),
                    encrypt_then_mac,
                }))
            }
        };
        let sequence = 0;
        Some(Self { cipher, sequence })
    }

    /// The fragment of a record with this content. `None` when the primitives refuse, which they do not for these
    /// lengths.
    pub(super) fn seal(
        &mut self,
        content_type: u8,
        content: &[u8],
        randomness: &mut Randomness,
    ) -> Option<Vec<u8>> {
        let head = |length: usize| pseudo_header(self.sequence, content_type, TLS12, length);
        let fragment = match &self.cipher {
            Cipher::Gcm { key, salt } => {
                // The explicit part of the nonce must never repeat under one key: RFC 5288 §3 allows the sequence
                // number.
                let explicit = self.sequence.to_be_bytes();
                let mut nonce = [0; 12];
                nonce[..4].copy_from_slice(salt);
                nonce[4..].copy_from_slice(&explicit);
                let nonce = aead::Nonce::assume_unique_for_key(nonce);
                let mut sealed = content.to_vec();
                let aad = aead::Aad::from(head(content.len()));
                key.seal_in_place_append_tag(nonce, aad, &mut sealed).ok()?;
                [&explicit[..], &sealed].concat()
            }
            Cipher::Cbc(cbc) => cbc.seal(head, content, randomness)?,
        };
        self.sequence += 1;
        Some(fragment)
    }
}

impl Cbc {
    /// `head` gives what is authenticated beside content of some length.
    fn seal(
        &self,
        head: impl Fn(usize) -> [u8; 13],
        content: &[u8],
        randomness: &mut Randomness,
    ) -> Option<Vec<u8>> {
        if self.encrypt_then_mac {
            let mut encrypted = encrypt(&self.key, content.to_vec(), randomness)?;
            let all = [&head(encrypted.len())[..], &encrypted].concat();
            encrypted.extend_from_slice(hmac::sign(&self.mac, &all).as_ref());
            return Some(encrypted);
        }
        let tag = hmac::sign(&self.mac, &[&head(content.len())[..], content].concat());
        encrypt(&self.key, [content, tag.as_ref()].concat(), randomness)
    }
}

/// A random initialisation vector, then `plain` and the least padding, encrypted (RFC 5246 §6.2.3.2).
fn encrypt(
    key: &EncryptingKey,
    mut plain: Vec<u8>,
    randomness: &mut Randomness,
) -> Option<Vec<u8>> {
    let padding = 16 - plain.len() % 16;
    plain.extend(std::iter::repeat_n(padding as u8 - 1, padding));
    let mut iv = [0; 16];
    randomness.fill(&mut iv);
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    key.less_safe_encrypt(&mut plain, context).ok()?;
    Some([&iv[..], &plain].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use crate::tls::static_rsa::KeyExchange;

    fn randomness() -> Randomness {
        Randomness::seeded(Seed(1).stream("records"))
    }

    #[test]
    fn what_is_sealed_opens_and_nothing_else_does() {
        let mut randomness = randomness();
        for suite in Suite::ALL {
            for encrypt_then_mac in [false, true] {
                let random = [[1; 32], [2; 32]];
                let keys = KeyExchange::derive(suite, random, [3; 48], vec![], None).keys;
                let mut sealer = Sealer::new(suite, &keys[0], encrypt_then_mac).unwrap();
                let open = |keys: &TrafficKeys, etm| {
                    Opener::new(suite.parameters(), keys.clone(), etm).unwrap()
                };
                let mut opener = open(&keys[0], encrypt_then_mac);
                for n in [0, 1, 15, 16, 17, 255, 256, PLAINTEXT_MAX] {
                    let content = vec![7; n];
                    let fragment = sealer.seal(23, &content, &mut randomness).unwrap();
                    assert!(fragment.len() <= n + EXPANSION_MAX);
                    let mut changed = fragment.clone();
                    for at in [0, n / 2, fragment.len() - 1] {
                        changed[at] ^= 1;
                        assert_eq!(opener.open(23, TLS12, &changed), None, "{suite:?} {at}");
                        changed[at] ^= 1;
                    }
                    assert_eq!(opener.open(22, TLS12, &fragment), None, "another type");
                    assert_eq!(opener.open(23, TLS12, &fragment), Some(content));
                    assert_eq!(opener.open(23, TLS12, &fragment), None, "played again");
                }
                let fragment = sealer.seal(23, b"x", &mut randomness).unwrap();
                let mut other = open(&keys[1], encrypt_then_mac);
                assert_eq!(
                    other.open(23, TLS12, &fragment),
                    None,
                    "the other direction"
                );
            }
        }
    }

    #[test]
    fn records_are_cut_and_limited() {
        let mut out = Vec::new();
        let mut records = Records::default();
        let content = vec![5; PLAINTEXT_MAX + 1];
        records
            .write(22, &content, &mut randomness(), &mut out)
            .unwrap();
        assert_eq!(out.len(), 5 + PLAINTEXT_MAX + 5 + 1);
        records.take_in(&out);
        assert_eq!(
            records.next().unwrap().unwrap().content,
            vec![5; PLAINTEXT_MAX]
        );
        assert_eq!(records.next().unwrap().unwrap().content, [5]);
        assert_eq!(records.next(), Ok(None));

        let alert = |bytes: &[u8], agreed| {
            let mut records = Records {
                agreed,
                ..Records::default()
            };
            records.take_in(bytes);
            records.next().unwrap_err().alert().unwrap()
        };
        assert_eq!(
            alert(&[22, 3, 3, 0x40, 1], false),
            AlertDescription::RecordOverflow
        );
        assert_eq!(
            alert(&[24, 3, 3, 0, 1], false),
            AlertDescription::UnexpectedMessage
        );
        assert_eq!(
            alert(b"GET / HTTP/1.1", false),
            AlertDescription::UnexpectedMessage
        );
        assert_eq!(
            alert(&[22, 2, 3, 0, 1], false),
            AlertDescription::ProtocolVersion
        );
        assert_eq!(
            alert(&[22, 3, 1, 0, 1], true),
            AlertDescription::ProtocolVersion
        );
        assert_eq!(
            alert(&[22, 3, 3, 0, 0], true),
            AlertDescription::UnexpectedMessage
        );
    }

    #[test]
    fn empty_records_are_taken_up_to_a_limit() {
        let mut records = Records::default();
        for _ in 0..EMPTY_MAX {
            records.take_in(&[23, 3, 3, 0, 0]);
            assert!(records.next().unwrap().unwrap().content.is_empty());
        }
        records.take_in(&[23, 3, 3, 0, 0]);
        assert!(records.next().is_err());
    }
}
