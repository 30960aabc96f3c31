//! The health of targets as a load balancer's nodes came to know it, as a list for a terminal. Nothing for a run in which
//! nobody's health changed.

use super::paint::{Paint, Tone};
use super::text::{millis, squeeze, width};
use crate::event::{Balancing, Event, Fact, HealthState, What};
use crate::expect::Record;

/// More lines than this are not read; the report for programs has all.
const LINES_MAX: usize = 24;

/// The block, or nothing.
pub(super) fn render(record: &Record<'_>, columns: usize, paint: Paint) -> Vec<String> {
    let changes: Vec<(String, String, String, Tone)> =
        record.events.iter().filter_map(change).collect();
    if changes.is_empty() {
        return Vec::new();
    }
    let widest = |column: fn(&(String, String, String, Tone)) -> &String| {
        changes.iter().map(|c| width(column(c))).max().unwrap_or(0)
    };
    let (times, nodes) = (widest(|c| &c.0).max(2), widest(|c| &c.1).max(4));
    let mut lines = vec![format!(
        "  {:>times$}  {:nodes$}  health of targets",
        "ms", "node"
    )];
    for (at, node, what, tone) in changes.iter().take(LINES_MAX) {
        let head = format!("  {at:>times$}  {node:nodes$}  ");
        let room = columns.saturating_sub(width(&head));
        let what = paint.dip(*tone, &squeeze(what, room));
        lines.push(format!("{head}{what}"));
    }
    if changes.len() > LINES_MAX {
        lines.push(format!("  … {} more", changes.len() - LINES_MAX));
    }
    lines
}

fn change(event: &Event) -> Option<(String, String, String, Tone)> {
    let What::Fact(Fact::Balancing(balancing)) = &event.what else {
        return None;
    };
    let tone = match balancing {
        Balancing::Health { state, .. } => match state {
            HealthState::Healthy => Tone::Good,
            HealthState::Unhealthy => Tone::Bad,
            HealthState::Initial | HealthState::Draining | HealthState::Unused => Tone::Strong,
        },
        Balancing::FailOpen { open: true, .. } => Tone::Bad,
        Balancing::FailOpen { open: false, .. } => Tone::Good,
        Balancing::RuleMet { .. } | Balancing::Probing { .. } | Balancing::Probed { .. } => {
            return None;
        }
    };
    let at = millis(event.at - crate::time::Instant::ZERO);
    let (_, words) = super::balancing::words(balancing);
    Some((at, event.node.to_string(), words, tone))
}
