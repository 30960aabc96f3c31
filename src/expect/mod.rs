//! Expectations to findings: each thing a lab says must hold is judged from what the run left (frames, events) and
//! cites what decided it. One family a file. Nothing here knows the world, the fabric or a running role.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::dissect::message::Frame;
use crate::event::{Event, PacketId, TapId};
use crate::lab::plan::{Check, Place, Plan};
use crate::name::Name;
use crate::net::topology::{NodeKind, Topology};
use crate::time::{Instant, UnixSeconds};
use crate::units::show_duration;

mod answers;
pub(crate) mod attack;
mod balancing;
mod certificate;
mod connection;
mod dns;
mod filtered;
#[cfg(test)]
pub(crate) mod fixture;
mod http;
mod keys;
mod log;
mod milestones;
mod packets;
mod ping;
mod pre_master;
mod program;
mod recovered;
mod tcp;
mod timing;
mod tls;
pub mod who_reads;

pub(crate) use connection::{Middle, flags, middle};
pub use milestones::milestones;
pub(crate) use milestones::{fact, flow_of, role_of};
pub(crate) use tcp::retransmitted;

/// What a finished run leaves to be judged and reported.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// What was run.
    pub plan: &'a Plan,
    /// With which seed.
    pub seed: u64,
    /// Where its packets went.
    pub place: Place,
    /// The date at which it began: the lab's, or on TUN devices another, to which all dates of the lab moved.
    pub began: UnixSeconds,
    /// How far times may lie from those expected: zero in virtual time.
    pub tolerance: Duration,
    /// The main capture, dissected with the run's secrets. A frame's number is its number in that file.
    pub frames: &'a [Frame],
    /// The main capture as somebody without the secrets sees it.
    pub observed: &'a [Frame],
    /// What every tap saw.
    pub taps: &'a [TapRecord],
    /// Everything else that happened, in order.
    pub events: &'a [Event],
    /// When the run ended.
    pub ended: Instant,
}

/// What one tap saw.
#[derive(Debug, Clone)]
pub struct TapRecord {
    /// Which tap.
    pub tap: TapId,
    /// Its frames, numbered from 1, dissected with the run's secrets.
    pub frames: Vec<Frame>,
    /// The same frames as somebody without the secrets sees them.
    pub observed: Vec<Frame>,
}

/// The judgement on one expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The expectation, in words.
    pub that: String,
    /// Whether it held.
    pub holds: bool,
    /// What was found, in a few words.
    pub measured: String,
    /// What decided it, most telling first.
    pub evidence: Vec<Evidence>,
    /// When it did not hold: what was expected, and what was found instead.
    pub explain: Option<String>,
}

/// Something that decided a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// A frame of the main capture, by number.
    Frame(usize),
    /// A frame of a tap's own capture that is not in the main one: the tap's name and the number there.
    TapFrame(Name, usize),
    /// An event, by its index in [`Record::events`].
    Event(usize),
}

/// Judges every expectation of the plan, in the plan's order.
#[must_use]
pub fn judge(record: &Record<'_>) -> Vec<Finding> {
    let expectations = record.plan.expectations.iter();
    expectations
        .map(|e| {
            let ruling = rule(record, &e.check);
            Finding {
                that: e.that.clone(),
                holds: ruling.broken.is_none(),
                measured: ruling.measured,
                evidence: ruling.evidence,
                explain: ruling.broken,
            }
        })
        .collect()
}

fn rule(record: &Record<'_>, check: &Check) -> Ruling {
    match check {
        Check::Handshake {
            connection,
            round_trip,
        } => tcp::handshake(record, connection, *round_trip),
        Check::OrderlyClose { connection } => tcp::orderly_close(record, connection),
        Check::Clean => tcp::clean(record),
        Check::Tls { connection, check } => tls::check(record, connection, check),
        Check::Keys { connection, check } => keys::check(record, connection, *check),
        Check::PreMaster { connection, check } => pre_master::check(record, connection, *check),
        Check::CertificateAccepted {
            node,
            server_name,
            nth,
            by,
        } => certificate::accepted(record, node, server_name, *nth, by),
        Check::CertificateRefused {
            node,
            server_name,
            nth,
            because,
        } => certificate::refused(record, node, server_name, *nth, *because),
        Check::HeaderAtApp {
            node,
            header,
            value,
        } => http::header_at_app(record, node.as_ref(), header, value.as_deref()),
        Check::Balancing { node, check } => balancing::check(record, node, check),
        Check::Status { node, status, nth } => http::status(record, node, *status, *nth),
        Check::Statuses {
            node,
            status,
            count,
        } => answers::statuses(record, node, *status, *count),
        Check::Response { node, nth, check } => answers::response(record, node, *nth, check),
        Check::Requests { node, path, count } => {
            answers::requests(record, node, path.as_deref(), *count)
        }
        Check::WebSocket {
            node,
            messages,
            closed,
        } => answers::websocket(record, node, *messages, *closed),
        Check::Connections { connection, count } => {
            answers::connections(record, connection, *count)
        }
        Check::Target { node, address } => http::target(record, node, *address),
        Check::At { milestone, at } => timing::at(record, *milestone, *at),
        Check::Phase { from, to, takes } => timing::phase(record, *from, *to, *takes),
        Check::Packets {
            on,
            viewer,
            filter,
            span,
            count,
        } => packets::count(record, on.as_ref(), *viewer, filter, *span, *count),
        Check::Readable { on, text, readable } => packets::readable(record, on, text, *readable),
        Check::NeverSees { node, address } => packets::never_sees(record, node, *address),
        Check::Attacked { node, deed } => attack::did(record, node, deed),
        Check::Overheard {
            node,
            text,
            readable,
        } => attack::read(record, node, text, *readable),
        Check::Recovered {
            node,
            connection,
            outcome,
        } => recovered::outcome(record, node, connection, outcome),
        Check::Reads {
            what,
            on,
            viewer,
            readable,
        } => who_reads::reads(record, what, on, *viewer, *readable),
        Check::Logged {
            node,
            log,
            entries,
            fields,
        } => log::logged(record, node, *log, *entries, fields),
        Check::Dropped(wanted) => filtered::dropped(record, wanted),
        Check::Dns {
            node,
            name,
            nth,
            check,
        } => dns::check(record, node, name, *nth, check),
        Check::Ping { node, nth, check } => ping::check(record, node, *nth, check),
        Check::Failed { node, error } => attack::failed(record, node, error),
        Check::Program { node, exit, output } => {
            program::ended(record, node, *exit, output.as_deref())
        }
    }
}

/// What a family's judge says: the finding without the expectation's words.
#[derive(Debug)]
struct Ruling {
    measured: String,
    evidence: Vec<Evidence>,
    broken: Option<String>,
}

impl Ruling {
    fn held(measured: impl Into<String>, evidence: Vec<Evidence>) -> Self {
        Self {
            measured: measured.into(),
            evidence,
            broken: None,
        }
    }

    /// `expected` and `found` finish the sentences "expected …" and "found …".
    fn broken(
        measured: impl Into<String>,
        evidence: Vec<Evidence>,
        expected: &str,
        found: &str,
    ) -> Self {
        Self {
            measured: measured.into(),
            evidence,
            broken: Some(format!("expected {expected}; found {found}")),
        }
    }
}

/// The step that times on TUN devices are shown in: finer ones are the machine's, not the lab's.
const SHOWN_STEP: Duration = Duration::from_micros(1);

/// The most evidence that one finding cites of one kind: the rest would not be read.
const CITED_MAX: usize = 12;

impl Record<'_> {
    /// Cites a frame of a tap: by its number in the main capture when the packet is there, else at the tap.
    fn cite(&self, frame: &Frame) -> Evidence {
        let main = self.in_main(frame.packet);
        // One that a gateway has translated in between says something else there.
        let same = main.filter(|main| {
            self.is_same_end(main.source, frame.source)
                && self.is_same_end(main.destination, frame.destination)
        });
        match same {
            Some(main) => Evidence::Frame(main.number),
            None => {
                Evidence::TapFrame(self.plan.topology.tap(frame.tap).name.clone(), frame.number)
            }
        }
    }

    /// Whether two ends of one packet are the same, or a container and the docker host that publishes it.
    fn is_same_end(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let topology = &self.plan.topology;
        let is_container = |end: SocketAddr| topology.publisher_of(end.ip()).is_some();
        one == other || is_container(one) || is_container(other)
    }

    /// Cites frames, each packet once, no more than [`CITED_MAX`].
    fn cite_all<'f>(&self, frames: impl IntoIterator<Item = &'f Frame>) -> Vec<Evidence> {
        let mut cited: Vec<Evidence> = Vec::new();
        for frame in frames {
            let evidence = self.cite(frame);
            if !cited.contains(&evidence) {
                cited.push(evidence);
            }
            if cited.len() == CITED_MAX {
                break;
            }
        }
        cited
    }

    /// Whether a time is the one expected, as closely as the run's place allows.
    fn is_close(&self, found: Duration, expected: Duration) -> bool {
        found.abs_diff(expected) <= self.tolerance
    }

    /// A time that was found, to the nanosecond in virtual time and to 0.001 ms on TUN devices.
    #[must_use]
    pub fn show_found(&self, found: Duration) -> String {
        show_duration(match self.place {
            Place::Virtual => found,
            Place::Devices => {
                let step = SHOWN_STEP.as_nanos();
                let rounded = (found.as_nanos() + step / 2) / step * step;
                Duration::from_nanos(u64::try_from(rounded).unwrap_or(u64::MAX))
            }
        })
    }

    /// As in " within ±25 ms", after a time that was compared; nothing where times are exact.
    fn within(&self) -> String {
        match self.place {
            Place::Virtual => String::new(),
            Place::Devices => format!(" within ±{}", show_duration(self.tolerance)),
        }
    }

    /// The frame of the main capture that shows `packet`.
    fn in_main(&self, packet: PacketId) -> Option<&Frame> {
        self.frames.iter().find(|f| f.packet == packet)
    }

    /// Every frame there is: the main capture's first, then the taps'.
    pub(crate) fn everywhere(&self) -> impl Iterator<Item = &Frame> {
        let taps = self.taps.iter().flat_map(|t| t.frames.iter());
        self.frames.iter().chain(taps)
    }
}

/// Whether the node called `node` has `address`.
fn has_address(topology: &Topology, node: &Name, address: IpAddr) -> bool {
    let Some(index) = topology.node(node.as_str()) else {
        return false;
    };
    let mut nics = topology.nodes[index].nics.iter();
    nics.any(|nic| topology.reached_by(*nic).any(|a| a == address))
}

/// Whether `inner` is `outer`, or a container that `outer` publishes.
fn is_or_publishes(topology: &Topology, outer: &Name, inner: &Name) -> bool {
    if outer == inner {
        return true;
    }
    let node = topology.node(outer.as_str()).map(|n| &topology.nodes[n]);
    match node.map(|n| &n.kind) {
        Some(NodeKind::DockerHost { publish }) => publish
            .iter()
            .any(|p| has_address(topology, inner, p.container.ip())),
        Some(NodeKind::Host | NodeKind::Router) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DropCause, What};
    use crate::lab::plan::Expectation;

    /// Every variant of `Check` has a holding case in the fixture's own plan, so that all must hold there.
    #[test]
    fn the_undisturbed_main_lab_holds_every_expectation() {
        let run = fixture::main_lab();
        let findings = judge(&run.record());
        let broken: Vec<_> = findings.iter().filter(|f| !f.holds).collect();
        assert_eq!(broken, Vec::<&Finding>::new());
        assert_eq!(findings.len(), run.plan.expectations.len());
        assert!(findings.iter().all(|f| f.explain.is_none()));
    }

    #[test]
    fn an_empty_run_breaks_what_needs_packets_and_never_panics() {
        let mut run = fixture::main_lab();
        run.frames.clear();
        run.observed.clear();
        run.taps.clear();
        run.events.clear();
        for finding in judge(&run.record()) {
            // Without packets nothing was dropped either.
            let vacuous = finding.that == "clean";
            assert_eq!(finding.holds, vacuous, "{}", finding.that);
            assert_eq!(finding.explain.is_some(), !vacuous, "{}", finding.that);
        }
    }

    #[test]
    fn evidence_outside_the_main_capture_names_its_tap() {
        let mut run = fixture::main_lab();
        run.lose(8, DropCause::Loss);
        run.plan.expectations = vec![Expectation {
            that: "clean".into(),
            check: Check::Clean,
        }];
        let finding = judge(&run.record()).remove(0);
        assert!(!finding.holds);
        assert_eq!(finding.measured, "1 lost, 0 retransmitted, 0 reset");
        let alb = Name::new("alb-edge").unwrap();
        assert!(matches!(&finding.evidence[0], Evidence::TapFrame(t, 6) if *t == alb));
        assert!(
            run.events
                .iter()
                .any(|e| matches!(e.what, What::Dropped { .. }))
        );
    }
}
