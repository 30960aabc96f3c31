//! What a load balancer decides about rules and targets.

use std::net::SocketAddr;

use super::{Flow, HealthReason, HealthState};
use crate::name::Name;

/// Something a load balancer found out, or decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balancing {
    /// A rule of a listener was met by a request. Told by listeners that have rules beside the default one.
    RuleMet {
        /// Whose request.
        flow: Flow,
        /// `None` is the default rule.
        priority: Option<u16>,
        /// As in "forward" or "redirect to https://…".
        action: String,
    },
    /// A health check probe begins: the SYN leaves now.
    Probing {
        /// Its connection.
        flow: Flow,
        /// The target group.
        group: String,
    },
    /// A health check probe ended.
    Probed {
        /// The target group.
        group: String,
        /// The target's node.
        target: Name,
        /// Where it is registered.
        address: SocketAddr,
        /// Whether it was a success.
        passed: bool,
        /// As in "HTTP 200 after 5.5 ms".
        result: String,
    },
    /// The health of a target is another now, or the reason for it.
    Health {
        /// The target group.
        group: String,
        /// The target's node.
        target: Name,
        /// Where it is registered.
        address: SocketAddr,
        /// How it is now.
        state: HealthState,
        /// Why.
        reason: Option<HealthReason>,
    },
    /// Too few targets of a group are healthy, so that all get requests from now on; or no longer.
    FailOpen {
        /// The target group.
        group: String,
        /// Whether it begins.
        open: bool,
        /// Healthy targets.
        healthy: usize,
        /// Registered targets.
        registered: usize,
    },
}
