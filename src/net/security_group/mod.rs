//! Security groups at work, one judge for each NIC that has some: stateful, allow only, silent. The connections that
//! they remember are in `tracking`.
//!
//! The life of a packet here (EC2 User Guide, "Security group connection tracking"):
//! 1. It belongs to a tracked flow: it passes, whatever the rules say by now.
//! 2. It is an ICMP error about a packet that went the other way: it passes (EC2 User Guide, "Network maximum
//!    transmission unit": Path MTU Discovery needs no rule).
//! 3. A rule of one of the groups allows it: it passes. The flow is tracked from now on, unless the rule allows it from
//!    or to everywhere and the other direction allows everything everywhere: such flows live by the rules alone.
//! 4. Otherwise it is dropped, and nobody is told.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::topology::Topology;
use super::topology::vpc::{Interface, Peer, Ports, Rule, SecurityGroup, Traffic, Tuple, Way};
use crate::event::DropCause;
use crate::time::Instant;
use crate::wire::packet::{Packet, Transport};

mod tracking;

use tracking::Table;

/// Why a packet goes no further: for machines, and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) cause: DropCause,
    pub(super) why: Option<String>,
}

impl From<DropCause> for Refusal {
    fn from(cause: DropCause) -> Self {
        Self { cause, why: None }
    }
}

/// All security groups, and the NICs that have some.
#[derive(Debug)]
pub(super) struct Guard {
    groups: Vec<SecurityGroup>,
    /// For each group: the private addresses of the NICs that have it.
    members: Vec<BTreeSet<IpAddr>>,
    /// By NIC.
    interfaces: Vec<Option<(Interface, Table)>>,
}

impl Guard {
    pub(super) fn new(topology: &Topology) -> Self {
        let vpc = &topology.vpc;
        let mut members = vec![BTreeSet::new(); vpc.security_groups.len()];
        let mut interfaces: Vec<_> = topology.nics.iter().map(|_| None).collect();
        for interface in &vpc.interfaces {
            let address = topology.nics[interface.nic].address;
            for group in &interface.groups {
                if is_private(address) {
                    members[*group].insert(address);
                }
            }
            let table = Table::new(interface.tracking);
            interfaces[interface.nic] = Some((interface.clone(), table));
        }
        Self {
            groups: vpc.security_groups.clone(),
            members,
            interfaces,
        }
    }

    /// Whether `nic` has security groups.
    pub(super) fn watches(&self, nic: usize) -> bool {
        self.interfaces[nic].is_some()
    }

    /// The NICs that have group number `group`.
    pub(super) fn interfaces_of(&self, group: usize) -> impl Iterator<Item = usize> {
        let all = self.interfaces.iter().flatten();
        all.filter(move |(i, _)| i.groups.contains(&group))
            .map(|(i, _)| i.nic)
    }

    /// Adds a rule to a group, or takes one away. `false` when there was nothing to change.
    pub(super) fn change(&mut self, group: usize, way: Way, rule: Rule, allow: bool) -> bool {
        let rules = self.groups[group].rules_mut(way);
        let before = rules.len();
        rules.retain(|r| *r != rule);
        let had = before != rules.len();
        if allow {
            rules.push(rule);
        }
        had != allow
    }

    /// Judges a packet that passes `nic`.
    ///
    /// # Errors
    /// When it goes no further.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        nic: usize,
        way: Way,
        packet: &Packet<'_>,
    ) -> Result<(), Refusal> {
        let Some((interface, table)) = &mut self.interfaces[nic] else {
            return Ok(());
        };
        let rules = Rules {
            groups: &self.groups,
            members: &self.members,
            own: &interface.groups,
        };
        let tuple = Tuple::of(packet);
        if table.admits(now, way, packet, &tuple) {
            return Ok(());
        }
        if let Some(quoted) = quoted(packet)
            && (table.knows(now, way.reverse(), &quoted) || rules.allow(way.reverse(), &quoted))
        {
            return Ok(());
        }
        // The other half of a flow that lives by the rules alone.
        let answer = reversed(&tuple);
        if tuple.source_port.is_some()
            && rules.untracked(way.reverse(), &answer)
            && rules.allow(way, &tuple)
        {
            return Ok(());
        }
        if !rules.allow(way, &tuple) {
            return Err(Refusal {
                cause: DropCause::SecurityGroup,
                why: Some(format!(
                    "no {} rule of security group {} allows {}",
                    way.word(),
                    rules.names(),
                    tuple.seen(way)
                )),
            });
        }
        if rules.untracked(way, &tuple) || table.begin(now, way, packet, &tuple) {
            return Ok(());
        }
        Err(Refusal {
            cause: DropCause::TrackingFull,
            why: Some(format!(
                "{} connections are tracked already, as many as there is room for",
                interface.tracking.max
            )),
        })
    }
}

/// The rules that hold at a NIC.
struct Rules<'a> {
    groups: &'a [SecurityGroup],
    members: &'a [BTreeSet<IpAddr>],
    own: &'a [usize],
}

impl Rules<'_> {
    fn matching(&self, way: Way, tuple: &Tuple) -> impl Iterator<Item = &Rule> {
        let far = match way {
            Way::Inbound => tuple.source,
            Way::Outbound => tuple.destination,
        };
        let own = self
            .own
            .iter()
            .flat_map(move |g| self.groups[*g].rules(way));
        own.filter(move |rule| {
            let peer = match rule.peer {
                Peer::Range(range) => range.contains(far),
                Peer::Group(group) => self.members[group].contains(&far),
            };
            peer && rule
                .traffic
                .contains(tuple.protocol, tuple.destination_port)
        })
    }

    fn allow(&self, way: Way, tuple: &Tuple) -> bool {
        self.matching(way, tuple).next().is_some()
    }

    /// Whether a flow that begins with this packet is not tracked: TCP or UDP, allowed from (or to) everywhere, and the
    /// other way all answers, to everywhere and any port (EC2 User Guide, "Security group connection tracking").
    fn untracked(&self, way: Way, tuple: &Tuple) -> bool {
        let everywhere = |rule: &Rule| matches!(rule.peer, Peer::Range(r) if r.prefix == 0);
        let back = self
            .own
            .iter()
            .flat_map(|g| self.groups[*g].rules(way.reverse()));
        let answers = |rule: &Rule| {
            let Traffic { protocol, ports } = rule.traffic;
            everywhere(rule) && protocol.contains(tuple.protocol) && ports == Ports::ALL
        };
        tuple.destination_port.is_some()
            && self.matching(way, tuple).any(everywhere)
            && back.into_iter().any(answers)
    }

    fn names(&self) -> String {
        let names: Vec<_> = self
            .own
            .iter()
            .map(|g| format!("`{}`", self.groups[*g].name))
            .collect();
        names.join(" or ")
    }
}

/// What goes the other way.
const fn reversed(tuple: &Tuple) -> Tuple {
    Tuple {
        protocol: tuple.protocol,
        source: tuple.destination,
        source_port: tuple.destination_port,
        destination: tuple.source,
        destination_port: tuple.source_port,
    }
}

/// RFC 1918, RFC 4193: what a reference to a security group stands for.
const fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_private(),
        IpAddr::V6(a) => a.is_unique_local(),
    }
}

/// The packet that an ICMP error speaks of: its IP header and eight bytes are quoted (RFC 792).
fn quoted(packet: &Packet<'_>) -> Option<Tuple> {
    let Transport::Icmp(icmp) = packet.transport else {
        return None;
    };
    // Destination unreachable, time exceeded, parameter problem.
    if !matches!(icmp.kind, 3 | 11 | 12) {
        return None;
    }
    let quote = icmp.payload;
    let header = usize::from(quote.first()? & 15) * 4;
    let address = |at: usize| {
        let octets: [u8; 4] = quote.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    let protocol = *quote.get(9)?;
    let port = |at: usize| {
        let bytes = quote.get(header + at..header + at + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let has_ports = matches!(
        protocol,
        crate::wire::packet::protocol::TCP | crate::wire::packet::protocol::UDP
    );
    Some(Tuple {
        protocol,
        source: address(12)?,
        source_port: port(0).filter(|_| has_ports),
        destination: address(16)?,
        destination_port: port(2).filter(|_| has_ports),
    })
}

#[cfg(test)]
mod tests;
