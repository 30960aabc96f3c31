//! Why something is sent again, and what a RST answers: acknowledgments as they came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::Ends;
use crate::dissect::message::{Frame, TcpPart};
use crate::event::{Event, TcpDeed, What};
use crate::time::Instant;
use crate::wire::packet::Packet;

/// From whom, to whom.
type Way = (SocketAddr, SocketAddr);

/// What one side last acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    number: u32,
    /// How often since without anything else.
    duplicates: u32,
    /// What it waits for has been sent again at the third: the next time it is a timer.
    repeated: bool,
}

/// The acknowledgments of each direction, and the packets that carried the last ones.
#[derive(Debug, Default)]
pub(super) struct Loss {
    acknowledged: BTreeMap<Way, Acknowledged>,
    /// The last packets of each direction.
    last: BTreeMap<Way, VecDeque<Sent>>,
    /// What the path carries, as ICMP errors told the sender, and what it has sent again since, by sequence number.
    path_mtu: BTreeMap<Way, Narrowed>,
}

/// A packet that a RST may answer.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    acknowledgment: u32,
    number: usize,
    /// It carries data or FIN.
    holds_data: bool,
}

/// A sender that was told of a narrower path.
#[derive(Debug)]
struct Narrowed {
    at: Instant,
    mtu: usize,
    /// What it has sent again since, by sequence number.
    again: BTreeSet<u32>,
}

/// For so long what is sent again for the first time is so because of the narrower path: no timer is faster (RFC 6298 has
/// 1 s, Linux 200 ms).
pub(super) const AT_ONCE: Duration = Duration::from_millis(200);

/// More are not remembered: a lab may stay up for days.
const KEPT_MAX: usize = 65_536;

/// Packets of one direction that a RST may answer: a whole window is on its way at the most.
const LAST_MAX: usize = 64;

impl Loss {
    /// The next frame.
    pub(super) fn sees(&mut self, frame: &Frame) {
        let Some(packet) = Packet::read(&frame.bytes) else {
            return;
        };
        let Some(segment) = packet.tcp().filter(|s| s.flags.ack() && !s.flags.rst()) else {
            return;
        };
        let way = (frame.source, frame.destination);
        let holds_data = !segment.payload.is_empty() || segment.flags.fin();
        let last = self.last.entry(way).or_default();
        last.push_back(Sent {
            at: frame.at,
            acknowledgment: segment.acknowledgment,
            number: frame.number,
            holds_data,
        });
        if last.len() > LAST_MAX {
            last.pop_front();
        }
        let known = self.acknowledged.entry(way).or_default();
        let pure = frame.tcp.is_some_and(|t| t.part == TcpPart::Ack);
        if known.number != segment.acknowledgment {
            *known = Acknowledged {
                number: segment.acknowledgment,
                duplicates: 0,
                repeated: false,
            };
        } else if pure {
            known.duplicates += 1;
        }
        while self.last.len() > KEPT_MAX {
            self.last.pop_first();
        }
        while self.acknowledged.len() > KEPT_MAX {
            self.acknowledged.pop_first();
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        if let What::Tcp {
            flow,
            deed: TcpDeed::PathMtu { mtu },
        } = &event.what
        {
            let way = (flow.local, flow.remote);
            let narrowed = Narrowed {
                at: event.at,
                mtu: *mtu,
                again: BTreeSet::new(),
            };
            self.path_mtu.insert(way, narrowed);
            while self.path_mtu.len() > KEPT_MAX {
                self.path_mtu.pop_first();
            }
        }
    }

    /// Why a segment is sent again, as a clause.
    pub(super) fn why(&mut self, frame: &Frame, ends: &Ends) -> String {
        let heard = self
            .acknowledged
            .get_mut(&(frame.destination, frame.source));
        let sequence = Packet::read(&frame.bytes).and_then(|p| Some(p.tcp()?.sequence));
        let told = self.path_mtu.get_mut(&(frame.source, frame.destination));
        if let (Some(narrowed), Some(sequence)) = (told, sequence)
            && frame.at < narrowed.at + AT_ONCE
            && narrowed.again.insert(sequence)
        {
            let mtu = narrowed.mtu;
            return format!(
                "for an ICMP error has told {} that the path carries packets of {mtu} bytes (RFC 1191 §6.4)",
                ends.from
            );
        }
        let heard = heard.map(|heard| {
            let fast = heard.duplicates >= 3 && sequence == Some(heard.number);
            (
                fast && !std::mem::replace(&mut heard.repeated, fast),
                heard.number,
            )
        });
        match heard {
            Some((true, _)) => format!(
                "after three duplicate ACKs of {}: what is behind it arrives, and it seems lost (fast retransmit, RFC 5681 \
                 §3.2)",
                ends.to
            ),
            Some((false, number))
                if sequence.is_some_and(|n| n.wrapping_sub(number).cast_signed() < 0) =>
            {
                format!(
                    "though {} has acknowledged it: that had not arrived when this left",
                    ends.to
                )
            }
            Some(_) | None => "because no acknowledgment of it has come".to_owned(),
        }
    }

    /// What a RST answers, in words, when it has no ACK: its number is the one that the other side acknowledged (RFC 9293
    /// §3.10.7.1).
    pub(super) fn answered_by_reset(&self, frame: &Frame) -> Option<String> {
        let packet = Packet::read(&frame.bytes)?;
        let segment = packet.tcp().filter(|s| !s.flags.ack())?;
        let last = self.last.get(&(frame.destination, frame.source))?;
        let fits = |p: &&Sent| p.acknowledgment == segment.sequence;
        // What was sent long before the last one is not what it answers now.
        let latest = last.iter().rev().find(fits)?.at;
        let fitting = || {
            let recent = last.iter().filter(fits);
            recent.filter(|p| p.at + AT_ONCE >= latest)
        };
        let with_data: Vec<usize> = fitting()
            .filter(|p| p.holds_data)
            .map(|p| p.number)
            .collect();
        let all: Vec<usize> = fitting().map(|p| p.number).collect();
        match (with_data.as_slice(), all.as_slice()) {
            (_, []) => None,
            ([one], _) | ([], [one]) => Some(format!("packet {one}")),
            _ => Some("what came on it".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;
    use crate::dissect::message::TcpNote;
    use crate::expect::fixture;

    const CLIENT: [u8; 4] = [203, 192, 1, 50];
    const SERVER: [u8; 4] = [198, 51, 100, 10];

    /// A frame from client (`true`) or server: sequence and acknowledgment numbers, bytes of data; a RST has no ACK.
    fn frame(number: usize, ours: bool, numbers: (u32, u32), data: usize, reset: bool) -> Frame {
        let mut frame = fixture::main_lab().frames[0].clone();
        let (from, to) = if ours {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        let ports = if ours { (50_000, 80) } else { (80, 50_000) };
        let tcp = PacketBuilder::ipv4(from, to, 64).tcp(ports.0, ports.1, numbers.0, 1_000);
        let tcp = if reset { tcp.rst() } else { tcp.ack(numbers.1) };
        frame.bytes.clear();
        tcp.write(&mut frame.bytes, &vec![0; data]).unwrap();
        frame.source = (from, ports.0).into();
        frame.destination = (to, ports.1).into();
        frame.number = number;
        frame.tcp = Some(TcpNote {
            part: if reset {
                TcpPart::Reset
            } else if data > 0 {
                TcpPart::Data
            } else {
                TcpPart::Ack
            },
            data,
            retransmission: false,
            sequence: 0,
            acknowledgment: None,
        });
        frame
    }

    fn ends() -> Ends {
        Ends {
            from: "server".into(),
            to: "user".into(),
        }
    }

    #[test]
    fn what_is_sent_again_says_why() {
        let mut loss = Loss::default();
        let again = frame(9, false, (1_000, 1), 100, false);
        assert!(loss.why(&again, &ends()).starts_with("because no"));
        for number in 1..=3 {
            loss.sees(&frame(number, true, (1, 1_000), 0, false));
        }
        assert!(loss.why(&again, &ends()).starts_with("because no"));
        loss.sees(&frame(4, true, (1, 1_000), 0, false));
        assert!(loss.why(&again, &ends()).starts_with("after three"));
        loss.sees(&frame(5, true, (1, 1_100), 0, false));
        assert!(loss.why(&again, &ends()).starts_with("though user has"));
    }

    #[test]
    fn a_reset_without_ack_answers_what_came() {
        let mut loss = Loss::default();
        let reset = frame(9, false, (500, 0), 0, true);
        assert_eq!(loss.answered_by_reset(&reset), None);
        loss.sees(&frame(1, true, (1, 500), 0, false));
        loss.sees(&frame(2, true, (1, 500), 10, false));
        assert_eq!(loss.answered_by_reset(&reset).unwrap(), "packet 2");
        loss.sees(&frame(3, true, (11, 500), 10, false));
        assert_eq!(loss.answered_by_reset(&reset).unwrap(), "what came on it");
    }
}
