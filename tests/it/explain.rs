//! What `tunlab explain` and `tunlab claims` print.

use std::process::Output;

use crate::tools::tunlab;

fn call(arguments: &[&str]) -> Output {
    tunlab()
        .env("COLUMNS", "80")
        .args(arguments)
        .output()
        .unwrap()
}

/// What a call prints that succeeds without a word on stderr.
fn printed(arguments: &[&str]) -> String {
    let output = call(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn brute_force() {
    insta::assert_snapshot!("brute-force", printed(&["explain", "brute-force"]));
    let json = printed(&["explain", "brute-force", "--bits", "40", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "tunlab-brute-force/1");
    assert_eq!(json["keys"], "1099511627776");
    for wrong in [["--bits", "0"], ["--bits", "5000"], ["--rate", "0"]] {
        let output = call(&["explain", "brute-force", wrong[0], wrong[1]]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}
