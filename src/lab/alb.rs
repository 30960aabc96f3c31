//! What a load balancer is told: listeners, target groups.

use std::collections::BTreeSet;
use std::time::Duration;

use super::decode::{Fields, Item};
use super::error::advice;
use super::roles::{Reader, own_port};
use super::{speech, zones};
use crate::role::config::{Action, Alb, Listener, ProtocolVersion, Role, TargetGroup};
use crate::tls::config::ServerTakes;

mod action;
mod attributes;
mod group;
mod rule;

pub(super) use group::{target, target_group};

/// Rules of a load balancer, the default ones not counted (AWS "Quotas for your Application Load Balancers").
const RULES_MAX: usize = 100;

/// Up to 32 letters, digits and hyphens, no hyphen at an end (AWS `CreateLoadBalancer`): it stands in the access log, whose
/// fields have spaces between them.
fn balancer_name(item: Item<'_>) -> Option<String> {
    let name = item.prose(32)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !name.chars().all(fits) || name.starts_with('-') || name.ends_with('-') {
        let label = "expected letters, digits and hyphens, no hyphen at an end";
        item.wrong(
            format!("`{name}` is not a load balancer's name"),
            label,
            None,
        );
        return None;
    }
    Some(name)
}

impl Reader<'_, '_> {
    /// The load balancer on a node, in the node's availability zone.
    pub(super) fn alb(
        &self,
        item: Item<'_>,
        zone: Option<&String>,
        ports: &mut BTreeSet<u16>,
    ) -> Option<Role> {
        let mut table = item.fields()?;
        let name = if item.key == "alb" {
            table.required("name", "\"fl-production-alb\"")
        } else {
            table.optional("name")
        };
        let name = match name {
            Some(item) => balancer_name(item),
            None if item.key == "alb" => None,
            None => Some(item.key.to_owned()),
        };
        let attributes = attributes::attributes(&mut table);
        let zones = table.or("availability-zones", Vec::new(), |i| {
            i.some(|zone| zones::zone(zone, self.network))
        });
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
        let rules: usize = listeners.iter().map(|l| l.rules.len()).sum();
        if rules > RULES_MAX {
            let message = format!("the load balancer has {rules} rules");
            let label = format!("expected {RULES_MAX} at most, the default rules not counted");
            item.wrong_key(message, label, None);
        }
        let wanted = |g: &&TargetGroup| listeners.iter().any(|l| l.groups().any(|n| n == g.name));
        Some(Role::Alb(Alb {
            name: name?,
            attributes,
            zone: zone.cloned(),
            zones: zones?,
            unused_groups: Vec::new(),
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
        let tls = speech::server(&mut table, self.pki, takes, speech::Owner::LoadBalancer);
        let https = tls.as_ref().is_some_and(Option::is_some);
        let rules = table.or("rule", Vec::new(), |i| self.rules(i, https));
        let default = self.default_action(&mut table, https);
        table.finish();
        Some(Listener {
            port: port?,
            tls: tls?,
            rules: rules?,
            default: default?,
        })
    }

    /// What the default rule does: most forward.
    fn default_action(&self, table: &mut Fields<'_>, https: bool) -> Option<Action> {
        let others = ["redirect", "fixed-response"].map(|key| table.optional(key).is_some());
        if others == [false, false] {
            let forward = table.required("forward", "\"web\"");
            return Some(Action::Forward(self.forward(forward?, https)?));
        }
        self.action(table, https)
    }

    fn group_of(&self, item: Item<'_>, https: bool) -> Option<String> {
        let word = item.text()?;
        if !self.group_names.contains(&word) {
            item.wrong(
                format!("unknown target group `{word}`"),
                "no target group has this name",
                advice(word, self.group_names.iter().copied()),
            );
            return None;
        }
        let group = self.groups.iter().find(|g| g.name == word);
        let version = group.map_or_else(ProtocolVersion::default, |g| g.version);
        let ((ProtocolVersion::Http1, _) | (_, true)) = (version, https) else {
            // HTTP/2 is spoken on HTTPS listeners only (AWS "Target groups for your Application Load Balancers",
            // "Protocol version").
            item.wrong(
                format!("target group `{word}` speaks {}", version.word()),
                "expected a target group with the protocol version HTTP1: this listener has no certificate",
                "clients speak HTTP/2 over TLS only".to_owned(),
            );
            return None;
        };
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
