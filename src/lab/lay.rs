//! From what is declared to the topology: NICs get their names, hosts their links, everybody their routes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::decode::Item;
use super::error::words;
use super::links::{DeclaredLink, MTU};
use super::network::{Network, Shape};
use super::range;
use crate::name::Name;
use crate::net::topology::{Cidr, Link, Nic, Node, NodeKind, PortMapping, Route, Subnet, Topology};

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
                self.add_link(nic, port);
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
                self.add_link(nic, port);
                self.add_route(host, Cidr::host(address), port);
                self.add_route(index, cidr, nic);
                self.add_route(index, everything(address), nic);
            }
        }
    }

    /// Links whose two ends are routers exist because a table says so. Gives their indices by table.
    fn add_router_links(&mut self, links: &[DeclaredLink<'_>]) -> BTreeMap<usize, usize> {
        let mut added = BTreeMap::new();
        for (index, link) in links.iter().enumerate() {
            let [Some(a), Some(b)] = link.between.map(|end| self.router(end)) else {
                continue;
            };
            if a == b {
                let label = "expected two different routers";
                self.wrong_end(&link.between[1], "a link has two ends", label, None);
                continue;
            }
            let ports = [(a, b), (b, a)].map(|(router, peer)| {
                // Such a port needs no address of its own: it has that of the router's first subnet.
                let mut subnets = self.network.subnets.iter().enumerate();
                let (subnet, cidr) = subnets
                    .find(|(_, s)| s.router == Some(router))
                    .and_then(|(i, s)| Some((i, s.cidr?)))?;
                self.add_port(router, peer, subnet, range::gateway(&cidr))
            });
            match ports {
                [Some(a), Some(b)] => {
                    added.insert(index, self.add_link(a, b));
                }
                [None, _] | [_, None] => {
                    let label = "expected routers that serve a subnet each";
                    self.mistake(&link.item, "the link has no end", label, None);
                }
            }
        }
        added
    }

    fn router(&self, item: Item<'_>) -> Option<usize> {
        let word = item.as_text()?;
        let nodes = &self.network.nodes;
        let index = nodes.iter().position(|n| n.name.as_str() == word)?;
        matches!(nodes[index].shape, Shape::Router).then_some(index)
    }

    /// Gives the link that a table means its name, MTU and impairments.
    fn apply(&mut self, link: &DeclaredLink<'a>, between_routers: Option<usize>) {
        let routers = link.between.iter().all(|end| self.router(*end).is_some());
        let found = match between_routers {
            None if !routers => self.find(link),
            known => known,
        };
        let Some(index) = found else {
            return;
        };
        if self.named.insert(index, link.item).is_some() {
            let message = "another table describes this link";
            let label = "expected one table a link";
            self.mistake(&link.item, message, label, None);
        }
        let first = link.between[0].as_text().unwrap_or_default();
        let described = &mut self.topology.links[index];
        // "There" is from the end that is named first.
        let [a, b] = described.ends;
        let is_first = |nic: usize| {
            let nic = &self.topology.nics[nic];
            nic.name.as_str() == first || self.topology.nodes[nic.node].name.as_str() == first
        };
        described.ends = if is_first(a) { [a, b] } else { [b, a] };
        described.name = link.name.clone();
        described.mtu = link.mtu;
        described.impairments.clone_from(&link.impairments);
    }

    fn find(&mut self, link: &DeclaredLink<'_>) -> Option<usize> {
        let [a, b] = link.between.map(|end| self.end(end));
        let (a, b) = (a?, b?);
        let joined = |l: &Link| {
            let [x, y] = l.ends;
            (a.contains(&x) && b.contains(&y)) || (a.contains(&y) && b.contains(&x))
        };
        let links = self.topology.links.iter().enumerate();
        let found: Vec<usize> = links.filter(|(_, l)| joined(l)).map(|(i, _)| i).collect();
        let [first, second] = link.between.map(|end| end.as_text().unwrap_or_default());
        match found[..] {
            [one] => Some(one),
            [] => {
                let message = format!("no link joins `{first}` and `{second}`");
                let label =
                    "expected a node and the router of its subnet, or a container and its host";
                self.wrong_end(&link.between[1], &message, label, self.neighbours(&a));
                None
            }
            [_, ..] => {
                let message = format!("several links join `{first}` and `{second}`");
                let names: Vec<&str> = found
                    .iter()
                    .map(|i| self.topology.links[*i].ends[0])
                    .map(|nic| self.topology.nics[nic].name.as_str())
                    .collect();
                let help = format!(
                    "name the NIC instead of the node: {}",
                    words(&names, " or ")
                );
                self.wrong_end(&link.between[0], &message, "which of them?", Some(help));
                None
            }
        }
    }

    /// The NICs that a node's or NIC's name stands for.
    fn end(&mut self, item: Item<'_>) -> Option<Vec<usize>> {
        let word = item.text()?;
        if let Some(node) = self.topology.node(word) {
            return Some(self.topology.nodes[node].nics.clone());
        }
        let nics = &self.topology.nics;
        let found = nics.iter().position(|n| n.name.as_str() == word);
        if found.is_none() {
            // Records that it is unknown.
            self.network.node(&item, word);
            self.whole = false;
        }
        found.map(|nic| vec![nic])
    }

    fn neighbours(&self, nics: &[usize]) -> Option<String> {
        let peers: BTreeSet<&str> = nics
            .iter()
            .filter_map(|nic| self.topology.peer(*nic))
            .map(|nic| &self.topology.nodes[self.topology.nics[nic].node])
            .map(|node| node.name.as_str())
            .collect();
        let peers: Vec<&str> = peers.into_iter().collect();
        (!peers.is_empty()).then(|| format!("the first is joined to {}", words(&peers, ", ")))
    }

    /// A link is named by its table or like the host's NIC: tables can take each other's or a NIC's name.
    fn check_link_names(&mut self) {
        let mut seen = BTreeMap::new();
        let mut clashes = Vec::new();
        for (index, link) in self.topology.links.iter().enumerate() {
            if let Some(other) = seen.insert(link.name.clone(), index) {
                clashes.push([other, index]);
            }
            // A NIC's name is a tap's name; on its own link that is the same thing.
            let taken = self.topology.nics.iter().position(|n| n.name == link.name);
            if taken.is_some_and(|nic| !link.ends.contains(&nic)) {
                clashes.push([index, index]);
            }
        }
        for [a, b] in clashes {
            // One of them has its name from a table: NICs do not share names.
            let tables = [b, a].into_iter().find_map(|link| self.named.get(&link));
            let Some(item) = tables.copied() else {
                continue;
            };
            let name = self.topology.links[b].name.clone();
            let message = format!("`{name}` names two links or a link and another link's NIC");
            let label = "expected a name of its own for each link";
            self.mistake(&item, &message, label, None);
        }
    }

    fn add_routes(&mut self) {
        for (index, node) in self.network.nodes.iter().enumerate() {
            match &node.shape {
                Shape::Host { addresses, default } => {
                    let subnets: Vec<usize> = addresses.iter().map(|a| a.subnet).collect();
                    self.route_host(index, &subnets, *default);
                }
                Shape::Docker { address, .. } => self.route_host(index, &[address.subnet], 0),
                Shape::Router => self.route_router(index),
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
                let is_router = matches!(self.network.nodes[next].shape, Shape::Router);
                if !is_router || !found.insert(next) {
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
    fn add_route(&mut self, node: usize, to: Cidr, nic: usize) {
        let routes = &mut self.topology.nodes[node].routes;
        if routes.iter().all(|r| r.to != to) {
            routes.push(Route { to, nic });
        }
    }

    fn add_link(&mut self, host_nic: usize, nic: usize) -> usize {
        self.topology.links.push(Link {
            name: self.topology.nics[host_nic].name.clone(),
            ends: [host_nic, nic],
            mtu: MTU,
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

    /// A mistake about one end of a link.
    fn wrong_end(&mut self, end: &Item<'_>, message: &str, label: &str, help: Option<String>) {
        self.whole = false;
        end.wrong(message, label, help);
    }
}

/// `stem`, then `stem-2`, `stem-3`.
fn numbered(stem: &str, number: usize) -> String {
    match number {
        1 => stem.to_owned(),
        n => format!("{stem}-{n}"),
    }
}

/// Every address of the family of `address`.
fn everything(address: IpAddr) -> Cidr {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    Cidr::everything(any)
}
