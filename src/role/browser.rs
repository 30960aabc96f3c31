//! A user's HTTPS client: looks up the name, connects, validates, asks, and closes in good order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

use http_body_util::BodyExt;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Method, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::http::{Body, Io, beside, chain, empty};
use super::{Node, dns};
use crate::event::{Fact, Flow};
use crate::role::config;
use crate::stack::TcpStream;
use crate::tls::client::{self, ClientSetup};

/// A browser on a node.
pub struct Browser {
    node: Node,
    config: config::Browser,
    tls: ClientSetup,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Whether TLS is spoken.
    pub https: bool,
    /// Host name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Path and query.
    pub target: &'a str,
}

impl Browser {
    /// A browser on `node`.
    #[must_use]
    pub const fn new(node: Node, config: config::Browser, tls: ClientSetup) -> Self {
        Self { node, config, tls }
    }

    /// Fetches a page over a connection of its own. What happened is in the trace; a failure also as the step's.
    pub async fn get(&self, to: Destination<'_>) {
        if let Err(error) = self.try_get(to).await {
            self.node.fact(Fact::StepFailed { error });
        }
    }

    async fn try_get(&self, to: Destination<'_>) -> Result<(), String> {
        let addresses = match to.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let resolver = self
                    .config
                    .resolver
                    .ok_or_else(|| format!("no resolver to ask for {}", to.host))?;
                dns::look_up(&self.node, resolver, to.host).await?
            }
        };
        let stream = self.connect(&addresses, to.port).await?;
        let flow = stream.flow();
        if !to.https {
            return self.exchange(stream, flow, to).await;
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
                let facts = established.facts;
                self.node.keys_agreed(flow, facts.agreed);
                // A resumed session has no certificates: they were judged when it began.
                if !facts.chain.is_empty() {
                    self.node.fact(Fact::CertificateAccepted {
                        flow,
                        server_name: to.host.into(),
                        date: clock.date(),
                        chain: facts.chain,
                        anchor: facts.anchor,
                    });
                }
                self.node.fact(Fact::TlsEstablished {
                    flow,
                    version: facts.version,
                    suite: facts.suite,
                    group: facts.group,
                    alpn: facts.alpn,
                    handshake: facts.handshake,
                });
                self.exchange(established.stream, flow, to).await
            }
            Err(failure) => {
                self.node.keys_agreed(flow, failure.agreed);
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

    /// One request and its response, then an orderly close.
    async fn exchange<S>(&self, stream: S, flow: Flow, to: Destination<'_>) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .title_case_headers(true)
            .handshake::<_, Body>(Io::new(stream))
            .await
            .map_err(|e| chain(&e))?;
        let mut connection = pin!(connection.without_shutdown());
        let request = self.request(to)?;
        self.node.fact(Fact::RequestSent {
            flow,
            method: request.method().to_string(),
            target: to.target.into(),
        });
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|e| chain(&e))?;
            let status = response.status().as_u16();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(|e| chain(&e))?;
            Ok::<_, String>((status, body.to_bytes().len() as u64))
        };
        let (received, mut ended) = beside(connection.as_mut(), exchange).await;
        let (status, bytes) = received?;
        self.node.fact(Fact::ResponseReceived {
            flow,
            status,
            bytes,
        });
        // Without a sender the connection has nothing more to do and gives the stream back.
        drop(sender);
        if ended.is_none() {
            ended = Some(connection.await);
        }
        if let Some(Ok(parts)) = ended {
            close(parts.io.stream).await;
            self.node.fact(Fact::Closed(flow));
        }
        Ok(())
    }

    fn request(&self, to: Destination<'_>) -> Result<Request<Body>, String> {
        let default = if to.https { 443 } else { 80 };
        let host = if to.port == default {
            to.host.to_owned()
        } else {
            format!("{}:{}", to.host, to.port)
        };
        Request::builder()
            .method(Method::GET)
            .uri(to.target)
            .header(HOST, host)
            .header(USER_AGENT, &self.config.user_agent)
            .body(empty())
            .map_err(|e| chain(&e))
    }
}

/// close_notify and FIN, then whatever the peer still sends up to its own end: nothing is left unread, so nothing is
/// reset.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let ended: io::Result<()> = async {
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    }
    .await;
    // The response is whole: how the peer takes its leave changes nothing.
    drop(ended);
}
