//! What a stack is made of, and how its connections behave. Data only.

use std::net::IpAddr;
use std::time::Duration;

use super::Pool;
use crate::rng::Stream;
use crate::time::Clock;

/// How TCP behaves on a node: what Linux calls socket options, and what it calls sysctls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tcp {
    /// Of each connection.
    pub options: TcpOptions,
    /// Of the node.
    pub limits: TcpLimits,
}

/// How connections of a stack behave. Buffers are fixed for a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpOptions {
    /// Bytes of the receive buffer; the largest window offered (Linux: SO_RCVBUF, net.ipv4.tcp_rmem).
    pub receive_buffer: usize,
    /// Bytes of the send buffer (Linux: SO_SNDBUF, net.ipv4.tcp_wmem).
    pub send_buffer: usize,
    /// TCP_NODELAY: every write is sent at once. Without it a piece smaller than a segment waits while anything is
    /// unacknowledged (Nagle; RFC 9293 §3.7.4).
    pub nodelay: bool,
    /// How long an acknowledgment may wait for data to go with it; `None` acknowledges at once (RFC 9293 §3.8.6.3).
    /// Linux begins at 40 ms, TCP_DELACK_MIN.
    pub ack_delay: Option<Duration>,
    /// Probes on an idle connection (SO_KEEPALIVE); off by default, as RFC 9293 §3.8.4 demands.
    pub keep_alive: Option<KeepAlive>,
    /// After this long without any acknowledgment an open connection is given up (TCP_USER_TIMEOUT, RFC 5482).
    pub user_timeout: Duration,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            receive_buffer: 65_535,
            send_buffer: 65_535,
            nodelay: true,
            ack_delay: Some(Duration::from_millis(40)),
            keep_alive: None,
            user_timeout: Duration::from_secs(127),
        }
    }
}

/// Keep-alive probes (RFC 9293 §3.8.4). The defaults are Linux's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe (TCP_KEEPIDLE, net.ipv4.tcp_keepalive_time).
    pub idle: Duration,
    /// Between probes that nobody answers (TCP_KEEPINTVL, net.ipv4.tcp_keepalive_intvl).
    pub interval: Duration,
    /// After this many the connection is broken off (TCP_KEEPCNT, net.ipv4.tcp_keepalive_probes).
    pub count: u32,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(7_200),
            interval: Duration::from_secs(75),
            count: 9,
        }
    }
}

/// What holds for all connections of a node. The defaults are Linux's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpLimits {
    /// Half-open connections of one listener, at most (net.ipv4.tcp_max_syn_backlog); never more than its backlog.
    pub syn_backlog: usize,
    /// Open connections of one listener that nobody has accepted: the most that a program may ask for
    /// (net.core.somaxconn). As in Linux one more than the backlog fits.
    pub accept_backlog: usize,
    /// Whether a SYN over the SYN backlog is answered with a SYN cookie, and not dropped (net.ipv4.tcp_syncookies).
    pub syn_cookies: bool,
    /// How often a SYN is sent again (net.ipv4.tcp_syn_retries): with 6 at 1, 3, 7, 15, 31 and 63 s, and the attempt is
    /// given up at 127 s.
    pub syn_retries: u32,
    /// How often a SYN-ACK is sent again (net.ipv4.tcp_synack_retries): with 5 at 1, 3, 7, 15 and 31 s, and the half-open
    /// connection is forgotten at 63 s.
    pub synack_retries: u32,
    /// First and last port of outgoing connections (net.ipv4.ip_local_port_range). `None`: 32769 to 65535, beginning
    /// with 49152.
    pub ports: Option<(u16, u16)>,
    /// How long the side that closed first keeps a connection's addresses and ports (TCP_TIMEWAIT_LEN; twice the
    /// maximum segment lifetime, RFC 9293 §3.4.2).
    pub time_wait: Duration,
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self {
            syn_backlog: 4_096,
            accept_backlog: 4_096,
            syn_cookies: true,
            syn_retries: 6,
            synack_retries: 5,
            ports: None,
            time_wait: Duration::from_secs(60),
        }
    }
}

/// A NIC of a stack.
#[derive(Debug, Clone)]
pub struct NicConfig {
    /// Its address.
    pub address: IpAddr,
    /// Largest IP packet, in bytes.
    pub mtu: usize,
    /// Destinations reached through it: address, prefix length. The longest prefix over all NICs wins.
    pub routes: Vec<(IpAddr, u8)>,
    /// Whether it takes in packets to any address, as if it were its own, and sends from any: for a node in the middle
    /// of other nodes' connections (Linux: IP_TRANSPARENT).
    pub transparent: bool,
}

/// What a stack is made of.
pub struct StackConfig {
    /// Its NICs.
    pub nics: Vec<NicConfig>,
    /// How its connections behave, unless a listener or connector says otherwise.
    pub tcp: Tcp,
    /// Whether TCP and UDP checksums are computed and checked. Off only where nobody looks at the packets.
    pub checksums: bool,
    /// Whether both are left to the devices: transport checksums, and cutting large IPv4 packets of TCP into segments.
    pub offload: bool,
    /// Where initial sequence numbers come from.
    pub rng: Stream,
    /// The lab clock.
    pub clock: Clock,
    /// Packet buffers, shared by the stacks of a world.
    pub pool: Pool,
}
