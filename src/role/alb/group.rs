//! Target groups at work, as one node of the load balancer sees them: who is registered, how healthy they are, and which
//! one gets a request (AWS "Target groups for your Application Load Balancers").

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::choose::{Candidate, FULL, choose};
use super::health::Health;
use super::under_way::{UnderWay, Work};
use crate::event::{Balancing, Fact, Flow, HealthReason, HealthState};
use crate::name::Name;
use crate::role::Node;
use crate::role::config::{Algorithm, Target, TargetGroup, TargetProtocol};
use crate::time::Instant;
use crate::tls::client::ClientSetup;

mod registration;

/// A target group at work.
pub(super) struct Group {
    node: Node,
    pub(super) config: TargetGroup,
    /// How TLS is spoken with its targets, or for their probes; `None` when it is with neither.
    tls: Option<Rc<ClientSetup>>,
    at: Place,
    members: RefCell<Vec<Member>>,
    /// Instances that are not running.
    stopped: RefCell<BTreeSet<Name>>,
    /// How many there have been: their numbers.
    registered: Cell<u64>,
    /// Whether too few targets are healthy, so that all get requests.
    fail_open: Cell<bool>,
}

/// Where a node of the load balancer stands towards a target group.
pub(super) struct Place {
    /// The node's availability zone.
    pub(super) zone: Option<String>,
    /// Those that the load balancer is enabled in; empty where the lab names none.
    pub(super) zones: Vec<String>,
    /// Whether a rule of the load balancer names the group.
    pub(super) in_use: bool,
}

/// A registered target, or one that is being taken out.
struct Member {
    number: u64,
    target: Target,
    health: Health,
    work: Rc<Work>,
    credit: i128,
    /// When its slow start began, while it lasts.
    slow_since: Option<Instant>,
}

/// A target group has no registered target that this node may use: 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoTarget;

/// The target that a request goes to.
pub(super) struct Chosen {
    pub(super) target: Name,
    pub(super) address: SocketAddr,
    /// Why this one.
    pub(super) reason: String,
    /// Until it is dropped the request counts as under way.
    pub(super) under_way: UnderWay,
}

impl Group {
    /// Registers the group's targets. What is to be checked is probed from now on.
    pub(super) fn start(
        node: Node,
        config: TargetGroup,
        tls: Option<Rc<ClientSetup>>,
        at: Place,
    ) -> Rc<Self> {
        let targets = config.targets.clone();
        let group = Rc::new(Self {
            node,
            config,
            tls,
            at,
            members: RefCell::default(),
            stopped: RefCell::default(),
            registered: Cell::new(0),
            fail_open: Cell::new(false),
        });
        for target in targets {
            group.add(target, Duration::ZERO);
        }
        group
    }

    /// A target for one more request; the one at `wanted` when it can be had.
    pub(super) fn choose(&self, wanted: Option<SocketAddr>) -> Result<Chosen, NoTarget> {
        let now = self.node.clock.now();
        let mut members = self.members.borrow_mut();
        let registered = self.usable(&members);
        let healthy_here: Vec<usize> = registered
            .iter()
            .copied()
            .filter(|i| members[*i].health.is_healthy())
            .collect();
        if registered.is_empty() {
            return Err(NoTarget);
        }
        let minimum = self.config.minimum_healthy;
        let fail_open = !minimum.is_met(healthy_here.len(), registered.len());
        let mut state = "healthy".to_owned();
        if fail_open {
            let healthy = healthy_here.len();
            state = format!("fail open, {healthy} of {} healthy", registered.len());
        }
        let among = if fail_open { registered } else { healthy_here };
        let wanted = wanted.and_then(|address| {
            let found = |i: &&usize| members[**i].target.address == address;
            among.iter().find(found).copied()
        });
        let (index, how) = match wanted {
            Some(index) => (index, "by its cookie".to_owned()),
            None => self
                .by_algorithm(&mut members, &among, now)
                .ok_or(NoTarget)?,
        };
        let member = &members[index];
        Ok(Chosen {
            target: member.target.node.clone(),
            address: member.target.address,
            reason: format!("{state}, {how}"),
            under_way: UnderWay::new(&member.work),
        })
    }

    fn by_algorithm(
        &self,
        members: &mut [Member],
        among: &[usize],
        now: Instant,
    ) -> Option<(usize, String)> {
        let mut candidates: Vec<Candidate> = among
            .iter()
            .map(|i| Candidate {
                share: self.share(&members[*i], now),
                outstanding: members[*i].work.outstanding(),
                credit: members[*i].credit,
            })
            .collect();
        let random = || {
            let mut bytes = [0; 8];
            self.node.chance.fill("target", &mut bytes);
            u64::from_le_bytes(bytes)
        };
        let best = choose(&mut candidates, self.config.algorithm, random)?;
        for (i, candidate) in among.iter().zip(&candidates) {
            members[*i].credit = candidate.credit;
        }
        let Candidate {
            share, outstanding, ..
        } = candidates[best];
        let how = match self.config.algorithm {
            Algorithm::RoundRobin if share < FULL => {
                format!("round robin, slow start at {}.{} %", share / 10, share % 10)
            }
            Algorithm::RoundRobin => "round robin".to_owned(),
            Algorithm::LeastOutstandingRequests => {
                format!("least outstanding requests ({outstanding})")
            }
            Algorithm::WeightedRandom => "weighted random".to_owned(),
        };
        Some((
            among[best],
            format!("{how}, {} of {}", best + 1, among.len()),
        ))
    }

    /// The targets that this node may use, healthy or not.
    fn usable(&self, members: &[Member]) -> Vec<usize> {
        let usable = members.iter().enumerate().filter(|(_, m)| {
            let near = self.config.cross_zone || m.target.zone == self.at.zone;
            near && m.is_in_service()
        });
        usable.map(|(i, _)| i).collect()
    }

    /// Grows with time while a target starts slowly.
    fn share(&self, member: &Member, now: Instant) -> u64 {
        let Some(since) = member.slow_since else {
            return FULL;
        };
        let (passed, all) = (now - since, self.config.slow_start);
        if passed >= all {
            return FULL;
        }
        let share = passed.as_nanos() * u128::from(FULL) / all.as_nanos().max(1);
        u64::try_from(share).unwrap_or(FULL).max(1)
    }

    /// When the slow start of a target that is healthy from now on begins: now, when another one is healthy and has
    /// its own behind it. Those of an empty group would have nobody to take the rest.
    fn slow_start(&self, members: &[Member]) -> Option<Instant> {
        let now = self.node.clock.now();
        let carries = |m: &Member| m.health.is_healthy() && self.share(m, now) == FULL;
        let wanted = !self.config.slow_start.is_zero() && members.iter().any(carries);
        wanted.then_some(now)
    }

    /// A probe of a target has ended.
    pub(super) fn probed(&self, number: u64, outcome: Result<(), HealthReason>) {
        let Some(check) = &self.config.health_check else {
            return;
        };
        let mut members = self.members.borrow_mut();
        let Some(index) = members.iter().position(|m| m.number == number) else {
            return;
        };
        let was_healthy = members[index].health.is_healthy();
        if !members[index].health.probed(outcome, check) {
            return;
        }
        let health = members[index].health;
        if !health.is_healthy() {
            members[index].slow_since = None;
        }
        if health.is_healthy() && !was_healthy {
            let (before, after) = members.split_at(index);
            let since = self.slow_start(before);
            let since = since.or_else(|| self.slow_start(&after[1..]));
            members[index].slow_since = since;
            members[index].credit = 0;
        }
        let name = members[index].target.node.clone();
        let address = members[index].target.address;
        drop(members);
        self.tell(name, address, health);
        self.look_at_health();
    }

    /// Whether a target is still registered, and so to be probed.
    pub(super) fn is_registered(&self, number: u64) -> bool {
        let members = self.members.borrow();
        members
            .iter()
            .any(|m| m.number == number && m.is_in_service())
    }

    /// How TLS is spoken with its targets; `None` when requests go to them in plain text.
    pub(super) fn tls_of_targets(&self) -> Option<&Rc<ClientSetup>> {
        let wanted = self.config.protocol == TargetProtocol::Https;
        self.tls.as_ref().filter(|_| wanted)
    }

    /// How TLS is spoken with its targets, by requests or by probes; `None` when by neither.
    pub(super) const fn tls(&self) -> Option<&Rc<ClientSetup>> {
        self.tls.as_ref()
    }

    pub(super) const fn node(&self) -> &Node {
        &self.node
    }

    /// A probe begins on a connection.
    pub(super) fn tell_probing(&self, flow: Flow) {
        self.node.fact(Fact::Balancing(Balancing::Probing {
            flow,
            group: self.config.name.clone(),
        }));
    }

    /// A probe of the target at `address` has ended like this.
    pub(super) fn tell_probe(&self, address: SocketAddr, passed: bool, result: String) {
        let members = self.members.borrow();
        let Some(member) = members.iter().find(|m| m.target.address == address) else {
            return;
        };
        let target = member.target.node.clone();
        drop(members);
        self.node.fact(Fact::Balancing(Balancing::Probed {
            group: self.config.name.clone(),
            target,
            address,
            passed,
            result,
        }));
    }

    fn tell(&self, target: Name, address: SocketAddr, health: Health) {
        self.node.fact(Fact::Balancing(Balancing::Health {
            group: self.config.name.clone(),
            target,
            address,
            state: health.state,
            reason: health.reason,
        }));
    }

    /// Says when requests begin, or cease, to go to all targets.
    fn look_at_health(&self) {
        let members = self.members.borrow();
        let registered = self.usable(&members);
        // Before the first results nothing is known that could be told.
        let judged = registered
            .iter()
            .all(|i| members[*i].health.state != HealthState::Initial);
        let healthy = registered
            .iter()
            .filter(|i| members[**i].health.is_healthy())
            .count();
        let minimum = self.config.minimum_healthy;
        let open = !registered.is_empty() && !minimum.is_met(healthy, registered.len());
        if (open && !judged) || self.fail_open.replace(open) == open {
            return;
        }
        self.node.fact(Fact::Balancing(Balancing::FailOpen {
            group: self.config.name.clone(),
            open,
            healthy,
            registered: registered.len(),
        }));
    }
}

impl Member {
    fn is_draining(&self) -> bool {
        self.health.state == HealthState::Draining
    }

    /// Whether it may get requests, if not for its health.
    fn is_in_service(&self) -> bool {
        match self.health.state {
            HealthState::Initial
                if self.health.reason == Some(HealthReason::RegistrationInProgress) =>
            {
                false
            }
            HealthState::Initial | HealthState::Healthy | HealthState::Unhealthy => true,
            HealthState::Draining | HealthState::Unused => false,
        }
    }
}
