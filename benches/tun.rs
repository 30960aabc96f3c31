//! Real programs through our load balancer on TUN devices, beside the same programs through nginx as TLS proxy over veth
//! pairs, in one run: a download of 1 GiB, requests on kept connections, new TLS connections, and what an idle lab costs.
//! Needs root, curl, nginx, wrk and iproute2. All traffic stays in network namespaces that the bench makes. The figures to
//! read are the ratios.
//!
//! `cargo bench --bench tun`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench measures wall time and prints"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tunlab::event::{Fact, What};
use tunlab::run::Run;

/// The lab without delays. `{step}` is what the user runs.
const LAB: &str = r#"
title = "Load on TUN devices"
base  = "three-tier"
limit = "5 min"

[link]
user     = { delay = "0 ms" }
resolver = { delay = "0 ms" }
edge     = { delay = "0 ms" }
vpc      = { delay = "0 ms" }
ec2-a    = { delay = "0 ms" }
ec2-b    = { delay = "0 ms" }

[node.alb.alb]
takes = { server-hello = "0 ms", server-finish = "0 ms", in = "0 ms", out = "0 ms" }

[target-group.web]
targets = ["ec2-a:32768"]

[node.user]
program = {}

[node.web-a.program]
run = ["sh", "-c", "truncate -s 1G /tmp/big && exec nginx -c /tmp/nginx.conf"]

[node.web-a.program.files]
"nginx.conf" = '''
{backend}'''

[[step]]
user = { run = ["sh", "-c", """{step}"""] }

[[expect]]
that    = "the load ran"
program = { at = "user", exit = 0 }
"#;

/// nginx as the application: a small answer, and a file of 1 GiB.
const BACKEND: &str = "daemon off;
user root;
pid /tmp/nginx.pid;
error_log stderr;
worker_processes 1;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    keepalive_requests 10000000;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen 8080;
        location = /big { root /tmp; }
        location / { default_type text/plain; return 200 \"OK\"; }
    }
}
";

const DOWNLOAD: &str = "curl -sS -o /dev/null -w '%{speed_download}' https://your-app.com/big";
const REQUESTS: &str = "wrk -t1 -c4 -d5s --latency https://your-app.com/";
const CONNECTIONS: &str = "wrk -t1 -c4 -d5s --latency -H 'Connection: close' https://your-app.com/";

/// What one load gave.
struct Load {
    printed: String,
    /// Processor time of whatever stands between client and application.
    cpu: Duration,
    wall: Duration,
}

/// Processor time of this process, without its children.
fn own_cpu() -> Duration {
    cpu_of("/proc/self/stat")
}

/// User and system time from proc(5)'s `stat`, in ticks of 10 ms.
fn cpu_of(stat: &str) -> Duration {
    let text = fs::read_to_string(stat).unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> = after
        .split_whitespace()
        .map(|f| f.parse().unwrap_or(0))
        .collect();
    Duration::from_millis(10 * (fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0)))
}

fn ours(step: &str) -> Load {
    ours_on(step, false)
}

fn ours_on(step: &str, offload: bool) -> Load {
    let text = LAB.replace("{backend}", BACKEND).replace("{step}", step);
    let plan = tunlab::lab::parse("load.toml", &text).unwrap();
    let (cpu, start) = (own_cpu(), Instant::now());
    let mut run = Run::new(&plan, 1).on_devices().without_packets();
    if offload {
        run = run.with_offload();
    }
    let outcome = run.execute().unwrap();
    let ended = outcome.events.iter().find_map(|e| {
        if let What::Fact(Fact::ProgramEnded {
            output,
            errors,
            code,
            ..
        }) = &e.what
        {
            return Some((output, errors, code));
        }
        None
    });
    let (output, errors, code) = ended.unwrap();
    assert_eq!(*code, Some(0), "{errors}");
    Load {
        printed: output.clone(),
        cpu: own_cpu().saturating_sub(cpu),
        wall: start.elapsed(),
    }
}

/// nginx as TLS proxy between two veth pairs.
struct Veth {
    prefix: String,
    folder: tempfile::TempDir,
    servers: Vec<std::process::Child>,
}

impl Veth {
    fn set_up() -> Self {
        let prefix = format!("tlbench{}", std::process::id());
        let folder = tempfile::tempdir().unwrap();
        let mut veth = Self {
            prefix,
            folder,
            servers: Vec::new(),
        };
        for node in ["user", "proxy", "app"] {
            veth.ip(&format!("netns add {}", veth.name(node)));
            veth.ip(&format!("-n {} link set lo up", veth.name(node)));
        }
        for (a, b, left, right) in [
            ("user", "proxy", "198.51.100.1", "198.51.100.10"),
            ("proxy", "app", "10.0.2.10", "10.0.2.21"),
        ] {
            let (x, y) = (veth.name(a), veth.name(b));
            veth.ip(&format!(
                "-n {x} link add to-{b} type veth peer name to-{a} netns {y}"
            ));
            veth.ip(&format!("-n {x} addr add {left}/24 dev to-{b}"));
            veth.ip(&format!("-n {y} addr add {right}/24 dev to-{a}"));
            veth.ip(&format!("-n {x} link set to-{b} up"));
            veth.ip(&format!("-n {y} link set to-{a} up"));
        }
        let path = veth.folder.path().to_owned();
        let big = fs::File::create(path.join("big")).unwrap();
        big.set_len(1 << 30).unwrap();
        let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=your-app.com";
        let mut openssl = Command::new("openssl");
        openssl
            .args(key.split(' '))
            .arg("-addext")
            .arg("subjectAltName=DNS:your-app.com");
        openssl
            .arg("-keyout")
            .arg(path.join("key.pem"))
            .arg("-out")
            .arg(path.join("chain.pem"));
        assert!(openssl.stderr(Stdio::null()).status().unwrap().success());
        let here = path.display().to_string();
        let app = BACKEND
            .replace("/tmp", &here)
            .replace("nginx.pid", "app.pid");
        let server = format!(
            "listen 443 ssl; ssl_certificate {here}/chain.pem; ssl_certificate_key {here}/key.pem; ssl_protocols TLSv1.3;
        location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering on; proxy_max_temp_file_size 0; }}"
        );
        let (before, _) = app.split_once("    server {").unwrap();
        let proxy = format!(
            "{}    upstream app {{ server 10.0.2.21:8080; keepalive 16; }}\n    server {{ {server} }}\n}}\n",
            before.replace("app.pid", "proxy.pid")
        );
        for (node, text) in [("app", app), ("proxy", proxy)] {
            let conf = path.join(format!("{node}.conf"));
            fs::write(&conf, text).unwrap();
            let server = Command::new("ip")
                .args(["netns", "exec", &veth.name(node), "nginx", "-c"])
                .arg(&conf)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            veth.servers.push(server);
        }
        std::thread::sleep(Duration::from_millis(500));
        veth
    }

    fn name(&self, node: &str) -> String {
        format!("{}-{node}", self.prefix)
    }

    fn ip(&self, arguments: &str) {
        let status = Command::new("ip")
            .args(arguments.split(' '))
            .status()
            .unwrap();
        assert!(status.success(), "ip {arguments}");
    }

    /// Processor time of the proxy's processes.
    fn cpu(&self) -> Duration {
        let master = self.servers[1].id();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        let children = children.unwrap_or_default();
        children
            .split_whitespace()
            .map(|pid| cpu_of(&format!("/proc/{pid}/stat")))
            .sum()
    }

    fn load(&self, step: &str) -> Load {
        let (cpu, start) = (self.cpu(), Instant::now());
        // The same command, told where the name is and to trust whatever comes.
        let step = step.replace("curl ", "curl -k --resolve your-app.com:443:198.51.100.10 ");
        let step = step.replace("https://your-app.com/\0", "");
        let hosts = "198.51.100.10 your-app.com\n";
        let dir = format!("/etc/netns/{}", self.name("user"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(format!("{dir}/hosts"), hosts).unwrap();
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name("user"), "sh", "-c", &step])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Load {
            printed: String::from_utf8(output.stdout).unwrap(),
            cpu: self.cpu().saturating_sub(cpu),
            wall: start.elapsed(),
        }
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // nginx stops its workers on SIGTERM.
            let _ = Command::new("kill").arg(server.id().to_string()).status();
            let _ = server.wait();
        }
        for node in ["user", "proxy", "app"] {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.name(node)])
                .status();
        }
        let _ = fs::remove_dir_all(Path::new("/etc/netns").join(self.name("user")));
        let _ = fs::remove_dir("/etc/netns");
    }
}

/// A line of wrk's: its second word.
fn word<'a>(printed: &'a str, label: &str) -> &'a str {
    let line = printed.lines().find(|l| l.trim_start().starts_with(label));
    line.and_then(|l| l.split_whitespace().nth(1))
        .unwrap_or("?")
}

/// wrk's times, as in "123.00us" or "1.23ms", in microseconds.
fn micros(text: &str) -> f64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().unwrap_or(f64::NAN);
    match &text[digits.len()..] {
        "us" => number,
        "ms" => number * 1e3,
        "s" => number * 1e6,
        _ => f64::NAN,
    }
}

fn idle() -> f64 {
    // Set-up costs the same however long the lab idles after it: the difference is the idling.
    let cost = |seconds: u64| {
        let text = LAB
            .replace("{backend}", BACKEND)
            .replace("{step}", &format!("sleep {seconds}"));
        let plan = tunlab::lab::parse("idle.toml", &text).unwrap();
        let cpu = own_cpu();
        let run = Run::new(&plan, 1).on_devices().without_packets();
        run.execute().unwrap();
        own_cpu().saturating_sub(cpu).as_secs_f64()
    };
    (cost(11) - cost(1)).max(0.0) / 10.0 * 100.0
}

fn main() {
    // `cargo test --benches` and `cargo bench -- --test` only see that it is there.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    if let Err(e) = tunlab::os::ready() {
        println!("the tun bench needs TUN devices: {e}");
        return;
    }
    for tool in ["curl", "nginx", "wrk", "ip", "openssl"] {
        if Command::new(tool).arg("-V").output().is_err() {
            println!("the tun bench needs {tool}");
            return;
        }
    }
    println!(
        "idle lab: {:.2} % of a processor (to within 0.1: the kernel counts in 10 ms)",
        idle()
    );
    let veth = Veth::set_up();
    println!(
        "\n{:<28} {:>16} {:>16} {:>8}",
        "", "ours on TUN", "nginx on veth", "ratio"
    );

    // veth pairs have offload.
    let b = veth.load(DOWNLOAD);
    for (how, offload) in [("download", false), ("download, offload", true)] {
        let a = ours_on(DOWNLOAD, offload);
        let gbit = |l: &Load| l.printed.parse::<f64>().unwrap() * 8.0 / 1e9;
        row(&format!("{how}, Gbit/s"), gbit(&a), gbit(&b));
        let per_core = |l: &Load| (8.0 * (1_u64 << 30) as f64 / 1e9) / l.cpu.as_secs_f64();
        row("  per core of the proxy", per_core(&a), per_core(&b));
        println!(
            "  ({:.1} s and {:.1} s)",
            a.wall.as_secs_f64(),
            b.wall.as_secs_f64()
        );
    }

    let (a, b) = (ours(REQUESTS), veth.load(REQUESTS));
    let rate = |l: &Load| word(&l.printed, "Requests/sec:").parse::<f64>().unwrap();
    row("kept connections, req/s", rate(&a), rate(&b));
    for percentile in ["50%", "99%"] {
        let time = |l: &Load| micros(word(&l.printed, percentile));
        row(&format!("  latency {percentile}, us"), time(&a), time(&b));
    }
    let (a, b) = (ours(CONNECTIONS), veth.load(CONNECTIONS));
    row("new TLS connections/s", rate(&a), rate(&b));
}

fn row(what: &str, ours: f64, theirs: f64) {
    println!(
        "{what:<28} {ours:>16.2} {theirs:>16.2} {:>8.2}",
        ours / theirs
    );
}
