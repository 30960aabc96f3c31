//! Target groups that speak HTTP/2 or gRPC, whole runs: who may talk to whom, and what becomes of a request when the
//! target takes its leave. Each case is a lab of its own on the three-tier base.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of fact"
)]

use tunlab::event::{Fact, Serving, What};
use tunlab::lab::parse;
use tunlab::run::{Outcome, Run};

/// One target, whose group says `version`, and a client that speaks `alpn`; `more` is said besides.
fn lab(version: &str, alpn: &str, more: &str) -> String {
    format!(
        "base = \"three-tier\"\ntitle = \"t\"\nnode.user.browser.alpn = [\"{alpn}\"]\n\
         node.alb.alb.listener = [{{ port = 443, certificate = \"your-app\", forward = \"web\", alpn = [\"h2\", \"http/1.1\"] }}]\n\
         target-group.web.targets = [\"ec2-a:32768\"]\ntarget-group.web.protocol-version = \"{version}\"\n{more}\n"
    )
}

fn run(source: &str) -> Outcome {
    let plan = parse("t.toml", source).unwrap_or_else(|e| panic!("{e:?}\n{source}"));
    Run::new(&plan, 1).without_packets().execute().unwrap()
}

/// A step at so many seconds: a request with this path, and more of it.
fn asks(at: u32, path: &str, more: &str) -> String {
    format!(
        "[[step]]\nat = \"{at} s\"\nuser = {{ request = {{ url = \"https://your-app.com{path}\"{more} }} }}\n"
    )
}

fn facts<'a>(outcome: &'a Outcome, node: &'a str) -> impl Iterator<Item = &'a Fact> {
    outcome.events.iter().filter_map(move |e| match &e.what {
        What::Fact(fact) if e.node.as_str() == node => Some(fact),
        _ => None,
    })
}

/// Statuses that the user got.
fn statuses(outcome: &Outcome) -> Vec<u16> {
    let all = facts(outcome, "user").filter_map(|f| match f {
        Fact::ResponseReceived { status, .. } => Some(*status),
        _ => None,
    });
    all.collect()
}

/// Why the target failed, each time.
fn causes(outcome: &Outcome) -> Vec<&str> {
    let all = facts(outcome, "alb").filter_map(|f| match f {
        Fact::TargetFailed { cause, .. } => Some(cause.as_str()),
        _ => None,
    });
    all.collect()
}

/// Why the load balancer asked no target, each time.
fn refusals(outcome: &Outcome) -> Vec<&str> {
    let all = facts(outcome, "alb").filter_map(|f| match f {
        Fact::Serving(Serving::Refused { why, .. }) => Some(why.as_str()),
        _ => None,
    });
    all.collect()
}

/// Connections that the load balancer opened.
fn connections(outcome: &Outcome) -> usize {
    let opened = |f: &&Fact| matches!(f, Fact::Connecting(_));
    facts(outcome, "alb").filter(opened).count()
}

/// Type, status and status of the target in the access log.
fn logged(outcome: &Outcome) -> Vec<(&'static str, u16, Option<u16>)> {
    let all = facts(outcome, "alb").filter_map(|f| match f {
        Fact::AccessLogged(entry) => {
            Some((entry.kind.word(), entry.elb_status, entry.target_status))
        }
        _ => None,
    });
    all.collect()
}

const HTTP2: &str = "node.web-a.app.http2 = true\n";

/// AWS "Target groups for your Application Load Balancers", "Protocol version": each cell of the matrix. What does not go
/// together is a 464, and no target is asked.
#[test]
fn who_may_talk_to_whom() {
    let (get, post, grpc) = ("", ", method = \"POST\", body = \"x\"", ", grpc = true");
    for (version, alpn, request, status, kind) in [
        ("HTTP1", "http/1.1", get, 200, "https"),
        ("HTTP1", "h2", get, 200, "h2"),
        ("HTTP1", "h2", post, 200, "h2"),
        ("HTTP1", "h2", grpc, 464, "grpcs"),
        ("HTTP2", "http/1.1", get, 464, "https"),
        ("HTTP2", "http/1.1", grpc, 464, "https"),
        ("HTTP2", "h2", get, 200, "h2"),
        ("HTTP2", "h2", post, 200, "h2"),
        ("HTTP2", "h2", grpc, 200, "grpcs"),
        ("GRPC", "http/1.1", get, 464, "https"),
        ("GRPC", "http/1.1", post, 464, "https"),
        ("GRPC", "http/1.1", grpc, 464, "https"),
        ("GRPC", "h2", get, 464, "h2"),
        ("GRPC", "h2", post, 200, "h2"),
        ("GRPC", "h2", grpc, 200, "grpcs"),
    ] {
        let what = format!("{alpn}{request} to {version}");
        let app = if version == "HTTP1" { "" } else { HTTP2 };
        let outcome = run(&(lab(version, alpn, app) + &asks(0, "/", request)));
        assert_eq!(statuses(&outcome), [status], "{what}");
        let target = (status == 200).then_some(200);
        assert_eq!(logged(&outcome), [(kind, status, target)], "{what}");
        let asked = usize::from(status == 200);
        assert_eq!(connections(&outcome), asked, "{what}");
        assert_eq!(refusals(&outcome).len(), 1 - asked, "{what}");
    }
}

/// HTTP/2 comes over TLS only, so such a group is for HTTPS listeners (AWS "Target groups for your Application Load
/// Balancers").
#[test]
fn a_listener_without_tls_cannot_forward_to_them() {
    for version in ["HTTP2", "GRPC"] {
        let source = lab(version, "h2", "")
            .replace(", certificate = \"your-app\"", "")
            .replace(", alpn = [\"h2\", \"http/1.1\"]", "")
            + &asks(0, "/", "").replace("https", "http");
        let said = format!("{:?}", parse("t.toml", &source).unwrap_err());
        assert!(said.contains(&format!("speaks {version}")), "{said}");
    }
}

/// Requests at once, of two connections in front, share one behind; what a request body and trailers are is passed on.
#[test]
fn one_connection_carries_all() {
    let more = format!("{HTTP2}node.web-a.app.takes = \"1 s\"\n")
        + &asks(0, "/", ", repeat = 3, parallel = 3")
        + &asks(0, "/", ", method = \"POST\", size = \"300 kB\"");
    let outcome = run(&lab("HTTP2", "h2", &more));
    assert_eq!(statuses(&outcome), [200; 4]);
    assert_eq!(connections(&outcome), 1);
    let streams: Vec<_> = facts(&outcome, "alb")
        .filter_map(|f| match f {
            Fact::RequestSent { stream, .. } => *stream,
            _ => None,
        })
        .collect();
    assert_eq!(streams, [1, 3, 5, 7]);
}

/// The target's SETTINGS_MAX_CONCURRENT_STREAMS: the second waits for the first, and is no reason for another connection.
#[test]
fn no_more_streams_at_once_than_the_target_takes() {
    let more = format!("{HTTP2}node.web-a.app.takes = \"1 s\"\nnode.web-a.app.max-concurrent-streams = 1\n")
        // The first one learns of the limit.
        + &asks(0, "/", "")
        + &asks(5, "/", ", repeat = 3, parallel = 3");
    let outcome = run(&lab("HTTP2", "h2", &more));
    assert_eq!(
        (statuses(&outcome), connections(&outcome)),
        (vec![200; 4], 1)
    );
    let got: Vec<u64> = outcome
        .events
        .iter()
        .filter(|e| e.node.as_str() == "web-a")
        .filter(|e| matches!(e.what, What::Fact(Fact::RequestReceived { .. })))
        .map(|e| e.at.as_nanos() / 1_000_000_000)
        .collect();
    assert_eq!(got, [0, 5, 6, 7]);
}

/// GOAWAY: what was asked before it is answered, the next request takes another connection.
#[test]
fn a_target_that_says_goaway_gets_no_more_on_that_connection() {
    let idle = format!("{HTTP2}node.web-a.app.keep-alive = \"5 s\"\n")
        + &asks(0, "/", "")
        + &asks(9, "/", "");
    let outcome = run(&lab("HTTP2", "h2", &idle));
    assert_eq!(
        (statuses(&outcome), connections(&outcome)),
        (vec![200, 200], 2)
    );
    // While it works, too: it says so when it is told to stop, and answers what it has.
    let stops = format!("{HTTP2}node.web-a.app.takes = \"3 s\"\n")
        + &asks(0, "/", "")
        + "[[step]]\nat = \"2 s\"\nweb-a = { stop = true }\n[[step]]\nat = \"2500 ms\"\nweb-a = { start = true }\n"
        + &asks(4, "/", "");
    let outcome = run(&lab("HTTP2", "h2", &stops));
    assert_eq!(
        (statuses(&outcome), connections(&outcome)),
        (vec![200, 200], 2)
    );
    assert_eq!(causes(&outcome), [""; 0]);
}

/// Each cause of a 502 or 504 (AWS "Troubleshoot your Application Load Balancers"), over HTTP/2.
#[test]
fn a_target_that_fails_is_a_502_or_504() {
    for (app, status, cause) in [
        (
            "route.\"/\" = { fault = \"reset-stream\" }",
            502,
            "reset the stream (RST_STREAM, INTERNAL_ERROR)",
        ),
        (
            "route.\"/\" = { fault = \"reset\" }",
            502,
            "reset the connection (RST) while a request was outstanding",
        ),
        (
            "route.\"/\" = { fault = \"close\" }",
            502,
            "closed the connection (FIN) while a request was outstanding",
        ),
        (
            "route.\"/\" = { fault = \"no-answer\" }",
            504,
            "no response within the idle timeout of 60 s",
        ),
        (
            "route.\"/\" = { padding = \"40 kB\" }",
            502,
            "headers are longer than 32 KiB",
        ),
        ("http2 = false", 502, "the response is malformed"),
    ] {
        let app = if app.starts_with("http2") {
            format!("node.web-a.app.{app}\n")
        } else {
            format!("{HTTP2}node.web-a.app.{app}\n")
        };
        let outcome = run(&lab("HTTP2", "h2", &(app.clone() + &asks(0, "/", ""))));
        assert_eq!(statuses(&outcome), [status], "{app}");
        let causes = causes(&outcome);
        assert!(
            causes.len() == 1 && causes[0].contains(cause),
            "{app}: {causes:?}"
        );
        assert_eq!(logged(&outcome)[0].1, status, "{app}");
    }
}

/// A stream that fails leaves the others alone; a connection that fails takes them with it.
#[test]
fn only_a_connection_takes_all_its_streams_along() {
    for (fault, expected, opened) in [("reset-stream", [200, 502], 1), ("reset", [502, 502], 1)] {
        let more = format!(
            "{HTTP2}node.web-a.app.route.\"/slow\" = {{ takes = \"5 s\" }}\n\
             node.web-a.app.route.\"/bad\" = {{ takes = \"1 s\", fault = \"{fault}\" }}\n"
        ) + &asks(0, "/slow", "")
            + &asks(0, "/bad", "");
        let outcome = run(&lab("HTTP2", "h2", &more));
        let mut got = statuses(&outcome);
        got.sort_unstable();
        assert_eq!(
            (&got[..], connections(&outcome)),
            (&expected[..], opened),
            "{fault}"
        );
    }
}

/// In the middle of a body nothing can be taken back: the client's stream is reset.
#[test]
fn a_body_that_breaks_off_breaks_off_for_the_client() {
    let more = format!(
        "{HTTP2}node.web-a.app.route.\"/big\" = {{ size = \"50 kB\", fault = \"reset-stream\", after = \"20 kB\" }}\n"
    ) + &asks(0, "/big", "");
    let outcome = run(&lab("HTTP2", "h2", &more));
    assert_eq!(statuses(&outcome), [0; 0]);
    let failed = facts(&outcome, "user").any(|f| matches!(f, Fact::StepFailed { .. }));
    assert!(failed);
    let told = facts(&outcome, "alb").filter(|f| {
        matches!(f, Fact::Serving(Serving::BrokenOff { cause, .. }) if cause.contains("INTERNAL_ERROR"))
    });
    assert_eq!(told.count(), 1);
    assert_eq!(logged(&outcome), [("h2", 200, Some(200))]);
}

/// Without a stream for the idle timeout the connection is closed; the next request opens another.
#[test]
fn the_idle_timeout_closes_it() {
    let timeout = "node.alb.alb.idle-timeout = \"10 s\"\n";
    let kept =
        format!("{HTTP2}{timeout}") + &asks(0, "/", "") + &asks(9, "/", "") + &asks(18, "/", "");
    let outcome = run(&lab("HTTP2", "h2", &kept));
    assert_eq!(
        (statuses(&outcome), connections(&outcome)),
        (vec![200; 3], 1)
    );
    let idle = format!("{HTTP2}{timeout}") + &asks(0, "/", "") + &asks(11, "/", "");
    let outcome = run(&lab("HTTP2", "h2", &idle));
    assert_eq!(
        (statuses(&outcome), connections(&outcome)),
        (vec![200; 2], 2)
    );
}

/// A client that gives up resets its stream at the target, and nothing else.
#[test]
fn a_client_that_goes_away_resets_its_stream() {
    let more = format!("{HTTP2}node.web-a.app.route.\"/slow\" = {{ takes = \"5 s\" }}\n")
        + &asks(0, "/slow", ", timeout = \"2 s\"")
        + &asks(1, "/slow", "");
    let outcome = run(&lab("HTTP2", "h2", &more));
    assert_eq!((statuses(&outcome), connections(&outcome)), (vec![200], 1));
    let mut logged = logged(&outcome);
    logged.sort_unstable();
    assert_eq!(logged, [("h2", 200, Some(200)), ("h2", 460, None)]);
}

/// Over TLS both agree by ALPN; a target that does not is a TLS error.
#[test]
fn over_tls_http2_is_agreed_on() {
    let tls = "target-group.web.protocol = \"HTTPS\"\nnode.web-a.app.certificate = \"container\"\n\
               certificate.container = { self-signed = true, names = [\"container.internal\"], valid = [2019-01-01, 2039-12-31] }\n";
    for version in ["HTTP2", "GRPC"] {
        let more = format!("{HTTP2}{tls}") + &asks(0, "/x", ", grpc = true");
        let outcome = run(&lab(version, "h2", &more));
        assert_eq!(statuses(&outcome), [200], "{version}");
        let agreed = facts(&outcome, "web-a").find_map(|f| match f {
            Fact::TlsEstablished { alpn, .. } => alpn.clone(),
            _ => None,
        });
        assert_eq!(agreed.as_deref(), Some("h2"));
        let outcome = run(&lab(
            version,
            "h2",
            &(tls.to_owned() + &asks(0, "/x", ", grpc = true")),
        ));
        assert_eq!(statuses(&outcome), [502], "{version}");
        assert!(
            causes(&outcome)[0].contains("TLS handshake"),
            "{:?}",
            causes(&outcome)
        );
    }
}

/// A server that speaks HTTP/2 only does not understand the HTTP/1.1 of the default protocol version.
#[test]
fn a_group_of_http_1_gets_nothing_of_an_http_2_server() {
    let outcome = run(&lab("HTTP1", "h2", &(HTTP2.to_owned() + &asks(0, "/", ""))));
    assert_eq!(statuses(&outcome), [502]);
    assert_eq!(causes(&outcome).len(), 1);
}

/// gRPC ends with a status behind the message, or in its place; what nobody has is UNIMPLEMENTED.
#[test]
fn the_status_of_a_call_comes_through() {
    let more = format!(
        "{HTTP2}node.web-a.app.route.\"/s/Ok\" = {{ grpc = {{ }}, body = \"yes\" }}\n\
         node.web-a.app.route.\"/s/Half\" = {{ grpc = {{ status = 13, message = \"50 %\" }}, body = \"so far\" }}\n\
         node.web-a.app.route.\"/s/No\" = {{ grpc = {{ status = 7 }} }}\n\
         node.web-a.app.route.\"/s/Stream\" = {{ grpc = {{ }}, body = \"one by one\", pieces = {{ count = 5, every = \"40 s\" }} }}\n"
    ) + &["Ok", "Half", "No", "Other", "Stream"]
        .map(|m| asks(0, &format!("/s/{m}"), ", grpc = true"))
        .concat();
    let outcome = run(&lab("GRPC", "h2", &more));
    let mut got: Vec<_> = facts(&outcome, "user")
        .filter_map(|f| match f {
            Fact::ResponseReceived { answer, status, .. } => {
                let answer = answer.as_ref().unwrap();
                Some((
                    answer.grpc_status().unwrap(),
                    *status,
                    answer.trailers.len(),
                    answer.body.len(),
                ))
            }
            _ => None,
        })
        .collect();
    got.sort_unstable();
    // The streamed one takes longer than the idle timeout, but no pause does.
    assert_eq!(
        got,
        [
            (0, 200, 1, 8),
            (0, 200, 1, 15),
            (7, 200, 0, 0),
            (12, 200, 0, 0),
            (13, 200, 2, 11)
        ]
    );
    assert_eq!(logged(&outcome), [("grpcs", 200, Some(200)); 5]);
}

/// State and reason of the target at the end, and how the last probe went.
fn health(outcome: &Outcome) -> (&'static str, Option<&'static str>, String) {
    use tunlab::event::Balancing;
    let (mut state, mut reason, mut last) = ("", None, String::new());
    for fact in facts(outcome, "alb") {
        match fact {
            Fact::Balancing(Balancing::Health {
                state: s,
                reason: r,
                ..
            }) => {
                (state, reason) = (s.word(), r.map(|r| r.word()));
            }
            Fact::Balancing(Balancing::Probed { result, .. }) => last.clone_from(result),
            _ => {}
        }
    }
    (state, reason, last)
}

/// Health checks (AWS "Health checks for your target groups") in every HTTP and over TLS; plain HTTP is their default,
/// whatever the group speaks.
#[test]
fn health_checks_speak_as_the_group_does() {
    let tls = "node.web-a.app.certificate = \"container\"\n\
               certificate.container = { self-signed = true, names = [\"container.internal\"], valid = [2019-01-01, 2019-12-31] }\n";
    let of = |group: &str, app: &str, check: &str| {
        format!(
            "{group}\n{app}\ntarget-group.web.health-check = {{ interval = \"5 s\", timeout = \"4 s\"{check} }}\nlasts = \"30 s\"\n"
        )
    };
    let https = "target-group.web.protocol = \"HTTPS\"";
    let over_tls = format!("{HTTP2}{tls}");
    let method = "node.web-a.app.route.\"/grpc.health.v1.Health/Check\".grpc = {}";
    let healthy = format!("{HTTP2}{method}");
    let mismatch = Some("Target.ResponseCodeMismatch");
    let failed = Some("Target.FailedHealthChecks");
    for (version, group, app, check, reason, said) in [
        ("HTTP1", "", "", "", None, "HTTP 200"),
        (
            "HTTP1",
            https,
            tls,
            ", protocol = \"HTTPS\"",
            None,
            "HTTP 200",
        ),
        ("HTTP1", https, tls, "", failed, "after"),
        (
            "HTTP1",
            https,
            "",
            ", protocol = \"HTTPS\"",
            failed,
            "TLS handshake",
        ),
        ("HTTP1", "", tls, ", protocol = \"HTTPS\"", None, "HTTP 200"),
        ("HTTP2", "", HTTP2, "", None, "HTTP 200"),
        (
            "HTTP2",
            "",
            HTTP2,
            ", path = \"/none\", matcher = \"200-302\"",
            mismatch,
            "HTTP 404",
        ),
        (
            "HTTP2",
            https,
            &over_tls,
            ", protocol = \"HTTPS\"",
            None,
            "HTTP 200",
        ),
        ("HTTP2", "", "", "", failed, "after"),
        ("GRPC", "", HTTP2, "", None, "gRPC status 12 UNIMPLEMENTED"),
        (
            "GRPC",
            https,
            &over_tls,
            ", protocol = \"HTTPS\"",
            None,
            "gRPC status 12 UNIMPLEMENTED",
        ),
        (
            "GRPC",
            "",
            &healthy,
            ", path = \"/grpc.health.v1.Health/Check\"",
            mismatch,
            "gRPC status 0 OK after 6 ms, where 12 is",
        ),
        (
            "GRPC",
            "",
            &healthy,
            ", path = \"/grpc.health.v1.Health/Check\", matcher = \"0\"",
            None,
            "gRPC status 0 OK",
        ),
        (
            "GRPC",
            "",
            HTTP2,
            ", path = \"/\", matcher = \"0-99\"",
            None,
            "gRPC status 2 UNKNOWN",
        ),
        ("GRPC", "", HTTP2, ", port = 32769", failed, "refused"),
        (
            "GRPC",
            "",
            &format!("{HTTP2}node.web-a.app.takes = \"10 s\""),
            "",
            Some("Target.Timeout"),
            "no answer within 4 s",
        ),
    ] {
        let outcome = run(&(lab(version, "h2", "") + &of(group, app, check) + &asks(0, "/", "")));
        let what = format!("{version} {group} {check}: {:?}", health(&outcome));
        let (state, why, last) = health(&outcome);
        let expected = if reason.is_none() {
            "healthy"
        } else {
            "unhealthy"
        };
        assert_eq!((state, why), (expected, reason), "{what}");
        assert!(last.contains(said), "{what}");
    }
}

/// An application that is killed says nothing more: what it had is a 502, and what comes before it starts again too.
#[test]
fn a_target_that_is_killed_takes_its_requests_along() {
    let more = format!("{HTTP2}node.web-a.app.takes = \"3 s\"\n")
        + &asks(0, "/", ", repeat = 2, parallel = 2")
        + "[[step]]\nat = \"1 s\"\nweb-a = { crash = true }\n"
        + &asks(2, "/", "")
        + "[[step]]\nat = \"3 s\"\nweb-a = { start = true }\n"
        + &asks(10, "/", "");
    let outcome = run(&lab("HTTP2", "h2", &more));
    assert_eq!(statuses(&outcome), [502, 502, 502, 200]);
    let answered = |f: &&Fact| matches!(f, Fact::ResponseSent { .. });
    assert_eq!(facts(&outcome, "web-a").filter(answered).count(), 1);
    let causes = causes(&outcome);
    assert!(
        causes[0].contains("while a request was outstanding"),
        "{causes:?}"
    );
    assert!(causes[2].contains("nobody listens"), "{causes:?}");
}

/// Heads as long as the load balancer passes on, and longer ones than the application takes.
#[test]
fn heads_are_as_long_as_the_application_takes() {
    let long = vec![format!("\"{}\"", "x".repeat(900)); 30].join(", ");
    let head = format!(", headers = {{ X-A = [{long}] }}");
    let source = lab("HTTP2", "h2", HTTP2) + &asks(0, "/", &head);
    assert_eq!(statuses(&run(&source)), [200]);
    let limit = format!("{HTTP2}node.web-a.app.header-limit = \"16 KiB\"\n");
    let source = lab("HTTP2", "h2", &limit) + &asks(0, "/", &head);
    assert_eq!(statuses(&run(&source)), [431]);
}

/// What GOAWAY leaves unanswered is asked for again, over another connection, by a client that is told so.
#[test]
fn a_client_asks_again_for_what_goaway_left() {
    let keep_alive = "node.alb.alb.client-keep-alive = \"60 s\"\n";
    for (retry, answered) in [("", 3), (", retry = true", 4)] {
        let more = format!("{HTTP2}{keep_alive}")
            + &asks(0, "/", &format!(", repeat = 4, every = \"50 s\"{retry}"));
        let outcome = run(&lab("HTTP2", "h2", &more));
        let got = statuses(&outcome);
        assert!(got.iter().all(|s| *s == 200), "{got:?}");
        assert_eq!(got.len(), answered, "{retry}");
    }
}
