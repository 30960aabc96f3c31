//! HTTP/2 in both directions of one connection (RFC 9113): frames, and the requests and responses that their header
//! blocks are. The bytes come in order, from TLS or, by prior knowledge, from TCP.

use std::collections::BTreeMap;

use super::field::Value;
use super::hpack::{Block, Decoder};
use super::message::{Http2Kind, Http2Message, HttpHead, Message};
use super::output::Output;

mod fields;

/// What a client sends before its first frame (§3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest frame, other than DATA, and the longest header block that is put together.
const LONGEST_FRAME: usize = 1024 * 1024;

/// Bytes before the payload of a frame.
const HEADER_BYTES: usize = 9;

/// Types of frames (§6).
pub(super) mod kind {
    pub(in crate::dissect) const DATA: u8 = 0;
    pub(in crate::dissect) const HEADERS: u8 = 1;
    pub(in crate::dissect) const PRIORITY: u8 = 2;
    pub(in crate::dissect) const RST_STREAM: u8 = 3;
    pub(in crate::dissect) const SETTINGS: u8 = 4;
    pub(in crate::dissect) const PUSH_PROMISE: u8 = 5;
    pub(in crate::dissect) const PING: u8 = 6;
    pub(in crate::dissect) const GOAWAY: u8 = 7;
    pub(in crate::dissect) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::dissect) const CONTINUATION: u8 = 9;
}

/// Flags of frames (§6).
mod flag {
    /// Of SETTINGS and PING.
    pub(super) const ACK: u8 = 0x1;
    /// Of DATA and HEADERS.
    pub(super) const END_STREAM: u8 = 0x1;
    pub(super) const END_HEADERS: u8 = 0x4;
    pub(super) const PADDED: u8 = 0x8;
    pub(super) const PRIORITY: u8 = 0x20;
}

/// Both directions of an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Conversation {
    inside_tls: bool,
    client: usize,
    sides: [Side; 2],
}

#[derive(Debug, Default)]
struct Side {
    /// The preface is behind, or there is none.
    begun: bool,
    /// Bytes of a frame that is not whole.
    buffer: Vec<u8>,
    /// A DATA frame whose payload is passing by: its head, its first byte, the bytes still to come.
    data: Option<(FrameHead, u8, usize)>,
    /// A header block that goes on in CONTINUATION.
    block: Option<Pending>,
    decoder: Decoder,
    /// Not HTTP/2, or not to be understood.
    lost: bool,
}

/// A header block so far.
#[derive(Debug)]
struct Pending {
    stream: u32,
    /// Promised, and so to be told as PUSH_PROMISE.
    promised: Option<u32>,
    bytes: Vec<u8>,
}

/// The nine bytes before each payload (§4.1).
#[derive(Debug, Clone, Copy)]
struct FrameHead {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl FrameHead {
    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        Some(Self {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        })
    }

    const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl Conversation {
    /// A connection whose client is `client`.
    pub(super) fn new(inside_tls: bool, client: usize) -> Self {
        let mut sides: [Side; 2] = Default::default();
        sides[1 - client].begun = true;
        Self {
            inside_tls,
            client,
            sides,
        }
    }

    /// Takes the next bytes that `side` sent.
    pub(super) fn feed(&mut self, side: usize, mut data: &[u8], out: &mut Output<'_>) {
        while !data.is_empty() && !self.sides[side].lost {
            let this = &mut self.sides[side];
            if let Some((head, first, left)) = this.data {
                let n = left.min(data.len());
                data = &data[n..];
                this.data = Some((head, first, left - n));
                if left == n {
                    this.data = None;
                    self.data(head, first, out);
                }
                continue;
            }
            let wanted = this.wanted();
            let n = (wanted - this.buffer.len()).min(data.len());
            this.buffer.extend_from_slice(&data[..n]);
            data = &data[n..];
            if this.buffer.len() == wanted && wanted == this.wanted() {
                let bytes = std::mem::take(&mut self.sides[side].buffer);
                self.whole(side, &bytes, out);
            }
        }
    }

    /// A preface or a frame is whole, or the head and first byte of DATA are.
    fn whole(&mut self, side: usize, bytes: &[u8], out: &mut Output<'_>) {
        let this = &mut self.sides[side];
        if !this.begun {
            this.begun = true;
            if bytes != PREFACE {
                this.lost = true;
                return;
            }
            self.present(out);
            out.present("http2.stream");
            out.text("http2.magic", &String::from_utf8_lossy(PREFACE));
            return self.tell(0, Http2Kind::Preface, out);
        }
        let Some(head) = FrameHead::read(bytes) else {
            return;
        };
        let payload = &bytes[HEADER_BYTES..];
        if this.block.is_some() && head.kind != kind::CONTINUATION {
            // RFC 9113 §6.10: nothing comes between the pieces of a header block.
            this.lost = true;
            return;
        }
        if head.kind == kind::DATA {
            let first = payload.first().copied().unwrap_or(0);
            let left = head.length - payload.len();
            if left > 0 {
                this.data = Some((head, first, left));
                return;
            }
            return self.data(head, first, out);
        }
        if head.length > LONGEST_FRAME {
            this.lost = true;
            return;
        }
        self.present(out);
        fields::head(head, out);
        self.frame(side, head, payload, out);
    }

    fn data(&self, head: FrameHead, first: u8, out: &mut Output<'_>) {
        self.present(out);
        fields::head(head, out);
        let padding = if head.has(flag::PADDED) {
            1 + usize::from(first)
        } else {
            0
        };
        let pad_length = if head.has(flag::PADDED) { first } else { 0 };
        out.number("http2.pad_length", pad_length);
        let told = Http2Kind::Data {
            bytes: head.length.saturating_sub(padding),
            end: head.has(flag::END_STREAM),
        };
        self.tell(head.stream, told, out);
    }

    fn frame(&mut self, side: usize, head: FrameHead, payload: &[u8], out: &mut Output<'_>) {
        let told =
            match head.kind {
                kind::HEADERS | kind::PUSH_PROMISE => {
                    return self.header_block(side, head, payload, out);
                }
                kind::CONTINUATION => return self.continuation(side, head, payload, out),
                kind::PRIORITY => fields::priority(payload, out).map(|()| Http2Kind::Priority),
                kind::RST_STREAM => word(payload).map(|error| {
                    out.number("http2.rst_stream.error", error);
                    Http2Kind::RstStream { error }
                }),
                kind::SETTINGS => Some(Http2Kind::Settings {
                    ack: head.has(flag::ACK),
                    values: fields::settings(payload, out),
                }),
                kind::PING => {
                    let ack = head.has(flag::ACK);
                    let name = if ack { "http2.pong" } else { "http2.ping" };
                    out.fields.push(name, Value::Bytes(payload.to_vec()));
                    Some(Http2Kind::Ping { ack })
                }
                kind::GOAWAY => word(payload).zip(payload.get(4..).and_then(word)).map(
                    |(last_stream, error)| {
                        let last_stream = last_stream & 0x7fff_ffff;
                        out.number("http2.goaway.last_stream_id", last_stream);
                        out.number("http2.goaway.error", error);
                        Http2Kind::GoAway { last_stream, error }
                    },
                ),
                kind::WINDOW_UPDATE => word(payload).map(|increment| {
                    let increment = increment & 0x7fff_ffff;
                    out.number("http2.window_update.window_size_increment", increment);
                    Http2Kind::WindowUpdate { increment }
                }),
                _ => None,
            };
        let told = told.unwrap_or(Http2Kind::Other(head.kind));
        self.tell(head.stream, told, out);
    }

    /// HEADERS or PUSH_PROMISE: the block, without padding, priority and the promised stream.
    fn header_block(&mut self, side: usize, head: FrameHead, payload: &[u8], out: &mut Output<'_>) {
        let mut block = payload;
        let mut padding = 0;
        let mut well_formed = true;
        if head.has(flag::PADDED)
            && let Some((first, rest)) = block.split_first()
        {
            padding = usize::from(*first);
            block = rest;
        }
        out.number("http2.pad_length", padding as u64);
        let mut promised = None;
        if head.kind == kind::PUSH_PROMISE {
            promised = word(block).map(|n| n & 0x7fff_ffff);
            well_formed &= promised.is_some();
            block = block.get(4..).unwrap_or_default();
            if let Some(promised) = promised {
                out.number("http2.push_promise.promised_stream_id", promised);
            }
        } else if head.has(flag::PRIORITY) {
            well_formed &= fields::priority(block, out).is_some();
            block = block.get(5..).unwrap_or_default();
        }
        let length = block.len().checked_sub(padding);
        let Some(length) = length.filter(|_| well_formed) else {
            self.sides[side].lost = true;
            return self.tell(head.stream, Http2Kind::Other(head.kind), out);
        };
        let pending = Pending {
            stream: head.stream,
            promised,
            bytes: block[..length].to_vec(),
        };
        if head.has(flag::END_HEADERS) {
            return self.block(side, pending, out);
        }
        self.tell(head.stream, Http2Kind::HeadersBegin, out);
        self.sides[side].block = Some(pending);
    }

    fn continuation(&mut self, side: usize, head: FrameHead, payload: &[u8], out: &mut Output<'_>) {
        out.number("http2.pad_length", 0_u64);
        let this = &mut self.sides[side];
        let pending = this.block.take().filter(|p| p.stream == head.stream);
        let Some(mut pending) = pending.filter(|p| p.bytes.len() + payload.len() <= LONGEST_FRAME)
        else {
            this.lost = true;
            return self.tell(head.stream, Http2Kind::Other(head.kind), out);
        };
        pending.bytes.extend_from_slice(payload);
        if head.has(flag::END_HEADERS) {
            return self.block(side, pending, out);
        }
        this.block = Some(pending);
        self.tell(head.stream, Http2Kind::HeadersBegin, out);
    }

    /// A header block is whole.
    fn block(&mut self, side: usize, pending: Pending, out: &mut Output<'_>) {
        let Some(Block { headers, updates }) = self.sides[side].decoder.decode(&pending.bytes)
        else {
            // The table is not known from here on, and so no header that comes after it.
            self.sides[side].lost = true;
            return self.tell(pending.stream, Http2Kind::Headers, out);
        };
        fields::headers(&headers, &updates, out);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<_> = headers.iter().map(|(n, v)| (text(n), text(v))).collect();
        let pseudo: BTreeMap<&str, &str> = headers
            .iter()
            .filter(|(n, _)| n.starts_with(':'))
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let value = |name| pseudo.get(name).map_or(String::new(), |v| (*v).to_owned());
        let head = HttpHead {
            inside_tls: self.inside_tls,
            stream: Some(pending.stream),
            method: value(":method"),
            // CONNECT has no path (§8.5).
            target: if pseudo.contains_key(":path") {
                value(":path")
            } else {
                value(":authority")
            },
            status: value(":status").parse().unwrap_or(0),
            bytes: pending.bytes.len(),
            headers: headers.clone(),
        };
        if let Some(promised) = pending.promised {
            let told = Http2Kind::PushPromise { promised };
            return self.tell(pending.stream, told, out);
        }
        if let (Some(scheme), Some(authority), Some(path)) = (
            pseudo.get(":scheme"),
            pseudo.get(":authority"),
            pseudo.get(":path"),
        ) {
            let uri = format!("{scheme}://{authority}{path}");
            out.text("http2.request.full_uri", &uri);
        }
        let by_client = side == self.client;
        if by_client && !head.method.is_empty() {
            out.messages.push(Message::HttpRequest(head));
        } else if !by_client && head.status != 0 {
            out.messages.push(Message::HttpResponse(head));
        } else {
            // Trailers (§8.1).
            self.tell(pending.stream, Http2Kind::Headers, out);
        }
    }

    fn present(&self, out: &mut Output<'_>) {
        if !out.fields.has("http2") {
            out.present("http2");
        }
    }

    fn tell(&self, stream: u32, kind: Http2Kind, out: &mut Output<'_>) {
        out.messages.push(Message::Http2(Http2Message {
            inside_tls: self.inside_tls,
            stream,
            kind,
        }));
    }
}

impl Side {
    /// Bytes that the buffer must hold before anything can be said: the preface; a frame's head; with it the frame,
    /// of DATA the first byte only.
    fn wanted(&self) -> usize {
        if !self.begun {
            return PREFACE.len();
        }
        match FrameHead::read(&self.buffer) {
            None => HEADER_BYTES,
            Some(head) if head.kind == kind::DATA => HEADER_BYTES + head.length.min(1),
            // Refused as soon as it is seen, not when it is whole.
            Some(head) if head.length > LONGEST_FRAME => HEADER_BYTES,
            Some(head) => HEADER_BYTES + head.length,
        }
    }
}

/// The first four bytes as a number.
fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|b| u32::from_be_bytes(*b))
}
