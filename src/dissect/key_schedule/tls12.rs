//! The key schedule of TLS 1.2 above the key block: the master secret (RFC 5246 §8.1), the extended one (RFC 7627 §4),
//! and Finished (RFC 5246 §7.4.9).

use aws_lc_rs::hmac;

use super::prf;
use super::tls13::transcript_hash;

/// Bytes of a master secret.
const MASTER: usize = 48;
/// Bytes of a Finished.
const VERIFY_DATA: usize = 12;

/// The master secret under a pre-master secret and the randoms of both hellos.
#[must_use]
pub fn master_secret(
    hash: hmac::Algorithm,
    pre_master: &[u8],
    client_random: &[u8; 32],
    server_random: &[u8; 32],
) -> Vec<u8> {
    let seed = [&client_random[..], server_random].concat();
    prf(hash, pre_master, "master secret", &seed, MASTER)
}

/// The extended master secret: bound to the handshake `messages` up to and with the ClientKeyExchange.
#[must_use]
pub fn extended_master_secret(
    hash: hmac::Algorithm,
    pre_master: &[u8],
    messages: &[u8],
) -> Vec<u8> {
    let session_hash = transcript_hash(hash, messages);
    let label = "extended master secret";
    prf(hash, pre_master, label, &session_hash, MASTER)
}

/// The verify_data of a Finished over the handshake `messages` before it; `label` is "client finished" or "server
/// finished".
#[must_use]
pub fn verify_data(hash: hmac::Algorithm, master: &[u8], label: &str, messages: &[u8]) -> Vec<u8> {
    let digest = transcript_hash(hash, messages);
    prf(hash, master, label, &digest, VERIFY_DATA)
}
