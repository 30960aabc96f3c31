//! NAT gateways: many private addresses behind one public one (VPC User Guide, "NAT gateways"). A connection that begins
//! inside gets a port of the gateway's address, one for each destination; what comes from outside without such a
//! connection goes no further. After 350 seconds in which nothing passes the connection is forgotten, and who goes on
//! with it from inside gets a RST, never a FIN.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use etherparse::PacketBuilder;

use super::security_group::Refusal;
use super::topology::Topology;
use super::topology::vpc::NatGateway;
use crate::event::DropCause;
use crate::time::Instant;
use crate::wire::packet::{Packet, Transport};
use crate::wire::rewrite::{End, rewrite_end};

/// VPC User Guide, "Troubleshoot NAT gateways": not to be changed.
const IDLE: Duration = Duration::from_secs(350);
/// VPC User Guide, "NAT gateway basics": connections to one destination at a time.
const CONNECTIONS_MAX: usize = 55_000;
/// The same page: the gateway uses ports 1024 to 65535.
const PORTS: std::ops::RangeInclusive<u16> = 1_024..=65_535;

/// All NAT gateways.
#[derive(Debug)]
pub(super) struct Gateways(Vec<Gateway>);

#[derive(Debug)]
struct Gateway {
    config: NatGateway,
    /// Its address outside.
    public: std::net::IpAddr,
    /// By protocol, inner end and destination. Neither map is ever walked for its order.
    out: HashMap<(u8, SocketAddr, SocketAddr), Mapping>,
    /// The inner end by protocol, own port and destination.
    back: HashMap<(u8, u16, SocketAddr), SocketAddr>,
    /// Connections by protocol and destination.
    busy: HashMap<(u8, SocketAddr), Busy>,
    sweep_at: usize,
}

/// The connections to one destination.
#[derive(Debug)]
struct Busy {
    connections: usize,
    /// Where the search for a free port goes on, so that it does not begin with what was taken long ago.
    next: u16,
}

#[derive(Debug)]
struct Mapping {
    port: u16,
    last: Instant,
}

/// What becomes of a packet at a NAT gateway.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Rewritten, it leaves by this NIC.
    Through(usize),
    /// It is for the gateway itself.
    Own,
    /// It goes no further, and this packet is sent back.
    Refused(Refusal, Option<Vec<u8>>),
}

impl Gateways {
    pub(super) fn new(topology: &Topology) -> Self {
        let one = |config: &NatGateway| Gateway {
            config: *config,
            public: topology.nics[config.outside].address,
            out: HashMap::new(),
            back: HashMap::new(),
            busy: HashMap::new(),
            sweep_at: 1_024,
        };
        Self(topology.vpc.nat_gateways.iter().map(one).collect())
    }

    /// A packet came in at `nic`; `None` when that is no NAT gateway's.
    pub(super) fn handle(&mut self, now: Instant, nic: usize, bytes: &mut [u8]) -> Option<Outcome> {
        let mut all = self.0.iter_mut();
        let gateway = all.find(|g| g.config.inside == nic || g.config.outside == nic)?;
        Some(if nic == gateway.config.inside {
            gateway.outward(now, bytes)
        } else {
            gateway.inward(now, bytes)
        })
    }
}

impl Gateway {
    fn outward(&mut self, now: Instant, bytes: &mut [u8]) -> Outcome {
        let Some((protocol, from, to)) = ends(bytes) else {
            return refused(
                DropCause::NatUntranslated,
                "only TCP and UDP are translated",
            );
        };
        let key = (protocol, from, to);
        if let Some(mapping) = self.out.get_mut(&key) {
            if now - mapping.last <= IDLE {
                mapping.last = now;
                let port = mapping.port;
                return self.leave(bytes, port);
            }
            self.forget(&key);
        }
        if let Some(answer) = middle_of_connection(bytes) {
            let why =
                "the NAT gateway has no such connection: it forgets one after 350 s of silence";
            let refusal = Refusal {
                cause: DropCause::NatIdle,
                why: Some(why.to_owned()),
            };
            return Outcome::Refused(refusal, Some(answer));
        }
        if self.out.len() >= self.sweep_at {
            self.sweep(now);
        }
        let busy = self.busy.entry((protocol, to)).or_insert(Busy {
            connections: 0,
            next: *PORTS.start(),
        });
        let port = if busy.connections < CONNECTIONS_MAX {
            // The machine's own where it is free.
            let asked = Some(from.port()).filter(|port| PORTS.contains(port));
            let others = (busy.next..=*PORTS.end()).chain(*PORTS.start()..busy.next);
            let mut candidates = asked.into_iter().chain(others);
            candidates.find(|port| !self.back.contains_key(&(protocol, *port, to)))
        } else {
            None
        };
        let Some(port) = port else {
            let why = "the NAT gateway has 55000 connections to this destination already";
            return refused(DropCause::NatPorts, why);
        };
        busy.connections += 1;
        if port != from.port() {
            busy.next = port.checked_add(1).unwrap_or(*PORTS.start());
        }
        self.back.insert((protocol, port, to), from);
        self.out.insert(key, Mapping { port, last: now });
        self.leave(bytes, port)
    }

    fn inward(&mut self, now: Instant, bytes: &mut [u8]) -> Outcome {
        let Some((protocol, from, to)) = ends(bytes) else {
            return Outcome::Own;
        };
        if to.ip() != self.public {
            return refused(
                DropCause::NotForUs,
                "it is not for the NAT gateway's address",
            );
        }
        let found = self.back.get(&(protocol, to.port(), from)).copied();
        let live = found.and_then(|inner| {
            let key = (protocol, inner, from);
            let mapping = self.out.get_mut(&key)?;
            (now - mapping.last <= IDLE).then(|| {
                mapping.last = now;
                inner
            })
        });
        let Some(inner) = live else {
            let why = match found {
                Some(_) => {
                    "the NAT gateway has forgotten the connection: nothing had passed for 350 s"
                }
                None => "the NAT gateway has no connection that it belongs to",
            };
            return refused(DropCause::NatIdle, why);
        };
        rewrite_end(bytes, End::Destination, inner);
        Outcome::Through(self.config.inside)
    }

    fn leave(&self, bytes: &mut [u8], port: u16) -> Outcome {
        rewrite_end(bytes, End::Source, SocketAddr::new(self.public, port));
        Outcome::Through(self.config.outside)
    }

    fn forget(&mut self, key: &(u8, SocketAddr, SocketAddr)) {
        if let Some(mapping) = self.out.remove(key) {
            let (protocol, _, to) = *key;
            self.back.remove(&(protocol, mapping.port, to));
            if let Some(busy) = self.busy.get_mut(&(protocol, to)) {
                busy.connections -= 1;
            }
        }
    }

    /// Forgets all that is idle.
    fn sweep(&mut self, now: Instant) {
        let (back, busy) = (&mut self.back, &mut self.busy);
        self.out.retain(|(protocol, _, to), mapping| {
            let live = now - mapping.last <= IDLE;
            if !live {
                back.remove(&(*protocol, mapping.port, *to));
                if let Some(busy) = busy.get_mut(&(*protocol, *to)) {
                    busy.connections -= 1;
                }
            }
            live
        });
        self.sweep_at = (self.out.len() * 2).max(1_024);
    }
}

fn refused(cause: DropCause, why: &str) -> Outcome {
    let refusal = Refusal {
        cause,
        why: Some(why.to_owned()),
    };
    Outcome::Refused(refusal, None)
}

fn ends(bytes: &[u8]) -> Option<(u8, SocketAddr, SocketAddr)> {
    use crate::wire::packet::protocol;
    let packet = Packet::read(bytes)?;
    let (from, to) = packet.ports()?;
    let protocol = match packet.transport {
        Transport::Tcp(_) => protocol::TCP,
        Transport::Udp(_) | Transport::Icmp(_) | Transport::Other(..) => protocol::UDP,
    };
    Some((protocol, from, to))
}

/// The RST that answers a segment of a connection that is not known (RFC 9293 §3.10.7.1), when it is one in the middle
/// of its connection.
fn middle_of_connection(bytes: &[u8]) -> Option<Vec<u8>> {
    const TTL: u8 = 64;
    let packet = Packet::read(bytes)?;
    let segment = packet.tcp()?;
    if segment.flags.syn() || segment.flags.rst() || !segment.flags.ack() {
        return None;
    }
    let (std::net::IpAddr::V4(source), std::net::IpAddr::V4(destination)) =
        (packet.source, packet.destination)
    else {
        return None;
    };
    let mut answer = Vec::new();
    PacketBuilder::ipv4(destination.octets(), source.octets(), TTL)
        .tcp(
            segment.destination_port,
            segment.source_port,
            segment.acknowledgment,
            0,
        )
        .rst()
        .write(&mut answer, &[])
        .ok()?;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::net::topology::Nic;
    use crate::net::topology::vpc::Vpc;

    const WORKER: [u8; 4] = [10, 0, 2, 40];
    const PARTNER: [u8; 4] = [198, 51, 100, 60];
    const PUBLIC: [u8; 4] = [198, 51, 100, 20];

    fn gateways() -> Gateways {
        let nic = |n: &str, address: [u8; 4]| Nic {
            name: Name::new(n).unwrap(),
            node: 0,
            subnet: 0,
            address: address.into(),
        };
        Gateways::new(&Topology {
            nics: vec![nic("nat-public", [10, 0, 0, 20]), nic("nat-edge", PUBLIC)],
            vpc: Vpc {
                nat_gateways: vec![NatGateway {
                    inside: 0,
                    outside: 1,
                }],
                ..Vpc::default()
            },
            ..Topology::default()
        })
    }

    fn segment(flags: &str, from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let tcp = PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, 7, 1_000);
        let tcp = match flags {
            "syn" => tcp.syn(),
            _ => tcp.ack(4_711),
        };
        tcp.write(&mut bytes, &[]).unwrap();
        bytes
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn ports(bytes: &[u8]) -> (SocketAddr, SocketAddr) {
        Packet::read(bytes).unwrap().ports().unwrap()
    }

    #[test]
    fn a_connection_is_translated_both_ways_until_it_is_idle() {
        let mut gateways = gateways();
        let (worker, partner) = ((WORKER, 49_152), (PARTNER, 443));
        let mut syn = segment("syn", worker, partner);
        assert_eq!(
            gateways.handle(at(0), 0, &mut syn),
            Some(Outcome::Through(1))
        );
        assert_eq!(ports(&syn), ((PUBLIC, 49_152).into(), partner.into()));
        let mut back = segment("ack", partner, (PUBLIC, 49_152));
        assert_eq!(
            gateways.handle(at(350), 1, &mut back),
            Some(Outcome::Through(0))
        );
        assert_eq!(ports(&back).1, worker.into());

        let mut late = segment("ack", partner, (PUBLIC, 49_152));
        let Some(Outcome::Refused(refusal, None)) = gateways.handle(at(701), 1, &mut late) else {
            panic!("silence for 351 s")
        };
        assert_eq!(refusal.cause, DropCause::NatIdle);
        let mut late = segment("ack", worker, partner);
        let Some(Outcome::Refused(_, Some(reset))) = gateways.handle(at(701), 0, &mut late) else {
            panic!("answered with RST")
        };
        let reset = Packet::read(&reset).unwrap();
        assert_eq!(reset.ports().unwrap(), (partner.into(), worker.into()));
        let tcp = reset.tcp().unwrap();
        assert!(tcp.flags.rst() && tcp.sequence == 4_711);
    }

    #[test]
    fn two_machines_with_one_port_get_two_ports() {
        let mut gateways = gateways();
        let partner = (PARTNER, 443);
        let mut first = segment("syn", (WORKER, 49_152), partner);
        let mut second = segment("syn", ([10, 0, 2, 41], 49_152), partner);
        gateways.handle(at(0), 0, &mut first);
        gateways.handle(at(0), 0, &mut second);
        assert_eq!(ports(&first).0.port(), 49_152);
        assert_eq!(ports(&second).0.port(), 1_024, "the first free one");
        let mut elsewhere = segment("syn", ([10, 0, 2, 41], 49_152), (PARTNER, 80));
        gateways.handle(at(0), 0, &mut elsewhere);
        assert_eq!(ports(&elsewhere).0.port(), 49_152, "another destination");
    }

    #[test]
    fn one_destination_has_room_for_so_many_and_no_more() {
        let mut gateways = gateways();
        let connect = |gateways: &mut Gateways, now, n: u32| {
            let [_, _, high, low] = n.to_be_bytes();
            let from = ([10, 1, high, low], 5_000);
            gateways.handle(at(now), 0, &mut segment("syn", from, (PARTNER, 443)))
        };
        for n in 0..55_000 {
            assert_eq!(connect(&mut gateways, 0, n), Some(Outcome::Through(1)));
        }
        let Some(Outcome::Refused(refusal, None)) = connect(&mut gateways, 0, 55_000) else {
            panic!("no room")
        };
        assert_eq!(refusal.cause, DropCause::NatPorts);
    }

    #[test]
    fn nobody_comes_in_uninvited() {
        let mut gateways = gateways();
        let mut syn = segment("syn", (PARTNER, 40_000), (PUBLIC, 22));
        let Some(Outcome::Refused(..)) = gateways.handle(at(0), 1, &mut syn) else {
            panic!("refused")
        };
        assert_eq!(
            gateways.handle(at(0), 7, &mut syn),
            None,
            "no NAT gateway there"
        );
    }
}
