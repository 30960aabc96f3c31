//! What a client's echo requests came to.

use std::time::Duration;

use super::{Evidence, Record, Ruling, fact};
use crate::event::{Fact, PingFact, PingSummary};
use crate::lab::plan::PingCheck;
use crate::name::Name;
use crate::units::show_duration;

/// The `nth` ping of a node is as it should be.
pub(super) fn check(record: &Record<'_>, node: &Name, nth: usize, check: &PingCheck) -> Ruling {
    let expected = wanted(node, check);
    let events = record.events.iter().enumerate();
    let mut done = events
        .filter(|(_, e)| e.node == *node)
        .filter_map(|(index, event)| match fact(event) {
            Some(Fact::Ping(PingFact::Done(summary))) => Some((index, summary)),
            Some(_) | None => None,
        })
        .filter(|(_, s)| check.to.is_none_or(|to| to == s.to));
    let Some((index, summary)) = done.nth(nth - 1) else {
        return Ruling::broken("none", vec![], &expected, "no such ping");
    };
    let measured = shown(record, summary);
    let evidence = vec![Evidence::Event(index)];
    let holds = check.sent.is_none_or(|n| n == summary.sent)
        && check
            .received
            .is_none_or(|n| n == summary.round_trips.len() as u64)
        && check
            .errors
            .is_none_or(|n| n == summary.errors.len() as u64)
        && check.error.as_ref().is_none_or(|error| {
            !summary.errors.is_empty() && summary.errors.iter().all(|e| e.contains(error))
        })
        && check.round_trip.is_none_or(|wanted| {
            let close = |took: &Duration| record.is_close(*took, wanted);
            !summary.round_trips.is_empty() && summary.round_trips.iter().all(close)
        });
    if holds {
        Ruling::held(measured, evidence)
    } else {
        Ruling::broken(measured.clone(), evidence, &expected, &measured)
    }
}

/// "user to ping 203.0.113.60, 3 sent, 3 received, round trip 24 ms".
fn wanted(node: &Name, check: &PingCheck) -> String {
    let mut parts = vec![match check.to {
        Some(to) => format!("{node} to ping {to}"),
        None => format!("{node} to ping"),
    }];
    parts.extend(check.sent.map(|n| format!("{n} sent")));
    parts.extend(check.received.map(|n| format!("{n} received")));
    parts.extend(check.errors.map(|n| format!("{n} errors")));
    parts.extend(check.error.as_ref().map(|e| format!("each time {e}")));
    parts.extend(
        check
            .round_trip
            .map(|t| format!("round trip {}", show_duration(t))),
    );
    parts.join(", ")
}

fn shown(record: &Record<'_>, summary: &PingSummary) -> String {
    let rounded = |took: &Duration| record.show_found(*took);
    let mut text = format!(
        "{} sent, {} received",
        summary.sent,
        summary.round_trips.len()
    );
    let trips = &summary.round_trips;
    if let (Some(least), Some(most)) = (trips.iter().min(), trips.iter().max()) {
        text = format!("{text}, round trip {}", rounded(least));
        if rounded(least) != rounded(most) {
            text = format!("{text} to {}", rounded(most));
        }
    }
    let mut errors = summary.errors.clone();
    errors.sort();
    errors.dedup();
    if !errors.is_empty() {
        let n = summary.errors.len();
        text = format!("{text}, {n} errors: {}", errors.join("; "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, What};
    use crate::expect::fixture::{at, main_lab, name};

    const THERE: [u8; 4] = [203, 0, 113, 60];
    const NOWHERE: [u8; 4] = [10, 0, 2, 40];

    fn done(ms: f64, to: [u8; 4], round_trips: &[u64], errors: &[&str]) -> Event {
        let round_trips = round_trips.iter().map(|t| Duration::from_millis(*t));
        let summary = PingSummary {
            to: to.into(),
            sent: 3,
            round_trips: round_trips.collect(),
            errors: errors.iter().map(|e| (*e).to_owned()).collect(),
        };
        Event {
            at: at(ms),
            node: name("user"),
            what: What::Fact(Fact::Ping(PingFact::Done(summary))),
        }
    }

    fn judged(nth: usize, wanted: &PingCheck) -> Ruling {
        let mut run = main_lab();
        run.events = vec![
            done(0.0, THERE, &[24, 24, 24], &[]),
            done(5.0, NOWHERE, &[], &["network unreachable"; 2]),
            done(9.0, THERE, &[24, 26], &["time exceeded in transit"]),
        ];
        check(&run.record(), &name("user"), nth, wanted)
    }

    #[test]
    fn whatever_is_said_of_a_ping_must_hold() {
        let round_trip = Some(Duration::from_millis(24));
        let all = PingCheck {
            sent: Some(3),
            received: Some(3),
            errors: Some(0),
            round_trip,
            ..PingCheck::default()
        };
        let ruling = judged(1, &all);
        assert_eq!(ruling.broken, None);
        assert_eq!(ruling.measured, "3 sent, 3 received, round trip 24 ms");
        assert_eq!(ruling.evidence, [Evidence::Event(0)]);
        let broken = judged(3, &all).broken.unwrap();
        assert_eq!(
            broken.split_once("; ").unwrap(),
            (
                "expected user to ping, 3 sent, 3 received, 0 errors, round trip 24 ms",
                "found 3 sent, 2 received, round trip 24 ms to 26 ms, 1 errors: time exceeded in transit"
            )
        );
        assert!(judged(4, &all).broken.is_some(), "no such ping");
        let only = |sent, received, errors, round_trip| PingCheck {
            to: Some(THERE.into()),
            sent,
            received,
            errors,
            round_trip,
            error: None,
        };
        for (nth, wanted, holds) in [
            (2, only(Some(3), None, None, None), true),
            (2, only(Some(2), None, None, None), false),
            (2, only(None, Some(2), None, None), true),
            (2, only(None, Some(3), None, None), false),
            (2, only(None, None, Some(1), None), true),
            (2, only(None, None, Some(0), None), false),
            (1, only(None, None, None, round_trip), true),
            (2, only(None, None, None, round_trip), false),
        ] {
            assert_eq!(judged(nth, &wanted).broken.is_none(), holds, "{wanted:?}");
        }
    }

    #[test]
    fn an_error_is_told_by_what_was_said_each_time() {
        let says = |to: [u8; 4], error: &str| PingCheck {
            to: Some(to.into()),
            error: Some(error.into()),
            ..PingCheck::default()
        };
        assert_eq!(judged(1, &says(NOWHERE, "unreachable")).broken, None);
        assert!(judged(1, &says(NOWHERE, "time exceeded")).broken.is_some());
        assert!(judged(1, &says(THERE, "unreachable")).broken.is_some());
        // Of what never came back there is no round trip.
        let trip = PingCheck {
            to: Some(NOWHERE.into()),
            round_trip: Some(Duration::ZERO),
            ..PingCheck::default()
        };
        assert!(judged(1, &trip).broken.is_some());
    }
}
