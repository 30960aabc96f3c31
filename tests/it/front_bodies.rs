//! The front of a load balancer, whole runs: heads and bodies that stop or break off, and what the access log says of
//! them.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of fact"
)]

use tunlab::event::{AccessRecord, Fact, Serving};
use tunlab::lab::parse;
use tunlab::run::{Outcome, Run};

use crate::front::{MONITOR, at_the_application, facts, logged, run, statuses};

/// Runs a lab on the three-tier base, whose browser and load balancer speak `alpn` with each other over TLS, or, with
/// `http/1.1`, HTTP in plain text as well.
fn browse(alpn: &str, more: &str, step: &str) -> Outcome {
    // HTTP/2 to targets is for HTTPS listeners only.
    let plain = match alpn {
        "http/1.1" => ", { port = 80, forward = \"web\" }",
        _ => "",
    };
    let source = format!(
        "base = \"three-tier\"\ntitle = \"t\"\nlimit = \"300 s\"\ntarget-group.web.targets = [\"ec2-a:32768\"]\n\
         node.user.browser.alpn = [\"{alpn}\"]\n\
         node.alb.alb.listener = [{{ port = 443, certificate = \"your-app\", alpn = [\"{alpn}\"], forward = \"web\" }}{plain}]\n{more}\nstep = [{{ user = {step} }}]\n"
    );
    let plan = parse("t.toml", &source).unwrap_or_else(|e| panic!("{e:?}"));
    Run::new(&plan, 1).without_packets().execute().unwrap()
}

/// The only access log entry.
fn entry(outcome: &Outcome) -> &AccessRecord {
    let mut all = facts(outcome, "alb").filter_map(|f| match f {
        Fact::AccessLogged(entry) => Some(entry),
        _ => None,
    });
    let first = all.next().unwrap();
    assert_eq!(all.count(), 0);
    first
}

/// 408 when the client falls silent, 400 when it ends its side or resets: whether the target has been asked already, as
/// it is with more than 1 MiB, or not.
#[test]
fn a_body_that_stops_has_one_status_whatever_its_size() {
    let idle = "node.alb.alb.idle-timeout = \"5 s\"";
    for (size, sent) in [(9, 3), (3_000_000, 1_500_000)] {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n");
        let request = format!("{head}{}", "a".repeat(sent));
        let outcome = run(idle, &[&request], 20);
        assert_eq!(statuses(&outcome), [408], "{sent}");
        let entry = entry(&outcome);
        assert_eq!(entry.elb_status, 408, "{sent}");
        assert_eq!(entry.received_bytes, request.len() as u64);
        let told = facts(&outcome, "alb")
            .filter(|f| matches!(f, Fact::Serving(Serving::IdleTimeout { .. })));
        assert_eq!(told.count(), 1, "{sent}");
        let outcome = run(idle, &[&request], 1);
        assert_eq!(logged(&outcome).0, 400, "{sent}");
    }
    for (size, timeout, ends) in [
        ("900 kB", "300 ms", "reset"),
        ("5 MB", "900 ms", "reset"),
        ("900 kB", "300 ms", "close"),
        ("5 MB", "900 ms", "close"),
    ] {
        let slow = "link.user.rate = { rate = \"20 Mbit/s\" }";
        let step = format!(
            "{{ request = {{ url = \"http://your-app.com/\", method = \"POST\", size = \"{size}\", timeout = \"{timeout}\", \
             gives-up = \"{ends}\" }} }}"
        );
        let outcome = browse("http/1.1", slow, &step);
        assert_eq!(logged(&outcome).0, 400, "{size} {ends}");
        let failed = facts(&outcome, "alb").filter(|f| matches!(f, Fact::TargetFailed { .. }));
        assert_eq!(failed.count(), 0, "the target has done nothing wrong");
    }
}

/// The same over HTTP/2, whatever the target speaks, and whether or not it has been asked already: who sends more of a
/// body from time to time is served, who falls silent for the idle timeout gets 408.
#[test]
fn a_body_that_stops_over_http2_is_408_too() {
    for version in ["HTTP1", "HTTP2"] {
        for (size, at_once) in [("3 kB", "1 kB"), ("3 MB", "1 MB")] {
            let uploads = |every: u32| {
                let more = format!(
                    "node.alb.alb.idle-timeout = \"5 s\"\ntarget-group.web.protocol-version = \"{version}\"\n\
                     node.web-a.app.http2 = {}",
                    version == "HTTP2"
                );
                let step = format!(
                    "{{ request = {{ url = \"https://your-app.com/notification/health/check\", size = \"{size}\", \
                     writes = {{ bytes = \"{at_once}\", every = \"{every} s\" }} }} }}"
                );
                browse("h2", &more, &step)
            };
            let slow = uploads(4);
            assert_eq!(statuses(&slow), [200], "{version} {size}");
            let stalled = uploads(20);
            assert_eq!(statuses(&stalled), [408], "{version} {size}");
            let entry = entry(&stalled);
            assert_eq!(entry.elb_status, 408, "{version} {size}");
            assert_eq!(entry.target_status, None);
        }
    }
}

#[test]
fn the_log_counts_bytes_as_they_are_on_the_connection() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let request = format!("{head}3\r\nabc\r\n0\r\n\r\n");
    let outcome = run("", &[&request], 1);
    assert_eq!(entry(&outcome).received_bytes, request.len() as u64);
    let agent = "a".repeat(9_000);
    let outcome = run(
        "",
        &[&format!(
            "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: {agent}\r\n\r\n"
        )],
        1,
    );
    assert_eq!(entry(&outcome).user_agent.as_deref(), Some(&agent[..8_192]));
}

/// What never became a request is logged from its first byte on.
#[test]
fn a_head_that_stops_is_logged_from_its_first_byte_on() {
    let begun = "GET / HT";
    let outcome = run("node.alb.alb.idle-timeout = \"5 s\"", &[begun], 20);
    let waited = entry(&outcome);
    assert_eq!((waited.elb_status, waited.received_bytes), (408, 8));
    assert_eq!(waited.time.0 - waited.request_creation.0, 5_000_000);
    assert_eq!(waited.request, "- http://198.51.100.10:80- -");
    let outcome = run("", &[begun], 1);
    let cut = entry(&outcome);
    assert_eq!((cut.elb_status, cut.received_bytes), (400, 8));
    assert_eq!(at_the_application(&outcome).len(), 0);
}

/// In monitor mode a severe request goes through where its end can be told at all, alone on its connections.
#[test]
fn monitor_mode_forwards_what_has_an_end() {
    let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let post = |more: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{more}\r\n{body}");
    for (request, forwarded) in [
        (
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            true,
        ),
        (
            post("Content-Length: 3\r\nContent-Length: 5\r\n", "abc"),
            true,
        ),
        (post("Content-Length: x\r\n", ""), false),
    ] {
        let outcome = run(MONITOR, &[&request, get], 1);
        let entry = entry(&outcome);
        assert_eq!(entry.classification, Some("Severe"), "{request}");
        assert_eq!(!entry.targets.is_empty(), forwarded, "{request}");
        assert_eq!(statuses(&outcome).len(), 1, "the connection is closed");
        let done = facts(&outcome, "alb").find_map(|f| match f {
            Fact::Serving(Serving::Desync { done, .. }) => Some(*done),
            _ => None,
        });
        let told = if forwarded {
            "forwarded, and both connections are closed after it"
        } else {
            "refused: nobody can tell where its body ends"
        };
        assert_eq!(done, Some(told));
        let defensive = run("", &[&request], 1);
        assert_eq!(logged(&defensive), (400, None), "{request}");
    }
}

#[test]
fn every_host_is_preserved_when_hosts_are() {
    let request = "GET / HTTP/1.1\r\nHost: A.example:9\r\nHost: b.example\r\n\r\n";
    let hosts = |attributes: &str| -> Vec<String> {
        let outcome = run(attributes, &[request], 1);
        let sent = at_the_application(&outcome);
        let sent = sent.first().into_iter().flat_map(|headers| headers.iter());
        sent.filter(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map(|(_, value)| value.clone())
            .collect()
    };
    assert_eq!(hosts(""), ["a.example"]);
    let preserved = "node.alb.alb.preserve-host-header = true";
    assert_eq!(hosts(preserved), ["A.example:9", "b.example"]);
}

/// The group is known, though it has no target; `*` is no path.
#[test]
fn the_log_says_where_a_request_did_not_arrive() {
    let empty = "target-group.empty.targets = []\n\
        node.alb.alb.listener = [{ port = 80, forward = \"empty\" }]";
    let outcome = run(empty, &["GET / HTTP/1.1\r\nHost: x\r\n\r\n"], 1);
    let nowhere = entry(&outcome);
    assert_eq!((nowhere.elb_status, nowhere.target), (503, None));
    let arn = nowhere.target_group_arn.as_deref();
    assert!(
        arn.is_some_and(|arn| arn.contains("targetgroup/empty/")),
        "{arn:?}"
    );
    let outcome = run("", &["OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"], 1);
    assert_eq!(entry(&outcome).request, "OPTIONS http://x:80/* HTTP/1.1");
}

/// RFC 9110 §6.5.1: what frames or routes a message is not for its trailers.
#[test]
fn trailers_cannot_say_what_the_load_balancer_has_decided() {
    let request = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\
        Host: evil\r\nX-Forwarded-For: 9.9.9.9\r\nContent-Length: 9\r\nX-Sum: 1\r\n\r\n";
    let source = format!(
        "base = \"three-tier\"\ntitle = \"t\"\ntarget-group.web.targets = [\"ec2-a:32768\"]\n\
         node.alb.alb.listener = [{{ port = 80, forward = \"web\" }}]\n\
         step = [{{ user = {{ raw = {{ url = \"http://your-app.com/\", send = [{request:?}], wait = \"1 s\" }} }} }}]\n"
    );
    let plan = parse("t.toml", &source).unwrap_or_else(|e| panic!("{e:?}"));
    let outcome = Run::new(&plan, 1).execute().unwrap();
    assert_eq!(statuses(&outcome), [200]);
    let frames = outcome.taps.iter().flat_map(|tap| &tap.frames);
    let sent: Vec<u8> = frames
        .flat_map(|frame| frame.bytes.iter().copied())
        .collect();
    let sent = String::from_utf8_lossy(&sent);
    assert!(sent.contains("x-sum: 1"), "the honest one passes");
    for refused in [
        "host: evil",
        "x-forwarded-for: 9.9.9.9",
        "content-length: 9",
    ] {
        // As the client wrote it, and never as the load balancer would.
        assert!(!sent.contains(refused), "{refused}");
    }
}
