//! A user's HTTPS client: looks up the name, connects, validates, asks, and closes in good order.

mod exchange;

use std::mem;
use std::net::{IpAddr, SocketAddr};

use super::Node;
use super::dns::Stub;
use crate::event::Fact;
use crate::role::config;
use crate::stack::TcpStream;
use crate::tls::client::{self, ClientSetup};

/// A browser on a node.
pub struct Browser {
    node: Node,
    config: config::Browser,
    tls: ClientSetup,
    resolver: Option<Stub>,
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

impl Browser {
    /// A browser on `node`.
    #[must_use]
    pub fn new(node: Node, config: config::Browser, tls: ClientSetup) -> Self {
        let stub = config.resolver.clone();
        let resolver = stub.map(|stub| Stub::new(node.clone(), stub));
        Self {
            node,
            config,
            tls,
            resolver,
        }
    }

    /// Fetches pages over one connection, which is closed after them. What happened is in the trace; a failure also as the step's.
    pub async fn get(&self, to: Destination<'_>) {
        if let Err(error) = self.try_get(to).await {
            self.node.fact(Fact::StepFailed { error });
        }
    }

    async fn try_get(&self, to: Destination<'_>) -> Result<(), String> {
        let addresses = match to.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let resolver = self.resolver.as_ref();
                let resolver =
                    resolver.ok_or_else(|| format!("no resolver to ask for {}", to.host))?;
                resolver.look_up(to.host).await?
            }
        };
        let stream = self.connect(&addresses, to.port).await?;
        let flow = stream.flow();
        if !to.https {
            return self.speak_http1(stream, flow, to).await;
        }
        let takes = self.config.tls.takes;
        if !takes.wait.is_zero() {
            self.node.clock.sleep(takes.wait).await;
        }
        self.node.fact(Fact::TlsStarted {
            flow,
            server_name: to.host.into(),
        });
        let randomness = self.node.chance.next("tls");
        let clock = &self.node.clock;
        match client::connect(&self.tls, to.host, stream, randomness, clock).await {
            Ok(established) => {
                let mut facts = established.facts;
                self.node.keys_agreed(flow, mem::take(&mut facts.agreed));
                self.node.pre_master_agreed(flow, facts.pre_master.take());
                // A resumed session has no certificates: they were judged when it began.
                if !facts.chain.is_empty() {
                    self.node.fact(Fact::CertificateAccepted {
                        flow,
                        server_name: to.host.into(),
                        date: self.tls.date(clock),
                        chain: mem::take(&mut facts.chain),
                        anchor: mem::take(&mut facts.anchor),
                    });
                }
                let http2 = facts.alpn.as_deref() == Some("h2");
                self.node.tls_established(flow, &facts);
                if http2 {
                    return self.speak_http2(established.stream, flow, to).await;
                }
                self.speak_http1(established.stream, flow, to).await
            }
            Err(failure) => {
                self.node.keys_agreed(flow, failure.agreed);
                self.node.pre_master_agreed(flow, failure.pre_master);
                if let Some(refused) = failure.refused {
                    self.node.fact(Fact::CertificateRefused {
                        flow,
                        server_name: to.host.into(),
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
