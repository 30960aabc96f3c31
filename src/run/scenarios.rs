//! Whole runs in virtual time of labs that no shipped one is: what applications, clients and the run itself can be told.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of fact"
)]

use std::time::Duration;

use super::{Outcome, Run};
use crate::event::{Fact, What};
use crate::lab::parse;
use crate::time::Instant;
use crate::world::Ended;

/// The three-tier base with `more`, run to its end.
fn run(more: &str) -> Outcome {
    let source = format!("base = \"three-tier\"\ntitle = \"t\"\n{more}");
    let plan = parse("t.toml", &source).unwrap_or_else(|e| panic!("{e:?}"));
    let outcome = Run::new(&plan, 1).without_packets().execute().unwrap();
    assert_eq!(outcome.end, Ended::Quiet);
    outcome
}

const GET: &str = "step = [{ user = { get = \"https://your-app.com/\" } }]";

#[test]
fn a_lab_goes_on_for_as_long_as_it_says() {
    let short = run(GET);
    assert!(short.ended < Instant::ZERO + Duration::from_secs(1));
    let long = run(&format!("lasts = \"120 s\"\n{GET}"));
    assert_eq!(long.ended, Instant::ZERO + Duration::from_secs(120));
}

/// A user and a web server in one network, 1 ms apart.
fn pair(app: &str, steps: &str) -> Outcome {
    let source = format!(
        "title = \"t\"\nclock = 2025-11-05T00:00:00Z\n\
         subnet.home = \"203.192.1.0/24\"\nrouter.internet.subnets = [\"home\"]\n\
         authority.root = {{ root = \"R\", intermediate = \"I\", valid = [2020-01-01, 2040-01-01] }}\n\
         node.user.address.home = \"203.192.1.50\"\nnode.user.browser.trust = [\"root\"]\n\
         node.web.address.home = \"203.192.1.60\"\n\
         link.user = {{ between = [\"user\", \"internet\"], delay = \"1 ms\" }}\n\
         step = [{steps}]\n[node.web.app]\nport = 80\n{app}\n"
    );
    let plan = parse("t.toml", &source).unwrap_or_else(|e| panic!("{e:?}"));
    let outcome = Run::new(&plan, 1).without_packets().execute().unwrap();
    assert_eq!(outcome.end, Ended::Quiet);
    outcome
}

fn get(at: &str, path: &str) -> String {
    format!("{{ at = \"{at}\", user = {{ get = \"http://203.192.1.60{path}\" }} }}, ")
}

/// What came to the user: milliseconds, and the status with the body's length or the failure.
fn came(outcome: &Outcome) -> Vec<(u128, String)> {
    let mut all = Vec::new();
    for event in outcome.events.iter().filter(|e| e.node.as_str() == "user") {
        let text = match &event.what {
            What::Fact(Fact::ResponseReceived { status, bytes, .. }) => format!("{status} {bytes}"),
            What::Fact(Fact::StepFailed { error }) => error.clone(),
            _ => continue,
        };
        all.push(((event.at - Instant::ZERO).as_millis(), text));
    }
    all
}

#[test]
fn an_application_is_stopped_killed_and_started() {
    let steps = [
        get("0 s", "/"),
        "{ at = \"1 s\", web = { stop = true } }, ".into(),
        get("2 s", "/"),
        "{ at = \"3 s\", web = { start = true } }, ".into(),
        // Killed in the middle of the work.
        get("4 s", "/slow"),
        "{ at = \"4500 ms\", web = { crash = true } }, ".into(),
        "{ at = \"5 s\", web = { start = true } }, ".into(),
        // Stopped in the middle: what was begun is finished.
        get("6 s", "/slow"),
        "{ at = \"6500 ms\", web = { stop = true } }".into(),
    ];
    let app =
        "route.\"/\" = { body = \"hi\" }\nroute.\"/slow\" = { body = \"late\", takes = \"1 s\" }";
    let came = came(&pair(app, &steps.concat()));
    assert_eq!(came.len(), 4, "{came:?}");
    assert_eq!(came[0], (4, "200 2".into()));
    assert!(came[1].1.contains("refused"), "{came:?}");
    assert_eq!(came[2].0, 4_501);
    assert!(!came[2].1.starts_with("200"), "{came:?}");
    assert_eq!(came[3], (7_004, "200 4".into()));
}

#[test]
fn an_answer_goes_over_the_wire_as_the_lab_wants() {
    let app = r#"
[node.web.app.route]
"/chunks"  = { size = "1000 B", chunked = true, pieces = { count = 4, every = "1 s" } }
"/padded"  = { body = "a", padding = "1 kB", headers = { Set-Cookie = ["a=1", "b=2"] } }
"/short"   = { body = "abc", content-length = 100, fault = "close", after = "3 B" }
"/reset"   = { body = "abc", fault = "reset" }
"/broken"  = { body = "abc", header-line = "no colon here" }
"/raw"     = { raw = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" }
"/closing" = { body = "abc", connection = "close", separate-writes = true }
"/later"   = { status = 503, during = [{ from = "22 s", body = "up" }] }
"#;
    let paths = [
        "/chunks", "/padded", "/short", "/reset", "/broken", "/raw", "/closing", "/later",
    ];
    let steps = paths.iter().zip((0..).step_by(3));
    let mut steps: String = steps
        .map(|(path, at)| get(&format!("{at} s"), path))
        .collect();
    steps += &get("24 s", "/later");
    let came = came(&pair(app, &steps));
    let answered: Vec<(u128, &str)> = came
        .iter()
        .filter(|(_, text)| text.starts_with(|c: char| c.is_ascii_digit()))
        .map(|(at, text)| (*at, text.as_str()))
        .collect();
    assert_eq!(
        answered,
        [
            (3_004, "200 1"),
            (3_004, "200 1000"),
            (15_004, "200 2"),
            (18_004, "200 3"),
            (21_004, "503 0"),
            (24_004, "200 2")
        ]
    );
    // Cut short, reset, and malformed.
    let failed: Vec<u128> = came
        .iter()
        .map(|c| c.0)
        .filter(|at| (5_000..15_000).contains(at))
        .collect();
    assert_eq!(failed, [6_004, 9_004, 12_004]);
}

#[test]
fn a_server_with_one_worker_serves_one_connection_at_a_time() {
    let steps = [get("0 s", "/"), get("0 s", "/"), get("1 s", "/")].concat();
    let app = "takes = \"2 s\"\nroute.\"/\" = {}\n";
    let times = |app: &str| {
        came(&pair(app, &steps))
            .iter()
            .map(|c| c.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(times(app), [2_004, 2_004, 3_004]);
    // The next is taken when the one before is closed: a millisecond after its response is there, and a millisecond takes the next back.
    assert_eq!(times(&format!("workers = 1\n{app}")), [2_004, 4_006, 6_008]);
}
