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

mod docker;
mod ping;

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
    pair_with("", app, steps)
}

/// The same, with more keys of the browser.
fn pair_with(browser: &str, app: &str, steps: &str) -> Outcome {
    let source = format!(
        "title = \"t\"\nclock = 2025-11-05T00:00:00Z\n\
         subnet.home = \"203.192.1.0/24\"\nrouter.internet.subnets = [\"home\"]\n\
         authority.root = {{ root = \"R\", intermediate = \"I\", valid = [2020-01-01, 2040-01-01] }}\n\
         node.user.address.home = \"203.192.1.50\"\n\
         node.web.address.home = \"203.192.1.60\"\n\
         link.user = {{ between = [\"user\", \"internet\"], delay = \"1 ms\" }}\n\
         step = [{steps}]\n[node.user.browser]\ntrust = [\"root\"]\n{browser}[node.web.app]\nport = 80\n{app}\n"
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

/// A step of the user with `request` and these keys.
fn ask(at: &str, path: &str, more: &str) -> String {
    format!(
        "{{ at = \"{at}\", user = {{ request = {{ url = \"http://203.192.1.60{path}\"{more} }} }} }}, "
    )
}

/// How many connections the web server accepted, and how many requests it got.
fn at_web(outcome: &Outcome) -> (usize, usize) {
    let facts = outcome.events.iter().filter(|e| e.node.as_str() == "web");
    let count = |wanted: fn(&Fact) -> bool| {
        let is = |e: &&crate::event::Event| matches!(&e.what, What::Fact(f) if wanted(f));
        facts.clone().filter(is).count()
    };
    (
        count(|f| matches!(f, Fact::Accepted(_))),
        count(|f| matches!(f, Fact::RequestReceived { .. })),
    )
}

#[test]
fn a_client_repeats_itself_over_one_connection_or_several() {
    let app = "route.\"/\" = { body = \"hi\", takes = \"100 ms\" }";
    let run = |more: &str| {
        let outcome = pair(app, &ask("0 s", "/", more));
        let times: Vec<u128> = came(&outcome).iter().map(|c| c.0).collect();
        (times, at_web(&outcome))
    };
    assert_eq!(run(", repeat = 3"), (vec![104, 206, 308], (1, 3)));
    assert_eq!(run(", repeat = 3, every = \"1 s\"").0, [104, 1_102, 2_102]);
    let four = run(", repeat = 4, parallel = 2");
    assert_eq!(four, (vec![104, 104, 206, 206], (2, 4)));
    let closing = run(", repeat = 2, headers = { Connection = \"close\" }");
    assert_eq!(
        closing,
        (vec![104, 208], (2, 2)),
        "a connection each, after the other's FIN"
    );
}

#[test]
fn connections_are_kept_between_steps_until_somebody_has_enough() {
    let steps = [
        ask("0 s", "/", ""),
        ask("1 s", "/", ""),
        ask("9 s", "/", ""),
    ]
    .concat();
    let app = "route.\"/\" = { body = \"hi\" }";
    let without = pair(app, &steps);
    assert_eq!(at_web(&without), (3, 3));
    for (client, server, connections) in [
        ("60 s", "", 1),
        ("5 s", "", 2),
        ("60 s", "keep-alive = \"5 s\"\n", 2),
    ] {
        let outcome = pair_with(
            &format!("keep-alive = \"{client}\"\n"),
            &format!("{server}{app}"),
            &steps,
        );
        assert_eq!(at_web(&outcome), (connections, 3), "{client} {server}");
    }
}

/// A request on a kept connection that the server closes at that moment is asked again over another one.
#[test]
fn a_request_that_crosses_the_servers_fin_is_asked_again() {
    let app = "keep-alive = \"5 s\"\nroute.\"/\" = { body = \"hi\" }";
    // The response leaves at 3 ms, the FIN at 5003 ms; the second request leaves just before that is there.
    let steps = [ask("0 s", "/", ""), ask("5003 ms", "/", "")].concat();
    let outcome = pair_with("keep-alive = \"60 s\"\n", app, &steps);
    let came = came(&outcome);
    assert_eq!(came.len(), 2, "{came:?}");
    assert!(came.iter().all(|c| c.1 == "200 2"), "{came:?}");
    assert_eq!(at_web(&outcome).0, 2);
}

#[test]
fn a_client_gives_up_follows_and_waits_to_be_let() {
    let app = r#"
[node.web.app.route]
"/slow"  = { body = "late", takes = "10 s" }
"/a"     = { status = 302, headers = { Location = "b" } }
"/b"     = { body = "here" }
"/loop"  = { status = 301, headers = { Location = "/loop" } }
"/post"  = { body = "thanks" }
"/no"    = { status = 413, body = "too much", reads-body = false }
"#;
    let steps = [
        ask("0 s", "/slow", ", timeout = \"3 s\""),
        ask("10 s", "/a", ", follow = 5"),
        ask("20 s", "/loop", ", follow = 20"),
        ask(
            "30 s",
            "/post",
            ", size = \"100 kB\", expect-continue = true",
        ),
        ask("40 s", "/no", ", size = \"1 MB\", expect-continue = true"),
        ask("50 s", "/b", ", version = \"1.0\""),
    ]
    .concat();
    let outcome = pair(app, &steps);
    let came = came(&outcome);
    let texts: Vec<&str> = came.iter().map(|c| c.1.as_str()).collect();
    assert_eq!(came[0], (3_000, "no response within 3 s".into()));
    assert_eq!(texts[1..3], ["302 0", "200 4"]);
    assert_eq!(texts[3..24], ["301 0"; 21]);
    assert_eq!(texts[24], "ERR_TOO_MANY_REDIRECTS: more than 20 redirects");
    assert_eq!(texts[25..], ["200 6", "413 8", "200 4"]);
    // The answer to the head alone: the body was never sent.
    assert_eq!(came[26].0, 40_004);
}

#[test]
fn raw_bytes_leave_in_pieces_and_responses_are_read() {
    let app = "header-timeout = \"12 s\"\nroute.\"/\" = { body = \"hi\" }";
    let raw = |at: &str, send: &str, more: &str| {
        format!(
            "{{ at = \"{at}\", user = {{ raw = {{ url = \"http://203.192.1.60\", send = [{send}]{more} }} }} }}, "
        )
    };
    let two = r#""GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\n", "Host: x\r\n\r\n""#;
    let slow = r#""GET / HTTP/1.1\r\n", "X-a: b\r\n""#;
    let steps = [
        raw("0 s", two, ", every = \"1 s\", wait = \"1 s\""),
        raw("10 s", slow, ", every = \"5 s\", repeat = 9"),
    ]
    .concat();
    assert_eq!(
        came(&pair(app, &steps)),
        [
            (4, "200 2".into()),
            (1_004, "404 10".into()),
            (22_004, "408 0".into()),
            (22_004, "the peer closed the connection".into())
        ]
    );
}

#[test]
fn a_websocket_echoes_pings_and_closes_with_a_code() {
    let app = "route.\"/ws\" = { websocket = \"echo\" }";
    let talk = |more: &str| {
        format!("{{ user = {{ websocket = {{ url = \"http://203.192.1.60/ws\", {more} }} }} }}, ")
    };
    let told = |outcome: &Outcome, node: &str| {
        let mut all = Vec::new();
        for event in outcome.events.iter().filter(|e| e.node.as_str() == node) {
            match &event.what {
                What::Fact(Fact::WebSocketMessage { text, .. }) => all.push(text.clone()),
                What::Fact(Fact::WebSocketClosed { code, .. }) => all.push(code.to_string()),
                What::Fact(Fact::StepFailed { error }) => all.push(error.clone()),
                _ => {}
            }
        }
        all
    };
    let steps = talk("send = [\"a\", \"b\"], every = \"2 s\", ping = \"3 s\", lasts = \"10 s\"");
    let whole = pair(app, &steps);
    assert_eq!(told(&whole, "user"), ["a", "b", "1000"]);
    assert_eq!(told(&whole, "web"), ["a", "b", "1000"]);
    let stopped = pair(
        app,
        &format!("{steps}{{ at = \"1 s\", web = {{ stop = true }} }}"),
    );
    assert_eq!(told(&stopped, "user"), ["a", "1001"]);
    let killed = pair(
        app,
        &format!("{steps}{{ at = \"1 s\", web = {{ crash = true }} }}"),
    );
    assert_eq!(told(&killed, "user"), ["a", "1006"]);
    let plain = pair("route.\"/ws\" = {}", &steps);
    assert_eq!(told(&plain, "user"), ["no WebSocket: HTTP 200"]);
    // Who asks for no WebSocket is told so.
    assert_eq!(came(&pair(app, &get("0 s", "/ws"))), [(4, "426 15".into())]);
}
