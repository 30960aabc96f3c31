//! Load balancing: rules met, targets chosen, health.

use std::net::SocketAddr;

use super::milestones::fact;
use super::{CITED_MAX, Evidence, Record, Ruling};
use crate::event::{Balancing, Event, Fact};
use crate::lab::plan::{BalancingCheck, Count, HealthWanted, Span};
use crate::name::Name;
use crate::time::Instant;

/// What a load balancer's node decided is as wanted.
pub(super) fn check(record: &Record<'_>, node: &Name, check: &BalancingCheck) -> Ruling {
    match check {
        BalancingCheck::Rule { priority, count } => rule(record, node, *priority, *count),
        BalancingCheck::Chosen {
            target,
            address,
            span,
            count,
        } => chosen(record, node, target, *address, *span, *count),
        BalancingCheck::Health(wanted) => health(record, node, wanted),
        BalancingCheck::FailOpen {
            group,
            open,
            span,
            count,
        } => fail_open(record, node, group, *open, *span, *count),
    }
}

/// So many requests met a rule.
fn rule(record: &Record<'_>, node: &Name, priority: Option<u16>, count: Count) -> Ruling {
    let name = match priority {
        Some(priority) => format!("rule {priority}"),
        None => "the default rule".to_owned(),
    };
    let found = matching(
        record,
        node,
        Span::default(),
        |event| matches!(balancing(event), Some(Balancing::RuleMet { priority: p, .. }) if *p == priority),
    );
    let measured = format!("{name} met {}", times(found.len()));
    counted(
        found,
        count,
        measured,
        &format!("{name} met {}", count.words()),
    )
}

/// So many requests went to a target.
fn chosen(
    record: &Record<'_>,
    node: &Name,
    target: &Name,
    address: SocketAddr,
    span: Span,
    count: Count,
) -> Ruling {
    let found = matching(record, node, span, |event| {
        let chosen = match fact(event) {
            Some(Fact::TargetChosen { address, .. }) => Some(*address),
            Some(_) | None => None,
        };
        chosen == Some(address)
    });
    let all = matching(record, node, span, |event| {
        fact(event).is_some_and(|f| matches!(f, Fact::TargetChosen { .. }))
    });
    let measured = format!("{} of {} requests", found.len(), all.len());
    let expected = format!("{} requests to {target} at {address}", count.words());
    counted(found, count, measured, &expected)
}

/// So often a target came to be in a state.
fn health(record: &Record<'_>, node: &Name, wanted: &HealthWanted) -> Ruling {
    let HealthWanted {
        target,
        address,
        state,
        reason,
        span,
        count,
    } = wanted;
    let of_target = |event: &Event| match balancing(event) {
        Some(Balancing::Health {
            address: a,
            state,
            reason,
            ..
        }) if a == address => Some((*state, *reason)),
        Some(_) | None => None,
    };
    let found = matching(record, node, *span, |event| {
        of_target(event).is_some_and(|(s, r)| s == *state && (reason.is_none() || r == *reason))
    });
    let why = reason.map_or_else(String::new, |r| format!(" ({})", r.word()));
    let expected = format!(
        "{target} to be {}{why} {}{}",
        state.word(),
        count.words(),
        span.words()
    );
    let states = record
        .events
        .iter()
        .filter(|e| e.node == *node)
        .filter_map(|e| Some((e.at, of_target(e)?)));
    let told: Vec<String> = states
        .map(|(at, (state, reason))| {
            let why = reason.map_or_else(String::new, |r| format!(" ({})", r.word()));
            format!("{}{why} at {}", state.word(), shown(record, at))
        })
        .collect();
    let measured = if told.is_empty() {
        "its health is not checked".to_owned()
    } else {
        told.join(", ")
    };
    counted(found, *count, measured, &expected)
}

/// So often requests began, or ceased, to go to all targets for want of healthy ones.
fn fail_open(
    record: &Record<'_>,
    node: &Name,
    group: &str,
    open: bool,
    span: Span,
    count: Count,
) -> Ruling {
    let found = matching(record, node, span, |event| {
        matches!(
            balancing(event),
            Some(Balancing::FailOpen { group: g, open: o, .. }) if g == group && *o == open
        )
    });
    let what = if open { "begins" } else { "ends" };
    let when: Vec<String> = found
        .iter()
        .map(|i| shown(record, record.events[*i].at))
        .collect();
    let measured = if when.is_empty() {
        format!("fail open never {what}")
    } else {
        format!("fail open {what} at {}", when.join(", "))
    };
    let expected = format!(
        "fail open of {group} {what} {}{}",
        count.words(),
        span.words()
    );
    counted(found, count, measured, &expected)
}

/// Events of `node` within `span`, by their index.
fn matching(
    record: &Record<'_>,
    node: &Name,
    span: Span,
    is: impl Fn(&Event) -> bool,
) -> Vec<usize> {
    let events = record.events.iter().enumerate();
    let within = |at: Instant| span.holds(at - Instant::ZERO, record.tolerance);
    events
        .filter(|(_, e)| e.node == *node && within(e.at) && is(e))
        .map(|(i, _)| i)
        .collect()
}

fn counted(found: Vec<usize>, count: Count, measured: String, expected: &str) -> Ruling {
    let holds = count.admits(found.len() as u64);
    let evidence = found.into_iter().take(CITED_MAX).map(Evidence::Event);
    if holds {
        return Ruling::held(measured, evidence.collect());
    }
    let found = measured.clone();
    Ruling::broken(measured, evidence.collect(), expected, &found)
}

fn balancing(event: &Event) -> Option<&Balancing> {
    match fact(event) {
        Some(Fact::Balancing(balancing)) => Some(balancing),
        Some(_) | None => None,
    }
}

fn shown(record: &Record<'_>, at: Instant) -> String {
    record.show_found(at - Instant::ZERO)
}

fn times(n: usize) -> String {
    match n {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{HealthReason, HealthState, What};
    use crate::expect::fixture::{at, main_lab, name};

    const EC2_A: &str = "10.0.2.21:32768";

    fn at_alb(milliseconds: f64, fact: Fact) -> Event {
        Event {
            at: at(milliseconds),
            node: name("alb"),
            what: What::Fact(fact),
        }
    }

    fn state(state: HealthState, reason: Option<HealthReason>) -> Fact {
        Fact::Balancing(Balancing::Health {
            group: "web".into(),
            target: name("ec2-a"),
            address: EC2_A.parse().unwrap(),
            state,
            reason,
        })
    }

    fn wanted(state: HealthState, by: Option<Duration>, count: Count) -> BalancingCheck {
        BalancingCheck::Health(HealthWanted {
            target: name("ec2-a"),
            address: EC2_A.parse().unwrap(),
            state,
            reason: None,
            span: Span {
                by,
                ..Span::default()
            },
            count,
        })
    }

    #[test]
    fn a_state_is_found_in_its_time_only() {
        let mut run = main_lab();
        let timeout = Some(HealthReason::Timeout);
        run.events = vec![
            at_alb(1.0, state(HealthState::Healthy, None)),
            at_alb(15_000.0, state(HealthState::Unhealthy, timeout)),
        ];
        let judge = |check: &BalancingCheck| super::check(&run.record(), &name("alb"), check);
        let once = Count::AtLeast(1);
        let by = |s| Some(Duration::from_secs(s));
        assert!(
            judge(&wanted(HealthState::Unhealthy, by(15), once))
                .broken
                .is_none()
        );
        let late = judge(&wanted(HealthState::Unhealthy, by(14), once));
        assert_eq!(
            late.broken.unwrap(),
            "expected ec2-a to be unhealthy at least once by 14 s; found healthy at 1 ms, unhealthy (Target.Timeout) \
             at 15 s"
        );
        let never = wanted(HealthState::Draining, None, Count::Exactly(0));
        assert!(judge(&never).broken.is_none());
        let elsewhere = check(&run.record(), &name("user"), &never);
        assert!(elsewhere.broken.is_none());
    }

    #[test]
    fn rules_and_fail_open_are_counted() {
        let mut run = main_lab();
        let rule = |priority| {
            Fact::Balancing(Balancing::RuleMet {
                flow: crate::event::Flow {
                    local: EC2_A.parse().unwrap(),
                    remote: EC2_A.parse().unwrap(),
                },
                priority,
                action: "forward to web".into(),
            })
        };
        let open = |open| {
            Fact::Balancing(Balancing::FailOpen {
                group: "web".into(),
                open,
                healthy: 0,
                registered: 2,
            })
        };
        run.events = vec![
            at_alb(1.0, rule(Some(10))),
            at_alb(2.0, rule(None)),
            at_alb(3.0, rule(Some(10))),
            at_alb(4.0, open(true)),
        ];
        let judge = |check: BalancingCheck| super::check(&run.record(), &name("alb"), &check);
        let met = |priority, n| {
            judge(BalancingCheck::Rule {
                priority,
                count: Count::Exactly(n),
            })
        };
        assert!(met(Some(10), 2).broken.is_none() && met(None, 1).broken.is_none());
        assert_eq!(
            met(Some(20), 1).broken.unwrap(),
            "expected rule 20 met exactly once; found rule 20 met 0 times"
        );
        let opened = |open, count| {
            judge(BalancingCheck::FailOpen {
                group: "web".into(),
                open,
                span: Span::default(),
                count,
            })
        };
        assert_eq!(
            opened(true, Count::AtLeast(1)).measured,
            "fail open begins at 4 ms"
        );
        assert!(opened(false, Count::AtLeast(1)).broken.is_some());
    }

    #[test]
    fn requests_to_a_target_are_counted() {
        let run = main_lab();
        let chosen = |count| {
            let check = BalancingCheck::Chosen {
                target: name("ec2-a"),
                address: EC2_A.parse().unwrap(),
                span: Span::default(),
                count,
            };
            super::check(&run.record(), &name("alb"), &check)
        };
        assert_eq!(chosen(Count::Exactly(1)).measured, "1 of 1 requests");
        assert!(chosen(Count::AtMost(0)).broken.is_some());
    }
}
