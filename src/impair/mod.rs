//! What a link does to packets: one impairment a file. An impairment decides with a value and holds nothing; the
//! link holds the packets, and writes an event for every verdict other than "pass".

use std::time::Duration;

use crate::event::DropCause;
use crate::rng::Stream;
use crate::time::Instant;
use crate::units::{BitRate, Bytes, Probability};

mod delay;
mod drop_nth;
mod loss;
mod rate;

pub use drop_nth::Matching;

/// What becomes of a packet at one impairment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It leaves the impairment at this moment, not before the one at which it came.
    Pass(Instant),
    /// It goes no further.
    Drop(DropCause),
}

/// One impairment, on one direction of one link.
pub trait Impair {
    /// Decides about the IP packet `packet`, which reaches this impairment at `at`. `rng` is this impairment's own.
    fn judge(&mut self, packet: &[u8], at: Instant, rng: &mut Stream) -> Verdict;
}

/// An impairment as a lab file asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Impairment {
    /// Every packet takes this long.
    Delay(Duration),
    /// Packets leave one after the other at this rate; those that find more than `queue` waiting are dropped.
    Rate {
        /// Bits of IP packets per second.
        rate: BitRate,
        /// Bytes of IP packets that may wait.
        queue: Bytes,
    },
    /// Each packet is lost with this probability.
    Loss(Probability),
    /// The packets with these numbers, counted from 1 among those that match, are dropped.
    DropNth {
        /// Which numbers.
        nth: Vec<u64>,
        /// What is counted.
        matching: Matching,
    },
}

impl Impairment {
    /// A short word, unique to the kind: names the random stream and the key in the lab file.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Rate { .. } => "rate",
            Self::Loss(_) => "loss",
            Self::DropNth { .. } => "drop-nth",
        }
    }

    /// The impairment at work.
    #[must_use]
    pub fn start(&self) -> Box<dyn Impair> {
        match self {
            Self::Delay(d) => Box::new(delay::Delay(*d)),
            Self::Rate { rate, queue } => Box::new(rate::Rate::new(*rate, *queue)),
            Self::Loss(p) => Box::new(loss::Loss(*p)),
            Self::DropNth { nth, matching } => {
                Box::new(drop_nth::DropNth::new(nth.clone(), *matching))
            }
        }
    }
}
