//! A user's HTTPS client: looks up the name, connects, validates, asks, and closes in good order.

mod ask;
mod cookies;
mod exchange;
mod http1;
mod http2;
mod kept;
mod ping;
mod raw;
mod upload;
mod websocket;

use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::Node;
use super::dns::Stub;
use super::http::Duplex;
use super::http2::Shared;
use crate::event::{Fact, Flow};
use crate::role::config::{self, Errand};
use crate::stack::TcpStream;
use crate::tls::client::{self, ClientSetup};

use cookies::Cookies;

/// A browser on a node.
pub struct Browser {
    node: Node,
    config: config::Browser,
    tls: ClientSetup,
    resolver: Option<Stub>,
    cookies: Cookies,
    /// Connections that nobody uses now.
    kept: kept::Kept,
}

/// A connection that is open.
struct Opened {
    stream: Box<dyn Duplex>,
    /// What is below TLS, where that is spoken.
    tcp: Shared<TcpStream>,
    flow: Flow,
    /// Whether HTTP/2 was agreed on.
    http2: bool,
}

/// Where requests go.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Whether TLS is spoken.
    pub https: bool,
    /// Host name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Path and query of each.
    pub targets: &'a [String],
}

impl Destination<'_> {
    fn origin(&self) -> config::Origin {
        config::Origin {
            https: self.https,
            host: self.host.to_owned(),
            port: self.port,
        }
    }
}

impl Browser {
    /// A browser on `node`.
    #[must_use]
    pub fn new(node: Node, config: config::Browser, tls: ClientSetup) -> Self {
        let stub = config.resolver.clone();
        let resolver = stub.map(|stub| Stub::new(node.clone(), stub));
        let cookies = Cookies::new(&node, &config);
        Self {
            node,
            config,
            tls,
            resolver,
            cookies,
            kept: kept::Kept::default(),
        }
    }

    /// Does what a step says. What happened is in the trace; a failure also as the step's.
    pub async fn go(self: Rc<Self>, errand: Errand) {
        match errand {
            Errand::Ask(ask) => self.ask(ask).await,
            Errand::Raw(raw) => self.send_raw(raw).await,
            Errand::Talk(talk) => self.talk(talk).await,
            Errand::Ping(ping) => self.ping(ping).await,
        }
    }

    fn failed(&self, error: impl Into<String>) {
        let error = error.into();
        self.node.fact(Fact::StepFailed { error });
    }

    /// Fetches pages over one connection, which is closed after them. What happened is in the trace; a failure also as the step's.
    pub async fn get(&self, to: Destination<'_>) {
        if let Err(error) = self.try_get(to).await {
            self.node.fact(Fact::StepFailed { error });
        }
    }

    async fn try_get(&self, to: Destination<'_>) -> Result<(), String> {
        let opened = self.open(to.https, to.host, to.port).await?;
        if opened.http2 {
            return self.speak_http2(opened.stream, opened.flow, to).await;
        }
        self.speak_http1(opened.stream, opened.flow, to).await
    }

    /// A host's addresses: itself, or what the resolver says.
    async fn addresses_of(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        let resolver = self.resolver.as_ref();
        let resolver = resolver.ok_or_else(|| format!("no resolver to ask for {host}"))?;
        resolver.look_up(host).await
    }

    /// A connection: name look-up, TCP, and TLS where it is spoken.
    async fn open(&self, https: bool, host: &str, port: u16) -> Result<Opened, String> {
        let addresses = self.addresses_of(host).await?;
        let stream = self.connect(&addresses, port).await?;
        let flow = stream.flow();
        let tcp = Shared::new(stream);
        if !https {
            return Ok(Opened {
                stream: Box::new(tcp.clone()),
                tcp,
                flow,
                http2: false,
            });
        }
        let takes = self.config.tls.takes;
        if !takes.wait.is_zero() {
            self.node.clock.sleep(takes.wait).await;
        }
        self.node.fact(Fact::TlsStarted {
            flow,
            server_name: host.into(),
        });
        let randomness = self.node.chance.next("tls");
        let clock = &self.node.clock;
        match client::connect(&self.tls, host, tcp.clone(), randomness, clock).await {
            Ok(established) => {
                let mut facts = established.facts;
                self.node.keys_agreed(flow, mem::take(&mut facts.agreed));
                self.node.pre_master_agreed(flow, facts.pre_master.take());
                // A resumed session has no certificates: they were judged when it began.
                if !facts.chain.is_empty() {
                    self.node.fact(Fact::CertificateAccepted {
                        flow,
                        server_name: host.into(),
                        date: self.tls.date(clock),
                        chain: mem::take(&mut facts.chain),
                        anchor: mem::take(&mut facts.anchor),
                    });
                }
                let http2 = facts.alpn.as_deref() == Some("h2");
                self.node.tls_established(flow, &facts);
                Ok(Opened {
                    stream: Box::new(established.stream),
                    tcp,
                    flow,
                    http2,
                })
            }
            Err(failure) => {
                self.node.keys_agreed(flow, failure.agreed);
                self.node.pre_master_agreed(flow, failure.pre_master);
                if let Some(refused) = failure.refused {
                    self.node.fact(Fact::CertificateRefused {
                        flow,
                        server_name: host.into(),
                        defect: refused.defect,
                        error: refused.error,
                        chain: refused.chain,
                    });
                }
                self.node.fact(Fact::TlsFailed {
                    flow,
                    error: failure.error.clone(),
                });
                Err(failure.error)
            }
        }
    }

    /// The first address that accepts.
    async fn connect(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream, String> {
        let mut last = String::from("no address to connect to");
        for address in addresses {
            let remote = SocketAddr::new(*address, port);
            let attempt = async {
                let connect = self.node.host.connect(remote)?;
                if let Some(flow) = connect.flow() {
                    self.node.fact(Fact::Connecting(flow));
                }
                connect.await
            };
            match attempt.await {
                Ok(stream) => {
                    self.node.fact(Fact::Connected(stream.flow()));
                    return Ok(stream);
                }
                Err(error) => {
                    last = format!("{remote}: {error}");
                    self.node.fact(Fact::ConnectFailed {
                        remote,
                        error: error.to_string(),
                    });
                }
            }
        }
        Err(last)
    }
}
