//! Moves the packets: takes what nodes send, asks the links' impairments, holds what is on its way in order of (time,
//! departure), forwards at routers and docker hosts, calls the taps and writes the events.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::docker;
use super::flight::Flights;
use super::forward::{self, Next};
use super::icmp::{self, Complaint};
use super::topology::{NodeKind, Topology};
use crate::event::{Crossing, Direction, DropCause, Event, PacketId, TapId, Trace, What};
use crate::impair::{Impair, Verdict};
use crate::name::Name;
use crate::rng::{Seed, Stream};
use crate::time::Instant;
use crate::wire::offload::{self, SegmentSize};
use crate::wire::packet::{Packet, Transport};
use crate::wire::rewrite;

/// One direction of a link.
struct Lane {
    link: Name,
    to: usize,
    mtu: usize,
    impairments: Vec<(Box<dyn Impair>, Stream)>,
}

struct InFlight {
    to: usize,
    id: PacketId,
    bytes: Vec<u8>,
    segments: SegmentSize,
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
    next_packet: u64,
    trace: Trace,
    totals: Totals,
    /// What reached a node's own address.
    arrived: VecDeque<(usize, PacketId, Vec<u8>)>,
    devices: Option<Devices>,
}

/// NICs whose node is the kernel's: what reaches them leaves the fabric, and comes back when the kernel sends it.
struct Devices {
    /// By NIC.
    on_device: Vec<bool>,
    leaving: VecDeque<(usize, Vec<u8>, SegmentSize)>,
    /// Identities of packets that the kernel holds, by fingerprint, so that a forwarded packet is known again.
    known: HashMap<u64, PacketId>,
    /// The same in order of leaving: the kernel drops packets without telling, so old ones are forgotten.
    order: VecDeque<u64>,
}

/// More packets than the kernel holds between two devices at a time.
const KNOWN_MAX: usize = 16_384;

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
            let way = ["there", "back"][side];
            let impairments = link.impairments[side]
                .iter()
                .enumerate()
                .map(|(n, i)| {
                    let rng =
                        seed.stream(format_args!("link/{}/{way}/{n}/{}", link.name, i.word()));
                    (i.start(), rng)
                })
                .collect();
            lanes.push(Lane {
                link: link.name.clone(),
                to: link.ends[1 - side],
                mtu: link.mtu,
                impairments,
            });
        }
        Self {
            topology,
            lanes,
            flights: Flights::new(),
            next_packet: 0,
            trace,
            totals: Totals::default(),
            arrived: VecDeque::new(),
            devices: None,
        }
    }

    /// From now on the nodes of these NICs are the kernel's: see [`Fabric::poll_leaving`] and [`Fabric::inject`].
    pub fn put_on_devices(&mut self, nics: Vec<usize>) {
        let mut on_device = vec![false; self.topology.nics.len()];
        for nic in nics {
            on_device[nic] = true;
        }
        self.devices = Some(Devices {
            on_device,
            leaving: VecDeque::new(),
            known: HashMap::new(),
            order: VecDeque::new(),
        });
    }

    /// The next packet for the kernel, with the NIC whose device it is for and what it is to be cut into.
    pub fn poll_leaving(&mut self) -> Option<(usize, Vec<u8>, SegmentSize)> {
        self.devices.as_mut()?.leaving.pop_front()
    }

    /// The kernel sent a packet out of `nic`. One that it only forwarded keeps its identity.
    pub fn inject(&mut self, now: Instant, nic: usize, mut bytes: Vec<u8>, segments: SegmentSize) {
        // The kernel neither keeps its errors to itself nor clamps.
        if self.is_unwanted_error(nic, &bytes) {
            return;
        }
        let known = self
            .devices
            .as_mut()
            .and_then(|devices| devices.known.remove(&fingerprint(&bytes)));
        let id = known.unwrap_or_else(|| {
            self.next_packet += 1;
            self.totals.sent += 1;
            PacketId(self.next_packet)
        });
        self.clamp_mss(nic, &mut bytes);
        self.transmit(now, nic, id, bytes, segments);
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
        self.flights.next()
    }

    /// Whether no packet is on its way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// The next packet, due by `now`, that reaches a node it is addressed to: NIC and bytes. Forwarding happens on
    /// the way. `None` when nothing more is due.
    pub fn poll_arrival(&mut self, now: Instant) -> Option<(usize, PacketId, Vec<u8>)> {
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
        self.report_drop(now, node, id, cause, None, bytes);
    }

    fn receive(&mut self, now: Instant, packet: InFlight) {
        let InFlight {
            to,
            id,
            mut bytes,
            segments,
        } = packet;
        self.tap(now, to, Direction::In, id, &bytes, None);
        self.clamp_mss(to, &mut bytes);
        if let Some(devices) = self.devices.as_mut().filter(|d| d.on_device[to]) {
            let mark = fingerprint(&bytes);
            devices.known.insert(mark, id);
            devices.order.push_back(mark);
            if devices.order.len() > KNOWN_MAX
                && let Some(old) = devices.order.pop_front()
            {
                devices.known.remove(&old);
            }
            devices.leaving.push_back((to, bytes, segments));
            return;
        }
        let node_index = self.topology.nics[to].node;
        match &self.topology.nodes[node_index].kind {
            NodeKind::Host => self.arrived.push_back((to, id, bytes)),
            NodeKind::Router => self.route(now, node_index, Some(to), id, bytes, segments),
            NodeKind::DockerHost { publish } => {
                let outside = self.topology.nodes[node_index].nics[0];
                let host = self.topology.nics[outside].address;
                if to == outside {
                    docker::inbound(&mut bytes, host, publish);
                } else {
                    docker::outbound(&mut bytes, host, publish);
                }
                self.route(now, node_index, Some(to), id, bytes, segments);
            }
        }
    }

    /// A forwarding node decides.
    fn route(
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
            self.report_drop(now, node, id, DropCause::Malformed, None, &bytes);
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
                    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
                    let complaint = Complaint::FragmentationNeeded(mtu);
                    self.refuse(now, node, from, id, &bytes, DropCause::TooBig, complaint);
                } else {
                    self.transmit(now, nic, id, bytes, segments);
                }
            }
        }
    }

    /// At a node that clamps: an end that sends through the link of `nic` hears of no larger segments than it carries.
    fn clamp_mss(&self, nic: usize, bytes: &mut [u8]) {
        let node = &self.topology.nodes[self.topology.nics[nic].node];
        if node.kind != NodeKind::Router || !node.forwarding.mss_clamp {
            return;
        }
        // Headers without options, as the option counts them (RFC 6691 §2).
        let headers = if bytes.first().is_some_and(|b| b >> 4 == 6) {
            60
        } else {
            40
        };
        let largest = self.lanes[nic].mtu.saturating_sub(headers);
        rewrite::clamp_mss(bytes, u16::try_from(largest).unwrap_or(u16::MAX));
    }

    /// Whether the kernel sends an ICMP error as a router that is to send none.
    fn is_unwanted_error(&self, nic: usize, bytes: &[u8]) -> bool {
        let node = &self.topology.nodes[self.topology.nics[nic].node];
        if node.kind != NodeKind::Router || node.forwarding.icmp_errors {
            return false;
        }
        Packet::read(bytes).is_some_and(|packet| {
            let own = |n: &usize| self.topology.nics[*n].address == packet.source;
            matches!(packet.transport, Transport::Icmp(icmp) if matches!(icmp.kind, 3 | 11))
                && node.nics.iter().any(own)
        })
    }

    /// A forwarding node drops a packet and tells its source.
    #[expect(clippy::too_many_arguments, reason = "a drop has all of these")]
    fn refuse(
        &mut self,
        now: Instant,
        node: usize,
        from: Option<usize>,
        id: PacketId,
        bytes: &[u8],
        cause: DropCause,
        complaint: Complaint,
    ) {
        self.totals.dropped += 1;
        self.report_drop(now, node, id, cause, None, bytes);
        // The answer comes from the port at which the packet came in (RFC 1812 §4.3.2.4).
        let Some(port) = from.filter(|_| self.topology.nodes[node].forwarding.icmp_errors) else {
            return;
        };
        let router = self.topology.nics[port].address;
        if let Some(answer) = icmp::complain(router, bytes, complaint) {
            self.send(now, port, answer);
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
        self.totals.crossings += 1;
        let lane = &mut self.lanes[nic];
        let mut verdict = if offload::size_on_link(&bytes, segments) > lane.mtu {
            Verdict::Drop(DropCause::TooBig)
        } else {
            Verdict::Pass(now)
        };
        for (impairment, rng) in &mut lane.impairments {
            match verdict {
                Verdict::Pass(at) => verdict = impairment.judge(&bytes, at, rng),
                Verdict::Drop(_) => break,
            }
        }
        let to = lane.to;
        tracing::trace!(link = %lane.link, at = %now, packet = id.0, bytes = bytes.len(), ?verdict);
        match verdict {
            Verdict::Pass(at) => {
                self.tap(now, nic, Direction::Out, id, &bytes, None);
                let packet = InFlight {
                    to,
                    id,
                    bytes,
                    segments,
                };
                self.flights.depart(at, packet);
            }
            Verdict::Drop(cause) => {
                self.totals.dropped += 1;
                self.tap(now, nic, Direction::Out, id, &bytes, Some(cause));
                let node = self.topology.nics[nic].node;
                let link = Some(self.lanes[nic].link.clone());
                self.report_drop(now, node, id, cause, link, &bytes);
            }
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
        cause: DropCause,
        link: Option<Name>,
        bytes: &[u8],
    ) {
        if self.trace.is_heard() {
            self.trace.event(&Event {
                at,
                node: self.topology.nodes[node].name.clone(),
                what: What::Dropped {
                    packet,
                    cause,
                    link,
                    bytes: bytes.to_vec(),
                },
            });
        }
    }
}

/// What a router does not change of an IPv4 packet: all but time to live and header checksum. Nor the transport checksum,
/// which devices may complete on the way. Of TCP the headers tell everything: with sequence number and length the same,
/// the data is.
fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.len().hash(&mut hasher);
    let seen = offload::tcp_headers(bytes).unwrap_or(bytes.len());
    let (head, rest) = bytes[..seen].split_at(seen.min(12));
    head.get(..8).hash(&mut hasher);
    head.get(9..10).hash(&mut hasher);
    match offload::checksum_place(bytes) {
        Some(place) => {
            let at = usize::from(place.start + place.field) - head.len();
            rest[..at].hash(&mut hasher);
            rest[at + 2..].hash(&mut hasher);
        }
        None => rest.hash(&mut hasher),
    }
    hasher.finish()
}
