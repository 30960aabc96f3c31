//! Messages of every size over TLS, both ways: none stays behind in a buffer when TCP takes no more at once.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of fact"
)]

use tunlab::event::{Fact, What};
use tunlab::lab::parse;
use tunlab::run::Run;

/// What the user gets, and how many milliseconds all of it took: a load balancer that speaks TLS with the target too.
fn run(app: &str, step: &str) -> (Vec<u16>, u64, Vec<Fact>) {
    let source = format!(
        "base = \"three-tier\"\ntitle = \"t\"\ntarget-group.web = {{ targets = [\"ec2-a:32768\"], protocol = \"HTTPS\" }}\n\
         certificate.container = {{ self-signed = true, names = [\"a.b\"], valid = [2019-01-01, 2029-12-31] }}\n\
         node.web-a.app.certificate = \"container\"\n{app}\nstep = [{{ user = {{ {step} }} }}]\n"
    );
    let plan = parse("t.toml", &source).unwrap_or_else(|e| panic!("{e:?}\n{source}"));
    let outcome = Run::new(&plan, 1).without_packets().execute().unwrap();
    let mut statuses = Vec::new();
    let mut facts = Vec::new();
    let mut last = 0;
    for event in &outcome.events {
        if let What::Fact(fact) = &event.what
            && event.node.as_str() == "user"
        {
            match fact {
                Fact::ResponseReceived { status, .. } => {
                    statuses.push(*status);
                    last = event.at.as_nanos() / 1_000_000;
                }
                _ => facts.push(fact.clone()),
            }
        }
    }
    (statuses, last, facts)
}

const SIZES: [usize; 6] = [14_000, 16_000, 18_000, 20_000, 40_000, 100_000];

#[test]
fn responses_of_every_size() {
    for size in SIZES {
        let app = format!("node.web-a.app.route.\"/big\".size = \"{size} B\"");
        let (statuses, ms, _) = run(&app, "get = \"https://your-app.com/big\"");
        assert_eq!(statuses, [200], "{size} bytes");
        assert!(ms < 200, "{size} bytes: {ms} ms");
    }
}

#[test]
fn requests_of_every_size() {
    for size in SIZES {
        let step = format!("request = {{ url = \"https://your-app.com/\", size = \"{size} B\" }}");
        let (statuses, ms, _) = run("", &step);
        assert_eq!(statuses, [200], "{size} bytes");
        assert!(ms < 300, "{size} bytes: {ms} ms");
    }
    // Heads too: 16 headers of 1 kB.
    let headers: Vec<String> = (0..16)
        .map(|n| format!("X-{n} = \"{}\"", "a".repeat(1_000)))
        .collect();
    let step = format!(
        "request = {{ url = \"https://your-app.com/\", headers = {{ {} }} }}",
        headers.join(", ")
    );
    let (statuses, ms, _) = run("", &step);
    assert_eq!(statuses, [200]);
    assert!(ms < 200, "{ms} ms");
}

#[test]
fn messages_of_a_websocket() {
    let message = "m".repeat(20_000);
    let (statuses, _, facts) = run(
        "node.web-a.app.route.\"/ws\".websocket = \"echo\"",
        &format!(
            "websocket = {{ url = \"https://your-app.com/ws\", send = [\"{message}\"], lasts = \"1 s\" }}"
        ),
    );
    assert_eq!(statuses, [101]);
    let whole = |f: &&Fact| matches!(f, Fact::WebSocketMessage { text, .. } if *text == message);
    assert_eq!(facts.iter().filter(whole).count(), 1, "{facts:?}");
}
