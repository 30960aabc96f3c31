//! A capture in the making: TCP by hand, TLS by rustls in memory, DNS and ICMP.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use etherparse::{Icmpv4Type, PacketBuilder, TcpOptionElement};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer;
use p256::pkcs8::EncodePrivateKey;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{
    ClientConfig, ClientConnection, KeyLog, RootCertStore, ServerConfig, ServerConnection,
};

use super::{Dissector, Frame, Sight};
use crate::event::{Crossing, Direction, PacketId, TapId};
use crate::time::Instant;
use crate::wire::packet::Packet;

const CLIENT: [u8; 4] = [10, 0, 1, 10];
const SERVER: [u8; 4] = [10, 0, 2, 21];
const ROUTER: [u8; 4] = [10, 0, 1, 1];

/// Packets and when they pass, in nanoseconds, with the key log of their connections.
#[derive(Debug, Default, Clone)]
pub(super) struct Capture {
    pub(super) packets: Vec<(u64, Vec<u8>)>,
    pub(super) keys: Arc<Log>,
    /// The DER certificate of the latest TLS server.
    pub(super) certificate: Vec<u8>,
    now: u64,
    connections: u32,
}

/// A TCP connection from client (0) to server (1): ports and the next sequence numbers.
#[derive(Debug)]
pub(super) struct Tcp {
    ports: [u16; 2],
    next: [u32; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsVersion {
    Tls13,
    Tls12,
}

impl TlsVersion {
    pub(super) fn suites(self) -> Vec<(u16, &'static str)> {
        match self {
            Self::Tls13 => vec![
                (0x1301, "TLS_AES_128_GCM_SHA256"),
                (0x1302, "TLS_AES_256_GCM_SHA384"),
                (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
            ],
            Self::Tls12 => vec![
                (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
                (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
                (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
            ],
        }
    }
}

impl Capture {
    pub(super) fn dissect(&self, sight: Sight) -> Vec<Frame> {
        let mut dissector = Dissector::new(sight);
        for line in self.keys.0.lock().unwrap().iter() {
            dissector.secret(line);
        }
        self.packets
            .iter()
            .map(|(at, bytes)| {
                let crossing = Crossing {
                    at: Instant::from_nanos(*at),
                    tap: TapId(0),
                    direction: Direction::Out,
                    packet: PacketId(1),
                    bytes,
                    lost: None,
                };
                dissector.frame(&crossing, "user0")
            })
            .collect()
    }

    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        self.wait(10_000_000);
        self.packets.push((self.now, bytes));
    }

    pub(super) fn wait(&mut self, nanos: u64) {
        self.now += nanos;
    }

    /// The last packet once more, a second later.
    pub(super) fn again(&mut self) {
        let (_, bytes) = self.packets.last().unwrap().clone();
        self.wait(1_000_000_000);
        self.push(bytes);
    }

    pub(super) fn connect(&mut self, client: u16, server: u16) -> Tcp {
        self.connections += 1;
        let mut tcp = Tcp {
            ports: [client, server],
            next: [u32::MAX - 100, 5_000].map(|n| n.wrapping_add(self.connections)),
        };
        for side in 0..2 {
            let flags = if side == 0 { SYN } else { SYN | ACK };
            let bytes = tcp.packet(side, b"", flags);
            self.push(bytes);
            tcp.next[side] = tcp.next[side].wrapping_add(1);
        }
        self.acknowledge(&mut tcp, 0);
        tcp
    }

    /// The server's SYN-ACK, from its present number on.
    pub(super) fn answer_syn(&mut self, tcp: &mut Tcp) {
        self.push(tcp.packet(1, b"", SYN | ACK));
        tcp.next[1] = tcp.next[1].wrapping_add(1);
    }

    pub(super) fn acknowledge(&mut self, tcp: &mut Tcp, side: usize) {
        self.push(tcp.packet(side, b"", ACK));
    }

    pub(super) fn send(&mut self, tcp: &mut Tcp, side: usize, data: &[u8], mss: usize) {
        for piece in data.chunks(mss) {
            self.push(tcp.packet(side, piece, ACK));
            tcp.next[side] = tcp.next[side].wrapping_add(piece.len() as u32);
        }
    }

    pub(super) fn finish(&mut self, tcp: &mut Tcp) {
        for side in 0..2 {
            self.push(tcp.packet(side, b"", FIN | ACK));
            tcp.next[side] = tcp.next[side].wrapping_add(1);
        }
        self.acknowledge(tcp, 0);
    }

    pub(super) fn reset(&mut self, tcp: &mut Tcp, side: usize) {
        self.push(tcp.packet(side, b"", RST));
    }

    /// A handshake, a GET, a KeyUpdate (TLS 1.3), a POST whose body takes two records, and the closing of both
    /// sides.
    pub(super) fn tls(&mut self, version: TlsVersion, suite: Option<u16>, port: u16, mss: usize) {
        let (mut client, mut server) = self.engines(version, suite, b"http/1.1");
        let mut tcp = self.connect(port, 443);
        while client.is_handshaking() || server.is_handshaking() {
            self.exchange(&mut tcp, &mut client, &mut server, mss);
        }
        self.exchange(&mut tcp, &mut client, &mut server, mss);
        let get = b"GET /check HTTP/1.1\r\nHost: your-app.com\r\n\r\n";
        let ok = b"HTTP/1.1 200 OK\r\nServer: lab\r\nContent-Length: 5\r\n\r\nhello";
        let mut post =
            b"POST /big HTTP/1.1\r\nHost: your-app.com\r\nContent-Length: 20000\r\n\r\n".to_vec();
        post.extend([b'x'; 20_000]);
        let created = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
        for (request, response) in [(&get[..], &ok[..]), (&post, created)] {
            if request.starts_with(b"POST") && version == TlsVersion::Tls13 {
                client.refresh_traffic_keys().unwrap();
            }
            client.writer().write_all(request).unwrap();
            self.exchange(&mut tcp, &mut client, &mut server, mss);
            server.writer().write_all(response).unwrap();
            self.exchange(&mut tcp, &mut client, &mut server, mss);
        }
        client.send_close_notify();
        server.send_close_notify();
        self.exchange(&mut tcp, &mut client, &mut server, mss);
        self.finish(&mut tcp);
    }

    /// All that the client wants to send, then all that the server does.
    pub(super) fn exchange(
        &mut self,
        tcp: &mut Tcp,
        client: &mut ClientConnection,
        server: &mut ServerConnection,
        mss: usize,
    ) {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).unwrap();
        }
        self.send(tcp, 0, &flight, mss);
        let mut rest = &flight[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().unwrap();
            drain(&mut server.reader());
        }
        let mut flight = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut flight).unwrap();
        }
        self.send(tcp, 1, &flight, mss);
        let mut rest = &flight[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
            drain(&mut client.reader());
        }
    }

    pub(super) fn engines(
        &mut self,
        version: TlsVersion,
        suite: Option<u16>,
        alpn: &[u8],
    ) -> (ClientConnection, ServerConnection) {
        let (certificate, key) = certificate();
        self.certificate = certificate.to_vec();
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider
            .cipher_suites
            .retain(|s| suite.is_none_or(|n| u16::from(s.suite()) == n));
        let provider = Arc::new(provider);
        let versions = match version {
            TlsVersion::Tls13 => [&rustls::version::TLS13],
            TlsVersion::Tls12 => [&rustls::version::TLS12],
        };
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![alpn.to_vec()];
        client.key_log = self.keys.clone();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        server.alpn_protocols = client.alpn_protocols.clone();
        server.send_tls13_tickets = 1;
        let name = "your-app.com".try_into().unwrap();
        (
            ClientConnection::new(Arc::new(client), name).unwrap(),
            ServerConnection::new(Arc::new(server)).unwrap(),
        )
    }

    /// A query and its answer, and a query for what there is not.
    pub(super) fn dns(&mut self) {
        for (port, host, found) in [
            (40_000, "your-app.com.", true),
            (40_001, "nowhere.example.", false),
        ] {
            let name = Name::from_ascii(host).unwrap();
            let mut query = Message::new(port, MessageType::Query, OpCode::Query);
            query.add_query(Query::query(name.clone(), RecordType::A));
            let mut answer = Message::response(port, OpCode::Query);
            answer.add_query(Query::query(name.clone(), RecordType::A));
            if found {
                let address = RData::A(A::new(198, 51, 100, 10));
                answer.add_answer(Record::from_rdata(name, 60, address));
            } else {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            self.push(udp(CLIENT, SERVER, [port, 53], &query.to_vec().unwrap()));
            self.push(udp(SERVER, CLIENT, [53, port], &answer.to_vec().unwrap()));
        }
    }

    /// A query with EDNS and a truncated answer; the same in a connection, in pieces, and a second question there that
    /// is answered by a start of authority, a text and a name server.
    pub(super) fn dns_by_tcp(&mut self) {
        let name = Name::from_ascii("pool.your-app.com.").unwrap();
        let query = |id, kind| {
            let mut query = Message::new(id, MessageType::Query, OpCode::Query);
            query.add_query(Query::query(name.clone(), kind));
            query
        };
        let mut asked = query(40_002, RecordType::A);
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        asked.set_edns(edns);
        let mut cut = Message::response(40_002, OpCode::Query);
        cut.add_queries(asked.queries.clone());
        cut.metadata.truncation = true;
        self.push(udp(CLIENT, SERVER, [40_002, 53], &asked.to_vec().unwrap()));
        self.push(udp(SERVER, CLIENT, [53, 40_002], &cut.to_vec().unwrap()));

        let framed = |message: &Message| {
            let bytes = message.to_vec().unwrap();
            let mut framed = (bytes.len() as u16).to_be_bytes().to_vec();
            framed.extend(bytes);
            framed
        };
        let mut whole = Message::response(40_003, OpCode::Query);
        whole.add_queries(asked.queries.clone());
        for last in 1..40 {
            let data = RData::A(A::new(198, 51, 100, last));
            whole.add_answer(Record::from_rdata(name.clone(), 60, data));
        }
        let mut other = Message::response(40_004, OpCode::Query);
        other.add_query(Query::query(name.clone(), RecordType::TXT));
        let text = TXT::new(vec!["v=1".into(), "two".into()]);
        other.add_answer(Record::from_rdata(name.clone(), 5, RData::TXT(text)));
        let zone = name.base_name();
        let soa = SOA::new(zone.clone(), zone.clone(), 1, 2, 3, 4, 30);
        other.add_authority(Record::from_rdata(zone.clone(), 60, RData::SOA(soa)));
        let server = RData::NS(NS(name.clone()));
        other.add_authority(Record::from_rdata(zone, 60, server));

        let mut tcp = self.connect(40_003, 53);
        let both = [query(40_003, RecordType::A), query(40_004, RecordType::TXT)];
        let both: Vec<u8> = both.iter().flat_map(&framed).collect();
        // Two questions in one segment; the answers in pieces that end anywhere.
        self.send(&mut tcp, 0, &both, 1460);
        self.acknowledge(&mut tcp, 1);
        let answers = [framed(&whole), framed(&other)].concat();
        self.send(&mut tcp, 1, &answers, 301);
        self.acknowledge(&mut tcp, 0);
        self.finish(&mut tcp);
    }

    /// A SYN, then the ICMP errors that routers and hosts send: one that quotes as little as RFC 792 asks, one that
    /// quotes a whole segment, one that quotes a DNS query; and an echo request.
    pub(super) fn icmp_errors(&mut self) {
        self.connect(51_900, 81);
        let syn = self.packets[self.packets.len() - 3].1.clone();
        let query = self.packets.iter().find(|(_, p)| p[9] == 17).unwrap();
        let query = query.1.clone();
        use etherparse::icmpv4::{DestUnreachableHeader as Unreachable, TimeExceededCode};
        for (kind, quoted) in [
            (
                Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit),
                &syn[..28],
            ),
            (
                Icmpv4Type::DestinationUnreachable(Unreachable::FragmentationNeeded {
                    next_hop_mtu: 1400,
                }),
                &syn[..],
            ),
            (
                Icmpv4Type::DestinationUnreachable(Unreachable::Port),
                &query[..],
            ),
            (
                Icmpv4Type::EchoRequest(etherparse::IcmpEchoHeader { id: 1, seq: 2 }),
                &[7; 32][..],
            ),
        ] {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4(ROUTER, CLIENT, 64)
                .icmpv4(kind)
                .write(&mut bytes, quoted)
                .unwrap();
            self.push(bytes);
        }
    }

    /// The same TCP streams in segments of another size; packets without data stay as they are.
    pub(super) fn recut(&self, mss: usize) -> Self {
        let mut cut = Self {
            packets: Vec::new(),
            ..self.clone()
        };
        let mut run: Vec<(u64, Vec<u8>)> = Vec::new();
        for (at, bytes) in &self.packets {
            let same = run.last().is_some_and(|(_, b)| b[12..24] == bytes[12..24]);
            if payload(bytes).is_empty() || !same {
                cut.merge(&mut run, mss);
            }
            if payload(bytes).is_empty() {
                cut.packets.push((*at, bytes.clone()));
            } else {
                run.push((*at, bytes.clone()));
            }
        }
        cut.merge(&mut run, mss);
        cut
    }

    fn merge(&mut self, run: &mut Vec<(u64, Vec<u8>)>, mss: usize) {
        let Some((at, first)) = run.first().cloned() else {
            return;
        };
        let data: Vec<u8> = run.iter().flat_map(|(_, b)| payload(b)).copied().collect();
        run.clear();
        let packet = Packet::read(&first).unwrap();
        let segment = packet.tcp().unwrap();
        let mut sequence = segment.sequence;
        for piece in data.chunks(mss) {
            let mut bytes = Vec::new();
            let from: [u8; 4] = first[12..16].try_into().unwrap();
            let to: [u8; 4] = first[16..20].try_into().unwrap();
            PacketBuilder::ipv4(from, to, 64)
                .tcp(
                    segment.source_port,
                    segment.destination_port,
                    sequence,
                    64_240,
                )
                .ack(segment.acknowledgment)
                .write(&mut bytes, piece)
                .unwrap();
            sequence = sequence.wrapping_add(piece.len() as u32);
            self.packets.push((at, bytes));
        }
    }
}

fn payload(bytes: &[u8]) -> &[u8] {
    Packet::read(bytes)
        .and_then(|p| p.tcp().map(|s| s.payload))
        .unwrap_or_default()
}

impl Tcp {
    /// `side` goes on from another number.
    pub(super) const fn renumber(&mut self, side: usize, next: u32) {
        self.next[side] = next;
    }

    /// A segment from `side` with the present numbers.
    fn packet(&self, side: usize, data: &[u8], flags: u8) -> Vec<u8> {
        let (from, to) = if side == 0 {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        let mut header = etherparse::TcpHeader::new(
            self.ports[side],
            self.ports[1 - side],
            self.next[side],
            64_240,
        );
        header.fin = flags & FIN != 0;
        header.syn = flags & SYN != 0;
        header.rst = flags & RST != 0;
        header.psh = !data.is_empty();
        header.ack = flags & ACK != 0;
        if header.ack {
            header.acknowledgment_number = self.next[1 - side];
        }
        if header.syn {
            let options = [
                TcpOptionElement::MaximumSegmentSize(1460),
                TcpOptionElement::WindowScale(7),
            ];
            header.set_options(&options).unwrap();
        }
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(from, to, 64)
            .tcp_header(header)
            .write(&mut bytes, data)
            .unwrap();
        bytes
    }
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

fn udp(from: [u8; 4], to: [u8; 4], ports: [u16; 2], data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(from, to, 64)
        .udp(ports[0], ports[1])
        .write(&mut bytes, data)
        .unwrap();
    bytes
}

fn drain(reader: &mut impl Read) {
    // Nothing more at the moment is an error here, and the end.
    let _ = reader.read_to_end(&mut Vec::new());
}

/// The lines of a key log.
#[derive(Debug, Default)]
pub(super) struct Log(pub(super) Mutex<Vec<String>>);

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let line = format!("{label} {} {}", hex(client_random), hex(secret));
        self.0.lock().unwrap().push(line);
    }
}

/// A P-256 key, for rcgen to sign with.
struct Key(SigningKey, Vec<u8>);

impl rcgen::PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// A certificate for your-app.com that signs itself, and its key.
fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
    let der = key.to_pkcs8_der().unwrap().as_bytes().to_vec();
    let mut parameters = rcgen::CertificateParams::new(vec!["your-app.com".into()]).unwrap();
    parameters.serial_number = Some(rcgen::SerialNumber::from_slice(&[1]));
    parameters.not_after = rcgen::date_time_ymd(2100, 1, 1);
    let certificate = parameters.self_signed(&Key(key, public)).unwrap();
    (
        certificate.der().clone(),
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)),
    )
}
