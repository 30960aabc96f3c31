//! What happened between a load balancer and its clients, in words.

use crate::event::Serving;
use crate::units::show_duration;

/// A stable word for the kind, and a line about it.
pub(super) fn words(serving: &Serving) -> (&'static str, String) {
    match serving {
        Serving::Refused { status, why, .. } => {
            ("request-refused", format!("HTTP {status}: {why}"))
        }
        Serving::Desync {
            class,
            reason,
            done,
            ..
        } => ("desync", format!("{class}, {reason}: {done}")),
        Serving::ClientGone { .. } => (
            "client-gone",
            "the client went away before the response (460 in the access log)".into(),
        ),
        Serving::IdleTimeout { after, .. } => (
            "idle-timeout",
            format!("nothing moved for {}: closed", show_duration(*after)),
        ),
        Serving::LastRequest { limit, .. } => ("last-request", limit.clone()),
        Serving::Deregistered { target, .. } => (
            "deregistered",
            format!("the deregistration delay of {target} is over: cut in the middle"),
        ),
        Serving::BrokenOff { cause, .. } => (
            "response-broken-off",
            format!("in the middle of the body: {cause}"),
        ),
        Serving::Interim { status, .. } => (
            "interim-response",
            format!("HTTP {status} of the target is not passed on: the response is still to come"),
        ),
        Serving::Upgraded { protocol, .. } => (
            "upgraded",
            format!("no longer HTTP but {protocol}: bytes go through"),
        ),
    }
}
