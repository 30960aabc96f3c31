//! Labs that stay up: programs run on their machines, and what is left when they end, in good order or killed. Every
//! packet stays in namespaces that the labs make, which have no way out.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tunlab::capture::reader::Capture;
use tunlab::os::Process;

use crate::tools::{have, have_devices, output_of, tunlab};

/// A lab that is up. Dropped, it is killed.
struct Up {
    process: Child,
    lines: Receiver<String>,
    /// What it printed until it was up.
    door_plate: String,
    folder: TempDir,
}

/// How long anything may take that takes less than a second.
const PATIENCE: Duration = Duration::from_secs(20);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn runtime(folder: &Path) -> PathBuf {
    folder.join("run")
}

impl Up {
    fn start(lab: &str, more: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), lab, more)
    }

    fn start_in(folder: TempDir, lab: &str, more: &[&str]) -> Self {
        let mut process = tunlab()
            .args(["up", lab, "--out"])
            .arg(folder.path().join("out"))
            .args(more)
            .env("TUNLAB_RUNTIME_DIR", runtime(folder.path()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines() {
                if send.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        let mut up = Self {
            process,
            lines,
            door_plate: String::new(),
            folder,
        };
        up.door_plate = up.read_until("up until Ctrl-C");
        up
    }

    /// Reads what it prints up to the line with `text`.
    fn read_until(&mut self, text: &str) -> String {
        let mut read = String::new();
        while !read.contains(text) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => read.push_str(&(line + "\n")),
                Err(_) => panic!("no `{text}` in:\n{read}"),
            }
        }
        read
    }

    fn exec(&self, arguments: &[&str]) -> Output {
        let mut command = tunlab();
        command
            .arg("exec")
            .args(arguments)
            .env("TUNLAB_RUNTIME_DIR", runtime(self.folder.path()))
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        output_of(Command::new("kill").args([signal, &pid]));
    }

    /// Ends it as Ctrl-C does, and returns what it printed last.
    fn end(mut self) -> (String, TempDir) {
        self.signal("-INT");
        let last = self.read_until("the lab is down");
        let status = self.process.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{last}");
        let rest: String = self.lines.iter().map(|l| l + "\n").collect();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (last + &rest, folder)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// All processes: number and command line.
fn processes() -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let Ok(pid) = entry.file_name().to_str().unwrap().parse() else {
            continue;
        };
        // What has ended since is not there.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line
            .split(|b| *b == 0)
            .map(String::from_utf8_lossy)
            .collect();
        found.push((pid, words.join(" ")));
    }
    found
}

fn running(marker: &str) -> Vec<String> {
    let all = processes().into_iter();
    let own = std::process::id();
    all.filter(|(pid, line)| *pid != own && line.contains(marker))
        .map(|(_, line)| line)
        .collect()
}

/// Every network namespace that a process is in.
fn namespaces() -> Vec<PathBuf> {
    let all = processes().into_iter();
    all.filter_map(|(pid, _)| fs::read_link(format!("/proc/{pid}/ns/net")).ok())
        .collect()
}

#[test]
fn curl_in_a_lab_that_is_up() {
    if !have_devices() || !have("curl") {
        return;
    }
    let mut up = Up::start("https-through-alb", &[]);
    for part in [
        "tunlab exec user -- curl https://your-app.com/notification/health/check",
        "your-app.com  198.51.100.10",
        "203.192.1.50",
        "steps are not done",
    ] {
        assert!(up.door_plate.contains(part), "{part}: {}", up.door_plate);
    }
    let url = "https://your-app.com/notification/health/check";
    let got = said(&up.exec(&["user", "--", "curl", "-sS", url]));
    assert_eq!(got, (Some(0), r#"{"status":"UP"}"#.into(), String::new()));
    let lines = up.read_until("══▶ user      200 (stream 1)");
    for part in [
        "──▶ resolver  A your-app.com?",
        "──▶ alb       SYN",
        "══▶ alb       GET /notification/health/check (stream 1)",
        "alb       ·  ec2-a at 10.0.2.21:32768",
        "──▶ alb       HTTP 200 139 B",
    ] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    let (last, folder) = up.end();
    let files = folder.path().join("out").join("https-through-alb");
    let main = files.join("https-through-alb.pcapng");
    let capture = Capture::parse(&fs::read(main).unwrap()).unwrap();
    let counted = format!("{} packets in the main capture", capture.packets.len());
    assert!(
        capture.packets.len() > 20 && last.contains(&counted),
        "{last}"
    );
    assert!(last.contains("wrote 20 files"), "{last}");
    assert_eq!(fs::read_dir(&files).unwrap().count(), 20);
    assert!(!runtime(folder.path()).exists());
}

#[test]
fn a_program_ends_as_it_would_anywhere() {
    if !have_devices() {
        return;
    }
    let up = Up::start("https-through-alb", &["--no-capture", "--quiet"]);
    let run = |arguments: &[&str]| said(&up.exec(arguments));
    let sh = |script: &str| run(&["user", "--", "sh", "-c", script]);
    assert_eq!(sh("id -u; id -g; pwd").1, "65534\n65534\n/tmp\n");
    assert_eq!(run(&["--root", "user", "--", "id", "-u"]).1, "0\n");
    assert_eq!(sh("exit 7").0, Some(7));
    assert_eq!(sh("kill -TERM $$").0, Some(128 + 15));
    assert_eq!(
        sh("exec cat /etc/resolv.conf").1,
        "nameserver 203.192.2.53\n"
    );
    // An orphan does not keep it waiting, and ends with it.
    assert_eq!(sh("sleep 98764 & exit 3").0, Some(3));
    until("the orphan ends", || running("sleep 98764").is_empty());
    let (code, _, err) = run(&["user", "--", "no-such-program"]);
    assert_eq!(code, Some(127), "{err}");
    let (code, _, err) = run(&["user", "--", "/etc/passwd"]);
    assert_eq!(code, Some(126), "{err}");
    let (code, _, err) = run(&["usr", "--", "true"]);
    assert_eq!(code, Some(125));
    assert!(err.contains("did you mean `user`?"), "{err}");
    let (_, _, err) = run(&["alb", "--", "true"]);
    assert!(err.contains("played by tunlab itself"), "{err}");
    let (last, folder) = up.end();
    assert!(!last.contains("wrote"), "{last}");
    assert!(!folder.path().join("out").exists());
}

#[test]
fn which_lab_is_meant() {
    if !have_devices() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let nothing = tunlab()
        .args(["exec", "user", "--", "true"])
        .env("TUNLAB_RUNTIME_DIR", runtime(folder.path()))
        .output()
        .unwrap();
    let (code, _, err) = said(&nothing);
    assert_eq!(code, Some(125));
    assert!(err.contains("no lab is up"), "{err}");

    let quiet = ["--no-capture", "--quiet"];
    let first = Up::start("https-through-alb", &quiet);
    let pid = first.process.id().to_string();
    let mut second = tunlab()
        .args(["up", "timeline-as-written"])
        .args(quiet)
        .env("TUNLAB_RUNTIME_DIR", runtime(first.folder.path()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let files = || fs::read_dir(runtime(first.folder.path())).map_or(0, Iterator::count);
    until("both are known", || files() == 2);
    let (code, _, err) = said(&first.exec(&["user", "--", "true"]));
    assert_eq!(code, Some(125));
    assert!(
        err.contains("several labs are up") && err.contains(&pid),
        "{err}"
    );
    for lab in [pid.as_str(), "timeline-as-written"] {
        let (code, _, err) = said(&first.exec(&["user", "--lab", lab, "--", "true"]));
        assert_eq!(code, Some(0), "{lab}: {err}");
    }
    // The file of one that was killed together with its watchdog is removed by who looks next.
    let children = format!("/proc/{0}/task/{0}/children", second.id());
    let watchdog = fs::read_to_string(children).unwrap();
    output_of(
        Command::new("kill")
            .arg("-KILL")
            .args(watchdog.split_whitespace()),
    );
    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(files(), 2);
    assert_eq!(first.exec(&["user", "--", "true"]).status.code(), Some(0));
    assert_eq!(files(), 1);
}

#[test]
fn namespaces_with_names() {
    if !have_devices() || !have("curl") || !have("ip") {
        return;
    }
    let prefix = format!("tunlab-{}", std::process::id());
    let up = Up::start("https-through-alb", &["--netns-prefix", &prefix, "--quiet"]);
    let name = format!("{prefix}-user");
    let authorities = runtime(up.folder.path()).join(format!("{}.user.pem", up.process.id()));
    let got = Command::new("ip")
        .args(["netns", "exec", &name, "curl", "-sS", "--cacert"])
        .arg(authorities)
        .arg("https://your-app.com/notification/health/check")
        .output()
        .unwrap();
    assert_eq!(
        said(&got),
        (Some(0), r#"{"status":"UP"}"#.into(), String::new())
    );

    // The same names again are refused, and those that are there stay.
    let again = tunlab()
        .args(["up", "--no-capture", "--netns-prefix", &prefix])
        .env("TUNLAB_RUNTIME_DIR", runtime(up.folder.path()))
        .output()
        .unwrap();
    let (code, _, err) = said(&again);
    assert_eq!(code, Some(2));
    assert!(err.contains("is there already"), "{err}");
    let listed = output_of(Command::new("ip").args(["netns", "list"]));
    assert_eq!(listed.matches(&prefix).count(), 3, "{listed}");

    let (_, folder) = up.end();
    assert!(!Path::new("/run/netns").join(&name).exists());
    assert!(!Path::new("/etc/netns").join(&name).exists());
    assert!(!runtime(folder.path()).exists());
}

/// Killed while a program runs inside that has children of its own, and a server that the lab started.
#[test]
fn nothing_is_left_when_it_is_killed() {
    if !have_devices() || !have("nginx") || !have("ip") {
        return;
    }
    let prefix = format!("tunlab-k{}", std::process::id());
    let mut up = Up::start("real-nginx", &["--netns-prefix", &prefix]);
    let mut program = tunlab()
        .args([
            "exec",
            "user",
            "--",
            "sh",
            "-c",
            "sleep 98761 & setsid sleep 98761 & sleep 98761",
        ])
        .env("TUNLAB_RUNTIME_DIR", runtime(up.folder.path()))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let sleeps = || {
        let lines = running("sleep 98761").into_iter();
        lines.filter(|l| l.trim() == "sleep 98761").count()
    };
    until("the program runs", || sleeps() == 3);
    let pid = up.process.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children: Vec<u32> = children
        .split_whitespace()
        .map(|c| c.parse().unwrap())
        .collect();
    assert!(children.len() >= 2, "a watchdog and a server: {children:?}");
    let (own, before) = (fs::read_link("/proc/self/ns/net").unwrap(), namespaces());
    let inside = fs::metadata(format!("/run/netns/{prefix}-user")).unwrap();
    let inside = std::os::unix::fs::MetadataExt::ino(&inside);
    let inside = PathBuf::from(format!("net:[{inside}]"));
    assert!(before.contains(&inside) && own != inside);

    up.process.kill().unwrap();
    up.process.wait().unwrap();
    let killed = Instant::now();
    let names = || {
        let places = ["/run/netns", "/etc/netns"].map(|p| fs::read_dir(p).into_iter().flatten());
        let names = places.into_iter().flatten().map(|e| e.unwrap().file_name());
        names
            .filter(|n| n.to_str().unwrap().starts_with(&prefix))
            .count()
    };
    until("all is gone", || {
        sleeps() == 0
            && names() == 0
            && !namespaces().contains(&inside)
            && !runtime(up.folder.path()).exists()
            && children.iter().all(|c| Process::started(*c).is_none())
    });
    assert!(
        killed.elapsed() < Duration::from_secs(5),
        "{:?}",
        killed.elapsed()
    );
    let mut err = String::new();
    std::io::Read::read_to_string(&mut program.stderr.take().unwrap(), &mut err).unwrap();
    assert_eq!(program.wait().unwrap().code(), Some(125), "{err}");
    assert!(err.contains("the lab has ended"), "{err}");
    // No file is half-written, under whatever name.
    let files = up.folder.path().join("out").join("real-nginx");
    let left: Vec<_> = fs::read_dir(&files)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Killed while it comes up: at every moment it may have other things of its own about.
#[test]
fn nothing_is_left_when_it_is_killed_early() {
    if !have_devices() {
        return;
    }
    let prefix = format!("tunlab-e{}", std::process::id());
    let names = || {
        let entries = ["/run/netns", "/etc/netns"].map(|p| fs::read_dir(p).into_iter().flatten());
        let names = entries.into_iter().flatten().map(|e| e.unwrap().path());
        names
            .filter(|n| n.to_str().unwrap().contains(&prefix))
            .collect::<Vec<_>>()
    };
    for step in 0..12_u64 {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut process = tunlab()
            .args(["up", "--netns-prefix", &format!("{prefix}-{step}"), "--out"])
            .arg(&out)
            .env("TUNLAB_RUNTIME_DIR", runtime(folder.path()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(step * 8));
        process.kill().unwrap();
        process.wait().unwrap();
        until("its names are gone", || names().is_empty());
        // The folders may be there, and nothing in them.
        for place in [runtime(folder.path()), out.join("https-through-alb")] {
            let inside = || fs::read_dir(&place).map_or(0, Iterator::count);
            until("its files are gone", || inside() == 0);
        }
    }
}

/// A program that is killed takes what it started with it, also when it is the one in front that dies.
#[test]
fn nothing_is_left_when_exec_is_killed() {
    if !have_devices() {
        return;
    }
    let up = Up::start("https-through-alb", &["--no-capture", "--quiet"]);
    let mut program = tunlab()
        .args(["exec", "--root", "user", "--", "sh", "-c"])
        .arg("setpriv --reuid=1 --regid=1 --clear-groups sleep 98762 & sleep 98762")
        .env("TUNLAB_RUNTIME_DIR", runtime(up.folder.path()))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let sleeps = || {
        let lines = running("sleep 98762").into_iter();
        lines.filter(|l| l.trim() == "sleep 98762").count()
    };
    until("the program runs", || sleeps() == 2);
    program.kill().unwrap();
    program.wait().unwrap();
    until("the program is gone", || running("sleep 98762").is_empty());
}

/// A shell on a terminal of its own: Ctrl-C ends what runs in it, and not the shell.
#[test]
fn a_shell_with_a_terminal() {
    if !have_devices() || !have("script") || !have("bash") {
        return;
    }
    let up = Up::start("https-through-alb", &["--no-capture", "--quiet"]);
    let command = format!("{} exec user -- bash -i", env!("CARGO_BIN_EXE_tunlab"));
    let mut shell = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TUNLAB_RUNTIME_DIR", runtime(up.folder.path()))
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = shell.stdin.take().unwrap();
    keys.write_all(b"sleep 98763\n").unwrap();
    until("sleep runs in the shell", || {
        running("sleep 98763")
            .iter()
            .any(|l| l.trim() == "sleep 98763")
    });
    keys.write_all(b"\x03").unwrap();
    until("Ctrl-C ends it", || running("sleep 98763").is_empty());
    keys.write_all(b"echo it ended with $?; exit 5\n").unwrap();
    let output = shell.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("it ended with 130"), "{text}");
    assert!(!text.contains("no job control"), "{text}");
    assert_eq!(output.status.code(), Some(5), "{text}");
    drop(keys);
}

#[test]
fn the_steps_are_done_when_asked_for() {
    if !have_devices() || !have("curl") {
        return;
    }
    let mut up = Up::start("https-through-alb", &["--steps", "--no-capture"]);
    let lines = up.read_until(r#"│ {"status":"UP"}"#);
    assert!(
        lines.contains("curl -sS https://your-app.com/notification/health/check: exit code 0"),
        "{lines}"
    );
    up.end();
}

/// A real browser on the user's machine: looks the name up at our resolver, trusts the lab's authority, and shows the
/// page that a container answers with.
#[test]
fn chromium_shows_the_page() {
    if !have_devices() || !["chromium", "certutil", "base64"].iter().all(|t| have(t)) {
        return;
    }
    let up = Up::start("https-through-alb", &[]);
    // The page as text first, then the picture: what is in the private /tmp comes out as base64.
    let script = "set -e
        mkdir -p \"$HOME/.pki/nssdb\"
        certutil -d \"sql:$HOME/.pki/nssdb\" -N --empty-password
        certutil -d \"sql:$HOME/.pki/nssdb\" -A -t C,, -n lab -a -i /etc/ssl/certs/ca-certificates.crt
        browse() {
            chromium --headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run \\
                --disable-background-networking --disable-component-update --disable-sync \\
                --user-data-dir=\"$HOME/profile\" --window-size=900,500 \"$@\" https://your-app.com/
        }
        browse --dump-dom 2>dom.err
        echo '--- picture'
        browse --screenshot=\"$HOME/page.png\" >/dev/null 2>picture.err
        base64 -w 0 page.png";
    let got = up.exec(&["user", "--", "sh", "-c", script]);
    let (code, out, err) = said(&got);
    assert_eq!(code, Some(0), "{out}\n{err}");
    let (page, picture) = out.split_once("--- picture\n").unwrap();
    assert!(page.contains("<title>your-app.com</title>"), "{page}");
    assert!(page.contains("answers</h1>"), "{page}");

    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("page.txt");
    fs::write(&text, picture).unwrap();
    let png = Command::new("base64")
        .arg("-d")
        .arg(&text)
        .output()
        .unwrap()
        .stdout;
    if let Ok(keep) = std::env::var("TUNLAB_TEST_KEEP_PICTURE") {
        fs::write(keep, &png).unwrap();
    }
    // PNG (third edition) §5.2 and §11.2.1: signature, IHDR with width and height.
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((number(16), number(20)), (900, 500));
    // A blank picture of this size takes some 2 KB.
    assert!(png.len() > 5_000, "{} bytes", png.len());

    let (last, folder) = up.end();
    let files = folder.path().join("out").join("https-through-alb");
    let main = fs::read(files.join("https-through-alb.pcapng")).unwrap();
    assert!(Capture::parse(&main).unwrap().packets.len() > 20, "{last}");
}

/// Without root: a user who may open `/dev/net/tun` and make user namespaces can have a lab up and enter it.
#[test]
fn a_user_without_root() {
    if !have_devices() || !["unshare", "setpriv", "curl"].iter().all(|t| have(t)) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = folder.path().join("tunlab");
    fs::copy(env!("CARGO_BIN_EXE_tunlab"), &program).unwrap();
    let script = "set -e
        mount --make-rprivate /
        mount -t tmpfs none /dev/net
        mknod -m 666 /dev/net/tun c 10 200
        cd \"$1\"
        exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '
            mkdir user
            export XDG_RUNTIME_DIR=$PWD/user
            ./tunlab up --no-capture >log &
            until grep -q Ctrl-C log; do sleep 0.1; done
            ./tunlab exec user -- \\
                curl -sS https://your-app.com/notification/health/check
            kill -INT $!
            wait $!
            cat log'";
    let output = Command::new("timeout")
        .args(["60", "unshare", "-m", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .env_remove("TUNLAB_RUNTIME_DIR")
        .output()
        .unwrap();
    let (code, out, err) = said(&output);
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert!(out.starts_with(r#"{"status":"UP"}"#), "{out}\n{err}");
    assert!(out.contains("the lab is down"), "{out}");
    let left = fs::read_dir(folder.path().join("user")).unwrap();
    assert_eq!(left.count(), 0);
}
