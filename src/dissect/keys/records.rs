//! TLS records out of the packets of a capture.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::dissect::message::{Frame, TcpPart};
use crate::dissect::reassembly::Reassembly;
use crate::wire::packet::{Packet, Transport};
use crate::wire::tls::{RecordHeader, content_type};

/// A TCP stream that carries TLS.
pub(super) struct Stream {
    /// As Wireshark's `tcp.stream`.
    pub(super) number: usize,
    /// Opener and the other end.
    pub(super) ends: [SocketAddr; 2],
    /// Records of both directions, in the order in which they were complete.
    pub(super) records: Vec<Record>,
}

/// A record as it was on the wire.
pub(super) struct Record {
    /// 0 when the opener sent it.
    pub(super) side: usize,
    /// The frame that completes it.
    pub(super) frame: usize,
    pub(super) header: RecordHeader,
    pub(super) fragment: Vec<u8>,
}

struct Reading {
    stream: Stream,
    directions: [Reassembly; 2],
    bytes: [Vec<u8>; 2],
    kinds: [Kind; 2],
    reset: bool,
}

/// What the bytes of a direction are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Tls,
    Other,
}

/// The streams that begin with TLS, in the order of their numbers.
pub(super) fn tls_streams(frames: &[Frame]) -> Vec<Stream> {
    let mut all: BTreeMap<usize, Reading> = BTreeMap::new();
    for frame in frames {
        let (Some(number), Some(note)) = (frame.stream, &frame.tcp) else {
            continue;
        };
        let reading = all.entry(number).or_insert_with(|| Reading {
            stream: Stream {
                number,
                ends: [frame.source, frame.destination],
                records: Vec::new(),
            },
            directions: Default::default(),
            bytes: Default::default(),
            kinds: [Kind::Unknown; 2],
            reset: false,
        });
        let Some(packet) = Packet::read(&frame.bytes) else {
            continue;
        };
        let Transport::Tcp(segment) = &packet.transport else {
            continue;
        };
        if !reading.reset {
            let side = usize::from(reading.stream.ends[0] != frame.source);
            let sequence = note.sequence.wrapping_add(u32::from(segment.flags.syn()));
            let Reading {
                directions, bytes, ..
            } = reading;
            directions[side].accept(sequence, segment.payload, segment.flags.fin(), |data| {
                bytes[side].extend_from_slice(data);
            });
            reading.cut(side, frame.number);
        }
        reading.reset |= note.part == TcpPart::Reset;
    }
    let streams = all.into_values().map(|r| r.stream);
    streams.filter(|s| !s.records.is_empty()).collect()
}

impl Reading {
    /// Takes whole records from the front.
    fn cut(&mut self, side: usize, frame: usize) {
        let bytes = std::mem::take(&mut self.bytes[side]);
        if self.kinds[side] == Kind::Other {
            return;
        }
        let mut rest = bytes.as_slice();
        while let Some(header) = RecordHeader::read(rest) {
            let begins = matches!(
                header.content_type,
                content_type::HANDSHAKE | content_type::ALERT
            );
            if !header.is_plausible() || (self.kinds[side] == Kind::Unknown && !begins) {
                self.kinds[side] = Kind::Other;
                return;
            }
            self.kinds[side] = Kind::Tls;
            let Some(fragment) = rest[RecordHeader::BYTES..].get(..header.length) else {
                break;
            };
            self.stream.records.push(Record {
                side,
                frame,
                header,
                fragment: fragment.to_vec(),
            });
            rest = &rest[RecordHeader::BYTES + header.length..];
        }
        self.bytes[side] = rest.to_vec();
    }
}
