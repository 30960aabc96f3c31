//! What a virtual private cloud adds to a network: who may speak to whom, and where. Data only.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::{Cidr, Route};
use crate::name::Name;
use crate::wire::packet::{Packet, Transport, protocol};

/// Everything that a virtual private cloud adds to a network; nothing, unless a lab says so.
#[derive(Debug, Clone, Default)]
pub struct Vpc {
    /// Security groups.
    pub security_groups: Vec<SecurityGroup>,
    /// NICs that have security groups, each once.
    pub interfaces: Vec<Interface>,
    /// Network ACLs.
    pub network_acls: Vec<NetworkAcl>,
    /// Route tables of subnets.
    pub route_tables: Vec<RouteTable>,
    /// NAT gateways.
    pub nat_gateways: Vec<NatGateway>,
    /// Internet gateways.
    pub internet_gateways: Vec<InternetGateway>,
    /// What it takes from one availability zone to another.
    pub zones: Zones,
    /// Interfaces whose traffic is logged.
    pub flow_log: Option<FlowLogging>,
}

impl Vpc {
    /// A rule in words, as in "inbound TCP to port 443 from 0.0.0.0/0".
    #[must_use]
    pub fn show_rule(&self, way: Way, rule: &Rule) -> String {
        let side = match way {
            Way::Inbound => "from",
            Way::Outbound => "to",
        };
        let peer = match rule.peer {
            Peer::Range(range) => range.to_string(),
            Peer::Group(group) => format!("security group {}", self.security_groups[group].name),
        };
        format!("{} {} {side} {peer}", way.word(), rule.traffic)
    }
}

/// Rules that allow, and nothing that denies (VPC User Guide, "Security group rules").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Its name.
    pub name: Name,
    /// What may come in.
    pub inbound: Vec<Rule>,
    /// What may go out.
    pub outbound: Vec<Rule>,
}

impl SecurityGroup {
    /// The rules of one direction.
    #[must_use]
    pub const fn rules(&self, way: Way) -> &Vec<Rule> {
        match way {
            Way::Inbound => &self.inbound,
            Way::Outbound => &self.outbound,
        }
    }

    /// The same, to change them.
    pub const fn rules_mut(&mut self, way: Way) -> &mut Vec<Rule> {
        match way {
            Way::Inbound => &mut self.inbound,
            Way::Outbound => &mut self.outbound,
        }
    }
}

/// The direction of a packet, seen from what a rule protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// To it.
    Inbound,
    /// From it.
    Outbound,
}

impl Way {
    /// The other one.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Inbound => Self::Outbound,
            Self::Outbound => Self::Inbound,
        }
    }

    /// Its word in lab files and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// One rule of a security group: it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What it speaks of.
    pub traffic: Traffic,
    /// The other end: the source of inbound rules, the destination of outbound ones.
    pub peer: Peer,
}

/// The other end of a security group's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Addresses.
    Range(Cidr),
    /// The private addresses of the NICs that have this security group: an index into [`Vpc::security_groups`].
    Group(usize),
}

/// A protocol and, for TCP and UDP, destination ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Which protocol.
    pub protocol: Protocol,
    /// To which ports; all of them for other protocols.
    pub ports: Ports,
}

impl Traffic {
    /// Everything.
    pub const ALL: Self = Self {
        protocol: Protocol::All,
        ports: Ports::ALL,
    };

    /// Whether a packet of this protocol to this port is meant. `port` is `None` where the protocol has none.
    #[must_use]
    pub fn contains(&self, protocol: u8, port: Option<u16>) -> bool {
        self.protocol.contains(protocol) && port.is_none_or(|p| self.ports.contains(p))
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.protocol, self.ports) {
            (Protocol::All, _) => f.write_str("all traffic"),
            (Protocol::Icmp, _) => f.write_str("ICMP"),
            (protocol, Ports::ALL) => write!(f, "{} to any port", protocol.shown()),
            (protocol, ports) => write!(f, "{} to port {ports}", protocol.shown()),
        }
    }
}

/// A protocol in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Every protocol.
    All,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, every type.
    Icmp,
}

impl Protocol {
    /// All, with their words in lab files.
    pub const WORDS: [(&str, Self); 4] = [
        ("all", Self::All),
        ("tcp", Self::Tcp),
        ("udp", Self::Udp),
        ("icmp", Self::Icmp),
    ];

    /// Whether it is this one, by its IANA number.
    #[must_use]
    pub const fn contains(self, number: u8) -> bool {
        match self {
            Self::All => true,
            Self::Tcp => number == protocol::TCP,
            Self::Udp => number == protocol::UDP,
            Self::Icmp => number == protocol::ICMP,
        }
    }

    const fn shown(self) -> &'static str {
        match self {
            Self::All => "everything",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Icmp => "ICMP",
        }
    }
}

/// A range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// Every port.
    pub const ALL: Self = Self {
        first: 0,
        last: u16::MAX,
    };

    /// Whether `port` is one of them.
    #[must_use]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// A NIC with security groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Which one: an index into [`super::Topology::nics`].
    pub nic: usize,
    /// Its groups: indices into [`Vpc::security_groups`]. What one of them allows is allowed.
    pub groups: Vec<usize>,
    /// How long it remembers flows.
    pub tracking: Tracking,
}

/// How long, and how many, flows are tracked (EC2 User Guide, "Security group connection tracking").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracking {
    /// An established TCP connection on which nothing passes: 60 s to 432 000 s. The default is five days, on Nitro v6
    /// instances 350 s.
    pub tcp_established: Duration,
    /// UDP in one direction, or one request and its response: 30 s to 60 s.
    pub udp: Duration,
    /// UDP with more than one request and response: 60 s to 180 s.
    pub udp_stream: Duration,
    /// Flows at a time; more are dropped. An instance's allowance is not published and differs by size.
    pub max: usize,
}

impl Tracking {
    /// More than a lab has flows.
    pub const MAX: usize = 1 << 20;
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            tcp_established: Duration::from_secs(432_000),
            udp: Duration::from_secs(30),
            udp_stream: Duration::from_secs(180),
            max: Self::MAX,
        }
    }
}

/// Where what comes from some subnets goes, beyond the subnets of their own router, which the router always knows (VPC
/// User Guide, "Route tables", the local route).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTable {
    /// The subnets that have it: indices into [`super::Topology::subnets`].
    pub subnets: Vec<usize>,
    /// The longest prefix wins.
    pub routes: Vec<Route>,
}

/// A node that puts its own address in place of those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatGateway {
    /// Its NIC in the private network: an index into [`super::Topology::nics`].
    pub inside: usize,
    /// Its NIC with the address that it puts in their place. The same one where an internet gateway makes that public.
    pub outside: usize,
}

/// A node between the cloud and the Internet that translates private addresses to public ones, one to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternetGateway {
    /// Its NIC in the cloud: an index into [`super::Topology::nics`].
    pub inside: usize,
    /// Its NIC in the Internet.
    pub outside: usize,
    /// NICs that have a public address, and that.
    pub public: Vec<(usize, IpAddr)>,
}

/// Availability zones: data centres of their own, some kilometres from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zones {
    /// NICs in zones, and their zones, as numbers.
    pub of: BTreeMap<usize, usize>,
    /// What it takes one way between two zones, the smaller number first.
    pub between: BTreeMap<(usize, usize), Duration>,
}

impl Zones {
    /// What it takes from the zone of one NIC to that of another.
    #[must_use]
    pub fn delay(&self, from: usize, to: usize) -> Duration {
        let (Some(a), Some(b)) = (self.of.get(&from), self.of.get(&to)) else {
            return Duration::ZERO;
        };
        let pair = (*a.min(b), *a.max(b));
        self.between.get(&pair).copied().unwrap_or_default()
    }
}

/// A flow log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowLogging {
    /// The aggregation interval.
    pub interval: Duration,
    /// Of which NICs: indices into [`super::Topology::nics`].
    pub nics: Vec<usize>,
}

/// Numbered rules at the edge of subnets: the first that matches decides, and what none matches is denied. Stateless:
/// answers need rules of their own (VPC User Guide, "Network ACL rules").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkAcl {
    /// Its name.
    pub name: Name,
    /// The subnets that have it: indices into [`super::Topology::subnets`].
    pub subnets: Vec<usize>,
    /// What may come into the subnet, in order of numbers.
    pub inbound: Vec<AclRule>,
    /// What may leave it, in order of numbers.
    pub outbound: Vec<AclRule>,
}

impl NetworkAcl {
    /// The rules of one direction.
    #[must_use]
    pub const fn rules(&self, way: Way) -> &Vec<AclRule> {
        match way {
            Way::Inbound => &self.inbound,
            Way::Outbound => &self.outbound,
        }
    }
}

/// One rule of a network ACL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AclRule {
    /// Its number: the lowest that matches decides.
    pub number: u16,
    /// Whether it allows, or denies.
    pub allow: bool,
    /// What it speaks of.
    pub traffic: Traffic,
    /// The other end: the source of inbound rules, the destination of outbound ones.
    pub range: Cidr,
}

/// The two ends of a packet as rules see them. Protocols without ports have `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// IANA number of the protocol.
    pub protocol: u8,
    /// Source address.
    pub source: IpAddr,
    /// Source port; of an ICMP echo its identifier.
    pub source_port: Option<u16>,
    /// Destination address.
    pub destination: IpAddr,
    /// Destination port.
    pub destination_port: Option<u16>,
}

impl Tuple {
    /// What tells a packet's flow from others.
    #[must_use]
    pub const fn of(packet: &Packet<'_>) -> Self {
        let (protocol, source_port, destination_port) = match &packet.transport {
            Transport::Tcp(s) => (protocol::TCP, Some(s.source_port), Some(s.destination_port)),
            Transport::Udp(d) => (protocol::UDP, Some(d.source_port), Some(d.destination_port)),
            Transport::Icmp(_) => (protocol::ICMP, None, None),
            Transport::Other(number, _) => (*number, None, None),
        };
        Self {
            protocol,
            source: packet.source,
            source_port,
            destination: packet.destination,
            destination_port,
        }
    }
}

impl Tuple {
    /// As a rule of one direction sees it: "TCP from 10.0.1.10 to port 443", "TCP to 10.0.1.10 port 443".
    #[must_use]
    pub fn seen(&self, way: Way) -> String {
        let protocol = match self.protocol {
            protocol::TCP => "TCP".to_owned(),
            protocol::UDP => "UDP".to_owned(),
            protocol::ICMP => "ICMP".to_owned(),
            other => format!("protocol {other}"),
        };
        match (way, self.destination_port) {
            (Way::Inbound, Some(port)) => format!("{protocol} from {} to port {port}", self.source),
            (Way::Inbound, None) => format!("{protocol} from {}", self.source),
            (Way::Outbound, Some(port)) => {
                format!("{protocol} to {} port {port}", self.destination)
            }
            (Way::Outbound, None) => format!("{protocol} to {}", self.destination),
        }
    }
}
