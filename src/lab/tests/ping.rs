//! Pings as lab files have them.

use std::time::Duration;

use super::{lines, mistakes, plan, small};
use crate::lab::plan::Action;
use crate::role::config::{Errand, Ping};

fn steps(pings: &[&str], more: &str) -> String {
    let steps: Vec<String> = pings
        .iter()
        .map(|p| format!("{{ user = {{ ping = {{ {p} }} }} }}"))
        .collect();
    small(more).replace(
        "{ user = { get = \"http://203.192.1.60/\" } }",
        &steps.join(", "),
    )
}

#[test]
fn a_ping_needs_a_host_and_has_the_defaults_of_the_program() {
    let plan = plan(&steps(&["to = \"203.192.1.60\""], ""));
    let last = plan.steps.last().unwrap();
    let Action::Errand(errand) = &last.action else {
        panic!("{last:?}")
    };
    let usual = Ping {
        host: "203.192.1.60".into(),
        count: 1,
        every: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        size: 56,
        ttl: 64,
        identifier: None,
    };
    assert_eq!(*errand, Errand::Ping(usual));
    let command = errand.as_command().unwrap().join(" ");
    assert_eq!(
        command,
        "ping -c 1 -i 1 -W 1 -s 56 -t 64 -M do 203.192.1.60"
    );
}

#[test]
fn mistakes_about_pings_are_all_told() {
    let pings = [
        "to = \"http://x\", count = 0, timeout = \"0 s\", size = 65508, ttl = 256, identifier = 65536, ever = \"1 s\"",
        "to = \"somewhere.example\"",
        "count = 3",
    ];
    let expectations = "[[expect]]\nthat = \"nothing\"\nping = { at = \"user\" }\n\
                        [[expect]]\nthat = \"no address\"\nping = { at = \"usr\", to = \"web\", sent = 1 }\n";
    insta::assert_snapshot!(lines(&mistakes(&steps(&pings, expectations))), @r#"
    x.toml:5:34 `http://x` cannot be pinged | expected a host name or an IPv4 address
    x.toml:5:54 `count` is out of range | expected 1 to 10000
    x.toml:5:67 `timeout` is zero | expected a time such as "1 s"
    x.toml:5:81 `size` is out of range | expected 0 to 65507
    x.toml:5:94 `ttl` is out of range | expected 1 to 255
    x.toml:5:112 `identifier` is out of range | expected 0 to 65535
    x.toml:5:119 unknown key `ever` | not a key of this table | did you mean `every`? known here: `to`, `count`, `every`, `timeout`, `size`, `ttl`, `identifier`
    x.toml:5:164 `user` cannot look up `somewhere.example` | expected an address, or a `resolver` in the browser
    x.toml:5:209 `to` is missing | expected `to` in this table | for example `to = "203.0.113.60"`
    x.toml:12:8 nothing is expected of this ping | expected one of `sent`, `received`, `errors`, `error` and `round-trip`
    x.toml:15:15 unknown node `usr` | no node has this name | did you mean `user`? known here: `user`, `web`, `internet`
    x.toml:15:27 `to` is not an IP address | expected an IP address such as "10.0.2.21"
    "#);
}
