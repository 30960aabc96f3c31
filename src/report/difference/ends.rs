//! How what clients asked for ended, in two runs: every answer, close and failure, with its time. A fault may show in a
//! later request only.

use std::time::Duration;

use serde::Serialize;

use super::Sides;
use crate::event::{Event, Fact, Flow, What};
use crate::expect::{Record, role_of};
use crate::name::Name;
use crate::report::paint::{Paint, Tone};
use crate::report::text::{millis, pad, pad_left, squeeze};
use crate::role::config::Role;

/// How something ended for a client.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct EndLine {
    /// The client.
    pub node: String,
    /// When.
    pub time_ns: u64,
    /// `200` for an answer, `ws 1006` for the end of a WebSocket, `failed`, or `none` at the end of the run.
    pub end: String,
}

/// All of a run, in the order in which they were asked for. What a load balancer got of its targets is not among them.
pub(super) fn ends(record: &Record<'_>) -> Vec<EndLine> {
    let mut asked = Asked::default();
    for event in record.events {
        let What::Fact(fact) = &event.what else {
            continue;
        };
        let node = &event.node;
        // An application is the other end of a WebSocket; where it asks somebody, it is a client.
        let is_client = match role_of(record.plan, node) {
            Some(Role::Alb(_)) => false,
            Some(Role::App(_)) => !matches!(fact, Fact::WebSocketClosed { .. }),
            Some(
                Role::Browser(_)
                | Role::Resolver(_)
                | Role::Program(_)
                | Role::Interceptor(_)
                | Role::Attacker(_),
            )
            | None => true,
        };
        if !is_client {
            continue;
        }
        if let Fact::RequestSent { flow, stream, .. } = fact {
            asked.begins(node, Some((*flow, *stream)));
        } else if let Fact::ResponseReceived {
            flow,
            stream,
            status,
            ..
        } = fact
        {
            let on = Some((*flow, *stream));
            asked.ends(event, status.to_string(), |open| open.on == on);
        } else if let Fact::WebSocketClosed { code, .. } = fact {
            asked.ends(event, format!("ws {code}"), |_| false);
        } else if let Fact::StepFailed { .. } = fact {
            asked.ends(event, "failed".to_owned(), |open| open.node == *node);
        }
    }
    asked.lines(record.ended.as_nanos())
}

/// What was asked for, answered or not.
#[derive(Default)]
struct Asked(Vec<Open>);

struct Open {
    node: Name,
    /// On which connection, and stream of it.
    on: Option<(Flow, Option<u32>)>,
    end: Option<(u64, String)>,
}

impl Asked {
    fn begins(&mut self, node: &Name, on: Option<(Flow, Option<u32>)>) {
        self.0.push(Open {
            node: node.clone(),
            on,
            end: None,
        });
    }

    /// Something has ended: the first that fits and is open, or something that was not asked for like this.
    fn ends(&mut self, event: &Event, end: String, fits: impl Fn(&Open) -> bool) {
        let open = self.0.iter().position(|o| o.end.is_none() && fits(o));
        let index = open.unwrap_or_else(|| {
            self.begins(&event.node, None);
            self.0.len() - 1
        });
        self.0[index].end = Some((event.at.as_nanos(), end));
    }

    fn lines(self, ended: u64) -> Vec<EndLine> {
        let line = |open: Open| {
            let (time_ns, end) = open.end.unwrap_or_else(|| (ended, "none".to_owned()));
            EndLine {
                node: open.node.to_string(),
                time_ns,
                end,
            }
        };
        self.0.into_iter().map(line).collect()
    }
}

/// More are only counted.
const ROWS_MAX: usize = 12;

/// The lines, client by client, and for each its first end beside its first in the other run.
pub(super) fn render(sides: Sides<'_>, names: usize, paint: Paint) -> Vec<String> {
    let both = [sides.one, sides.other].map(|side| ends(side.record));
    let mut nodes: Vec<&str> = Vec::new();
    for end in both.iter().flatten() {
        if !nodes.contains(&end.node.as_str()) {
            nodes.push(&end.node);
        }
    }
    let mut rows = Vec::new();
    for node in nodes {
        let [one, other] = [0, 1].map(|side: usize| {
            let own = both[side].iter().filter(|end| end.node == node);
            own.collect::<Vec<_>>()
        });
        for index in 0..one.len().max(other.len()) {
            let label = format!("{node}, {}", index + 1);
            rows.push((label, one.get(index).copied(), other.get(index).copied()));
        }
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let title = "What clients got, and when, in milliseconds";
    let mut lines = vec![
        String::new(),
        paint.dip(Tone::Strong, &format!("  {title}")),
    ];
    let more = rows.len().saturating_sub(ROWS_MAX);
    for (label, one, other) in rows.iter().take(ROWS_MAX) {
        lines.push(row(label, *one, *other, names));
    }
    if more > 0 {
        lines.push(format!("    and {more} more"));
    }
    lines
}

fn row(label: &str, one: Option<&EndLine>, other: Option<&EndLine>, names: usize) -> String {
    let shown = |end: Option<&EndLine>| {
        let time = end.map(|e| millis(Duration::from_nanos(e.time_ns)));
        let what = end.map_or("–", |e| e.end.as_str());
        (pad_left(&time.unwrap_or_default(), 11), pad(what, 8))
    };
    let ((at_one, one_got), (at_other, other_got)) = (shown(one), shown(other));
    let same = one.map(|e| (e.time_ns, &e.end)) == other.map(|e| (e.time_ns, &e.end));
    let difference = match (one, other) {
        (Some(a), Some(b)) if a.time_ns != b.time_ns => {
            let by = millis(Duration::from_nanos(a.time_ns.abs_diff(b.time_ns)));
            let sign = if b.time_ns > a.time_ns { "+" } else { "−" };
            format!("{sign}{by}")
        }
        (Some(_) | None, _) => String::new(),
    };
    let sign = if same { " " } else { "≠" };
    format!(
        "  {sign} {}{at_one} {one_got}{at_other} {other_got}{}",
        pad(&squeeze(label, names), names),
        pad_left(&difference, 11)
    )
}
