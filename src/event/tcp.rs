//! What a TCP stack did by itself, which the packets alone do not explain.

use std::fmt;

/// Something that a stack did with a connection, not a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpDeed {
    /// The SYN queue was full: the SYN-ACK carries a cookie, and nothing is remembered (RFC 4987 §3.6).
    CookieSent {
        /// The segment size that the cookie tells.
        mss: u16,
    },
    /// An ACK brought a cookie back: the connection is open.
    CookieAccepted {
        /// The segment size that the cookie told.
        mss: u16,
    },
    /// Nobody answered the SYN-ACKs: the half-open connection is forgotten.
    HalfOpenForgotten,
    /// The program closed the connection with data unread: RST and no FIN (RFC 1122 §4.2.2.13).
    ClosedUnread {
        /// Bytes that had arrived and were not read.
        bytes: usize,
    },
    /// Data came after the program had closed the connection: RST (RFC 1122 §4.2.2.13).
    DataAfterClose {
        /// Bytes of the segment.
        bytes: usize,
    },
    /// The peer answered no keep-alive probe: the connection is broken off (RFC 9293 §3.8.4).
    KeepAliveFailed {
        /// How many.
        probes: u32,
    },
    /// A SYN opened a connection with the addresses and ports of one in TIME-WAIT (RFC 9293 §3.10.7.4).
    TimeWaitReused,
    /// A connection could not be opened: every local port is taken towards this destination (EADDRNOTAVAIL).
    PortsExhausted,
    /// A router has no room for packets of the connection as they are: they become smaller, and what was on its way is
    /// sent again (RFC 1191 §6).
    PathMtu {
        /// What there is room for, in bytes of IP packet.
        mtu: usize,
    },
}

impl TcpDeed {
    /// A stable word, as in the JSON report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CookieSent { .. } => "syn-cookie-sent",
            Self::CookieAccepted { .. } => "syn-cookie-accepted",
            Self::HalfOpenForgotten => "half-open-forgotten",
            Self::ClosedUnread { .. } => "closed-unread",
            Self::DataAfterClose { .. } => "data-after-close",
            Self::KeepAliveFailed { .. } => "keep-alive-failed",
            Self::TimeWaitReused => "time-wait-reused",
            Self::PortsExhausted => "ports-exhausted",
            Self::PathMtu { .. } => "path-mtu",
        }
    }
}

impl fmt::Display for TcpDeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CookieSent { mss } => write!(
                f,
                "the SYN queue is full: the SYN is answered with a cookie for segments of {mss} bytes"
            ),
            Self::CookieAccepted { mss } => write!(
                f,
                "a SYN cookie came back: the connection is open, with segments of {mss} bytes"
            ),
            Self::HalfOpenForgotten => {
                f.write_str("nobody answered the SYN-ACKs: the half-open connection is forgotten")
            }
            Self::ClosedUnread { bytes } => {
                write!(f, "closed with {bytes} bytes unread: no FIN is sent")
            }
            Self::DataAfterClose { bytes } => write!(
                f,
                "{bytes} bytes came for a closed connection: the peer is told by RST"
            ),
            Self::KeepAliveFailed { probes } => {
                write!(f, "{probes} keep-alive probes were not answered")
            }
            Self::TimeWaitReused => {
                f.write_str("a SYN with newer numbers ends TIME-WAIT and opens the connection anew")
            }
            Self::PortsExhausted => {
                f.write_str("no local port is free towards this destination: nothing is sent")
            }
            Self::PathMtu { mtu } => write!(
                f,
                "an ICMP error says that the path carries packets of {mtu} bytes: smaller ones from now on"
            ),
        }
    }
}
