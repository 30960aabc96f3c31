//! Which local port a new connection or UDP exchange gets.

use std::net::{IpAddr, SocketAddr};

use super::Stack;
use crate::wire::packet::FlowKey;

/// First port used for outgoing connections; at the end of the range they go on at [`SECOND_PORT`].
pub(super) const FIRST_PORT: u16 = 49_152;
pub(super) const SECOND_PORT: u16 = 32_769;

impl Stack {
    pub(super) fn take_port(&mut self, local: IpAddr, remote: SocketAddr) -> Option<u16> {
        // Once around the range of 32767 ports.
        for _ in 0..u16::MAX - SECOND_PORT + 1 {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(SECOND_PORT);
            let key = FlowKey {
                local: SocketAddr::new(local, port),
                remote,
            };
            if self.table.get(&key).is_none() && !self.udp.contains_key(&port) {
                return Some(port);
            }
        }
        None
    }
}
