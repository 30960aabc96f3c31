//! Findings as lines: what held, with what was measured and which packets show it; what did not, with the packets
//! that decided it and the command that plays it again.

use super::ladder::{Ladder, WIDTH_MIN};
use super::paint::{Paint, Tone};
use super::rows::Row;
use super::text::{pad, plural, printable, width, wrap};
use crate::expect::{Evidence, Finding, Record};
use crate::lab::plan::Place;

/// Columns before the packets of a finding: with the one that is empty in a ladder, its text begins under the words.
const EXCERPT_INDENT: usize = 7;

/// One line for each finding, more where the width asks for it.
pub(super) fn render(
    record: &Record<'_>,
    findings: &[Finding],
    columns: usize,
    paint: Paint,
) -> Vec<String> {
    let columns = columns.max(WIDTH_MIN);
    let table = Table::new(findings, columns);
    let any_broken = findings.iter().any(|f| !f.holds);
    let ladder = any_broken.then(|| Ladder::lay(record, columns - EXCERPT_INDENT));
    let mut lines = Vec::new();
    for finding in findings {
        lines.extend(table.lines(finding, paint));
        if finding.holds {
            continue;
        }
        if let Some(explain) = &finding.explain {
            let room = columns - 8;
            for (index, part) in explain.split("; found ").enumerate() {
                let said = if index == 0 {
                    part.into()
                } else {
                    format!("found {part}")
                };
                lines.extend(
                    wrap(&said, room)
                        .into_iter()
                        .map(|l| format!("        {l}")),
                );
            }
        }
        let shows = |e: &Evidence, number: usize, in_main: bool, tap: &str| match e {
            Evidence::Frame(n) => in_main && *n == number,
            Evidence::TapFrame(t, n) => !in_main && t.as_str() == tap && *n == number,
            Evidence::Event(_) => false,
        };
        let decided = ladder.iter().flat_map(|ladder| {
            let wanted = |row: &Row<'_>| {
                let tap = record.plan.topology.tap(row.frame.tap).name.as_str();
                let number = row.frame.number;
                let mut cited = finding.evidence.iter();
                cited.any(|e| shows(e, number, row.in_main, tap))
            };
            ladder.excerpt(wanted, paint)
        });
        lines.extend(decided.map(|l| format!("{}{l}", " ".repeat(EXCERPT_INDENT))));
        let place = match record.place {
            Place::Virtual => "",
            Place::Devices => " --tun",
        };
        let command = format!(
            "tunlab run {} --seed {}{place}",
            record.plan.called, record.seed
        );
        lines.push(format!("        again: {command}"));
    }
    lines
}

/// As in "13 of 13 expectations held".
pub(super) fn verdict(findings: &[Finding], paint: Paint) -> String {
    let held = findings.iter().filter(|f| f.holds).count();
    let all = plural(findings.len(), "expectation");
    let text = format!("{held} of {all} held");
    let tone = if held == findings.len() {
        Tone::Good
    } else {
        Tone::Bad
    };
    paint.dip(tone, &text)
}

/// Evidence, short: "3 4 5", "alb-edge:6", "event 12".
pub(crate) fn cited(evidence: &[Evidence]) -> String {
    let words = evidence.iter().map(|e| match e {
        Evidence::Frame(n) => n.to_string(),
        Evidence::TapFrame(tap, n) => format!("{tap}:{n}"),
        Evidence::Event(n) => format!("event {n}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Widths of the three columns, for all findings alike.
struct Table {
    that: usize,
    measured: usize,
    cited: usize,
}

impl Table {
    fn new(findings: &[Finding], columns: usize) -> Self {
        let widest =
            |of: fn(&Finding) -> String| findings.iter().map(|f| width(&of(f))).max().unwrap_or(0);
        // "  FAIL  ", and two spaces between columns.
        let room = columns - 8 - 4;
        let cited = widest(|f| cited(&f.evidence)).min(room / 6);
        let measured = widest(|f| printable(&f.measured)).min(room * 2 / 5);
        let that = widest(|f| f.that.clone()).min(room - cited - measured);
        Self {
            that,
            measured,
            cited,
        }
    }

    fn lines(&self, finding: &Finding, paint: Paint) -> Vec<String> {
        let that = wrap(&finding.that, self.that);
        // A value may be a body, with line ends in it.
        let measured = wrap(&printable(&finding.measured), self.measured);
        let cited = wrap(&cited(&finding.evidence), self.cited);
        let rows = that.len().max(measured.len()).max(cited.len());
        let cell = |column: &[String], row: usize| column.get(row).cloned().unwrap_or_default();
        let (word, tone) = if finding.holds {
            ("  ok    ", Tone::Good)
        } else {
            ("  FAIL  ", Tone::Bad)
        };
        let line = |row: usize| {
            let word = if row == 0 {
                paint.dip(tone, word)
            } else {
                " ".repeat(8)
            };
            let that = pad(&cell(&that, row), self.that);
            let measured = pad(&cell(&measured, row), self.measured);
            let cited = cell(&cited, row);
            let rest = format!("{that}  {measured}  {cited}");
            format!("{word}{}", rest.trim_end())
        };
        (0..rows).map(line).collect()
    }
}
