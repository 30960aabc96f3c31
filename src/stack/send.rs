//! A flow's way out: what its socket has to send goes to the stack's queue, and its timer is set.

use smoltcp::iface::PollResult;

use super::Stack;
use super::flow::End;
use super::moment::{from_micros, micros};
use crate::wire::packet::Packet;

impl Stack {
    pub(super) fn service_flow(&mut self, id: u32) {
        let instant = self.clock.now();
        let now = micros(instant);
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        let give_up = flow.give_up_at(instant);
        if give_up.is_some_and(|at| at <= instant) {
            self.end(id, End::TimedOut);
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
        let give_up = give_up.or_else(|| flow.give_up_at(instant));
        let deadline = [poll_at, give_up].into_iter().flatten().min();
        self.timers.set(id, deadline);
        let index = flow.nic;
        self.collect(index, Some(id));
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
