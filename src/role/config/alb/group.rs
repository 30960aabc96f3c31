//! Target groups: who is registered, how their health is checked, how one is chosen.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::name::Name;

/// A target group: the targets of one application.
#[derive(Debug, Clone)]
pub struct TargetGroup {
    /// Its name.
    pub name: String,
    /// How its targets are spoken to.
    pub protocol: TargetProtocol,
    /// Which HTTP they speak.
    pub version: ProtocolVersion,
    /// Its registered targets.
    pub targets: Vec<Target>,
    /// How their health is checked. `None` does not check: all are taken for healthy.
    pub health_check: Option<HealthCheck>,
    /// With fewer healthy targets all get requests.
    pub minimum_healthy: HealthyMinimum,
    /// How one is chosen.
    pub algorithm: Algorithm,
    /// What it takes to register one more target; until then it is not probed.
    pub registration_takes: Duration,
    /// For how long the share of a target that has just become healthy grows; zero is not at all.
    pub slow_start: Duration,
    /// Whether a client stays with its target.
    pub stickiness: Option<Stickiness>,
    /// How long requests under way may last after a target was taken out.
    pub deregistration_delay: Duration,
    /// Whether nodes send to targets in other availability zones too.
    pub cross_zone: bool,
}

/// How targets are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetProtocol {
    /// HTTP in plain text.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
}

impl TargetProtocol {
    /// Both, with their words in lab files: AWS's own.
    pub const WORDS: [(&str, Self); 2] = [("HTTP", Self::Http), ("HTTPS", Self::Https)];
}

/// Which HTTP targets speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProtocolVersion {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: by ALPN over TLS, by prior knowledge in plain text (RFC 9113 §3.2, §3.3).
    Http2,
    /// gRPC, over HTTP/2.
    Grpc,
}

impl ProtocolVersion {
    /// All, with their words in lab files: AWS's own.
    pub const WORDS: [(&str, Self); 3] = [
        (Self::Http1.word(), Self::Http1),
        (Self::Http2.word(), Self::Http2),
        (Self::Grpc.word(), Self::Grpc),
    ];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP1",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
        }
    }

    /// What is offered by ALPN over TLS.
    #[must_use]
    pub fn alpn(self) -> Vec<String> {
        match self {
            Self::Http1 => vec![],
            Self::Http2 | Self::Grpc => vec!["h2".to_owned()],
        }
    }
}

/// A registered target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The node.
    pub node: Name,
    /// Address and port under which it is registered.
    pub address: SocketAddr,
    /// Its availability zone, where the lab names one.
    pub zone: Option<String>,
    /// Its address is that of a load balancer, and so cannot be used.
    pub is_load_balancer: bool,
}

/// How the health of targets is checked (AWS "Health checks for your target groups").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// How a probe speaks with a target; in the group's HTTP.
    pub protocol: TargetProtocol,
    /// Where, when it is not the port under which each target is registered.
    pub port: Option<u16>,
    /// What is asked for.
    pub path: String,
    /// From one probe's beginning to the next one's: 5 to 300 s.
    pub interval: Duration,
    /// No answer within this time is a failure: 2 to 120 s, less than the interval.
    pub timeout: Duration,
    /// Successes in a row that make an unhealthy target healthy: 2 to 10.
    pub healthy_threshold: u32,
    /// Failures in a row that make a healthy target unhealthy: 2 to 10.
    pub unhealthy_threshold: u32,
    /// Statuses that are a success: of HTTP, or of gRPC where the group speaks that.
    pub matcher: Vec<RangeInclusive<u16>>,
}

impl HealthCheck {
    /// Whether a status is a success.
    #[must_use]
    pub fn admits(&self, status: u16) -> bool {
        self.matcher.iter().any(|m| m.contains(&status))
    }

    /// The statuses that are a success, as in "200,301-302".
    #[must_use]
    pub fn wanted(&self) -> String {
        let words = self.matcher.iter().map(|m| match (m.start(), m.end()) {
            (a, b) if a == b => a.to_string(),
            (a, b) => format!("{a}-{b}"),
        });
        words.collect::<Vec<_>>().join(",")
    }
}

impl HealthCheck {
    /// AWS's own defaults, for targets that speak this HTTP: a gRPC server that has no such method says so with status
    /// 12, UNIMPLEMENTED, and is alive.
    #[must_use]
    pub fn usual(version: ProtocolVersion) -> Self {
        match version {
            ProtocolVersion::Http1 | ProtocolVersion::Http2 => Self::default(),
            ProtocolVersion::Grpc => Self {
                path: "/AWS.ALB/healthcheck".into(),
                matcher: vec![12..=12],
                ..Self::default()
            },
        }
    }
}

impl Default for HealthCheck {
    /// AWS's own defaults, for HTTP. Its documents disagree on the timeout: 5 s in the user guide, 6 s in the API
    /// reference.
    fn default() -> Self {
        Self {
            protocol: TargetProtocol::Http,
            port: None,
            path: "/".into(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: vec![200..=200],
        }
    }
}

/// When a target group gives up on health: with fewer healthy targets than this, requests go to all that are registered
/// ("fail open").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthyMinimum {
    /// At least so many.
    pub count: usize,
    /// And at least so many in a hundred of those registered.
    pub percentage: Option<usize>,
}

impl HealthyMinimum {
    /// Whether `healthy` of `registered` targets are enough.
    #[must_use]
    pub fn is_met(&self, healthy: usize, registered: usize) -> bool {
        let share = |percentage| healthy * 100 >= registered * percentage;
        healthy >= self.count && self.percentage.is_none_or(share)
    }
}

impl Default for HealthyMinimum {
    fn default() -> Self {
        Self {
            count: 1,
            percentage: None,
        }
    }
}

/// How a target is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Whoever has the fewest requests under way.
    LeastOutstandingRequests,
    /// At random, all alike.
    WeightedRandom,
}

/// How a client stays with its target (AWS "Sticky sessions for your Application Load Balancer").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stickiness {
    /// By which cookie.
    pub kind: StickinessKind,
    /// For how long: 1 s to 7 days.
    pub lasts: Duration,
}

/// Whose cookie decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StickinessKind {
    /// The load balancer's own: AWSALB.
    LoadBalancer,
    /// The application's, called so, beside which the load balancer sets AWSALBAPP-0 to AWSALBAPP-3.
    Application(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_is_a_count_and_a_share() {
        let usual = HealthyMinimum::default();
        assert!(usual.is_met(1, 4) && !usual.is_met(0, 4));
        let half = HealthyMinimum {
            count: 1,
            percentage: Some(50),
        };
        assert!(half.is_met(2, 4) && !half.is_met(1, 4));
    }

    #[test]
    fn a_matcher_is_a_list_of_ranges() {
        let check = HealthCheck {
            matcher: vec![200..=200, 301..=302],
            ..HealthCheck::default()
        };
        assert!(check.admits(200) && check.admits(302) && !check.admits(303));
        assert_eq!(check.wanted(), "200,301-302");
    }
}
