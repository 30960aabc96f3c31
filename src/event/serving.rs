//! What happens between a load balancer and its clients, beside requests and responses.

use std::net::SocketAddr;
use std::time::Duration;

use super::Flow;
use crate::name::Name;

/// Something a load balancer did to a client's connection, or learnt of it; or kept from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serving {
    /// A request was answered without asking a target: it was not one, or not one for a target.
    Refused {
        /// On which connection.
        flow: Flow,
        /// As in 400.
        status: u16,
        /// Why, as in "the request line is longer than 16 KiB".
        why: String,
    },
    /// A request is not as RFC 9112 asks for.
    Desync {
        /// On which connection.
        flow: Flow,
        /// As in "Ambiguous".
        class: &'static str,
        /// As in "BothTeClPresent".
        reason: &'static str,
        /// What is done about it, as in "both connections are closed after it".
        done: &'static str,
    },
    /// The client went away while its request was under way.
    ClientGone {
        /// On which connection.
        flow: Flow,
    },
    /// Nothing moved on a connection for the idle timeout: it is closed.
    IdleTimeout {
        /// On which connection.
        flow: Flow,
        /// The idle timeout.
        after: Duration,
    },
    /// A connection has been open for the client keep-alive duration, or for as many requests as it may: this request
    /// is its last.
    LastRequest {
        /// On which connection.
        flow: Flow,
        /// Which limit.
        limit: String,
    },
    /// The deregistration delay of its target is over, and a response or a WebSocket under way ends in the middle.
    Deregistered {
        /// On which connection.
        flow: Flow,
        /// The target's node.
        target: Name,
        /// Where it was registered.
        address: SocketAddr,
    },
    /// A response stopped in the middle of its body: what was passed on cannot be taken back.
    BrokenOff {
        /// On which connection, to the target.
        flow: Flow,
        /// Why, as in "no response within the idle timeout of 60 s".
        cause: String,
    },
    /// A target said something before its response that is not passed on.
    Interim {
        /// On which connection, to the target.
        flow: Flow,
        /// As in 103.
        status: u16,
    },
    /// A connection no longer speaks HTTP: its bytes go through, both ways.
    Upgraded {
        /// On which connection.
        flow: Flow,
        /// As in "websocket".
        protocol: String,
    },
}

impl Serving {
    /// On which connection.
    #[must_use]
    pub const fn flow(&self) -> Flow {
        match self {
            Self::Refused { flow, .. }
            | Self::Desync { flow, .. }
            | Self::ClientGone { flow }
            | Self::IdleTimeout { flow, .. }
            | Self::LastRequest { flow, .. }
            | Self::Deregistered { flow, .. }
            | Self::BrokenOff { flow, .. }
            | Self::Interim { flow, .. }
            | Self::Upgraded { flow, .. } => *flow,
        }
    }
}
