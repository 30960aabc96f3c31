//! Wireshark as the outside judge: tshark, capinfos and editcap read the main capture and every tap's file of every
//! lab, without any preference that would help.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tunlab::dissect::filter::Filter;
use tunlab::run::Run;

use crate::tools::{have, output_of, run_lab, virtual_labs};

/// A capture of a lab, and what is allowed in it.
struct Judged {
    _folder: tempfile::TempDir,
    lab: &'static str,
    folder: PathBuf,
}

impl Judged {
    fn run(lab: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        run_lab(lab, folder.path(), &["--pcap"], 0);
        Self {
            folder: folder.path().join(lab),
            _folder: folder,
            lab,
        }
    }

    fn main(&self) -> PathBuf {
        let stem = self.lab.rsplit('/').next().unwrap();
        self.folder.join(format!("{stem}.pcapng"))
    }

    /// All pcapng files: the main one and every tap's.
    fn all(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let mut files: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
        files.retain(|p| p.extension().is_some_and(|e| e == "pcapng"));
        files.sort();
        files
    }
}

/// The lines that tshark prints for these fields of the frames that `filter` selects. Two passes, as the window does;
/// checksums verified; nothing that would decrypt.
fn tshark(capture: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    // An empty home: no preferences of whoever runs the test.
    let home = tempfile::tempdir().unwrap();
    command
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path())
        .args(["-n", "-2", "-T", "fields", "-E", "occurrence=a", "-r"])
        .arg(capture);
    for checked in ["ip", "tcp", "udp"] {
        command.args(["-o", &format!("{checked}.check_checksum:TRUE")]);
    }
    command.args([
        "-E",
        "aggregator=|",
        "-o",
        "tcp.reassemble_out_of_order:TRUE",
    ]);
    if !filter.is_empty() {
        command.args(["-Y", filter]);
    }
    for field in fields {
        command.args(["-e", field]);
    }
    let text = output_of(&mut command);
    let lines = text.lines();
    lines
        .map(|l| l.split('\t').map(str::to_owned).collect())
        .collect()
}

fn numbers(capture: &Path, filter: &str) -> Vec<usize> {
    let lines = tshark(capture, filter, &["frame.number"]);
    lines.iter().map(|l| l[0].parse().unwrap()).collect()
}

/// The first labs, whose captures are looked at most closely: without faults, one request on two connections.
const PLAIN: [&str; 2] = ["https-through-alb", "timeline-as-written"];

/// Severity "Warning" (`_ws.expert.severity`).
const WARNING: u64 = 0x0060_0000;

/// What Wireshark's experts say at severity warning and above, message by message, after checking that every checksum
/// is good and nothing is malformed.
fn warnings(capture: &Path) -> Vec<String> {
    let shown = capture.display();
    let fields = [
        "ip.checksum.status",
        "tcp.checksum.status",
        "udp.checksum.status",
        "_ws.malformed",
        "_ws.short",
        "_ws.unreassembled",
        "_ws.expert.severity",
        "_ws.expert.message",
        "icmp.checksum.status",
    ];
    let mut found = Vec::new();
    for line in tshark(capture, "", &fields) {
        let cell = |n: usize| line.get(n).map_or("", String::as_str);
        // 1 is "Good", 0 is "Bad"; TCP or UDP besides IP. An ICMP error quotes both, but the least that it may quote ends
        // before the checksum of TCP (RFC 792).
        let ip = cell(0).split('|').all(|status| status == "1");
        let mut icmp = cell(8).split('|');
        let icmp = icmp.next() == Some("1") && icmp.all(|status| status != "0");
        let quotes = icmp && [cell(1), cell(2)].iter().all(|s| *s != "0");
        let good = ip && (quotes || (cell(1) == "1") != (cell(2) == "1"));
        assert!(good, "{shown}: {line:?}");
        let severities = cell(6).split('|').filter(|s| !s.is_empty());
        let marks = severities.zip(cell(7).split('|'));
        let warned = marks.filter(|(severity, _)| severity.parse::<u64>().unwrap() >= WARNING);
        let warned: Vec<String> = warned.map(|(_, message)| message.to_owned()).collect();
        // What Wireshark calls malformed with a warning that says why has to be a fault of the lab; nothing is cut off.
        let whole = cell(3).is_empty() || !warned.is_empty();
        let whole = whole && cell(4).is_empty() && cell(5).is_empty();
        assert!(whole, "{shown}: {line:?}");
        found.extend(warned);
    }
    let info = output_of(Command::new("capinfos").arg(capture));
    // An empty file has no order to speak of.
    let empty = info.contains("Number of packets:   0");
    assert!(
        empty || info.contains("Strict time order:   True"),
        "{shown}: {info}"
    );
    assert!(info.contains("nanoseconds (9)"), "{shown}: {info}");
    found
}

#[test]
fn nothing_is_malformed_and_warnings_are_the_labs_own_faults() {
    if !have("tshark") || !have("capinfos") {
        return;
    }
    // Of all labs at once: one that is wrong does not hide the next.
    let mut wrong = Vec::new();
    for lab in virtual_labs() {
        let judged = Judged::run(lab);
        let plan = tunlab::lab::load(lab).unwrap();
        let found = warnings(&judged.main());
        if found != plan.expert {
            wrong.push(format!("{lab}: {found:?}, not {:?}", plan.expert));
        }
        if PLAIN.contains(&lab) {
            for capture in judged.all() {
                assert_eq!(warnings(&capture), [""; 0], "{}", capture.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn both_connections_are_whole_from_syn_to_fin() {
    if !have("tshark") {
        return;
    }
    for lab in PLAIN {
        let judged = Judged::run(lab);
        let capture = judged.main();
        let fields = ["tcp.stream", "tcp.completeness", "frame.interface_name"];
        let lines = tshark(&capture, "tcp", &fields);
        let streams: BTreeSet<_> = lines.iter().map(|l| (&l[0], &l[2])).collect();
        assert_eq!(
            streams.len(),
            2,
            "{lab}: each stream at one tap: {streams:?}"
        );
        // SYN 1, SYN-ACK 2, ACK 4, data 8, FIN 16, and no RST (32).
        assert!(lines.iter().all(|l| l[1] == "31"), "{lab}: {lines:?}");
        let three = "tcp.flags.syn == 1 || (tcp.seq == 1 && tcp.ack == 1 && tcp.len == 0 && tcp.flags.fin == 0)";
        assert_eq!(
            numbers(&capture, three).len(),
            6,
            "{lab}: two handshakes of three packets"
        );
    }
}

#[test]
fn the_request_is_http_inside_tls_on_one_link_and_plain_on_the_other() {
    if !have("tshark") || !have("editcap") {
        return;
    }
    for lab in PLAIN {
        let judged = Judged::run(lab);
        let capture = judged.main();
        let request = "http.request.uri == \"/notification/health/check\"";
        let tap = |filter: &str| tshark(&capture, filter, &["frame.interface_name"]);
        assert_eq!(tap(&format!("{request} && tls")), [["user0"]], "{lab}");
        assert_eq!(tap(&format!("{request} && !tls")), [["alb-vpc"]], "{lab}");
        let answers = tshark(&capture, "http.response", &["http.response.code"]);
        assert_eq!(answers, [["200"], ["200"]], "{lab}");
        assert!(
            numbers(&capture, "tls.alert_message.level == 2").is_empty(),
            "{lab}"
        );

        // The same capture without its secrets is what somebody on the path has.
        let without = judged.folder.join("without.pcapng");
        let mut editcap = Command::new("editcap");
        editcap
            .arg("--discard-all-secrets")
            .arg(&capture)
            .arg(&without);
        output_of(&mut editcap);
        assert_eq!(
            numbers(&without, "http && tcp.port == 443"),
            [0; 0],
            "{lab}"
        );
        assert_eq!(numbers(&without, request).len(), 1, "{lab}: in the VPC");
    }
}

#[test]
fn our_filters_select_what_wiresharks_do() {
    if !have("tshark") || !have("editcap") {
        return;
    }
    let filters = [
        "dns",
        "dns.a == 198.51.100.10",
        "udp.port == 53 && dns.flags.response == 1",
        "tcp.flags.syn == 1 && tcp.flags.ack == 0",
        "tcp.len == 0",
        "tcp.stream == 1",
        "tls",
        "tls.handshake",
        "tls.handshake.type == 1",
        "tls.handshake.extensions_server_name == \"your-app.com\"",
        "tls.record.content_type == 23",
        "tls.alert_message.desc == 0",
        "http",
        "http.request.method == \"GET\" and not tls",
        "http.host contains \"app\"",
        "http.x_forwarded_for == \"203.192.1.50\"",
        "http.response.code >= 200",
        "ip.addr == 10.0.0.0/16",
        "ip.src != 203.192.1.50",
        "frame.len > 300 or icmp",
        "ip.ttl < 64",
        "tls.handshake.extensions_key_share_group == 0x001d",
        "tls.handshake.extensions_supported_group",
        "tls.handshake.extensions_key_share_selected_group",
        "tls.handshake.server_named_curve",
    ];
    // Not among the counted: the statistics' own syntax has no commas in a filter.
    let set = "tls.handshake.type in {2, 11, 20}";
    for lab in virtual_labs() {
        let judged = Judged::run(lab);
        let capture = judged.main();
        let without = judged.folder.join("without.pcapng");
        let mut editcap = Command::new("editcap");
        editcap
            .arg("--discard-all-secrets")
            .arg(&capture)
            .arg(&without);
        output_of(&mut editcap);
        let plan = tunlab::lab::load(lab).unwrap();
        let outcome = Run::new(&plan, 1).execute().unwrap();
        for (frames, file) in [(&outcome.frames, &capture), (&outcome.observed, &without)] {
            let theirs = counts(file, &filters);
            for (filter, count) in filters.iter().zip(theirs) {
                let ours = Filter::parse(filter).unwrap();
                let selected = frames.iter().filter(|f| ours.matches(f)).map(|f| f.number);
                let selected: Vec<_> = selected.collect();
                let shown = file.display();
                assert_eq!(selected.len(), count, "{lab}: `{filter}` in {shown}");
                if PLAIN.contains(&lab) {
                    assert_eq!(selected, numbers(file, filter), "{lab}: `{filter}`");
                }
            }
            let ours = Filter::parse(set).unwrap();
            let selected = frames.iter().filter(|f| ours.matches(f)).map(|f| f.number);
            let selected: Vec<_> = selected.collect();
            assert_eq!(selected, numbers(file, set), "{lab}: `{set}`");
        }
    }
}

/// How many frames each filter selects, by tshark's statistics: one reading for all.
fn counts(capture: &Path, filters: &[&str]) -> Vec<usize> {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("tshark");
    command
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path());
    command.args(["-n", "-2", "-q", "-o", "tcp.reassemble_out_of_order:TRUE"]);
    command.args(["-z", &format!("io,stat,0,{}", filters.join(","))]);
    let text = output_of(command.arg("-r").arg(capture));
    // | 0.000 <> 0.109 |     24 | 2713 |      2 |  150 | …: frames and bytes for each filter.
    let row = text.lines().find(|l| l.contains("<>")).unwrap();
    let cells: Vec<_> = row.split('|').map(str::trim).collect();
    let frames = cells[2..].iter().step_by(2).take(filters.len());
    frames.map(|c| c.parse().unwrap()).collect()
}

#[test]
fn names_comments_and_statistics_are_shown() {
    if !have("tshark") || !have("capinfos") {
        return;
    }
    let judged = Judged::run("https-through-alb");
    let capture = judged.main();
    let comments = tshark(&capture, "frame.comment", &["frame.comment"]);
    assert!(comments.len() >= 8, "{comments:?}");
    let hosts = output_of(
        Command::new("tshark")
            .args(["-q", "-N", "n", "-z", "hosts", "-r"])
            .arg(&capture),
    );
    for line in [
        "203.192.1.50\tuser",
        "198.51.100.10\tfl-production-alb",
        "10.0.2.21\tec2-a",
    ] {
        assert!(hosts.contains(line), "{line} in {hosts}");
    }
    let info = output_of(Command::new("capinfos").arg(&capture));
    assert!(
        info.contains("Number of decryption secrets in file: 1"),
        "{info}"
    );
    assert_eq!(
        info.matches("Number of stat entries = 1").count(),
        2,
        "{info}"
    );
    // Seen from the user: every frame has a direction.
    let directions = tshark(&capture, "", &["frame.packet_flags_direction"]);
    // A word of flags, of which the two lowest bits are the direction.
    let known = ["0x00000001", "0x00000002"];
    assert!(
        directions.iter().all(|d| known.contains(&d[0].as_str())),
        "{directions:?}"
    );

    // Classic pcap needs the key log beside it.
    let pcap = judged.folder.join("https-through-alb.pcap");
    let keys = judged.folder.join("keys.log");
    let mut command = Command::new("tshark");
    command.args([
        "-n",
        "-Y",
        "http && tls",
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-r",
    ]);
    command.arg(&pcap);
    command.args(["-o", &format!("tls.keylog_file:{}", keys.display())]);
    assert_eq!(output_of(&mut command).lines().count(), 2);
}

/// One packet at the taps along its way: the time to live counts down, the port mapping rewrites, the identity stays.
#[test]
fn the_port_mapping_is_seen_at_the_taps() {
    if !have("tshark") {
        return;
    }
    let judged = Judged::run("https-through-alb");
    let syn = |tap: &str| {
        let file = judged
            .folder
            .join(format!("https-through-alb.{tap}.pcapng"));
        let fields = ["ip.dst", "tcp.dstport", "ip.ttl", "frame.packet_id"];
        let line = tshark(&file, "tcp.flags.syn == 1 && tcp.flags.ack == 0", &fields);
        assert_eq!(line.len(), 1, "{tap}");
        line[0].clone()
    };
    let id = syn("alb-vpc")[3].clone();
    let seen = |address: &str, port: &str, ttl: &str| {
        vec![
            address.to_owned(),
            port.to_owned(),
            ttl.to_owned(),
            id.clone(),
        ]
    };
    assert_eq!(syn("alb-vpc"), seen("10.0.2.21", "32768", "64"));
    assert_eq!(syn("vpc-ec2-a"), seen("10.0.2.21", "32768", "63"));
    assert_eq!(syn("ec2-a-eth0"), seen("10.0.2.21", "32768", "63"));
    assert_eq!(syn("ec2-a-docker0"), seen("172.17.0.2", "8080", "62"));
    assert_eq!(syn("web-a0"), seen("172.17.0.2", "8080", "62"));
}

/// The private key of the server's certificate is enough, for RSA key exchange and for nothing else: the capture
/// without its secrets, and the key as a file.
#[test]
fn the_private_key_alone_decrypts_rsa_key_exchange() {
    if !have("tshark") || !have("editcap") {
        return;
    }
    for (lab, requests) in [
        ("tls/rsa-key-exchange", 1),
        ("tls/rsa-key-exchange-cbc", 1),
        ("tls/tls12-ecdhe", 0),
    ] {
        let judged = Judged::run(lab);
        let observed = judged.folder.join("observed.pcapng");
        output_of(
            Command::new("editcap")
                .arg("--discard-all-secrets")
                .args([&judged.main(), &observed]),
        );
        let inside_tls = "http.request && tcp.port == 443";
        assert_eq!(numbers(&observed, inside_tls), [0; 0], "{lab}");
        // The run's own keys again: the same lab and seed.
        let plan = tunlab::lab::load(lab).unwrap();
        let pki = tunlab::tls::authority::Pki::build(&plan.pki, tunlab::rng::Seed(1)).unwrap();
        let key = judged.folder.join("your-app.key");
        std::fs::write(&key, pki.identity("your-app").unwrap().key_pem()).unwrap();
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("tshark");
        command
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path())
            .args(["-n", "-2", "-Y", inside_tls, "-T", "fields", "-e"])
            .arg("http.request.uri")
            .args(["-o", &format!("uat:rsa_keys:\"{}\",\"\"", key.display())])
            .arg("-r")
            .arg(&observed);
        let text = output_of(&mut command);
        let found: Vec<_> = text.lines().collect();
        assert_eq!(found, vec!["/notification/health/check"; requests], "{lab}");
    }
}
