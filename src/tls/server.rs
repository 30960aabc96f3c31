//! The server's side of TLS.

mod choice;
mod clients;
mod ticketer;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use self::choice::{Choice, Last, is_for};
pub use self::ticketer::TicketKey;
use self::ticketer::Ticketer;
use super::authority::Pki;
use super::config::{MutualMode, Resumption, ServerTls, Suite, Version};
use super::engine::{self, Engine};
use super::handshake::{
    Established, Failure, LabTime, PerKind, SetupError, engine_error, give_up, protocols, versions,
};
use super::key_log::Secrets;
use super::mismatch::mismatch;
use super::pace::{Pace, Paced};
use super::random::{Randomness, Scoped};
use super::{facts, provider, static_rsa};
use crate::event::{CertificateFacts, Mismatch};
use crate::time::Clock;
use crate::wire::tls::{ClientHello, TLS12, TLS13, content_type};

/// How a server speaks TLS, ready for connections.
#[derive(Debug)]
pub struct ServerSetup {
    /// rustls, unless all suites are for RSA key exchange.
    rustls: Option<PerKind<Arc<ServerConfig>>>,
    /// The engine for RSA key exchange, if some are.
    static_rsa: Option<(static_rsa::ServerConfig, Secrets)>,
    /// Both configurations' verifier of client certificates, where it asks for them.
    clients: Option<Arc<clients::Judge>>,
    /// Which certificate was chosen.
    last: Last,
    /// What its certificates say.
    leaves: Vec<CertificateFacts>,
    /// What it was told, to say what a client lacks.
    tls: ServerTls,
    /// Whether its certificate is for an RSA key, or else for an elliptic curve.
    rsa_key: bool,
    /// Whether only the lab's own nodes connect.
    own_nodes: bool,
}

/// Sessions a server remembers for resumption.
const SESSIONS: usize = 1024;

impl ServerSetup {
    /// Prepares a server at `listener`, as in `alb:443`: others with the same certificate do not open its tickets.
    /// Unless it resumes nothing, it sends the engine's two session tickets after a TLS 1.3 handshake.
    ///
    /// # Errors
    /// When its certificate is missing, it trusts an authority that there is not, or no version is allowed.
    pub fn new(
        tls: &ServerTls,
        listener: &str,
        pki: &Pki,
        clock: &Clock,
        secrets: &Secrets,
    ) -> Result<Self, SetupError> {
        let identity = pki.identity(&tls.certificate)?;
        let versions = versions(&tls.versions)?;
        let clients = match &tls.clients {
            Some(asks) => Some(Arc::new(clients::Judge::new(asks, pki)?)),
            None => None,
        };
        let alone = engine::is_static_rsa(&tls.suites);
        if alone && clients.is_some() {
            return Err(SetupError::Without("client certificates"));
        }
        let offer = engine::static_rsa_offer(&tls.suites, &tls.alpn, tls.rsa_extensions);
        let key = static_rsa::private_key(&identity.key());
        if alone && key.is_none() {
            return Err(SetupError::RsaKey);
        }
        // Beside other suites, those for which the certificate is no good, which cannot ask for the client's, or which
        // would have to choose among several, are never chosen.
        let static_rsa = offer.zip(key);
        let static_rsa = static_rsa.filter(|_| clients.is_none() && tls.certificates.is_empty());
        let static_rsa = static_rsa.map(|(offer, key)| {
            let config = static_rsa::ServerConfig {
                offer,
                chain: identity.chain().to_vec(),
                key,
                tls13: tls.versions.contains(&Version::Tls13),
            };
            (config, secrets.clone())
        });
        let last = Last::default();
        let config = |provider: CryptoProvider| {
            let time = Arc::new(LabTime(clock.clone()));
            let choice = Arc::new(Choice::new(tls, pki, provider.key_provider, last.clone())?);
            let random = provider.secure_random;
            let builder = ServerConfig::builder_with_details(Arc::new(provider), time)
                .with_protocol_versions(&versions)?;
            let builder = match &clients {
                Some(judge) => builder.with_client_cert_verifier(judge.clone()),
                None => builder.with_no_client_auth(),
            };
            let mut config = builder.with_cert_resolver(choice);
            config.ignore_client_order = true;
            config.alpn_protocols = protocols(&tls.alpn);
            config.key_log = Arc::new(secrets.clone());
            match tls.resumption {
                Resumption::Memory => {
                    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
                }
                Resumption::Tickets => {
                    config.session_storage = Arc::new(NoServerSessionStorage {});
                    config.ticketer = Arc::new(Ticketer {
                        key: identity.ticket_key().of_listener(listener),
                        random,
                    });
                }
                Resumption::Off => {
                    config.session_storage = Arc::new(NoServerSessionStorage {});
                    config.send_tls13_tickets = 0;
                }
            }
            Ok::<_, SetupError>(Arc::new(config))
        };
        let rustls = if alone {
            None
        } else {
            Some(PerKind {
                seeded: config(provider::seeded(&tls.groups, &tls.suites))?,
                system: config(provider::system(&tls.groups, &tls.suites))?,
            })
        };
        let mut leaves = Vec::new();
        for name in tls.certificates.iter().chain([&tls.certificate]) {
            let leaf = pki.identity(name)?.chain().first();
            leaves.extend(leaf.map(facts::certificate));
        }
        Ok(Self {
            rustls,
            static_rsa,
            clients,
            last,
            leaves,
            tls: tls.clone(),
            rsa_key: identity
                .chain()
                .first()
                .is_some_and(|leaf| facts::certificate(leaf).key.starts_with("RSA")),
            own_nodes: false,
        })
    }

    /// Says that nobody but the lab's own nodes connects, on TUN devices either: then RSA key exchange may be spoken.
    #[must_use]
    pub fn among_own_nodes(mut self) -> Self {
        self.own_nodes = true;
        self
    }
}

impl ServerSetup {
    /// Whether clients' certificates are for the target to look at.
    pub(crate) fn passes_certificates_through(&self) -> bool {
        let asks = self.tls.clients.as_ref();
        asks.is_some_and(|asks| asks.mode == MutualMode::Passthrough)
    }

    /// The name, when one of the server's certificates is for it.
    fn known(&self, server_name: Option<&str>) -> Option<String> {
        let name = server_name?;
        let known = self.leaves.iter().any(|leaf| is_for(leaf, name));
        known.then(|| name.to_owned())
    }
}

type Engines<'a> = Engine<&'a PerKind<Arc<ServerConfig>>, &'a (static_rsa::ServerConfig, Secrets)>;

impl ServerSetup {
    /// Who answers this ClientHello. With suites of both engines, the first one in the server's order that the client
    /// offers and the certificate is good for decides. Such a server speaks RSA key exchange only where a seed rules or
    /// among the lab's own nodes, so that the teaching engine never answers a real program.
    fn engine_for(
        &self,
        hello: Option<&ClientHello>,
        randomness: &Randomness,
    ) -> Option<Engines<'_>> {
        let rustls = self.rustls.as_ref().map(Engine::Rustls);
        let own = self.static_rsa.as_ref().map(Engine::StaticRsa);
        let (Some(hello), true) = (hello, rustls.is_some()) else {
            return rustls.or(own);
        };
        let fits = |s: &&Suite| {
            let signs = s.is_tls13() || s.name().contains("ECDSA") != self.rsa_key;
            let spoken = !s.is_tls13() || hello.versions().contains(&TLS13);
            hello.suites.contains(&s.0) && signs && spoken
        };
        let first = self.tls.suites.iter().find(fits);
        let safe = self.own_nodes || matches!(randomness, Randomness::Seeded(_));
        if safe && first.is_some_and(|s| s.is_static_rsa()) {
            own.or(rustls)
        } else {
            rustls
        }
    }
}

/// A server's stream after the handshake.
pub type ServerStream<S> =
    Engine<Scoped<tokio_rustls::server::TlsStream<Paced<S>>>, static_rsa::Stream<Paced<S>>>;

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
    let mut paced = Paced::new(stream, Pace::Server(setup.tls.takes), clock.clone());
    let hello = paced.peek_hello().await;
    let mismatch = hello
        .as_ref()
        .and_then(|hello| mismatch(hello, &setup.tls, setup.rsa_key));
    if let (Some(hello), Some(mismatch)) = (&hello, &mismatch)
        && mismatch.what == "version"
    {
        // The engine would look for an extension first that such clients do not know, and send another alert.
        refuse_version(&mut paced, hello).await;
        give_up(paced).await;
        return Err(Failure {
            error: "no version in common".into(),
            refused: None,
            mismatch: Some(mismatch.clone()),
            agreed: Vec::new(),
            pre_master: None,
        });
    }
    let configs = match setup.engine_for(hello.as_ref(), &randomness) {
        Some(Engine::Rustls(configs)) => configs,
        Some(Engine::StaticRsa((config, secrets))) => {
            let connection = static_rsa::Connection::server(config.clone(), randomness);
            let time = Arc::new(LabTime(clock.clone()));
            let stream = static_rsa::Stream::new(connection, paced, time, secrets.clone());
            let accepted = accept_static_rsa(stream, mismatch).await;
            return accepted.map(|mut established| {
                let name = hello.as_ref().and_then(|h| h.server_name.as_deref());
                established.facts.server_name = setup.known(name);
                established.facts.certificate = Some(setup.tls.certificate.clone());
                established
            });
        }
        // One of them there is: `new` sees to it.
        None => {
            give_up(paced).await;
            return Err(Failure {
                error: "no engine for any suite".into(),
                refused: None,
                mismatch,
                agreed: Vec::new(),
                pre_master: None,
            });
        }
    };
    let acceptor = TlsAcceptor::from(configs.of(&randomness).clone());
    let handshake = randomness.scope(|| acceptor.accept(paced).into_fallible());
    let mut handshake = Scoped::new(handshake, randomness);
    let mut refused = None;
    let mut certificate = None;
    let result = poll_fn(|cx| {
        let result = Pin::new(&mut handshake).poll(cx);
        if let Some(judge) = &setup.clients {
            // Judged while this connection was polled: what the judge says right after is about its client.
            refused = judge.take().or_else(|| refused.take());
        }
        // Likewise chosen while it was polled.
        certificate = setup.last.take().or_else(|| certificate.take());
        result
    })
    .await;
    let (_, mut randomness) = handshake.into_parts();
    let agreed = randomness.take_agreed();
    match result {
        Ok(mut stream) => {
            let (paced, state) = stream.get_mut();
            paced.pass_through();
            let mut facts = facts::agreed(state);
            facts.agreed = agreed;
            let chain = state.peer_certificates().unwrap_or_default();
            facts.chain = chain.iter().map(facts::certificate).collect();
            facts.client = facts::client_leaf(chain);
            facts.server_name = setup.known(state.server_name());
            facts.certificate = certificate;
            Ok(Established {
                facts,
                stream: Engine::Rustls(Scoped::new(stream, randomness)),
            })
        }
        Err((error, paced)) => {
            give_up(paced).await;
            let error = engine_error(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Err(Failure {
                error,
                refused,
                mismatch,
                agreed,
                pre_master: None,
            })
        }
    }
}

/// The same with the engine for RSA key exchange.
async fn accept_static_rsa<S>(
    mut stream: static_rsa::Stream<Paced<S>>,
    mismatch: Option<Mismatch>,
) -> Result<Established<ServerStream<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let result = stream.handshake().await;
    let facts = engine::facts(stream.connection());
    match result {
        Ok(()) => {
            stream.inner_mut().pass_through();
            let stream = Engine::StaticRsa(stream);
            Ok(Established { stream, facts })
        }
        Err(error) => {
            give_up(stream).await;
            Err(Failure {
                error: error.to_string(),
                refused: None,
                mismatch,
                agreed: Vec::new(),
                pre_master: facts.pre_master,
            })
        }
    }
}

/// The alert protocol_version (RFC 5246 §E.1, RFC 8446 §4.2.1), after the time that a ClientHello takes.
async fn refuse_version<S: AsyncRead + AsyncWrite + Unpin>(
    paced: &mut Paced<S>,
    hello: &ClientHello,
) {
    let [major, minor] = hello.legacy_version.min(TLS12).to_be_bytes();
    let alert = [content_type::ALERT, major, minor, 0, 2, 2, 70];
    // Whether the client still hears it changes nothing.
    if paced.read_u8().await.is_ok() {
        let _ = paced.write_all(&alert).await;
    }
}
