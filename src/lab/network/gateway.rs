//! Internet gateways, and the public addresses that they translate.

use std::net::IpAddr;

use super::{Network, Shape};
use crate::lab::decode::Item;
use crate::lab::{links, range};
use crate::net::topology::{Cidr, Forwarding};

/// Between which routers an internet gateway is.
#[derive(Clone, Copy)]
pub(in crate::lab) struct Gateway {
    /// The router of the virtual private cloud: a node.
    pub(in crate::lab) vpc: usize,
    /// The Internet's.
    pub(in crate::lab) internet: usize,
    /// How large a packet passes.
    pub(in crate::lab) mtu: usize,
}

impl<'a> Network<'a> {
    pub(super) fn read_internet_gateway(&mut self, index: usize) {
        let item = self.nodes[index].item;
        self.nodes[index].shape = Shape::Router;
        let Some(mut table) = item.fields() else {
            return;
        };
        let mut router = |key, example| {
            let item = table.required(key, example)?;
            let index = self.node_of(item)?;
            let node = &self.nodes[index];
            if !matches!(node.shape, Shape::Router) || node.gateway.is_some() {
                let message = format!("`{}` is no router", node.name);
                item.wrong(message, "expected the name of a router", None);
                return None;
            }
            Some((item, index))
        };
        let vpc = router("vpc", "\"vpc\"");
        let internet = router("internet", "\"internet\"");
        // EC2 User Guide, "Network maximum transmission unit": 1500 through an internet gateway.
        let mtu = table.or("mtu", links::MTU, links::mtu);
        let usual = Forwarding::default().icmp_quote;
        let icmp_quote = table.or("icmp-quote", usual, super::icmp_quote);
        table.finish();
        // It has no segments made smaller: what is too large it says (EC2 User Guide, "Path MTU Discovery").
        self.nodes[index].forwarding = Forwarding {
            mss_clamp: false,
            icmp_errors: true,
            icmp_quote: icmp_quote.unwrap_or(usual),
        };
        let (Some((_, vpc)), Some((item, internet)), Some(mtu)) = (vpc, internet, mtu) else {
            return;
        };
        if vpc == internet {
            let label = "expected another router than the cloud's";
            item.wrong("an internet gateway joins two routers", label, None);
            return;
        }
        self.nodes[index].gateway = Some(Gateway { vpc, internet, mtu });
    }

    /// All internet gateways: nodes, and between which routers they are.
    pub(in crate::lab) fn internet_gateways(&self) -> impl Iterator<Item = (usize, &Gateway)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(index, node)| Some((index, node.gateway.as_ref()?)))
    }

    /// What a gateway translates: a node, which of its addresses, and the public one.
    pub(in crate::lab) fn public_addresses(
        &self,
        gateway: &Gateway,
    ) -> impl Iterator<Item = (usize, usize, IpAddr)> {
        let router = gateway.vpc;
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(move |(index, node)| {
            let (at, public) = node.public?;
            (self.router_of(index, at) == Some(router)).then_some((index, at, public))
        })
    }

    fn router_of(&self, node: usize, at: usize) -> Option<usize> {
        let address = match &self.nodes[node].shape {
            Shape::Host { addresses, .. } => addresses.get(at)?,
            Shape::Docker { address, .. } => address,
            Shape::Container { .. } | Shape::Router | Shape::Unknown => return None,
        };
        self.subnets[address.subnet].router
    }

    /// The first address of a node that a gateway's router serves is the one that its public address stands for.
    pub(super) fn read_public_addresses(&mut self) {
        for index in 0..self.nodes.len() {
            let Some(item) = self.nodes[index].vpc.public_address else {
                continue;
            };
            let own = match &self.nodes[index].shape {
                Shape::Host { addresses, .. } => addresses.len(),
                Shape::Docker { .. } => 1,
                Shape::Container { .. } | Shape::Router => 0,
                Shape::Unknown => continue,
            };
            let mut positions = 0..own;
            let at = positions.find(|at| {
                let router = self.router_of(index, *at);
                let mut all = self.internet_gateways();
                all.any(|(_, g)| Some(g.vpc) == router)
            });
            let Some(at) = at else {
                let message = "no internet gateway would translate it";
                let label = "expected a node in a subnet whose router has an internet gateway";
                let help = "for example `internet-gateway.igw = { vpc = \"vpc\", internet = \"internet\" }`";
                item.wrong_key(message, label, help.to_owned());
                continue;
            };
            if let Some(address) = self.free_public_address(item) {
                self.nodes[index].public = Some((at, address));
            }
        }
    }

    /// An address that is public, and nobody's.
    fn free_public_address(&self, item: Item<'_>) -> Option<IpAddr> {
        let address = item.ip()?;
        let special = address.is_unspecified() || address.is_multicast() || address.is_loopback();
        if special || range::is_private(&Cidr::host(address)) || address.is_ipv6() {
            let label = "expected an IPv4 address that the Internet knows a way to";
            item.wrong(format!("{address} is no public address"), label, None);
            return None;
        }
        let inside = |s: &&super::DeclaredSubnet<'_>| s.cidr.is_some_and(|c| c.contains(address));
        if let Some(subnet) = self.subnets.iter().find(inside) {
            let message = format!("{address} lies in the subnet `{}`", subnet.name);
            let label = "expected an address of no subnet: the gateway alone stands for it";
            item.wrong(message, label, None);
            return None;
        }
        let taken = |n: &&super::DeclaredNode<'_>| n.public.is_some_and(|(_, a)| a == address);
        if let Some(other) = self.nodes.iter().find(taken) {
            let message = format!("{address} is the public address of `{}` too", other.name);
            item.wrong(message, "expected an address of its own", None);
            return None;
        }
        Some(address)
    }
}
