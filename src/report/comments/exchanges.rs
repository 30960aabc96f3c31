//! Requests and responses of HTTP/1 as they follow each other on a connection: one that is used again, a response that
//! nobody asked for, a head that does not come to its end, a body of which two ends can be read.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Ends;
use crate::dissect::message::{Frame, HttpHead};
use crate::wire::packet::Packet;

/// From whom, to whom.
type Way = (SocketAddr, SocketAddr);

/// What has passed so far.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// By client and server.
    connections: BTreeMap<Way, Count>,
    /// Bytes of a request's head that is not whole yet, of those who send one.
    begun: BTreeMap<Way, usize>,
}

#[derive(Debug, Default)]
struct Count {
    requests: u64,
    /// Without a response yet.
    outstanding: u64,
}

/// More are not remembered: a lab may stay up for days.
const KEPT_MAX: usize = 65_536;

impl Exchanges {
    /// What a request's place on its connection, and its framing, have to say.
    pub(super) fn request(
        &mut self,
        head: &HttpHead,
        frame: &Frame,
        ends: &Ends,
        by_alb: bool,
    ) -> Option<String> {
        if head.stream.is_some() {
            return None;
        }
        let way = (frame.source, frame.destination);
        self.begun.remove(&way);
        let count = self.connections.entry(way).or_default();
        count.requests += 1;
        count.outstanding += 1;
        let number = count.requests;
        while self.connections.len() > KEPT_MAX {
            self.connections.pop_first();
        }
        let mut said = String::new();
        if by_alb && number > 1 {
            said.push_str(&format!(
                " It is request number {number} on a connection that was there: no handshake comes before it."
            ));
        }
        if let Some(how) = ambiguous(head) {
            said.push_str(&format!(
                " It says {how}: whoever goes by the one and whoever goes by the other do not agree where its body ends \
                 (RFC 9112 §11.2, request smuggling). {} may forward it, refuse it or close behind it.",
                ends.to
            ));
        }
        (!said.is_empty()).then_some(said)
    }

    /// That nobody asked for a response.
    pub(super) fn response(
        &mut self,
        head: &HttpHead,
        frame: &Frame,
        ends: &Ends,
    ) -> Option<String> {
        // Interim ones are not the last of theirs, and a refusal may come before the request was whole.
        if head.stream.is_some() || head.status < 200 {
            return None;
        }
        let way = (frame.destination, frame.source);
        let was_begun = self.begun.remove(&way).is_some();
        let count = self.connections.get_mut(&way)?;
        if count.outstanding > 0 {
            count.outstanding -= 1;
            return None;
        }
        let Ends { from, to } = ends;
        (!was_begun).then(|| {
            format!(
                " It answers no request that {to} has sent: {from} has taken something for one that {to} meant as part of \
                 another. Every response after it on this connection would be one too early."
            )
        })
    }

    /// Data without a message, when it belongs to the head of a request in plain text that is not whole.
    pub(super) fn piece(&mut self, frame: &Frame, ends: &Ends) -> Option<String> {
        let packet = Packet::read(&frame.bytes)?;
        let data = packet.tcp()?.payload;
        let way = (frame.source, frame.destination);
        if data.is_empty() || !frame.messages.is_empty() || frame.tcp?.retransmission {
            return None;
        }
        let outstanding = self.connections.get(&way).map_or(0, |c| c.outstanding);
        let sofar = match self.begun.get(&way) {
            Some(bytes) => *bytes,
            None if outstanding == 0 && begins_a_request(data) => 0,
            None => return None,
        };
        self.begun.insert(way, sofar + data.len());
        while self.begun.len() > KEPT_MAX {
            self.begun.pop_first();
        }
        let Ends { from, to } = ends;
        let (what, all) = match sofar {
            0 => (
                "The beginning of a request's head".to_owned(),
                String::new(),
            ),
            _ => (
                format!("{} bytes more of a request's head", data.len()),
                format!(", after {sofar} bytes before them"),
            ),
        };
        Some(format!(
            "{what} from {from}{all}: it is not whole, and {to} can only wait for the rest."
        ))
    }
}

/// A method, a space and a target (RFC 9112 §3).
fn begins_a_request(data: &[u8]) -> bool {
    let line = data.split(|b| *b == b'\r').next().unwrap_or_default();
    let mut words = line.split(|b| *b == b' ');
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    (3..=16).contains(&method.len())
        && method.iter().all(u8::is_ascii_uppercase)
        && target
            .first()
            .is_some_and(|b| matches!(b, b'/' | b'h' | b'*'))
}

/// What a head says of its body in two ways.
fn ambiguous(head: &HttpHead) -> Option<&'static str> {
    let values = |name: &str| {
        let own = head.headers.iter();
        let own = own.filter(move |(n, _)| n.trim().eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.trim()).collect::<Vec<_>>()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    if !lengths.is_empty() && !codings.is_empty() {
        Some("both Content-Length and Transfer-Encoding")
    } else if lengths.windows(2).any(|pair| pair[0] != pair[1]) {
        Some("two different Content-Lengths")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;
    use crate::dissect::message::Message;
    use crate::expect::fixture;

    const CLIENT: [u8; 4] = [10, 0, 1, 10];
    const SERVER: [u8; 4] = [10, 0, 2, 21];

    fn frame(ours: bool, data: &[u8]) -> Frame {
        let (from, to) = if ours {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        let ports = if ours { (50_000, 80) } else { (80, 50_000) };
        let mut frame = fixture::main_lab().frames[13].clone();
        frame.bytes.clear();
        PacketBuilder::ipv4(from, to, 64)
            .tcp(ports.0, ports.1, 1, 1_000)
            .ack(1)
            .write(&mut frame.bytes, data)
            .unwrap();
        frame.source = (from, ports.0).into();
        frame.destination = (to, ports.1).into();
        frame.messages.clear();
        frame
    }

    fn ends() -> Ends {
        Ends {
            from: "alb".into(),
            to: "ec2-a".into(),
        }
    }

    fn head(headers: &[(&str, &str)], status: u16) -> HttpHead {
        let template = fixture::main_lab().frames;
        let found = template.iter().flat_map(|f| &f.messages).find_map(|m| {
            let Message::HttpRequest(head) = m else {
                return None;
            };
            Some(head.clone())
        });
        HttpHead {
            stream: None,
            status,
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            ..found.unwrap()
        }
    }

    #[test]
    fn the_second_request_and_the_response_too_many_are_told() {
        let mut all = Exchanges::default();
        let (asks, answers) = (frame(true, b"x"), frame(false, b"x"));
        let plain = head(&[("Host", "x")], 0);
        assert_eq!(all.request(&plain, &asks, &ends(), true), None);
        assert_eq!(all.response(&head(&[], 100), &answers, &ends()), None);
        assert_eq!(all.response(&head(&[], 200), &answers, &ends()), None);
        let again = all.request(&plain, &asks, &ends(), true).unwrap();
        assert!(again.starts_with(" It is request number 2"), "{again}");
        assert_eq!(all.response(&head(&[], 200), &answers, &ends()), None);
        let extra = all.response(&head(&[], 404), &answers, &ends()).unwrap();
        assert!(extra.starts_with(" It answers no request"), "{extra}");
        let both = [("Content-Length", "4"), ("transfer-encoding", "chunked")];
        let two = all.request(&head(&both, 0), &asks, &ends(), false).unwrap();
        assert!(two.contains("both Content-Length and"), "{two}");
        let equal = [("Content-Length", "4"), ("Content-Length", "4")];
        assert_eq!(ambiguous(&head(&equal, 0)), None);
    }

    #[test]
    fn a_head_that_comes_slowly_is_told_piece_by_piece() {
        let mut all = Exchanges::default();
        let first = all
            .piece(&frame(true, b"GET / HTTP/1.1\r\nHo"), &ends())
            .unwrap();
        assert!(
            first.starts_with("The beginning of a request's head from alb: "),
            "{first}"
        );
        let next = all.piece(&frame(true, b"st: x"), &ends()).unwrap();
        assert!(next.starts_with("5 bytes more"), "{next}");
        assert!(next.contains("after 18 bytes"), "{next}");
        assert_eq!(all.piece(&frame(false, b"st: x"), &ends()), None);
        all.request(&head(&[], 0), &frame(true, b"\r\n\r\n"), &ends(), false);
        assert_eq!(all.piece(&frame(true, b"body"), &ends()), None);
    }
}
