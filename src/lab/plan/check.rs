//! What must hold of a run: an expectation, in words and for the machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{
    Acceptance, BalancingCheck, Count, KeysCheck, Milestone, PreMasterCheck, Span, TlsCheck,
};
use crate::dissect::filter::Filter;
use crate::event::{CertificateDefect, Transport};
use crate::name::Name;

/// An expectation: what must hold, in words and for the machine.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// In words.
    pub that: String,
    /// For the machine.
    pub check: Check,
}

/// Which TCP connection is meant: "user -> alb:443".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The initiating node.
    pub from: Name,
    /// The node connected to.
    pub to: Name,
    /// The port connected to, on any address of that node.
    pub port: u16,
    /// Which of them, from 1, in order of their SYNs.
    pub nth: usize,
}

/// Who looks at packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Somebody with the run's TLS secrets.
    KeyHolder,
    /// Somebody on the path, without them.
    Observer,
}

/// What the machine checks. One family a file in `expect/`.
#[derive(Debug, Clone)]
pub enum Check {
    /// A three-way handshake, complete, of three packets; with its round trip.
    Handshake {
        /// Which connection.
        connection: Connection,
        /// From SYN sent to SYN-ACK received, exactly.
        round_trip: Option<Duration>,
    },
    /// A connection was closed by FIN from both sides, without RST and without retransmission.
    OrderlyClose {
        /// Which connection.
        connection: Connection,
    },
    /// Something about TLS on a connection.
    Tls {
        /// Which connection.
        connection: Connection,
        /// What.
        check: TlsCheck,
    },
    /// Something about the keys of a TLS connection.
    Keys {
        /// Which connection.
        connection: Connection,
        /// What.
        check: KeysCheck,
    },
    /// Something about the RSA key exchange on a connection.
    PreMaster {
        /// Which connection.
        connection: Connection,
        /// What.
        check: PreMasterCheck,
    },
    /// The client accepted the server's certificate chain.
    CertificateAccepted {
        /// The client's node.
        node: Name,
        /// For which name.
        server_name: String,
        /// Which of its judgements on that name, from 1.
        nth: usize,
        /// What else must be so.
        by: Acceptance,
    },
    /// The client refused the server's certificate chain.
    CertificateRefused {
        /// The client's node.
        node: Name,
        /// For which name.
        server_name: String,
        /// Which of its judgements on that name, from 1.
        nth: usize,
        /// What is wrong with it.
        because: CertificateDefect,
    },
    /// A request header that reached an application, exactly or (`None`) with any value.
    HeaderAtApp {
        /// Nodes, of which the one that served must have seen it.
        node: Option<Name>,
        /// Header name, any case.
        header: String,
        /// Its value.
        value: Option<String>,
    },
    /// The status of a response that a client got.
    Status {
        /// The client's node.
        node: Name,
        /// As in 200.
        status: u16,
        /// Which of its responses, from 1.
        nth: usize,
    },
    /// How many responses with a status a client got.
    Statuses {
        /// The client's node.
        node: Name,
        /// As in 200.
        status: u16,
        /// How many.
        count: Count,
    },
    /// What a response to a client says, or how long it took.
    Response {
        /// The client's node.
        node: Name,
        /// Which of its responses, from 1.
        nth: usize,
        /// What.
        check: ResponseCheck,
    },
    /// How many requests reached a node.
    Requests {
        /// The node.
        node: Name,
        /// Of this path only, without query.
        path: Option<String>,
        /// How many.
        count: Count,
    },
    /// How a WebSocket went at a client.
    WebSocket {
        /// The client's node.
        node: Name,
        /// How many messages came in.
        messages: Option<Count>,
        /// The code with which it ended.
        closed: Option<u16>,
    },
    /// How many connections were opened.
    Connections {
        /// From where to where.
        connection: Connection,
        /// How many.
        count: Count,
    },
    /// A milestone, exactly at a time.
    At {
        /// Which one.
        milestone: Milestone,
        /// When.
        at: Duration,
    },
    /// The time between two milestones, exactly.
    Phase {
        /// From.
        from: Milestone,
        /// To.
        to: Milestone,
        /// How long.
        takes: Duration,
    },
    /// The number of packets a filter selects at a link or in the main capture.
    Packets {
        /// A link or tap; `None` is the main capture.
        on: Option<Name>,
        /// Who looks.
        viewer: Viewer,
        /// The display filter.
        filter: PacketFilter,
        /// Sent, or seen at the tap, in this part of the run.
        span: Span,
        /// How many.
        count: Count,
    },
    /// Whether a text stands in the bytes of any packet on a link, without decryption.
    Readable {
        /// Which link or tap.
        on: Name,
        /// The text.
        text: String,
        /// Whether it should be found.
        readable: bool,
    },
    /// A node saw no packet from or to an address.
    NeverSees {
        /// Which node.
        node: Name,
        /// Which address.
        address: IpAddr,
    },
    /// Something that a load balancer decided.
    Balancing {
        /// Its node.
        node: Name,
        /// What.
        check: BalancingCheck,
    },
    /// The load balancer forwarded to this target.
    Target {
        /// Its node.
        node: Name,
        /// Where it is registered.
        address: Option<SocketAddr>,
    },
    /// An attacker did something.
    Attacked {
        /// Its node.
        node: Name,
        /// The word for what it did: see [`crate::event::Deed::word`].
        deed: String,
    },
    /// Whether an attacker could read a text.
    Overheard {
        /// Its node.
        node: Name,
        /// The text.
        text: String,
        /// Whether it could.
        readable: bool,
    },
    /// What became of an attacker's attempt to read a recorded connection.
    Recovered {
        /// Its node.
        node: Name,
        /// Which connection.
        connection: Connection,
        /// How it went.
        outcome: Outcome,
    },
    /// Whether something of the plan's [`WhoReads`](super::WhoReads) can be read on a link.
    Reads {
        /// What: see [`ReadItem::what`](super::ReadItem::what).
        what: String,
        /// On which link or tap.
        on: Name,
        /// By whom.
        viewer: Viewer,
        /// Whether it can.
        readable: bool,
    },
    /// An entry of a load balancer's log, or how many there are.
    Logged {
        /// Its node.
        node: Name,
        /// Which log.
        log: Log,
        /// Which entries.
        entries: Entries,
        /// Fields by their keys in lab files, and what they must say.
        fields: Vec<(&'static str, String)>,
    },
    /// Packets were dropped.
    Dropped(Dropped),
    /// What echo requests of a client came to.
    Ping {
        /// The client's node.
        node: Name,
        /// Which of its pings (to that host, where one is said), from 1.
        nth: usize,
        /// What.
        check: PingCheck,
    },
    /// Something about a look-up at a client, or about an answer of a DNS server.
    Dns {
        /// The node.
        node: Name,
        /// The name that is asked for.
        name: String,
        /// Which of its look-ups or answers of that name, from 1.
        nth: usize,
        /// What.
        check: DnsCheck,
    },
    /// A node's step failed.
    Failed {
        /// The node.
        node: Name,
        /// A text in the reason.
        error: String,
    },
    /// A real program ended as it should.
    Program {
        /// Its node.
        node: Name,
        /// Its exit code.
        exit: Option<i32>,
        /// A text in its output.
        output: Option<String>,
    },
    /// Nothing was dropped, retransmitted or reset in the whole run.
    Clean,
}

/// Packets that were dropped; what is not said may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// On which node.
    pub at: Option<Name>,
    /// Why: see [`crate::event::DropCause::word`].
    pub by: Option<String>,
    /// The node that has the packet's source address.
    pub from: Option<Name>,
    /// The node that has its destination address.
    pub to: Option<Name>,
    /// How many.
    pub count: Count,
}

/// What is checked of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseCheck {
    /// It has this header, with this value or any.
    Header(String, Option<String>),
    /// It has no such header.
    NoHeader(String),
    /// Over HTTP/2: it has this trailer, with this value or any.
    Trailer(String, Option<String>),
    /// It ends a gRPC call with this status, behind the message or in its place.
    GrpcStatus(u8),
    /// This text stands in the first KiB of its body.
    Body(String),
    /// It was whole this long after its request had left, exactly.
    After(Duration),
}

/// How an attempt to read a recorded connection went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was read, as the two sides had it, and this text is in it.
    Text(String),
    /// Nothing was read, for a reason that says this.
    Fails(String),
}

/// What a look-up or an answer should be: whatever is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsCheck {
    /// The type of records, as in "A"; for servers.
    pub kind: Option<String>,
    /// The addresses at a client, or the data of the answer section at a server, in this order.
    pub answer: Option<Vec<String>>,
    /// There is no answer, for a reason that says this.
    pub fails: Option<String>,
    /// How long it takes, exactly.
    pub takes: Option<Duration>,
    /// Whether it was known without asking.
    pub from_cache: Option<bool>,
    /// What carried the last question.
    pub by: Option<Transport>,
}

/// What echo requests should come to: whatever is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PingCheck {
    /// To whom they are.
    pub to: Option<IpAddr>,
    /// How many left.
    pub sent: Option<u64>,
    /// How many were answered.
    pub received: Option<u64>,
    /// Of how many somebody said what was wrong.
    pub errors: Option<u64>,
    /// What was said each time.
    pub error: Option<String>,
    /// How long each answer took, exactly.
    pub round_trip: Option<Duration>,
}

/// A display filter, as written and as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketFilter {
    /// As written.
    pub text: String,
    /// As read.
    pub filter: Filter,
}

impl Check {
    /// Whether it is judged by packets, and not by events alone.
    #[must_use]
    pub const fn needs_packets(&self) -> bool {
        match self {
            Self::Handshake { .. }
            | Self::OrderlyClose { .. }
            | Self::Tls { .. }
            | Self::Keys { .. }
            | Self::PreMaster { .. }
            | Self::Packets { .. }
            | Self::Connections { .. }
            | Self::Readable { .. }
            | Self::NeverSees { .. }
            | Self::Attacked { .. }
            | Self::Reads { .. }
            | Self::Recovered { .. }
            | Self::Clean => true,
            Self::CertificateAccepted { .. }
            | Self::CertificateRefused { .. }
            | Self::HeaderAtApp { .. }
            | Self::Status { .. }
            | Self::Statuses { .. }
            | Self::Response { .. }
            | Self::Requests { .. }
            | Self::WebSocket { .. }
            | Self::At { .. }
            | Self::Phase { .. }
            | Self::Target { .. }
            | Self::Balancing { .. }
            | Self::Overheard { .. }
            | Self::Dropped(_)
            | Self::Ping { .. }
            | Self::Dns { .. }
            | Self::Failed { .. }
            | Self::Logged { .. }
            | Self::Program { .. } => false,
        }
    }
}

/// A log of a load balancer, or of network interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Of requests.
    Access,
    /// Of connections.
    Connection,
    /// Of flows.
    Flow,
}

/// Entries of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// This one, from 1.
    Nth(usize),
    /// So many say the same.
    Count(u64),
}
