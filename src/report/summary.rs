//! One line for a frame: the same words in ladder, JSON and comments.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use super::text::printable;
use super::websocket;
use crate::dissect::message::{
    Frame, Http2Kind, Http2Message, Message, TcpPart, TlsKind, TlsMessage,
};
use crate::wire::packet::Packet;

pub(super) use probe::{probe, window};

mod dns;
mod probe;

/// What a frame is, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// As in "ClientHello" or "GET /".
    pub title: String,
    /// Bytes of TCP data, when there are any.
    pub bytes: Option<usize>,
    /// Which piece of how many, when the message takes several packets.
    pub piece: Option<(usize, usize)>,
    /// Who can read it.
    pub secrecy: Secrecy,
    /// The HTTP head that it brings, or is a piece of.
    pub http: Option<Http>,
}

/// Who can read what a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Anyone on the path.
    Clear,
    /// Anyone the first message, only key holders the rest.
    Partly,
    /// Key holders only.
    Cipher,
}

/// Which HTTP message a frame brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Http {
    /// A request.
    Request {
        /// Whether it came out of TLS.
        inside_tls: bool,
        /// Its target.
        target: String,
    },
    /// A response.
    Response {
        /// Whether it came out of TLS.
        inside_tls: bool,
        /// As in 200.
        status: u16,
    },
}

impl Label {
    /// What stands behind the title, as in " 1/2 1448 B"; empty when there is nothing.
    #[must_use]
    pub fn tail(&self) -> String {
        let piece = self.piece.map(|(k, n)| format!(" {k}/{n}"));
        let bytes = self.bytes.map(|n| format!(" {n} B"));
        piece.unwrap_or_default() + &bytes.unwrap_or_default()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.title, self.tail())
    }
}

/// The label of a frame on its own.
#[must_use]
pub fn label(frame: &Frame) -> Label {
    let data = frame.tcp.map_or(0, |t| t.data);
    Label {
        title: title(frame),
        bytes: (data > 0).then_some(data),
        piece: None,
        secrecy: secrecy(frame),
        http: frame.messages.iter().find_map(http),
    }
}

/// The labels of a capture's frames, in their order: a message that takes several packets is named in each of them,
/// with the packet's place among them.
#[must_use]
pub fn labels(frames: &[&Frame]) -> Vec<Label> {
    let mut labels: Vec<Label> = frames.iter().map(|f| label(f)).collect();
    let mut changed = websocket::Changed::default();
    let seen = frames.iter().map(|f| websocket::names(&changed.sees(f)));
    let websockets: Vec<Option<String>> = seen.collect();
    for group in groups(frames, &websockets) {
        // The first member that says what this is names them all.
        let named = group.iter().copied().find(|i| !is_piece(frames[*i]));
        // Without one, the last that completes a record at least.
        let records = || {
            group
                .iter()
                .rev()
                .copied()
                .find(|i| !frames[*i].messages.is_empty())
        };
        let Some(named) = named.or_else(records).or_else(|| group.first().copied()) else {
            continue;
        };
        let model = labels[named].clone();
        for (k, index) in group.iter().enumerate() {
            let own = &mut labels[*index];
            own.title.clone_from(&model.title);
            own.http.clone_from(&model.http);
            own.secrecy = model.secrecy;
            own.piece = (group.len() > 1).then_some((k + 1, group.len()));
        }
    }
    for (label, name) in labels.iter_mut().zip(websockets) {
        if let Some(name) = name {
            label.title = name;
        }
    }
    for (index, frame) in frames.iter().enumerate() {
        if let Some(first) = repeated(&frames[..index], frame) {
            let bytes = labels[index].bytes;
            labels[index] = Label {
                bytes,
                ..labels[first].clone()
            };
        }
    }
    labels
}

/// The earlier frame whose data `frame` sends again, when it says nothing of its own.
fn repeated(earlier: &[&Frame], frame: &Frame) -> Option<usize> {
    let tcp = frame.tcp.filter(|t| t.retransmission && t.data > 0)?;
    if !frame.messages.is_empty() {
        return None;
    }
    earlier.iter().position(|f| {
        let same = f
            .tcp
            .is_some_and(|t| t.sequence == tcp.sequence && t.data > 0);
        same && way(f) == way(frame)
    })
}

/// Packets that carry one message together: for each direction of each stream, up to the packet that completes it,
/// and for HTTP up to the end of the body. What is WebSocket has names of its own.
fn groups(frames: &[&Frame], websockets: &[Option<String>]) -> Vec<Vec<usize>> {
    let mut open: BTreeMap<(SocketAddr, SocketAddr), Open> = BTreeMap::new();
    let mut done = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let Some(tcp) = frame.tcp else { continue };
        let asks = probe(frame).is_some() && frame.messages.is_empty();
        if tcp.data == 0 || tcp.retransmission || asks || websockets[index].is_some() {
            continue;
        }
        let here = open.entry(way(frame)).or_default();
        if is_piece(frame) {
            here.members.push(index);
            continue;
        }
        let head = frame.messages.iter().any(|m| http(m).is_some());
        let end = frame
            .messages
            .iter()
            .any(|m| matches!(m, Message::HttpBodyEnd { .. }));
        let goes_on = end && !head;
        if here.in_body && !goes_on {
            // The body had no end of its own, or none in this capture.
            done.push(std::mem::take(&mut here.members));
        }
        here.members.push(index);
        here.in_body = head && !end && frames_end_body(&frames[index + 1..], frame);
        if !here.in_body {
            done.push(std::mem::take(&mut here.members));
        }
    }
    done.extend(open.into_values().map(|o| o.members));
    done.retain(|g| !g.is_empty());
    done
}

#[derive(Default)]
struct Open {
    members: Vec<usize>,
    in_body: bool,
}

/// A direction of a connection. Stream numbers would not do: each capture counts its own.
const fn way(frame: &Frame) -> (SocketAddr, SocketAddr) {
    (frame.source, frame.destination)
}

/// Whether the next HTTP message that `head`'s sender completes is the end of a body.
fn frames_end_body(rest: &[&Frame], head: &Frame) -> bool {
    let same = |f: &&&Frame| way(f) == way(head);
    let next = rest
        .iter()
        .filter(same)
        .flat_map(|f| &f.messages)
        .find(|m| http(m).is_some() || matches!(m, Message::HttpBodyEnd { .. }));
    matches!(next, Some(Message::HttpBodyEnd { .. }))
}

/// Data that completes nothing that is named: part of something longer.
fn is_piece(frame: &Frame) -> bool {
    frame.messages.iter().all(is_application_data)
}

const fn is_application_data(m: &Message) -> bool {
    matches!(
        m,
        Message::Tls(TlsMessage {
            kind: TlsKind::ApplicationData,
            ..
        })
    )
}

fn http(message: &Message) -> Option<Http> {
    match message {
        Message::HttpRequest(h) => Some(Http::Request {
            inside_tls: h.inside_tls,
            target: h.target.clone(),
        }),
        Message::HttpResponse(h) => Some(Http::Response {
            inside_tls: h.inside_tls,
            status: h.status,
        }),
        Message::DnsQuery { .. }
        | Message::DnsAnswer { .. }
        | Message::Tls(_)
        | Message::HttpBodyEnd { .. }
        | Message::Http2(_)
        | Message::Icmp { .. } => None,
    }
}

fn title(frame: &Frame) -> String {
    let mut names: Vec<String> = Vec::new();
    for message in &frame.messages {
        let lonely = frame.messages.len() == 1;
        if let Some(name) = name(message, lonely)
            && names.last() != Some(&name)
        {
            names.push(name);
        }
    }
    if names.is_empty() {
        // Of HTTP/2 inside TLS what is inside, else what is there at all.
        let inside = frame
            .messages
            .iter()
            .find(|m| matches!(m, Message::Http2(_)));
        let told = inside.or_else(|| frame.messages.first());
        names.extend(told.and_then(|m| name(m, true)));
    }
    let fin = ends(frame);
    if !names.is_empty() {
        let names = printable(&names.join(" + "));
        return if fin { format!("{names}, FIN") } else { names };
    }
    if let Some(asks) = probe(frame) {
        return asks.into();
    }
    let Some(tcp) = frame.tcp else {
        return if frame.source.port() == 0 {
            "IP"
        } else {
            "UDP"
        }
        .into();
    };
    match tcp.part {
        TcpPart::Syn => "SYN",
        TcpPart::SynAck => "SYN, ACK",
        TcpPart::HandshakeAck => "ACK",
        TcpPart::Ack => window(frame).unwrap_or("ACK"),
        TcpPart::Data if fin => "data, FIN",
        TcpPart::Data => "data",
        TcpPart::Fin => "FIN, ACK",
        TcpPart::Reset => "RST",
    }
    .into()
}

/// Whether a data segment carries FIN too.
fn ends(frame: &Frame) -> bool {
    frame.tcp.is_some_and(|t| t.part == TcpPart::Data)
        && Packet::read(&frame.bytes)
            .and_then(|p| p.tcp().map(|t| t.flags.fin()))
            .unwrap_or(false)
}

/// The message's name; `None` for those that only accompany others, unless `lonely`.
fn name(message: &Message, lonely: bool) -> Option<String> {
    match message {
        Message::DnsQuery { name, kind } => Some(format!("{kind} {name}?")),
        Message::DnsAnswer { .. } => dns::answer(message),
        Message::HttpRequest(h) => {
            let name = format!("{} {}", h.method, h.target);
            Some(
                h.stream
                    .map_or_else(|| name.clone(), |n| on_stream(&name, n)),
            )
        }
        Message::HttpResponse(h) => Some(match h.stream {
            Some(stream) => on_stream(&h.status.to_string(), stream),
            None => format!("HTTP {}", h.status),
        }),
        Message::Http2(h) => http2_name(h, lonely),
        Message::HttpBodyEnd { .. } => lonely.then(|| "HTTP body".into()),
        Message::Icmp { text, .. } => Some(format!("ICMP {text}")),
        Message::Tls(t) => match &t.kind {
            TlsKind::ChangeCipherSpec
            | TlsKind::EncryptedExtensions { .. }
            | TlsKind::CertificateVerify { .. }
            | TlsKind::ServerHelloDone
            | TlsKind::ApplicationData => lonely.then(|| t.kind.text()),
            TlsKind::ClientHello { .. }
            | TlsKind::ServerHello { .. }
            | TlsKind::NewSessionTicket
            | TlsKind::Certificate { .. }
            | TlsKind::ServerKeyExchange { .. }
            | TlsKind::CertificateRequest
            | TlsKind::ClientKeyExchange
            | TlsKind::Finished
            | TlsKind::OtherHandshake(_)
            | TlsKind::Alert { .. }
            | TlsKind::Opaque => Some(t.kind.text()),
        },
    }
}

/// Bodies and windows accompany what a stream is about; the preface, the SETTINGS behind it.
fn http2_name(message: &Http2Message, lonely: bool) -> Option<String> {
    let text = message.kind.text();
    match message.kind {
        Http2Kind::Preface
        | Http2Kind::Data { .. }
        | Http2Kind::HeadersBegin
        | Http2Kind::WindowUpdate { .. }
            if !lonely =>
        {
            None
        }
        Http2Kind::Settings { .. } | Http2Kind::Ping { .. } | Http2Kind::GoAway { .. } => {
            Some(text)
        }
        Http2Kind::Preface
        | Http2Kind::Data { .. }
        | Http2Kind::HeadersBegin
        | Http2Kind::Headers
        | Http2Kind::Priority
        | Http2Kind::RstStream { .. }
        | Http2Kind::PushPromise { .. }
        | Http2Kind::WindowUpdate { .. }
        | Http2Kind::Other(_) => Some(match message.stream {
            0 => text,
            stream => on_stream(&text, stream),
        }),
    }
}

fn on_stream(name: &str, stream: u32) -> String {
    format!("{name} (stream {stream})")
}

/// Whether a frame moves flow control's windows and does nothing else.
pub(super) fn only_moves_windows(frame: &Frame) -> bool {
    let moves = |m: &Message| matches!(m, Message::Http2(h) if matches!(h.kind, Http2Kind::WindowUpdate { .. }));
    let all = || frame.messages.iter().filter(|m| !is_application_data(m));
    all().next().is_some() && all().all(moves)
}

/// A message's name, also of those that only accompany others.
pub(super) fn full_name(message: &Message) -> String {
    name(message, true).map_or_else(|| "message".into(), |n| printable(&n))
}

fn secrecy(frame: &Frame) -> Secrecy {
    let (mut clear, mut cipher) = (false, false);
    for message in &frame.messages {
        let hidden = match message {
            // A record of one byte that says nothing.
            Message::Tls(t) if t.kind == TlsKind::ChangeCipherSpec => continue,
            Message::Tls(t) => t.encrypted,
            Message::HttpRequest(h) | Message::HttpResponse(h) => h.inside_tls,
            Message::HttpBodyEnd { inside_tls, .. } => *inside_tls,
            Message::Http2(h) => h.inside_tls,
            Message::DnsQuery { .. } | Message::DnsAnswer { .. } | Message::Icmp { .. } => false,
        };
        clear |= !hidden;
        cipher |= hidden;
    }
    match (clear, cipher) {
        (true, true) => Secrecy::Partly,
        (false, true) => Secrecy::Cipher,
        (true | false, false) => Secrecy::Clear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture;

    #[test]
    fn every_frame_of_the_main_lab_has_its_words() {
        let run = fixture::main_lab();
        let frames: Vec<&Frame> = run.frames.iter().collect();
        let all: Vec<String> = labels(&frames).iter().map(ToString::to_string).collect();
        assert_eq!(
            all,
            [
                "A your-app.com?",
                "A 198.51.100.10",
                "SYN",
                "SYN, ACK",
                "ACK",
                "ClientHello 517 B",
                "ACK",
                "ServerHello + Certificate + Finished 1364 B",
                "Finished 80 B",
                "GET /notification/health/check 151 B",
                "SYN",
                "SYN, ACK",
                "ACK",
                "GET /notification/health/check 268 B",
                "ACK",
                "HTTP 200 1/2 1448 B",
                "HTTP 200 2/2 1358 B",
                "FIN, ACK",
                "ACK",
                "FIN, ACK",
                "NewSessionTicket 271 B",
                "ACK",
                "ACK",
                "HTTP 200 1/2 1448 B",
                "HTTP 200 2/2 1380 B",
                "close_notify 24 B",
                "FIN, ACK",
                "FIN, ACK",
            ]
        );
    }

    #[test]
    fn secrecy_follows_the_bytes_and_not_the_dissection() {
        let run = fixture::main_lab();
        let frames: Vec<&Frame> = run.frames.iter().collect();
        let labels = labels(&frames);
        let of = |number: usize| labels[number - 1].secrecy;
        assert_eq!(of(6), Secrecy::Clear);
        assert_eq!(of(8), Secrecy::Partly);
        assert_eq!(of(9), Secrecy::Cipher);
        assert_eq!(of(14), Secrecy::Clear);
        assert_eq!((of(24), of(25)), (Secrecy::Cipher, Secrecy::Cipher));
    }

    #[test]
    fn a_lone_piece_says_only_what_it_knows() {
        let run = fixture::main_lab();
        assert_eq!(label(&run.frames[23]).to_string(), "data 1448 B");
        assert_eq!(label(&run.frames[16]).to_string(), "HTTP body 1358 B");
    }
}
