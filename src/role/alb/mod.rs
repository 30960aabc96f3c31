//! A load balancer that behaves like an AWS Application Load Balancer. The life of a request, by our names:
//!
//! 1. `serve`: a listener accepts a TCP connection and, on an HTTPS listener, terminates TLS.
//!    ALPN decides between HTTP/1.1 and HTTP/2.
//! 2. `Front::handle`: the request's head is read, decrypted; the load balancer takes its time (`in`).
//! 3. `route::Router`: the rules of the listener are gone through; with `forward` a target group and a target that is
//!    healthy are chosen. Health is known beforehand: `probe` asks each target again and again.
//! 4. `headers::forwarded`: X-Forwarded-For, -Proto, -Port and X-Amzn-Trace-Id are written.
//! 5. `Pool::exchange`: an idle target connection is used again, or one is opened now: on demand, never before (AWS "How
//!    Elastic Load Balancing works").
//! 6. The response comes back; the load balancer takes its time (`out`); it leaves, encrypted again.
//! 7. When the client closes, the front connection ends. The target connection waits for the next request, of any client.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Body as _;

use super::Node;
use super::config::{Alb, ProtocolVersion, Target};

use super::http::{Body, empty, response_head};
use crate::event::{CertificateFacts, Fact, Flow, Serving};
use crate::name::Name;
use crate::stack::TcpStream;
use crate::time::Instant;
use crate::tls::client::ClientSetup;
use crate::tls::server::{self, ServerSetup};
use crate::wire::grpc;
use crate::wire::http1::{RequestHead, ResponseHead};

mod access_log;
mod arn;
mod choose;
mod connection_log;
mod desync;
mod error;
mod exchange;
mod failure;
mod front;
mod group;
mod headers;
mod health;
mod mutual;
mod pool;
mod probe;
mod route;
mod rule;
mod sticky;
mod trailers;
mod under_way;

use access_log::{Record, RequestLine};
use connection_log::Connection;
use error::Refusal;
use exchange::{FromTarget, ToTarget};
use failure::Failure;
use group::Chosen;
use pool::Pool;
use route::{Groups, Routed, Router};
use rule::RequestView;

/// Room for connections that are not accepted yet.
const BACKLOG: usize = 4096;

/// How long it goes on reading on a connection that it closes, so that its last words arrive (nginx: `lingering_time`).
const LINGERS: Duration = Duration::from_secs(30);

/// Starts the load balancer on `node`. `sides` are the TLS sides of its listeners, `None` for HTTP, in their order;
/// `behind` is how it speaks TLS with the targets of each group that wants it, by the group's name.
///
/// # Errors
/// When a port is taken, or a listener forwards to a target group that there is not.
pub fn start(
    node: Node,
    config: &Alb,
    sides: Vec<Option<ServerSetup>>,
    behind: &BTreeMap<String, Rc<ClientSetup>>,
) -> io::Result<LoadBalancer> {
    let mut fronts = Vec::new();
    let config = Rc::new(config.clone());
    let pool = Pool::new(node.clone(), config.attributes.idle_timeout);
    let groups = route::groups(&node, &config, behind);
    for (listener, tls) in config.listeners.iter().zip(sides) {
        let socket = node.host.listen(listener.port, BACKLOG)?;
        let front = Rc::new(Front {
            node: node.clone(),
            config: config.clone(),
            router: Router::new(&node, &config, listener, &groups)?,
            port: listener.port,
            tls: RefCell::new(tls.map(Rc::new)),
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
    Ok(LoadBalancer { fronts, groups })
}

/// A load balancer at work, for whoever runs it.
pub struct LoadBalancer {
    fronts: Vec<Rc<Front>>,
    groups: Groups,
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

impl LoadBalancer {
    /// Registers a target with a target group: it gets requests once it is healthy.
    pub fn register(&self, group: &str, target: &Target) {
        if let Some(group) = self.groups.get(group) {
            group.register(target.clone());
        }
    }

    /// Takes a target out of a target group: it gets no more requests, and those under way may last for the
    /// deregistration delay.
    pub fn deregister(&self, group: &str, target: &Target) {
        if let Some(group) = self.groups.get(group) {
            group.deregister(target.address);
        }
    }

    /// An instance has been stopped, or started again: its targets are as their state allows.
    pub fn instance(&self, node: &Name, is_running: bool) {
        for group in self.groups.values() {
            group.instance(node, is_running);
        }
    }
}

/// A request of a client, whatever its connection speaks.
struct Request {
    head: RequestHead,
    body: Body,
    /// It came as HTTP/2: names are in small letters.
    http2: bool,
    /// Whether its target connection may be used again.
    reuse: bool,
    /// The protocol that the client wants to change to.
    upgrade: Option<String>,
}

/// The client of a front connection.
struct Client {
    flow: Flow,
    /// When its connection came.
    since: Instant,
    /// What targets are told of its certificate: nothing, when it showed none.
    shown: Vec<(String, String)>,
    /// What the logs say of the connection.
    logged: Rc<Connection>,
}

/// A listener at work.
struct Front {
    node: Node,
    config: Rc<Alb>,
    router: Router,
    port: u16,
    /// How it speaks TLS; `None` for HTTP.
    tls: RefCell<Option<Rc<ServerSetup>>>,
    /// Its target connections, which all listeners share.
    pool: Rc<Pool>,
}

impl Front {
    async fn serve(self: Rc<Self>, stream: TcpStream) {
        let flow = stream.flow();
        stream.linger(LINGERS);
        self.node.fact(Fact::Accepted(flow));
        let since = self.node.clock.now();
        let setup = self.tls.borrow().clone();
        let Some(setup) = setup else {
            let client = Client {
                flow,
                since,
                shown: Vec::new(),
                logged: Rc::new(connection_log::plain(&self.node, &self.config.name, flow)),
            };
            self.clone()
                .speak_http1(Box::new(stream), Rc::new(client))
                .await;
            return;
        };
        let randomness = self.node.chance.next("tls");
        let began = self.node.clock.now();
        match server::accept(&setup, stream, randomness, &self.node.clock).await {
            Ok(established) => {
                let mut facts = established.facts;
                self.node.keys_agreed(flow, mem::take(&mut facts.agreed));
                self.node.pre_master_agreed(flow, facts.pre_master.take());
                let unverified = setup.passes_certificates_through();
                if !facts.chain.is_empty() && !unverified {
                    let chain = mem::take(&mut facts.chain);
                    self.node
                        .fact(Fact::ClientCertificateAccepted { flow, chain });
                }
                self.node.tls_established(flow, &facts);
                let shown = facts.client.as_ref().map(|leaf| {
                    if unverified {
                        mutual::chain(leaf)
                    } else {
                        mutual::headers(leaf)
                    }
                });
                let took = self.node.clock.now() - began;
                let (node, name) = (&self.node, &self.config.name);
                let logged = connection_log::established(node, name, flow, &facts, took);
                let client = Rc::new(Client {
                    flow,
                    since,
                    shown: shown.unwrap_or_default(),
                    logged: Rc::new(logged),
                });
                if facts.alpn.as_deref() == Some("h2") {
                    self.clone().speak_http2(established.stream, client).await;
                } else {
                    let stream = Box::new(established.stream);
                    self.clone().speak_http1(stream, client).await;
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

    /// A request came: its head was read.
    fn begin(&self, client: &Client, head: &RequestHead, version: &str) -> Record {
        let listed = head.fields.iter().map(|f| {
            let value = String::from_utf8_lossy(&f.value).into_owned();
            (f.name.to_ascii_lowercase(), value)
        });
        self.node.fact(Fact::RequestReceived {
            flow: client.flow,
            method: head.method.clone(),
            target: head.target.clone(),
            headers: listed.collect(),
        });
        let mut record = Record::begin(&self.node, &client.logged);
        let line = RequestLine {
            method: &head.method,
            host: headers::named_host(head).unwrap_or_default(),
            target: &head.target,
            version,
        };
        record.request(&client.logged, &line);
        let mut written = Vec::new();
        head.write(&mut written);
        record.head(head.fields.text("user-agent"), written.len());
        record
    }

    /// A response leaves.
    fn responds(&self, client: &Client, record: &mut Record, head: &ResponseHead, body: &Body) {
        record.responds(head.status);
        self.node.fact(Fact::ResponseSent {
            flow: client.flow,
            status: head.status,
            bytes: body.size_hint().exact(),
        });
    }

    /// What a client is told in place of a target's response.
    fn refused(&self, client: &Client, refusal: &Refusal) -> (ResponseHead, Body) {
        self.node.fact(Fact::Serving(Serving::Refused {
            flow: client.flow,
            status: refusal.status().as_u16(),
            why: refusal.why().to_owned(),
        }));
        response_head(refusal.response(self.node.clock.date()))
    }

    async fn handle(&self, client: &Client, request: Request, record: &mut Record) -> FromTarget {
        self.node.clock.sleep(self.config.takes_in).await;
        let answer = match self.forward(client, request, record).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let (head, body) = self.refused(client, &refusal);
                FromTarget::Response(head, body)
            }
        };
        self.node.clock.sleep(self.config.takes_out).await;
        match &answer {
            FromTarget::Response(head, body) => self.responds(client, record, head, body),
            FromTarget::Upgraded(head, _) => self.responds(client, record, head, &empty()),
        }
        answer
    }

    async fn forward(
        &self,
        client: &Client,
        request: Request,
        record: &mut Record,
    ) -> Result<FromTarget, Refusal> {
        match request.head.method.as_str() {
            "TRACE" => return Err(Refusal::Method),
            // Over HTTP/1.1 the front has refused it, and closes.
            "CONNECT" => return Err(Refusal::BadRequest("CONNECT asks for a tunnel".into())),
            _ => {}
        }
        let flow = client.flow;
        let listener = headers::Listener {
            https: self.tls.borrow().is_some(),
            port: self.port,
            attributes: &self.config.attributes,
            http2: request.http2,
        };
        let fields = headers::forwarded(&self.node, &request.head, client, &listener)?;
        let trace_id = fields.text(headers::TRACE_ID).map(str::to_owned);
        record.with(|entry| entry.trace_id = trace_id);
        // Rules see what the client sent.
        let own = flow.local.ip().to_string();
        let decision = self
            .router
            .route(flow, &RequestView::of(flow, &own, &request.head));
        record.with(|entry| {
            entry.matched_rule_priority = Some(decision.priority.unwrap_or(0).into());
            entry.actions_executed.push(decision.action);
        });
        let to = match decision.routed {
            Routed::To(to) => to,
            Routed::Answered(answer) => {
                record.with(|entry| entry.redirect_url.clone_from(&answer.location));
                let answer = error::answered(answer, self.node.clock.date());
                let (head, body) = response_head(answer);
                return Ok(FromTarget::Response(head, body));
            }
            Routed::Nowhere(group) => {
                if let Some(group) = group {
                    record.group(&group);
                }
                return Err(Refusal::NoTarget);
            }
        };
        record.group(&to.group.config.name);
        fits(to.group.config.version, &request)?;
        self.node.fact(Fact::TargetChosen {
            group: to.group.config.name.clone(),
            target: to.chosen.target.clone(),
            address: to.chosen.address,
            reason: to.chosen.reason.clone(),
        });
        record.chosen(to.chosen.address);
        let mut head = request.head;
        head.fields = fields;
        headers::leave_front(&mut head, request.upgrade.as_deref());
        if request.http2 && to.group.config.version == ProtocolVersion::Http1 {
            // It says that the client understands trailers; over HTTP/1.1 it would be of the target's connection
            // (RFC 9110 §10.1.4).
            head.fields.remove("te");
        }
        let asked = ToTarget {
            head,
            body: trailers::kept(request.body),
            reuse: request.reuse,
        };
        let exchange = self
            .pool
            .exchange(&to.group, to.chosen.address, asked, record);
        let exchanged = to.chosen.under_way.unless_ended(exchange).await;
        let exchanged = exchanged.unwrap_or_else(|| Err(self.deregistered(&to.chosen)));
        let answer = exchanged.map_err(|failure| self.without_answer(client, &failure))?;
        let stick = |head: &mut ResponseHead| {
            let cookies = self.router.set_cookies(&to, head.fields.all("set-cookie"));
            for cookie in cookies {
                head.fields.push("Set-Cookie", cookie);
            }
        };
        let (node, address) = (self.node.clone(), to.chosen.address);
        let target = to.chosen.target.clone();
        let cut = move || {
            node.fact(Fact::Serving(Serving::Deregistered {
                flow,
                target,
                address,
            }));
        };
        Ok(match answer {
            FromTarget::Response(mut head, body) => {
                // A target's `Connection` cannot name what is the load balancer's.
                headers::leave_connection(&mut head.fields);
                stick(&mut head);
                FromTarget::Response(head, to.chosen.under_way.hold(body, cut))
            }
            FromTarget::Upgraded(mut head, stream) => {
                stick(&mut head);
                // It is a request under way for as long as it is open.
                FromTarget::Upgraded(head, to.chosen.under_way.hold_stream(stream, cut))
            }
        })
    }

    /// What the client is told in place of the response that there is not.
    fn without_answer(&self, client: &Client, failure: &Failure) -> Refusal {
        match failure.status() {
            400 => Refusal::BadRequest(failure.to_string()),
            408 => {
                self.idle(client);
                Refusal::RequestTimeout
            }
            status => Refusal::Target(status),
        }
    }

    /// Nothing moved on the client's connection.
    fn idle(&self, client: &Client) {
        self.node.fact(Fact::Serving(Serving::IdleTimeout {
            flow: client.flow,
            after: self.config.attributes.idle_timeout,
        }));
    }

    /// A target was gone for good before it answered.
    fn deregistered(&self, chosen: &Chosen) -> Failure {
        let failure = Failure::Deregistered;
        self.node.fact(Fact::TargetFailed {
            target: chosen.address,
            flow: None,
            status: failure.status(),
            cause: failure.to_string(),
        });
        failure
    }
}

/// Whether a request can go to targets that speak this HTTP (AWS "Target groups for your Application Load Balancers",
/// "Protocol version").
fn fits(version: ProtocolVersion, request: &Request) -> Result<(), Refusal> {
    let grpc = request.http2 && is_grpc(&request.head);
    let why = match version {
        ProtocolVersion::Http1 if grpc => "gRPC is not for a target group that speaks HTTP/1.1",
        ProtocolVersion::Http2 if !request.http2 => {
            "HTTP/1.1 is not for a target group that speaks HTTP/2"
        }
        ProtocolVersion::Grpc if !request.http2 => {
            "HTTP/1.1 is not for a target group that speaks gRPC"
        }
        ProtocolVersion::Grpc if request.head.method != "POST" => {
            "a target group that speaks gRPC takes POST only"
        }
        ProtocolVersion::Http1 | ProtocolVersion::Http2 | ProtocolVersion::Grpc => return Ok(()),
    };
    Err(Refusal::Mismatch(why))
}

/// Whether a request that came as HTTP/2 is one of gRPC.
fn is_grpc(head: &RequestHead) -> bool {
    let kind = head.fields.get("content-type");
    kind.is_some_and(grpc::is_content_type)
}
