//! Why packets go no further.

use std::fmt;

/// Why a packet went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// A link lost it at random.
    Loss,
    /// A link was told to drop the packet with this number (from 1) of those that matched.
    DropNth(u64),
    /// The queue before a link of limited rate was full.
    QueueFull,
    /// The link was down when the packet was to enter it.
    Outage,
    /// A bit of it was flipped on the way, and the checksum of its header (at a router) or of its segment (where it
    /// arrives) told (RFC 1071).
    Checksum,
    /// Larger than the link's MTU, and marked not to be fragmented (or fragments are not made here).
    TooBig,
    /// Its time to live ended at a router.
    TimeToLive,
    /// A router knows no way to its destination.
    NoRoute,
    /// It reached a node that does not have its destination address.
    NotForUs,
    /// A listener's SYN queue was full: it held as many half-open connections as it may.
    SynQueueFull,
    /// A listener's accept queue was full: the program has not accepted the connections before this one.
    AcceptQueueFull,
    /// Not an IP packet that can be read.
    Malformed,
    /// A duplicate acknowledgment that would disarm the retransmission of a FIN in the stack; see `stack/`.
    FinGuard,
    /// A RST whose sequence number is outside the window: the connection does not notice (RFC 9293 §3.10.7.4).
    OutsideWindow,
    /// A RST whose sequence number is inside the window, and not the next one: answered with a challenge ACK, and not
    /// believed (RFC 5961 §3.2).
    Challenged,
    /// No security group of the NIC has a rule that allows it.
    SecurityGroup,
    /// A network ACL at the edge of a subnet denies it.
    NetworkAcl,
    /// A NAT gateway knows no connection, or none any more, that it belongs to.
    NatIdle,
    /// A NAT gateway had no port for another connection to its destination.
    NatPorts,
    /// A NAT gateway does not translate its protocol.
    NatUntranslated,
    /// An internet gateway has no public address for the machine, or no machine for the public address.
    NoPublicAddress,
    /// No machine is there: the one that was is off.
    HostGone,
    /// A NIC that tracks connections had no room for another one.
    TrackingFull,
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
            Self::Outage => "outage",
            Self::Checksum => "checksum",
            Self::TooBig => "too-big",
            Self::TimeToLive => "time-to-live",
            Self::NoRoute => "no-route",
            Self::NotForUs => "not-for-us",
            Self::SynQueueFull => "syn-queue-full",
            Self::AcceptQueueFull => "accept-queue-full",
            Self::Malformed => "malformed",
            Self::FinGuard => "fin-guard",
            Self::OutsideWindow => "outside-window",
            Self::Challenged => "challenged",
            Self::SecurityGroup => "security-group",
            Self::NetworkAcl => "network-acl",
            Self::NatIdle => "nat-idle",
            Self::NatPorts => "nat-ports",
            Self::NatUntranslated => "nat-untranslated",
            Self::NoPublicAddress => "no-public-address",
            Self::HostGone => "host-gone",
            Self::TrackingFull => "tracking-full",
        }
    }
}

impl fmt::Display for DropCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss => f.write_str("lost at random on the link"),
            Self::DropNth(n) => write!(f, "dropped by the lab: number {n} of those that match"),
            Self::QueueFull => f.write_str("the queue before the link was full"),
            Self::Outage => f.write_str("the link was down"),
            Self::Checksum => f.write_str("its checksum is wrong: a bit was flipped on the way"),
            Self::TooBig => f.write_str("larger than the link's MTU"),
            Self::TimeToLive => f.write_str("its time to live ended"),
            Self::NoRoute => f.write_str("no route to its destination"),
            Self::NotForUs => f.write_str("its destination is not an address of this node"),
            Self::SynQueueFull => f.write_str("the listener's SYN queue was full"),
            Self::AcceptQueueFull => f.write_str("the listener's accept queue was full"),
            Self::Malformed => f.write_str("not a readable IP packet"),
            Self::FinGuard => f.write_str("held back so that a lost FIN is sent again"),
            Self::OutsideWindow => f.write_str("a RST outside the window: ignored"),
            Self::Challenged => f.write_str(
                "a RST inside the window, with another number than the next: challenged",
            ),
            Self::SecurityGroup => f.write_str("no rule of a security group allows it"),
            Self::NetworkAcl => f.write_str("a network ACL denies it"),
            Self::NatIdle => f.write_str("the NAT gateway knows no such connection"),
            Self::NatPorts => f.write_str("the NAT gateway has no port left for its destination"),
            Self::NatUntranslated => f.write_str("the NAT gateway does not translate its protocol"),
            Self::NoPublicAddress => {
                f.write_str("the internet gateway has no address to put in place of its own")
            }
            Self::HostGone => f.write_str("no machine answers for its address"),
            Self::TrackingFull => f.write_str("no room to track another connection"),
        }
    }
}
