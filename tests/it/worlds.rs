//! The same labs on TUN devices in network namespaces: they hold there too, with packets that are those of virtual
//! time and randomness that is not; and nothing is left of a run, however it ends. These tests need root and
//! `/dev/net/tun`; without them they are skipped, aloud.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::tools::{run_lab, tunlab, virtual_labs};

/// Whether TUN devices may be made. When not, the test that asks must return.
fn have_tun() -> bool {
    let Err(why) = tunlab::os::ready() else {
        return true;
    };
    let required = std::env::var("TUNLAB_TEST_REQUIRE").is_ok_and(|v| v == "all");
    assert!(!required, "{why}, and TUNLAB_TEST_REQUIRE=all");
    let _ = writeln!(
        std::io::stderr(),
        "\n*** SKIPPED: {why}; this test says nothing without it ***"
    );
    false
}

/// One request each, without faults: what these show of the two worlds holds for all.
const PLAIN: [&str; 2] = ["https-through-alb", "timeline-as-written"];

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_lab_holds_on_tun_devices() {
    if !have_tun() {
        return;
    }
    for lab in virtual_labs() {
        let folder = tempfile::tempdir().unwrap();
        if let Some(why) = tunlab::lab::load(lab).unwrap().why_virtual_only() {
            // What it shows no TUN device lets it, or not in the time a test has: said, and not run.
            let output = run_lab(lab, folder.path(), &["--tun"], 2);
            // The terminal's width breaks lines.
            let said = text(&output.stderr);
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            let words = format!("{why}: this lab runs in virtual time only");
            assert!(said.contains(&words), "{lab}: {said}");
            continue;
        }
        let output = run_lab(lab, folder.path(), &["--tun"], 0);
        let out = text(&output.stdout);
        assert!(
            out.contains("TUN devices, wall clock, times within ±25 ms"),
            "{out}"
        );
        let stem = lab.rsplit('/').next().unwrap();
        let json = fs::read(folder.path().join(lab).join(format!("{stem}.json"))).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["world"], "tun");
        assert_eq!(json["tolerance_ns"], 25_000_000);
    }
}

/// The process is kept from running most of the time, as on a machine that is far too busy.
#[test]
fn lateness_does_not_add_up() {
    if !have_tun() {
        return;
    }
    for lab in PLAIN {
        let folder = tempfile::tempdir().unwrap();
        let mut child = tunlab()
            .args(["run", lab, "--tun", "--tolerance", "5 ms", "--out"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let id = Pid::from_raw(child.id().cast_signed()).unwrap();
        let mut stops = 0;
        while child.try_wait().unwrap().is_none() && stops < 1_000 {
            kill_process(id, Signal::STOP).unwrap();
            sleep(Duration::from_millis(15));
            kill_process(id, Signal::CONT).unwrap();
            sleep(Duration::from_millis(5));
            stops += 1;
        }
        let output = child.wait_with_output().unwrap();
        let out = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{lab}: {out}");
        assert!(stops >= 8, "{lab}: {stops}");
    }
}

/// Every line of a key log: its label, the client random, the secret.
fn secrets(folder: &Path) -> Vec<[String; 3]> {
    let log = fs::read_to_string(folder.join("https-through-alb/keys.log")).unwrap();
    let lines = log.lines().map(|line| {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        words.try_into().unwrap()
    });
    lines.collect()
}

#[test]
fn a_seed_rules_no_secret_on_tun_devices() {
    if !have_tun() {
        return;
    }
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [one, two] = folders.each_ref().map(|folder| {
        run_lab(
            "https-through-alb",
            folder.path(),
            &["--tun", "--seed", "7"],
            0,
        );
        secrets(folder.path())
    });
    let labels = |log: &[[String; 3]]| log.iter().map(|l| l[0].clone()).collect::<Vec<_>>();
    assert_eq!(labels(&one), labels(&two));
    assert!(!one.is_empty());
    for (a, b) in one.iter().zip(&two) {
        assert_ne!(a[1], b[1], "the client random");
        assert_ne!(a[2], b[2], "the secret");
    }
}

#[test]
fn both_worlds_have_the_same_packets() {
    if !have_tun() {
        return;
    }
    for lab in PLAIN {
        let folder = tempfile::tempdir().unwrap();
        let output = run_lab(lab, folder.path(), &["--both", "--tolerance", "30 ms"], 0);
        let out = text(&output.stdout);
        for part in [
            "virtual time",
            "TUN devices, wall clock, times within ±30 ms",
            "same  only by nature  really different",
            "response-at-user",
        ] {
            assert!(out.contains(part), "{lab}: {part} in {out}");
        }
        assert!(folder.path().join(lab).is_dir());
        assert!(folder.path().join(format!("{lab}.tun")).is_dir());
    }
}

#[test]
fn both_worlds_as_junit_are_two_suites_with_one_case_more() {
    if !have_tun() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = run_lab(
        "https-through-alb",
        folder.path(),
        &["--both", "--format", "junit"],
        0,
    );
    let xml = text(&output.stdout);
    assert!(xml.contains("<testsuite name=\"https-through-alb\" tests=\"36\" failures=\"0\""));
    assert!(xml.contains("<testsuite name=\"https-through-alb.tun\" tests=\"37\" failures=\"0\""));
    assert!(xml.contains("<property name=\"world\" value=\"tun\"/>"));
}

#[test]
fn who_may_not_make_devices_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tunlab();
    command
        .args(["run", "https-through-alb", "--both", "--out"])
        .arg(folder.path());
    if rustix::process::geteuid().is_root() {
        // Nobody, in a folder that is anybody's. The program is copied to where he can read it.
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let copy = folder.path().join("tunlab");
        fs::copy(env!("CARGO_BIN_EXE_tunlab"), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        command = Command::new(copy);
        command
            .args(["run", "https-through-alb", "--both", "--out"])
            .arg(folder.path())
            .current_dir(folder.path())
            .uid(65_534)
            .gid(65_534);
    } else if tunlab::os::ready().is_ok() {
        let _ = writeln!(
            std::io::stderr(),
            "\n*** SKIPPED: anybody may make TUN devices here ***"
        );
        return;
    }
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty());
    assert!(
        said.contains("failed to put the lab on TUN devices"),
        "{said}"
    );
    assert!(said.contains("run as root"), "{said}");
}

/// Network namespaces that a process is in or holds open, and the devices of this one.
fn namespaces_and_devices() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // A process may end while it is looked at.
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    for process in entries(Path::new("/proc")) {
        let path = process.path();
        let mut links = vec![path.join("ns/net")];
        links.extend(entries(&path.join("fd")).map(|fd| fd.path()));
        links.extend(entries(&path.join("task")).map(|task| task.path().join("ns/net")));
        for link in links {
            let target = fs::read_link(link).unwrap_or_default();
            let target = target.to_string_lossy().into_owned();
            if target.starts_with("net:[") {
                found.insert(target);
            }
        }
    }
    for device in entries(Path::new("/sys/class/net")) {
        found.insert(device.file_name().to_string_lossy().into_owned());
    }
    found
}

/// Waits until everything that was not there before is gone; other tests make and leave namespaces meanwhile.
fn nothing_is_left(before: &BTreeSet<String>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let now = namespaces_and_devices();
        let left: Vec<_> = now.difference(before).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left behind: {left:?}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_run_leaves_nothing_behind() {
    if !have_tun() {
        return;
    }
    let before = namespaces_and_devices();
    let folder = tempfile::tempdir().unwrap();
    run_lab("https-through-alb", folder.path(), &["--tun"], 0);
    nothing_is_left(&before);
}

/// A lab that is not over for a minute.
const LONG: &str = r#"
title = "Two requests, a minute apart"
base  = "three-tier"

[[step]]
at   = "0 ms"
user = { get = "https://your-app.com/notification/health/check" }

[[step]]
at   = "1 min"
user = { get = "https://your-app.com/notification/health/check" }
"#;

#[test]
fn a_killed_run_leaves_nothing_behind() {
    if !have_tun() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lab = folder.path().join("long.toml");
    fs::write(&lab, LONG).unwrap();
    let out = folder.path().join("out");
    let before = namespaces_and_devices();
    let mut child = tunlab()
        .arg("run")
        .arg(&lab)
        .arg("--tun")
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Until it holds its namespaces and has had the time to write packets.
    let descriptors = Path::new("/proc").join(child.id().to_string()).join("fd");
    let holds = |prefix: &str| {
        let links = fs::read_dir(&descriptors).into_iter().flatten().flatten();
        let targets = links.filter_map(|fd| fs::read_link(fd.path()).ok());
        targets
            .filter(|t| t.to_string_lossy().starts_with(prefix))
            .count()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while holds("net:[") == 0 || holds("/dev/net/tun") == 0 || !out.exists() {
        assert!(Instant::now() < deadline, "the run does not begin");
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "the run goes on");
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_is_left(&before);
    let left: Vec<_> = fs::read_dir(out.join("long"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
