//! Nodes that are the kernel's: what reaches their NICs leaves the fabric through TUN devices, and what the kernel sends
//! comes back into it. Links, impairments and taps stay the fabric's.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Fabric;
use crate::event::PacketId;
use crate::net::topology::NodeKind;
use crate::time::Instant;
use crate::wire::offload::{self, SegmentSize};
use crate::wire::packet::{Packet, Transport};

/// NICs whose node is the kernel's: what reaches them leaves the fabric, and comes back when the kernel sends it.
pub(super) struct Devices {
    /// By NIC.
    pub(super) on_device: Vec<bool>,
    leaving: VecDeque<(usize, Vec<u8>, SegmentSize)>,
    /// Identities of packets that the kernel holds, and the NICs at which it got them, by fingerprint, so that a forwarded
    /// packet is known again.
    known: HashMap<u64, (PacketId, usize)>,
    /// The same in order of leaving: the kernel drops packets without telling, so old ones are forgotten.
    order: VecDeque<u64>,
}

/// More packets than the kernel holds between two devices at a time.
const KNOWN_MAX: usize = 16_384;

impl Fabric {
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
        let from = known.map(|(_, from)| from);
        let id = known.map_or_else(
            || {
                self.next_packet += 1;
                self.totals.sent += 1;
                PacketId(self.next_packet)
            },
            |(id, _)| id,
        );
        self.clamp_mss(nic, &mut bytes);
        self.cross(now, from, nic, id, bytes, segments);
    }

    /// A packet reached `nic`: its device has it now, or it is given back when the node is ours.
    pub(super) fn hand_to_kernel(
        &mut self,
        nic: usize,
        id: PacketId,
        bytes: Vec<u8>,
        segments: SegmentSize,
    ) -> Result<(), (Vec<u8>, SegmentSize)> {
        let Some(devices) = self.devices.as_mut().filter(|d| d.on_device[nic]) else {
            return Err((bytes, segments));
        };
        let mark = fingerprint(&bytes);
        devices.known.insert(mark, (id, nic));
        devices.order.push_back(mark);
        if devices.order.len() > KNOWN_MAX
            && let Some(old) = devices.order.pop_front()
        {
            devices.known.remove(&old);
        }
        devices.leaving.push_back((nic, bytes, segments));
        Ok(())
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
