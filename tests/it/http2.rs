//! HTTP/2 between browser and load balancer, whole runs: what a lab file can ask for and no shipped lab shows.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of fact"
)]

use tunlab::event::{Fact, What};
use tunlab::lab::parse;
use tunlab::run::{Outcome, Run};

/// Runs the three-tier base with these protocols at browser and listener, and these paths in one step.
fn run(browser: &str, listener: &str, paths: &[String]) -> Outcome {
    let urls: Vec<String> = paths
        .iter()
        .map(|p| format!("\"https://your-app.com{p}\""))
        .collect();
    let source = format!(
        "base = \"three-tier\"\ntitle = \"t\"\nnode.user.browser.alpn = {browser}\n\
         node.alb.alb.listener = [{{ port = 443, certificate = \"your-app\", forward = \"web\", alpn = {listener} }}]\n\
         step = [{{ user = {{ get = [{}] }} }}]\n",
        urls.join(", ")
    );
    let plan = parse("t.toml", &source).unwrap();
    Run::new(&plan, 1).without_packets().execute().unwrap()
}

fn facts<'a>(outcome: &'a Outcome, node: &'a str) -> impl Iterator<Item = &'a Fact> {
    outcome.events.iter().filter_map(move |e| match &e.what {
        What::Fact(fact) if e.node.as_str() == node => Some(fact),
        _ => None,
    })
}

/// AWS: after 10,000 requests the load balancer says GOAWAY. The client learns of what was not processed, and the
/// run ends.
#[test]
fn the_load_balancer_says_goaway_after_ten_thousand_requests() {
    let paths = vec!["/".to_owned(); 10_200];
    let outcome = run("[\"h2\"]", "[\"h2\"]", &paths);
    // The trace keeps the last events only, and the step's failure is one of them.
    let failed: Vec<_> = facts(&outcome, "user")
        .filter_map(|f| match f {
            Fact::StepFailed { error } => Some(error.as_str()),
            _ => None,
        })
        .collect();
    // All but the 10,000, and the streams that were open when GOAWAY went out: 92 are left of 10,200.
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].ends_with("(and 91 more)"), "{failed:?}");
}

/// The listener's order decides, whatever the browser likes best (RFC 7301 §3.2 leaves it to the server).
#[test]
fn the_listener_chooses_the_protocol_and_one_connection_carries_all() {
    let both = "[\"http/1.1\", \"h2\"]";
    let h2_first = "[\"h2\", \"http/1.1\"]";
    let paths = ["/", "/missing", "/"].map(str::to_owned);
    for (browser, listener, chosen) in [
        (both, h2_first, Some("h2")),
        (h2_first, both, Some("http/1.1")),
        (h2_first, "[\"http/1.1\"]", Some("http/1.1")),
        ("[]", h2_first, None),
    ] {
        let outcome = run(browser, listener, &paths);
        let agreed: Vec<_> = facts(&outcome, "user")
            .filter_map(|f| match f {
                Fact::TlsEstablished { alpn, .. } => Some(alpn.as_deref()),
                _ => None,
            })
            .collect();
        assert_eq!(agreed, [chosen], "{browser} and {listener}");
        let answers: Vec<_> = facts(&outcome, "user")
            .filter_map(|f| match f {
                Fact::ResponseReceived { stream, status, .. } => Some((*stream, *status)),
                _ => None,
            })
            .collect();
        if chosen == Some("h2") {
            // All three are asked for at once, and answered in the order of the two targets' answers.
            assert_eq!(answers.len(), 3);
            for answer in [(Some(1), 200), (Some(3), 404), (Some(5), 200)] {
                assert!(answers.contains(&answer), "{answers:?}");
            }
        } else {
            assert_eq!(answers, [(None, 200), (None, 404), (None, 200)]);
        }
    }
}

/// Nothing in common: the alert no_application_protocol ends the handshake (RFC 7301 §3.2).
#[test]
fn without_a_common_protocol_there_is_no_connection() {
    for (browser, listener) in [
        ("[\"http/1.1\"]", "[\"h2\"]"),
        ("[\"h2\"]", "[\"http/1.1\"]"),
    ] {
        let outcome = run(browser, listener, &["/".to_owned()]);
        let told = |node| {
            let mut failed = facts(&outcome, node).filter_map(|f| match f {
                Fact::TlsFailed { error, .. } => Some(error.clone()),
                _ => None,
            });
            failed.next().unwrap()
        };
        assert!(
            told("user").contains("NoApplicationProtocol"),
            "{}",
            told("user")
        );
        assert!(
            told("alb").contains("doesn't support any known protocol"),
            "{}",
            told("alb")
        );
    }
}
