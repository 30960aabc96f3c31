//! Programs that tests need. A missing one is said aloud, and is a failure with `TUNLAB_TEST_REQUIRE=all`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

/// The program under test.
pub(crate) fn tunlab() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tunlab"));
    command.env_remove("NO_COLOR").env_remove("COLUMNS");
    command
}

/// Runs a lab with its files below `out`, and expects exit code `code`.
pub(crate) fn run_lab(lab: &str, out: &Path, more: &[&str], code: i32) -> Output {
    let output = tunlab()
        .args(["run", lab, "--out"])
        .arg(out)
        .args(more)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{lab}: {stderr}");
    output
}

/// Shipped labs that run in virtual time.
pub(crate) fn virtual_labs() -> Vec<&'static str> {
    let all = tunlab::lab::shipped().map(|l| l.name);
    let program = |name: &str| tunlab::lab::load(name).unwrap().program().is_some();
    all.filter(|name| !program(name)).collect()
}

/// Whether this process may make TUN devices in network namespaces. When not, the test that asks must return.
pub(crate) fn have_devices() -> bool {
    match tunlab::os::ready() {
        Ok(()) => true,
        Err(e) => missing(&e.to_string()),
    }
}

/// Says that something is missing, or fails when nothing may be.
pub(crate) fn missing(what: &str) -> bool {
    let required = std::env::var("TUNLAB_TEST_REQUIRE").is_ok_and(|v| v == "all");
    assert!(!required, "{what}, and TUNLAB_TEST_REQUIRE=all");
    // Not `eprintln!`, which the test harness swallows when the test passes.
    let _ = writeln!(
        std::io::stderr(),
        "\n*** SKIPPED: {what}; this test says nothing without it ***"
    );
    false
}

/// Whether `tool` is there. When it is not, the test that asks must return.
pub(crate) fn have(tool: &str) -> bool {
    // nginx knows no `--version`, but is there when it says so.
    if Command::new(tool).arg("--version").output().is_ok() {
        return true;
    }
    missing(&format!("{tool} is not installed"))
}

/// Runs a tool that must succeed and returns what it prints.
pub(crate) fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether this process may make TUN devices and namespaces. When it may not, the test that asks must return.
pub(crate) fn have_tun() -> bool {
    let Err(e) = tunlab::os::ready() else {
        return true;
    };
    let required = std::env::var("TUNLAB_TEST_REQUIRE").is_ok_and(|v| v == "all");
    assert!(!required, "{e}, and TUNLAB_TEST_REQUIRE=all");
    let _ = writeln!(
        std::io::stderr(),
        "\n*** SKIPPED: {e}; this test says nothing without TUN devices ***"
    );
    false
}
