//! TLS 1.2 with RSA key exchange (RFC 5246 §7.4.7.1), client and server, without sockets: the way of agreeing on keys
//! in which the client chooses a secret and sends it encrypted with the key of the server's certificate. No library
//! in use offers it any more, and TLS 1.3 removed it, because whoever gets the server's private key later can decrypt
//! every recording: [`fn@recover`] does it.
//!
//! **For teaching, never for real traffic.** Its secrets are shown to anyone ([`KeyExchange`]), and how long it takes
//! depends on them: opening a CBC record is open to Lucky Thirteen, decrypting a pre-master secret may be to timing
//! attacks in the manner of Bleichenbacher, although the countermeasure of RFC 5246 §7.4.7.1 is here. Labs that use it
//! run in virtual time, or on TUN devices among the lab's own nodes.
//!
//! The life of a connection: [`Connection::client`] or [`Connection::server`] makes it; bytes from the peer go in
//! through [`Connection::handle_wire`], bytes for the peer come out of [`Connection::poll_wire`], the peer's data out
//! of [`Connection::poll_data`]. What is not here: resumption, renegotiation (refused with an alert), client
//! certificates (an empty list answers a request), compression, versions before 1.2.

mod client;
mod connection;
mod exchange;
mod message;
mod record;
pub(in crate::tls) mod recorded;
mod recover;
mod server;
mod stream;

pub use client::ClientConfig;
pub use connection::Connection;
pub use exchange::KeyExchange;
pub use recover::{Recovered, Unrecoverable, recover};
pub use server::ServerConfig;
pub use stream::Stream;

use std::sync::Arc;

use rsa::pkcs8::DecodePrivateKey;
use rustls::AlertDescription;
use rustls::pki_types::PrivateKeyDer;

use crate::dissect::key_schedule::{Protection, SuiteParameters, suite_parameters};
use crate::wire::tls::suite_name;

/// A cipher suite with RSA key exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// TLS_RSA_WITH_AES_256_GCM_SHA384 (RFC 5288).
    Aes256Gcm,
    /// TLS_RSA_WITH_AES_128_GCM_SHA256 (RFC 5288).
    Aes128Gcm,
    /// TLS_RSA_WITH_AES_256_CBC_SHA256 (RFC 5246).
    Aes256CbcSha256,
    /// TLS_RSA_WITH_AES_128_CBC_SHA256 (RFC 5246).
    Aes128CbcSha256,
    /// TLS_RSA_WITH_AES_256_CBC_SHA (RFC 5246).
    Aes256CbcSha,
    /// TLS_RSA_WITH_AES_128_CBC_SHA (RFC 5246).
    Aes128CbcSha,
}

impl Suite {
    /// All of them, best first.
    pub const ALL: [Self; 6] = [
        Self::Aes256Gcm,
        Self::Aes128Gcm,
        Self::Aes256CbcSha256,
        Self::Aes128CbcSha256,
        Self::Aes256CbcSha,
        Self::Aes128CbcSha,
    ];

    /// Its number in the IANA registry.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Aes256Gcm => 0x009d,
            Self::Aes128Gcm => 0x009c,
            Self::Aes256CbcSha256 => 0x003d,
            Self::Aes128CbcSha256 => 0x003c,
            Self::Aes256CbcSha => 0x0035,
            Self::Aes128CbcSha => 0x002f,
        }
    }

    /// The suite with this number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }

    /// Its name in the IANA registry.
    #[must_use]
    pub fn name(self) -> String {
        suite_name(self.number())
    }

    /// Whether its records are encrypted in CBC mode, with a MAC of their own.
    #[must_use]
    pub fn is_cbc(self) -> bool {
        matches!(self.parameters().protection, Protection::Cbc(_))
    }

    /// What it needs of the key schedule.
    #[must_use]
    pub fn parameters(self) -> SuiteParameters {
        // The tests ask for each of them.
        #[expect(
            clippy::expect_used,
            reason = "the key schedule knows these six suites"
        )]
        suite_parameters(self.number()).expect("a suite of the key schedule")
    }
}

/// The RSA key in a private key, if it is one (PKCS #8).
#[must_use]
pub fn private_key(key: &PrivateKeyDer<'_>) -> Option<Arc<rsa::PrivateKey>> {
    let PrivateKeyDer::Pkcs8(der) = key else {
        return None;
    };
    let key = rsa::PrivateKey::from_pkcs8_der(der.secret_pkcs8_der());
    key.ok().map(Arc::new)
}

/// What a side is ready to agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Suites, best first; at least one. The server's order counts.
    pub suites: Vec<Suite>,
    /// Protocols (ALPN), best first. The server's order counts.
    pub alpn: Vec<Vec<u8>>,
    /// Whether the master secret is to be bound to the whole handshake (RFC 7627).
    pub extended_master_secret: bool,
    /// Whether CBC records are to be encrypted first and then authenticated (RFC 7366).
    pub encrypt_then_mac: bool,
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The suite.
    pub suite: Suite,
    /// The protocol (ALPN).
    pub alpn: Option<Vec<u8>>,
    /// See [`Offer::extended_master_secret`].
    pub extended_master_secret: bool,
    /// See [`Offer::encrypt_then_mac`]; never with a GCM suite.
    pub encrypt_then_mac: bool,
}

/// Why a connection failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer says so.
    #[error("received fatal alert: {0:?}")]
    Alerted(AlertDescription),
    /// The peer did what it may not, or nothing can be agreed on.
    #[error("{why}")]
    Refused {
        /// What the peer is told.
        alert: AlertDescription,
        /// What is wrong.
        why: String,
    },
    /// The server's certificates are not accepted.
    #[error(transparent)]
    Certificate(#[from] rustls::Error),
}

impl Error {
    fn refused(alert: AlertDescription, why: impl Into<String>) -> Self {
        let why = why.into();
        Self::Refused { alert, why }
    }

    /// A message that is not well-formed.
    fn decode(what: &str) -> Self {
        Self::refused(
            AlertDescription::DecodeError,
            format!("{what} is not well-formed"),
        )
    }

    /// Something that may not come now.
    fn unexpected(what: impl std::fmt::Display) -> Self {
        Self::refused(
            AlertDescription::UnexpectedMessage,
            format!("{what} was not expected"),
        )
    }

    /// What is to be sent to the peer; nothing when the peer was the one to tell.
    #[must_use]
    pub fn alert(&self) -> Option<AlertDescription> {
        match self {
            Self::Alerted(_) => None,
            Self::Refused { alert, .. } => Some(*alert),
            Self::Certificate(rustls::Error::InvalidCertificate(error)) => {
                Some(error.clone().into())
            }
            Self::Certificate(_) => Some(AlertDescription::CertificateUnknown),
        }
    }
}

#[cfg(test)]
mod tests;
