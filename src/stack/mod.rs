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

use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp::State;
use smoltcp::wire::IpEndpoint;

use crate::event::{self, TcpDeed};
use crate::rng::Rng;
use crate::time::{Clock, Instant};
use crate::wire::offload::SegmentSize;
use crate::wire::packet::FlowKey;

mod config;
mod congestion;
mod cookie;
mod device;
mod echo;
mod ending;
mod flow;
mod handshake;
mod host;
mod icmp;
mod keep_alive;
mod listener;
mod moment;
mod nic;
mod ports;
mod receive;
mod reset;
mod send;
mod stream;
mod table;
mod time_wait;
mod timers;
mod udp;

pub use config::{KeepAlive, NicConfig, StackConfig, Tcp, TcpLimits, TcpOptions};
pub use device::Pool;
pub use echo::{EchoAnswer, EchoSocket, Echoed};
pub use host::Host;
pub use listener::TcpListener;
pub use stream::{Connect, TcpStream};
pub use udp::UdpSocket;

use cookie::Cookies;
use device::Port;
use echo::Echoes;
use flow::Flow;
use listener::Listener;
use moment::micros;
use nic::{Nic, interface};
use ports::Ports;
use table::FlowTable;
use time_wait::TimeWaits;
use timers::Timers;
use udp::UdpPort;

/// A TCP/IP stack.
pub struct Stack {
    nics: Vec<Nic>,
    clock: Clock,
    options: TcpOptions,
    limits: TcpLimits,
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
    ports: Ports,
    time_waits: TimeWaits,
    cookies: Cookies,
    echoes: Echoes,
    /// What was done with connections that nobody has asked for yet; see [`Stack::poll_deed`].
    deeds: VecDeque<(FlowKey, TcpDeed)>,
    /// Told when there is something to service; see [`Stack::on_touched`].
    touched: Option<Box<dyn Fn()>>,
}

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
        let middle = nics.iter().any(|n| n.transparent);
        // After the NICs' seeds, which so stay what they are.
        let cookies = Cookies::new(&mut config.rng);
        let echoes = Echoes::new(&mut config.rng);
        Self {
            nics,
            clock: config.clock,
            options: config.tcp.options,
            limits: config.tcp.limits,
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
            ports: Ports::new(&config.tcp.limits, middle),
            time_waits: TimeWaits::new(config.tcp.limits.time_wait),
            cookies,
            echoes,
            deeds: VecDeque::new(),
            touched: None,
        }
    }

    /// `notify` is called whenever the stack has something to service or to send, perhaps several times.
    pub fn on_touched(&mut self, notify: Box<dyn Fn()>) {
        self.touched = Some(notify);
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
                self.hand_over_if_waiting(id);
                self.forget_if_over(id);
            }
        }
        self.service_udp();
    }

    /// The next packet to leave, with the number of its NIC and what the device is to cut it into.
    pub fn poll_transmit(&mut self) -> Option<(usize, Vec<u8>, SegmentSize)> {
        self.outgoing.pop_front()
    }

    /// What the stack did by itself with a connection, in order: what packets alone do not explain.
    pub fn poll_deed(&mut self) -> Option<(event::Flow, TcpDeed)> {
        let (key, deed) = self.deeds.pop_front()?;
        let flow = event::Flow {
            local: key.local,
            remote: key.remote,
        };
        Some((flow, deed))
    }

    fn note(&mut self, key: FlowKey, deed: TcpDeed) {
        self.deeds.push_back((key, deed));
        self.notify();
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
        self.table.len() + self.time_waits.len()
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

    fn mark(&mut self, id: u32) {
        if let Some(flow) = &mut self.flows[id as usize]
            && !flow.dirty
        {
            flow.dirty = true;
            self.dirty.push_back(id);
            self.notify();
        }
    }

    fn notify(&self) {
        if let Some(touched) = &self.touched {
            touched();
        }
    }
}

fn endpoint(address: SocketAddr) -> IpEndpoint {
    IpEndpoint::new(address.ip().into(), address.port())
}

/// A stack shared by a node's programs and the world that drives it.
type Shared = Rc<RefCell<Stack>>;
