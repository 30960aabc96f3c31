//! What a lab declares of the network: subnets, routers and nodes, each reference resolved. `lay` makes a topology of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::decode::{Fields, Item, all};
use super::range;
use crate::name::Name;
use crate::net::topology::{Cidr, Forwarding};

/// Everything declared.
pub(super) struct Network<'a> {
    pub(super) subnets: Vec<DeclaredSubnet<'a>>,
    /// Nodes in order of the file, then routers.
    pub(super) nodes: Vec<DeclaredNode<'a>>,
    /// Load balancers that nodes may be of, unread.
    balancers: Vec<Item<'a>>,
    /// Keys that are not names: a reference to one is no second mistake.
    refused: BTreeSet<&'a str>,
}

/// A subnet, and the router that serves it.
pub(super) struct DeclaredSubnet<'a> {
    pub(super) name: Name,
    pub(super) item: Item<'a>,
    /// `None` after a mistake.
    pub(super) cidr: Option<Cidr>,
    /// The node that is its router.
    pub(super) router: Option<usize>,
}

/// A node.
pub(super) struct DeclaredNode<'a> {
    pub(super) name: Name,
    pub(super) item: Item<'a>,
    pub(super) shape: Shape<'a>,
    pub(super) programs: Programs<'a>,
    /// Its availability zone.
    pub(super) zone: Option<String>,
    /// How its TCP behaves, unread.
    pub(super) tcp: Option<Item<'a>>,
    /// For a router.
    pub(super) forwarding: Forwarding,
    /// For a router: flows for nodes in the middle, unread.
    pub(super) intercept: Option<Item<'a>>,
    /// What guards it, unread.
    pub(super) vpc: InVpc<'a>,
}

/// What a virtual private cloud does for a node, unread.
#[derive(Default, Clone, Copy)]
pub(super) struct InVpc<'a> {
    pub(super) security_groups: Option<Item<'a>>,
    pub(super) tracking: Option<Item<'a>>,
    pub(super) nat_gateway: Option<Item<'a>>,
}

/// What kind of machine a node is.
pub(super) enum Shape<'a> {
    Host {
        addresses: Vec<Address>,
        /// Which of the addresses has the default route.
        default: usize,
    },
    Docker {
        address: Address,
        /// The bridge's own address and range.
        bridge: Cidr,
        publish: Vec<Publish<'a>>,
    },
    Container {
        /// The docker host: a node.
        on: usize,
        address: IpAddr,
        item: Item<'a>,
    },
    Router,
    /// A mistake was found.
    Unknown,
}

/// An address in a declared subnet.
#[derive(Clone, Copy)]
pub(super) struct Address {
    pub(super) subnet: usize,
    pub(super) address: IpAddr,
}

/// A published port.
pub(super) struct Publish<'a> {
    pub(super) port: u16,
    /// The container: a node.
    pub(super) container: usize,
    pub(super) to: u16,
    pub(super) item: Item<'a>,
}

/// The programs of a node, unread.
#[derive(Default, Clone, Copy)]
pub(super) struct Programs<'a> {
    pub(super) browser: Option<Item<'a>>,
    pub(super) resolver: Option<Item<'a>>,
    pub(super) name_server: Option<Item<'a>>,
    pub(super) alb: Option<Item<'a>>,
    pub(super) app: Option<Item<'a>>,
    pub(super) program: Option<Item<'a>>,
    pub(super) interceptor: Option<Item<'a>>,
    pub(super) attacker: Option<Item<'a>>,
}

/// A browser, or a client that is none: they are told the same.
fn one_client<'a>(browser: Option<Item<'a>>, client: Option<Item<'a>>) -> Option<Item<'a>> {
    if let (Some(_), Some(extra)) = (browser, client) {
        let label = "expected one of `browser` and `client`";
        extra.wrong_key("there is a browser already", label, None);
    }
    browser.or(client)
}

impl<'a> Network<'a> {
    /// Reads the tables `subnet`, `router` and `node`.
    pub(super) fn read(root: &mut Fields<'a>) -> Self {
        let mut network = Self {
            subnets: Vec::new(),
            nodes: Vec::new(),
            balancers: Vec::new(),
            refused: BTreeSet::new(),
        };
        let balancers = root.optional("load-balancer").and_then(Item::fields);
        network.balancers = balancers.map_or_else(Vec::new, |t| t.entries().collect());
        let subnets = root.required("subnet", "{ home = \"203.192.1.0/24\" }");
        let nodes = root.required(
            "node",
            "{ user = { address = { home = \"203.192.1.50\" } } }",
        );
        let routers = root.optional("router");
        network.read_subnets(subnets);
        // All names first: a container may name its host before the host is declared.
        network.declare(nodes);
        let first_router = network.nodes.len();
        network.declare(routers);
        for index in 0..network.nodes.len() {
            if index < first_router {
                network.read_node(index);
            } else {
                network.read_router(index);
            }
        }
        network.check_addresses();
        network.check_balancers();
        network
    }

    /// The table that says what the load balancer on a node is: its own, or that of the load balancer it is a node of.
    fn balancer(&self, item: Item<'a>) -> Option<Item<'a>> {
        let Some(word) = item.as_text() else {
            return Some(item);
        };
        let found = self.balancers.iter().find(|b| b.key == word);
        if found.is_none() {
            item.unknown("load balancer", self.balancers.iter().map(|b| b.key));
        }
        found.copied()
    }

    fn check_balancers(&self) {
        for balancer in &self.balancers {
            let mut tables = self.nodes.iter().filter_map(|n| n.programs.alb);
            if !tables.any(|t| t.key == balancer.key) {
                let label = "expected a node that is one of its nodes";
                let help = format!("for example `node.alb-a.alb = \"{}\"`", balancer.key);
                balancer.wrong_key("the load balancer has no node", label, help);
            }
        }
    }

    /// The node called `word`, the value of `item` or a part of it.
    pub(super) fn node(&self, item: &Item<'_>, word: &str) -> Option<usize> {
        let found = self.nodes.iter().position(|n| n.name.as_str() == word);
        if found.is_none() && !self.refused.contains(word) {
            item.wrong(
                format!("unknown node `{word}`"),
                "no node has this name",
                super::error::advice(word, self.node_names()),
            );
        }
        found
    }

    /// The same for a value that is the name and nothing else.
    pub(super) fn node_of(&self, item: Item<'_>) -> Option<usize> {
        self.node(&item, item.text()?)
    }

    pub(super) fn node_names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|n| n.name.as_str())
    }

    /// The addresses of a node; none after a mistake.
    pub(super) fn addresses(&self, node: usize) -> Vec<IpAddr> {
        match &self.nodes[node].shape {
            Shape::Host { addresses, .. } => addresses.iter().map(|a| a.address).collect(),
            Shape::Docker { address, .. } => vec![address.address],
            Shape::Container { address, .. } => vec![*address],
            Shape::Router | Shape::Unknown => Vec::new(),
        }
    }

    /// The one address of a node, which `item` refers to by the node's name.
    pub(super) fn only_address(&self, item: &Item<'_>, node: usize) -> Option<IpAddr> {
        match self.addresses(node)[..] {
            [] => {
                if matches!(self.nodes[node].shape, Shape::Router) {
                    let label = "expected a node with one address, found a router";
                    item.wrong("a router runs no programs", label, None);
                }
                None
            }
            [address] => Some(address),
            [_, ..] => {
                item.wrong(
                    format!("`{}` has several addresses", self.nodes[node].name),
                    "expected a node with one address",
                    None,
                );
                None
            }
        }
    }

    fn read_subnets(&mut self, item: Option<Item<'a>>) {
        let Some(table) = item.and_then(Item::fields) else {
            return;
        };
        for item in table.entries() {
            let Some(name) = item.key_name() else {
                self.refused.insert(item.key);
                continue;
            };
            let cidr = subnet_range(item);
            if let Some(cidr) = &cidr {
                let other = self
                    .subnets
                    .iter()
                    .find(|s| s.cidr.as_ref().is_some_and(|c| range::overlap(c, cidr)));
                if let Some(other) = other {
                    let message = format!("`{name}` overlaps the subnet `{}`", other.name);
                    let label = "expected a range of its own";
                    item.wrong(message, label, None);
                }
            }
            self.subnets.push(DeclaredSubnet {
                name,
                item,
                cidr,
                router: None,
            });
        }
    }

    fn declare(&mut self, item: Option<Item<'a>>) {
        let Some(table) = item.and_then(Item::fields) else {
            return;
        };
        for item in table.entries() {
            let Some(name) = item.key_name() else {
                self.refused.insert(item.key);
                continue;
            };
            if self.nodes.iter().any(|n| n.name == name) {
                let label = "expected a name of its own";
                item.wrong_key(format!("a node is called `{name}` too"), label, None);
                continue;
            }
            self.nodes.push(DeclaredNode {
                name,
                item,
                shape: Shape::Unknown,
                programs: Programs::default(),
                zone: None,
                tcp: None,
                forwarding: Forwarding::default(),
                intercept: None,
                vpc: InVpc::default(),
            });
        }
    }

    fn read_router(&mut self, index: usize) {
        let item = self.nodes[index].item;
        self.nodes[index].shape = Shape::Router;
        let Some(mut table) = item.fields() else {
            return;
        };
        let subnets = table.required("subnets", "[\"home\"]");
        let usual = Forwarding::default();
        let mss_clamp = table.or("mss-clamp", usual.mss_clamp, Item::boolean);
        let icmp_errors = table.or("icmp-errors", usual.icmp_errors, Item::boolean);
        let intercept = table.optional("intercept");
        table.finish();
        self.nodes[index].intercept = intercept;
        self.nodes[index].forwarding = Forwarding {
            mss_clamp: mss_clamp.unwrap_or(usual.mss_clamp),
            icmp_errors: icmp_errors.unwrap_or(usual.icmp_errors),
        };
        for item in subnets.and_then(Item::list).unwrap_or_default() {
            let Some(subnet) = item.text().and_then(|word| self.subnet(&item, word)) else {
                continue;
            };
            let subnet = &mut self.subnets[subnet];
            if subnet.router.is_some() {
                let message = format!("the subnet `{}` has a router already", subnet.name);
                let label = "expected a subnet that no other router serves";
                item.wrong(message, label, None);
            }
            subnet.router.get_or_insert(index);
        }
    }

    fn read_node(&mut self, index: usize) {
        let item = self.nodes[index].item;
        let Some(mut table) = item.fields() else {
            return;
        };
        let address = table.optional("address");
        let default = table.optional("default");
        let docker = table.optional("docker");
        let container = table.optional("container");
        let vpc = InVpc {
            security_groups: table.optional("security-groups"),
            tracking: table.optional("connection-tracking"),
            nat_gateway: table.optional("nat-gateway"),
        };
        let programs = Programs {
            browser: one_client(table.optional("browser"), table.optional("client")),
            resolver: table.optional("resolver"),
            name_server: table.optional("name-server"),
            alb: table.optional("alb").and_then(|i| self.balancer(i)),
            app: table.optional("app"),
            program: table.optional("program"),
            interceptor: table.optional("interceptor"),
            attacker: table.optional("attacker"),
        };
        let tcp = table.optional("tcp");
        let zone = table.or("az", None, |i| i.prose(32).map(Some));
        let shape = match (container, docker) {
            (Some(container), _) => {
                for extra in [address, default, docker].into_iter().flatten() {
                    let message = format!("a container has no `{}`", extra.key);
                    let label = "expected nothing of this kind beside `container`";
                    extra.wrong_key(message, label, None);
                }
                self.read_container(container)
            }
            (None, Some(docker)) => {
                let Programs {
                    browser,
                    resolver,
                    name_server,
                    alb,
                    app,
                    program,
                    interceptor,
                    attacker,
                } = programs;
                let none = [
                    default,
                    browser,
                    resolver,
                    name_server,
                    alb,
                    app,
                    program,
                    interceptor,
                    attacker,
                ];
                for extra in none.into_iter().flatten() {
                    let message = format!("a docker host has no `{}`", extra.key);
                    let label = "expected programs in its containers only";
                    extra.wrong_key(message, label, None);
                }
                self.read_docker(&table, address, docker)
            }
            (None, None) => {
                // Whoever stands between clients and servers faces the servers with its second address.
                let between = programs.interceptor.or(vpc.nat_gateway);
                let usual = usize::from(between.is_some());
                self.read_host(&table, address, default, usual)
            }
        };
        table.finish();
        self.nodes[index].shape = shape.unwrap_or(Shape::Unknown);
        self.nodes[index].programs = programs;
        self.nodes[index].zone = zone.flatten();
        self.nodes[index].tcp = tcp;
        self.nodes[index].vpc = vpc;
    }

    fn read_host(
        &self,
        table: &Fields<'a>,
        address: Option<Item<'a>>,
        default: Option<Item<'a>>,
        usual: usize,
    ) -> Option<Shape<'a>> {
        let addresses = self.read_address(table, address)?;
        let default = match default {
            None => usual.min(addresses.len() - 1),
            Some(item) => {
                let subnet = self.subnet(&item, item.text()?)?;
                let found = addresses.iter().position(|a| a.subnet == subnet);
                if found.is_none() {
                    let label = "expected a subnet in which the node has an address";
                    item.wrong("the node is not in this subnet", label, None);
                }
                found?
            }
        };
        Some(Shape::Host { addresses, default })
    }

    fn read_address(&self, table: &Fields<'a>, address: Option<Item<'a>>) -> Option<Vec<Address>> {
        let Some(item) = address else {
            table.wrong(
                "`address` is missing",
                "expected `address` in this table",
                "for example `address = { home = \"203.192.1.50\" }`, or `container = { … }`"
                    .to_owned(),
            );
            return None;
        };
        let entries = item.fields()?.entries();
        let addresses = all(entries.map(|entry| {
            let subnet = self.subnet_by_key(&entry);
            let address = entry.ip();
            let (subnet, address) = (subnet?, address?);
            let cidr = self.subnets[subnet].cidr?;
            if let Some(why) = range::refuse(&cidr, address) {
                let message = format!("{address} cannot be an address in `{}`", entry.key);
                entry.wrong(message, why, None);
                return None;
            }
            Some(Address { subnet, address })
        }))?;
        if addresses.is_empty() {
            let label = "expected at least one subnet and address";
            item.wrong("`address` is empty", label, None);
            return None;
        }
        Some(addresses)
    }

    fn read_docker(
        &self,
        table: &Fields<'a>,
        address: Option<Item<'a>>,
        docker: Item<'a>,
    ) -> Option<Shape<'a>> {
        let addresses = self.read_address(table, address);
        if addresses.as_ref().is_some_and(|a| a.len() > 1) {
            let label = "expected one address";
            table.wrong("a docker host has one address", label, None);
        }
        let mut docker = docker.fields()?;
        let bridge = docker.required("bridge", "\"172.17.0.1/16\"");
        let bridge = bridge.and_then(|item| self.read_bridge(item));
        let publish = docker.or("publish", Vec::new(), |item| {
            item.each(|item| self.read_publish(item))
        });
        docker.finish();
        let mut publish = publish?;
        choose_ports(&mut publish);
        for (at, mapping) in publish.iter().enumerate() {
            if publish[..at].iter().any(|m| m.port == mapping.port) {
                let message = format!("port {} is published twice", mapping.port);
                let label = "expected a port of its own";
                mapping.item.wrong(message, label, None);
            }
        }
        Some(Shape::Docker {
            address: *addresses?.first()?,
            bridge: bridge?,
            publish,
        })
    }

    fn read_bridge(&self, item: Item<'a>) -> Option<Cidr> {
        const WHAT: &str = "a bridge's address with its prefix";
        let text = item.text()?;
        let bridge = range::parse(text).filter(|b| b.address == range::gateway(b));
        let Some(bridge) = bridge else {
            let label = "expected the first address of a range, such as \"172.17.0.1/16\"";
            item.wrong(format!("`{}` is not {WHAT}", item.key), label, None);
            return None;
        };
        let overlapped =
            |s: &&DeclaredSubnet<'_>| s.cidr.as_ref().is_some_and(|c| range::overlap(c, &bridge));
        if let Some(subnet) = self.subnets.iter().find(overlapped) {
            let message = format!("the bridge overlaps the subnet `{}`", subnet.name);
            item.wrong(message, "expected a range of its own", None);
            return None;
        }
        Some(bridge)
    }

    fn read_publish(&self, item: Item<'a>) -> Option<Publish<'a>> {
        let mut table = item.fields()?;
        // Absent or 0, docker chooses.
        let port = table.or("port", 0, |i| i.integer(0..=65_535));
        let container = table.required("container", "\"web\"");
        let container = container.and_then(|c| self.node_of(c));
        let to = table.required("to", "8080").and_then(Item::port);
        table.finish();
        Some(Publish {
            port: u16::try_from(port?).ok()?,
            container: container?,
            to: to?,
            item,
        })
    }

    fn read_container(&self, container: Item<'a>) -> Option<Shape<'a>> {
        let mut table = container.fields()?;
        let on = table.required("on", "\"ec2-a\"");
        let on = on.and_then(|item| self.node_of(item));
        let item = table.required("address", "\"172.17.0.2\"");
        let address = item.and_then(Item::ip);
        table.finish();
        Some(Shape::Container {
            on: on?,
            address: address?,
            item: item?,
        })
    }

    /// What needs all nodes: addresses used twice, containers and their hosts.
    fn check_addresses(&mut self) {
        let mut taken: BTreeMap<(Option<usize>, IpAddr), usize> = BTreeMap::new();
        let mut broken = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let on = match &node.shape {
                Shape::Container { on, address, item } => {
                    if !self.fits_bridge(*on, *address, item) {
                        broken.push(index);
                        continue;
                    }
                    Some(*on)
                }
                Shape::Host { .. } | Shape::Docker { .. } | Shape::Router | Shape::Unknown => None,
            };
            for address in self.addresses(index) {
                if let Some(other) = taken.insert((on, address), index) {
                    let other = &self.nodes[other].name;
                    let message = format!("{address} is the address of `{other}` too");
                    let label = format!("`{}` needs an address of its own", node.name);
                    node.item.wrong_key(message, label, None);
                }
            }
        }
        for node in &self.nodes {
            let Shape::Docker { publish, .. } = &node.shape else {
                continue;
            };
            for mapping in publish {
                let target = &self.nodes[mapping.container];
                let elsewhere = match &target.shape {
                    Shape::Container { on, .. } => self.nodes[*on].name != node.name,
                    Shape::Host { .. } | Shape::Docker { .. } | Shape::Router => true,
                    Shape::Unknown => false,
                };
                if elsewhere {
                    let message = format!("`{}` is no container on this host", target.name);
                    let label = format!("expected a container that is `on = \"{}\"`", node.name);
                    mapping.item.wrong(message, label, None);
                }
            }
        }
        for index in broken {
            self.nodes[index].shape = Shape::Unknown;
        }
    }

    fn fits_bridge(&self, on: usize, address: IpAddr, item: &Item<'_>) -> bool {
        let host = &self.nodes[on];
        let bridge = match &host.shape {
            Shape::Docker { bridge, .. } => bridge,
            Shape::Host { .. } | Shape::Container { .. } | Shape::Router => {
                let message = format!("`{}` is no docker host", host.name);
                let label = "expected `container.on` to name a node with `docker = { … }`";
                item.wrong(message, label, None);
                return false;
            }
            Shape::Unknown => return false,
        };
        let why = range::refuse(bridge, address);
        if let Some(why) = &why {
            let message = format!(
                "{address} cannot be an address on the bridge of `{}`",
                host.name
            );
            item.wrong(message, why.as_str(), None);
        }
        why.is_none()
    }

    /// The subnet called `word`, the value of `item`.
    pub(super) fn subnet(&self, item: &Item<'_>, word: &str) -> Option<usize> {
        let found = self.subnets.iter().position(|s| s.name.as_str() == word);
        if found.is_none() && !self.refused.contains(word) {
            item.wrong(
                format!("unknown subnet `{word}`"),
                "no subnet has this name",
                self.subnet_advice(word),
            );
        }
        found
    }

    fn subnet_by_key(&self, item: &Item<'_>) -> Option<usize> {
        let word = item.key;
        let found = self.subnets.iter().position(|s| s.name.as_str() == word);
        if found.is_none() && !self.refused.contains(word) {
            item.wrong_key(
                format!("unknown subnet `{word}`"),
                "no subnet has this name",
                self.subnet_advice(word),
            );
        }
        found
    }

    fn subnet_advice(&self, word: &str) -> String {
        super::error::advice(word, self.subnets.iter().map(|s| s.name.as_str()))
    }
}

fn subnet_range(item: Item<'_>) -> Option<Cidr> {
    let text = item.text()?;
    let Some(cidr) = range::parse(text) else {
        let label = "expected an address range such as \"10.0.2.0/24\", of /30 or larger";
        item.wrong(format!("`{}` is not a subnet", item.key), label, None);
        return None;
    };
    let network = range::network(&cidr);
    if network != cidr.address {
        let help = format!(
            "the range that contains it is \"{network}/{}\"",
            cidr.prefix
        );
        let label = "expected the first address of the range";
        item.wrong(format!("`{}` is not a subnet", item.key), label, help);
        return None;
    }
    Some(cidr)
}

/// Docker takes the next free port of the kernel's `ip_local_port_range`, by default 32768 to 60999, for what is
/// published without one (ECS Developer Guide, "Port mappings": dynamic host ports).
fn choose_ports(publish: &mut [Publish<'_>]) {
    for index in 0..publish.len() {
        if publish[index].port == 0 {
            let taken = |port: &u16| publish.iter().all(|p| p.port != *port);
            publish[index].port = (32_768..=60_999).find(taken).unwrap_or(0);
        }
    }
}
