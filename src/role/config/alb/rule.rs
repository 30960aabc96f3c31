//! Rules of listeners: on which conditions they apply, and what they do.

use std::net::IpAddr;
use std::time::Duration;

use super::Pattern;

/// A rule of a listener (AWS "Listener rules for your Application Load Balancer").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// 1 to 50000; the lowest is looked at first.
    pub priority: u16,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// What is done.
    pub action: Action,
}

/// A condition: one of its values is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The host asked for, in any case.
    HostHeader(Vec<Pattern>),
    /// The path, without the query, case by case.
    PathPattern(Vec<Pattern>),
    /// A header field, name and value in any case.
    HttpHeader {
        /// Its name.
        name: String,
        /// What its value may be.
        values: Vec<Pattern>,
    },
    /// The method, exactly.
    HttpRequestMethod(Vec<String>),
    /// A part of the query, in any case.
    QueryString(Vec<QueryPattern>),
    /// The address of the TCP peer, whatever X-Forwarded-For says.
    SourceIp(Vec<SourceRange>),
}

/// A part of a query: `key=value`, or a value under any key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPattern {
    /// `None` is any.
    pub key: Option<Pattern>,
    /// Its value.
    pub value: Pattern,
}

/// An address range in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRange {
    /// An address in it.
    pub address: IpAddr,
    /// How many leading bits count: 0 to 32, or to 128.
    pub prefix: u8,
}

impl SourceRange {
    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = |own: u128, other: u128, width: u32| {
            let host_bits = width - u32::from(self.prefix).min(width);
            (own ^ other).checked_shr(host_bits).unwrap_or(0) != 0
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                !differ(own.to_bits().into(), other.to_bits().into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => !differ(own.to_bits(), other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A target of a target group answers.
    Forward(Forward),
    /// The load balancer sends the client elsewhere.
    Redirect(Redirect),
    /// The load balancer answers itself.
    FixedResponse(FixedResponse),
}

impl Action {
    /// Its word in access logs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Forward(_) => "forward",
            Self::Redirect(_) => "redirect",
            Self::FixedResponse(_) => "fixed-response",
        }
    }

    /// The target groups that it names.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let groups: &[Weighted] = match self {
            Self::Forward(forward) => &forward.groups,
            Self::Redirect(_) | Self::FixedResponse(_) => &[],
        };
        groups.iter().map(|g| g.group.as_str())
    }
}

/// Target groups, one of which gets the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// One to five.
    pub groups: Vec<Weighted>,
    /// For how long a client stays with its group (1 s to 7 days): the cookie AWSALBTG.
    pub stickiness: Option<Duration>,
}

impl Forward {
    /// To one group.
    #[must_use]
    pub fn to(group: &str) -> Self {
        let group = group.to_owned();
        Self {
            groups: vec![Weighted { group, weight: 1 }],
            stickiness: None,
        }
    }
}

/// A target group and its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighted {
    /// The group's name.
    pub group: String,
    /// 0 to 999: its share is this of the sum.
    pub weight: u16,
}

/// Where a client is sent: a URL in parts, in which `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}` stand
/// for those of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// 301 rather than 302.
    pub permanent: bool,
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub protocol: String,
    /// Without a port.
    pub host: String,
    /// A number or `#{port}`.
    pub port: String,
    /// With the leading slash, which `#{path}` does not have.
    pub path: String,
    /// Without the question mark.
    pub query: String,
}

/// An answer of the load balancer's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedResponse {
    /// 2xx, 4xx or 5xx.
    pub status: u16,
    /// One of five.
    pub content_type: &'static str,
    /// Up to 1024 bytes.
    pub body: String,
}

impl FixedResponse {
    /// The content types there are.
    pub const CONTENT_TYPES: [&'static str; 5] = [
        "text/plain",
        "text/css",
        "text/html",
        "application/javascript",
        "application/json",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_has_its_leading_bits() {
        let range = |address: &str, prefix| SourceRange {
            address: address.parse().unwrap(),
            prefix,
        };
        let holds = |range: SourceRange, address: &str| range.contains(address.parse().unwrap());
        assert!(holds(range("203.192.1.0", 24), "203.192.1.50"));
        assert!(!holds(range("203.192.1.0", 24), "203.192.2.50"));
        assert!(holds(range("203.192.1.50", 32), "203.192.1.50"));
        assert!(!holds(range("203.192.1.50", 32), "203.192.1.51"));
        assert!(holds(range("0.0.0.0", 0), "255.255.255.255"));
        assert!(holds(range("2001:db8::", 32), "2001:db8:1::1"));
        assert!(holds(range("::", 0), "2001:db8:1::1"));
        assert!(!holds(range("::", 0), "10.0.0.1"), "another family");
    }
}
