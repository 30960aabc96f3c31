//! What an ICMP error says about one of our flows. smoltcp's TCP never hears of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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
    let quoted = message.payload;
    let header = usize::from(quoted.first()? & 15) * 4;
    let ports = quoted.get(header..header + 4)?;
    if quoted[0] >> 4 != 4 || header < 20 || quoted[9] != protocol::TCP {
        return None;
    }
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = quoted.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets).into())
    };
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    // We sent the quoted packet: its source is our end.
    Some(FlowKey {
        local: SocketAddr::new(address(12)?, port(0)),
        remote: SocketAddr::new(address(16)?, port(2)),
    })
}
