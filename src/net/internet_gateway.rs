//! Internet gateways: between a virtual private cloud and the Internet, each private address that has a public one is
//! translated to it, one to one, and back (VPC User Guide, "Enable internet access for a VPC using an internet gateway").
//! The machine itself knows its private address only. Nothing is remembered: either side may begin. What an ICMP error
//! quotes is translated with it (RFC 5508 §4.2).

use std::net::IpAddr;

use super::nat::Outcome;
use super::security_group::Refusal;
use super::topology::Topology;
use super::topology::vpc::InternetGateway;
use crate::event::DropCause;
use crate::wire::packet::Packet;
use crate::wire::quote::Quote;
use crate::wire::rewrite::{End, rewrite_address, rewrite_quote};

/// All internet gateways.
#[derive(Debug)]
pub(super) struct InternetGateways(Vec<Gateway>);

#[derive(Debug)]
struct Gateway {
    config: InternetGateway,
    /// Of its two sides: the gateway's own addresses.
    own: [IpAddr; 2],
    /// Private and public addresses.
    pairs: Vec<(IpAddr, IpAddr)>,
}

impl InternetGateways {
    pub(super) fn new(topology: &Topology) -> Self {
        let address = |nic: usize| topology.nics[nic].address;
        let one = |config: &InternetGateway| Gateway {
            config: config.clone(),
            own: [address(config.inside), address(config.outside)],
            pairs: config
                .public
                .iter()
                .map(|(nic, public)| (address(*nic), *public))
                .collect(),
        };
        Self(topology.vpc.internet_gateways.iter().map(one).collect())
    }

    /// Whether `nic` is a gateway's.
    pub(super) fn has(&self, nic: usize) -> bool {
        let mut all = self.0.iter();
        all.any(|g| g.config.inside == nic || g.config.outside == nic)
    }

    /// A packet came in at `nic`; `None` when that is no internet gateway's.
    pub(super) fn handle(&self, nic: usize, bytes: &mut [u8]) -> Option<Outcome> {
        let mut all = self.0.iter();
        let gateway = all.find(|g| g.config.inside == nic || g.config.outside == nic)?;
        let packet = Packet::read(bytes);
        let (source, destination) = match packet {
            Some(packet) => (packet.source, packet.destination),
            None => return Some(refused(DropCause::Malformed, "no IP packet")),
        };
        Some(if gateway.own.contains(&destination) {
            Outcome::Own
        } else if nic == gateway.config.inside {
            gateway.outward(source, destination, bytes)
        } else {
            gateway.inward(destination, bytes)
        })
    }
}

impl Gateway {
    fn public(&self, private: IpAddr) -> Option<IpAddr> {
        let mut pairs = self.pairs.iter();
        pairs
            .find(|(p, _)| *p == private)
            .map(|(_, public)| *public)
    }

    fn private(&self, public: IpAddr) -> Option<IpAddr> {
        let mut pairs = self.pairs.iter();
        pairs
            .find(|(_, p)| *p == public)
            .map(|(private, _)| *private)
    }

    fn outward(&self, source: IpAddr, destination: IpAddr, bytes: &mut [u8]) -> Outcome {
        let Some(public) = self.public(source) else {
            let why = format!(
                "{source} has no public address that the internet gateway could put in its place"
            );
            return refused(DropCause::NoPublicAddress, &why);
        };
        if let Some(inner) = Quote::of(bytes).and_then(|q| self.public(q.destination.ip())) {
            rewrite_quote(bytes, End::Destination, inner, None);
        }
        rewrite_address(bytes, End::Source, public);
        // One machine of the cloud may call another by its public address: that comes back at once.
        if self.private(destination).is_some() {
            return self.inward(destination, bytes);
        }
        Outcome::Through(self.config.outside)
    }

    fn inward(&self, destination: IpAddr, bytes: &mut [u8]) -> Outcome {
        let Some(private) = self.private(destination) else {
            let why = format!(
                "{destination} is the public address of no machine behind the internet gateway"
            );
            return refused(DropCause::NoPublicAddress, &why);
        };
        if let Some(inner) = Quote::of(bytes).and_then(|q| self.private(q.source.ip())) {
            rewrite_quote(bytes, End::Source, inner, None);
        }
        rewrite_address(bytes, End::Destination, private);
        Outcome::Through(self.config.inside)
    }
}

fn refused(cause: DropCause, why: &str) -> Outcome {
    let refusal = Refusal {
        cause,
        why: Some(why.to_owned()),
    };
    Outcome::Refused(refusal, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::net::topology::Nic;
    use crate::net::topology::vpc::Vpc;
    use etherparse::PacketBuilder;

    const WEB: [u8; 4] = [10, 0, 0, 10];
    const WEB_OUTSIDE: [u8; 4] = [198, 51, 100, 10];
    const API: [u8; 4] = [10, 0, 0, 11];
    const API_OUTSIDE: [u8; 4] = [198, 51, 100, 11];
    const HIDDEN: [u8; 4] = [10, 0, 0, 12];
    const USER: [u8; 4] = [203, 192, 1, 50];

    /// Inside is NIC 0, outside NIC 1.
    fn gateways() -> InternetGateways {
        let nic = |n: &str, address: [u8; 4]| Nic {
            name: Name::new(n).unwrap(),
            node: 0,
            subnet: 0,
            address: address.into(),
        };
        InternetGateways::new(&Topology {
            nics: vec![
                nic("igw-vpc", [100, 64, 0, 1]),
                nic("igw-internet", [100, 64, 0, 2]),
                nic("web0", WEB),
                nic("api0", API),
                nic("hidden0", HIDDEN),
            ],
            vpc: Vpc {
                internet_gateways: vec![InternetGateway {
                    inside: 0,
                    outside: 1,
                    public: vec![(2, WEB_OUTSIDE.into()), (3, API_OUTSIDE.into())],
                }],
                ..Vpc::default()
            },
            ..Topology::default()
        })
    }

    fn datagram(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(from, to, 64)
            .udp(50_000, 53)
            .write(&mut bytes, b"query")
            .unwrap();
        bytes
    }

    fn too_big(from: [u8; 4], to: [u8; 4], quoted: &[u8]) -> Vec<u8> {
        use etherparse::Icmpv4Type::DestinationUnreachable;
        use etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded;
        let next_hop_mtu = 1_400;
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(from, to, 64)
            .icmpv4(DestinationUnreachable(FragmentationNeeded { next_hop_mtu }))
            .write(&mut bytes, quoted)
            .unwrap();
        bytes
    }

    #[test]
    fn an_address_is_translated_both_ways_and_either_side_may_begin() {
        let gateways = gateways();
        let mut bytes = datagram(USER, WEB_OUTSIDE);
        assert_eq!(gateways.handle(1, &mut bytes), Some(Outcome::Through(0)));
        assert_eq!(bytes, datagram(USER, WEB));
        let mut bytes = datagram(WEB, USER);
        assert_eq!(gateways.handle(0, &mut bytes), Some(Outcome::Through(1)));
        assert_eq!(bytes, datagram(WEB_OUTSIDE, USER));
        assert_eq!(gateways.handle(2, &mut bytes), None, "no gateway there");
    }

    #[test]
    fn without_a_public_address_nothing_passes() {
        let gateways = gateways();
        for (nic, from, to) in [(0, HIDDEN, USER), (1, USER, [198, 51, 100, 12])] {
            let mut bytes = datagram(from, to);
            let Some(Outcome::Refused(refusal, None)) = gateways.handle(nic, &mut bytes) else {
                panic!("refused")
            };
            assert_eq!(refusal.cause, DropCause::NoPublicAddress);
            assert_eq!(bytes, datagram(from, to), "as it came");
        }
    }

    #[test]
    fn an_error_speaks_of_the_packet_as_its_sender_knows_it() {
        let gateways = gateways();
        let router = [203, 0, 113, 1];
        let mut inward = too_big(router, WEB_OUTSIDE, &datagram(WEB_OUTSIDE, USER));
        assert_eq!(gateways.handle(1, &mut inward), Some(Outcome::Through(0)));
        assert_eq!(inward, too_big(router, WEB, &datagram(WEB, USER)));
        let mut outward = too_big(WEB, USER, &datagram(USER, WEB));
        assert_eq!(gateways.handle(0, &mut outward), Some(Outcome::Through(1)));
        assert_eq!(
            outward,
            too_big(WEB_OUTSIDE, USER, &datagram(USER, WEB_OUTSIDE))
        );
    }

    #[test]
    fn a_neighbour_is_reached_by_its_public_address() {
        let mut bytes = datagram(WEB, API_OUTSIDE);
        assert_eq!(gateways().handle(0, &mut bytes), Some(Outcome::Through(0)));
        assert_eq!(bytes, datagram(WEB_OUTSIDE, API));
    }
}
