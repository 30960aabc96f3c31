//! What a forwarding node does with a packet: longest prefix, time to live, MTU. A decision only; the fabric acts.

use std::net::{IpAddr, SocketAddr};

use super::icmp::Complaint;
use super::topology::vpc::RouteTable;
use super::topology::{Node, NodeKind, Route, Topology};
use crate::event::DropCause;

/// Where a packet goes at a forwarding node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// To the node itself, whose NIC (index into [`Topology::nics`]) has the address.
    Here(usize),
    /// Out of this NIC. Between two ends of one subnet the node is a switch and leaves the time to live alone.
    Out {
        /// Index into [`Topology::nics`].
        nic: usize,
        /// Whether a hop is counted.
        hop: bool,
    },
    /// Nowhere.
    Nowhere(DropCause, Complaint),
}

/// The port of router number `router` to the node in the middle of the flow between `source` and `destination`, when
/// there is one and the packet does not come from it. What Linux does with a policy route to a proxy that has sockets
/// for foreign addresses (IP_TRANSPARENT): addresses and ports stay as they are.
pub(super) fn intercepted(
    topology: &Topology,
    router: usize,
    from: Option<usize>,
    source: SocketAddr,
    destination: SocketAddr,
) -> Option<usize> {
    let from = from?;
    topology.intercepts.iter().find_map(|i| {
        let comes_from_it = from == i.client_side || from == i.server_side;
        if i.router != router || comes_from_it {
            None
        } else if destination == i.to {
            Some(i.client_side)
        } else if source == i.to {
            Some(i.server_side)
        } else {
            None
        }
    })
}

/// Decides for a packet from `source` to `destination` that came in at `from` (`None`: the node sends it itself).
pub(super) fn next(
    topology: &Topology,
    node: &Node,
    from: Option<usize>,
    source: IpAddr,
    destination: IpAddr,
) -> Next {
    let nic = |index: usize| &topology.nics[index];
    if from.is_some()
        && let Some(own) = node.nics.iter().find(|n| nic(**n).address == destination)
    {
        return Next::Here(*own);
    }
    let route = match from.and_then(|from| route_table(topology, from)) {
        None => best(node.routes.iter(), destination),
        // What the router serves itself is local, and nothing in a table is more specific than that.
        Some(table) => {
            let local = node
                .routes
                .iter()
                .filter(|r| !leads_to_router(topology, r.nic));
            best(local, destination).or_else(|| best(table.routes.iter(), destination))
        }
    };
    let Some(route) = route else {
        let attached = node
            .nics
            .iter()
            .any(|n| topology.subnets[nic(*n).subnet].cidr.contains(destination));
        let complaint = if attached {
            Complaint::HostUnreachable
        } else {
            Complaint::NetworkUnreachable
        };
        return Next::Nowhere(DropCause::NoRoute, complaint);
    };
    // The port to a neighbouring router has the address of a subnet, and no host of it behind it.
    let hop = from.is_some_and(|from| {
        let subnet = nic(from).subnet;
        let inside = |address| topology.subnets[subnet].cidr.contains(address);
        subnet != nic(route.nic).subnet || !(inside(source) && inside(destination))
    });
    Next::Out {
        nic: route.nic,
        hop,
    }
}

fn best<'a>(routes: impl Iterator<Item = &'a Route>, destination: IpAddr) -> Option<&'a Route> {
    let matching = routes.filter(|r| r.to.contains(destination));
    matching.max_by_key(|r| r.to.prefix)
}

/// The route table of the subnet that a router's port faces.
fn route_table(topology: &Topology, port: usize) -> Option<&RouteTable> {
    let mut tables = topology.vpc.route_tables.iter();
    let subnet = topology.nics[port].subnet;
    let table = tables.find(|t| t.subnets.contains(&subnet))?;
    (!leads_to_router(topology, port)).then_some(table)
}

fn leads_to_router(topology: &Topology, port: usize) -> bool {
    let peer = topology.peer(port).map(|p| topology.nics[p].node);
    peer.is_some_and(|node| topology.nodes[node].kind == NodeKind::Router)
}
