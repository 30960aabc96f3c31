//! HTTP and load balancing: headers that reach the application, the status the user gets, the target chosen.

use std::net::SocketAddr;

use super::milestones::{fact, role_of};
use super::{Evidence, Record, Ruling, is_or_publishes};
use crate::dissect::message::{Frame, Message};
use crate::event::{Event, Fact};
use crate::name::Name;
use crate::role::config::Role;

/// Some request that reached an application has the header, with the value when one is given.
pub(super) fn header_at_app(
    record: &Record<'_>,
    node: Option<&Name>,
    header: &str,
    value: Option<&str>,
) -> Ruling {
    let expected = match value {
        Some(value) => format!("{header}: {value}"),
        None => format!("a header {header}"),
    };
    let mut instead: Option<(String, Vec<Evidence>)> = None;
    for (index, event) in record.events.iter().enumerate() {
        let Some(Fact::RequestReceived { flow, headers, .. }) = fact(event) else {
            continue;
        };
        if !is_app(record, event) || !node.is_none_or(|n| serves(record, n, event)) {
            continue;
        }
        let mut requests = record
            .frames
            .iter()
            .filter(|f| f.source == flow.remote && f.at <= event.at && has_request(f));
        let evidence = match requests.next_back() {
            Some(frame) => vec![record.cite(frame)],
            None => vec![Evidence::Event(index)],
        };
        let named = headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(header));
        let values: Vec<&str> = named.map(|(_, v)| v.as_str()).collect();
        match value {
            Some(wanted) if values.contains(&wanted) => return Ruling::held(wanted, evidence),
            None if !values.is_empty() => return Ruling::held(values.join(", "), evidence),
            Some(_) | None => {}
        }
        let found = if values.is_empty() {
            format!("no {header}")
        } else {
            values.join(", ")
        };
        instead.get_or_insert((found, evidence));
    }
    let (found, evidence) =
        instead.unwrap_or_else(|| ("no request at an application".into(), vec![]));
    Ruling::broken(found.clone(), evidence, &expected, &found)
}

/// The status of a response that `node` received, counted from 1.
pub(super) fn status(record: &Record<'_>, node: &Name, wanted: u16, nth: usize) -> Ruling {
    let at_node = record
        .events
        .iter()
        .enumerate()
        .filter(|(_, e)| e.node == *node);
    let mut got = at_node.filter_map(|(i, e)| {
        let Fact::ResponseReceived { flow, status, .. } = fact(e)? else {
            return None;
        };
        Some((i, e.at, *flow, *status))
    });
    let expected = format!("HTTP {wanted}");
    let got = got.nth(nth - 1);
    let Some((index, at, flow, status)) = got else {
        let found = why_no_response(record, node);
        return Ruling::broken("no response", vec![], &expected, &found);
    };
    let mut responses = record
        .frames
        .iter()
        .filter(|f| f.destination == flow.local && f.at <= at && has_response(f));
    let response = responses.next_back();
    let evidence = response.map_or(Evidence::Event(index), |f| record.cite(f));
    let found = format!("HTTP {status}");
    if status == wanted {
        Ruling::held(found, vec![evidence])
    } else {
        Ruling::broken(found.clone(), vec![evidence], &expected, &found)
    }
}

/// A load balancer chose `node`, registered at `address` when one is given.
pub(super) fn target(record: &Record<'_>, node: &Name, address: Option<SocketAddr>) -> Ruling {
    let expected = match address {
        Some(address) => format!("{node} at {address}"),
        None => node.to_string(),
    };
    let mut others = Vec::new();
    for (index, event) in record.events.iter().enumerate() {
        let Some(Fact::TargetChosen {
            target,
            address: chosen,
            ..
        }) = fact(event)
        else {
            continue;
        };
        let words = format!("{target} at {chosen}");
        if is_or_publishes(&record.plan.topology, node, target)
            && address.is_none_or(|a| a == *chosen)
        {
            let to_it = |f: &&Frame| f.destination == *chosen && f.at >= event.at;
            let frame = record.frames.iter().find(to_it);
            let evidence = frame.map_or(Evidence::Event(index), |f| record.cite(f));
            return Ruling::held(words, vec![evidence]);
        }
        if !others.contains(&words) {
            others.push(words);
        }
    }
    let found = if others.is_empty() {
        "no target chosen".into()
    } else {
        others.join(", ")
    };
    Ruling::broken(found.clone(), vec![], &expected, &found)
}

/// The last failure that `node` told, for a response that never came.
fn why_no_response(record: &Record<'_>, node: &Name) -> String {
    let at_node = record.events.iter().filter(|e| e.node == *node);
    let mut errors = at_node.filter_map(|e| fact(e)?.error());
    match errors.next_back() {
        Some(error) => format!("no response: {error}"),
        None => "no response".into(),
    }
}

fn is_app(record: &Record<'_>, event: &Event) -> bool {
    role_of(record.plan, &event.node).is_some_and(|r| matches!(r, Role::App(_)))
}

fn serves(record: &Record<'_>, node: &Name, event: &Event) -> bool {
    is_or_publishes(&record.plan.topology, node, &event.node)
}

fn has_request(frame: &Frame) -> bool {
    let mut messages = frame.messages.iter();
    messages.any(|m| matches!(m, Message::HttpRequest(_)))
}

fn has_response(frame: &Frame) -> bool {
    let mut messages = frame.messages.iter();
    messages.any(|m| matches!(m, Message::HttpResponse(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::What;
    use crate::expect::fixture;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn a_header_is_found_in_any_case_and_by_the_publishing_host() {
        let run = fixture::main_lab();
        let record = run.record();
        let user = Some("203.192.1.50");
        for node in [None, Some("app-a"), Some("ec2-a")] {
            let node = node.map(name);
            let held = header_at_app(&record, node.as_ref(), "x-forwarded-for", user);
            assert_eq!(held.measured, "203.192.1.50");
            assert_eq!(held.evidence, [Evidence::Frame(14)]);
        }
        let any = header_at_app(&record, None, "X-Forwarded-Proto", None);
        assert_eq!(any.measured, "https");
    }

    #[test]
    fn a_missing_or_wrong_header_says_what_was_there() {
        let run = fixture::main_lab();
        let record = run.record();
        let wrong = header_at_app(&record, None, "X-Forwarded-For", Some("10.0.1.10"));
        assert_eq!(
            wrong.broken.unwrap(),
            "expected X-Forwarded-For: 10.0.1.10; found 203.192.1.50"
        );
        let missing = header_at_app(&record, None, "Via", None);
        assert_eq!(missing.measured, "no Via");
        let elsewhere = header_at_app(&record, Some(&name("user")), "Via", None);
        assert_eq!(elsewhere.measured, "no request at an application");
    }

    #[test]
    fn the_status_is_the_first_response_or_the_reason_for_none() {
        let mut run = fixture::main_lab();
        let user = name("user");
        let held = status(&run.record(), &user, 200, 1);
        assert_eq!(held.measured, "HTTP 200");
        assert_eq!(held.evidence, [Evidence::Frame(25)]);
        let broken = status(&run.record(), &user, 502, 1).broken.unwrap();
        assert_eq!(broken, "expected HTTP 502; found HTTP 200");
        run.events
            .retain(|e| !fact(e).is_some_and(|f| matches!(f, Fact::ResponseReceived { .. })));
        run.events.push(Event {
            at: crate::time::Instant::ZERO,
            node: user.clone(),
            what: What::Fact(Fact::StepFailed {
                error: "timed out".into(),
            }),
        });
        let broken = status(&run.record(), &user, 200, 1).broken.unwrap();
        assert_eq!(broken, "expected HTTP 200; found no response: timed out");
    }

    #[test]
    fn a_target_is_its_node_and_its_address() {
        let run = fixture::main_lab();
        let address: SocketAddr = "10.0.2.21:32768".parse().unwrap();
        let held = target(&run.record(), &name("ec2-a"), Some(address));
        assert_eq!(held.measured, "ec2-a at 10.0.2.21:32768");
        assert_eq!(held.evidence, [Evidence::Frame(11)]);
        let other = target(&run.record(), &name("user"), None);
        assert_eq!(
            other.broken.unwrap(),
            "expected user; found ec2-a at 10.0.2.21:32768"
        );
    }
}
