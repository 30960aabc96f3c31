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

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac::{HMAC_SHA256 as HASH, HMAC_SHA384};

    use super::*;
    use crate::dissect::key_schedule::tls13::transcript_hash;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter_map(|c| c.to_digit(16))
            .map(|d| d as u8)
            .collect();
        digits.chunks(2).map(|c| c[0] << 4 | c[1]).collect()
    }

    fn random(text: &str) -> [u8; 32] {
        hex(text).try_into().unwrap()
    }

    /// A vector of NIST's validation programme for the key derivation of TLS 1.2 with SHA-256 (SP 800-135). There the
    /// randoms of the key expansion are others than those of the hellos.
    #[test]
    fn the_vector_of_nist() {
        let pre_master = hex(
            "f8938ecc9edebc5030c0c6a441e213cd24e6f770a50dda07876f8d55da062bcadb386b411fd4fe4313a604fce6c17fbc",
        );
        let master = master_secret(
            HASH,
            &pre_master,
            &random("36c129d01a3200894b9179faac589d9835d58775f9b5ea3587cb8fd0364cae8c"),
            &random("f6c9575ed7ddd73e1f7d16eca115415812a43c2b747daaaae043abfb50053fce"),
        );
        let expected = "202c88c00f84a17a20027079604787461176455539e705be730890602c289a5001e34eeb3a043e5d52a65e66125188bf";
        assert_eq!(master, hex(expected));
        let client = hex("62e1fd91f23f558a605f28478c58cf72637b89784d959df7e946d3f07bd1b616");
        let server = hex("ae6c806f8ad4d80784549dff28a4b58fd837681a51d928c3e30ee5ff14f39868");
        let block = prf(
            HASH,
            &master,
            "key expansion",
            &[server, client].concat(),
            128,
        );
        let expected = "d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531016a2530c51a3a0f7e1d6590d0f0566b\
            2f387f8d11fd4f731cdd572d2eae927f6f2f81410b25e6960be68985add6c38445ad9f8c64bf8068bf9a6679485d966f\
            1ad6f68b43495b10a683755ea2b858d70ccac7ec8b053c6bd41ca299d4e51928";
        assert_eq!(block, hex(expected));
    }

    /// RFC 7627 §4: the hash of the messages in the place of the randoms; a Finished is cut to 12 bytes.
    #[test]
    fn extended_secrets_and_finished_are_made_of_the_hash_of_the_messages() {
        for hash in [HASH, HMAC_SHA384] {
            let digest = transcript_hash(hash, b"messages");
            let master = extended_master_secret(hash, b"pre-master", b"messages");
            let label = "extended master secret";
            assert_eq!(master, prf(hash, b"pre-master", label, &digest, 48));
            let label = "client finished";
            let data = verify_data(hash, &master, label, b"messages");
            assert_eq!(data, prf(hash, &master, label, &digest, 12));
        }
    }
}
