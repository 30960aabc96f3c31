//! A WebSocket that sends every message back.

use super::answer::Then;
use super::{Life, Server};
use crate::event::{Fact, Flow};
use crate::role::http::{Duplex, send_all};
use crate::role::message::Inbox;
use crate::role::signal::unless;
use crate::role::websocket::{Came, Receiver, send};
use crate::wire::http1::{Fields, RequestHead, ResponseHead, Version};
use crate::wire::websocket::{Opcode, accept};

/// Whether a request asks for one, and with which key (RFC 6455 §4.2.1).
pub(super) fn key_of(head: &RequestHead) -> Option<&str> {
    let fields = &head.fields;
    let asks = fields.has_member("upgrade", "websocket")
        && fields.has_member("connection", "upgrade")
        && fields.text("sec-websocket-version") == Some("13");
    fields.text("sec-websocket-key").filter(|_| asks)
}

impl Server {
    /// Answers with 101, and then every message with itself.
    pub(super) async fn echo<S: Duplex>(
        &self,
        stream: &mut S,
        inbox: Inbox,
        life: &Life,
        flow: Flow,
        key: &str,
    ) -> Then {
        let mut fields = Fields::new();
        fields.push("Date", self.node.clock.date().to_http_date());
        fields.push("Server", "tunlab");
        fields.push("Upgrade", "websocket");
        fields.push("Connection", "Upgrade");
        fields.push("Sec-WebSocket-Accept", accept(key));
        let head = ResponseHead {
            version: Version::Http11,
            status: 101,
            reason: "Switching Protocols".into(),
            fields,
        };
        let mut out = Vec::new();
        head.write(&mut out);
        self.node.fact(Fact::ResponseSent {
            flow,
            status: 101,
            bytes: None,
        });
        if send_all(stream, &out).await.is_err() {
            return Then::Leave;
        }
        let mut receiver = Receiver::new(inbox);
        let code = loop {
            let came = unless(life.stopping.raised(), receiver.next(stream)).await;
            let sent = match came {
                Some(Came::Message(opcode, payload)) => {
                    self.node.fact(Fact::WebSocketMessage {
                        flow,
                        text: String::from_utf8_lossy(&payload).into_owned(),
                    });
                    send(stream, opcode, None, &payload).await
                }
                Some(Came::Ping(payload)) => send(stream, Opcode::Pong, None, &payload).await,
                Some(Came::Pong) => Ok(()),
                Some(Came::Close(code)) => {
                    let payload = code.to_be_bytes();
                    // 1005 stands for a frame without a code, and is never sent (RFC 6455 §7.4.1).
                    let payload = if code == 1005 { &[][..] } else { &payload };
                    // Who closes may be gone.
                    let _ = send(stream, Opcode::Close, None, payload).await;
                    break code;
                }
                Some(Came::Ended) => break 1006,
                // 1001: the server is going away.
                None => {
                    let _ = send(stream, Opcode::Close, None, &1001_u16.to_be_bytes()).await;
                    break 1001;
                }
            };
            if sent.is_err() {
                break 1006;
            }
        };
        self.node.fact(Fact::WebSocketClosed { flow, code });
        Then::Leave
    }
}
