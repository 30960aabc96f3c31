//! Small worlds for tests and benches: two hosts with a router between them.

#![allow(dead_code, reason = "tests and benches share it, and each uses a part")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tunlab::event::{Crossing, Event, Sink, Trace, What};
use tunlab::impair::Impairment;
use tunlab::name::Name;
use tunlab::net::topology::{Cidr, Forwarding, Link, Nic, Node, NodeKind, Route, Subnet, Topology};
use tunlab::rng::Seed;
use tunlab::stack::{Tcp, TcpOptions};
use tunlab::time::{Instant, UnixSeconds};
use tunlab::wire::packet::{Packet, Transport};
use tunlab::world::{World, WorldConfig};

pub(crate) const LEFT: [u8; 4] = [203, 192, 1, 50];
pub(crate) const RIGHT: [u8; 4] = [198, 51, 100, 10];

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// `left` (node 0) – `router` (node 1) – `right` (node 2). The first link is impaired as told, there and back; the
/// second takes no time.
pub(crate) fn line(mtu: usize, there: Vec<Impairment>, back: Vec<Impairment>) -> Topology {
    let subnet = |n: &str, a: [u8; 4]| Subnet {
        name: name(n),
        cidr: Cidr {
            address: a.into(),
            prefix: 24,
        },
    };
    let nic = |n: &str, node, subnet, a: [u8; 4]| Nic {
        name: name(n),
        node,
        subnet,
        address: a.into(),
    };
    let everything = |nic| Route {
        to: Cidr::everything(IpAddr::from([0, 0, 0, 0])),
        nic,
    };
    let host = |a: [u8; 4], nic| Route {
        to: Cidr::host(a.into()),
        nic,
    };
    let node = |n: &str, kind, nics: &[usize], routes: Vec<Route>| Node {
        name: name(n),
        forwarding: Forwarding::default(),
        kind,
        nics: nics.to_vec(),
        routes,
    };
    let link = |n: &str, ends, impairments| Link {
        name: name(n),
        ends,
        mtu,
        impairments,
    };
    Topology {
        subnets: vec![
            subnet("home", [203, 192, 1, 0]),
            subnet("edge", [198, 51, 100, 0]),
        ],
        nodes: vec![
            node("left", NodeKind::Host, &[0], vec![everything(0)]),
            node(
                "router",
                NodeKind::Router,
                &[1, 2],
                vec![host(LEFT, 1), host(RIGHT, 2)],
            ),
            node("right", NodeKind::Host, &[3], vec![everything(3)]),
        ],
        nics: vec![
            nic("left0", 0, 0, LEFT),
            nic("router-left", 1, 0, [203, 192, 1, 1]),
            nic("router-right", 1, 1, [198, 51, 100, 1]),
            nic("right0", 2, 1, RIGHT),
        ],
        links: vec![
            link("left", [0, 1], [there, back]),
            link("right", [3, 2], [vec![], vec![]]),
        ],
        ..Topology::default()
    }
}

/// `left` – router – `far` – right, where the link between the routers carries packets of 1400 bytes only, and the
/// others of 1500.
pub(crate) fn narrow(forwarding: Forwarding) -> Topology {
    let mut topology = line(1500, vec![], vec![]);
    topology.subnets.push(Subnet {
        name: name("between"),
        cidr: Cidr {
            address: [10, 9, 0, 0].into(),
            prefix: 24,
        },
    });
    topology.nics[2].subnet = 2;
    topology.nics[2].address = [10, 9, 0, 1].into();
    for (n, subnet, address) in [
        ("far-left", 2, [10, 9, 0, 2]),
        ("far-right", 1, [198, 51, 100, 1]),
    ] {
        topology.nics.push(Nic {
            name: name(n),
            node: 3,
            subnet,
            address: address.into(),
        });
    }
    let host = |address: [u8; 4], nic| Route {
        to: Cidr::host(address.into()),
        nic,
    };
    topology.nodes.push(Node {
        name: name("far"),
        kind: NodeKind::Router,
        nics: vec![4, 5],
        routes: vec![
            host(RIGHT, 5),
            Route {
                to: Cidr::everything(IpAddr::from([0, 0, 0, 0])),
                nic: 4,
            },
        ],
        forwarding,
    });
    topology.nodes[1].forwarding = forwarding;
    topology.links[1].ends = [3, 5];
    topology.links.push(Link {
        name: name("between"),
        ends: [2, 4],
        mtu: 1400,
        impairments: [vec![], vec![]],
    });
    topology
}

pub(crate) fn delay(ms: u64) -> Vec<Impairment> {
    vec![Impairment::Delay(Duration::from_millis(ms))]
}

pub(crate) fn world(topology: Topology, seed: u64, tcp: TcpOptions) -> (World, Rc<RefCell<Log>>) {
    let trace = Trace::default();
    let log = Rc::new(RefCell::new(Log::default()));
    trace.attach(log.clone());
    (World::new(config(topology, seed, tcp, trace)), log)
}

/// A world of [`line`] whose left host behaves as `left`, and whose right one as `right`.
pub(crate) fn world_of(topology: Topology, left: Tcp, right: Tcp) -> (World, Rc<RefCell<Log>>) {
    let trace = Trace::default();
    let log = Rc::new(RefCell::new(Log::default()));
    trace.attach(log.clone());
    let config = WorldConfig {
        tcp_of: BTreeMap::from([(0, left), (2, right)]),
        ..config(topology, 1, TcpOptions::default(), trace)
    };
    (World::new(config), log)
}

/// A plain world.
pub(crate) fn config(topology: Topology, seed: u64, tcp: TcpOptions, trace: Trace) -> WorldConfig {
    WorldConfig {
        topology,
        epoch: UnixSeconds::from_ymd(2025, 11, 5),
        seed: Seed(seed),
        entropy: Seed(seed).into(),
        tcp,
        tcp_of: BTreeMap::new(),
        checksums: true,
        offload: false,
        trace,
    }
}

pub(crate) fn at(port: u16) -> SocketAddr {
    (RIGHT, port).into()
}

/// Everything that happened.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) packets: Vec<Seen>,
    pub(crate) events: Vec<Event>,
}

/// A packet at a tap.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) tap: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Seen {
    /// "SYN", "SYN ACK", "ACK 5" (data), "UDP 5", "ICMP 3/1".
    pub(crate) fn text(&self) -> String {
        match Packet::read(&self.bytes).unwrap().transport {
            Transport::Tcp(tcp) => {
                let f = tcp.flags;
                let mut words = Vec::new();
                for (set, word) in [
                    (f.syn(), "SYN"),
                    (f.fin(), "FIN"),
                    (f.rst(), "RST"),
                    (f.ack(), "ACK"),
                ] {
                    if set {
                        words.push(word.to_owned());
                    }
                }
                if !tcp.payload.is_empty() {
                    words.push(tcp.payload.len().to_string());
                }
                words.join(" ")
            }
            Transport::Udp(udp) => format!("UDP {}", udp.payload.len()),
            Transport::Icmp(icmp) => format!("ICMP {}/{}", icmp.kind, icmp.code),
            Transport::Other(n, _) => format!("protocol {n}"),
        }
    }
}

impl Log {
    /// What passed the NIC with this number, as "ms text".
    pub(crate) fn at_tap(&self, tap: usize) -> Vec<String> {
        self.packets
            .iter()
            .filter(|p| p.tap == tap)
            .map(|p| format!("{} {}", p.at.as_millis_f64(), p.text()))
            .collect()
    }
}

impl Log {
    /// What stacks did by themselves, and why packets were dropped, as "ms node: text".
    pub(crate) fn deeds(&self) -> Vec<String> {
        let said = self.events.iter().filter_map(|e| {
            let text = match &e.what {
                What::Tcp { deed, .. } => deed.to_string(),
                What::Dropped { cause, .. } => cause.to_string(),
                What::Secret(_)
                | What::Altered { .. }
                | What::Fact(_)
                | What::Limit { .. }
                | What::Computing { .. } => {
                    return None;
                }
            };
            Some(format!("{} {}: {text}", e.at.as_millis_f64(), e.node))
        });
        said.collect()
    }
}

impl Sink for Log {
    fn crossing(&mut self, c: &Crossing<'_>) {
        self.packets.push(Seen {
            at: c.at,
            tap: c.tap.0,
            bytes: c.bytes.to_vec(),
        });
    }
    fn event(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
}

/// Number of the server's node in [`star`]; the router's is the next, then the users'.
pub(crate) const STAR_SERVER: usize = 0;

/// A server at [`RIGHT`] and `users` users, each behind a router at its own link of `delay`.
pub(crate) fn star(users: u8, delay: Duration) -> Topology {
    let base = line(1500, vec![], vec![]);
    let mut topology = Topology {
        subnets: base.subnets,
        nodes: vec![
            Node {
                name: name("server"),
                kind: NodeKind::Host,
                forwarding: Forwarding::default(),
                nics: vec![0],
                routes: vec![Route {
                    to: Cidr::everything(IpAddr::from([0, 0, 0, 0])),
                    nic: 0,
                }],
            },
            Node {
                name: name("router"),
                kind: NodeKind::Router,
                forwarding: Forwarding::default(),
                nics: vec![1],
                routes: vec![Route {
                    to: Cidr::host(RIGHT.into()),
                    nic: 1,
                }],
            },
        ],
        nics: vec![],
        links: vec![],
        ..Topology::default()
    };
    let mut attach =
        |n: String, node: usize, address: [u8; 4], subnet: usize, delay: Vec<Impairment>| {
            let first = topology.nics.len();
            for (name_of, node, address) in [
                (n.clone(), node, IpAddr::from(address)),
                (format!("router-{n}"), 1, [203, 192, 1, 1].into()),
            ] {
                topology.nics.push(Nic {
                    name: name(&name_of),
                    node,
                    subnet,
                    address,
                });
            }
            topology.links.push(Link {
                name: name(&n),
                ends: [first, first + 1],
                mtu: 1500,
                impairments: [delay.clone(), delay],
            });
        };
    attach("server0".into(), 0, RIGHT, 1, vec![]);
    for user in 0..users {
        let address = [203, 192, 1, 50 + user];
        attach(
            format!("user{user}"),
            2 + usize::from(user),
            address,
            0,
            vec![Impairment::Delay(delay)],
        );
    }
    for user in 0..users {
        let nic = 2 + 2 * usize::from(user);
        topology.nodes[1].nics.push(nic + 1);
        topology.nodes[1].routes.push(Route {
            to: Cidr::host([203, 192, 1, 50 + user].into()),
            nic: nic + 1,
        });
        topology.nodes.push(Node {
            name: name(&format!("user-{user}")),
            kind: NodeKind::Host,
            forwarding: Forwarding::default(),
            nics: vec![nic],
            routes: vec![Route {
                to: Cidr::everything(IpAddr::from([0, 0, 0, 0])),
                nic,
            }],
        });
    }
    topology
}

/// Address of the host in the middle of [`chain`], on the left one's side.
pub(crate) const MIDDLE: [u8; 4] = [203, 192, 1, 80];

/// `left` (node 0) – `middle` (node 1) – `right` (node 2), all of them hosts, so that the middle one relays bytes, not
/// packets. The links take no time.
pub(crate) fn chain(mtu: usize) -> Topology {
    let mut topology = line(mtu, vec![], vec![]);
    let middle = &mut topology.nodes[1];
    middle.name = name("middle");
    middle.kind = NodeKind::Host;
    topology.nics[1].address = MIDDLE.into();
    topology
}

/// A world that nobody listens to.
pub(crate) fn silent_world(topology: Topology, tcp: TcpOptions) -> World {
    World::new(config(topology, 1, tcp, Trace::default()))
}
