//! The keys of a lab's TLS connections: what was sent, what was computed by whom and of what, which key protects which
//! record, and whether all of it is what the engines used. The values come from `dissect/keys`, which computes them.

mod page;
pub mod report;

pub use page::page;
pub use report::report;

use std::net::SocketAddr;

use crate::dissect::keys::{Connection, End, recompute};
use crate::expect::Record;

/// A run's TLS connections with their keys.
#[derive(Debug)]
pub struct Keys<'a> {
    record: &'a Record<'a>,
    connections: Vec<Connection>,
}

impl<'a> Keys<'a> {
    /// Computes the keys of a run.
    #[must_use]
    pub fn of(record: &'a Record<'a>) -> Self {
        Self {
            record,
            connections: recompute(record.frames, record.events),
        }
    }

    /// Whether anything is other than what the engines used.
    #[must_use]
    pub fn differ(&self) -> bool {
        let mut all = self.connections.iter();
        all.any(|c| c.checks().any(|(_, equal)| !equal))
    }

    /// The node at an end of a connection: the one that took part in the key exchange, else the one with the address;
    /// "client" or "server" where there is none.
    fn node(&self, connection: &Connection, end: End) -> String {
        if let Some(name) = &connection.nodes[end as usize] {
            return name.to_string();
        }
        let topology = &self.record.plan.topology;
        let node = topology.node_with(connection.ends[end as usize].ip());
        node.map_or_else(
            || end.word().to_owned(),
            |n| topology.nodes[n].name.to_string(),
        )
    }

    /// Node and address.
    fn place(&self, connection: &Connection, end: End) -> (String, SocketAddr) {
        (self.node(connection, end), connection.ends[end as usize])
    }
}
