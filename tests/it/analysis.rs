//! Wireshark's analysis of TCP on every capture that is kept in `captures/`: the same marks on the same frames as ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use tunlab::capture::reader::Capture;
use tunlab::dissect::field::{KNOWN, Kind, Value};
use tunlab::dissect::{Dissector, Sight};
use tunlab::event::{Crossing, Direction, PacketId, TapId};
use tunlab::time::Instant;

use crate::tools::{have, output_of};

/// Of each field the frames that have it; of a number with its value.
type Marks = BTreeMap<&'static str, Vec<String>>;

fn fields() -> impl Iterator<Item = (&'static str, Kind)> {
    let all = KNOWN.iter().copied();
    all.filter(|(name, _)| name.starts_with("tcp.analysis."))
}

fn ours(path: &Path) -> Marks {
    let capture = Capture::read(path).unwrap();
    let mut dissector = Dissector::new(Sight::Observer);
    let mut marks = Marks::new();
    for packet in &capture.packets {
        let crossing = Crossing {
            at: Instant::from_nanos(packet.at),
            tap: TapId(0),
            direction: Direction::Out,
            packet: PacketId(0),
            bytes: capture.ip_packet(packet).unwrap(),
            lost: None,
        };
        let frame = dissector.frame(&crossing, "");
        for (name, _) in fields() {
            let mark = match frame.fields.all(name).next() {
                Some(Value::Number(value)) => format!("{}: {value}", frame.number),
                Some(_) => frame.number.to_string(),
                None => continue,
            };
            marks.entry(name).or_default().push(mark);
        }
    }
    marks
}

/// One reading for all fields.
fn theirs(path: &Path) -> Marks {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("tshark");
    command
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path())
        .args(["-n", "-2", "-o", "tcp.reassemble_out_of_order:TRUE"])
        .args(["-T", "fields", "-e", "frame.number"]);
    for (name, _) in fields() {
        command.args(["-e", name]);
    }
    let text = output_of(command.arg("-r").arg(path));
    let mut marks = Marks::new();
    for line in text.lines() {
        let mut cells = line.split('\t');
        let number = cells.next().unwrap();
        for ((name, kind), cell) in fields().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            let mark = if matches!(kind, Kind::Number(_)) {
                format!("{number}: {cell}")
            } else {
                number.to_owned()
            };
            marks.entry(name).or_default().push(mark);
        }
    }
    marks
}

fn captures(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            captures(&path, into);
        } else if path.extension().is_some_and(|e| e == "pcapng") {
            into.push(path);
        }
    }
}

#[test]
fn our_analysis_of_tcp_is_wiresharks() {
    if !have("tshark") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut paths = Vec::new();
    captures(&folder, &mut paths);
    paths.sort();
    // tshark takes most of its time to start.
    let judge = |paths: &[PathBuf]| -> Vec<(Marks, Marks)> {
        paths.iter().map(|p| (ours(p), theirs(p))).collect()
    };
    let (first, second) = paths.split_at(paths.len() / 2);
    let judged = std::thread::scope(|scope| {
        let other = scope.spawn(|| judge(second));
        let mut judged = judge(first);
        judged.extend(other.join().unwrap());
        judged
    });
    let mut found = BTreeMap::new();
    let mut wrong = Vec::new();
    for (path, (ours, theirs)) in paths.iter().zip(judged) {
        let shown = path.strip_prefix(&folder).unwrap().display().to_string();
        if ours != theirs {
            wrong.push(format!("{shown}: {ours:?}, not {theirs:?}"));
        }
        for (name, frames) in theirs {
            found.insert((shown.clone(), name), frames.len());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // What these labs are about is there.
    for (capture, name, count) in [
        ("tcp/zero-window.pcapng", "zero_window", 8),
        ("tcp/zero-window.pcapng", "zero_window_probe", 6),
        ("tcp/zero-window.pcapng", "zero_window_probe_ack", 6),
        ("tcp/zero-window.pcapng", "window_full", 2),
        ("tcp/zero-window.pcapng", "window_update", 2),
        ("tcp/zero-window.fixed.pcapng", "window_full", 2),
        ("vpc/nat-idle-timeout.fixed.pcapng", "keep_alive", 6),
        ("vpc/nat-idle-timeout.fixed.pcapng", "keep_alive_ack", 6),
        ("alb/port-exhaustion.pcapng", "reused_ports", 1),
    ] {
        let of =
            |(at, field): &(String, &str)| at == capture && field.ends_with(&format!(".{name}"));
        let counted = found.iter().find(|(key, _)| of(key)).map(|(_, n)| *n);
        assert_eq!(counted, Some(count), "{name} in {capture}");
    }
}
