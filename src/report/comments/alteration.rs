//! What links did to packets that they delivered.

use std::collections::BTreeMap;

use crate::dissect::message::Frame;
use crate::event::{Alteration, Event, PacketId, What};
use crate::name::Name;
use crate::time::Instant;

/// What links have done so far.
#[derive(Debug, Default)]
pub(super) struct Alterations {
    known: BTreeMap<PacketId, Known>,
    /// Copies that a link made, and of which packet.
    copies: BTreeMap<PacketId, (PacketId, Name)>,
}

#[derive(Debug)]
struct Known {
    at: Instant,
    how: Alteration,
    link: Name,
}

/// More are not remembered: a lab may stay up for days.
const KEPT_MAX: usize = 65_536;

impl Alterations {
    pub(super) fn event(&mut self, event: &Event) {
        let What::Altered { packet, how, link } = &event.what else {
            return;
        };
        if let Alteration::Duplicated { copy } = how {
            self.copies.insert(*copy, (*packet, link.clone()));
        }
        let known = Known {
            at: event.at,
            how: *how,
            link: link.clone(),
        };
        self.known.insert(*packet, known);
        while self.known.len() > KEPT_MAX {
            self.known.pop_first();
        }
        while self.copies.len() > KEPT_MAX {
            self.copies.pop_first();
        }
    }

    /// Whether a link made this frame, or made it late: what it looks like to its receiver is not what it is.
    pub(super) fn misleads(&self, frame: &Frame) -> bool {
        let late = self.known.get(&frame.packet);
        let late = late.is_some_and(|k| matches!(k.how, Alteration::Overtaken { .. }));
        late || self.copies.contains_key(&frame.packet)
    }

    /// What to say of a frame that passed its tap when it had happened.
    pub(super) fn comment(&self, frame: &Frame) -> Option<String> {
        if let Some((_, link)) = self.copies.get(&frame.packet) {
            return Some(format!(
                "Duplicate: the link {link} delivered the packet before twice. Nobody sent it again: the IP header is \
                 the same to the last bit, identification included."
            ));
        }
        let Known { at, how, link } = self.known.get(&frame.packet)?;
        if *at > frame.at {
            return None;
        }
        Some(match how {
            Alteration::Duplicated { .. } => {
                format!("The link {link} delivers this packet twice.")
            }
            Alteration::Corrupted { bit } => format!(
                "Corrupted: on the link {link} bit {} of byte {} of this packet flips. Its checksum tells, and whoever \
                 checks it drops the packet without a word (RFC 9293 §3.1, RFC 1812 §5.2.2).",
                bit % 8,
                bit / 8
            ),
            Alteration::Overtaken { by } => {
                let others = match by {
                    1 => "a later packet has".to_owned(),
                    n => format!("{n} later packets have"),
                };
                format!(
                    "Out of order: the link {link} keeps this packet back until {others} passed."
                )
            }
        })
    }
}
