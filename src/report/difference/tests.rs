//! The main lab against one in which two packets are lost.

use super::*;
use crate::event::DropCause;
use crate::expect::{fixture, judge};
use crate::report::Paint;
use crate::report::terminal::Layout;
use crate::report::text::width;

fn disturbed() -> fixture::Run {
    let mut run = fixture::main_lab();
    run.lose(6, DropCause::DropNth(1));
    run.lose(8, DropCause::Loss);
    run
}

fn changes() -> Vec<Change> {
    vec![
        Change {
            key: "link.edge.there.drop-nth".into(),
            one: None,
            other: Some("{ nth = [1] }".into()),
        },
        Change {
            key: "node.web-a.app.route.\"/\".body".into(),
            one: Some(format!("{:?}", "x".repeat(90))),
            other: None,
        },
    ]
}

fn with<T>(run: impl Fn(Sides<'_>) -> T) -> T {
    let (one, other) = (fixture::main_lab(), disturbed());
    let (a, b) = (one.record(), other.record());
    let (held, broken) = (judge(&a), judge(&b));
    let changes = changes();
    run(Sides {
        one: Side {
            record: &a,
            findings: &held,
        },
        other: Side {
            record: &b,
            findings: &broken,
        },
        changes: &changes,
    })
}

fn text(width: usize, paint: Paint) -> String {
    let all = false;
    with(|sides| render(sides, Layout { width, all, paint }))
}

#[test]
fn side_by_side() {
    insta::assert_snapshot!(text(140, Paint::Plain));
}

#[test]
fn one_below_the_other_where_it_is_narrow() {
    let narrow = text(80, Paint::Plain);
    let ladders = narrow.matches(" sent ms  resolver").count();
    // And one below each expectation of the second that did not hold.
    assert!(ladders >= 2, "{narrow}");
    assert!(!narrow.contains(" < "), "{narrow}");
    assert_eq!(narrow, text(20, Paint::Plain));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for columns in 80..200 {
        for line in text(columns, Paint::Plain).lines() {
            assert!(width(line) <= columns, "{columns}: {line}");
            assert_eq!(line.trim_end(), line);
        }
    }
}

#[test]
fn colour_adds_escapes_and_nothing_else() {
    let mut plain = String::new();
    let colour = text(150, Paint::Colour);
    let mut rest = colour.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
    let expected = text(150, Paint::Plain);
    assert_eq!(trimmed, expected.lines().collect::<Vec<_>>());
}

#[test]
fn as_data() {
    let all = with(|sides| json(sides).unwrap());
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["schema"], "tunlab-diff/1");
    assert_eq!(all["labs"][0]["totals"]["lost"], 0);
    assert_eq!(all["labs"][1]["totals"]["lost"], 2);
    assert_eq!(all["labs"][0]["answers"][0]["status"], 200);
    assert_eq!(
        all["changes"][0],
        serde_json::json!({ "key": "link.edge.there.drop-nth", "values": [null, "{ nth = [1] }"] })
    );
    let packets = all["packets"].as_array().unwrap();
    let hello = packets
        .iter()
        .find(|p| p["packets"][0]["number"] == 6)
        .unwrap();
    assert_eq!(hello["kind"], "differs");
    assert_eq!(hello["packets"][1]["lost"], "drop-nth");
    assert_eq!(packets[0]["kind"], "same");
    let milestones = all["milestones"].as_array().unwrap();
    assert!(
        milestones
            .iter()
            .all(|m| m["time_ns"][0] == m["time_ns"][1])
    );
}
