//! What a load balancer is told: listeners, target groups.

use std::collections::BTreeSet;
use std::time::Duration;

use super::decode::Item;
use super::error::advice;
use super::network::{Network, Shape};
use super::roles::{Reader, own_port};
use super::speech;
use crate::role::config::{Alb, Listener, Role, Target, TargetGroup};
use crate::tls::config::ServerTakes;

mod attributes;

impl Reader<'_, '_> {
    pub(super) fn alb(&self, item: Item<'_>, ports: &mut BTreeSet<u16>) -> Option<Role> {
        let mut table = item.fields()?;
        let name = table.required("name", "\"fl-production-alb\"");
        let name = name.and_then(|i| i.prose(32));
        let attributes = attributes::attributes(&mut table);
        let takes = table.or("takes", AlbTakes::default(), alb_takes);
        let server = takes
            .as_ref()
            .map_or_else(ServerTakes::default, |t| t.server);
        let listeners = table.required("listener", "[{ port = 443, … }]");
        let listeners = listeners.and_then(|i| i.some(|l| self.listener(l, server, ports)));
        table.finish();
        let (takes, attributes, mut listeners) = (takes?, attributes?, listeners?);
        if !attributes.http2 {
            for tls in listeners.iter_mut().filter_map(|l| l.tls.as_mut()) {
                tls.alpn.retain(|protocol| protocol != "h2");
            }
        }
        let wanted = |g: &&TargetGroup| listeners.iter().any(|l| l.forward == g.name);
        Some(Role::Alb(Alb {
            name: name?,
            attributes,
            target_groups: self.groups.iter().filter(wanted).cloned().collect(),
            listeners,
            takes_in: takes.inward,
            takes_out: takes.outward,
        }))
    }

    fn listener(
        &self,
        item: Item<'_>,
        takes: ServerTakes,
        ports: &mut BTreeSet<u16>,
    ) -> Option<Listener> {
        let mut table = item.fields()?;
        let port = table.required("port", "443");
        let port = port.and_then(|i| own_port(i, ports));
        let tls = speech::server(&mut table, self.pki, takes);
        let forward = table.required("forward", "\"web\"");
        let forward = forward.and_then(|i| self.group_of(i));
        table.finish();
        Some(Listener {
            port: port?,
            tls: tls?,
            forward: forward?,
        })
    }

    fn group_of(&self, item: Item<'_>) -> Option<String> {
        let word = item.text()?;
        if !self.group_names.contains(&word) {
            item.wrong(
                format!("unknown target group `{word}`"),
                "no target group has this name",
                advice(word, self.group_names.iter().copied()),
            );
            return None;
        }
        Some(word.to_owned())
    }
}

#[derive(Default)]
struct AlbTakes {
    server: ServerTakes,
    inward: Duration,
    outward: Duration,
}

fn alb_takes(item: Item<'_>) -> Option<AlbTakes> {
    let mut table = item.fields()?;
    let hello = table.or("server-hello", Duration::ZERO, Item::duration);
    let finish = table.or("server-finish", Duration::ZERO, Item::duration);
    let inward = table.or("in", Duration::ZERO, Item::duration);
    let outward = table.or("out", Duration::ZERO, Item::duration);
    table.finish();
    Some(AlbTakes {
        server: ServerTakes {
            hello: hello?,
            finish: finish?,
        },
        inward: inward?,
        outward: outward?,
    })
}

pub(super) fn target_group(item: Item<'_>, network: &Network<'_>) -> Option<TargetGroup> {
    let name = item.key_name();
    let mut table = item.fields()?;
    let targets = table.required("targets", "[\"ec2-a:32768\"]");
    let targets = targets.and_then(|i| i.each(|t| target(t, network)));
    table.finish();
    Some(TargetGroup {
        name: name?.to_string(),
        targets: targets?,
    })
}

/// `ec2-a:32768`: a node with one address, and the port under which it is registered.
fn target(item: Item<'_>, network: &Network<'_>) -> Option<Target> {
    let text = item.text()?;
    let parts = text.rsplit_once(':');
    let parts = parts.and_then(|(node, port)| Some((node, port.parse::<u16>().ok()?)));
    let Some((node, port @ 1..)) = parts else {
        let label = "expected a node and a port such as \"ec2-a:32768\"";
        item.wrong(format!("`{text}` is not a target"), label, None);
        return None;
    };
    let index = network.node(&item, node)?;
    if let Shape::Container { .. } = network.nodes[index].shape {
        let message = format!("`{node}` is inside a docker host");
        let label = "expected the docker host, and the port that it publishes";
        item.wrong(message, label, None);
        return None;
    }
    Some(Target {
        node: network.nodes[index].name.clone(),
        address: (network.only_address(&item, index)?, port).into(),
    })
}
