//! From what is declared to the topology: NICs get their names, hosts their links, everybody their routes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::decode::Item;
use super::links::{DeclaredLink, MTU};
use super::network::{Network, Shape};
use super::range;
use crate::name::Name;
use crate::net::topology::{Cidr, Link, Nic, Node, NodeKind, PortMapping, Subnet, Topology};

mod gateways;
mod links;
mod routes;

use routes::everything;

/// Lays the network out. The indices of its nodes are those of `network`. Only for a network without mistakes.
pub(super) fn lay<'a>(network: &Network<'a>, links: &[DeclaredLink<'a>]) -> Option<Topology> {
    let mut layout = Layout {
        network,
        topology: Topology::default(),
        named: BTreeMap::new(),
        whole: true,
    };
    layout.add_nodes();
    layout.add_hosts();
    layout.add_containers();
    layout.add_internet_gateways();
    let between_routers = layout.add_router_links(links);
    for (index, link) in links.iter().enumerate() {
        layout.apply(link, between_routers.get(&index).copied());
    }
    layout.check_link_names();
    layout.add_routes();
    layout.whole.then_some(layout.topology)
}

struct Layout<'n, 'a> {
    network: &'n Network<'a>,
    topology: Topology,
    /// Links that a table has described, and the table.
    named: BTreeMap<usize, Item<'a>>,
    /// No mistake was found here.
    whole: bool,
}

impl<'a> Layout<'_, 'a> {
    fn add_nodes(&mut self) {
        for subnet in &self.network.subnets {
            if let Some(cidr) = subnet.cidr {
                let name = subnet.name.clone();
                self.topology.subnets.push(Subnet { name, cidr });
            }
        }
        for node in &self.network.nodes {
            let kind = match &node.shape {
                Shape::Router => NodeKind::Router,
                Shape::Docker { publish, .. } => NodeKind::DockerHost {
                    publish: publish
                        .iter()
                        .filter_map(|p| {
                            let container = self.network.addresses(p.container);
                            Some(PortMapping {
                                port: p.port,
                                container: (*container.first()?, p.to).into(),
                            })
                        })
                        .collect(),
                },
                Shape::Host { .. } | Shape::Container { .. } | Shape::Unknown => NodeKind::Host,
            };
            self.topology.nodes.push(Node {
                name: node.name.clone(),
                kind,
                nics: Vec::new(),
                routes: Vec::new(),
                forwarding: node.forwarding,
            });
        }
    }

    /// Every NIC of a host or docker host, and its link to the router of its subnet.
    fn add_hosts(&mut self) {
        let mut attached = Vec::new();
        for (index, node) in self.network.nodes.iter().enumerate() {
            let addresses = match &node.shape {
                Shape::Host { addresses, .. } => &addresses[..],
                Shape::Docker { address, .. } => std::slice::from_ref(address),
                Shape::Container { .. } | Shape::Router | Shape::Unknown => &[],
            };
            for address in addresses {
                let subnet = &self.network.subnets[address.subnet].name;
                let name = match &node.shape {
                    Shape::Docker { .. } => format!("{}-eth0", node.name),
                    Shape::Host { .. }
                    | Shape::Container { .. }
                    | Shape::Router
                    | Shape::Unknown => match addresses {
                        [_] => format!("{}0", node.name),
                        _ => format!("{}-{subnet}", node.name),
                    },
                };
                if let Some(nic) = self.add_nic(&name, index, address.subnet, address.address) {
                    attached.push((nic, index, address.subnet));
                }
            }
        }
        for (nic, node, subnet) in attached {
            let declared = &self.network.subnets[subnet];
            let (Some(router), Some(cidr)) = (declared.router, declared.cidr) else {
                let message = format!("no router serves the subnet `{}`", declared.name);
                let label = format!("`{}` has no way out", self.network.nodes[node].name);
                let help = format!(
                    "for example `router.internet.subnets = [\"{}\"]`",
                    declared.name
                );
                self.mistake(&declared.item, &message, &label, Some(help));
                continue;
            };
            if let Some(port) = self.add_port(router, node, subnet, range::gateway(&cidr)) {
                let mtu = self.network.nodes[node].mtu.or(declared.mtu);
                self.add_link(nic, port, mtu.unwrap_or(MTU));
                let address = self.topology.nics[nic].address;
                self.add_route(router, Cidr::host(address), port);
            }
        }
    }

    /// Every container, and its link to the bridge of its host.
    fn add_containers(&mut self) {
        for (host, node) in self.network.nodes.iter().enumerate() {
            let Shape::Docker { bridge, .. } = &node.shape else {
                continue;
            };
            let Some(name) = self.name(&format!("{}-bridge", node.name), &node.item) else {
                continue;
            };
            let subnet = self.topology.subnets.len();
            let (address, prefix) = (range::network(bridge), bridge.prefix);
            let cidr = Cidr { address, prefix };
            self.topology.subnets.push(Subnet { name, cidr });
            let mut ports = 0;
            for (index, container) in self.network.nodes.iter().enumerate() {
                let address = match &container.shape {
                    Shape::Container { on, address, .. } if *on == host => *address,
                    Shape::Container { .. }
                    | Shape::Host { .. }
                    | Shape::Docker { .. }
                    | Shape::Router
                    | Shape::Unknown => continue,
                };
                ports += 1;
                let port = numbered(&format!("{}-docker0", node.name), ports);
                let nic = self.add_nic(&format!("{}0", container.name), index, subnet, address);
                let port = self.add_nic(&port, host, subnet, bridge.address);
                let (Some(nic), Some(port)) = (nic, port) else {
                    continue;
                };
                self.add_link(nic, port, container.mtu.unwrap_or(MTU));
                self.add_route(host, Cidr::host(address), port);
                self.add_route(index, cidr, nic);
                self.add_route(index, everything(address), nic);
            }
        }
    }

    fn add_link(&mut self, host_nic: usize, nic: usize, mtu: usize) -> usize {
        self.topology.links.push(Link {
            name: self.topology.nics[host_nic].name.clone(),
            ends: [host_nic, nic],
            mtu,
            impairments: [Vec::new(), Vec::new()],
        });
        self.topology.links.len() - 1
    }

    /// The port of a router towards a peer: `internet-user`, a second one `internet-user-2`.
    fn add_port(
        &mut self,
        router: usize,
        peer: usize,
        subnet: usize,
        address: IpAddr,
    ) -> Option<usize> {
        let nodes = &self.network.nodes;
        let stem = format!("{}-{}", nodes[router].name, nodes[peer].name);
        let free = |n: &usize| {
            let name = numbered(&stem, *n);
            let nics = &self.topology.nodes[router].nics;
            nics.iter()
                .all(|nic| self.topology.nics[*nic].name.as_str() != name)
        };
        let number = (1..).find(free)?;
        self.add_nic(&numbered(&stem, number), router, subnet, address)
    }

    fn add_nic(
        &mut self,
        name: &str,
        node: usize,
        subnet: usize,
        address: IpAddr,
    ) -> Option<usize> {
        let item = self.network.nodes[node].item;
        let name = self.name(name, &item)?;
        let nics = &self.topology.nics;
        if let Some(other) = nics.iter().find(|n| n.name == name) {
            let other = &self.topology.nodes[other.node].name;
            let message = format!("its NIC `{name}` would have the name of one of `{other}`");
            self.mistake(&item, &message, "expected another name", None);
            return None;
        }
        let nic = self.topology.nics.len();
        self.topology.nics.push(Nic {
            name,
            node,
            subnet,
            address,
        });
        self.topology.nodes[node].nics.push(nic);
        Some(nic)
    }

    fn name(&mut self, name: &str, item: &Item<'_>) -> Option<Name> {
        match Name::new(name) {
            Ok(name) => Some(name),
            Err(error) => {
                let message = format!("its NIC cannot be called `{name}`");
                self.mistake(item, &message, &error.to_string(), None);
                None
            }
        }
    }

    /// A mistake about what a key declares.
    fn mistake(&mut self, item: &Item<'_>, message: &str, label: &str, help: Option<String>) {
        self.whole = false;
        item.wrong_key(message, label, help);
    }
}

/// `stem`, then `stem-2`, `stem-3`.
fn numbered(stem: &str, number: usize) -> String {
    match number {
        1 => stem.to_owned(),
        n => format!("{stem}-{n}"),
    }
}
