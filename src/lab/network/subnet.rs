//! Subnets: their ranges, and how they are found by name.

use std::collections::BTreeSet;

use super::{DeclaredSubnet, Network, Shape};
use crate::lab::decode::Item;
use crate::lab::error;
use crate::lab::links;
use crate::lab::range;
use crate::net::topology::Cidr;

impl<'a> Network<'a> {
    pub(super) fn read_subnets(&mut self, item: Option<Item<'a>>) {
        let Some(table) = item.and_then(Item::fields) else {
            return;
        };
        for item in table.entries() {
            let Some(name) = item.key_name() else {
                self.refused.insert(item.key);
                continue;
            };
            let (mut mtu, mut zone) = (None, None);
            // A text is the range alone.
            let range = match item.as_text() {
                Some(_) => Some(item),
                None => item.fields().and_then(|mut table| {
                    let range = table.required("range", "\"10.0.2.0/24\"");
                    mtu = table.or("mtu", None, |i| links::mtu(i).map(Some)).flatten();
                    zone = table.or("az", None, |i| i.prose(32).map(Some)).flatten();
                    table.finish();
                    range
                }),
            };
            let cidr = range.and_then(subnet_range);
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
                mtu,
                zone,
            });
        }
    }

    /// A machine is where its subnets are.
    pub(super) fn settle_zones(&mut self) {
        for node in &mut self.nodes {
            let subnets: Vec<usize> = match &node.shape {
                Shape::Host { addresses, .. } => addresses.iter().map(|a| a.subnet).collect(),
                Shape::Docker { address, .. } => vec![address.subnet],
                Shape::Container { .. } | Shape::Router | Shape::Unknown => Vec::new(),
            };
            let mut zones = subnets
                .iter()
                .filter_map(|s| self.subnets[*s].zone.as_ref());
            if let (Some(item), Some(own)) = (node.zone_item, &node.zone)
                && let Some(other) = zones.clone().find(|z| *z != own)
            {
                let message = format!("`{}` has an address in zone `{other}`", node.name);
                item.wrong(message, "expected the zone of its subnet", None);
            }
            node.zone = node.zone.take().or_else(|| zones.next().cloned());
        }
    }

    /// Every zone that a subnet or a node is in.
    pub(in crate::lab) fn zones(&self) -> BTreeSet<&str> {
        let subnets = self.subnets.iter().filter_map(|s| s.zone.as_deref());
        let nodes = self.nodes.iter().filter_map(|n| n.zone.as_deref());
        subnets.chain(nodes).collect()
    }

    /// The subnet called `word`, the value of `item`.
    pub(in crate::lab) fn subnet(&self, item: &Item<'_>, word: &str) -> Option<usize> {
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

    pub(super) fn subnet_by_key(&self, item: &Item<'_>) -> Option<usize> {
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
        error::advice(word, self.subnets.iter().map(|s| s.name.as_str()))
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
