//! Deterministic loss: "drop the second SYN".

use super::{Impair, Verdict};
use crate::event::DropCause;
use crate::rng::Stream;
use crate::time::Instant;
use crate::wire::packet::{Packet, Transport};

/// Which packets are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// All of them.
    Any,
    /// TCP segments that open a connection: SYN without ACK.
    Syn,
    /// TCP segments that answer them: SYN with ACK.
    SynAck,
    /// TCP segments that carry data.
    Data,
    /// TCP segments that carry neither data nor SYN, FIN or RST.
    PureAck,
    /// TCP segments with FIN.
    Fin,
    /// UDP datagrams.
    Udp,
}

impl Matching {
    /// All of them, with their words in lab files.
    pub const WORDS: [(&str, Self); 7] = [
        ("any", Self::Any),
        ("syn", Self::Syn),
        ("syn-ack", Self::SynAck),
        ("data", Self::Data),
        ("ack", Self::PureAck),
        ("fin", Self::Fin),
        ("udp", Self::Udp),
    ];

    /// Whether `packet` is one.
    pub(super) fn matches(self, packet: &[u8]) -> bool {
        let transport = Packet::read(packet).map(|p| p.transport);
        let tcp = match transport {
            Some(Transport::Tcp(tcp)) => Some(tcp),
            Some(Transport::Udp(_)) => return matches!(self, Self::Any | Self::Udp),
            Some(Transport::Icmp(_) | Transport::Other(..)) | None => None,
        };
        let Some(tcp) = tcp else {
            return self == Self::Any;
        };
        let flags = tcp.flags;
        match self {
            Self::Any => true,
            Self::Syn => flags.syn() && !flags.ack(),
            Self::SynAck => flags.syn() && flags.ack(),
            Self::Data => !tcp.payload.is_empty(),
            Self::PureAck => flags.0 & 0x17 == 0x10 && tcp.payload.is_empty(),
            Self::Fin => flags.fin(),
            Self::Udp => false,
        }
    }
}

pub(super) struct DropNth {
    nth: Vec<u64>,
    matching: Matching,
    seen: u64,
}

impl DropNth {
    pub(super) const fn new(nth: Vec<u64>, matching: Matching) -> Self {
        Self {
            nth,
            matching,
            seen: 0,
        }
    }
}

impl Impair for DropNth {
    fn judge(&mut self, packet: &[u8], at: Instant, _: &mut Stream) -> Verdict {
        if !self.matching.matches(packet) {
            return Verdict::Pass(at);
        }
        self.seen += 1;
        if self.nth.contains(&self.seen) {
            Verdict::Drop(DropCause::DropNth(self.seen))
        } else {
            Verdict::Pass(at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use etherparse::PacketBuilder;

    #[test]
    fn counts_only_what_matches() {
        let segment = |syn: bool| {
            let mut bytes = Vec::new();
            let tcp = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1, 2, 0, 0);
            let tcp = if syn { tcp.syn() } else { tcp.ack(1) };
            tcp.write(&mut bytes, &[]).unwrap();
            bytes
        };
        let mut drop = DropNth::new(vec![2], Matching::Syn);
        let mut rng = Seed(1).stream("drop");
        let mut passes = |syn| drop.judge(&segment(syn), Instant::ZERO, &mut rng);
        let pass = Verdict::Pass(Instant::ZERO);
        assert_eq!(passes(true), pass);
        assert_eq!(passes(false), pass, "an ACK is not counted");
        assert_eq!(passes(true), Verdict::Drop(DropCause::DropNth(2)));
        assert_eq!(passes(true), pass);
    }
}
