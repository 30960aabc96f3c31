//! What is said of echo requests and replies.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::dissect::message::Frame;
use crate::event::{Event, PacketId, What};
use crate::name::Name;
use crate::time::Instant;
use crate::units::show_duration;
use crate::wire::packet::{Icmp, Packet, Transport};
use crate::wire::quote::Quote;

const REPLY: u8 = 0;
const REQUEST: u8 = 8;

/// Who asks whom, under which identifier.
type Asking = (IpAddr, IpAddr, u16);

/// Echo requests that were seen, and what became of them.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    /// When each left, with its sequence number.
    asked: BTreeMap<(Asking, u16), Instant>,
    /// The last one.
    last: BTreeMap<Asking, PacketId>,
    /// Requests that went no further: where, and why.
    dropped: BTreeMap<PacketId, (Name, String)>,
}

impl Echoes {
    pub(super) fn event(&mut self, event: &Event) {
        let What::Dropped {
            packet,
            cause,
            why,
            bytes,
            ..
        } = &event.what
        else {
            return;
        };
        let is_request = Packet::read(bytes).is_some_and(|p| match p.transport {
            Transport::Icmp(message) => message.kind == REQUEST,
            Transport::Tcp(_) | Transport::Udp(_) | Transport::Other(..) => false,
        });
        if is_request {
            let why = why.clone().unwrap_or_else(|| cause.to_string());
            self.dropped.insert(*packet, (event.node.clone(), why));
        }
    }

    /// A sentence about an echo request, a reply, or an error about a request; `None` for other frames. `to` is whom it
    /// goes to.
    pub(super) fn about(&mut self, frame: &Frame, to: &str) -> Option<String> {
        let packet = Packet::read(&frame.bytes)?;
        let Transport::Icmp(message) = packet.transport else {
            return None;
        };
        let (here, there) = (packet.source, packet.destination);
        let (identifier, sequence) = numbers(&message);
        match message.kind {
            REQUEST => {
                let asking = (here, there, identifier);
                self.asked.insert((asking, sequence), frame.at);
                let before = self.last.insert(asking, frame.packet);
                let lost = before.and_then(|before| self.dropped.get(&before));
                Some(match lost {
                    Some((node, why)) => format!(" The one before was dropped at {node}: {why}."),
                    None => {
                        let bytes = message.payload.len();
                        format!(" {to} is to send its {bytes} bytes of data back.")
                    }
                })
            }
            REPLY => {
                let asking = (there, here, identifier);
                let asked = self.asked.remove(&(asking, sequence))?;
                let took = frame.at - asked;
                Some(if took.is_zero() {
                    " It leaves as soon as the request has come.".to_owned()
                } else {
                    format!(" The request left {} before.", show_duration(took))
                })
            }
            _ => {
                let quote = Quote::of(&frame.bytes)?;
                let asking = (
                    quote.source.ip(),
                    quote.destination.ip(),
                    quote.source.port(),
                );
                let (node, why) = self.dropped.get(self.last.get(&asking)?)?;
                let asked = quote.destination.ip();
                Some(format!(
                    " It quotes an echo request to {asked}, which {node} dropped: {why}."
                ))
            }
        }
    }
}

/// Identifier and sequence number of an echo.
const fn numbers(message: &Icmp<'_>) -> (u16, u16) {
    let [a, b, c, d] = message.rest;
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}
