//! Comments on the packets of health checks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::Ends;
use crate::dissect::message::{Frame, HttpHead, Message, TcpPart};
use crate::event::{Balancing, Event, Fact, What};
use crate::report::text::millis;
use crate::time::Instant;
use crate::wire::grpc;
use crate::wire::packet::Packet;

/// Which connections are probes, under (load balancer, target).
#[derive(Debug, Default)]
pub(super) struct Probes {
    all: BTreeSet<(SocketAddr, SocketAddr)>,
    /// Those that were answered.
    answered: BTreeSet<(SocketAddr, SocketAddr)>,
    /// Those that were given up, and when.
    given_up: BTreeMap<(SocketAddr, SocketAddr), Instant>,
}

impl Probes {
    pub(super) fn event(&mut self, event: &Event) {
        if let What::Fact(Fact::Balancing(Balancing::Probing { flow, .. })) = &event.what {
            self.all.insert((flow.local, flow.remote));
        }
    }

    /// What is to be said of a packet of a probe in place of anything else; `None` for other packets, and for those
    /// that are as on any connection.
    pub(super) fn comment(&mut self, frame: &Frame, ends: &Ends) -> Option<String> {
        let (from, to) = (frame.source, frame.destination);
        let asks = self.all.contains(&(from, to));
        if !asks && !self.all.contains(&(to, from)) {
            return None;
        }
        let probe = if asks { (from, to) } else { (to, from) };
        let Ends { from, to } = ends;
        let tcp = frame.tcp?;
        if asks
            && fin(frame)
            && !tcp.retransmission
            && !self.answered.contains(&probe)
            && self.given_up.insert(probe, frame.at).is_none()
        {
            return Some(format!(
                "Health check: no answer of {to} in time. The probe has failed, and {from} closes its connection."
            ));
        }
        if tcp.part == TcpPart::Syn && !tcp.retransmission {
            return Some(format!(
                "Health check: {from} opens a connection to {to} for it alone, and closes it after the answer."
            ));
        }
        if !asks && frame.messages.is_empty() && frame.fields.has("http") {
            let data = &frame.bytes[frame.bytes.len().saturating_sub(tcp.data)..];
            // An alert record (RFC 8446 §5.1), of any version.
            let what = match data {
                [21, 3, ..] => ", but an alert of TLS: it waits for a ClientHello on this port",
                _ => "",
            };
            self.answered.insert(probe);
            return Some(format!(
                "Health check: {from} answers with {} bytes that are no HTTP{what}.",
                tcp.data
            ));
        }
        let mut messages = frame.messages.iter();
        messages.find_map(|message| match message {
            Message::HttpRequest(head) => {
                let host = if head.stream.is_some() { ":authority" } else { "Host" };
                Some(format!(
                    "Health check: {from} asks {to} for {}, as a user would not: {host} is the target's own address, and \
                     nothing of a user's request is in it.",
                    head.target
                ))
            }
            Message::HttpResponse(head) if is_grpc(head) => {
                self.answered.insert(probe);
                Some(format!(
                    "Health check: {from} answers a gRPC call. HTTP's {} says nothing: grpc-status decides, here or behind \
                     the message, and only together with the answers before it.",
                    head.status
                ))
            }
            Message::HttpResponse(head) => {
                self.answered.insert(probe);
                Some(match self.given_up.get(&probe) {
                    Some(since) => format!(
                        "Health check: {from} answers {}, and {} ms too late: the probe counts as failed.",
                        head.status,
                        millis(frame.at - *since)
                    ),
                    None => format!(
                        "Health check: {from} answers {} in time. The status decides, and only together with the probes \
                         before.",
                        head.status
                    ),
                })
            }
            Message::DnsQuery { .. }
            | Message::DnsAnswer { .. }
            | Message::Tls(_)
            | Message::Http2(_)
            | Message::HttpBodyEnd { .. }
            | Message::Icmp { .. } => None,
        })
    }
}

fn is_grpc(head: &HttpHead) -> bool {
    let mut headers = head.headers.iter();
    headers.any(|(name, value)| name == "content-type" && grpc::is_content_type(value.as_bytes()))
}

fn fin(frame: &Frame) -> bool {
    Packet::read(&frame.bytes).is_some_and(|p| p.tcp().is_some_and(|t| t.flags.fin()))
}
