//! Two labs side by side, at the command line.

use crate::tools::tunlab;

/// What `tunlab diff` prints with so many columns, and its exit code.
fn diff(arguments: &[&str], columns: &str, code: i32) -> (String, String) {
    let output = tunlab()
        .arg("diff")
        .args(arguments)
        .env("COLUMNS", columns)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    (out, err)
}

#[test]
fn two_ways_to_lose_a_segment() {
    let labs = ["tcp/fast-retransmit", "tcp/retransmission-timeout"];
    let (out, err) = diff(&labs, "100", 0);
    assert_eq!(err, "");
    insta::assert_snapshot!("diff", out);
}

#[test]
fn a_fault_and_its_remedy_by_name() {
    let (narrow, _) = diff(&["tcp/pmtud-black-hole"], "80", 0);
    insta::assert_snapshot!("diff-narrow", narrow);
    let (wide, _) = diff(&["tcp/pmtud-black-hole", "--color", "always"], "200", 0);
    assert!(wide.contains('\x1b') && wide.lines().count() < narrow.lines().count());
    let (json, _) = diff(&["tcp/pmtud-black-hole", "--format", "json"], "80", 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["labs"][1]["lab"], "tcp/pmtud-black-hole.fixed");
    assert_eq!(json["changes"][0]["key"], "router.internet.icmp-errors");
}

#[test]
fn a_lab_without_a_remedy_says_so() {
    let (out, err) = diff(&["tcp/syn-lost"], "80", 2);
    assert_eq!(out, "");
    assert!(
        err.contains("no lab is called `tcp/syn-lost.fixed`"),
        "{err}"
    );
    assert!(err.contains("hint: without a second lab"), "{err}");
}
