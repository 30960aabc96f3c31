//! Network access control lists: stateless, numbered rules at the edge of a subnet, judged where its router meets it
//! (VPC User Guide, "Network ACLs"). What stays inside the subnet they never see, nor what the router itself sends into
//! it.

use super::security_group::Refusal;
use super::topology::vpc::{NetworkAcl, Tuple, Way};
use super::topology::{Cidr, NodeKind, Topology};
use crate::event::DropCause;
use crate::wire::packet::Packet;

/// All network ACLs, by the routers' ports at which they stand.
#[derive(Debug)]
pub(super) struct Edges {
    acls: Vec<NetworkAcl>,
    /// By NIC: the ACL, and the range of its subnet.
    ports: Vec<Option<(usize, Cidr)>>,
}

impl Edges {
    pub(super) fn new(topology: &Topology) -> Self {
        let ports = topology.nics.iter().enumerate().map(|(index, nic)| {
            let is_router = |node: usize| topology.nodes[node].kind == NodeKind::Router;
            let leads_to_router = topology
                .peer(index)
                .is_none_or(|peer| is_router(topology.nics[peer].node));
            if !is_router(nic.node) || leads_to_router {
                return None;
            }
            let acls = topology.vpc.network_acls.iter();
            let acl = acls.clone().position(|a| a.subnets.contains(&nic.subnet))?;
            Some((acl, topology.subnets[nic.subnet].cidr))
        });
        Self {
            ports: ports.collect(),
            acls: topology.vpc.network_acls.clone(),
        }
    }

    /// Whether `nic` is a router's port with a network ACL.
    pub(super) fn watches(&self, nic: usize) -> bool {
        self.ports[nic].is_some()
    }

    /// Judges a packet that enters (`Inbound`) or leaves a subnet through this port of its router.
    ///
    /// # Errors
    /// When it goes no further.
    pub(super) fn judge(&self, nic: usize, way: Way, packet: &Packet<'_>) -> Result<(), Refusal> {
        let Some((acl, subnet)) = self.ports[nic] else {
            return Ok(());
        };
        let tuple = Tuple::of(packet);
        let far = match way {
            Way::Inbound => tuple.source,
            Way::Outbound => tuple.destination,
        };
        if subnet.contains(far) {
            return Ok(());
        }
        let acl = &self.acls[acl];
        let mut rules = acl.rules(way).iter();
        let rule = rules.find(|rule| {
            rule.range.contains(far)
                && rule
                    .traffic
                    .contains(tuple.protocol, tuple.destination_port)
        });
        let by = match rule {
            Some(rule) if rule.allow => return Ok(()),
            Some(rule) => format!("{} rule {}", way.word(), rule.number),
            // The last rule of every list, shown with an asterisk, which cannot be changed.
            None => format!("{} rule *", way.word()),
        };
        Err(Refusal {
            cause: DropCause::NetworkAcl,
            why: Some(format!(
                "{by} of network ACL `{}` denies {}",
                acl.name,
                tuple.seen(way)
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;
    use crate::name::Name;
    use crate::net::topology::vpc::{AclRule, Ports, Protocol, Traffic, Vpc};
    use crate::net::topology::{Forwarding, Link, Nic, Node, Subnet};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    /// A router (NIC 0) and a host (NIC 1) of the subnet 10.0.2.0/24.
    fn edges(inbound: Vec<AclRule>, outbound: Vec<AclRule>) -> Edges {
        let node = |n: &str, kind, nic| Node {
            name: name(n),
            kind,
            nics: vec![nic],
            routes: Vec::new(),
            forwarding: Forwarding::default(),
        };
        let nic = |n: &str, node, last| Nic {
            name: name(n),
            node,
            subnet: 0,
            address: [10, 0, 2, last].into(),
        };
        Edges::new(&Topology {
            subnets: vec![Subnet {
                name: name("apps"),
                cidr: Cidr {
                    address: [10, 0, 2, 0].into(),
                    prefix: 24,
                },
            }],
            nodes: vec![
                node("vpc", NodeKind::Router, 0),
                node("ec2-a", NodeKind::Host, 1),
            ],
            nics: vec![nic("vpc-ec2-a", 0, 1), nic("ec2-a0", 1, 21)],
            links: vec![Link {
                name: name("ec2-a"),
                ends: [0, 1],
                mtu: 1_500,
                impairments: [Vec::new(), Vec::new()],
            }],
            vpc: Vpc {
                network_acls: vec![NetworkAcl {
                    name: name("apps"),
                    subnets: vec![0],
                    inbound,
                    outbound,
                }],
                ..Vpc::default()
            },
            ..Topology::default()
        })
    }

    fn rule(number: u16, allow: bool, ports: [u16; 2]) -> AclRule {
        AclRule {
            number,
            allow,
            traffic: Traffic {
                protocol: Protocol::Tcp,
                ports: Ports {
                    first: ports[0],
                    last: ports[1],
                },
            },
            range: Cidr::everything([0, 0, 0, 0].into()),
        }
    }

    fn refusal(edges: &Edges, way: Way, from: [u8; 4], to: ([u8; 4], u16)) -> Option<String> {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(from, to.0, 64)
            .tcp(40_000, to.1, 1, 1)
            .write(&mut bytes, &[])
            .unwrap();
        let judged = edges.judge(0, way, &Packet::read(&bytes).unwrap());
        judged.err().map(|r| r.why.unwrap())
    }

    #[test]
    fn the_first_rule_that_matches_decides_each_way_for_itself() {
        let edges = edges(
            vec![
                rule(90, false, [32_769, 32_769]),
                rule(100, true, [32_768, 60_999]),
            ],
            vec![rule(100, true, [443, 443])],
        );
        assert!(edges.watches(0) && !edges.watches(1), "at the router");
        let (alb, host) = ([10, 0, 1, 10], [10, 0, 2, 21]);
        let inbound = |port| refusal(&edges, Way::Inbound, alb, (host, port));
        assert_eq!(inbound(32_768), None);
        assert_eq!(
            inbound(32_769).unwrap(),
            "inbound rule 90 of network ACL `apps` denies TCP from 10.0.1.10 to port 32769"
        );
        // Stateless: the answer of what was let in is judged by its own port.
        assert_eq!(
            refusal(&edges, Way::Outbound, host, (alb, 49_152)).unwrap(),
            "outbound rule * of network ACL `apps` denies TCP to 10.0.1.10 port 49152"
        );
        let neighbour = [10, 0, 2, 99];
        assert_eq!(
            refusal(&edges, Way::Outbound, host, (neighbour, 22)),
            None,
            "inside the subnet nothing is judged"
        );
    }
}
