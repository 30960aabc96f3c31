//! Load balancers.

use std::time::Duration;

use crate::tls::config::ServerTls;

mod attributes;
mod group;
mod pattern;
mod rule;

pub use attributes::{Attributes, DesyncMode, ForwardedFor};
pub use group::{
    Algorithm, HealthCheck, HealthyMinimum, Stickiness, StickinessKind, Target, TargetGroup,
};
pub use pattern::Pattern;
pub use rule::{
    Action, Condition, FixedResponse, Forward, QueryPattern, Redirect, Rule, SourceRange, Weighted,
};

/// A load balancer that behaves like an AWS Application Load Balancer; or one node of it.
#[derive(Debug, Clone)]
pub struct Alb {
    /// As in `fl-production-alb`.
    pub name: String,
    /// How it treats its clients' connections and requests.
    pub attributes: Attributes,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// The availability zone of the node, where the lab names one.
    pub zone: Option<String>,
    /// Where it forwards to.
    pub target_groups: Vec<TargetGroup>,
    /// Time between a request's arrival, decrypted, and the SYN or the request to the target.
    pub takes_in: Duration,
    /// Time between a response's arrival and its leaving, encrypted.
    pub takes_out: Duration,
}

/// A listener of a load balancer.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its port.
    pub port: u16,
    /// Its TLS side; `None` for an HTTP listener.
    pub tls: Option<ServerTls>,
    /// Its rules but for the default one, lowest priority number first.
    pub rules: Vec<Rule>,
    /// What its default rule does.
    pub default: Action,
}

impl Listener {
    /// The target groups that its rules name, in the order of the rules, the default rule's last.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let actions = self.rules.iter().map(|r| &r.action);
        actions.chain([&self.default]).flat_map(Action::groups)
    }
}
