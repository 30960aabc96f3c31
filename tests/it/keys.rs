//! The keys of every TLS connection, computed again from a run's packets and agreements, are those that the engines
//! used; and when they are not, it is said.

use tunlab::dissect::keys::{Connection, Counts, Gap, How, PRE_MASTER_SENT, recompute};
use tunlab::event::{Event, Fact, HandshakeKind, KeyAgreement, What};
use tunlab::expect::{Finding, judge};
use tunlab::explain::keys::{Keys, page};
use tunlab::lab;
use tunlab::lab::plan::{self, Check, Expectation, KeysCheck, Plan};
use tunlab::name::Name;
use tunlab::report::Paint;
use tunlab::run::{Outcome, Run};

use crate::tools::{tunlab, virtual_labs};

fn run(plan: &Plan) -> Outcome {
    Run::new(plan, 1).execute().unwrap()
}

fn keys(outcome: &Outcome) -> Vec<Connection> {
    recompute(&outcome.frames, &outcome.events)
}

fn only(outcome: &Outcome) -> Connection {
    let mut all = keys(outcome);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn counts(agreements: usize, secrets: usize, finished: usize, records: usize) -> Counts {
    Counts {
        agreements,
        secrets,
        binders: 0,
        finished,
        records,
    }
}

#[test]
fn the_keys_of_both_versions() {
    let tls13 = only(&run(&lab::load("https-through-alb").unwrap()));
    assert_eq!(tls13.differences(), Vec::<String>::new());
    assert_eq!(tls13.gaps, []);
    assert_eq!((tls13.version, tls13.group), (Some(0x0304), Some(0x001d)));
    assert_eq!(tls13.handshake, HandshakeKind::Full);
    // Both shares and the shared secret at both ends; five secrets in the key log; records: the server's flight and the client's Finished, then three and two.
    assert_eq!(tls13.counts(), counts(4, 5, 2, 7));

    let tls12 = only(&run(&lab::load("timeline-as-written").unwrap()));
    assert_eq!(tls12.differences(), Vec::<String>::new());
    assert_eq!(tls12.gaps, []);
    assert_eq!((tls12.version, tls12.group), (Some(0x0303), Some(0x001d)));
    // The master secret; Finished, application data and close_notify in both directions.
    assert_eq!(tls12.counts(), counts(4, 1, 2, 6));
}

#[test]
fn the_keys_of_rsa_key_exchange() {
    for (name, suite) in [
        ("tls/rsa-key-exchange", 0x009d),
        ("tls/rsa-key-exchange-cbc", 0x002f),
    ] {
        let connection = only(&run(&lab::load(name).unwrap()));
        assert_eq!(connection.differences(), Vec::<String>::new(), "{name}");
        assert_eq!(connection.gaps, [], "{name}");
        assert_eq!((connection.suite, connection.group), (Some(suite), None));
        assert_eq!(connection.counts(), counts(1, 1, 2, 6), "{name}");
        let mut sent = connection.sent.iter();
        let encrypted = sent.find(|s| s.what == PRE_MASTER_SENT).unwrap();
        assert_eq!((encrypted.clear, encrypted.bytes.len()), (true, 256));
    }
}

/// What a lab's attackers change on the way is no difference of keys, but why something cannot be computed.
#[test]
fn no_lab_uses_other_keys() {
    for name in virtual_labs() {
        let outcome = run(&lab::load(name).unwrap());
        for connection in keys(&outcome) {
            assert_eq!(connection.differences(), Vec::<String>::new(), "{name}");
            let gaps = connection.gaps.iter();
            let unknown = gaps.filter(|g| !matches!(g, Gap::Record { .. } | Gap::Unfinished));
            assert_eq!(unknown.count(), 0, "{name}: {:?}", connection.gaps);
        }
    }
}

/// The events, with `change` made to each agreement and each line of the key log.
fn changed(
    outcome: &mut Outcome,
    agreement: impl Fn(&mut KeyAgreement),
    secret: impl Fn(&mut String),
) {
    for Event { what, .. } in &mut outcome.events {
        match what {
            What::Fact(Fact::KeysAgreed { agreement: a, .. }) => agreement(a),
            What::Secret(line) => secret(line),
            What::Fact(_)
            | What::Dropped { .. }
            | What::Altered { .. }
            | What::Tcp { .. }
            | What::Limit { .. }
            | What::Computing { .. } => {}
        }
    }
}

/// Puts another digit at the end of every secret with this label.
fn other_secret(label: &'static str) -> impl Fn(&mut String) {
    move |line| {
        if line.starts_with(label) {
            let last = line.pop();
            line.push(if last == Some('0') { '1' } else { '0' });
        }
    }
}

#[test]
fn an_engine_with_other_secrets_is_noticed() {
    let plan = lab::load("https-through-alb").unwrap();
    let mut outcome = run(&plan);
    changed(
        &mut outcome,
        |_| (),
        other_secret("SERVER_TRAFFIC_SECRET_0"),
    );
    let connection = only(&outcome);
    let differs = "server_application_traffic_secret_0: SERVER_TRAFFIC_SECRET_0 in the key log";
    assert_eq!(connection.differences(), [differs]);

    // A label that nothing here explains is a difference too.
    let mut outcome = run(&plan);
    let rename =
        |line: &mut String| *line = line.replace("EXPORTER_SECRET", "EARLY_EXPORTER_SECRET");
    changed(&mut outcome, |_| (), rename);
    let left = "EARLY_EXPORTER_SECRET of the key log";
    assert_eq!(only(&outcome).differences(), [left]);
}

#[test]
fn another_shared_secret_gives_other_keys() {
    for (name, secrets) in [("https-through-alb", 2), ("timeline-as-written", 1)] {
        let mut outcome = run(&lab::load(name).unwrap());
        changed(&mut outcome, |a| a.private[0] ^= 8, |_| ());
        let connection = only(&outcome);
        // The secrets differ, and the first record of either direction does not open.
        let differences = connection.differences();
        assert!(differences.len() > secrets + 1, "{name}: {differences:?}");
        let in_log = differences.iter().filter(|d| d.ends_with("in the key log"));
        assert_eq!(in_log.count(), secrets, "{name}: {differences:?}");
        assert!(matches!(connection.gaps[0], Gap::Record { .. }), "{name}");
    }
    // One side alone: the two do not agree.
    let mut outcome = run(&lab::load("https-through-alb").unwrap());
    let client = only(&outcome).sent[1].bytes.clone();
    let spoil_servers = |a: &mut KeyAgreement| {
        if a.peer == client {
            a.shared[0] ^= 1;
        }
    };
    changed(&mut outcome, spoil_servers, |_| ());
    let differs = "shared secret: what the server computed";
    assert_eq!(only(&outcome).differences(), [differs]);
}

#[test]
fn without_the_agreement_the_key_log_is_the_start() {
    for (name, secrets, records) in [("https-through-alb", 0, 7), ("timeline-as-written", 0, 6)] {
        let mut outcome = run(&lab::load(name).unwrap());
        outcome
            .events
            .retain(|e| !matches!(e.what, What::Fact(Fact::KeysAgreed { .. })));
        let connection = only(&outcome);
        assert_eq!(connection.gaps, [Gap::Agreement], "{name}");
        assert_eq!(connection.differences(), Vec::<String>::new(), "{name}");
        // Both Finished are still computed and compared.
        assert_eq!(
            connection.counts(),
            counts(0, secrets, 2, records),
            "{name}"
        );
        assert!(connection.values.iter().any(|v| v.how == How::Logged));
    }
}

#[test]
fn a_packet_that_was_changed_is_no_difference_of_keys() {
    let mut outcome = run(&lab::load("https-through-alb").unwrap());
    // Frame 7 carries the server's encrypted flight; its last byte is of the record's tag.
    *outcome.frames[6].bytes.last_mut().unwrap() ^= 1;
    let connection = only(&outcome);
    assert_eq!(connection.differences(), Vec::<String>::new());
    assert_eq!(connection.gaps, [Gap::Record { frame: 7 }, Gap::Unfinished]);
}

/// Judges one expectation about the main lab's keys on what is left of a run.
fn finding(plan: &mut Plan, outcome: &Outcome, check: KeysCheck) -> Finding {
    let name = |n| Name::new(n).unwrap();
    plan.expectations = vec![Expectation {
        that: "x".into(),
        check: Check::Keys {
            connection: plan::Connection {
                from: name("user"),
                to: name("alb"),
                port: 443,
                nth: 1,
            },
            check,
        },
    }];
    judge(&outcome.record(plan)).remove(0)
}

#[test]
fn the_expectations_hold_and_break() {
    let mut plan = lab::load("https-through-alb").unwrap();
    let mut outcome = run(&plan);
    let held = finding(&mut plan, &outcome, KeysCheck::Recomputed);
    assert!(held.holds, "{held:?}");
    assert_eq!(held.measured, "5 secrets, 2 Finished, 7 records");
    let held = finding(&mut plan, &outcome, KeysCheck::Differ);
    assert_eq!(
        (held.holds, held.measured.as_str()),
        (true, "4 keys, all different")
    );

    changed(
        &mut outcome,
        |_| (),
        other_secret("CLIENT_TRAFFIC_SECRET_0"),
    );
    let broken = finding(&mut plan, &outcome, KeysCheck::Recomputed);
    assert_eq!(broken.measured, "1 difference");
    outcome.events.clear();
    let broken = finding(&mut plan, &outcome, KeysCheck::Recomputed);
    assert!(
        broken
            .explain
            .unwrap()
            .contains("known to the engines alone")
    );
    let broken = finding(&mut plan, &outcome, KeysCheck::Differ);
    assert_eq!(broken.measured, "not both");
    outcome.frames.clear();
    let broken = finding(&mut plan, &outcome, KeysCheck::Recomputed);
    assert_eq!(
        broken.explain.unwrap().rsplit("; ").next(),
        Some("found no TLS on user -> alb:443")
    );
}

fn printed(arguments: &[&str]) -> (i32, String, String) {
    let mut call = tunlab();
    let output = call.env("COLUMNS", "80").args(["explain", "keys"]);
    let output = output.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    (output.status.code().unwrap(), out, err)
}

#[test]
fn the_page_of_the_main_lab() {
    let (code, page, errors) = printed(&[]);
    assert_eq!((code, errors.as_str()), (0, ""));
    insta::assert_snapshot!("keys", page);
    let (_, full, _) = printed(&["--full"]);
    let plan = lab::load("https-through-alb").unwrap();
    for value in only(&run(&plan)).values {
        for line in value.bytes.chunks(32) {
            let hex: String = line.iter().map(|b| format!("{b:02x}")).collect();
            assert!(full.contains(&hex), "{}", value.name);
        }
    }
}

#[test]
fn every_page_has_its_checks_and_no_failed_one() {
    for name in virtual_labs() {
        let (code, page, errors) = printed(&[name]);
        assert_eq!((code, errors.as_str()), (0, ""), "{name}");
        assert!(!page.contains('✗'), "{name}: {page}");
        let connections = page.matches("TCP stream ").count();
        let verdicts = page.matches("Checked against").count();
        assert_eq!(connections, verdicts, "{name}");
    }
}

#[test]
fn the_page_for_programs() {
    let (code, json, _) = printed(&["tls/tls13-resumption", "--format", "json", "--seed", "7"]);
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "tunlab-keys/1");
    assert_eq!((&json["equal"], &json["seed"]), (&true.into(), &7.into()));
    let resumed = &json["connections"][1];
    assert_eq!(resumed["handshake"], "resumed");
    let values = resumed["values"].as_array().unwrap();
    let binder = values.iter().find(|v| v["name"] == "binder").unwrap();
    assert_eq!(binder["checks"][0]["equal"], true);
    let sent = resumed["sent"].as_array().unwrap();
    let carried = sent.iter().find(|s| s["what"] == "binder").unwrap();
    assert_eq!(binder["value"], carried["value"]);
}

#[test]
fn a_lab_that_cannot_be_run_has_no_page() {
    for (lab, why) in [("no-such-lab", "no-such-lab"), ("real-curl", "--tun")] {
        let (code, page, errors) = printed(&[lab]);
        assert_eq!((code, page.as_str()), (2, ""), "{lab}");
        assert!(errors.contains(why), "{lab}: {errors}");
    }
}

#[test]
fn a_difference_is_said_loudly() {
    let plan = lab::load("https-through-alb").unwrap();
    let mut outcome = run(&plan);
    changed(
        &mut outcome,
        |_| (),
        other_secret("CLIENT_TRAFFIC_SECRET_0"),
    );
    let record = outcome.record(&plan);
    let keys = Keys::of(&record);
    assert!(keys.differ());
    let page = page(&keys, false, 100, Paint::Plain);
    let secret = "✗ DIFFERS from CLIENT_TRAFFIC_SECRET_0 in the key log";
    assert!(page.contains(secret), "{page}");
    assert!(
        page.contains("✗ 1 DIFFER, of 4 shares and shared secrets"),
        "{page}"
    );

    changed(&mut outcome, |a| a.private[0] ^= 8, |_| ());
    let record = outcome.record(&plan);
    let keys = Keys::of(&record);
    let page = tunlab::explain::keys::page(&keys, false, 100, Paint::Plain);
    assert!(page.contains("✗ DOES NOT OPEN under this key"), "{page}");
    assert!(!tunlab::explain::keys::report(&keys).equal);
}

#[test]
fn the_report_of_a_run_says_how_keys_compare_and_no_secret() {
    let plan = lab::load("https-through-alb").unwrap();
    let outcome = run(&plan);
    let report = tunlab::report::json::render(&outcome.record(&plan), &[]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&report).unwrap();
    let keys = &json["keys"][0];
    assert_eq!(
        (&keys["secrets"], &keys["finished"]),
        (&5.into(), &2.into())
    );
    assert_eq!(keys["differences"].as_array().unwrap().len(), 0);
    for line in &outcome.secrets {
        let secret = line.rsplit(' ').next().unwrap();
        assert!(!report.contains(secret));
    }
}

/// The attacker answers under the load balancer's address; who computed the secret says who it is.
#[test]
fn the_page_names_the_attacker_who_took_part() {
    let name = "attacker/man-in-the-middle-trusted";
    let (code, json, _) = printed(&[name, "--format", "json"]);
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let ends = |n: usize| {
        let connection = &json["connections"][n];
        let end = |e: &str| connection[e].as_str().unwrap().to_owned();
        (end("client"), end("server"))
    };
    assert_eq!(ends(0), ("user".into(), "mallory".into()));
    assert_eq!(ends(1), ("mallory".into(), "alb".into()));
}
