//! Many seeds over lossy links, with invariants: every run ends with all connections closed, every drop is an event
//! with its cause, the user gets the whole answer, and nothing is decrypted by who has no keys.

use tunlab::event::{Fact, What};
use tunlab::expect::judge;
use tunlab::run::Run;
use tunlab::world::Ended;

/// The main lab's network with loss, a limited rate and a short queue on both of the request's links.
const LOSSY: &str = r#"
title = "The main lab over bad links"
base  = "three-tier"

[link.user]
loss = "5 %"
rate = { rate = "2 Mbit/s", queue = "16 KiB" }

[link.ec2-a]
loss = "5 %"

[[step]]
at   = "0 ms"
user = { get = "https://your-app.com/notification/health/check" }

[[expect]]
that    = "nobody on the path reads the request, however often it is sent"
packets = { on = "user", as = "observer", filter = "http", count = 0 }

[[expect]]
that   = "the answer is whole"
status = { at = "user", is = 200 }
"#;

#[test]
fn every_seed_ends_well() {
    let plan = tunlab::lab::parse("lossy.toml", LOSSY).unwrap();
    let (mut drops, mut retransmissions) = (0, 0);
    for seed in 1..=60 {
        let outcome = Run::new(&plan, seed).execute().unwrap();
        assert_eq!(outcome.end, Ended::Quiet, "seed {seed}");
        let dropped = |e: &&tunlab::event::Event| matches!(e.what, What::Dropped { .. });
        let events = outcome.events.iter().filter(dropped).count() as u64;
        assert_eq!(
            events, outcome.totals.dropped,
            "seed {seed}: a drop without event"
        );
        drops += events;
        let again = |f: &&tunlab::dissect::message::Frame| f.tcp.is_some_and(|t| t.retransmission);
        retransmissions += outcome.frames.iter().filter(again).count();
        // The name may be asked for in vain twice, and then the step fails: that too is told.
        let failed = outcome
            .events
            .iter()
            .any(|e| matches!(&e.what, What::Fact(Fact::StepFailed { .. })));
        for finding in judge(&outcome.record(&plan)) {
            let excused = failed && finding.that == "the answer is whole";
            assert!(finding.holds || excused, "seed {seed}: {finding:?}");
        }
    }
    assert!(drops > 60, "the links lose: {drops}");
    assert!(retransmissions > 30, "and TCP repairs: {retransmissions}");
}
