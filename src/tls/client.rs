//! The client's side of TLS.

mod browser;
mod verifier;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use self::verifier::{Judge, Trust, Verdict};
use super::authority::Pki;
use super::config::{ClientTakes, ClientTls, ClockSkew};
use super::engine::{self, Engine};
use super::handshake::{
    Established, Failure, PerKind, SetupError, engine_error, explain, give_up, protocols, versions,
};
use super::key_log::Secrets;
use super::pace::{Pace, Paced};
use super::random::{Randomness, Scoped};
use super::{facts, legacy, provider, static_rsa};
use crate::event::KeyAgreement;
use crate::time::{Clock, UnixSeconds};

/// How a client speaks TLS, ready for connections.
#[derive(Debug)]
pub struct ClientSetup {
    engine: Engine<PerKind<Arc<ClientConfig>>, (static_rsa::ClientConfig, Secrets)>,
    /// All configurations' verifier. A session is resumed only under the verifier that it began with, so that it
    /// must be the same for all connections.
    judge: Arc<Judge>,
    clock_skew: ClockSkew,
    takes: ClientTakes,
    /// See [`ClientTls::legacy`].
    legacy: Option<(u16, Vec<u16>)>,
}

/// Servers whose sessions a client remembers.
const SESSIONS: usize = 256;

impl ClientSetup {
    /// Prepares a client.
    ///
    /// # Errors
    /// When it trusts nobody or an authority that there is not, shows a certificate that there is not, no version is
    /// allowed, or something does not go with RSA key exchange.
    pub fn new(
        tls: &ClientTls,
        pki: &Pki,
        clock: &Clock,
        secrets: &Secrets,
    ) -> Result<Self, SetupError> {
        // A client of older versions never gets to the engine, whose configuration is then never used.
        let versions = match tls.legacy {
            Some(_) => rustls::DEFAULT_VERSIONS.to_vec(),
            None => versions(&tls.versions)?,
        };
        let signs = !engine::is_static_rsa(&tls.suites);
        let trust = Arc::new(Trust::new(&tls.trust, tls.validation, signs, pki)?);
        let judge = Arc::new(Judge::new(&trust));
        let identity = match &tls.certificate {
            Some(name) => Some(pki.identity(name)?),
            None => None,
        };
        let offer = engine::static_rsa_offer(&tls.suites, &tls.alpn, tls.rsa_extensions);
        if offer.is_some() && !engine::is_static_rsa(&tls.suites) {
            return Err(SetupError::Suites);
        }
        if offer.is_some() && identity.is_some() {
            return Err(SetupError::Without("client certificates"));
        }
        if offer.is_some() && tls.resume {
            return Err(SetupError::Without("resumption"));
        }
        let config = |provider: CryptoProvider| {
            let time = Arc::new(OwnTime(clock.clone(), tls.validation.clock_skew));
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
        let engine = match offer {
            Some(offer) => {
                let verifier = judge.clone();
                let config = static_rsa::ClientConfig { offer, verifier };
                Engine::StaticRsa((config, secrets.clone()))
            }
            None => Engine::Rustls(PerKind {
                seeded: config(provider::seeded(&tls.groups, &tls.suites))?,
                system: config(provider::system(&tls.groups, &tls.suites))?,
            }),
        };
        Ok(Self {
            engine,
            judge,
            clock_skew: tls.validation.clock_skew,
            takes: tls.takes,
            legacy: tls.legacy.clone(),
        })
    }

    /// The date by the client's own clock, which may be wrong.
    #[must_use]
    pub fn date(&self, clock: &Clock) -> UnixSeconds {
        self.clock_skew.shown(clock.date())
    }
}

/// The client's own clock as the engine wants it.
#[derive(Debug)]
struct OwnTime(Clock, ClockSkew);

impl TimeProvider for OwnTime {
    fn current_time(&self) -> Option<UnixTime> {
        let date = self.1.shown(self.0.date());
        Some(UnixTime::since_unix_epoch(Duration::from_secs(date.0)))
    }
}

/// A client's stream after the handshake.
pub type ClientStream<S> =
    Engine<Scoped<tokio_rustls::client::TlsStream<Paced<S>>>, static_rsa::Stream<Paced<S>>>;

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
    let mut paced = Paced::new(stream, Pace::Client(setup.takes), clock.clone());
    if let Some((version, suites)) = &setup.legacy {
        let error = legacy::offer(*version, suites, server_name, &mut paced, &mut randomness).await;
        give_up(paced).await;
        return Err(Failure {
            error,
            refused: None,
            mismatch: None,
            agreed: Vec::new(),
            pre_master: None,
        });
    }
    let name = match ServerName::try_from(server_name.to_owned()) {
        Ok(name) => name,
        Err(error) => {
            give_up(paced).await;
            return Err(Failure {
                error: format!("`{server_name}`: {error}"),
                refused: None,
                mismatch: None,
                agreed: Vec::new(),
                pre_master: None,
            });
        }
    };
    let configs = match &setup.engine {
        Engine::Rustls(configs) => configs,
        Engine::StaticRsa(own) => {
            return connect_static_rsa(setup, own, name, paced, randomness, clock).await;
        }
    };
    let connector = TlsConnector::from(configs.of(&randomness).clone());
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
                stream: Engine::Rustls(Scoped::new(stream, randomness)),
                facts: agreed,
            })
        }
        Err((error, paced)) => {
            give_up(paced).await;
            Err(failure(&error, verdict, agreed_keys))
        }
    }
}

/// The same with the engine for RSA key exchange, which draws from its own randomness.
async fn connect_static_rsa<S>(
    setup: &ClientSetup,
    (config, secrets): &(static_rsa::ClientConfig, Secrets),
    name: ServerName<'static>,
    paced: Paced<S>,
    randomness: Randomness,
    clock: &Clock,
) -> Result<Established<ClientStream<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connection = match static_rsa::Connection::client(config.clone(), name, randomness) {
        Ok(connection) => connection,
        Err(error) => {
            give_up(paced).await;
            return Err(failure(&io::Error::other(error), None, Vec::new()));
        }
    };
    let time = Arc::new(OwnTime(clock.clone(), setup.clock_skew));
    let mut stream = static_rsa::Stream::new(connection, paced, time, secrets.clone());
    let mut verdict = None;
    let result = {
        let mut handshake = pin!(stream.handshake());
        poll_fn(|cx| {
            let result = handshake.as_mut().poll(cx);
            verdict = setup.judge.take().or_else(|| verdict.take());
            result
        })
        .await
    };
    match result {
        Ok(()) => {
            stream.inner_mut().pass_through();
            let mut facts = engine::facts(stream.connection());
            if let Some(Verdict::Accepted { chain, anchor }) = verdict {
                (facts.chain, facts.anchor) = (chain, anchor);
            }
            Ok(Established {
                stream: Engine::StaticRsa(stream),
                facts,
            })
        }
        Err(error) => {
            let pre_master = engine::pre_master(stream.connection());
            give_up(stream).await;
            Err(Failure {
                pre_master,
                ..failure(&error, verdict, Vec::new())
            })
        }
    }
}

fn failure(error: &io::Error, verdict: Option<Verdict>, agreed: Vec<KeyAgreement>) -> Failure {
    let refused = match verdict {
        Some(Verdict::Refused(refused)) => Some(refused),
        Some(Verdict::Accepted { .. }) | None => None,
    };
    // What the judge says of a refused chain is more than the engine passes on.
    let error = match (&refused, engine_error(error)) {
        (Some(refused), _) => refused.error.clone(),
        (None, Some(error)) => explain(error),
        (None, None) => error.to_string(),
    };
    Failure {
        error,
        refused,
        mismatch: None,
        agreed,
        pre_master: None,
    }
}
