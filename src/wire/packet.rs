//! A view of an IP packet and what it carries, and the key by which flows are told apart.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use etherparse::{IpNumber, IpSlice, TcpOptionElement, TcpSlice, UdpSlice};

/// IP protocol numbers used here (IANA "Assigned Internet Protocol Numbers").
pub mod protocol {
    /// ICMP for IPv4, RFC 792.
    pub const ICMP: u8 = 1;
    /// TCP, RFC 9293.
    pub const TCP: u8 = 6;
    /// UDP, RFC 768.
    pub const UDP: u8 = 17;
}

/// An IP packet, read.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// IPv4 identification; zero in IPv6.
    pub identification: u16,
    /// Whether the IPv4 header forbids fragmentation; true in IPv6.
    pub dont_fragment: bool,
    /// Bytes of the IP header.
    pub header_bytes: usize,
    /// Bytes of the whole IP packet.
    pub total_bytes: usize,
    /// What it carries.
    pub transport: Transport<'a>,
}

/// What an IP packet carries.
#[derive(Debug, Clone, Copy)]
pub enum Transport<'a> {
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// A UDP datagram.
    Udp(Datagram<'a>),
    /// An ICMP (IPv4) message.
    Icmp(Icmp<'a>),
    /// Something else, or what cannot be read: protocol number and payload.
    Other(u8, &'a [u8]),
}

/// A TCP segment.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number; means something only with [`Flags::ack`].
    pub acknowledgment: u32,
    /// Control bits.
    pub flags: Flags,
    /// Window as in the header, unscaled.
    pub window: u16,
    /// Maximum segment size option (RFC 9293 §3.7.1).
    pub mss: Option<u16>,
    /// Window scale option (RFC 7323 §2).
    pub window_scale: Option<u8>,
    /// SACK-permitted option (RFC 2018 §2).
    pub sack_permitted: bool,
    /// Whether there is a SACK option (RFC 2018 §3).
    pub sack: bool,
    /// Bytes of the TCP header.
    pub header_bytes: usize,
    /// The data.
    pub payload: &'a [u8],
}

/// TCP control bits (RFC 9293 §3.1), as they stand in byte 13 of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    #[must_use]
    pub const fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }
    /// Synchronise sequence numbers.
    #[must_use]
    pub const fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }
    /// Reset the connection.
    #[must_use]
    pub const fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }
    /// Push.
    #[must_use]
    pub const fn psh(self) -> bool {
        self.0 & 0x08 != 0
    }
    /// The acknowledgment number is valid.
    #[must_use]
    pub const fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }
}

/// A UDP datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// The data.
    pub payload: &'a [u8],
}

/// An ICMP message (RFC 792).
#[derive(Debug, Clone, Copy)]
pub struct Icmp<'a> {
    /// Type, as in 11 for time exceeded.
    pub kind: u8,
    /// Code, as in 1 for host unreachable.
    pub code: u8,
    /// Bytes 4 to 8 of the header: MTU, identifier and the like.
    pub rest: [u8; 4],
    /// What follows: for errors the head of the packet they speak of.
    pub payload: &'a [u8],
}

impl Icmp<'_> {
    /// What it says in words, as in "host unreachable" (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
    #[must_use]
    pub fn words(&self) -> String {
        let [a, b, c, d] = self.rest;
        let known = match (self.kind, self.code) {
            (kind @ (0 | 8), _) => {
                let what = if kind == 8 { "request" } else { "reply" };
                let identifier = u16::from_be_bytes([a, b]);
                let sequence = u16::from_be_bytes([c, d]);
                return format!("echo {what} id {identifier} seq {sequence}");
            }
            (3, 0) => "network unreachable",
            (3, 1) => "host unreachable",
            (3, 2) => "protocol unreachable",
            (3, 3) => "port unreachable",
            (3, 4) => {
                let mtu = u16::from_be_bytes([c, d]);
                return format!("fragmentation needed, MTU {mtu}");
            }
            (3, 5) => "source route failed",
            (3, 6) => "network unknown",
            (3, 7) => "host unknown",
            (3, 9) => "network administratively prohibited",
            (3, 10) => "host administratively prohibited",
            (3, 13) => "communication administratively prohibited",
            (5, _) => "redirect",
            (11, 0) => "time exceeded in transit",
            (11, 1) => "fragment reassembly time exceeded",
            (12, _) => "parameter problem",
            (kind, code) => return format!("ICMP type {kind}, code {code}"),
        };
        known.into()
    }

    /// Of an error about a TCP segment: the number of that, which stands behind its ports (RFC 9293 §3.1).
    #[must_use]
    pub fn quoted_sequence(&self) -> Option<u32> {
        let header = usize::from(self.payload.first()? & 15) * 4;
        let number = self.payload.get(header + 4..header + 8)?;
        let is_tcp = self.quoted_ends()?.0 == protocol::TCP;
        is_tcp.then(|| u32::from_be_bytes([number[0], number[1], number[2], number[3]]))
    }

    /// Of an error: the protocol of the packet that it quotes, and that packet's source and destination with the first
    /// four bytes behind its header as ports (RFC 792). `None` when it quotes no IPv4 packet so far.
    #[must_use]
    pub fn quoted_ends(&self) -> Option<(u8, SocketAddr, SocketAddr)> {
        let quoted = self.payload;
        let header = usize::from(quoted.first()? & 15) * 4;
        let ports = quoted.get(header..header + 4)?;
        if quoted[0] >> 4 != 4 || header < 20 {
            return None;
        }
        let end = |at: usize, port: usize| -> Option<SocketAddr> {
            let octets: [u8; 4] = quoted.get(at..at + 4)?.try_into().ok()?;
            let port = u16::from_be_bytes([ports[port], ports[port + 1]]);
            Some((Ipv4Addr::from(octets), port).into())
        };
        Some((quoted[9], end(12, 0)?, end(16, 2)?))
    }
}

impl<'a> Packet<'a> {
    /// Reads an IP packet. `None` when its IP header is not whole or contradicts the length; a transport header
    /// that cannot be read gives [`Transport::Other`].
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let ip = IpSlice::from_slice(bytes).ok()?;
        let payload = ip.payload();
        let (ttl, identification, dont_fragment, header_bytes) = match &ip {
            IpSlice::Ipv4(v4) => {
                let h = v4.header();
                (
                    h.ttl(),
                    h.identification(),
                    h.dont_fragment(),
                    h.slice().len(),
                )
            }
            IpSlice::Ipv6(v6) => (v6.header().hop_limit(), 0, true, 40),
        };
        let whole = !payload.fragmented;
        let data = payload.payload;
        let transport = match payload.ip_number {
            IpNumber::TCP if whole => TcpSlice::from_slice(data).ok().map(read_tcp),
            IpNumber::UDP if whole => UdpSlice::from_slice(data).ok().map(|u| {
                Transport::Udp(Datagram {
                    source_port: u.source_port(),
                    destination_port: u.destination_port(),
                    payload: u.payload(),
                })
            }),
            IpNumber::ICMP if whole && data.len() >= 8 => Some(Transport::Icmp(Icmp {
                kind: data[0],
                code: data[1],
                rest: [data[4], data[5], data[6], data[7]],
                payload: &data[8..],
            })),
            _ => None,
        };
        Some(Self {
            source: ip.source_addr(),
            destination: ip.destination_addr(),
            ttl,
            identification,
            dont_fragment,
            header_bytes,
            total_bytes: header_bytes + data.len(),
            transport: transport.unwrap_or(Transport::Other(payload.ip_number.0, data)),
        })
    }

    /// The TCP segment inside, when it is one.
    #[must_use]
    pub const fn tcp(&self) -> Option<&Segment<'a>> {
        match &self.transport {
            Transport::Tcp(segment) => Some(segment),
            Transport::Udp(_) | Transport::Icmp(_) | Transport::Other(..) => None,
        }
    }

    /// Source and destination with ports, for TCP and UDP.
    #[must_use]
    pub const fn ports(&self) -> Option<(SocketAddr, SocketAddr)> {
        let (from, to) = match &self.transport {
            Transport::Tcp(s) => (s.source_port, s.destination_port),
            Transport::Udp(d) => (d.source_port, d.destination_port),
            Transport::Icmp(_) | Transport::Other(..) => return None,
        };
        Some((
            SocketAddr::new(self.source, from),
            SocketAddr::new(self.destination, to),
        ))
    }
}

fn read_tcp(tcp: TcpSlice<'_>) -> Transport<'_> {
    let (mut mss, mut window_scale, mut sack_permitted, mut sack) = (None, None, false, false);
    // Options that cannot be read end the list: the segment is still a segment.
    for option in tcp.options_iterator().map_while(Result::ok) {
        match option {
            TcpOptionElement::MaximumSegmentSize(v) => mss = Some(v),
            TcpOptionElement::WindowScale(v) => window_scale = Some(v),
            TcpOptionElement::SelectiveAcknowledgementPermitted => sack_permitted = true,
            TcpOptionElement::SelectiveAcknowledgement(..) => sack = true,
            TcpOptionElement::Noop | TcpOptionElement::Timestamp(..) => {}
        }
    }
    Transport::Tcp(Segment {
        source_port: tcp.source_port(),
        destination_port: tcp.destination_port(),
        sequence: tcp.sequence_number(),
        acknowledgment: tcp.acknowledgment_number(),
        flags: Flags(tcp.header_slice()[13] & 0x3f),
        window: tcp.window_size(),
        mss,
        window_scale,
        sack_permitted,
        sack,
        header_bytes: tcp.header_len(),
        payload: tcp.payload(),
    })
}

/// What tells one TCP connection from another at a node: both ends, seen from the receiving side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The receiver's end.
    pub local: SocketAddr,
    /// The sender's end.
    pub remote: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    #[test]
    fn reads_a_syn_with_options() {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([10, 0, 1, 10], [10, 0, 2, 21], 64)
            .tcp(50_000, 32_768, 7, 64_240)
            .syn()
            .options(&[
                TcpOptionElement::MaximumSegmentSize(1460),
                TcpOptionElement::WindowScale(7),
            ])
            .unwrap()
            .write(&mut bytes, &[])
            .unwrap();
        let packet = Packet::read(&bytes).unwrap();
        let tcp = packet.tcp().unwrap();
        assert!(tcp.flags.syn() && !tcp.flags.ack());
        assert_eq!((tcp.mss, tcp.window_scale), (Some(1460), Some(7)));
        assert_eq!(packet.total_bytes, bytes.len());
        let (from, to) = packet.ports().unwrap();
        assert_eq!(from.to_string(), "10.0.1.10:50000");
        assert_eq!(to.to_string(), "10.0.2.21:32768");
    }

    #[test]
    fn a_cut_packet_is_none_and_never_a_panic() {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([10, 0, 1, 10], [10, 0, 2, 21], 64)
            .udp(50_000, 53)
            .write(&mut bytes, b"query")
            .unwrap();
        for n in 0..bytes.len() {
            assert!(Packet::read(&bytes[..n]).is_none(), "{n} bytes");
        }
    }
}
