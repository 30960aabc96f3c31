//! What a link does to a packet that it delivers all the same.

use std::fmt;

use super::PacketId;

/// What a link does to a packet that it delivers all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alteration {
    /// It arrives twice.
    Duplicated {
        /// The other one, which has an identity of its own from here on.
        copy: PacketId,
    },
    /// A bit of it flips: this one, counted from 0.
    Corrupted {
        /// Which bit of the IP packet.
        bit: usize,
    },
    /// It arrives behind packets that were sent after it.
    Overtaken {
        /// By how many, if so many come.
        by: u64,
    },
}

impl Alteration {
    /// A stable short word, as in the JSON report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Duplicated { .. } => "duplicated",
            Self::Corrupted { .. } => "corrupted",
            Self::Overtaken { .. } => "overtaken",
        }
    }
}

impl fmt::Display for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicated { copy } => {
                write!(f, "delivered twice; the copy is packet {}", copy.0)
            }
            Self::Corrupted { bit } => write!(f, "bit {} of byte {} flips", bit % 8, bit / 8),
            Self::Overtaken { by: 1 } => f.write_str("kept back until a later packet has passed"),
            Self::Overtaken { by } => write!(f, "kept back until {by} later packets have passed"),
        }
    }
}
