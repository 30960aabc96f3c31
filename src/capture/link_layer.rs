//! Ethernet headers for links that have none: locally administered addresses (IEEE 802 c, the second bit of the first
//! octet) made of the NICs' IP addresses, so that both can be read off each other. There is no ARP.

use std::net::IpAddr;

use super::{Interface, Packet};
use crate::event::Direction;

/// `02:00` and the IPv4 address, or the last four octets of the IPv6 address.
fn mac(address: IpAddr) -> [u8; 6] {
    let last: [u8; 4] = match address {
        IpAddr::V4(a) => a.octets(),
        IpAddr::V6(a) => {
            let [.., w, x, y, z] = a.octets();
            [w, x, y, z]
        }
    };
    let [w, x, y, z] = last;
    [2, 0, w, x, y, z]
}

/// The packet as an Ethernet frame.
pub(super) fn frame(packet: &Packet<'_>, interface: &Interface) -> Vec<u8> {
    let (own, peer) = (mac(interface.address), mac(interface.peer));
    let (source, destination) = match packet.direction {
        Direction::Out => (own, peer),
        Direction::In => (peer, own),
    };
    let ether_type = match packet.bytes.first().map(|b| b >> 4) {
        Some(6) => [0x86, 0xdd],
        _ => [0x08, 0x00],
    };
    let mut frame = Vec::with_capacity(14 + packet.bytes.len());
    frame.extend(destination);
    frame.extend(source);
    frame.extend(ether_type);
    frame.extend(packet.bytes);
    frame
}
