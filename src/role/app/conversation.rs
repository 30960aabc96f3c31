//! One connection: requests and answers in turn, until somebody has enough.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::answer::Then;
use super::choice::choose;
use super::websocket::key_of;
use super::{Life, Server};
use crate::event::{Fact, Flow};
use crate::role::config::{Believes, KeepAlive, Reply};
use crate::role::http::{send_all, within};
use crate::role::http2::Shared;
use crate::role::message::{Inbox, Trouble};
use crate::role::signal::unless;
use crate::stack::TcpStream;
use crate::time::Instant;
use crate::wire::http1::{Fields, Framing, FramingError, HeadError, Limits, RequestHead, Version};

/// How long a server that closes reads on for a client that sends on (nginx `lingering_time`).
const LINGERS: Duration = Duration::from_secs(30);

/// What comes next on a connection.
enum Next {
    Request(RequestHead),
    /// What is there is no request that can be answered, and this says so.
    Refuse(u16),
    /// Nothing more.
    Leave,
}

impl Server {
    /// Over `stream`, which is the TCP connection `tcp` itself, or TLS over it.
    pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        tcp: &Shared<TcpStream>,
        mut stream: S,
        flow: Flow,
        life: &Life,
    ) {
        let mut inbox = Inbox::default();
        let mut first = true;
        let then = loop {
            match self.next(&mut stream, &mut inbox, life, first).await {
                Next::Request(head) => {
                    first = false;
                    let then = self
                        .exchange(&mut stream, &mut inbox, life, flow, &head)
                        .await;
                    if then != Then::GoOn {
                        break then;
                    }
                }
                Next::Refuse(status) => {
                    let mut reply = Reply::text(status, "");
                    reply.delivery.closes = true;
                    let request = unreadable();
                    break self.answer(&mut stream, flow, &request, &reply, true).await;
                }
                Next::Leave => break Then::Leave,
            }
        };
        match then {
            Then::Reset => tcp.inner().reset(),
            Then::GoOn | Then::Leave => {
                // A peer that is gone already needs no FIN.
                let _ = stream.shutdown().await;
                if self.config.lingering_close {
                    within(&self.node.clock, LINGERS, drain(&mut stream)).await;
                }
            }
            Then::Silence => drain(&mut stream).await,
        }
    }

    /// Waits for a request, as long as this server does.
    async fn next<S: AsyncRead + Unpin>(
        &self,
        stream: &mut S,
        inbox: &mut Inbox,
        life: &Life,
        first: bool,
    ) -> Next {
        let clock = &self.node.clock;
        let since = clock.now();
        if !inbox.has_begun() {
            let idle = match self.config.keep_alive {
                KeepAlive::For(limit) if !first => Some(limit),
                // Before the first request the limit is that of its head.
                KeepAlive::For(_) | KeepAlive::Always | KeepAlive::Off => {
                    self.config.header_timeout.filter(|_| first)
                }
            };
            let arrival = unless(life.stopping.raised(), inbox.more(stream));
            let arrived = match idle {
                Some(limit) => match within(clock, limit, arrival).await {
                    Some(arrived) => arrived,
                    None if first => return Next::Refuse(408),
                    None => return Next::Leave,
                },
                None => arrival.await,
            };
            match arrived {
                Some(Ok(true)) => {}
                Some(Ok(false) | Err(_)) | None => return Next::Leave,
            }
        }
        let limit = self.config.header_limit;
        let limits = Limits {
            line: limit,
            field: limit,
            head: limit,
        };
        let began = if first { since } else { clock.now() };
        let head = inbox.request(stream, &limits);
        let head = match self.config.header_timeout {
            Some(timeout) => {
                let left = (began + timeout).saturating_since(clock.now());
                within(clock, left, head).await
            }
            None => Some(head.await),
        };
        match head {
            None => Next::Refuse(408),
            Some(Ok(head)) => Next::Request(head),
            Some(Err(Trouble::Head(error))) => Next::Refuse(match error {
                HeadError::NotHttp => 400,
                HeadError::LineTooLong => 414,
                HeadError::FieldTooLong | HeadError::HeadTooLong => 431,
            }),
            Some(Err(
                Trouble::Ended
                | Trouble::Cut
                | Trouble::Framing(_)
                | Trouble::Chunks(_)
                | Trouble::Connection(_),
            )) => Next::Leave,
        }
    }

    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        inbox: &mut Inbox,
        life: &Life,
        flow: Flow,
        head: &RequestHead,
    ) -> Then {
        self.node.fact(Fact::RequestReceived {
            flow,
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.fields.listed(),
        });
        let now = self.node.clock.now() - Instant::ZERO;
        let reply = choose(&self.config, head, now);
        if !reply.delivery.early {
            let Ok(framing) = framing(self.config.believes, head) else {
                let reply = Reply::text(400, "");
                return self.answer(stream, flow, head, &reply, true).await;
            };
            let expects = head.fields.has_member("expect", "100-continue");
            if expects && framing != Framing::None && !inbox.has_begun() {
                let interim = send_all(stream, b"HTTP/1.1 100 Continue\r\n\r\n").await;
                if interim.is_err() {
                    return Then::Leave;
                }
            }
            if inbox.body(stream, framing).await.is_err() {
                return Then::Leave;
            }
        }
        let takes = reply.takes.unwrap_or(self.config.takes);
        self.node.clock.sleep(takes).await;
        if reply.delivery.echoes {
            if let Some(key) = key_of(head) {
                return self
                    .echo(stream, std::mem::take(inbox), life, flow, key)
                    .await;
            }
            let mut reply = Reply::text(426, "WebSocket only\n");
            reply.headers.push(("Upgrade".into(), "websocket".into()));
            return self.answer(stream, flow, head, &reply, true).await;
        }
        let closes = reply.delivery.closes
            || reply.delivery.early
            || self.config.keep_alive == KeepAlive::Off
            || life.stopping.is_raised()
            || !head.keeps_alive();
        self.answer(stream, flow, head, &reply, closes).await
    }
}

/// How the body of a request ends, for a server that believes one of two headers.
fn framing(believes: Believes, head: &RequestHead) -> Result<Framing, FramingError> {
    if believes == Believes::ContentLength && head.fields.has("content-length") {
        let mut alone = head.clone();
        alone.fields.remove("transfer-encoding");
        return alone.framing();
    }
    head.framing()
}

/// A request that nobody could read, for the answer to it.
fn unreadable() -> RequestHead {
    RequestHead {
        method: String::new(),
        target: String::new(),
        version: Version::Http11,
        fields: Fields::new(),
        remarks: Vec::new(),
    }
}

/// Reads what still comes, up to the peer's end.
async fn drain<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut rest = [0; 4096];
    while let Ok(1..) = stream.read(&mut rest).await {}
}
