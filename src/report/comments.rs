//! Comments on the packets that matter, written into the capture while the run goes on: one sentence or two for a
//! class. Only what the capture has shown so far is known here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::rows::{end_name, end_names, speakers};
use super::text::printable;
use super::websocket;
use crate::dissect::message::{Frame, Http2Kind, Message};
use crate::event::{Attack, CertificateDefect, DropCause, Event, Fact, Serving, What};
use crate::expect::role_of;
use crate::lab::plan::Plan;
use crate::name::Name;
use crate::role::config::Role;
use crate::time::Instant;
use crate::wire::packet::Packet;

mod alteration;
mod attack;
mod connection;
mod cookies;
mod dns;
mod echo;
mod ended;
mod exchanges;
mod fate;
mod filters;
mod health;
mod http1;
mod http2;
mod loss;
mod targets;
mod tls;
mod transport;

pub use fate::fate;

/// Writes the comments of one capture, frame after frame in the capture's order.
#[derive(Debug, Default)]
pub struct Annotator {
    connections: BTreeMap<(SocketAddr, SocketAddr), Connection>,
    /// When data was first sent: by direction and sequence number.
    first_sent: BTreeMap<SentKey, Instant>,
    /// What was lost before a tap of this capture had seen it.
    lost_before: BTreeSet<SentKey>,
    loss: loss::Loss,
    exchanges: exchanges::Exchanges,
    /// Connections that carry WebSocket.
    changed: websocket::Changed,
    /// Connections of load balancers that nothing moved on, and for how long, under their ends, the load balancer's first.
    idle: BTreeMap<(SocketAddr, SocketAddr), Duration>,
    /// Targets of requests seen inside TLS.
    encrypted_requests: BTreeSet<String>,
    /// Statuses of responses seen in plain text, that were not seen encrypted since.
    plain_responses: Vec<u16>,
    /// Why a client refused the certificate on a connection, under its ends, its own first.
    refused: BTreeMap<(SocketAddr, SocketAddr), (CertificateDefect, String)>,
    /// What attackers did, and who.
    attacks: Vec<(Name, Attack)>,
    /// What links did.
    altered: alteration::Alterations,
    /// DNS questions: when each was first asked, under its ends, name and type.
    asked: BTreeMap<(SocketAddr, SocketAddr, String, String), Instant>,
    look_ups: dns::LookUps,
    probes: health::Probes,
    /// What stacks did by themselves.
    transport: transport::Transport,
    /// Challenge ACKs: when, from where, to where.
    challenges: Vec<(Instant, SocketAddr, SocketAddr)>,
    refusals: filters::Refusals,
    /// Connections ended before their time.
    ended: ended::Ended,
    /// Targets that load balancers got no response from.
    failures: targets::Failures,
    echoes: echo::Echoes,
}

/// From whom, to whom, sequence number, kind of segment.
type SentKey = (SocketAddr, SocketAddr, u32, u8);

/// What is known of a connection, under (initiator, other end).
#[derive(Debug, Default)]
struct Connection {
    syn: Option<Instant>,
    syns: usize,
    answered: bool,
    hello: Option<Instant>,
    version: Option<String>,
    suite: String,
    /// A HelloRetryRequest was its last hello.
    retried: bool,
    /// Finished messages, of either side.
    finished: usize,
    fins: usize,
}

impl Annotator {
    /// Something else happened: attacks are told where their packets come, refusals of certificates at their alert.
    pub fn event(&mut self, event: &Event) {
        self.altered.event(event);
        self.look_ups.event(event);
        self.probes.event(event);
        self.transport.event(event);
        if let What::Fact(Fact::Attacked(attack)) = &event.what {
            self.attacks.push((event.node.clone(), *attack));
        }
        if let What::Fact(Fact::CertificateRefused {
            flow,
            defect,
            error,
            ..
        }) = &event.what
        {
            let why = (*defect, error.clone());
            self.refused.insert((flow.local, flow.remote), why);
        }
        self.refusals.event(event);
        self.echoes.event(event);
        self.failures.event(event);
        self.loses(event);
        self.loss.event(event);
        if let What::Fact(Fact::Serving(Serving::IdleTimeout { flow, after })) = &event.what {
            self.idle.insert((flow.local, flow.remote), *after);
        }
        self.ended.event(event);
        if let What::Dropped {
            cause: DropCause::Challenged,
            bytes,
            ..
        } = &event.what
            && let Some((from, to)) = Packet::read(bytes).and_then(|p| p.ports())
        {
            self.challenges.push((event.at, to, from));
        }
    }

    /// The comments for the next frame, often none.
    #[must_use]
    pub fn comment(&mut self, frame: &Frame, plan: &Plan) -> Vec<String> {
        let ends = Ends::new(frame, plan);
        let speakers = Ends::of(speakers(plan, frame), frame, plan);
        let mut said = Vec::new();
        said.extend(self.altered.comment(frame));
        let probed = self.probes.comment(frame, &speakers);
        let flood = self.is_flood(frame);
        self.loss.sees(frame);
        // A copy is no retransmission, and opens nothing; nor is one that comes late.
        if !self.altered.misleads(frame) {
            let told = self.tcp(frame, &ends, plan);
            said.extend(told.filter(|_| probed.is_none() && !flood));
        }
        said.extend(attack::on_path(frame, plan).filter(|_| !flood));
        said.extend(self.attacked(frame));
        let websocket = self.changed.sees(frame);
        said.extend(websocket::comment(&websocket, &speakers.from, &speakers.to));
        for message in &frame.messages {
            let text = self.message(message, frame, &speakers, plan);
            said.extend(text.filter(|_| probed.is_none()));
        }
        let piece = self.exchanges.piece(frame, &speakers);
        said.extend(piece.filter(|_| probed.is_none()));
        said.extend(probed);
        let closes = self.fin(frame, &ends);
        said.extend(closes.map(|mut text| {
            text.extend(self.ended.why(frame, &speakers, plan));
            text
        }));
        if let Some(cause) = frame.lost {
            let why = self.refusals.of(frame.packet);
            let why = why.map_or_else(|| cause.to_string(), str::to_owned);
            said.push(format!("Lost: this packet never arrives; {why}."));
        }
        said.dedup();
        for text in &mut said {
            *text = printable(text);
        }
        said
    }

    fn message(
        &mut self,
        message: &Message,
        frame: &Frame,
        ends: &Ends,
        plan: &Plan,
    ) -> Option<String> {
        let Ends { from, to, .. } = ends;
        match message {
            Message::DnsQuery { name, kind } => {
                let asked = (frame.source, frame.destination, name.clone(), kind.clone());
                let first = *self.asked.entry(asked).or_insert(frame.at);
                let again = (first < frame.at).then(|| frame.at - first);
                Some(dns::query((name, kind), frame, ends, again))
            }
            Message::DnsAnswer { name, .. } => {
                let late = self
                    .look_ups
                    .late(&ends.to, name)
                    .then(|| dns::late(name, ends));
                late.or_else(|| dns::answer(plan, message, ends))
            }
            Message::Tls(tls) => self.tls(tls, frame, ends),
            Message::HttpRequest(head) => {
                let mut said = self.request(head, frame, ends, plan);
                let by_alb = is_alb(plan, from);
                said.extend(self.exchanges.request(head, frame, ends, by_alb));
                said.extend(cookies::shown(head, ends, plan));
                Some(said)
            }
            Message::HttpResponse(head) => {
                let mut said = self.response(head, ends);
                said.extend(self.exchanges.response(head, frame, ends));
                said.extend(cookies::set(head, ends, plan));
                said.extend(self.failures.behind(&ends.from, head.status));
                Some(said)
            }
            Message::HttpBodyEnd { .. } => None,
            Message::Http2(http2) => {
                let mut said = http2::comment(http2, ends)?;
                if let Http2Kind::RstStream { .. } = http2.kind {
                    said.extend(self.failures.broken_off(from, frame.at));
                }
                Some(said)
            }
            Message::Icmp { text, .. } => {
                let behind = self.refusals.behind(frame);
                let behind = behind.or_else(|| self.echoes.about(frame, to));
                let behind = behind.unwrap_or_default();
                Some(format!("ICMP from {from} to {to}: {text}.{behind}"))
            }
        }
    }
}

/// The two nodes of a frame.
struct Ends {
    from: String,
    to: String,
}

impl Ends {
    fn new(frame: &Frame, plan: &Plan) -> Self {
        Self::of(end_names(plan, frame), frame, plan)
    }

    /// With the containers by their own names, where the link of one is tapped; elsewhere they are their hosts.
    fn of((from, to): (String, String), frame: &Frame, plan: &Plan) -> Self {
        let topology = &plan.topology;
        let joined = [Some(frame.tap.0), topology.peer(frame.tap.0)];
        let container = |address: IpAddr| {
            let mut nics = joined.into_iter().flatten().map(|n| &topology.nics[n]);
            let nic = nics.find(|nic| nic.address == address)?;
            let is_container = topology.publisher_of(address).is_some();
            is_container.then(|| topology.nodes[nic.node].name.to_string())
        };
        Self {
            from: container(frame.source.ip()).unwrap_or(from),
            to: container(frame.destination.ip()).unwrap_or(to),
        }
    }
}

const fn way(frame: &Frame) -> (SocketAddr, SocketAddr) {
    (frame.source, frame.destination)
}

fn is_alb(plan: &Plan, node: &str) -> bool {
    let name = Name::new(node).ok();
    let role = name.and_then(|n| role_of(plan, &n).cloned());
    matches!(role, Some(Role::Alb(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect::message::TlsKind;
    use crate::dissect::message::{TcpNote, TcpPart};
    use crate::event::DropCause;
    use crate::expect::fixture;

    fn comments(run: &fixture::Run) -> BTreeMap<usize, Vec<String>> {
        let mut annotator = Annotator::default();
        let all = run.frames.iter();
        all.map(|f| (f.number, annotator.comment(f, &run.plan)))
            .filter(|(_, c)| !c.is_empty())
            .collect()
    }

    #[test]
    fn the_packets_that_matter_are_explained() {
        let all = comments(&fixture::main_lab());
        let numbers: Vec<usize> = all.keys().copied().collect();
        assert_eq!(
            numbers,
            [
                1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 21, 25, 26, 27, 28
            ]
        );
        let begins = [
            (
                2,
                "DNS answer: your-app.com is at 198.51.100.10. That is the load balancer",
            ),
            (
                5,
                "TCP step 3 of 3, ACK: the connection is open at user, 20.0 ms after its SYN: one round trip.",
            ),
            (
                6,
                "ClientHello: offers TLS 1.3 and TLS 1.2, 9 cipher suites, ALPN http/1.1.",
            ),
            (9, "Finished from user: it proves"),
            (
                11,
                "A second TCP connection: alb opens it to ec2-a port 32768",
            ),
            (
                13,
                "TCP step 3 of 3, ACK: the connection is open at alb, 2.0 ms after",
            ),
            (
                14,
                "The same request in plain text, GET /notification/health/check",
            ),
            (25, "HTTP response 200, encrypted again by alb"),
            (28, "FIN: user has finished too"),
        ];
        for (number, start) in begins {
            assert!(all[&number][0].starts_with(start), "{:?}", all[&number]);
        }
        assert!(all[&9][0].ends_with("TLS is established at user, 22.0 ms after the ClientHello."));
        assert!(all[&14][0].contains("X-Forwarded-For: 203.192.1.50"));
        assert_eq!(
            all[&8].len(),
            2,
            "ServerHello and Certificate: {:?}",
            all[&8]
        );
    }

    #[test]
    fn in_tls_12_the_certificate_is_readable_and_the_second_finished_establishes() {
        let mut run = fixture::main_lab();
        for message in run.frames.iter_mut().flat_map(|f| &mut f.messages) {
            let Message::Tls(tls) = message else { continue };
            if let TlsKind::ServerHello { version, .. } = &mut tls.kind {
                *version = "TLS 1.2".into();
            }
            if matches!(tls.kind, TlsKind::Certificate { .. }) {
                tls.encrypted = false;
            }
        }
        let all = comments(&run);
        assert!(all[&8][0].contains("goes on in clear"));
        assert!(all[&8][1].contains("readable by anyone on the path in TLS 1.2"));
        assert_eq!(all[&8].len(), 2, "{:?}", all[&8]);
        assert!(all[&9][0].contains("TLS is established at user, 22.0 ms after"));
    }

    #[test]
    fn a_reset_that_answers_a_syn_is_a_refusal() {
        let mut run = fixture::main_lab();
        let part = |f: &mut Frame| f.tcp.as_mut().unwrap().part = TcpPart::Reset;
        part(&mut run.frames[11]);
        part(&mut run.frames[17]);
        let all = comments(&run);
        assert_eq!(
            all[&12],
            ["RST: ec2-a refuses the connection; nothing listens on port 32768."]
        );
        let run = fixture::main_lab();
        let mut frames = run.frames;
        part(&mut frames[17]);
        let mut annotator = Annotator::default();
        let said: Vec<_> = frames
            .iter()
            .map(|f| annotator.comment(f, &run.plan))
            .collect();
        assert!(said[17][0].starts_with("RST: ec2-a breaks the connection to alb off"));
    }

    #[test]
    fn losses_and_retransmissions_say_why() {
        let mut run = fixture::main_lab();
        run.lose(6, DropCause::DropNth(1));
        let last = run.frames[5].clone();
        run.frames.push(Frame {
            number: 29,
            at: fixture::at(240.0),
            tcp: last.tcp.map(|t| TcpNote {
                retransmission: true,
                ..t
            }),
            messages: vec![],
            lost: None,
            ..last
        });
        let all = comments(&run);
        assert_eq!(
            all[&6][1],
            "Lost: this packet never arrives; dropped by the lab: number 1 of those that match."
        );
        assert_eq!(
            all[&29],
            [
                "Retransmission: sent again 200.0 ms after the first time, because no acknowledgment of it has come."
            ]
        );
    }
}
