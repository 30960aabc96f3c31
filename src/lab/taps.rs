//! Which NICs the main capture taps: each path once, where it is initiated, so that no packet appears twice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::plan::{Action, Step};
use crate::net::topology::Topology;
use crate::role::config::Role;

/// A resolver that asks others has one NIC for these and for its clients, as a rule: of it only what is not the clients'.
pub(super) type MainTaps = (Vec<usize>, BTreeMap<usize, Vec<IpAddr>>);

/// Every NIC of a node with a browser, of an attacker, the server's side of nodes in the middle, and
/// the NICs through which load balancers reach their targets, unless clients
/// come in through them, and those through which resolvers ask others.
pub(super) fn main_taps(topology: &Topology, roles: &[(usize, Role)], steps: &[Step]) -> MainTaps {
    let mut taps = BTreeSet::new();
    let mut clients = Vec::new();
    let mut published = Vec::new();
    let serves = |node: usize| {
        let mut roles = roles.iter();
        roles.any(|(n, role)| *n == node && matches!(role, Role::App(_) | Role::Alb(_)))
    };
    for (node, role) in roles {
        match role {
            // What a server asks of others would be on the links where it is asked itself: it has captures of its own.
            Role::Browser(_) if serves(*node) => {}
            Role::Browser(_) => {
                let nics = &topology.nodes[*node].nics;
                taps.extend(nics.iter().copied());
                if !is_elsewhere(topology, *node, roles, steps) {
                    clients.extend(nics.iter().flat_map(|nic| topology.reached_by(*nic)));
                }
            }
            Role::Resolver(resolver) => published.extend(resolver.published()),
            // A program that is no server is a client.
            Role::Program(program) if program.ready.is_none() => {
                let nics = &topology.nodes[*node].nics;
                taps.extend(nics.iter().copied());
                clients.extend(nics.iter().flat_map(|nic| topology.reached_by(*nic)));
            }
            // On its other side are the connections that the clients opened.
            Role::Interceptor(_) => taps.extend(topology.nodes[*node].nics.get(1)),
            Role::Attacker(_) => taps.extend(&topology.nodes[*node].nics),
            Role::Alb(_) | Role::App(_) | Role::Program(_) => {}
        }
    }
    let mut elsewhere = BTreeMap::new();
    let told = taps.iter().flat_map(|nic| topology.reached_by(*nic));
    let told: Vec<IpAddr> = told.collect();
    for (node, role) in roles {
        let Role::Resolver(resolver) = role else {
            continue;
        };
        for nic in resolver
            .asks()
            .iter()
            .filter_map(|a| way_out(topology, *node, *a))
        {
            if taps.insert(nic) {
                elsewhere.insert(nic, told.clone());
            }
        }
    }
    for (node, role) in roles {
        let Role::Alb(alb) = role else {
            continue;
        };
        let nics = &topology.nodes[*node].nics;
        let entered: BTreeSet<usize> = nics
            .iter()
            .copied()
            .filter(|nic| topology.reached_by(*nic).any(|a| published.contains(&a)))
            .chain(clients.iter().filter_map(|c| way_out(topology, *node, *c)))
            .collect();
        let targets = alb.target_groups.iter().flat_map(|g| &g.targets);
        let ways = targets.filter_map(|t| way_out(topology, *node, t.address.ip()));
        taps.extend(ways.filter(|nic| !entered.contains(nic)));
    }
    (taps.into_iter().collect(), elsewhere)
}

/// Whether all that a node fetches is at addresses that no load balancer has.
fn is_elsewhere(topology: &Topology, node: usize, roles: &[(usize, Role)], steps: &[Step]) -> bool {
    let balancer = |address: IpAddr| {
        let nics = (0..topology.nics.len()).filter(|nic| {
            let mut all = topology.reached_by(*nic);
            all.any(|a| a == address)
        });
        let mut nodes = nics.map(|nic| topology.nics[nic].node);
        nodes.any(|n| {
            roles
                .iter()
                .any(|(on, role)| *on == n && matches!(role, Role::Alb(_)))
        })
    };
    let own = steps.iter().filter(|s| s.node == topology.nodes[node].name);
    let mut hosts = own.flat_map(|step| match &step.action {
        Action::Get(urls) => urls.iter().map(|url| url.host.as_str()).collect(),
        Action::Errand(errand) => vec![errand.host().as_str()],
        Action::Run(_)
        | Action::Renew { .. }
        | Action::Register(_)
        | Action::Serve(_)
        | Action::Attack(_)
        | Action::Network(_)
        | Action::Instance { .. }
        | Action::Publish { .. } => Vec::new(),
    });
    hosts.all(|host| host.parse().is_ok_and(|address: IpAddr| !balancer(address)))
}

/// The NIC through which `node` sends to `destination`: the longest prefix wins.
fn way_out(topology: &Topology, node: usize, destination: IpAddr) -> Option<usize> {
    let routes = topology.nodes[node].routes.iter();
    routes
        .filter(|r| r.to.contains(destination))
        .max_by_key(|r| r.to.prefix)
        .map(|r| r.nic)
}
