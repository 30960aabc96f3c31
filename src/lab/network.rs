//! What a lab declares of the network: subnets, routers and nodes, each reference resolved. `lay` makes a topology of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::decode::{Fields, Item};
use super::links;
use crate::name::Name;
use crate::net::topology::{Cidr, Forwarding};

mod address;
mod docker;
mod gateway;
mod subnet;

pub(super) use gateway::Gateway;

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
    /// The MTU of the links in it, where it says one.
    pub(super) mtu: Option<usize>,
    /// Its availability zone: a subnet lies in one (VPC User Guide, "Subnets for your VPC").
    pub(super) zone: Option<String>,
}

/// A node.
pub(super) struct DeclaredNode<'a> {
    pub(super) name: Name,
    pub(super) item: Item<'a>,
    pub(super) shape: Shape<'a>,
    pub(super) programs: Programs<'a>,
    /// Its availability zone, or that of the first of its subnets that has one.
    pub(super) zone: Option<String>,
    /// What it says of its zone.
    zone_item: Option<Item<'a>>,
    /// How its TCP behaves, unread.
    pub(super) tcp: Option<Item<'a>>,
    /// For a router.
    pub(super) forwarding: Forwarding,
    /// The MTU of its links, where it says one.
    pub(super) mtu: Option<usize>,
    /// For a router that is an internet gateway.
    pub(super) gateway: Option<Gateway>,
    /// The public address of one of its addresses.
    pub(super) public: Option<(usize, IpAddr)>,
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
    pub(super) public_address: Option<Item<'a>>,
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

impl DeclaredNode<'_> {
    pub(super) const fn is_router(&self) -> bool {
        matches!(self.shape, Shape::Router)
    }
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

/// How many bytes of a packet an ICMP error quotes.
fn icmp_quote(item: Item<'_>) -> Option<usize> {
    let bytes = item.integer(8..=Forwarding::ICMP_QUOTE_MAX as u64)?;
    usize::try_from(bytes).ok()
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
        let gateways = root.optional("internet-gateway");
        network.read_subnets(subnets);
        // All names first: a container may name its host before the host is declared.
        network.declare(nodes);
        let first_router = network.nodes.len();
        network.declare(routers);
        let first_gateway = network.nodes.len();
        network.declare(gateways);
        for index in 0..network.nodes.len() {
            if index < first_router {
                network.read_node(index);
            } else if index < first_gateway {
                network.read_router(index);
            } else {
                network.read_internet_gateway(index);
            }
        }
        network.check_addresses();
        network.read_public_addresses();
        network.settle_zones();
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

    /// The name of a node.
    pub(super) fn name(&self, node: usize) -> &str {
        self.nodes.get(node).map_or("", |n| n.name.as_str())
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
                zone_item: None,
                tcp: None,
                forwarding: Forwarding::default(),
                mtu: None,
                gateway: None,
                public: None,
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
        let icmp_quote = table.or("icmp-quote", usual.icmp_quote, icmp_quote);
        let intercept = table.optional("intercept");
        table.finish();
        self.nodes[index].intercept = intercept;
        self.nodes[index].forwarding = Forwarding {
            mss_clamp: mss_clamp.unwrap_or(usual.mss_clamp),
            icmp_errors: icmp_errors.unwrap_or(usual.icmp_errors),
            icmp_quote: icmp_quote.unwrap_or(usual.icmp_quote),
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
            public_address: table.optional("public-address"),
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
        let zone_item = table.optional("az");
        let zone = zone_item.map(|i| i.prose(32));
        let mtu = table.or("mtu", None, |i| links::mtu(i).map(Some));
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
        self.nodes[index].zone_item = zone_item;
        self.nodes[index].zone = zone.flatten();
        self.nodes[index].mtu = mtu.flatten();
        self.nodes[index].tcp = tcp;
        self.nodes[index].vpc = vpc;
    }
}
