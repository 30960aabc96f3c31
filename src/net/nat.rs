//! NAT gateways: many private addresses behind one public one (VPC User Guide, "NAT gateways"). A connection that begins
//! inside gets a port of the gateway's address, one for each destination; what comes from outside without such a
//! connection goes no further. After 350 seconds in which nothing passes the connection is forgotten, and who goes on
//! with it from inside gets a RST, never a FIN; one that has ended keeps its port for a minute. An echo has its identifier for a port; an ICMP error belongs to the
//! connection of the packet that it quotes, and is translated with it (RFC 5508 §4.2), so that Path MTU Discovery works.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use etherparse::PacketBuilder;

use super::security_group::Refusal;
use super::topology::Topology;
use super::topology::vpc::NatGateway;
use crate::event::DropCause;
use crate::time::Instant;
use crate::wire::packet::{Packet, Transport, protocol};
use crate::wire::quote::Quote;
use crate::wire::rewrite::{End, rewrite_address, rewrite_echo, rewrite_end, rewrite_quote};

/// VPC User Guide, "Troubleshoot NAT gateways": not to be changed.
const IDLE: Duration = Duration::from_secs(350);
/// What a connection is kept for that FIN in both directions, or a RST, has ended: "approximately 900 connections per second
/// to a single destination (about 55,000 connections per minute)" are too many by the VPC User Guide (2023, "NAT gateway
/// basics").
const ENDED: Duration = Duration::from_secs(60);
/// VPC User Guide, "NAT gateway basics": connections to one destination at a time.
const CONNECTIONS_MAX: usize = 55_000;
/// What a NAT gateway carries, in bytes of IP packet. It lowers the segment size that SYNs tell to fit (VPC User Guide, "NAT
/// gateway basics").
pub(super) const MTU: usize = 8_500;
/// The same page: the gateway uses ports 1024 to 65535.
const PORTS: std::ops::RangeInclusive<u16> = 1_024..=65_535;

/// All NAT gateways.
#[derive(Debug)]
pub(super) struct Gateways(Vec<Gateway>);

#[derive(Debug)]
struct Gateway {
    config: NatGateway,
    /// Its address outside.
    public: IpAddr,
    /// Its address inside.
    private: IpAddr,
    /// By protocol, inner end and destination. Neither map is ever walked for its order.
    out: HashMap<(u8, SocketAddr, SocketAddr), Mapping>,
    /// The inner end by protocol, own port and destination.
    back: HashMap<(u8, u16, SocketAddr), SocketAddr>,
    /// Connections by protocol and destination.
    busy: HashMap<(u8, SocketAddr), Busy>,
    sweep_at: usize,
    /// When all that is over was last forgotten.
    swept: Instant,
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
    /// Whether a FIN went out, and whether one came in.
    fins: (bool, bool),
    reset: bool,
}

impl Mapping {
    fn is_live(&self, now: Instant) -> bool {
        let ended = self.reset || self.fins == (true, true);
        now - self.last <= if ended { ENDED } else { IDLE }
    }

    /// A packet of it passes.
    fn passes(&mut self, now: Instant, bytes: &[u8], outward: bool) {
        self.last = now;
        let packet = Packet::read(bytes);
        let Some(segment) = packet.as_ref().and_then(Packet::tcp) else {
            return;
        };
        if segment.flags.syn() {
            (self.fins, self.reset) = ((false, false), false);
        }
        self.reset |= segment.flags.rst();
        self.fins.0 |= segment.flags.fin() && outward;
        self.fins.1 |= segment.flags.fin() && !outward;
    }
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
            private: topology.nics[config.inside].address,
            out: HashMap::new(),
            back: HashMap::new(),
            busy: HashMap::new(),
            sweep_at: 1_024,
            swept: Instant::ZERO,
        };
        Self(topology.vpc.nat_gateways.iter().map(one).collect())
    }

    /// Whether `nic` is a gateway's.
    pub(super) fn has(&self, nic: usize) -> bool {
        let mut all = self.0.iter();
        all.any(|g| g.config.inside == nic || g.config.outside == nic)
    }

    /// A packet came in at `nic`; `None` when that is no NAT gateway's.
    pub(super) fn handle(&mut self, now: Instant, nic: usize, bytes: &mut [u8]) -> Option<Outcome> {
        let mut all = self.0.iter_mut();
        let gateway = all.find(|g| g.config.inside == nic || g.config.outside == nic)?;
        let outward = if gateway.config.inside == gateway.config.outside {
            Packet::read(bytes).is_none_or(|p| p.destination != gateway.public)
        } else {
            nic == gateway.config.inside
        };
        Some(if outward {
            gateway.outward(now, bytes)
        } else {
            gateway.inward(now, bytes)
        })
    }
}

impl Gateway {
    fn outward(&mut self, now: Instant, bytes: &mut [u8]) -> Outcome {
        let own = |p: Packet<'_>| [self.private, self.public].contains(&p.destination);
        if Packet::read(bytes).is_some_and(own) {
            let why = "a NAT gateway answers nobody at its own addresses";
            return refused(DropCause::NotForUs, why);
        }
        if Packet::read(bytes).is_some_and(|p| p.source == self.public) {
            let why = "it comes back to the NAT gateway that sent it: the route table of its subnet leads there";
            return refused(DropCause::NoRoute, why);
        }
        if let Some(quote) = Quote::of(bytes) {
            return self.error_outward(&quote, bytes);
        }
        let Some((protocol, from, to)) = ends(bytes) else {
            return refused(
                DropCause::NatUntranslated,
                "only TCP, UDP and ICMP are translated",
            );
        };
        if protocol == protocol::ICMP && from.port() == 0 {
            let why = "nobody outside can have asked for this echo reply";
            return refused(DropCause::NatUntranslated, why);
        }
        let key = (protocol, from, to);
        if let Some(mapping) = self.out.get_mut(&key) {
            if mapping.is_live(now) {
                mapping.passes(now, bytes, true);
                let port = mapping.port;
                return self.leave(bytes, port);
            }
            self.forget(&key);
        }
        if let Some(answer) = middle_of_connection(bytes) {
            let why = "the NAT gateway has no such connection: it forgets one after 350 s of silence, or a minute after its end";
            let refusal = Refusal {
                cause: DropCause::NatIdle,
                why: Some(why.to_owned()),
            };
            return Outcome::Refused(refusal, Some(answer));
        }
        let all_taken = self.busy.get(&(protocol, to));
        let all_taken = all_taken.is_some_and(|busy| busy.connections >= CONNECTIONS_MAX);
        // Once a second where there is no room: a flood makes it no slower.
        let again = now - self.swept >= Duration::from_secs(1);
        if self.out.len() >= self.sweep_at || (all_taken && again) {
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
        let mapping = Mapping {
            port,
            last: now,
            fins: (false, false),
            reset: false,
        };
        self.out.insert(key, mapping);
        self.leave(bytes, port)
    }

    fn inward(&mut self, now: Instant, bytes: &mut [u8]) -> Outcome {
        if let Some(quote) = Quote::of(bytes) {
            return self.error_inward(&quote, bytes);
        }
        let Some((protocol, from, to)) = ends(bytes) else {
            return Outcome::Own;
        };
        // An echo request is for the gateway itself (VPC User Guide, "NAT gateway doesn't respond to a ping command").
        if protocol == protocol::ICMP && to.port() == 0 {
            let why = "a NAT gateway answers no ping, and passes on nothing that begins outside";
            return refused(DropCause::NatUntranslated, why);
        }
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
            mapping.is_live(now).then(|| {
                mapping.passes(now, bytes, false);
                inner
            })
        });
        let Some(inner) = live else {
            let key = found.map(|inner| (protocol, inner, from));
            let ended = key.and_then(|key| self.out.get(&key));
            let why = match ended {
                Some(mapping) if now - mapping.last <= IDLE => {
                    "the NAT gateway has forgotten the connection: it had ended a minute ago"
                }
                Some(_) => {
                    "the NAT gateway has forgotten the connection: nothing had passed for 350 s"
                }
                None => "the NAT gateway has no connection that it belongs to",
            };
            return refused(DropCause::NatIdle, why);
        };
        put(bytes, End::Destination, inner);
        Outcome::Through(self.config.inside)
    }

    /// Somebody outside complains about a packet that the gateway let out: the complaint is for who sent it. It keeps no
    /// connection alive (RFC 5508 §4.2, REQ-5).
    fn error_inward(&self, quote: &Quote, bytes: &mut [u8]) -> Outcome {
        let port = quote.source.port();
        let key = (quote.protocol, port, quote.destination);
        let inner = self
            .back
            .get(&key)
            .filter(|_| quote.source.ip() == self.public);
        let Some(inner) = inner else {
            let why = "the NAT gateway has no connection that the packet quoted in it belongs to";
            return refused(DropCause::NatIdle, why);
        };
        rewrite_quote(bytes, End::Source, inner.ip(), Some(inner.port()));
        rewrite_address(bytes, End::Destination, inner.ip());
        Outcome::Through(self.config.inside)
    }

    /// Somebody inside complains about a packet that the gateway let in.
    fn error_outward(&self, quote: &Quote, bytes: &mut [u8]) -> Outcome {
        let key = (quote.protocol, quote.destination, quote.source);
        let Some(mapping) = self.out.get(&key) else {
            let why = "the NAT gateway has no connection that the packet quoted in it belongs to";
            return refused(DropCause::NatIdle, why);
        };
        rewrite_quote(bytes, End::Destination, self.public, Some(mapping.port));
        rewrite_address(bytes, End::Source, self.public);
        Outcome::Through(self.config.outside)
    }

    fn leave(&self, bytes: &mut [u8], port: u16) -> Outcome {
        put(bytes, End::Source, SocketAddr::new(self.public, port));
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
            let live = mapping.is_live(now);
            if !live {
                back.remove(&(*protocol, mapping.port, *to));
                if let Some(busy) = busy.get_mut(&(*protocol, *to)) {
                    busy.connections -= 1;
                }
            }
            live
        });
        self.sweep_at = (self.out.len() * 2).max(1_024);
        self.swept = now;
    }
}

fn refused(cause: DropCause, why: &str) -> Outcome {
    let refusal = Refusal {
        cause,
        why: Some(why.to_owned()),
    };
    Outcome::Refused(refusal, None)
}

/// Puts an end in place of one, be its port one or an echo's identifier.
fn put(bytes: &mut [u8], end: End, to: SocketAddr) {
    if !rewrite_end(bytes, end, to) {
        rewrite_echo(bytes, end, to.ip(), to.port());
    }
}

/// The protocol and both ends. Who asks for an echo has its identifier for a port, the other end has 0.
fn ends(bytes: &[u8]) -> Option<(u8, SocketAddr, SocketAddr)> {
    let packet = Packet::read(bytes)?;
    let protocol = match packet.transport {
        Transport::Tcp(_) => protocol::TCP,
        Transport::Udp(_) => protocol::UDP,
        Transport::Icmp(icmp) => {
            let identifier = u16::from_be_bytes([icmp.rest[0], icmp.rest[1]]);
            let (from, to) = match icmp.kind {
                8 => (identifier, 0),
                0 => (0, identifier),
                _ => return None,
            };
            let from = SocketAddr::new(packet.source, from);
            return Some((
                protocol::ICMP,
                from,
                SocketAddr::new(packet.destination, to),
            ));
        }
        Transport::Other(..) => return None,
    };
    let (from, to) = packet.ports()?;
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
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (packet.source, packet.destination) else {
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
mod tests;
