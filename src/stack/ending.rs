//! Connections that end otherwise than by FIN, what ICMP says about them, and how they are forgotten.

use std::net::IpAddr;
use std::time::Duration;

use smoltcp::socket::tcp::State;

use super::flow::End;
use super::moment::micros;
use super::nic::interface;
use super::{Stack, icmp};
use crate::event::TcpDeed;
use crate::wire::packet::FlowKey;

/// How long a path's packet size is remembered (RFC 1191 §6.3; Linux's route/mtu_expires).
const PATH_MTU_LASTS: Duration = Duration::from_secs(600);

impl Stack {
    /// Nobody waits any more for a connection that is being opened.
    pub(super) fn abandon(&mut self, id: u32) {
        let flow = self.flows[id as usize].as_ref();
        if flow.is_some_and(|f| f.state() == State::SynSent) {
            self.end(id, End::TimedOut);
        }
    }

    /// A connection that cannot go on: its stream learns `end`, the peer nothing.
    pub(super) fn end(&mut self, id: u32, end: End) {
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        flow.end = Some(end);
        // Aborting wakes the stream; the RST it would send is not let out, as the peer is out of reach.
        flow.socket().abort();
        self.timers.set(id, None);
        let index = flow.nic;
        let now = micros(self.clock.now());
        let nic = &mut self.nics[index];
        nic.interface.poll_egress(now, &mut nic.port, &mut flow.set);
        nic.port.outgoing.clear();
        let key = flow.key;
        if let Some(half_open) = flow.half_open.take() {
            flow.orphan = true;
            if let Some(listener) = self.listeners.get_mut(&half_open.port) {
                listener.handshake_over(id, false);
            }
            self.note(key, TcpDeed::HalfOpenForgotten);
        }
        self.forget_if_over(id);
    }

    /// ICMP says that the destination of `key` cannot be reached: a connection attempt fails at once (RFC 1122
    /// §4.2.3.9), an established connection goes on trying.
    pub(super) fn unreachable(&mut self, key: FlowKey) {
        if let Some(id) = self.table.get(&key)
            && let Some(flow) = &self.flows[id as usize]
            && flow.state() == State::SynSent
        {
            self.end(id, End::Unreachable);
        }
    }

    /// A router says that a packet of ours was too big for its next link: the flow's segments shrink, and what was in
    /// flight leaves again (RFC 1191 §6.4). Later connections to the same host begin with the smaller size.
    pub(super) fn too_big(&mut self, message: &icmp::TooBig) {
        let Some(id) = self.table.get(&message.flow) else {
            return;
        };
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        let mtu = message.mtu;
        if !flow.is_in_flight(message.sequence) || !flow.narrow(mtu) {
            return;
        }
        flow.resize();
        let nic = flow.nic;
        self.note_path_mtu(nic, message.flow.remote.ip(), mtu);
        self.mark(id);
        self.note(message.flow, TcpDeed::PathMtu { mtu });
    }

    /// Packets to `destination` may have so many bytes, and no more.
    pub(super) fn note_path_mtu(&mut self, nic: usize, destination: IpAddr, mtu: usize) {
        let nic = &mut self.nics[nic];
        let now = self.clock.now();
        if mtu < nic.mtu && !nic.narrow.contains_key(&mtu) {
            let mut shape = nic.port.narrower(mtu);
            // It opens no connections, so that its random numbers are not used.
            let mut narrow = interface(nic.address, &mut shape, 0, now);
            narrow.set_any_ip(nic.transparent);
            nic.narrow.insert(mtu, narrow);
        }
        let until = now + PATH_MTU_LASTS;
        self.path_mtus.insert(destination, (mtu, until));
    }

    /// How large packets to `destination` may be, as far as it is known.
    pub(super) fn mtu_towards(&self, nic: usize, destination: IpAddr) -> usize {
        let now = self.clock.now();
        let learnt = self.path_mtus.get(&destination);
        let learnt = learnt.filter(|(_, until)| *until > now);
        let own = self.nics[nic].mtu;
        learnt.map_or(own, |(mtu, _)| own.min(*mtu))
    }

    /// Hands a connection that has come to TIME-WAIT over: its numbers are remembered, the rest is its program's, as
    /// long as that holds it.
    pub(super) fn hand_over_if_waiting(&mut self, id: u32) {
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        if flow.state() != State::TimeWait || flow.detached {
            return;
        }
        // A connection that came so far has both.
        let Some(numbers) = flow.numbers.all() else {
            return;
        };
        flow.detached = true;
        self.table.remove(&flow.key);
        self.time_waits
            .begin(flow.key, flow.nic, numbers, self.clock.now());
        self.timers.set(id, None);
    }

    pub(super) fn forget_if_over(&mut self, id: u32) {
        let Some(flow) = &self.flows[id as usize] else {
            return;
        };
        if flow.orphan && (flow.detached || matches!(flow.state(), State::Closed | State::Listen)) {
            if !flow.detached {
                self.table.remove(&flow.key);
            }
            self.flows[id as usize] = None;
            self.timers.set(id, None);
            self.free.push(id);
        }
    }
}
