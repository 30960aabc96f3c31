//! The key schedule of TLS 1.3 above the traffic secrets (RFC 8446 §7.1), Finished (§4.4.4), binders (§4.2.11.2) and
//! the pre-shared keys of tickets (§4.6.1).

use aws_lc_rs::{digest, hmac};

use super::expand_label;

/// The hash itself, of `messages`: `Transcript-Hash` when these are the handshake messages so far (RFC 8446 §4.4.1).
#[must_use]
pub fn transcript_hash(hash: hmac::Algorithm, messages: &[u8]) -> Vec<u8> {
    digest::digest(hash.digest_algorithm(), messages)
        .as_ref()
        .to_vec()
}

/// What takes the place of a ClientHello that was answered by a HelloRetryRequest: a message of type message_hash with
/// its hash (RFC 8446 §4.4.1).
#[must_use]
pub fn message_hash(hash: hmac::Algorithm, first_hello: &[u8]) -> Vec<u8> {
    const MESSAGE_HASH: u8 = 254;
    let digest = transcript_hash(hash, first_hello);
    [&[MESSAGE_HASH, 0, 0, digest.len() as u8][..], &digest].concat()
}

/// `HKDF-Extract(salt, ikm)` (RFC 5869 §2.2). Empty stands for as many zero bytes as the hash gives, in both places.
#[must_use]
pub fn extract(hash: hmac::Algorithm, salt: &[u8], ikm: &[u8]) -> Vec<u8> {
    let zeros = vec![0; hash.tag_len()];
    let or_zeros = |bytes: &[u8]| {
        if bytes.is_empty() {
            zeros.clone()
        } else {
            bytes.to_vec()
        }
    };
    let key = hmac::Key::new(hash, &or_zeros(salt));
    hmac::sign(&key, &or_zeros(ikm)).as_ref().to_vec()
}

/// `Derive-Secret(secret, label, messages)` of RFC 8446 §7.1; `label` without its "tls13 ".
#[must_use]
pub fn derive_secret(
    hash: hmac::Algorithm,
    secret: &[u8],
    label: &str,
    messages: &[u8],
) -> Vec<u8> {
    let context = transcript_hash(hash, messages);
    expand_label(hash, secret, label, &context, hash.tag_len() as u8)
}

/// The verify_data of a Finished, or a binder: an HMAC over the hash of `messages`, with a key under `base`.
#[must_use]
pub fn verify_data(hash: hmac::Algorithm, base: &[u8], messages: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hash, &finished_key(hash, base));
    hmac::sign(&key, &transcript_hash(hash, messages))
        .as_ref()
        .to_vec()
}

/// The key of that HMAC.
#[must_use]
pub fn finished_key(hash: hmac::Algorithm, base: &[u8]) -> Vec<u8> {
    expand_label(hash, base, "finished", b"", hash.tag_len() as u8)
}

/// The pre-shared key of a ticket with `nonce`.
#[must_use]
pub fn ticket_psk(hash: hmac::Algorithm, resumption_secret: &[u8], nonce: &[u8]) -> Vec<u8> {
    let length = hash.tag_len() as u8;
    expand_label(hash, resumption_secret, "resumption", nonce, length)
}
