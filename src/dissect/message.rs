//! What a frame says, for people and for the ladder: one message for each thing that the frame completes.

use std::net::{IpAddr, SocketAddr};

use super::field::Fields;
use crate::event::{Direction, DropCause, PacketId, TapId};
use crate::time::Instant;
use crate::wire::tls::alert_name;

/// A frame of a capture, understood.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its number in the capture, from 1.
    pub number: usize,
    /// When it passed the tap.
    pub at: Instant,
    /// Which tap.
    pub tap: TapId,
    /// Sent or received, seen from the tap.
    pub direction: Direction,
    /// The packet's identity.
    pub packet: PacketId,
    /// Why the link did not deliver it, when it did not.
    pub lost: Option<DropCause>,
    /// The IP packet.
    pub bytes: Vec<u8>,
    /// Sender's address, with port for TCP and UDP (0 else).
    pub source: SocketAddr,
    /// Receiver's.
    pub destination: SocketAddr,
    /// TCP stream number, from 0, as Wireshark's `tcp.stream`.
    pub stream: Option<usize>,
    /// Its fields.
    pub fields: Fields,
    /// The TCP part of the story.
    pub tcp: Option<TcpNote>,
    /// What it completes, in order. Empty for a pure ACK or a piece of something longer.
    pub messages: Vec<Message>,
    /// What the encrypted TLS records that it completes say, as far as the secrets at hand open them.
    pub unsealed: Vec<u8>,
}

/// What a segment does to its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpNote {
    /// Its part in the life of the connection.
    pub part: TcpPart,
    /// Bytes of data.
    pub data: usize,
    /// It carries data, SYN or FIN that was sent before.
    pub retransmission: bool,
    /// Sequence number relative to the first one.
    pub sequence: u32,
    /// Acknowledgment relative to the peer's first sequence number, when valid.
    pub acknowledgment: Option<u32>,
}

/// A segment's part in the life of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpPart {
    /// SYN.
    Syn,
    /// SYN, ACK.
    SynAck,
    /// The ACK that completes the three-way handshake.
    HandshakeAck,
    /// Data (perhaps with FIN).
    Data,
    /// An ACK without data, after the handshake.
    Ack,
    /// FIN without data.
    Fin,
    /// RST.
    Reset,
}

/// Something a frame completes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A DNS query.
    DnsQuery {
        /// The name.
        name: String,
        /// As in "A".
        kind: String,
    },
    /// A DNS answer.
    DnsAnswer {
        /// The name.
        name: String,
        /// Addresses in it.
        addresses: Vec<IpAddr>,
        /// The names that CNAMEs in it lead to, in order.
        aliases: Vec<String>,
        /// It only says whose servers know: the zone's name.
        referral: Option<String>,
        /// It was cut to fit.
        truncated: bool,
        /// As in "NOERROR" or "NXDOMAIN".
        response_code: String,
    },
    /// A TLS record or handshake message.
    Tls(TlsMessage),
    /// An HTTP request, whole head.
    HttpRequest(HttpHead),
    /// An HTTP response, whole head.
    HttpResponse(HttpHead),
    /// An HTTP/2 frame, other than those that bring a request or a response.
    Http2(Http2Message),
    /// More of an HTTP/1 body, ending here.
    HttpBodyEnd {
        /// Whether it came out of TLS.
        inside_tls: bool,
        /// Bytes of the body.
        bytes: usize,
    },
    /// An ICMP message.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// As in "time exceeded in transit".
        text: String,
    },
}

/// The head of an HTTP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpHead {
    /// Whether it came out of TLS.
    pub inside_tls: bool,
    /// HTTP/2: its stream.
    pub stream: Option<u32>,
    /// Method of a request; empty in a response.
    pub method: String,
    /// Target of a request; empty in a response.
    pub target: String,
    /// Status of a response; 0 in a request.
    pub status: u16,
    /// Names (as written) and values, in order; HTTP/2's pseudo-headers first.
    pub headers: Vec<(String, String)>,
    /// Bytes of the head; of HTTP/2, of the compressed block.
    pub bytes: usize,
}

/// An HTTP/2 frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2Message {
    /// Whether it came out of TLS.
    pub inside_tls: bool,
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// What it is.
    pub kind: Http2Kind,
}

/// Kinds of HTTP/2 frames (RFC 9113 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Http2Kind {
    /// What a client sends before its first frame.
    Preface,
    /// DATA.
    Data {
        /// Bytes without padding.
        bytes: usize,
        /// Whether the sender's half of the stream ends with it.
        end: bool,
    },
    /// Part of a header block that goes on in CONTINUATION.
    HeadersBegin,
    /// A header block that is neither a request nor a response, as trailers are.
    Headers,
    /// PRIORITY.
    Priority,
    /// RST_STREAM.
    RstStream {
        /// As in 8 for CANCEL.
        error: u32,
    },
    /// SETTINGS.
    Settings {
        /// Whether it acknowledges the peer's.
        ack: bool,
        /// Identifiers and values, in order.
        values: Vec<(u16, u32)>,
    },
    /// PUSH_PROMISE.
    PushPromise {
        /// The stream that it promises.
        promised: u32,
    },
    /// PING.
    Ping {
        /// Whether it answers one.
        ack: bool,
    },
    /// GOAWAY.
    GoAway {
        /// The highest stream that was or may be processed.
        last_stream: u32,
        /// As in 0 for NO_ERROR.
        error: u32,
    },
    /// WINDOW_UPDATE.
    WindowUpdate {
        /// Bytes more that may be sent.
        increment: u32,
    },
    /// Another type, or one that is not well-formed.
    Other(u8),
}

impl Http2Kind {
    /// The name in the RFC, as in "SETTINGS", and what tells it from others of its type.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Preface => "HTTP/2 preface".into(),
            Self::Data { .. } => "DATA".into(),
            Self::HeadersBegin => "HEADERS, to be continued".into(),
            Self::Headers => "HEADERS".into(),
            Self::Priority => "PRIORITY".into(),
            Self::RstStream { error } => format!("RST_STREAM {}", http2_error(*error)),
            Self::Settings { ack: false, .. } => "SETTINGS".into(),
            Self::Settings { ack: true, .. } => "SETTINGS ACK".into(),
            Self::PushPromise { promised } => format!("PUSH_PROMISE of stream {promised}"),
            Self::Ping { ack: false } => "PING".into(),
            Self::Ping { ack: true } => "PING ACK".into(),
            Self::GoAway { error, .. } => format!("GOAWAY {}", http2_error(*error)),
            Self::WindowUpdate { .. } => "WINDOW_UPDATE".into(),
            Self::Other(n) => format!("HTTP/2 frame type {n}"),
        }
    }
}

/// The name of an HTTP/2 error code (RFC 9113 §7).
fn http2_error(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = usize::try_from(code).ok().and_then(|n| NAMES.get(n));
    name.map_or_else(|| format!("error {code}"), |n| (*n).to_owned())
}

/// A TLS message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsMessage {
    /// Whether it was encrypted on the wire (and could be decrypted, or is [`TlsKind::Opaque`]).
    pub encrypted: bool,
    /// Bytes: of the handshake message with its header, or of the record's content.
    pub bytes: usize,
    /// What it is.
    pub kind: TlsKind,
}

/// Kinds of TLS messages (RFC 8446 §4, RFC 5246 §7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsKind {
    /// Handshake type 1.
    ClientHello {
        /// SNI.
        server_name: Option<String>,
        /// Protocols offered.
        alpn: Vec<String>,
        /// Versions offered, highest first, as in "TLS 1.3".
        versions: Vec<String>,
        /// Number of cipher suites offered.
        suites: usize,
        /// Groups with a key share, as in "X25519".
        shares: Vec<String>,
        /// Whether it offers to resume a session.
        resumes: bool,
    },
    /// Handshake type 2.
    ServerHello {
        /// Version chosen, as in "TLS 1.3".
        version: String,
        /// Suite chosen, as in "TLS_AES_128_GCM_SHA256".
        suite: String,
        /// TLS 1.3: the group of its key share, or the one that it asks for.
        group: Option<String>,
        /// Whether it is a HelloRetryRequest (RFC 8446 §4.1.4).
        retry: bool,
        /// TLS 1.3: whether it accepts a pre-shared key, and so resumes a session.
        resumed: bool,
    },
    /// Handshake type 4.
    NewSessionTicket,
    /// Handshake type 8.
    EncryptedExtensions {
        /// Protocol chosen.
        alpn: Option<String>,
    },
    /// Handshake type 11.
    Certificate {
        /// DER sizes, leaf first.
        chain: Vec<usize>,
    },
    /// Handshake type 12.
    ServerKeyExchange {
        /// The curve, as in "X25519".
        group: Option<String>,
    },
    /// Handshake type 13.
    CertificateRequest,
    /// Handshake type 14.
    ServerHelloDone,
    /// Handshake type 15.
    CertificateVerify {
        /// As in "ecdsa_secp256r1_sha256".
        scheme: String,
    },
    /// Handshake type 16.
    ClientKeyExchange,
    /// Handshake type 20.
    Finished,
    /// Another handshake type.
    OtherHandshake(u8),
    /// Record type 20.
    ChangeCipherSpec,
    /// Record type 21.
    Alert {
        /// 1 warning, 2 fatal.
        level: u8,
        /// As in 0 for close_notify.
        description: u8,
    },
    /// Record type 23, decrypted or plain.
    ApplicationData,
    /// An encrypted record that the secrets at hand do not open.
    Opaque,
}

impl TlsKind {
    /// The name in the RFC, as in "ClientHello".
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::ClientHello { .. } => "ClientHello".into(),
            Self::ServerHello { retry: true, .. } => "HelloRetryRequest".into(),
            Self::ServerHello { .. } => "ServerHello".into(),
            Self::NewSessionTicket => "NewSessionTicket".into(),
            Self::EncryptedExtensions { .. } => "EncryptedExtensions".into(),
            Self::Certificate { .. } => "Certificate".into(),
            Self::ServerKeyExchange { .. } => "ServerKeyExchange".into(),
            Self::CertificateRequest => "CertificateRequest".into(),
            Self::ServerHelloDone => "ServerHelloDone".into(),
            Self::CertificateVerify { .. } => "CertificateVerify".into(),
            Self::ClientKeyExchange => "ClientKeyExchange".into(),
            Self::Finished => "Finished".into(),
            Self::OtherHandshake(n) => format!("handshake type {n}"),
            Self::ChangeCipherSpec => "ChangeCipherSpec".into(),
            Self::Alert { description: 0, .. } => "close_notify".into(),
            Self::Alert { description, .. } => match alert_name(*description) {
                Some(name) => format!("alert {name}"),
                None => format!("alert {description}"),
            },
            Self::ApplicationData => "application data".into(),
            Self::Opaque => "encrypted".into(),
        }
    }
}
