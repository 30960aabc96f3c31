//! What one side of an RSA key exchange had, sent or received, and computed.

use std::fmt;

/// One side of an RSA key exchange of TLS 1.2, complete (RFC 5246 §7.4.7.1, §8.1 and §6.3). Both sides of a connection
/// have equal ones. It is told in both worlds: the engine is for teaching, and the key log has the same secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct PreMaster {
    /// Sent in clear in the ClientHello.
    pub client_random: [u8; 32],
    /// Sent in clear in the ServerHello.
    pub server_random: [u8; 32],
    /// The client's secret: the version of its ClientHello (2 bytes), 46 random bytes.
    pub secret: Vec<u8>,
    /// The same as it was sent, encrypted with the server's public key: as long as the modulus.
    pub encrypted: Vec<u8>,
    /// The hash of the handshake, when the master secret is bound to that instead of the randoms (RFC 7627).
    pub session_hash: Option<Vec<u8>>,
    /// The master secret: 48 bytes, never sent.
    pub master: Vec<u8>,
    /// With what the client's records are protected.
    pub client_write: WriteKeys,
    /// With what the server's are.
    pub server_write: WriteKeys,
}

/// The keys of one direction, cut out of the key block.
#[derive(Clone, PartialEq, Eq)]
pub struct WriteKeys {
    /// The MAC key; empty for GCM suites.
    pub mac: Vec<u8>,
    /// The encryption key.
    pub key: Vec<u8>,
    /// The fixed part of the nonces of GCM suites; empty for CBC suites, whose every record brings its own.
    pub iv: Vec<u8>,
}

impl fmt::Debug for PreMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secrets themselves: it is printed where events are logged.
        write!(f, "PreMaster({} bytes encrypted)", self.encrypted.len())
    }
}

impl fmt::Debug for WriteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteKeys")
    }
}
