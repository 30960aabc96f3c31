//! The server's part: it chooses from the offer, shows its certificates, and decrypts the pre-master secret.

use std::fmt;
use std::sync::Arc;

use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;

use super::connection::{Connection, Role, State, internal};
use super::message::{self, ClientHello, ServerHello};
use super::{Agreed, Error, KeyExchange, Offer};
use crate::tls::random::Randomness;
use crate::wire::tls::{TLS12, handshake_type};

/// How a server speaks.
#[derive(Clone)]
pub struct ServerConfig {
    /// What it is ready to agree on.
    pub offer: Offer,
    /// Its certificates, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the leaf.
    pub key: Arc<rsa::PrivateKey>,
    /// Whether another engine beside it speaks TLS 1.3: then the server's random says that less was chosen.
    pub tls13: bool,
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the private key.
        f.debug_struct("ServerConfig")
            .field("offer", &self.offer)
            .finish_non_exhaustive()
    }
}

/// What a server has on one connection.
#[derive(Debug)]
pub(super) struct Server {
    config: ServerConfig,
    /// The version in the ClientHello, which the pre-master secret repeats.
    version: u16,
}

impl Connection {
    /// A server's side of a connection.
    #[must_use]
    pub fn server(config: ServerConfig, randomness: Randomness) -> Self {
        let version = 0;
        let role = Role::Server(Server { config, version });
        Self::new(role, State::ClientHello, randomness)
    }

    pub(super) fn handle_as_server(
        &mut self,
        kind: u8,
        body: &[u8],
        last: bool,
    ) -> Result<(), Error> {
        if !last {
            // Each of the client's messages is the last before something of the server's, or before new keys.
            return Err(Error::unexpected("one more handshake message"));
        }
        match (self.state, kind) {
            (State::ClientHello, handshake_type::CLIENT_HELLO) => self.client_hello(body),
            (State::ClientKeyExchange, handshake_type::CLIENT_KEY_EXCHANGE) => {
                self.client_key_exchange(body)
            }
            _ => Err(Error::unexpected(format_args!(
                "a handshake message of type {kind}"
            ))),
        }
    }

    fn client_hello(&mut self, body: &[u8]) -> Result<(), Error> {
        let hello = ClientHello::read(body)?;
        if hello.version < TLS12 {
            let why = format!("the client offers version 0x{:04x} at most", hello.version);
            return Err(Error::refused(AlertDescription::ProtocolVersion, why));
        }
        let config = match &mut self.role {
            Role::Server(server) => {
                server.version = hello.version;
                server.config.clone()
            }
            Role::Client(_) => return Err(internal()),
        };
        let agreed = agree(&config.offer, &hello)?;
        self.records.agreed = true;
        self.client_random = hello.random;
        self.randomness.fill(&mut self.server_random);
        if config.tls13 {
            // RFC 8446 §4.1.3: a server of TLS 1.3 that chooses TLS 1.2 ends its random with these.
            self.server_random[24..].copy_from_slice(b"DOWNGRD\x01");
        }
        let answer = ServerHello {
            version: TLS12,
            random: self.server_random,
            suite: agreed.suite.number(),
            alpn: agreed.alpn.clone(),
            extended_master_secret: agreed.extended_master_secret,
            encrypt_then_mac: agreed.encrypt_then_mac,
            renegotiation_info: hello.renegotiation_info,
            unknown: Vec::new(),
        };
        self.agreed = Some(agreed);
        self.write_message(&answer.message())?;
        self.write_message(&message::certificate(
            config.chain.iter().map(AsRef::as_ref),
        ))?;
        self.write_message(&message::message(handshake_type::SERVER_HELLO_DONE, &[]))?;
        self.state = State::ClientKeyExchange;
        Ok(())
    }

    fn client_key_exchange(&mut self, body: &[u8]) -> Result<(), Error> {
        let encrypted = message::encrypted_pre_master(body)?;
        let (key, version) = match &self.role {
            Role::Server(server) => (server.config.key.clone(), server.version),
            Role::Client(_) => return Err(internal()),
        };
        // RFC 5246 §7.4.7.1, against Bleichenbacher's attack: a message that does not decrypt to 48 bytes counts as 46
        // random ones, drawn before anything is known of it, and the version is the ClientHello's in any case. So a
        // client that does not know the secret learns nothing but that its Finished is wrong.
        let mut pre_master = [0; KeyExchange::SECRET_BYTES];
        self.randomness.fill(&mut pre_master[2..]);
        let decrypted = key.pkcs1v15_decrypt_with_rng(&mut self.randomness, encrypted);
        if let Ok(Ok(secret)) = decrypted.map(<[u8; KeyExchange::SECRET_BYTES]>::try_from) {
            pre_master = secret;
        }
        let arrived = pre_master;
        pre_master[..2].copy_from_slice(&version.to_be_bytes());
        self.derive(pre_master, encrypted.to_vec())?;
        if let Some(exchange) = &mut self.exchange {
            // Told as it arrived: the version in it is the client's word, and whoever looks may judge it.
            exchange.pre_master = arrived;
        }
        self.state = State::ChangeCipherSpec;
        Ok(())
    }
}

/// What is chosen from a client's offer.
fn agree(own: &Offer, hello: &ClientHello) -> Result<Agreed, Error> {
    let common = own
        .suites
        .iter()
        .find(|s| hello.suites.contains(&s.number()));
    let Some(suite) = common.copied() else {
        return Err(Error::refused(
            AlertDescription::HandshakeFailure,
            "no cipher suite in common",
        ));
    };
    let alpn = own.alpn.iter().find(|p| hello.alpn.contains(p)).cloned();
    if alpn.is_none() && !own.alpn.is_empty() && !hello.alpn.is_empty() {
        // RFC 7301 §3.2.
        return Err(Error::refused(
            AlertDescription::NoApplicationProtocol,
            "no application protocol in common",
        ));
    }
    Ok(Agreed {
        suite,
        alpn,
        extended_master_secret: own.extended_master_secret && hello.extended_master_secret,
        encrypt_then_mac: suite.is_cbc() && own.encrypt_then_mac && hello.encrypt_then_mac,
    })
}
