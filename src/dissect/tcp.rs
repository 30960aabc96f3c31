//! TCP connections: numbered as Wireshark numbers streams, sequence numbers relative, data in order to the protocol
//! that its first bytes show.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::dns::Messages;
use super::http2::PREFACE;
use super::key_log::KeyLog;
use super::message::{TcpNote, TcpPart};
use super::output::Output;
use super::reassembly::Reassembly;
use super::sequence::Analysis;
use super::tls::Session;
use super::web::Web;
use crate::time::Instant;
use crate::wire::dns;
use crate::wire::http::is_start;
use crate::wire::packet::Segment;
use crate::wire::tls::{RecordHeader, content_type};

/// All connections seen.
#[derive(Debug, Default)]
pub(super) struct Streams {
    list: Vec<Stream>,
    /// The latest stream between two ends, the lower end first.
    by_ends: BTreeMap<(SocketAddr, SocketAddr), usize>,
}

#[derive(Debug)]
struct Stream {
    /// The sender of its first packet.
    opener: SocketAddr,
    /// Sequence number before the first byte of data, per side; the opener is side 0.
    bases: [Option<u32>; 2],
    scales: [Option<u8>; 2],
    /// SYN and SYN-ACK were seen; the ACK that completes the handshake was, or it was passed by.
    syn_ack: bool,
    established: bool,
    analysis: Analysis,
    directions: [Reassembly; 2],
    application: Application,
}

/// What a segment means.
pub(super) struct Dissected {
    pub(super) stream: usize,
    pub(super) note: TcpNote,
}

impl Streams {
    /// Takes a segment that passed at `now`: its fields and what it completes go to `out`. `flags` are the 12 bits
    /// of the header.
    pub(super) fn segment(
        &mut self,
        ends: (SocketAddr, SocketAddr),
        segment: &Segment<'_>,
        flags: u16,
        now: Instant,
        keys: &KeyLog,
        out: &mut Output<'_>,
    ) -> Dissected {
        let index = self.find_or_add(ends, segment);
        let stream = &mut self.list[index];
        let side = usize::from(stream.opener != ends.0);
        let (syn, ack) = (segment.flags.syn(), segment.flags.ack());

        let before_data = segment.sequence.wrapping_sub(u32::from(!syn));
        // The answer to a SYN that was sent again by a server that had forgotten the first one: what counts is the last
        // answer, for Wireshark too.
        if syn && ack && stream.bases[side].is_some_and(|base| base != before_data) {
            stream.bases[side] = Some(before_data);
            stream.directions[side] = Reassembly::default();
            stream.analysis.begins_anew();
        }
        let base = *stream.bases[side].get_or_insert(before_data);
        let acknowledgment = ack.then(|| {
            let number = segment.acknowledgment;
            let base = stream.bases[1 - side].get_or_insert_with(|| number.wrapping_sub(1));
            number.wrapping_sub(*base)
        });
        let sequence = segment.sequence.wrapping_sub(base);
        if syn {
            stream.scales[side] = segment.window_scale;
        }

        let finding = stream.analysis.judge(side, segment, now);
        let data_sequence = sequence.wrapping_add(u32::from(syn));
        let bytes = segment.payload.len();
        let seen = bytes > 0
            && !finding.keep_alive
            && !finding.zero_window_probe
            && stream.directions[side].has_seen(data_sequence, bytes);
        let note = TcpNote {
            part: stream.part(side, segment, sequence, acknowledgment),
            data: bytes,
            retransmission: seen || finding.is_retransmission(),
            sequence,
            acknowledgment,
        };
        push_fields(
            out,
            segment,
            flags,
            index,
            &note,
            stream.window(side, segment),
        );
        finding.push(out);

        // Also after a RST, which the other side may not have believed.
        let Stream {
            directions,
            application,
            ..
        } = stream;
        let ended = directions[side].accept(
            data_sequence,
            segment.payload,
            segment.flags.fin(),
            |data| application.feed(side, data, keys, out),
        );
        if ended {
            application.close(side, out);
        }
        Dissected {
            stream: index,
            note,
        }
    }

    /// The latest stream between two ends, for a packet that only quotes one of its segments.
    pub(super) fn number(&self, ends: (SocketAddr, SocketAddr)) -> Option<usize> {
        self.by_ends.get(&ordered(ends)).copied()
    }

    fn find_or_add(&mut self, ends: (SocketAddr, SocketAddr), segment: &Segment<'_>) -> usize {
        let key = ordered(ends);
        let mut analysis = Analysis::default();
        if let Some(index) = self.by_ends.get(&key) {
            let stream = &self.list[*index];
            let base = stream.bases[usize::from(stream.opener != ends.0)];
            // Wireshark's rule: the same ends begin anew with a SYN of another number.
            let anew = segment.flags.syn()
                && !segment.flags.ack()
                && base.is_some_and(|base| base != segment.sequence);
            if !anew {
                return *index;
            }
            analysis.begins_anew();
        }
        self.list.push(Stream {
            opener: ends.0,
            bases: [None; 2],
            scales: [None; 2],
            syn_ack: false,
            established: false,
            analysis,
            directions: Default::default(),
            application: Application::new(ends),
        });
        let index = self.list.len() - 1;
        self.by_ends.insert(key, index);
        index
    }
}

fn ordered((a, b): (SocketAddr, SocketAddr)) -> (SocketAddr, SocketAddr) {
    if a <= b { (a, b) } else { (b, a) }
}

impl Stream {
    fn part(
        &mut self,
        side: usize,
        segment: &Segment<'_>,
        sequence: u32,
        acknowledgment: Option<u32>,
    ) -> TcpPart {
        let flags = segment.flags;
        if flags.rst() {
            return TcpPart::Reset;
        }
        if flags.syn() {
            self.syn_ack |= flags.ack();
            return if flags.ack() {
                TcpPart::SynAck
            } else {
                TcpPart::Syn
            };
        }
        let completes = self.syn_ack
            && !self.established
            && side == 0
            && sequence == 1
            && acknowledgment == Some(1);
        // Data from the opener completes the handshake too; no later ACK does then.
        self.established |= completes || (side == 0 && !segment.payload.is_empty());
        if !segment.payload.is_empty() {
            TcpPart::Data
        } else if flags.fin() {
            TcpPart::Fin
        } else if completes {
            TcpPart::HandshakeAck
        } else {
            TcpPart::Ack
        }
    }

    /// The window in bytes: scaled when both sides offered it (RFC 7323 §2.2), and never in a SYN.
    fn window(&self, side: usize, segment: &Segment<'_>) -> u64 {
        let scale = match self.scales {
            [Some(_), Some(_)] if !segment.flags.syn() => self.scales[side].unwrap_or(0).min(14),
            _ => 0,
        };
        u64::from(segment.window) << scale
    }
}

fn push_fields(
    out: &mut Output<'_>,
    segment: &Segment<'_>,
    flags: u16,
    stream: usize,
    note: &TcpNote,
    window: u64,
) {
    push_ports(out, segment.source_port, segment.destination_port);
    out.number("tcp.stream", stream as u64);
    out.number("tcp.len", note.data as u64);
    out.number("tcp.seq", note.sequence);
    out.number("tcp.seq_raw", segment.sequence);
    let length = note.data as u32 + u32::from(segment.flags.syn() || segment.flags.fin());
    out.number("tcp.nxtseq", note.sequence.wrapping_add(length));
    out.number("tcp.ack", note.acknowledgment.unwrap_or(0));
    out.number("tcp.ack_raw", segment.acknowledgment);
    out.number("tcp.hdr_len", segment.header_bytes as u64);
    push_flags(out, flags);
    out.number("tcp.window_size_value", segment.window);
    out.number("tcp.window_size", window);
    push_options(
        out,
        segment.mss,
        segment.window_scale,
        segment.sack_permitted,
    );
    if note.data > 0 {
        out.present("tcp.payload");
    }
}

/// `tcp` and its ports.
pub(super) fn push_ports(out: &mut Output<'_>, source: u16, destination: u16) {
    out.present("tcp");
    out.number("tcp.srcport", source);
    out.number("tcp.dstport", destination);
    out.number("tcp.port", source);
    out.number("tcp.port", destination);
}

/// The 12 bits of flags, together and one by one.
pub(super) fn push_flags(out: &mut Output<'_>, flags: u16) {
    out.number("tcp.flags", flags);
    for (name, bit) in [
        ("tcp.flags.cwr", 0x80),
        ("tcp.flags.ece", 0x40),
        ("tcp.flags.urg", 0x20),
        ("tcp.flags.ack", 0x10),
        ("tcp.flags.push", 0x08),
        ("tcp.flags.reset", 0x04),
        ("tcp.flags.syn", 0x02),
        ("tcp.flags.fin", 0x01),
    ] {
        out.flag(name, flags & bit != 0);
    }
}

/// The options of a SYN.
pub(super) fn push_options(
    out: &mut Output<'_>,
    mss: Option<u16>,
    window_scale: Option<u8>,
    sack_permitted: bool,
) {
    if let Some(mss) = mss {
        out.number("tcp.options.mss_val", mss);
    }
    if let Some(shift) = window_scale {
        out.number("tcp.options.wscale.shift", shift);
    }
    if sack_permitted {
        out.present("tcp.options.sack_perm");
    }
}

/// What a connection carries, told by the first bytes of either side.
#[derive(Debug)]
struct Application {
    /// Whether it uses a port of HTTP. Elsewhere HTTP/2 in clear is not looked for: its preface is of no use to a
    /// server that does not expect it, and Wireshark passes over it too.
    http_port: bool,
    /// DNS, on whose port nothing else is looked for: one side each.
    dns: Option<[Messages; 2]>,
    starts: [Start; 2],
    tls: Option<Box<Session>>,
    web: Option<Box<Web>>,
}

#[derive(Debug)]
enum Start {
    /// Too few bytes to tell.
    Open(Vec<u8>),
    Tls,
    Http,
    Other,
}

impl Default for Start {
    fn default() -> Self {
        Self::Open(Vec::new())
    }
}

/// Wireshark's default for the preference `http.tcp.port`.
const HTTP_PORTS: [u16; 10] = [80, 1900, 2710, 2869, 3128, 3132, 5985, 8080, 8088, 11371];

impl Application {
    fn new((from, to): (SocketAddr, SocketAddr)) -> Self {
        Self {
            http_port: [from, to]
                .iter()
                .any(|end| HTTP_PORTS.contains(&end.port())),
            dns: [from, to]
                .iter()
                .any(|end| end.port() == dns::PORT)
                .then(Default::default),
            starts: Default::default(),
            tls: None,
            web: None,
        }
    }

    fn feed(&mut self, side: usize, data: &[u8], keys: &KeyLog, out: &mut Output<'_>) {
        if let Some(dns) = &mut self.dns {
            return dns[side].feed(data, out);
        }
        // As in Wireshark, what one side speaks is spoken by both: a TLS alert is no answer to a request in plain text.
        let other_speaks_http = matches!(self.starts[1 - side], Start::Http);
        match &mut self.starts[side] {
            Start::Other => {}
            Start::Tls => self
                .tls
                .get_or_insert_with(|| Box::new(Session::new()))
                .feed(side, data, keys, out),
            Start::Http => self
                .web
                .get_or_insert_with(|| Box::new(Web::new(false)))
                .feed(side, data, out),
            Start::Open(buffer) => {
                buffer.extend_from_slice(data);
                // A client that knows its server speaks HTTP/2 says so first; only then does the server answer.
                let is_http2 = self.web.as_ref().is_some_and(|w| w.is_http2());
                let is_http = match is_preface(buffer) {
                    None | Some(true) if self.http_port => is_preface(buffer),
                    None | Some(_) => is_start(buffer),
                };
                let known = match (is_tls(buffer), is_http) {
                    _ if is_http2 || other_speaks_http => Start::Http,
                    (Some(true), _) => Start::Tls,
                    (_, Some(true)) => Start::Http,
                    (Some(false), Some(false)) => Start::Other,
                    _ => return,
                };
                let buffered = std::mem::take(buffer);
                self.starts[side] = known;
                self.feed(side, &buffered, keys, out);
            }
        }
    }

    fn close(&mut self, side: usize, out: &mut Output<'_>) {
        match &self.starts[side] {
            Start::Tls => {
                if let Some(tls) = &mut self.tls {
                    tls.close(side, out);
                }
            }
            Start::Http => {
                if let Some(web) = &mut self.web {
                    web.close(side, out);
                }
            }
            Start::Open(_) | Start::Other => {}
        }
    }
}

/// Whether a stream that begins with `bytes` is HTTP/2's; `None` while they are too few to tell.
fn is_preface(bytes: &[u8]) -> Option<bool> {
    match (bytes.starts_with(PREFACE), PREFACE.starts_with(bytes)) {
        (true, _) => Some(true),
        (false, true) => None,
        (false, false) => Some(false),
    }
}

/// Whether a stream that begins with `bytes` is TLS: a handshake record, or an alert that answers something else.
/// `None` while they are too few to tell.
fn is_tls(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [] | [content_type::HANDSHAKE | content_type::ALERT] => None,
        [content_type::HANDSHAKE, major, ..] => Some(*major == 3),
        [content_type::ALERT, 3, ..] => {
            RecordHeader::read(bytes).map(|h| h.is_plausible() && h.length == 2)
        }
        _ => Some(false),
    }
}
