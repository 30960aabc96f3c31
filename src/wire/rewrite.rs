//! Changing headers in place as routers and port mappings do, checksums kept right by the incremental update of
//! RFC 1624 (so a checksum that was wrong stays wrong).

use std::net::{IpAddr, SocketAddr};

use super::packet::{Flags, protocol};
use super::quote::Quote;

/// Adds to a ones'-complement checksum the change from `old` to `new` (RFC 1624 §3, equation 3).
fn update(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let word = |c: &[u8]| u16::from_be_bytes([c[0], c.get(1).copied().unwrap_or(0)]);
    let mut sum = u32::from(!checksum);
    for (o, n) in old.chunks(2).zip(new.chunks(2)) {
        sum += u32::from(!word(o)) + u32::from(word(n));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn update_at(packet: &mut [u8], checksum_at: usize, old: &[u8], new: &[u8]) {
    if let Some(field) = packet.get_mut(checksum_at..checksum_at + 2) {
        let now = update(u16::from_be_bytes([field[0], field[1]]), old, new);
        field.copy_from_slice(&now.to_be_bytes());
    }
}

/// Takes one from the time to live (hop limit) of a well-formed IP packet. `false`, and nothing changed, when that
/// would leave zero: the packet must go no further (RFC 1812 §5.3.1).
pub fn decrement_ttl(packet: &mut [u8]) -> bool {
    let v4 = packet[0] >> 4 == 4;
    let at = if v4 { 8 } else { 7 };
    if packet[at] <= 1 {
        return false;
    }
    packet[at] -= 1;
    if v4 {
        // The 16-bit word at offset 8 is time to live and protocol.
        let new = [packet[8], packet[9]];
        update_at(packet, 10, &[new[0] + 1, new[1]], &new);
    }
    true
}

/// Lowers the maximum segment size that a SYN or SYN-ACK offers to `largest` bytes (RFC 4459 §3.2); the checksum
/// follows. `false`, and nothing changed, for any other packet, for a smaller offer, and without an offer: what is not
/// said is 536 bytes (RFC 9293 §3.7.1), for which every link has room.
pub fn clamp_mss(packet: &mut [u8], largest: u16) -> bool {
    let Some(tcp) = first_of_tcp(packet) else {
        return false;
    };
    let flags_and_offset = packet.get(tcp + 12..tcp + 14);
    let Some(&[offset, flags]) = flags_and_offset else {
        return false;
    };
    if !Flags(flags).syn() {
        return false;
    }
    let end = tcp + usize::from(offset >> 4) * 4;
    let Some(at) = mss_option(packet, tcp + 20, end) else {
        return false;
    };
    if u16::from_be_bytes([packet[at], packet[at + 1]]) <= largest {
        return false;
    }
    // The checksum counts words from the start of the header; an option may begin between two.
    let aligned = at - (at - tcp) % 2;
    let words = aligned..(aligned + 4).min(packet.len());
    let old = packet[words.clone()].to_vec();
    packet[at..at + 2].copy_from_slice(&largest.to_be_bytes());
    let new = packet[words].to_vec();
    update_at(packet, tcp + 16, &old, &new);
    true
}

/// Where the TCP header begins in an IP packet that has one.
fn first_of_tcp(packet: &[u8]) -> Option<usize> {
    let (proto, at) = transport(packet)?;
    (proto == protocol::TCP).then_some(at)
}

/// Where the value of the MSS option is, among the options from `at` to `end` (RFC 9293 §3.1).
fn mss_option(packet: &[u8], mut at: usize, end: usize) -> Option<usize> {
    while at < end {
        match *packet.get(at)? {
            0 => return None,
            1 => at += 1,
            kind => {
                let length = usize::from(*packet.get(at + 1)?);
                if kind == 2 && length == 4 && at + 4 <= end.min(packet.len()) {
                    return Some(at + 2);
                }
                // Shorter than its own head is no option: nothing after it can be found.
                at += (length >= 2).then_some(length)?;
            }
        }
    }
    None
}

/// Which end of a packet is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Source address and port.
    Source,
    /// Destination address and port.
    Destination,
}

/// Puts `to` in place of an end's address and port, in a well-formed IPv4 or IPv6 packet that carries TCP or UDP;
/// both checksums follow. `false`, and nothing changed, for anything else or when the address families differ.
pub fn rewrite_end(packet: &mut [u8], end: End, to: SocketAddr) -> bool {
    let checksum_at = match transport(packet) {
        Some((protocol::TCP, at)) => at + 16,
        Some((protocol::UDP, at)) => at + 6,
        _ => return false,
    };
    packet.len() >= checksum_at + 2 && rewrite(packet, end, to.ip(), Some(to.port()))
}

/// Puts `to` in place of an end's address alone, in a well-formed IP packet, whatever it carries; the checksums of TCP
/// and UDP, which cover it, follow. `false`, and nothing changed, when the address families differ.
pub fn rewrite_address(packet: &mut [u8], end: End, to: IpAddr) -> bool {
    rewrite(packet, end, to, None)
}

/// Puts `identifier` into an ICMP echo request or reply over IPv4, and `to` in place of an end's address. `false`, and
/// nothing changed, for anything else.
pub fn rewrite_echo(packet: &mut [u8], end: End, to: IpAddr, identifier: u16) -> bool {
    let echo = matches!(transport(packet), Some((protocol::ICMP, at)) if matches!(packet.get(at), Some(0 | 8)));
    echo && packet.len() >= 28 && rewrite(packet, end, to, Some(identifier))
}

/// Puts `to` in place of an end of the packet that an ICMP error over IPv4 quotes, so that who gets the error knows its
/// own packet again (RFC 5508 §4.2); the checksums of what is quoted, as far as they are quoted, and of the error follow.
/// `false`, and nothing changed, for anything else. `port` is `None` where it stays.
pub fn rewrite_quote(packet: &mut [u8], end: End, to: IpAddr, port: Option<u16>) -> bool {
    let Some(at) = Quote::of(packet).map(|q| q.at) else {
        return false;
    };
    let old = packet[at..].to_vec();
    if !rewrite(&mut packet[at..], end, to, port) {
        return false;
    }
    let new = packet[at..].to_vec();
    // The error's own checksum is in front of the quoted packet: after its type and code.
    update_at(packet, at - 6, &old, &new);
    true
}

/// The protocol of what an IP packet carries, and where that begins. `None` for a fragment that is not the first.
fn transport(packet: &[u8]) -> Option<(u8, usize)> {
    match packet.first()? >> 4 {
        4 => {
            let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff;
            let at = usize::from(packet[0] & 15) * 4;
            (fragment == 0).then_some((*packet.get(9)?, at))
        }
        6 => Some((*packet.get(6)?, 40)),
        _ => None,
    }
}

/// The IP header must be there; of the rest what is there is changed.
fn rewrite(packet: &mut [u8], end: End, to: IpAddr, port: Option<u16>) -> bool {
    let v4 = packet[0] >> 4 == 4;
    let address = match (v4, to) {
        (true, IpAddr::V4(a)) => a.octets().to_vec(),
        (false, IpAddr::V6(a)) => a.octets().to_vec(),
        (true, IpAddr::V6(_)) | (false, IpAddr::V4(_)) => return false,
    };
    let length = address.len();
    let address_at = match (v4, end) {
        (true, End::Source) => 12,
        (true, End::Destination) => 16,
        (false, End::Source) => 8,
        (false, End::Destination) => 24,
    };
    let old_address = packet[address_at..address_at + length].to_vec();
    packet[address_at..address_at + length].copy_from_slice(&address);
    if v4 {
        update_at(packet, 10, &old_address, &address);
    }
    let Some((proto, header)) = transport(packet) else {
        return true;
    };
    let port_at = header + if end == End::Source { 0 } else { 2 };
    // The sum of ICMP for IPv4 does not cover addresses (RFC 792), and its identifier stands where both ends find it.
    let (checksum_at, port_at, covers_addresses) = match proto {
        protocol::TCP => (header + 16, port_at, true),
        protocol::UDP => (header + 6, port_at, true),
        protocol::ICMP if v4 => (header + 2, header + 4, false),
        _ => return true,
    };
    // UDP over IPv4 may carry no checksum, said with zero (RFC 768); then there is none to keep right.
    let none = proto == protocol::UDP && packet.get(checksum_at..checksum_at + 2) == Some(&[0, 0]);
    if !none && covers_addresses {
        update_at(packet, checksum_at, &old_address, &address);
    }
    if let Some(port) = port.map(u16::to_be_bytes)
        && let Some(field) = packet.get_mut(port_at..port_at + 2)
    {
        let old_port = [field[0], field[1]];
        field.copy_from_slice(&port);
        if !none {
            update_at(packet, checksum_at, &old_port, &port);
        }
    }
    if !none
        && proto == protocol::UDP
        && let Some(field @ [0, 0]) = packet.get_mut(checksum_at..checksum_at + 2)
    {
        field.copy_from_slice(&[0xff, 0xff]);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::Packet;
    use etherparse::{IpSlice, PacketBuilder, TcpSlice};
    use proptest::prelude::*;

    fn checksums_are_right(bytes: &[u8]) -> bool {
        let IpSlice::Ipv4(v4) = IpSlice::from_slice(bytes).unwrap() else {
            panic!("IPv4")
        };
        let tcp = TcpSlice::from_slice(v4.payload().payload).unwrap();
        let header = v4.header();
        let right = tcp
            .calc_checksum_ipv4(header.source(), header.destination())
            .unwrap();
        header.to_header().calc_header_checksum() == header.header_checksum()
            && right == tcp.checksum()
    }

    proptest! {
        #[test]
        fn checksums_stay_right(
            data in proptest::collection::vec(any::<u8>(), 0..64),
            address in any::<[u8; 4]>(),
            port in any::<u16>(),
            ttl in 2_u8..,
            source in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4([10, 0, 1, 10], [10, 0, 2, 21], ttl)
                .tcp(50_000, 32_768, 7, 64_240)
                .write(&mut bytes, &data)
                .unwrap();
            let end = if source { End::Source } else { End::Destination };
            prop_assert!(rewrite_end(&mut bytes, end, (address, port).into()));
            prop_assert!(decrement_ttl(&mut bytes));
            prop_assert!(checksums_are_right(&bytes));
        }
    }

    #[test]
    fn an_offer_is_lowered_wherever_the_option_stands() {
        use etherparse::TcpOptionElement::{MaximumSegmentSize, Noop, WindowScale};
        let syn = |options: &[etherparse::TcpOptionElement]| {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4([10, 0, 1, 10], [10, 0, 2, 21], 64)
                .tcp(50_000, 443, 7, 64_240)
                .syn()
                .options(options)
                .unwrap()
                .write(&mut bytes, &[])
                .unwrap();
            bytes
        };
        let offer = |bytes: &[u8]| Packet::read(bytes).unwrap().tcp().unwrap().mss;
        for options in [
            &[MaximumSegmentSize(1_460), WindowScale(7)][..],
            &[Noop, MaximumSegmentSize(1_460)],
            &[WindowScale(7), MaximumSegmentSize(1_460)],
        ] {
            let mut bytes = syn(options);
            assert!(clamp_mss(&mut bytes, 1_360));
            assert_eq!(offer(&bytes), Some(1_360), "{options:?}");
            assert!(checksums_are_right(&bytes), "{options:?}");
            let before = bytes.clone();
            assert!(!clamp_mss(&mut bytes, 1_360), "{options:?}");
            assert_eq!(bytes, before, "{options:?}");
            for n in 0..bytes.len() {
                clamp_mss(&mut bytes[..n].to_vec(), 500);
            }
        }
        assert!(!clamp_mss(&mut syn(&[]), 500), "no offer, none made");
        let mut data = Vec::new();
        PacketBuilder::ipv4([10, 0, 1, 10], [10, 0, 2, 21], 64)
            .tcp(50_000, 443, 7, 64_240)
            .options(&[MaximumSegmentSize(1_460)])
            .unwrap()
            .write(&mut data, b"data")
            .unwrap();
        assert!(!clamp_mss(&mut data, 500), "no SYN");
    }

    #[test]
    fn the_last_hop_is_refused() {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([10, 0, 1, 10], [10, 0, 2, 21], 1)
            .udp(1, 2)
            .write(&mut bytes, &[])
            .unwrap();
        let before = bytes.clone();
        assert!(!decrement_ttl(&mut bytes));
        assert_eq!(bytes, before);
    }

    /// A client's segment is too large for a link beyond a translator: the router there quotes the first eight bytes
    /// of it (RFC 792), or the whole.
    #[test]
    fn a_quote_is_rewritten_and_the_sums_are_right() {
        use etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded;
        let (inside, outside) = ([10, 0, 2, 40], [198, 51, 100, 20]);
        let segment = |source: [u8; 4], port| {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4(source, [203, 0, 113, 60], 64)
                .tcp(port, 443, 7, 64_240)
                .write(&mut bytes, &[7; 301])
                .unwrap();
            bytes
        };
        for quoted in [28, 341] {
            let error = |segment: &[u8]| {
                let kind = etherparse::Icmpv4Type::DestinationUnreachable(FragmentationNeeded {
                    next_hop_mtu: 1_400,
                });
                let mut bytes = Vec::new();
                PacketBuilder::ipv4([203, 0, 113, 1], outside, 64)
                    .icmpv4(kind)
                    .write(&mut bytes, &segment[..quoted])
                    .unwrap();
                bytes
            };
            let mut translated = error(&segment(outside, 1_024));
            let to = IpAddr::from(inside);
            assert!(rewrite_quote(
                &mut translated,
                End::Source,
                to,
                Some(50_000)
            ));
            assert_eq!(translated, error(&segment(inside, 50_000)), "{quoted}");
            for n in 0..translated.len().min(60) {
                rewrite_quote(&mut translated[..n].to_vec(), End::Source, to, Some(1));
            }
        }
    }

    #[test]
    fn an_address_or_an_identifier_alone_is_rewritten() {
        let echo = |source: [u8; 4], id| {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4(source, [203, 0, 113, 60], 64)
                .icmpv4_echo_request(id, 1)
                .write(&mut bytes, b"is anybody there")
                .unwrap();
            bytes
        };
        let mut ping = echo([10, 0, 2, 40], 7);
        assert!(rewrite_echo(
            &mut ping,
            End::Source,
            [198, 51, 100, 20].into(),
            1_024
        ));
        assert_eq!(ping, echo([198, 51, 100, 20], 1_024));
        let datagram = |source: [u8; 4]| {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4(source, [203, 0, 113, 60], 64)
                .udp(50_000, 53)
                .write(&mut bytes, b"query")
                .unwrap();
            bytes
        };
        let mut query = datagram([10, 0, 2, 40]);
        assert!(!rewrite_echo(
            &mut query.clone(),
            End::Source,
            [1, 1, 1, 1].into(),
            1
        ));
        assert!(rewrite_address(
            &mut query,
            End::Source,
            [198, 51, 100, 20].into()
        ));
        assert_eq!(query, datagram([198, 51, 100, 20]));
    }
}
