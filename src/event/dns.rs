//! What happened in DNS beyond a client's plain look-up.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::units::show_duration;

/// Something that a DNS client, resolver or server did or met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsFact {
    /// A resolver asked a server, or a client asked another one or once more.
    Asked {
        /// Whom.
        server: IpAddr,
        /// What.
        question: DnsQuestion,
        /// How.
        over: Transport,
    },
    /// No answer came in time, or none can come.
    NoAnswer {
        /// From whom.
        server: IpAddr,
        /// To what.
        question: DnsQuestion,
        /// How it was asked.
        over: Transport,
        /// Why, as in "nothing within 5 s".
        error: String,
    },
    /// An answer was cut to fit into a datagram (TC).
    Truncated {
        /// From whom.
        server: IpAddr,
        /// To what.
        question: DnsQuestion,
    },
    /// A server refused to answer, or could not: another one is asked.
    ServerFailed {
        /// Which one.
        server: IpAddr,
        /// What it was asked.
        question: DnsQuestion,
        /// Its response code, as in "SERVFAIL".
        code: &'static str,
    },
    /// A server knows who knows more (RFC 1034 §4.3.1).
    Referred {
        /// Which one.
        server: IpAddr,
        /// What it was asked.
        question: DnsQuestion,
        /// The zone that it referred to.
        zone: String,
    },
    /// A client knew the answer without asking.
    FromCache {
        /// The question.
        question: DnsQuestion,
        /// The addresses; none where it knew that there are none.
        addresses: Vec<IpAddr>,
        /// How much longer it will know; `None` for ever.
        left: Option<Duration>,
    },
    /// A server answered.
    Answered {
        /// Whom.
        client: SocketAddr,
        /// What it was asked.
        question: DnsQuestion,
        /// How.
        over: Transport,
        /// Its response code, as in "NOERROR".
        code: &'static str,
        /// The data of the records in the answer section, as text.
        answers: Vec<String>,
        /// How long the asker waited for it here.
        took: Duration,
        /// Whether it was known without asking others.
        cached: bool,
        /// Whether it was cut to fit.
        truncated: bool,
    },
    /// An address was taken out of the zones of a server.
    Withdrawn {
        /// Which one.
        address: IpAddr,
        /// From which names.
        names: Vec<String>,
    },
    /// It is in again.
    Restored {
        /// Which one.
        address: IpAddr,
    },
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsQuestion {
    /// As in "your-app.com": without the root's dot.
    pub name: String,
    /// As in "A".
    pub kind: String,
}

impl fmt::Display for DnsQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// What carries a question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A datagram each.
    Udp,
    /// A connection, each behind its length (RFC 1035 §4.2.2).
    Tcp,
}

impl Transport {
    /// As in "UDP".
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

impl DnsFact {
    /// A stable word for the kind of fact.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Asked { .. } => "dns-asked",
            Self::NoAnswer { .. } => "dns-no-answer",
            Self::Truncated { .. } => "dns-truncated",
            Self::ServerFailed { .. } => "dns-server-failed",
            Self::Referred { .. } => "dns-referred",
            Self::FromCache { .. } => "dns-from-cache",
            Self::Answered { .. } => "dns-answered",
            Self::Withdrawn { .. } => "dns-withdrawn",
            Self::Restored { .. } => "dns-restored",
        }
    }
}

impl fmt::Display for DnsFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked {
                server,
                question,
                over,
            } => write!(f, "asks {server} for {question} by {}", over.word()),
            Self::NoAnswer {
                server,
                question,
                over,
                error,
            } => write!(
                f,
                "no answer from {server} to {question} by {}: {error}",
                over.word()
            ),
            Self::Truncated { server, question } => {
                write!(f, "the answer of {server} to {question} was cut to fit")
            }
            Self::ServerFailed {
                server,
                question,
                code,
            } => write!(f, "{server} answers {question} with {code}"),
            Self::Referred {
                server,
                question,
                zone,
            } => write!(f, "{server} refers {question} to the servers of {zone}"),
            Self::FromCache {
                question,
                addresses,
                left,
            } => {
                let known = if addresses.is_empty() {
                    "there is none".to_owned()
                } else {
                    list(addresses)
                };
                let left = match left {
                    Some(left) => format!("for {} more", show_duration(*left)),
                    None => "for ever".into(),
                };
                write!(f, "{question} is known {left}: {known}")
            }
            Self::Answered {
                client,
                question,
                over,
                code,
                answers,
                cached,
                truncated,
                ..
            } => {
                let how = match (truncated, cached) {
                    (true, _) => ", cut to fit",
                    (false, true) => ", from its cache",
                    (false, false) => "",
                };
                write!(
                    f,
                    "answers {client} by {}: {question} {code} {}{how}",
                    over.word(),
                    list(answers)
                )
            }
            Self::Withdrawn { address, names } => {
                write!(f, "{address} is withdrawn from {}", list(names))
            }
            Self::Restored { address } => write!(f, "{address} is published again"),
        }
    }
}

fn list<T: fmt::Display>(things: &[T]) -> String {
    let all: Vec<_> = things.iter().map(ToString::to_string).collect();
    all.join(", ")
}
