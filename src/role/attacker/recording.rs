//! Recorded packets as connections: who sent which bytes, and where the sequence numbers are.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::role::config::Victim;
use crate::wire::packet::Packet;

/// A TCP connection that was recorded from its SYN on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) from_client: Stream,
    pub(super) from_server: Stream,
}

/// One direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stream {
    /// Its data in order, up to the first gap.
    pub(super) bytes: Vec<u8>,
    /// The next sequence number behind them.
    pub(super) next: u32,
    /// What came before its time, by sequence number.
    early: BTreeMap<u32, Vec<u8>>,
}

impl Stream {
    fn take(&mut self, sequence: u32, data: &[u8]) {
        // Sent again, or partly so: what is new of it.
        let known = self.next.wrapping_sub(sequence);
        if known.cast_signed() < 0 {
            self.early.insert(sequence, data.to_vec());
            return;
        }
        let Some(new) = data.get(known as usize..).filter(|n| !n.is_empty()) else {
            return;
        };
        self.bytes.extend_from_slice(new);
        self.next = self.next.wrapping_add(new.len() as u32);
        if let Some(data) = self.early.remove(&self.next) {
            self.take(self.next, &data);
        }
    }
}

/// The connections of a victim among recorded packets, in order of their SYNs.
pub(super) fn connections(packets: &[Vec<u8>], victim: &Victim) -> Vec<Recorded> {
    let mut found: Vec<Recorded> = Vec::new();
    for bytes in packets {
        let Some(packet) = Packet::read(bytes) else {
            continue;
        };
        let (Some(segment), Some((source, destination))) = (packet.tcp(), packet.ports()) else {
            continue;
        };
        if segment.flags.syn() && !segment.flags.ack() {
            let known = |r: &Recorded| (r.client, r.server) == (source, destination);
            if victim.is(source, destination) && !found.iter().any(known) {
                found.push(Recorded {
                    client: source,
                    server: destination,
                    from_client: Stream {
                        next: segment.sequence.wrapping_add(1),
                        ..Stream::default()
                    },
                    from_server: Stream::default(),
                });
            }
            continue;
        }
        for recorded in &mut found {
            let stream = if (source, destination) == (recorded.client, recorded.server) {
                &mut recorded.from_client
            } else if (source, destination) == (recorded.server, recorded.client) {
                &mut recorded.from_server
            } else {
                continue;
            };
            if segment.flags.syn() {
                stream.next = segment.sequence.wrapping_add(1);
            } else {
                stream.take(segment.sequence, segment.payload);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    const CLIENT: ([u8; 4], u16) = ([203, 192, 1, 50], 49_152);
    const SERVER: ([u8; 4], u16) = ([198, 51, 100, 10], 443);

    fn segment(from: ([u8; 4], u16), sequence: u32, data: &[u8], syn: bool) -> Vec<u8> {
        let to = if from == CLIENT { SERVER } else { CLIENT };
        let builder = PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, sequence, 100);
        let builder = match (syn, from == CLIENT) {
            (true, true) => builder.syn(),
            (true, false) => builder.syn().ack(1),
            (false, _) => builder.ack(1),
        };
        let mut bytes = Vec::new();
        builder.write(&mut bytes, data).unwrap();
        bytes
    }

    #[test]
    fn bytes_are_put_in_order_across_the_end_of_the_numbers() {
        let start = u32::MAX - 2;
        let packets = [
            segment(CLIENT, start, b"", true),
            segment(SERVER, 7, b"", true),
            segment(CLIENT, start.wrapping_add(4), b"def", false),
            segment(CLIENT, start.wrapping_add(1), b"abc", false),
            segment(CLIENT, start.wrapping_add(2), b"bcd", false),
            segment(SERVER, 8, b"ok", false),
        ];
        let victim = Victim {
            client: vec![CLIENT.0.into()],
            server: vec![SERVER.0.into()],
            port: 443,
            listener: "alb:443".into(),
        };
        let found = connections(&packets, &victim);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].from_client.bytes, b"abcdef");
        assert_eq!(found[0].from_client.next, start.wrapping_add(7));
        assert_eq!(found[0].from_server.bytes, b"ok");
        assert_eq!(found[0].from_server.next, 10);
        let other = Victim { port: 80, ..victim };
        assert_eq!(connections(&packets, &other), []);
    }
}
