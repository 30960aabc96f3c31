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
        /// As in "NoError" or "NXDomain".
        response_code: String,
    },
    /// A TLS record or handshake message.
    Tls(TlsMessage),
    /// An HTTP/1 request, whole head.
    HttpRequest(HttpHead),
    /// An HTTP/1 response, whole head.
    HttpResponse(HttpHead),
    /// More of an HTTP body, ending here.
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

/// The head of an HTTP/1 message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpHead {
    /// Whether it came out of TLS.
    pub inside_tls: bool,
    /// Method of a request; empty in a response.
    pub method: String,
    /// Target of a request; empty in a response.
    pub target: String,
    /// Status of a response; 0 in a request.
    pub status: u16,
    /// Names (as written) and values, in order.
    pub headers: Vec<(String, String)>,
    /// Bytes of the head.
    pub bytes: usize,
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
