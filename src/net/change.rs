//! What changes in a network while it runs.

use super::topology::vpc::{Rule, Way};

/// Something that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A security group's rule comes or goes.
    Rule(RuleChange),
    /// A machine goes off, or on again as it was: nothing reaches it, nothing leaves it.
    Power {
        /// Which node: an index into [`super::topology::Topology::nodes`].
        node: usize,
        /// Whether it is on.
        on: bool,
    },
}

/// A rule that comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleChange {
    /// Of which group: an index into [`super::topology::vpc::Vpc::security_groups`].
    pub group: usize,
    /// In which direction.
    pub way: Way,
    /// Which one.
    pub rule: Rule,
    /// Whether it comes.
    pub allow: bool,
}
