//! What is done and when, and the timeline that it is compared with.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::attacker;
use super::decode::{Fields, Item};
use super::error::advice;
use super::network::Network;
use super::pki::{Pki, is_host_name};
use super::plan::{Action, Milestone, Step, Url};
use super::roles::command;

/// Reads the list `step`: at least one.
pub(super) fn steps(root: &mut Fields<'_>, network: &Network<'_>, pki: &Pki<'_>) -> Vec<Step> {
    let Some(item) = root.required(
        "step",
        "[{ at = \"0 ms\", user = { get = \"https://…\" } }]",
    ) else {
        return Vec::new();
    };
    item.some(|i| step(i, network, pki)).unwrap_or_default()
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

fn step(item: Item<'_>, network: &Network<'_>, pki: &Pki<'_>) -> Option<Step> {
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
    let Some(node) = node else {
        actor.wrong_key(
            format!("unknown node `{}`", actor.key),
            "neither `at` nor a node",
            advice(actor.key, network.node_names()),
        );
        return None;
    };
    let mut action = actor.fields()?;
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
    if let Some(alb) = node.programs.alb
        && let Some(renew) = action.optional("renew")
    {
        let renewed = renewal(renew, alb, pki);
        action.finish();
        return Some(Step {
            at: at?,
            node: node.name.clone(),
            action: renewed?,
        });
    }
    let get = action.required("get", "\"https://your-app.com/\"");
    let urls = get.and_then(urls);
    action.finish();
    let Some(browser) = node.programs.browser else {
        let message = format!("`{}` has no browser", node.name);
        let label = "expected a node with `browser = { … }`";
        actor.wrong_key(message, label, None);
        return None;
    };
    let urls = urls?;
    let host = urls.first().map_or("", |url| &url.host);
    let has_resolver = browser.fields()?.optional("resolver").is_some();
    if let (Some(get), false, Err(_)) = (get, has_resolver, host.parse::<Ipv4Addr>()) {
        let message = format!("`{}` cannot look up `{host}`", node.name);
        let label = "expected an address, or a `resolver` in the browser";
        get.wrong(message, label, None);
        return None;
    }
    Some(Step {
        at: at?,
        node: node.name.clone(),
        action: Action::Get(urls),
    })
}

/// `{ port = 443, certificate = "your-app-2" }`, of a listener that has a certificate.
fn renewal(item: Item<'_>, alb: Item<'_>, pki: &Pki<'_>) -> Option<Action> {
    let mut table = item.fields()?;
    let port = table.required("port", "443");
    let certificate = table.required("certificate", "\"your-app-2\"");
    let certificate = certificate.and_then(|i| pki.certificate_of(i));
    table.finish();
    let number = port?.port()?;
    // What is wrong with the listeners themselves is said where they are read.
    let listeners = alb.fields()?.optional("listener").and_then(Item::list);
    let speaks_tls = |listener: &Item<'_>| {
        let Some(mut listener) = listener.fields() else {
            return false;
        };
        let own = listener.optional("port").and_then(Item::port);
        own == Some(number) && listener.optional("certificate").is_some()
    };
    if !listeners.unwrap_or_default().iter().any(speaks_tls) {
        let message = format!("no listener on port {number} has a certificate");
        port?.wrong(message, "expected the port of an HTTPS listener", None);
        return None;
    }
    Some(Action::Renew {
        port: number,
        certificate: certificate?,
    })
}

/// A URL, or a list of them that one connection can carry.
fn urls(item: Item<'_>) -> Option<Vec<Url>> {
    if item.as_text().is_some() {
        return url(item).map(|url| vec![url]);
    }
    let mut first: Option<Url> = None;
    item.some(|item| {
        let url = url(item)?;
        let first = first.get_or_insert_with(|| url.clone());
        if !url.shares_origin(first) {
            item.wrong(
                format!("`{url}` needs a connection of its own"),
                "expected the scheme, host and port of the first",
                "another step fetches it over another connection".to_owned(),
            );
            return None;
        }
        Some(url)
    })
}

fn url(item: Item<'_>) -> Option<Url> {
    let text = item.text()?;
    match parse_url(text) {
        Ok(url) => Some(url),
        Err(label) => {
            item.wrong(format!("`{}` is not a URL", item.key), label, None);
            None
        }
    }
}

/// The http and https URIs of RFC 9110 §4.2, without user information, fragment and IPv6 literals.
fn parse_url(text: &str) -> Result<Url, &'static str> {
    let (https, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("http://") {
        (false, rest)
    } else {
        return Err("expected `https://` or `http://` at the start");
    };
    if !text.chars().all(|c| c.is_ascii_graphic()) || text.contains(['#', '@', '\\', '"', '<', '>'])
    {
        return Err("expected a host, perhaps a port, a path and a query, percent-encoded");
    }
    if text.len() > 8_000 {
        return Err("expected at most 8000 characters");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(0)),
        None => (authority, if https { 443 } else { 80 }),
    };
    if port == 0 {
        return Err("expected a port of 1 to 65535 behind the `:`");
    }
    if !is_host_name(host) && host.parse::<Ipv4Addr>().is_err() {
        return Err("expected a host name or an IPv4 address behind the `//`");
    }
    let target = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("/{target}")
    };
    Ok(Url {
        https,
        host: host.to_ascii_lowercase(),
        port,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = |text| parse_url(text).map(|u| (u.https, u.host, u.port, u.target));
        let parts = |https, host: &str, port, target: &str| {
            Ok((https, host.to_owned(), port, target.to_owned()))
        };
        assert_eq!(
            url("https://Your-App.com/notification/health/check"),
            parts(true, "your-app.com", 443, "/notification/health/check")
        );
        assert_eq!(url("http://a:8080?x=1"), parts(false, "a", 8080, "/?x=1"));
        assert_eq!(
            url("http://198.51.100.10"),
            parts(false, "198.51.100.10", 80, "/")
        );
        for bad in [
            "ftp://a",
            "https://",
            "https://a:0",
            "https://a:x",
            "https://u@a",
            "https://a/#b",
            "https://a/b c",
            "https://[::1]/",
        ] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }
}
