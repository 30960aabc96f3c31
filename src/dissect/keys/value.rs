//! What a connection's keys are told as: data for pages, expectations and reports.

use crate::dissect::key_schedule::TrafficKeys;

/// An end of a TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It sent the ClientHello.
    Client,
    /// The other one.
    Server,
}

impl End {
    /// As in "client".
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Who computes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// One end, for itself.
    One(End),
    /// Both, each for itself.
    Both,
}

/// A part of the key exchange that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// By whom.
    pub by: End,
    /// In which frame.
    pub frame: usize,
    /// Whether anybody on the path reads it.
    pub clear: bool,
    /// What, as in "random" or "X25519 share".
    pub what: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Something that was never sent, or only as a proof of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// By the name that the RFC gives it.
    pub name: String,
    /// Who computes it.
    pub by: By,
    /// How it came about.
    pub how: How,
    /// Where that is written, as in "RFC 8446 §7.1".
    pub source: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What it was compared with.
    pub checks: Vec<Check>,
}

/// How a value came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Drawn at random by one end.
    Drawn,
    /// Computed here, by this formula.
    Computed(String),
    /// Taken from the key log: what it is computed of is not known.
    Logged,
}

/// A comparison of a value with what the engines used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// With what.
    pub with: With,
    /// Whether they are equal.
    pub equal: bool,
}

/// What a value is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum With {
    /// The secret with this label in the key log.
    KeyLog(&'static str),
    /// What this end's engine computed.
    Engine(End),
    /// The share that was sent.
    Share,
    /// The verify_data or binder in a frame.
    Packet {
        /// The frame.
        frame: usize,
    },
}

impl With {
    /// As in "equal to …".
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::KeyLog(label) => format!("{label} in the key log"),
            Self::Engine(end) => format!("what the {} computed", end.word()),
            Self::Share => "the share that was sent".into(),
            Self::Packet { frame } => format!("what frame {frame} carries"),
        }
    }
}

/// The keys that one end writes records under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordKeys {
    /// Who writes, and the other end reads.
    pub from: End,
    /// The secret they are derived from, by its name.
    pub under: String,
    /// The keys.
    pub keys: TrafficKeys,
    /// The records, in order.
    pub records: Vec<ProtectedRecord>,
}

/// A record under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedRecord {
    /// The frame that completes it.
    pub frame: usize,
    /// Its number under this key, from 0.
    pub sequence: u64,
    /// Bytes of the encrypted fragment.
    pub bytes: usize,
    /// The nonce; with CBC the initialisation vector.
    pub nonce: Vec<u8>,
    /// What came of opening it.
    pub content: Content,
}

/// What came of opening a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// It is authentic under the key computed here: what is inside, by name.
    Opened(Vec<String>),
    /// It opens under no key, though this one is the engines': changed, or sent again, on the way.
    Changed,
    /// It does not open under the key computed here.
    Refused,
}
