//! What attackers do to connections, and what they get out of them.

use std::fmt;

use super::Flow;

/// What an attacker did to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attack {
    /// The connection, in the direction of what was sent: local is what its packets have as source.
    pub flow: Flow,
    /// Where in that direction's stream it is: bytes before it.
    pub offset: u64,
    /// What.
    pub deed: Deed,
}

/// What an attacker read out of a recorded connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The client's random, by which key logs name the connection.
    pub client_random: Vec<u8>,
    /// The pre-master secret; empty where the master secret was found without it.
    pub pre_master: Vec<u8>,
    /// The master secret.
    pub master: Vec<u8>,
    /// Application data of the client.
    pub client_data: Vec<u8>,
    /// Application data of the server.
    pub server_data: Vec<u8>,
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secrets themselves.
        f.debug_struct("Recovery")
            .field("client_data", &self.client_data.len())
            .field("server_data", &self.server_data.len())
            .finish_non_exhaustive()
    }
}

/// Kinds of attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// One bit of a record was flipped.
    Flipped {
        /// The record's number among those that say they are application data.
        record: u64,
        /// The bit of its fragment.
        bit: u64,
    },
    /// A record was sent a second time.
    Replayed {
        /// As for `Flipped`.
        record: u64,
    },
    /// TLS 1.3 was taken out of a ClientHello.
    VersionStripped,
    /// Nothing of this direction was passed on from here: a FIN instead.
    Truncated {
        /// The last record that passed, as for `Flipped`.
        record: u64,
    },
    /// A RST was sent in another's name.
    Reset {
        /// Its sequence number.
        sequence: u32,
    },
    /// What a client had sent was sent again, on another connection.
    HelloReplayed,
    /// SYNs were sent in the names of addresses that are nobody's. The flow's local address is their range's.
    SynFlood {
        /// How many.
        syns: u32,
        /// Prefix of the range.
        prefix: u8,
    },
}

impl Deed {
    /// The words of all kinds.
    pub const WORDS: [&str; 7] = [
        "flip",
        "replay",
        "strip-version",
        "truncate",
        "reset",
        "replay-hello",
        "syn-flood",
    ];

    /// A stable short word, as in lab files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Flipped { .. } => "flip",
            Self::Replayed { .. } => "replay",
            Self::VersionStripped => "strip-version",
            Self::Truncated { .. } => "truncate",
            Self::Reset { .. } => "reset",
            Self::HelloReplayed => "replay-hello",
            Self::SynFlood { .. } => "syn-flood",
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flipped { record, bit } => {
                write!(f, "flips bit {bit} of encrypted record {record}")
            }
            Self::Replayed { record } => write!(f, "sends encrypted record {record} again"),
            Self::VersionStripped => f.write_str("takes TLS 1.3 out of the ClientHello"),
            Self::Truncated { record } => {
                write!(f, "ends the connection behind encrypted record {record}")
            }
            Self::Reset { sequence } => {
                write!(f, "sends a forged RST with sequence number {sequence}")
            }
            Self::HelloReplayed => f.write_str("sends again what the client had sent"),
            Self::SynFlood { syns, .. } => write!(f, "sends {syns} SYNs in others' names"),
        }
    }
}
