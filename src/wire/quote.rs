//! The packet that an ICMP error quotes: its IP header and eight bytes at least, and often more (RFC 792, RFC 1812
//! §4.3.2.3). What is quoted may be cut anywhere behind those, so that it is no packet that [`Packet`] would read.
//!
//! [`Packet`]: super::packet::Packet

use std::net::{Ipv4Addr, SocketAddr};

use super::packet::{Packet, Transport, protocol};

/// A quoted packet's place and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Where it begins in the packet that quotes it.
    pub at: usize,
    /// Its protocol: TCP, UDP or ICMP.
    pub protocol: u8,
    /// Its source. An ICMP echo request has its identifier for a port.
    pub source: SocketAddr,
    /// Its destination. An echo reply has its identifier for a port.
    pub destination: SocketAddr,
}

impl Quote {
    /// What an ICMP error over IPv4 quotes. `None` for other packets, and where the quote is too short, of another
    /// protocol, or of a fragment that is not the first.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let packet = Packet::read(bytes)?;
        let Transport::Icmp(icmp) = packet.transport else {
            return None;
        };
        // Unreachable, source quench, redirect, time exceeded, parameter problem.
        if !matches!(icmp.kind, 3 | 4 | 5 | 11 | 12) {
            return None;
        }
        let at = packet.header_bytes + 8;
        let quoted = icmp.payload;
        let header = usize::from(quoted.first()? & 15) * 4;
        let first = u16::from_be_bytes([*quoted.get(6)?, *quoted.get(7)?]) & 0x1fff == 0;
        if quoted[0] >> 4 != 4 || header < 20 || !first {
            return None;
        }
        let address = |at: usize| {
            let octets: [u8; 4] = quoted.get(at..at + 4)?.try_into().ok()?;
            Some(Ipv4Addr::from(octets))
        };
        let word = |at: usize| {
            let bytes = quoted.get(header + at..header + at + 2)?;
            Some(u16::from_be_bytes([bytes[0], bytes[1]]))
        };
        let protocol = *quoted.get(9)?;
        let (from, to) = match protocol {
            protocol::TCP | protocol::UDP => (word(0)?, word(2)?),
            protocol::ICMP => match quoted.get(header)? {
                8 => (word(4)?, 0),
                0 => (0, word(4)?),
                _ => return None,
            },
            _ => return None,
        };
        Some(Self {
            at,
            protocol,
            source: SocketAddr::new(address(12)?.into(), from),
            destination: SocketAddr::new(address(16)?.into(), to),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::icmpv4::TimeExceededCode;
    use etherparse::{Icmpv4Type, PacketBuilder};

    fn error_about(quoted: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([203, 0, 113, 1], [198, 51, 100, 20], 64)
            .icmpv4(Icmpv4Type::TimeExceeded(
                TimeExceededCode::TtlExceededInTransit,
            ))
            .write(&mut bytes, quoted)
            .unwrap();
        bytes
    }

    #[test]
    fn the_ends_of_what_is_quoted_are_read() {
        let mut echo = Vec::new();
        PacketBuilder::ipv4([198, 51, 100, 20], [203, 0, 113, 60], 1)
            .icmpv4_echo_request(1_024, 1)
            .write(&mut echo, &[])
            .unwrap();
        let quote = Quote::of(&error_about(&echo)).unwrap();
        assert_eq!((quote.at, quote.protocol), (28, protocol::ICMP));
        assert_eq!(quote.source, ([198, 51, 100, 20], 1_024).into());
        assert_eq!(quote.destination, ([203, 0, 113, 60], 0).into());
        assert_eq!(Quote::of(&echo), None, "quotes nothing");
        for n in 0..echo.len() {
            // The checksum of the message is before the identifier, which the last two bytes follow.
            assert_eq!(
                Quote::of(&error_about(&echo[..n])).is_some(),
                n >= 26,
                "{n}"
            );
        }
    }
}
