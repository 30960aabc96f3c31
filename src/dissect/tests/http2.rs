//! HTTP/2 by hand: every type of frame, in clear and inside TLS, however the bytes are cut.

use std::io::Write;

use super::super::message::{Http2Kind, Message};
use super::wire::{Capture, TlsVersion};
use super::{WITH, WITHOUT, numbers, selected, story};

/// A frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let bytes = values.iter().flat_map(|(id, value)| {
        let mut entry = id.to_be_bytes().to_vec();
        entry.extend(value.to_be_bytes());
        entry
    });
    frame(4, 0, 0, &bytes.collect::<Vec<u8>>())
}

/// A header whose name stands at `index` of the static table, to be remembered or not.
fn literal(index: u8, value: &str, remember: bool) -> Vec<u8> {
    let first = if remember {
        vec![0x40 | index]
    } else {
        indexed_name(index)
    };
    [first, vec![value.len() as u8], value.as_bytes().to_vec()].concat()
}

fn indexed_name(index: u8) -> Vec<u8> {
    if index < 15 {
        vec![index]
    } else {
        vec![15, index - 15]
    }
}

/// What a client sends, in the pieces that it writes, and what the server answers to each.
pub(super) fn dialogue() -> Vec<[Vec<u8>; 2]> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let hello = [
        preface,
        settings(&[(2, 0), (3, 100), (4, 1_048_576), (9, 7)]),
        frame(8, 0, 0, &1_000_000_u32.to_be_bytes()),
    ];
    let welcome = [
        settings(&[(1, 4096), (3, 128), (5, 16_384), (6, 8192), (8, 1)]),
        frame(4, 1, 0, b""),
    ];
    // GET https /a, host remembered.
    let mut get = vec![0x82, 0x87];
    get.extend(literal(1, "your-app.com", true));
    get.extend(literal(4, "/a", false));
    get.extend(literal(58, "test", true));
    // POST / with the host of the table (62 is user-agent, 63 the host), padded, with a priority.
    let mut post = vec![0x83, 0x87, 0x84, 0xbf, 0xbe];
    post.extend(literal(28, "3", false));
    let mut padded = vec![4, 0x80, 0, 0, 1, 200];
    padded.extend(&post);
    padded.extend([0; 4]);
    let asks = [
        frame(4, 1, 0, b""),
        frame(1, 0x5, 1, &get),
        frame(1, 0x8 | 0x20 | 0x4, 3, &padded),
        frame(0, 0x8, 3, &[2, b'x', b'y', 0, 0]),
        frame(0, 0x1, 3, b"z"),
        frame(2, 0, 5, &[0, 0, 0, 3, 9]),
    ];
    // 200 in three pieces with a smaller table before it, then the body and trailers.
    let mut ok = vec![0x3f, 0xe1, 0x0f, 0x88];
    ok.extend(literal(54, "lab", true));
    ok.extend(literal(31, "text/plain", false));
    let not_found = [vec![0x8d], vec![0xbe], literal(28, "0", false)].concat();
    let trailers = [&[0x00, 3][..], b"sum", &[2], b"ab"].concat();
    let answers = [
        frame(1, 0, 1, &ok[..5]),
        frame(9, 0, 1, &ok[5..9]),
        frame(9, 4, 1, &ok[9..]),
        frame(0, 0, 1, &[b'a'; 3000]),
        frame(1, 0x5, 3, &not_found),
        frame(0, 0, 1, b""),
        frame(1, 0x5, 1, &trailers),
        frame(5, 4, 1, &[&[0, 0, 0, 2][..], &[0x82, 0x87, 0x84]].concat()),
        frame(6, 0, 0, b"12345678"),
    ];
    let more = [
        frame(6, 1, 0, b"12345678"),
        frame(3, 0, 2, &8_u32.to_be_bytes()),
        frame(8, 0, 1, &3000_u32.to_be_bytes()),
        frame(200, 7, 0, b"?"),
    ];
    let end = [frame(7, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 11, b'!'])];
    let nothing = Vec::new();
    let bye = [frame(7, 0, 0, &[0; 8])];
    vec![
        [hello.concat(), welcome.concat()],
        [asks.concat(), answers.concat()],
        [more.concat(), end.concat()],
        [bye.concat(), nothing],
    ]
}

impl Capture {
    /// The dialogue inside TLS with ALPN h2.
    pub(super) fn http2(&mut self, version: TlsVersion, port: u16, mss: usize) {
        let (mut client, mut server) = self.engines(version, None, b"h2");
        let mut tcp = self.connect(port, 443);
        while client.is_handshaking() || server.is_handshaking() {
            self.exchange(&mut tcp, &mut client, &mut server, mss);
        }
        for [asked, answered] in dialogue() {
            client.writer().write_all(&asked).unwrap();
            self.exchange(&mut tcp, &mut client, &mut server, mss);
            server.writer().write_all(&answered).unwrap();
            self.exchange(&mut tcp, &mut client, &mut server, mss);
        }
        client.send_close_notify();
        server.send_close_notify();
        self.exchange(&mut tcp, &mut client, &mut server, mss);
        self.finish(&mut tcp);
    }

    /// The dialogue in clear.
    pub(super) fn http2_in_clear(&mut self, port: u16, server_port: u16, mss: usize) {
        let mut tcp = self.connect(port, server_port);
        for [asked, answered] in dialogue() {
            self.send(&mut tcp, 0, &asked, mss);
            self.send(&mut tcp, 1, &answered, mss);
        }
        self.finish(&mut tcp);
    }
}

const STORY: [&str; 26] = [
    "HTTP/2 preface",
    "SETTINGS",
    "WINDOW_UPDATE",
    "SETTINGS",
    "SETTINGS ACK",
    "SETTINGS ACK",
    "GET /a on 1",
    "POST / on 3",
    "DATA on 3",
    "DATA on 3",
    "PRIORITY on 5",
    "HEADERS, to be continued on 1",
    "HEADERS, to be continued on 1",
    "200 on 1",
    "DATA on 1",
    "404 on 3",
    "DATA on 1",
    "HEADERS on 1",
    "PUSH_PROMISE of stream 2 on 1",
    "PING",
    "PING ACK",
    "RST_STREAM CANCEL on 2",
    "WINDOW_UPDATE on 1",
    "HTTP/2 frame type 200",
    "GOAWAY ENHANCE_YOUR_CALM",
    "GOAWAY NO_ERROR",
];

fn expected(star: &str) -> Vec<String> {
    STORY.iter().map(|t| format!("{t}{star}")).collect()
}

#[test]
fn every_frame_is_told_in_clear_and_inside_tls() {
    let mut capture = Capture::default();
    capture.http2_in_clear(51_000, 8080, 1460);
    for sight in [WITH, WITHOUT] {
        assert_eq!(story(&capture.dissect(sight)), expected(""));
    }
    let mut elsewhere = Capture::default();
    elsewhere.http2_in_clear(51_000, 32_768, 1460);
    assert!(story(&elsewhere.dissect(WITH)).is_empty());
    for version in [TlsVersion::Tls13, TlsVersion::Tls12] {
        let mut capture = Capture::default();
        capture.http2(version, 50_000, 1460);
        let frames = capture.dissect(WITH);
        let mut told = story(&frames);
        let first = told.iter().position(|t| t == "HTTP/2 preface*").unwrap();
        told.drain(..first);
        told.retain(|t| t != "application data*" && t != "close_notify*");
        assert_eq!(told, expected("*"));
        let seen = capture.dissect(WITHOUT);
        assert!(selected(&seen, "http2").is_empty());
    }
}

#[test]
fn the_shape_of_segments_changes_nothing() {
    let mut whole = Capture::default();
    whole.http2_in_clear(51_000, 8080, 100_000);
    let heads = |capture: &Capture| {
        let frames = capture.dissect(WITH);
        let messages = frames.into_iter().flat_map(|f| f.messages);
        messages.collect::<Vec<Message>>()
    };
    let expected = heads(&whole);
    for mss in [1, 2, 8, 9, 10, 23, 24, 25, 100, 1460] {
        let mut capture = Capture::default();
        capture.http2_in_clear(51_000, 8080, mss);
        assert_eq!(heads(&capture), expected, "{mss}");
    }
}

#[test]
fn fields_and_details_are_kept() {
    let mut capture = Capture::default();
    capture.http2_in_clear(51_000, 8080, 100_000);
    let frames = capture.dissect(WITHOUT);
    assert_eq!(numbers(&frames, "http2.headers.status"), [200, 404]);
    assert_eq!(
        numbers(&frames, "http2.header_table_size_update.header_table_size"),
        [2048]
    );
    assert_eq!(
        selected(
            &frames,
            "http2.headers.path == \"/a\" && http2.headers.authority == \"your-app.com\""
        ),
        selected(
            &frames,
            "http2.rst_stream.error != 8 || http2.headers.method == \"POST\""
        ),
    );
    let data: Vec<_> = frames
        .iter()
        .flat_map(|f| &f.messages)
        .filter_map(|m| match m {
            Message::Http2(h) => match h.kind {
                Http2Kind::Data { bytes, end } => Some((h.stream, bytes, end)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(
        data,
        [(3, 2, false), (3, 1, true), (1, 3000, false), (1, 0, false)]
    );
}

#[test]
fn what_is_wrong_ends_the_story_and_nothing_else() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (wrong, told) in [
        // An index that there is not; a block that goes on elsewhere; padding longer than the frame; too long.
        (frame(1, 5, 1, &[0xc0]), "HEADERS on 1"),
        (frame(9, 4, 1, b""), "HTTP/2 frame type 9 on 1"),
        (frame(1, 0xd, 1, &[9, 0x82]), "HTTP/2 frame type 1 on 1"),
        (frame(4, 0, 0, &[0; 0x10_0001]), ""),
    ] {
        let mut capture = Capture::default();
        let mut tcp = capture.connect(51_000, 8080);
        let bytes = [preface, &wrong[..], &settings(&[])[..]].concat();
        capture.send(&mut tcp, 0, &bytes, 60_000);
        let mut expected = vec!["HTTP/2 preface"];
        expected.extend(Some(told).filter(|t| !t.is_empty()));
        assert_eq!(story(&capture.dissect(WITH)), expected);
    }
}
