//! Internet gateways: a node between two routers, with a link to each.

use std::net::IpAddr;

use super::Layout;
use crate::lab::links::MTU;
use crate::lab::network::Gateway;
use crate::lab::range;
use crate::net::topology::Cidr;
use crate::net::topology::vpc::InternetGateway;

impl Layout<'_, '_> {
    /// On the cloud's side a link has room for the largest packet of the cloud's subnets: what is too large for the
    /// Internet comes to the gateway, and no further.
    pub(super) fn add_internet_gateways(&mut self) {
        let network = self.network;
        for (number, (index, gateway)) in network.internet_gateways().enumerate() {
            let subnets = network.subnets.iter();
            let inner = subnets
                .filter(|s| s.router == Some(gateway.vpc))
                .filter_map(|s| s.mtu);
            let inner = inner.max().unwrap_or(MTU).max(gateway.mtu);
            let inside = self.join_gateway(index, gateway.vpc, own(number, 1), inner);
            let outside = self.join_gateway(index, gateway.internet, own(number, 2), gateway.mtu);
            let (Some(inside), Some(outside)) = (inside, outside) else {
                let label = "expected routers that serve a subnet each";
                let item = network.nodes[index].item;
                self.mistake(&item, "an internet gateway joins two routers", label, None);
                continue;
            };
            let public = network.public_addresses(gateway);
            let public = public.filter_map(|(node, at, address)| {
                let nic = self.topology.nodes[node].nics.get(at)?;
                Some((*nic, address))
            });
            let public = public.collect();
            self.topology.vpc.internet_gateways.push(InternetGateway {
                inside,
                outside,
                public,
            });
        }
    }

    /// The gateway's NIC on the link to a router.
    fn join_gateway(
        &mut self,
        index: usize,
        router: usize,
        address: IpAddr,
        mtu: usize,
    ) -> Option<usize> {
        let mut subnets = self.network.subnets.iter().enumerate();
        let (subnet, cidr) = subnets
            .find(|(_, s)| s.router == Some(router))
            .and_then(|(i, s)| Some((i, s.cidr?)))?;
        let nic = self.add_port(index, router, subnet, address)?;
        let port = self.add_port(router, index, subnet, range::gateway(&cidr))?;
        self.add_link(nic, port, mtu);
        Some(nic)
    }

    /// For what it sends itself: the cloud's subnets lie inside, all else outside.
    pub(super) fn route_internet_gateway(&mut self, index: usize, gateway: &Gateway) {
        let [inside, outside] = self.topology.nodes[index].nics[..] else {
            return;
        };
        let subnets = self.network.subnets.iter();
        let inner: Vec<Cidr> = subnets
            .filter(|s| s.router == Some(gateway.vpc))
            .filter_map(|s| s.cidr)
            .collect();
        for cidr in inner {
            self.add_route(index, cidr, inside);
        }
        let everything = super::everything(self.topology.nics[outside].address);
        self.add_route(index, everything, outside);
    }
}

/// The gateway's own addresses are of the range that carriers use inside their networks (RFC 6598): nothing in a lab
/// has them, and traceroutes from AWS show hops of that range.
fn own(number: usize, side: u8) -> IpAddr {
    let number = u8::try_from(number % 256).unwrap_or_default();
    [100, 64, number, side].into()
}
