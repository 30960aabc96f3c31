//! Connections that others open: the SYN queue, the accept queue, and SYN cookies for when the first has no room.

use std::net::IpAddr;

use etherparse::{PacketBuilder, TcpOptionElement};

use super::cookie::seed_for;
use super::flow::{Flow, HalfOpen};
use super::nic::interface;
use super::{Stack, endpoint};
use crate::event::{DropCause, TcpDeed};
use crate::wire::packet::{FlowKey, Packet, Segment};

/// What becomes of a segment that belongs to no connection.
pub(super) enum Admitted {
    /// It has one now. For a SYN: where its sequence numbers are to begin, where that is not left to chance.
    Flow(u32, Option<u32>),
    /// It was answered, and nothing is remembered.
    Answered,
    /// Nobody wants it.
    Nobody,
}

impl Stack {
    /// Looks for a listener that takes `segment`: a SYN goes to its SYN queue, an ACK may bring a SYN cookie back. The
    /// order of the checks is Linux's (`tcp_conn_request`). A connection's sequence numbers begin at `first`, where that
    /// is known.
    pub(super) fn admit(
        &mut self,
        key: FlowKey,
        segment: &Segment<'_>,
        nic: usize,
        first: Option<u32>,
    ) -> Result<Admitted, DropCause> {
        let port = key.local.port();
        let Some(listener) = self.listeners.get_mut(&port) else {
            return Ok(Admitted::Nobody);
        };
        let flags = segment.flags;
        if !flags.syn() {
            return if flags.ack() && !flags.rst() && self.bakes_cookies(port) {
                self.open_by_cookie(key, segment, nic)
            } else {
                Ok(Admitted::Nobody)
            };
        }
        if flags.ack() {
            return Ok(Admitted::Nobody);
        }
        let full = listener.is_syn_queue_full();
        if full && !self.limits.syn_cookies {
            return Err(DropCause::SynQueueFull);
        }
        if listener.is_accept_queue_full() {
            return Err(DropCause::AcceptQueueFull);
        }
        if full {
            listener.overflowed = Some(self.clock.now());
            return self.answer_with_cookie(key, segment, nic);
        }
        let id = self.half_open(key, nic);
        Ok(id.map_or(Admitted::Nobody, |id| Admitted::Flow(id, first)))
    }

    /// A place in the SYN queue, with a socket that waits for its SYN.
    fn half_open(&mut self, key: FlowKey, nic: usize) -> Option<u32> {
        let port = key.local.port();
        let options = self.listeners.get(&port)?.options;
        let mut flow = Flow::new(key, nic, self.mss_at(nic), options, self.clock.now());
        flow.socket().listen(endpoint(key.local)).ok()?;
        flow.half_open = Some(Box::new(HalfOpen {
            port,
            syn_ack: Vec::new(),
        }));
        self.listeners.get_mut(&port)?.half_open += 1;
        Some(self.insert(flow))
    }

    /// A segment for a connection in the SYN queue. `true` when that is all there is to do with it.
    pub(super) fn in_syn_queue(
        &mut self,
        id: u32,
        segment: &Segment<'_>,
    ) -> Result<bool, DropCause> {
        let Some(flow) = self.flows[id as usize].as_deref() else {
            return Ok(false);
        };
        let Some(half_open) = &flow.half_open else {
            return Ok(false);
        };
        let flags = segment.flags;
        if flags.syn() && !flags.ack() {
            // The SYN again: so is its answer, at once. The socket's own timer goes on as it was.
            let again = (flow.nic, half_open.syn_ack.clone(), None);
            if !again.1.is_empty() {
                self.outgoing.push_back(again);
                self.notify();
            }
            return Ok(true);
        }
        let listener = self.listeners.get(&half_open.port);
        let full = listener.is_some_and(|l| l.is_accept_queue_full());
        if full && flags.ack() && !flags.rst() && !flags.syn() {
            // Whatever it carries: to the peer the connection is open, here it is not.
            return Err(DropCause::AcceptQueueFull);
        }
        Ok(false)
    }

    /// Answers a SYN with a SYN-ACK that says all that must be remembered.
    fn answer_with_cookie(
        &mut self,
        key: FlowKey,
        segment: &Segment<'_>,
        nic: usize,
    ) -> Result<Admitted, DropCause> {
        let (IpAddr::V4(from), IpAddr::V4(to)) = (key.local.ip(), key.remote.ip()) else {
            return Err(DropCause::SynQueueFull);
        };
        let now = self.clock.now();
        let (cookie, mss) = self.cookies.bake(&key, segment.sequence, segment.mss, now);
        let window = self.options.receive_buffer;
        let own_mss = u16::try_from(self.mss_at(nic)).unwrap_or(u16::MAX);
        let packet = PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            .tcp(
                key.local.port(),
                key.remote.port(),
                cookie,
                u16::try_from(window).unwrap_or(u16::MAX),
            )
            .syn()
            .ack(segment.sequence.wrapping_add(1))
            .options(&[TcpOptionElement::MaximumSegmentSize(own_mss)]);
        // One option fits.
        if let Ok(packet) = packet {
            self.send_built(nic, packet);
        }
        self.note(key, TcpDeed::CookieSent { mss });
        Ok(Admitted::Answered)
    }

    /// Opens the connection of a SYN that was not kept, when `segment` brings a good cookie back.
    fn open_by_cookie(
        &mut self,
        key: FlowKey,
        segment: &Segment<'_>,
        nic: usize,
    ) -> Result<Admitted, DropCause> {
        let (IpAddr::V4(to), IpAddr::V4(from)) = (key.local.ip(), key.remote.ip()) else {
            return Ok(Admitted::Nobody);
        };
        let now = self.clock.now();
        let first = segment.sequence.wrapping_sub(1);
        let cookie = segment.acknowledgment.wrapping_sub(1);
        let Some(mss) = self.cookies.read(&key, first, cookie, now) else {
            return Ok(Admitted::Nobody);
        };
        let listener = self.listeners.get(&key.local.port());
        if listener.is_some_and(|l| l.is_accept_queue_full()) {
            return Err(DropCause::AcceptQueueFull);
        }
        // The SYN as it was, as far as it matters.
        let syn = PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            .tcp(key.remote.port(), key.local.port(), first, segment.window)
            .syn()
            .options(&[TcpOptionElement::MaximumSegmentSize(mss)]);
        let mut bytes = Vec::new();
        let written = syn.map(|syn| syn.write(&mut bytes, &[]));
        let (Ok(Ok(())), Some(id)) = (written, self.half_open(key, nic)) else {
            return Ok(Admitted::Nobody);
        };
        let before = self.outgoing.len();
        if let (Some(view), Some(flow)) =
            (Packet::read(&bytes), self.flows[id as usize].as_deref_mut())
            && let Some(syn) = view.tcp()
        {
            flow.on_segment(syn, now);
        }
        self.feed_from(id, bytes, cookie);
        self.service_flow(id);
        // Its SYN-ACK was sent long ago, with the cookie.
        self.outgoing.truncate(before);
        self.note(key, TcpDeed::CookieAccepted { mss });
        Ok(Admitted::Flow(id, None))
    }

    /// Gives a SYN to its flow's socket, whose sequence numbers are to begin at `first`: through an interface whose
    /// generator draws that number next.
    pub(super) fn feed_from(&mut self, id: u32, syn: Vec<u8>, first: u32) {
        let Some(flow) = self.flows[id as usize].as_deref() else {
            return;
        };
        let index = flow.nic;
        let now = self.clock.now();
        let nic = &mut self.nics[index];
        let mut shape = nic.port.narrower(nic.mtu);
        let mut drawing = interface(nic.address, &mut shape, seed_for(first), now);
        drawing.set_any_ip(nic.transparent);
        std::mem::swap(&mut nic.interface, &mut drawing);
        self.feed(id, syn);
        std::mem::swap(&mut self.nics[index].interface, &mut drawing);
    }
}
