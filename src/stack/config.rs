//! What a stack is made of, and how its connections behave. Data only.

use std::net::IpAddr;
use std::time::Duration;

use super::Pool;
use crate::rng::Stream;
use crate::time::Clock;

/// How connections of a stack behave. Buffers are fixed for a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpOptions {
    /// Bytes of the receive buffer; the largest window offered.
    pub receive_buffer: usize,
    /// Bytes of the send buffer.
    pub send_buffer: usize,
    /// TCP_NODELAY: every write is sent at once.
    pub nodelay: bool,
    /// How long an acknowledgment may wait for data to go with it; `None` acknowledges at once.
    pub ack_delay: Option<Duration>,
    /// After this long without any acknowledgment the connection is given up.
    pub give_up: Duration,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            receive_buffer: 65_535,
            send_buffer: 65_535,
            nodelay: true,
            ack_delay: Some(Duration::from_millis(40)),
            // SYNs at 0, 1, 3, 7, 15, 31, 63 s, and an end at 127 s, as Linux (tcp_syn_retries 6).
            give_up: Duration::from_secs(127),
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
    pub tcp: TcpOptions,
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
