//! What filters on the way refused, told at the packets that are sent because of it: by then the refusal is known, and
//! the refused packet itself may be one that no tap has seen.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::dissect::message::Frame;
use crate::event::{DropCause, Event, PacketId, What};
use crate::name::Name;
use crate::wire::packet::{Packet, Transport};

/// What was refused so far, with its reason.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// The last one.
    last: Option<(PacketId, String)>,
    /// The last one from and to these ends: where, and why.
    between: BTreeMap<(SocketAddr, SocketAddr), (Name, String)>,
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
        if let Some(ends) = Packet::read(bytes).and_then(|p| p.ports()) {
            let said = (event.node.clone(), why.clone());
            if *cause == DropCause::NatIdle {
                self.forgotten.insert(ends, said.clone());
            }
            self.between.insert(ends, said);
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
        let (node, why) = self.between.get(&(from, to))?;
        Some(format!(
            " It quotes a packet to {} port {}, which {node} dropped: {why}.",
            to.ip(),
            to.port()
        ))
    }

    /// A sentence, when a packet of this direction was refused, or what came back.
    pub(super) fn between(&self, from: SocketAddr, to: SocketAddr) -> Option<String> {
        if let Some((node, why)) = self.between.get(&(from, to)) {
            return Some(format!(" The one before was dropped at {node}: {why}."));
        }
        let (node, why) = self.between.get(&(to, from))?;
        Some(format!(" What came back was dropped at {node}: {why}."))
    }
}

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
