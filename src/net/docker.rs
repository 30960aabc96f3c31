//! Port mapping as docker's published ports do it: the destination of what arrives for a published port becomes the
//! container's, and the source of the container's answers becomes the host's again. The mapping is fixed, so no
//! table of connections is needed; connections that a container opens itself are not masqueraded. An ICMP error is
//! translated with the packet that it quotes (RFC 5508 §4.2), as Linux's connection tracking does for related packets:
//! only so does a container learn that its packets are too large for the way.

use std::net::{IpAddr, SocketAddr};

use super::topology::PortMapping;
use crate::wire::packet::{Packet, protocol};
use crate::wire::quote::Quote;
use crate::wire::rewrite::{End, rewrite_address, rewrite_end, rewrite_quote};

/// Rewrites a packet that arrives from outside for `host`. `true` when a mapping applied.
pub(super) fn inbound(packet: &mut [u8], host: IpAddr, publish: &[PortMapping]) -> bool {
    if let Some(quote) = Quote::of(packet).filter(has_ports) {
        // Somebody outside complains about what a container sent.
        let mut all = publish.iter();
        let mapping = all.find(|m| quote.source == SocketAddr::new(host, m.port));
        return mapping.is_some_and(|m| {
            let (address, port) = (m.container.ip(), m.container.port());
            rewrite_quote(packet, End::Source, address, Some(port))
                && rewrite_address(packet, End::Destination, address)
        });
    }
    let Some((_, to)) = Packet::read(packet).and_then(|p| p.ports()) else {
        return false;
    };
    let mapping = publish.iter().find(|m| to == SocketAddr::new(host, m.port));
    mapping.is_some_and(|m| rewrite_end(packet, End::Destination, m.container))
}

/// Rewrites a packet that a container sends. `true` when a mapping applied.
pub(super) fn outbound(packet: &mut [u8], host: IpAddr, publish: &[PortMapping]) -> bool {
    if let Some(quote) = Quote::of(packet).filter(has_ports) {
        // A container, or the host itself, complains about what came for one.
        let mut all = publish.iter();
        let mapping = all.find(|m| quote.destination == m.container);
        return mapping.is_some_and(|m| {
            rewrite_quote(packet, End::Destination, host, Some(m.port))
                && rewrite_address(packet, End::Source, host)
        });
    }
    let Some((from, _)) = Packet::read(packet).and_then(|p| p.ports()) else {
        return false;
    };
    let mapping = publish.iter().find(|m| from == m.container);
    mapping.is_some_and(|m| rewrite_end(packet, End::Source, SocketAddr::new(host, m.port)))
}

/// An echo has an identifier in its place, which may be any number.
const fn has_ports(quote: &Quote) -> bool {
    matches!(quote.protocol, protocol::TCP | protocol::UDP)
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

    /// A router's complaint about what a container sent, and a container's about what it got: the error and the packet in
    /// it are translated, and what neither end of a mapping is in stays as it is.
    #[test]
    fn an_error_follows_the_packet_that_it_quotes() {
        use etherparse::icmpv4::DestUnreachableHeader::{self, FragmentationNeeded, Port};
        let publish = [PortMapping {
            port: 32_768,
            container: ([172, 17, 0, 2], 8_080).into(),
        }];
        let (host, container, alb) = ([10, 0, 2, 21], [172, 17, 0, 2], [10, 0, 1, 10]);
        let error = |from, to, why: DestUnreachableHeader, ends: [([u8; 4], u16); 2], quoted| {
            let (mut segment, mut bytes) = (Vec::new(), Vec::new());
            let [source, destination] = ends;
            PacketBuilder::ipv4(source.0, destination.0, 63)
                .tcp(source.1, destination.1, 1, 1)
                .write(&mut segment, &[7; 100])
                .unwrap();
            PacketBuilder::ipv4(from, to, 64)
                .icmpv4(etherparse::Icmpv4Type::DestinationUnreachable(why))
                .write(&mut bytes, &segment[..quoted])
                .unwrap();
            bytes
        };
        let large = FragmentationNeeded {
            next_hop_mtu: 1_400,
        };
        let router = [10, 0, 2, 1];
        // As little as RFC 792 asks for, the checksum of TCP with it, and the whole.
        for quoted in [28, 38, 140] {
            let ends = [(host, 32_768), (alb, 49_152)];
            let mut came = error(router, host, large.clone(), ends, quoted);
            assert!(inbound(&mut came, host.into(), &publish), "{quoted}");
            let ends = [(container, 8_080), (alb, 49_152)];
            let known = error(router, container, large.clone(), ends, quoted);
            assert_eq!(came, known, "{quoted}");

            let ends = [(alb, 49_152), (container, 8_080)];
            let mut sent = error(container, alb, Port, ends, quoted);
            assert!(outbound(&mut sent, host.into(), &publish), "{quoted}");
            let ends = [(alb, 49_152), (host, 32_768)];
            assert_eq!(sent, error(host, alb, Port, ends, quoted), "{quoted}");
        }
        let ends = [(host, 22), (alb, 49_152)];
        let own = error(router, host, large, ends, 28);
        let mut same = own.clone();
        assert!(!inbound(&mut same, host.into(), &publish), "the host's own");
        assert_eq!(same, own);
    }
}
