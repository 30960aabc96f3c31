//! What an ICMP error says about one of our flows. smoltcp's TCP never hears of them.

use std::io;
use std::net::IpAddr;

use crate::wire::packet::{FlowKey, Icmp, protocol};

/// ICMP type 3, destination unreachable (RFC 792).
const UNREACHABLE: u8 = 3;
/// Code 4, fragmentation needed: a matter of size, not of reach (RFC 1191).
const TOO_BIG: u8 = 4;

/// The flow of ours whose packet is quoted in a destination-unreachable message. RFC 792 promises the IP header and
/// eight bytes after it: enough for the ports.
pub(super) fn unreachable_flow(message: &Icmp<'_>) -> Option<FlowKey> {
    if message.kind != UNREACHABLE || message.code == TOO_BIG {
        return None;
    }
    quoted_flow(message, protocol::TCP)
}

/// The same of a datagram, and what Linux tells the program whose socket is for that destination only (RFC 1122
/// §4.1.3.3).
pub(super) fn unreachable_datagram(message: &Icmp<'_>) -> Option<(FlowKey, io::ErrorKind)> {
    /// Code 3: nobody listens on the port.
    const PORT: u8 = 3;
    if message.kind != UNREACHABLE || message.code == TOO_BIG {
        return None;
    }
    let flow = quoted_flow(message, protocol::UDP)?;
    Some((
        flow,
        if message.code == PORT {
            io::ErrorKind::ConnectionRefused
        } else {
            io::ErrorKind::HostUnreachable
        },
    ))
}

/// A router has no room for a packet of ours.
pub(super) struct TooBig {
    pub(super) flow: FlowKey,
    /// Sequence number of the packet's segment.
    pub(super) sequence: u32,
    /// What there is room for, in bytes of IP packet.
    pub(super) mtu: usize,
}

/// What a "fragmentation needed" message says (RFC 1191 §4).
pub(super) fn too_big(message: &Icmp<'_>) -> Option<TooBig> {
    if message.kind != UNREACHABLE || message.code != TOO_BIG {
        return None;
    }
    let quoted = message.payload;
    let flow = quoted_flow(message, protocol::TCP)?;
    let header = usize::from(quoted[0] & 15) * 4;
    let sequence = quoted.get(header + 4..header + 8)?.try_into().ok()?;
    Some(TooBig {
        flow,
        sequence: u32::from_be_bytes(sequence),
        mtu: next_hop_mtu(message)?,
    })
}

/// How large packets may be, as a "fragmentation needed" message has it; `None` for other messages.
pub(super) fn next_hop_mtu(message: &Icmp<'_>) -> Option<usize> {
    if message.kind != UNREACHABLE || message.code != TOO_BIG {
        return None;
    }
    let mtu = match u16::from_be_bytes([message.rest[2], message.rest[3]]) {
        // An old router does not say: the next smaller size that links have (RFC 1191 §7.1).
        0 => {
            let length = message.payload.get(2..4)?.try_into().ok()?;
            let sent = u16::from_be_bytes(length);
            let smaller = PLATEAUS.iter().find(|p| **p < sent);
            smaller.copied().unwrap_or(MTU_MIN)
        }
        said => said.max(MTU_MIN),
    };
    Some(usize::from(mtu))
}

/// An echo request of ours that an error quotes.
pub(super) struct QuotedEcho {
    pub(super) identifier: u16,
    pub(super) sequence: u16,
    pub(super) destination: IpAddr,
}

/// Which echo request a destination-unreachable, time-exceeded or parameter-problem message speaks of.
pub(super) fn quoted_echo(message: &Icmp<'_>) -> Option<QuotedEcho> {
    const ECHO_REQUEST: u8 = 8;
    if !matches!(message.kind, UNREACHABLE | 11 | 12) {
        return None;
    }
    let (carried, _, to) = message.quoted_ends()?;
    let header = usize::from(message.payload[0] & 15) * 4;
    let echo = message.payload.get(header..header + 8)?;
    (carried == protocol::ICMP && echo[0] == ECHO_REQUEST).then(|| QuotedEcho {
        identifier: u16::from_be_bytes([echo[4], echo[5]]),
        sequence: u16::from_be_bytes([echo[6], echo[7]]),
        destination: to.ip(),
    })
}

/// RFC 1191 §7, table 7-1.
const PLATEAUS: [u16; 10] = [
    32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68,
];
/// What every link carries (RFC 791 §3.2).
const MTU_MIN: u16 = 68;

fn quoted_flow(message: &Icmp<'_>, carried: u8) -> Option<FlowKey> {
    let (protocol, from, to) = message.quoted_ends()?;
    // We sent the quoted packet: its source is our end.
    (protocol == carried).then_some(FlowKey {
        local: from,
        remote: to,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::{Packet, Transport};
    use etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded;
    use etherparse::{Icmpv4Type, PacketBuilder};

    #[test]
    fn a_datagram_that_nobody_took_is_told_from_one_that_did_not_arrive() {
        use etherparse::icmpv4::DestUnreachableHeader::{self, Host, Port};
        let mut datagram = Vec::new();
        PacketBuilder::ipv4([203, 192, 1, 50], [203, 192, 2, 53], 64)
            .udp(40_000, 53)
            .write(&mut datagram, b"?")
            .unwrap();
        let read = |why: DestUnreachableHeader| {
            let mut error = Vec::new();
            PacketBuilder::ipv4([203, 192, 2, 53], [203, 192, 1, 50], 64)
                .icmpv4(Icmpv4Type::DestinationUnreachable(why))
                .write(&mut error, &datagram)
                .unwrap();
            let Transport::Icmp(icmp) = Packet::read(&error).unwrap().transport else {
                panic!("ICMP")
            };
            assert_eq!(unreachable_flow(&icmp), None, "no TCP");
            let (flow, kind) = unreachable_datagram(&icmp).unwrap();
            (flow.local.port(), flow.remote.to_string(), kind)
        };
        let there = || "203.192.2.53:53".to_owned();
        assert_eq!(
            read(Port),
            (40_000, there(), io::ErrorKind::ConnectionRefused)
        );
        assert_eq!(
            read(Host),
            (40_000, there(), io::ErrorKind::HostUnreachable)
        );
    }

    #[test]
    fn what_fits_is_said_or_guessed() {
        let mut segment = Vec::new();
        PacketBuilder::ipv4([203, 192, 1, 50], [198, 51, 100, 10], 64)
            .tcp(50_000, 443, 7, 64_240)
            .write(&mut segment, &[0; 1_460])
            .unwrap();
        let read = |next_hop_mtu, quote: usize| {
            let mut error = Vec::new();
            PacketBuilder::ipv4([203, 192, 1, 1], [203, 192, 1, 50], 64)
                .icmpv4(Icmpv4Type::DestinationUnreachable(FragmentationNeeded {
                    next_hop_mtu,
                }))
                .write(&mut error, &segment[..quote])
                .unwrap();
            let Transport::Icmp(icmp) = Packet::read(&error).unwrap().transport else {
                panic!("ICMP")
            };
            assert_eq!(unreachable_flow(&icmp), None, "a matter of size");
            too_big(&icmp).map(|t| (t.flow.local.port(), t.sequence, t.mtu))
        };
        assert_eq!(read(1_400, 28), Some((50_000, 7, 1_400)));
        assert_eq!(read(0, 28), Some((50_000, 7, 1_492)));
        assert_eq!(read(5, 548), Some((50_000, 7, 68)));
        for cut in 0..28 {
            assert_eq!(read(1_400, cut), None, "{cut} bytes quoted");
        }
    }
}
