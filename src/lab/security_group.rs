//! Security groups: their rules, the nodes that have them, and steps that change them.

use std::time::Duration;

use super::decode::{Fields, Item, all};
use super::error::advice;
use super::network::{Network, Shape};
use super::plan::Action;
use super::range;
use crate::name::Name;
use crate::net::topology::vpc::{
    Interface, Peer, Ports, Protocol, Rule, SecurityGroup, Tracking, Traffic, Way,
};
use crate::net::topology::{Cidr, Topology};
use crate::net::{Change, RuleChange};

/// What a lab says of security groups.
pub(super) struct Declared {
    names: Vec<Name>,
    groups: Vec<SecurityGroup>,
    /// Node, its groups, how it tracks.
    attached: Vec<(usize, Vec<usize>, Tracking)>,
}

/// Reads the table `security-group`, and which nodes have which.
pub(super) fn read(root: &mut Fields<'_>, network: &Network<'_>) -> Declared {
    let table = root.optional("security-group").and_then(Item::fields);
    let entries: Vec<Item<'_>> = table.map(|t| t.entries().collect()).unwrap_or_default();
    // All names first: rules name groups.
    let names: Vec<(Name, Item<'_>)> = entries
        .into_iter()
        .filter_map(|item| Some((item.key_name()?, item)))
        .collect();
    let known: Vec<Name> = names.iter().map(|(name, _)| name.clone()).collect();
    let rules = |item: Item<'_>, way| item.each(|rule| read_rule(rule, way, &known));
    let groups = names.into_iter().map(|(name, item)| {
        let mut table = item.fields()?;
        let inbound = table.or("inbound", Vec::new(), |i| rules(i, Way::Inbound));
        // Every group that is made begins with this one rule (VPC User Guide, "Default security groups").
        let outbound = table.or("outbound", vec![everything()], |i| rules(i, Way::Outbound));
        table.finish();
        Some(SecurityGroup {
            name,
            inbound: inbound?,
            outbound: outbound?,
        })
    });
    let groups = all(groups).unwrap_or_default();
    let mut declared = Declared {
        names: known,
        groups,
        attached: Vec::new(),
    };
    for index in 0..network.nodes.len() {
        if let Some(attached) = declared.attachment(index, network) {
            declared.attached.push(attached);
        }
    }
    declared
}

impl Declared {
    fn attachment(
        &self,
        index: usize,
        network: &Network<'_>,
    ) -> Option<(usize, Vec<usize>, Tracking)> {
        let node = &network.nodes[index];
        let tracking = node.vpc.tracking;
        let Some(groups) = node.vpc.security_groups else {
            if let Some(tracking) = tracking {
                let label = "expected `security-groups` beside it: without them nothing is tracked";
                tracking.wrong_key("no security group tracks connections here", label, None);
            }
            return None;
        };
        if let Shape::Container { on, .. } = &node.shape {
            let message = format!("the container `{}` has no security group", node.name);
            let label = format!("expected it at its host, `{}`", network.nodes[*on].name);
            groups.wrong_key(message, label, None);
            return None;
        }
        let list = groups.some(|item| self.group(item));
        let tracking = tracking.map_or_else(|| Some(Tracking::default()), read_tracking);
        Some((index, list?, tracking?))
    }

    /// The group that a text names.
    fn group(&self, item: Item<'_>) -> Option<usize> {
        let word = item.text()?;
        named(item, word, &self.names)
    }

    /// Reads what a step does to a rule: `{ revoke = { group = "web", inbound = { … } } }`.
    pub(super) fn change(&self, item: Item<'_>) -> Option<(Name, Action)> {
        let mut table = item.fields()?;
        let deed = table.exactly_one(&["authorize", "revoke"]);
        table.finish();
        let deed = deed?;
        let allow = deed.key == "authorize";
        let mut table = deed.fields()?;
        let group = table.required("group", "\"web\"");
        let group = group.and_then(|i| self.group(i));
        let rule = table.exactly_one(&["inbound", "outbound"]);
        table.finish();
        let rule = rule?;
        let way = match rule.key {
            "inbound" => Way::Inbound,
            _ => Way::Outbound,
        };
        let read = read_rule(rule, way, &self.names);
        let (group, read) = (group?, read?);
        let held = self.groups.get(group)?.rules(way).contains(&read);
        if !allow && !held {
            let message = format!("`{}` has no such {} rule", self.names[group], way.word());
            let label = "expected a rule of the group, word for word";
            rule.wrong(message, label, None);
            return None;
        }
        let change = Change::Rule(RuleChange {
            group,
            way,
            rule: read,
            allow,
        });
        Some((self.names[group].clone(), Action::Network(change)))
    }
}

/// Puts the groups into a topology, whose nodes are those of the network.
pub(super) fn lay(declared: &Declared, mut topology: Topology) -> Topology {
    topology.vpc.security_groups.clone_from(&declared.groups);
    for (node, groups, tracking) in &declared.attached {
        let nics = topology.nodes[*node].nics.iter();
        // A docker host's other NICs are its bridge's.
        let own = match topology.nodes[*node].kind {
            crate::net::topology::NodeKind::DockerHost { .. } => nics.take(1),
            crate::net::topology::NodeKind::Host | crate::net::topology::NodeKind::Router => {
                nics.take(usize::MAX)
            }
        };
        topology.vpc.interfaces.extend(own.map(|nic| Interface {
            nic: *nic,
            groups: groups.clone(),
            tracking: *tracking,
        }));
    }
    topology
}

fn everything() -> Rule {
    Rule {
        traffic: Traffic::ALL,
        peer: Peer::Range(Cidr::everything([0, 0, 0, 0].into())),
    }
}

fn read_rule(item: Item<'_>, way: Way, names: &[Name]) -> Option<Rule> {
    let mut table = item.fields()?;
    let traffic = traffic(&mut table);
    let key = match way {
        Way::Inbound => "source",
        Way::Outbound => "destination",
    };
    let peer = table.required(key, "\"10.0.1.0/24\"");
    let peer = peer.and_then(|i| read_peer(i, names));
    table.finish();
    Some(Rule {
        traffic: traffic?,
        peer: peer?,
    })
}

/// Protocol and ports of a rule, of a group or of a network ACL.
pub(super) fn traffic(table: &mut Fields<'_>) -> Option<Traffic> {
    let protocol = table.required("protocol", "\"tcp\"");
    let protocol = protocol.and_then(|i| i.one_of("protocol", &Protocol::WORDS));
    let item = table.optional("port");
    let ports = item.map_or(Some(Ports::ALL), ports);
    let (protocol, ports) = (protocol?, ports?);
    match (protocol, item) {
        (Protocol::All | Protocol::Icmp, Some(item)) => {
            let label = "expected no `port`, or the protocol \"tcp\" or \"udp\"";
            item.wrong_key("this protocol has no ports", label, None);
            None
        }
        (Protocol::All | Protocol::Icmp, None) | (Protocol::Tcp | Protocol::Udp, _) => {
            Some(Traffic { protocol, ports })
        }
    }
}

/// `443`, or `"32768-60999"`.
fn ports(item: Item<'_>) -> Option<Ports> {
    let Some(text) = item.as_text() else {
        let port = item.port()?;
        return Some(Ports {
            first: port,
            last: port,
        });
    };
    let ends = text.split_once('-');
    let ends = ends.and_then(|(a, b)| Some((a.parse::<u16>().ok()?, b.parse::<u16>().ok()?)));
    match ends {
        Some((first, last)) if first <= last => Some(Ports { first, last }),
        Some(_) | None => {
            let label = "expected a port, or first and last such as \"32768-60999\"";
            item.wrong(format!("`{text}` is no range of ports"), label, None);
            None
        }
    }
}

fn read_peer(item: Item<'_>, names: &[Name]) -> Option<Peer> {
    let word = item.text()?;
    if word.contains('/') {
        return range::any(item).map(Peer::Range);
    }
    named(item, word, names).map(Peer::Group)
}

fn named(item: Item<'_>, word: &str, names: &[Name]) -> Option<usize> {
    let found = names.iter().position(|n| n.as_str() == word);
    if found.is_none() {
        item.wrong(
            format!("unknown security group `{word}`"),
            "no security group has this name",
            advice(word, names.iter().map(Name::as_str)),
        );
    }
    found
}

fn read_tracking(item: Item<'_>) -> Option<Tracking> {
    let usual = Tracking::default();
    let mut table = item.fields()?;
    let mut idle = |key, usual, least: u64, most: u64| {
        table.or(key, usual, |i| {
            let time = i.duration()?;
            let fits = (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&time);
            if !fits {
                let label = format!("expected {least} s to {most} s");
                i.wrong(format!("`{key}` is out of range"), label, None);
            }
            fits.then_some(time)
        })
    };
    let tcp_established = idle("tcp-established", usual.tcp_established, 60, 432_000);
    let udp = idle("udp", usual.udp, 30, 60);
    let udp_stream = idle("udp-stream", usual.udp_stream, 60, 180);
    let max = table.or("max", usual.max as u64, |i| {
        i.integer(1..=Tracking::MAX as u64)
    });
    table.finish();
    Some(Tracking {
        tcp_established: tcp_established?,
        udp: udp?,
        udp_stream: udp_stream?,
        max: usize::try_from(max?).ok()?,
    })
}
