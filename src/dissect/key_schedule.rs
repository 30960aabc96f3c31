//! From secrets to record keys: the key schedule of TLS 1.3 (RFC 8446 §7) below the traffic secrets, and the key
//! expansion of TLS 1.2 (RFC 5246 §5 and §6.3) below the master secret; and the opening of one record with them
//! (RFC 8446 §5.3, RFC 5288 §3, RFC 7905 §2). Which secret is in use when is not known here.

use aws_lc_rs::{aead, hmac};

use crate::wire::tls::TLS13;

/// What a cipher suite needs of the key schedule.
#[derive(Debug, Clone, Copy)]
pub struct SuiteParameters {
    /// TLS 1.3 or 1.2.
    pub version: u16,
    /// Its AEAD.
    pub aead: &'static aead::Algorithm,
    /// Its hash, as HMAC.
    pub hash: hmac::Algorithm,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of the implicit part of a nonce: 12, or 4 with AES-GCM in TLS 1.2, where 8 more precede each record.
    pub iv_bytes: usize,
}

/// The parameters of a suite by its number, for the AEAD suites that can be decrypted.
#[must_use]
pub fn suite_parameters(suite: u16) -> Option<SuiteParameters> {
    let (version, aead, hash, iv_bytes) = match suite {
        0x1301 => (TLS13, &aead::AES_128_GCM, hmac::HMAC_SHA256, 12),
        0x1302 => (TLS13, &aead::AES_256_GCM, hmac::HMAC_SHA384, 12),
        0x1303 => (TLS13, &aead::CHACHA20_POLY1305, hmac::HMAC_SHA256, 12),
        // RSA, ECDHE-ECDSA and ECDHE-RSA differ in how the master secret comes about, not below it.
        0x009c | 0xc02b | 0xc02f => (0x0303, &aead::AES_128_GCM, hmac::HMAC_SHA256, 4),
        0x009d | 0xc02c | 0xc030 => (0x0303, &aead::AES_256_GCM, hmac::HMAC_SHA384, 4),
        0xcca8 | 0xcca9 => (0x0303, &aead::CHACHA20_POLY1305, hmac::HMAC_SHA256, 12),
        _ => return None,
    };
    Some(SuiteParameters {
        version,
        aead,
        hash,
        key_bytes: aead.key_len(),
        iv_bytes,
    })
}

/// `HKDF-Expand-Label(secret, label, context, length)` of RFC 8446 §7.1; `label` without its "tls13 ".
#[must_use]
pub fn expand_label(
    hash: hmac::Algorithm,
    secret: &[u8],
    label: &str,
    context: &[u8],
    length: u8,
) -> Vec<u8> {
    // struct { uint16 length; opaque label<7..255>; opaque context<0..255>; } HkdfLabel
    let mut info = vec![0, length];
    info.extend([6 + label.len() as u8]);
    info.extend(b"tls13 ");
    info.extend(label.as_bytes());
    info.extend([context.len() as u8]);
    info.extend(context);

    // HKDF-Expand, RFC 5869 §2.3.
    let key = hmac::Key::new(hash, secret);
    let (mut out, mut block) = (Vec::new(), Vec::new());
    let mut counter = 0_u8;
    while out.len() < usize::from(length) {
        counter += 1;
        let mut context = hmac::Context::with_key(&key);
        context.update(&block);
        context.update(&info);
        context.update(&[counter]);
        block = context.sign().as_ref().to_vec();
        out.extend_from_slice(&block);
    }
    out.truncate(usize::from(length));
    out
}

/// The secret that follows a traffic secret after a KeyUpdate (RFC 8446 §7.2).
#[must_use]
pub fn next_traffic_secret(suite: &SuiteParameters, secret: &[u8]) -> Vec<u8> {
    let length = suite.hash.tag_len() as u8;
    expand_label(suite.hash, secret, "traffic upd", b"", length)
}

/// `PRF(secret, label, seed)` of RFC 5246 §5, cut to `length` bytes.
#[must_use]
pub fn prf(
    hash: hmac::Algorithm,
    secret: &[u8],
    label: &str,
    seed: &[u8],
    length: usize,
) -> Vec<u8> {
    let seed = [label.as_bytes(), seed].concat();
    let key = hmac::Key::new(hash, secret);
    let mut out = Vec::new();
    let mut a = hmac::sign(&key, &seed);
    while out.len() < length {
        let mut context = hmac::Context::with_key(&key);
        context.update(a.as_ref());
        context.update(&seed);
        out.extend_from_slice(context.sign().as_ref());
        a = hmac::sign(&key, a.as_ref());
    }
    out.truncate(length);
    out
}

/// Key and implicit nonce of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficKeys {
    /// The AEAD key.
    pub key: Vec<u8>,
    /// The implicit part of every nonce; see [`SuiteParameters::iv_bytes`].
    pub iv: Vec<u8>,
}

/// The keys under a traffic secret of TLS 1.3 (RFC 8446 §7.3).
#[must_use]
pub fn traffic_keys(suite: &SuiteParameters, secret: &[u8]) -> TrafficKeys {
    let expand = |label, n: usize| expand_label(suite.hash, secret, label, b"", n as u8);
    TrafficKeys {
        key: expand("key", suite.key_bytes),
        iv: expand("iv", suite.iv_bytes),
    }
}

/// The client's and the server's keys under a master secret of TLS 1.2 (RFC 5246 §6.3); AEAD suites have no MAC
/// keys.
#[must_use]
pub fn key_block(
    suite: &SuiteParameters,
    master: &[u8],
    client_random: &[u8; 32],
    server_random: &[u8; 32],
) -> [TrafficKeys; 2] {
    let seed = [&server_random[..], client_random].concat();
    let (k, v) = (suite.key_bytes, suite.iv_bytes);
    let block = prf(suite.hash, master, "key expansion", &seed, 2 * (k + v));
    let (keys, ivs) = block.split_at(2 * k);
    let side = |n: usize| TrafficKeys {
        key: keys[n * k..(n + 1) * k].to_vec(),
        iv: ivs[n * v..(n + 1) * v].to_vec(),
    };
    [side(0), side(1)]
}

/// Opens the records of one direction, one after the other.
#[derive(Debug)]
pub struct Opener {
    suite: SuiteParameters,
    key: aead::LessSafeKey,
    iv: Vec<u8>,
    sequence: u64,
}

impl Opener {
    /// Starts with sequence number 0. `None` when a length in `keys` does not fit the suite.
    #[must_use]
    pub fn new(suite: SuiteParameters, keys: TrafficKeys) -> Option<Self> {
        let key = aead::UnboundKey::new(suite.aead, &keys.key).ok()?;
        (keys.iv.len() == suite.iv_bytes).then(|| Self {
            suite,
            key: aead::LessSafeKey::new(key),
            iv: keys.iv,
            sequence: 0,
        })
    }

    /// The plaintext of a record, TLS 1.3's with padding and inner type still on it. `None` when it is not
    /// authentic under these keys; the next one is then still tried with the same sequence number.
    #[must_use]
    pub fn open(&mut self, content_type: u8, version: u16, fragment: &[u8]) -> Option<Vec<u8>> {
        let sequence = self.sequence.to_be_bytes();
        let mut nonce = [0; 12];
        nonce[..self.iv.len()].copy_from_slice(&self.iv);
        let sealed = if self.iv.len() == 4 {
            let (explicit, sealed) = fragment.split_at_checked(8)?;
            nonce[4..].copy_from_slice(explicit);
            sealed
        } else {
            for (n, s) in nonce[4..].iter_mut().zip(sequence) {
                *n ^= s;
            }
            fragment
        };
        let [v1, v2] = version.to_be_bytes();
        let aad = if self.suite.version == TLS13 {
            let [l1, l2] = (fragment.len() as u16).to_be_bytes();
            vec![content_type, v1, v2, l1, l2]
        } else {
            let plain = sealed.len().checked_sub(self.suite.aead.tag_len())?;
            let [l1, l2] = (plain as u16).to_be_bytes();
            [&sequence[..], &[content_type, v1, v2, l1, l2]].concat()
        };
        let mut buffer = sealed.to_vec();
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let plain = self
            .key
            .open_in_place(nonce, aead::Aad::from(aad), &mut buffer)
            .ok()?
            .len();
        buffer.truncate(plain);
        self.sequence += 1;
        Some(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter_map(|c| c.to_digit(16))
            .map(|d| d as u8)
            .collect();
        digits.chunks(2).map(|c| c[0] << 4 | c[1]).collect()
    }

    /// RFC 8448 §3, "Simple 1-RTT Handshake".
    #[test]
    fn keys_of_rfc_8448() {
        let suite = suite_parameters(0x1301).unwrap();
        for (secret, key, iv) in [
            (
                "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
                "dbfaa693d1762c5b666af5d950258d01",
                "5bd3c71b836e0b76bb73265f",
            ),
            (
                "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
                "3fce516009c21727d0f2e4e86ee403bc",
                "5d313eb2671276ee13000b30",
            ),
        ] {
            let keys = traffic_keys(&suite, &hex(secret));
            assert_eq!((keys.key, keys.iv), (hex(key), hex(iv)));
        }
    }

    /// The widely used test vector of P_SHA256.
    #[test]
    fn prf_of_tls12() {
        let out = prf(
            hmac::HMAC_SHA256,
            &hex("9bbe436ba940f017b17652849a71db35"),
            "test label",
            &hex("a0ba9f936cda311827a6f796ffd5198c"),
            100,
        );
        let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a\
            6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab\
            4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701\
            87347b66";
        assert_eq!(out, hex(expected));
    }

    #[test]
    fn a_key_block_is_cut_in_the_order_of_the_rfc() {
        let suite = suite_parameters(0xc02b).unwrap();
        let [client, server] = key_block(&suite, &[1; 48], &[2; 32], &[3; 32]);
        let seed = [[3; 32], [2; 32]].concat();
        let block = prf(suite.hash, &[1; 48], "key expansion", &seed, 40);
        let joined = [client.key, server.key, client.iv, server.iv].concat();
        assert_eq!(joined, block);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let suite = suite_parameters(0x1302).unwrap();
        let keys = |k, v| TrafficKeys {
            key: vec![0; k],
            iv: vec![0; v],
        };
        assert!(Opener::new(suite, keys(16, 12)).is_none());
        assert!(Opener::new(suite, keys(32, 4)).is_none());
        let mut opener = Opener::new(suite, keys(32, 12)).unwrap();
        for n in [0, 1, 15, 16, 17] {
            assert_eq!(opener.open(23, 0x0303, &vec![0; n]), None);
        }
    }
}
