//! What load balancers wrote into their logs.

use std::time::Duration;

use super::milestones::fact;
use super::{CITED_MAX, Evidence, Record, Ruling};
use crate::event::{Event, Fact};
use crate::lab::plan::{Entries, Log};
use crate::name::Name;

/// An entry says this in these fields, or so many do.
pub(super) fn logged(
    record: &Record<'_>,
    node: &Name,
    log: Log,
    entries: Entries,
    fields: &[(&'static str, String)],
) -> Ruling {
    let written: Vec<(usize, &Event)> = record
        .events
        .iter()
        .enumerate()
        .filter(|(_, e)| e.node == *node && is_in(log, e))
        .collect();
    let differs = |event: &Event| {
        fields
            .iter()
            .filter_map(|(key, wanted)| {
                let found = value(event, key).unwrap_or_default();
                (!same(record, key, &found, wanted)).then(|| format!("{key} is {found}"))
            })
            .collect::<Vec<_>>()
    };
    let words = fields.iter().map(|(key, value)| format!("{key} {value}"));
    let wanted = words.collect::<Vec<_>>().join(", ");
    match entries {
        Entries::Nth(nth) => {
            let Some((index, event)) = written.get(nth - 1) else {
                let found = format!("{} entries", written.len());
                return Ruling::broken(found.clone(), vec![], &format!("entry {nth}"), &found);
            };
            let evidence = vec![Evidence::Event(*index)];
            let wrong = differs(event).join(", ");
            if wrong.is_empty() {
                let measured = if wanted.is_empty() {
                    format!("entry {nth} of {}", written.len())
                } else {
                    wanted
                };
                return Ruling::held(measured, evidence);
            }
            let expected = format!("{wanted} in entry {nth}");
            Ruling::broken(wrong.clone(), evidence, &expected, &wrong)
        }
        Entries::Count(count) => {
            let same: Vec<usize> = written
                .iter()
                .filter(|(_, e)| differs(e).is_empty())
                .map(|(index, _)| *index)
                .collect();
            let found = format!("{} of {} entries", same.len(), written.len());
            let evidence = same.iter().take(CITED_MAX).map(|i| Evidence::Event(*i));
            let evidence = evidence.collect();
            if u64::try_from(same.len()).is_ok_and(|n| n == count) {
                return Ruling::held(found, evidence);
            }
            let expected = format!("{count} entries with {wanted}");
            Ruling::broken(found.clone(), evidence, &expected, &found)
        }
    }
}

fn is_in(log: Log, event: &Event) -> bool {
    match log {
        Log::Access => matches!(fact(event), Some(Fact::AccessLogged(_))),
        Log::Connection => matches!(fact(event), Some(Fact::ConnectionLogged(_))),
        Log::Flow => matches!(fact(event), Some(Fact::FlowLogged(_))),
    }
}

fn value(event: &Event, key: &str) -> Option<String> {
    if let Fact::AccessLogged(entry) = fact(event)? {
        return entry.value(key);
    }
    if let Fact::ConnectionLogged(entry) = fact(event)? {
        return entry.value(key);
    }
    if let Fact::FlowLogged(record) = fact(event)? {
        return record.value(key);
    }
    None
}

/// The same text; or on TUN devices the same time, as closely as can be measured there.
fn same(record: &Record<'_>, key: &str, found: &str, wanted: &str) -> bool {
    if found == wanted {
        return true;
    }
    let is_time = key.ends_with("-processing-time") || key.ends_with("-latency");
    let time = |text: &str| {
        let seconds = text.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    };
    match (
        is_time && !record.tolerance.is_zero(),
        time(found),
        time(wanted),
    ) {
        (true, Some(found), Some(wanted)) => record.is_close(found, wanted),
        (true, _, _) | (false, _, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::What;
    use crate::expect::fixture::{self, at, name};

    fn run() -> fixture::Run {
        let mut run = fixture::main_lab();
        for status in [200, 502] {
            let entry = crate::event::example_entry(status);
            run.events.push(Event {
                at: at(90.0),
                node: name("alb"),
                what: What::Fact(Fact::AccessLogged(Box::new(entry))),
            });
        }
        run
    }

    #[test]
    fn an_entry_is_found_by_its_number_and_compared_field_by_field() {
        let run = run();
        let fields = |status: &str| {
            vec![
                ("elb-status-code", status.to_owned()),
                ("client", "192.168.131.39:2817".to_owned()),
            ]
        };
        let judge = |nth, status| {
            let record = run.record();
            logged(
                &record,
                &name("alb"),
                Log::Access,
                Entries::Nth(nth),
                &fields(status),
            )
        };
        assert_eq!(judge(1, "200").broken, None);
        assert_eq!(judge(2, "502").broken, None);
        assert_eq!(
            judge(2, "200").broken.unwrap(),
            "expected elb-status-code 200, client 192.168.131.39:2817 in entry 2; found elb-status-code is 502"
        );
        assert_eq!(
            judge(3, "200").broken.unwrap(),
            "expected entry 3; found 2 entries"
        );
    }

    #[test]
    fn entries_that_say_the_same_are_counted() {
        let run = run();
        let count = |log, count, fields: &[(&'static str, String)]| {
            let ruling = logged(
                &run.record(),
                &name("alb"),
                log,
                Entries::Count(count),
                fields,
            );
            (ruling.measured, ruling.broken.is_none())
        };
        let bad = [("elb-status-code", "502".to_owned())];
        assert_eq!(
            count(Log::Access, 1, &bad),
            ("1 of 2 entries".to_owned(), true)
        );
        assert_eq!(
            count(Log::Access, 2, &[]),
            ("2 of 2 entries".to_owned(), true)
        );
        assert_eq!(
            count(Log::Connection, 1, &[]),
            ("0 of 0 entries".to_owned(), false)
        );
    }

    #[test]
    fn times_are_close_on_tun_devices_only() {
        let run = run();
        let mut record = run.record();
        let key = "target-processing-time";
        assert!(!same(&record, key, "5.010", "5.000"));
        record.tolerance = Duration::from_millis(25);
        assert!(same(&record, key, "5.010", "5.000"));
        assert!(!same(&record, key, "5.100", "5.000"));
        assert!(!same(&record, key, "-1", "0.000"));
        assert!(!same(&record, "elb-status-code", "5.010", "5.000"));
    }
}
