//! The keys of every TLS connection, computed again: from the packets and from what the key exchanges agreed on, by the
//! key schedule alone, and compared with what the engines used: the secrets of the key log, Finished and binders in the
//! packets, records that open. Nothing is taken from the key log but where the agreement is not known, and then that is
//! said.
//!
//! A connection is read so: `records` puts its records together, `walk` opens them one after the other and hands every
//! handshake message to `tls13` or `tls12`, which compute what can be computed from there on.

mod agreement;
mod curve;
mod evidence;
mod records;
mod tls12;
mod tls13;
mod value;
mod walk;

use std::net::SocketAddr;

pub use value::{By, Check, Content, End, How, ProtectedRecord, RecordKeys, Sent, Value, With};

use super::message::Frame;
use crate::event::{Event, HandshakeKind};
use crate::name::Name;
use evidence::{Evidence, Sessions};

/// A TLS connection, and its keys as they were computed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its number, as Wireshark's `tcp.stream`.
    pub stream: usize,
    /// Client and server.
    pub ends: [SocketAddr; 2],
    /// The nodes that computed the shared secret, where they told: who speaks under these addresses in truth.
    pub nodes: [Option<Name>; 2],
    /// As in 0x0304; `None` where no ServerHello came.
    pub version: Option<u16>,
    /// As in 0x1302; `None` where no ServerHello came.
    pub suite: Option<u16>,
    /// The group of the key exchange, where there was one.
    pub group: Option<u16>,
    /// How the handshake went.
    pub handshake: HandshakeKind,
    /// What of the key exchange was sent, in order.
    pub sent: Vec<Sent>,
    /// What was computed, in order.
    pub values: Vec<Value>,
    /// The keys of records, in the order in which they came into use.
    pub keys: Vec<RecordKeys>,
    /// Why not everything could be computed.
    pub gaps: Vec<Gap>,
    /// Labels of the key log whose secret was not computed, though nothing was missing.
    pub unexplained: Vec<String>,
}

/// How much was compared, whether or not it was equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Shares and shared secrets, with those that were sent and that the engines computed.
    pub agreements: usize,
    /// Secrets, with the key log.
    pub secrets: usize,
    /// Binders, with the packets.
    pub binders: usize,
    /// verify_data, with the packets.
    pub finished: usize,
    /// Records that opened.
    pub records: usize,
}

/// What RSA key exchange sends, by its name in [`Connection::sent`].
pub const PRE_MASTER_SENT: &str = "encrypted pre-master secret";

/// The name of a binder among values.
const BINDER: &str = "binder";

/// Why something could not be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// What was agreed is known to the engines alone: their randomness was the operating system's, or they belong to a
    /// real program. What follows from it is taken from the key log.
    Agreement,
    /// The session that was resumed began elsewhere, or its secret could not be computed.
    Session,
    /// A record of the handshake opens under no key: it is not what its sender sent.
    Record {
        /// The frame that completes it.
        frame: usize,
    },
    /// A handshake message is not as it must be.
    Message {
        /// The frame that completes it.
        frame: usize,
    },
    /// A suite whose records cannot be opened here.
    Suite(u16),
    /// The handshake came to no end.
    Unfinished,
}

impl Gap {
    /// In words.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Agreement => "the shared secret is known to the engines alone (their randomness was not the \
                seed's): secrets are taken from the key log, and checked from there on"
                .into(),
            Self::Session => {
                "the secret of the session that was resumed is not known: it began outside of this capture, or without a \
                 shared secret that is known".into()
            }
            Self::Record { frame } => format!(
                "a record of frame {frame} opens under no key: it is not what its sender sent, and what follows from \
                 it cannot be computed"
            ),
            Self::Message { frame } => {
                format!("a handshake message of frame {frame} is not well-formed")
            }
            Self::Suite(suite) => {
                format!("records of suite {} cannot be opened here", crate::wire::tls::suite_name(suite))
            }
            Self::Unfinished => "the handshake came to no end".into(),
        }
    }
}

impl Connection {
    /// Every comparison with what the engines used: in words, and whether it held.
    pub fn checks(&self) -> impl Iterator<Item = (String, bool)> {
        let values = self.values.iter().flat_map(|v| {
            let checks = v.checks.iter();
            checks.map(|c| (format!("{}: {}", v.name, c.with.text()), c.equal))
        });
        let records = self.keys.iter().flat_map(|k| {
            k.records.iter().map(|r| {
                let of = format!(
                    "record {} of frame {} under {}",
                    r.sequence, r.frame, k.under
                );
                (of, r.content != Content::Refused)
            })
        });
        let unexplained = self.unexplained.iter();
        let unexplained = unexplained.map(|label| (format!("{label} of the key log"), false));
        values.chain(records).chain(unexplained)
    }

    /// How much was compared.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for value in &self.values {
            for check in &value.checks {
                match check.with {
                    With::KeyLog(_) => counts.secrets += 1,
                    With::Packet { .. } if value.name == BINDER => counts.binders += 1,
                    With::Packet { .. } => counts.finished += 1,
                    With::Engine(_) | With::Share => counts.agreements += 1,
                }
            }
        }
        let records = self.keys.iter().flat_map(|k| &k.records);
        counts.records = records
            .filter(|r| matches!(r.content, Content::Opened(_)))
            .count();
        counts
    }

    /// The comparisons that failed.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        let failed = self.checks().filter(|(_, equal)| !equal);
        failed.map(|(what, _)| what).collect()
    }

    /// The keys that `end` writes under, last ones last.
    pub fn keys_of(&self, end: End) -> impl Iterator<Item = &RecordKeys> {
        self.keys.iter().filter(move |k| k.from == end)
    }
}

/// Computes the keys of all TLS connections that begin in `frames`, a capture in order, with what `events` tell of
/// agreements and of the key log.
#[must_use]
pub fn recompute(frames: &[Frame], events: &[Event]) -> Vec<Connection> {
    let evidence = Evidence::new(events);
    // What one connection leaves for another to resume. Connections are read in the order of their first packets:
    // a session is resumed by a later one only.
    let mut sessions = Sessions::default();
    let streams = records::tls_streams(frames);
    let connections = streams.into_iter();
    connections
        .filter_map(|stream| walk::walk(stream, &evidence, &mut sessions))
        .collect()
}
