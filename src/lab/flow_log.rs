//! Which interfaces have flow logs.

use std::time::Duration;

use super::decode::{Fields, Item};
use super::network::Network;
use crate::net::topology::vpc::FlowLogging;
use crate::net::topology::{NodeKind, Topology};

/// What a lab says of flow logs: nodes (all hosts, unless it names some) and the aggregation interval.
pub(super) struct Declared {
    nodes: Option<Vec<usize>>,
    interval: Duration,
}

/// Reads the table `flow-log`; without it nothing is logged.
pub(super) fn read(root: &mut Fields<'_>, network: &Network<'_>) -> Option<Declared> {
    let mut table = root.optional("flow-log").and_then(Item::fields)?;
    let nodes = table.or("nodes", None, |item| {
        item.some(|i| network.node_of(i)).map(Some)
    });
    // VPC User Guide, "Aggregation interval": one minute, or ten, which is the default.
    let intervals = [
        ("10 min", Duration::from_secs(600)),
        ("1 min", Duration::from_secs(60)),
    ];
    let interval = table.or("aggregation-interval", intervals[0].1, |item| {
        item.one_of("aggregation interval", &intervals)
    });
    table.finish();
    Some(Declared {
        nodes: nodes?,
        interval: interval?,
    })
}

/// Puts it into a topology, whose nodes are those of the network.
pub(super) fn lay(declared: Option<Declared>, mut topology: Topology) -> Topology {
    let Some(Declared { nodes, interval }) = declared else {
        return topology;
    };
    let mut nics = Vec::new();
    for (index, node) in topology.nodes.iter().enumerate() {
        if nodes.as_ref().is_some_and(|n| !n.contains(&index)) {
            continue;
        }
        match node.kind {
            NodeKind::Host => nics.extend(&node.nics),
            // Its other NICs are its bridge's, and no interfaces of the VPC.
            NodeKind::DockerHost { .. } => nics.extend(node.nics.first()),
            NodeKind::Router => {}
        }
    }
    topology.vpc.flow_log = Some(FlowLogging { interval, nics });
    topology
}
