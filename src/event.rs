//! The trace: what happened, where, when and why. Packets that pass a tap, packets that were dropped and their
//! cause, secrets, and facts from the programs on the nodes. Events stream to sinks in the order in which they
//! happened; nothing here prints or judges.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::name::Name;
use crate::time::Instant;

mod access_log;
mod agreement;
mod alteration;
mod attack;
mod balancing;
mod connection_log;
mod cookie;
mod defect;
mod dns;
mod drop_cause;
mod fact;
mod flow_log;
mod health;
mod ping;
mod pre_master;
mod serving;
mod tcp;
mod tls;

pub use access_log::{ACCESS_FIELDS, AccessRecord, RequestKind};
pub use agreement::KeyAgreement;
pub use alteration::Alteration;
pub use attack::{Attack, Deed, Recovery};
pub use balancing::Balancing;
pub use connection_log::{CONNECTION_FIELDS, ConnectionRecord, VerifyStatus};
pub use cookie::CookieFact;
pub use defect::CertificateDefect;
pub use dns::{DnsFact, DnsQuestion, Transport};
pub use drop_cause::DropCause;
pub use fact::{Answer, Fact};
pub use flow_log::{FLOW_FIELDS, FlowAction, FlowCounts, FlowRecord};
pub use health::{HealthReason, HealthState};
pub use ping::{PingFact, PingSummary};
pub use pre_master::{PreMaster, WriteKeys};
pub use serving::Serving;
pub use tcp::TcpDeed;
pub use tls::{CertificateFacts, HandshakeKind, Mismatch};

/// A packet's identity: the same on every link it crosses, rewritten or not. Counts from 1 in order of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub u64);

/// A point where packets are seen: a NIC, that is one end of a link. Index into the plan's list of NICs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TapId(pub usize);

/// Which way a packet passes a tap, seen from the NIC's node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The node receives it.
    In,
    /// The node sends it.
    Out,
}

/// A packet passing a tap. A sent one is seen before the link's verdict and carries it; a received one is seen on
/// delivery.
#[derive(Debug, Clone, Copy)]
pub struct Crossing<'a> {
    /// When.
    pub at: Instant,
    /// Where.
    pub tap: TapId,
    /// Sent or received.
    pub direction: Direction,
    /// Which packet.
    pub packet: PacketId,
    /// The IP packet.
    pub bytes: &'a [u8],
    /// Why the link will not deliver it, when it will not. Always `None` on receipt.
    pub lost: Option<DropCause>,
}

/// The two ends of a TCP connection or UDP exchange, seen from one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.local, self.remote)
    }
}

/// Something that happened, other than a packet passing a tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// On which node, or at the sending node of a link.
    pub node: Name,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A packet went no further.
    Dropped {
        /// Which packet.
        packet: PacketId,
        /// Why.
        cause: DropCause,
        /// More than the cause says, in words: which rule it was, for causes that are rules.
        why: Option<String>,
        /// On which link, when it was a link.
        link: Option<Name>,
        /// The packet itself.
        bytes: Vec<u8>,
    },
    /// A link does something to a packet that it delivers all the same.
    Altered {
        /// Which packet.
        packet: PacketId,
        /// What.
        how: Alteration,
        /// Which link.
        link: Name,
    },
    /// A TLS secret came to be: one line of the NSS key log format (RFC 9850), without line end.
    Secret(String),
    /// A program did or learnt something.
    Fact(Fact),
    /// A TCP stack did something by itself.
    Tcp {
        /// With which connection. The local port is 0 where it has none.
        flow: Flow,
        /// What.
        deed: TcpDeed,
    },
    /// A limit of the run was reached.
    Limit {
        /// Which one, as in "run time 1 h".
        limit: String,
    },
    /// A modelled computation began and takes this long.
    Computing {
        /// What for, as in "server's first TLS flight".
        what: &'static str,
        /// How long.
        takes: Duration,
    },
}

/// Something that listens to the trace.
pub trait Sink {
    /// A packet passes a tap.
    fn crossing(&mut self, crossing: &Crossing<'_>);
    /// Something else happened.
    fn event(&mut self, event: &Event);
}

/// The trace of one run: a handle that programs and links write to. Cloning shares it.
#[derive(Clone, Default)]
pub struct Trace(Rc<Inner>);

#[derive(Default)]
struct Inner {
    sinks: RefCell<Vec<Rc<RefCell<dyn Sink>>>>,
    listening: Cell<bool>,
}

impl Trace {
    /// Adds a listener. It hears what happens from now on.
    pub fn attach(&self, sink: Rc<RefCell<dyn Sink>>) {
        self.0.sinks.borrow_mut().push(sink);
        self.0.listening.set(true);
    }

    /// Whether anybody listens: bulk runs without a sink need not describe what they do.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.listening.get()
    }

    /// A packet passes a tap.
    pub fn crossing(&self, crossing: &Crossing<'_>) {
        for sink in self.0.sinks.borrow().iter() {
            sink.borrow_mut().crossing(crossing);
        }
    }

    /// Something happened.
    pub fn event(&self, event: &Event) {
        for sink in self.0.sinks.borrow().iter() {
            sink.borrow_mut().event(event);
        }
    }

    /// A fact from `node`.
    pub fn fact(&self, at: Instant, node: &Name, fact: Fact) {
        if self.is_heard() {
            self.event(&Event {
                at,
                node: node.clone(),
                what: What::Fact(fact),
            });
        }
    }
}

/// A sink that keeps the events (not the packets), up to a limit.
#[derive(Debug)]
pub struct Recorder {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// How many events were not kept because the limit was reached.
    pub left_out: u64,
    limit: usize,
}

impl Recorder {
    /// Keeps the first `limit` events.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            events: Vec::new(),
            left_out: 0,
            limit,
        }
    }
}

impl Sink for Recorder {
    fn crossing(&mut self, _: &Crossing<'_>) {}

    fn event(&mut self, event: &Event) {
        if self.events.len() < self.limit {
            self.events.push(event.clone());
        } else {
            self.left_out += 1;
        }
    }
}

/// AWS's example of an access log entry, with another status.
#[cfg(test)]
pub(crate) fn example_entry(elb_status: u16) -> AccessRecord {
    AccessRecord {
        elb_status,
        ..access_log::tests::example()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_says_how_much_it_left_out() {
        let trace = Trace::default();
        assert!(!trace.is_heard());
        let recorder = Rc::new(RefCell::new(Recorder::new(2)));
        trace.attach(recorder.clone());
        let node = Name::new("user").unwrap();
        for name in ["a", "b", "c"] {
            let name = name.to_owned();
            trace.fact(Instant::ZERO, &node, Fact::LookupSent { name });
        }
        assert_eq!(recorder.borrow().events.len(), 2);
        assert_eq!(recorder.borrow().left_out, 1);
    }
}
