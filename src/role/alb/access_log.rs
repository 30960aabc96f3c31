//! Writes the access log: one entry for each request, when its exchange ends, however it ends.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::connection_log::Connection;
use super::{arn, headers};
use crate::event::{AccessRecord, Fact};
use crate::role::Node;
use crate::role::http::Body;
use crate::time::Instant;

/// The status in the log when the client closed its connection before the response (AWS "Troubleshoot your Application
/// Load Balancers", HTTP 460). Nobody receives it.
const CLIENT_CLOSED: u16 = 460;

/// A User-Agent that is longer is cut off (AWS "Access logs for your Application Load Balancer", `user_agent`).
const USER_AGENT_MAX: usize = 8 * 1024;

/// The entry of one request, as far as it is known. Whoever has a part in the exchange adds what it knows. One that is
/// dropped before [`Record::complete`] says that the client has gone.
pub(super) struct Record {
    node: Node,
    entry: Option<Box<AccessRecord>>,
    arrived: Instant,
    /// When the request was sent to the target, and when the response's head came.
    sent: Option<Instant>,
    answered: Option<Instant>,
    responded: bool,
    /// What came of the request's body.
    received: Rc<Cell<u64>>,
}

/// What a request's first line and `Host` say.
pub(super) struct RequestLine<'a> {
    /// As in `GET`.
    pub(super) method: &'a str,
    /// The header Host, or `:authority`.
    pub(super) host: &'a str,
    /// Path and query.
    pub(super) target: &'a str,
    /// As in `HTTP/1.1`.
    pub(super) version: &'a str,
}

impl Record {
    /// A request arrived on `connection`.
    pub(super) fn begin(node: &Node, connection: &Rc<Connection>) -> Self {
        let now = node.clock.date_micros();
        Self {
            node: node.clone(),
            entry: Some(Box::new(AccessRecord {
                kind: connection.kind,
                time: now,
                elb: connection.elb.clone(),
                client: connection.client,
                target: None,
                request_processing: None,
                target_processing: None,
                response_processing: None,
                elb_status: CLIENT_CLOSED,
                target_status: None,
                received_bytes: 0,
                sent_bytes: 0,
                // As a request that could not be read has it.
                request: format!("- {}://{}- -", connection.scheme(), connection.listener),
                user_agent: None,
                ssl_cipher: connection.tls_cipher.clone(),
                ssl_protocol: connection.tls_protocol.clone(),
                target_group_arn: None,
                trace_id: None,
                domain_name: connection.domain_name.clone(),
                chosen_cert_arn: connection.chosen_cert_arn.clone(),
                matched_rule_priority: None,
                request_creation: now,
                actions_executed: Vec::new(),
                redirect_url: None,
                error_reason: None,
                targets: Vec::new(),
                target_statuses: Vec::new(),
                classification: None,
                classification_reason: None,
                conn_trace_id: connection.conn_trace_id.clone(),
            })),
            arrived: node.clock.now(),
            sent: None,
            answered: None,
            responded: false,
            received: Rc::default(),
        }
    }

    /// A request that could not be read began to arrive at `since`, and so many bytes of it did.
    pub(super) fn begin_unread(
        node: &Node,
        connection: &Rc<Connection>,
        since: Instant,
        bytes: usize,
    ) -> Self {
        let mut record = Self::begin(node, connection);
        let waited = node.clock.now() - since;
        record.arrived = since;
        record.with(|entry| {
            entry.request_creation.0 -= u64::try_from(waited.as_micros()).unwrap_or_default();
            entry.received_bytes = bytes as u64;
        });
        record
    }

    /// Where the bytes of the request's body are counted, for whoever reads them itself.
    pub(super) fn received(&self) -> Rc<Cell<u64>> {
        self.received.clone()
    }

    /// Counts what comes of the request's body.
    pub(super) fn receives(&self, body: Body) -> Body {
        let bytes = self.received.clone();
        Box::pin(Received { body, bytes })
    }

    /// For whoever fills in more than the methods below do.
    pub(super) fn with(&mut self, fill: impl FnOnce(&mut AccessRecord)) {
        if let Some(entry) = &mut self.entry {
            fill(entry);
        }
    }

    /// The request's head could be read.
    pub(super) fn request(&mut self, connection: &Connection, line: &RequestLine<'_>) {
        let port = connection.listener.port();
        // The port is the listener's, whatever the client wrote behind the name.
        let bare = match line.host.rsplit_once(':') {
            Some((name, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => name,
            Some(_) | None => line.host,
        };
        let host = if bare.is_empty() {
            connection.listener.ip().to_string()
        } else {
            bare.to_owned()
        };
        let path = headers::absolute(line.target).map_or(line.target, |(_, path)| path);
        // `*` and the like, and a query without a path, have none between it and the port.
        let slash = if path.starts_with('/') || line.target.is_empty() {
            ""
        } else {
            "/"
        };
        let url = format!("{}://{host}:{port}{slash}{path}", connection.scheme());
        self.with(|entry| entry.request = format!("{} {url} {}", line.method, line.version));
    }

    /// What the request's head says beside its line, and how long it was.
    pub(super) fn head(&mut self, user_agent: Option<&str>, bytes: usize) {
        let user_agent =
            user_agent.map(|text| text[..text.floor_char_boundary(USER_AGENT_MAX)].to_owned());
        self.with(|entry| {
            entry.received_bytes = bytes as u64;
            entry.user_agent = user_agent;
        });
    }

    /// A target group was chosen.
    pub(super) fn group(&mut self, name: &str) {
        self.with(|entry| entry.target_group_arn = Some(arn::target_group(name)));
    }

    /// A target was chosen.
    pub(super) fn chosen(&mut self, target: std::net::SocketAddr) {
        self.with(|entry| {
            entry.target = Some(target);
            entry.targets.push(target);
        });
    }

    /// The request leaves for the target.
    pub(super) fn dispatched(&mut self) {
        self.sent = Some(self.node.clock.now());
        let took = self.node.clock.now() - self.arrived;
        self.with(|entry| entry.request_processing = Some(took));
    }

    /// The target's response begins.
    pub(super) fn answered(&mut self, status: u16) {
        let now = self.node.clock.now();
        self.answered = Some(now);
        let took = self.sent.map_or(Duration::ZERO, |sent| now - sent);
        self.with(|entry| {
            entry.target_processing = Some(took);
            entry.target_status = Some(status);
            entry.target_statuses.push(status);
        });
    }

    /// The load balancer begins to respond.
    pub(super) fn responds(&mut self, status: u16) {
        let now = self.node.clock.date_micros();
        let took = self.answered.map(|at| self.node.clock.now() - at);
        self.responded = true;
        self.with(|entry| {
            entry.time = now;
            entry.response_processing = took;
            entry.elb_status = status;
        });
    }

    /// The exchange is over, and the entry is written: so many bytes were sent to the client, the head included.
    pub(super) fn complete(mut self, sent_bytes: u64) {
        self.with(|entry| entry.sent_bytes = sent_bytes);
        self.write();
    }

    fn write(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.received_bytes += self.received.get();
            self.node.fact(Fact::AccessLogged(entry));
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // At the end of a run all tasks are dropped: that is no client's doing.
        if self.node.executor.is_clearing() {
            return;
        }
        if !self.responded {
            let now = self.node.clock.date_micros();
            self.with(|entry| entry.time = now);
        }
        self.write();
    }
}

/// A request's body, whose bytes are counted as they pass.
struct Received {
    body: Body,
    bytes: Rc<Cell<u64>>,
}

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len);
            self.bytes.set(self.bytes.get() + length as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
