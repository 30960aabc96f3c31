//! The life of the first request, told by the facts of browser, load balancer and application.

use std::collections::BTreeMap;

use crate::event::{Attack, CookieFact, Event, Fact, Flow, What};
use crate::lab::plan::{Milestone, Plan};
use crate::name::Name;
use crate::role::config::Role;
use crate::time::Instant;

/// When each milestone of the first request was reached, and by which event (index into `events`). A milestone that
/// was not reached, or was skipped (no SYN to a target on a connection that was open already), is missing.
///
/// The first request is the first that a browser sends; before one is sent, the first that it prepares.
#[must_use]
pub fn milestones(events: &[Event], plan: &Plan) -> BTreeMap<Milestone, (Instant, usize)> {
    let mut walk = Walk {
        events,
        reached: BTreeMap::new(),
    };
    let browser = |n: &Name| role_of(plan, n).is_some_and(|r| matches!(r, Role::Browser(_)));
    let alb = |n: &Name| role_of(plan, n).is_some_and(|r| matches!(r, Role::Alb(_)));
    let app = |n: &Name| role_of(plan, n).is_some_and(|r| matches!(r, Role::App(_)));

    let request = walk.find(0, |e, f| browser(&e.node) && is_request_sent(f));
    let connected = || {
        walk.find(0, |e, f| {
            browser(&e.node) && matches!(f, Fact::Connected(_))
        })
    };
    let connecting = || {
        walk.find(0, |e, f| {
            browser(&e.node) && matches!(f, Fact::Connecting(_))
        })
    };
    let asked = || walk.find(0, |e, f| browser(&e.node) && is_lookup(f));
    let Some(start) = request
        .or_else(connected)
        .or_else(connecting)
        .or_else(asked)
    else {
        return walk.reached;
    };
    let user = events[start].node.clone();
    let at_user = |e: &Event| e.node == user;
    let Some(front) = fact(&events[start]).and_then(flow_of) else {
        walk.reach(Milestone::DnsQuery, 0, |e, f| at_user(e) && is_lookup(f));
        return walk.reached;
    };
    let on_front = |e: &Event, f: &Fact| at_user(e) && flow_of(f) == Some(front);
    // The look-up that its connection came of is the last one before it.
    let connecting = walk.find(0, |e, f| on_front(e, f) && matches!(f, Fact::Connecting(_)));
    let before = &events[..connecting.unwrap_or(start)];
    let look_up = |e: &Event| at_user(e) && fact(e).is_some_and(is_lookup);
    if let Some(asked) = before.iter().rposition(look_up) {
        walk.note(Milestone::DnsQuery, asked);
    }
    walk.reach(Milestone::TcpSyn, 0, |e, f| {
        on_front(e, f) && matches!(f, Fact::Connecting(_))
    });
    walk.reach(Milestone::TcpEstablished, 0, |e, f| {
        on_front(e, f) && matches!(f, Fact::Connected(_))
    });
    walk.reach(Milestone::ClientHello, 0, |e, f| {
        on_front(e, f) && matches!(f, Fact::TlsStarted { .. })
    });
    walk.reach(Milestone::TlsEstablished, 0, |e, f| {
        on_front(e, f) && matches!(f, Fact::TlsEstablished { .. })
    });
    let Some(sent) = walk.reach(Milestone::RequestSent, 0, |e, f| {
        on_front(e, f) && is_request_sent(f)
    }) else {
        return walk.reached;
    };
    walk.reach(Milestone::ResponseAtUser, sent, |e, f| {
        on_front(e, f) && matches!(f, Fact::ResponseReceived { .. })
    });
    // Behind an address translation the ends differ: then the first one after is taken.
    let reversed = Flow {
        local: front.remote,
        remote: front.local,
    };
    let received = |e: &Event, f: &Fact| alb(&e.node) && is_request_received(f);
    let exact = walk.find(sent, |e, f| received(e, f) && flow_of(f) == Some(reversed));
    let Some(at_alb) = exact.or_else(|| walk.find(sent, received)) else {
        return walk.reached;
    };
    walk.note(Milestone::RequestAtAlb, at_alb);
    let alb_node = &events[at_alb].node;
    let alb_front = fact(&events[at_alb]).and_then(flow_of);
    walk.reach(Milestone::ResponseFromAlb, at_alb, |e, f| {
        e.node == *alb_node && flow_of(f) == alb_front && matches!(f, Fact::ResponseSent { .. })
    });
    let forwarded = walk.find(at_alb, |e, f| e.node == *alb_node && is_request_sent(f));
    let back = forwarded.and_then(|i| fact(&events[i])).and_then(flow_of);
    walk.reach(Milestone::TargetSyn, at_alb, |e, f| {
        e.node == *alb_node
            && matches!(f, Fact::Connecting(_))
            && (back.is_none() || flow_of(f) == back)
    });
    let (Some(forwarded), Some(back)) = (forwarded, back) else {
        return walk.reached;
    };
    walk.note(Milestone::RequestToTarget, forwarded);
    walk.reach(Milestone::ResponseAtAlb, forwarded, |e, f| {
        e.node == *alb_node
            && flow_of(f) == Some(back)
            && matches!(f, Fact::ResponseReceived { .. })
    });
    // A docker host rewrites the destination only, so the application sees the load balancer's end as it is.
    let arrived = |e: &Event, f: &Fact| app(&e.node) && is_request_received(f);
    let exact = walk.find(forwarded, |e, f| {
        arrived(e, f) && flow_of(f).is_some_and(|f| f.remote == back.local)
    });
    let Some(at_app) = exact.or_else(|| walk.find(forwarded, arrived)) else {
        return walk.reached;
    };
    walk.note(Milestone::RequestAtApp, at_app);
    let app_flow = fact(&events[at_app]).and_then(flow_of);
    walk.reach(Milestone::ResponseFromApp, at_app, |e, f| {
        e.node == events[at_app].node
            && flow_of(f) == app_flow
            && matches!(f, Fact::ResponseSent { .. })
    });
    walk.reached
}

/// The first role on the node called `node`.
pub(crate) fn role_of<'a>(plan: &'a Plan, node: &Name) -> Option<&'a Role> {
    let index = plan.topology.node(node.as_str())?;
    let on = plan.roles.iter().find(|(n, _)| *n == index);
    on.map(|(_, role)| role)
}

/// The fact that an event is, when it is one.
pub(crate) const fn fact(event: &Event) -> Option<&Fact> {
    match &event.what {
        What::Fact(fact) => Some(fact),
        What::Dropped { .. }
        | What::Altered { .. }
        | What::Secret(_)
        | What::Tcp { .. }
        | What::Limit { .. }
        | What::Computing { .. } => None,
    }
}

/// The connection that a fact speaks of.
pub(crate) const fn flow_of(fact: &Fact) -> Option<Flow> {
    match fact {
        Fact::Connecting(flow)
        | Fact::Connected(flow)
        | Fact::Accepted(flow)
        | Fact::Closed(flow)
        | Fact::TlsStarted { flow, .. }
        | Fact::KeysAgreed { flow, .. }
        | Fact::PreMasterAgreed { flow, .. }
        | Fact::TlsEstablished { flow, .. }
        | Fact::TlsFailed { flow, .. }
        | Fact::TlsMismatch { flow, .. }
        | Fact::CertificateAccepted { flow, .. }
        | Fact::CertificateRefused { flow, .. }
        | Fact::ClientCertificateAccepted { flow, .. }
        | Fact::ClientCertificateRefused { flow, .. }
        | Fact::WebSocketMessage { flow, .. }
        | Fact::WebSocketClosed { flow, .. }
        | Fact::RequestSent { flow, .. }
        | Fact::RequestReceived { flow, .. }
        | Fact::ResponseSent { flow, .. }
        | Fact::ResponseReceived { flow, .. }
        | Fact::Intercepted { client: flow, .. }
        | Fact::Attacked(Attack { flow, .. })
        | Fact::Overheard { flow, .. }
        | Fact::Recovered { flow, .. }
        | Fact::NotRecovered { flow, .. } => Some(*flow),
        Fact::Serving(serving) => Some(serving.flow()),
        Fact::Cookie(CookieFact::Shown { flow, .. }) => Some(*flow),
        Fact::CertificateRenewed { .. }
        | Fact::Service { .. }
        | Fact::LookupSent { .. }
        | Fact::LookupAnswered { .. }
        | Fact::Dns(_)
        | Fact::LookupFailed { .. }
        | Fact::ConnectFailed { .. }
        | Fact::TargetChosen { .. }
        | Fact::Balancing(_)
        | Fact::Cookie(
            CookieFact::Stored { .. } | CookieFact::Removed { .. } | CookieFact::Refused { .. },
        )
        | Fact::Ping(_)
        | Fact::ProgramStarted { .. }
        | Fact::ProgramEnded { .. }
        | Fact::TargetFailed { .. }
        | Fact::AccessLogged(_)
        | Fact::FlowLogged(_)
        | Fact::ConnectionLogged(_)
        | Fact::NetworkChanged(_)
        | Fact::StepFailed { .. } => None,
    }
}

const fn is_lookup(f: &Fact) -> bool {
    matches!(f, Fact::LookupSent { .. })
}

const fn is_request_sent(f: &Fact) -> bool {
    matches!(f, Fact::RequestSent { .. })
}

const fn is_request_received(f: &Fact) -> bool {
    matches!(f, Fact::RequestReceived { .. })
}

struct Walk<'a> {
    events: &'a [Event],
    reached: BTreeMap<Milestone, (Instant, usize)>,
}

impl Walk<'_> {
    /// The first fact from index `from` on that is wanted.
    fn find(&self, from: usize, wanted: impl Fn(&Event, &Fact) -> bool) -> Option<usize> {
        let mut all = self.events.iter().enumerate().skip(from);
        all.find(|(_, e)| fact(e).is_some_and(|f| wanted(e, f)))
            .map(|(i, _)| i)
    }

    fn note(&mut self, milestone: Milestone, index: usize) {
        self.reached
            .insert(milestone, (self.events[index].at, index));
    }

    fn reach(
        &mut self,
        milestone: Milestone,
        from: usize,
        wanted: impl Fn(&Event, &Fact) -> bool,
    ) -> Option<usize> {
        let index = self.find(from, wanted)?;
        self.note(milestone, index);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture;

    fn millis(run: &fixture::Run) -> Vec<(&'static str, f64)> {
        milestones(&run.events, &run.plan)
            .iter()
            .map(|(m, (at, _))| (m.word(), at.as_millis_f64()))
            .collect()
    }

    #[test]
    fn the_main_lab_reaches_all_fourteen() {
        let run = fixture::main_lab();
        assert_eq!(
            millis(&run),
            [
                ("dns-query", 0.0),
                ("tcp-syn", 20.0),
                ("tcp-established", 40.0),
                ("client-hello", 40.0),
                ("tls-established", 62.0),
                ("request-sent", 62.0),
                ("request-at-alb", 72.0),
                ("target-syn", 72.5),
                ("request-to-target", 74.5),
                ("request-at-app", 75.5),
                ("response-from-app", 80.5),
                ("response-at-alb", 81.5),
                ("response-from-alb", 82.0),
                ("response-at-user", 92.0),
            ]
        );
    }

    #[test]
    fn a_run_that_stops_early_keeps_what_it_reached() {
        let mut run = fixture::main_lab();
        let is_tls = |e: &Event| fact(e).is_some_and(|f| matches!(f, Fact::TlsEstablished { .. }));
        let end = run.events.iter().position(is_tls).unwrap();
        run.events.truncate(end);
        let words: Vec<_> = millis(&run).into_iter().map(|(w, _)| w).collect();
        assert_eq!(
            words,
            ["dns-query", "tcp-syn", "tcp-established", "client-hello"]
        );
    }

    #[test]
    fn an_open_connection_to_the_target_has_no_syn() {
        let mut run = fixture::main_lab();
        let alb = Name::new("alb").unwrap();
        run.events.retain(|e| {
            e.node != alb || !fact(e).is_some_and(|f| matches!(f, Fact::Connecting(_)))
        });
        let reached = milestones(&run.events, &run.plan);
        assert!(!reached.contains_key(&Milestone::TargetSyn));
        assert_eq!(reached.len(), 13);
    }
}
