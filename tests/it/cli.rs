//! What a person at the command line sees.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use crate::tools::{have, output_of, run_lab, tunlab};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn call(arguments: &[&str]) -> Output {
    tunlab().args(arguments).output().unwrap()
}

#[test]
fn help_and_list() {
    let help = call(&["--help"]);
    assert!(help.status.success());
    insta::assert_snapshot!("help", text(&help.stdout));
    let run = call(&["run", "--help"]);
    insta::assert_snapshot!("help-run", text(&run.stdout));
    let list = call(&["list"]);
    assert!(list.status.success() && list.stderr.is_empty());
    // One lab a line: its name, then its title.
    let lines = text(&list.stdout);
    let shipped: Vec<_> = tunlab::lab::shipped().collect();
    assert_eq!(lines.lines().count(), shipped.len());
    for (line, lab) in lines.lines().zip(shipped) {
        let title = tunlab::lab::load(lab.name).unwrap().title;
        let (name, rest) = line.split_once(' ').unwrap();
        assert_eq!((name, rest.trim_start()), (lab.name, title.as_str()));
    }
}

#[test]
fn without_a_command_the_main_lab_runs() {
    let folder = tempfile::tempdir().unwrap();
    let output = tunlab().current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let out = text(&output.stdout);
    assert!(out.contains("36 of 36 expectations held"), "{out}");
    assert!(!out.contains('\x1b'), "no colour in a pipe");
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let files = folder.path().join("tunlab-runs/https-through-alb");
    let mode = |name: &str| fs::metadata(files.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("keys.log"), 0o600);
    let json = fs::read_to_string(files.join("https-through-alb.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "tunlab-run/1");
    assert_eq!(json["packets"].as_array().unwrap().len(), 24);
    for entry in fs::read_dir(&files).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name} was left behind");
    }
}

#[test]
fn colour_on_demand_changes_no_letter() {
    let folder = tempfile::tempdir().unwrap();
    let plain = run_lab("https-through-alb", folder.path(), &["--color", "never"], 0);
    let coloured = run_lab(
        "https-through-alb",
        folder.path(),
        &["--color", "always"],
        0,
    );
    let coloured = text(&coloured.stdout);
    assert!(coloured.contains('\x1b'));
    let mut letters = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        letters.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    letters.push_str(rest);
    assert_eq!(letters, text(&plain.stdout));
}

#[test]
fn a_wrong_lab_file_is_told_with_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.toml");
    fs::write(
        &path,
        "title = \"x\"\nbase = \"three-tier\"\n\n[link.user]\ndelya = \"9.5 ms\"\n\n[[step]]\nat = \"soon\"\nuser = { get = \"https://your-app.com/\" }\n",
    )
    .unwrap();
    for command in [vec!["check"], vec!["run", "--out", "/nonexistent"]] {
        let mut arguments = command.clone();
        arguments.push(path.to_str().unwrap());
        let output = call(&arguments);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert!(output.stdout.is_empty());
        let said = text(&output.stderr);
        for part in [
            "wrong.toml:5:1",
            "delya",
            "did you mean `delay`",
            "wrong.toml:8:6",
            "soon",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}

#[test]
fn an_unknown_lab_gets_a_hint() {
    let output = call(&["run", "https-trough-alb"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("https-through-alb"), "{said}");
}

#[test]
fn an_expectation_that_does_not_hold_is_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("teapot.toml");
    fs::write(
        &path,
        "title = \"x\"\nbase = \"three-tier\"\n[[step]]\nat = \"0 ms\"\nuser = { get = \"https://your-app.com/absent\" }\n[[expect]]\nthat = \"a teapot answers\"\nstatus = { at = \"user\", is = 418 }\n",
    )
    .unwrap();
    let output = run_lab(path.to_str().unwrap(), folder.path(), &[], 1);
    let out = text(&output.stdout);
    assert!(
        out.contains("FAIL") && out.contains("expected HTTP 418; found HTTP 404")
            || out.contains("418") && out.contains("404"),
        "{out}"
    );
    assert!(
        out.contains("--seed 1"),
        "the command that replays it: {out}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_exit_code_2() {
    let output = call(&["run", "https-through-alb", "--out", "/proc/nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("/proc/nowhere/https-through-alb"), "{said}");
}

#[test]
fn a_capture_streams_to_stdout_and_equals_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_lab("https-through-alb", folder.path(), &["-w", "-"], 0);
    let file = folder
        .path()
        .join("https-through-alb/https-through-alb.pcapng");
    assert_eq!(output.stdout, fs::read(&file).unwrap());
    assert!(text(&output.stderr).contains("36 of 36"));
    let copy = folder.path().join("copy.pcapng");
    run_lab(
        "https-through-alb",
        folder.path(),
        &["-w", copy.to_str().unwrap()],
        0,
    );
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&file).unwrap());
}

#[test]
fn json_is_the_whole_answer() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_lab("https-through-alb", folder.path(), &["--format", "json"], 0);
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = folder
        .path()
        .join("https-through-alb/https-through-alb.json");
    let written: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(printed, written);
}

#[test]
fn junit_is_one_document_with_what_held_what_did_not_and_what_could_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("teapot.toml");
    fs::write(
        &path,
        "title = \"x\"\nbase = \"three-tier\"\n[[step]]\nat = \"0 ms\"\nuser = { get = \"https://your-app.com/absent\" }\n[[expect]]\nthat = \"a <teapot> answers & nobody else\"\nstatus = { at = \"user\", is = 418 }\n",
    )
    .unwrap();
    let output = tunlab()
        .args([
            "run",
            "https-through-alb",
            "no-such-lab",
            "--format",
            "junit",
        ])
        .arg(&path)
        .arg("--out")
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let xml = text(&output.stdout);
    assert_eq!(xml.matches("<testsuite ").count(), 3);
    assert_eq!(xml.matches("<testcase ").count(), 38);
    assert_eq!(xml.matches("<failure ").count(), 1);
    assert_eq!(xml.matches("<error ").count(), 1);
    assert!(
        xml.contains("<testcase name=\"a &lt;teapot&gt; answers &amp; nobody else\""),
        "{xml}"
    );
    assert!(xml.contains("<failure message=\"expected HTTP 418; found HTTP 404\">"));
    assert!(
        xml.contains("frame 3: user to alb, SYN at 20 ms\n"),
        "evidence: {xml}"
    );
    if have("python3") {
        let file = folder.path().join("junit.xml");
        fs::write(&file, &xml).unwrap();
        let count = "import sys, xml.etree.ElementTree as t; r = t.parse(sys.argv[1]).getroot(); \
             print(r.tag, r.get('tests'), len(r.findall('./testsuite/testcase')))";
        let read = output_of(Command::new("python3").args(["-c", count]).arg(&file));
        assert_eq!(read.trim(), "testsuites 38 38");
    }
}

#[test]
fn a_tolerance_is_for_tun_devices() {
    let output = call(&["run", "https-through-alb", "--tolerance", "3 ms"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("--tun|--both"), "{said}");
    let output = call(&["run", "--tun", "--tolerance", "3 apples"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("`apples` is not a unit here"));
}

#[test]
fn offload_is_for_tun_devices() {
    let output = call(&["run", "https-through-alb", "--offload"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--tun"));
}

/// Refused before anything is asked of the machine: no rights are needed to be told.
#[test]
fn real_programs_never_meet_the_teaching_engine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rsa.toml");
    let lab = r#"
        base  = "three-tier"
        title = "x"
        [certificate.your-app]
        key = "RSA-2048"
        [node.alb.alb]
        listener = [{ port = 443, certificate = "your-app", suites = ["TLS_RSA_WITH_AES_128_CBC_SHA"], forward = "web" }]
        [node.guest]
        address = { home = "203.192.1.60" }
        program = {}
        [[step]]
        guest = { run = ["curl", "https://your-app.com/"] }
        [[expect]]
        that    = "x"
        program = { at = "guest", exit = 0 }
    "#;
    fs::write(&path, lab).unwrap();
    let path = path.to_str().unwrap();
    let run = call(&["run", "--tun", path]);
    let up = call(&["up", "tls/rsa-key-exchange", "--no-capture"]);
    for output in [run, up] {
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let why = "node `alb` speaks TLS with RSA key exchange";
        assert!(said.contains(why), "{said}");
        assert!(
            said.contains("never for the traffic of real programs"),
            "{said}"
        );
    }
}

#[test]
fn runs_with_refused_certificates_end_with_a_table_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let labs = ["cert/expired", "https-through-alb", "cert/wrong-name"];
    let run = |more: &[&str], columns: &str| {
        let mut command = tunlab();
        command
            .env("COLUMNS", columns)
            .arg("run")
            .args(labs)
            .args(more);
        let output = command.arg("--out").arg(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout)
    };
    let wide = run(&[], "140");
    let table = &wide[wide.rfind("\n  lab ").unwrap()..];
    let rows: Vec<&str> = table.lines().filter(|l| l.contains("cert/")).collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(rows[0].contains("certificate_expired"), "{table}");
    assert!(
        table.contains("(45), in clear") && table.contains("encrypted"),
        "{table}"
    );
    let narrow = run(&[], "80");
    let last = &narrow[narrow.rfind("cert/wrong-name: wrong-name").unwrap()..];
    assert!(last.contains("Chrome   net::ERR_CERT_COMMON_NAME_INVALID (-200), alert 46"));
    // One document a run, and one of all refusals.
    let json = run(&["--format", "json"], "80");
    let documents = serde_json::Deserializer::from_str(&json).into_iter::<serde_json::Value>();
    let documents: Vec<_> = documents.map(Result::unwrap).collect();
    assert_eq!(documents.len(), 4);
    assert_eq!(documents[3]["schema"], "tunlab-refusals/1");
    let refusals = documents[3]["refusals"].as_array().unwrap();
    let defects: Vec<_> = refusals
        .iter()
        .map(|r| r["defect"].as_str().unwrap())
        .collect();
    assert_eq!(defects, ["expired", "wrong-name"]);
    assert_eq!(documents[0]["refusals"][0], refusals[0]);
}

#[test]
fn a_folder_is_no_lab() {
    let output = call(&["run", "/"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("`/` is a folder"), "{said}");
    assert!(
        said.contains("hint: name lab files, as in `/*.toml`"),
        "{said}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = tunlab()
        .args(["run", "https-through-alb", "-w", "-", "--out"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut head = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut head).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = call(&["completions", shell]);
        assert!(output.status.success());
        let script = text(&output.stdout);
        assert!(script.contains("tunlab"), "{shell}");
        // The others complete no arguments without a dash.
        if ["bash", "zsh", "fish"].contains(&shell) {
            assert!(script.contains("alb/connection-reuse"), "{shell}");
        }
    }
}

/// What bash offers behind these words.
fn completed(words: &[&str]) -> Vec<String> {
    let script = text(&call(&["completions", "bash"]).stdout);
    let ask = format!(
        "{script}\nCOMP_WORDS=({}); COMP_CWORD={}; _tunlab tunlab {:?} {:?}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let output = Command::new("bash").args(["-c", &ask]).output().unwrap();
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn names_of_labs_are_completed() {
    let reuse = completed(&["tunlab", "run", "alb/connection-re"]);
    assert_eq!(reuse, ["alb/connection-reuse"]);
    assert!(completed(&["tunlab", "run", "al"]).contains(&"alb/".to_owned()));
    assert_eq!(
        completed(&["tunlab", "diff", "tcp/syn-flood.f"]),
        ["tcp/syn-flood.fixed"]
    );
    let lab = completed(&["tunlab", "exec", "--lab", "timel"]);
    assert_eq!(lab, ["timeline-as-written"]);
}

#[test]
fn without_captures_only_events_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_lab("https-through-alb", folder.path(), &["--no-capture"], 0);
    let said = text(&output.stderr);
    assert!(said.contains("of 36 expectations are on packets"), "{said}");
    assert!(text(&output.stdout).contains("expectations held"));
    let files = fs::read_dir(folder.path().join("https-through-alb")).unwrap();
    let names: Vec<_> = files.map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names, ["https-through-alb.json"]);
}
