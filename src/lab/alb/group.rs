//! Target groups and their targets.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::action::within;
use crate::lab::decode::Item;
use crate::lab::network::{Network, Shape};
use crate::lab::tree::Kind;
use crate::role::config::{
    Algorithm, HealthCheck, HealthyMinimum, ProtocolVersion, Stickiness, StickinessKind, Target,
    TargetGroup, TargetProtocol,
};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(in crate::lab) fn target_group(item: Item<'_>, network: &Network<'_>) -> Option<TargetGroup> {
    let name = item.key_name();
    let mut table = item.fields()?;
    let targets = table.required("targets", "[\"ec2-a:32768\"]");
    let targets = targets.and_then(|i| i.each(|t| target(t, network)));
    let protocol = table.or("protocol", TargetProtocol::default(), |i| {
        i.one_of("protocol", &TargetProtocol::WORDS)
    });
    let version = table.or("protocol-version", ProtocolVersion::default(), |i| {
        i.one_of("protocol version", &ProtocolVersion::WORDS)
    });
    let health_check = table.or("health-check", None, |i| {
        health_check(i, version.unwrap_or_default()).map(Some)
    });
    let minimum_healthy = table.or(
        "minimum-healthy-targets",
        HealthyMinimum::default(),
        minimum_healthy,
    );
    let algorithm = table.or("algorithm", Algorithm::default(), |i| {
        i.one_of("algorithm", &ALGORITHMS)
    });
    let registration_takes = table.or("registration-takes", Duration::ZERO, Item::duration);
    let slow_start_item = table.optional("slow-start");
    let slow_start = table.or("slow-start", Duration::ZERO, |i| {
        if i.duration()?.is_zero() {
            return Some(Duration::ZERO);
        }
        within(i, seconds(30), seconds(900))
    });
    let sticky_item = table.optional("stickiness");
    let stickiness = table.or("stickiness", None, |i| stickiness(i).map(Some));
    let deregistration_delay = table.or("deregistration-delay", seconds(300), |i| {
        within(i, Duration::ZERO, seconds(3_600))
    });
    let cross_zone = table.or("cross-zone", true, cross_zone);
    table.finish();
    if let (Some(item), Some(algorithm)) = (slow_start_item, algorithm)
        && algorithm != Algorithm::RoundRobin
        && slow_start.is_some_and(|s| !s.is_zero())
    {
        let label = "expected no `slow-start` beside this algorithm";
        let help = "a target's share grows with the algorithm `round-robin` only".to_owned();
        item.wrong_key("only round robin starts slowly", label, help);
        return None;
    }
    if let (Some(item), Some(false)) = (sticky_item, cross_zone) {
        let label = "expected no `stickiness` beside `cross-zone = false`";
        item.wrong_key("clients cannot stay with targets of one zone", label, None);
        return None;
    }
    Some(TargetGroup {
        name: name?.to_string(),
        targets: targets?,
        protocol: protocol?,
        version: version?,
        health_check: health_check?,
        minimum_healthy: minimum_healthy?,
        algorithm: algorithm?,
        registration_takes: registration_takes?,
        slow_start: slow_start?,
        stickiness: stickiness?,
        deregistration_delay: deregistration_delay?,
        cross_zone: cross_zone?,
    })
}

/// A truth, or AWS's word for what the load balancer says; that of an Application Load Balancer is always on.
fn cross_zone(item: Item<'_>) -> Option<bool> {
    const AS_LOAD_BALANCER: &str = "use-load-balancer-configuration";
    match item.as_text() {
        Some(AS_LOAD_BALANCER) => Some(true),
        Some(text) => {
            let label = format!("expected true, false or \"{AS_LOAD_BALANCER}\"");
            item.wrong(format!("`{text}` is no way across zones"), label, None);
            None
        }
        None => item.boolean(),
    }
}

const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("round-robin", Algorithm::RoundRobin),
    (
        "least-outstanding-requests",
        Algorithm::LeastOutstandingRequests,
    ),
    ("weighted-random", Algorithm::WeightedRandom),
];

/// `ec2-a:32768`: a node with one address, and the port under which it is registered.
pub(in crate::lab) fn target(item: Item<'_>, network: &Network<'_>) -> Option<Target> {
    let text = item.text()?;
    let parts = text.rsplit_once(':');
    let parts = parts.and_then(|(node, port)| Some((node, port.parse::<u16>().ok()?)));
    let Some((node, port @ 1..)) = parts else {
        let label = "expected a node and a port such as \"ec2-a:32768\"";
        item.wrong(format!("`{text}` is not a target"), label, None);
        return None;
    };
    let index = network.node(&item, node)?;
    if let Shape::Container { .. } = network.nodes[index].shape {
        let message = format!("`{node}` is inside a docker host");
        let label = "expected the docker host, and the port that it publishes";
        item.wrong(message, label, None);
        return None;
    }
    Some(Target {
        node: network.nodes[index].name.clone(),
        address: (network.only_address(&item, index)?, port).into(),
        zone: network.nodes[index].zone.clone(),
        is_load_balancer: network.nodes[index].programs.alb.is_some(),
    })
}

fn health_check(item: Item<'_>, version: ProtocolVersion) -> Option<HealthCheck> {
    let usual = HealthCheck::usual(version);
    let mut table = item.fields()?;
    let protocol = table.or("protocol", usual.protocol, |i| {
        i.one_of("protocol", &TargetProtocol::WORDS)
    });
    let port = table.or("port", None, |i| match i.as_text() {
        Some("traffic-port") => Some(None),
        Some(text) => {
            let label = "expected a port such as 8081, or \"traffic-port\"";
            i.wrong(format!("`{text}` is not a port"), label, None);
            None
        }
        None => i.port().map(Some),
    });
    let path = table.or("path", usual.path, |i| {
        let path = i.text()?;
        let fits = path.starts_with('/') && path.len() <= 1_024;
        if !fits || !path.chars().all(|c| c.is_ascii_graphic()) {
            let label = "expected up to 1024 visible ASCII characters, the first a slash";
            i.wrong(format!("`{path}` is not a path"), label, None);
            return None;
        }
        Some(path.to_owned())
    });
    let interval = table.or("interval", usual.interval, |i| {
        within(i, seconds(5), seconds(300))
    });
    let timeout_item = table.optional("timeout");
    let timeout = table.or("timeout", usual.timeout, |i| {
        within(i, seconds(2), seconds(120))
    });
    let threshold = |i: Item<'_>| u32::try_from(i.integer(2..=10)?).ok();
    let healthy_threshold = table.or("healthy-threshold", usual.healthy_threshold, threshold);
    let unhealthy_threshold = table.or("unhealthy-threshold", usual.unhealthy_threshold, threshold);
    let matcher = table.or("matcher", usual.matcher, |i| matcher(i, version));
    table.finish();
    let (interval, timeout) = (interval?, timeout?);
    if timeout >= interval {
        let label = "expected a `timeout` shorter than the `interval`";
        let message = "a probe would last into the next one";
        timeout_item.unwrap_or(item).wrong(message, label, None);
        return None;
    }
    Some(HealthCheck {
        protocol: protocol?,
        port: port?,
        path: path?,
        interval,
        timeout,
        healthy_threshold: healthy_threshold?,
        unhealthy_threshold: unhealthy_threshold?,
        matcher: matcher?,
    })
}

/// `200`, or `"200,301-302"`: statuses of HTTP from 200 to 499, or of gRPC from 0 to 99.
fn matcher(item: Item<'_>, version: ProtocolVersion) -> Option<Vec<RangeInclusive<u16>>> {
    let (range, label) = match version {
        ProtocolVersion::Http1 | ProtocolVersion::Http2 => (
            200..=499,
            "expected statuses from 200 to 499 such as 200 or \"200,301-302\"",
        ),
        ProtocolVersion::Grpc => (
            0..=99,
            "expected statuses of gRPC from 0 to 99 such as 0 or \"0,12\"",
        ),
    };
    if let Kind::Integer(_) = item.value.kind {
        let status = u16::try_from(item.integer(range)?).ok()?;
        return Some(vec![status..=status]);
    }
    let text = item.text()?;
    let status = |word: &str| {
        let n: u16 = word.trim().parse().ok()?;
        range.contains(&u64::from(n)).then_some(n)
    };
    let statuses = |word: &str| match word.split_once('-') {
        Some((first, last)) => Some(status(first)?..=status(last)?).filter(|r| !r.is_empty()),
        None => status(word).map(|n| n..=n),
    };
    let read: Option<Vec<_>> = text.split(',').map(statuses).collect();
    if read.is_none() {
        item.wrong(format!("`{text}` are no statuses"), label, None);
    }
    read
}

/// A count, or `{ count = 1, percentage = 50 }`.
fn minimum_healthy(item: Item<'_>) -> Option<HealthyMinimum> {
    let usual = HealthyMinimum::default();
    let number = |i: Item<'_>, most| usize::try_from(i.integer(1..=most)?).ok();
    if let Kind::Integer(_) = item.value.kind {
        return Some(HealthyMinimum {
            count: number(item, 1_000)?,
            ..usual
        });
    }
    let mut table = item.fields()?;
    let count = table.or("count", usual.count, |i| number(i, 1_000));
    let percentage = table.or("percentage", None, |i| number(i, 100).map(Some));
    table.finish();
    Some(HealthyMinimum {
        count: count?,
        percentage: percentage?,
    })
}

/// `{ lasts = "1 h" }` for the load balancer's own cookie, `{ cookie = "SESSION", lasts = "1 h" }` for the
/// application's.
fn stickiness(item: Item<'_>) -> Option<Stickiness> {
    let mut table = item.fields()?;
    let cookie = table.or("cookie", None, |i| cookie_name(i).map(Some));
    let lasts = table.or("lasts", seconds(86_400), |i| {
        within(i, seconds(1), seconds(604_800))
    });
    table.finish();
    Some(Stickiness {
        kind: match cookie? {
            Some(name) => StickinessKind::Application(name),
            None => StickinessKind::LoadBalancer,
        },
        lasts: lasts?,
    })
}

fn cookie_name(item: Item<'_>) -> Option<String> {
    let name = item.text()?;
    // A token of RFC 9110 §5.6.2, as RFC 6265 §4.1.1 wants of a cookie's name.
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || name.len() > 512 || !name.chars().all(token) {
        let label = "expected a name such as \"SESSION\"";
        item.wrong(format!("`{name}` is not a cookie's name"), label, None);
        return None;
    }
    if name.starts_with("AWSALB") {
        let label = "expected a name that does not begin with AWSALB";
        item.wrong(
            "the load balancer keeps these names for itself",
            label,
            None,
        );
        return None;
    }
    Some(name.to_owned())
}
