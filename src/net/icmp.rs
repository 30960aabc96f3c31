//! The ICMP errors a router answers with (RFC 792, RFC 1812 §4.3).

use std::net::IpAddr;

use etherparse::icmpv4::{DestUnreachableHeader, TimeExceededCode};
use etherparse::{Icmpv4Type, PacketBuilder};

use crate::wire::packet::{Packet, Transport};

/// What a router complains about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complaint {
    /// Type 11 code 0.
    TimeExceeded,
    /// Type 3 code 0: no route.
    NetworkUnreachable,
    /// Type 3 code 1: the subnet is here, the host is not.
    HostUnreachable,
    /// Type 3 code 4, with the MTU of the next hop (RFC 1191).
    FragmentationNeeded(u16),
}

/// RFC 1700 and Linux: the time to live of what a host sends itself.
const TTL: u8 = 64;

/// The error message about `offender`, from `router` to its source, which quotes `quoted` bytes behind its IP header. `None` where there must not be one: about ICMP
/// errors and fragments (RFC 1122 §3.2.2), and about IPv6, which has no answer here yet.
pub(super) fn complain(
    router: IpAddr,
    offender: &[u8],
    quoted: usize,
    complaint: Complaint,
) -> Option<Vec<u8>> {
    let packet = Packet::read(offender)?;
    let error_itself = match &packet.transport {
        // 8 and 0 are echo and its reply; the rest are errors, or too rare to be answered.
        Transport::Icmp(icmp) => !matches!(icmp.kind, 0 | 8),
        Transport::Tcp(_) | Transport::Udp(_) | Transport::Other(..) => false,
    };
    let (IpAddr::V4(from), IpAddr::V4(to), false) = (router, packet.source, error_itself) else {
        return None;
    };
    let kind = match complaint {
        Complaint::TimeExceeded => Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit),
        Complaint::NetworkUnreachable => {
            Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Network)
        }
        Complaint::HostUnreachable => {
            Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host)
        }
        Complaint::FragmentationNeeded(next_hop_mtu) => {
            Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded {
                next_hop_mtu,
            })
        }
    };
    let quoted = packet.header_bytes + quoted;
    let quote = &offender[..offender.len().min(quoted)];
    let mut bytes = Vec::with_capacity(28 + quote.len());
    PacketBuilder::ipv4(from.octets(), to.octets(), TTL)
        .icmpv4(kind)
        .write(&mut bytes, quote)
        .ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_about_an_error() {
        let router = IpAddr::from([203, 192, 1, 1]);
        let mut datagram = Vec::new();
        PacketBuilder::ipv4([203, 192, 1, 50], [10, 0, 2, 21], 1)
            .udp(50_000, 53)
            .write(&mut datagram, b"query")
            .unwrap();
        let error = complain(router, &datagram, 500, Complaint::TimeExceeded).unwrap();
        let packet = Packet::read(&error).unwrap();
        let Transport::Icmp(icmp) = packet.transport else {
            panic!("ICMP")
        };
        assert_eq!((icmp.kind, icmp.code), (11, 0));
        assert_eq!(packet.destination.to_string(), "203.192.1.50");
        assert_eq!(icmp.payload, datagram);
        assert_eq!(complain(router, &error, 500, Complaint::TimeExceeded), None);
        let short = complain(router, &datagram, 8, Complaint::TimeExceeded).unwrap();
        assert_eq!(short.len(), 20 + 8 + 20 + 8, "the least (RFC 792)");
    }
}
