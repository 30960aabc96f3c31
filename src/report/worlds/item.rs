//! A packet as the comparison sees it, and the connections that packets belong to.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::Shown;
use crate::dissect::message::{Frame, Message, TcpPart, TlsKind};
use crate::expect::Record;
use crate::lab::plan::Plan;
use crate::report::rows::end_name;
use crate::report::summary::{Label, labels};
use crate::wire::packet::{Packet, Transport};

/// A direction of a connection. The initiator's port is the stack's own choice, so the connection is counted among
/// those of the same ends instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    /// `tcp` before others.
    other_than_tcp: bool,
    initiator: IpAddr,
    responder: SocketAddr,
    /// From 0.
    nth: usize,
    /// From the responder to the initiator.
    back: bool,
}

impl Way {
    /// As in "user → alb:443", or "user → alb:443 (2nd connection)".
    pub(super) fn words(&self, plan: &Plan) -> String {
        let initiator = end_name(plan, self.initiator);
        let responder = end_name(plan, self.responder.ip());
        let port = match self.responder.port() {
            0 => String::new(),
            n => format!(":{n}"),
        };
        let nth = match self.nth {
            0 => String::new(),
            n => format!(" (connection {})", n + 1),
        };
        if self.back {
            format!("{responder}{port} → {initiator}{nth}")
        } else {
            format!("{initiator} → {responder}{port}{nth}")
        }
    }
}

/// What of a packet is compared.
#[derive(Debug, Clone)]
pub(super) struct Item {
    number: usize,
    label: Label,
    /// The summary without the size.
    pub(super) title: String,
    /// TCP control bits.
    pub(super) flags: u8,
    /// Bytes of data.
    pub(super) data: usize,
    /// By how much the size may differ, because signatures are in it.
    slack: usize,
    pure_ack: bool,
    header: Header,
    payload: Vec<u8>,
}

/// What must be the same in a packet that is otherwise alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    lost: bool,
    ttl: u8,
    dont_fragment: bool,
    retransmission: bool,
    mss: Option<u16>,
    window_scale: Option<u8>,
    sack_permitted: bool,
}

/// How alike two packets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// But for time, sequence numbers, window and checksums.
    Same,
    /// Other random numbers, keys or dates.
    OtherBytes,
    /// Signatures of another size.
    OtherSize,
    /// Another fate, time to live or options: no matter of nature.
    OtherHeader,
}

/// An ECDSA signature is two integers in DER (RFC 3279 §2.2.3), each of which takes a byte more for half of its
/// values: two bytes more or less than usual. Smaller ones are rare: one in 128 lacks a further byte.
const SIGNATURE_SLACK: usize = 2;

/// The label's, without the identifier of an echo: that is a random number, as TCP's sequence numbers are.
fn title(packet: Option<&Packet<'_>>, label: &Label) -> String {
    if let Some(Transport::Icmp(message)) = packet.map(|p| p.transport)
        && matches!(message.kind, 0 | 8)
    {
        let [.., c, d] = message.rest;
        let sequence = u16::from_be_bytes([c, d]);
        return format!("ICMP type {} seq {sequence}", message.kind);
    }
    label.title.clone()
}

impl Item {
    fn new(frame: &Frame, label: Label) -> Self {
        let packet = Packet::read(&frame.bytes);
        let segment = packet.as_ref().and_then(Packet::tcp);
        let data = match frame.tcp {
            Some(tcp) => tcp.data,
            None => frame.bytes.len(),
        };
        let part = frame.tcp.map(|t| t.part);
        let payload = packet.map_or(&[][..], |p| match p.transport {
            Transport::Tcp(t) => t.payload,
            Transport::Udp(u) => u.payload,
            Transport::Icmp(i) => i.payload,
            Transport::Other(_, bytes) => bytes,
        });
        Self {
            number: frame.number,
            title: title(packet.as_ref(), &label),
            flags: segment.map_or(0, |t| t.flags.0),
            data,
            slack: signatures(&frame.messages) * SIGNATURE_SLACK,
            pure_ack: matches!(part, Some(TcpPart::Ack | TcpPart::HandshakeAck)) && data == 0,
            header: Header {
                lost: frame.lost.is_some(),
                ttl: packet.map_or(0, |p| p.ttl),
                dont_fragment: packet.is_some_and(|p| p.dont_fragment),
                retransmission: frame.tcp.is_some_and(|t| t.retransmission),
                mss: segment.and_then(|t| t.mss),
                window_scale: segment.and_then(|t| t.window_scale),
                sack_permitted: segment.is_some_and(|t| t.sack_permitted),
            },
            payload: payload.to_vec(),
            label,
        }
    }

    /// Whether this is an acknowledgment and nothing else.
    pub(super) const fn is_pure_ack(&self) -> bool {
        self.pure_ack
    }

    /// Whether the two can be the same packet in two worlds.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.title == other.title
            && self.flags == other.flags
            && self.data.abs_diff(other.data) <= self.slack.max(other.slack)
    }

    /// How alike two are that can be the same packet.
    pub(super) fn likeness(&self, other: &Self) -> Likeness {
        if self.header != other.header {
            Likeness::OtherHeader
        } else if self.data != other.data {
            Likeness::OtherSize
        } else if self.payload != other.payload {
            Likeness::OtherBytes
        } else {
            Likeness::Same
        }
    }

    pub(super) fn shown(&self) -> Shown {
        Shown {
            number: self.number,
            summary: self.label.to_string(),
        }
    }
}

/// How many signatures are in what a packet completes: one in each certificate, one over the handshake.
fn signatures(messages: &[Message]) -> usize {
    let of = |message: &Message| {
        let Message::Tls(tls) = message else { return 0 };
        match &tls.kind {
            TlsKind::Certificate { chain } => chain.len(),
            TlsKind::CertificateVerify { .. } | TlsKind::ServerKeyExchange { .. } => 1,
            TlsKind::ClientHello { .. }
            | TlsKind::ServerHello { .. }
            | TlsKind::NewSessionTicket
            | TlsKind::EncryptedExtensions { .. }
            | TlsKind::CertificateRequest
            | TlsKind::ServerHelloDone
            | TlsKind::ClientKeyExchange
            | TlsKind::Finished
            | TlsKind::OtherHandshake(_)
            | TlsKind::ChangeCipherSpec
            | TlsKind::Alert { .. }
            | TlsKind::ApplicationData
            | TlsKind::Opaque => 0,
        }
    };
    messages.iter().map(of).sum()
}

/// The packets of a main capture by direction of their connection, in order.
pub(super) fn ways(record: &Record<'_>) -> BTreeMap<Way, Vec<Item>> {
    let frames: Vec<&Frame> = record.frames.iter().collect();
    let mut ways: BTreeMap<Way, Vec<Item>> = BTreeMap::new();
    let mut known: BTreeMap<(bool, usize, SocketAddr, SocketAddr), Way> = BTreeMap::new();
    let mut counts: BTreeMap<(bool, IpAddr, SocketAddr), usize> = BTreeMap::new();
    for (frame, label) in frames.iter().zip(labels(&frames)) {
        let other_than_tcp = frame.stream.is_none();
        // Ports are used again: the number tells their streams apart.
        let stream = frame.stream.unwrap_or(0);
        let key = |a, b| (other_than_tcp, stream, a, b);
        let (from, to) = (frame.source, frame.destination);
        let way = if let Some(way) = known.get(&key(from, to)) {
            way.clone()
        } else {
            let ends = (other_than_tcp, from.ip(), to);
            let nth = counts.entry(ends).or_insert(0);
            let there = Way {
                other_than_tcp,
                initiator: from.ip(),
                responder: to,
                nth: *nth,
                back: false,
            };
            *nth += 1;
            let back = Way {
                back: true,
                ..there.clone()
            };
            known.insert(key(from, to), there.clone());
            if from != to {
                known.insert(key(to, from), back);
            }
            there
        };
        let items = ways.entry(way).or_default();
        items.push(Item::new(frame, label));
    }
    ways
}
