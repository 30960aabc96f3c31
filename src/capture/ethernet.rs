//! The Ethernet header that a captured IP packet gets. Links carry IP packets; captures have Ethernet frames, so that
//! every tool opens them. Addresses follow from the NICs' IP addresses, so there is no ARP.

use std::net::IpAddr;

use crate::event::Direction;

/// Bytes of an Ethernet header: destination, source, type.
pub const ETHERNET_HEADER_BYTES: usize = 14;

/// EtherType of IPv4 (IANA, IEEE 802 numbers).
const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of IPv6 (IANA, IEEE 802 numbers).
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// The MAC address of the NIC with this IP address: 02:00 (locally administered, unicast), then the IPv4 address or
/// the last four bytes of the IPv6 address.
#[must_use]
pub const fn mac_address(nic: IpAddr) -> [u8; 6] {
    let [a, b, c, d] = match nic {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            [a, b, c, d]
        }
    };
    [2, 0, a, b, c, d]
}

/// The header of the frame that carries the IP packet `packet` past `nic`, whose link leads to `peer`: destination,
/// source, EtherType. A sent packet goes to the peer, a received one comes from it.
///
/// The EtherType follows the version in the packet's first byte. A packet so damaged that it says neither 4 nor 6
/// gets that of the NIC's own address.
#[must_use]
pub fn ethernet_header(
    nic: IpAddr,
    peer: IpAddr,
    direction: Direction,
    packet: &[u8],
) -> [u8; ETHERNET_HEADER_BYTES] {
    let (destination, source) = match direction {
        Direction::Out => (peer, nic),
        Direction::In => (nic, peer),
    };
    let ethertype = match packet.first().map(|byte| byte >> 4) {
        Some(4) => ETHERTYPE_IPV4,
        Some(6) => ETHERTYPE_IPV6,
        _ if nic.is_ipv4() => ETHERTYPE_IPV4,
        _ => ETHERTYPE_IPV6,
    };
    let mut header = [0; ETHERNET_HEADER_BYTES];
    header[..6].copy_from_slice(&mac_address(destination));
    header[6..12].copy_from_slice(&mac_address(source));
    header[12..].copy_from_slice(&ethertype.to_be_bytes());
    header
}

/// What an Ethernet frame carries, when its type says IPv4 or IPv6. It may be followed by padding (IEEE 802.3: a
/// frame on a real wire has at least 46 bytes of payload).
#[must_use]
pub fn ethernet_payload(frame: &[u8]) -> Option<&[u8]> {
    let (header, payload) = frame.split_at_checked(ETHERNET_HEADER_BYTES)?;
    let ethertype = u16::from_be_bytes([header[12], header[13]]);
    matches!(ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sent_packet_goes_to_the_peer_and_a_received_one_comes_from_it() {
        let nic = IpAddr::from([203, 0, 113, 50]);
        let peer = IpAddr::from([203, 0, 113, 1]);
        let sent = ethernet_header(nic, peer, Direction::Out, &[0x45]);
        assert_eq!(
            sent,
            [2, 0, 203, 0, 113, 1, 2, 0, 203, 0, 113, 50, 0x08, 0x00]
        );
        let received = ethernet_header(nic, peer, Direction::In, &[0x45]);
        assert_eq!(
            received,
            [2, 0, 203, 0, 113, 50, 2, 0, 203, 0, 113, 1, 0x08, 0x00]
        );
    }

    #[test]
    fn the_type_follows_the_packet_and_for_a_damaged_one_the_nic() {
        let v4 = IpAddr::from([192, 0, 2, 1]);
        let v6: IpAddr = "2001:db8::a0b:c0d".parse().unwrap();
        assert_eq!(mac_address(v6), [2, 0, 0x0a, 0x0b, 0x0c, 0x0d]);
        let ethertype = |nic, packet: &[u8]| {
            let header = ethernet_header(nic, nic, Direction::Out, packet);
            [header[12], header[13]]
        };
        assert_eq!(ethertype(v4, &[0x60]), [0x86, 0xdd]);
        assert_eq!(ethertype(v6, &[0x45]), [0x08, 0x00]);
        assert_eq!(ethertype(v4, &[0xff]), [0x08, 0x00]);
        assert_eq!(ethertype(v6, &[]), [0x86, 0xdd]);
    }

    #[test]
    fn a_payload_comes_back_only_from_a_frame_of_ip() {
        let nic = IpAddr::from([192, 0, 2, 1]);
        let mut frame = ethernet_header(nic, nic, Direction::In, &[0x45]).to_vec();
        assert_eq!(ethernet_payload(&frame), Some(&[][..]));
        frame.extend([0x45, 7]);
        assert_eq!(ethernet_payload(&frame), Some(&[0x45, 7][..]));
        assert_eq!(ethernet_payload(&frame[..13]), None);
        frame[13] = 0x06; // ARP
        assert_eq!(ethernet_payload(&frame), None);
    }
}
