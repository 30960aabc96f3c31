//! What became of a packet that was sent and does not arrive, for those that can still write on it.

use crate::event::{DropCause, Event, PacketId, What};
use crate::report::text::printable;

/// A packet that an event says is gone, and a sentence about that.
#[must_use]
pub fn fate(event: &Event) -> Option<(PacketId, String)> {
    let What::Dropped {
        packet,
        cause,
        why,
        link,
        ..
    } = &event.what
    else {
        return None;
    };
    let why = why.clone().unwrap_or_else(|| cause.to_string());
    let node = &event.node;
    let said = match (cause, link) {
        // The stack has answered it, or it changes nothing.
        (cause, _) if cause.arrived() => return None,
        (DropCause::SynQueueFull | DropCause::AcceptQueueFull | DropCause::Checksum, None) => {
            format!("Lost: it comes to {node}, and is dropped there; {why}.")
        }
        (DropCause::SecurityGroup, None) => {
            format!("Lost: this packet never arrives; it is dropped in front of {node}: {why}.")
        }
        (_, Some(link)) => format!("Lost: this packet never arrives; {why} ({link})."),
        (_, None) => format!("Lost: this packet never arrives; {node} drops it: {why}."),
    };
    Some((*packet, printable(&said)))
}
