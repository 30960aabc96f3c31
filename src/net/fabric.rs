//! Moves the packets: takes what nodes send, asks the links' impairments, holds what is on its way in order of (time,
//! departure), calls the taps and writes the events. What routers do with it is in `routing`.

use std::collections::{BTreeMap, VecDeque};

use super::flight::Flights;
use super::flow_log::FlowLog;
use super::icmp::Complaint;
use super::internet_gateway::InternetGateways;
use super::lane::{Lane, Leaving, Overtaken};
use super::nat::Gateways;
use super::network_acl::Edges;
use super::security_group::{Guard, Refusal};
use super::topology::vpc::Way;
use super::topology::{NodeKind, Topology};
use crate::event::{
    Alteration, Crossing, Direction, DropCause, Event, PacketId, TapId, Trace, What,
};
use crate::name::Name;
use crate::rng::Seed;
use crate::time::Instant;
use crate::wire::offload::{self, SegmentSize};
use crate::wire::packet::Packet;

mod devices;
mod filters;
mod routing;
#[cfg(test)]
mod tests;

use devices::Devices;
use filters::PoweredOff;

struct InFlight {
    to: usize,
    id: PacketId,
    bytes: Vec<u8>,
    segments: SegmentSize,
    leg: Leg,
}

/// What a packet is on its way through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leg {
    /// A link, to the NIC at its end.
    Link,
    /// Inside a router, to its port: what lies between two availability zones.
    Zones,
    /// A forwarding node waits that long for its next hop to answer: the node, and the port at which the packet came in.
    Unanswered(usize, Option<usize>),
}

/// Counts over a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets that nodes sent.
    pub sent: u64,
    /// Links crossed, all packets together.
    pub crossings: u64,
    /// Packets that went no further.
    pub dropped: u64,
}

/// The network at work.
pub struct Fabric {
    topology: Topology,
    /// The lane that leaves each NIC.
    lanes: Vec<Lane>,
    flights: Flights<InFlight>,
    /// What waits until later packets have overtaken it.
    overtaken: Overtaken<InFlight>,
    /// Packets with a flipped bit, and whether it is under the checksum of the IP header.
    corrupted: BTreeMap<PacketId, bool>,
    next_packet: u64,
    trace: Trace,
    totals: Totals,
    /// What reached a node's own address.
    arrived: VecDeque<(usize, PacketId, Vec<u8>)>,
    devices: Option<Devices>,
    guard: Guard,
    edges: Edges,
    flow_log: FlowLog,
    off: PoweredOff,
    gateways: Gateways,
    internet_gateways: InternetGateways,
}

impl Fabric {
    /// The network of `topology`, at rest.
    #[must_use]
    pub fn new(topology: Topology, seed: Seed, trace: Trace) -> Self {
        let mut lanes = Vec::new();
        for nic in 0..topology.nics.len() {
            // A checked topology has exactly one link for each NIC.
            let Some((link, side)) = topology.links.iter().find_map(|l| {
                let side = l.ends.iter().position(|e| *e == nic)?;
                Some((l, side))
            }) else {
                continue;
            };
            lanes.push(Lane::new(link, side, seed));
        }
        Self {
            guard: Guard::new(&topology),
            edges: Edges::new(&topology),
            flow_log: FlowLog::new(&topology),
            off: PoweredOff::default(),
            gateways: Gateways::new(&topology),
            internet_gateways: InternetGateways::new(&topology),
            topology,
            lanes,
            flights: Flights::new(),
            overtaken: Overtaken::new(),
            corrupted: BTreeMap::new(),
            next_packet: 0,
            trace,
            totals: Totals::default(),
            arrived: VecDeque::new(),
            devices: None,
        }
    }

    /// What there is.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Counts so far.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// A node sends a packet of its own out of `nic`. A forwarding node's packets take its routes instead.
    pub fn send(&mut self, now: Instant, nic: usize, bytes: Vec<u8>) {
        self.send_large(now, nic, bytes, None);
    }

    /// The same for one that may stand for several segments. Links, taps and impairments see it as the one packet that it
    /// is; their MTUs hold for its segments.
    pub fn send_large(&mut self, now: Instant, nic: usize, bytes: Vec<u8>, segments: SegmentSize) {
        self.next_packet += 1;
        self.totals.sent += 1;
        let id = PacketId(self.next_packet);
        let node = &self.topology.nodes[self.topology.nics[nic].node];
        if node.kind == NodeKind::Host {
            self.transmit(now, nic, id, bytes, segments);
        } else {
            let node = self.topology.nics[nic].node;
            self.route(now, node, None, id, bytes, segments);
        }
    }

    /// When the next packet reaches the end of its link.
    #[must_use]
    pub fn next_delivery(&self) -> Option<Instant> {
        let (flight, wait) = (self.flights.next(), self.overtaken.next());
        flight.into_iter().chain(wait).min()
    }

    /// Whether no packet is on its way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty() && self.overtaken.is_empty()
    }

    /// The next packet, due by `now`, that reaches a node it is addressed to: NIC and bytes. Forwarding happens on
    /// the way. `None` when nothing more is due.
    pub fn poll_arrival(&mut self, now: Instant) -> Option<(usize, PacketId, Vec<u8>)> {
        for (at, packet) in self.overtaken.due(now) {
            self.flights.depart(at, packet);
        }
        while self.arrived.is_empty() {
            let packet = self.flights.arrive(now)?;
            self.receive(now, packet);
        }
        self.arrived.pop_front()
    }

    /// A packet went no further at `nic`'s node.
    pub fn drop_at(
        &mut self,
        now: Instant,
        nic: usize,
        id: PacketId,
        cause: DropCause,
        bytes: &[u8],
    ) {
        self.totals.dropped += 1;
        let node = self.topology.nics[nic].node;
        self.report_drop(now, node, id, &cause.into(), None, bytes);
    }

    fn receive(&mut self, now: Instant, packet: InFlight) {
        let InFlight {
            to,
            id,
            mut bytes,
            segments,
            leg,
        } = packet;
        match leg {
            Leg::Link => {}
            Leg::Zones => return self.transmit(now, to, id, bytes, segments),
            Leg::Unanswered(node, from) => {
                let (cause, complaint) = (DropCause::HostGone, Complaint::HostUnreachable);
                return self.refuse(now, node, from, id, &bytes, cause, complaint);
            }
        }
        if self.off.is_off(self.topology.nics[to].node) {
            return self.drop_at(now, to, id, DropCause::HostGone, &bytes);
        }
        // What a security group refuses the machine never sees: it is judged outside of it. What a network ACL refuses
        // has come to the router.
        let verdict = self.inspect(now, to, Way::Inbound, &bytes);
        if verdict.is_ok() || self.edges.watches(to) {
            self.tap(now, to, Direction::In, id, &bytes, None);
        }
        if self.is_caught(to, id) {
            return self.drop_at(now, to, id, DropCause::Checksum, &bytes);
        }
        if let Err(refusal) = verdict {
            self.totals.dropped += 1;
            let node = self.topology.nics[to].node;
            return self.report_drop(now, node, id, &refusal, None, &bytes);
        }
        self.clamp_mss(to, &mut bytes);
        let (bytes, segments) = match self.hand_to_kernel(to, id, bytes, segments) {
            Ok(()) => return,
            Err(ours) => ours,
        };
        let Some(mut bytes) = self.translate(now, to, id, bytes, segments) else {
            return;
        };
        let node_index = self.topology.nics[to].node;
        match &self.topology.nodes[node_index].kind {
            NodeKind::Host => self.arrived.push_back((to, id, bytes)),
            NodeKind::Router => self.route(now, node_index, Some(to), id, bytes, segments),
            NodeKind::DockerHost { .. } => {
                self.map_ports(node_index, to, &mut bytes);
                self.route(now, node_index, Some(to), id, bytes, segments);
            }
        }
    }

    /// Onto the link at `nic`.
    fn transmit(
        &mut self,
        now: Instant,
        nic: usize,
        id: PacketId,
        bytes: Vec<u8>,
        segments: SegmentSize,
    ) {
        if self.off.is_off(self.topology.nics[nic].node) {
            return self.drop_at(now, nic, id, DropCause::HostGone, &bytes);
        }
        if let Err(refusal) = self.inspect(now, nic, Way::Outbound, &bytes) {
            self.totals.dropped += 1;
            let node = self.topology.nics[nic].node;
            // Told before it is seen, so that whoever sees it knows why it goes no further.
            self.report_drop(now, node, id, &refusal, None, &bytes);
            self.tap(now, nic, Direction::Out, id, &bytes, Some(refusal.cause));
            return;
        }
        self.totals.crossings += 1;
        let lane = &mut self.lanes[nic];
        let (to, size) = (lane.to, offload::size_on_link(&bytes, segments));
        let verdict = lane.judge(now, &bytes, size);
        tracing::trace!(link = %lane.link, at = %now, packet = id.0, bytes = bytes.len(), ?verdict);
        let leaving = match verdict {
            Ok(leaving) => leaving,
            Err(cause) => {
                self.totals.dropped += 1;
                self.tap(now, nic, Direction::Out, id, &bytes, Some(cause));
                let node = self.topology.nics[nic].node;
                let link = Some(self.lanes[nic].link.clone());
                return self.report_drop(now, node, id, &cause.into(), link, &bytes);
            }
        };
        let copy = PacketId(self.next_packet + 1);
        self.report_alteration(now, nic, id, leaving, copy);
        self.tap(now, nic, Direction::Out, id, &bytes, None);
        let mut packet = InFlight {
            to,
            id,
            bytes,
            segments,
            leg: Leg::Link,
        };
        match leaving {
            Leaving::At(at) => self.depart(nic, at, packet),
            Leaving::Twice(first, second) => {
                self.next_packet = copy.0;
                let twin = InFlight {
                    id: copy,
                    bytes: packet.bytes.clone(),
                    ..packet
                };
                self.depart(nic, first, packet);
                self.depart(nic, second, twin);
            }
            Leaving::Flipped(at, bit) => {
                let in_header = Packet::read(&packet.bytes)
                    .is_some_and(|p| p.source.is_ipv4() && bit < p.header_bytes * 8);
                self.corrupted.insert(id, in_header);
                packet.bytes[bit / 8] ^= 0x80 >> (bit % 8);
                self.depart(nic, at, packet);
            }
            Leaving::Behind { by, at, latest } => {
                self.overtaken.hold(nic, by, at, latest, packet);
            }
        }
    }

    fn depart(&mut self, nic: usize, at: Instant, packet: InFlight) {
        self.flights.depart(at, packet);
        if !self.overtaken.is_empty() {
            for (at, behind) in self.overtaken.passed(nic, at) {
                self.flights.depart(at, behind);
            }
        }
    }

    /// Whether the node of `nic` notices that a bit of the packet has been flipped: a router by the header's checksum
    /// (RFC 1812 §5.2.2), the node that it arrives at by any. A sum of words in ones' complement changes with every
    /// single bit (RFC 1071), so that it need not be computed.
    fn is_caught(&mut self, nic: usize, id: PacketId) -> bool {
        let Some(in_header) = self.corrupted.get(&id).copied() else {
            return false;
        };
        let node = &self.topology.nodes[self.topology.nics[nic].node];
        let caught = match node.kind {
            NodeKind::Host => true,
            NodeKind::Router | NodeKind::DockerHost { .. } => in_header,
        };
        if caught {
            self.corrupted.remove(&id);
        }
        caught
    }

    fn report_alteration(
        &self,
        at: Instant,
        nic: usize,
        packet: PacketId,
        leaving: Leaving,
        copy: PacketId,
    ) {
        let how = match leaving {
            Leaving::At(_) => return,
            Leaving::Twice(..) => Alteration::Duplicated { copy },
            Leaving::Flipped(_, bit) => Alteration::Corrupted { bit },
            Leaving::Behind { by, .. } => Alteration::Overtaken { by },
        };
        if self.trace.is_heard() {
            self.trace.event(&Event {
                at,
                node: self.topology.nodes[self.topology.nics[nic].node]
                    .name
                    .clone(),
                what: What::Altered {
                    packet,
                    how,
                    link: self.lanes[nic].link.clone(),
                },
            });
        }
    }

    fn tap(
        &self,
        at: Instant,
        nic: usize,
        direction: Direction,
        packet: PacketId,
        bytes: &[u8],
        lost: Option<DropCause>,
    ) {
        if self.trace.is_heard() {
            self.trace.crossing(&Crossing {
                at,
                tap: TapId(nic),
                direction,
                packet,
                bytes,
                lost,
            });
        }
    }

    fn report_drop(
        &self,
        at: Instant,
        node: usize,
        packet: PacketId,
        refusal: &Refusal,
        link: Option<Name>,
        bytes: &[u8],
    ) {
        if self.trace.is_heard() {
            self.trace.event(&Event {
                at,
                node: self.topology.nodes[node].name.clone(),
                what: What::Dropped {
                    packet,
                    cause: refusal.cause,
                    why: refusal.why.clone(),
                    link,
                    bytes: bytes.to_vec(),
                },
            });
        }
    }
}
