//! Load balancers.

use std::time::Duration;

use crate::tls::config::{ClientTls, ServerTls, Validation, Validator};
use crate::tls::policy;

mod attributes;
mod group;
mod pattern;
mod rule;

pub use attributes::{Attributes, DesyncMode, ForwardedFor};
pub use group::{
    Algorithm, HealthCheck, HealthyMinimum, ProtocolVersion, Stickiness, StickinessKind, Target,
    TargetGroup, TargetProtocol,
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
    /// The availability zones that it is enabled in. Empty where the lab names none: then it is in all.
    pub zones: Vec<String>,
    /// The target groups of the lab that no load balancer uses.
    pub unused_groups: Vec<TargetGroup>,
    /// Where it forwards to.
    pub target_groups: Vec<TargetGroup>,
    /// Time between a request's arrival, decrypted, and the SYN or the request to the target.
    pub takes_in: Duration,
    /// Time between a response's arrival and its leaving, encrypted.
    pub takes_out: Duration,
}

impl Alb {
    /// How TLS is spoken with the targets of each group that wants it, for requests or for probes, by the group's name: by the policy that follows
    /// from that of its listener, and without a look at the certificate (AWS "Target groups for your Application Load
    /// Balancers").
    #[must_use]
    pub fn behind(&self) -> Vec<(String, ClientTls)> {
        let wanted = |g: &&TargetGroup| {
            let probes = g.health_check.as_ref().map(|check| check.protocol);
            [Some(g.protocol), probes].contains(&Some(TargetProtocol::Https))
        };
        let groups = self.target_groups.iter().filter(wanted);
        let each = groups.filter_map(|group| {
            // The policies that there are behind have names in the table.
            let spoken = policy::behind(self.policy_before(&group.name))?.spoken();
            let tls = ClientTls {
                versions: spoken.versions,
                groups: spoken.groups,
                suites: spoken
                    .suites
                    .into_iter()
                    .filter(|s| !s.is_static_rsa())
                    .collect(),
                alpn: group.version.alpn(),
                validation: Validation {
                    validator: Validator::Nothing,
                    ..Validation::default()
                },
                ..ClientTls::default()
            };
            Some((group.name.clone(), tls))
        });
        each.collect()
    }

    /// The policy of the first HTTPS listener that forwards to `group`. Where none does, the first HTTPS listener's:
    /// one there is then for an HTTP listener's groups too.
    fn policy_before(&self, group: &str) -> Option<&str> {
        let https = || self.listeners.iter().filter(|l| l.tls.is_some());
        let its = https().find(|l| l.groups().any(|name| name == group));
        let tls = its.or_else(|| https().next())?.tls.as_ref()?;
        tls.policy.as_deref()
    }
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
