//! A flow's way out: what its socket has to send goes to the stack's queue, and its timer is set.

use std::net::IpAddr;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};
use smoltcp::iface::PollResult;

use super::Stack;
use super::flow::End;
use super::moment::{from_micros, micros};
use crate::wire::packet::{FlowKey, Packet};

impl Stack {
    /// Sends an ACK that no socket makes: sequence number, acknowledgment, window. IPv4 only.
    pub(super) fn send_bare_ack(
        &mut self,
        key: FlowKey,
        nic: usize,
        (sequence, acknowledgment, window): (u32, u32, u16),
    ) {
        let (IpAddr::V4(from), IpAddr::V4(to)) = (key.local.ip(), key.remote.ip()) else {
            return;
        };
        let (from_port, to_port) = (key.local.port(), key.remote.port());
        let packet = PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            .tcp(from_port, to_port, sequence, window)
            .ack(acknowledgment);
        self.send_built(nic, packet);
    }

    /// Sends a packet that no socket makes.
    pub(super) fn send_built(&mut self, nic: usize, packet: PacketBuilderStep<TcpHeader>) {
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        if packet.write(&mut bytes, &[]).is_ok() {
            self.outgoing.push_back((nic, bytes, None));
            self.notify();
        }
    }

    pub(super) fn service_flow(&mut self, id: u32) {
        let instant = self.clock.now();
        let now = micros(instant);
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        if flow.detached {
            return;
        }
        let give_up = flow.give_up_at(&self.limits, instant);
        if give_up.is_some_and(|at| at <= instant) {
            self.end(id, End::TimedOut);
            return;
        }
        if flow.is_spent(&self.limits) {
            self.timers.set(id, give_up);
            return;
        }
        let (interface, port) = self.nics[flow.nic].way_out(flow.path_mtu);
        if flow.takes_again()
            && let Some(at) = interface.poll_at(now, &flow.set)
        {
            // The retransmission timer runs out at once: the socket is told the time at which it would.
            interface.poll_egress(at.max(now), port, &mut flow.set);
        }
        while interface.poll_egress(now, port, &mut flow.set) == PollResult::SocketStateChanged {}
        if let Some(later) = flow.acknowledge_at(instant) {
            interface.poll_egress(micros(later), port, &mut flow.set);
        }
        let poll_at = interface
            .poll_at(now, &flow.set)
            // smoltcp says "at once" with the time zero.
            .map(|at| from_micros(at).max(instant));
        // A SYN or FIN that has just left is waited for from now on.
        let give_up = give_up.or_else(|| flow.give_up_at(&self.limits, instant));
        let keep_alive = flow.keep_alive_at();
        let deadline = [poll_at, give_up, keep_alive].into_iter().flatten().min();
        self.timers.set(id, deadline);
        let index = flow.nic;
        self.collect(index, Some(id));
        if keep_alive.is_some_and(|at| at <= instant) {
            self.keep_alive(id);
        }
    }

    /// Moves what smoltcp emitted at a NIC to the stack's queue. `flow` is whose it is, where that is known.
    pub(super) fn collect(&mut self, nic: usize, flow: Option<u32>) {
        let mut flow = flow.and_then(|id| self.flows[id as usize].as_deref_mut());
        let port = &mut self.nics[nic].port;
        let any = !port.outgoing.is_empty();
        while let Some((packet, segments)) = port.outgoing.pop_front() {
            if let Some(flow) = flow.as_deref_mut()
                && let Some(view) = Packet::read(&packet)
                && let Some(segment) = view.tcp()
            {
                flow.on_sent(segment);
                if let Some(half_open) = &mut flow.half_open
                    && segment.flags.syn()
                {
                    half_open.syn_ack.clone_from(&packet);
                }
            }
            self.outgoing.push_back((nic, packet, segments));
        }
        if any {
            self.notify();
        }
    }

    /// Lets a flow send at once, and leaves nothing of it for [`Stack::service`] to do.
    pub(super) fn serve(&mut self, id: u32) {
        if let Some(flow) = &mut self.flows[id as usize] {
            // Its place in the queue is then passed over.
            flow.dirty = false;
        }
        self.service_flow(id);
        // Its deadline may have changed even where no packet left.
        self.notify();
    }
}
