//! How long a lab runs, and where.

use std::time::Duration;

use super::{lines, mistakes, plan, small};

/// The smallest lab, with `keys` at its top.
fn with(keys: &str) -> String {
    format!("{keys}\n{}", small(""))
}

#[test]
fn a_lab_says_how_long_it_lasts_and_why_it_is_virtual() {
    let silent = plan(&small(""));
    assert_eq!(silent.lasts, Duration::ZERO);
    assert_eq!(silent.why_virtual_only(), None);
    let said = plan(&with(
        "lasts = \"120 s\"\nvirtual-only = \"two minutes pass\"",
    ));
    assert_eq!(said.lasts, Duration::from_secs(120));
    assert_eq!(said.why_virtual_only().unwrap(), "two minutes pass");
}

#[test]
fn a_lab_cannot_last_longer_than_its_limit_nor_be_virtual_with_a_real_program() {
    let long = mistakes(&with("limit = \"1 s\"\nlasts = \"2 s\""));
    assert_eq!(
        lines(&long),
        "x.toml:2:9 `lasts` is longer than the run may be | expected no more than the run's `limit`, 1 h unless the \
         lab says otherwise"
    );
    let text = with("virtual-only = \"two minutes pass\"")
        .replace(
            "node.user.browser.tls = [\"1.3\"]",
            "node.user.program.run = [\"true\"]",
        )
        .replace("{ get = \"http://203.192.1.60/\" }", "{ run = [\"true\"] }");
    assert_eq!(
        lines(&mistakes(&text)),
        "x.toml:1:1 node `user` is a real program | expected no `virtual-only` where a node is one: it runs on TUN \
         devices only"
    );
}
