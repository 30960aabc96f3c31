//! HTTP/1.1 at the front of a load balancer, on one connection: requests are read leniently and judged, one after
//! another; those that came early wait (pipelining). The life of each:
//!
//! 1. `Line::head`: the head, within the limits; 408 or the connection's end when the idle timeout passes.
//! 2. `judged`: what the front answers itself: 400, 414, 501, 505, and what the desync mitigation mode refuses.
//! 3. `Line::take_in`: the body; `Expect: 100-continue` is answered here.
//! 4. `Front::handle`: a target is asked. A client that goes away meanwhile is 460 in the access log.
//! 5. `Line::respond`, and the next request; or `tunnel`, after a 101.

use std::rc::Rc;

use super::body::{BodyError, Coming, RequestBody};
use super::respond::Asked;
use super::tunnel;
use super::wire::{Line, NoHead, Stop};
use crate::event::{Fact, RequestKind, Serving};
use crate::role::alb::access_log::Record;
use crate::role::alb::desync::{self, Class, Reason, Treatment};
use crate::role::alb::error::Refusal;
use crate::role::alb::exchange::FromTarget;
use crate::role::alb::{Client, Front, Request, headers};
use crate::role::http::Duplex;
use crate::time::Instant;
use crate::wire::http1::{Framing, FramingError, HeadError, Limits, RequestHead, Version};

/// AWS "Quotas for your Application Load Balancers", "HTTP headers".
pub(super) const LIMITS: Limits = Limits {
    line: 16 * 1024,
    field: 16 * 1024,
    head: 64 * 1024,
};

/// What becomes of a connection.
enum Next {
    /// Another request.
    Request,
    /// It is closed from here; a client that has gone need not hear of it.
    Close,
}

/// What the front found out about a request before anybody else looks at it.
struct Judged {
    framing: Framing,
    /// Both connections are closed after it.
    alone: bool,
}

impl Front {
    /// Serves one connection to its end.
    pub(in crate::role::alb) async fn speak_http1(
        self: Rc<Self>,
        stream: Box<dyn Duplex>,
        client: Rc<Client>,
    ) {
        let attributes = &self.config.attributes;
        let line = Line::new(stream, &self.node.clock, attributes.idle_timeout);
        let until = client.since + attributes.client_keep_alive;
        let serving = async {
            loop {
                match self.serve_one(&line, &client, until).await {
                    Next::Request => {}
                    Next::Close => break line.close().await,
                }
            }
        };
        serving.await;
        drop(line);
        self.node.fact(Fact::Closed(client.flow));
    }

    async fn serve_one(&self, line: &Line, client: &Client, until: Instant) -> Next {
        let head = match line.head(&LIMITS).await {
            Ok(head) => head,
            Err(no_head) => return self.without_head(line, client, no_head).await,
        };
        let mut record = self.begin(client, &head, &head.version.to_string());
        let asked = Asked::of(&head);
        let judged = match self.judged(client, &head, &mut record) {
            Ok(judged) => judged,
            Err(refusal) => return self.refuse(line, client, &asked, record, refusal).await,
        };
        line.with(|wire| wire.coming = Coming::framed(judged.framing, record.received()));
        let expects = head.fields.has_member("expect", "100-continue");
        if expects && asked_to_continue(line, &head) {
            let sent = line.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
            if sent.is_err() {
                return Next::Close;
            }
        }
        if let Err(error) = line.take_in().await {
            let refusal = match error {
                BodyError::Stopped(Stop::Idle) => {
                    self.idle(client);
                    Refusal::RequestTimeout
                }
                BodyError::Stopped(Stop::Ended | Stop::Failed) => {
                    Refusal::BadRequest("the client closed before its body was whole".into())
                }
                BodyError::Chunks(error) => Refusal::BadRequest(error.to_string()),
            };
            return self.refuse(line, client, &asked, record, refusal).await;
        }
        let keeps_alive = head.keeps_alive();
        let request = Request {
            upgrade: headers::upgrade(&head),
            head,
            body: Box::pin(RequestBody(line.clone())),
            http2: false,
            reuse: !judged.alone,
        };
        let handled = self.handle(client, request, &mut record);
        let Some(answer) = line.unless_gone(handled).await else {
            return self.gone(client, record);
        };
        line.rest_begins();
        let (head, body) = match answer {
            FromTarget::Response(head, body) => (head, body),
            FromTarget::Upgraded(head, target) => {
                return self.upgraded(line, client, record, head, target).await;
            }
        };
        let over = self.node.clock.now() >= until;
        if over {
            let limit = "the client keep-alive duration is over".into();
            let flow = client.flow;
            self.node
                .fact(Fact::Serving(Serving::LastRequest { flow, limit }));
        }
        // An answer that came before the request was whole ends the connection: where the next one begins is open.
        let whole = line.with(|wire| wire.coming.is_done());
        let close = !keeps_alive || judged.alone || over || !whole;
        let before = line.with(|wire| wire.sent);
        let goes_on = line.respond(&asked, head, body, close).await;
        record.complete(line.with(|wire| wire.sent) - before);
        match goes_on {
            Ok(true) => Next::Request,
            // It was the last one, it broke off, or the client is not there to read it.
            Ok(false) | Err(Stop::Ended | Stop::Idle | Stop::Failed) => Next::Close,
        }
    }

    /// What the front has to say about a request that a target need not see.
    fn judged(
        &self,
        client: &Client,
        head: &RequestHead,
        record: &mut Record,
    ) -> Result<Judged, Refusal> {
        let mode = self.config.attributes.desync;
        let mut alone = false;
        let mut framing = head.framing();
        if let Some(reason) = desync::classify(head) {
            let class = reason.class();
            let treatment = desync::treatment(mode, class);
            if framing.is_err() && class == Class::Severe && treatment == Treatment::Allow {
                // What only the lenient can tell the end of leaves connections on which nobody knows what comes next.
                framing = head.framing_leniently();
                alone = true;
            }
            record.with(|entry| {
                entry.classification = Some(class.word());
                entry.classification_reason = Some(reason.word());
            });
            self.node.fact(Fact::Serving(Serving::Desync {
                flow: client.flow,
                class: class.word(),
                reason: reason.word(),
                done: match treatment {
                    Treatment::Block => "refused",
                    Treatment::Allow if framing.is_err() => {
                        "refused: nobody can tell where its body ends"
                    }
                    Treatment::Allow if !alone => "forwarded",
                    Treatment::Allow | Treatment::AllowAndClose => {
                        "forwarded, and both connections are closed after it"
                    }
                },
            }));
            match treatment {
                Treatment::Allow => {}
                Treatment::AllowAndClose => alone = true,
                Treatment::Block => {
                    let why = format!("{}: {}", class.word(), reason.word());
                    // An HTTP/2 request on a connection of HTTP/1 is a 505 with the default mode too (AWS
                    // "Troubleshoot your Application Load Balancers", HTTP 505).
                    let unspoken = unspoken(head).filter(|_| reason == Reason::BadVersion);
                    return Err(unspoken.unwrap_or(Refusal::BadRequest(why)));
                }
            }
        }
        let framing = framing.map_err(|error| match error {
            FramingError::UnknownTransferCoding => Refusal::NotImplemented,
            FramingError::BadContentLength
            | FramingError::DifferentContentLengths
            | FramingError::ChunkedNotLast => Refusal::BadRequest(error.to_string()),
        })?;
        if let Some(refusal) = unspoken(head) {
            return Err(refusal);
        }
        if head.method == "CONNECT" {
            return Err(Refusal::BadRequest("CONNECT asks for a tunnel".into()));
        }
        if head.target.is_empty() {
            return Err(Refusal::BadRequest("the request line has no target".into()));
        }
        // RFC 9112 §3.2.
        if head.version.is_http11() && headers::named_host(head).is_none() {
            return Err(Refusal::BadRequest("there is no Host".into()));
        }
        Ok(Judged { framing, alone })
    }

    /// The connection ends, or what is on it is no request.
    async fn without_head(&self, line: &Line, client: &Client, no_head: NoHead) -> Next {
        let refusal = match no_head {
            NoHead::Stopped {
                stop: Stop::Ended | Stop::Failed,
                begun: false,
            } => return Next::Close,
            NoHead::Stopped {
                stop: Stop::Ended | Stop::Failed,
                begun: true,
            } => Refusal::BadRequest("the client closed before its head was whole".into()),
            NoHead::Stopped {
                stop: Stop::Idle,
                begun,
            } => {
                self.idle(client);
                if !begun {
                    return Next::Close;
                }
                Refusal::RequestTimeout
            }
            NoHead::Bad(HeadError::LineTooLong) => Refusal::TargetTooLong,
            NoHead::Bad(
                error @ (HeadError::NotHttp | HeadError::FieldTooLong | HeadError::HeadTooLong),
            ) => Refusal::BadRequest(error.to_string()),
        };
        let (since, bytes) = line.unread();
        let record = Record::begin_unread(&self.node, &client.logged, since, bytes);
        self.refuse(line, client, &Asked::unknown(), record, refusal)
            .await
    }

    /// Answers with a refusal. Where the next request would begin is not known any more: the connection is closed.
    async fn refuse(
        &self,
        line: &Line,
        client: &Client,
        asked: &Asked,
        mut record: Record,
        refusal: Refusal,
    ) -> Next {
        let (head, body) = self.refused(client, &refusal);
        self.responds(client, &mut record, &head, &body);
        let before = line.with(|wire| wire.sent);
        // A client that has gone need not hear of it.
        let _ = line.respond(asked, head, body, true).await;
        record.complete(line.with(|wire| wire.sent) - before);
        Next::Close
    }

    /// The client went away; the access log says 460 when the record is dropped.
    fn gone(&self, client: &Client, record: Record) -> Next {
        let flow = client.flow;
        self.node.fact(Fact::Serving(Serving::ClientGone { flow }));
        drop(record);
        Next::Close
    }

    /// 101: the connection is pinned to its target, and both end together.
    async fn upgraded(
        &self,
        line: &Line,
        client: &Client,
        mut record: Record,
        head: crate::wire::http1::ResponseHead,
        target: Box<dyn Duplex>,
    ) -> Next {
        let flow = client.flow;
        let protocol = head.fields.text("upgrade").unwrap_or_default().to_owned();
        record.with(|entry| {
            entry.kind = match entry.kind {
                RequestKind::Http | RequestKind::Ws => RequestKind::Ws,
                RequestKind::Https | RequestKind::H2 | RequestKind::Grpcs | RequestKind::Wss => {
                    RequestKind::Wss
                }
            };
        });
        self.node
            .fact(Fact::Serving(Serving::Upgraded { flow, protocol }));
        let mut out = Vec::new();
        head.write(&mut out);
        if line.send(&out).await.is_err() {
            return Next::Close;
        }
        let idle = self.config.attributes.idle_timeout;
        let passed = tunnel::run(line, target, &self.node.clock, idle).await;
        if passed.idle {
            self.idle(client);
        }
        record.with(|entry| {
            entry.time = self.node.clock.date_micros();
            entry.received_bytes += passed.from_client;
        });
        record.complete(out.len() as u64 + passed.from_target);
        Next::Close
    }
}

/// Why a request is refused whose version of HTTP is not spoken on such a connection.
fn unspoken(head: &RequestHead) -> Option<Refusal> {
    match &head.version {
        Version::Other(version) if !head.version.is_http11() => {
            Some(if version.starts_with("HTTP/") {
                Refusal::Version
            } else {
                Refusal::BadRequest("the request line has no version of HTTP".into())
            })
        }
        Version::Http09 | Version::Http10 | Version::Http11 | Version::Other(_) => None,
    }
}

/// Whether the client waits for a 100: nothing of a body is there that it announces (RFC 9110 §10.1.1).
fn asked_to_continue(line: &Line, head: &RequestHead) -> bool {
    head.version.is_http11() && line.with(|wire| !wire.coming.is_done() && wire.input.is_empty())
}
