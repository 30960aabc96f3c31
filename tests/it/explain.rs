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

#[test]
fn aes() {
    insta::assert_snapshot!("aes", printed(&["explain", "aes"]));
    let short = printed(&[
        "explain", "aes", "--short", "--part", "rounds", "--size", "128",
    ]);
    assert_eq!(short.lines().count(), 22, "{short}");
    assert!(
        short.contains("69c4e0d86a7b0430d8cdb78070b4c55a"),
        "{short}"
    );
    let json = printed(&["explain", "aes", "--trials", "10", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "tunlab-aes/1");
    assert_eq!(json["ciphertext"], "8ea2b7ca516745bfeafc49904b496089");
    assert_eq!(json["round_keys"].as_array().unwrap().len(), 15);
    assert_eq!(json["steps"].as_array().unwrap().len(), 4 * 14);
}

#[test]
fn aes_of_wrong_arguments() {
    for (wrong, said) in [
        (&["--key", "0011"][..], "`--key` has 2 bytes"),
        (&["--key", "zz"], "pairs of hexadecimal digits"),
        (&["--key", "001"], "pairs of hexadecimal digits"),
        (&["--block", "00"], "`--block` has 1 bytes, and needs 16"),
        (&["--nonce", "00:01"], "`--nonce` has 2 bytes, and needs 12"),
        (&["--size", "512"], "possible values: 128, 192, 256"),
        (
            &["--size", "128", "--key", &"00".repeat(32)],
            "has 256 bits",
        ),
        (
            &["--text", "a", "--block", &"00".repeat(16)],
            "cannot be used with",
        ),
        (&["--text", &"a".repeat(1025)], "more than 1024 bytes"),
        (&["--trials", "0"], "0 is not in"),
    ] {
        let output = call(&[&["explain", "aes"], wrong].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(
            output.stdout.is_empty() && stderr.contains(said),
            "{stderr}"
        );
    }
}

#[test]
fn colour_changes_no_letter() {
    for topic in ["aes", "brute-force"] {
        let coloured = printed(&["explain", topic, "--color", "always"]);
        assert!(coloured.contains('\x1b'), "{topic}");
        let mut letters = String::new();
        for (index, piece) in coloured.split('\x1b').enumerate() {
            let shown = if index == 0 {
                piece
            } else {
                piece.split_once('m').unwrap().1
            };
            letters.push_str(shown);
        }
        assert!(letters == printed(&["explain", topic]), "{topic}");
    }
}

/// What is measured depends on the machine; that it is whole does not.
#[test]
fn cost() {
    let text = printed(&["explain", "cost", "--batches", "1"]);
    assert!(text.contains("RSA-2048 decrypt (private key)") && text.contains("X25519MLKEM768"));
    let json = printed(&["explain", "cost", "--batches", "1", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "tunlab-cost/1");
    let operations = json["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 15);
    assert!(
        operations
            .iter()
            .all(|o| o["median_ns"].as_f64().unwrap() > 0.0)
    );
}

#[test]
fn claims_as_a_table_and_in_full() {
    let table = printed(&["claims", "--lab", "timeline-as-written"]);
    insta::assert_snapshot!("claims-of-a-lab", table);
    insta::assert_snapshot!("claim-in-full", printed(&["claims", "45"]));
    let json = printed(&["claims", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "tunlab-claims/1");
    assert_eq!(json["claims"].as_array().unwrap().len(), 80);
    assert!(json.get("holds").is_none(), "nothing was run");
}

#[test]
fn claims_are_run_and_judged() {
    let text = printed(&["claims", "--run", "--verdict", "right"]);
    assert!(text.contains("verdicts that are shown hold"), "{text}");
    assert!(!text.contains("FAIL"), "{text}");
    let json = printed(&["claims", "3", "45", "--format", "json", "--seed", "7"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["holds"], true);
    let judgements = json["claims"][1]["judgements"].as_array().unwrap();
    assert_eq!(judgements[0]["by"]["lab"], "timeline-as-written");
    assert!(judgements.iter().all(|j| j["holds"] == true));
}

#[test]
fn claims_of_wrong_arguments() {
    for (wrong, said) in [
        (&["81"][..], "81 is not in 1..=80"),
        (
            &["--verdict", "maybe"],
            "possible values: right, qualified, wrong",
        ),
        (
            &["--lab", "no-such-lab"],
            "no claim is shown by a lab `no-such-lab`",
        ),
    ] {
        let output = call(&[&["claims"], wrong].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(
            output.stdout.is_empty() && stderr.contains(said),
            "{stderr}"
        );
    }
}
