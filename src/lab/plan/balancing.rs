//! What is checked of a load balancer's decisions, and how often something may happen.

use std::net::SocketAddr;
use std::time::Duration;

use crate::event::{HealthReason, HealthState};
use crate::name::Name;
use crate::role::config::Target;
use crate::units::show_duration;

/// A target comes into a target group, or leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The target group.
    pub group: String,
    /// The target.
    pub target: Target,
    /// Whether it comes.
    pub comes: bool,
}

/// What is checked of a load balancer's decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BalancingCheck {
    /// Requests met a rule of a listener that has rules.
    Rule {
        /// `None` is the default rule.
        priority: Option<u16>,
        /// How many.
        count: Count,
    },
    /// Requests went to a target.
    Chosen {
        /// Its node.
        target: Name,
        /// Where it is registered.
        address: SocketAddr,
        /// When.
        span: Span,
        /// How many.
        count: Count,
    },
    /// A target came to be in a state.
    Health(HealthWanted),
    /// Too few targets were healthy, so that all got requests; or no longer.
    FailOpen {
        /// The target group.
        group: String,
        /// Whether it began.
        open: bool,
        /// When.
        span: Span,
        /// How often.
        count: Count,
    },
}

/// The state in which a target should come to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthWanted {
    /// Its node.
    pub target: Name,
    /// Where it is registered.
    pub address: SocketAddr,
    /// How it should be.
    pub state: HealthState,
    /// Why; `None` is any reason.
    pub reason: Option<HealthReason>,
    /// When.
    pub span: Span,
    /// How often.
    pub count: Count,
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Not before this.
    pub from: Duration,
    /// Not after this.
    pub by: Option<Duration>,
}

impl Span {
    /// Whether `at` lies in it, or no further outside than `tolerance`.
    #[must_use]
    pub fn holds(&self, at: Duration, tolerance: Duration) -> bool {
        at + tolerance >= self.from && self.by.is_none_or(|by| at <= by + tolerance)
    }

    /// As in " from 5 s on by 20 s", or nothing for the whole run.
    #[must_use]
    pub fn words(&self) -> String {
        let from = match self.from {
            Duration::ZERO => String::new(),
            from => format!(" from {} on", show_duration(from)),
        };
        let by = self.by.map(|by| format!(" by {}", show_duration(by)));
        format!("{from}{}", by.unwrap_or_default())
    }
}

/// A number or a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Exactly.
    Exactly(u64),
    /// At least.
    AtLeast(u64),
    /// At most.
    AtMost(u64),
}

impl Count {
    /// As in "exactly once" or "at most 3 times".
    #[must_use]
    pub fn words(self) -> String {
        let (how, n) = match self {
            Self::Exactly(n) => ("exactly", n),
            Self::AtLeast(n) => ("at least", n),
            Self::AtMost(n) => ("at most", n),
        };
        match n {
            1 => format!("{how} once"),
            n => format!("{how} {n} times"),
        }
    }

    /// Whether `n` is as wanted.
    #[must_use]
    pub const fn admits(self, n: u64) -> bool {
        match self {
            Self::Exactly(m) => n == m,
            Self::AtLeast(m) => n >= m,
            Self::AtMost(m) => n <= m,
        }
    }
}
