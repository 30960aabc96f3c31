//! How listeners of a load balancer speak TLS, seen from the whole: ALPN, resumption, client certificates, and what
//! goes on behind them.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of fact"
)]

use tunlab::event::{ConnectionRecord, Fact, HandshakeKind, What};
use tunlab::role::config::Role;
use tunlab::run::{Outcome, Run};

const GET: &str = "user = { get = \"https://your-app.com/\" }";

/// A step at each second.
fn visits(n: u32) -> String {
    let each = (1..=n).map(|s| format!("[[step]]\nat = \"{s} s\"\n{GET}\n"));
    each.collect()
}

fn source(more: &str) -> String {
    format!("title = \"t\"\nbase = \"three-tier\"\n{more}\n")
}

fn run(more: &str) -> Outcome {
    let source = source(more);
    let plan = tunlab::lab::parse("x.toml", &source).unwrap_or_else(|e| panic!("{e:?}\n{source}"));
    Run::new(&plan, 1).without_packets().execute().unwrap()
}

fn facts<'a>(outcome: &'a Outcome, node: &'a str) -> impl Iterator<Item = &'a Fact> {
    outcome.events.iter().filter_map(move |e| match &e.what {
        What::Fact(fact) if e.node.as_str() == node => Some(fact),
        _ => None,
    })
}

/// Handshakes of a node as client: how, and the protocol agreed on.
fn handshakes(outcome: &Outcome, node: &str) -> Vec<(HandshakeKind, String)> {
    let established = facts(outcome, node).filter_map(|fact| match fact {
        Fact::TlsEstablished {
            handshake, alpn, ..
        } => Some((*handshake, alpn.clone().unwrap_or_default())),
        _ => None,
    });
    established.collect()
}

fn statuses(outcome: &Outcome) -> Vec<u16> {
    let got = facts(outcome, "user").filter_map(|fact| match fact {
        Fact::ResponseReceived { status, .. } => Some(*status),
        _ => None,
    });
    got.collect()
}

fn kinds(outcome: &Outcome) -> Vec<HandshakeKind> {
    let all = handshakes(outcome, "user");
    all.into_iter().map(|(kind, _)| kind).collect()
}

/// A load balancer that asks for clients' certificates, and alice, whose certificate is valid from that day on.
fn mutual(more: &str, from: &str) -> String {
    format!(
        "authority.client-root = {{ root = \"R\", intermediate = \"I\", valid = [2020-01-01, 2040-01-01] }}\n\
         certificate.alice = {{ issuer = \"client-root\", names = [\"alice\"], purpose = \"client\", valid = [{from}, 2029-12-31] }}\n\
         node.user.browser = {{ certificate = \"alice\", resume = true }}\n\
         node.alb.alb.listener = [{{ port = 443, certificate = \"your-app\", forward = \"web\", \
         mutual-authentication = {{ trust = [\"client-root\"] }}{more} }}]\n{}",
        visits(2)
    )
}

#[test]
fn http2_is_spoken_with_clients_who_can_unless_it_is_switched_off() {
    let alpn = |attributes: &str, offers: &str| {
        let browser = format!("node.user.browser.alpn = {offers}");
        let outcome = run(&format!("{browser}\n{attributes}\n{}", visits(1)));
        assert_eq!(statuses(&outcome), [200]);
        handshakes(&outcome, "user").remove(0).1
    };
    let both = "[\"h2\", \"http/1.1\"]";
    assert_eq!(alpn("", both), "h2");
    assert_eq!(alpn("", "[\"http/1.1\"]"), "http/1.1");
    assert_eq!(alpn("node.alb.alb.http2 = false", both), "http/1.1");
}

#[test]
fn who_asks_for_certificates_resumes_no_session() {
    let full = [HandshakeKind::Full; 2];
    let outcome = run(&mutual("", "2024-01-01"));
    assert_eq!(statuses(&outcome), [200, 200]);
    assert_eq!(kinds(&outcome), full);
    assert_eq!(
        kinds(&run(&mutual(", resumption = \"off\"", "2024-01-01"))),
        full
    );
    for word in ["memory", "tickets"] {
        let lab = source(&mutual(&format!(", resumption = \"{word}\""), "2024-01-01"));
        let errors = tunlab::lab::parse("x.toml", &lab).unwrap_err();
        assert!(
            format!("{errors:?}").contains("no session is resumed beside `mutual-authentication`"),
            "{errors:?}"
        );
    }
}

#[test]
fn a_ticket_is_good_for_the_node_that_gave_it_only() {
    // A name whose addresses take turns.
    let lab = |second: &str| {
        format!(
            "without = [\"node.alb.alb\"]\nnode.user.browser.resume = true\n\
             node.resolver.resolver = {{ zone = {{ \"your-app.com\" = [\"198.51.100.10\", \"198.51.100.11\"] }}, ttl = \"60 s\" }}\n\
             node.alb.alb = \"two\"\nnode.alb-b.alb = \"{second}\"\n\
             node.alb-b.address = {{ edge = \"198.51.100.11\", vpc = \"10.0.1.11\" }}\n\
             link.alb-b-edge = {{ between = [\"internet\", \"alb-b\"], delay = \"0.5 ms\" }}\n\
             link.alb-b-vpc = {{ between = [\"alb-b\", \"vpc\"], delay = \"0.125 ms\" }}\n\
             load-balancer.two = {{ listener = [{{ port = 443, certificate = \"your-app\", forward = \"web\", resumption = \"tickets\" }}] }}\n\
             {}",
            visits(2)
        )
    };
    let outcome = run(&lab("two"));
    assert_eq!(statuses(&outcome), [200, 200]);
    for node in ["alb", "alb-b"] {
        let served = facts(&outcome, node).filter(|f| matches!(f, Fact::ConnectionLogged(_)));
        assert_eq!(served.count(), 1, "{node}");
    }
    assert_eq!(kinds(&outcome), [HandshakeKind::Full; 2]);
    // And to the same node with it the session goes on.
    let one = "node.user.browser.resume = true\nnode.alb.alb.listener = [{ port = 443, certificate = \"your-app\", forward = \"web\", resumption = \"tickets\" }]\n";
    assert_eq!(
        kinds(&run(&format!("{one}{}", visits(2)))),
        [HandshakeKind::Full, HandshakeKind::Resumed]
    );
}

#[test]
fn a_refused_certificate_is_in_the_log_as_an_accepted_one() {
    let logged = |from: &str| -> ConnectionRecord {
        let outcome = run(&mutual("", from));
        let entry = facts(&outcome, "alb").find_map(|fact| match fact {
            Fact::ConnectionLogged(record) => Some((**record).clone()),
            _ => None,
        });
        entry.unwrap()
    };
    let (good, bad) = (logged("2024-01-01"), logged("2029-01-01"));
    let subject = Some("CN=alice,O=tunlab,C=US");
    assert_eq!(good.leaf_subject.as_deref(), subject);
    assert_eq!(bad.leaf_subject.as_deref(), subject);
    let serial = |entry: &ConnectionRecord| entry.leaf_serial.clone().unwrap();
    assert_eq!(serial(&bad).len(), 32);
    assert!(!serial(&bad).contains(|c: char| c.is_ascii_lowercase()));
    assert_eq!(serial(&good), serial(&bad), "the name decides");
}

#[test]
fn a_target_registered_later_is_spoken_to_as_its_group_says() {
    let outcome = run(
        "target-group.web = { targets = [\"ec2-b:32768\"], protocol = \"HTTPS\" }\n\
         node.web-a.app.certificate = \"your-app\"\nnode.web-b.app.certificate = \"your-app\"\n\
         step = [\n\
         { at = \"500 ms\", alb = { deregister = \"ec2-b:32768\" } },\n\
         { at = \"1 s\", alb = { register = \"ec2-a:32768\" } },\n\
         { at = \"2 s\", user = { get = \"https://your-app.com/notification/health/check\" } },\n]",
    );
    assert_eq!(statuses(&outcome), [200]);
    assert_eq!(kinds(&outcome).len(), 1);
    let spoken = facts(&outcome, "web-a").filter(|f| matches!(f, Fact::TlsEstablished { .. }));
    assert_eq!(spoken.count(), 1);
}

#[test]
fn the_policy_behind_is_that_of_the_listener_that_forwards() {
    let lab = source(
        "target-group.web = { targets = [\"ec2-a:32768\"], protocol = \"HTTPS\" }\n\
         target-group.old = { targets = [\"ec2-b:32768\"], protocol = \"HTTPS\" }\n\
         node.alb.alb.listener = [\n\
         { port = 443, certificate = \"your-app\", security-policy = \"ELBSecurityPolicy-TLS13-1-2-2021-06\", forward = \"web\" },\n\
         { port = 444, certificate = \"your-app\", security-policy = \"ELBSecurityPolicy-2016-08\", forward = \"old\" },\n]\n\
         step = [{ user = { get = \"https://your-app.com/\" } }]",
    );
    let plan = tunlab::lab::parse("x.toml", &lab).unwrap();
    let behind = plan.roles.iter().find_map(|(_, role)| match role {
        Role::Alb(alb) => Some(alb.behind()),
        _ => None,
    });
    let versions: Vec<_> = behind
        .unwrap()
        .into_iter()
        .map(|(group, tls)| (group, tls.versions.len()))
        .collect();
    assert_eq!(versions, [("web".into(), 2), ("old".into(), 1)]);
}

/// A load balancer without a policy has AWS's default: AES-128 first, ML-KEM for those who can, no ChaCha20 in TLS 1.2.
/// An application goes by rustls' order.
#[test]
fn without_a_policy_a_load_balancer_has_the_default_one() {
    let agreed = |more: &str, node: &str| {
        let outcome = run(&format!("{more}\n{}", visits(1)));
        let found = facts(&outcome, node).find_map(|fact| match fact {
            Fact::TlsEstablished { suite, group, .. } => Some((suite.clone(), group.clone())),
            Fact::TlsFailed { error, .. } => Some((error.clone(), None)),
            _ => None,
        });
        found.unwrap()
    };
    let browser = agreed("", "user");
    assert_eq!(browser.0, "TLS_AES_128_GCM_SHA256");
    assert_eq!(browser.1.as_deref(), Some("X25519"));
    let modern = "node.user.browser.groups = [\"X25519MLKEM768\", \"X25519\"]";
    assert_eq!(agreed(modern, "user").1.as_deref(), Some("X25519MLKEM768"));
    let tls12 = "node.user.browser.tls = [\"1.2\"]";
    assert_eq!(
        agreed(tls12, "user").0,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    );
    let chacha = "node.user.browser.tls = [\"1.2\"]\nnode.user.browser.suites = \
        [\"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256\"]";
    assert!(agreed(chacha, "user").1.is_none());
    // What a listener says for itself keeps the order of the default.
    let own = "node.alb.alb.listener = [{ port = 443, certificate = \"your-app\", tls = [\"1.3\"], forward = \"web\" }]";
    assert_eq!(agreed(own, "user").0, "TLS_AES_128_GCM_SHA256");
}
