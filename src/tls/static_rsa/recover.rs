//! Reading a recorded connection afterwards, with nothing but the recording and the server's private key. It works for
//! RSA key exchange, and for nothing else; where it does not, the error says what is missing.

use rustls::pki_types::PrivateKeyDer;

use super::connection::transcript_hash;
use super::message;
use super::recorded::{Recorded, changes_cipher, clear_messages, open};
use super::{KeyExchange, Suite, private_key};
use crate::dissect::opener::Opener;
use crate::wire::tls::{
    ClientHello, ServerHello, TLS12, TLS13, handshake_type, suite_name, version_name,
};

/// What a recording held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Every value of the key exchange, as the two sides had it.
    pub exchange: KeyExchange,
    /// RFC 7366 was agreed.
    pub encrypt_then_mac: bool,
    /// What the client sent, byte for byte.
    pub client_data: Vec<u8>,
    /// What the server sent.
    pub server_data: Vec<u8>,
}

/// Why a recording stays closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unrecoverable {
    /// A message of the handshake is not in the recording.
    #[error("the recording has no {0}")]
    Missing(&'static str),
    /// A message of the handshake cannot be read.
    #[error("the {0} in the recording is not well-formed")]
    Malformed(&'static str),
    /// TLS 1.3: the certificate's key signs, and decrypts nothing.
    #[error(
        "{version} agrees on keys by ephemeral key shares: one of the two private keys is missing, \
         and both were deleted; the certificate's key signed the handshake and decrypts nothing"
    )]
    Tls13 {
        /// As in "TLS 1.3".
        version: String,
    },
    /// (EC)DHE in TLS 1.2: the same.
    #[error(
        "{suite} agrees on keys by ephemeral Diffie-Hellman: one of the two private keys is missing, \
         and both were deleted; the certificate's key signed the server's share and decrypts nothing"
    )]
    Ephemeral {
        /// As in "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".
        suite: String,
    },
    /// A version that is not read here.
    #[error("{0} is not read here")]
    Version(String),
    /// A suite that is not read here.
    #[error("{0} is not read here")]
    Suite(String),
    /// No ClientKeyExchange, because an earlier session goes on.
    #[error(
        "the session is resumed: its master secret was agreed on in an earlier connection, \
         which is not in the recording"
    )]
    Resumed,
    /// Not an RSA private key.
    #[error("the key is no RSA private key")]
    Key,
    /// What the key decrypts is no pre-master secret.
    #[error("the key is not the one that the pre-master secret was encrypted for")]
    WrongKey,
    /// A record is not authentic under the keys.
    #[error("record {number} of the {side} does not open: it was changed, or bytes are missing")]
    Record {
        /// "client" or "server".
        side: &'static str,
        /// Counted from 1.
        number: usize,
    },
}

/// Decrypts a recorded connection of TLS 1.2 with RSA key exchange. `client` and `server` are the bytes that each side
/// sent over TCP, from the first on; a record cut off at the end is passed over. `key` is the private key of the
/// server's certificate, PKCS #8.
///
/// # Errors
/// When something is missing; see [`Unrecoverable`].
pub fn recover(
    client: &[u8],
    server: &[u8],
    key: &PrivateKeyDer<'_>,
) -> Result<Recovered, Unrecoverable> {
    let key = private_key(key).ok_or(Unrecoverable::Key)?;

    let (from_client, from_server) = (clear_messages(client), clear_messages(server));
    let client_hello = find(&from_client, handshake_type::CLIENT_HELLO, "ClientHello")?;
    let server_hello = find(&from_server, handshake_type::SERVER_HELLO, "ServerHello")?;
    let offered =
        ClientHello::read(client_hello.body()).ok_or(Unrecoverable::Malformed("ClientHello"))?;
    let chosen =
        ServerHello::read(server_hello.body()).ok_or(Unrecoverable::Malformed("ServerHello"))?;
    let suite = rsa_suite(&chosen)?;
    let sent = find(
        &from_client,
        handshake_type::CLIENT_KEY_EXCHANGE,
        "ClientKeyExchange",
    );
    let Ok(sent) = sent else {
        // An abbreviated handshake goes from the ServerHello straight to ChangeCipherSpec (RFC 5246 §7.3).
        let full = from_server
            .iter()
            .any(|m| m.kind == handshake_type::SERVER_HELLO_DONE);
        return Err(if full || !changes_cipher(server) {
            Unrecoverable::Missing("ClientKeyExchange")
        } else {
            Unrecoverable::Resumed
        });
    };
    let encrypted = message::encrypted_pre_master(sent.body())
        .map_err(|_| Unrecoverable::Malformed("ClientKeyExchange"))?;

    // With a wrong key this gives other bytes rather than an error (implicit rejection): the version tells, once in
    // 65536 times wrongly, and then the first record does.
    let decrypted = key.pkcs1v15_decrypt(encrypted).ok();
    let pre_master: [u8; KeyExchange::SECRET_BYTES] = decrypted
        .and_then(|secret| secret.try_into().ok())
        .filter(|secret: &[u8; 48]| secret[..2] == offered.legacy_version.to_be_bytes())
        .ok_or(Unrecoverable::WrongKey)?;

    let session_hash = chosen.extended_master_secret.then(|| {
        let messages = session(client_hello, &from_server, &from_client);
        transcript_hash(suite.parameters().hash, &messages)
    });
    let exchange = KeyExchange::derive(
        suite,
        [offered.random, chosen.random],
        pre_master,
        encrypted.to_vec(),
        session_hash,
    );
    let [client_keys, server_keys] = exchange.keys.clone();
    let etm = chosen.encrypt_then_mac;
    let opener = |keys| Opener::new(suite.parameters(), keys, etm).ok_or(Unrecoverable::Key);
    Ok(Recovered {
        client_data: open(client, "client", opener(client_keys)?)?,
        server_data: open(server, "server", opener(server_keys)?)?,
        encrypt_then_mac: etm,
        exchange,
    })
}

/// The suite, when its key exchange is RSA.
fn rsa_suite(chosen: &ServerHello) -> Result<Suite, Unrecoverable> {
    let version = chosen.version();
    if version >= TLS13 {
        let version = version_name(version);
        return Err(Unrecoverable::Tls13 { version });
    }
    if version != TLS12 {
        return Err(Unrecoverable::Version(version_name(version)));
    }
    Suite::from_number(chosen.suite).ok_or_else(|| {
        let suite = suite_name(chosen.suite);
        // All names of (EC)DHE suites say so; a suite without a name here may be anything.
        if suite.contains("DHE_") {
            Unrecoverable::Ephemeral { suite }
        } else {
            Unrecoverable::Suite(suite)
        }
    })
}

fn find<'a>(
    messages: &'a [Recorded],
    kind: u8,
    name: &'static str,
) -> Result<&'a Recorded, Unrecoverable> {
    let found = messages.iter().find(|m| m.kind == kind);
    found.ok_or(Unrecoverable::Missing(name))
}

/// All handshake messages up to the ClientKeyExchange in the order of RFC 7627 §3: the client's hello, the server's
/// flight, the client's answer.
fn session(hello: &Recorded, server: &[Recorded], client: &[Recorded]) -> Vec<u8> {
    let mut messages = hello.whole.clone();
    for message in server {
        // A ticket comes after the ClientKeyExchange; a HelloRequest is never hashed.
        if !matches!(message.kind, 0 | handshake_type::NEW_SESSION_TICKET) {
            messages.extend(&message.whole);
        }
    }
    for message in client
        .iter()
        .filter(|m| m.kind != handshake_type::CLIENT_HELLO)
    {
        messages.extend(&message.whole);
        if message.kind == handshake_type::CLIENT_KEY_EXCHANGE {
            break;
        }
    }
    messages
}
