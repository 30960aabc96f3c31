//! The client's part: it offers, judges the certificates, chooses the pre-master secret, and encrypts it.

use std::sync::Arc;

use rsa::pkcs8::DecodePublicKey;
use rustls::AlertDescription;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::KeyUsage;

use super::connection::{Connection, Role, State, internal};
use super::message::{self, ClientHello, RENEGOTIATION_SCSV, ServerHello};
use super::{Agreed, Error, KeyExchange, Offer, Suite};
use crate::tls::random::Randomness;
use crate::wire::tls::{TLS12, handshake_type};

/// How a client speaks.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// What it offers.
    pub offer: Offer,
    /// Who judges the server's certificates.
    pub verifier: Arc<dyn ServerCertVerifier>,
}

/// What a client has on one connection.
#[derive(Debug)]
pub(super) struct Client {
    config: ClientConfig,
    name: ServerName<'static>,
    /// The public key of the server's certificate.
    key: Option<rsa::PublicKey>,
}

impl Connection {
    /// A client's side of a connection to the server called `name`. Its ClientHello is in
    /// [`Connection::poll_wire`] at once.
    ///
    /// # Errors
    /// When the ClientHello cannot be written.
    pub fn client(
        config: ClientConfig,
        name: ServerName<'static>,
        randomness: Randomness,
    ) -> Result<Self, Error> {
        let offer = config.offer.clone();
        let server_name = match &name {
            ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
            // Addresses are not sent (RFC 6066 §3).
            ServerName::IpAddress(_) | _ => None,
        };
        let key = None;
        let role = Role::Client(Client { config, name, key });
        let mut this = Self::new(role, State::ServerHello, randomness);
        this.randomness.fill(&mut this.client_random);
        let suites = offer.suites.iter().map(|s| s.number());
        let hello = ClientHello {
            version: TLS12,
            random: this.client_random,
            suites: suites.chain([RENEGOTIATION_SCSV]).collect(),
            server_name,
            alpn: offer.alpn,
            extended_master_secret: offer.extended_master_secret,
            encrypt_then_mac: offer.encrypt_then_mac,
            renegotiation_info: true,
        };
        this.write_message(&hello.message())?;
        Ok(this)
    }

    pub(super) fn handle_as_client(
        &mut self,
        kind: u8,
        body: &[u8],
        last: bool,
        now: UnixTime,
    ) -> Result<(), Error> {
        match (self.state, kind) {
            (State::ServerHello, handshake_type::SERVER_HELLO) => self.server_hello(body),
            (State::Certificate, handshake_type::CERTIFICATE) => self.certificate(body, now),
            (State::ServerHelloDone { requested: false }, handshake_type::CERTIFICATE_REQUEST) => {
                self.state = State::ServerHelloDone { requested: true };
                Ok(())
            }
            (State::ServerHelloDone { requested }, handshake_type::SERVER_HELLO_DONE) => {
                if !body.is_empty() {
                    return Err(Error::decode("the ServerHelloDone"));
                }
                if !last {
                    return Err(Error::unexpected("a message after ServerHelloDone"));
                }
                self.answer(requested)
            }
            _ => Err(Error::unexpected(format_args!(
                "a handshake message of type {kind}"
            ))),
        }
    }

    fn server_hello(&mut self, body: &[u8]) -> Result<(), Error> {
        let hello = ServerHello::read(body)?;
        let refused = |alert, why: String| Err(Error::refused(alert, why));
        if hello.version != TLS12 {
            let why = format!("the server chose version 0x{:04x}", hello.version);
            return refused(AlertDescription::ProtocolVersion, why);
        }
        let offer = &self.as_client()?.config.offer;
        let suite = Suite::from_number(hello.suite).filter(|s| offer.suites.contains(s));
        let Some(suite) = suite else {
            let why = format!("the server chose suite 0x{:04x}", hello.suite);
            return refused(AlertDescription::IllegalParameter, why);
        };
        // An extension answers one that was asked for (RFC 5246 §7.4.1.4).
        let unasked = !hello.unknown.is_empty()
            || (hello.extended_master_secret && !offer.extended_master_secret)
            || (hello.encrypt_then_mac && !offer.encrypt_then_mac)
            || (hello.alpn.is_some() && offer.alpn.is_empty());
        if unasked {
            let why = "the server answers an extension that was not asked for";
            return refused(AlertDescription::UnsupportedExtension, why.into());
        }
        if hello.alpn.as_ref().is_some_and(|p| !offer.alpn.contains(p)) {
            let why = "the server chose a protocol that was not offered";
            return refused(AlertDescription::IllegalParameter, why.into());
        }
        if hello.encrypt_then_mac && !suite.is_cbc() {
            // RFC 7366 §3: only with a block cipher.
            let why = "the server wants encrypt-then-MAC without CBC";
            return refused(AlertDescription::IllegalParameter, why.into());
        }
        if !hello.renegotiation_info {
            let why = "the server does not know secure renegotiation (RFC 5746)";
            return refused(AlertDescription::HandshakeFailure, why.into());
        }
        self.agreed = Some(Agreed {
            suite,
            alpn: hello.alpn,
            extended_master_secret: hello.extended_master_secret,
            encrypt_then_mac: hello.encrypt_then_mac,
        });
        self.server_random = hello.random;
        self.records.agreed = true;
        self.state = State::Certificate;
        Ok(())
    }

    fn certificate(&mut self, body: &[u8], now: UnixTime) -> Result<(), Error> {
        let chain = message::certificates(body)?;
        let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Err(Error::decode("a chain without certificates"));
        };
        let client = self.as_client()?;
        let verifier = client.config.verifier.clone();
        verifier.verify_server_cert(leaf, intermediates, &client.name, &[], now)?;
        let key = encryption_key(leaf)?;
        match &mut self.role {
            Role::Client(client) => client.key = Some(key),
            Role::Server(_) => return Err(internal()),
        }
        self.state = State::ServerHelloDone { requested: false };
        Ok(())
    }

    /// The client's second flight.
    fn answer(&mut self, certificate_requested: bool) -> Result<(), Error> {
        if certificate_requested {
            // RFC 5246 §7.4.6: a client without a certificate says so.
            self.write_message(&message::certificate([]))?;
        }
        // RFC 5246 §7.4.7.1: the version of the ClientHello, against attackers that make it an older one.
        let mut pre_master = [0; KeyExchange::SECRET_BYTES];
        pre_master[..2].copy_from_slice(&TLS12.to_be_bytes());
        self.randomness.fill(&mut pre_master[2..]);
        let key = self.as_client()?.key.clone().ok_or_else(internal)?;
        let encrypted = key
            .pkcs1v15_encrypt_with_rng(&mut self.randomness, &pre_master)
            .map_err(|e| Error::refused(AlertDescription::InternalError, e.to_string()))?;
        self.write_message(&message::client_key_exchange(&encrypted))?;
        self.derive(pre_master, encrypted)?;
        self.send_finished()?;
        self.state = State::ChangeCipherSpec;
        Ok(())
    }

    fn as_client(&self) -> Result<&Client, Error> {
        match &self.role {
            Role::Client(client) => Ok(client),
            Role::Server(_) => Err(internal()),
        }
    }
}

/// The RSA key of a certificate, which must be allowed to encrypt keys (RFC 5246 §7.4.2).
fn encryption_key(leaf: &CertificateDer<'_>) -> Result<rsa::PublicKey, Error> {
    let unsupported = |why| Error::refused(AlertDescription::UnsupportedCertificate, why);
    let parsed = Certificate::from_der(leaf)
        .map_err(|e| Error::refused(AlertDescription::BadCertificate, e.to_string()))?;
    let body = parsed.tbs_certificate();
    let usage = body.get_extension::<KeyUsage>();
    let usage =
        usage.map_err(|e| Error::refused(AlertDescription::BadCertificate, e.to_string()))?;
    if usage.is_some_and(|(_, usage)| !usage.key_encipherment()) {
        let why = "the certificate's key may not encrypt keys";
        return Err(unsupported(why));
    }
    let public = body.subject_public_key_info().to_der().ok();
    public
        .and_then(|der| rsa::PublicKey::from_public_key_der(&der).ok())
        .ok_or_else(|| unsupported("the certificate has no RSA key"))
}
