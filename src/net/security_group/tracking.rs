//! The flows that a NIC remembers. A look-up costs the same however many there are; what has been idle for too long is
//! forgotten when it is next looked up, and otherwise now and then, all at once.

use std::collections::HashMap;
use std::time::Duration;

use crate::net::topology::vpc::{Tracking, Tuple, Way};
use crate::time::Instant;
use crate::wire::packet::{Flags, Packet, Transport};

/// Linux, `nf_conntrack_tcp_timeout_syn_sent`; AWS names no time for connections that are not established.
const OPENING: Duration = Duration::from_secs(120);
/// Linux, `nf_conntrack_tcp_timeout_time_wait`.
const CLOSING: Duration = Duration::from_secs(120);
/// Linux, `nf_conntrack_tcp_timeout_close`: after a RST.
const CLOSED: Duration = Duration::from_secs(10);
/// Linux, `nf_conntrack_icmp_timeout` and `nf_conntrack_generic_timeout`, the smaller.
const OTHER: Duration = Duration::from_secs(30);

/// The flows of one NIC. Nothing depends on the order in which the map keeps them: it is never walked.
#[derive(Debug)]
pub(super) struct Table {
    limits: Tracking,
    /// Under what their first packets were.
    flows: HashMap<Key, Flow>,
    /// When so many are there, the forgotten ones among them are cleared away.
    sweep_at: usize,
}

/// A flow's first packet, and which way it went. An ICMP echo has its identifier for a source port.
type Key = (Way, Tuple);

#[derive(Debug)]
struct Flow {
    last: Instant,
    life: Life,
    /// Packets of the answering side, up to two.
    answers: u8,
    /// Who sent a FIN.
    fins: [bool; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Opening,
    Established,
    Closing,
    Closed,
    Udp,
    Other,
}

impl Table {
    pub(super) fn new(limits: Tracking) -> Self {
        Self {
            limits,
            flows: HashMap::new(),
            sweep_at: 1_024,
        }
    }

    /// Whether the packet belongs to a flow that is remembered; then it is remembered anew.
    pub(super) fn admits(
        &mut self,
        now: Instant,
        way: Way,
        packet: &Packet<'_>,
        tuple: &Tuple,
    ) -> bool {
        let tuple = identified(packet, tuple);
        let mut keys = [(way, tuple), (way.reverse(), super::reversed(&tuple))].into_iter();
        let Some(key) = keys.find(|key| self.flows.contains_key(key)) else {
            return false;
        };
        let answers = key.0 != way;
        let limits = self.limits;
        let Some(flow) = self.flows.get_mut(&key) else {
            return false;
        };
        let flags = flags(packet);
        // A SYN opens what is over a second time, and needs a rule again.
        let over = matches!(flow.life, Life::Closing | Life::Closed);
        let anew = over && flags.is_some_and(|f| f.syn() && !f.ack());
        if anew || now - flow.last > flow.idle(&limits) {
            self.flows.remove(&key);
            return false;
        }
        flow.pass(now, answers, flags);
        true
    }

    /// Whether a packet like this belongs to a flow that is remembered.
    pub(super) fn knows(&self, now: Instant, way: Way, tuple: &Tuple) -> bool {
        let keys = [(way, *tuple), (way.reverse(), super::reversed(tuple))];
        let mut flows = keys.iter().filter_map(|key| self.flows.get(key));
        flows.any(|flow| now - flow.last <= flow.idle(&self.limits))
    }

    /// A rule allowed the first packet of a flow. What is in the middle of a TCP connection begins none. `false` when
    /// there is no room.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        way: Way,
        packet: &Packet<'_>,
        tuple: &Tuple,
    ) -> bool {
        let life = match &packet.transport {
            Transport::Tcp(segment) if segment.flags.syn() && !segment.flags.ack() => Life::Opening,
            Transport::Tcp(_) => return true,
            Transport::Udp(_) => Life::Udp,
            Transport::Icmp(_) | Transport::Other(..) => Life::Other,
        };
        if self.flows.len() >= self.sweep_at.min(self.limits.max) {
            let limits = self.limits;
            self.flows.retain(|_, f| now - f.last <= f.idle(&limits));
            self.sweep_at = (self.flows.len() * 2).max(1_024);
        }
        if self.flows.len() >= self.limits.max {
            return false;
        }
        let flow = Flow {
            last: now,
            life,
            answers: 0,
            fins: [false; 2],
        };
        self.flows.insert((way, identified(packet, tuple)), flow);
        true
    }
}

impl Flow {
    const fn idle(&self, limits: &Tracking) -> Duration {
        match self.life {
            Life::Opening => OPENING,
            Life::Established => limits.tcp_established,
            Life::Closing => CLOSING,
            Life::Closed => CLOSED,
            Life::Udp if self.answers > 1 => limits.udp_stream,
            Life::Udp => limits.udp,
            Life::Other => OTHER,
        }
    }

    fn pass(&mut self, now: Instant, answers: bool, flags: Option<Flags>) {
        self.last = now;
        if answers {
            self.answers = self.answers.saturating_add(1).min(2);
        }
        let Some(flags) = flags else { return };
        if flags.fin() {
            self.fins[usize::from(answers)] = true;
        }
        self.life = match self.life {
            Life::Opening | Life::Established | Life::Closing if flags.rst() => Life::Closed,
            Life::Opening | Life::Established if self.fins == [true; 2] => Life::Closing,
            Life::Opening if self.answers > 0 && !flags.syn() => Life::Established,
            Life::Opening
            | Life::Established
            | Life::Closing
            | Life::Closed
            | Life::Udp
            | Life::Other => self.life,
        };
    }
}

fn flags(packet: &Packet<'_>) -> Option<Flags> {
    packet.tcp().map(|segment| segment.flags)
}

/// With the identifier of an ICMP echo, which both directions carry, in place of ports.
fn identified(packet: &Packet<'_>, tuple: &Tuple) -> Tuple {
    let Transport::Icmp(icmp) = packet.transport else {
        return *tuple;
    };
    let identifier = u16::from_be_bytes([icmp.rest[0], icmp.rest[1]]);
    Tuple {
        source_port: Some(identifier),
        destination_port: Some(identifier),
        ..*tuple
    }
}
