//! DNS in lab files: what becomes of it, and what is said of mistakes.

use super::{lines, mistakes, plan, small};
use crate::role::config::{DnsSource, Keeps, Role, Stub};
use std::time::Duration;

fn said(line: &str) -> String {
    lines(&mistakes(&small(line)))
}

fn says(line: &str, what: &str) {
    let said = said(line);
    assert!(said.contains(what), "{line}\n{said}");
}

/// A name server's record of one name in the zone your-app.com.
fn record(record: &str) -> String {
    format!(
        "node.ns = {{ address.home = \"203.192.1.53\", name-server.zone.\"your-app.com\".record = {{ {record} }} }}"
    )
}

#[test]
fn mistakes_in_zones_are_told() {
    says(
        &record("\"www.your-app.com\" = {}"),
        "this name has no record",
    );
    says(
        &record("\"your-app.org\" = { a = \"1.2.3.4\" }"),
        "`your-app.org` is not in this zone",
    );
    says(
        &record("\"your-app.com\" = { cname = \"lb.example\" }"),
        "the top of a zone has no CNAME: its SOA and NS records are there",
    );
    says(
        &record("\"www.your-app.com\" = { cname = \"lb.example\", txt = \"x\" }"),
        "a CNAME stands alone",
    );
    says(
        &record("\"your-app.com\" = { alias = \"lb.example\" }"),
        "the target of an alias, `lb.example.`, is in none of these zones",
    );
    says(
        &record("\"your-app.com\" = { alias = \"lb.your-app.com\", a = \"1.2.3.4\" }"),
        "an alias stands beside addresses",
    );
    says(
        &record("\"x.your-app.com\" = { a = \"::1\" }"),
        "::1 is no IPv4 address",
    );
    says(
        &record("\"x.your-app.com\" = { ns = \"a b\" }"),
        "`a b` is not a domain name",
    );
    says(
        &record("\"x y.your-app.com\" = { txt = \"x\" }"),
        "is not a host name",
    );
    let both = "node.ns = { address.home = \"203.192.1.53\", resolver = { hints = [\"1.2.3.4\"] }, name-server.zone.\".\".record = { \"a\" = { a = \"1.2.3.4\" } } }";
    says(both, "a resolver listens on port 53 of this node already");
}

#[test]
fn mistakes_of_resolvers_and_clients_are_told() {
    let resolver = |keys: &str| {
        format!("node.r = {{ address.home = \"203.192.1.53\", resolver = {{ {keys} }} }}")
    };
    says(
        &resolver(""),
        "expected exactly one of `zone`, `hints`, `forward`",
    );
    says(
        &resolver("hints = [\"a\"], forward = [\"b\"]"),
        "`forward` is one too many",
    );
    says(
        &resolver("hints = [\"1.2.3.4\"], failure-ttl = \"1 h\""),
        "failures are not kept so long",
    );
    says(
        &resolver("hints = [\"1.2.3.4\"], timeout = \"0 s\""),
        "`timeout` is zero",
    );
    says(
        &resolver("hints = [\"1.2.3.4\"], edns = 4096"),
        "expected 512 to 1432",
    );
    let client = |keys: &str| {
        format!(
            "node.b = {{ address.home = \"203.192.1.9\", browser = {{ trust = [\"lab-root\"], resolver = {keys} }} }}"
        )
    };
    says(
        &client("{ servers = [\"nobody\"] }"),
        "unknown node `nobody`",
    );
    says(
        &client("{ servers = [\"1.2.3.4\"], cache = \"long\" }"),
        "unknown memory `long`",
    );
    says(&client("[]"), "`resolver` is empty");
}

#[test]
fn clients_and_servers_come_out_as_written() {
    let text = "base = \"three-tier\"\ntitle = \"x\"\n\
        [node.user.browser.resolver]\nservers = [\"resolver\", \"203.192.2.54\"]\nedns = 1232\naaaa = true\n\
        cache = \"30 s\"\n\
        [[step]]\nuser = { get = \"http://your-app.com/\" }\n\
        [[expect]]\nthat = \"x\"\ndns = { at = \"user\", name = \"your-app.com.\", by = \"udp\" }\n";
    let plan = plan(text);
    let roles = plan.roles.iter().map(|(_, role)| role);
    let mut stubs = roles.clone().filter_map(|role| {
        let Role::Browser(browser) = role else {
            return None;
        };
        browser.resolver.clone()
    });
    let stub = stubs.next().unwrap();
    let usual = Stub::of(vec![
        "203.192.2.53".parse().unwrap(),
        "203.192.2.54".parse().unwrap(),
    ]);
    assert_eq!((stub.servers, stub.kinds.len()), (usual.servers, 2));
    assert_eq!(stub.keeps, Keeps::For(Duration::from_secs(30)));
    assert_eq!(stub.asking.payload_max, Some(1232));
    assert_eq!(
        (stub.asking.timeout, stub.asking.attempts),
        (Duration::from_secs(5), 2)
    );
    let mut resolvers = roles.filter_map(|role| {
        let Role::Resolver(resolver) = role else {
            return None;
        };
        Some(resolver)
    });
    let resolver = resolvers.next().unwrap();
    assert!(
        matches!(&resolver.source, DnsSource::Zones(z) if z.len() == 1 && z[0].origin.is_root())
    );
    let published: Vec<_> = resolver.published().collect();
    assert_eq!(
        published,
        ["198.51.100.10".parse::<std::net::IpAddr>().unwrap()]
    );
}
