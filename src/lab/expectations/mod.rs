//! What must hold: one reader for each family of checks, the families by what they are about.

use super::decode::{Fields, Item};
use super::network::Network;
use super::plan::{Check, Connection, Expectation, Log, Viewer, WhoReads};
use crate::name::Name;
use crate::net::topology::Topology;

mod attack;
mod balancing;
mod certificate;
mod dns;
mod http;
mod log;
mod packets;
mod ping;
mod program;
mod tcp;
mod timing;
mod tls;
mod vpc;

/// Reads the table of a family.
type Family = fn(&Reader<'_, '_>, &mut Fields<'_>) -> Option<Check>;

/// The families that are tables, by their keys, in the order in which help lists them.
const FAMILIES: &[(&str, Family)] = &[
    ("recovered", |r, t| r.recovered(t)),
    ("reads", |r, t| r.reads(t)),
    ("program", |r, t| r.program(t)),
    ("attack", |r, t| r.attack(t)),
    ("failed", |r, t| r.failed(t)),
    ("dns", |r, t| r.dns(t)),
    ("ping", |r, t| r.ping(t)),
    ("tcp", |r, t| r.tcp(t)),
    ("tls", |r, t| r.tls(t)),
    ("keys", |r, t| r.keys(t)),
    ("pre-master", |r, t| r.pre_master(t)),
    ("certificate", |r, t| r.certificate(t)),
    ("header", |r, t| r.header(t)),
    ("status", |r, t| r.status(t)),
    ("response", |r, t| r.response(t)),
    ("requests", |r, t| r.requests(t)),
    ("connections", |r, t| r.connections(t)),
    ("websocket", |r, t| r.websocket(t)),
    ("access-log", |r, t| r.log(t, Log::Access)),
    ("connection-log", |r, t| r.log(t, Log::Connection)),
    ("flow-log", |r, t| r.log(t, Log::Flow)),
    ("timing", |_, t| timing::timing(t)),
    ("packets", |r, t| r.packets(t)),
    ("readable", |r, t| r.readable(t)),
    ("never-sees", |r, t| r.never_sees(t)),
    ("target", |r, t| r.target(t)),
    ("dropped", |r, t| r.dropped(t)),
    ("rule", |r, t| r.rule(t)),
    ("chosen", |r, t| r.chosen(t)),
    ("health", |r, t| r.health(t)),
    ("fail-open", |r, t| r.fail_open(t)),
];

/// Reads the list `expect`. Without a topology, which has mistakes then, links and taps are not looked up.
pub(super) fn read(
    root: &mut Fields<'_>,
    network: &Network<'_>,
    topology: Option<&Topology>,
    who_reads: &Option<WhoReads>,
) -> Vec<Expectation> {
    let reader = Reader {
        network,
        topology,
        who_reads,
    };
    root.optional("expect")
        .and_then(|item| item.each(|i| reader.expectation(i)))
        .unwrap_or_default()
}

struct Reader<'n, 'a> {
    network: &'n Network<'a>,
    topology: Option<&'n Topology>,
    /// `None` after a mistake.
    who_reads: &'n Option<WhoReads>,
}

impl Reader<'_, '_> {
    fn expectation(&self, item: Item<'_>) -> Option<Expectation> {
        let mut table = item.fields()?;
        let that = table.required("that", "\"the user gets HTTP 200\"");
        let that = that.and_then(|i| i.prose(120));
        let keys: Vec<&str> = FAMILIES.iter().map(|f| f.0).chain(["clean"]).collect();
        let family = table.exactly_one(&keys);
        table.finish();
        let check = family.and_then(|family| self.check(family));
        Some(Expectation {
            that: that?,
            check: check?,
        })
    }

    fn check(&self, item: Item<'_>) -> Option<Check> {
        let Some((_, read)) = FAMILIES.iter().find(|f| f.0 == item.key) else {
            if !item.boolean()? {
                item.wrong("`clean` is true or absent", "expected true", None);
                return None;
            }
            return Some(Check::Clean);
        };
        let mut table = item.fields()?;
        let check = read(self, &mut table);
        table.finish();
        check
    }

    fn node(&self, item: Option<Item<'_>>) -> Option<Name> {
        let index = self.network.node_of(item?)?;
        Some(self.network.nodes[index].name.clone())
    }

    /// `user -> alb:443`, or `user -> alb:443 #2` for the second of them.
    fn connection(&self, item: Item<'_>) -> Option<Connection> {
        let (from, to, port, nth) = connection_parts(item, self.network)?;
        Some(Connection {
            from: self.network.nodes[from].name.clone(),
            to: self.network.nodes[to].name.clone(),
            port,
            nth,
        })
    }

    fn tap(&self, item: Item<'_>) -> Option<Name> {
        tap(item, self.topology?)
    }
}

/// `user -> alb:443`, or `user -> alb:443 #2` for the second of them: the two nodes, the port, the number.
pub(super) fn connection_parts(
    item: Item<'_>,
    network: &Network<'_>,
) -> Option<(usize, usize, u16, usize)> {
    let text = item.text()?;
    let parts = text.split_once("->").and_then(|(from, to)| {
        let (to, port) = to.trim().rsplit_once(':')?;
        let (port, nth) = match port.split_once('#') {
            Some((port, nth)) => (port, nth.trim().parse::<usize>().ok()?),
            None => (port, 1),
        };
        Some((
            from.trim(),
            to.trim(),
            port.trim().parse::<u16>().ok()?,
            nth,
        ))
    });
    let Some((from, to, port @ 1.., nth @ 1..)) = parts else {
        let label = "expected two nodes and a port such as \"user -> alb:443\", perhaps with \"#2\" for the second";
        item.wrong(format!("`{text}` is not a connection"), label, None);
        return None;
    };
    let from = network.node(&item, from);
    let to = network.node(&item, to);
    Some((from?, to?, port, nth))
}

/// A link or a tap, by name.
pub(super) fn tap(item: Item<'_>, topology: &Topology) -> Option<Name> {
    let word = item.text()?;
    let links = topology.links.iter().map(|l| &l.name);
    let names = links.chain(topology.nics.iter().map(|n| &n.name));
    let found = names.clone().find(|n| n.as_str() == word);
    if found.is_none() {
        let mut names: Vec<&str> = names.map(Name::as_str).collect();
        names.sort_unstable();
        names.dedup();
        item.unknown("link or tap", names);
    }
    found.cloned()
}

fn viewer(item: Item<'_>) -> Option<Viewer> {
    let known = [
        ("observer", Viewer::Observer),
        ("key-holder", Viewer::KeyHolder),
    ];
    item.one_of("viewer", &known)
}
