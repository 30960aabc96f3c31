//! Real programs in labs on TUN devices: curl, openssl and nginx against our user and load balancer. Every packet stays
//! in namespaces that the run makes, which have no way out.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::tools::{have, have_devices, missing, output_of, run_lab};

fn run(lab: &str, tools: &[&str]) {
    run_with(lab, tools, &["--tun"]);
}

fn run_with(lab: &str, tools: &[&str], options: &[&str]) {
    if !have_devices() || !tools.iter().all(|t| have(t)) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = run_lab(lab, folder.path(), options, 0);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(!out.contains("FAIL"), "{out}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(" runs as "),
        "what it runs is said first: {said}"
    );
    let files = folder.path().join(lab);
    for entry in fs::read_dir(&files).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name} was left behind");
    }
}

#[test]
fn curl_through_our_load_balancer() {
    run("real-curl", &["curl"]);
}

/// HTTP/2 as nghttp2 writes it, which is curl's: two streams at once, and we understand every frame.
#[test]
fn curl_speaks_http2_to_our_load_balancer() {
    if !have_devices() || !have("curl") {
        return;
    }
    let version = output_of(std::process::Command::new("curl").arg("--version"));
    if !version.contains("HTTP2") && !missing("curl has no HTTP/2") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lab = folder.path().join("curl-h2.toml");
    let text = r#"
        title = "curl speaks HTTP/2"
        base  = "three-tier"
        [node.user]
        program = {}
        [node.alb.alb]
        listener = [{ port = 443, certificate = "your-app", alpn = ["h2", "http/1.1"], forward = "web" }]
        [[step]]
        user = { run = ["curl", "-sS", "--http2", "-Z", "--max-time", "10", "-w", "version %{http_version}",
            "https://your-app.com/notification/health/check", "https://your-app.com/no-such-page"] }
        [[expect]]
        that    = "curl says so"
        program = { at = "user", exit = 0, output = "version 2" }
        [[expect]]
        that    = "Its first stream"
        packets = { on = "user", filter = 'http2.headers.path == "/notification/health/check" && http2.streamid == 1', count = 1 }
        [[expect]]
        that    = "Its second stream, on the same connection"
        packets = { on = "user", filter = 'http2.headers.path == "/no-such-page" && http2.streamid == 3', count = 1 }
        [[expect]]
        that    = "Both are answered"
        packets = { on = "user", filter = "http2.headers.status in {200, 404}", at-least = 1 }
        [[expect]]
        that    = "One connection"
        packets = { on = "user", filter = "tcp.flags.syn == 1 && tcp.flags.ack == 0", count = 1 }
    "#;
    fs::write(&lab, text).unwrap();
    let output = run_lab(lab.to_str().unwrap(), folder.path(), &["--tun"], 0);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("5 of 5"), "{out}");
}

#[test]
fn nginx_as_the_container() {
    run("real-nginx", &["nginx"]);
}

/// HTTP/2 as nginx serves it, in plain text: our load balancer's requests and probes, and GOAWAY after two requests on a
/// connection, which it takes for what it is.
#[test]
fn our_load_balancer_speaks_http2_to_nginx() {
    if !have_devices() || !have("nginx") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lab = folder.path().join("nginx-h2.toml");
    let plain = concat!(env!("CARGO_MANIFEST_DIR"), "/labs/real-nginx.toml");
    let plain = fs::read_to_string(plain).unwrap();
    let files = plain.find("[node.web-a.program.files]").unwrap();
    let conf = plain[files..].split("[[step]]").next().unwrap();
    let conf = conf.replace("listen 8080;", "listen 8080 http2; keepalive_requests 2;");
    assert!(conf.contains("http2"));
    let text = r#"
        title = "nginx speaks HTTP/2"
        base  = "three-tier"
        [node.user.browser]
        alpn = ["h2"]
        [node.alb.alb]
        listener = [{ port = 443, certificate = "your-app", alpn = ["h2"], forward = "web" }]
        [target-group.web]
        targets          = ["ec2-a:8080"]
        protocol-version = "HTTP2"
        health-check     = { path = "/notification/health/check" }
        [node.ec2-a]
        docker = { publish = [{ port = 8080, container = "web-a", to = 8080 }] }
        [node.web-a.program]
        run = ["nginx", "-c", "/tmp/nginx.conf"]
        [[step]]
        at   = "500 ms"
        user = { request = { url = "https://your-app.com/notification/health/check", repeat = 5 } }
        [[expect]]
        that   = "Every request is answered"
        status = { at = "user", is = 200, count = 5 }
        [[expect]]
        that   = "The probe is too"
        health = { at = "alb", target = "ec2-a:8080", state = "healthy" }
        [[expect]]
        that     = "By nginx"
        response = { at = "user", nth = 5, header = "server", value = "nginx/VERSION" }
        [[expect]]
        that        = "Two requests a connection, and one for the probe"
        connections = { on = "alb -> ec2-a:8080", count = 4 }
        [[expect]]
        that    = "nginx says GOAWAY after the second"
        packets = { on = "alb-vpc", filter = "http2.goaway.error == 0 && tcp.srcport == 8080", at-least = 2 }
    "#;
    let version = output_of_either(std::process::Command::new("nginx").arg("-v"));
    let version = version.trim().rsplit('/').next().unwrap().to_owned();
    fs::write(&lab, text.replace("VERSION", &version) + "\n" + &conf).unwrap();
    let output = run_lab(lab.to_str().unwrap(), folder.path(), &["--tun"], 0);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("5 of 5"), "{out}");
}

/// What a program prints, wherever.
fn output_of_either(command: &mut std::process::Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn curl_to_nginx() {
    run("real-all", &["curl", "nginx"]);
}

#[test]
fn curl_to_nginx_with_offload() {
    run_with("real-all", &["curl", "nginx"], &["--tun", "--offload"]);
}

#[test]
fn openssl_shows_chain_and_protocol() {
    run("real-openssl", &["openssl"]);
}

#[test]
fn our_user_against_nginx_with_tls() {
    run("real-server", &["nginx"]);
}

/// Programs never run unless TUN devices are asked for.
#[test]
fn a_virtual_run_executes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("ran");
    let lab = folder.path().join("stranger.toml");
    let text = format!(
        "title = \"x\"\nbase = \"three-tier\"\n[node.user]\nprogram = {{ run = [\"touch\", {marker:?}] }}\n[[step]]\nuser = {{ run = [\"touch\", {marker:?}] }}\n"
    );
    fs::write(&lab, text).unwrap();
    let output = run_lab(lab.to_str().unwrap(), folder.path(), &[], 2);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--tun"), "{said}");
    let checked = crate::tools::tunlab()
        .arg("check")
        .arg(&lab)
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(0));
    assert!(!marker.exists());
}

/// Without root: a user who may open `/dev/net/tun` and make user namespaces gets the same. The device that everybody
/// may open is made in a mount namespace of the test's own.
#[test]
fn a_user_without_root() {
    if !have_devices()
        || !["unshare", "setpriv", "curl", "nginx"]
            .iter()
            .all(|t| have(t))
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder.path(), open).unwrap();
    let program = folder.path().join("tunlab");
    fs::copy(env!("CARGO_BIN_EXE_tunlab"), &program).unwrap();
    let script = "set -e
        mount --make-rprivate /
        mount -t tmpfs none /dev/net
        mknod -m 666 /dev/net/tun c 10 200
        cd \"$1\"
        exec setpriv --reuid=65534 --regid=65534 --clear-groups ./tunlab run real-all --tun --out out";
    let output = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("3 of 3"), "{out}");
}
