//! Targets that come, go and come back, and sessions whose target is gone, whole runs.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of fact"
)]

use tunlab::event::{Balancing, Fact};
use tunlab::run::Outcome;

use crate::balancing::{answers, chosen, facts, run};

/// What became of a target's health, with the second in which it did.
fn health(outcome: &Outcome, of: &str) -> Vec<String> {
    let told = facts(outcome).filter_map(|(at, _, fact)| match fact {
        Fact::Balancing(Balancing::Health {
            target,
            state,
            reason,
            ..
        }) if target.as_str() == of => {
            let reason = reason.map(|r| format!(" {}", r.word())).unwrap_or_default();
            Some(format!(
                "{} s {}{reason}",
                at.as_nanos() / 1_000_000_000,
                state.word()
            ))
        }
        _ => None,
    });
    told.collect()
}

fn targets(outcome: &Outcome) -> Vec<String> {
    chosen(outcome).into_iter().map(|c| c.0).collect()
}

/// The reason goes on, as long as the registration does: nothing is sent there even when nobody else is healthy.
#[test]
fn a_target_gets_nothing_before_its_registration_is_complete() {
    let outcome = run(
        "target-group.web = { targets = [\"ec2-a:32769\"], registration-takes = \"3 s\", \
         health-check = { path = \"/\", interval = \"30 s\" } }\n\
         [[step]]\nat = \"1 s\"\nalb = { register = \"ec2-b:32768\" }\n\
         [[step]]\nat = \"1 s\"\nalb = { deregister = \"ec2-a:32769\" }\n\
         [[step]]\nat = \"2 s\"\nuser = { get = \"https://your-app.com/\" }\n\
         [[step]]\nat = \"5 s\"\nuser = { get = \"https://your-app.com/\" }",
    );
    let statuses: Vec<u16> = answers(&outcome).into_iter().map(|a| a.1).collect();
    assert_eq!(statuses, [503, 200]);
    assert_eq!(
        health(&outcome, "ec2-b"),
        [
            "1 s initial Elb.RegistrationInProgress",
            "4 s initial Elb.InitialHealthChecking",
            "4 s healthy"
        ]
    );
}

/// A target is one registration, by address and port.
#[test]
fn registering_a_draining_target_ends_its_draining() {
    let outcome = run(
        "target-group.web = { targets = [\"ec2-a:32768\"], deregistration-delay = \"2 s\", \
         health-check = { path = \"/\", interval = \"30 s\" } }\n\
         node.web-a.app.route.\"/report\" = { status = 200, takes = \"6 s\", body = \"long\" }\n\
         [[step]]\nat = \"500 ms\"\nuser = { get = \"https://your-app.com/report\" }\n\
         [[step]]\nat = \"1 s\"\nalb = { deregister = \"ec2-a:32768\" }\n\
         [[step]]\nat = \"2 s\"\nalb = { register = \"ec2-a:32768\" }\n\
         [[step]]\nat = \"4 s\"\nuser = { get = \"https://your-app.com/\" }",
    );
    let statuses: Vec<u16> = answers(&outcome).into_iter().map(|a| a.1).collect();
    assert_eq!(statuses, [200, 200]);
    let told = health(&outcome, "ec2-a");
    assert!(
        told.contains(&"1 s draining Target.DeregistrationInProgress".to_owned()),
        "{told:?}"
    );
    assert_eq!(told.last().unwrap(), "2 s healthy");
}

#[test]
fn what_a_stopped_instance_is_again_is_told_without_checks_too() {
    let outcome = run(
        "target-group.web = { targets = [\"ec2-a:32768\", \"ec2-b:32768\"] }\n\
         [[step]]\nat = \"1 s\"\nec2-a = { instance = \"stop\" }\n\
         [[step]]\nat = \"2 s\"\nec2-a = { instance = \"stop\" }\n\
         [[step]]\nat = \"3 s\"\nuser = { request = { url = \"https://your-app.com/\", repeat = 3 } }\n\
         [[step]]\nat = \"5 s\"\nec2-a = { instance = \"start\" }\n\
         [[step]]\nat = \"6 s\"\nuser = { request = { url = \"https://your-app.com/\", repeat = 2 } }",
    );
    assert_eq!(
        health(&outcome, "ec2-a"),
        ["1 s unused Target.InvalidState", "5 s healthy"]
    );
    let targets = targets(&outcome);
    assert_eq!(targets[..3], ["ec2-b"; 3]);
    assert!(targets[3..].contains(&"ec2-a".to_owned()));
}

#[test]
fn a_target_that_becomes_unhealthy_has_its_slow_start_behind_it() {
    let fails = "{ status = 200, during = [{ from = \"20 s\", to = \"1000 s\", status = 503 }] }";
    let outcome = run(&format!(
        "target-group.web = {{ targets = [\"ec2-a:32768\"], slow-start = \"900 s\", health-check = {{ path = \"/h\", \
         interval = \"5 s\", timeout = \"2 s\" }} }}\n\
         node.web-a.app.route.\"/h\" = {fails}\nnode.web-b.app.route.\"/h\" = {fails}\n\
         [[step]]\nat = \"10 s\"\nalb = {{ register = \"ec2-b:32768\" }}\n\
         [[step]]\nat = \"50 s\"\nuser = {{ request = {{ url = \"https://your-app.com/\", repeat = 20 }} }}"
    ));
    let targets = targets(&outcome);
    assert_eq!(targets.len(), 20);
    let to_b = targets.iter().filter(|t| *t == "ec2-b").count();
    assert_eq!(to_b, 10, "fail open, and nobody starts slowly");
}

/// The lab of a session by the application's cookie, which a login at one target begins.
fn session(lasts: &str, more: &str) -> Vec<String> {
    let login = |name| {
        format!(
            "node.web-{name}.app.route.\"/login\" = {{ status = 200, headers = {{ Set-Cookie = [\"SESSION={name}1; Path=/\"] }}, body = \"hello\" }}\n"
        )
    };
    let outcome = run(&format!(
        "node.ec2-c = {{ address = {{ apps = \"10.0.2.23\" }}, app = {{ port = 8080 }} }}\n\
         target-group.web = {{ targets = [\"ec2-a:32768\", \"ec2-b:32768\", \"ec2-c:8080\"], \
         stickiness = {{ cookie = \"SESSION\", lasts = \"{lasts}\" }}, health-check = {{ path = \"/\", interval = \"5 s\", \
         timeout = \"2 s\", matcher = \"200-404\" }} }}\n{}{}\
         [[step]]\nat = \"100 ms\"\nuser = {{ get = \"https://your-app.com/login\" }}\n{more}",
        login("a"),
        login("b"),
    ));
    targets(&outcome)
}

#[test]
fn every_response_of_a_session_counts_its_time_anew() {
    let at = |seconds: u32| {
        format!("[[step]]\nat = \"{seconds} s\"\nuser = {{ get = \"https://your-app.com/\" }}\n")
    };
    let kept = session("10 s", &[8, 16, 24].map(at).concat());
    assert_eq!(kept, ["ec2-a"; 4]);
    let lost = session("10 s", &at(20));
    assert_eq!(lost, ["ec2-a", "ec2-b"]);
}

#[test]
fn a_session_goes_on_at_another_target_when_its_own_fails() {
    let url = "\"https://your-app.com/\"";
    let found = session(
        "1 h",
        &format!(
            "[[step]]\nat = \"1 s\"\nweb-a = {{ crash = true }}\n\
             [[step]]\nat = \"20 s\"\nuser = {{ get = [{url}, {url}, {url}] }}"
        ),
    );
    assert_eq!(found[0], "ec2-a");
    let new = &found[1];
    assert_ne!(new, "ec2-a");
    assert!(found[1..].iter().all(|t| t == new), "{found:?}");
}
