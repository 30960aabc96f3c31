//! HTTP/1 in both directions of one connection: heads, where bodies end, which request a response answers. The
//! bytes come in order, from TCP or from TLS.

use std::collections::VecDeque;

use super::field::{Field, Value};
use super::message::{HttpHead, Message};
use super::output::Output;
use crate::wire::http::{BodyLength, Head, LONGEST_HEAD, StartLine, head_length, is_start};

/// Requests without a response that are remembered, and the longest line before a chunk.
const MOST_PIPELINED: usize = 1024;
const LONGEST_LINE: usize = 8 * 1024;

/// Both directions of a connection that may carry HTTP/1.
#[derive(Debug)]
pub(super) struct Conversation {
    inside_tls: bool,
    sides: [Side; 2],
    /// Methods of the requests that wait for a response.
    methods: VecDeque<String>,
}

#[derive(Debug, Default)]
struct Side {
    state: State,
    /// The head so far, or the line before a chunk.
    buffer: Vec<u8>,
    searched: usize,
    pending: Option<Pending>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte: it may be something else.
    #[default]
    Undecided,
    Head,
    Bytes(u64),
    ChunkSize,
    /// Bytes of the chunk that are still to come.
    ChunkData(u64),
    /// The line end after a chunk.
    ChunkEnd,
    Trailer,
    UntilClose,
    /// Never began as HTTP, on a connection whose other side did: Wireshark's "Continuation".
    Strange,
    /// Not HTTP, or no longer.
    Other,
}

/// A message whose head is read and whose body is not.
#[derive(Debug)]
struct Pending {
    fields: Vec<Field>,
    /// Number of the frame that completed the head.
    frame: usize,
    body_bytes: usize,
}

impl Conversation {
    pub(super) fn new(inside_tls: bool) -> Self {
        Self {
            inside_tls,
            sides: Default::default(),
            methods: VecDeque::new(),
        }
    }

    /// Takes the next bytes that `side` sent.
    pub(super) fn feed(&mut self, side: usize, mut data: &[u8], out: &mut Output<'_>) {
        while !data.is_empty() {
            let this = &mut self.sides[side];
            match this.state {
                State::Other => return,
                State::Strange => return out.present("http"),
                State::Undecided => {
                    this.buffer.extend_from_slice(data);
                    match is_start(&this.buffer) {
                        None => return,
                        Some(true) => this.state = State::Head,
                        Some(false) if self.inside_tls => this.state = State::Other,
                        Some(false) => this.state = State::Strange,
                    }
                    let buffered = std::mem::take(&mut this.buffer);
                    return self.feed(side, &buffered, out);
                }
                State::Head => {
                    if this.buffer.is_empty() && matches!(data[0], b'\r' | b'\n') {
                        data = &data[1..];
                        continue;
                    }
                    this.buffer.extend_from_slice(data);
                    let Some(length) = head_length(&this.buffer, this.searched) else {
                        this.searched = this.buffer.len();
                        if this.searched > LONGEST_HEAD {
                            *this = Side::other();
                        }
                        return;
                    };
                    let rest = this.buffer.split_off(length);
                    let head = std::mem::take(&mut this.buffer);
                    this.searched = 0;
                    self.head(side, &head, out);
                    return self.feed(side, &rest, out);
                }
                State::Bytes(left) => {
                    let body = take(&mut data, left);
                    let left = left - body.len() as u64;
                    self.body(side, body.len());
                    self.sides[side].state = State::Bytes(left);
                    if left == 0 {
                        self.end(side, out);
                    }
                }
                State::ChunkData(left) => {
                    let body = take(&mut data, left);
                    let left = left - body.len() as u64;
                    self.body(side, body.len());
                    self.sides[side].state = if left == 0 {
                        State::ChunkEnd
                    } else {
                        State::ChunkData(left)
                    };
                }
                State::ChunkSize => {
                    if let Some(line) = this.line(&mut data) {
                        this.state = match chunk_size(&line) {
                            Some(0) => State::Trailer,
                            Some(n) => State::ChunkData(n),
                            None => State::Other,
                        };
                    }
                }
                State::ChunkEnd => {
                    if this.line(&mut data).is_some() {
                        this.state = State::ChunkSize;
                    }
                }
                State::Trailer => {
                    if this.line(&mut data).is_some_and(|line| line.is_empty()) {
                        self.end(side, out);
                    }
                }
                State::UntilClose => {
                    self.body(side, data.len());
                    return;
                }
            }
        }
    }

    /// No more bytes come from `side`.
    pub(super) fn close(&mut self, side: usize, out: &mut Output<'_>) {
        if self.sides[side].state == State::UntilClose {
            if self.inside_tls {
                // Wireshark reassembles such a body until FIN only outside TLS, and shows no fields inside.
                if let Some(pending) = &mut self.sides[side].pending {
                    pending.fields.clear();
                }
            }
            self.end(side, out);
        }
        self.sides[side].state = State::Other;
    }

    fn head(&mut self, side: usize, bytes: &[u8], out: &mut Output<'_>) {
        let Some(head) = Head::read(bytes) else {
            self.sides[side] = Side::other();
            return;
        };
        let (mut method, mut target, mut status_code) = (String::new(), String::new(), 0);
        let mut answered = None;
        match &head.start {
            StartLine::Request {
                method: m,
                target: t,
                ..
            } => {
                (method, target) = (m.clone(), t.clone());
                if self.methods.len() < MOST_PIPELINED {
                    self.methods.push_back(m.clone());
                }
            }
            StartLine::Response { status, .. } => {
                status_code = *status;
                // An interim response leaves the request waiting (RFC 9110 §15.2).
                answered = if matches!(status, 100 | 102..=199) {
                    self.methods.front().cloned()
                } else {
                    self.methods.pop_front()
                };
            }
        }
        let length = head.body_length(answered.as_deref());
        let fields = fields(&head, self.inside_tls);
        let is_request = status_code == 0;
        let note = HttpHead {
            inside_tls: self.inside_tls,
            stream: None,
            method,
            target,
            status: status_code,
            headers: head.headers,
            bytes: bytes.len(),
        };
        out.messages.push(if is_request {
            Message::HttpRequest(note)
        } else {
            Message::HttpResponse(note)
        });
        self.sides[side].pending = Some(Pending {
            fields,
            frame: out.frame,
            body_bytes: 0,
        });
        match length {
            BodyLength::Bytes(0) => self.end(side, out),
            BodyLength::Bytes(n) => self.sides[side].state = State::Bytes(n),
            BodyLength::Chunked => self.sides[side].state = State::ChunkSize,
            BodyLength::UntilClose => self.sides[side].state = State::UntilClose,
            BodyLength::Tunnel => {
                self.end(side, out);
                self.sides = [Side::other(), Side::other()];
            }
        }
    }

    fn body(&mut self, side: usize, bytes: usize) {
        if let Some(pending) = &mut self.sides[side].pending {
            pending.body_bytes += bytes;
        }
    }

    /// The message of `side` is complete.
    fn end(&mut self, side: usize, out: &mut Output<'_>) {
        self.sides[side].state = State::Head;
        if let Some(pending) = self.sides[side].pending.take() {
            out.fields.0.extend(pending.fields);
            if pending.frame != out.frame {
                out.messages.push(Message::HttpBodyEnd {
                    inside_tls: self.inside_tls,
                    bytes: pending.body_bytes,
                });
            }
        }
    }
}

impl Side {
    fn other() -> Self {
        Self {
            state: State::Other,
            ..Self::default()
        }
    }

    /// The next line, without its end; `None` when it is not whole, and the data is then taken.
    fn line(&mut self, data: &mut &[u8]) -> Option<Vec<u8>> {
        let end = data.iter().position(|b| *b == b'\n');
        let (head, rest) = data.split_at(end.map_or(data.len(), |i| i + 1));
        *data = rest;
        self.buffer.extend_from_slice(head);
        if end.is_none() {
            if self.buffer.len() > LONGEST_LINE {
                *self = Self::other();
            }
            return None;
        }
        let mut line = std::mem::take(&mut self.buffer);
        line.pop();
        line.pop_if(|b| *b == b'\r');
        Some(line)
    }
}

fn take<'a>(data: &mut &'a [u8], most: u64) -> &'a [u8] {
    let n = usize::try_from(most).map_or(data.len(), |most| most.min(data.len()));
    let (head, rest) = data.split_at(n);
    *data = rest;
    head
}

/// The size before a chunk, extensions left out (RFC 9112 §7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).ok()
}

/// Wireshark's field for a header.
const HEADER_FIELDS: &[(&str, &str)] = &[
    ("host", "http.host"),
    ("user-agent", "http.user_agent"),
    ("x-forwarded-for", "http.x_forwarded_for"),
    ("server", "http.server"),
    ("content-type", "http.content_type"),
    ("content-length", "http.content_length_header"),
    ("connection", "http.connection"),
    ("date", "http.date"),
    ("transfer-encoding", "http.transfer_encoding"),
    ("location", "http.location"),
    ("cookie", "http.cookie"),
    ("set-cookie", "http.set_cookie"),
    ("accept", "http.accept"),
    ("accept-language", "http.accept_language"),
    ("accept-encoding", "http.accept_encoding"),
    ("referer", "http.referer"),
    ("cache-control", "http.cache_control"),
    ("authorization", "http.authorization"),
    ("proxy-authorization", "http.proxy_authorization"),
    ("www-authenticate", "http.www_authenticate"),
    ("content-encoding", "http.content_encoding"),
    ("upgrade", "http.upgrade"),
    ("last-modified", "http.last_modified"),
];

fn fields(head: &Head, inside_tls: bool) -> Vec<Field> {
    let mut fields = Vec::with_capacity(8 + 2 * head.headers.len());
    let mut push = |name, value| fields.push(Field { name, value });
    let text = |t: &str| Value::Text(t.into());
    push("http", Value::Present);
    let line = match &head.start {
        StartLine::Request {
            method,
            target,
            version,
        } => {
            push("http.request.method", text(method));
            push("http.request.uri", text(target));
            if !version.is_empty() {
                push("http.request.version", text(version));
            }
            push("http.request", Value::Flag(true));
            if let Some(host) = head.header("host").filter(|_| target.starts_with('/')) {
                let scheme = if inside_tls { "https" } else { "http" };
                let uri = format!("{scheme}://{host}{target}");
                push("http.request.full_uri", Value::Text(uri));
            }
            "http.request.line"
        }
        StartLine::Response {
            version,
            status,
            phrase,
        } => {
            push("http.response.version", text(version));
            push("http.response.code", Value::Number(u64::from(*status)));
            push("http.response.phrase", text(phrase));
            push("http.response", Value::Flag(true));
            "http.response.line"
        }
    };
    for (name, value) in &head.headers {
        push(line, Value::Text(format!("{name}: {value}\r\n")));
        let known = HEADER_FIELDS
            .iter()
            .find(|(header, _)| name.eq_ignore_ascii_case(header));
        if let Some((header, field)) = known {
            push(field, text(value));
            if let ("content-length", Ok(n)) = (*header, value.parse()) {
                push("http.content_length", Value::Number(n));
            }
        }
    }
    fields
}

#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and panics at the rest"
)]
mod tests {
    use super::*;
    use crate::dissect::field::Fields;

    /// Feeds the pieces one frame each; per frame the messages' names and the codes or targets in fields.
    fn run(pieces: &[(usize, &str)]) -> Vec<(Vec<String>, Vec<String>)> {
        let mut conversation = Conversation::new(false);
        let mut frames = Vec::new();
        for (i, (side, piece)) in pieces.iter().enumerate() {
            let (mut fields, mut messages) = (Fields::default(), Vec::new());
            let mut out = Output {
                frame: i + 1,
                fields: &mut fields,
                messages: &mut messages,
                unsealed: &mut Vec::new(),
            };
            if piece.is_empty() {
                conversation.close(*side, &mut out);
            } else {
                conversation.feed(*side, piece.as_bytes(), &mut out);
            }
            let told = messages
                .iter()
                .map(|m| match m {
                    Message::HttpRequest(h) => h.target.clone(),
                    Message::HttpResponse(h) => h.status.to_string(),
                    Message::HttpBodyEnd { bytes, .. } => format!("end {bytes}"),
                    other => panic!("{other:?}"),
                })
                .collect();
            let known = ["http.request.uri", "http.response.code"]
                .iter()
                .flat_map(|name| fields.all(name))
                .map(|v| match v {
                    Value::Text(t) => t.clone(),
                    Value::Number(n) => n.to_string(),
                    other => panic!("{other:?}"),
                })
                .collect();
            frames.push((told, known));
        }
        frames
    }

    fn frame(told: &[&str], known: &[&str]) -> (Vec<String>, Vec<String>) {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        (own(told), own(known))
    }

    #[test]
    fn fields_stand_where_the_body_ends() {
        let frames = run(&[
            (0, "GET /a HTTP/1.1\r\n\r\nGET /b HT"),
            (0, "TP/1.1\r\n\r\n"),
            (1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"),
            (1, "loHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        ]);
        assert_eq!(
            frames,
            [
                frame(&["/a"], &["/a"]),
                frame(&["/b"], &["/b"]),
                frame(&["200"], &[]),
                frame(&["end 5", "404"], &["200", "404"]),
            ]
        );
    }

    #[test]
    fn chunks_count_without_their_frames_and_however_cut() {
        let whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        for cut in 1..whole.len() {
            let frames = run(&[(1, &whole[..cut]), (1, &whole[cut..])]);
            let told: Vec<_> = frames.iter().flat_map(|f| f.0.clone()).collect();
            let head = whole.find("5;x").unwrap();
            let end = whole.find("HTTP/1.1 204").unwrap();
            if (head..end).contains(&cut) {
                assert_eq!(told, ["200", "end 15", "204"], "cut at {cut}");
            } else {
                assert_eq!(told, ["200", "204"], "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_response_to_head_has_no_body_and_an_interim_one_keeps_the_request() {
        let frames = run(&[
            (0, "HEAD /h HTTP/1.1\r\n\r\n"),
            (1, "HTTP/1.1 103 Early Hints\r\n\r\n"),
            (1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
            (1, "HTTP/1.1 200 OK\r\n\r\nuntil"),
            (1, " close"),
            (1, ""),
        ]);
        assert_eq!(frames[1], frame(&["103"], &["103"]));
        assert_eq!(frames[2], frame(&["200"], &["200"]));
        assert_eq!(frames[3], frame(&["200"], &[]));
        assert_eq!(frames[5], frame(&["end 11"], &["200"]));
    }

    #[test]
    fn after_101_it_is_something_else() {
        let frames = run(&[
            (0, "GET /ws HTTP/1.1\r\nUpgrade: x\r\n\r\n"),
            (
                1,
                "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            ),
            (0, "GET /inside HTTP/1.1\r\n\r\n"),
        ]);
        assert_eq!(frames[1], frame(&["101"], &["101"]));
        assert_eq!(frames[2], frame(&[], &[]));
    }

    #[test]
    fn what_does_not_begin_as_http_is_passed_over() {
        let frames = run(&[(0, "PRI * HTTP/2.0\r\n\r\n"), (0, "GET / HTTP/1.1\r\n\r\n")]);
        assert!(frames.iter().all(|f| *f == frame(&[], &[])));
    }

    #[test]
    fn every_header_field_is_known() {
        for (_, name) in HEADER_FIELDS {
            assert!(crate::dissect::field::kind(name).is_some(), "{name}");
        }
    }
}
