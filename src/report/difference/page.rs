//! The difference of two runs for a terminal.

use std::time::Duration;

use super::{AnswerLine, Sides, answers, ended, ends, ladders, milestone_lines};
use crate::expect::Record;
use crate::report::findings;
use crate::report::json;
use crate::report::ladder::WIDTH_MIN;
use crate::report::paint::{Paint, Tone};
use crate::report::terminal::Layout;
use crate::report::text::{millis, pad, pad_left, squeeze, width};

/// The whole: titles, what the labs say otherwise, what came out, when, the expectations, the packets. Ends with a line
/// end.
#[must_use]
pub fn render(sides: Sides<'_>, layout: Layout) -> String {
    let columns = layout.width.max(WIDTH_MIN);
    let paint = layout.paint;
    let mut lines = headline(sides, columns, paint);
    for block in [
        changes(sides, columns, paint),
        outcomes(sides, columns, paint),
        times(sides, paint),
        ends::render(sides, NAMES, paint),
        ladders::render(sides, layout),
        expectations(sides, columns, paint),
    ] {
        lines.extend(block);
    }
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn records<'a>(sides: Sides<'a>) -> [&'a Record<'a>; 2] {
    [sides.one.record, sides.other.record]
}

fn headline(sides: Sides<'_>, columns: usize, paint: Paint) -> Vec<String> {
    let [one, other] = records(sides).map(|r| r.plan);
    let head = format!("tunlab diff {} {}", one.called, other.called);
    let facts = format!("   seed {} · virtual time", sides.one.record.seed);
    let mut lines = if width(&head) + width(&facts) <= columns {
        vec![format!("{}{facts}", paint.dip(Tone::Strong, &head))]
    } else {
        let head = squeeze(&head, columns);
        vec![paint.dip(Tone::Strong, &head), facts.trim().to_owned()]
    };
    lines.push(String::new());
    for (number, plan) in [(1, one), (2, other)] {
        lines.push(squeeze(&format!("  {number}  {}", plan.title), columns));
    }
    lines
}

fn block(title: &str, paint: Paint) -> Vec<String> {
    vec![
        String::new(),
        paint.dip(Tone::Strong, &format!("  {title}")),
    ]
}

fn changes(sides: Sides<'_>, columns: usize, paint: Paint) -> Vec<String> {
    if sides.changes.is_empty() {
        let mut lines = block("The labs are the same", paint);
        lines.push("  but for what they say of themselves".into());
        return lines;
    }
    let mut lines = block("What the labs say otherwise", paint);
    for change in sides.changes {
        let [one, other] = [&change.one, &change.other].map(|v| v.as_deref().unwrap_or("–"));
        let short = format!("  {}   {one}  →  {other}", change.key);
        if width(&short) <= columns {
            lines.push(short);
            continue;
        }
        lines.push(squeeze(&format!("  {}", change.key), columns));
        for (number, value) in [(1, one), (2, other)] {
            lines.push(squeeze(&format!("     {number}  {value}"), columns));
        }
    }
    lines
}

fn outcomes(sides: Sides<'_>, columns: usize, paint: Paint) -> Vec<String> {
    let [one, other] = [sides.one, sides.other].map(|side| {
        let totals = json::totals(side.record, side.findings);
        let answers = answers(side.record);
        let mut counts: Vec<(&str, u16, usize)> = Vec::new();
        for AnswerLine { node, status, .. } in &answers {
            match counts.iter_mut().find(|c| (c.0, c.1) == (node, *status)) {
                Some(count) => count.2 += 1,
                None => counts.push((node, *status, 1)),
            }
        }
        let mut answers: Vec<String> = counts
            .into_iter()
            .map(|(node, status, count)| match count {
                1 => format!("{node} {status}"),
                n => format!("{node} {n} × {status}"),
            })
            .collect();
        let more = answers.len().saturating_sub(ANSWERS_MAX);
        answers.truncate(ANSWERS_MAX);
        if more > 0 {
            answers.push(format!("and {more} more"));
        }
        [
            ("packets", totals.packets.to_string()),
            ("TCP connections", totals.connections.to_string()),
            ("lost", totals.lost.to_string()),
            ("sent again", totals.retransmitted.to_string()),
            ("RST", totals.reset.to_string()),
            (
                "answers (HTTP)",
                if answers.is_empty() {
                    "none".into()
                } else {
                    answers.join(", ")
                },
            ),
            ("over after", format!("{} ms", millis(ended(side.record)))),
            (HELD, format!("{} of {}", totals.held, totals.expectations)),
        ]
    });
    let mut findings = sides.one.findings.iter().chain(sides.other.findings);
    let all_held = findings.all(|f| f.holds);
    let room = (columns - NAMES - 8) / 2;
    let mut lines = block("What came out", paint);
    let names = records(sides).map(|r| squeeze(&r.plan.name, room));
    let name = paint.dip(
        Tone::Dim,
        &format!(
            "    {}  {}  {}",
            pad("", NAMES),
            pad(&names[0], room),
            names[1]
        ),
    );
    lines.push(name);
    for ((what, a), (_, b)) in one.iter().zip(&other) {
        // How many are expected is no outcome.
        let same = a == b || *what == HELD && all_held;
        let sign = if same { " " } else { "≠" };
        let (a, b) = (squeeze(a, room), squeeze(b, room));
        lines.push(format!(
            "  {sign} {}  {}  {b}",
            pad(what, NAMES),
            pad(&a, room)
        ));
    }
    lines
}

const HELD: &str = "expectations held";
/// Columns for what is said in a line.
const NAMES: usize = 20;
/// More answers are only counted.
const ANSWERS_MAX: usize = 4;

fn times(sides: Sides<'_>, paint: Paint) -> Vec<String> {
    let milestones = milestone_lines(sides);
    if milestones.is_empty() {
        return Vec::new();
    }
    let mut lines = block("When the first request came by, in milliseconds", paint);
    let head = format!("    {}           1           2  difference", pad("", NAMES));
    lines.push(paint.dip(Tone::Dim, &head));
    for line in milestones {
        let shown = |ns: Option<u64>| {
            ns.map_or_else(|| "–".to_owned(), |ns| millis(Duration::from_nanos(ns)))
        };
        let [one, other] = line.time_ns;
        let (sign, difference) = match (one, other) {
            (Some(a), Some(b)) if a == b => (" ", String::new()),
            (Some(a), Some(b)) => {
                let by = millis(Duration::from_nanos(a.abs_diff(b)));
                ("≠", format!("{}{by}", if b > a { "+" } else { "−" }))
            }
            (Some(_), None) | (None, Some(_)) => ("≠", "–".to_owned()),
            (None, None) => (" ", String::new()),
        };
        lines.push(format!(
            "  {sign} {}{}{}{}",
            pad(line.milestone, NAMES),
            pad_left(&shown(one), 12),
            pad_left(&shown(other), 12),
            pad_left(&difference, 12)
        ));
    }
    lines
}

fn expectations(sides: Sides<'_>, columns: usize, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for side in [sides.one, sides.other] {
        let title = format!("What must hold in {}", side.record.plan.name);
        lines.extend(block(&squeeze(&title, columns - 2), paint));
        if side.findings.is_empty() {
            lines.push("  nothing".into());
        }
        lines.extend(findings::render(side.record, side.findings, columns, paint));
        lines.push(format!("  {}", findings::verdict(side.findings, paint)));
    }
    lines
}
