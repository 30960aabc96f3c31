//! The server's side of TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::server::ServerSessionMemoryCache;
use rustls::time_provider::TimeProvider;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::authority::{Pki, PkiError};
use super::client::{Established, Failure};
use super::config::{ServerTakes, ServerTls, Version};
use super::facts;
use super::key_log::Secrets;
use super::pace::{Pace, Paced};
use super::provider::Source;
use super::random::{Randomness, Scoped};
use crate::time::Clock;

/// Why a side cannot speak TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A certificate or authority is missing or cannot be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// rustls refuses.
    #[error("failed to set up TLS")]
    Tls(#[from] rustls::Error),
    /// rustls refuses the trust anchors.
    #[error("failed to set up certificate validation")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

/// How a server speaks TLS, ready for connections.
pub struct ServerSetup {
    acceptor: TlsAcceptor,
    takes: ServerTakes,
}

/// Sessions a server remembers for resumption.
const SESSIONS: usize = 1024;

impl ServerSetup {
    /// Prepares a server.
    ///
    /// # Errors
    /// When its certificate is missing or does not fit its key, or rustls refuses the choice of versions.
    pub fn new(
        tls: &ServerTls,
        pki: &Pki,
        source: Source,
        clock: &Clock,
        secrets: &Secrets,
    ) -> Result<Self, SetupError> {
        let identity = pki.identity(&tls.certificate)?;
        let provider = Arc::new(source.provider());
        let mut config =
            ServerConfig::builder_with_details(provider, Arc::new(LabTime(clock.clone())))
                .with_protocol_versions(&versions(&tls.versions))?
                .with_no_client_auth()
                .with_single_cert(identity.chain().to_vec(), identity.key())?;
        config.alpn_protocols = tls.alpn.iter().map(|p| p.clone().into_bytes()).collect();
        config.key_log = Arc::new(secrets.clone());
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            takes: tls.takes,
        })
    }
}

pub(super) fn versions(wanted: &[Version]) -> Vec<&'static SupportedProtocolVersion> {
    let one = |v: &Version| match v {
        Version::Tls12 => &rustls::version::TLS12,
        Version::Tls13 => &rustls::version::TLS13,
    };
    wanted.iter().map(one).collect()
}

/// A server's stream after the handshake.
pub type ServerStream<S> = Scoped<tokio_rustls::server::TlsStream<Paced<S>>>;

/// Speaks TLS as server over `stream`. When it is done, the client's Finished is received.
///
/// # Errors
/// When the handshake fails, on either side.
pub async fn accept<S>(
    setup: &ServerSetup,
    stream: S,
    randomness: Randomness,
    clock: &Clock,
) -> Result<Established<ServerStream<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let paced = Paced::new(stream, Pace::Server(setup.takes), clock.clone());
    let mut handshake = Scoped::new(randomness, || setup.acceptor.accept(paced));
    let stream = (&mut handshake).await.map_err(|error| Failure {
        error: error.to_string(),
        refused: None,
    })?;
    let (_, randomness) = handshake.into_parts();
    let agreed = facts::agreed(stream.get_ref().1);
    Ok(Established {
        stream: Scoped::new(randomness, || stream),
        facts: agreed,
    })
}

/// The lab clock as rustls wants it.
#[derive(Debug)]
pub(super) struct LabTime(pub(super) Clock);

impl TimeProvider for LabTime {
    fn current_time(&self) -> Option<UnixTime> {
        let date = Duration::from_secs(self.0.date().0);
        Some(UnixTime::since_unix_epoch(date))
    }
}
