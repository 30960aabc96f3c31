//! `tunlab exec`

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::say;
use crate::os::{self, Namespace, Process, Terminal, interrupt};
use crate::run::standing::{self, FindError};

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    /// The node.
    #[arg(value_name = "NODE")]
    node: String,

    /// Which lab, when several are up: its name, or the number of its process.
    #[arg(long, value_name = "LAB")]
    lab: Option<String>,

    /// Keep root's rights inside the node. Else the program runs as nobody.
    #[arg(long)]
    root: bool,

    /// Program and arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const HELP: &str = "\
Exit status: the program's; 128 and its number when a signal ended it. 125 when the program could
not be run, or its lab ended; 126 when it may not be executed; 127 when there is no such program.";

/// As env(1) has them, so that they are not taken for the program's.
const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

pub(super) fn run(arguments: Arguments) -> ExitCode {
    match exec(arguments) {
        Ok(code) => ExitCode::from(code),
        Err((text, code)) => {
            say(&format!("error: {text}"));
            ExitCode::from(code)
        }
    }
}

type Failure = (String, u8);

fn exec(arguments: Arguments) -> Result<u8, Failure> {
    let lost = |e: FindError| (with_hint(&e), FAILED);
    let failed =
        |what: &'static str| move |e: io::Error| -> Failure { (format!("{what}: {e}"), FAILED) };
    let folder = standing::folder()
        .ok_or(FindError::NoFolder)
        .map_err(lost)?;
    let up = standing::all(&folder).map_err(lost)?;
    let standing = standing::find(up, arguments.lab.as_deref()).map_err(lost)?;
    let node = standing.node(&arguments.node).map_err(lost)?;
    let process = Process::open(standing.pid, standing.started)
        .map_err(failed("failed to find the lab's process"))?
        .ok_or_else(|| lost(FindError::NothingUp))?;
    let namespace = Namespace::open(&node.namespace)
        .map_err(failed("failed to open the node's network namespace"))?;
    if standing.user_namespace {
        os::join(standing.pid).map_err(failed("failed to enter the lab's user namespace"))?;
    }

    let _terminal = Terminal::remember();
    interrupt::leave_to_the_program();
    let name = arguments.command.first().cloned().unwrap_or_default();
    let program = node.program(arguments.command, arguments.root);
    let child = program.start(&namespace).map_err(|e| {
        let absent = e.kind() == ErrorKind::NotFound || e.kind() == ErrorKind::PermissionDenied;
        let (why, code) = if absent && !is_somewhere(&name) {
            // Where a folder of the path is closed to nobody, what is not there is not allowed.
            ("there is no such program".into(), NOT_FOUND)
        } else if e.kind() == ErrorKind::PermissionDenied {
            (e.to_string(), NOT_EXECUTABLE)
        } else {
            (e.to_string(), FAILED)
        };
        (format!("failed to run `{name}`: {why}"), code)
    })?;
    match child.wait_while(&process) {
        Ok(Some(os::Exit::Code(code))) => Ok(u8::try_from(code).unwrap_or(u8::MAX)),
        Ok(Some(os::Exit::Signal(signal))) => Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
        Ok(None) => Err(("the lab has ended, and the program with it".into(), FAILED)),
        Err(e) => Err(failed("failed to wait for the program")(e)),
    }
}

/// Whether a program called `name` is there, or in a folder of `PATH`.
fn is_somewhere(name: &str) -> bool {
    if name.contains('/') {
        return Path::new(name).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// An error, its cause, and what to do about it.
fn with_hint(error: &FindError) -> String {
    let mut text = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        text.push_str(&format!(": {cause}"));
    }
    let list = |up: &[(String, u32)]| {
        let lines = up.iter().map(|(lab, pid)| format!("  {pid}  {lab}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let hint = match error {
        FindError::NothingUp => {
            "`tunlab up` in another terminal brings one up; labs of other users are not seen".into()
        }
        FindError::NoSuchLab { up, .. } => format!("these are up\n{}", list(up)),
        FindError::Ambiguous { up } => {
            format!(
                "say which one with `--lab`, by name or process\n{}",
                list(up)
            )
        }
        FindError::NoSuchNode {
            ours: true, nodes, ..
        } => {
            format!(
                "it is played by tunlab itself; there are {}",
                nodes.join(", ")
            )
        }
        FindError::NoSuchNode {
            nearest: Some(name),
            ..
        } => format!("did you mean `{name}`?"),
        FindError::NoSuchNode { nodes, .. } => format!("there are {}", nodes.join(", ")),
        FindError::NoFolder | FindError::Read { .. } => return text,
    };
    format!("{text}\n\nhint: {hint}")
}
