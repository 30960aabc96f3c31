//! The addresses of a host, and that nobody else has them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Address, Network, Shape};
use crate::lab::decode::{Fields, Item, all};
use crate::lab::range;

impl<'a> Network<'a> {
    pub(super) fn read_host(
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

    pub(super) fn read_address(
        &self,
        table: &Fields<'a>,
        address: Option<Item<'a>>,
    ) -> Option<Vec<Address>> {
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

    /// What needs all nodes: addresses used twice, containers and their hosts.
    pub(super) fn check_addresses(&mut self) {
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
}
