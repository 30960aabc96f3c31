//! What there is: subnets, nodes, NICs and the links between them. Data only; `fabric` moves the packets.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::event::TapId;
use crate::impair::Impairment;
use crate::name::Name;

pub mod vpc;

/// An address range, as in `10.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// Any address in the range.
    pub address: IpAddr,
    /// Leading bits that all addresses share.
    pub prefix: u8,
}

impl Cidr {
    /// Everything, in `address`'s family.
    #[must_use]
    pub const fn everything(family_of: IpAddr) -> Self {
        Self {
            address: family_of,
            prefix: 0,
        }
    }

    /// Exactly one address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    /// Whether `address` is inside.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |a: IpAddr| match a {
            IpAddr::V4(a) => (u128::from(a.to_bits()) << 96, 32),
            IpAddr::V6(a) => (a.to_bits(), 128),
        };
        let ((own, width), (other, other_width)) = (bits(self.address), bits(address));
        let mask = u128::MAX
            .checked_shl(128 - u32::from(self.prefix))
            .unwrap_or(0);
        width == other_width && (own ^ other) & mask == 0
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A subnet.
#[derive(Debug, Clone)]
pub struct Subnet {
    /// Its name.
    pub name: Name,
    /// Its range.
    pub cidr: Cidr,
}

/// A published port of a docker host: what arrives for `port` goes to the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMapping {
    /// The host's port.
    pub port: u16,
    /// The container's address and port.
    pub container: SocketAddr,
}

/// What a node does with packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// Has a TCP/IP stack and programs.
    Host,
    /// Forwards by longest prefix.
    Router,
    /// Forwards between its NIC (the first) and its bridge, rewriting published ports.
    DockerHost {
        /// Its published ports.
        publish: Vec<PortMapping>,
    },
}

/// A machine.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub name: Name,
    /// What it does with packets.
    pub kind: NodeKind,
    /// Its NICs: indices into [`Topology::nics`].
    pub nics: Vec<usize>,
    /// Where it sends what; the longest prefix wins.
    pub routes: Vec<Route>,
    /// How it forwards, if it is a router.
    pub forwarding: Forwarding,
}

/// What a router does beside forwarding, be it ours or the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// Lowers the segment size that a SYN offers to what its links carry (RFC 4459 §3.2).
    pub mss_clamp: bool,
    /// Answers what it cannot forward with ICMP errors (RFC 1812 §4.3.2). Without them and without the clamp, a link
    /// smaller than the hosts' is a black hole (RFC 2923 §2.1).
    pub icmp_errors: bool,
    /// How many bytes of the packet, behind its IP header, such an error quotes. Eight are the least (RFC 792); as many as
    /// fit in 576 bytes are usual (RFC 1812 §4.3.2.3).
    pub icmp_quote: usize,
}

impl Forwarding {
    /// What fits behind an IP header that is quoted: 576 bytes without two such headers and one of ICMP.
    pub const ICMP_QUOTE_MAX: usize = 576 - 20 - 8 - 20;
}

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            mss_clamp: true,
            icmp_errors: true,
            icmp_quote: Self::ICMP_QUOTE_MAX,
        }
    }
}

/// A flow that a router hands to a node between its two ends, untouched: that node answers in the name of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intercept {
    /// The TCP server whose connections are handed over.
    pub to: SocketAddr,
    /// The router: an index into [`Topology::nodes`].
    pub router: usize,
    /// The node in the middle: an index into [`Topology::nodes`].
    pub by: usize,
    /// The router's port to the side that faces the clients: an index into [`Topology::nics`].
    pub client_side: usize,
    /// The router's port to the side that faces the server.
    pub server_side: usize,
}

impl Intercept {
    /// Whether a packet between these two ends belongs to such a flow.
    #[must_use]
    pub fn concerns(&self, source: SocketAddr, destination: SocketAddr) -> bool {
        source == self.to || destination == self.to
    }
}

/// A line of a node's routing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// For these destinations.
    pub to: Cidr,
    /// Out of this NIC: an index into [`Topology::nics`].
    pub nic: usize,
}

/// A network interface: one end of one link, and a tap.
#[derive(Debug, Clone)]
pub struct Nic {
    /// Its name, unique in the lab: `user0`, `alb-vpc`. Also the tap's.
    pub name: Name,
    /// Its node: an index into [`Topology::nodes`].
    pub node: usize,
    /// The subnet it is in: an index into [`Topology::subnets`].
    pub subnet: usize,
    /// Its address. The ports of a router in one subnet share the gateway's address.
    pub address: IpAddr,
}

/// A cable between two NICs.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its name, unique in the lab.
    pub name: Name,
    /// Its two ends: indices into [`Topology::nics`].
    pub ends: [usize; 2],
    /// Largest IP packet it carries, in bytes.
    pub mtu: usize,
    /// Impairments on the way from the first end to the second, and back; in the order in which they judge.
    pub impairments: [Vec<Impairment>; 2],
}

/// The whole network.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Subnets.
    pub subnets: Vec<Subnet>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// NICs. Every NIC is the end of exactly one link.
    pub nics: Vec<Nic>,
    /// Links.
    pub links: Vec<Link>,
    /// Flows that pass through a node in the middle.
    pub intercepts: Vec<Intercept>,
    /// What a virtual private cloud adds.
    pub vpc: vpc::Vpc,
}

impl Topology {
    /// The NIC that a tap is.
    #[must_use]
    pub fn tap(&self, tap: TapId) -> &Nic {
        &self.nics[tap.0]
    }

    /// The node called `name`.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|n| n.name.as_str() == name)
    }

    /// The docker host that publishes the container at `address`: the first, where several have one there.
    #[must_use]
    pub fn publisher_of(&self, address: IpAddr) -> Option<usize> {
        self.nodes.iter().position(|node| match &node.kind {
            NodeKind::DockerHost { publish } => publish.iter().any(|p| p.container.ip() == address),
            NodeKind::Host | NodeKind::Router => false,
        })
    }

    /// The node that has `address`, preferring hosts over forwarding nodes.
    #[must_use]
    pub fn node_with(&self, address: IpAddr) -> Option<usize> {
        let all = || self.nics.iter().filter(|n| n.address == address);
        let host = all().find(|n| self.nodes[n.node].kind == NodeKind::Host);
        let public = || self.public_addresses().find(|(_, a)| *a == address);
        host.or_else(|| all().next())
            .map(|n| n.node)
            .or_else(|| public().map(|(nic, _)| self.nics[nic].node))
    }

    /// NICs that are reached by a public address too, and that: an internet gateway translates it.
    pub fn public_addresses(&self) -> impl Iterator<Item = (usize, IpAddr)> {
        let gateways = self.vpc.internet_gateways.iter();
        gateways.flat_map(|g| g.public.iter().copied())
    }

    /// The addresses by which a NIC is reached: its own, then its public one.
    pub fn reached_by(&self, nic: usize) -> impl Iterator<Item = IpAddr> {
        let public = self.public_addresses().filter(move |(n, _)| *n == nic);
        std::iter::once(self.nics[nic].address).chain(public.map(|(_, a)| a))
    }

    /// Whether a router hands flows to `node`.
    #[must_use]
    pub fn is_interceptor(&self, node: usize) -> bool {
        self.intercepts.iter().any(|i| i.by == node)
    }

    /// The NIC at the other end of the link of `nic`.
    #[must_use]
    pub fn peer(&self, nic: usize) -> Option<usize> {
        self.links.iter().find_map(|l| match l.ends {
            [a, b] if a == nic => Some(b),
            [a, b] if b == nic => Some(a),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_its_addresses() {
        let cidr = |address: &str, prefix| Cidr {
            address: address.parse().unwrap(),
            prefix,
        };
        let ip = |a: &str| a.parse::<IpAddr>().unwrap();
        assert!(cidr("10.0.2.0", 24).contains(ip("10.0.2.255")));
        assert!(!cidr("10.0.2.0", 24).contains(ip("10.0.3.0")));
        assert!(cidr("0.0.0.0", 0).contains(ip("203.192.1.50")));
        assert!(!cidr("0.0.0.0", 0).contains(ip("::1")));
        assert!(Cidr::host(ip("::1")).contains(ip("::1")));
    }
}
