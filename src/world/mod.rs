//! Executor, clock and the loop that ties stacks and network together. One single-threaded world: settle the
//! instant (run ready tasks, let touched stacks send, until quiet), then advance to whatever comes next. What is
//! done on the nodes and why is not known here.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::event::{Event, Flow, TcpDeed, Trace, What};
use crate::name::Name;
use crate::net::topology::Topology;
use crate::net::{Fabric, Totals};
use crate::rng::{Entropy, Seed};
use crate::stack::{Host, NicConfig, Pool, Stack, StackConfig, Tcp, TcpLimits, TcpOptions};
use crate::time::{Clock, Instant, UnixSeconds};

mod control;
mod executor;
mod raw;
mod virtual_time;
mod wall_time;

pub use control::Control;
pub use executor::Executor;
use raw::RawQueue;
pub use raw::RawSender;
pub use wall_time::{Device, Watches};

/// What a world is made of.
pub struct WorldConfig {
    /// The network.
    pub topology: Topology,
    /// The date at which the run begins.
    pub epoch: UnixSeconds,
    /// The seed of the links' impairments.
    pub seed: Seed,
    /// Where initial sequence numbers come from.
    pub entropy: Entropy,
    /// How TCP connections behave on every node.
    pub tcp: TcpOptions,
    /// How TCP behaves on the nodes where it does otherwise.
    pub tcp_of: BTreeMap<usize, Tcp>,
    /// Whether stacks compute and check checksums.
    pub checksums: bool,
    /// Whether stacks and TUN devices leave them to each other, with packets larger than the MTU (see
    /// [`StackConfig::offload`]).
    pub offload: bool,
    /// Where events go.
    pub trace: Trace,
}

/// A world: nodes with stacks, the network between them, tasks and time.
pub struct World {
    clock: Clock,
    executor: Executor,
    trace: Trace,
    fabric: Fabric,
    /// One for each node of the topology.
    hosts: Vec<Host>,
    /// For each NIC of the topology: its number within its node's stack.
    nic_in_stack: Vec<usize>,
    /// Nodes whose stacks have something to service, each perhaps several times.
    touched: Rc<RefCell<Vec<usize>>>,
    /// The same while they are being served; kept for its memory.
    serving: Vec<usize>,
    /// When each stack wants to be woken, and the same by node.
    deadlines: BTreeSet<(Instant, usize)>,
    deadline_of: Vec<Option<Instant>>,
    /// Called when an instant is being settled, before packets leave the stacks.
    before_packets: Vec<Box<dyn FnMut()>>,
    watches: Watches,
    raw: RawQueue,
    control: Control,
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The scenario is over and every connection closed.
    Quiet,
    /// Nothing can happen any more, though the scenario waits or connections are open.
    Stalled,
    /// The limit of virtual time was reached.
    TimeLimit,
    /// More happened in one instant than a lab can mean.
    Livelock,
    /// Somebody asked the process to end.
    Interrupted,
}

impl World {
    /// Builds the nodes and the network; nothing happens yet.
    #[must_use]
    pub fn new(config: WorldConfig) -> Self {
        let clock = Clock::new(config.epoch);
        let pool = Pool::default();
        let touched = Rc::new(RefCell::new(Vec::new()));
        let topology = &config.topology;
        let usual = Tcp {
            options: config.tcp,
            limits: TcpLimits::default(),
        };
        let mut nic_in_stack = vec![0; topology.nics.len()];
        let mut hosts = Vec::new();
        for (index, node) in topology.nodes.iter().enumerate() {
            let nics = node.nics.iter().enumerate().map(|(number, nic)| {
                nic_in_stack[*nic] = number;
                let link = topology.links.iter().find(|l| l.ends.contains(nic));
                let routes = node.routes.iter().filter(|r| r.nic == *nic);
                NicConfig {
                    address: topology.nics[*nic].address,
                    mtu: link.map_or(1500, |l| l.mtu),
                    routes: routes.map(|r| (r.to.address, r.to.prefix)).collect(),
                    transparent: topology.is_interceptor(index),
                }
            });
            let mut stack = Stack::new(StackConfig {
                nics: nics.collect(),
                tcp: config.tcp_of.get(&index).copied().unwrap_or(usual),
                checksums: config.checksums,
                offload: config.offload,
                rng: config.entropy.stream(format_args!("stack/{}", node.name)),
                clock: clock.clone(),
                pool: pool.clone(),
            });
            let list = touched.clone();
            stack.on_touched(Box::new(move || {
                let mut list = list.borrow_mut();
                if list.last() != Some(&index) {
                    list.push(index);
                }
            }));
            hosts.push(Host::new(stack));
        }
        let deadline_of = vec![None; hosts.len()];
        Self {
            fabric: Fabric::new(config.topology, config.seed, config.trace.clone()),
            executor: Executor::default(),
            trace: config.trace,
            clock,
            hosts,
            nic_in_stack,
            touched,
            serving: Vec::new(),
            deadlines: BTreeSet::new(),
            deadline_of,
            before_packets: Vec::new(),
            watches: Watches::default(),
            raw: RawQueue::default(),
            control: Control::default(),
        }
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// For starting tasks.
    #[must_use]
    pub const fn executor(&self) -> &Executor {
        &self.executor
    }

    /// The stack of node number `node`, for programs.
    #[must_use]
    pub fn host(&self, node: usize) -> Host {
        self.hosts[node].clone()
    }

    /// A handle that sends packets out of NIC number `nic` as they are.
    #[must_use]
    pub fn raw_sender(&self, nic: usize) -> RawSender {
        self.raw.sender(nic)
    }

    /// A handle that changes the network.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// The run is over: what is told at the end is told.
    pub fn finish(&self) {
        self.fabric.tell_flows(self.clock.epoch(), self.clock.now());
    }

    /// Counts so far.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.fabric.totals()
    }

    /// `hook` runs before packets leave the stacks, whenever they do: secrets reach the trace before what they open.
    pub fn before_packets(&mut self, hook: Box<dyn FnMut()>) {
        self.before_packets.push(hook);
    }

    /// Runs in virtual time until the scenario is over and the network quiet, or `limit` after the start.
    pub fn run(&mut self, limit: Duration) -> Ended {
        virtual_time::run(self, Instant::ZERO + limit)
    }

    /// Runs against the wall clock, with these NICs on TUN devices, until the scenario is over and the network quiet,
    /// `limit` after the start, or somebody asks the process to end. With `stay` it does not end by itself.
    ///
    /// # Errors
    /// When a device fails.
    pub fn run_on_devices(
        &mut self,
        devices: &mut [Device],
        limit: Duration,
        stay: bool,
    ) -> std::io::Result<Ended> {
        self.fabric
            .put_on_devices(devices.iter().map(|d| d.nic).collect());
        let limit = (!stay).then(|| Instant::ZERO + limit);
        wall_time::run(self, devices, limit)
    }

    /// For tasks that wait for descriptors; they are looked at only in wall-clock time.
    #[must_use]
    pub fn watches(&self) -> Watches {
        self.watches.clone()
    }

    fn limit_reached(&self, limit: &str) {
        // Every lab has a node; the run itself has none.
        if let Ok(node) = Name::new("run") {
            self.trace.event(&Event {
                at: self.clock.now(),
                node,
                what: What::Limit {
                    limit: limit.to_owned(),
                },
            });
        }
    }

    /// Runs tasks and stacks until this instant has nothing more to do. `false` when that does not end.
    fn settle(&mut self) -> bool {
        // The scenario's tasks are few and a poll is short: a million in one instant is a loop.
        const POLLS: usize = 1_000_000;
        let mut polls = 0;
        loop {
            let polled = self.executor.run_until_stalled(POLLS);
            polls += polled;
            while let Some(change) = self.control.poll() {
                self.fabric.change(self.clock.now(), &change);
            }
            let served = self.serve_touched();
            let sent = self.send_raw();
            if polled == 0 && !served && !sent {
                return true;
            }
            if polls >= POLLS {
                return false;
            }
        }
    }

    /// Sends what was made outside the stacks. `false` when there was nothing.
    fn send_raw(&mut self) -> bool {
        let now = self.clock.now();
        let mut any = false;
        while let Some((nic, packet)) = self.raw.poll() {
            self.fabric.send(now, nic, packet);
            any = true;
        }
        any
    }

    /// Lets touched stacks send. `false` when none was touched.
    fn serve_touched(&mut self) -> bool {
        let mut touched = std::mem::take(&mut self.serving);
        std::mem::swap(&mut touched, &mut self.touched.borrow_mut());
        if touched.is_empty() {
            self.serving = touched;
            return false;
        }
        // In the order of the nodes.
        touched.sort_unstable();
        touched.dedup();
        for hook in &mut self.before_packets {
            hook();
        }
        let now = self.clock.now();
        for node in touched.drain(..) {
            let mut stack = self.hosts[node].stack().borrow_mut();
            stack.service();
            let deeds = std::iter::from_fn(|| stack.poll_deed());
            tell(
                &self.trace,
                now,
                &self.fabric.topology().nodes[node].name,
                deeds,
            );
            while let Some((number, packet, segments)) = stack.poll_transmit() {
                let nic = self.fabric.topology().nodes[node].nics[number];
                self.fabric.send_large(now, nic, packet, segments);
            }
            let deadline = stack.next_deadline();
            let known = &mut self.deadline_of[node];
            if *known != deadline {
                if let Some(old) = *known {
                    self.deadlines.remove(&(old, node));
                }
                if let Some(new) = deadline {
                    self.deadlines.insert((new, node));
                }
                *known = deadline;
            }
        }
        self.serving = touched;
        true
    }

    /// The next moment at which anything can happen.
    fn next(&self) -> Option<Instant> {
        let timer = self.deadlines.first().map(|d| d.0);
        [
            self.fabric.next_delivery(),
            timer,
            self.clock.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Lets everything happen that is due at the present moment: packets first, then timers.
    fn fire(&mut self) {
        let now = self.clock.now();
        while let Some((nic, id, bytes)) = self.fabric.poll_arrival(now) {
            let node = self.fabric.topology().nics[nic].node;
            // Kept for the event of a drop, which is rare: only the head is needed to tell whose it was.
            let head: Vec<u8> = if self.trace.is_heard() {
                bytes[..bytes.len().min(64)].to_vec()
            } else {
                Vec::new()
            };
            let handled = self.hosts[node]
                .stack()
                .borrow_mut()
                .handle_packet(self.nic_in_stack[nic], bytes);
            if let Err(cause) = handled {
                self.fabric.drop_at(now, nic, id, cause, &head);
            }
        }
        while let Some(&(at, node)) = self.deadlines.first() {
            if at > now {
                break;
            }
            self.deadlines.remove(&(at, node));
            self.deadline_of[node] = None;
            self.hosts[node].stack().borrow_mut().handle_timeouts();
            // So that its next deadline is asked for, even when nothing was due after all.
            self.touched.borrow_mut().push(node);
        }
    }

    /// Whether the scenario is over, no packet is on its way and every connection closed.
    fn is_quiet(&self) -> bool {
        self.executor.foreground() == 0
            && self.fabric.is_idle()
            && self.hosts.iter().all(|h| h.stack().borrow().is_quiet())
    }
}

/// What a stack did by itself, as events.
fn tell(trace: &Trace, at: Instant, node: &Name, deeds: impl Iterator<Item = (Flow, TcpDeed)>) {
    for (flow, deed) in deeds {
        if trace.is_heard() {
            trace.event(&Event {
                at,
                node: node.clone(),
                what: What::Tcp { flow, deed },
            });
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Tasks own handles on stacks, and stacks wakers of tasks: the circle is cut here.
        self.executor.clear();
    }
}
