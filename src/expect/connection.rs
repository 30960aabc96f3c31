//! Finding the frames of the TCP connection that an expectation speaks of.

use std::net::SocketAddr;

use super::{Record, has_address};
use crate::dissect::message::{Frame, TcpPart};
use crate::event::Direction;
use crate::lab::plan::{Connection, Plan};
use crate::wire::packet::{Flags, Packet};

/// One TCP connection, as one capture shows it.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// The initiator's end.
    pub(super) client: SocketAddr,
    /// Its frames, both directions, in order.
    pub(super) frames: Vec<&'a Frame>,
}

impl Found<'_> {
    /// Whether the initiator sent `frame`.
    pub(super) fn is_clients(&self, frame: &Frame) -> bool {
        frame.source == self.client
    }
}

/// Where a connection of `wanted` may be seen: the main capture, else the taps of its initiator (as between a docker
/// host and its container).
fn captures<'a>(
    record: &Record<'a>,
    wanted: &Connection,
) -> impl Iterator<Item = &'a [Frame]> + use<'a> {
    let topology = &record.plan.topology;
    let from = topology.node(wanted.from.as_str());
    let own_taps = record
        .taps
        .iter()
        .filter(move |t| Some(topology.tap(t.tap).node) == from);
    std::iter::once(record.frames).chain(own_taps.map(|t| t.frames.as_slice()))
}

/// The connection that `wanted` describes.
pub(super) fn find<'a>(record: &Record<'a>, wanted: &'a Connection) -> Option<Found<'a>> {
    captures(record, wanted).find_map(|c| search(c, record.plan, wanted))
}

fn search<'a>(frames: &'a [Frame], plan: &'a Plan, wanted: &'a Connection) -> Option<Found<'a>> {
    let syn = opening(frames, plan, wanted).nth(wanted.nth - 1)?;
    let (client, server) = (syn.source, syn.destination);
    let belongs = |f: &&Frame| {
        f.tcp.is_some() && [(client, server), (server, client)].contains(&(f.source, f.destination))
    };
    Some(Found {
        client,
        frames: frames.iter().filter(belongs).collect(),
    })
}

/// The SYNs of all connections from that node to that port, whichever of them `wanted` means.
pub(super) fn count<'a>(record: &Record<'a>, wanted: &'a Connection) -> Vec<&'a Frame> {
    let mut found =
        captures(record, wanted).map(|c| opening(c, record.plan, wanted).collect::<Vec<_>>());
    found.find(|syns| !syns.is_empty()).unwrap_or_default()
}

/// The SYNs, each connection's first, that open connections as `wanted` describes.
fn opening<'a>(
    frames: &'a [Frame],
    plan: &'a Plan,
    wanted: &'a Connection,
) -> impl Iterator<Item = &'a Frame> {
    let from = plan.topology.node(wanted.from.as_str());
    frames.iter().filter(move |f| {
        // Whoever sends in another's name opens a connection of its own.
        let sender = middle(plan, f).filter(|m| m.sends).map(|m| m.node);
        f.tcp
            .is_some_and(|t| t.part == TcpPart::Syn && !t.retransmission)
            && f.destination.port() == wanted.port
            && match sender {
                Some(sender) => Some(sender) == from,
                None => has_address(&plan.topology, &wanted.from, f.source.ip()),
            }
            && has_address(&plan.topology, &wanted.to, f.destination.ip())
    })
}

/// Who is really at an end of a frame that passes through a node in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Middle {
    /// The node in the middle.
    pub(crate) node: usize,
    /// Whether it sent the frame, in another's name; else it is the one that gets it.
    pub(crate) sends: bool,
}

/// Who sent a forged frame; or who is in the middle of its connection, when somebody is. At the taps of that node the NIC tells which
/// of its two connections it is, at others it is the one of the clients' side.
pub(crate) fn middle(plan: &Plan, frame: &Frame) -> Option<Middle> {
    let topology = &plan.topology;
    let (source, destination) = (frame.source, frame.destination);
    frame.stream?;
    let node = topology.tap(frame.tap).node;
    if frame.direction == Direction::Out
        && plan.attacks(node)
        && !has_address(topology, &topology.nodes[node].name, source.ip())
    {
        return Some(Middle { node, sends: true });
    }
    let concerned = topology.intercepts.iter();
    let intercept = concerned
        .into_iter()
        .find(|i| i.concerns(source, destination))?;
    let server_side = [
        Some(intercept.server_side),
        topology.peer(intercept.server_side),
    ];
    let from_server = source == intercept.to;
    Some(Middle {
        node: intercept.by,
        // It stands in for the server on one side, and for the client on the other.
        sends: server_side.contains(&Some(frame.tap.0)) != from_server,
    })
}

/// As in "user -> alb:443", or "user -> alb:443 #2".
pub(super) fn words(c: &Connection) -> String {
    let base = format!("{} -> {}:{}", c.from, c.to, c.port);
    match c.nth {
        1 => base,
        n => format!("{base} #{n}"),
    }
}

/// The TCP control bits of a frame; none when it is not TCP.
pub(crate) fn flags(frame: &Frame) -> Flags {
    Packet::read(&frame.bytes)
        .and_then(|p| p.tcp().map(|t| t.flags))
        .unwrap_or(Flags(0))
}
