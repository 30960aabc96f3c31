//! Changing headers in place as routers and port mappings do, checksums kept right by the incremental update of
//! RFC 1624 (so a checksum that was wrong stays wrong).

use std::net::{IpAddr, SocketAddr};

use super::packet::protocol;

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
