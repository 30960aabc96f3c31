//! What a lab file says about TLS: certificates, and how each side speaks. Data only.

use std::time::Duration;

use crate::wire::tls::{TLS12, TLS13, suite_name};

mod pki;
mod validation;

pub use self::pki::{
    AuthoritySpec, CertificateSpec, ChainPart, CrlSpec, Issuer, KeyKind, KeyUse, PkiSpec, Purpose,
    Signature, Validity,
};
pub use self::validation::{ClockSkew, Revocation, Validation, Validator};

/// TLS protocol versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446 and 9846.
    Tls13,
}

impl Version {
    /// As in "TLS 1.3".
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }

    /// As in 0x0304.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Tls12 => TLS12,
            Self::Tls13 => TLS13,
        }
    }
}

/// Groups for key agreement (RFC 8446 §4.2.7, RFC 8422 §5.1.1, draft-ietf-tls-ecdhe-mlkem §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// ML-KEM-768 and X25519 together, 0x11ec. TLS 1.3 only.
    X25519MlKem768,
    /// 0x001d.
    X25519,
    /// secp256r1, 0x0017.
    P256,
    /// secp384r1, 0x0018.
    P384,
}

impl Group {
    /// All, with their words in lab files.
    pub const WORDS: [(&str, Self); 4] = [
        ("X25519MLKEM768", Self::X25519MlKem768),
        ("X25519", Self::X25519),
        ("P-256", Self::P256),
        ("P-384", Self::P384),
    ];

    /// Its word in lab files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }

    /// Its number in the IANA registry.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::X25519MlKem768 => 0x11ec,
            Self::X25519 => 0x001d,
            Self::P256 => 0x0017,
            Self::P384 => 0x0018,
        }
    }

    /// What a side offers when its lab does not say.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        vec![Self::X25519, Self::P256]
    }
}

/// A cipher suite, by its number in the IANA registry, as in 0x1301.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suite(pub u16);

impl Suite {
    /// The suites of TLS 1.3 and 1.2 that rustls speaks, in its order of preference: what a side offers when its lab
    /// does not say. All agree on a key by ECDHE.
    pub const USUAL: [Self; 9] = [
        Self(0x1302),
        Self(0x1301),
        Self(0x1303),
        Self(0xc02c),
        Self(0xc02b),
        Self(0xcca9),
        Self(0xc030),
        Self(0xc02f),
        Self(0xcca8),
    ];

    /// The suites of the static-RSA teaching engine: the pre-master secret is encrypted to the certificate's key
    /// (RFC 5246 §7.4.7.1).
    pub const STATIC_RSA: [Self; 6] = [
        Self(0x009d),
        Self(0x009c),
        Self(0x003d),
        Self(0x003c),
        Self(0x0035),
        Self(0x002f),
    ];

    /// Its name in the IANA registry.
    #[must_use]
    pub fn name(self) -> String {
        suite_name(self.0)
    }

    /// Whether it belongs to TLS 1.3 (RFC 8446 §B.4).
    #[must_use]
    pub const fn is_tls13(self) -> bool {
        self.0 >> 8 == 0x13
    }

    /// Whether the static-RSA teaching engine speaks it, and not rustls.
    #[must_use]
    pub fn is_static_rsa(self) -> bool {
        Self::STATIC_RSA.contains(&self)
    }
}

/// Extensions that the static-RSA teaching engine offers and accepts; rustls decides by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RsaExtensions {
    /// The master secret is bound to the whole handshake (RFC 7627).
    pub extended_master_secret: bool,
    /// CBC records are encrypted first and then authenticated (RFC 7366).
    pub encrypt_then_mac: bool,
}

impl Default for RsaExtensions {
    /// Both, as libraries in use have it.
    fn default() -> Self {
        Self {
            extended_master_secret: true,
            encrypt_then_mac: true,
        }
    }
}

/// How a server lets clients come back without a full handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resumption {
    /// It remembers sessions; a ticket (TLS 1.3) or a session id (TLS 1.2) is the key to its memory.
    #[default]
    Memory,
    /// It remembers nothing: the session itself is in the ticket, encrypted with a key of the server's (RFC 5077).
    Tickets,
    /// Not at all.
    Off,
}

impl Resumption {
    /// All, with their words in lab files.
    pub const WORDS: [(&str, Self); 3] = [
        ("memory", Self::Memory),
        ("tickets", Self::Tickets),
        ("off", Self::Off),
    ];
}

/// Who looks at clients' certificates (AWS "Mutual authentication with TLS in Application Load Balancer").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MutualMode {
    /// The server does.
    #[default]
    Verify,
    /// The target behind it, which gets the chain. The server only sees the client prove that it has the key.
    Passthrough,
}

impl MutualMode {
    /// All, with their words in lab files.
    pub const WORDS: [(&str, Self); 2] =
        [("verify", Self::Verify), ("passthrough", Self::Passthrough)];
}

/// Which client certificates a server asks for (RFC 8446 §4.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// Who looks at them.
    pub mode: MutualMode,
    /// Authorities it trusts for them, by name.
    pub trust: Vec<String>,
    /// Whether a client without one is turned away.
    pub required: bool,
    /// Whether the request names the authorities (`certificate_authorities`).
    pub advertises: bool,
}

/// How a client speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// Versions it offers; at least one. None with `legacy`.
    pub versions: Vec<Version>,
    /// An older version and its suites, by their numbers, instead of all that follows: a ClientHello is sent and its
    /// answer read, and no more, because no engine here speaks them.
    pub legacy: Option<(u16, Vec<u16>)>,
    /// Groups it offers, preferred first; at least one. Its key share is for the first.
    pub groups: Vec<Group>,
    /// Suites it offers, preferred first; at least one for each version.
    pub suites: Vec<Suite>,
    /// With RSA key exchange: which extensions it offers.
    pub rsa_extensions: RsaExtensions,
    /// Protocols it offers (ALPN), as in `http/1.1`.
    pub alpn: Vec<String>,
    /// Whether it remembers sessions, and resumes them.
    pub resume: bool,
    /// The certificate that it shows to a server that asks for one, by name.
    pub certificate: Option<String>,
    /// Authorities it trusts, by name.
    pub trust: Vec<String>,
    /// How it looks at a server's certificate.
    pub validation: Validation,
    /// Modelled time.
    pub takes: ClientTakes,
}

impl Default for ClientTls {
    /// Both versions, the usual groups and suites, nothing else: it trusts nobody yet.
    fn default() -> Self {
        Self {
            versions: vec![Version::Tls12, Version::Tls13],
            legacy: None,
            groups: Group::usual(),
            suites: Suite::USUAL.to_vec(),
            rsa_extensions: RsaExtensions::default(),
            alpn: vec![],
            resume: false,
            certificate: None,
            trust: vec![],
            validation: Validation::default(),
            takes: ClientTakes::default(),
        }
    }
}

/// Modelled time on the client's side of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientTakes {
    /// Between the TCP handshake and the ClientHello.
    pub wait: Duration,
    /// Between the server's first flight and the client's second.
    pub finish: Duration,
}

/// How a server speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Its default certificate, by name.
    pub certificate: String,
    /// Further certificates, by name: one that is for the name a client asks for is sent instead.
    pub certificates: Vec<String>,
    /// The security policy that the following rests on, by its AWS name.
    pub policy: Option<String>,
    /// Versions it accepts; at least one.
    pub versions: Vec<Version>,
    /// Groups it accepts, best first; at least one.
    pub groups: Vec<Group>,
    /// Suites it accepts, best first; at least one for each version. The first that the client offers too is chosen.
    pub suites: Vec<Suite>,
    /// With RSA key exchange: which extensions it accepts.
    pub rsa_extensions: RsaExtensions,
    /// Protocols it accepts (ALPN), best first.
    pub alpn: Vec<String>,
    /// How clients may come back.
    pub resumption: Resumption,
    /// Which client certificates it asks for, if any (mutual TLS).
    pub clients: Option<ClientCertificates>,
    /// Modelled time.
    pub takes: ServerTakes,
}

impl ServerTls {
    /// Both versions, the usual groups and suites, and nothing else.
    #[must_use]
    pub fn new(certificate: impl Into<String>) -> Self {
        Self {
            certificate: certificate.into(),
            certificates: vec![],
            policy: None,
            versions: vec![Version::Tls12, Version::Tls13],
            groups: Group::usual(),
            suites: Suite::USUAL.to_vec(),
            rsa_extensions: RsaExtensions::default(),
            alpn: vec![],
            resumption: Resumption::default(),
            clients: None,
            takes: ServerTakes::default(),
        }
    }
}

/// Modelled time on the server's side of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerTakes {
    /// Between the ClientHello and the server's first flight.
    pub hello: Duration,
    /// TLS 1.2: between the client's second flight and the server's Finished.
    pub finish: Duration,
}
