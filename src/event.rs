//! The trace: what happened, where, when and why. Packets that pass a tap, packets that were dropped and their
//! cause, secrets, and facts from the programs on the nodes. Events stream to sinks in the order in which they
//! happened; nothing here prints or judges.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use crate::name::Name;
use crate::time::{Instant, UnixSeconds};

mod attack;

pub use attack::{Attack, Deed, Recovery};

mod agreement;
mod defect;
mod pre_master;

pub use agreement::KeyAgreement;
pub use defect::CertificateDefect;
pub use pre_master::{PreMaster, WriteKeys};

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

/// Why a packet went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// A link lost it at random.
    Loss,
    /// A link was told to drop the packet with this number (from 1) of those that matched.
    DropNth(u64),
    /// The queue before a link of limited rate was full.
    QueueFull,
    /// Larger than the link's MTU, and marked not to be fragmented (or fragments are not made here).
    TooBig,
    /// Its time to live ended at a router.
    TimeToLive,
    /// A router knows no way to its destination.
    NoRoute,
    /// It reached a node that does not have its destination address.
    NotForUs,
    /// A listener's queue of connections was full.
    Backlog,
    /// Not an IP packet that can be read.
    Malformed,
    /// A duplicate acknowledgment that would disarm the retransmission of a FIN in the stack; see `stack/`.
    FinGuard,
    /// A RST whose sequence number is outside the window: the connection does not notice (RFC 9293 §3.10.7.4).
    OutsideWindow,
    /// A RST whose sequence number is inside the window, and not the next one: answered with a challenge ACK, and not
    /// believed (RFC 5961 §3.2).
    Challenged,
}

impl DropCause {
    /// Whether the packet arrived, and the receiving stack put it aside.
    #[must_use]
    pub const fn arrived(self) -> bool {
        matches!(
            self,
            Self::FinGuard | Self::OutsideWindow | Self::Challenged
        )
    }
}

impl DropCause {
    /// A stable short word, as in the JSON report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::DropNth(_) => "drop-nth",
            Self::QueueFull => "queue-full",
            Self::TooBig => "too-big",
            Self::TimeToLive => "time-to-live",
            Self::NoRoute => "no-route",
            Self::NotForUs => "not-for-us",
            Self::Backlog => "backlog",
            Self::Malformed => "malformed",
            Self::FinGuard => "fin-guard",
            Self::OutsideWindow => "outside-window",
            Self::Challenged => "challenged",
        }
    }
}

impl fmt::Display for DropCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss => f.write_str("lost at random on the link"),
            Self::DropNth(n) => write!(f, "dropped by the lab: number {n} of those that match"),
            Self::QueueFull => f.write_str("the queue before the link was full"),
            Self::TooBig => f.write_str("larger than the link's MTU"),
            Self::TimeToLive => f.write_str("its time to live ended"),
            Self::NoRoute => f.write_str("no route to its destination"),
            Self::NotForUs => f.write_str("its destination is not an address of this node"),
            Self::Backlog => f.write_str("the listener's backlog was full"),
            Self::Malformed => f.write_str("not a readable IP packet"),
            Self::FinGuard => f.write_str("held back so that a lost FIN is sent again"),
            Self::OutsideWindow => f.write_str("a RST outside the window: ignored"),
            Self::Challenged => f.write_str(
                "a RST inside the window, with another number than the next: challenged",
            ),
        }
    }
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

/// Why a client and a server could not agree on TLS, as their hellos have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// On what: "version", "suite" or "group".
    pub what: &'static str,
    /// What the client offers.
    pub offered: Vec<String>,
    /// What the server accepts: any of these would have worked.
    pub accepted: Vec<String>,
    /// What both have, and no engine here speaks: a real server would have gone on.
    pub unspoken: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no {} in common: the client offers {}; the server accepts {}",
            self.what,
            self.offered.join(", "),
            self.accepted.join(", ")
        )?;
        if !self.unspoken.is_empty() {
            let both = self.unspoken.join(", ");
            write!(f, "; {both} would do, but is not spoken here")?;
        }
        Ok(())
    }
}

/// How a TLS handshake went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HandshakeKind {
    /// With certificate and key agreement, at the first try.
    #[default]
    Full,
    /// The same after a HelloRetryRequest (RFC 8446 §4.1.4).
    Retried,
    /// A session came back: without certificate.
    Resumed,
}

impl HandshakeKind {
    /// All, with their words in lab files.
    pub const WORDS: [(&str, Self); 3] = [
        ("full", Self::Full),
        ("retried", Self::Retried),
        ("resumed", Self::Resumed),
    ];

    /// Its word in lab files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

/// What a certificate says, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Common name of the subject.
    pub subject: String,
    /// Common name of the issuer.
    pub issuer: String,
    /// Subject alternative names of type dNSName.
    pub names: Vec<String>,
    /// First moment of validity.
    pub not_before: UnixSeconds,
    /// Last moment of validity.
    pub not_after: UnixSeconds,
    /// The key, as in "P-256".
    pub key: String,
    /// Size of the DER encoding in bytes.
    pub bytes: usize,
}

/// Something a program on a node did or learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A name was asked for.
    LookupSent {
        /// The name.
        name: String,
    },
    /// The answer came.
    LookupAnswered {
        /// The name.
        name: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// No usable answer came.
    LookupFailed {
        /// The name.
        name: String,
        /// Why.
        error: String,
    },
    /// A TCP connection was asked for: the SYN leaves now.
    Connecting(Flow),
    /// The three-way handshake is complete at this end.
    Connected(Flow),
    /// It did not come to be.
    ConnectFailed {
        /// To where.
        remote: SocketAddr,
        /// Why.
        error: String,
    },
    /// A listener accepted a connection.
    Accepted(Flow),
    /// The client's side of TLS begins: the ClientHello leaves now.
    TlsStarted {
        /// On which connection.
        flow: Flow,
        /// The name in the SNI extension.
        server_name: String,
    },
    /// A key exchange is complete at this end. Only where the seed rules.
    KeysAgreed {
        /// On which connection.
        flow: Flow,
        /// What was agreed.
        agreement: KeyAgreement,
    },
    /// An RSA key exchange is complete at this end.
    PreMasterAgreed {
        /// On which connection.
        flow: Flow,
        /// What was agreed.
        agreed: Box<PreMaster>,
    },
    /// The handshake is over at this end: Finished sent (client, TLS 1.3), Finished received (else).
    TlsEstablished {
        /// On which connection.
        flow: Flow,
        /// As in "TLS 1.3".
        version: String,
        /// As in "TLS_AES_128_GCM_SHA256".
        suite: String,
        /// As in "X25519".
        group: Option<String>,
        /// As in "http/1.1".
        alpn: Option<String>,
        /// How it went.
        handshake: HandshakeKind,
    },
    /// The handshake failed.
    TlsFailed {
        /// On which connection.
        flow: Flow,
        /// Why.
        error: String,
    },
    /// The server found nothing to agree on in the ClientHello.
    TlsMismatch {
        /// On which connection.
        flow: Flow,
        /// Why.
        mismatch: Mismatch,
    },
    /// The client accepted the server's chain: name, dates, issuer and chain.
    CertificateAccepted {
        /// On which connection.
        flow: Flow,
        /// For which name.
        server_name: String,
        /// At which date.
        date: UnixSeconds,
        /// What the server sent, leaf first.
        chain: Vec<CertificateFacts>,
        /// Common name of the trust anchor that ends the chain.
        anchor: String,
    },
    /// The client refused the chain.
    CertificateRefused {
        /// On which connection.
        flow: Flow,
        /// For which name.
        server_name: String,
        /// What is wrong with it.
        defect: CertificateDefect,
        /// Why, in words.
        error: String,
        /// What the server sent, leaf first.
        chain: Vec<CertificateFacts>,
    },
    /// A server that asks for client certificates accepted one (mutual TLS).
    ClientCertificateAccepted {
        /// On which connection.
        flow: Flow,
        /// What the client sent, leaf first.
        chain: Vec<CertificateFacts>,
    },
    /// It refused one.
    ClientCertificateRefused {
        /// On which connection.
        flow: Flow,
        /// Why.
        error: String,
        /// What the client sent, leaf first.
        chain: Vec<CertificateFacts>,
    },
    /// A listener has another certificate, for the connections to come.
    CertificateRenewed {
        /// The listener's port.
        port: u16,
        /// The new one.
        certificate: CertificateFacts,
    },
    /// An HTTP request left.
    RequestSent {
        /// On which connection.
        flow: Flow,
        /// HTTP/2: on which stream of it, where the program knows.
        stream: Option<u32>,
        /// As in "GET".
        method: String,
        /// As in "/notification/health/check".
        target: String,
    },
    /// An HTTP request came in, whole head.
    RequestReceived {
        /// On which connection.
        flow: Flow,
        /// As in "GET".
        method: String,
        /// As in "/notification/health/check".
        target: String,
        /// Name and value, in order.
        headers: Vec<(String, String)>,
    },
    /// The load balancer chose a target.
    TargetChosen {
        /// Its target group.
        group: String,
        /// The node.
        target: Name,
        /// Where it is registered.
        address: SocketAddr,
        /// Why this one, as in "healthy, round robin, 1 of 2".
        reason: String,
    },
    /// An HTTP response left.
    ResponseSent {
        /// On which connection.
        flow: Flow,
        /// As in 200.
        status: u16,
        /// Body bytes, when known.
        bytes: Option<u64>,
    },
    /// An HTTP response came in. With `whole`, the body too.
    ResponseReceived {
        /// On which connection.
        flow: Flow,
        /// HTTP/2: on which stream of it, where the program knows.
        stream: Option<u32>,
        /// As in 200.
        status: u16,
        /// Body bytes.
        bytes: u64,
    },
    /// A connection was closed from this end: a FIN leaves once all data has.
    Closed(Flow),
    /// A real program was started.
    ProgramStarted {
        /// Program and arguments.
        command: String,
    },
    /// A real program ended.
    ProgramEnded {
        /// Program and arguments.
        command: String,
        /// As in "exit code 0" or "signal 9".
        status: String,
        /// Its exit code, when it ended by itself.
        code: Option<i32>,
        /// What it printed, up to 64 KiB.
        output: String,
        /// What it printed to its error output, up to 64 KiB.
        errors: String,
    },
    /// Somebody in the middle took a connection in and opened another one to its server, in the client's name.
    Intercepted {
        /// With the client: local is the server's address.
        client: Flow,
        /// With the server: local is the client's address.
        server: Flow,
    },
    /// An attacker did something to a connection.
    Attacked(Attack),
    /// What an attacker could make of a connection that passed.
    Overheard {
        /// The client's connection, local being the client.
        flow: Flow,
        /// What was readable, piece by piece.
        readable: Vec<String>,
        /// Encrypted records that could not be opened.
        sealed_records: u64,
        /// Bytes of their fragments.
        sealed_bytes: u64,
        /// Bytes that were readable beyond what was kept.
        left_out: u64,
    },
    /// An attacker could read a recorded connection.
    Recovered {
        /// The connection, local being the client.
        flow: Flow,
        /// What it found.
        recovery: Box<Recovery>,
    },
    /// An attacker could not read a recorded connection.
    NotRecovered {
        /// The connection, local being the client.
        flow: Flow,
        /// Why.
        error: String,
    },
    /// A step of the scenario failed.
    StepFailed {
        /// Why.
        error: String,
    },
}

impl Fact {
    /// Why something failed, in words, for the facts that tell a failure.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::LookupFailed { error, .. }
            | Self::ConnectFailed { error, .. }
            | Self::TlsFailed { error, .. }
            | Self::CertificateRefused { error, .. }
            | Self::ClientCertificateRefused { error, .. }
            | Self::StepFailed { error } => Some(error),
            Self::LookupSent { .. }
            | Self::LookupAnswered { .. }
            | Self::Connecting(_)
            | Self::Connected(_)
            | Self::Accepted(_)
            | Self::TlsStarted { .. }
            | Self::KeysAgreed { .. }
            | Self::PreMasterAgreed { .. }
            | Self::TlsEstablished { .. }
            | Self::TlsMismatch { .. }
            | Self::CertificateAccepted { .. }
            | Self::CertificateRenewed { .. }
            | Self::ClientCertificateAccepted { .. }
            | Self::RequestSent { .. }
            | Self::RequestReceived { .. }
            | Self::TargetChosen { .. }
            | Self::ResponseSent { .. }
            | Self::ResponseReceived { .. }
            | Self::ProgramStarted { .. }
            | Self::ProgramEnded { .. }
            | Self::Intercepted { .. }
            | Self::Attacked(_)
            | Self::Recovered { .. }
            | Self::NotRecovered { .. }
            | Self::Overheard { .. }
            | Self::Closed(_) => None,
        }
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
        /// On which link, when it was a link.
        link: Option<Name>,
        /// The packet itself.
        bytes: Vec<u8>,
    },
    /// A TLS secret came to be: one line of the NSS key log format (RFC 9850), without line end.
    Secret(String),
    /// A program did or learnt something.
    Fact(Fact),
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
