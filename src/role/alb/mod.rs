//! A load balancer that behaves like an AWS Application Load Balancer. The life of a request, by our names:
//!
//! 1. `serve`: a listener accepts a TCP connection and, on an HTTPS listener, terminates TLS.
//!    ALPN decides between HTTP/1.1 and HTTP/2.
//! 2. `Front::handle`: the request's head is read, decrypted; the load balancer takes its time (`in`).
//! 3. `targets::Choice`: a healthy target is chosen, round robin.
//! 4. `headers::forwarded`: X-Forwarded-For, -Proto, -Port and X-Amzn-Trace-Id are written.
//! 5. `Pool::exchange`: an idle target connection is used again, or one is opened now: on demand, never before (AWS "How
//!    Elastic Load Balancing works").
//! 6. The response comes back; the load balancer takes its time (`out`); it leaves, encrypted again.
//! 7. When the client closes, the front connection ends. The target connection waits for the next request, of any client.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{HOST, HeaderName, USER_AGENT};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Node;
use super::config::{Alb, TargetGroup};
use super::http::{Body, Io, Timer, close, empty, listed};
use crate::event::{CertificateFacts, Fact, Flow, RequestKind};
use crate::stack::TcpStream;
use crate::tls::server::{self, ServerSetup};

mod access_log;
mod arn;
mod bridge;
mod connection_log;
mod error;
mod exchange;
mod failure;
mod headers;
mod http2;
mod mutual;
mod pool;

use access_log::{Record, RequestLine};
use bridge::HeaderCase;
use connection_log::Connection;
use error::Refusal;
use exchange::FromTarget;
use pool::Pool;

/// Room for connections that are not accepted yet.
const BACKLOG: usize = 4096;

/// How long it goes on reading on a connection that it closes, so that its last words arrive (nginx: `lingering_time`).
const LINGERS: Duration = Duration::from_secs(30);

/// Starts the load balancer on `node`. `sides` are the TLS sides of its listeners, `None` for HTTP, in their order.
///
/// # Errors
/// When a port is taken, or a listener forwards to a target group that there is not.
pub fn start(
    node: Node,
    config: &Alb,
    sides: Vec<Option<ServerSetup>>,
) -> io::Result<LoadBalancer> {
    let mut fronts = Vec::new();
    let config = Rc::new(config.clone());
    let pool = Pool::new(node.clone(), config.attributes.idle_timeout);
    for (listener, tls) in config.listeners.iter().zip(sides) {
        let socket = node.host.listen(listener.port, BACKLOG)?;
        let group = config
            .target_groups
            .iter()
            .find(|g| g.name == listener.forward)
            .ok_or(io::ErrorKind::NotFound)?;
        let front = Rc::new(Front {
            node: node.clone(),
            config: config.clone(),
            group: group.clone(),
            port: listener.port,
            tls: RefCell::new(tls.map(Rc::new)),
            turn: Cell::new(0),
            pool: pool.clone(),
        });
        fronts.push(front.clone());
        node.executor.spawn(async move {
            loop {
                let stream = socket.accept().await;
                front.node.executor.spawn(front.clone().serve(stream));
            }
        });
    }
    Ok(LoadBalancer { fronts })
}

/// A load balancer at work, for whoever runs it.
pub struct LoadBalancer {
    fronts: Vec<Rc<Front>>,
}

impl LoadBalancer {
    /// The listener on `port` speaks TLS as `setup` says from now on, with the certificate that is told. Connections
    /// that it has go on as they are.
    pub fn renew(&self, port: u16, setup: Rc<ServerSetup>, certificate: CertificateFacts) {
        for front in self.fronts.iter().filter(|f| f.port == port) {
            *front.tls.borrow_mut() = Some(setup.clone());
            front.node.fact(Fact::CertificateRenewed {
                port,
                certificate: certificate.clone(),
            });
        }
    }
}

/// The client of a front connection.
struct Client {
    flow: Flow,
    /// What targets are told of its certificate: nothing, when it showed none.
    shown: HeaderMap,
    /// What the logs say of the connection.
    logged: Rc<Connection>,
}

/// A listener at work.
struct Front {
    node: Node,
    config: Rc<Alb>,
    group: TargetGroup,
    port: u16,
    /// How it speaks TLS; `None` for HTTP.
    tls: RefCell<Option<Rc<ServerSetup>>>,
    /// How many requests it has forwarded: the round robin.
    turn: Cell<usize>,
    /// Its target connections, which all listeners share.
    pool: Rc<Pool>,
}

impl Front {
    async fn serve(self: Rc<Self>, stream: TcpStream) {
        let flow = stream.flow();
        stream.linger(LINGERS);
        self.node.fact(Fact::Accepted(flow));
        let setup = self.tls.borrow().clone();
        let Some(setup) = setup else {
            let client = Client {
                flow,
                shown: HeaderMap::new(),
                logged: Rc::new(connection_log::plain(&self.node, &self.config.name, flow)),
            };
            self.clone().speak_http(stream, Rc::new(client)).await;
            return;
        };
        let randomness = self.node.chance.next("tls");
        let began = self.node.clock.now();
        match server::accept(&setup, stream, randomness, &self.node.clock).await {
            Ok(established) => {
                let mut facts = established.facts;
                self.node.keys_agreed(flow, mem::take(&mut facts.agreed));
                self.node.pre_master_agreed(flow, facts.pre_master.take());
                if !facts.chain.is_empty() {
                    let chain = mem::take(&mut facts.chain);
                    self.node
                        .fact(Fact::ClientCertificateAccepted { flow, chain });
                }
                self.node.tls_established(flow, &facts);
                let shown = facts.client.as_ref().map(mutual::headers);
                let took = self.node.clock.now() - began;
                let (node, name) = (&self.node, &self.config.name);
                let logged = connection_log::established(node, name, flow, &facts, took);
                let client = Rc::new(Client {
                    flow,
                    shown: shown.unwrap_or_default(),
                    logged: Rc::new(logged),
                });
                if facts.alpn.as_deref() == Some("h2") {
                    self.clone().speak_http2(established.stream, client).await;
                } else {
                    self.clone().speak_http(established.stream, client).await;
                }
            }
            Err(failure) => {
                connection_log::failed(&self.node, &self.config.name, flow, &failure);
                self.node.keys_agreed(flow, failure.agreed);
                self.node.pre_master_agreed(flow, failure.pre_master);
                if let Some(refused) = failure.refused {
                    self.node.fact(Fact::ClientCertificateRefused {
                        flow,
                        error: refused.error,
                        chain: refused.chain,
                    });
                }
                if let Some(mismatch) = failure.mismatch {
                    self.node.fact(Fact::TlsMismatch { flow, mismatch });
                }
                self.node.fact(Fact::TlsFailed {
                    flow,
                    error: failure.error,
                });
            }
        }
    }

    async fn speak_http<S>(self: Rc<Self>, stream: S, client: Rc<Client>)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let front = self.clone();
        let flow = client.flow;
        let service = service_fn(move |request| {
            let (front, client) = (front.clone(), client.clone());
            async move { Ok::<_, Infallible>(front.handle(HeaderCase::Title, &client, request).await) }
        });
        // An error here is the client's: it went away, or did not speak HTTP. Its packets tell the story.
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(Timer::new(self.node.clock.clone()))
            .auto_date_header(false)
            .title_case_headers(true)
            .serve_connection(Io::new(stream), service)
            .await;
        self.node.fact(Fact::Closed(flow));
    }

    async fn speak_http2<S>(self: Rc<Self>, stream: S, client: Rc<Client>)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let front = self.clone();
        let flow = client.flow;
        http2::serve(&self.node, stream, http2::REQUESTS_MAX, move |request| {
            let (front, client) = (front.clone(), client.clone());
            let request = http2::as_http1(request);
            async move { front.handle(HeaderCase::Lower, &client, request).await }
        })
        .await;
        self.node.fact(Fact::Closed(flow));
    }

    async fn handle(
        &self,
        case: HeaderCase,
        client: &Client,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let flow = client.flow;
        self.node.fact(Fact::RequestReceived {
            flow,
            method: request.method().to_string(),
            target: request.uri().to_string(),
            headers: listed(request.headers()),
        });
        let mut record = Record::begin(&self.node, &client.logged);
        let line = RequestLine {
            method: request.method().as_str(),
            host: header(request.headers(), HOST),
            target: &request.uri().to_string(),
            version: match client.logged.kind {
                RequestKind::H2 | RequestKind::Grpcs => "HTTP/2.0",
                RequestKind::Http | RequestKind::Https | RequestKind::Ws | RequestKind::Wss => {
                    "HTTP/1.1"
                }
            },
        };
        record.request(&client.logged, &line);
        let received = size(
            request.headers(),
            line.method.len() + line.target.len() + 12,
        ) + request.body().size_hint().exact().unwrap_or_default();
        record.with(|entry| {
            entry.received_bytes = received;
            let agent = header(request.headers(), USER_AGENT);
            entry.user_agent = (!agent.is_empty()).then(|| agent.to_owned());
        });
        self.node.clock.sleep(self.config.takes_in).await;
        let response = match self.forward(case, client, request, &mut record).await {
            Ok(response) => response,
            Err(refusal) => refusal.response(self.node.clock.date()),
        };
        self.node.clock.sleep(self.config.takes_out).await;
        record.responds(response.status().as_u16());
        let sent = size(response.headers(), "HTTP/1.1 200 OK\r\n".len())
            + response.body().size_hint().exact().unwrap_or_default();
        record.complete(sent);
        self.node.fact(Fact::ResponseSent {
            flow,
            status: response.status().as_u16(),
            bytes: response.body().size_hint().exact(),
        });
        response
    }

    async fn forward(
        &self,
        case: HeaderCase,
        client: &Client,
        request: Request<Incoming>,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        // Round robin over the registered targets, all of them healthy.
        let count = self.group.targets.len();
        let turn = self.turn.get();
        let target = self
            .group
            .targets
            .get(turn % count.max(1))
            .ok_or(Refusal::NoTarget)?;
        self.turn.set(turn + 1);
        self.node.fact(Fact::TargetChosen {
            group: self.group.name.clone(),
            target: target.node.clone(),
            address: target.address,
            reason: format!("healthy, round robin, {} of {count}", turn % count + 1),
        });
        record.chosen(&self.group.name, target.address);
        record.with(|entry| {
            // The default action: there are no other rules.
            entry.matched_rule_priority = Some(0);
            entry.actions_executed.push("forward");
        });
        let (mut head, body) = request.into_parts();
        head.headers = headers::forwarded(
            &self.node,
            &head.headers,
            client,
            self.tls.borrow().is_some(),
            self.port,
        );
        let trace_id = header(&head.headers, headers::TRACE_ID).to_owned();
        record.with(|entry| entry.trace_id = Some(trace_id));
        let request = bridge::to_target(Request::from_parts(head, body), case);
        match self.pool.exchange(target.address, request, record).await {
            Ok(FromTarget::Response(head, body)) => Ok(bridge::from_target(&head, body)),
            Ok(FromTarget::Upgraded(head, stream)) => {
                // Nobody asks for it: `Upgrade` goes no further than the front.
                self.node.executor.spawn(close(stream));
                Ok(bridge::from_target(&head, empty()))
            }
            Err(failure) => Err(Refusal::Target(failure.status())),
        }
    }
}

/// The value of a header, when it is there and can be read.
fn header(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(name).and_then(|v| v.to_str().ok());
    value.unwrap_or_default()
}

/// The bytes of a head as HTTP/1.1 writes it, with a first line of so many.
fn size(headers: &HeaderMap, first_line: usize) -> u64 {
    let fields = headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 4);
    (first_line + fields.sum::<usize>() + 2) as u64
}
