//! What hosts leave to the device below them: transport checksums, and cutting large TCP packets into segments. The
//! packets of this room are IPv4; for any other nothing is left to do.

use std::num::NonZeroU16;

use super::packet::protocol;

/// Bytes of data in each of the segments that a large TCP packet stands for; `None` for a packet that travels as it is.
pub type SegmentSize = Option<NonZeroU16>;

/// Where the checksum is that a device completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChecksumPlace {
    /// First byte that it covers: that of the transport header.
    pub start: u16,
    /// Its field, counted from there.
    pub field: u16,
}

/// Where the transport checksum of an unfragmented IPv4 packet with TCP or UDP is. `None` for any other packet.
#[must_use]
pub fn checksum_place(packet: &[u8]) -> Option<ChecksumPlace> {
    let start = u16::from(packet.first()? & 15) * 4;
    let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
    if packet[0] >> 4 != 4 || start < 20 || fragment != 0 {
        return None;
    }
    let field = match *packet.get(9)? {
        protocol::TCP => 16,
        protocol::UDP => 6,
        _ => return None,
    };
    (packet.len() >= usize::from(start + field) + 2).then_some(ChecksumPlace { start, field })
}

/// Puts the sum of the pseudo-header (RFC 9293 §3.1) where the checksum belongs: the rest is the device's. `None`, and
/// nothing changed, for a packet whose checksum no device completes.
pub fn leave_checksum(packet: &mut [u8]) -> Option<ChecksumPlace> {
    let place = checksum_place(packet)?;
    let start = usize::from(place.start);
    let mut sum = u32::from(packet[9]) + (packet.len() - start) as u32;
    for word in packet[12..20].chunks_exact(2) {
        sum += u32::from(u16::from_be_bytes([word[0], word[1]]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let at = start + usize::from(place.field);
    packet[at..at + 2].copy_from_slice(&(sum as u16).to_be_bytes());
    Some(place)
}

/// Bytes of the IPv4 and TCP headers, options included. `None` for any other packet.
#[must_use]
pub fn tcp_headers(packet: &[u8]) -> Option<usize> {
    let place = checksum_place(packet)?;
    let start = usize::from(place.start);
    let length = usize::from(packet.get(start + 12)? >> 4) * 4;
    (packet[9] == protocol::TCP && length >= 20 && start + length <= packet.len())
        .then_some(start + length)
}

/// Bytes of the largest packet that crosses a link for this one.
#[must_use]
pub fn size_on_link(packet: &[u8], segments: SegmentSize) -> usize {
    let cut = segments.and_then(|size| Some(tcp_headers(packet)? + usize::from(size.get())));
    cut.map_or(packet.len(), |cut| cut.min(packet.len()))
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn tcp(payload: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .tcp(1_000, 443, 1, 500)
            .write(&mut bytes, &vec![7; payload])
            .unwrap();
        bytes
    }

    /// Ones'-complement sum of 16-bit words.
    fn sum(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for word in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([
                word[0],
                word.get(1).copied().unwrap_or(0),
            ]));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn the_rest_of_a_checksum_is_the_sum_from_its_start() {
        for payload in [0, 1, 1_460, 40_000] {
            let whole = tcp(payload);
            let mut left = whole.clone();
            let place = leave_checksum(&mut left).unwrap();
            let expected = ChecksumPlace {
                start: 20,
                field: 16,
            };
            assert_eq!(place, expected);
            let complete = !sum(&left[20..]);
            assert_eq!(complete.to_be_bytes(), whole[36..38], "{payload} bytes");
        }
        let mut udp = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(53, 1_000)
            .write(&mut udp, &[1, 2, 3])
            .unwrap();
        let whole = udp.clone();
        assert_eq!(leave_checksum(&mut udp).unwrap().field, 6);
        assert_eq!((!sum(&udp[20..])).to_be_bytes(), whole[26..28]);
    }

    #[test]
    fn what_no_device_completes_stays_as_it_is() {
        let mut fragment = tcp(100);
        fragment[6] = 0x20;
        let mut echo = tcp(100);
        echo[9] = protocol::ICMP;
        for mut packet in [vec![], vec![0x45; 12], vec![0x60; 60], fragment, echo] {
            let before = packet.clone();
            assert_eq!(leave_checksum(&mut packet), None);
            assert_eq!(packet, before);
            assert_eq!(size_on_link(&packet, NonZeroU16::new(10)), packet.len());
        }
    }

    #[test]
    fn a_large_packet_is_as_large_as_its_segments() {
        let packet = tcp(40_000);
        assert_eq!(size_on_link(&packet, None), 40_040);
        assert_eq!(size_on_link(&packet, NonZeroU16::new(1_460)), 1_500);
        assert_eq!(size_on_link(&tcp(10), NonZeroU16::new(1_460)), 50);
    }
}
