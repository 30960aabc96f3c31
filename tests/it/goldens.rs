//! Every shipped lab without real programs runs, meets its expectations, and leaves the very bytes that are kept in `captures/`: the main
//! capture and the ladder up to 64 KiB each, else its SHA-256. `TUNLAB_BLESS=1 cargo test goldens` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tunlab::capture::reader::Capture;
use tunlab::event::What;
use tunlab::expect::judge;
use tunlab::report::terminal;
use tunlab::run::{Outcome, Run};
use tunlab::world::Ended;

use crate::tools::virtual_labs;

/// A larger capture is kept as its hash.
const WHOLE_MAX: usize = 64 * 1024;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(name)
}

/// The golden file of a lab, and what is kept in it: all of it, or when that is large its hash.
fn keep(lab: &str, kind: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    if bytes.len() <= WHOLE_MAX {
        return (format!("{lab}.{kind}"), bytes.to_vec());
    }
    let hash = Sha256::digest(bytes);
    let hash: String = hash.iter().map(|b| format!("{b:02x}")).collect();
    (
        format!("{lab}.{kind}.sha256"),
        format!("{hash}\n").into_bytes(),
    )
}

/// Compares with the golden file, or writes it.
fn compare(name: &str, bytes: &[u8], wrong: &mut Vec<String>) {
    let path = golden(name);
    if std::env::var("TUNLAB_BLESS").is_ok_and(|v| v == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        return;
    }
    let hint = "look at the difference, then `TUNLAB_BLESS=1 cargo test goldens`";
    match fs::read(&path) {
        Err(e) => wrong.push(format!("{}: {e}; {hint}", path.display())),
        Ok(kept) if kept != bytes => wrong.push(format!("{} differs; {hint}", path.display())),
        Ok(_) => {}
    }
}

/// Where a capture saw a packet last that does not arrive, the comment says why.
fn unexplained(file: &Path, outcome: &Outcome, wrong: &mut Vec<String>) {
    let capture = Capture::read(file).unwrap();
    let last: BTreeMap<_, _> = capture.packets.iter().map(|p| (p.id, p)).collect();
    for event in &outcome.events {
        let What::Dropped { packet, cause, .. } = &event.what else {
            continue;
        };
        let Some(seen) = last.get(&Some(*packet)).filter(|_| !cause.arrived()) else {
            continue;
        };
        if !seen.comments.iter().any(|c| c.starts_with("Lost: ")) {
            let packet = packet.0;
            wrong.push(format!(
                "{}: nothing says why packet {packet} is lost",
                file.display()
            ));
        }
    }
}

#[test]
fn goldens() {
    let mut wrong = Vec::new();
    let mut kept = Vec::new();
    for name in virtual_labs() {
        let plan = tunlab::lab::load(name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = Run::new(&plan, 1).into_folder(folder.path().to_owned());
        let outcome = run.execute().unwrap();
        assert_eq!(outcome.end, Ended::Quiet, "{name}");
        let record = outcome.record(&plan);
        for finding in judge(&record).iter().filter(|f| !f.holds) {
            wrong.push(format!("{name}: {} — {:?}", finding.that, finding.explain));
        }
        let stem = name.rsplit('/').next().unwrap();
        let capture = fs::read(folder.path().join(format!("{stem}.pcapng"))).unwrap();
        for file in files_below(folder.path()) {
            if file.extension().is_some_and(|e| e == "pcapng") {
                unexplained(&file, &outcome, &mut wrong);
            }
        }
        let ladder = terminal::ladder_text(&record);
        for (kind, bytes) in [("pcapng", &capture[..]), ("txt", ladder.as_bytes())] {
            let (file, bytes) = keep(name, kind, bytes);
            compare(&file, &bytes, &mut wrong);
            kept.push(file);
        }
    }
    // A golden of a lab that is gone would be kept for ever.
    for path in files_below(&golden("")) {
        let below = path
            .strip_prefix(golden(""))
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        if !kept.contains(&below) {
            wrong.push(format!("captures/{below} belongs to no lab"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
