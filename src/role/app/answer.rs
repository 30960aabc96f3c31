//! An answer on its way: head and body as they should be, or as the lab wants them.

use std::io;

use hyper::StatusCode;
use tokio::io::AsyncWrite;

use super::Server;
use crate::event::{Fact, Flow};
use crate::role::config::{Content, Failing, Fault, Reply};
use crate::role::http::send_all;
use crate::wire::http1::{Fields, RequestHead, ResponseHead, Version, chunk, last_chunk};

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next request.
    GoOn,
    /// It is closed.
    Leave,
    /// It is reset.
    Reset,
    /// Nothing more is said on it.
    Silence,
}

impl From<Failing> for Then {
    fn from(failing: Failing) -> Self {
        match failing {
            Failing::Silence => Self::Silence,
            // Over HTTP/1.1 a request has its connection for itself: there is no smaller part to reset.
            Failing::Reset | Failing::ResetStream => Self::Reset,
            Failing::Close => Self::Leave,
        }
    }
}

impl Server {
    /// Sends `reply` to `request`.
    pub(super) async fn answer<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        flow: Flow,
        request: &RequestHead,
        reply: &Reply,
        closes: bool,
    ) -> Then {
        if let Some(Fault { how, after: None }) = reply.delivery.fault {
            return how.into();
        }
        let body = body_of(reply, request);
        self.node.fact(Fact::ResponseSent {
            flow,
            status: reply.status,
            bytes: Some(body.len() as u64),
        });
        let date = self.node.clock.date().to_http_date();
        let sent = match &reply.delivery.raw {
            Some(raw) => send_all(stream, raw.as_bytes()).await,
            None => {
                let head = head(reply, date, closes);
                let bare = request.method == "HEAD" || has_no_body(reply.status);
                self.send(stream, reply, head, (!bare).then_some(&body))
                    .await
            }
        };
        match (sent, reply.delivery.fault) {
            (Err(_), _) => Then::Leave,
            (Ok(()), Some(fault)) => fault.how.into(),
            (Ok(()), None) if closes => Then::Leave,
            (Ok(()), None) => Then::GoOn,
        }
    }

    async fn send<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        reply: &Reply,
        mut head: Vec<u8>,
        body: Option<&Vec<u8>>,
    ) -> io::Result<()> {
        let Some(body) = body else {
            return send_all(stream, &head).await;
        };
        let delivery = &reply.delivery;
        if delivery.separate_writes {
            send_all(stream, &head).await?;
            head.clear();
        }
        let after = delivery.fault.and_then(|f| f.after);
        let cut = after.map_or(body.len(), |n| {
            body.len().min(usize::try_from(n).unwrap_or(usize::MAX))
        });
        let body = &body[..cut];
        let (pieces, every) = delivery.pieces.unwrap_or_default();
        let size = body
            .len()
            .div_ceil(usize::try_from(pieces).unwrap_or(1).max(1));
        let mut out = head;
        let mut parts = body.chunks(size.max(1)).peekable();
        while let Some(part) = parts.next() {
            if delivery.chunked {
                chunk(part, &mut out);
            } else {
                out.extend_from_slice(part);
            }
            if parts.peek().is_some() {
                send_all(stream, &out).await?;
                out.clear();
                self.node.clock.sleep(every).await;
            }
        }
        if delivery.chunked && after.is_none() {
            last_chunk(&Fields::new(), &mut out);
        }
        send_all(stream, &out).await
    }
}

/// What goes over the wire as body: none for HEAD, and where the status has none (RFC 9110 §6.4.1).
fn body_of(reply: &Reply, request: &RequestHead) -> Vec<u8> {
    if request.method == "HEAD" || has_no_body(reply.status) {
        return Vec::new();
    }
    content(&reply.body)
}

pub(super) fn content(content: &Content) -> Vec<u8> {
    const LINE: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";
    match content {
        Content::Text(text) => text.clone().into_bytes(),
        Content::Size(size) => {
            let size = usize::try_from(*size).unwrap_or(usize::MAX);
            LINE.iter().copied().cycle().take(size).collect()
        }
    }
}

const fn has_no_body(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

fn head(reply: &Reply, date: String, closes: bool) -> Vec<u8> {
    let delivery = &reply.delivery;
    let reason = StatusCode::from_u16(reply.status)
        .ok()
        .and_then(|s| s.canonical_reason());
    let mut fields = Fields::new();
    fields.push("Date", date);
    fields.push("Server", "tunlab");
    fields.push("Content-Type", reply.content_type.as_str());
    for (name, value) in &reply.headers {
        fields.push(name.as_str(), value.as_str());
    }
    if delivery.padding > 0 {
        let padding = usize::try_from(delivery.padding).unwrap_or(usize::MAX);
        fields.push("X-Padding", vec![b'x'; padding]);
    }
    if delivery.chunked {
        fields.push("Transfer-Encoding", "chunked");
    } else if !has_no_body(reply.status) {
        // For HEAD it is that of GET (RFC 9110 §8.6).
        let length = delivery.content_length.unwrap_or(match &reply.body {
            Content::Text(text) => text.len() as u64,
            Content::Size(size) => *size,
        });
        fields.push("Content-Length", length.to_string());
    }
    if closes {
        fields.push("Connection", "close");
    }
    let head = ResponseHead {
        version: Version::Http11,
        status: reply.status,
        reason: reason.unwrap_or_default().into(),
        fields,
    };
    let mut out = Vec::new();
    head.write(&mut out);
    if let Some(line) = &delivery.header_line {
        // Before the empty line.
        out.truncate(out.len() - 2);
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: &Reply, closes: bool) -> String {
        String::from_utf8(head(reply, "now".into(), closes)).unwrap()
    }

    #[test]
    fn a_head_is_as_true_as_the_lab_wants() {
        let mut reply = Reply::text(200, "hello");
        assert_eq!(
            text(&reply, false),
            "HTTP/1.1 200 OK\r\nDate: now\r\nServer: tunlab\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
        );
        reply.delivery.content_length = Some(100);
        reply.headers.push(("Set-Cookie".into(), "a=b".into()));
        reply.delivery.header_line = Some("no colon".into());
        assert_eq!(
            text(&reply, true),
            "HTTP/1.1 200 OK\r\nDate: now\r\nServer: tunlab\r\nContent-Type: text/plain\r\nSet-Cookie: a=b\r\n\
             Content-Length: 100\r\nConnection: close\r\nno colon\r\n\r\n"
        );
        let nothing = text(&Reply::text(204, ""), false);
        assert!(!nothing.contains("Content-Length"), "{nothing}");
    }

    #[test]
    fn a_size_is_that_many_bytes_of_text() {
        let bytes = content(&Content::Size(130));
        assert_eq!(bytes.len(), 130);
        assert!(bytes.starts_with(b"0123") && bytes[63] == b'\n');
    }
}
