//! The key exchange itself: from a pre-master secret to the keys of both directions, every step kept.

use std::fmt;

use rustls::KeyLog;

use super::Suite;
use crate::dissect::key_schedule::{TrafficKeys, key_block, prf};
use crate::tls::key_log::Secrets;

/// Everything that one handshake computed. Both sides of a connection have equal ones.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyExchange {
    /// The suite, which names the PRF's hash and the lengths of the keys.
    pub suite: Suite,
    /// Sent in clear in the ClientHello.
    pub client_random: [u8; 32],
    /// Sent in clear in the ServerHello.
    pub server_random: [u8; 32],
    /// The client's secret: the version of its ClientHello (2 bytes), 46 random bytes.
    pub pre_master: [u8; 48],
    /// The same as it was sent, encrypted with the server's public key (RFC 8017 §7.2): as long as the modulus.
    pub encrypted_pre_master: Vec<u8>,
    /// The hash of all handshake messages up to the ClientKeyExchange, when it stands for the randoms (RFC 7627 §3).
    pub session_hash: Option<Vec<u8>>,
    /// The master secret, 48 bytes (RFC 5246 §8.1, or RFC 7627 §4).
    pub master: Vec<u8>,
    /// With what the client's records are protected, and the server's.
    pub keys: [TrafficKeys; 2],
}

impl KeyExchange {
    /// Bytes of a pre-master secret, and of a master secret.
    pub const SECRET_BYTES: usize = 48;

    /// Computes master secret and keys.
    pub(super) fn derive(
        suite: Suite,
        [client_random, server_random]: [[u8; 32]; 2],
        pre_master: [u8; 48],
        encrypted_pre_master: Vec<u8>,
        session_hash: Option<Vec<u8>>,
    ) -> Self {
        let parameters = suite.parameters();
        let hash = parameters.hash;
        let n = Self::SECRET_BYTES;
        let master = match &session_hash {
            Some(session) => prf(hash, &pre_master, "extended master secret", session, n),
            None => {
                let seed = [client_random, server_random].concat();
                prf(hash, &pre_master, "master secret", &seed, n)
            }
        };
        let keys = key_block(&parameters, &master, &client_random, &server_random);
        Self {
            suite,
            client_random,
            server_random,
            pre_master,
            encrypted_pre_master,
            session_hash,
            master,
            keys,
        }
    }

    /// Writes both lines by which this connection can be decrypted: the pre-master secret by the first 8 bytes of its
    /// encrypted form, as Wireshark and OpenSSL have it, and the master secret by the client's random (RFC 9850).
    pub fn log(&self, secrets: &Secrets) {
        if let Some(first) = self.encrypted_pre_master.first_chunk::<8>() {
            secrets.log("RSA", first, &self.pre_master);
        }
        secrets.log("CLIENT_RANDOM", &self.client_random, &self.master);
    }
}

impl fmt::Debug for KeyExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secrets.
        f.debug_struct("KeyExchange")
            .field("suite", &self.suite)
            .field("extended", &self.session_hash.is_some())
            .finish_non_exhaustive()
    }
}
