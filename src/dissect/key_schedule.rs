//! From secrets to record keys: the key schedule of TLS 1.3 (RFC 8446 §7) below the traffic secrets, and the key
//! expansion of TLS 1.2 (RFC 5246 §5 and §6.3) below the master secret. Which secret is in use when is not known here.

#[cfg(test)]
mod rfc8448;
pub mod tls12;
pub mod tls13;

use aws_lc_rs::{aead, hmac};

use crate::wire::tls::{TLS12, TLS13};

/// How a cipher suite protects records.
#[derive(Debug, Clone, Copy)]
pub enum Protection {
    /// Authenticated encryption (RFC 5288, RFC 7905, RFC 8446 §5.2).
    Aead(&'static aead::Algorithm),
    /// AES in CBC mode and this HMAC (RFC 5246 §6.2.3.2).
    Cbc(hmac::Algorithm),
}

/// What a cipher suite needs of the key schedule.
#[derive(Debug, Clone, Copy)]
pub struct SuiteParameters {
    /// TLS 1.3 or 1.2.
    pub version: u16,
    /// Its record protection.
    pub protection: Protection,
    /// Its hash, as HMAC: that of HKDF or of the PRF.
    pub hash: hmac::Algorithm,
    /// Bytes of an encryption key.
    pub key_bytes: usize,
    /// Bytes of the implicit part of a nonce: 12, or 4 with AES-GCM in TLS 1.2, where 8 more precede each record. 0
    /// with CBC, where 16 bytes precede each record.
    pub iv_bytes: usize,
}

impl SuiteParameters {
    /// Bytes of a MAC key: as many as the hash gives, and 0 for AEAD suites.
    #[must_use]
    pub fn mac_key_bytes(&self) -> usize {
        match self.protection {
            Protection::Aead(_) => 0,
            Protection::Cbc(mac) => mac.tag_len(),
        }
    }
}

/// The parameters of a suite by its number, for the suites that can be decrypted.
#[must_use]
pub fn suite_parameters(suite: u16) -> Option<SuiteParameters> {
    use aead::{AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305};
    use hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY as HMAC_SHA1, HMAC_SHA256, HMAC_SHA384};
    let aead = |version, aead: &'static aead::Algorithm, hash, iv_bytes| SuiteParameters {
        version,
        protection: Protection::Aead(aead),
        hash,
        key_bytes: aead.key_len(),
        iv_bytes,
    };
    // The PRF is SHA-256's unless a suite says SHA-384 (RFC 5246 §5, RFC 5289 §3.1).
    let cbc = |key_bytes, mac, hash| SuiteParameters {
        version: TLS12,
        protection: Protection::Cbc(mac),
        hash,
        key_bytes,
        iv_bytes: 0,
    };
    // RSA, ECDHE-ECDSA and ECDHE-RSA differ in how the master secret comes about, not below it.
    Some(match suite {
        0x1301 => aead(TLS13, &AES_128_GCM, HMAC_SHA256, 12),
        0x1302 => aead(TLS13, &AES_256_GCM, HMAC_SHA384, 12),
        0x1303 => aead(TLS13, &CHACHA20_POLY1305, HMAC_SHA256, 12),
        0x009c | 0xc02b | 0xc02f => aead(TLS12, &AES_128_GCM, HMAC_SHA256, 4),
        0x009d | 0xc02c | 0xc030 => aead(TLS12, &AES_256_GCM, HMAC_SHA384, 4),
        0xcca8 | 0xcca9 => aead(TLS12, &CHACHA20_POLY1305, HMAC_SHA256, 12),
        0x002f | 0xc009 | 0xc013 => cbc(16, HMAC_SHA1, HMAC_SHA256),
        0x0035 | 0xc00a | 0xc014 => cbc(32, HMAC_SHA1, HMAC_SHA256),
        0x003c | 0xc023 | 0xc027 => cbc(16, HMAC_SHA256, HMAC_SHA256),
        0x003d => cbc(32, HMAC_SHA256, HMAC_SHA256),
        0xc024 | 0xc028 => cbc(32, HMAC_SHA384, HMAC_SHA384),
        _ => return None,
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

/// The keys of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficKeys {
    /// The MAC key; empty for AEAD suites.
    pub mac: Vec<u8>,
    /// The encryption key.
    pub key: Vec<u8>,
    /// The implicit part of every nonce; see [`SuiteParameters::iv_bytes`].
    pub iv: Vec<u8>,
}

/// The keys under a traffic secret of TLS 1.3 (RFC 8446 §7.3).
#[must_use]
pub fn traffic_keys(suite: &SuiteParameters, secret: &[u8]) -> TrafficKeys {
    let expand = |label, n: usize| expand_label(suite.hash, secret, label, b"", n as u8);
    TrafficKeys {
        mac: Vec::new(),
        key: expand("key", suite.key_bytes),
        iv: expand("iv", suite.iv_bytes),
    }
}

/// The client's and the server's keys under a master secret of TLS 1.2 (RFC 5246 §6.3).
#[must_use]
pub fn key_block(
    suite: &SuiteParameters,
    master: &[u8],
    client_random: &[u8; 32],
    server_random: &[u8; 32],
) -> [TrafficKeys; 2] {
    let seed = [&server_random[..], client_random].concat();
    let lengths = [suite.mac_key_bytes(), suite.key_bytes, suite.iv_bytes];
    let all = 2 * lengths.iter().sum::<usize>();
    let block = prf(suite.hash, master, "key expansion", &seed, all);
    let mut rest = block.as_slice();
    let mut sides = [(); 2].map(|()| TrafficKeys {
        mac: Vec::new(),
        key: Vec::new(),
        iv: Vec::new(),
    });
    // client_write_MAC_key, server_write_MAC_key, client_write_key, server_write_key, client_write_IV, …
    for (part, length) in lengths.into_iter().enumerate() {
        for side in &mut sides {
            let (bytes, after) = rest.split_at(length);
            rest = after;
            *[&mut side.mac, &mut side.key, &mut side.iv][part] = bytes.to_vec();
        }
    }
    sides
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
        for (suite, bytes) in [(0xc02b, 40), (0x0035, 104), (0x003c, 96)] {
            let suite = suite_parameters(suite).unwrap();
            let [client, server] = key_block(&suite, &[1; 48], &[2; 32], &[3; 32]);
            let seed = [[3; 32], [2; 32]].concat();
            let block = prf(suite.hash, &[1; 48], "key expansion", &seed, bytes);
            let (c, s) = (client, server);
            let joined = [c.mac, s.mac, c.key, s.key, c.iv, s.iv].concat();
            assert_eq!(joined, block);
        }
    }
}
