//! Who comes into a target group and who leaves it, and for what reasons a target is not used at all (AWS "Register targets
//! with your Application Load Balancer target group", "Health checks for your target groups").

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::{Group, Member};
use crate::event::{Balancing, Fact, HealthReason, HealthState};
use crate::name::Name;
use crate::role::alb::health::Health;
use crate::role::alb::probe;
use crate::role::config::Target;

impl Group {
    /// Registers a target: once, however often it is said. One that is being taken out stays, as if it were new.
    pub(in crate::role::alb) fn register(self: &Rc<Self>, target: Target) {
        self.add(target, self.config.registration_takes);
    }

    pub(super) fn add(self: &Rc<Self>, target: Target, takes: Duration) {
        let mut members = self.members.borrow_mut();
        let known = members
            .iter()
            .position(|m| m.target.address == target.address);
        if known.is_some_and(|index| !members[index].is_draining()) {
            return;
        }
        let first = self.at_first(&target);
        let at_once = takes.is_zero() || first.state == HealthState::Unused;
        let number = self.number();
        let health = if at_once {
            first
        } else {
            Health::registering()
        };
        let index = known.unwrap_or(members.len());
        match members.get_mut(index) {
            // What goes on for the old number ends; requests under way go on.
            Some(member) => {
                member.number = number;
                member.health = health;
            }
            None => members.push(Member {
                number,
                health,
                target,
                work: Rc::default(),
                credit: 0,
                slow_since: None,
            }),
        }
        drop(members);
        self.begin(index, known.is_some());
        if !at_once {
            let group = self.clone();
            self.node.executor.spawn(async move {
                group.node.clock.sleep(takes).await;
                group.registered(number);
            });
        }
    }

    /// A number that no member has had.
    fn number(&self) -> u64 {
        let number = self.registered.get();
        self.registered.set(number + 1);
        number
    }

    /// The health of a target that has just been registered.
    fn at_first(&self, target: &Target) -> Health {
        let zones = &self.at.zones;
        let has_zone = |zone| zones.is_empty() || zones.contains(zone);
        if !self.at.in_use || !target.zone.as_ref().is_none_or(has_zone) {
            Health::unused(HealthReason::NotInUse)
        } else if target.is_load_balancer {
            Health::unused(HealthReason::IpUnusable)
        } else if self.stopped.borrow().contains(&target.node) {
            Health::unused(HealthReason::InvalidState)
        } else {
            Health::new(self.config.health_check.is_some())
        }
    }

    /// A member begins as its health is: to be probed, to get requests, or neither. That one is healthy without a probe is
    /// news only when it was something else before.
    fn begin(self: &Rc<Self>, index: usize, again: bool) {
        let mut members = self.members.borrow_mut();
        let Member {
            number,
            ref target,
            health,
            ..
        } = members[index];
        let (name, address) = (target.node.clone(), target.address);
        if health.is_healthy() {
            let since = self.slow_start(&members[..index]);
            let since = since.or_else(|| self.slow_start(&members[index + 1..]));
            members[index].slow_since = since;
        }
        drop(members);
        if again || !health.is_healthy() {
            self.tell(name, address, health);
        }
        if health.reason == Some(HealthReason::InitialHealthChecking)
            && let Some(check) = &self.config.health_check
        {
            let probes = probe::keep_probing(self.clone(), number, address, check.clone());
            self.node.executor.spawn(probes);
        }
    }

    /// The registration of a member is complete.
    fn registered(self: &Rc<Self>, number: u64) {
        let mut members = self.members.borrow_mut();
        let registering = |m: &Member| {
            m.number == number && m.health.reason == Some(HealthReason::RegistrationInProgress)
        };
        let Some(index) = members.iter().position(registering) else {
            return;
        };
        members[index].health = self.at_first(&members[index].target);
        drop(members);
        self.begin(index, true);
    }

    /// An instance has been stopped: its targets get nothing. Or it has been started: they are as if just registered.
    pub(in crate::role::alb) fn instance(self: &Rc<Self>, node: &Name, is_running: bool) {
        let changed = if is_running {
            self.stopped.borrow_mut().remove(node)
        } else {
            self.stopped.borrow_mut().insert(node.clone())
        };
        if !changed {
            return;
        }
        let count = self.members.borrow().len();
        for index in 0..count {
            let mut members = self.members.borrow_mut();
            let member = &mut members[index];
            let health = self.at_first(&member.target);
            if member.target.node != *node || member.is_draining() || member.health == health {
                continue;
            }
            member.health = health;
            // What goes on for the old number ends.
            member.number = self.number();
            drop(members);
            self.begin(index, true);
        }
        self.look_at_health();
    }

    /// Takes a target out: no request goes to it any more; those under way may last for the deregistration delay.
    pub(in crate::role::alb) fn deregister(self: &Rc<Self>, address: SocketAddr) {
        let mut drained = Vec::new();
        for member in self.members.borrow_mut().iter_mut() {
            if member.target.address == address && !member.is_draining() {
                member.health.drain();
                drained.push((member.number, member.target.node.clone(), member.health));
            }
        }
        for (number, name, health) in drained {
            self.tell(name.clone(), address, health);
            let group = self.clone();
            self.node.executor.spawn(async move {
                let delay = group.config.deregistration_delay;
                group.node.clock.sleep(delay).await;
                group.forget(number, name, address);
            });
        }
        self.look_at_health();
    }

    fn forget(&self, number: u64, target: Name, address: SocketAddr) {
        let mut members = self.members.borrow_mut();
        let Some(index) = members.iter().position(|m| m.number == number) else {
            return;
        };
        let member = members.remove(index);
        drop(members);
        self.node.fact(Fact::Balancing(Balancing::Health {
            group: self.config.name.clone(),
            target,
            address,
            state: HealthState::Unused,
            reason: Some(HealthReason::NotRegistered),
        }));
        member.work.end();
    }
}
