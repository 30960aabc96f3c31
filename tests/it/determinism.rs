//! The same lab and seed give the same bytes: in another process, in another folder, more than a second later (a
//! second is what a `Date` header, a certificate or a ticket would notice). Another seed gives other bytes at the same
//! times.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::tools::{run_lab, virtual_labs};

/// Every file of a run, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        files.insert(name, fs::read(entry.path()).unwrap());
    }
    files
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut printed = Vec::new();
    for (folder, wait) in [(&one, 0), (&two, 1_200)] {
        sleep(Duration::from_millis(wait));
        for lab in virtual_labs() {
            let output = run_lab(lab, folder.path(), &["--pcap"], 0);
            let text = String::from_utf8(output.stdout).unwrap();
            printed.push(text.replace(folder.path().to_str().unwrap(), "OUT"));
        }
    }
    let (first, second) = printed.split_at(printed.len() / 2);
    assert_eq!(first, second, "what is printed");
    for lab in virtual_labs() {
        let (a, b) = (files(&one.path().join(lab)), files(&two.path().join(lab)));
        assert_eq!(
            a.keys().collect::<Vec<_>>(),
            b.keys().collect::<Vec<_>>(),
            "{lab}"
        );
        for (name, bytes) in &a {
            assert!(bytes == &b[name], "{lab}: {name} differs");
        }
    }
}

/// Labs in which the load balancer tosses for each request: with another seed other requests find a target connection
/// open, and times differ by handshakes.
const TOSSED: [&str; 1] = ["alb/weighted-targets"];

#[test]
fn another_seed_gives_other_bytes_at_the_same_times() {
    for lab in virtual_labs() {
        let folder = tempfile::tempdir().unwrap();
        let mut captures = Vec::new();
        for seed in ["1", "2"] {
            let out = folder.path().join(seed);
            run_lab(lab, &out, &["--seed", seed], 0);
            let stem = lab.rsplit('/').next().unwrap();
            let path = out.join(lab).join(format!("{stem}.pcapng"));
            captures.push(tunlab::capture::reader::Capture::read(&path).unwrap());
        }
        let times = |n: usize| captures[n].packets.iter().map(|p| p.at).collect::<Vec<_>>();
        if TOSSED.contains(&lab) {
            assert_ne!(times(0), times(1), "{lab}");
        } else {
            assert_eq!(times(0), times(1), "{lab}");
        }
        // Where a handshake comes to nothing there are none.
        let none = captures[0].secrets.is_empty();
        assert!(none || captures[0].secrets != captures[1].secrets, "{lab}");
        assert_ne!(captures[0].packets, captures[1].packets, "{lab}");
    }
}
