//! Which local port a new connection or UDP exchange gets.

use std::net::{IpAddr, SocketAddr};

use super::{Stack, TcpLimits};
use crate::wire::packet::FlowKey;

/// First port used for outgoing connections; at the end of the range they go on at [`SECOND_PORT`].
const FIRST_PORT: u16 = 49_152;
const SECOND_PORT: u16 = 32_769;

/// The range of local ports, and where in it the next search begins.
pub(super) struct Ports {
    first: u16,
    last: u16,
    next: u16,
}

impl Ports {
    /// In the `middle`, a client's connection is taken in and opened anew with the same addresses: the ports are to tell
    /// the two apart.
    pub(super) fn new(limits: &TcpLimits, middle: bool) -> Self {
        match limits.ports {
            Some((first, last)) => Self {
                first,
                last,
                next: first,
            },
            None => Self {
                first: SECOND_PORT,
                last: u16::MAX,
                next: if middle { SECOND_PORT } else { FIRST_PORT },
            },
        }
    }

    const fn take(&mut self) -> u16 {
        let port = self.next;
        self.next = if port >= self.last {
            self.first
        } else {
            port + 1
        };
        port
    }

    const fn count(&self) -> u32 {
        (self.last - self.first) as u32 + 1
    }
}

impl Stack {
    /// A port from which no connection to `remote` is open or in TIME-WAIT. `None` when all are taken, as `connect(2)`
    /// then fails with EADDRNOTAVAIL.
    pub(super) fn take_port(&mut self, local: IpAddr, remote: SocketAddr) -> Option<u16> {
        self.time_waits.expire(self.clock.now());
        // Once around.
        for _ in 0..self.ports.count() {
            let port = self.ports.take();
            let key = FlowKey {
                local: SocketAddr::new(local, port),
                remote,
            };
            let taken = self.table.get(&key).is_some() || self.time_waits.holds(&key);
            if !taken && !self.udp.contains_key(&port) {
                return Some(port);
            }
        }
        None
    }
}
