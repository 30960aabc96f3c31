//! How what clients asked for ended, in two runs: every answer, close and failure, with its time. A fault may show in a
//! later request only.

use std::time::Duration;

use serde::Serialize;

use super::Sides;
use crate::event::{Event, Fact, What};
use crate::expect::{Record, role_of};
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
    /// `200` for an answer, `closed 1006` for a WebSocket, or `failed`.
    pub end: String,
}

/// All of a run, in order. What a load balancer got of its targets is not among them.
pub(super) fn ends(record: &Record<'_>) -> Vec<EndLine> {
    let of = |event: &Event| {
        let What::Fact(fact) = &event.what else {
            return None;
        };
        let end = if let Fact::ResponseReceived { status, .. } = fact {
            status.to_string()
        } else if let Fact::WebSocketClosed { code, .. } = fact {
            format!("closed {code}")
        } else if let Fact::StepFailed { .. } = fact {
            "failed".to_owned()
        } else {
            return None;
        };
        // An application is the other end of a WebSocket; where it asks somebody, it is a client.
        let other_end = matches!(fact, Fact::WebSocketClosed { .. });
        let is_client = match role_of(record.plan, &event.node) {
            Some(Role::Alb(_)) => false,
            Some(Role::App(_)) => !other_end,
            Some(
                Role::Browser(_)
                | Role::Resolver(_)
                | Role::Program(_)
                | Role::Interceptor(_)
                | Role::Attacker(_),
            )
            | None => true,
        };
        is_client.then(|| EndLine {
            node: event.node.to_string(),
            time_ns: event.at.as_nanos(),
            end,
        })
    };
    record.events.iter().filter_map(of).collect()
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
        (pad_left(&time.unwrap_or_default(), 12), pad(what, 12))
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
        pad_left(&difference, 10)
    )
}
