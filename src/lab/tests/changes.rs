//! What one lab says otherwise than another.

use std::fs;

use super::small;
use crate::lab::{Change, LoadError, changes};

fn between(one: &str, other: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (one, other) = (path("one.toml", one), path("other.toml", other));
    let found = changes(&one, &other).unwrap_or_else(|e| panic!("{e}"));
    let line = |c: &Change| {
        let shown = |side: &Option<String>| side.clone().unwrap_or_else(|| "–".into());
        format!("{}: {} / {}", c.key, shown(&c.one), shown(&c.other))
    };
    found.iter().map(line).collect()
}

#[test]
fn keys_that_differ_are_found_wherever_they_are() {
    let link = "[link.user]\nbetween = [\"user\", \"internet\"]\n";
    let found = between(
        &small(&format!("{link}delay = \"5 ms\"\nmtu = 1400\n")),
        &small(&format!(
            "node.web.app.route.\"/a b\" = {{ status = 404 }}\n{link}delay = \"6 ms\"\nthere = {{ drop-nth = {{ nth = [1, 2] }} }}\n"
        )),
    );
    assert_eq!(
        found,
        [
            "node.web.app.route: – / { \"/a b\" = { status = 404 } }",
            "link.user.delay: \"5 ms\" / \"6 ms\"",
            "link.user.mtu: 1400 / –",
            "link.user.there: – / { drop-nth = { nth = [1, 2] } }",
        ]
    );
}

#[test]
fn elements_of_lists_are_compared_one_by_one() {
    let step = |more: &str| small("").replace("http://203.192.1.60/\" } }]", more);
    let found = between(
        &step("http://203.192.1.60/\" } }]"),
        &step(
            "http://203.192.1.60/x\" } }, { at = \"1 s\", user = { get = \"http://203.192.1.60/\" } }]",
        ),
    );
    assert_eq!(
        found,
        [
            "step[0].user.get: \"http://203.192.1.60/\" / \"http://203.192.1.60/x\"",
            "step[1]: – / { at = \"1 s\", user = { get = \"http://203.192.1.60/\" } }",
        ]
    );
}

#[test]
fn what_labs_say_of_themselves_is_no_difference() {
    let found = between(
        &small("look_for = [\"a\"]\nexpert = [\"b\"]"),
        &small("notes = [\"c\"]"),
    );
    assert_eq!(found, [""; 0]);
    let shipped = changes("tls/tls13-x25519", "tls/tls13-x25519").unwrap();
    assert_eq!(shipped, []);
}

#[test]
fn a_lab_that_is_wrong_has_its_mistakes_told() {
    let Err(LoadError::Unknown { name, .. }) = changes("tls/tls13-x25519", "nowhere") else {
        panic!("there is no such lab");
    };
    assert_eq!(name, "nowhere");
}
