//! Where packets meet the filters of a virtual private cloud, and how those change while the network runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Fabric;
use crate::event::{DropCause, Fact, FlowAction};
use crate::net::change::{Change, RuleChange};
use crate::net::security_group::Refusal;
use crate::net::topology::vpc::{Tuple, Way};
use crate::time::{Instant, UnixSeconds};
use crate::wire::packet::Packet;

/// Machines that are off.
#[derive(Debug, Default)]
pub(super) struct PoweredOff {
    nodes: BTreeSet<usize>,
    /// By the NICs through which forwarding nodes ask for them: until when they ask.
    asked: BTreeMap<usize, Instant>,
}

/// Linux asks three times, once a second, for the link-layer address of its next hop, and keeps packets meanwhile
/// (`mcast_solicit`, `retrans_time_ms`); RFC 1122 §2.3.2.2 has them kept.
const ASKS: Duration = Duration::from_secs(3);

impl PoweredOff {
    pub(super) fn is_off(&self, node: usize) -> bool {
        !self.nodes.is_empty() && self.nodes.contains(&node)
    }

    /// When it is known that the next hop behind `nic` does not answer; `None` when it does.
    pub(super) fn answers_until(
        &mut self,
        now: Instant,
        nic: usize,
        next_hop: usize,
    ) -> Option<Instant> {
        if !self.is_off(next_hop) {
            return None;
        }
        let until = self.asked.entry(nic).or_insert(now + ASKS);
        if *until <= now {
            *until = now + ASKS;
        }
        Some(*until)
    }
}

impl Fabric {
    /// What passed the interfaces that are logged becomes known.
    pub fn tell_flows(&self, epoch: UnixSeconds, ended: Instant) {
        for (nic, record) in self.flow_log.records(&self.topology, epoch, ended) {
            let node = &self.topology.nodes[self.topology.nics[nic].node].name;
            let fact = Fact::FlowLogged(Box::new(record));
            self.trace.fact(ended, node, fact);
        }
    }

    /// The network changes.
    pub fn change(&mut self, now: Instant, change: &Change) {
        match change {
            Change::Power { node, on } => {
                let changed = if *on {
                    self.off.nodes.remove(node)
                } else {
                    self.off.nodes.insert(*node)
                };
                if changed {
                    let name = &self.topology.nodes[*node].name;
                    let now_is = if *on { "is on again" } else { "goes off" };
                    let fact = Fact::NetworkChanged(format!("{name} {now_is}"));
                    self.trace.fact(now, name, fact);
                }
            }
            Change::Rule(change) => {
                let RuleChange {
                    group,
                    way,
                    rule,
                    allow,
                } = *change;
                if !self.guard.change(group, way, rule, allow) {
                    return;
                }
                let vpc = &self.topology.vpc;
                let now_allows = if allow {
                    "now allows"
                } else {
                    "no longer allows"
                };
                let fact = Fact::NetworkChanged(format!(
                    "security group {} {now_allows} {}",
                    vpc.security_groups[group].name,
                    vpc.show_rule(way, &rule)
                ));
                let nics = self.guard.interfaces_of(group);
                let nodes: BTreeSet<usize> = nics.map(|n| self.topology.nics[n].node).collect();
                for node in nodes {
                    let name = &self.topology.nodes[node].name;
                    self.trace.fact(now, name, fact.clone());
                }
            }
        }
    }

    /// What the filters at `nic` say of a packet that its node receives (`Inbound`) or sends.
    pub(super) fn inspect(
        &mut self,
        now: Instant,
        nic: usize,
        way: Way,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let logged = self.flow_log.watches(nic);
        if !self.guard.watches(nic) && !self.edges.watches(nic) && !logged {
            return Ok(());
        }
        let packet = Packet::read(bytes).ok_or(DropCause::Malformed)?;
        // What the router receives leaves the subnet.
        let verdict = self
            .guard
            .judge(now, nic, way, &packet)
            .and_then(|()| self.edges.judge(nic, way.reverse(), &packet));
        let peer = self.lanes[nic].to;
        let tuple = Tuple::of(&packet);
        if logged {
            // What leaves a machine is judged at the other end of its link too, and logged here.
            let leaves =
                way == Way::Inbound || self.edges.judge(peer, Way::Outbound, &packet).is_ok();
            let action = if verdict.is_ok() && leaves {
                FlowAction::Accept
            } else {
                FlowAction::Reject
            };
            self.flow_log.note(now, nic, tuple, bytes.len(), action);
        } else if way == Way::Outbound && verdict.is_err() && self.flow_log.watches(peer) {
            // What may not enter the subnet never comes to the machine, and is logged there all the same.
            self.flow_log
                .note(now, peer, tuple, bytes.len(), FlowAction::Reject);
        }
        verdict
    }
}
