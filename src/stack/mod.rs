//! A node's TCP/IP stack, the only room that names smoltcp. A table finds the flow of a packet, every flow has a
//! socket of its own, and a timer wheel says which ones are due, so that a packet costs the same whether ten or a
//! hundred thousand connections are open. Links and programs are not here.
//!
//! The contract: packets go in by [`Stack::handle_packet`], time by [`Stack::handle_timeouts`]; then
//! [`Stack::service`] lets every touched flow send, and [`Stack::poll_transmit`] is drained until `None`. Programs
//! use a [`Host`].

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, PollResult, SocketSet};
use smoltcp::socket::tcp::State;
use smoltcp::wire::{HardwareAddress, IpCidr, IpEndpoint, Ipv4Address, Ipv6Address};

use crate::event::DropCause;
use crate::rng::Rng;
use crate::time::{Clock, Instant};
use crate::wire::offload::SegmentSize;
use crate::wire::packet::{FlowKey, Packet, Segment, Transport};

mod config;
mod congestion;
mod device;
mod flow;
mod host;
mod icmp;
mod listener;
mod reset;
mod stream;
mod table;
mod timers;
mod udp;

pub use config::{NicConfig, StackConfig, TcpOptions};
pub use device::Pool;
pub use host::Host;
pub use listener::TcpListener;
pub use stream::{Connect, TcpStream};
pub use udp::UdpSocket;

use device::Port;
use flow::{End, Flow};
use listener::Listener;
use reset::Verdict;
use table::FlowTable;
use timers::Timers;
use udp::UdpPort;

struct Nic {
    interface: Interface,
    /// The same for smaller packets, by their size: smoltcp's sockets ask their interface how much they may send.
    narrow: BTreeMap<usize, Interface>,
    port: Port,
    address: IpAddr,
    mtu: usize,
    routes: Vec<(IpAddr, u8)>,
    transparent: bool,
}

impl Nic {
    /// What a flow sends through, where its way carries packets of `mtu` bytes at most.
    fn way_out(&mut self, mtu: Option<usize>) -> (&mut Interface, &mut Port) {
        let narrow = mtu.and_then(|mtu| self.narrow.get_mut(&mtu));
        (narrow.unwrap_or(&mut self.interface), &mut self.port)
    }
}

/// A TCP/IP stack.
pub struct Stack {
    nics: Vec<Nic>,
    clock: Clock,
    options: TcpOptions,
    flows: Vec<Option<Box<Flow>>>,
    free: Vec<u32>,
    table: FlowTable,
    dirty: VecDeque<u32>,
    timers: Timers,
    listeners: BTreeMap<u16, Listener>,
    udp: BTreeMap<u16, UdpPort>,
    /// smoltcp answers what belongs to no flow (RST, echo reply, port unreachable) from an empty set.
    nobody: SocketSet<'static>,
    outgoing: VecDeque<(usize, Vec<u8>, SegmentSize)>,
    /// Packet sizes learnt from routers, by destination, and until when they hold.
    path_mtus: BTreeMap<IpAddr, (usize, Instant)>,
    next_port: u16,
    /// Told when there is something to service; see [`Stack::on_touched`].
    touched: Option<Box<dyn Fn()>>,
}

/// How long a path's packet size is remembered (RFC 1191 §6.3; Linux's route/mtu_expires).
const PATH_MTU_LASTS: Duration = Duration::from_secs(600);

/// First port used for outgoing connections; at the end of the range they go on at [`SECOND_PORT`].
const FIRST_PORT: u16 = 49_152;
const SECOND_PORT: u16 = 32_769;

impl Stack {
    /// A stack without flows.
    #[must_use]
    pub fn new(mut config: StackConfig) -> Self {
        let mut nics = Vec::new();
        for nic in config.nics {
            let mut port = Port::new(
                nic.mtu,
                config.checksums,
                config.offload,
                config.pool.clone(),
            );
            let (seed, now) = (config.rng.next_u64(), config.clock.now());
            let mut interface = interface(nic.address, &mut port, seed, now);
            interface.set_any_ip(nic.transparent);
            nics.push(Nic {
                interface,
                narrow: BTreeMap::new(),
                port,
                address: nic.address,
                mtu: nic.mtu,
                routes: nic.routes,
                transparent: nic.transparent,
            });
        }
        // In the middle, a client's connection is taken in and opened anew with the same addresses: the ports are to
        // tell the two apart.
        let middle = nics.iter().any(|n| n.transparent);
        Self {
            nics,
            clock: config.clock,
            options: config.tcp,
            flows: Vec::new(),
            free: Vec::new(),
            table: FlowTable::default(),
            dirty: VecDeque::new(),
            timers: Timers::default(),
            listeners: BTreeMap::new(),
            udp: BTreeMap::new(),
            nobody: SocketSet::new(Vec::new()),
            outgoing: VecDeque::new(),
            path_mtus: BTreeMap::new(),
            next_port: if middle { SECOND_PORT } else { FIRST_PORT },
            touched: None,
        }
    }

    /// `notify` is called whenever the stack has something to service or to send, perhaps several times.
    pub fn on_touched(&mut self, notify: Box<dyn Fn()>) {
        self.touched = Some(notify);
    }

    /// Takes in an IP packet that arrived at NIC number `nic`.
    ///
    /// # Errors
    /// When the packet goes no further, with the cause.
    pub fn handle_packet(&mut self, nic: usize, bytes: Vec<u8>) -> Result<(), DropCause> {
        let packet = Packet::read(&bytes).ok_or(DropCause::Malformed)?;
        if packet.destination != self.nics[nic].address && !self.nics[nic].transparent {
            return Err(DropCause::NotForUs);
        }
        match packet.transport {
            Transport::Tcp(segment) => {
                let key = FlowKey {
                    local: SocketAddr::new(packet.destination, segment.destination_port),
                    remote: SocketAddr::new(packet.source, segment.source_port),
                };
                // Only what is used below is copied out of the view, which borrows the bytes.
                let known = self.table.get(&key);
                let id = match known {
                    Some(id) => id,
                    None => match self.admit(key, &segment, nic)? {
                        Some(id) => id,
                        None => {
                            self.answer_as_nobody(nic, bytes);
                            return Ok(());
                        }
                    },
                };
                let now = self.clock.now();
                let Some(flow) = &mut self.flows[id as usize] else {
                    return Err(DropCause::Malformed);
                };
                if flow.guards_against(&segment) {
                    return Err(DropCause::FinGuard);
                }
                if segment.flags.rst() {
                    match flow.judge_reset(&segment) {
                        Verdict::Believe => {}
                        Verdict::Ignore => return Err(DropCause::OutsideWindow),
                        Verdict::Challenge => {
                            self.challenge(id);
                            return Err(DropCause::Challenged);
                        }
                    }
                }
                flow.on_segment(&segment, now);
                let syn_ack = segment.flags.syn() && segment.flags.ack();
                if flow.has_repeats() {
                    self.feed_again(id, bytes);
                } else {
                    self.feed(id, bytes);
                }
                if syn_ack {
                    // At once, so that the handshake's ACK is a packet of its own whatever the program writes next.
                    self.service_flow(id);
                }
                self.mark(id);
                Ok(())
            }
            Transport::Udp(datagram) => {
                let port = datagram.destination_port;
                self.handle_udp(nic, port, bytes);
                Ok(())
            }
            Transport::Icmp(message) => {
                if let Some(key) = icmp::unreachable_flow(&message) {
                    self.unreachable(key);
                }
                if let Some(too_big) = icmp::too_big(&message) {
                    self.too_big(&too_big);
                }
                self.answer_as_nobody(nic, bytes);
                Ok(())
            }
            Transport::Other(..) => {
                self.answer_as_nobody(nic, bytes);
                Ok(())
            }
        }
    }

    /// Lets timers run out that are due.
    pub fn handle_timeouts(&mut self) {
        let now = self.clock.now();
        while let Some(id) = self.timers.pop_due(now) {
            self.mark(id);
        }
    }

    /// When [`Stack::handle_timeouts`] wants to be called next.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        self.timers.next()
    }

    /// Lets every touched flow send what it can.
    pub fn service(&mut self) {
        while let Some(id) = self.dirty.pop_front() {
            if let Some(flow) = &mut self.flows[id as usize]
                && std::mem::take(&mut flow.dirty)
            {
                self.service_flow(id);
                self.forget_if_over(id);
            }
        }
        self.service_udp();
    }

    /// The next packet to leave, with the number of its NIC and what the device is to cut it into.
    pub fn poll_transmit(&mut self) -> Option<(usize, Vec<u8>, SegmentSize)> {
        self.outgoing.pop_front()
    }

    /// Whether every connection is closed, or waits out TIME-WAIT.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.flows
            .iter()
            .flatten()
            .all(|f| matches!(f.state(), State::Closed | State::Listen | State::TimeWait))
    }

    /// Number of connections in the table, TIME-WAIT included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.table.len()
    }

    /// A flow for the first packet of `key`: a SYN for a listener with room makes one. `None` when nobody listens.
    fn admit(
        &mut self,
        key: FlowKey,
        segment: &Segment<'_>,
        nic: usize,
    ) -> Result<Option<u32>, DropCause> {
        let port = key.local.port();
        let Some(listener) = self.listeners.get_mut(&port) else {
            return Ok(None);
        };
        if !segment.flags.syn() || segment.flags.ack() {
            return Ok(None);
        }
        if listener.is_full() {
            return Err(DropCause::Backlog);
        }
        listener.half_open += 1;
        let options = listener.options;
        let mut flow = Flow::new(key, nic, self.mss_at(nic), options, self.clock.now());
        flow.half_open = Some(port);
        if flow.socket().listen(endpoint(key.local)).is_err() {
            return Ok(None);
        }
        Ok(Some(self.insert(flow)))
    }

    /// Largest segment of data that leaves a NIC: IPv4 and TCP headers without options, as our segments carry none.
    fn mss_at(&self, nic: usize) -> usize {
        self.nics[nic].mtu.saturating_sub(40)
    }

    fn insert(&mut self, mut flow: Flow) -> u32 {
        let key = flow.key;
        let now = self.clock.now();
        if let Some((mtu, until)) = self.path_mtus.get(&key.remote.ip())
            && *until > now
        {
            flow.narrow(*mtu);
        }
        let flow = Some(Box::new(flow));
        let id = match self.free.pop() {
            Some(id) => {
                self.flows[id as usize] = flow;
                id
            }
            None => {
                self.flows.push(flow);
                // 2^32 sockets of a kilobyte do not fit any machine.
                (self.flows.len() - 1) as u32
            }
        };
        self.table.insert(key, id);
        id
    }

    /// Gives a packet to its flow's socket and notes what became of it.
    fn feed(&mut self, id: u32, bytes: Vec<u8>) {
        let now = micros(self.clock.now());
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        let nic = &mut self.nics[flow.nic];
        nic.port.incoming = Some(bytes);
        nic.interface
            .poll_ingress_single(now, &mut nic.port, &mut flow.set);
        flow.after_segment();
        let index = flow.nic;
        let handshake_over = flow.state() != State::SynReceived;
        if let (Some(port), true) = (flow.half_open, handshake_over) {
            flow.half_open = None;
            let failed = matches!(flow.state(), State::Closed | State::Listen);
            if failed {
                flow.orphan = true;
                flow.socket().abort();
            }
            if let Some(listener) = self.listeners.get_mut(&port) {
                listener.handshake_over(id, !failed);
            }
        }
        // What ingress answers at once: challenge ACKs, RSTs.
        self.collect(index, None);
    }

    /// Gives an acknowledgment to its flow's socket, and again as often as it takes until the socket finds the loss.
    fn feed_again(&mut self, id: u32, bytes: Vec<u8>) {
        self.feed(id, bytes.clone());
        let flow = self.flows[id as usize].as_deref_mut();
        for _ in 0..flow.map_or(0, Flow::takes_repeats) {
            self.feed(id, bytes.clone());
        }
    }

    /// Asks the peer whether it has reset the connection: an ACK that says where we are (RFC 5961 §3.2).
    fn challenge(&mut self, id: u32) {
        let now = self.clock.now();
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        let (IpAddr::V4(from), IpAddr::V4(to)) = (flow.key.local.ip(), flow.key.remote.ip()) else {
            return;
        };
        let ports = (flow.key.local.port(), flow.key.remote.port());
        let Some((sequence, acknowledgment, window)) = flow.numbers.challenge(now) else {
            return;
        };
        let packet = etherparse::PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            .tcp(ports.0, ports.1, sequence, window)
            .ack(acknowledgment);
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        if packet.write(&mut bytes, &[]).is_ok() {
            self.outgoing.push_back((flow.nic, bytes, None));
            self.notify();
        }
    }

    fn answer_as_nobody(&mut self, nic: usize, bytes: Vec<u8>) {
        let now = micros(self.clock.now());
        let n = &mut self.nics[nic];
        n.port.incoming = Some(bytes);
        n.interface
            .poll_ingress_single(now, &mut n.port, &mut self.nobody);
        self.collect(nic, None);
    }

    fn service_flow(&mut self, id: u32) {
        let instant = self.clock.now();
        let now = micros(instant);
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        let give_up = flow.give_up_at(instant);
        if give_up.is_some_and(|at| at <= instant) {
            self.end(id, End::TimedOut);
            return;
        }
        let (interface, port) = self.nics[flow.nic].way_out(flow.path_mtu);
        if flow.takes_again()
            && let Some(at) = interface.poll_at(now, &flow.set)
        {
            // The retransmission timer runs out at once: the socket is told the time at which it would.
            interface.poll_egress(at.max(now), port, &mut flow.set);
        }
        while interface.poll_egress(now, port, &mut flow.set) == PollResult::SocketStateChanged {}
        if let Some(later) = flow.acknowledge_at(instant) {
            interface.poll_egress(micros(later), port, &mut flow.set);
        }
        let poll_at = interface
            .poll_at(now, &flow.set)
            // smoltcp says "at once" with the time zero.
            .map(|at| from_micros(at).max(instant));
        // A SYN or FIN that has just left is waited for from now on.
        let give_up = give_up.or_else(|| flow.give_up_at(instant));
        let deadline = [poll_at, give_up].into_iter().flatten().min();
        self.timers.set(id, deadline);
        let index = flow.nic;
        self.collect(index, Some(id));
    }

    /// Moves what smoltcp emitted at a NIC to the stack's queue. `flow` is whose it is, where that is known.
    fn collect(&mut self, nic: usize, flow: Option<u32>) {
        let mut flow = flow.and_then(|id| self.flows[id as usize].as_deref_mut());
        let port = &mut self.nics[nic].port;
        let any = !port.outgoing.is_empty();
        while let Some((packet, segments)) = port.outgoing.pop_front() {
            if let Some(flow) = flow.as_deref_mut()
                && let Some(view) = Packet::read(&packet)
                && let Some(segment) = view.tcp()
            {
                flow.on_sent(segment);
            }
            self.outgoing.push_back((nic, packet, segments));
        }
        if any {
            self.notify();
        }
    }

    fn mark(&mut self, id: u32) {
        if let Some(flow) = &mut self.flows[id as usize]
            && !flow.dirty
        {
            flow.dirty = true;
            self.dirty.push_back(id);
            self.notify();
        }
    }

    /// Lets a flow send at once, and leaves nothing of it for [`Stack::service`] to do.
    fn serve(&mut self, id: u32) {
        if let Some(flow) = &mut self.flows[id as usize] {
            // Its place in the queue is then passed over.
            flow.dirty = false;
        }
        self.service_flow(id);
        // Its deadline may have changed even where no packet left.
        self.notify();
    }

    fn notify(&self) {
        if let Some(touched) = &self.touched {
            touched();
        }
    }

    /// A connection that cannot go on: its stream learns `end`, the peer nothing.
    fn end(&mut self, id: u32, end: End) {
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        flow.end = Some(end);
        // Aborting wakes the stream; the RST it would send is not let out, as the peer is out of reach.
        flow.socket().abort();
        self.timers.set(id, None);
        let index = flow.nic;
        let now = micros(self.clock.now());
        let nic = &mut self.nics[index];
        nic.interface.poll_egress(now, &mut nic.port, &mut flow.set);
        nic.port.outgoing.clear();
        if let Some(port) = flow.half_open.take() {
            flow.orphan = true;
            if let Some(listener) = self.listeners.get_mut(&port) {
                listener.handshake_over(id, false);
            }
        }
        self.forget_if_over(id);
    }

    /// ICMP says that the destination of `key` cannot be reached: a connection attempt fails at once (RFC 1122
    /// §4.2.3.9), an established connection goes on trying.
    fn unreachable(&mut self, key: FlowKey) {
        if let Some(id) = self.table.get(&key)
            && let Some(flow) = &self.flows[id as usize]
            && flow.state() == State::SynSent
        {
            self.end(id, End::Unreachable);
        }
    }

    /// A router says that a packet of ours was too big for its next link: the flow's segments shrink, and what was in
    /// flight leaves again (RFC 1191 §6.4). Later connections to the same host begin with the smaller size.
    fn too_big(&mut self, message: &icmp::TooBig) {
        let Some(id) = self.table.get(&message.flow) else {
            return;
        };
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        let mtu = message.mtu;
        if !flow.is_in_flight(message.sequence) || !flow.narrow(mtu) {
            return;
        }
        flow.resize();
        let nic = &mut self.nics[flow.nic];
        let now = self.clock.now();
        if !nic.narrow.contains_key(&mtu) {
            let mut shape = nic.port.narrower(mtu);
            // It opens no connections, so that its random numbers are not used.
            let mut narrow = interface(nic.address, &mut shape, 0, now);
            narrow.set_any_ip(nic.transparent);
            nic.narrow.insert(mtu, narrow);
        }
        let until = now + PATH_MTU_LASTS;
        self.path_mtus
            .insert(message.flow.remote.ip(), (mtu, until));
        self.mark(id);
    }

    fn forget_if_over(&mut self, id: u32) {
        let Some(flow) = &self.flows[id as usize] else {
            return;
        };
        if flow.orphan && matches!(flow.state(), State::Closed | State::Listen) {
            self.table.remove(&flow.key);
            self.flows[id as usize] = None;
            self.timers.set(id, None);
            self.free.push(id);
        }
    }

    /// The NIC through which `destination` is reached: longest prefix, then the first.
    fn nic_towards(&self, destination: IpAddr) -> Option<usize> {
        let mut best: Option<(u8, usize)> = None;
        for (index, nic) in self.nics.iter().enumerate() {
            for (address, prefix) in &nic.routes {
                let inside = prefix_contains(*address, *prefix, destination);
                if inside && best.is_none_or(|(longest, _)| *prefix > longest) {
                    best = Some((*prefix, index));
                }
            }
        }
        best.map(|(_, index)| index)
    }

    fn take_port(&mut self, local: IpAddr, remote: SocketAddr) -> Option<u16> {
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

/// A smoltcp interface with one address, for packets of the size that `port` takes.
fn interface(address: IpAddr, port: &mut Port, seed: u64, now: Instant) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut interface = Interface::new(config, port, micros(now));
    interface.update_ip_addrs(|addresses| {
        // The prefix plays no part: without an Ethernet below there are no neighbours to tell from gateways.
        let own = IpCidr::new(address.into(), 0);
        // An interface has room for eight addresses, and this is the first.
        let _ = addresses.push(own);
    });
    // The next hop's address plays no part either; a default route must exist.
    let routes = interface.routes_mut();
    let _ = routes.add_default_ipv4_route(Ipv4Address::new(0, 0, 0, 1));
    let _ = routes.add_default_ipv6_route(Ipv6Address::new(0, 0, 0, 0, 0, 0, 0, 1));
    interface
}

fn prefix_contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let bits = |a: IpAddr| match a {
        IpAddr::V4(a) => (u128::from(a.to_bits()) << 96, 4),
        IpAddr::V6(a) => (a.to_bits(), 6),
    };
    let ((a, family), (b, other)) = (bits(network), bits(address));
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    family == other && (a ^ b) & mask == 0
}

/// smoltcp counts microseconds; what is below is cut off, so that nothing fires early twice.
fn micros(now: Instant) -> smoltcp::time::Instant {
    let micros = now.as_nanos() / 1_000;
    smoltcp::time::Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn from_micros(at: smoltcp::time::Instant) -> Instant {
    let micros = u64::try_from(at.total_micros()).unwrap_or(0);
    Instant::from_nanos(micros.saturating_mul(1_000))
}

fn endpoint(address: SocketAddr) -> IpEndpoint {
    IpEndpoint::new(address.ip().into(), address.port())
}

/// A stack shared by a node's programs and the world that drives it.
type Shared = Rc<RefCell<Stack>>;
