//! What filters on the way refused, told at the packets that are sent because of it: by then the refusal is known, and
//! the refused packet itself may be one that no tap has seen.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::dissect::message::Frame;
use crate::event::{DropCause, Event, PacketId, What};
use crate::name::Name;
use crate::wire::packet::{Packet, Transport};

/// A packet that was refused.
#[derive(Debug, Clone)]
struct Refused {
    node: Name,
    why: String,
    too_big: bool,
}

/// From, to, and of a TCP segment its number.
type Which = (SocketAddr, SocketAddr, Option<u32>);

/// What was refused so far, with its reason.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// The last one.
    last: Option<(PacketId, String)>,
    /// The last one of each kind: where, and why.
    between: BTreeMap<Which, Refused>,
    /// Of these a NAT gateway knew no connection.
    forgotten: BTreeMap<(SocketAddr, SocketAddr), (Name, String)>,
}

impl Refusals {
    pub(super) fn event(&mut self, event: &Event) {
        let What::Dropped {
            packet,
            cause,
            why,
            link,
            bytes,
        } = &event.what
        else {
            return;
        };
        let why = match (why, link) {
            (Some(why), _) => why.clone(),
            (None, Some(link)) if *cause == DropCause::Outage => {
                format!("the link {link} was down")
            }
            (None, _) if by_router(*cause) => cause.to_string(),
            (None, _) => return,
        };
        self.last = Some((*packet, why.clone()));
        let Some(packet) = Packet::read(bytes) else {
            return;
        };
        if let Some(ends) = packet.ports() {
            if *cause == DropCause::NatIdle {
                self.forgotten
                    .insert(ends, (event.node.clone(), why.clone()));
            }
            let refused = Refused {
                node: event.node.clone(),
                why,
                too_big: *cause == DropCause::TooBig,
            };
            let sequence = packet.tcp().map(|segment| segment.sequence);
            self.between.insert((ends.0, ends.1, sequence), refused);
            while self.between.len() > KEPT_MAX {
                self.between.pop_first();
            }
        }
    }

    /// Why this packet was refused, when it was the last.
    pub(super) fn of(&self, packet: PacketId) -> Option<&str> {
        let (last, why) = self.last.as_ref()?;
        (*last == packet).then_some(why)
    }

    /// A sentence about a RST from and to these ends, when a NAT gateway sent it in the name of the first.
    pub(super) fn reset(&self, from: SocketAddr, to: SocketAddr, name: &str) -> Option<String> {
        let (node, why) = self.forgotten.get(&(to, from))?;
        Some(format!("RST, sent by {node} in the name of {name}: {why}."))
    }

    /// A sentence about an ICMP error: which packet it is about, and why that went no further.
    pub(super) fn behind(&self, frame: &Frame) -> Option<String> {
        let packet = Packet::read(&frame.bytes)?;
        let Transport::Icmp(message) = &packet.transport else {
            return None;
        };
        let (_, from, to) = message.quoted_ends()?;
        let exact = self.between.get(&(from, to, message.quoted_sequence()));
        let Refused { node, why, .. } = exact.or_else(|| self.any(from, to))?;
        Some(format!(
            " It quotes a packet to {} port {}, which {node} dropped: {why}.",
            to.ip(),
            to.port()
        ))
    }

    /// A sentence, when the segment with this number was refused before, or what came back.
    pub(super) fn between(
        &self,
        from: SocketAddr,
        to: SocketAddr,
        sequence: u32,
    ) -> Option<String> {
        let same = self.between.get(&(from, to, Some(sequence)));
        if let Some(Refused { node, why, .. }) = same {
            return Some(format!(" The one before was dropped at {node}: {why}."));
        }
        let Refused { node, why, .. } = self.any(to, from)?;
        Some(format!(" What came back was dropped at {node}: {why}."))
    }

    /// Whether the segment with this number was too large for a link.
    pub(super) fn was_too_big(&self, from: SocketAddr, to: SocketAddr, sequence: u32) -> bool {
        let refused = self.between.get(&(from, to, Some(sequence)));
        refused.is_some_and(|r| r.too_big)
    }

    fn any(&self, from: SocketAddr, to: SocketAddr) -> Option<&Refused> {
        let all = (from, to, None)..=(from, to, Some(u32::MAX));
        self.between
            .range(all)
            .next_back()
            .map(|(_, refused)| refused)
    }
}

/// More are not remembered: a lab may stay up for days.
const KEPT_MAX: usize = 65_536;

/// Whether a router dropped it, which the cause alone explains.
const fn by_router(cause: DropCause) -> bool {
    match cause {
        DropCause::NoRoute
        | DropCause::HostGone
        | DropCause::TooBig
        | DropCause::TimeToLive
        | DropCause::NatUntranslated
        | DropCause::NoPublicAddress => true,
        DropCause::Loss
        | DropCause::DropNth(_)
        | DropCause::QueueFull
        | DropCause::Outage
        | DropCause::Checksum
        | DropCause::NotForUs
        | DropCause::SynQueueFull
        | DropCause::AcceptQueueFull
        | DropCause::Malformed
        | DropCause::FinGuard
        | DropCause::OutsideWindow
        | DropCause::Challenged
        | DropCause::SecurityGroup
        | DropCause::NetworkAcl
        | DropCause::NatIdle
        | DropCause::NatPorts
        | DropCause::TrackingFull => false,
    }
}
