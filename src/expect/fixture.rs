//! The main lab, written down by hand for the tests of `expect` and `report`: DNS, TCP, TLS 1.3, the request, the
//! second connection, the response. 28 packets; 10 ms one way to the user, 1 ms to the target.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use etherparse::PacketBuilder;

use super::{Record, TapRecord};
use crate::dissect::field::{Fields, Value};
use crate::dissect::message::{Frame, HttpHead, Message, TcpNote, TcpPart, TlsKind, TlsMessage};
use crate::event::{
    CertificateFacts, Direction, DropCause, Event, Fact, Flow, HandshakeKind, PacketId, TapId, What,
};
use crate::lab::plan::{Connection, Place, Plan};
use crate::name::Name;
use crate::time::{Instant, UnixSeconds};

mod plan;

use plan::plan;

/// A finished run, owned.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) place: Place,
    pub(crate) tolerance: Duration,
    pub(crate) frames: Vec<Frame>,
    pub(crate) observed: Vec<Frame>,
    pub(crate) taps: Vec<TapRecord>,
    pub(crate) events: Vec<Event>,
}

impl Run {
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            plan: &self.plan,
            seed: 1,
            place: self.place,
            began: self.plan.clock,
            tolerance: self.tolerance,
            frames: &self.frames,
            observed: &self.observed,
            taps: &self.taps,
            events: &self.events,
            ended: at(102.0),
        }
    }

    /// Loses a packet on its first link: nobody but its sender sees it.
    pub(crate) fn lose(&mut self, packet: u64, cause: DropCause) {
        let packet = PacketId(packet);
        let mut captures = vec![&mut self.frames, &mut self.observed];
        for tap in &mut self.taps {
            captures.push(&mut tap.frames);
            captures.push(&mut tap.observed);
        }
        let mut sent = None;
        for frames in captures {
            frames.retain(|f| f.packet != packet || f.direction == Direction::Out);
            for frame in frames.iter_mut().filter(|f| f.packet == packet) {
                frame.lost = Some(cause);
                sent = Some(frame.clone());
            }
            number(frames);
        }
        let sent = sent.unwrap();
        let node = self.plan.topology.tap(sent.tap).node;
        self.events.push(Event {
            at: sent.at,
            node: self.plan.topology.nodes[node].name.clone(),
            what: What::Dropped {
                packet,
                cause,
                why: None,
                link: Some(name("edge")),
                bytes: sent.bytes,
            },
        });
        self.events.sort_by_key(|e| e.at);
    }
}

/// As in "user -> alb:443".
pub(crate) fn connection(from: &str, to: &str, port: u16) -> Connection {
    Connection {
        from: name(from),
        to: name(to),
        port,
        nth: 1,
    }
}

const CLIENT: &str = "203.192.1.50:50000";
const FRONT: &str = "198.51.100.10:443";
const BACK: &str = "10.0.1.10:50000";
const TARGET: &str = "10.0.2.21:32768";
const ASKER: &str = "203.192.1.50:40000";
const DNS: &str = "198.51.100.53:53";
const CONTAINER: &str = "172.17.0.2:8080";
const PATH: &str = "/notification/health/check";

/// The run without any disturbance.
pub(crate) fn main_lab() -> Run {
    let plan = plan();
    let mut frames = Vec::new();
    let mut taps: BTreeMap<usize, Vec<Frame>> = BTreeMap::new();
    for (index, shot) in shots().into_iter().enumerate() {
        let nic = |a: SocketAddr| {
            let mut nics = plan.topology.nics.iter();
            nics.position(|n| n.address == a.ip()).unwrap()
        };
        let (from, to) = (nic(shot.from), nic(shot.to));
        let frame = shot.frame(PacketId(index as u64 + 1));
        for (tap, direction, when) in [
            (from, Direction::Out, shot.sent),
            (to, Direction::In, shot.received),
        ] {
            let seen = Frame {
                at: at(when),
                tap: TapId(tap),
                direction,
                ..frame.clone()
            };
            if plan.main_taps.contains(&tap) {
                frames.push(seen.clone());
            }
            taps.entry(tap).or_default().push(seen);
        }
    }
    number(&mut frames);
    let taps = taps.into_iter().map(|(tap, mut frames)| {
        number(&mut frames);
        TapRecord {
            tap: TapId(tap),
            observed: frames.iter().map(without_secrets).collect(),
            frames,
        }
    });
    Run {
        taps: taps.collect(),
        observed: frames.iter().map(without_secrets).collect(),
        frames,
        events: events(),
        plan,
        place: Place::Virtual,
        tolerance: Duration::ZERO,
    }
}

fn number(frames: &mut [Frame]) {
    frames.sort_by_key(|f| (f.at, f.packet));
    for (index, frame) in frames.iter_mut().enumerate() {
        frame.number = index + 1;
    }
}

fn without_secrets(frame: &Frame) -> Frame {
    let mut seen = frame.clone();
    let encrypted = seen.messages.iter().any(is_inside_tls);
    if encrypted {
        seen.fields.0.retain(|f| f.name != "http");
    }
    for message in &mut seen.messages {
        if let Message::Tls(t) = message
            && t.encrypted
        {
            t.kind = TlsKind::Opaque;
        }
    }
    seen.messages.retain(|m| !is_inside_tls(m));
    seen
}

fn is_inside_tls(m: &Message) -> bool {
    match m {
        Message::HttpRequest(h) | Message::HttpResponse(h) => h.inside_tls,
        Message::HttpBodyEnd { inside_tls, .. } => *inside_tls,
        Message::Http2(h) => h.inside_tls,
        Message::DnsQuery { .. }
        | Message::DnsAnswer { .. }
        | Message::Tls(_)
        | Message::Icmp { .. } => false,
    }
}

/// One packet: when it is sent and received (ms), between whom, its part, its data, what it completes.
struct Shot {
    sent: f64,
    received: f64,
    from: SocketAddr,
    to: SocketAddr,
    part: Option<TcpPart>,
    data: usize,
    fin: bool,
    messages: Vec<Message>,
}

impl Shot {
    fn frame(&self, packet: PacketId) -> Frame {
        let mut fields = Fields::default();
        fields.push("ip", Value::Present);
        let http = self
            .messages
            .iter()
            .any(|m| matches!(m, Message::HttpRequest(_) | Message::HttpBodyEnd { .. }));
        if http {
            fields.push("http", Value::Present);
        }
        let clear = !self.messages.iter().any(is_inside_tls);
        let asks = |m: &Message| matches!(m, Message::HttpRequest(_));
        let text: &[u8] = if clear && self.messages.iter().any(asks) {
            PATH.as_bytes()
        } else {
            b""
        };
        let mut payload = text.to_vec();
        payload.resize(self.data.max(text.len()), b'.');
        let tcp = self.part.map(|part| TcpNote {
            part,
            data: self.data,
            retransmission: false,
            sequence: 0,
            acknowledgment: None,
        });
        Frame {
            number: 0,
            at: Instant::ZERO,
            tap: TapId(0),
            direction: Direction::Out,
            packet,
            lost: None,
            bytes: self.bytes(&payload),
            source: self.from,
            destination: self.to,
            stream: tcp.map(|_| usize::from(self.from.port() == 32768 || self.to.port() == 32768)),
            fields,
            tcp,
            messages: self.messages.clone(),
            unsealed: Vec::new(),
        }
    }

    fn bytes(&self, payload: &[u8]) -> Vec<u8> {
        let v4 = |a: SocketAddr| match a {
            SocketAddr::V4(a) => a.ip().octets(),
            SocketAddr::V6(_) => unreachable!("the fixture is IPv4"),
        };
        let (from, to) = (self.from.port(), self.to.port());
        let ip = PacketBuilder::ipv4(v4(self.from), v4(self.to), 64);
        let mut bytes = Vec::new();
        let Some(part) = self.part else {
            ip.udp(from, to).write(&mut bytes, payload).unwrap();
            return bytes;
        };
        let mut tcp = ip.tcp(from, to, 1, 64_240);
        if matches!(part, TcpPart::Syn | TcpPart::SynAck) {
            tcp = tcp.syn();
        }
        if part != TcpPart::Syn {
            tcp = tcp.ack(1);
        }
        if part == TcpPart::Fin || self.fin {
            tcp = tcp.fin();
        }
        if part == TcpPart::Reset {
            tcp = tcp.rst();
        }
        tcp.write(&mut bytes, payload).unwrap();
        bytes
    }
}

/// Every packet in order of sending.
fn shots() -> Vec<Shot> {
    use TcpPart::{Ack, Data, Fin, HandshakeAck, Syn, SynAck};
    let shot = |sent: f64, from: &str, to: &str, part, data, messages| Shot {
        sent,
        received: sent + one_way(from, to),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        part,
        data,
        fin: false,
        messages,
    };
    let tcp =
        |sent, from, to, part, data, messages| shot(sent, from, to, Some(part), data, messages);
    let asked = Message::DnsQuery {
        name: "your-app.com".into(),
        kind: "A".into(),
    };
    let answered = Message::DnsAnswer {
        aliases: vec![],
        referral: None,
        truncated: false,
        name: "your-app.com".into(),
        addresses: vec!["198.51.100.10".parse().unwrap()],
        response_code: "NoError".into(),
    };
    vec![
        shot(0.0, ASKER, DNS, None, 30, vec![asked]),
        shot(11.0, DNS, ASKER, None, 46, vec![answered]),
        tcp(20.0, CLIENT, FRONT, Syn, 0, vec![]),
        tcp(30.0, FRONT, CLIENT, SynAck, 0, vec![]),
        tcp(40.0, CLIENT, FRONT, HandshakeAck, 0, vec![]),
        tcp(40.0, CLIENT, FRONT, Data, 517, vec![client_hello()]),
        tcp(50.0, FRONT, CLIENT, Ack, 0, vec![]),
        tcp(51.0, FRONT, CLIENT, Data, 1364, server_flight()),
        tcp(
            62.0,
            CLIENT,
            FRONT,
            Data,
            80,
            vec![
                tls(false, 1, TlsKind::ChangeCipherSpec),
                tls(true, 52, TlsKind::Finished),
            ],
        ),
        tcp(
            62.0,
            CLIENT,
            FRONT,
            Data,
            151,
            vec![
                tls(true, 129, TlsKind::ApplicationData),
                Message::HttpRequest(request(true)),
            ],
        ),
        tcp(
            72.0,
            FRONT,
            CLIENT,
            Data,
            271,
            vec![tls(true, 233, TlsKind::NewSessionTicket)],
        ),
        tcp(72.5, BACK, TARGET, Syn, 0, vec![]),
        tcp(73.5, TARGET, BACK, SynAck, 0, vec![]),
        tcp(74.5, BACK, TARGET, HandshakeAck, 0, vec![]),
        tcp(
            74.5,
            BACK,
            TARGET,
            Data,
            268,
            vec![Message::HttpRequest(request(false))],
        ),
        tcp(75.5, TARGET, BACK, Ack, 0, vec![]),
        tcp(
            80.5,
            TARGET,
            BACK,
            Data,
            1448,
            vec![Message::HttpResponse(response(false))],
        ),
        tcp(80.5, TARGET, BACK, Data, 1358, vec![body_end(false)]),
        tcp(80.5, TARGET, BACK, Fin, 0, vec![]),
        tcp(81.5, BACK, TARGET, Ack, 0, vec![]),
        tcp(81.5, BACK, TARGET, Fin, 0, vec![]),
        tcp(82.0, FRONT, CLIENT, Data, 1448, vec![]),
        tcp(
            82.0,
            FRONT,
            CLIENT,
            Data,
            1380,
            vec![
                tls(true, 2800, TlsKind::ApplicationData),
                Message::HttpResponse(response(true)),
                body_end(true),
            ],
        ),
        tcp(
            82.0,
            FRONT,
            CLIENT,
            Data,
            24,
            vec![tls(
                true,
                2,
                TlsKind::Alert {
                    level: 1,
                    description: 0,
                },
            )],
        ),
        tcp(82.0, FRONT, CLIENT, Fin, 0, vec![]),
        tcp(82.0, CLIENT, FRONT, Ack, 0, vec![]),
        tcp(82.5, TARGET, BACK, Ack, 0, vec![]),
        tcp(92.0, CLIENT, FRONT, Fin, 0, vec![]),
    ]
}

/// Milliseconds: 9 to and from the resolver, 10 on the Internet, 1 in the VPC.
fn one_way(from: &str, to: &str) -> f64 {
    match (from, to) {
        (DNS, _) | (_, DNS) => 9.0,
        (BACK, _) | (_, BACK) => 1.0,
        _ => 10.0,
    }
}

fn tls(encrypted: bool, bytes: usize, kind: TlsKind) -> Message {
    Message::Tls(TlsMessage {
        encrypted,
        bytes,
        kind,
    })
}

fn client_hello() -> Message {
    let kind = TlsKind::ClientHello {
        server_name: Some("your-app.com".into()),
        alpn: vec!["http/1.1".into()],
        versions: vec!["TLS 1.3".into(), "TLS 1.2".into()],
        suites: 9,
        shares: vec!["X25519".into()],
        resumes: false,
    };
    tls(false, 512, kind)
}

fn server_flight() -> Vec<Message> {
    let hello = TlsKind::ServerHello {
        version: "TLS 1.3".into(),
        suite: "TLS_AES_128_GCM_SHA256".into(),
        group: Some("X25519".into()),
        retry: false,
        resumed: false,
    };
    let extensions = TlsKind::EncryptedExtensions {
        alpn: Some("http/1.1".into()),
    };
    let verify = TlsKind::CertificateVerify {
        scheme: "ecdsa_secp256r1_sha256".into(),
    };
    let chain = TlsKind::Certificate {
        chain: vec![540, 480],
    };
    vec![
        tls(false, 122, hello),
        tls(false, 1, TlsKind::ChangeCipherSpec),
        tls(true, 25, extensions),
        tls(true, 1038, chain),
        tls(true, 79, verify),
        tls(true, 36, TlsKind::Finished),
    ]
}

fn headers(inside_tls: bool) -> Vec<(String, String)> {
    let own = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    let mut all = vec![own("host", "your-app.com")];
    if !inside_tls {
        all.push(own("x-forwarded-for", "203.192.1.50"));
        all.push(own("x-forwarded-proto", "https"));
        all.push(own("x-forwarded-port", "443"));
    }
    all
}

fn request(inside_tls: bool) -> HttpHead {
    HttpHead {
        inside_tls,
        stream: None,
        method: "GET".into(),
        target: PATH.into(),
        status: 0,
        headers: headers(inside_tls),
        bytes: if inside_tls { 129 } else { 268 },
    }
}

fn response(inside_tls: bool) -> HttpHead {
    HttpHead {
        inside_tls,
        stream: None,
        method: String::new(),
        target: String::new(),
        status: 200,
        headers: vec![("content-length".into(), "2600".into())],
        bytes: 206,
    }
}

fn body_end(inside_tls: bool) -> Message {
    Message::HttpBodyEnd {
        inside_tls,
        bytes: 2600,
    }
}

fn events() -> Vec<Event> {
    let front = flow(CLIENT, FRONT);
    let accepted = flow(FRONT, CLIENT);
    let back = flow(BACK, TARGET);
    let inner = flow(CONTAINER, BACK);
    let your_app = || "your-app.com".to_owned();
    let established = |flow| Fact::TlsEstablished {
        flow,
        version: "TLS 1.3".into(),
        suite: "TLS_AES_128_GCM_SHA256".into(),
        group: Some("X25519".into()),
        alpn: Some("http/1.1".into()),
        handshake: HandshakeKind::Full,
    };
    let sent = |flow| Fact::RequestSent {
        flow,
        stream: None,
        method: "GET".into(),
        target: PATH.into(),
    };
    let received = |flow, inside_tls| Fact::RequestReceived {
        flow,
        method: "GET".into(),
        target: PATH.into(),
        headers: headers(inside_tls),
    };
    let answered = |flow| Fact::ResponseSent {
        flow,
        status: 200,
        bytes: Some(2600),
    };
    let got = |flow| Fact::ResponseReceived {
        flow,
        stream: None,
        status: 200,
        bytes: 2600,
        answer: None,
    };
    let accept = Fact::CertificateAccepted {
        flow: front,
        server_name: your_app(),
        date: UnixSeconds::from_ymd(2025, 11, 5),
        chain: vec![certificate("your-app.com"), certificate("Lab CA E1")],
        anchor: "Lab Root R1".into(),
    };
    let lookup = Fact::LookupAnswered {
        name: your_app(),
        addresses: vec!["198.51.100.10".parse().unwrap()],
    };
    let hello = Fact::TlsStarted {
        flow: front,
        server_name: your_app(),
    };
    let chosen = Fact::TargetChosen {
        group: "web".into(),
        target: name("ec2-a"),
        address: TARGET.parse().unwrap(),
        reason: "healthy, round robin, 1 of 1".into(),
    };
    let told: Vec<(f64, &str, Fact)> = vec![
        (0.0, "user", Fact::LookupSent { name: your_app() }),
        (20.0, "user", lookup),
        (20.0, "user", Fact::Connecting(front)),
        (40.0, "user", Fact::Connected(front)),
        (40.0, "user", hello),
        (50.0, "alb", Fact::Accepted(accepted)),
        (62.0, "user", accept),
        (62.0, "user", established(front)),
        (62.0, "user", sent(front)),
        (72.0, "alb", established(accepted)),
        (72.0, "alb", received(accepted, true)),
        (72.5, "alb", chosen),
        (72.5, "alb", Fact::Connecting(back)),
        (74.5, "alb", Fact::Connected(back)),
        (74.5, "alb", sent(back)),
        (75.5, "app-a", Fact::Accepted(inner)),
        (75.5, "app-a", received(inner, false)),
        (80.5, "app-a", answered(inner)),
        (81.5, "alb", got(back)),
        (82.0, "alb", answered(accepted)),
        (82.0, "alb", Fact::Closed(accepted)),
        (92.0, "user", got(front)),
        (92.0, "user", Fact::Closed(front)),
    ];
    let told = told.into_iter().map(|(ms, node, fact)| Event {
        at: at(ms),
        node: name(node),
        what: What::Fact(fact),
    });
    told.collect()
}

fn certificate(subject: &str) -> CertificateFacts {
    CertificateFacts {
        subject: subject.into(),
        issuer: "Lab CA E1".into(),
        names: vec![],
        not_before: UnixSeconds::from_ymd(2025, 10, 1),
        not_after: UnixSeconds::from_ymd(2025, 12, 30),
        key: "P-256".into(),
        bytes: 540,
    }
}

fn flow(local: &str, remote: &str) -> Flow {
    Flow {
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A moment in milliseconds.
pub(crate) fn at(ms: f64) -> Instant {
    Instant::from_nanos((ms * 1e6) as u64)
}
