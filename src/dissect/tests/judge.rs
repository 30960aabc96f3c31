//! tshark as outside judge: every field that we know, frame by frame, and filters in both languages. Skipped, and
//! said so, where there is no tshark.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use super::super::field::{KNOWN, Kind, Value};
use super::wire::{Capture, TlsVersion};
use super::{Frame, WITH, WITHOUT, selected};

/// A capture with something of everything.
fn everything() -> Capture {
    let mut capture = Capture::default();
    capture.dns();
    capture.dns_by_tcp();
    capture.tls(TlsVersion::Tls13, None, 50_000, 1460);
    capture.tls(TlsVersion::Tls12, None, 50_001, 1460);
    capture.tls(TlsVersion::Tls13, Some(0x1303), 50_002, 300);
    capture.tls(TlsVersion::Tls12, Some(0xcca9), 50_003, 300);
    capture.icmp_errors();
    capture.http2(TlsVersion::Tls13, 50_004, 1460);
    capture.http2(TlsVersion::Tls12, 50_005, 300);
    capture.http2_in_clear(51_002, 80, 1460);
    capture.http2_in_clear(51_003, 8080, 500);
    capture.http2_in_clear(51_004, 32_768, 1460);

    let mut tcp = capture.connect(51_000, 80);
    let get = b"GET /a HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.192.1.50\r\n\r\n";
    capture.send(&mut tcp, 0, get, 1460);
    capture.again();
    capture.acknowledge(&mut tcp, 1);
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: s\r\n\r\n\
        5\r\nhello\r\n0\r\n\r\n";
    capture.send(&mut tcp, 1, chunked, 30);
    capture.send(
        &mut tcp,
        0,
        b"GET /b HTTP/1.0\r\n\r\nGET /c HTTP/1.0\r\n\r\n",
        25,
    );
    capture.send(
        &mut tcp,
        1,
        b"HTTP/1.0 404 Not Found\r\n\r\nuntil close",
        30,
    );
    capture.finish(&mut tcp);

    // Out of order: the middle of three comes last, soon.
    let mut tcp = capture.connect(51_001, 80);
    capture.send(&mut tcp, 0, get, 25);
    let middle = capture.packets.len() - 2;
    let last = capture.packets.len() - 1;
    let times = (capture.packets[middle].0, capture.packets[last].0);
    capture.packets.swap(middle, last);
    (capture.packets[middle].0, capture.packets[last].0) = times;
    capture.reset(&mut tcp, 1);
    capture.connect(51_001, 80);
    capture
}

const FILTERS: &[&str] = &[
    "tcp.flags.syn == 1 && tcp.flags.ack == 0",
    "tcp.flags.syn and tcp.stream < 2",
    "tcp.port != 443 and not udp",
    "tcp.port in {80, 50001..50002} or dns.id == 0x9c40",
    "udp.port not in {53}",
    "ip.addr != 10.0.1.10",
    "ip.src == 10.0.2.0/24 and tcp.len ge 300",
    "ip.addr in {10.0.1.1, 192.0.2.0/24}",
    "tls.handshake.type == 1 or tls.handshake.type == 11",
    "tls.handshake.extensions_server_name contains \"app\"",
    "tls.handshake.ciphersuite in {0x1303, 0xcca9}",
    "tls.record.opaque_type == 23",
    "tls.app_data && !http",
    "http2",
    "http2.type == 1 && http2.flags.eh == 0",
    "http2.headers.status == 404",
    "http2.headers.path == \"/a\" || http2.goaway.error > 0",
    "http2.header.name contains \"user\" && tls",
    "http2.streamid in {2, 5} and not http2.settings",
    "tls.alert_message.desc == 0",
    "http.request.method == \"POST\" || http.response.code >= 400",
    "http.request.line contains \"Host: x\\r\\n\"",
    "http.request.uri != \"/a\"",
    "http.x_forwarded_for == 203.192.1.50",
    "not tcp.analysis.retransmission and tcp.len > 0 and tcp.stream == 5",
    "dns.qry.name == your-app.com and dns.a",
    "dns.flags.response == 0 or icmp.type in {3, 11}",
    "not dns and tcp.len == 1 or dns.flags.rcode > 2",
    "! ! tcp.analysis.out_of_order",
    "tcp and dns.count.answers > 30 and dns.length > 512",
    "dns.flags.truncated == 1 or dns.rr.udp_payload_size == 1232",
    "dns.resp.type == 41 or dns.soa.minimum_ttl == 30 and dns.txt == \"v=1\"",
];

/// Two passes, and data put in order: what the window does, and we.
const IN_ORDER: [&str; 3] = ["-2", "-o", "tcp.reassemble_out_of_order:TRUE"];

/// tshark on a capture; its standard output. `None` without tshark.
pub(super) fn tshark(
    directory: &std::path::Path,
    with_keys: bool,
    arguments: &[&str],
) -> Option<String> {
    let mut command = Command::new("tshark");
    command.current_dir(directory).args(["-n", "-r", "c.pcap"]);
    if with_keys {
        command.args(["-o", "tls.keylog_file:keys.log"]);
    }
    let Ok(output) = command.args(arguments).output() else {
        let required = std::env::var("TUNLAB_TEST_REQUIRE").is_ok_and(|v| v == "all");
        assert!(!required, "tshark is required and not installed");
        // Not `eprintln!`, which the test harness swallows when the test passes.
        writeln!(std::io::stderr(), "\nSKIPPED: tshark is not installed").unwrap();
        return None;
    };
    assert!(output.status.success(), "tshark {arguments:?}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

pub(super) fn write(capture: &Capture, directory: &std::path::Path) {
    // Classic pcap with nanoseconds, link type Ethernet.
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d, 2 | 4 << 16, 0, 0, 262_144, 1] {
        file.extend(u32::to_le_bytes(word));
    }
    for (at, bytes) in &capture.packets {
        let length = bytes.len() as u32 + 14;
        let (s, ns) = (at / 1_000_000_000, at % 1_000_000_000);
        for word in [s as u32, ns as u32, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        file.extend(bytes);
    }
    std::fs::write(directory.join("c.pcap"), file).unwrap();
    let keys = capture.keys.0.lock().unwrap().join("\n") + "\n";
    std::fs::write(directory.join("keys.log"), keys).unwrap();
}

pub(super) fn ours(frame: &Frame, name: &str, kind: Kind) -> String {
    let values: Vec<String> = frame
        .fields
        .all(name)
        .map(|value| match value {
            Value::Present => "1".into(),
            Value::Number(n) => n.to_string(),
            Value::Flag(b) => u8::from(*b).to_string(),
            Value::Address(a) => a.to_string(),
            Value::Text(t) => t.replace('\r', "\\r").replace('\n', "\\n"),
            Value::Bytes(b) => b.iter().fold(String::new(), |mut hex, b| {
                write!(hex, "{b:02x}").unwrap();
                hex
            }),
        })
        .collect();
    match kind {
        Kind::Protocol | Kind::Label => values.first().cloned().unwrap_or_default(),
        _ => values.join("|"),
    }
}

pub(super) fn theirs(text: &str, kind: Kind) -> String {
    if text.is_empty() {
        return String::new();
    }
    let value = |v: &str| match kind {
        Kind::Number(_) => match v.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).unwrap().to_string(),
            None => v.into(),
        },
        Kind::Flag => u8::from(v == "1" || v == "True").to_string(),
        Kind::Bytes => v.replace(':', ""),
        Kind::Protocol | Kind::Label | Kind::Ipv4 | Kind::Ipv6 | Kind::Text => v.into(),
    };
    match kind {
        Kind::Protocol | Kind::Label => "1".into(),
        _ => text.split('|').map(value).collect::<Vec<_>>().join("|"),
    }
}

#[test]
fn tshark_sees_the_same_fields_and_selects_the_same_frames() {
    let capture = everything();
    let directory = tempfile::tempdir().unwrap();
    write(&capture, directory.path());
    // The interface's name is of pcapng; a classic file has none.
    let known = || {
        KNOWN
            .iter()
            .filter(|(name, _)| *name != "frame.interface_name")
    };
    let mut arguments = IN_ORDER.to_vec();
    arguments.extend(["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"]);
    for (name, _) in known() {
        arguments.extend(["-e", name]);
    }
    for (sight, with_keys) in [(WITH, true), (WITHOUT, false)] {
        let frames = capture.dissect(sight);
        let Some(table) = tshark(directory.path(), with_keys, &arguments) else {
            return;
        };
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows.len(), frames.len());
        for (frame, row) in frames.iter().zip(rows) {
            for ((name, kind), cell) in known().zip(row.split('\t')) {
                let (ours, theirs) = (ours(frame, name, *kind), theirs(cell, *kind));
                assert_eq!(ours, theirs, "{name} of frame {}, {sight:?}", frame.number);
            }
        }
        // Without keys a sample will do: a call of tshark takes its time.
        let every = if with_keys { 1 } else { 4 };
        for filter in FILTERS.iter().step_by(every) {
            let mut arguments = IN_ORDER.to_vec();
            arguments.extend(["-Y", filter, "-T", "fields", "-e", "frame.number"]);
            let list = tshark(directory.path(), with_keys, &arguments).unwrap();
            let theirs: Vec<usize> = list.lines().map(|n| n.parse().unwrap()).collect();
            assert_eq!(selected(&frames, filter), theirs, "{filter}, {sight:?}");
            assert!(with_keys == (sight == WITH) && theirs.len() < frames.len());
        }
    }
}
