//! The run as JSON, for programs. Schema `tunlab-run/1`: one object, described by the types below; new members may
//! come, members that are there stay. Times are whole nanoseconds since the start of the run, so that two runs of one
//! seed give the same bytes.

pub mod keys;
mod logs;

pub use logs::LogEntry;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::comments::Annotator;
use super::happening::words;
use super::refusal::document::RefusalLine;
use super::refusal::refusals;
use super::summary::{Label, labels};
use super::terminal::tls_version;
use super::timeline;
use crate::dissect::message::{Frame, TcpPart};
use crate::event::{Direction, DropCause, PacketId, What};
use crate::expect::who_reads::who_reads;
use crate::expect::{Evidence, Finding, Record, milestones, retransmitted};
use crate::lab::plan::Viewer;
use crate::time::Instant;

/// The run as JSON, indented, with a line end.
///
/// # Errors
/// When serde cannot serialise it, which the types below do not do.
pub fn render(record: &Record<'_>, findings: &[Finding]) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&run(record, findings))?;
    text.push('\n');
    Ok(text)
}

/// The run as data.
#[must_use]
pub fn run(record: &Record<'_>, findings: &[Finding]) -> Run {
    let bare: Vec<&Frame> = record.frames.iter().collect();
    let mut annotator = Annotator::default();
    for event in record.events {
        annotator.event(event);
    }
    let drops = drops(record);
    let packets = bare.iter().zip(labels(&bare));
    let packets = packets.map(|(frame, label)| {
        let comments = annotator.comment(frame, record.plan);
        let dropped = drops.get(&frame.packet).copied();
        packet(record, frame, &label, dropped, comments)
    });
    let events = record.events.iter().enumerate().map(|(index, event)| {
        let (kind, text) = words(event);
        EventLine {
            index,
            time_ns: event.at.as_nanos(),
            node: event.node.to_string(),
            kind,
            text,
        }
    });
    let reached = milestones(record.events, record.plan).into_iter();
    Run {
        schema: "tunlab-run/1",
        lab: record.plan.name.clone(),
        title: record.plan.title.clone(),
        seed: record.seed,
        world: record.place.word(),
        tolerance_ns: nanos(record.tolerance),
        packets: packets.collect(),
        events: events.collect(),
        milestones: reached
            .map(|(milestone, (at, event))| MilestoneLine {
                milestone: milestone.word(),
                time_ns: at.as_nanos(),
                event,
            })
            .collect(),
        phases: timeline::phases(record).iter().map(phase).collect(),
        keys: keys::lines(record),
        who_reads: who_reads_lines(record),
        findings: findings.iter().map(finding).collect(),
        refusals: refusals(record).iter().map(RefusalLine::new).collect(),
        access_log: logs::access(record),
        connection_log: logs::connections(record),
        flow_log: logs::flows(record),
        totals: totals(record, findings),
    }
}

/// A run.
#[derive(Debug, Serialize)]
pub struct Run {
    /// `tunlab-run/1`.
    pub schema: &'static str,
    /// The lab's name.
    pub lab: String,
    /// Its title.
    pub title: String,
    /// The seed that plays it again.
    pub seed: u64,
    /// `virtual`, or `tun` for TUN devices in wall-clock time.
    pub world: &'static str,
    /// How far times may lie from those expected: 0 in virtual time.
    pub tolerance_ns: u64,
    /// The main capture, in order.
    pub packets: Vec<PacketLine>,
    /// What else happened, in order.
    pub events: Vec<EventLine>,
    /// The first request's life, in order.
    pub milestones: Vec<MilestoneLine>,
    /// The time between them.
    pub phases: Vec<PhaseLine>,
    /// The keys of TLS connections: how they compare with those that the key schedule gives. No secrets.
    pub keys: Vec<keys::KeysLine>,
    /// Who can read what, where the lab asks for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub who_reads: Vec<ReadLine>,
    /// The expectations, judged, in the lab's order.
    pub findings: Vec<FindingLine>,
    /// The certificates that clients refused, and what people would see.
    pub refusals: Vec<RefusalLine>,
    /// The access logs of load balancers, entry by entry: fields by AWS's names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_log: Vec<LogEntry>,
    /// Their connection logs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connection_log: Vec<LogEntry>,
    /// Flow log records of network interfaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flow_log: Vec<LogEntry>,
    /// Sums.
    pub totals: Totals,
}

/// A packet of the main capture.
#[derive(Debug, Serialize)]
pub struct PacketLine {
    /// Its number there, from 1.
    pub number: usize,
    /// The tap's name.
    pub tap: String,
    /// When it passed the tap.
    pub time_ns: u64,
    /// `in` or `out`, seen from the tap's node.
    pub direction: &'static str,
    /// Sender's address and port (port 0 when there is none).
    pub source: String,
    /// Receiver's.
    pub destination: String,
    /// TCP stream, from 0.
    pub stream: Option<usize>,
    /// Bytes of the IP packet.
    pub bytes: usize,
    /// A word for why it did not arrive: `loss`, `drop-nth`, `queue-full`, …
    pub lost: Option<&'static str>,
    /// One line.
    pub summary: String,
    /// What it completes, by name.
    pub messages: Vec<String>,
    /// As in the capture.
    pub comments: Vec<String>,
}

/// An event.
#[derive(Debug, Serialize)]
pub struct EventLine {
    /// Its index, by which findings cite it.
    pub index: usize,
    /// When.
    pub time_ns: u64,
    /// On which node.
    pub node: String,
    /// A word for its kind: `dropped`, `connecting`, `target-chosen`, …
    pub kind: &'static str,
    /// A line for people.
    pub text: String,
}

/// A milestone that was reached.
#[derive(Debug, Serialize)]
pub struct MilestoneLine {
    /// Its word in lab files.
    pub milestone: &'static str,
    /// When.
    pub time_ns: u64,
    /// By which event.
    pub event: usize,
}

/// A phase.
#[derive(Debug, Serialize)]
pub struct PhaseLine {
    /// In words.
    pub name: String,
    /// The milestone it begins with.
    pub from: &'static str,
    /// The milestone it ends with.
    pub to: &'static str,
    /// How long it took.
    pub measured_ns: u64,
    /// How long the text says.
    pub text_ns: Option<u64>,
}

/// Whether one thing can be read at one place.
#[derive(Debug, Serialize)]
pub struct ReadLine {
    /// The thing, as the lab calls it.
    pub what: String,
    /// The link or tap.
    pub on: String,
    /// `observer` or `key-holder`.
    pub viewer: &'static str,
    /// The first packet that says it; `null` when none does.
    pub found: Option<EvidenceLine>,
}

/// A finding.
#[derive(Debug, Serialize)]
pub struct FindingLine {
    /// The expectation, in words.
    pub that: String,
    /// Whether it held.
    pub holds: bool,
    /// What was found.
    pub measured: String,
    /// What decided it.
    pub evidence: Vec<EvidenceLine>,
    /// When it did not hold: expected and found.
    pub explain: Option<String>,
}

/// What decided a finding: `{"frame": 3}`, `{"tap": "alb-edge", "frame": 6}` or `{"event": 12}`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum EvidenceLine {
    /// A packet of the main capture.
    Frame {
        /// Its number.
        frame: usize,
    },
    /// A packet of a tap's own capture.
    TapFrame {
        /// The tap.
        tap: String,
        /// Its number there.
        frame: usize,
    },
    /// An event.
    Event {
        /// Its index.
        event: usize,
    },
}

/// Sums over the run.
#[derive(Debug, Serialize)]
pub struct Totals {
    /// When the run ended.
    pub ended_ns: u64,
    /// From the first milestone to the response, when it came.
    pub request_ns: Option<u64>,
    /// Packets in the main capture.
    pub packets: usize,
    /// Bytes of IP packets in the main capture.
    pub bytes: usize,
    /// TCP connections in the main capture.
    pub connections: usize,
    /// Packets dropped anywhere.
    pub lost: usize,
    /// Packets sent again anywhere.
    pub retransmitted: usize,
    /// RSTs anywhere.
    pub reset: usize,
    /// The TLS version of the first ServerHello.
    pub tls: Option<String>,
    /// Expectations that held.
    pub held: usize,
    /// Expectations.
    pub expectations: usize,
}

/// Why packets were dropped; where for several reasons, the first.
pub(super) fn drops(record: &Record<'_>) -> BTreeMap<PacketId, DropCause> {
    let mut drops = BTreeMap::new();
    for event in record.events {
        if let What::Dropped { packet, cause, .. } = &event.what {
            drops.entry(*packet).or_insert(*cause);
        }
    }
    drops
}

fn packet(
    record: &Record<'_>,
    frame: &Frame,
    label: &Label,
    dropped: Option<DropCause>,
    comments: Vec<String>,
) -> PacketLine {
    PacketLine {
        number: frame.number,
        tap: record.plan.topology.tap(frame.tap).name.to_string(),
        time_ns: frame.at.as_nanos(),
        direction: match frame.direction {
            Direction::In => "in",
            Direction::Out => "out",
        },
        source: frame.source.to_string(),
        destination: frame.destination.to_string(),
        stream: frame.stream,
        bytes: frame.bytes.len(),
        lost: frame.lost.or(dropped).map(|c| c.word()),
        summary: label.to_string(),
        messages: frame
            .messages
            .iter()
            .map(super::summary::full_name)
            .collect(),
        comments,
    }
}

fn phase(phase: &timeline::Phase) -> PhaseLine {
    PhaseLine {
        name: phase.name.clone(),
        from: phase.from.0.word(),
        to: phase.to.0.word(),
        measured_ns: nanos(phase.to.1 - phase.from.1),
        text_ns: phase.text.map(|(from, to)| nanos(to.saturating_sub(from))),
    }
}

fn who_reads_lines(record: &Record<'_>) -> Vec<ReadLine> {
    let table = who_reads(record);
    let mut lines = Vec::new();
    for row in table.rows {
        for ((on, viewer), found) in table.places.iter().zip(row.found) {
            lines.push(ReadLine {
                what: row.what.clone(),
                on: on.to_string(),
                viewer: match viewer {
                    Viewer::Observer => "observer",
                    Viewer::KeyHolder => "key-holder",
                },
                found: found.as_ref().map(evidence_line),
            });
        }
    }
    lines
}

fn evidence_line(evidence: &Evidence) -> EvidenceLine {
    match evidence {
        Evidence::Frame(frame) => EvidenceLine::Frame { frame: *frame },
        Evidence::TapFrame(tap, frame) => EvidenceLine::TapFrame {
            tap: tap.to_string(),
            frame: *frame,
        },
        Evidence::Event(event) => EvidenceLine::Event { event: *event },
    }
}

pub(super) fn finding(finding: &Finding) -> FindingLine {
    let evidence = finding.evidence.iter().map(evidence_line);
    FindingLine {
        that: finding.that.clone(),
        holds: finding.holds,
        measured: finding.measured.clone(),
        evidence: evidence.collect(),
        explain: finding.explain.clone(),
    }
}

pub(super) fn totals(record: &Record<'_>, findings: &[Finding]) -> Totals {
    let lost: BTreeSet<PacketId> = record
        .events
        .iter()
        .filter_map(|e| {
            let What::Dropped { packet, .. } = e.what else {
                return None;
            };
            Some(packet)
        })
        .collect();
    let resets = record.everywhere();
    let resets = resets.filter(|f| f.tcp.is_some_and(|t| t.part == TcpPart::Reset));
    let resets: BTreeSet<PacketId> = resets.map(|f| f.packet).collect();
    let streams: BTreeSet<usize> = record.frames.iter().filter_map(|f| f.stream).collect();
    Totals {
        ended_ns: (record.ended - Instant::ZERO)
            .as_nanos()
            .try_into()
            .unwrap_or(u64::MAX),
        request_ns: timeline::total(record).map(|(d, _)| nanos(d)),
        packets: record.frames.len(),
        bytes: record.frames.iter().map(|f| f.bytes.len()).sum(),
        connections: streams.len(),
        lost: lost.len(),
        retransmitted: retransmitted(record).len(),
        reset: resets.len(),
        tls: tls_version(record),
        held: findings.iter().filter(|f| f.holds).count(),
        expectations: findings.len(),
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::{fixture, judge};

    fn json(run: &fixture::Run) -> serde_json::Value {
        let record = run.record();
        serde_json::from_str(&render(&record, &judge(&record)).unwrap()).unwrap()
    }

    #[test]
    fn a_packet_has_its_place_words_and_comments() {
        let all = json(&fixture::main_lab());
        assert_eq!(all["schema"], "tunlab-run/1");
        let mut hello = all["packets"][5].clone();
        let comments = hello["comments"].take();
        assert_eq!(comments.as_array().unwrap().len(), 1);
        assert_eq!(
            hello,
            serde_json::json!({
                "number": 6, "tap": "user0", "time_ns": 40_000_000, "direction": "out",
                "source": "203.192.1.50:50000", "destination": "198.51.100.10:443", "stream": 0,
                "bytes": 557, "lost": null, "summary": "ClientHello 517 B",
                "messages": ["ClientHello"], "comments": null,
            })
        );
    }

    #[test]
    fn totals_milestones_phases_and_findings() {
        let all = json(&fixture::main_lab());
        assert_eq!(
            all["totals"],
            serde_json::json!({
                "ended_ns": 102_000_000, "request_ns": 92_000_000, "packets": 28, "bytes": 9481,
                "connections": 2, "lost": 0, "retransmitted": 0, "reset": 0, "tls": "TLS 1.3",
                "held": 18, "expectations": 18,
            })
        );
        assert_eq!(all["milestones"].as_array().unwrap().len(), 14);
        assert_eq!(
            all["phases"][2],
            serde_json::json!({
                "name": "TLS handshake", "from": "client-hello", "to": "tls-established",
                "measured_ns": 22_000_000, "text_ns": 60_000_000,
            })
        );
        assert_eq!(
            all["findings"][0],
            serde_json::json!({
                "that": "the handshake takes one round trip", "holds": true, "measured": "20 ms",
                "evidence": [{"frame": 3}, {"frame": 4}, {"frame": 5}], "explain": null,
            })
        );
        assert_eq!(all["events"][11]["kind"], "target-chosen");
    }

    #[test]
    fn a_lost_packet_has_a_word_and_evidence_names_taps() {
        let mut run = fixture::main_lab();
        run.lose(6, DropCause::DropNth(1));
        run.lose(8, DropCause::Loss);
        let all = json(&run);
        assert_eq!(all["packets"][5]["lost"], "drop-nth");
        assert_eq!(all["totals"]["lost"], 2);
        let clean = &all["findings"][17];
        assert_eq!(clean["holds"], false);
        assert_eq!(
            clean["evidence"],
            serde_json::json!([{"frame": 6}, {"tap": "alb-edge", "frame": 5}])
        );
    }

    #[test]
    fn twice_the_same_run_is_twice_the_same_text() {
        let text = |run: &fixture::Run| render(&run.record(), &judge(&run.record())).unwrap();
        assert_eq!(text(&fixture::main_lab()), text(&fixture::main_lab()));
    }
}
