//! A packet's way in: to the flow that it belongs to, to a listener, or to nobody.

use std::net::SocketAddr;

use smoltcp::socket::tcp::State;

use super::flow::{End, Flow};
use super::handshake::Admitted;
use super::moment::micros;
use super::reset::Verdict;
use super::time_wait::Outcome;
use super::{Stack, icmp};
use crate::event::{DropCause, TcpDeed};
use crate::wire::packet::{FlowKey, Packet, Transport};

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
                let (id, first) = match known {
                    Some(id) => (id, None),
                    None => {
                        let first = match self.in_time_wait(key, &segment)? {
                            Outcome::Done => return Ok(()),
                            Outcome::None => None,
                            Outcome::Opens(first) => Some(first),
                        };
                        match self.admit(key, &segment, nic, first)? {
                            Admitted::Flow(id, first) => (id, first),
                            Admitted::Answered => return Ok(()),
                            Admitted::Nobody => {
                                self.answer_as_nobody(nic, bytes);
                                return Ok(());
                            }
                        }
                    }
                };
                if known.is_some() && self.in_syn_queue(id, &segment)? {
                    return Ok(());
                }
                let now = self.clock.now();
                let Some(flow) = &mut self.flows[id as usize] else {
                    return Err(DropCause::Malformed);
                };
                if flow.guards_against(&segment) {
                    return Err(DropCause::FinGuard);
                }
                if flow.has_no_reader_for(&segment, now) {
                    let bytes_left = segment.payload.len();
                    self.end(id, End::Reset);
                    self.note(key, TcpDeed::DataAfterClose { bytes: bytes_left });
                    self.answer_as_nobody(nic, bytes);
                    return Ok(());
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
                match first {
                    Some(first) => self.feed_from(id, bytes, first),
                    None if flow.has_repeats() => self.feed_again(id, bytes),
                    None => self.feed(id, bytes),
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
                if let Some((key, kind)) = icmp::unreachable_datagram(&message) {
                    self.fail_udp(&key, kind);
                }
                if let Some(too_big) = icmp::too_big(&message) {
                    self.too_big(&too_big);
                }
                self.handle_echo(&packet, &message);
                self.answer_as_nobody(nic, bytes);
                Ok(())
            }
            Transport::Other(..) => {
                self.answer_as_nobody(nic, bytes);
                Ok(())
            }
        }
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
        flow.discard(self.clock.now());
        let index = flow.nic;
        let handshake_over = flow.state() != State::SynReceived;
        if handshake_over && let Some(half_open) = flow.half_open.take() {
            let failed = matches!(flow.state(), State::Closed | State::Listen);
            let listener = self.listeners.get_mut(&half_open.port);
            if failed || listener.is_none() {
                flow.orphan = true;
                flow.socket().abort();
            }
            if let Some(listener) = listener {
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
        let (key, nic) = (flow.key, flow.nic);
        if let Some(numbers) = flow.numbers.challenge(now) {
            self.send_bare_ack(key, nic, numbers);
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
