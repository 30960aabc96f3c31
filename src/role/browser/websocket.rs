//! A WebSocket: handshake, messages, pings, and how it ends.

use std::rc::Rc;
use std::time::Duration;

use super::Browser;
use super::exchange::Whole;
use super::http1::final_head;
use super::kept::Connection;
use crate::event::{Answer, Fact};
use crate::role::config::Talk;
use crate::role::http::{send_all, within};
use crate::role::signal::unless;
use crate::role::websocket::{Came, Receiver, send};
use crate::time::Instant;
use crate::wire::http1::{Fields, RequestHead, Version};
use crate::wire::websocket::{Opcode, accept, key};

/// How long a client waits for the other side's Close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

impl Browser {
    pub(super) async fn talk(self: Rc<Self>, talk: Talk) {
        if let Err(error) = self.try_talk(&talk).await {
            self.failed(error);
        }
    }

    async fn try_talk(&self, talk: &Talk) -> Result<(), String> {
        let origin = &talk.origin;
        let opened = self.open(origin.https, &origin.host, origin.port).await?;
        if opened.http2 {
            return Err("WebSocket here is HTTP/1.1, and HTTP/2 was agreed on".into());
        }
        let mut connection = Connection::new(opened);
        let flow = connection.flow;
        let mut stream = connection.stream.clone();
        let mut random = [0; 16];
        self.node.chance.fill("websocket", &mut random);
        let key = key(random);
        let mut fields = Fields::new();
        fields.push("Host", origin.authority());
        fields.push("User-Agent", self.config.user_agent.as_str());
        fields.push("Upgrade", "websocket");
        fields.push("Connection", "Upgrade");
        fields.push("Sec-WebSocket-Key", key.as_str());
        fields.push("Sec-WebSocket-Version", "13");
        let own = talk.headers.iter().map(|(name, _)| name);
        if !own.into_iter().any(|n| n.eq_ignore_ascii_case("cookie"))
            && let Some(cookie) = self.cookies.show(flow, origin, &talk.target)
        {
            fields.push("Cookie", cookie);
        }
        for (name, value) in &talk.headers {
            fields.push(name.as_str(), value.as_str());
        }
        let head = RequestHead {
            method: "GET".into(),
            target: talk.target.clone(),
            version: Version::Http11,
            fields,
            remarks: Vec::new(),
        };
        let mut out = Vec::new();
        head.write(&mut out);
        self.node.fact(Fact::RequestSent {
            flow,
            stream: None,
            method: head.method,
            target: head.target,
        });
        let sent = send_all(&mut stream, &out).await;
        sent.map_err(|e| e.to_string())?;
        let answer = final_head(&mut connection.inbox, &mut stream).await;
        let answer = answer.map_err(|e| e.to_string())?;
        let agreed = answer.status == 101
            && answer.fields.text("sec-websocket-accept") == Some(accept(&key).as_str());
        let mut bytes = 0;
        let mut body = Vec::new();
        if !agreed {
            let framing = answer.framing("GET").map_err(|e| e.to_string())?;
            let read = connection.inbox.body(&mut stream, framing).await;
            let read = read.map_err(|e| e.to_string())?;
            (bytes, body) = (read.bytes, read.start);
        }
        let whole = Whole {
            status: answer.status,
            bytes,
            answer: Answer {
                headers: answer.fields.listed(),
                body,
                trailers: Vec::new(),
            },
        };
        let (node, cookies) = (&self.node, &self.cookies);
        whole.tell(node, cookies, (flow, None), origin, &talk.target);
        if !agreed {
            self.leave(connection).await;
            return Err(format!("no WebSocket: HTTP {}", answer.status));
        }
        let mut receiver = Receiver::new(std::mem::take(&mut connection.inbox));
        let code = self.converse(talk, &mut connection, &mut receiver).await;
        self.node.fact(Fact::WebSocketClosed { flow, code });
        self.leave(connection).await;
        Ok(())
    }

    /// Sends and receives until somebody closes. The status code of the end.
    async fn converse(
        &self,
        talk: &Talk,
        connection: &mut Connection,
        receiver: &mut Receiver,
    ) -> u16 {
        let (clock, flow) = (&self.node.clock, connection.flow);
        let began = clock.now();
        let over = began + talk.lasts;
        let mut stream = connection.stream.clone();
        let mut messages = talk.send.iter();
        let mut next_message = Some(began).filter(|_| !talk.send.is_empty());
        let mut next_ping = talk.ping.map(|every| began + every);
        loop {
            let due = [next_message, next_ping, Some(over)];
            let due = due.into_iter().flatten().min().unwrap_or(over);
            let came = unless(clock.sleep_until(due), receiver.next(&mut stream)).await;
            let sent = match came {
                Some(Came::Message(_, payload)) => {
                    let text = String::from_utf8_lossy(&payload).into_owned();
                    self.node.fact(Fact::WebSocketMessage { flow, text });
                    Ok(())
                }
                Some(Came::Ping(payload)) => {
                    send(&mut stream, Opcode::Pong, self.mask(), &payload).await
                }
                Some(Came::Pong) => Ok(()),
                Some(Came::Close(code)) => {
                    let payload = code.to_be_bytes();
                    // Who closes may be gone.
                    let _ = send(&mut stream, Opcode::Close, self.mask(), &payload).await;
                    return code;
                }
                // RFC 6455 §7.1.5.
                Some(Came::Ended) => return 1006,
                None => {
                    let now = clock.now();
                    let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
                    if over <= now {
                        return self.close_websocket(&mut stream, receiver).await;
                    }
                    if is_due(next_message) {
                        next_message = None;
                        match messages.next() {
                            Some(text) => {
                                if messages.len() > 0 {
                                    next_message = Some(now + talk.every);
                                }
                                let bytes = text.as_bytes();
                                send(&mut stream, Opcode::Text, self.mask(), bytes).await
                            }
                            None => Ok(()),
                        }
                    } else if is_due(next_ping) {
                        next_ping = talk.ping.map(|every| now + every);
                        send(&mut stream, Opcode::Ping, self.mask(), b"").await
                    } else {
                        Ok(())
                    }
                }
            };
            if sent.is_err() {
                return 1006;
            }
        }
    }

    /// 1000: the purpose is fulfilled.
    async fn close_websocket<S: crate::role::http::Duplex>(
        &self,
        stream: &mut S,
        receiver: &mut Receiver,
    ) -> u16 {
        let normal = 1000_u16.to_be_bytes();
        if send(stream, Opcode::Close, self.mask(), &normal)
            .await
            .is_err()
        {
            return 1006;
        }
        let answer = async {
            loop {
                match receiver.next(stream).await {
                    Came::Close(code) => return code,
                    Came::Ended => return 1006,
                    Came::Message(..) | Came::Ping(_) | Came::Pong => {}
                }
            }
        };
        let answer = within(&self.node.clock, CLOSE_WAIT, answer).await;
        answer.unwrap_or(1006)
    }

    /// A client masks what it sends, each frame anew (RFC 6455 §5.3).
    fn mask(&self) -> Option<[u8; 4]> {
        let mut mask = [0; 4];
        self.node.chance.fill("websocket", &mut mask);
        Some(mask)
    }
}
