//! What stacks do by themselves, and why: queues that were full, windows that are closed, connections broken off.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::Ends;
use crate::dissect::message::{Frame, TcpPart};
use crate::event::{DropCause, Event, TcpDeed, What};
use crate::wire::packet::{Packet, Segment};

/// From whom, to whom.
type Way = (SocketAddr, SocketAddr);

/// What stacks have told so far, and which windows are closed.
#[derive(Debug, Default)]
pub(super) struct Transport {
    /// The last deed on a connection, under the ends of the stack that did it, its own first.
    deeds: BTreeMap<Way, TcpDeed>,
    /// Why a listener last put a segment aside that went this way.
    refused: BTreeMap<Way, DropCause>,
    /// Who has no room, and whom that stops.
    closed: BTreeSet<Way>,
}

/// More are not remembered: a lab may stay up for days.
const KEPT_MAX: usize = 65_536;

impl Transport {
    pub(super) fn event(&mut self, event: &Event) {
        match &event.what {
            What::Tcp {
                deed: TcpDeed::PathMtu { .. },
                ..
            } => {}
            What::Tcp { flow, deed } => {
                self.deeds.insert((flow.local, flow.remote), *deed);
            }
            What::Dropped {
                cause: cause @ (DropCause::SynQueueFull | DropCause::AcceptQueueFull),
                bytes,
                ..
            } => {
                if let Some(way) = Packet::read(bytes).and_then(|p| p.ports()) {
                    self.refused.insert(way, *cause);
                }
            }
            What::Dropped { .. }
            | What::Altered { .. }
            | What::Secret(_)
            | What::Fact(_)
            | What::Limit { .. }
            | What::Computing { .. } => {}
        }
        while self.deeds.len() > KEPT_MAX {
            self.deeds.pop_first();
        }
        while self.refused.len() > KEPT_MAX {
            self.refused.pop_first();
        }
    }

    /// Why a segment is sent again, where a listener's queue is the reason.
    pub(super) fn why_again(&self, frame: &Frame, part: TcpPart, ends: &Ends) -> Option<String> {
        let way = (frame.source, frame.destination);
        let (own, answer) = (self.refused.get(&way), self.refused.get(&(way.1, way.0)));
        let Ends { from, to } = ends;
        match part {
            TcpPart::SynAck => answer.map(|cause| {
                format!(
                    " The ACK to it did reach {from}, and was dropped there: {cause}. To {to} the connection is open."
                )
            }),
            TcpPart::Syn | TcpPart::Data => {
                own.map(|cause| format!(" The one before did reach {to}, and was dropped there: {cause}."))
            }
            TcpPart::HandshakeAck | TcpPart::Ack | TcpPart::Fin | TcpPart::Reset => None,
        }
    }

    /// What a SYN-ACK is, when it is a cookie.
    pub(super) fn cookie(&self, frame: &Frame, ends: &Ends) -> Option<String> {
        let deed = self.deeds.get(&(frame.source, frame.destination))?;
        let TcpDeed::CookieSent { mss } = deed else {
            return None;
        };
        let Ends { from, to } = ends;
        Some(format!(
            "A SYN cookie (RFC 4987 §3.6): {from} has no room for a half-open connection, and remembers nothing of \
             {to}. What it must know when the ACK comes, the time and a segment size of {mss} bytes, stands in the \
             sequence number, sealed with a secret; for window scaling and SACK there is no room in it."
        ))
    }

    /// Why a connection is broken off, when its stack told. Asked once: what comes later has nothing to do with it.
    pub(super) fn reset(&mut self, frame: &Frame, ends: &Ends) -> Option<String> {
        let deed = self.deeds.remove(&(frame.source, frame.destination))?;
        let Ends { from, to } = ends;
        match deed {
            TcpDeed::ClosedUnread { bytes } => Some(format!(
                "RST: the program at {from} closed the connection, and {bytes} bytes that had come from {to} were not \
                 read. They are lost, and TCP says so (RFC 1122 §4.2.2.13). What {to} has received and not read yet is \
                 thrown away with it (RFC 9293 §3.10.7.4)."
            )),
            TcpDeed::DataAfterClose { bytes } => Some(format!(
                "RST: {bytes} bytes came to {from}, where the program has closed the connection and nobody will read \
                 them (RFC 1122 §4.2.2.13). What {to} has received and not read yet is thrown away."
            )),
            TcpDeed::KeepAliveFailed { probes } => Some(format!(
                "RST: {probes} keep-alive probes were not answered; {from} takes {to} for gone."
            )),
            TcpDeed::CookieSent { .. }
            | TcpDeed::CookieAccepted { .. }
            | TcpDeed::HalfOpenForgotten
            | TcpDeed::TimeWaitReused
            | TcpDeed::PortsExhausted
            | TcpDeed::PathMtu { .. } => None,
        }
    }

    /// That a window closes, is asked for, and opens again.
    pub(super) fn window(&mut self, frame: &Frame, ends: &Ends) -> Option<String> {
        let packet = Packet::read(&frame.bytes)?;
        let segment = packet.tcp()?;
        if segment.flags.syn() || segment.flags.rst() {
            return None;
        }
        let way = (frame.source, frame.destination);
        let Ends { from, to } = ends;
        if segment.window == 0 {
            let news = self.closed.insert(way);
            while self.closed.len() > KEPT_MAX {
                self.closed.pop_first();
            }
            return news.then(|| {
                format!(
                    "Window 0: the receive buffer of {from} is full, as its program does not read. {to} may send \
                     nothing but a probe from time to time."
                )
            });
        }
        if self.closed.remove(&way) {
            return Some(format!(
                "Window update: the program at {from} has read, and {to} may send again."
            ));
        }
        self.probe(segment, way).then(|| {
            format!(
                "Window probe (RFC 9293 §3.8.6.1): {from} asks with one byte whether {to} has room again. An update \
                 that got lost would otherwise be waited for for ever. Each probe waits twice as long as the one before."
            )
        })
    }

    fn probe(&self, segment: &Segment<'_>, (from, to): Way) -> bool {
        segment.payload.len() == 1 && self.closed.contains(&(to, from))
    }
}
