//! What is done and when, and the timeline that it is compared with.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::attacker;
use super::decode::{Fields, Item};
use super::error::advice;
use super::network::Network;
use super::pki::Pki;
use super::plan::{Action, Milestone, Step};
use super::roles::command;
use super::security_group;
use crate::net::Change;

mod alb;
mod app;
mod client;
mod dns;
mod ping;
mod url;

/// Reads the list `step`: at least one.
pub(super) fn steps(
    root: &mut Fields<'_>,
    network: &Network<'_>,
    pki: &Pki<'_>,
    security_groups: &security_group::Declared,
) -> Vec<Step> {
    let Some(item) = root.required(
        "step",
        "[{ at = \"0 ms\", user = { get = \"https://…\" } }]",
    ) else {
        return Vec::new();
    };
    let groups = root.optional("target-group").and_then(Item::fields);
    let groups: Vec<&str> = groups.map_or_else(Vec::new, |t| t.entries().map(|g| g.key).collect());
    item.some(|i| step(i, network, pki, security_groups, &groups))
        .unwrap_or_default()
}

/// Reads the table `timeline`.
pub(super) fn timeline(root: &mut Fields<'_>) -> Vec<(Milestone, Duration)> {
    let Some(table) = root.optional("timeline").and_then(Item::fields) else {
        return Vec::new();
    };
    let mut rows: Vec<(Milestone, Duration)> = table
        .entries()
        .filter_map(|row| {
            let found = Milestone::WORDS.iter().find(|(word, _)| *word == row.key);
            if found.is_none() {
                row.wrong_key(
                    format!("unknown milestone `{}`", row.key),
                    "no milestone has this name",
                    advice(row.key, Milestone::WORDS.iter().map(|(word, _)| *word)),
                );
            }
            let at = row.duration();
            Some((found?.1, at?))
        })
        .collect();
    rows.sort();
    rows
}

/// What becomes of the machine itself, when the step says so: `{ power = "off" }`, `{ instance = "stop" }`.
fn machine(action: &mut Fields<'_>, node: usize) -> Option<Option<Action>> {
    let keys = ["power", "instance"];
    if keys.map(|key| action.optional(key).is_some()) == [false; 2] {
        return None;
    }
    let item = action.exactly_one(&keys);
    Some(item.and_then(|item| {
        match item.key {
            "power" => item
                .one_of("state", &[("off", false), ("on", true)])
                .map(|on| Action::Network(Change::Power { node, on })),
            _ => item
                .one_of("state change", &[("stop", false), ("start", true)])
                .map(|runs| Action::Instance { node, runs }),
        }
    }))
}

fn step(
    item: Item<'_>,
    network: &Network<'_>,
    pki: &Pki<'_>,
    security_groups: &security_group::Declared,
    groups: &[&str],
) -> Option<Step> {
    let mut table = item.fields()?;
    let at = table.or("at", Duration::ZERO, Item::duration);
    let mut actors = table.unread();
    let actor = actors.next();
    for extra in actors {
        let message = format!("`{}` is one too many", extra.key);
        extra.wrong_key(message, "expected one node a step", None);
    }
    let Some(actor) = actor else {
        let label = "expected a node that does something";
        let help = "for example `user = { get = \"https://your-app.com/\" }`".to_owned();
        table.wrong("nobody acts in this step", label, help);
        return None;
    };
    let node = network.nodes.iter().find(|n| n.name.as_str() == actor.key);
    if node.is_none() && actor.key == "security-group" {
        let (group, action) = security_groups.change(actor)?;
        return Some(Step {
            at: at?,
            node: group,
            action,
        });
    }
    let Some(node) = node else {
        actor.wrong_key(
            format!("unknown node `{}`", actor.key),
            "neither `at` nor a node",
            advice(actor.key, network.node_names()),
        );
        return None;
    };
    let mut action = actor.fields()?;
    let index = network.nodes.iter().position(|n| n.name == node.name)?;
    if let Some(changed) = machine(&mut action, index) {
        action.finish();
        return Some(Step {
            at: at?,
            node: node.name.clone(),
            action: changed?,
        });
    }
    if node.programs.program.is_some() {
        let run = action.required("run", "[\"curl\", \"https://your-app.com/\"]");
        let run = run.and_then(command);
        action.finish();
        return Some(Step {
            at: at?,
            node: node.name.clone(),
            action: Action::Run(run?),
        });
    }
    if node.programs.attacker.is_some() {
        let attempt = attacker::attempt(&mut action, network, pki);
        action.finish();
        return Some(Step {
            at: at?,
            node: node.name.clone(),
            action: Action::Attack(attempt?),
        });
    }
    if node.programs.app.is_some()
        && let Some(service) = app::service(&mut action)
    {
        action.finish();
        return Some(Step {
            at: at?,
            node: node.name.clone(),
            action: Action::Serve(service?),
        });
    }
    if let Some(alb) = node.programs.alb
        && let Some(renew) = action.optional("renew")
    {
        let renewed = alb::renewal(renew, alb, pki);
        action.finish();
        return Some(Step {
            at: at?,
            node: node.name.clone(),
            action: renewed?,
        });
    }
    if node.programs.alb.is_some()
        && let Some(registration) = alb::registration(&mut action, network, groups)
    {
        action.finish();
        return Some(Step {
            at: at?,
            node: node.name.clone(),
            action: registration?,
        });
    }
    if node.programs.name_server.is_some() {
        let changed = dns::change(&mut action);
        action.finish();
        return Some(Step {
            at: at?,
            node: node.name.clone(),
            action: changed?,
        });
    }
    let errand = client::errand(&mut action);
    let (done, url) = match errand {
        Some((errand, url)) => (errand.map(Action::Errand), url),
        None => {
            let get = action.required("get", "\"https://your-app.com/\"");
            (get.and_then(url::urls).map(Action::Get), get)
        }
    };
    action.finish();
    let Some(browser) = node.programs.browser else {
        let message = format!("`{}` has no browser", node.name);
        let label = "expected a node with `browser = { … }`";
        actor.wrong_key(message, label, None);
        return None;
    };
    let done = done?;
    let mut host = "";
    if let Action::Get(urls) = &done {
        host = urls.first().map_or("", |url| &url.host);
    }
    if let Action::Errand(errand) = &done {
        host = errand.host();
    }
    let has_resolver = browser.fields()?.optional("resolver").is_some();
    if let (Some(url), false, Err(_)) = (url, has_resolver, host.parse::<Ipv4Addr>()) {
        let message = format!("`{}` cannot look up `{host}`", node.name);
        let label = "expected an address, or a `resolver` in the browser";
        url.wrong(message, label, None);
        return None;
    }
    Some(Step {
        at: at?,
        node: node.name.clone(),
        action: done,
    })
}
