//! The client's side of TLS.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::authority::{Pki, PkiError};
use super::config::{ClientTakes, ClientTls};
use super::facts::{self, TlsFacts};
use super::key_log::Secrets;
use super::pace::{Pace, Paced};
use super::provider::Source;
use super::random::{Randomness, Scoped};
use super::server::{LabTime, SetupError, versions};
use crate::event::CertificateFacts;
use crate::time::Clock;

/// How a client speaks TLS, ready for connections.
pub struct ClientSetup {
    config: ClientConfig,
    verifier: Arc<WebPkiServerVerifier>,
    anchors: Vec<CertificateFacts>,
    takes: ClientTakes,
}

impl ClientSetup {
    /// Prepares a client.
    ///
    /// # Errors
    /// When it trusts an authority that there is not, or rustls refuses the choice of versions.
    pub fn new(
        tls: &ClientTls,
        pki: &Pki,
        source: Source,
        clock: &Clock,
        secrets: &Secrets,
    ) -> Result<Self, SetupError> {
        let provider = Arc::new(source.provider());
        let mut roots = RootCertStore::empty();
        let mut anchors = Vec::new();
        for name in &tls.trust {
            let root = pki.root(name)?;
            roots.add(root.clone())?;
            anchors.push(facts::certificate(root));
        }
        if roots.is_empty() {
            return Err(SetupError::Pki(PkiError::NoAuthority(String::new())));
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()?;
        let mut config =
            ClientConfig::builder_with_details(provider, Arc::new(LabTime(clock.clone())))
                .with_protocol_versions(&versions(&tls.versions))?
                .dangerous()
                .with_custom_certificate_verifier(verifier.clone())
                .with_no_client_auth();
        config.alpn_protocols = tls.alpn.iter().map(|p| p.clone().into_bytes()).collect();
        config.key_log = Arc::new(secrets.clone());
        Ok(Self {
            config,
            verifier,
            anchors,
            takes: tls.takes,
        })
    }
}

/// A connection on which TLS is established.
pub struct Established<S> {
    /// Application data, in the clear on this side.
    pub stream: S,
    /// What was agreed.
    pub facts: TlsFacts,
}

/// A handshake that failed. The alert, where there is one to send, has been sent.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: String,
    /// The refused certificates, when that was the reason.
    pub refused: Option<Refused>,
}

/// A certificate chain that was refused.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: String,
    /// What the server sent, leaf first.
    pub chain: Vec<CertificateFacts>,
}

/// A client's stream after the handshake.
pub type ClientStream<S> = Scoped<tokio_rustls::client::TlsStream<Paced<S>>>;

/// Speaks TLS as client with the server called `server_name` over `stream`. When it is done, the client's Finished
/// is sent (TLS 1.3) or the server's received (TLS 1.2).
///
/// # Errors
/// When the handshake fails, on either side.
pub async fn connect<S>(
    setup: &ClientSetup,
    server_name: &str,
    stream: S,
    randomness: Randomness,
    clock: &Clock,
) -> Result<Established<ClientStream<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(server_name.to_owned()).map_err(|e| Failure {
        error: format!("`{server_name}`: {e}"),
        refused: None,
    })?;
    let judge = Arc::new(Judge {
        inner: setup.verifier.clone(),
        seen: Mutex::default(),
    });
    let mut config = setup.config.clone();
    config.dangerous().set_certificate_verifier(judge.clone());
    let connector = TlsConnector::from(Arc::new(config));
    let paced = Paced::new(stream, Pace::Client(setup.takes), clock.clone());
    // The client's random is drawn as soon as the connection is made.
    let mut handshake = Scoped::new(randomness, || connector.connect(name, paced));
    match (&mut handshake).await {
        Ok(stream) => {
            let (_, randomness) = handshake.into_parts();
            let state = stream.get_ref().1;
            let mut agreed = facts::agreed(state);
            let chain = state.peer_certificates().unwrap_or_default();
            agreed.chain = chain.iter().map(facts::certificate).collect();
            agreed.anchor = anchor(&setup.anchors, &agreed.chain);
            Ok(Established {
                stream: Scoped::new(randomness, || stream),
                facts: agreed,
            })
        }
        Err(error) => Err(failure(&error, &judge)),
    }
}

/// The trust anchor that issued the last certificate of a chain, by name.
fn anchor(anchors: &[CertificateFacts], chain: &[CertificateFacts]) -> String {
    let issuer = chain.last().map_or("", |c| c.issuer.as_str());
    let known = anchors.iter().any(|a| a.subject == issuer);
    if known {
        issuer.to_owned()
    } else {
        String::new()
    }
}

fn failure(error: &io::Error, judge: &Judge) -> Failure {
    let seen = judge
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    Failure {
        error: error.to_string(),
        refused: seen.map(|(error, chain)| Refused { error, chain }),
    }
}

/// What a [`Judge`] refused, and why.
type Seen = Option<(String, Vec<CertificateFacts>)>;

/// webpki's verdict, remembered for the trace when it is a refusal.
#[derive(Debug)]
struct Judge {
    inner: Arc<WebPkiServerVerifier>,
    seen: Mutex<Seen>,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.inner
            .verify_server_cert(leaf, intermediates, server_name, ocsp, now)
            .inspect_err(|error| {
                let chain = std::iter::once(leaf).chain(intermediates);
                let chain = chain.map(facts::certificate).collect();
                *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((error.to_string(), chain));
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
