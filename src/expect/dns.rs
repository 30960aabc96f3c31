//! DNS: what look-ups came to at clients, and what resolvers and servers answered.

use std::time::Duration;

use super::{Evidence, Record, Ruling, fact, has_address};
use crate::dissect::message::{Frame, Message};
use crate::event::{DnsFact, Fact, Transport};
use crate::lab::plan::DnsCheck;
use crate::name::Name;
use crate::time::Instant;

/// A look-up at a client, or an answer of a server.
#[derive(Debug)]
struct LookUp {
    from: Instant,
    to: Instant,
    /// The event that ended it.
    event: usize,
    kind: Option<String>,
    outcome: Result<Vec<String>, String>,
    from_cache: bool,
    by: Transport,
}

/// The `nth` look-up of `name` at a node, or answer about it, is as it should be.
pub(super) fn check(
    record: &Record<'_>,
    node: &Name,
    name: &str,
    nth: usize,
    check: &DnsCheck,
) -> Ruling {
    let expected = wanted(node, name, check);
    let all = look_ups(record, node, name);
    let mut all = all
        .into_iter()
        .filter(|l| check.kind.is_none() || l.kind.is_none() || l.kind == check.kind);
    let Some(found) = all.nth(nth - 1) else {
        return Ruling::broken("none", vec![], &expected, "no such look-up");
    };
    let evidence = evidence(record, node, name, &found);
    let measured = shown(record, &found);
    let answers = match (&check.answer, &check.fails, &found.outcome) {
        (Some(wanted), _, Ok(answers)) => wanted == answers,
        (_, Some(error), Err(found)) => found.contains(error.as_str()),
        (Some(_), _, Err(_)) | (_, Some(_), Ok(_)) => false,
        (None, None, _) => true,
    };
    let took = found.to.saturating_since(found.from);
    let holds = answers
        && check.takes.is_none_or(|t| record.is_close(took, t))
        && check.from_cache.is_none_or(|c| c == found.from_cache)
        && check.by.is_none_or(|b| b == found.by);
    if holds {
        Ruling::held(measured, evidence)
    } else {
        Ruling::broken(measured.clone(), evidence, &expected, &measured)
    }
}

/// "user to find www.your-app.com: 198.51.100.10, by TCP, within 20 ms".
fn wanted(node: &Name, name: &str, check: &DnsCheck) -> String {
    let mut text = match (&check.answer, &check.fails) {
        (Some(answer), _) => format!("{node} to find {name}: {}", list(answer)),
        (None, Some(error)) => format!("{node} to find nothing about {name}: {error}"),
        (None, None) => format!("{node} to look at {name}"),
    };
    match check.from_cache {
        Some(true) => text.push_str(", from its cache"),
        Some(false) => text.push_str(", by asking"),
        None => {}
    }
    if let Some(by) = check.by {
        text = format!("{text}, by {}", by.word());
    }
    if let Some(takes) = check.takes {
        text = format!("{text}, in {}", crate::units::show_duration(takes));
    }
    text
}

fn shown(record: &Record<'_>, found: &LookUp) -> String {
    let outcome = match &found.outcome {
        Ok(answers) => list(answers),
        Err(error) => error.clone(),
    };
    let how = if found.from_cache {
        "from its cache".to_owned()
    } else {
        let took = found.to.saturating_since(found.from);
        format!("by {} in {}", found.by.word(), record.show_found(took))
    };
    format!("{outcome}, {how}")
}

fn list(answers: &[String]) -> String {
    if answers.is_empty() {
        return "no records".into();
    }
    answers.join(", ")
}

/// Look-ups of `name` in the order in which they ended.
fn look_ups(record: &Record<'_>, node: &Name, name: &str) -> Vec<LookUp> {
    let mut done = Vec::new();
    // The one that goes on: since when, and by which transport it was asked last.
    let mut open: Option<(Instant, Transport)> = None;
    let events = record.events.iter().enumerate();
    for (event, happened) in events.filter(|(_, e)| e.node == *node) {
        let at = happened.at;
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        let (outcome, from, kind, from_cache, by) = match fact(happened) {
            Some(Fact::LookupSent { name }) if is(name) => {
                open = Some((at, Transport::Udp));
                continue;
            }
            Some(Fact::LookupAnswered { name, addresses }) if is(name) => {
                let (from, by) = open.take().unwrap_or((at, Transport::Udp));
                let addresses = addresses.iter().map(ToString::to_string).collect();
                (Ok(addresses), from, None, false, by)
            }
            Some(Fact::LookupFailed { name, error }) if is(name) => {
                let (from, by) = open.take().unwrap_or((at, Transport::Udp));
                (Err(error.clone()), from, None, false, by)
            }
            Some(Fact::Dns(DnsFact::Asked { question, over, .. })) if is(&question.name) => {
                if let Some((_, by)) = &mut open {
                    *by = *over;
                }
                continue;
            }
            Some(Fact::Dns(DnsFact::FromCache {
                question,
                addresses,
                ..
            })) if is(&question.name) => {
                let addresses = addresses.iter().map(ToString::to_string).collect();
                let kind = Some(question.kind.clone());
                (Ok(addresses), at, kind, true, Transport::Udp)
            }
            Some(Fact::Dns(DnsFact::Answered {
                question,
                over,
                code,
                answers,
                cached,
                took,
                ..
            })) if is(&question.name) => {
                let outcome = match *code {
                    "NOERROR" => Ok(answers.clone()),
                    code => Err(code.to_owned()),
                };
                let began = at.as_nanos().saturating_sub(nanos(*took));
                let from = Instant::from_nanos(began);
                (outcome, from, Some(question.kind.clone()), *cached, *over)
            }
            _ => continue,
        };
        done.push(LookUp {
            from,
            to: at,
            event,
            kind,
            outcome,
            from_cache,
            by,
        });
    }
    done
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The messages about the name that the node sent and got meanwhile, else the event.
fn evidence(record: &Record<'_>, node: &Name, name: &str, found: &LookUp) -> Vec<Evidence> {
    let topology = &record.plan.topology;
    let tells = |frame: &&Frame| {
        let about = frame.messages.iter().any(|m| match m {
            Message::DnsQuery { name: n, .. } | Message::DnsAnswer { name: n, .. } => {
                n.eq_ignore_ascii_case(name)
            }
            Message::Tls(_)
            | Message::HttpRequest(_)
            | Message::HttpResponse(_)
            | Message::Http2(_)
            | Message::HttpBodyEnd { .. }
            | Message::Icmp { .. } => false,
        });
        let at_node = topology.nics[frame.tap.0].node;
        let here = topology.nodes[at_node].name == *node;
        let ends = [frame.source.ip(), frame.destination.ip()];
        about
            && (found.from..=found.to).contains(&frame.at)
            && (here || ends.iter().any(|a| has_address(topology, node, *a)))
    };
    let mut evidence = record.cite_all(record.everywhere().filter(tells));
    if evidence.is_empty() {
        evidence.push(Evidence::Event(found.event));
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DnsQuestion, Event, What};
    use crate::expect::fixture::{self, at, name};

    const LB: &str = "lb.example";

    fn question() -> DnsQuestion {
        DnsQuestion {
            name: LB.into(),
            kind: "A".into(),
        }
    }

    fn with(facts: Vec<(f64, Fact)>) -> fixture::Run {
        let mut run = fixture::main_lab();
        let events = facts.into_iter().map(|(ms, fact)| Event {
            at: at(ms),
            node: name("user"),
            what: What::Fact(fact),
        });
        run.events.extend(events);
        run
    }

    fn asked(over: Transport) -> Fact {
        Fact::Dns(DnsFact::Asked {
            server: [192, 0, 2, 1].into(),
            question: question(),
            over,
        })
    }

    #[test]
    fn a_look_up_lasts_from_question_to_answer_and_the_next_is_from_the_cache() {
        let address = [198, 51, 100, 7].into();
        let run = with(vec![
            (0.0, Fact::LookupSent { name: LB.into() }),
            (20.0, asked(Transport::Tcp)),
            (
                60.0,
                Fact::LookupAnswered {
                    name: LB.into(),
                    addresses: vec![address],
                },
            ),
            (
                70.0,
                Fact::Dns(DnsFact::FromCache {
                    question: question(),
                    addresses: vec![address],
                    left: None,
                }),
            ),
        ]);
        let record = run.record();
        let judged = |nth, wanted: &DnsCheck| check(&record, &name("user"), LB, nth, wanted);
        let whole = DnsCheck {
            answer: Some(vec!["198.51.100.7".into()]),
            takes: Some(Duration::from_millis(60)),
            from_cache: Some(false),
            by: Some(Transport::Tcp),
            ..DnsCheck::default()
        };
        let ruling = judged(1, &whole);
        assert_eq!(ruling.broken, None);
        assert_eq!(ruling.measured, "198.51.100.7, by TCP in 60 ms");
        let cached = DnsCheck {
            answer: whole.answer.clone(),
            from_cache: Some(true),
            ..DnsCheck::default()
        };
        assert_eq!(judged(2, &cached).broken, None);
        assert_eq!(
            judged(1, &cached).broken.as_deref(),
            Some(
                "expected user to find lb.example: 198.51.100.7, from its cache; found 198.51.100.7, by TCP in 60 ms"
            )
        );
        assert!(judged(3, &cached).broken.is_some());
        let fails = DnsCheck {
            fails: Some("NXDOMAIN".into()),
            ..DnsCheck::default()
        };
        assert!(judged(1, &fails).broken.is_some());
    }

    #[test]
    fn a_failure_is_told_by_its_reason() {
        let error = "the resolver says NXDOMAIN for lb.example".to_owned();
        let run = with(vec![
            (0.0, Fact::LookupSent { name: LB.into() }),
            (
                10_000.0,
                Fact::LookupFailed {
                    name: LB.into(),
                    error,
                },
            ),
        ]);
        let record = run.record();
        let fails = |error: &str, takes| DnsCheck {
            fails: Some(error.into()),
            takes: Some(Duration::from_secs(takes)),
            ..DnsCheck::default()
        };
        let judged = |wanted: &DnsCheck| check(&record, &name("user"), LB, 1, wanted).broken;
        assert_eq!(judged(&fails("NXDOMAIN", 10)), None);
        assert!(judged(&fails("SERVFAIL", 10)).is_some());
        assert!(judged(&fails("NXDOMAIN", 9)).is_some());
    }
}
