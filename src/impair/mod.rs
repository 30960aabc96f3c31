//! What a link does to packets: one impairment a file. An impairment decides with a value and holds nothing; the
//! link holds the packets, and writes an event for every verdict other than "pass".

use std::time::Duration;

use crate::event::DropCause;
use crate::rng::Stream;
use crate::time::Instant;
use crate::units::{BitRate, Bytes, Probability};

mod corrupt;
mod delay;
mod drop_nth;
mod duplicate;
mod jitter;
mod loss;
mod outage;
mod pick;
mod rate;
mod reorder;

pub use drop_nth::Matching;
pub use jitter::{Distribution, Jitter};
pub use outage::Span;
pub use pick::{Pick, Which};

/// What becomes of a packet at one impairment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It leaves the impairment at this moment, not before the one at which it came.
    Pass(Instant),
    /// It goes no further.
    Drop(DropCause),
    /// It leaves at the first moment, and a copy of it at the second.
    Twice(Instant, Instant),
    /// It leaves at `at`, with this bit of it flipped: counted from 0, the highest bit of the first byte.
    Flip {
        /// When it leaves.
        at: Instant,
        /// Which bit.
        bit: usize,
    },
    /// It leaves right behind the next so many packets, or at the latest at that moment.
    Behind {
        /// How many packets overtake it.
        by: u64,
        /// When it would have left; it does not before.
        at: Instant,
        /// When it leaves if fewer come.
        latest: Instant,
    },
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
    /// Packets leave one after the other at this rate; those that find the queue full are dropped (tail drop).
    Rate {
        /// Bits of IP packets per second.
        rate: BitRate,
        /// Bytes of IP packets that may wait: one that finds more waiting is dropped.
        queue: Bytes,
        /// Packets that may wait, where they are counted.
        packets: Option<u64>,
    },
    /// Packets take longer by amounts that differ.
    Jitter(Jitter),
    /// Nothing passes at these times.
    Outage(Vec<Span>),
    /// Each packet is lost with this probability.
    Loss(Probability),
    /// The packets with these numbers, counted from 1 among those that match, are dropped.
    DropNth {
        /// Which numbers.
        nth: Vec<u64>,
        /// What is counted.
        matching: Matching,
    },
    /// A bit of these packets is flipped.
    Corrupt(Pick),
    /// These packets are overtaken by later ones.
    Reorder {
        /// Which.
        pick: Pick,
        /// By how many.
        by: u64,
        /// How long they wait for so many.
        at_most: Duration,
    },
    /// These packets arrive twice.
    Duplicate {
        /// Which.
        pick: Pick,
        /// How much later the copy comes.
        later: Duration,
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
            Self::Jitter(_) => "jitter",
            Self::Outage(_) => "outage",
            Self::Corrupt(_) => "corrupt",
            Self::Reorder { .. } => "reorder",
            Self::Duplicate { .. } => "duplicate",
        }
    }

    /// The impairment at work.
    #[must_use]
    pub fn start(&self) -> Box<dyn Impair> {
        match self {
            Self::Delay(d) => Box::new(delay::Delay(*d)),
            Self::Rate {
                rate,
                queue,
                packets,
            } => Box::new(rate::Rate::new(*rate, *queue, *packets)),
            Self::Jitter(jitter) => Box::new(jitter::Jittering::new(*jitter)),
            Self::Outage(spans) => Box::new(outage::Outage(spans.clone())),
            Self::Corrupt(pick) => Box::new(corrupt::Corrupt::new(pick.clone())),
            Self::Reorder { pick, by, at_most } => {
                Box::new(reorder::Reorder::new(pick.clone(), *by, *at_most))
            }
            Self::Duplicate { pick, later } => {
                Box::new(duplicate::Duplicate::new(pick.clone(), *later))
            }
            Self::Loss(p) => Box::new(loss::Loss(*p)),
            Self::DropNth { nth, matching } => {
                Box::new(drop_nth::DropNth::new(nth.clone(), *matching))
            }
        }
    }
}
