//! What TLS comes to, in words for people: handshakes, certificates, and what two sides cannot agree on.

use std::fmt;

use crate::time::UnixSeconds;

/// Why a client and a server could not agree on TLS, as their hellos have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// On what: "version", "suite" or "group".
    pub what: &'static str,
    /// What the client offers.
    pub offered: Vec<String>,
    /// What the server accepts: any of these would have worked.
    pub accepted: Vec<String>,
    /// What both have, and no engine here speaks: a real server would have gone on.
    pub unspoken: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no {} in common: the client offers {}; the server accepts {}",
            self.what,
            self.offered.join(", "),
            self.accepted.join(", ")
        )?;
        if !self.unspoken.is_empty() {
            let both = self.unspoken.join(", ");
            write!(f, "; {both} would do, but is not spoken here")?;
        }
        Ok(())
    }
}

/// How a TLS handshake went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HandshakeKind {
    /// With certificate and key agreement, at the first try.
    #[default]
    Full,
    /// The same after a HelloRetryRequest (RFC 8446 §4.1.4).
    Retried,
    /// A session came back: without certificate.
    Resumed,
}

impl HandshakeKind {
    /// All, with their words in lab files.
    pub const WORDS: [(&str, Self); 3] = [
        ("full", Self::Full),
        ("retried", Self::Retried),
        ("resumed", Self::Resumed),
    ];

    /// Its word in lab files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

/// What a certificate says, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Common name of the subject.
    pub subject: String,
    /// Common name of the issuer.
    pub issuer: String,
    /// Subject alternative names of type dNSName.
    pub names: Vec<String>,
    /// First moment of validity.
    pub not_before: UnixSeconds,
    /// Last moment of validity.
    pub not_after: UnixSeconds,
    /// The key, as in "P-256".
    pub key: String,
    /// Size of the DER encoding in bytes.
    pub bytes: usize,
}
