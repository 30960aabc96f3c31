//! The client's side of TLS.

mod verifier;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use self::verifier::{Judge, Trust, Verdict};
use super::authority::Pki;
use super::config::{ClientTakes, ClientTls};
use super::handshake::{
    Established, Failure, LabTime, PerKind, SetupError, engine_error, explain, give_up, protocols,
    versions,
};
use super::key_log::Secrets;
use super::pace::{Pace, Paced};
use super::random::{Randomness, Scoped};
use super::{facts, provider};
use crate::event::KeyAgreement;
use crate::time::Clock;

/// How a client speaks TLS, ready for connections.
#[derive(Debug)]
pub struct ClientSetup {
    configs: PerKind<Arc<ClientConfig>>,
    /// Both configurations' verifier. A session is resumed only under the verifier that it began with, so that it
    /// must be the same for all connections.
    judge: Arc<Judge>,
    takes: ClientTakes,
}

/// Servers whose sessions a client remembers.
const SESSIONS: usize = 256;

impl ClientSetup {
    /// Prepares a client.
    ///
    /// # Errors
    /// When it trusts nobody or an authority that there is not, shows a certificate that there is not, or no version
    /// is allowed.
    pub fn new(
        tls: &ClientTls,
        pki: &Pki,
        clock: &Clock,
        secrets: &Secrets,
    ) -> Result<Self, SetupError> {
        let versions = versions(&tls.versions)?;
        let trust = Arc::new(Trust::new(&tls.trust, pki)?);
        let judge = Arc::new(Judge::new(&trust));
        let identity = match &tls.certificate {
            Some(name) => Some(pki.identity(name)?),
            None => None,
        };
        let config = |provider: CryptoProvider| {
            let time = Arc::new(LabTime(clock.clone()));
            let builder = ClientConfig::builder_with_details(Arc::new(provider), time)
                .with_protocol_versions(&versions)?
                .dangerous()
                .with_custom_certificate_verifier(judge.clone());
            let mut config = match identity {
                Some(own) => builder.with_client_auth_cert(own.chain().to_vec(), own.key())?,
                None => builder.with_no_client_auth(),
            };
            config.alpn_protocols = protocols(&tls.alpn);
            config.key_log = Arc::new(secrets.clone());
            config.resumption = if tls.resume {
                Resumption::in_memory_sessions(SESSIONS)
            } else {
                Resumption::disabled()
            };
            Ok::<_, SetupError>(Arc::new(config))
        };
        Ok(Self {
            configs: PerKind {
                seeded: config(provider::seeded(&tls.groups, &tls.suites))?,
                system: config(provider::system(&tls.groups, &tls.suites))?,
            },
            judge,
            takes: tls.takes,
        })
    }
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
    mut randomness: Randomness,
    clock: &Clock,
) -> Result<Established<ClientStream<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let paced = Paced::new(stream, Pace::Client(setup.takes), clock.clone());
    let name = match ServerName::try_from(server_name.to_owned()) {
        Ok(name) => name,
        Err(error) => {
            give_up(paced).await;
            return Err(Failure {
                error: format!("`{server_name}`: {error}"),
                refused: None,
                agreed: Vec::new(),
            });
        }
    };
    let connector = TlsConnector::from(setup.configs.of(&randomness).clone());
    // The client's random is drawn as soon as the connection is made.
    let handshake = randomness.scope(|| connector.connect(name, paced).into_fallible());
    let mut handshake = Scoped::new(handshake, randomness);
    // The chain is judged while the connection is polled: what the judge says right after is about its chain.
    let mut verdict = None;
    let result = poll_fn(|cx| {
        let result = Pin::new(&mut handshake).poll(cx);
        verdict = setup.judge.take().or_else(|| verdict.take());
        result
    })
    .await;
    let (_, mut randomness) = handshake.into_parts();
    let agreed_keys = randomness.take_agreed();
    match result {
        Ok(mut stream) => {
            let (paced, state) = stream.get_mut();
            paced.pass_through();
            let mut agreed = facts::agreed(state);
            agreed.agreed = agreed_keys;
            if let Some(Verdict::Accepted { chain, anchor }) = verdict {
                (agreed.chain, agreed.anchor) = (chain, anchor);
            }
            Ok(Established {
                stream: Scoped::new(stream, randomness),
                facts: agreed,
            })
        }
        Err((error, paced)) => {
            give_up(paced).await;
            Err(failure(&error, verdict, agreed_keys))
        }
    }
}

fn failure(error: &io::Error, verdict: Option<Verdict>, agreed: Vec<KeyAgreement>) -> Failure {
    Failure {
        error: engine_error(error).map_or_else(|| error.to_string(), explain),
        refused: match verdict {
            Some(Verdict::Refused(refused)) => Some(refused),
            Some(Verdict::Accepted { .. }) | None => None,
        },
        agreed,
    }
}
