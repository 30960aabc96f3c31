//! Docker hosts: the bridge, published ports, containers.

use std::net::IpAddr;

use super::{DeclaredSubnet, Network, Publish, Shape};
use crate::lab::decode::{Fields, Item};
use crate::lab::range;
use crate::net::topology::Cidr;

impl<'a> Network<'a> {
    pub(super) fn read_docker(
        &self,
        table: &Fields<'a>,
        address: Option<Item<'a>>,
        docker: Item<'a>,
    ) -> Option<Shape<'a>> {
        let addresses = self.read_address(table, address);
        if addresses.as_ref().is_some_and(|a| a.len() > 1) {
            let label = "expected one address";
            table.wrong("a docker host has one address", label, None);
        }
        let mut docker = docker.fields()?;
        let bridge = docker.required("bridge", "\"172.17.0.1/16\"");
        let bridge = bridge.and_then(|item| self.read_bridge(item));
        let publish = docker.or("publish", Vec::new(), |item| {
            item.each(|item| self.read_publish(item))
        });
        docker.finish();
        let mut publish = publish?;
        choose_ports(&mut publish);
        for (at, mapping) in publish.iter().enumerate() {
            if publish[..at].iter().any(|m| m.port == mapping.port) {
                let message = format!("port {} is published twice", mapping.port);
                let label = "expected a port of its own";
                mapping.item.wrong(message, label, None);
            }
        }
        Some(Shape::Docker {
            address: *addresses?.first()?,
            bridge: bridge?,
            publish,
        })
    }

    fn read_bridge(&self, item: Item<'a>) -> Option<Cidr> {
        const WHAT: &str = "a bridge's address with its prefix";
        let text = item.text()?;
        let bridge = range::parse(text).filter(|b| b.address == range::gateway(b));
        let Some(bridge) = bridge else {
            let label = "expected the first address of a range, such as \"172.17.0.1/16\"";
            item.wrong(format!("`{}` is not {WHAT}", item.key), label, None);
            return None;
        };
        let overlapped =
            |s: &&DeclaredSubnet<'_>| s.cidr.as_ref().is_some_and(|c| range::overlap(c, &bridge));
        if let Some(subnet) = self.subnets.iter().find(overlapped) {
            let message = format!("the bridge overlaps the subnet `{}`", subnet.name);
            item.wrong(message, "expected a range of its own", None);
            return None;
        }
        Some(bridge)
    }

    fn read_publish(&self, item: Item<'a>) -> Option<Publish<'a>> {
        let mut table = item.fields()?;
        // Absent or 0, docker chooses.
        let port = table.or("port", 0, |i| i.integer(0..=65_535));
        let container = table.required("container", "\"web\"");
        let container = container.and_then(|c| self.node_of(c));
        let to = table.required("to", "8080").and_then(Item::port);
        table.finish();
        Some(Publish {
            port: u16::try_from(port?).ok()?,
            container: container?,
            to: to?,
            item,
        })
    }

    pub(super) fn read_container(&self, container: Item<'a>) -> Option<Shape<'a>> {
        let mut table = container.fields()?;
        let on = table.required("on", "\"ec2-a\"");
        let on = on.and_then(|item| self.node_of(item));
        let item = table.required("address", "\"172.17.0.2\"");
        let address = item.and_then(Item::ip);
        table.finish();
        Some(Shape::Container {
            on: on?,
            address: address?,
            item: item?,
        })
    }

    pub(super) fn fits_bridge(&self, on: usize, address: IpAddr, item: &Item<'_>) -> bool {
        let host = &self.nodes[on];
        let bridge = match &host.shape {
            Shape::Docker { bridge, .. } => bridge,
            Shape::Host { .. } | Shape::Container { .. } | Shape::Router => {
                let message = format!("`{}` is no docker host", host.name);
                let label = "expected `container.on` to name a node with `docker = { … }`";
                item.wrong(message, label, None);
                return false;
            }
            Shape::Unknown => return false,
        };
        let why = range::refuse(bridge, address);
        if let Some(why) = &why {
            let message = format!(
                "{address} cannot be an address on the bridge of `{}`",
                host.name
            );
            item.wrong(message, why.as_str(), None);
        }
        why.is_none()
    }
}

/// Docker takes the next free port of the kernel's `ip_local_port_range`, by default 32768 to 60999, for what is
/// published without one (ECS Developer Guide, "Port mappings": dynamic host ports).
fn choose_ports(publish: &mut [Publish<'_>]) {
    for index in 0..publish.len() {
        if publish[index].port == 0 {
            let taken = |port: &u16| publish.iter().all(|p| p.port != *port);
            publish[index].port = (32_768..=60_999).find(taken).unwrap_or(0);
        }
    }
}
