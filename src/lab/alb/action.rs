//! What rules do: forward, redirect, answer.

use std::time::Duration;

use crate::lab::decode::{Fields, Item};
use crate::lab::roles::Reader;
use crate::lab::tree::Kind;
use crate::role::config::{Action, FixedResponse, Forward, Redirect, StickinessKind, Weighted};
use crate::units::show_duration;

/// Target groups of one forward action.
const GROUPS_MAX: usize = 5;

/// What the templates of a redirect can name, each (AWS "Listener rules for your Application Load Balancer", "Redirect
/// actions").
const IN_HOST: &[&str] = &["host"];
const IN_PATH: &[&str] = &["host", "port", "path"];
const IN_QUERY: &[&str] = &["protocol", "host", "port", "path", "query"];

impl Reader<'_, '_> {
    /// The one action in `table`.
    pub(super) fn action(&self, table: &mut Fields<'_>, https: bool) -> Option<Action> {
        let item = table.exactly_one(&["forward", "redirect", "fixed-response"])?;
        Some(match item.key {
            "forward" => Action::Forward(self.forward(item, https)?),
            "redirect" => Action::Redirect(redirect(item, https)?),
            _ => Action::FixedResponse(fixed_response(item)?),
        })
    }

    /// `"web"`, `[{ group = "web", weight = 9 }, …]`, or `{ groups = […], stickiness = "1 h" }`.
    pub(super) fn forward(&self, item: Item<'_>, https: bool) -> Option<Forward> {
        match item.value.kind {
            Kind::List(_) => {
                let groups = self.weighted(item, https)?;
                self.sticks(item, &groups, false)?;
                Some(Forward {
                    groups,
                    stickiness: None,
                })
            }
            Kind::Table(_) => {
                let mut table = item.fields()?;
                let groups = table.required("groups", "[{ group = \"web\", weight = 9 }]");
                let groups = groups.and_then(|i| self.weighted(i, https));
                let stickiness = table.or("stickiness", None, |i| {
                    within(i, Duration::from_secs(1), Duration::from_secs(604_800)).map(Some)
                });
                table.finish();
                let (groups, stickiness) = (groups?, stickiness?);
                self.sticks(item, &groups, stickiness.is_some())?;
                Some(Forward { groups, stickiness })
            }
            Kind::Text(_) | Kind::Integer(_) | Kind::Float | Kind::Boolean(_) | Kind::Date(_) => {
                Some(Forward::to(&self.group_of(item, https)?))
            }
        }
    }

    /// Where several groups share the requests, sessions stick to a target only if they stick to its group, and never by
    /// the application's cookie (AWS "Sticky sessions for your Application Load Balancer"). `None` after a mistake.
    fn sticks(&self, item: Item<'_>, groups: &[Weighted], to_group: bool) -> Option<()> {
        if groups.len() < 2 {
            return Some(());
        }
        for Weighted { group, .. } in groups {
            let found = self.groups.iter().find(|g| g.name == *group);
            let kind = found.and_then(|g| g.stickiness.as_ref()).map(|s| &s.kind);
            let (message, label) = match kind {
                Some(StickinessKind::Application(_)) => (
                    format!("sessions of `{group}` stick by the application's cookie"),
                    "expected one target group, for such sessions",
                ),
                Some(StickinessKind::LoadBalancer) if !to_group => (
                    format!("sessions of `{group}` stick to a target, and not to the group"),
                    "expected `stickiness` beside the groups, as in { groups = [\u{2026}], stickiness = \"1 h\" }",
                ),
                Some(StickinessKind::LoadBalancer) | None => continue,
            };
            item.wrong(message, label, None);
            return None;
        }
        Some(())
    }

    fn weighted(&self, item: Item<'_>, https: bool) -> Option<Vec<Weighted>> {
        let groups: Vec<Weighted> = item.some(|i| {
            let mut table = i.fields()?;
            let group = table.required("group", "\"web\"");
            let group = group.and_then(|i| self.group_of(i, https));
            let weight = table.or("weight", 1, |i| i.integer(0..=999));
            table.finish();
            Some(Weighted {
                group: group?,
                weight: u16::try_from(weight?).ok()?,
            })
        })?;
        let twice = groups
            .iter()
            .enumerate()
            .find(|(n, g)| groups[..*n].iter().any(|other| other.group == g.group));
        if let Some((_, twice)) = twice {
            let message = format!("`{}` is there twice", twice.group);
            item.wrong(message, "expected each target group once", None);
            return None;
        }
        if groups.len() > GROUPS_MAX {
            let message = format!("a rule forwards to {} target groups", groups.len());
            item.wrong(message, format!("expected {GROUPS_MAX} at most"), None);
            return None;
        }
        if groups.iter().all(|g| g.weight == 0) {
            let label = "expected a weight above 0 in one group at least";
            item.wrong("no target group has a share", label, None);
            return None;
        }
        Some(groups)
    }
}

/// A time between two bounds.
pub(super) fn within(item: Item<'_>, least: Duration, most: Duration) -> Option<Duration> {
    let time = item.duration()?;
    if time < least || time > most {
        let label = format!(
            "expected {} to {}",
            show_duration(least),
            show_duration(most)
        );
        item.wrong(format!("`{}` is out of range", item.key), label, None);
        return None;
    }
    Some(time)
}

fn redirect(item: Item<'_>, https: bool) -> Option<Redirect> {
    let mut table = item.fields()?;
    let status = table.or("status", 302, |i| i.integer(301..=302));
    let given = ["protocol", "host", "port", "path"].map(|key| (key, table.optional(key)));
    let protocol = table.or("protocol", "#{protocol}".to_owned(), protocol);
    let host = table.or("host", "#{host}".to_owned(), |i| template(i, 1, IN_HOST));
    let port = table.or("port", "#{port}".to_owned(), port);
    let path = table.or("path", "/#{path}".to_owned(), |i| {
        let path = template(i, 1, IN_PATH)?;
        if !path.starts_with('/') {
            let label = "expected a path such as \"/new/#{path}\"";
            i.wrong(format!("`{path}` does not begin with a slash"), label, None);
            return None;
        }
        Some(path)
    });
    let query = table.or("query", "#{query}".to_owned(), |i| template(i, 0, IN_QUERY));
    let protocol_item = table.optional("protocol");
    table.finish();
    let redirect = Redirect {
        permanent: status? == 301,
        protocol: protocol?,
        host: host?,
        port: port?,
        path: path?,
        query: query?,
    };
    if let (true, "HTTP", Some(item)) = (https, redirect.protocol.as_str(), protocol_item) {
        let label = "expected \"HTTPS\" on a listener with a certificate";
        item.wrong("a redirect from HTTPS to HTTP is not allowed", label, None);
        return None;
    }
    let same = [
        redirect.protocol == "#{protocol}",
        redirect.host == "#{host}",
        redirect.port == "#{port}",
        redirect.path == "/#{path}",
    ];
    if same == [true; 4] {
        let label = "expected another protocol, host, port or path";
        let help = "to its own URL a redirect is a loop".to_owned();
        let at = given.into_iter().find_map(|(_, item)| item);
        at.unwrap_or(item)
            .wrong("the redirect changes nothing", label, help);
        return None;
    }
    Some(redirect)
}

fn protocol(item: Item<'_>) -> Option<String> {
    let known = ["HTTP", "HTTPS", "#{protocol}"].map(|word| (word, word));
    item.one_of("protocol", &known).map(str::to_owned)
}

/// A number, or `"#{port}"`.
fn port(item: Item<'_>) -> Option<String> {
    match item.as_text() {
        Some("#{port}") => Some("#{port}".to_owned()),
        Some(text) => {
            let label = "expected a port such as 443, or \"#{port}\"";
            item.wrong(format!("`{text}` is not a port"), label, None);
            None
        }
        None => item.port().map(|n| n.to_string()),
    }
}

/// Up to 128 visible ASCII characters, with `#{…}` for parts of the request's URL.
fn template(item: Item<'_>, least: usize, known: &[&str]) -> Option<String> {
    let text = item.text()?;
    if !(least..=128).contains(&text.len()) || !text.chars().all(|c| c.is_ascii_graphic()) {
        let label = format!("expected {least} to 128 visible ASCII characters without spaces");
        item.wrong(format!("`{}` does not fit", item.key), label, None);
        return None;
    }
    for part in text.split("#{").skip(1) {
        let name = part.split_once('}').map(|(name, _)| name);
        if !name.is_some_and(|n| known.contains(&n)) {
            let known: Vec<String> = known.iter().map(|n| format!("#{{{n}}}")).collect();
            let label = format!("expected {}", known.join(", "));
            let name = name.unwrap_or(part);
            let message = format!("`#{{{name}}}` stands for nothing in `{}`", item.key);
            item.wrong(message, label, None);
            return None;
        }
    }
    Some(text.to_owned())
}

fn fixed_response(item: Item<'_>) -> Option<FixedResponse> {
    let mut table = item.fields()?;
    let status = table.required("status", "404");
    let status = status.and_then(|i| {
        let status = i.integer(200..=599)?;
        if status / 100 == 3 {
            let label = "expected 2xx, 4xx or 5xx";
            let help = "for 3xx there is `redirect`".to_owned();
            i.wrong(
                format!("{status} is no status of a fixed response"),
                label,
                help,
            );
            return None;
        }
        Some(status)
    });
    let known = FixedResponse::CONTENT_TYPES.map(|word| (word, word));
    let content_type = table.or("type", "text/plain", |i| i.one_of("content type", &known));
    let body = table.or("body", String::new(), |i| {
        let text = i.text()?;
        if text.len() > 1024 {
            let message = format!("`body` has {} bytes", text.len());
            i.wrong(message, "expected 1024 at most", None);
            return None;
        }
        Some(text.to_owned())
    });
    table.finish();
    Some(FixedResponse {
        status: u16::try_from(status?).ok()?,
        content_type: content_type?,
        body: body?,
    })
}
