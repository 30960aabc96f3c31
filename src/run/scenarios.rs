//! Whole runs in virtual time of labs that no shipped one is: what applications, clients and the run itself can be told.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of fact"
)]

use std::time::Duration;

use super::{Outcome, Run};
use crate::lab::parse;
use crate::time::Instant;
use crate::world::Ended;

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
