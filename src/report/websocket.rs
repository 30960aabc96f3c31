//! What is WebSocket in a capture: after a 101 a connection carries frames of it (RFC 6455), both ways.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::dissect::message::{Frame, Message, TlsKind};
use crate::wire::packet::Packet;
use crate::wire::websocket::{Frame as WebSocket, Opcode};

/// The directions that have changed to WebSocket so far.
#[derive(Debug, Default)]
pub(super) struct Changed(BTreeSet<(SocketAddr, SocketAddr)>);

impl Changed {
    /// The next frame of the capture. Gives the frames of WebSocket that it carries, whole ones from its beginning.
    pub(super) fn sees(&mut self, frame: &Frame) -> Vec<WebSocket> {
        let (from, to) = (frame.source, frame.destination);
        if self.0.contains(&(from, to)) {
            return carried(frame);
        }
        let changes = |m: &Message| match m {
            Message::HttpResponse(head) => {
                let websocket = |(name, value): &(String, String)| {
                    name.eq_ignore_ascii_case("upgrade") && value.eq_ignore_ascii_case("websocket")
                };
                head.status == 101 && head.headers.iter().any(websocket)
            }
            Message::HttpRequest(_)
            | Message::DnsQuery { .. }
            | Message::DnsAnswer { .. }
            | Message::Tls(_)
            | Message::Http2(_)
            | Message::HttpBodyEnd { .. }
            | Message::Icmp { .. } => false,
        };
        if frame.messages.iter().any(changes) {
            self.0.extend([(from, to), (to, from)]);
        }
        Vec::new()
    }
}

fn carried(frame: &Frame) -> Vec<WebSocket> {
    let plain = Packet::read(&frame.bytes);
    let payload = plain.as_ref().and_then(|p| p.tcp()).map(|t| t.payload);
    let record = |m: &Message| matches!(m, Message::Tls(_));
    let alert =
        |m: &Message| matches!(m, Message::Tls(t) if matches!(t.kind, TlsKind::Alert { .. }));
    if frame.messages.iter().any(alert) {
        return Vec::new();
    }
    let encrypted = frame.messages.iter().any(record);
    let mut rest = if encrypted {
        frame.unsealed.as_slice()
    } else {
        payload.unwrap_or_default()
    };
    let mut all = Vec::new();
    while let Ok(Some((found, used))) = WebSocket::parse(rest) {
        all.push(found);
        rest = &rest[used..];
    }
    all
}

/// As in "WebSocket text + ping".
pub(super) fn names(frames: &[WebSocket]) -> Option<String> {
    let one = |frame: &WebSocket| match frame.opcode {
        Opcode::Text => "text".to_owned(),
        Opcode::Binary => "binary".to_owned(),
        Opcode::Continuation => "continuation".to_owned(),
        Opcode::Ping => "ping".to_owned(),
        Opcode::Pong => "pong".to_owned(),
        Opcode::Close => format!("close {}", frame.close_code()),
        Opcode::Reserved(number) => format!("opcode {number}"),
    };
    let all: Vec<String> = frames.iter().map(one).collect();
    (!all.is_empty()).then(|| format!("WebSocket {}", all.join(" + ")))
}

/// What is to be said of a packet with these frames.
pub(super) fn comment(frames: &[WebSocket], from: &str, to: &str) -> Option<String> {
    let names = names(frames)?;
    let why = match frames.first()?.opcode {
        Opcode::Ping => {
            " The other end is to answer with a pong. Something moves: no idle timeout ends."
                .to_owned()
        }
        Opcode::Pong => " The answer to a ping.".to_owned(),
        Opcode::Close => format!(" {from} sends nothing more on it (RFC 6455 §5.5.1)."),
        Opcode::Text | Opcode::Binary | Opcode::Continuation | Opcode::Reserved(_) => {
            if frames[0].mask.is_some() {
                " A client masks what it sends (RFC 6455 §5.3).".to_owned()
            } else {
                String::new()
            }
        }
    };
    Some(format!(
        "{names}, from {from} to {to}: no HTTP any more.{why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_names() {
        let frame = |opcode, payload: &[u8]| WebSocket::whole(opcode, None, payload.to_vec());
        let of = |frames: &[WebSocket]| names(frames).unwrap();
        assert_eq!(of(&[frame(Opcode::Text, b"hello")]), "WebSocket text");
        let both = [frame(Opcode::Ping, b""), frame(Opcode::Close, &[3, 232])];
        assert_eq!(of(&both), "WebSocket ping + close 1000");
        assert_eq!(names(&[]), None);
    }
}
