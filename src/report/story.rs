//! The story that the packets tell, as headings over them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::rows::{Row, Rows};
use super::summary::Http;
use super::text::millis;
use crate::dissect::message::{Frame, HttpHead, Message, TcpPart, TlsKind};
use crate::time::Instant;
use crate::wire::packet::{Packet, Transport};

/// A heading before a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heading {
    /// Index of the row that it stands before.
    pub(super) before: usize,
    /// As in "DNS".
    pub(super) title: String,
    /// As in "where is your-app.com?" and "20.0 ms"; may be empty.
    pub(super) notes: Vec<String>,
}

/// What begins where.
pub(super) fn headings(rows: &Rows<'_>) -> Vec<Heading> {
    let mut told = Told::default();
    let all = rows.rows.iter().enumerate();
    let opened = all.filter_map(|(index, row)| {
        let (title, notes) = told.opens(rows, index, row)?;
        Some(Heading {
            before: index,
            title,
            notes,
        })
    });
    opened.collect()
}

/// What has been told already.
#[derive(Default)]
struct Told {
    lookups: BTreeSet<(u16, String)>,
    /// Who asks whom for echoes, under which identifier.
    pings: BTreeSet<(IpAddr, IpAddr, u16)>,
    connections: usize,
    hellos: BTreeSet<(SocketAddr, SocketAddr)>,
    encrypted_targets: BTreeSet<String>,
    plain_responses: Vec<u16>,
}

impl Told {
    fn opens(
        &mut self,
        rows: &Rows<'_>,
        index: usize,
        row: &Row<'_>,
    ) -> Option<(String, Vec<String>)> {
        let frame = row.frame;
        let (from, to) = (&rows.columns[row.ends.0], &rows.columns[row.ends.1]);
        for message in &frame.messages {
            if let Message::DnsQuery { name, .. } = message
                && self.lookups.insert((frame.source.port(), name.clone()))
            {
                let mut notes = vec![format!("where is {name}?")];
                notes.extend(dns_time(rows, index, name));
                return Some(("DNS".into(), notes));
            }
        }
        if let Some(identifier) = echo_request(frame)
            && self
                .pings
                .insert((frame.source.ip(), frame.destination.ip(), identifier))
        {
            let notes = vec![format!("identifier {identifier}")];
            return Some((format!("Ping {from} → {to}"), notes));
        }
        if begins_hello(rows, index) && self.hellos.insert((frame.source, frame.destination)) {
            if let Some(middle) = &row.passed_on_by {
                return Some((format!("{middle} passes on what it gets"), vec![]));
            }
            return Some(tls_heading(rows, index));
        }
        if frame.tcp.is_some_and(|t| t.part == TcpPart::Syn) && !row.again {
            self.connections += 1;
            let title = match self.connections {
                1 => format!("TCP handshake {from} ⇄ {to}"),
                2 => format!("A second TCP connection, {from} ⇄ {to}"),
                n => format!("TCP connection {n}, {from} ⇄ {to}"),
            };
            return Some((title, tcp_time(rows, index).into_iter().collect()));
        }
        if row.label.piece.is_some_and(|(k, _)| k > 1) || row.again {
            return None;
        }
        if row.passed_on_by.is_some() {
            return None;
        }
        let (from, to) = (&row.speakers.0, &row.speakers.1);
        if is_probe(frame) {
            return Some(("Health check".into(), vec![format!("{from} → {to}")]));
        }
        match row.label.http.as_ref()? {
            Http::Request {
                inside_tls: true,
                target,
            } => {
                self.encrypted_targets.insert(target.clone());
                let streams = streams(frame);
                self.encrypted_targets
                    .extend(streams.iter().map(|h| h.target.clone()));
                let title = match streams.len() {
                    0 => "HTTP request inside TLS".into(),
                    1 => "HTTP/2 request inside TLS".into(),
                    n => format!("{n} HTTP/2 requests inside TLS, each on a stream of its own"),
                };
                let who = format!("only {from} and {to} hold the keys");
                Some((title, vec![who]))
            }
            Http::Request {
                inside_tls: false,
                target,
            } => {
                let same = self.encrypted_targets.contains(target);
                let title = if same {
                    "The same request, plain text"
                } else {
                    "HTTP request in plain text"
                };
                Some((title.into(), vec![format!("{from} → {to}")]))
            }
            Http::Response {
                inside_tls: false,
                status,
            } => {
                self.plain_responses.push(*status);
                None
            }
            Http::Response {
                inside_tls: true,
                status,
            } => {
                // What the load balancer answers itself was never in plain text.
                let plain = self.plain_responses.iter().position(|s| s == status);
                let again = plain.map_or("", |index| {
                    self.plain_responses.remove(index);
                    "again "
                });
                let several = if streams(frame).len() > 1 { "s" } else { "" };
                Some((
                    format!("Response{several} encrypted {again}for {to}"),
                    vec![],
                ))
            }
        }
    }
}

/// The identifier of an echo request.
fn echo_request(frame: &Frame) -> Option<u16> {
    const ECHO_REQUEST: u8 = 8;
    let packet = Packet::read(&frame.bytes)?;
    let Transport::Icmp(message) = packet.transport else {
        return None;
    };
    let [a, b, ..] = message.rest;
    (message.kind == ECHO_REQUEST).then(|| u16::from_be_bytes([a, b]))
}

/// Whether a load balancer asks how a target is.
fn is_probe(frame: &Frame) -> bool {
    let by_agent = |h: &HttpHead| {
        let mut agents = h.headers.iter();
        agents.any(|(n, v)| {
            n.eq_ignore_ascii_case("user-agent") && v.starts_with("ELB-HealthChecker/")
        })
    };
    let mut messages = frame.messages.iter();
    messages.any(|m| matches!(m, Message::HttpRequest(h) if by_agent(h)))
}

/// The requests or responses of HTTP/2 that a frame brings.
fn streams(frame: &Frame) -> Vec<&HttpHead> {
    let heads = frame.messages.iter().filter_map(|m| match m {
        Message::HttpRequest(h) | Message::HttpResponse(h) => h.stream.and(Some(h)),
        Message::DnsQuery { .. }
        | Message::DnsAnswer { .. }
        | Message::Tls(_)
        | Message::Http2(_)
        | Message::HttpBodyEnd { .. }
        | Message::Icmp { .. } => None,
    });
    heads.collect()
}

fn dns_time(rows: &Rows<'_>, query: usize, wanted: &str) -> Option<String> {
    let asked = &rows.rows[query];
    let answers = |f: &Frame| {
        let mut messages = f.messages.iter();
        f.destination == asked.frame.source
            && messages.any(|m| matches!(m, Message::DnsAnswer { name, .. } if name == wanted))
    };
    let answer = rows.rows[query..]
        .iter()
        .find(|r| answers(r.frame) && r.lost.is_none())?;
    Some(ms(answer.frame.at - asked.sent))
}

fn tcp_time(rows: &Rows<'_>, syn: usize) -> Option<String> {
    let first = &rows.rows[syn];
    let rest = || same_stream(rows, syn);
    let answers =
        |r: &&Row<'_>| r.frame.tcp.is_some_and(|t| t.part == TcpPart::SynAck) && r.lost.is_none();
    let answer = rest().find(answers)?;
    let time = ms(answer.frame.at - first.sent);
    let disturbed = rest()
        .take_while(|r| r.sent <= answer.sent)
        .any(|r| r.again || r.lost.is_some());
    Some(if disturbed {
        time
    } else {
        format!("{time}, one round trip")
    })
}

/// Whether the packet of this row is a ClientHello, or the first piece of one.
fn begins_hello(rows: &Rows<'_>, index: usize) -> bool {
    let is_hello = |f: &Frame| {
        let mut messages = f.messages.iter();
        messages
            .any(|m| matches!(m, Message::Tls(t) if matches!(t.kind, TlsKind::ClientHello { .. })))
    };
    let row = &rows.rows[index];
    match row.label.piece {
        Some((1, _)) => {
            let mut own = same_stream(rows, index).filter(|r| r.frame.source == row.frame.source);
            own.find(|r| r.label.piece.is_none_or(|(k, n)| k == n))
                .is_some_and(|last| is_hello(last.frame))
        }
        _ => is_hello(row.frame),
    }
}

/// TLS is established with the second Finished: at the client when it has sent it, or has received the server's.
fn tls_heading(rows: &Rows<'_>, hello: usize) -> (String, Vec<String>) {
    let first = &rows.rows[hello];
    let (mut version, mut certificate, mut retried) = (None, false, false);
    let (mut finished, mut end) = (0, None::<(Instant, Instant)>);
    let mut failed = None;
    for row in same_stream(rows, hello).filter(|r| r.lost.is_none()) {
        let by_client = row.frame.source == first.frame.source;
        for message in &row.frame.messages {
            let Message::Tls(t) = message else { continue };
            if let TlsKind::ServerHello {
                version: v, retry, ..
            } = &t.kind
            {
                version = Some(v.clone());
                retried |= *retry;
            }
            certificate |= matches!(t.kind, TlsKind::Certificate { .. });
            if let TlsKind::Alert { level: 2, .. } = t.kind
                && failed.is_none()
            {
                failed = Some(t.kind.text());
            }
            finished += usize::from(t.kind == TlsKind::Finished);
            if finished == 2 && end.is_none() {
                let at = if by_client { row.sent } else { row.frame.at };
                end = Some((at, row.sent));
            }
        }
    }
    let mut notes = Vec::new();
    if let Some((at, last_sent)) = end {
        let disturbed = same_stream(rows, hello)
            .take_while(|r| r.sent <= last_sent)
            .any(|r| r.again || r.lost.is_some());
        let trips = match (version.as_deref(), certificate, retried) {
            _ if disturbed => "",
            (Some("TLS 1.2"), true, _) | (Some("TLS 1.3"), _, true) => ", two round trips",
            (Some("TLS 1.2"), false, _) | (Some("TLS 1.3"), _, false) => ", one round trip",
            _ => "",
        };
        notes.push(format!("{}{trips}", ms(at - first.sent)));
        if !certificate {
            notes.push("an earlier session goes on".into());
        }
    } else {
        notes.extend(failed.map(|alert| format!("fails: {alert}")));
    }
    let title = format!("{} handshake", version.as_deref().unwrap_or("TLS"));
    (title, notes)
}

fn same_stream<'r, 'a>(rows: &'r Rows<'a>, from: usize) -> impl Iterator<Item = &'r Row<'a>> {
    let frame = rows.rows[from].frame;
    let ends = (frame.source, frame.destination);
    rows.rows[from..].iter().filter(move |r| {
        let (source, destination) = (r.frame.source, r.frame.destination);
        (source, destination) == ends || (destination, source) == ends
    })
}

fn ms(d: Duration) -> String {
    format!("{} ms", millis(d))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DropCause;
    use crate::expect::fixture;

    fn titles(run: &fixture::Run) -> Vec<String> {
        let record = run.record();
        let headings = headings(&Rows::new(&record));
        let line = |h: &Heading| format!("{} | {}", h.title, h.notes.join(" | "));
        headings.iter().map(line).collect()
    }

    #[test]
    fn the_main_lab_is_told_in_seven_headings() {
        assert_eq!(
            titles(&fixture::main_lab()),
            [
                "DNS | where is your-app.com? | 20.0 ms",
                "TCP handshake user ⇄ alb | 20.0 ms, one round trip",
                "TLS 1.3 handshake | 22.0 ms, one round trip",
                "HTTP request inside TLS | only user and alb hold the keys",
                "A second TCP connection, alb ⇄ ec2-a | 2.0 ms, one round trip",
                "The same request, plain text | alb → ec2-a",
                "Response encrypted again for user | ",
            ]
        );
    }

    #[test]
    fn a_lost_syn_ack_leaves_the_handshake_without_a_time() {
        let mut run = fixture::main_lab();
        run.lose(4, DropCause::Loss);
        assert_eq!(titles(&run)[1], "TCP handshake user ⇄ alb | ");
    }
}
