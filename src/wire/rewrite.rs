//! Changing headers in place as routers and port mappings do, checksums kept right by the incremental update of
//! RFC 1624 (so a checksum that was wrong stays wrong).

use std::net::{IpAddr, SocketAddr};

use super::packet::{Flags, protocol};

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
    match packet.first()? >> 4 {
        4 => {
            let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff;
            let is_tcp = *packet.get(9)? == protocol::TCP && fragment == 0;
            is_tcp.then_some(usize::from(packet[0] & 15) * 4)
        }
        6 => (*packet.get(6)? == protocol::TCP).then_some(40),
        _ => None,
    }
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
    let v4 = packet[0] >> 4 == 4;
    let (header, proto) = if v4 {
        (usize::from(packet[0] & 15) * 4, packet[9])
    } else {
        (40, packet[6])
    };
    let checksum_at = match proto {
        protocol::TCP => header + 16,
        protocol::UDP => header + 6,
        _ => return false,
    };
    if packet.len() < checksum_at + 2 {
        return false;
    }
    let address = match (v4, to.ip()) {
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
    let port_at = header + if end == End::Source { 0 } else { 2 };
    let port = to.port().to_be_bytes();

    let old_address = packet[address_at..address_at + length].to_vec();
    let old_port = [packet[port_at], packet[port_at + 1]];
    packet[address_at..address_at + length].copy_from_slice(&address);
    packet[port_at..port_at + 2].copy_from_slice(&port);

    // UDP over IPv4 may carry no checksum, said with zero (RFC 768); then there is none to keep right.
    let none = proto == protocol::UDP && packet[checksum_at..checksum_at + 2] == [0, 0];
    if !none {
        update_at(packet, checksum_at, &old_address, &address);
        update_at(packet, checksum_at, &old_port, &port);
        if proto == protocol::UDP && packet[checksum_at..checksum_at + 2] == [0, 0] {
            packet[checksum_at..checksum_at + 2].copy_from_slice(&[0xff, 0xff]);
        }
    }
    if v4 {
        update_at(packet, 10, &old_address, &address);
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
}
