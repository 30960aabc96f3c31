//! The whole report for a terminal, and the plain ladder that is kept as a golden file.

use super::findings::{self, verdict};
use super::ladder::{Ladder, WIDTH_MIN};
use super::paint::{Paint, Tone};
use super::rows::Row;
use super::text::{millis, plural, squeeze, width};
use super::timeline;
use crate::dissect::message::{Message, TlsKind};
use crate::expect::{Finding, Record};

/// How to show a run.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Columns of the terminal. Below 80 it is laid out for 80.
    pub width: usize,
    /// Whether pure ACKs are shown too.
    pub all: bool,
    /// Colour or none.
    pub paint: Paint,
}

/// Columns of the golden ladder.
const GOLDEN_WIDTH: usize = 100;

/// The whole: headline, ladder, what was lost, timeline, findings, verdict. Ends with a line end.
#[must_use]
pub fn render(record: &Record<'_>, findings: &[Finding], layout: Layout) -> String {
    let Layout { width, all, paint } = layout;
    let ladder = Ladder::new(record, width);
    let seed = format!("seed {}", record.seed);
    let mut lines = headline(record, width, Some(&seed), paint);
    lines.push(String::new());
    lines.extend(ladder.render(all, paint));
    lines.extend(lost(&ladder, width, paint));
    for block in [
        timeline::render(record, width, paint),
        findings::render(record, findings, &ladder, width, paint),
    ] {
        if !block.is_empty() {
            lines.push(String::new());
            lines.extend(block);
        }
    }
    lines.push(String::new());
    lines.push(last_line(record, findings, paint));
    finish(&lines)
}

/// The ladder alone, every packet, 100 columns, without colour and without the seed: the golden text of a lab.
#[must_use]
pub fn ladder_text(record: &Record<'_>) -> String {
    let ladder = Ladder::new(record, GOLDEN_WIDTH);
    let mut lines = headline(record, GOLDEN_WIDTH, None, Paint::Plain);
    lines.push(String::new());
    lines.extend(ladder.render(true, Paint::Plain));
    lines.extend(lost(&ladder, GOLDEN_WIDTH, Paint::Plain));
    finish(&lines)
}

/// Without spaces at line ends, which editors and Git dislike.
fn finish(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn headline(record: &Record<'_>, columns: usize, seed: Option<&str>, paint: Paint) -> Vec<String> {
    let mut facts: Vec<String> = seed.map(String::from).into_iter().collect();
    facts.push("virtual time".into());
    facts.extend(tls_version(record));
    let streams = record.frames.iter().filter_map(|f| f.stream).max();
    let connections = streams.map_or(0, |s| s + 1);
    facts.push(plural(connections, "TCP connection"));
    facts.push(plural(record.frames.len(), "packet"));
    let title = format!("tunlab run {}", record.plan.name);
    let facts = facts.join(" · ");
    let one = format!("{title}   {facts}");
    if width(&one) <= columns.max(WIDTH_MIN) {
        let title = paint.dip(Tone::Strong, &title);
        return vec![format!("{title}   {facts}")];
    }
    let columns = columns.max(WIDTH_MIN);
    vec![
        paint.dip(Tone::Strong, &squeeze(&title, columns)),
        squeeze(&facts, columns),
    ]
}

/// Of the first ServerHello.
pub(super) fn tls_version(record: &Record<'_>) -> Option<String> {
    let mut messages = record.frames.iter().flat_map(|f| &f.messages);
    messages.find_map(|m| match m {
        Message::Tls(t) => match &t.kind {
            TlsKind::ServerHello { version, .. } => Some(version.clone()),
            _ => None,
        },
        _ => None,
    })
}

/// Losses with their causes; the first ones, when there are many.
fn lost(ladder: &Ladder<'_>, columns: usize, paint: Paint) -> Vec<String> {
    const SHOWN: usize = 8;
    let all: Vec<&Row<'_>> = ladder.troubled().filter(|r| r.lost.is_some()).collect();
    let mut lines: Vec<String> = all
        .iter()
        .take(SHOWN)
        .filter_map(|row| {
            let (cause, link) = row.lost.as_ref()?;
            let number = if row.in_main {
                format!("#{}", row.frame.number)
            } else {
                "–".into()
            };
            let on = link.as_ref().map(|l| format!(" ({l})")).unwrap_or_default();
            let text = format!("  ✕ {number} {}: {cause}{on}", row.label);
            Some(paint.dip(Tone::Bad, &squeeze(&text, columns.max(WIDTH_MIN))))
        })
        .collect();
    if all.len() > SHOWN {
        lines.push(format!("  ✕ and {} more", all.len() - SHOWN));
    }
    lines
}

fn last_line(record: &Record<'_>, findings: &[Finding], paint: Paint) -> String {
    let mut parts = Vec::new();
    if !findings.is_empty() {
        parts.push(format!("{}.", verdict(findings, paint)));
    }
    parts.push(match timeline::total(record) {
        Some((total, Some(text))) => {
            format!(
                "total {} ms   (the text: {} ms)",
                millis(total),
                millis(text)
            )
        }
        Some((total, None)) => format!("total {} ms", millis(total)),
        None => "the request was not answered".into(),
    });
    format!("  {}", parts.join("   "))
}
