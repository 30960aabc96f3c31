//! TLS: what was agreed on, the messages of the handshake, and alerts.

use super::connection::{Found, find, words};
use super::milestones::fact;
use super::{Evidence, Record, Ruling};
use crate::dissect::message::{Frame, Message, TlsKind};
use crate::event::{Fact, HandshakeKind};
use crate::lab::plan::{Connection, TlsCheck};
use crate::name::Name;
use crate::tls::config::Version;
use crate::wire::tls::alert_name;

/// Judges one thing about TLS on a connection.
pub(super) fn check(record: &Record<'_>, connection: &Connection, check: &TlsCheck) -> Ruling {
    match check {
        TlsCheck::Version(wanted) => version(record, connection, *wanted),
        TlsCheck::Suite(wanted) => {
            let chosen = |k: &TlsKind| {
                let TlsKind::ServerHello { suite, retry, .. } = k else {
                    return None;
                };
                (!retry).then(|| suite.clone())
            };
            told(record, connection, &wanted.name(), "no ServerHello", chosen)
        }
        TlsCheck::Group(wanted) => {
            // In TLS 1.3 the ServerHello has the server's share, in TLS 1.2 its ServerKeyExchange.
            let chosen = |k: &TlsKind| {
                if let TlsKind::ServerHello {
                    group,
                    retry: false,
                    ..
                }
                | TlsKind::ServerKeyExchange { group } = k
                {
                    return group.clone();
                }
                None
            };
            told(record, connection, wanted.word(), "no key share", chosen)
        }
        TlsCheck::Handshake(wanted) => handshake(record, connection, *wanted),
        TlsCheck::Messages(wanted) => messages(record, connection, wanted),
        TlsCheck::Mismatch(wanted) => mismatch(record, connection, wanted),
        TlsCheck::Alert { description, from } => {
            alert(record, connection, *description, from.as_ref())
        }
    }
}

/// What `read` finds in the messages of a connection, first found first judged.
fn told(
    record: &Record<'_>,
    connection: &Connection,
    expected: &str,
    nothing: &str,
    read: impl Fn(&TlsKind) -> Option<String>,
) -> Ruling {
    let Some(found) = find(record, connection) else {
        return missing(connection, expected);
    };
    let told = kinds(&found).into_iter();
    let told = told.filter_map(|(f, k)| Some((f, read(k)?))).next();
    match told {
        Some((frame, value)) if value == expected => Ruling::held(value, vec![record.cite(frame)]),
        Some((frame, value)) => {
            Ruling::broken(value.clone(), vec![record.cite(frame)], expected, &value)
        }
        None => Ruling::broken(nothing, alerts(record, &found), expected, nothing),
    }
}

/// What the client says of how the handshake went.
fn handshake(record: &Record<'_>, connection: &Connection, wanted: HandshakeKind) -> Ruling {
    let expected = format!("a handshake that is {}", wanted.word());
    let Some(found) = find(record, connection) else {
        return missing(connection, &expected);
    };
    let established = record.events.iter().find_map(|e| {
        let Some(Fact::TlsEstablished {
            flow, handshake, ..
        }) = fact(e)
        else {
            return None;
        };
        (e.node == connection.from && flow.local == found.client).then_some(*handshake)
    });
    let hellos = kinds(&found)
        .into_iter()
        .filter(|(_, k)| matches!(k, TlsKind::ClientHello { .. } | TlsKind::ServerHello { .. }));
    let evidence = record.cite_all(hellos.map(|(f, _)| f));
    match established {
        Some(kind) if kind == wanted => Ruling::held(kind.word(), evidence),
        Some(kind) => Ruling::broken(kind.word(), evidence, &expected, kind.word()),
        None => {
            let evidence = alerts(record, &found);
            Ruling::broken("not established", evidence, &expected, "none established")
        }
    }
}

/// What the server found nothing in common on. Measured is what would have worked.
fn mismatch(record: &Record<'_>, connection: &Connection, wanted: &str) -> Ruling {
    let expected = format!("no {wanted} in common");
    let Some(found) = find(record, connection) else {
        return missing(connection, &expected);
    };
    let evidence = alerts(record, &found);
    let told = record.events.iter().find_map(|e| {
        let Some(Fact::TlsMismatch { flow, mismatch }) = fact(e) else {
            return None;
        };
        (flow.remote == found.client).then_some(mismatch)
    });
    match told {
        Some(told) if told.what == wanted => {
            let mut words = format!("would do: {}", told.accepted.join(", "));
            if !told.unspoken.is_empty() {
                let both = told.unspoken.join(", ");
                words = format!("{words}; {both} is offered, but not spoken here");
            }
            Ruling::held(words, evidence)
        }
        Some(told) => {
            let what = format!("no {} in common", told.what);
            Ruling::broken(what.clone(), evidence, &expected, &what)
        }
        None => {
            let nothing = "nothing amiss in the ClientHello";
            Ruling::broken(nothing, evidence, &expected, nothing)
        }
    }
}

/// A fatal alert with this description, and no other before it.
fn alert(
    record: &Record<'_>,
    connection: &Connection,
    description: u8,
    from: Option<&Name>,
) -> Ruling {
    let name = |n: u8| alert_name(n).map_or_else(|| n.to_string(), str::to_owned);
    let said = |n: u8, who: Option<&Name>| match who {
        Some(who) => format!("{} from {who}", name(n)),
        None => name(n),
    };
    let expected = said(description, from);
    let Some(found) = find(record, connection) else {
        return missing(connection, &expected);
    };
    let first = kinds(&found).into_iter().find_map(|(f, k)| {
        let TlsKind::Alert {
            level: 2,
            description,
        } = k
        else {
            return None;
        };
        Some((f, *description))
    });
    let Some((frame, seen)) = first else {
        return Ruling::broken("no fatal alert", vec![], &expected, "no fatal alert");
    };
    let by = if found.is_clients(frame) {
        &connection.from
    } else {
        &connection.to
    };
    let evidence = vec![record.cite(frame)];
    let measured = said(seen, Some(by));
    if seen == description && from.is_none_or(|from| from == by) {
        Ruling::held(measured, evidence)
    } else {
        Ruling::broken(measured.clone(), evidence, &expected, &measured)
    }
}

fn alerts(record: &Record<'_>, found: &Found<'_>) -> Vec<Evidence> {
    let alerts = kinds(found).into_iter();
    let alerts = alerts.filter(|(_, k)| matches!(k, TlsKind::Alert { .. }));
    record.cite_all(alerts.map(|(f, _)| f))
}

/// The version in the ServerHello.
fn version(record: &Record<'_>, connection: &Connection, wanted: Version) -> Ruling {
    let expected = wanted.text();
    let Some(found) = find(record, connection) else {
        return missing(connection, expected);
    };
    // The last one: a HelloRetryRequest looks like a ServerHello too.
    let hello = kinds(&found).into_iter().rev().find_map(|(f, k)| {
        let TlsKind::ServerHello { version, .. } = k else {
            return None;
        };
        Some((f, version))
    });
    match hello {
        Some((frame, version)) if version == expected => {
            Ruling::held(version.clone(), vec![record.cite(frame)])
        }
        Some((frame, version)) => {
            Ruling::broken(version.clone(), vec![record.cite(frame)], expected, version)
        }
        None => {
            let evidence = alerts(record, &found);
            Ruling::broken("no ServerHello", evidence, expected, "no ServerHello")
        }
    }
}

/// The handshake messages, in order of completion. Tickets, ChangeCipherSpec and alerts are compared only when the
/// list names one of their kind: they come besides or after the handshake.
fn messages(record: &Record<'_>, connection: &Connection, wanted: &[String]) -> Ruling {
    let expected = wanted.join(", ");
    let Some(found) = find(record, connection) else {
        return missing(connection, &expected);
    };
    let compared = |k: &TlsKind| match k {
        TlsKind::ApplicationData => false,
        TlsKind::NewSessionTicket | TlsKind::ChangeCipherSpec | TlsKind::Alert { .. } => {
            wanted.contains(&k.text())
        }
        TlsKind::ClientHello { .. }
        | TlsKind::ServerHello { .. }
        | TlsKind::EncryptedExtensions { .. }
        | TlsKind::Certificate { .. }
        | TlsKind::ServerKeyExchange { .. }
        | TlsKind::CertificateRequest
        | TlsKind::ServerHelloDone
        | TlsKind::CertificateVerify { .. }
        | TlsKind::ClientKeyExchange
        | TlsKind::Finished
        | TlsKind::OtherHandshake(_)
        | TlsKind::Opaque => true,
    };
    let seen: Vec<_> = kinds(&found)
        .into_iter()
        .filter(|(_, k)| compared(k))
        .collect();
    let evidence = record.cite_all(seen.iter().map(|(f, _)| *f));
    let names: Vec<String> = seen.iter().map(|(_, k)| k.text()).collect();
    let measured = format!("{} messages", names.len());
    if names == wanted {
        Ruling::held(measured, evidence)
    } else {
        let found = if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        };
        Ruling::broken(measured, evidence, &expected, &found)
    }
}

fn missing(connection: &Connection, expected: &str) -> Ruling {
    let found = format!("no SYN of {}", words(connection));
    Ruling::broken("no connection", vec![], expected, &found)
}

fn kinds<'a>(found: &Found<'a>) -> Vec<(&'a Frame, &'a TlsKind)> {
    let frames = found.frames.iter();
    frames
        .flat_map(|f| tls_kinds(f).map(move |k| (*f, k)))
        .collect()
}

pub(super) fn tls_kinds(frame: &Frame) -> impl Iterator<Item = &TlsKind> {
    frame.messages.iter().filter_map(|m| match m {
        Message::Tls(t) => Some(&t.kind),
        Message::DnsQuery { .. }
        | Message::DnsAnswer { .. }
        | Message::HttpRequest(_)
        | Message::HttpResponse(_)
        | Message::HttpBodyEnd { .. }
        | Message::Http2(_)
        | Message::Icmp { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture::{self, connection};

    #[test]
    fn the_version_is_the_server_hellos() {
        let run = fixture::main_lab();
        let front = connection("user", "alb", 443);
        let held = version(&run.record(), &front, Version::Tls13);
        assert_eq!(held.measured, "TLS 1.3");
        assert_eq!(held.evidence, [Evidence::Frame(8)]);
        let broken = version(&run.record(), &front, Version::Tls12).broken;
        assert_eq!(broken.unwrap(), "expected TLS 1.2; found TLS 1.3");
        let back = connection("alb", "ec2-a", 32768);
        let plain = version(&run.record(), &back, Version::Tls13);
        assert_eq!(plain.measured, "no ServerHello");
    }

    #[test]
    fn messages_are_compared_in_order_and_tickets_on_request() {
        let run = fixture::main_lab();
        let front = connection("user", "alb", 443);
        let list = |names: &str| names.split(' ').map(String::from).collect::<Vec<_>>();
        let full = "ClientHello ServerHello EncryptedExtensions Certificate CertificateVerify Finished Finished";
        let held = messages(&run.record(), &front, &list(full));
        assert_eq!(held.broken, None);
        let frames: Vec<_> = [6, 8, 9].map(Evidence::Frame).into();
        assert_eq!(held.evidence, frames);
        let with_ticket = messages(
            &run.record(),
            &front,
            &list(&format!("{full} NewSessionTicket")),
        );
        assert_eq!(with_ticket.broken, None);
        let broken = messages(&run.record(), &front, &list("ClientHello ServerHello"));
        assert_eq!(broken.measured, "7 messages");
        assert!(broken.broken.unwrap().contains("found ClientHello, "));
    }
}
