//! Whole connections, made here by rustls and by hand, cut into packets and dissected.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and passes over or panics at the rest"
)]

mod disorder;
mod http2;
mod judge;
mod wire;

use proptest::prelude::*;

use super::field::Value;
use super::filter::Filter;
use super::message::{Frame, Message, TcpPart, TlsKind};
use super::{Dissector, Sight};
use wire::{Capture, TlsVersion};

const WITH: Sight = Sight::WithSecrets;
const WITHOUT: Sight = Sight::Observer;

fn selected(frames: &[Frame], filter: &str) -> Vec<usize> {
    let filter = Filter::parse(filter).expect(filter);
    frames
        .iter()
        .filter(|f| filter.matches(f))
        .map(|f| f.number)
        .collect()
}

/// Short texts of all messages, those inside TLS with a star.
fn story(frames: &[Frame]) -> Vec<String> {
    let star = |inside: bool| if inside { "*" } else { "" };
    let on = |stream: Option<u32>| stream.map_or_else(String::new, |n| format!(" on {n}"));
    frames
        .iter()
        .flat_map(|f| &f.messages)
        .map(|m| match m {
            Message::Tls(t) => format!("{}{}", t.kind.text(), star(t.encrypted)),
            Message::HttpRequest(h) => {
                format!(
                    "{} {}{}{}",
                    h.method,
                    h.target,
                    on(h.stream),
                    star(h.inside_tls)
                )
            }
            Message::HttpResponse(h) => {
                format!("{}{}{}", h.status, on(h.stream), star(h.inside_tls))
            }
            Message::Http2(h) => {
                let stream = Some(h.stream).filter(|n| *n != 0);
                format!("{}{}{}", h.kind.text(), on(stream), star(h.inside_tls))
            }
            Message::HttpBodyEnd { bytes, inside_tls } => {
                format!("end {bytes}{}", star(*inside_tls))
            }
            Message::DnsQuery { name, kind } => format!("{name} {kind}?"),
            Message::DnsAnswer {
                name, addresses, ..
            } => format!("{name} {addresses:?}"),
            Message::Icmp { text, .. } => text.clone(),
        })
        .collect()
}

fn numbers(frames: &[Frame], name: &str) -> Vec<u64> {
    frames
        .iter()
        .flat_map(|f| f.fields.all(name))
        .map(|v| match v {
            Value::Number(n) => *n,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn tls_13_is_read_with_secrets_and_opaque_without() {
    let mut capture = Capture::default();
    capture.tls(TlsVersion::Tls13, None, 50_000, 1460);
    let frames = capture.dissect(WITH);
    assert_eq!(
        story(&frames),
        [
            "ClientHello",
            "ServerHello",
            "ChangeCipherSpec",
            "EncryptedExtensions*",
            "Certificate*",
            "CertificateVerify*",
            "Finished*",
            "ChangeCipherSpec",
            "Finished*",
            "NewSessionTicket*",
            "application data*",
            "GET /check*",
            "application data*",
            "200*",
            // A KeyUpdate of the client and its request under the new key; then the server's.
            "handshake type 24*",
            "application data*",
            "POST /big*",
            "application data*",
            "end 20000*",
            "handshake type 24*",
            "application data*",
            "201*",
            "close_notify*",
            "close_notify*",
        ]
    );
    let types = numbers(&frames, "tls.handshake.type");
    assert_eq!(types, [1, 2, 8, 11, 15, 20, 20, 4, 24, 24]);
    assert_eq!(selected(&frames, "http.request.method == GET").len(), 1);
    assert_eq!(
        selected(&frames, "http.request.uri == \"/big\""),
        selected(&frames, "http.content_length == 20000"),
    );

    let frames = capture.dissect(WITHOUT);
    let clear = ["ClientHello", "ServerHello", "ChangeCipherSpec"];
    for told in story(&frames) {
        assert!(
            told == "encrypted*" || clear.contains(&told.as_str()),
            "{told}"
        );
    }
    assert_eq!(numbers(&frames, "tls.handshake.type"), [1, 2]);
    assert!(selected(&frames, "http").is_empty());
    assert_eq!(
        selected(&frames, "tls.app_data"),
        selected(&frames, "tls.record.opaque_type == 23")
    );
}

#[test]
fn what_is_sent_after_a_second_answer_to_a_syn_is_read() {
    let mut capture = Capture::default();
    let mut tcp = capture.connect(51_000, 80);
    // The server has forgotten the first answer, and gives another.
    tcp.renumber(1, 70_000);
    capture.answer_syn(&mut tcp);
    capture.send(&mut tcp, 1, b"HTTP/1.1 204 No Content\r\n\r\n", 10);
    let frames = capture.dissect(WITH);
    assert_eq!(story(&frames), ["204"]);
    assert_eq!(selected(&frames, "tcp.analysis.reused_ports"), [4]);
}

#[test]
fn tls_12_is_read_with_secrets_and_opaque_without() {
    let mut capture = Capture::default();
    capture.tls(TlsVersion::Tls12, None, 50_000, 1460);
    let frames = capture.dissect(WITH);
    let story = story(&frames);
    assert_eq!(
        story[..9],
        [
            "ClientHello",
            "ServerHello",
            "Certificate",
            "ServerKeyExchange",
            "ServerHelloDone",
            "ClientKeyExchange",
            "ChangeCipherSpec",
            "Finished*",
            "ChangeCipherSpec",
        ]
    );
    for told in ["GET /check*", "200*", "POST /big*", "end 20000*", "201*"] {
        assert!(story.iter().any(|s| s == told), "{told} in {story:?}");
    }
    let types = numbers(&frames, "tls.handshake.type");
    assert_eq!(types, [1, 2, 11, 12, 14, 16, 20, 20]);

    let frames = capture.dissect(WITHOUT);
    let types = numbers(&frames, "tls.handshake.type");
    assert_eq!(types, [1, 2, 11, 12, 14, 16], "the rest is encrypted");
    assert!(selected(&frames, "http or tls.alert_message.level").is_empty());
    assert_eq!(selected(&frames, "tls.alert_message").len(), 2);
}

#[test]
fn every_suite_is_decrypted() {
    for version in [TlsVersion::Tls13, TlsVersion::Tls12] {
        for (suite, name) in version.suites() {
            let mut capture = Capture::default();
            capture.tls(version, Some(suite), 50_000, 1460);
            let frames = capture.dissect(WITH);
            let chosen = frames
                .iter()
                .flat_map(|f| &f.messages)
                .find_map(|m| match m {
                    Message::Tls(t) => match &t.kind {
                        TlsKind::ServerHello { suite, .. } => Some(suite.clone()),
                        _ => None,
                    },
                    _ => None,
                });
            assert_eq!(chosen.as_deref(), Some(name));
            assert_eq!(
                selected(&frames, "http.response.code == 201").len(),
                1,
                "{name}"
            );
        }
    }
}

#[test]
fn hellos_tell_names_protocols_and_sizes() {
    let mut capture = Capture::default();
    capture.tls(TlsVersion::Tls13, None, 50_000, 1460);
    let frames = capture.dissect(WITH);
    let kinds: Vec<&TlsKind> = frames
        .iter()
        .flat_map(|f| &f.messages)
        .filter_map(|m| match m {
            Message::Tls(t) => Some(&t.kind),
            _ => None,
        })
        .collect();
    let TlsKind::ClientHello {
        server_name,
        alpn,
        versions,
        ..
    } = kinds[0]
    else {
        panic!("{:?}", kinds[0])
    };
    assert_eq!(server_name.as_deref(), Some("your-app.com"));
    assert_eq!(
        (alpn.join(","), versions.join(",")),
        ("http/1.1".into(), "TLS 1.3".into())
    );
    assert!(kinds.contains(&&TlsKind::EncryptedExtensions {
        alpn: Some("http/1.1".into())
    }));
    let certificate = capture.certificate.len();
    assert!(kinds.contains(&&TlsKind::Certificate {
        chain: vec![certificate]
    }));
    assert_eq!(
        numbers(&frames, "tls.handshake.certificate_length"),
        [certificate as u64]
    );
    assert!(kinds.contains(&&TlsKind::CertificateVerify {
        scheme: "ecdsa_secp256r1_sha256".into()
    }));
    let names = "tls.handshake.extensions_server_name == your-app.com";
    assert_eq!(selected(&frames, names), [4]);
}

#[test]
fn the_parts_of_a_connections_life() {
    let mut capture = Capture::default();
    let mut tcp = capture.connect(51_000, 32_768);
    capture.send(&mut tcp, 0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1460);
    capture.acknowledge(&mut tcp, 1);
    capture.send(&mut tcp, 1, b"HTTP/1.1 204 No Content\r\n\r\n", 1460);
    capture.again();
    capture.finish(&mut tcp);
    let frames = capture.dissect(WITHOUT);
    let notes: Vec<_> = frames.iter().map(|f| f.tcp.unwrap()).collect();
    use TcpPart as P;
    assert_eq!(
        notes.iter().map(|n| n.part).collect::<Vec<_>>(),
        [
            P::Syn,
            P::SynAck,
            P::HandshakeAck,
            P::Data,
            P::Ack,
            P::Data,
            P::Data,
            P::Fin,
            P::Fin,
            P::Ack
        ]
    );
    assert_eq!((notes[0].sequence, notes[0].acknowledgment), (0, None));
    assert_eq!((notes[5].sequence, notes[5].acknowledgment), (1, Some(28)));
    assert!(notes[6].retransmission && !notes[5].retransmission);
    assert!(frames[6].messages.is_empty(), "bytes are delivered once");
    assert!(frames.iter().all(|f| f.stream == Some(0)));
    assert_eq!(frames[0].source.to_string(), "10.0.1.10:51000");
}

#[test]
fn data_may_complete_the_handshake() {
    let mut capture = Capture::default();
    let mut tcp = capture.connect(51_000, 32_768);
    capture.packets.pop();
    capture.send(&mut tcp, 0, b"GET / HTTP/1.1\r\n\r\n", 1460);
    capture.acknowledge(&mut tcp, 0);
    let parts: Vec<_> = capture
        .dissect(WITHOUT)
        .iter()
        .map(|f| f.tcp.unwrap().part)
        .collect();
    assert_eq!(
        parts,
        [TcpPart::Syn, TcpPart::SynAck, TcpPart::Data, TcpPart::Ack]
    );
}

#[test]
fn the_same_ends_again_are_another_stream() {
    let mut capture = Capture::default();
    for _ in 0..2 {
        let mut tcp = capture.connect(51_000, 32_768);
        capture.send(&mut tcp, 0, b"GET / HTTP/1.1\r\n\r\n", 1460);
        capture.finish(&mut tcp);
    }
    capture.connect(51_001, 32_768);
    let frames = capture.dissect(WITHOUT);
    let streams: Vec<_> = frames.iter().map(|f| f.stream.unwrap()).collect();
    assert_eq!(streams, [[0; 7].as_slice(), &[1; 7], &[2; 3]].concat());
    assert_eq!(selected(&frames, "http.request"), [4, 11]);
}

#[test]
fn dns_and_icmp() {
    let mut capture = Capture::default();
    capture.dns();
    capture.icmp_errors();
    let frames = capture.dissect(WITHOUT);
    assert_eq!(
        story(&frames),
        [
            "your-app.com A?",
            "your-app.com [198.51.100.10]",
            "nowhere.example A?",
            "nowhere.example []",
            "time exceeded in transit",
            "fragmentation needed, MTU 1400",
            "port unreachable",
            "echo request id 1 seq 2",
        ]
    );
    assert_eq!(selected(&frames, "dns.flags.rcode == 3"), [4]);
    assert_eq!(selected(&frames, "dns.a == 198.51.100.0/24"), [2]);
    assert_eq!(selected(&frames, "icmp and udp.dstport == 53"), [10]);
    assert_eq!(
        selected(&frames, "icmp.mtu == 1400 and tcp.stream == 0"),
        [9]
    );
}

#[test]
fn dns_in_a_connection_belongs_to_the_segment_that_completes_it() {
    let mut capture = Capture::default();
    capture.dns_by_tcp();
    let frames = capture.dissect(WITHOUT);
    assert_eq!(selected(&frames, "dns.flags.truncated == 1"), [2]);
    // Two questions in the segment after the handshake; both answers end in the third of the server's.
    assert_eq!(selected(&frames, "tcp and dns.flags.response == 0"), [6]);
    assert_eq!(numbers(&frames[5..6], "dns.qry.type"), [1, 16]);
    assert_eq!(selected(&frames, "dns.count.answers == 39"), [10]);
    assert_eq!(selected(&frames, "dns.soa.minimum_ttl == 30"), [10]);
    assert_eq!(story(&frames[1..2]), ["pool.your-app.com []"]);
}

#[test]
fn what_is_not_ip_is_still_a_frame() {
    let mut capture = Capture::default();
    capture.packets.push((0, vec![1, 2, 3]));
    capture.packets.push((0, Vec::new()));
    let frames = capture.dissect(WITH);
    assert_eq!(numbers(&frames, "frame.len"), [17, 14]);
    assert!(
        frames
            .iter()
            .all(|f| f.messages.is_empty() && f.tcp.is_none())
    );
}

/// The packets of one TLS connection, small segments, with its key log.
fn small_segments(version: TlsVersion) -> Capture {
    let mut capture = Capture::default();
    capture.tls(version, None, 50_000, 400);
    capture
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Cut anew, doubled and overtaken, packets tell the same story.
    #[test]
    fn segments_in_any_shape_tell_the_same(
        tls13 in any::<bool>(),
        mss in 1_usize..3000,
        doubled in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
        swapped in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let version = if tls13 { TlsVersion::Tls13 } else { TlsVersion::Tls12 };
        let capture = small_segments(version);
        // Whether a body ends in a later frame than its head is a matter of shape.
        let told = |capture: &Capture| {
            let mut told = story(&capture.dissect(WITH));
            told.retain(|t| !t.starts_with("end "));
            told
        };
        let expected = told(&capture);
        let mut shaped = capture.recut(mss);
        for at in doubled {
            let at = at.index(shaped.packets.len());
            let again = shaped.packets[at].clone();
            shaped.packets.insert(at + 1, again);
        }
        for at in swapped {
            // Neighbours of one direction only: across directions, order has meaning.
            let at = at.index(shaped.packets.len() - 1);
            if at > 3 && shaped.packets[at].1[12..16] == shaped.packets[at + 1].1[12..16] {
                shaped.packets.swap(at, at + 1);
            }
        }
        prop_assert_eq!(told(&shaped), expected);
    }

    /// Lost, cut and garbled packets tell less, and never panic.
    #[test]
    fn damage_is_survived(
        tls13 in any::<bool>(),
        damage in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..3),
            1..30,
        ),
    ) {
        let version = if tls13 { TlsVersion::Tls13 } else { TlsVersion::Tls12 };
        let mut capture = small_segments(version);
        capture.dns();
        capture.icmp_errors();
        let whole = capture.packets.len();
        for (at, byte, value, kind) in damage {
            let at = at.index(capture.packets.len());
            let packet = &mut capture.packets[at].1;
            match (kind, packet.is_empty()) {
                (0, _) => drop(capture.packets.remove(at)),
                (1, false) => packet.truncate(byte.index(packet.len())),
                (_, false) => {
                    let i = byte.index(packet.len());
                    packet[i] = value;
                }
                (_, true) => {}
            }
        }
        for sight in [WITH, WITHOUT] {
            prop_assert!(capture.dissect(sight).len() <= whole);
        }
    }

    #[test]
    fn any_bytes_after_a_header_are_survived(
        data in proptest::collection::vec(any::<u8>(), 0..300),
        start in prop::sample::select(vec![
            &b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x00\x20\x01\x00", b"\x15\x03\x03", b"GET ", b"HTTP/1.1 200\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x40\x01\x04\0\0\0\x01",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]),
        mss in 1_usize..100,
    ) {
        let mut capture = Capture::default();
        let mut tcp = capture.connect(51_000, 32_768);
        capture.send(&mut tcp, 0, &[start, &data].concat(), mss);
        capture.send(&mut tcp, 1, &[start, &data].concat(), mss);
        capture.finish(&mut tcp);
        let frames = capture.dissect(WITH);
        prop_assert_eq!(frames.len(), capture.packets.len());
    }
}
