//! What the fuzz targets share: both sides of the teaching engine, always the same, and a lab's keys, made once.

use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use tunlab::rng::Seed;
use tunlab::tls::authority::Pki;
use tunlab::tls::random::Randomness;
use tunlab::tls::static_rsa::{self, ClientConfig, Connection, Offer, ServerConfig, Suite};

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let plan = tunlab::lab::load("tls/rsa-key-exchange").expect("a shipped lab");
    Pki::build(&plan.pki, Seed(1)).expect("the keys of a shipped lab")
});

/// The private key of the server.
#[must_use]
pub fn key() -> PrivateKeyDer<'static> {
    PKI.identity("your-app").expect("a certificate").key()
}

/// All suites and both extensions, or those that the bits of `choice` leave.
#[must_use]
pub fn offer(choice: u8) -> Offer {
    let suites = Suite::ALL.into_iter().cycle();
    Offer {
        suites: suites.skip(usize::from(choice >> 2) % 6).take(6).collect(),
        alpn: vec![b"http/1.1".to_vec()],
        extended_master_secret: choice & 1 == 0,
        encrypt_then_mac: choice & 2 == 0,
    }
}

/// A server that waits for a ClientHello.
#[must_use]
pub fn server(choice: u8) -> Connection {
    let identity = PKI.identity("your-app").expect("a certificate");
    let config = ServerConfig {
        offer: offer(choice),
        chain: identity.chain().to_vec(),
        key: static_rsa::private_key(&identity.key()).expect("an RSA key"),
        tls13: false,
    };
    Connection::server(config, Randomness::seeded(Seed(1).stream("server")))
}

/// A client that has said hello and takes any certificate.
#[must_use]
pub fn client(choice: u8) -> Connection {
    let config = ClientConfig {
        offer: offer(choice),
        verifier: Arc::new(Anyone),
    };
    let name = ServerName::try_from("your-app.com").expect("a name");
    let randomness = Randomness::seeded(Seed(1).stream("client"));
    Connection::client(config, name, randomness).expect("a ClientHello")
}

/// The date on which certificates would be judged.
#[must_use]
pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_762_300_800))
}

/// Accepts everything, so that what comes after the certificates is reached.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::RSA_PKCS1_SHA256]
    }
}
