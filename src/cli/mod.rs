//! The command line: one file a command, and the only room that prints. stdout is the answer, stderr the conversation.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

mod check;
mod claims;
mod completions;
mod diff;
mod exec;
mod exit;
mod explain;
mod list;
mod run;
mod up;

use exit::Exit;

/// A packet-level network lab: real TCP, TLS and HTTP in virtual time, with captures that Wireshark opens decrypted
/// and annotated.
///
/// Without a command it runs the main lab, `https-through-alb`.
#[derive(Debug, Parser)]
#[command(name = "tunlab", version, max_term_width = 100, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// When to use colour; `NO_COLOR` is respected.
    // Behind the options of each command, however many there are.
    #[arg(long, global = true, display_order = 100, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,

    /// Say what happens inside, on stderr; twice for every packet.
    #[arg(short, long, global = true, display_order = 101, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run labs and judge them.
    Run(Box<run::Arguments>),
    /// Bring a lab up on TUN devices and keep it until Ctrl-C: real programs can be run on its machines.
    Up(up::Arguments),
    /// Run a program on a machine of a lab that is up.
    Exec(exec::Arguments),
    /// List the labs that ship with tunlab, one a line, its name first.
    List,
    /// Run two labs in memory and show them side by side: a fault and its remedy, or any two.
    Diff(diff::Arguments),
    /// Check lab files without running them: every mistake at once.
    Check(check::Arguments),
    /// Explain a topic with real values: one page each.
    Explain(explain::Arguments),
    /// Show every claim of the text: the verdict on it, what is so, and what shows that.
    Claims(claims::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
}

/// Runs the command that the process was called with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // clap prints help to stdout and errors to stderr, and knows which is which.
            let exit = if e.use_stderr() {
                Exit::CouldNotRun
            } else {
                Exit::Met
            };
            return match e.print() {
                Ok(()) => exit.into(),
                Err(e) => failed(&e),
            };
        }
    };
    log(cli.verbose);
    let colour = cli.color;
    let done = match cli.command {
        None => run::run(&run::Arguments::default(), colour),
        Some(Command::Run(arguments)) => run::run(&arguments, colour),
        Some(Command::Up(arguments)) => up::run(&arguments, colour),
        Some(Command::Exec(arguments)) => return exec::run(arguments),
        Some(Command::List) => list::run(),
        Some(Command::Diff(arguments)) => diff::run(&arguments, colour),
        Some(Command::Check(arguments)) => check::run(&arguments, colour),
        Some(Command::Explain(arguments)) => explain::run(&arguments, colour),
        Some(Command::Claims(arguments)) => claims::run(&arguments, colour),
        Some(Command::Completions(arguments)) => completions::run(&arguments),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(e) => failed(&e),
    }
}

/// Output that could not be written. A reader that went away has seen what it wanted.
fn failed(error: &io::Error) -> ExitCode {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Met.into();
    }
    say(&format!("error: failed to write the output: {error}"));
    Exit::CouldNotRun.into()
}

/// Writes to stdout.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a line to stderr. That nobody can read it there is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether to colour what goes to a stream.
fn coloured(colour: Colour, stream: &impl IsTerminal) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
            stream.is_terminal() && !refused && !dumb
        }
    }
}

/// Columns of the terminal, within what the ladder is made for.
fn columns() -> usize {
    columns_up_to(140)
}

/// The same, for what can use more.
fn columns_up_to(most: usize) -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let columns = match terminal_size::terminal_size() {
        Some((width, _)) => usize::from(width.0),
        // A pipe has no width: its reader may say one.
        None => asked.unwrap_or(100),
    };
    columns.clamp(80, most)
}

fn log(verbose: u8) {
    use tracing_subscriber::filter::LevelFilter;
    let level = match verbose {
        0 => return,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .without_time()
        .with_target(false)
        .with_writer(io::stderr)
        .init();
}
