//! What a lab file says about TLS: certificates, and how each side speaks. Data only.

use std::time::Duration;

use crate::time::UnixSeconds;

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
}

/// A certificate authority of the lab: a root, and one intermediate below it. P-256 keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthoritySpec {
    /// Its name in the lab, as in `lab-root`.
    pub name: String,
    /// Common name of the root.
    pub root: String,
    /// Common name of the intermediate.
    pub intermediate: String,
    /// Validity of both.
    pub validity: (UnixSeconds, UnixSeconds),
}

/// Kinds of key that a certificate can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyKind {
    /// ECDSA on the curve P-256.
    #[default]
    P256,
    /// RSA with a modulus of 2048 bits and the public exponent 65537.
    Rsa2048,
}

impl KeyKind {
    /// As in "RSA-2048".
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::Rsa2048 => "RSA-2048",
        }
    }
}

/// A server certificate of the lab, issued by an authority's intermediate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSpec {
    /// Its name in the lab, as in `your-app`.
    pub name: String,
    /// The issuing [`AuthoritySpec`], by name.
    pub issuer: String,
    /// Subject alternative names (dNSName); the first is the common name too.
    pub names: Vec<String>,
    /// The kind of its key.
    pub key: KeyKind,
    /// Validity.
    pub validity: (UnixSeconds, UnixSeconds),
}

/// All keys and certificates of a lab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PkiSpec {
    /// Authorities.
    pub authorities: Vec<AuthoritySpec>,
    /// Server certificates.
    pub certificates: Vec<CertificateSpec>,
}

/// How a client speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// Versions it offers; at least one.
    pub versions: Vec<Version>,
    /// Protocols it offers (ALPN), as in `http/1.1`.
    pub alpn: Vec<String>,
    /// Authorities it trusts, by name.
    pub trust: Vec<String>,
    /// Modelled time.
    pub takes: ClientTakes,
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
    /// Its certificate, by name.
    pub certificate: String,
    /// Versions it accepts; at least one.
    pub versions: Vec<Version>,
    /// Protocols it accepts (ALPN), best first.
    pub alpn: Vec<String>,
    /// Modelled time.
    pub takes: ServerTakes,
}

/// Modelled time on the server's side of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerTakes {
    /// Between the ClientHello and the server's first flight.
    pub hello: Duration,
    /// TLS 1.2: between the client's second flight and the server's Finished.
    pub finish: Duration,
}
