//! What an attacker read out of a recorded connection, compared with what the two sides had: the master secret with the
//! key log's, the data byte for byte with what the capture holds once it is decrypted with the sides' own keys.

use super::connection::{Found, find, words};
use super::milestones::fact;
use super::{Evidence, Record, Ruling};
use crate::dissect::message::{Frame, Message, TlsKind};
use crate::event::{Fact, Flow, Recovery, What};
use crate::lab::plan::{Connection, Outcome};
use crate::name::Name;

/// The attempt went as it should.
pub(super) fn outcome(
    record: &Record<'_>,
    node: &Name,
    connection: &Connection,
    wanted: &Outcome,
) -> Ruling {
    let expected = match wanted {
        Outcome::Text(text) => format!("{node} to read `{text}` from {}", words(connection)),
        Outcome::Fails(why) => format!("{node} to read nothing, because of `{why}`"),
    };
    let Some(found) = find(record, connection) else {
        let none = format!("no SYN of {}", words(connection));
        return Ruling::broken("no connection", vec![], &expected, &none);
    };
    let Some((index, attempt)) = attempt(record, node, found.client) else {
        return Ruling::broken("not tried", vec![], &expected, "no attempt");
    };
    let mut evidence = record.cite_all(exchange(&found));
    evidence.push(Evidence::Event(index));
    match (attempt, wanted) {
        (Ok(recovery), Outcome::Text(text)) => {
            evidence.splice(0..0, record.cite_all(data(&found)));
            match differs(record, &found, recovery, text) {
                None => Ruling::held(
                    format!(
                        "{} + {} bytes, the same as the two sides had",
                        recovery.client_data.len(),
                        recovery.server_data.len()
                    ),
                    evidence,
                ),
                Some(what) => Ruling::broken("not the same", evidence, &expected, what),
            }
        }
        (Err(error), Outcome::Fails(why)) if error.contains(why.as_str()) => {
            Ruling::held(error, evidence)
        }
        (Ok(_), Outcome::Fails(_)) => Ruling::broken("read", evidence, &expected, "all of it read"),
        (Err(error), Outcome::Text(_) | Outcome::Fails(_)) => {
            Ruling::broken("not read", evidence, &expected, error)
        }
    }
}

/// The first attempt on the connection of this client, and its event.
fn attempt<'a>(
    record: &Record<'a>,
    node: &Name,
    client: std::net::SocketAddr,
) -> Option<(usize, Result<&'a Recovery, &'a str>)> {
    let of = |flow: &Flow| flow.local == client;
    let events = record.events.iter().enumerate();
    events.filter(|(_, e)| e.node == *node).find_map(|(i, e)| {
        let fact = fact(e)?;
        if let Fact::Recovered { flow, recovery } = fact
            && of(flow)
        {
            return Some((i, Ok(&**recovery)));
        }
        if let Fact::NotRecovered { flow, error } = fact
            && of(flow)
        {
            return Some((i, Err(error.as_str())));
        }
        None
    })
}

/// What the attacker has otherwise than the two sides.
fn differs(
    record: &Record<'_>,
    found: &Found<'_>,
    recovery: &Recovery,
    text: &str,
) -> Option<&'static str> {
    let line = format!(
        "CLIENT_RANDOM {} {}",
        hex(&recovery.client_random),
        hex(&recovery.master)
    );
    let mut secrets = record.events.iter().filter_map(|e| match &e.what {
        What::Secret(line) => Some(line),
        What::Dropped { .. }
        | What::Altered { .. }
        | What::Fact(_)
        | What::Tcp { .. }
        | What::Limit { .. }
        | What::Computing { .. } => None,
    });
    if !secrets.any(|l| *l == line) {
        return Some("another master secret than the two sides'");
    }
    for (own, data) in [
        (true, &recovery.client_data),
        (false, &recovery.server_data),
    ] {
        let frames = found.frames.iter();
        let sent = frames.filter(|f| found.is_clients(f) == own);
        let plain: Vec<u8> = sent.flat_map(|f| f.unsealed.iter().copied()).collect();
        if data.is_empty() || !contains(&plain, data) {
            return Some("other data than the two sides'");
        }
    }
    let said = [&recovery.client_data, &recovery.server_data];
    let has = said.iter().any(|d| contains(d, text.as_bytes()));
    (!has).then_some("all of it, without this text")
}

/// The frames of the key exchange: what a key would have to open.
fn exchange<'a>(found: &Found<'a>) -> Vec<&'a Frame> {
    let exchanges = |m: &Message| match m {
        Message::Tls(t) => matches!(
            t.kind,
            TlsKind::ServerHello { .. }
                | TlsKind::ServerKeyExchange { .. }
                | TlsKind::ClientKeyExchange
        ),
        Message::DnsQuery { .. }
        | Message::DnsAnswer { .. }
        | Message::HttpRequest(_)
        | Message::Http2(_)
        | Message::HttpResponse(_)
        | Message::HttpBodyEnd { .. }
        | Message::Icmp { .. } => false,
    };
    let frames = found.frames.iter().copied();
    frames
        .filter(|f| f.messages.iter().any(exchanges))
        .collect()
}

/// The frames with requests and responses.
fn data<'a>(found: &Found<'a>) -> Vec<&'a Frame> {
    let frames = found.frames.iter().copied();
    frames.filter(|f| f.fields.has("http")).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len().max(1)).any(|w| w == part)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::expect::fixture;

    /// The main lab, as if its TLS had been opened, and mallory's attempt on it.
    fn run(attempt: impl Fn(Flow) -> Fact) -> fixture::Run {
        let mut run = fixture::main_lab();
        let request = run.frames.iter().position(|f| f.destination.port() == 443);
        let flow = Flow {
            local: run.frames[request.unwrap()].source,
            remote: run.frames[request.unwrap()].destination,
        };
        for frame in &mut run.frames {
            if frame.tcp.is_some_and(|t| t.data > 0) && frame.destination.port() == 443 {
                frame.unsealed = b"..GET /account..".to_vec();
            } else if frame.source.port() == 443 {
                frame.unsealed = b"..UP..".to_vec();
            }
        }
        let event = |node: &str, what| Event {
            at: fixture::at(0.0),
            node: fixture::name(node),
            what,
        };
        let secret = What::Secret("CLIENT_RANDOM 0a0b 0c0d".into());
        run.events = vec![
            event("run", secret),
            event("mallory", What::Fact(attempt(flow))),
        ];
        run
    }

    fn recovery() -> Recovery {
        Recovery {
            client_random: vec![10, 11],
            pre_master: vec![1],
            master: vec![12, 13],
            client_data: b"GET /account".to_vec(),
            server_data: b"UP".to_vec(),
        }
    }

    fn broken(run: &fixture::Run, wanted: &Outcome) -> Option<String> {
        let connection = fixture::connection("user", "alb", 443);
        let mallory = fixture::name("mallory");
        outcome(&run.record(), &mallory, &connection, wanted).broken
    }

    #[test]
    fn what_was_read_must_be_what_the_two_sides_had() {
        let text = |text: &str| Outcome::Text(text.into());
        let with = |change: fn(&mut Recovery)| {
            run(|flow| {
                let mut recovery = Box::new(recovery());
                change(&mut recovery);
                Fact::Recovered { flow, recovery }
            })
        };
        assert_eq!(broken(&with(|_| {}), &text("/account")), None);
        let found = |run: &fixture::Run, wanted: &Outcome| broken(run, wanted).unwrap();
        assert!(found(&with(|_| {}), &text("/other")).ends_with("without this text"));
        let master = with(|r| r.master = vec![0]);
        assert!(found(&master, &text("/account")).contains("another master secret"));
        let data = with(|r| r.server_data = b"DOWN".to_vec());
        assert!(found(&data, &text("/account")).contains("other data"));
        let fails = Outcome::Fails("missing".into());
        assert!(found(&with(|_| {}), &fails).ends_with("all of it read"));
    }

    #[test]
    fn what_was_not_read_says_why() {
        let run = run(|flow| Fact::NotRecovered {
            flow,
            error: "a private key is missing".into(),
        });
        assert_eq!(broken(&run, &Outcome::Fails("key is missing".into())), None);
        assert!(broken(&run, &Outcome::Fails("wrong".into())).is_some());
        assert!(broken(&run, &Outcome::Text("GET".into())).is_some());
        let mut nobody = run;
        nobody.events.clear();
        let said = broken(&nobody, &Outcome::Text("GET".into())).unwrap();
        assert!(said.ends_with("found no attempt"), "{said}");
    }
}
