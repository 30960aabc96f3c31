//! Availability zones: which machine is in which, and how far they are from each other.

use std::collections::BTreeMap;
use std::time::Duration;

use super::decode::{Fields, Item};
use super::network::Network;
use crate::net::topology::Topology;
use crate::net::topology::vpc::Zones;

/// What it takes one way between two zones.
pub(super) struct Declared {
    zones: [String; 2],
    delay: Duration,
}

/// Reads the table `zones`.
pub(super) fn read(root: &mut Fields<'_>, network: &Network<'_>) -> Vec<Declared> {
    let Some(mut table) = root.optional("zones").and_then(Item::fields) else {
        return Vec::new();
    };
    let pairs = table.required("between", "[{ az = [\"a\", \"b\"], delay = \"0.5 ms\" }]");
    table.finish();
    let mut declared: Vec<Declared> = Vec::new();
    for item in pairs.and_then(Item::list).unwrap_or_default() {
        let Some(pair) = pair(item, network) else {
            continue;
        };
        let same = |d: &Declared| d.zones.iter().all(|z| pair.zones.contains(z));
        if declared.iter().any(same) {
            let label = "expected each pair of zones once";
            item.wrong("the two zones have a delay already", label, None);
        }
        declared.push(pair);
    }
    declared
}

fn pair(item: Item<'_>, network: &Network<'_>) -> Option<Declared> {
    let mut table = item.fields()?;
    let zones = table.required("az", "[\"a\", \"b\"]");
    let zones = zones.and_then(|item| {
        let zones = item.each(|i| zone(i, network))?;
        let pair = <[String; 2]>::try_from(zones).ok().filter(|[a, b]| a != b);
        if pair.is_none() {
            let label = "expected two different zones";
            item.wrong("a delay is between two zones", label, None);
        }
        pair
    });
    let delay = table
        .required("delay", "\"0.5 ms\"")
        .and_then(Item::duration);
    table.finish();
    Some(Declared {
        zones: zones?,
        delay: delay?,
    })
}

/// A zone that something is in.
pub(super) fn zone(item: Item<'_>, network: &Network<'_>) -> Option<String> {
    let word = item.prose(32)?;
    let known = network.zones();
    if !known.contains(word.as_str()) {
        item.unknown("availability zone", known.iter().copied());
        return None;
    }
    Some(word)
}

/// Puts them into a topology, whose nodes are those of the network. A router's port is in the zone of the machine behind
/// it: what crosses the router between two zones crosses what lies between them.
pub(super) fn lay(
    declared: &[Declared],
    network: &Network<'_>,
    mut topology: Topology,
) -> Topology {
    if declared.is_empty() {
        return topology;
    }
    let numbers: BTreeMap<&str, usize> = network.zones().into_iter().zip(0..).collect();
    let mut zones = Zones::default();
    for (nic, of) in topology.nics.iter().enumerate() {
        let node = &network.nodes[of.node];
        let subnet = network.subnets.get(of.subnet).and_then(|s| s.zone.as_ref());
        let zone = subnet
            .or(node.zone.as_ref())
            .and_then(|z| numbers.get(z.as_str()));
        if let (Some(zone), false) = (zone, node.is_router()) {
            zones.of.insert(nic, *zone);
            zones
                .of
                .extend(topology.peer(nic).map(|port| (port, *zone)));
        }
    }
    for Declared {
        zones: [a, b],
        delay,
    } in declared
    {
        if let (Some(a), Some(b)) = (numbers.get(a.as_str()), numbers.get(b.as_str())) {
            zones.between.insert((*a.min(b), *a.max(b)), *delay);
        }
    }
    topology.vpc.zones = zones;
    topology
}
