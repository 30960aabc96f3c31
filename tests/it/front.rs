//! The front of a load balancer, whole runs: bytes that a client sends, and what the load balancer makes of them. Each
//! case is a lab of its own on the three-tier base, over plain HTTP.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of fact"
)]

use tunlab::event::{Fact, Serving, What};
use tunlab::lab::parse;
use tunlab::run::{Outcome, Run};

/// Sends `pieces`, a second apart, to a load balancer with these attributes; waits so many seconds at the end.
pub(super) fn run(attributes: &str, pieces: &[&str], wait: u32) -> Outcome {
    run_every(attributes, pieces, 1, wait)
}

fn run_every(attributes: &str, pieces: &[&str], every: u32, wait: u32) -> Outcome {
    let pieces: Vec<String> = pieces.iter().map(|p| format!("{p:?}")).collect();
    // What Rust and TOML write differently in a text.
    let pieces = pieces
        .join(", ")
        .replace("\\u{1}", "\\u0001")
        .replace("\\0", "\\u0000");
    let listener = if attributes.contains("listener") {
        ""
    } else {
        "node.alb.alb.listener = [{ port = 80, forward = \"web\" }]"
    };
    let source = format!(
        "base = \"three-tier\"\ntitle = \"t\"\ntarget-group.web.targets = [\"ec2-a:32768\"]\n\
         node.web-a.app.route.\"/slow\" = {{ takes = \"10 s\" }}\n{listener}\n{attributes}\n\
         step = [{{ user = {{ raw = {{ url = \"http://your-app.com/\", every = \"{every} s\", wait = \"{wait} s\", \
         send = [{pieces}] }} }} }}]\n"
    );
    let plan = parse("t.toml", &source).unwrap_or_else(|e| panic!("{e:?}\n{source}"));
    Run::new(&plan, 1).without_packets().execute().unwrap()
}

pub(super) fn facts<'a>(outcome: &'a Outcome, node: &'a str) -> impl Iterator<Item = &'a Fact> {
    outcome.events.iter().filter_map(move |e| match &e.what {
        What::Fact(fact) if e.node.as_str() == node => Some(fact),
        _ => None,
    })
}

fn serving(outcome: &Outcome) -> Vec<&Serving> {
    let all = facts(outcome, "alb").filter_map(|f| match f {
        Fact::Serving(serving) => Some(serving),
        _ => None,
    });
    all.collect()
}

/// Statuses that the user got.
pub(super) fn statuses(outcome: &Outcome) -> Vec<u16> {
    let all = facts(outcome, "user").filter_map(|f| match f {
        Fact::ResponseReceived { status, .. } => Some(*status),
        _ => None,
    });
    all.collect()
}

/// The only access log entry: the load balancer's status and the target's.
pub(super) fn logged(outcome: &Outcome) -> (u16, Option<u16>) {
    let all: Vec<_> = facts(outcome, "alb")
        .filter_map(|f| match f {
            Fact::AccessLogged(entry) => Some((entry.elb_status, entry.target_status)),
            _ => None,
        })
        .collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
}

/// The headers of the requests that the application got.
pub(super) fn at_the_application(outcome: &Outcome) -> Vec<&[(String, String)]> {
    let all = facts(outcome, "web-a").filter_map(|f| match f {
        Fact::RequestReceived { headers, .. } => Some(headers.as_slice()),
        _ => None,
    });
    all.collect()
}

pub(super) const MONITOR: &str = "node.alb.alb.desync-mitigation-mode = \"monitor\"";

/// Every status that the front makes itself, and the log of it: no target was asked.
#[test]
fn refusals_have_the_statuses_of_aws() {
    let get = |more: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let addresses = vec!["1.2.3.4"; 31].join(", ");
    let many = format!("A: {}\r\n", "a".repeat(9_000)).repeat(8);
    for (attributes, request, status) in [
        ("", "GET HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("", "GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("", get("Content-Length: x\r\n"), 400),
        (MONITOR, get("Content-Length: x\r\n"), 400),
        (
            "",
            get("Transfer-Encoding: chunked\r\n").replace("GET", "POST") + "no chunk\r\n",
            400,
        ),
        ("", get(&format!("A: {}\r\n", "a".repeat(17_000))), 400),
        ("", get(&many), 400),
        ("", get("").replace("GET", "TRACE"), 405),
        (
            "",
            get("").replace("GET /", &format!("GET /{}", "a".repeat(17_000))),
            414,
        ),
        ("", get(&format!("X-Forwarded-For: {addresses}\r\n")), 463),
        (
            "",
            get("Transfer-Encoding: gzip\r\n").replace("GET", "POST"),
            501,
        ),
        (MONITOR, get("").replace("HTTP/1.1", "HTTP/3.0"), 505),
        ("", get("").replace("HTTP/1.1", "HTTP/3.0"), 505),
        ("", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
        ("", get("").replace("HTTP/1.1", "HTP/1.1"), 400),
    ] {
        let outcome = run(attributes, &[&request], 2);
        let what = &request[..request.len().min(60)];
        assert_eq!(statuses(&outcome), [status], "{what:?}");
        assert_eq!(logged(&outcome), (status, None), "{what:?}");
        assert_eq!(at_the_application(&outcome).len(), 0, "{what:?}");
    }
}

/// 408 to whoever began a request; whoever said nothing is closed without a word.
#[test]
fn the_idle_timeout_ends_connections() {
    let begun = run("", &["GET / HT"], 70);
    assert_eq!(statuses(&begun), [408]);
    let idle =
        |s: &&Serving| matches!(s, Serving::IdleTimeout { after, .. } if after.as_secs() == 60);
    assert_eq!(serving(&begun).into_iter().filter(idle).count(), 1);
    let body = run(
        "",
        &["POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"],
        70,
    );
    assert_eq!(statuses(&body), [408]);
    assert_eq!(at_the_application(&body).len(), 0);
    let after_one = run("", &["GET / HTTP/1.1\r\nHost: x\r\n\r\n"], 70);
    assert_eq!(statuses(&after_one), [200]);
    assert_eq!(serving(&after_one).into_iter().filter(idle).count(), 1);
    // Each byte begins the time anew.
    let slow = run_every("", &["GET / ", "HTTP/1.1\r\n", "Host: x\r\n\r\n"], 50, 5);
    assert_eq!(statuses(&slow), [200]);
}

#[test]
fn a_client_that_goes_away_is_460() {
    let outcome = run("", &["GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"], 1);
    assert_eq!(logged(&outcome), (460, None));
    let gone = serving(&outcome)
        .into_iter()
        .any(|s| matches!(s, Serving::ClientGone { .. }));
    assert!(gone);
    let cut = run(
        "",
        &["POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"],
        1,
    );
    assert_eq!(logged(&cut), (400, None));
}

#[test]
fn requests_that_come_early_wait_for_their_turn() {
    let one = "GET /notification/health/check HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /missing HTTP/1.0\r\nHost: x\r\n\r\n";
    let outcome = run("", &[&format!("{one}{one}{last}")], 1);
    assert_eq!(statuses(&outcome), [200, 200, 404]);
    assert_eq!(at_the_application(&outcome).len(), 3);
}

#[test]
fn the_load_balancer_says_continue_and_holds_bodies_back() {
    let head =
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    let outcome = run("", &[head, "3\r\nabc\r\n", "0\r\n\r\n"], 1);
    assert_eq!(statuses(&outcome), [200]);
    let requests = at_the_application(&outcome);
    let has = |name: &str| {
        requests[0]
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    assert!(!has("expect") && has("transfer-encoding"));
    // Two pieces came a second apart each; the target is asked when the last is there.
    let asked = outcome.events.iter().find(|e| {
        e.node.as_str() == "alb" && matches!(e.what, What::Fact(Fact::RequestSent { .. }))
    });
    assert!(asked.unwrap().at.as_millis_f64() > 2_000.0);
}

#[test]
fn after_the_client_keep_alive_duration_one_more_request_is_served() {
    let attributes = "node.alb.alb.client-keep-alive = \"60 s\"";
    let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let outcome = run_every(attributes, &[get, get, get, get], 25, 5);
    // At 0, 25 and 50 seconds; at 75 the last one.
    assert_eq!(statuses(&outcome), [200; 4]);
    let last = serving(&outcome)
        .into_iter()
        .filter(|s| matches!(s, Serving::LastRequest { .. }));
    assert_eq!(last.count(), 1);
    let outcome = run_every(attributes, &[get; 5], 25, 5);
    assert_eq!(
        statuses(&outcome),
        [200; 4],
        "the fifth finds the connection closed"
    );
}

#[test]
fn old_versions_get_what_they_understand() {
    let get = "GET / HTTP/1.0\r\n\r\n";
    let outcome = run("", &[get, get], 1);
    assert_eq!(
        statuses(&outcome),
        [200],
        "HTTP/1.0 is one request a connection"
    );
    let keep = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let outcome = run("", &[keep, keep], 1);
    assert_eq!(statuses(&outcome), [200, 200]);
    let requests = at_the_application(&outcome);
    let host = requests[0]
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case("host"));
    assert_eq!(
        host.unwrap().1,
        "198.51.100.10",
        "without Host, the address it came to"
    );
    // No head comes back: whoever expects one reads none.
    let outcome = run("", &["GET /\r\n"], 1);
    assert_eq!(logged(&outcome), (200, Some(200)));
    assert_eq!(statuses(&outcome), [0_u16; 0]);
}

/// A request with both a length and a transfer coding, then an honest one on the same connection.
#[test]
fn modes_of_desync_mitigation_differ() {
    let both = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let run = |mode: &str| {
        let attributes = format!("node.alb.alb.desync-mitigation-mode = \"{mode}\"");
        let outcome = run(&attributes, &[both, get], 1);
        let told: Vec<_> = serving(&outcome)
            .into_iter()
            .filter_map(|s| match s {
                Serving::Desync { class, reason, .. } => Some((*class, *reason)),
                _ => None,
            })
            .collect();
        assert_eq!(told, [("Ambiguous", "BothTeClPresent")], "{mode}");
        statuses(&outcome)
    };
    assert_eq!(run("monitor"), [200, 200]);
    assert_eq!(run("defensive"), [200]);
    assert_eq!(run("strictest"), [400]);
}

/// A name that some reader would take for `Transfer-Encoding`, beside a length: made to trick, and refused.
#[test]
fn what_only_looks_like_a_transfer_coding_is_refused_beside_a_length() {
    let tricks = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n";
    let outcome = run("", &[tricks], 1);
    assert_eq!(statuses(&outcome), [400]);
    assert!(at_the_application(&outcome).is_empty());
    let entries = facts(&outcome, "alb").filter_map(|f| match f {
        Fact::AccessLogged(entry) => Some((entry.classification, entry.classification_reason)),
        _ => None,
    });
    let told = (Some("Severe"), Some("SuspiciousTeClPresent"));
    assert_eq!(entries.collect::<Vec<_>>(), [told]);
}

/// HTTP/1.1 has no place for gRPC's trailers and streams.
#[test]
fn grpc_is_not_for_a_target_group_that_speaks_http_1() {
    let source = "base = \"three-tier\"\ntitle = \"t\"\nnode.user.browser.alpn = [\"h2\"]\n\
        node.alb.alb.listener = [{ port = 443, certificate = \"your-app\", alpn = [\"h2\"], forward = \"web\" }]\n\
        step = [{ user = { request = { url = \"https://your-app.com/a.B/c\", body = \"x\", \
        headers = { Content-Type = \"application/grpc+proto\" } } } }]\n";
    let plan = parse("t.toml", source).unwrap();
    let outcome = Run::new(&plan, 1).without_packets().execute().unwrap();
    assert_eq!(statuses(&outcome), [464]);
    assert_eq!(logged(&outcome), (464, None));
    assert_eq!(at_the_application(&outcome).len(), 0);
}

/// Asks `repeat` times over HTTP/2, `every` so many seconds; gives what came of it and how many connections there were.
fn over_http2(attributes: &str, repeat: u32, every: u32, retry: bool) -> (Vec<u16>, usize) {
    let source = format!(
        "base = \"three-tier\"\ntitle = \"t\"\nlimit = \"600 s\"\nnode.user.browser.alpn = [\"h2\"]\n\
         node.alb.alb.listener = [{{ port = 443, certificate = \"your-app\", alpn = [\"h2\"], forward = \"web\" }}]\n\
         {attributes}\n\
         step = [{{ user = {{ request = {{ url = \"https://your-app.com/\", repeat = {repeat}, every = \"{every} s\", \
         retry = {retry} }} }} }}]\n"
    );
    let plan = parse("t.toml", &source).unwrap_or_else(|e| panic!("{e:?}\n{source}"));
    let outcome = Run::new(&plan, 1).without_packets().execute().unwrap();
    let connected = facts(&outcome, "user").filter(|f| matches!(f, Fact::Connected(_)));
    (statuses(&outcome), connected.count())
}

/// GOAWAY says so; what comes after it goes over another connection, where the client knows how.
#[test]
fn http2_ends_after_the_client_keep_alive_duration_too() {
    let attributes = "node.alb.alb.client-keep-alive = \"60 s\"";
    // At 0, 25 and 50 seconds; at 75 the last one.
    assert_eq!(over_http2(attributes, 4, 25, false), (vec![200; 4], 1));
    assert_eq!(over_http2(attributes, 5, 25, false), (vec![200; 4], 1));
    assert_eq!(over_http2(attributes, 5, 25, true), (vec![200; 5], 2));
}

#[test]
fn the_idle_timeout_ends_connections_of_http2() {
    assert_eq!(over_http2("", 2, 50, false), (vec![200; 2], 1));
    assert_eq!(over_http2("", 2, 70, false), (vec![200], 1));
    assert_eq!(over_http2("", 3, 70, true), (vec![200; 3], 3));
}

/// What the load balancer writes is out of a client's reach: `Connection` names what is of the client's connection.
#[test]
fn a_client_cannot_have_the_load_balancers_headers_taken_out() {
    let outcome = run(
        "",
        &["GET / HTTP/1.1\r\nHost: x\r\nX-Hop: 1\r\nX-Own: 1\r\n\
           Connection: keep-alive, X-Hop, Host, X-Forwarded-For, X-Forwarded-Proto, X-Amzn-Trace-Id\r\n\r\n"],
        1,
    );
    let requests = at_the_application(&outcome);
    let names: Vec<_> = requests[0]
        .iter()
        .map(|(n, _)| n.to_ascii_lowercase())
        .collect();
    for own in [
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-amzn-trace-id",
        "x-own",
    ] {
        assert!(names.iter().any(|n| n == own), "{own}: {names:?}");
    }
    assert!(!names.iter().any(|n| n == "x-hop"), "{names:?}");
}

#[test]
fn a_target_cannot_have_the_load_balancers_cookies_taken_out() {
    let attributes = "target-group.web.stickiness = { lasts = \"1 h\" }\n\
        node.web-a.app.route.\"/notification/health/check\".headers = { Connection = \"Set-Cookie\" }";
    let outcome = run(
        attributes,
        &["GET /notification/health/check HTTP/1.1\r\nHost: x\r\n\r\n"],
        1,
    );
    let answer = facts(&outcome, "user").find_map(|f| match f {
        Fact::ResponseReceived { answer, .. } => answer.as_ref(),
        _ => None,
    });
    let has = |name: &str| {
        let mut headers = answer.unwrap().headers.iter();
        headers.any(|(n, v)| n.eq_ignore_ascii_case("set-cookie") && v.starts_with(name))
    };
    assert!(has("AWSALB=") && has("AWSALBCORS="), "{answer:?}");
}

/// The request as the log has it, and the path that rules see.
#[test]
fn targets_in_absolute_form_are_host_and_path() {
    let attributes = "node.alb.alb.listener = [{ port = 80, forward = \"web\", rule = [\
        { priority = 1, path-pattern = [\"/admin*\"], fixed-response = { status = 403 } }, \
        { priority = 2, path-pattern = [\"/old\"], redirect = { path = \"/new\" } }] }]";
    for (line, host, status, logged) in [
        (
            "GET /login?next=https://a.com/b HTTP/1.1",
            "x",
            404,
            "http://x:80/login?next=https://a.com/b",
        ),
        (
            "GET http://x?y=/admin HTTP/1.1",
            "x",
            200,
            "http://x:80/?y=/admin",
        ),
        (
            "GET http://x/admin HTTP/1.1",
            "other",
            403,
            "http://x:80/admin",
        ),
        ("GET /admin HTTP/1.1", "x:8080", 403, "http://x:80/admin"),
    ] {
        let outcome = run(attributes, &[&format!("{line}\r\nHost: {host}\r\n\r\n")], 1);
        assert_eq!(statuses(&outcome), [status], "{line}");
        let log = facts(&outcome, "alb").find_map(|f| match f {
            Fact::AccessLogged(entry) => Some(entry.request.clone()),
            _ => None,
        });
        assert_eq!(log.unwrap(), format!("GET {logged} HTTP/1.1"));
    }
    // Who names no host came to an address.
    for request in [
        "GET /old HTTP/1.0\r\n\r\n",
        "GET /old HTTP/1.1\r\nHost: :80\r\n\r\n",
    ] {
        let outcome = run(attributes, &[request], 1);
        let answer = facts(&outcome, "user").find_map(|f| match f {
            Fact::ResponseReceived { answer, .. } => answer.as_ref(),
            _ => None,
        });
        let location = answer
            .unwrap()
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case("location"));
        assert_eq!(location.unwrap().1, "http://198.51.100.10:80/new");
        let outcome = run("", &[request], 1);
        let requests = at_the_application(&outcome);
        let host = requests[0]
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case("host"));
        assert_eq!(host.unwrap().1, "198.51.100.10", "{request}");
    }
}

#[test]
fn a_change_of_protocol_that_nobody_asked_for_is_a_502() {
    let attributes = "node.web-a.app.route.\"/x\".raw = \"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: x\\r\\n\
        Connection: Upgrade\\r\\n\\r\\n\"";
    let outcome = run(attributes, &["GET /x HTTP/1.1\r\nHost: x\r\n\r\n"], 1);
    assert_eq!(statuses(&outcome), [502]);
}

#[test]
fn nobody_is_given_a_tunnel() {
    let connect = "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let outcome = run("", &[connect], 1);
    assert_eq!(logged(&outcome), (400, None));
    assert_eq!(statuses(&outcome), [400], "the connection is closed");
    let source = "base = \"three-tier\"\ntitle = \"t\"\nnode.user.browser.alpn = [\"h2\"]\n\
        node.alb.alb.listener = [{ port = 443, certificate = \"your-app\", alpn = [\"h2\"], forward = \"web\" }]\n\
        step = [{ user = { request = { url = \"https://your-app.com/\", method = \"CONNECT\" } } }]\n";
    let plan = parse("t.toml", source).unwrap();
    let outcome = Run::new(&plan, 1).without_packets().execute().unwrap();
    assert_eq!(at_the_application(&outcome).len(), 0);
    assert_eq!(logged(&outcome), (400, None));
}

/// What the log of the only request says of its bytes and status.
fn counted(outcome: &Outcome) -> (u16, u64, u64) {
    let entry = facts(outcome, "alb").find_map(|f| match f {
        Fact::AccessLogged(entry) => Some(entry),
        _ => None,
    });
    let entry = entry.unwrap();
    (entry.elb_status, entry.received_bytes, entry.sent_bytes)
}

/// One request over HTTP/2.
fn http2(attributes: &str, request: &str) -> Outcome {
    let source = format!(
        "base = \"three-tier\"\ntitle = \"t\"\nnode.user.browser.alpn = [\"h2\"]\n\
         node.alb.alb.listener = [{{ port = 443, certificate = \"your-app\", alpn = [\"h2\"], forward = \"web\" }}]\n\
         target-group.web.targets = [\"ec2-a:32768\"]\n{attributes}\n\
         step = [{{ user = {{ request = {{ {request} }} }} }}]\n"
    );
    let plan = parse("t.toml", &source).unwrap_or_else(|e| panic!("{e:?}\n{source}"));
    Run::new(&plan, 1).without_packets().execute().unwrap()
}

#[test]
fn the_log_counts_bodies() {
    let big = "node.web-a.app.route.\"/big\" = { size = \"100 kB\", chunked = true, pieces = { count = 10, every = \"1 s\" } }";
    let (status, received, sent) = counted(&http2(
        big,
        "url = \"https://your-app.com/big\", method = \"POST\", size = \"5 kB\"",
    ));
    assert_eq!(status, 200);
    assert!((5_000..5_300).contains(&received), "{received}");
    assert!((100_000..100_500).contains(&sent), "{sent}");
    // The client does not wait for the end: what it was sent counts.
    let (status, _, sent) = counted(&http2(
        big,
        "url = \"https://your-app.com/big\", timeout = \"4500 ms\"",
    ));
    assert_eq!(status, 200);
    assert!((40_000..80_000).contains(&sent), "{sent}");
    // The target breaks off, over HTTP/1.1.
    let cut = "node.web-a.app.route.\"/cut\" = { size = \"50 kB\", fault = \"close\", after = \"20 kB\" }";
    let outcome = run(cut, &["GET /cut HTTP/1.1\r\nHost: x\r\n\r\n"], 2);
    let (status, _, sent) = counted(&outcome);
    assert_eq!(status, 200);
    assert!((20_000..20_500).contains(&sent), "{sent}");
}

/// The limits of HTTP/1.1 hold over HTTP/2 too, and answers to what is longer are the load balancer's own.
#[test]
fn heads_of_http2_have_the_same_limits() {
    let headers = |count: usize, length: usize| {
        let all = (0..count).map(|n| format!("X-{n} = \"{}\"", "a".repeat(length)));
        let all: Vec<_> = all.collect();
        format!(
            "url = \"https://your-app.com/\", headers = {{ {} }}",
            all.join(", ")
        )
    };
    for (count, length, status) in [(20, 1_000, 200), (60, 1_000, 200), (70, 980, 400)] {
        let outcome = http2("", &headers(count, length));
        assert_eq!(statuses(&outcome), [status], "{count} x {length}");
        assert_eq!(logged(&outcome).0, status);
    }
    let long = format!("url = \"https://your-app.com/{}\"", "a".repeat(900));
    assert_eq!(statuses(&http2("", &long)), [404]);
}

/// The entry of a WebSocket is written, and dated, when it closes.
#[test]
fn a_websockets_entry_has_the_time_of_its_end() {
    let source = "base = \"three-tier\"\ntitle = \"t\"\n\
        node.web-a.app.route.\"/ws\".websocket = \"echo\"\nnode.web-b.app.route.\"/ws\".websocket = \"echo\"\n\
        step = [{ user = { websocket = { url = \"https://your-app.com/ws\", send = [\"a\"], lasts = \"20 s\" } } }]\n";
    let plan = parse("t.toml", source).unwrap();
    let outcome = Run::new(&plan, 1).without_packets().execute().unwrap();
    let entry = facts(&outcome, "alb").find_map(|f| match f {
        Fact::AccessLogged(entry) => Some(entry),
        _ => None,
    });
    let entry = entry.unwrap();
    let lasted = format!("{:?}", entry.time) != format!("{:?}", entry.request_creation);
    assert!(lasted, "{entry:?}");
}

/// 103 and its like end at the load balancer; the trace tells of them.
#[test]
fn interim_responses_of_targets_are_not_passed_on() {
    let early = "node.web-a.app.route.\"/\".raw = \"HTTP/1.1 103 Early Hints\\r\\nLink: </a.css>\\r\\n\\r\\n\
                 HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n\"";
    let outcome = run(early, &["GET / HTTP/1.1\r\nHost: x\r\n\r\n"], 1);
    assert_eq!(statuses(&outcome), [200]);
    assert_eq!(logged(&outcome), (200, Some(200)));
    let interim = |s: &&Serving| matches!(s, Serving::Interim { status: 103, .. });
    assert_eq!(serving(&outcome).into_iter().filter(interim).count(), 1);
}
