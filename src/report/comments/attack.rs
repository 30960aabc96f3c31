//! What to say about attackers.

use super::{Annotator, Ends};
use crate::dissect::message::{Frame, TcpPart};
use crate::event::{Attack, Deed};
use crate::expect::attack::shows;
use crate::expect::middle;
use crate::lab::plan::Plan;
use crate::report::rows::end_name;

/// On the SYN, and on its answer: who is in the middle.
pub(super) fn on_path(frame: &Frame, plan: &Plan) -> Option<String> {
    let middle = middle(plan, frame).filter(|m| m.sends)?;
    let name = &plan.topology.nodes[middle.node].name;
    let client = end_name(plan, frame.source.ip());
    match frame.tcp?.part {
        TcpPart::Syn => Some(format!(
            "{name} is in the middle, and opens this connection in {client}'s name: the source is {client}'s address. \
             The answers come to {name} too."
        )),
        TcpPart::SynAck => Some(format!(
            "It is {name} that answers, in the middle of the path and in {client}'s name. Nothing in TCP proves who \
             answers."
        )),
        TcpPart::HandshakeAck | TcpPart::Data | TcpPart::Ack | TcpPart::Fin | TcpPart::Reset => {
            None
        }
    }
}

impl Annotator {
    /// Whether a frame is one of a SYN flood: nobody is in the middle, and nobody asks for a connection.
    pub(super) fn is_flood(&self, frame: &Frame) -> bool {
        let floods = |a: &Attack| matches!(a.deed, Deed::SynFlood { .. });
        self.attacks
            .iter()
            .any(|(_, a)| floods(a) && shows(frame, a))
    }

    /// An ACK that asks whether a RST was meant.
    pub(super) fn challenge(&self, frame: &Frame, ends: &Ends) -> Option<String> {
        let Ends { from, to } = ends;
        let own = (frame.at, frame.source, frame.destination);
        self.challenges.contains(&own).then(|| {
            format!(
                "A challenge ACK (RFC 5961 §3.2): {from} got a RST with a number that is not the next one, and asks {to} \
                 whether it was meant. Had {to} reset the connection, it would answer this with a RST that fits."
            )
        })
    }

    /// What was done to the bytes of this frame.
    pub(super) fn attacked(&self, frame: &Frame) -> Vec<String> {
        let of_frame = self.attacks.iter().filter(|(_, a)| shows(frame, a));
        let said = of_frame.map(|(who, attack)| match attack.deed {
            Deed::Flipped { record, bit } => format!(
                "One bit flipped here by {who}: bit {bit} of encrypted record {record}. The length is as it was; the \
                 authentication tag at the record's end no longer fits what stands before it."
            ),
            Deed::Replayed { record } => format!(
                "Sent again here by {who}: encrypted record {record}, byte for byte, behind itself. It was encrypted \
                 under its own number, and is now the next."
            ),
            Deed::Reset { .. } => format!(
                "Forged by {who}: the source is another's address. Whether it is believed depends on its sequence \
                 number alone."
            ),
            Deed::SynFlood { .. } => format!(
                "Forged by {who}: the source is an address that is nobody's, so that no ACK will ever come. Its only \
                 purpose is a place in the listener's SYN queue."
            ),
            Deed::HelloReplayed => format!(
                "Sent by {who}, who recorded it: what a client had sent on another connection, byte for byte."
            ),
            Deed::VersionStripped => format!(
                "Changed here by {who}: the client offered TLS 1.3 too, and it is no longer in supported_versions."
            ),
            Deed::Truncated { record } => format!(
                "Cut off here by {who}, behind encrypted record {record}: a FIN, which needs no key, and no \
                 close_notify, which does."
            ),
        });
        said.collect()
    }
}
