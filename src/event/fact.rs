//! What programs on nodes did or learnt.

use std::net::{IpAddr, SocketAddr};

use super::{
    AccessRecord, Attack, Balancing, CertificateDefect, CertificateFacts, ConnectionRecord,
    CookieFact, DnsFact, Flow, FlowRecord, HandshakeKind, KeyAgreement, Mismatch, PingFact,
    PreMaster, Recovery, Serving,
};
use crate::name::Name;
use crate::time::UnixSeconds;
use crate::wire::grpc;

/// Something a program on a node did or learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A name was asked for.
    LookupSent {
        /// The name.
        name: String,
    },
    /// The answer came.
    LookupAnswered {
        /// The name.
        name: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// No usable answer came.
    LookupFailed {
        /// The name.
        name: String,
        /// Why.
        error: String,
    },
    /// Something about DNS beyond that.
    Dns(DnsFact),
    /// A TCP connection was asked for: the SYN leaves now.
    Connecting(Flow),
    /// The three-way handshake is complete at this end.
    Connected(Flow),
    /// It did not come to be.
    ConnectFailed {
        /// To where.
        remote: SocketAddr,
        /// Why.
        error: String,
    },
    /// A listener accepted a connection.
    Accepted(Flow),
    /// The client's side of TLS begins: the ClientHello leaves now.
    TlsStarted {
        /// On which connection.
        flow: Flow,
        /// The name in the SNI extension.
        server_name: String,
    },
    /// A key exchange is complete at this end. Only where the seed rules.
    KeysAgreed {
        /// On which connection.
        flow: Flow,
        /// What was agreed.
        agreement: KeyAgreement,
    },
    /// An RSA key exchange is complete at this end.
    PreMasterAgreed {
        /// On which connection.
        flow: Flow,
        /// What was agreed.
        agreed: Box<PreMaster>,
    },
    /// The handshake is over at this end: Finished sent (client, TLS 1.3), Finished received (else).
    TlsEstablished {
        /// On which connection.
        flow: Flow,
        /// As in "TLS 1.3".
        version: String,
        /// As in "TLS_AES_128_GCM_SHA256".
        suite: String,
        /// As in "X25519".
        group: Option<String>,
        /// As in "http/1.1".
        alpn: Option<String>,
        /// How it went.
        handshake: HandshakeKind,
    },
    /// The handshake failed.
    TlsFailed {
        /// On which connection.
        flow: Flow,
        /// Why.
        error: String,
    },
    /// The server found nothing to agree on in the ClientHello.
    TlsMismatch {
        /// On which connection.
        flow: Flow,
        /// Why.
        mismatch: Mismatch,
    },
    /// The client accepted the server's chain: name, dates, issuer and chain.
    CertificateAccepted {
        /// On which connection.
        flow: Flow,
        /// For which name.
        server_name: String,
        /// At which date.
        date: UnixSeconds,
        /// What the server sent, leaf first.
        chain: Vec<CertificateFacts>,
        /// Common name of the trust anchor that ends the chain.
        anchor: String,
    },
    /// The client refused the chain.
    CertificateRefused {
        /// On which connection.
        flow: Flow,
        /// For which name.
        server_name: String,
        /// What is wrong with it.
        defect: CertificateDefect,
        /// Why, in words.
        error: String,
        /// What the server sent, leaf first.
        chain: Vec<CertificateFacts>,
    },
    /// A server that asks for client certificates accepted one (mutual TLS).
    ClientCertificateAccepted {
        /// On which connection.
        flow: Flow,
        /// What the client sent, leaf first.
        chain: Vec<CertificateFacts>,
    },
    /// It refused one.
    ClientCertificateRefused {
        /// On which connection.
        flow: Flow,
        /// Why.
        error: String,
        /// What the client sent, leaf first.
        chain: Vec<CertificateFacts>,
    },
    /// A listener has another certificate, for the connections to come.
    CertificateRenewed {
        /// The listener's port.
        port: u16,
        /// The new one.
        certificate: CertificateFacts,
    },
    /// An application was started, is to stop, or was killed.
    Service {
        /// The port it listens on.
        port: u16,
        /// What was done, as in "stopping".
        service: &'static str,
    },
    /// A WebSocket message came in, whole.
    WebSocketMessage {
        /// On which connection.
        flow: Flow,
        /// Its text.
        text: String,
    },
    /// A WebSocket ended.
    WebSocketClosed {
        /// On which connection.
        flow: Flow,
        /// The status code of the Close frame; 1006 without one (RFC 6455 §7.1.5).
        code: u16,
    },
    /// An HTTP request left.
    RequestSent {
        /// On which connection.
        flow: Flow,
        /// HTTP/2: on which stream of it, where the program knows.
        stream: Option<u32>,
        /// As in "GET".
        method: String,
        /// As in "/notification/health/check".
        target: String,
    },
    /// An HTTP request came in, whole head.
    RequestReceived {
        /// On which connection.
        flow: Flow,
        /// As in "GET".
        method: String,
        /// As in "/notification/health/check".
        target: String,
        /// Name and value, in order.
        headers: Vec<(String, String)>,
    },
    /// The load balancer chose a target.
    TargetChosen {
        /// Its target group.
        group: String,
        /// The node.
        target: Name,
        /// Where it is registered.
        address: SocketAddr,
        /// Why this one, as in "healthy, round robin, 1 of 2".
        reason: String,
    },
    /// The load balancer decided something about rules and targets.
    Balancing(Balancing),
    /// An HTTP response left.
    ResponseSent {
        /// On which connection.
        flow: Flow,
        /// As in 200.
        status: u16,
        /// Body bytes, when known.
        bytes: Option<u64>,
    },
    /// An HTTP response came in. With `whole`, the body too.
    ResponseReceived {
        /// On which connection.
        flow: Flow,
        /// HTTP/2: on which stream of it, where the program knows.
        stream: Option<u32>,
        /// As in 200.
        status: u16,
        /// Body bytes.
        bytes: u64,
        /// What it says, where the program keeps it.
        answer: Option<Box<Answer>>,
    },
    /// Something happened to a client's cookies.
    Cookie(CookieFact),
    /// Something happened to a client's echo requests.
    Ping(PingFact),
    /// A connection was closed from this end: a FIN leaves once all data has.
    Closed(Flow),
    /// A real program was started.
    ProgramStarted {
        /// Program and arguments.
        command: String,
    },
    /// A real program ended.
    ProgramEnded {
        /// Program and arguments.
        command: String,
        /// As in "exit code 0" or "signal 9".
        status: String,
        /// Its exit code, when it ended by itself.
        code: Option<i32>,
        /// What it printed, up to 64 KiB.
        output: String,
        /// What it printed to its error output, up to 64 KiB.
        errors: String,
    },
    /// Somebody in the middle took a connection in and opened another one to its server, in the client's name.
    Intercepted {
        /// With the client: local is the server's address.
        client: Flow,
        /// With the server: local is the client's address.
        server: Flow,
    },
    /// An attacker did something to a connection.
    Attacked(Attack),
    /// What an attacker could make of a connection that passed.
    Overheard {
        /// The client's connection, local being the client.
        flow: Flow,
        /// What was readable, piece by piece.
        readable: Vec<String>,
        /// Encrypted records that could not be opened.
        sealed_records: u64,
        /// Bytes of their fragments.
        sealed_bytes: u64,
        /// Bytes that were readable beyond what was kept.
        left_out: u64,
    },
    /// An attacker could read a recorded connection.
    Recovered {
        /// The connection, local being the client.
        flow: Flow,
        /// What it found.
        recovery: Box<Recovery>,
    },
    /// An attacker could not read a recorded connection.
    NotRecovered {
        /// The connection, local being the client.
        flow: Flow,
        /// Why.
        error: String,
    },
    /// The load balancer got no response from a target, and answers itself.
    TargetFailed {
        /// Where the target is registered.
        target: SocketAddr,
        /// On which connection; none when it did not come to be.
        flow: Option<Flow>,
        /// What it answers, as in 502.
        status: u16,
        /// The exact cause.
        cause: String,
    },
    /// Something happened between a load balancer and its client.
    Serving(Serving),
    /// The load balancer wrote an entry of its access log.
    AccessLogged(Box<AccessRecord>),
    /// The load balancer wrote an entry of its connection log.
    ConnectionLogged(Box<ConnectionRecord>),
    /// Something around the node changed, as in "security group web no longer allows inbound TCP to port 443 from
    /// 0.0.0.0/0".
    NetworkChanged(String),
    /// A network interface's flow log has a record.
    FlowLogged(Box<FlowRecord>),
    /// A step of the scenario failed.
    StepFailed {
        /// Why.
        error: String,
    },
}

/// What a response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Name and value, in order.
    pub headers: Vec<(String, String)>,
    /// How the body begins: a few KiB.
    pub body: Vec<u8>,
    /// Over HTTP/2, the fields behind the body, in order.
    pub trailers: Vec<(String, String)>,
}

impl Answer {
    /// How a gRPC call ended: behind the message, or in its place ("Trailers-Only"). `None` when it is no answer to one.
    #[must_use]
    pub fn grpc_status(&self) -> Option<u8> {
        let fields = self.trailers.iter().chain(&self.headers);
        let mut statuses = fields.filter(|(name, _)| name == grpc::STATUS);
        statuses.next().and_then(|(_, value)| value.parse().ok())
    }
}

impl Fact {
    /// Why something failed, in words, for the facts that tell a failure.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::LookupFailed { error, .. }
            | Self::ConnectFailed { error, .. }
            | Self::TlsFailed { error, .. }
            | Self::CertificateRefused { error, .. }
            | Self::ClientCertificateRefused { error, .. }
            | Self::TargetFailed { cause: error, .. }
            | Self::StepFailed { error } => Some(error),
            Self::LookupSent { .. }
            | Self::LookupAnswered { .. }
            | Self::Dns(_)
            | Self::Connecting(_)
            | Self::Connected(_)
            | Self::Accepted(_)
            | Self::TlsStarted { .. }
            | Self::KeysAgreed { .. }
            | Self::PreMasterAgreed { .. }
            | Self::TlsEstablished { .. }
            | Self::TlsMismatch { .. }
            | Self::CertificateAccepted { .. }
            | Self::CertificateRenewed { .. }
            | Self::Service { .. }
            | Self::WebSocketMessage { .. }
            | Self::WebSocketClosed { .. }
            | Self::ClientCertificateAccepted { .. }
            | Self::RequestSent { .. }
            | Self::RequestReceived { .. }
            | Self::TargetChosen { .. }
            | Self::Balancing(_)
            | Self::ResponseSent { .. }
            | Self::ResponseReceived { .. }
            | Self::ProgramStarted { .. }
            | Self::ProgramEnded { .. }
            | Self::Intercepted { .. }
            | Self::Attacked(_)
            | Self::Recovered { .. }
            | Self::NotRecovered { .. }
            | Self::Overheard { .. }
            | Self::Serving(_)
            | Self::Cookie(_)
            | Self::Ping(_)
            | Self::AccessLogged(_)
            | Self::ConnectionLogged(_)
            | Self::NetworkChanged(_)
            | Self::FlowLogged(_)
            | Self::Closed(_) => None,
        }
    }
}
