//! The server's side of TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::ServerSessionMemoryCache;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::authority::Pki;
use super::config::{ServerTakes, ServerTls};
use super::facts::TlsFacts;
use super::handshake::{
    Established, Failure, LabTime, PerKind, SetupError, engine_error, give_up, protocols, versions,
};
use super::key_log::Secrets;
use super::pace::{Pace, Paced};
use super::random::{Randomness, Scoped};
use super::{facts, provider};
use crate::time::Clock;

/// How a server speaks TLS, ready for connections.
#[derive(Debug)]
pub struct ServerSetup {
    configs: PerKind<Arc<ServerConfig>>,
    takes: ServerTakes,
}

/// Sessions a server remembers for resumption.
const SESSIONS: usize = 1024;

impl ServerSetup {
    /// Prepares a server. It sends the engine's two session tickets after a TLS 1.3 handshake.
    ///
    /// # Errors
    /// When its certificate is missing or does not fit its key, or no version is allowed.
    pub fn new(
        tls: &ServerTls,
        pki: &Pki,
        clock: &Clock,
        secrets: &Secrets,
    ) -> Result<Self, SetupError> {
        let identity = pki.identity(&tls.certificate)?;
        let versions = versions(&tls.versions)?;
        let config = |provider: CryptoProvider| {
            let time = Arc::new(LabTime(clock.clone()));
            let mut config = ServerConfig::builder_with_details(Arc::new(provider), time)
                .with_protocol_versions(&versions)?
                .with_no_client_auth()
                .with_single_cert(identity.chain().to_vec(), identity.key())?;
            config.alpn_protocols = protocols(&tls.alpn);
            config.key_log = Arc::new(secrets.clone());
            config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
            Ok::<_, SetupError>(Arc::new(config))
        };
        Ok(Self {
            configs: PerKind {
                seeded: config(provider::seeded())?,
                system: config(provider::system())?,
            },
            takes: tls.takes,
        })
    }
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
    mut randomness: Randomness,
    clock: &Clock,
) -> Result<Established<ServerStream<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let paced = Paced::new(stream, Pace::Server(setup.takes), clock.clone());
    let acceptor = TlsAcceptor::from(setup.configs.of(&randomness).clone());
    let handshake = randomness.scope(|| acceptor.accept(paced).into_fallible());
    let mut handshake = Scoped::new(handshake, randomness);
    let result = (&mut handshake).await;
    let (_, mut randomness) = handshake.into_parts();
    let agreed = randomness.take_agreed();
    match result {
        Ok(mut stream) => {
            let (paced, state) = stream.get_mut();
            paced.pass_through();
            Ok(Established {
                facts: TlsFacts {
                    agreed,
                    ..facts::agreed(state)
                },
                stream: Scoped::new(stream, randomness),
            })
        }
        Err((error, paced)) => {
            give_up(paced).await;
            let error = engine_error(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Err(Failure {
                error,
                refused: None,
                agreed,
            })
        }
    }
}
