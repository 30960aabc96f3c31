//! The packets of a run in order of sending, each with its two ends among the columns of the ladder.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::summary::{Label, labels, only_moves_windows, probe, window};
use crate::dissect::message::{Frame, TcpPart};
use crate::event::{Alteration, PacketId, What};
use crate::expect::{Middle, Record, middle, retransmitted};
use crate::lab::plan::Plan;
use crate::name::Name;
use crate::net::topology::NodeKind;
use crate::role::config::{Manner, Role};
use crate::time::Instant;

/// A packet.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// As the main capture shows it, or, when it never got there, the tap that saw it first.
    pub(super) frame: &'a Frame,
    /// Whether it is in the main capture.
    pub(super) in_main: bool,
    /// When it left its sender, as far as any tap knows.
    pub(super) sent: Instant,
    /// Its words.
    pub(super) label: Label,
    /// Whether it repeats an earlier one.
    pub(super) again: bool,
    /// Whether a link made it, or let others overtake it.
    pub(super) altered: Option<Altered>,
    /// Why it did not arrive, and on which link.
    pub(super) lost: Option<(String, Option<Name>)>,
    /// Its ends: from and to, as indices into the columns.
    pub(super) ends: (usize, usize),
    /// Who speaks TLS or HTTP in it, from and to.
    pub(super) speakers: (String, String),
    /// Who passes it on without being one of them.
    pub(super) passed_on_by: Option<String>,
}

/// What a link did to a packet that it delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Altered {
    /// It is the link's copy: nobody sent it.
    Copy,
    /// It arrived behind later ones.
    Overtaken,
}

impl Row<'_> {
    /// An acknowledgment and nothing else, which arrives.
    pub(super) fn is_pure_ack(&self) -> bool {
        let ack = self.frame.tcp.is_some_and(|t| t.part == TcpPart::Ack);
        let says = !self.frame.messages.is_empty()
            || probe(self.frame).is_some()
            || window(self.frame).is_some();
        ack && !says && self.lost.is_none() && self.altered.is_none()
    }

    /// HTTP/2's flow control and nothing else, which arrives.
    pub(super) fn only_moves_windows(&self) -> bool {
        only_moves_windows(self.frame) && !self.again && self.lost.is_none()
    }
}

/// All packets and the nodes that take part, in order of their place on the path.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    /// Packets, in order of sending.
    pub(super) rows: Vec<Row<'a>>,
    /// How many more there are.
    pub(super) left_out: usize,
    /// Names of the columns.
    pub(super) columns: Vec<String>,
}

/// More packets are not shown: nobody reads so many, and all of them are in the captures.
pub(super) const ROWS_MAX: usize = 2_000;

impl<'a> Rows<'a> {
    pub(super) fn new(record: &Record<'a>) -> Self {
        let sent = sending_times(record);
        let lost = losses(record);
        let again = retransmitted(record);
        let altered = alterations(record);
        let mut frames: Vec<(&Frame, bool)> = record.frames.iter().map(|f| (f, true)).collect();
        frames.extend(
            lost_before_main(record, &lost)
                .into_iter()
                .map(|f| (f, false)),
        );
        let when = |f: &Frame| sent.get(&f.packet).copied().unwrap_or(f.at);
        frames.sort_by_key(|(f, _)| (when(f), f.packet, f.number));

        let left_out = frames.len().saturating_sub(ROWS_MAX);
        frames.truncate(ROWS_MAX);

        let columns = columns(record.plan, &frames);
        let bare: Vec<&Frame> = frames.iter().map(|(f, _)| *f).collect();
        let rows = frames
            .iter()
            .zip(labels(&bare))
            .map(|((frame, in_main), label)| {
                let column = |end: End| columns.iter().position(|c| *c == end).unwrap_or(0);
                let (from, to) = ends_of(record.plan, frame);
                Row {
                    frame,
                    in_main: *in_main,
                    sent: when(frame),
                    label,
                    again: again.contains(&frame.packet) && !altered.contains_key(&frame.packet),
                    altered: altered.get(&frame.packet).copied(),
                    lost: lost
                        .get(&frame.packet)
                        .cloned()
                        .or_else(|| Some((frame.lost?.to_string(), None))),
                    ends: (column(from), column(to)),
                    speakers: speakers(record.plan, frame),
                    passed_on_by: passed_on(record.plan, frame)
                        .filter(|m| m.sends)
                        .map(|m| End::Node(m.node).name(record.plan)),
                }
            });
        Self {
            rows: rows.collect(),
            left_out,
            columns: columns.iter().map(|c| c.name(record.plan)).collect(),
        }
    }
}

/// The name of the column that an address belongs to.
pub(super) fn end_name(plan: &Plan, address: IpAddr) -> String {
    end_of(plan, address).name(plan)
}

/// The names of the two nodes that a frame goes between, from and to: those of its addresses, unless somebody in the
/// middle has the one or the other in hand.
pub(super) fn end_names(plan: &Plan, frame: &Frame) -> (String, String) {
    let (from, to) = ends_of(plan, frame);
    (from.name(plan), to.name(plan))
}

/// The names of the two nodes that speak TLS or HTTP with each other in a frame. Somebody in the middle who only passes
/// records on is none of them.
pub(super) fn speakers(plan: &Plan, frame: &Frame) -> (String, String) {
    if passed_on(plan, frame).is_some() {
        let name = |address| end_name(plan, address);
        return (name(frame.source.ip()), name(frame.destination.ip()));
    }
    end_names(plan, frame)
}

/// Who is in the middle of a frame's connection without ending its TLS, and whether the frame is from there.
pub(super) fn passed_on(plan: &Plan, frame: &Frame) -> Option<Middle> {
    let middle = middle(plan, frame)?;
    let ends_tls = plan.roles.iter().any(|(node, role)| match role {
        Role::Interceptor(i) => *node == middle.node && matches!(i.manner, Manner::Terminate(_)),
        Role::Browser(_)
        | Role::Resolver(_)
        | Role::Alb(_)
        | Role::App(_)
        | Role::Program(_)
        | Role::Attacker(_) => false,
    });
    (!ends_tls).then_some(middle)
}

fn ends_of(plan: &Plan, frame: &Frame) -> (End, End) {
    let (from, to) = (
        end_of(plan, frame.source.ip()),
        end_of(plan, frame.destination.ip()),
    );
    match middle(plan, frame) {
        Some(Middle { node, sends: true }) => (End::Node(node), to),
        Some(Middle { node, sends: false }) => (from, End::Node(node)),
        None => (from, to),
    }
}

/// An end of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Node(usize),
    Unknown(IpAddr),
}

impl End {
    fn name(self, plan: &Plan) -> String {
        match self {
            Self::Node(n) => plan.topology.nodes[n].name.to_string(),
            Self::Unknown(address) => address.to_string(),
        }
    }

    /// Place on the path from the user on.
    fn rank(self, plan: &Plan) -> u8 {
        let Self::Node(index) = self else { return 6 };
        let role = plan.roles.iter().find(|(n, _)| *n == index);
        match (role.map(|(_, r)| r), &plan.topology.nodes[index].kind) {
            (Some(Role::Resolver(_)), _) => 0,
            (Some(Role::Browser(_)), _) => 1,
            (Some(Role::Program(program)), _) if program.ready.is_none() => 1,
            (None, NodeKind::Router) | (Some(Role::Interceptor(_) | Role::Attacker(_)), _) => 2,
            (Some(Role::Alb(_)), _) => 3,
            (Some(Role::App(_) | Role::Program(_)), _) | (None, NodeKind::DockerHost { .. }) => 4,
            (None, NodeKind::Host) => 5,
        }
    }
}

/// A container stands in the column of the host that publishes it.
fn end_of(plan: &Plan, address: IpAddr) -> End {
    let host = plan.topology.publisher_of(address);
    let node = host.or_else(|| plan.topology.node_with(address));
    node.map_or(End::Unknown(address), End::Node)
}

fn columns(plan: &Plan, frames: &[(&Frame, bool)]) -> Vec<End> {
    let ends: BTreeSet<End> = frames
        .iter()
        .flat_map(|(f, _)| <[End; 2]>::from(ends_of(plan, f)))
        .collect();
    let mut ends: Vec<End> = ends.into_iter().collect();
    ends.sort_by_key(|e| (e.rank(plan), *e));
    ends
}

fn sending_times(record: &Record<'_>) -> BTreeMap<PacketId, Instant> {
    let mut sent = BTreeMap::new();
    for frame in record.everywhere() {
        let first = sent.entry(frame.packet).or_insert(frame.at);
        *first = frame.at.min(*first);
    }
    sent
}

/// Packets that did not arrive. One that the receiving stack put aside has arrived.
fn losses(record: &Record<'_>) -> BTreeMap<PacketId, (String, Option<Name>)> {
    let mut lost = BTreeMap::new();
    for event in record.events {
        let What::Dropped {
            packet,
            cause,
            why,
            link,
            ..
        } = &event.what
        else {
            continue;
        };
        if !cause.arrived() {
            let why = why.clone().unwrap_or_else(|| cause.to_string());
            lost.insert(*packet, (why, link.clone()));
        }
    }
    lost
}

fn alterations(record: &Record<'_>) -> BTreeMap<PacketId, Altered> {
    let mut altered = BTreeMap::new();
    for event in record.events {
        let What::Altered { packet, how, .. } = &event.what else {
            continue;
        };
        match how {
            Alteration::Duplicated { copy } => altered.insert(*copy, Altered::Copy),
            Alteration::Overtaken { .. } => altered.insert(*packet, Altered::Overtaken),
            // The checksum tells, so that it is lost.
            Alteration::Corrupted { .. } => None,
        };
    }
    altered
}

/// Lost on the way to the main tap: only taps nearer to the sender saw them.
fn lost_before_main<'a>(
    record: &Record<'a>,
    lost: &BTreeMap<PacketId, (String, Option<Name>)>,
) -> Vec<&'a Frame> {
    let mut missing: BTreeSet<PacketId> = lost.keys().copied().collect();
    for frame in record.frames {
        missing.remove(&frame.packet);
    }
    let mut found: BTreeMap<PacketId, &Frame> = BTreeMap::new();
    for frame in record.taps.iter().flat_map(|t| &t.frames) {
        if missing.contains(&frame.packet) {
            let first = found.entry(frame.packet).or_insert(frame);
            if frame.at < first.at {
                *first = frame;
            }
        }
    }
    found.into_values().collect()
}
