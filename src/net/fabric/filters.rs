//! Where packets meet the filters of a virtual private cloud, and how those change while the network runs.

use std::collections::BTreeSet;

use super::Fabric;
use crate::event::{DropCause, Fact};
use crate::net::change::{Change, RuleChange};
use crate::net::security_group::Refusal;
use crate::net::topology::vpc::Way;
use crate::time::Instant;
use crate::wire::packet::Packet;

impl Fabric {
    /// The network changes.
    pub fn change(&mut self, now: Instant, change: &Change) {
        match change {
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
        if !self.guard.watches(nic) && !self.edges.watches(nic) {
            return Ok(());
        }
        let packet = Packet::read(bytes).ok_or(DropCause::Malformed)?;
        self.guard.judge(now, nic, way, &packet)?;
        // What the router receives leaves the subnet.
        self.edges.judge(nic, way.reverse(), &packet)
    }
}
