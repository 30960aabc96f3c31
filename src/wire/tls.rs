//! One TLS record header, one handshake message at a time: RFC 8446 §4 and §5, RFC 5246 §6.2 and §7.4. What is
//! encrypted cannot be read here; `dissect` decrypts.

pub mod key_exchange;
mod names;
mod reader;

pub use names::{
    alert_name, alert_names, alert_number, group_name, openssl_suite_name, scheme_name, suite_name,
    suite_names, suite_number, version_name,
};

pub(crate) use reader::{Reader, extension};

/// Record content types (RFC 8446 §5.1).
pub mod content_type {
    /// Change cipher spec.
    pub const CHANGE_CIPHER_SPEC: u8 = 20;
    /// Alert.
    pub const ALERT: u8 = 21;
    /// Handshake.
    pub const HANDSHAKE: u8 = 22;
    /// Application data, and every encrypted record of TLS 1.3.
    pub const APPLICATION_DATA: u8 = 23;
}

/// Handshake message types (RFC 8446 §4, RFC 5246 §7.4).
pub mod handshake_type {
    /// ClientHello.
    pub const CLIENT_HELLO: u8 = 1;
    /// ServerHello, and HelloRetryRequest.
    pub const SERVER_HELLO: u8 = 2;
    /// NewSessionTicket.
    pub const NEW_SESSION_TICKET: u8 = 4;
    /// EncryptedExtensions.
    pub const ENCRYPTED_EXTENSIONS: u8 = 8;
    /// Certificate.
    pub const CERTIFICATE: u8 = 11;
    /// ServerKeyExchange.
    pub const SERVER_KEY_EXCHANGE: u8 = 12;
    /// CertificateRequest.
    pub const CERTIFICATE_REQUEST: u8 = 13;
    /// ServerHelloDone.
    pub const SERVER_HELLO_DONE: u8 = 14;
    /// CertificateVerify.
    pub const CERTIFICATE_VERIFY: u8 = 15;
    /// ClientKeyExchange.
    pub const CLIENT_KEY_EXCHANGE: u8 = 16;
    /// Finished.
    pub const FINISHED: u8 = 20;
    /// KeyUpdate.
    pub const KEY_UPDATE: u8 = 24;
}

/// The version number of TLS 1.2.
pub const TLS12: u16 = 0x0303;
/// The version number of TLS 1.3.
pub const TLS13: u16 = 0x0304;

/// SHA-256 of "HelloRetryRequest": a ServerHello with this random asks for another ClientHello (RFC 8446 §4.1.3).
pub const HELLO_RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// The head of a record: type (1 byte), version (2), length of what follows (2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// See [`content_type`].
    pub content_type: u8,
    /// As in 0x0303, whatever the version of the connection.
    pub version: u16,
    /// Bytes of the fragment.
    pub length: usize,
}

impl RecordHeader {
    /// Bytes of a record header.
    pub const BYTES: usize = 5;
    /// The longest fragment that any version allows (RFC 5246 §6.2.3).
    pub const LONGEST: usize = (1 << 14) + 2048;

    /// Reads the header; `None` when `bytes` are too few.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        Some(Self {
            content_type: r.u8()?,
            version: r.u16()?,
            length: usize::from(r.u16()?),
        })
    }

    /// Whether a record can begin so: a known type, major version 3, a length that is allowed.
    #[must_use]
    pub const fn is_plausible(&self) -> bool {
        self.content_type >= content_type::CHANGE_CIPHER_SPEC
            && self.content_type <= content_type::APPLICATION_DATA
            && self.version >> 8 == 3
            && self.length <= Self::LONGEST
    }
}

/// The type and body length of a handshake message: its header is 1 + 3 bytes. `None` when `bytes` are too few.
#[must_use]
pub fn handshake_header(bytes: &[u8]) -> Option<(u8, usize)> {
    let mut r = Reader(bytes);
    Some((r.u8()?, r.u24()?))
}

/// What a ClientHello offers (RFC 8446 §4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// The version field: 0x0303 even when TLS 1.3 is offered.
    pub legacy_version: u16,
    /// The client's random, by which key logs name the connection.
    pub random: [u8; 32],
    /// Cipher suites, preferred first.
    pub suites: Vec<u16>,
    /// The host name in the server_name extension (RFC 6066 §3).
    pub server_name: Option<String>,
    /// Protocols in the ALPN extension (RFC 7301 §3.1).
    pub alpn: Vec<String>,
    /// Versions in the supported_versions extension; empty without it.
    pub supported_versions: Vec<u16>,
    /// Groups in the supported_groups extension, preferred first.
    pub groups: Vec<u16>,
    /// Groups with a key share (RFC 8446 §4.2.8).
    pub key_shares: Vec<u16>,
    /// Whether it offers to resume a session: a pre-shared key (RFC 8446 §4.2.11), a ticket (RFC 5077 §3.2) or, in a
    /// hello that cannot be TLS 1.3's, a session id.
    pub resumes: bool,
}

impl ClientHello {
    /// Reads the body of the message; `None` when it is not well-formed.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut r = Reader(body);
        let mut hello = Self {
            legacy_version: r.u16()?,
            random: r.random()?,
            suites: Vec::new(),
            server_name: None,
            alpn: Vec::new(),
            supported_versions: Vec::new(),
            groups: Vec::new(),
            key_shares: Vec::new(),
            resumes: false,
        };
        let has_session_id = !r.vector8()?.0.is_empty();
        hello.suites = r.vector16()?.u16s()?;
        r.vector8()?; // compression methods
        for (kind, data) in r.extensions()? {
            let mut data = Reader(data);
            match kind {
                extension::SERVER_NAME => {
                    let mut names = data.vector16()?;
                    while !names.0.is_empty() {
                        let (kind, name) = (names.u8()?, names.vector16()?);
                        if kind == 0 {
                            hello.server_name = Some(name.text());
                        }
                    }
                }
                extension::ALPN => hello.alpn = data.protocols()?,
                extension::SUPPORTED_VERSIONS => {
                    hello.supported_versions = data.vector8()?.u16s()?
                }
                extension::SUPPORTED_GROUPS => hello.groups = data.vector16()?.u16s()?,
                extension::KEY_SHARE => {
                    let mut shares = data.vector16()?;
                    while !shares.0.is_empty() {
                        hello.key_shares.push(shares.u16()?);
                        shares.vector16()?;
                    }
                }
                extension::PRE_SHARED_KEY => hello.resumes = true,
                extension::SESSION_TICKET => hello.resumes |= !data.0.is_empty(),
                _ => {}
            }
        }
        // With TLS 1.3 on offer the session id only looks like one (RFC 8446 §D.4).
        hello.resumes |= has_session_id && !hello.supported_versions.contains(&TLS13);
        Some(hello)
    }

    /// Versions offered, highest first, without the reserved values of RFC 8701.
    #[must_use]
    pub fn versions(&self) -> Vec<u16> {
        let mut versions: Vec<u16> = self
            .supported_versions
            .iter()
            .copied()
            .filter(|v| v & 0x0f0f != 0x0a0a)
            .collect();
        if versions.is_empty() {
            versions.push(self.legacy_version);
        }
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions
    }
}

/// What a ServerHello chooses (RFC 8446 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello {
    /// The version field: 0x0303 even when TLS 1.3 is chosen.
    pub legacy_version: u16,
    /// The server's random.
    pub random: [u8; 32],
    /// The suite.
    pub suite: u16,
    /// The version in the supported_versions extension.
    pub selected_version: Option<u16>,
    /// The protocol in the ALPN extension (TLS 1.2 only).
    pub alpn: Option<String>,
    /// The group of its key share, or the one a HelloRetryRequest asks for (TLS 1.3 only).
    pub group: Option<u16>,
    /// Whether it accepts a pre-shared key (RFC 8446 §4.2.11).
    pub pre_shared_key: bool,
    /// Whether CBC records are encrypted first and then authenticated (RFC 7366).
    pub encrypt_then_mac: bool,
    /// Whether the master secret is bound to the whole handshake (RFC 7627).
    pub extended_master_secret: bool,
}

impl ServerHello {
    /// Reads the body of the message; `None` when it is not well-formed.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut r = Reader(body);
        let (legacy_version, random) = (r.u16()?, r.random()?);
        r.vector8()?; // session id
        let suite = r.u16()?;
        r.u8()?; // compression method
        let mut hello = Self {
            legacy_version,
            random,
            suite,
            selected_version: None,
            alpn: None,
            group: None,
            pre_shared_key: false,
            encrypt_then_mac: false,
            extended_master_secret: false,
        };
        for (kind, data) in r.extensions()? {
            let mut data = Reader(data);
            match kind {
                extension::ALPN => hello.alpn = data.protocols()?.pop(),
                extension::SUPPORTED_VERSIONS => hello.selected_version = Some(data.u16()?),
                extension::KEY_SHARE => hello.group = Some(data.u16()?),
                extension::PRE_SHARED_KEY => hello.pre_shared_key = true,
                extension::ENCRYPT_THEN_MAC => hello.encrypt_then_mac = true,
                extension::EXTENDED_MASTER_SECRET => hello.extended_master_secret = true,
                _ => {}
            }
        }
        Some(hello)
    }

    /// The version chosen.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.selected_version.unwrap_or(self.legacy_version)
    }

    /// Whether it is a HelloRetryRequest.
    #[must_use]
    pub fn is_retry_request(&self) -> bool {
        self.random == HELLO_RETRY_RANDOM
    }
}

/// The protocol chosen in the body of EncryptedExtensions; the outer `None` when it is not well-formed.
#[must_use]
pub fn encrypted_extensions_alpn(body: &[u8]) -> Option<Option<String>> {
    for (kind, data) in Reader(body).extensions()? {
        if kind == extension::ALPN {
            return Some(Reader(data).protocols()?.pop());
        }
    }
    Some(None)
}

/// The DER certificates in the body of a Certificate message, leaf first; `None` when it is not well-formed.
/// TLS 1.3 puts a context before the list and extensions after each certificate (RFC 8446 §4.4.2).
#[must_use]
pub fn certificates(body: &[u8], version: u16) -> Option<Vec<&[u8]>> {
    let mut r = Reader(body);
    if version >= TLS13 {
        r.vector8()?;
    }
    let mut list = r.vector24()?;
    let mut chain = Vec::new();
    while !list.0.is_empty() {
        chain.push(list.vector24()?.0);
        if version >= TLS13 {
            list.vector16()?;
        }
    }
    Some(chain)
}

/// The curve in the body of a ServerKeyExchange message of TLS 1.2 (RFC 8422 §5.4): type 3 (named curve), then its
/// number; `None` when it names none.
#[must_use]
pub fn server_key_exchange_group(body: &[u8]) -> Option<u16> {
    let mut r = Reader(body);
    (r.u8()? == 3).then(|| r.u16())?
}

/// The signature scheme in the body of a CertificateVerify message.
#[must_use]
pub fn certificate_verify_scheme(body: &[u8]) -> Option<u16> {
    Reader(body).u16()
}

/// The encrypted pre-master secret in the body of a ClientKeyExchange, when the key exchange is RSA (RFC 5246
/// §7.4.7.1); `None` when it is not well-formed.
#[must_use]
pub fn encrypted_pre_master(body: &[u8]) -> Option<&[u8]> {
    let mut r = Reader(body);
    let encrypted = r.vector16()?;
    r.0.is_empty().then_some(encrypted.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_hello() -> Vec<u8> {
        let mut b = vec![3, 3];
        b.extend([7; 32]);
        b.push(0);
        b.extend([0, 6, 0x13, 0x01, 0xc0, 0x2b, 0x00, 0xff]);
        b.extend([1, 0]);
        let extensions: &[&[u8]] = &[
            &[0, 0, 0, 9, 0, 7, 0, 0, 4, b'a', b'.', b'd', b'e'],
            &[
                0, 16, 0, 14, 0, 12, 2, b'h', b'2', 8, b'h', b't', b't', b'p', b'/', b'1', b'.',
                b'1',
            ],
            &[0, 43, 0, 7, 6, 0x3a, 0x3a, 3, 3, 3, 4],
        ];
        let all = extensions.concat();
        b.extend(u16::try_from(all.len()).unwrap().to_be_bytes());
        b.extend(all);
        b
    }

    #[test]
    fn reads_what_a_client_offers() {
        let hello = ClientHello::read(&client_hello()).unwrap();
        assert_eq!(hello.random, [7; 32]);
        assert_eq!(hello.suites, [0x1301, 0xc02b, 0x00ff]);
        assert_eq!(hello.server_name.as_deref(), Some("a.de"));
        assert_eq!(hello.alpn, ["h2", "http/1.1"]);
        assert_eq!(hello.supported_versions, [0x3a3a, TLS12, TLS13]);
        assert_eq!(hello.versions(), [TLS13, TLS12]);
    }

    #[test]
    fn a_cut_hello_is_none_and_never_a_panic() {
        let whole = client_hello();
        // Up to the end of the compression methods it is also a hello without extensions.
        let bare = 2 + 32 + 1 + 8 + 2;
        for n in (0..whole.len()).filter(|n| *n != bare) {
            assert_eq!(ClientHello::read(&whole[..n]), None, "{n} bytes");
        }
        assert_eq!(
            ClientHello::read(&whole[..bare]).unwrap().versions(),
            [TLS12]
        );
    }

    #[test]
    fn certificates_of_both_versions() {
        let v12 = [0, 0, 9, 0, 0, 2, 1, 2, 0, 0, 1, 3];
        assert_eq!(certificates(&v12, TLS12), Some(vec![&[1, 2][..], &[3]]));
        let v13 = [0, 0, 0, 7, 0, 0, 2, 1, 2, 0, 0];
        assert_eq!(certificates(&v13, TLS13), Some(vec![&[1, 2][..]]));
        assert_eq!(certificates(&v13[..9], TLS13), None);
    }

    #[test]
    fn names() {
        assert_eq!(version_name(TLS13), "TLS 1.3");
        assert_eq!(
            suite_name(0xc02b),
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
        );
        assert_eq!(suite_name(0x1305), "0x1305");
        // As `openssl ciphers -stdname` pairs them.
        for (iana, openssl) in [
            ("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
            (
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "ECDHE-RSA-AES128-GCM-SHA256",
            ),
            (
                "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
                "ECDHE-ECDSA-AES256-SHA384",
            ),
            (
                "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
                "ECDHE-RSA-CHACHA20-POLY1305",
            ),
            ("TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
            ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
        ] {
            assert_eq!(openssl_suite_name(iana), openssl);
        }
        assert_eq!(scheme_name(0x0403), "ecdsa_secp256r1_sha256");
    }

    #[test]
    fn record_headers() {
        let header = RecordHeader::read(&[22, 3, 1, 2, 0]).unwrap();
        assert_eq!((header.content_type, header.length), (22, 512));
        assert!(header.is_plausible());
        assert!(!RecordHeader::read(b"GET /").unwrap().is_plausible());
        assert_eq!(RecordHeader::read(&[22, 3, 1, 2]), None);
    }
}
