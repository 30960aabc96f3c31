//! Moves the packets: takes what nodes send, asks the links' impairments, holds what is on its way in order of (time,
//! departure), calls the taps and writes the events. What routers do with it is in `routing`.

use std::collections::VecDeque;

use super::docker;
use super::flight::Flights;
use super::topology::{NodeKind, Topology};
use crate::event::{Crossing, Direction, DropCause, Event, PacketId, TapId, Trace, What};
use crate::impair::{Impair, Verdict};
use crate::name::Name;
use crate::rng::{Seed, Stream};
use crate::time::Instant;
use crate::wire::offload::{self, SegmentSize};

mod devices;
mod routing;

use devices::Devices;

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
        let (bytes, segments) = match self.hand_to_kernel(to, id, bytes, segments) {
            Ok(()) => return,
            Err(ours) => ours,
        };
        let mut bytes = bytes;
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
