//! What clients were answered, request by request; how many requests and connections there were.

use super::connection::count as connections_found;
use super::milestones::fact;
use super::packets::count_words;
use super::{Evidence, Record, Ruling};
use crate::event::{Answer, Event, Fact};
use crate::lab::plan::{Connection, Count, ResponseCheck};
use crate::name::Name;
use crate::time::Instant;
use crate::units::show_duration;
use crate::wire::grpc;

/// A response that came to a node.
struct Came<'a> {
    index: usize,
    at: Instant,
    status: u16,
    answer: Option<&'a Answer>,
}

fn responses<'a>(record: &Record<'a>, node: &Name) -> Vec<Came<'a>> {
    let events = record.events.iter().enumerate();
    let at_node = events.filter(|(_, e)| e.node == *node);
    let came = at_node.filter_map(|(index, e)| {
        let Fact::ResponseReceived { status, answer, .. } = fact(e)? else {
            return None;
        };
        Some(Came {
            index,
            at: e.at,
            status: *status,
            answer: answer.as_deref(),
        })
    });
    came.collect()
}

/// So many responses that `node` received have this status.
pub(super) fn statuses(record: &Record<'_>, node: &Name, status: u16, wanted: Count) -> Ruling {
    let expected = format!("{} with HTTP {status}", count_words(wanted));
    let all = responses(record, node);
    let with = all.iter().filter(|c| c.status == status);
    let evidence: Vec<Evidence> = with.clone().map(|c| Evidence::Event(c.index)).collect();
    let found = format!("{} of {} responses", evidence.len(), all.len());
    let count = evidence.len() as u64;
    counted(count, wanted, found, evidence, &expected)
}

/// A response that `node` received says what it should, or came when it should.
pub(super) fn response(
    record: &Record<'_>,
    node: &Name,
    nth: usize,
    check: &ResponseCheck,
) -> Ruling {
    let expected = match check {
        ResponseCheck::Header(name, Some(value)) => format!("{name}: {value}"),
        ResponseCheck::Header(name, None) => format!("a header {name}"),
        ResponseCheck::NoHeader(name) => format!("no header {name}"),
        ResponseCheck::Trailer(name, Some(value)) => format!("{name}: {value} behind the body"),
        ResponseCheck::Trailer(name, None) => format!("a trailer {name}"),
        ResponseCheck::GrpcStatus(code) => format!("gRPC status {}", grpc::named(*code)),
        ResponseCheck::Body(text) => format!("`{text}` in the body"),
        ResponseCheck::After(time) => format!("{}{}", show_duration(*time), record.within()),
    };
    let all = responses(record, node);
    let Some(came) = all.get(nth - 1) else {
        let found = format!("{} responses", all.len());
        return Ruling::broken("no such response", vec![], &expected, &found);
    };
    let evidence = vec![Evidence::Event(came.index)];
    if let ResponseCheck::After(time) = check {
        let Some(asked) = asked_at(record, node, came.index) else {
            let found = "a response that nobody asked for";
            return Ruling::broken("unasked", evidence, &expected, found);
        };
        let took = came.at - asked;
        let found = record.show_found(took);
        if record.is_close(took, *time) {
            return Ruling::held(format!("{found}{}", record.within()), evidence);
        }
        return Ruling::broken(found.clone(), evidence, &expected, &found);
    }
    let Some(answer) = came.answer else {
        let found = "a response of which nothing is kept";
        return Ruling::broken("not kept", evidence, &expected, found);
    };
    let (holds, found) = says(answer, check);
    if holds {
        Ruling::held(found, evidence)
    } else {
        Ruling::broken(found.clone(), evidence, &expected, &found)
    }
}

/// Whether it is so, and what is there.
fn says(answer: &Answer, check: &ResponseCheck) -> (bool, String) {
    let of = |fields: &'_ [(String, String)], name: &str| {
        let named = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, v)| v.clone()).collect::<Vec<_>>()
    };
    let values = |name: &str| of(&answer.headers, name);
    let shown = |name: &str, values: &[String]| {
        if values.is_empty() {
            format!("no {name}")
        } else {
            values.join(", ")
        }
    };
    match check {
        ResponseCheck::Header(name, wanted) => {
            let values = values(name);
            let holds = match wanted {
                Some(wanted) => values.contains(wanted),
                None => !values.is_empty(),
            };
            (holds, shown(name, &values))
        }
        ResponseCheck::Trailer(name, wanted) => {
            let values = of(&answer.trailers, name);
            let holds = match wanted {
                Some(wanted) => values.contains(wanted),
                None => !values.is_empty(),
            };
            (holds, shown(name, &values))
        }
        ResponseCheck::GrpcStatus(wanted) => match answer.grpc_status() {
            Some(code) => (
                code == *wanted,
                format!("gRPC status {}", grpc::named(code)),
            ),
            None => (false, "no gRPC status".to_owned()),
        },
        ResponseCheck::NoHeader(name) => {
            let values = values(name);
            (values.is_empty(), shown(name, &values))
        }
        ResponseCheck::Body(text) => {
            let body = String::from_utf8_lossy(&answer.body);
            let start: String = body.chars().take(60).collect();
            (
                body.contains(text.as_str()),
                format!("`{}`", start.trim_end()),
            )
        }
        // Judged by the clock.
        ResponseCheck::After(_) => (false, String::new()),
    }
}

/// When the request left that the response at `index` answers: the last one before it on that stream or connection
/// that had no answer yet, since HTTP/1.1 answers in order.
fn asked_at(record: &Record<'_>, node: &Name, index: usize) -> Option<Instant> {
    let place = |event: &Event| {
        let fact = fact(event)?;
        if let Fact::RequestSent { flow, stream, .. } = fact {
            return Some((*flow, *stream, true));
        }
        if let Fact::ResponseReceived { flow, stream, .. } = fact {
            return Some((*flow, *stream, false));
        }
        None
    };
    let (flow, stream, _) = place(&record.events[index])?;
    let mut waiting = std::collections::VecDeque::new();
    for event in record.events[..index].iter().filter(|e| e.node == *node) {
        match place(event) {
            Some((f, s, true)) if (f, s) == (flow, stream) => waiting.push_back(event.at),
            Some((f, s, false)) if (f, s) == (flow, stream) => {
                waiting.pop_front();
            }
            Some(_) | None => {}
        }
    }
    waiting.pop_front()
}

/// So many requests, of a path if one is given, reached `node`.
pub(super) fn requests(
    record: &Record<'_>,
    node: &Name,
    path: Option<&str>,
    wanted: Count,
) -> Ruling {
    let of = path.map_or_else(String::new, |p| format!(" of {p}"));
    let expected = format!("{} requests{of}", count_words(wanted));
    let mut all = 0;
    let mut evidence = Vec::new();
    for (index, event) in record.events.iter().enumerate() {
        if event.node != *node {
            continue;
        }
        if let Some(Fact::RequestReceived { target, .. }) = fact(event) {
            all += 1;
            let without_query = target.split('?').next().unwrap_or_default();
            if path.is_none_or(|p| p == without_query) {
                evidence.push(Evidence::Event(index));
            }
        }
    }
    let found = format!("{} of {all} requests", evidence.len());
    counted(evidence.len() as u64, wanted, found, evidence, &expected)
}

/// A client's WebSocket got so many messages, and ended with this code.
pub(super) fn websocket(
    record: &Record<'_>,
    node: &Name,
    messages: Option<Count>,
    closed: Option<u16>,
) -> Ruling {
    let mut wanted = Vec::new();
    wanted.extend(messages.map(|count| format!("{} messages", count_words(count))));
    wanted.extend(closed.map(|code| format!("code {code} at the end")));
    let expected = wanted.join(" and ");
    let (mut got, mut ended, mut evidence) = (0, None, Vec::new());
    for (index, event) in record.events.iter().enumerate() {
        let fact = fact(event).filter(|_| event.node == *node);
        if let Some(Fact::WebSocketMessage { .. }) = fact {
            got += 1;
            evidence.push(Evidence::Event(index));
        }
        if let Some(Fact::WebSocketClosed { code, .. }) = fact {
            ended = Some(*code);
            evidence.insert(0, Evidence::Event(index));
        }
    }
    evidence.truncate(super::CITED_MAX);
    let end = ended.map_or_else(|| "no end".to_owned(), |code| format!("code {code}"));
    let found = format!("{got} messages, {end}");
    let holds = messages.is_none_or(|m| m.admits(got)) && (closed.is_none() || closed == ended);
    if holds {
        return Ruling::held(found, evidence);
    }
    Ruling::broken(found.clone(), evidence, &expected, &found)
}

/// So many connections were opened.
pub(super) fn connections(record: &Record<'_>, wanted: &Connection, count: Count) -> Ruling {
    let expected = format!("{} connections", count_words(count));
    let opened = connections_found(record, wanted);
    let found = format!("{} connections", opened.len());
    let evidence = record.cite_all(opened.iter().copied());
    counted(opened.len() as u64, count, found, evidence, &expected)
}

fn counted(
    count: u64,
    wanted: Count,
    found: String,
    mut evidence: Vec<Evidence>,
    expected: &str,
) -> Ruling {
    evidence.truncate(super::CITED_MAX);
    if wanted.admits(count) {
        return Ruling::held(found, evidence);
    }
    Ruling::broken(found.clone(), evidence, expected, &found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture::{self, name};
    use std::time::Duration;

    #[test]
    fn responses_are_counted_timed_and_read() {
        let mut run = fixture::main_lab();
        for event in &mut run.events {
            if let crate::event::What::Fact(Fact::ResponseReceived { answer, .. }) = &mut event.what
                && event.node.as_str() == "user"
            {
                *answer = Some(Box::new(Answer {
                    headers: vec![("Server".into(), "tunlab".into())],
                    body: b"hello you".to_vec(),
                    trailers: vec![("grpc-status".into(), "5".into())],
                }));
            }
        }
        let (record, user) = (run.record(), name("user"));
        let held = statuses(&record, &user, 200, Count::Exactly(1));
        assert_eq!(
            (held.measured.as_str(), held.broken),
            ("1 of 1 responses", None)
        );
        let broken = statuses(&record, &user, 502, Count::AtLeast(1)).broken;
        assert_eq!(
            broken.unwrap(),
            "expected at least 1 with HTTP 502; found 0 of 1 responses"
        );
        let say = |nth, check: ResponseCheck| response(&record, &user, nth, &check);
        let server = || "server".to_owned();
        for (check, holds) in [
            (ResponseCheck::Header(server(), Some("tunlab".into())), true),
            (
                ResponseCheck::Header(server(), Some("awselb/2.0".into())),
                false,
            ),
            (ResponseCheck::Header("Via".into(), None), false),
            (ResponseCheck::Trailer("grpc-status".into(), None), true),
            (
                ResponseCheck::Trailer("grpc-status".into(), Some("0".into())),
                false,
            ),
            (ResponseCheck::Trailer(server(), None), false),
            (ResponseCheck::GrpcStatus(5), true),
            (ResponseCheck::GrpcStatus(0), false),
            (ResponseCheck::NoHeader(server()), false),
            (ResponseCheck::NoHeader("Via".into()), true),
            (ResponseCheck::Body("you".into()), true),
            (ResponseCheck::Body("nobody".into()), false),
            (ResponseCheck::After(Duration::from_millis(30)), true),
            (ResponseCheck::After(Duration::from_millis(31)), false),
        ] {
            assert_eq!(say(1, check.clone()).broken.is_none(), holds, "{check:?}");
        }
        let second = say(2, ResponseCheck::Body(String::new()));
        assert_eq!(second.measured, "no such response");
    }

    #[test]
    fn requests_and_connections_are_counted() {
        let run = fixture::main_lab();
        let record = run.record();
        let at_app = |path, count| requests(&record, &name("app-a"), path, count);
        assert_eq!(at_app(None, Count::Exactly(1)).broken, None);
        let other = at_app(Some("/other"), Count::AtLeast(1)).broken.unwrap();
        assert_eq!(
            other,
            "expected at least 1 requests of /other; found 0 of 1 requests"
        );
        let to_alb = Connection {
            from: name("user"),
            to: name("alb"),
            port: 443,
            nth: 1,
        };
        assert_eq!(
            connections(&record, &to_alb, Count::Exactly(1)).broken,
            None
        );
        let broken = connections(&record, &to_alb, Count::AtMost(0)).broken;
        assert_eq!(
            broken.unwrap(),
            "expected at most 0 connections; found 1 connections"
        );
    }
}
