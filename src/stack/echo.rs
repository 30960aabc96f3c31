//! Echo requests, and what comes back (RFC 792): what ping(8) sends and waits for. The answers to other hosts' requests
//! are smoltcp's.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::task::{Poll, Waker};

use etherparse::PacketBuilder;

use super::icmp::{self, QuotedEcho};
use super::{Host, Stack};
use crate::rng::{Rng, Stream};
use crate::wire::packet::{Icmp, Packet};

/// IP header without options, and ICMP header.
const HEADERS: usize = 20 + 8;

/// What came back for an echo request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echoed {
    /// Who sent it: of an error the router, for one.
    pub from: IpAddr,
    /// The time to live that was left of it.
    pub ttl: u8,
    /// What it is.
    pub answer: EchoAnswer,
}

/// What an echo request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EchoAnswer {
    /// An echo reply; whether it brought the request's data back as they were.
    Reply {
        /// Whether it did.
        intact: bool,
    },
    /// An ICMP error about the request, as in "host unreachable".
    Error(String),
}

/// Who waits for answers, by identifier.
pub(super) struct Echoes {
    open: BTreeMap<u16, Open>,
    next: u16,
}

#[derive(Default)]
struct Open {
    /// By sequence number.
    waiting: BTreeMap<u16, Waiting>,
}

struct Waiting {
    destination: IpAddr,
    data: Vec<u8>,
    came: Option<Echoed>,
    waker: Option<Waker>,
}

impl Echoes {
    pub(super) fn new(rng: &mut Stream) -> Self {
        Self {
            open: BTreeMap::new(),
            // Any will do, and its low bits are as good as the others.
            next: rng.next_u64() as u16,
        }
    }

    fn note(&mut self, identifier: u16, sequence: u16, is_for: IpAddr, came: Echoed) -> bool {
        let open = self.open.get_mut(&identifier);
        let waiting = open.and_then(|o| o.waiting.get_mut(&sequence));
        let Some(waiting) = waiting.filter(|w| w.destination == is_for && w.came.is_none()) else {
            return false;
        };
        waiting.came = Some(came);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
        true
    }
}

impl Stack {
    /// An ICMP message came in: it may be what somebody here waits for.
    pub(super) fn handle_echo(&mut self, packet: &Packet<'_>, message: &Icmp<'_>) {
        const REPLY: u8 = 0;
        let echoed = |answer| Echoed {
            from: packet.source,
            ttl: packet.ttl,
            answer,
        };
        let [a, b, c, d] = message.rest;
        if message.kind == REPLY {
            let (identifier, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let open = self.echoes.open.get(&identifier);
            let asked = open.and_then(|o| o.waiting.get(&sequence));
            let intact = asked.is_some_and(|w| w.data == message.payload);
            let came = echoed(EchoAnswer::Reply { intact });
            self.echoes.note(identifier, sequence, packet.source, came);
            return;
        }
        let Some(QuotedEcho {
            identifier,
            sequence,
            destination,
        }) = icmp::quoted_echo(message)
        else {
            return;
        };
        let came = echoed(EchoAnswer::Error(message.words()));
        let ours = self.echoes.note(identifier, sequence, destination, came);
        if let (true, Some(mtu)) = (ours, icmp::next_hop_mtu(message))
            && let Some(nic) = self.nic_towards(destination)
        {
            self.note_path_mtu(nic, destination, mtu);
        }
    }
}

/// Sends echo requests under one identifier, and hears what becomes of them. Dropping it forgets who waits.
pub struct EchoSocket {
    host: Host,
    identifier: u16,
}

impl Host {
    /// Opens an identifier for echo requests: this one, or one that nobody here has.
    ///
    /// # Errors
    /// `AddrInUse` when somebody has it, `AddrNotAvailable` when all are taken.
    pub fn echo(&self, identifier: Option<u16>) -> io::Result<EchoSocket> {
        let echoes = &mut self.stack.borrow_mut().echoes;
        let identifier = match identifier {
            Some(wanted) if echoes.open.contains_key(&wanted) => {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            Some(wanted) => wanted,
            None => {
                let first = echoes.next;
                let mut all = (0..=u16::MAX).map(|n| first.wrapping_add(n));
                let free = all.find(|i| !echoes.open.contains_key(i));
                let free = free.ok_or(io::ErrorKind::AddrNotAvailable)?;
                echoes.next = free.wrapping_add(1);
                free
            }
        };
        echoes.open.insert(identifier, Open::default());
        Ok(EchoSocket {
            host: self.clone(),
            identifier,
        })
    }
}

impl EchoSocket {
    /// The identifier.
    #[must_use]
    pub const fn identifier(&self) -> u16 {
        self.identifier
    }

    /// Sends an echo request with the data, which no router is to fragment, and begins to wait for what comes back.
    ///
    /// # Errors
    /// `NetworkUnreachable` without a route, `InvalidInput` for more data than fits on the way as far as it is known
    /// (EMSGSIZE), `Unsupported` for other than IPv4.
    pub fn request(
        &self,
        destination: IpAddr,
        ttl: u8,
        sequence: u16,
        data: Vec<u8>,
    ) -> io::Result<()> {
        let mut stack = self.host.stack.borrow_mut();
        let stack = &mut *stack;
        let nic = stack
            .nic_towards(destination)
            .ok_or(io::ErrorKind::NetworkUnreachable)?;
        let (IpAddr::V4(from), IpAddr::V4(to)) = (stack.nics[nic].address, destination) else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mtu = stack.mtu_towards(nic, destination);
        if data.len() + HEADERS > mtu {
            let why = format!("message too long, MTU {mtu}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(from.octets(), to.octets(), ttl)
            .icmpv4_echo_request(self.identifier, sequence)
            .write(&mut bytes, &data)
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        if let Some(open) = stack.echoes.open.get_mut(&self.identifier) {
            let waiting = Waiting {
                destination,
                data,
                came: None,
                waker: None,
            };
            open.waiting.insert(sequence, waiting);
        }
        stack.outgoing.push_back((nic, bytes, None));
        stack.notify();
        Ok(())
    }

    /// What comes back first for the request with this sequence number.
    pub async fn answer(&self, sequence: u16) -> Echoed {
        poll_fn(|cx| {
            let mut stack = self.host.stack.borrow_mut();
            let open = stack.echoes.open.get_mut(&self.identifier);
            let Some(waiting) = open.and_then(|o| o.waiting.get_mut(&sequence)) else {
                // Nobody asked, or it was forgotten.
                return Poll::Pending;
            };
            match waiting.came.take() {
                Some(came) => Poll::Ready(came),
                None => {
                    waiting.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Waits no longer for what comes back for this one: what still does is ignored.
    pub fn forget(&self, sequence: u16) {
        let mut stack = self.host.stack.borrow_mut();
        if let Some(open) = stack.echoes.open.get_mut(&self.identifier) {
            open.waiting.remove(&sequence);
        }
    }
}

impl Drop for EchoSocket {
    fn drop(&mut self) {
        if let Ok(mut stack) = self.host.stack.try_borrow_mut() {
            stack.echoes.open.remove(&self.identifier);
        }
    }
}
