//! What ping(8) tells: echo requests of ICMP, and what became of them (RFC 792).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::units::show_duration;

/// Something that happened to a client's echo requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingFact {
    /// An echo request left.
    Sent {
        /// To where.
        to: IpAddr,
        /// Its identifier.
        identifier: u16,
        /// Its sequence number.
        sequence: u16,
        /// Bytes of data.
        bytes: usize,
    },
    /// It could not leave.
    NotSent {
        /// To where.
        to: IpAddr,
        /// Its sequence number.
        sequence: u16,
        /// Why, as in "message too long, MTU 1400".
        error: String,
    },
    /// The echo reply came.
    Answered {
        /// From where.
        from: IpAddr,
        /// Its sequence number.
        sequence: u16,
        /// The time to live that was left of it.
        ttl: u8,
        /// Since the request.
        took: Duration,
        /// Whether it brought the data back as they were.
        intact: bool,
    },
    /// An ICMP error about it came.
    Refused {
        /// From whom.
        from: IpAddr,
        /// The request's sequence number.
        sequence: u16,
        /// As in "time exceeded in transit".
        error: String,
    },
    /// Nothing came in time.
    TimedOut {
        /// From where there should have.
        to: IpAddr,
        /// The request's sequence number.
        sequence: u16,
        /// How long it was waited for.
        after: Duration,
    },
    /// All are sent, and nothing is waited for any more.
    Done(PingSummary),
}

/// What came of a client's echo requests to one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingSummary {
    /// The host.
    pub to: IpAddr,
    /// How many left.
    pub sent: u64,
    /// How long each took that was answered, by sequence number.
    pub round_trips: Vec<Duration>,
    /// What was wrong with the others where somebody said so: ICMP errors, and what could not leave.
    pub errors: Vec<String>,
}

impl PingFact {
    /// A stable word for the kind.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "ping-sent",
            Self::NotSent { .. } => "ping-not-sent",
            Self::Answered { .. } => "ping-answered",
            Self::Refused { .. } => "ping-refused",
            Self::TimedOut { .. } => "ping-timed-out",
            Self::Done(_) => "ping-done",
        }
    }
}

/// A line about it, much as ping(8) has it.
impl fmt::Display for PingFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent {
                to,
                identifier,
                sequence,
                bytes,
            } => write!(
                f,
                "ping {to}: echo request {sequence} with {bytes} bytes of data, identifier {identifier}"
            ),
            Self::NotSent {
                to,
                sequence,
                error,
            } => write!(
                f,
                "ping {to}: echo request {sequence} cannot leave: {error}"
            ),
            Self::Answered {
                from,
                sequence,
                ttl,
                took,
                intact,
            } => {
                let took = show_duration(*took);
                write!(
                    f,
                    "echo reply {sequence} from {from} after {took}, TTL {ttl}"
                )?;
                if *intact {
                    return Ok(());
                }
                f.write_str(", with other data than were sent")
            }
            Self::Refused {
                from,
                sequence,
                error,
            } => write!(f, "echo request {sequence}: {from} says {error}"),
            Self::TimedOut {
                to,
                sequence,
                after,
            } => {
                let after = show_duration(*after);
                write!(
                    f,
                    "echo request {sequence} to {to}: nothing came within {after}"
                )
            }
            Self::Done(summary) => write!(f, "ping {summary}"),
        }
    }
}

/// "203.0.113.60: 3 sent, 2 received, 1 error, round trip 24 ms to 26 ms".
impl fmt::Display for PingSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            to,
            sent,
            round_trips,
            errors,
        } = self;
        write!(f, "{to}: {sent} sent, {} received", round_trips.len())?;
        match errors.len() {
            0 => {}
            1 => write!(f, ", 1 error")?,
            n => write!(f, ", {n} errors")?,
        }
        let (Some(least), Some(most)) = (round_trips.iter().min(), round_trips.iter().max()) else {
            return Ok(());
        };
        write!(f, ", round trip {}", show_duration(*least))?;
        if least == most {
            return Ok(());
        }
        write!(f, " to {}", show_duration(*most))
    }
}
