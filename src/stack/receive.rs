//! A packet's way in: to the flow that it belongs to, to a listener, or to nobody.

use std::net::{IpAddr, SocketAddr};

use smoltcp::socket::tcp::State;

use super::flow::Flow;
use super::moment::micros;
use super::reset::Verdict;
use super::{Stack, endpoint, icmp};
use crate::event::DropCause;
use crate::wire::packet::{FlowKey, Packet, Segment, Transport};

impl Stack {
    /// Takes in an IP packet that arrived at NIC number `nic`.
    ///
    /// # Errors
    /// When the packet goes no further, with the cause.
    pub fn handle_packet(&mut self, nic: usize, bytes: Vec<u8>) -> Result<(), DropCause> {
        let packet = Packet::read(&bytes).ok_or(DropCause::Malformed)?;
        if packet.destination != self.nics[nic].address && !self.nics[nic].transparent {
            return Err(DropCause::NotForUs);
        }
        match packet.transport {
            Transport::Tcp(segment) => {
                let key = FlowKey {
                    local: SocketAddr::new(packet.destination, segment.destination_port),
                    remote: SocketAddr::new(packet.source, segment.source_port),
                };
                // Only what is used below is copied out of the view, which borrows the bytes.
                let known = self.table.get(&key);
                let id = match known {
                    Some(id) => id,
                    None => match self.admit(key, &segment, nic)? {
                        Some(id) => id,
                        None => {
                            self.answer_as_nobody(nic, bytes);
                            return Ok(());
                        }
                    },
                };
                let now = self.clock.now();
                let Some(flow) = &mut self.flows[id as usize] else {
                    return Err(DropCause::Malformed);
                };
                if flow.guards_against(&segment) {
                    return Err(DropCause::FinGuard);
                }
                if segment.flags.rst() {
                    match flow.judge_reset(&segment) {
                        Verdict::Believe => {}
                        Verdict::Ignore => return Err(DropCause::OutsideWindow),
                        Verdict::Challenge => {
                            self.challenge(id);
                            return Err(DropCause::Challenged);
                        }
                    }
                }
                flow.on_segment(&segment, now);
                let syn_ack = segment.flags.syn() && segment.flags.ack();
                if flow.has_repeats() {
                    self.feed_again(id, bytes);
                } else {
                    self.feed(id, bytes);
                }
                if syn_ack {
                    // At once, so that the handshake's ACK is a packet of its own whatever the program writes next.
                    self.service_flow(id);
                }
                self.mark(id);
                Ok(())
            }
            Transport::Udp(datagram) => {
                let port = datagram.destination_port;
                self.handle_udp(nic, port, bytes);
                Ok(())
            }
            Transport::Icmp(message) => {
                if let Some(key) = icmp::unreachable_flow(&message) {
                    self.unreachable(key);
                }
                if let Some(too_big) = icmp::too_big(&message) {
                    self.too_big(&too_big);
                }
                self.answer_as_nobody(nic, bytes);
                Ok(())
            }
            Transport::Other(..) => {
                self.answer_as_nobody(nic, bytes);
                Ok(())
            }
        }
    }

    /// A flow for the first packet of `key`: a SYN for a listener with room makes one. `None` when nobody listens.
    pub(super) fn admit(
        &mut self,
        key: FlowKey,
        segment: &Segment<'_>,
        nic: usize,
    ) -> Result<Option<u32>, DropCause> {
        let port = key.local.port();
        let Some(listener) = self.listeners.get_mut(&port) else {
            return Ok(None);
        };
        if !segment.flags.syn() || segment.flags.ack() {
            return Ok(None);
        }
        if listener.is_full() {
            return Err(DropCause::Backlog);
        }
        listener.half_open += 1;
        let options = listener.options;
        let mut flow = Flow::new(key, nic, self.mss_at(nic), options, self.clock.now());
        flow.half_open = Some(port);
        if flow.socket().listen(endpoint(key.local)).is_err() {
            return Ok(None);
        }
        Ok(Some(self.insert(flow)))
    }

    /// Gives a packet to its flow's socket and notes what became of it.
    pub(super) fn feed(&mut self, id: u32, bytes: Vec<u8>) {
        let now = micros(self.clock.now());
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        let nic = &mut self.nics[flow.nic];
        nic.port.incoming = Some(bytes);
        nic.interface
            .poll_ingress_single(now, &mut nic.port, &mut flow.set);
        flow.after_segment();
        let index = flow.nic;
        let handshake_over = flow.state() != State::SynReceived;
        if let (Some(port), true) = (flow.half_open, handshake_over) {
            flow.half_open = None;
            let failed = matches!(flow.state(), State::Closed | State::Listen);
            if failed {
                flow.orphan = true;
                flow.socket().abort();
            }
            if let Some(listener) = self.listeners.get_mut(&port) {
                listener.handshake_over(id, !failed);
            }
        }
        // What ingress answers at once: challenge ACKs, RSTs.
        self.collect(index, None);
    }

    /// Gives an acknowledgment to its flow's socket, and again as often as it takes until the socket finds the loss.
    pub(super) fn feed_again(&mut self, id: u32, bytes: Vec<u8>) {
        self.feed(id, bytes.clone());
        let flow = self.flows[id as usize].as_deref_mut();
        for _ in 0..flow.map_or(0, Flow::takes_repeats) {
            self.feed(id, bytes.clone());
        }
    }

    /// Asks the peer whether it has reset the connection: an ACK that says where we are (RFC 5961 §3.2).
    pub(super) fn challenge(&mut self, id: u32) {
        let now = self.clock.now();
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        let (IpAddr::V4(from), IpAddr::V4(to)) = (flow.key.local.ip(), flow.key.remote.ip()) else {
            return;
        };
        let ports = (flow.key.local.port(), flow.key.remote.port());
        let Some((sequence, acknowledgment, window)) = flow.numbers.challenge(now) else {
            return;
        };
        let packet = etherparse::PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            .tcp(ports.0, ports.1, sequence, window)
            .ack(acknowledgment);
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        if packet.write(&mut bytes, &[]).is_ok() {
            self.outgoing.push_back((flow.nic, bytes, None));
            self.notify();
        }
    }

    pub(super) fn answer_as_nobody(&mut self, nic: usize, bytes: Vec<u8>) {
        let now = micros(self.clock.now());
        let n = &mut self.nics[nic];
        n.port.incoming = Some(bytes);
        n.interface
            .poll_ingress_single(now, &mut n.port, &mut self.nobody);
        self.collect(nic, None);
    }
}
