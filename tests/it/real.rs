//! Real programs in labs on TUN devices: curl, openssl and nginx against our user and load balancer. Every packet stays
//! in namespaces that the run makes, which have no way out.

use std::fs;

use crate::tools::{have, have_devices, run_lab};

fn run(lab: &str, tools: &[&str]) {
    if !have_devices() || !tools.iter().all(|t| have(t)) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = run_lab(lab, folder.path(), &["--tun"], 0);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(!out.contains("FAIL"), "{out}");
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

#[test]
fn nginx_as_the_container() {
    run("real-nginx", &["nginx"]);
}

#[test]
fn curl_to_nginx() {
    run("real-all", &["curl", "nginx"]);
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
