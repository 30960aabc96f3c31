//! Who knows which way: hosts by their subnets, routers by those that they are joined to.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Layout;
use crate::lab::network::Shape;
use crate::lab::range;
use crate::net::topology::{Cidr, Route};

impl Layout<'_, '_> {
    pub(super) fn add_routes(&mut self) {
        for (index, node) in self.network.nodes.iter().enumerate() {
            match &node.shape {
                Shape::Host { addresses, default } => {
                    let subnets: Vec<usize> = addresses.iter().map(|a| a.subnet).collect();
                    self.route_host(index, &subnets, *default);
                }
                Shape::Docker { address, .. } => self.route_host(index, &[address.subnet], 0),
                Shape::Router => match &node.gateway {
                    Some(gateway) => self.route_internet_gateway(index, gateway),
                    None => self.route_router(index),
                },
                Shape::Container { .. } | Shape::Unknown => {}
            }
        }
    }

    /// A host reaches its own subnets directly, what lies behind the routers of its other NICs through those, and
    /// everything else through its default NIC.
    fn route_host(&mut self, host: usize, subnets: &[usize], default: usize) {
        let nics = self.topology.nodes[host].nics.clone();
        let ways: Vec<(usize, usize)> = subnets.iter().copied().zip(nics).collect();
        for (subnet, nic) in &ways {
            self.add_route(host, self.topology.subnets[*subnet].cidr, *nic);
        }
        let default_router = subnets
            .get(default)
            .and_then(|s| self.network.subnets[*s].router);
        for (way, (subnet, nic)) in ways.iter().enumerate() {
            let router = self.network.subnets[*subnet].router;
            let behind = self.network.subnets.iter().enumerate();
            for (other, declared) in behind {
                if way != default && declared.router == router && router != default_router {
                    self.add_route(host, self.topology.subnets[other].cidr, *nic);
                }
            }
        }
        if let Some((_, nic)) = ways.get(default) {
            let everything = everything(self.topology.nics[*nic].address);
            self.add_route(host, everything, *nic);
        }
    }

    /// A router reaches the subnets of the routers that it is joined to, directly or through others, by the shortest
    /// way. Private ranges are not announced to a router without a private subnet: the Internet knows no way to 10/8.
    fn route_router(&mut self, router: usize) {
        let serves = |router: usize| {
            let subnets = self.network.subnets.iter();
            subnets
                .filter(move |s| s.router == Some(router))
                .filter_map(|s| s.cidr)
        };
        let knows_private = serves(router).any(|c| range::is_private(&c));
        let mut found = BTreeSet::from([router]);
        let mut queue = VecDeque::from([(router, None)]);
        let mut routes = Vec::new();
        while let Some((at, through)) = queue.pop_front() {
            for nic in &self.topology.nodes[at].nics {
                let peer = self.topology.peer(*nic);
                let Some(next) = peer.map(|p| self.topology.nics[p].node) else {
                    continue;
                };
                let node = &self.network.nodes[next];
                if let Some(gateway) = &node.gateway {
                    // What lies behind a gateway the Internet knows by public addresses only; what goes out through it
                    // a route table says.
                    if gateway.internet == at {
                        let known = self.network.public_addresses(gateway);
                        let through = through.unwrap_or(*nic);
                        routes.extend(known.map(|(.., public)| (Cidr::host(public), through)));
                    }
                    continue;
                }
                if !matches!(node.shape, Shape::Router) || !found.insert(next) {
                    continue;
                }
                let through = through.unwrap_or(*nic);
                let known = serves(next).filter(|c| knows_private || !range::is_private(c));
                routes.extend(known.map(|cidr| (cidr, through)));
                queue.push_back((next, Some(through)));
            }
        }
        for (cidr, nic) in routes {
            self.add_route(router, cidr, nic);
        }
    }

    /// The first route to a range is the one that counts.
    pub(super) fn add_route(&mut self, node: usize, to: Cidr, nic: usize) {
        let routes = &mut self.topology.nodes[node].routes;
        if routes.iter().all(|r| r.to != to) {
            routes.push(Route { to, nic });
        }
    }
}

/// Every address of the family of `address`.
pub(super) fn everything(address: IpAddr) -> Cidr {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    Cidr::everything(any)
}
