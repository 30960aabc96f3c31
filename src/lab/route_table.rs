//! Route tables of subnets, and NAT gateways.

use super::decode::{Fields, Item, all};
use super::network::{Network, Shape};
use super::range;
use crate::net::topology::vpc::{NatGateway, RouteTable};
use crate::net::topology::{Cidr, Route, Topology};

/// A table as declared: its subnets, and to which node what goes.
pub(super) struct Declared {
    subnets: Vec<usize>,
    routes: Vec<(Cidr, usize)>,
}

/// Reads the table `route-table`.
pub(super) fn read(root: &mut Fields<'_>, network: &Network<'_>) -> Vec<Declared> {
    let Some(table) = root.optional("route-table").and_then(Item::fields) else {
        return Vec::new();
    };
    let mut taken = vec![false; network.subnets.len()];
    let tables = table.entries().map(|item| {
        item.key_name()?;
        let mut table = item.fields()?;
        let subnets = table.required("subnets", "[\"apps\"]");
        let subnets = subnets.and_then(|i| {
            i.some(|s| {
                let index = network.subnet(&s, s.text()?)?;
                if std::mem::replace(&mut taken[index], true) {
                    let message = format!("`{}` has a route table already", s.text()?);
                    s.wrong(message, "expected one for each subnet", None);
                    return None;
                }
                Some(index)
            })
        });
        let routes = table.or("routes", Vec::new(), |i| {
            all(i.fields()?.entries().map(|route| route_of(route, network)))
        });
        let routes_item = table.optional("routes");
        table.finish();
        let declared = Declared {
            subnets: subnets?,
            routes: routes?,
        };
        let fits = targets_are_near(&item, &declared, network)
            && leaves_local_alone(routes_item.unwrap_or(item), &declared, network);
        fits.then_some(declared)
    });
    all(tables).unwrap_or_default()
}

/// `"0.0.0.0/0" = "nat"`.
fn route_of(item: Item<'_>, network: &Network<'_>) -> Option<(Cidr, usize)> {
    let cidr = range::any_key(item);
    let target = network.node_of(item);
    Some((cidr?, target?))
}

/// A route leads to what the subnet's own router is joined to.
fn targets_are_near(item: &Item<'_>, declared: &Declared, network: &Network<'_>) -> bool {
    let routers: Vec<_> = declared
        .subnets
        .iter()
        .map(|s| network.subnets[*s].router)
        .collect();
    for (_, target) in &declared.routes {
        let node = &network.nodes[*target];
        let near = match &node.shape {
            Shape::Host { addresses, .. } => routers.iter().all(|router| {
                let here =
                    |a: &super::network::Address| network.subnets[a.subnet].router == *router;
                addresses.iter().any(here)
            }),
            Shape::Router if node.gateway.is_some() => {
                let vpc = node.gateway.map(|g| g.vpc);
                routers.iter().all(|router| *router == vpc)
            }
            // Whether a link joins the routers is seen when the network is laid out.
            Shape::Router | Shape::Unknown => true,
            Shape::Docker { .. } | Shape::Container { .. } => false,
        };
        if !near {
            let message = format!("no route leads to `{}`", node.name);
            let label = "expected a node with an address at the subnets' router, or another router";
            item.wrong_key(message, label, None);
            return false;
        }
    }
    true
}

/// What the router serves itself is local. (A VPC of AWS lets a table send what is between two subnets through a middlebox
/// on the way; the routers here do not.)
fn leaves_local_alone(item: Item<'_>, declared: &Declared, network: &Network<'_>) -> bool {
    let router = declared.subnets.first().map(|s| network.subnets[*s].router);
    for (to, _) in &declared.routes {
        let mut local = network.subnets.iter().filter(|s| Some(s.router) == router);
        let inside = local.find(|s| {
            s.cidr
                .is_some_and(|own| own.prefix <= to.prefix && own.contains(to.address))
        });
        if let Some(subnet) = inside {
            let message = format!(
                "`{to}` is in the subnet `{}` of the same router",
                subnet.name
            );
            let label = "expected ranges that are elsewhere: the router's own are local";
            item.wrong_key(message, label, None);
            return false;
        }
    }
    true
}

/// Puts route tables and NAT gateways into a topology, whose nodes are those of the network.
pub(super) fn lay(tables: &[Declared], network: &Network<'_>, mut topology: Topology) -> Topology {
    for table in tables {
        let Some(router) = table
            .subnets
            .first()
            .and_then(|s| network.subnets[*s].router)
        else {
            continue;
        };
        let port_to = |target: usize| {
            let ports = topology.nodes[router].nics.iter().copied();
            ports.clone().find(|port| {
                let peer = topology.peer(*port);
                peer.is_some_and(|p| topology.nics[p].node == target)
            })
        };
        let routes = table.routes.iter();
        let routes = routes.filter_map(|(to, target)| {
            Some(Route {
                to: *to,
                nic: port_to(*target)?,
            })
        });
        let routes = routes.collect();
        topology.vpc.route_tables.push(RouteTable {
            subnets: table.subnets.clone(),
            routes,
        });
    }
    for (index, node) in network.nodes.iter().enumerate() {
        if node.vpc.nat_gateway.is_none() {
            continue;
        }
        let (inside, outside) = match topology.nodes[index].nics[..] {
            [inside, outside] => (inside, outside),
            [only] => (only, only),
            _ => continue,
        };
        let gateway = NatGateway { inside, outside };
        topology.vpc.nat_gateways.push(gateway);
    }
    topology
}

/// A NAT gateway faces the private network with its first address, the Internet with its second; or both with its only
/// one, which has a public address.
pub(super) fn check_nat_gateways(network: &Network<'_>) {
    for node in &network.nodes {
        let Some(item) = node.vpc.nat_gateway else {
            continue;
        };
        if let Some(table) = item.fields() {
            table.finish();
        }
        if let Some(groups) = node.vpc.security_groups {
            let label = "expected none: a network ACL filters what comes to its subnet";
            groups.wrong_key("a NAT gateway has no security groups", label, None);
        }
        let fits = match &node.shape {
            Shape::Host { addresses, default } => match addresses.len() {
                1 => node.vpc.public_address.is_some(),
                count => count == 2 && *default == 1,
            },
            Shape::Unknown => true,
            Shape::Docker { .. } | Shape::Container { .. } | Shape::Router => false,
        };
        if !fits {
            let message = format!("`{}` cannot be a NAT gateway", node.name);
            let label = "expected a node with one address and a `public-address`, or with two: the private one, then the public one";
            item.wrong_key(message, label, None);
        }
    }
}
