//! What routers and docker hosts do with a packet that is not for them.

use std::time::Duration;

use super::{Fabric, InFlight, Leg};
use crate::event::{DropCause, PacketId};
use crate::net::docker;
use crate::net::forward::{self, Next};
use crate::net::icmp::{self, Complaint};
use crate::net::nat::{self, Outcome};
use crate::net::security_group::Refusal;
use crate::net::topology::NodeKind;
use crate::time::Instant;
use crate::wire::offload::{self, SegmentSize};
use crate::wire::packet::Packet;
use crate::wire::rewrite;

impl Fabric {
    /// A forwarding node decides.
    pub(super) fn route(
        &mut self,
        now: Instant,
        node: usize,
        from: Option<usize>,
        id: PacketId,
        mut bytes: Vec<u8>,
        segments: SegmentSize,
    ) {
        let Some(packet) = Packet::read(&bytes) else {
            self.totals.dropped += 1;
            self.report_drop(now, node, id, &DropCause::Malformed.into(), None, &bytes);
            return;
        };
        let destination = packet.destination;
        let ends = packet.tcp().and_then(|_| packet.ports());
        let middle = ends.and_then(|(source, destination)| {
            forward::intercepted(&self.topology, node, from, source, destination)
        });
        let next = match middle {
            Some(nic) => Next::Out { nic, hop: true },
            None => forward::next(
                &self.topology,
                &self.topology.nodes[node],
                from,
                packet.source,
                destination,
            ),
        };
        match next {
            Next::Here(nic) => self.arrived.push_back((nic, id, bytes)),
            Next::Nowhere(cause, complaint) => {
                self.refuse(now, node, from, id, &bytes, cause, complaint)
            }
            Next::Out { nic, hop } => {
                self.clamp_mss(nic, &mut bytes);
                let mtu = self.lanes[nic].mtu;
                if hop && !rewrite::decrement_ttl(&mut bytes) {
                    let (cause, complaint) = (DropCause::TimeToLive, Complaint::TimeExceeded);
                    self.refuse(now, node, from, id, &bytes, cause, complaint);
                } else if offload::size_on_link(&bytes, segments) > mtu {
                    self.refuse_large(now, node, from, (nic, mtu), id, &bytes);
                } else if let Some(until) = self.off.answers_until(now, nic, self.next_hop(nic)) {
                    let packet = InFlight {
                        to: nic,
                        id,
                        bytes,
                        segments,
                        leg: Leg::Unanswered(node, from),
                    };
                    self.flights.depart(until, packet);
                } else {
                    self.cross(now, from, nic, id, bytes, segments);
                }
            }
        }
    }

    /// From one port of a router to another: at once, or after what lies between the zones of the machines there.
    pub(super) fn cross(
        &mut self,
        now: Instant,
        from: Option<usize>,
        to: usize,
        id: PacketId,
        bytes: Vec<u8>,
        segments: SegmentSize,
    ) {
        let zones = &self.topology.vpc.zones;
        let delay = from.map_or(Duration::ZERO, |from| zones.delay(from, to));
        if delay.is_zero() {
            return self.transmit(now, to, id, bytes, segments);
        }
        let leg = Leg::Zones;
        let packet = InFlight {
            to,
            id,
            bytes,
            segments,
            leg,
        };
        self.flights.depart(now + delay, packet);
    }

    fn next_hop(&self, nic: usize) -> usize {
        self.topology.nics[self.lanes[nic].to].node
    }

    /// A packet that came to a gateway's NIC goes through it, or no further; any other is given back.
    pub(super) fn translate(
        &mut self,
        now: Instant,
        nic: usize,
        id: PacketId,
        mut bytes: Vec<u8>,
        segments: SegmentSize,
    ) -> Option<Vec<u8>> {
        if !self.gateways.has(nic) && !self.internet_gateways.has(nic) {
            return Some(bytes);
        }
        // Who hears of a packet that is too large is whoever sent it, and knows it as it came.
        let came = bytes.clone();
        let outcome = match self.internet_gateways.handle(nic, &mut bytes) {
            Some(outcome) => outcome,
            None => self.gateways.handle(now, nic, &mut bytes)?,
        };
        let node = self.topology.nics[nic].node;
        match outcome {
            Outcome::Own => self.arrived.push_back((nic, id, bytes)),
            Outcome::Through(_) if !rewrite::decrement_ttl(&mut bytes) => {
                let (cause, complaint) = (DropCause::TimeToLive, Complaint::TimeExceeded);
                self.refuse(now, node, Some(nic), id, &came, cause, complaint);
            }
            Outcome::Through(out) => {
                let mut mtu = self.lanes[out].mtu;
                if self.gateways.has(nic) {
                    mtu = mtu.min(nat::MTU);
                    clamp_mss(mtu.min(self.lanes[nic].mtu), &mut bytes);
                }
                if offload::size_on_link(&bytes, segments) > mtu {
                    self.refuse_large(now, node, Some(nic), (out, mtu), id, &came);
                } else {
                    self.transmit(now, out, id, bytes, segments);
                }
            }
            Outcome::Refused(refusal, answer) => {
                self.totals.dropped += 1;
                self.report_drop(now, node, id, &refusal, None, &came);
                if let Some(answer) = answer {
                    self.send(now, nic, answer);
                }
            }
        }
        None
    }

    /// At a node that clamps: an end that sends through the link of `nic` hears of no larger segments than it carries.
    pub(super) fn clamp_mss(&self, nic: usize, bytes: &mut [u8]) {
        let node = &self.topology.nodes[self.topology.nics[nic].node];
        if node.kind != NodeKind::Router || !node.forwarding.mss_clamp {
            return;
        }
        clamp_mss(self.lanes[nic].mtu, bytes);
    }

    /// A packet is too large for the link of the port by which it should leave, or for the gateway before that.
    fn refuse_large(
        &mut self,
        now: Instant,
        node: usize,
        from: Option<usize>,
        (out, mtu): (usize, usize),
        id: PacketId,
        bytes: &[u8],
    ) {
        let lane = &self.lanes[out];
        let size = bytes.len();
        let what = if mtu < lane.mtu {
            "the NAT gateway".to_owned()
        } else {
            format!("the link {}", lane.link)
        };
        let refusal = Refusal {
            cause: DropCause::TooBig,
            why: Some(format!("it has {size} bytes, and {what} carries {mtu}")),
        };
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
        let complaint = Complaint::FragmentationNeeded(mtu);
        self.refuse(now, node, from, id, bytes, refusal, complaint);
    }

    /// A forwarding node drops a packet and tells its source.
    #[expect(clippy::too_many_arguments, reason = "a drop has all of these")]
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        node: usize,
        from: Option<usize>,
        id: PacketId,
        bytes: &[u8],
        refusal: impl Into<Refusal>,
        complaint: Complaint,
    ) {
        self.totals.dropped += 1;
        self.report_drop(now, node, id, &refusal.into(), None, bytes);
        // The answer comes from the port at which the packet came in (RFC 1812 §4.3.2.4).
        let forwarding = self.topology.nodes[node].forwarding;
        let Some(port) = from.filter(|_| forwarding.icmp_errors) else {
            return;
        };
        let router = self.topology.nics[port].address;
        let answer = icmp::complain(router, bytes, forwarding.icmp_quote, complaint);
        if let Some(mut answer) = answer {
            // A docker host has translated the packet already, and its sender knows it as it came.
            self.map_ports_back(node, port, &mut answer);
            self.send(now, port, answer);
        }
    }

    /// What a docker host does with a packet that came in at `nic`: published ports become their containers' and the
    /// other way round.
    pub(super) fn map_ports(&self, node: usize, nic: usize, bytes: &mut [u8]) {
        let node = &self.topology.nodes[node];
        let NodeKind::DockerHost { publish } = &node.kind else {
            return;
        };
        let host = self.topology.nics[node.nics[0]].address;
        if nic == node.nics[0] {
            docker::inbound(bytes, host, publish);
        } else {
            docker::outbound(bytes, host, publish);
        }
    }

    /// The same for an error of the host's own about such a packet, which goes back where that came from.
    fn map_ports_back(&self, node: usize, nic: usize, error: &mut [u8]) {
        let node = &self.topology.nodes[node];
        let NodeKind::DockerHost { publish } = &node.kind else {
            return;
        };
        let host = self.topology.nics[node.nics[0]].address;
        if nic == node.nics[0] {
            docker::outbound(error, host, publish);
        } else {
            docker::inbound(error, host, publish);
        }
    }
}

/// Makes the segment size that a SYN tells fit into packets of `mtu` bytes.
fn clamp_mss(mtu: usize, bytes: &mut [u8]) {
    // Headers without options, as the option counts them (RFC 6691 §2).
    let headers = if bytes.first().is_some_and(|b| b >> 4 == 6) {
        60
    } else {
        40
    };
    let largest = mtu.saturating_sub(headers);
    rewrite::clamp_mss(bytes, u16::try_from(largest).unwrap_or(u16::MAX));
}
