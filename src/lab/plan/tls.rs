//! What is checked of TLS, its keys and certificates.

use crate::event::HandshakeKind;
use crate::name::Name;
use crate::time::UnixSeconds;
use crate::tls::config::{Group, Suite, Version};
use crate::units::Bytes;

/// What is checked of an RSA key exchange. Each holds on both sides, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreMasterCheck {
    /// The pre-master secret has so many bytes, the first two of which are the version in the ClientHello.
    Secret(Bytes),
    /// Encrypted it has so many.
    Encrypted(Bytes),
    /// Both sides have the same pre-master secret, master secret and keys.
    Same,
    /// How many different encryption keys the two directions have.
    WriteKeys(u64),
    /// Whether the master secret is bound to the whole handshake (RFC 7627), or made of the two randoms.
    Extended(bool),
}

/// What is checked of TLS on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsCheck {
    /// The version both sides agreed on.
    Version(Version),
    /// The cipher suite both sides agreed on.
    Suite(Suite),
    /// The group in which they agreed on a key.
    Group(Group),
    /// How the handshake went.
    Handshake(HandshakeKind),
    /// The handshake messages in order, by the names of the RFC: as in ["ClientHello", "ServerHello", …].
    Messages(Vec<String>),
    /// What client and server could not agree on: "version", "suite" or "group".
    Mismatch(&'static str),
    /// A fatal alert that ends it.
    Alert {
        /// Its number.
        description: u8,
        /// Who sends it; `None` when it does not matter.
        from: Option<Name>,
    },
}

/// What is checked of the keys of a TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysCheck {
    /// Every secret of the key log and every Finished is what the key schedule makes of the shared secret and the
    /// handshake messages, and every record opens under a key so computed.
    Recomputed,
    /// Client and server write under different keys.
    Differ,
}

/// By what a certificate must have been accepted: one member for each of the four checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// The subject alternative name that covers the name asked for.
    pub name: Option<String>,
    /// The last moment of its validity.
    pub until: Option<UnixSeconds>,
    /// Common name of the trust anchor.
    pub anchor: Option<String>,
    /// Common names of what the server sent, leaf first.
    pub chain: Option<Vec<String>>,
}
