//! What a load balancer decided about rules and targets, in words.

use crate::event::Balancing;

/// A stable word for the kind, and a line about it.
pub(super) fn words(balancing: &Balancing) -> (&'static str, String) {
    match balancing {
        Balancing::RuleMet {
            priority, action, ..
        } => (
            "rule-met",
            match priority {
                Some(priority) => format!("rule {priority}: {action}"),
                None => format!("default rule: {action}"),
            },
        ),
        Balancing::Probing { flow, .. } => {
            ("health-check", format!("asks {} how it is", flow.remote))
        }
        Balancing::Probed {
            target,
            address,
            passed,
            result,
            ..
        } => {
            let how = if *passed { "passed" } else { "failed" };
            (
                "health-checked",
                format!("health check of {target} at {address} {how}: {result}"),
            )
        }
        Balancing::Health {
            target,
            address,
            state,
            reason,
            ..
        } => {
            let why = reason.map_or_else(String::new, |r| format!(" ({})", r.word()));
            (
                "target-health",
                format!("{target} at {address} is {}{why}", state.word()),
            )
        }
        Balancing::FailOpen {
            group,
            open,
            healthy,
            registered,
        } => (
            "fail-open",
            if *open {
                format!(
                    "{healthy} of {registered} targets of {group} are healthy: too few, so all get requests"
                )
            } else {
                format!("{healthy} of {registered} targets of {group} are healthy: enough")
            },
        ),
    }
}
