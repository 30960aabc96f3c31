//! Port mapping as docker's published ports do it: the destination of what arrives for a published port becomes the
//! container's, and the source of the container's answers becomes the host's again. The mapping is fixed, so no
//! table of connections is needed; connections that a container opens itself are not masqueraded.

use std::net::SocketAddr;

use super::topology::PortMapping;
use crate::wire::packet::Packet;
use crate::wire::rewrite::{End, rewrite_end};

/// Rewrites a packet that arrives from outside for `host`. `true` when a mapping applied.
pub(super) fn inbound(packet: &mut [u8], host: std::net::IpAddr, publish: &[PortMapping]) -> bool {
    let Some((_, to)) = Packet::read(packet).and_then(|p| p.ports()) else {
        return false;
    };
    let mapping = publish.iter().find(|m| to == SocketAddr::new(host, m.port));
    mapping.is_some_and(|m| rewrite_end(packet, End::Destination, m.container))
}

/// Rewrites a packet that a container sends. `true` when a mapping applied.
pub(super) fn outbound(packet: &mut [u8], host: std::net::IpAddr, publish: &[PortMapping]) -> bool {
    let Some((from, _)) = Packet::read(packet).and_then(|p| p.ports()) else {
        return false;
    };
    let mapping = publish.iter().find(|m| from == m.container);
    mapping.is_some_and(|m| rewrite_end(packet, End::Source, SocketAddr::new(host, m.port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{IpSlice, PacketBuilder, TcpSlice};

    /// A request and its answer: both directions are rewritten, with right checksums.
    #[test]
    fn maps_both_ways() {
        let host = [10, 0, 2, 21].into();
        let publish = [PortMapping {
            port: 32_768,
            container: ([172, 17, 0, 2], 8_080).into(),
        }];
        let segment = |from: ([u8; 4], u16), to: ([u8; 4], u16)| {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4(from.0, to.0, 64)
                .tcp(from.1, to.1, 1, 1)
                .write(&mut bytes, b"GET / HTTP/1.1\r\n\r\n")
                .unwrap();
            bytes
        };
        let ports = |b: &[u8]| Packet::read(b).unwrap().ports().unwrap();
        let alb = ([10, 0, 1, 10], 49_152);

        let mut request = segment(alb, ([10, 0, 2, 21], 32_768));
        assert!(inbound(&mut request, host, &publish));
        assert_eq!(ports(&request).1, publish[0].container);

        let mut answer = segment(([172, 17, 0, 2], 8_080), alb);
        assert!(outbound(&mut answer, host, &publish));
        assert_eq!(ports(&answer).0, SocketAddr::new(host, 32_768));

        for bytes in [&request, &answer] {
            let IpSlice::Ipv4(v4) = IpSlice::from_slice(bytes).unwrap() else {
                panic!("IPv4")
            };
            let h = v4.header();
            assert_eq!(h.to_header().calc_header_checksum(), h.header_checksum());
            let tcp = TcpSlice::from_slice(v4.payload().payload).unwrap();
            let sum = tcp.calc_checksum_ipv4(h.source(), h.destination()).unwrap();
            assert_eq!(sum, tcp.checksum());
        }

        let mut other = segment(alb, ([10, 0, 2, 21], 22));
        assert!(!inbound(&mut other, host, &publish), "not published");
    }
}
