//! Two runs side by side: what their labs say otherwise, what came out, when, and packet by packet. For a fault and its
//! remedy, or two faults of one kind. The text is in `page`, the data below are the JSON, schema `tunlab-diff/1`; new
//! members may come, members that are there stay.

mod ends;
mod ladders;
mod page;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::align::{Step, align};
use super::json::{self, FindingLine, Totals};
use super::rows::{Row, Rows};
use crate::event::{DropCause, Event, Fact, PacketId, What};
use crate::expect::{Finding, Record, milestones};
use crate::lab::Change;
use crate::lab::plan::Milestone;
use crate::time::Instant;

pub use ends::EndLine;
pub use page::render;

/// A run and what was found in it.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The run.
    pub record: &'a Record<'a>,
    /// Its lab's expectations, judged.
    pub findings: &'a [Finding],
}

/// Two runs.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// The first.
    pub one: Side<'a>,
    /// The second.
    pub other: Side<'a>,
    /// What the second lab says otherwise than the first.
    pub changes: &'a [Change],
}

/// The difference of two runs, for programs.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// `tunlab-diff/1`.
    pub schema: &'static str,
    /// The seed of both.
    pub seed: u64,
    /// The first and the second.
    pub labs: [LabLine; 2],
    /// Keys of the lab files that the two do not agree on.
    pub changes: Vec<ChangeLine>,
    /// The first request's life in both.
    pub milestones: Vec<MilestoneLine>,
    /// The packets, in order of sending, those that are alike in pairs.
    pub packets: Vec<PairLine>,
}

/// One of the runs.
#[derive(Debug, Serialize)]
pub struct LabLine {
    /// The lab's name.
    pub lab: String,
    /// Its title.
    pub title: String,
    /// The answers that programs got, in order.
    pub answers: Vec<AnswerLine>,
    /// How what clients asked for ended, in order.
    pub ends: Vec<EndLine>,
    /// The expectations, judged, in the lab's order.
    pub findings: Vec<FindingLine>,
    /// Sums.
    pub totals: Totals,
}

/// An answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct AnswerLine {
    /// Who got it.
    pub node: String,
    /// When it was whole.
    pub time_ns: u64,
    /// As in 200.
    pub status: u16,
}

/// A key of the lab files.
#[derive(Debug, Serialize)]
pub struct ChangeLine {
    /// The key, dotted as in TOML; elements of lists are counted from 0.
    pub key: String,
    /// What each says there, as TOML; `null` where it says nothing.
    pub values: [Option<String>; 2],
}

/// A milestone.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct MilestoneLine {
    /// Its word in lab files.
    pub milestone: &'static str,
    /// When each passed it; `null` where it did not.
    pub time_ns: [Option<u64>; 2],
}

/// A packet of one run or of both.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PairLine {
    /// What is with it.
    pub kind: Kind,
    /// The packet in each; `null` where there is none like it.
    pub packets: [Option<PacketLine>; 2],
}

/// How the two of a pair stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The same but for its time, and random bytes.
    Same,
    /// The same packet with another size or fate.
    Differs,
    /// In the first only.
    OnlyFirst,
    /// In the second only.
    OnlySecond,
}

/// A packet, in short.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PacketLine {
    /// Its number in the main capture; `null` when it was lost before it.
    pub number: Option<usize>,
    /// When it was sent.
    pub sent_ns: u64,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// One line.
    pub summary: String,
    /// Why it did not arrive, in a word.
    pub lost: Option<&'static str>,
    /// Whether it repeats an earlier one.
    pub again: bool,
}

/// The difference as JSON, indented, with a line end.
///
/// # Errors
/// When serde cannot serialise it, which these types do not do.
pub fn json(sides: Sides<'_>) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&difference(sides))?;
    text.push('\n');
    Ok(text)
}

/// The difference as data.
#[must_use]
pub fn difference(sides: Sides<'_>) -> Difference {
    let Sides {
        one,
        other,
        changes,
    } = sides;
    let (rows, others) = (Rows::new(one.record), Rows::new(other.record));
    let (all, others_all): (Vec<_>, Vec<_>) =
        (rows.rows.iter().collect(), others.rows.iter().collect());
    let packets = pairs((&rows, &all), (&others, &others_all));
    let drops = [json::drops(one.record), json::drops(other.record)];
    Difference {
        schema: "tunlab-diff/1",
        seed: one.record.seed,
        labs: [lab(one), lab(other)],
        changes: changes
            .iter()
            .map(|c| ChangeLine {
                key: c.key.clone(),
                values: [c.one.clone(), c.other.clone()],
            })
            .collect(),
        milestones: milestone_lines(sides),
        packets: packets
            .iter()
            .map(|pair| PairLine {
                kind: pair.kind,
                packets: [
                    pair.one.map(|row| packet(&rows, row, &drops[0])),
                    pair.other.map(|row| packet(&others, row, &drops[1])),
                ],
            })
            .collect(),
    }
}

fn lab(side: Side<'_>) -> LabLine {
    let plan = side.record.plan;
    LabLine {
        lab: plan.name.clone(),
        title: plan.title.clone(),
        answers: answers(side.record),
        ends: ends::ends(side.record),
        findings: side.findings.iter().map(json::finding).collect(),
        totals: json::totals(side.record, side.findings),
    }
}

fn answers(record: &Record<'_>) -> Vec<AnswerLine> {
    let of = |event: &Event| {
        let What::Fact(Fact::ResponseReceived { status, .. }) = &event.what else {
            return None;
        };
        Some(AnswerLine {
            node: event.node.to_string(),
            time_ns: event.at.as_nanos(),
            status: *status,
        })
    };
    record.events.iter().filter_map(of).collect()
}

fn milestone_lines(sides: Sides<'_>) -> Vec<MilestoneLine> {
    let reached = [sides.one, sides.other].map(|s| milestones(s.record.events, s.record.plan));
    let at = |side: usize, m: Milestone| reached[side].get(&m).map(|(at, _)| at.as_nanos());
    Milestone::WORDS
        .into_iter()
        .map(|(word, milestone)| MilestoneLine {
            milestone: word,
            time_ns: [at(0, milestone), at(1, milestone)],
        })
        .filter(|line| line.time_ns.iter().any(Option::is_some))
        .collect()
}

fn packet(rows: &Rows<'_>, row: &Row<'_>, drops: &BTreeMap<PacketId, DropCause>) -> PacketLine {
    let cause = || {
        row.frame
            .lost
            .or_else(|| drops.get(&row.frame.packet).copied())
    };
    PacketLine {
        number: row.in_main.then_some(row.frame.number),
        sent_ns: row.sent.as_nanos(),
        from: rows.columns[row.ends.0].clone(),
        to: rows.columns[row.ends.1].clone(),
        summary: row.label.to_string(),
        lost: row.lost.as_ref().and_then(|_| cause()).map(DropCause::word),
        again: row.again,
    }
}

/// A row of one run, of the other, or of both.
#[derive(Debug, Clone, Copy)]
struct Pair<'r, 'a> {
    kind: Kind,
    one: Option<&'r Row<'a>>,
    other: Option<&'r Row<'a>>,
}

/// What makes two packets of two runs the same one: who to whom, what it says, and whether it says it again.
#[derive(PartialEq, Eq)]
struct Likeness<'r> {
    ends: (&'r str, &'r str),
    title: &'r str,
    piece: Option<(usize, usize)>,
    again: bool,
}

fn likeness<'r>(rows: &'r Rows<'_>, row: &'r Row<'_>) -> Likeness<'r> {
    Likeness {
        ends: (&rows.columns[row.ends.0], &rows.columns[row.ends.1]),
        title: &row.label.title,
        piece: row.label.piece,
        again: row.again,
    }
}

/// The rows that are wanted of two runs, in their order, those that are alike in pairs.
fn pairs<'r, 'a, 'b>(
    one: (&'r Rows<'a>, &[&'r Row<'a>]),
    other: (&'r Rows<'b>, &[&'r Row<'b>]),
) -> Vec<Pair<'r, 'a>>
where
    'b: 'a,
{
    let ours: Vec<_> = one.1.iter().map(|r| likeness(one.0, r)).collect();
    let theirs: Vec<_> = other.1.iter().map(|r| likeness(other.0, r)).collect();
    let mut pairs = Vec::new();
    for step in align(&ours, &theirs, |a, b| a == b) {
        match step {
            Step::Pair(a, b) => {
                let (a, b) = (one.1[a], other.1[b]);
                let same = a.label.bytes == b.label.bytes
                    && a.lost.is_some() == b.lost.is_some()
                    && a.altered == b.altered;
                pairs.push(Pair {
                    kind: if same { Kind::Same } else { Kind::Differs },
                    one: Some(a),
                    other: Some(b),
                });
            }
            Step::Gap(a, b) => {
                pairs.extend(one.1[a].iter().map(|row| Pair {
                    kind: Kind::OnlyFirst,
                    one: Some(*row),
                    other: None,
                }));
                pairs.extend(other.1[b].iter().map(|row| Pair {
                    kind: Kind::OnlySecond,
                    one: None,
                    other: Some(*row),
                }));
            }
        }
    }
    pairs
}

/// When the whole of a run was over.
fn ended(record: &Record<'_>) -> Duration {
    record.ended - Instant::ZERO
}

#[cfg(test)]
mod tests;
