//! What is said of a TCP connection: its handshake, what is sent again, how it ends.

use std::collections::btree_map::Entry;

use super::loss::AT_ONCE;
use super::{Annotator, Ends, is_alb, way};
use crate::dissect::field::Value;
use crate::dissect::message::{Frame, TcpNote, TcpPart};
use crate::event::{Event, What};
use crate::lab::plan::Plan;
use crate::report::text::millis;
use crate::units::show_duration;
use crate::wire::packet::Packet;

impl Annotator {
    pub(super) fn tcp(&mut self, frame: &Frame, ends: &Ends, plan: &Plan) -> Option<String> {
        let tcp = frame.tcp?;
        if let Some(text) = self.transport.window(frame, ends) {
            return Some(text);
        }
        if let Some(text) = self.repeated(frame, tcp, ends) {
            return Some(text);
        }
        let Ends { from, to, .. } = ends;
        let port = frame.destination.port();
        match tcp.part {
            TcpPart::Syn => {
                let opened_before = !self.connections.is_empty();
                let own = self.connections.entry(way(frame)).or_default();
                own.syn.get_or_insert(frame.at);
                own.syns += 1;
                Some(if opened_before && is_alb(plan, from) {
                    format!(
                        "A second TCP connection: {from} opens it to {to} port {port}, with addresses, ports and \
                         sequence numbers of its own (TCP step 1 of 3, SYN). The user's connection ends at {from}. A \
                         load balancer opens another one when no open connection to the target is idle."
                    )
                } else {
                    format!(
                        "TCP step 1 of 3, SYN: {from} asks {to} port {port} for a connection, and says where its \
                         sequence numbers begin."
                    )
                })
            }
            TcpPart::SynAck => {
                let (from_server, to_client) = way(frame);
                self.connections
                    .entry((to_client, from_server))
                    .or_default()
                    .answered = true;
                if let Some(cookie) = self.transport.cookie(frame, ends) {
                    return Some(format!("TCP step 2 of 3, SYN-ACK. {cookie}"));
                }
                Some(format!(
                    "TCP step 2 of 3, SYN-ACK: {from} agrees, acknowledges the SYN, and says where its own sequence \
                 numbers begin."
                ))
            }
            TcpPart::HandshakeAck => {
                let own = self.connections.entry(way(frame)).or_default();
                let after = own.syn.map(|syn| {
                    let trip = if own.syns == 1 {
                        ": one round trip"
                    } else {
                        ""
                    };
                    format!(", {} ms after its SYN{trip}", millis(frame.at - syn))
                });
                Some(format!(
                    "TCP step 3 of 3, ACK: the connection is open at {from}{}. No application data has been sent yet.",
                    after.unwrap_or_default()
                ))
            }
            // A forged one has a comment of its own.
            TcpPart::Reset if !self.attacked(frame).is_empty() => None,
            TcpPart::Reset => {
                let told = self.transport.reset(frame, ends);
                Some(told.unwrap_or_else(|| self.reset(frame, ends)))
            }
            TcpPart::Ack => self.challenge(frame, ends).or_else(|| noted(frame, ends)),
            TcpPart::Data | TcpPart::Fin => None,
        }
    }

    pub(super) fn loses(&mut self, event: &Event) {
        let What::Dropped { bytes, .. } = &event.what else {
            return;
        };
        let Some(packet) = Packet::read(bytes) else {
            return;
        };
        if let (Some((from, to)), Some(segment)) = (packet.ports(), packet.tcp())
            && !segment.payload.is_empty()
        {
            let key = (from, to, segment.sequence, 2);
            if let Entry::Vacant(place) = self.first_sent.entry(key) {
                place.insert(event.at);
                self.lost_before.insert(key);
            }
        }
    }

    fn repeated(&mut self, frame: &Frame, tcp: TcpNote, ends: &Ends) -> Option<String> {
        let kind = match tcp.part {
            TcpPart::Syn => 0,
            TcpPart::SynAck => 1,
            TcpPart::Data => 2,
            TcpPart::Fin => 3,
            TcpPart::HandshakeAck | TcpPart::Ack | TcpPart::Reset => return None,
        };
        let (from, to) = way(frame);
        let sequence = Packet::read(&frame.bytes)?.tcp()?.sequence;
        let key = (from, to, sequence, kind);
        let first = *self.first_sent.entry(key).or_insert(frame.at);
        // Where the first one was lost before any tap, only the loss tells that this is another.
        let known = first < frame.at && self.lost_before.contains(&key);
        if !tcp.retransmission && !known {
            return None;
        }
        if tcp.part == TcpPart::Syn {
            self.connections.entry((from, to)).or_default().syns += 1;
        }
        let after = if first < frame.at {
            format!(" {} ms after the first time", millis(frame.at - first))
        } else {
            String::new()
        };
        let filtered = self.refusals.between(from, to, sequence);
        let queue = self.transport.why_again(frame, tcp.part, ends);
        let told = first < frame.at && self.refusals.was_too_big(from, to, sequence);
        let why = if told && frame.at - first < AT_ONCE {
            "as the ICMP error asks for smaller packets (RFC 1191 §6.4)".to_owned()
        } else {
            self.loss.why(frame, ends)
        };
        Some(format!(
            "Retransmission: sent again{after}, {why}.{}{}",
            filtered.unwrap_or_default(),
            queue.unwrap_or_default()
        ))
    }

    fn reset(&self, frame: &Frame, ends: &Ends) -> String {
        let Ends { from, to, .. } = ends;
        let (source, destination) = way(frame);
        if let Some(text) = self.refusals.reset(source, destination, from) {
            return text;
        }
        let asked = self.connections.get(&(destination, source));
        if asked.is_some_and(|c| !c.answered) {
            return format!(
                "RST: {from} refuses the connection; nothing listens on port {}.",
                source.port()
            );
        }
        if let Some(which) = self.loss.answered_by_reset(frame) {
            return format!(
                "RST: {from} knows no such connection any more; this answers {which}. {to} believes it if its number is \
                 the very next one (RFC 5961 §3.2)."
            );
        }
        format!("RST: {from} breaks the connection to {to} off; data on the way is thrown away.")
    }

    pub(super) fn fin(&mut self, frame: &Frame, ends: &Ends) -> Option<String> {
        let tcp = frame.tcp?;
        let fin = Packet::read(&frame.bytes).and_then(|p| p.tcp().map(|t| t.flags.fin()));
        if !fin.unwrap_or(tcp.part == TcpPart::Fin) || tcp.retransmission {
            return None;
        }
        let (source, destination) = way(frame);
        let known = self.connections.contains_key(&(source, destination));
        let key = if known {
            (source, destination)
        } else {
            (destination, source)
        };
        let own = self.connections.entry(key).or_default();
        own.fins += 1;
        let from = &ends.from;
        Some(match own.fins {
            1 => match self.idle.get(&(source, destination)) {
                Some(after) => format!(
                    "FIN: {from} closes the connection, on which nothing moved for {}: the idle timeout.",
                    show_duration(*after)
                ),
                None => format!("FIN: {from} has sent all of its data on this connection."),
            },
            _ => format!(
                "FIN: {from} has finished too; when this is acknowledged, the connection is closed."
            ),
        })
    }
}

/// What the dissection says of an acknowledgment without data.
fn noted(frame: &Frame, ends: &Ends) -> Option<String> {
    let Ends { from, to } = ends;
    if frame.fields.has("tcp.analysis.keep_alive") {
        return Some(format!(
            "Keep-alive (RFC 1122 §4.2.3.6): {from} asks whether {to} is still there, with a number that {to} has \
             acknowledged already."
        ));
    }
    let mut numbers = frame.fields.all("tcp.analysis.duplicate_ack_num");
    let Some(Value::Number(number)) = numbers.next() else {
        return None;
    };
    let third = if *number == 3 {
        " Three are the sign of a loss (RFC 5681 §3.2)."
    } else {
        ""
    };
    Some(format!(
        "Duplicate ACK, number {number}: what came to {from} was behind a gap, or there already, and {from} tells {to} again \
         what it waits for.{third}"
    ))
}
