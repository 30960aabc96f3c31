//! Load balancing: rules met, targets chosen, health.

use std::net::SocketAddr;

use super::Reader;
use super::packets::{count_or, span};
use crate::event::{HealthReason, HealthState};
use crate::lab::alb;
use crate::lab::decode::{Fields, Item};
use crate::lab::plan::{BalancingCheck, Check, Count, HealthWanted};
use crate::lab::tree::Kind;
use crate::name::Name;

impl Reader<'_, '_> {
    /// `{ at = "alb", priority = 10, count = 2 }`
    pub(super) fn rule(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.balancer(table);
        let priority = table.required("priority", "10");
        let priority = priority.and_then(|i| match (&i.value.kind, i.as_text()) {
            (_, Some("default")) => Some(None),
            (Kind::Integer(_), _) => Some(u16::try_from(i.integer(1..=50_000)?).ok()),
            (_, _) => {
                let label = "expected a priority such as 10, or \"default\"";
                i.wrong("`priority` is not a rule's", label, None);
                None
            }
        });
        let count = count_or(table, Count::AtLeast(1));
        Some(Check::Balancing {
            node: node?,
            check: BalancingCheck::Rule {
                priority: priority?,
                count: count?,
            },
        })
    }

    /// `{ at = "alb", target = "ec2-a:32768", count = 3, from = "10 s", by = "20 s" }`
    pub(super) fn chosen(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.balancer(table);
        let target = self.registered(table);
        let span = span(table);
        let count = count_or(table, Count::AtLeast(1));
        let (target, address) = target?;
        Some(Check::Balancing {
            node: node?,
            check: BalancingCheck::Chosen {
                target,
                address,
                span: span?,
                count: count?,
            },
        })
    }

    /// `{ at = "alb", target = "ec2-a:32768", state = "unhealthy", reason = "Target.Timeout", by = "20 s" }`
    pub(super) fn health(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.balancer(table);
        let target = self.registered(table);
        let state = table.required("state", "\"healthy\"");
        let state = state.and_then(|i| i.one_of("state", &HealthState::WORDS));
        let reason = table.or("reason", None, |i| {
            i.one_of("reason code", &HealthReason::WORDS).map(Some)
        });
        let span = span(table);
        let count = count_or(table, Count::AtLeast(1));
        let (target, address) = target?;
        Some(Check::Balancing {
            node: node?,
            check: BalancingCheck::Health(HealthWanted {
                target,
                address,
                state: state?,
                reason: reason?,
                span: span?,
                count: count?,
            }),
        })
    }

    /// `{ at = "alb", group = "web", by = "20 s" }`; with `ends = true` the end of it.
    pub(super) fn fail_open(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.balancer(table);
        let group = table.required("group", "\"web\"");
        let group = group.and_then(|i| i.text().map(str::to_owned));
        let ends = table.or("ends", false, Item::boolean);
        let span = span(table);
        let count = count_or(table, Count::AtLeast(1));
        Some(Check::Balancing {
            node: node?,
            check: BalancingCheck::FailOpen {
                group: group?,
                open: !ends?,
                span: span?,
                count: count?,
            },
        })
    }

    /// The load balancer, or the node of it, that is meant.
    fn balancer(&self, table: &mut Fields<'_>) -> Option<Name> {
        let item = table.required("at", "\"alb\"")?;
        let index = self.network.node_of(item)?;
        let node = &self.network.nodes[index];
        if node.programs.alb.is_none() {
            let message = format!("`{}` is no load balancer", node.name);
            item.wrong(message, "expected a node with `alb = { … }`", None);
            return None;
        }
        Some(node.name.clone())
    }

    fn registered(&self, table: &mut Fields<'_>) -> Option<(Name, SocketAddr)> {
        let item = table.required("target", "\"ec2-a:32768\"")?;
        let target = alb::target(item, self.network)?;
        Some((target.node, target.address))
    }
}
