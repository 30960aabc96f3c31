//! Network ACLs: their numbered rules, and the subnets at whose edges they stand.

use super::decode::{Fields, Item, all};
use super::network::Network;
use super::{range, security_group};
use crate::net::topology::Topology;
use crate::net::topology::vpc::{AclRule, NetworkAcl};

/// Reads the table `network-acl`.
pub(super) fn read(root: &mut Fields<'_>, network: &Network<'_>) -> Vec<NetworkAcl> {
    let Some(table) = root.optional("network-acl").and_then(Item::fields) else {
        return Vec::new();
    };
    let mut taken = vec![false; network.subnets.len()];
    let acls = table.entries().map(|item| acl(item, network, &mut taken));
    all(acls).unwrap_or_default()
}

/// Puts them into a topology, whose subnets begin with those of the network.
pub(super) fn lay(acls: Vec<NetworkAcl>, mut topology: Topology) -> Topology {
    topology.vpc.network_acls = acls;
    topology
}

fn acl(item: Item<'_>, network: &Network<'_>, taken: &mut [bool]) -> Option<NetworkAcl> {
    let name = item.key_name();
    let mut table = item.fields()?;
    let subnets = table.required("subnets", "[\"apps\"]");
    let subnets = subnets.and_then(|i| i.some(|s| subnet(s, network, taken)));
    let inbound = table.or("inbound", Vec::new(), |i| rules(i, "source"));
    let outbound = table.or("outbound", Vec::new(), |i| rules(i, "destination"));
    table.finish();
    Some(NetworkAcl {
        name: name?,
        subnets: subnets?,
        inbound: inbound?,
        outbound: outbound?,
    })
}

fn subnet(item: Item<'_>, network: &Network<'_>, taken: &mut [bool]) -> Option<usize> {
    let word = item.text()?;
    let index = network.subnet(&item, word)?;
    if std::mem::replace(&mut taken[index], true) {
        let message = format!("the subnet `{word}` has a network ACL already");
        item.wrong(message, "expected one for each subnet", None);
        return None;
    }
    Some(index)
}

/// In order of their numbers, as they are judged.
fn rules(item: Item<'_>, far: &'static str) -> Option<Vec<AclRule>> {
    let mut rules: Vec<AclRule> = Vec::new();
    for item in item.list()? {
        let rule = rule(item, far)?;
        if rules.iter().any(|r| r.number == rule.number) {
            let message = format!("two rules have the number {}", rule.number);
            item.wrong(message, "expected a number of its own", None);
            return None;
        }
        rules.push(rule);
    }
    rules.sort_by_key(|r| r.number);
    Some(rules)
}

fn rule(item: Item<'_>, far: &'static str) -> Option<AclRule> {
    const ACTIONS: [(&str, bool); 2] = [("allow", true), ("deny", false)];
    let mut table = item.fields()?;
    let number = table.required("number", "100");
    // AWS EC2 API, CreateNetworkAclEntry: 1 to 32766.
    let number = number.and_then(|i| i.integer(1..=32_766));
    let allow = table.required("action", "\"allow\"");
    let allow = allow.and_then(|i| i.one_of("action", &ACTIONS));
    let traffic = security_group::traffic(&mut table);
    let range = table.required(far, "\"0.0.0.0/0\"");
    let range = range.and_then(range::any);
    table.finish();
    Some(AclRule {
        number: u16::try_from(number?).ok()?,
        allow: allow?,
        traffic: traffic?,
        range: range?,
    })
}
