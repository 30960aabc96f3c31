//! What a lab file says about attackers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::event::{Direction, TapId};
use crate::tls::config::{ClientTls, ServerTls};

/// A program in the middle of other nodes' connections, to which routers hand flows.
#[derive(Debug, Clone)]
pub struct Interceptor {
    /// The servers' ports, as the routers' rules name them.
    pub ports: Vec<u16>,
    /// What it does with what passes.
    pub manner: Manner,
}

/// What an interceptor does with what passes.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Passes everything on as it is.
    Relay,
    /// Ends TLS itself, with a certificate of its own, and speaks TLS with the server as a client.
    Terminate(Box<Terminate>),
    /// Flips one bit of a record.
    Flip {
        /// Which record.
        record: RecordChoice,
        /// Which bit of its fragment, from 0, the first byte's highest first.
        bit: u64,
    },
    /// Sends a record twice.
    Replay {
        /// Which record.
        record: RecordChoice,
        /// How long after the first time.
        after: Duration,
    },
    /// Takes TLS 1.3 out of the versions that a ClientHello offers.
    StripVersion,
    /// Ends the connection, by FIN, behind a record.
    Truncate(RecordChoice),
}

/// Both sides of an interceptor that ends TLS.
#[derive(Debug, Clone)]
pub struct Terminate {
    /// Towards the client.
    pub server: ServerTls,
    /// Towards the server.
    pub client: ClientTls,
    /// The name it asks the server for.
    pub server_name: String,
}

/// A record, as somebody without the keys can choose one: by counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordChoice {
    /// Who sends it.
    pub from: Side,
    /// Its number, from 1, among those that say they are application data. In TLS 1.3 these are all encrypted ones,
    /// those of the handshake included (RFC 8446 §5.2).
    pub number: u64,
}

/// A program beside other nodes' connections, that records and sends what it likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attacker {
    /// Where it listens.
    pub taps: Vec<(TapId, Direction)>,
}

/// Something an attacker beside the path can be told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Sends a RST to one side in the other's name.
    Reset {
        /// Whose connection: the last one that was recorded.
        victim: Victim,
        /// To which side.
        to: Side,
        /// Its sequence number.
        guess: Guess,
    },
    /// Sends everything that the client sent again, on a connection of its own.
    ReplayHello(Victim),
    /// Fills a listener's SYN queue.
    SynFlood(SynFlood),
    /// Gets a key of a server's, and tries to read all recorded connections with it.
    StealKey {
        /// Whose connections.
        victim: Victim,
        /// The server's certificate, by name.
        certificate: String,
        /// Which of its keys.
        stolen: Stolen,
    },
}

/// Many SYNs in others' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynFlood {
    /// The listener.
    pub to: SocketAddr,
    /// The range that its source addresses are drawn from: network and prefix.
    pub sources: (Ipv4Addr, u8),
    /// How many, at least one.
    pub syns: u32,
    /// Evenly over so long.
    pub over: Duration,
}

/// A key that a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stolen {
    /// The private key of its certificate.
    PrivateKey,
    /// The key that it seals session tickets with.
    TicketKey,
}

/// The sequence number of a forged segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// Far from the right one, as of somebody who does not listen.
    Blind,
    /// So many bytes beyond the right one, inside the receiver's window.
    InWindow(u32),
    /// The right one.
    Exact,
}

/// Connections that an attack is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim {
    /// The client's addresses.
    pub client: Vec<IpAddr>,
    /// The server's.
    pub server: Vec<IpAddr>,
    /// The server's port.
    pub port: u16,
    /// The server by its name, and the port, as in `alb:443`.
    pub listener: String,
}

impl Victim {
    /// Whether a connection between these ends is one of them.
    #[must_use]
    pub fn is(&self, client: SocketAddr, server: SocketAddr) -> bool {
        self.client.contains(&client.ip())
            && self.server.contains(&server.ip())
            && server.port() == self.port
    }
}

/// A side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The one that opened it.
    Client,
    /// The other.
    Server,
}

impl Side {
    /// As in "client".
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}
