//! HTTP applications.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::tls::config::ServerTls;

/// An HTTP application.
#[derive(Debug, Clone)]
pub struct App {
    /// Where it listens.
    pub port: u16,
    /// How it speaks TLS; `None` for plain HTTP.
    pub tls: Option<Box<ServerTls>>,
    /// Whether it speaks HTTP/2: over TLS with those who agree to it by ALPN, in plain text with everybody, by prior
    /// knowledge.
    pub http2: bool,
    /// Streams of an HTTP/2 connection that may be open at once (SETTINGS_MAX_CONCURRENT_STREAMS), where it says.
    pub streams: Option<u32>,
    /// How long it works on a request, where the answer does not say otherwise.
    pub takes: Duration,
    /// What it answers, by path; other paths get 404. A path that ends in `*` stands for all that begin so.
    pub routes: BTreeMap<String, Route>,
    /// The names it answers to, as in "your-app.com" and "*.your-app.com". Empty: to any.
    pub hosts: Vec<String>,
    /// What requests for other names get.
    pub default_server: Reply,
    /// Whether it sends those who came by plain HTTP to https.
    pub https_only: Option<HttpsOnly>,
    /// How long it keeps a connection without a request.
    pub keep_alive: KeepAlive,
    /// How long the head of a request may take, where there is a limit.
    pub header_timeout: Option<Duration>,
    /// The longest head of a request, in bytes.
    pub header_limit: usize,
    /// How many connections are served at once, where there is a limit: others wait until one ends.
    pub workers: Option<usize>,
    /// Room for connections that nobody has accepted yet, as `listen(2)` has it.
    pub backlog: usize,
    /// How it reads a request with both `Content-Length` and `Transfer-Encoding`.
    pub believes: Believes,
    /// What it does when it is told to end.
    pub on_sigterm: OnSigterm,
    /// Whether it reads what a client still sends before it closes a connection (RFC 9112 §9.6).
    pub lingering_close: bool,
}

/// What an application does at SIGTERM, which whoever runs containers sends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSigterm {
    /// It listens no more, closes connections without a request, answers what it has, and ends.
    #[default]
    Finish,
    /// It ends at once, as a program without a handler does.
    End,
    /// It goes on as if nothing had happened, as a program without a handler does that is process 1 of its container.
    Ignore,
}

/// How an application knows that a request came by https.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpsOnly {
    /// By its own connection, which is plain behind a load balancer that ends TLS.
    Connection,
    /// By the header `X-Forwarded-Proto`, which such a load balancer sends.
    ForwardedProto,
}

/// How long a connection is kept without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// For as long as the client likes.
    Always,
    /// For so long, then the server closes it.
    For(Duration),
    /// Not at all: every answer says `Connection: close`.
    Off,
}

/// Which of two contradicting headers frames a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Believes {
    /// `Transfer-Encoding`, as RFC 9112 §6.3 has it.
    TransferEncoding,
    /// `Content-Length`: such a server can be smuggled requests.
    ContentLength,
}

/// What a path answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Usually.
    pub reply: Reply,
    /// At some times: from the first moment up to the second.
    pub during: Vec<(Duration, Duration, Reply)>,
}

/// An answer of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// As in 200.
    pub status: u16,
    /// As in `application/json`.
    pub content_type: String,
    /// The body.
    pub body: Content,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
    /// Over HTTP/2: fields behind the body.
    pub trailers: Vec<(String, String)>,
    /// It answers a gRPC call: the body is a message, and this is behind it.
    pub grpc: Option<Grpc>,
    /// How long it works on it, where that is its own.
    pub takes: Option<Duration>,
    /// How it goes over the wire.
    pub delivery: Delivery,
}

/// How a gRPC call ends (gRPC, "Status codes and their use in gRPC").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grpc {
    /// From 0, which is OK, to 16.
    pub status: u8,
    /// Words about it; may be empty.
    pub message: String,
    /// How often the body goes as a message of its own: a stream, unless once.
    pub messages: u64,
    /// From one message to the next.
    pub every: Duration,
}

/// A body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This text.
    Text(String),
    /// So many bytes of text.
    Size(u64),
}

/// How an answer goes over the wire: by default whole, framed by a true `Content-Length`, and the connection lives on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// In chunks, without `Content-Length` (RFC 9112 §7.1).
    pub chunked: bool,
    /// What `Content-Length` says, whatever is true.
    pub content_length: Option<u64>,
    /// The body leaves in so many pieces, with so long a pause before each but the first.
    pub pieces: Option<(u64, Duration)>,
    /// Head and body are two writes.
    pub separate_writes: bool,
    /// So many bytes of a header that says nothing.
    pub padding: u64,
    /// A line behind the headers, as it is: malformed, when the lab wants that.
    pub header_line: Option<String>,
    /// These bytes instead of a response.
    pub raw: Option<String>,
    /// `Connection: close`, and the connection is closed.
    pub closes: bool,
    /// Answered as soon as the head is there; the request's body is not read, and the connection is closed.
    pub early: bool,
    /// A WebSocket handshake is answered with 101, and every message sent back (RFC 6455); else 426 is the answer.
    pub echoes: bool,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// What goes wrong with an answer, once the work on it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// How.
    pub how: Failing,
    /// After the head and so many bytes of the body; `None` is before anything is sent.
    pub after: Option<u64>,
}

/// How an answer fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// Nothing more is sent; the connection stays open until the client closes it.
    Silence,
    /// The connection is reset.
    Reset,
    /// The connection is closed.
    Close,
    /// Over HTTP/2: the stream is reset, by RST_STREAM with INTERNAL_ERROR; the connection lives on.
    ResetStream,
}

impl App {
    /// One that answers nothing but 404, well, on `port`.
    #[must_use]
    pub fn on(port: u16) -> Self {
        Self {
            port,
            tls: None,
            http2: false,
            streams: None,
            takes: Duration::ZERO,
            routes: BTreeMap::new(),
            hosts: Vec::new(),
            default_server: Reply::text(404, "no such server\n"),
            https_only: None,
            keep_alive: KeepAlive::Always,
            header_timeout: None,
            header_limit: Self::HEADER_LIMIT,
            workers: None,
            backlog: Self::BACKLOG,
            believes: Believes::TransferEncoding,
            on_sigterm: OnSigterm::default(),
            lingering_close: false,
        }
    }

    /// Room for connections that nobody has accepted yet, as common servers ask for.
    pub const BACKLOG: usize = 511;

    /// More than any browser sends; real servers have 8 to 64 KiB.
    pub const HEADER_LIMIT: usize = 256 * 1024;
}

impl Reply {
    /// A short text.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "text/plain".into(),
            body: Content::Text(body.into()),
            headers: Vec::new(),
            trailers: Vec::new(),
            grpc: None,
            takes: None,
            delivery: Delivery::default(),
        }
    }

    /// What gRPC's servers answer to a call of a method that they have not.
    #[must_use]
    pub fn unimplemented() -> Self {
        Self {
            content_type: "application/grpc".into(),
            grpc: Some(Grpc {
                status: 12,
                message: "unknown method".into(),
                messages: 1,
                every: Duration::ZERO,
            }),
            ..Self::text(200, "")
        }
    }
}

impl Route {
    /// What it answers at `now`, counted from the beginning of the run.
    #[must_use]
    pub fn at(&self, now: Duration) -> &Reply {
        let mut during = self.during.iter();
        let found = during.find(|(from, to, _)| (*from..*to).contains(&now));
        found.map_or(&self.reply, |(_, _, reply)| reply)
    }
}

/// What is done to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// SIGTERM: what becomes of it is the application's own affair.
    Stop {
        /// When SIGKILL follows if it is still there, as `docker stop` has it; `None` waits for ever.
        timeout: Option<Duration>,
    },
    /// SIGKILL: its machine closes all its sockets.
    Crash,
    /// It begins again.
    Start,
}
