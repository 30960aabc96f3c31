//! `tunlab run`

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

mod both;

use super::exit::Exit;
use super::{Colour, coloured, columns, print, say};
use crate::capture::AtomicFile;
use crate::lab::{self, LoadError, plan::Plan};
use crate::report::refusal::{self, Refusal};
use crate::report::terminal::{self, Layout};
use crate::report::{Paint, json, junit};
use crate::run::{Outcome, Run, RunError, TOLERANCE};
use crate::units::parse_duration;
use crate::{expect, expect::Finding};

/// The lab that runs when none is named.
pub(super) const MAIN_LAB: &str = "https-through-alb";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("devices").args(["tun", "both"]))]
pub(super) struct Arguments {
    /// Labs to run: names from `tunlab list`, a folder of them with a `/` at its end, or lab files.
    #[arg(value_name = "LAB", default_value = MAIN_LAB)]
    labs: Vec<String>,

    /// Folder for the files of the runs: each lab gets a folder of its own name in it.
    #[arg(long, value_name = "DIR", default_value = "tunlab-runs")]
    out: PathBuf,

    /// Seed of all randomness: the same lab, seed and version give the same bytes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Write the main capture to a file too, or with `-` to stdout as it happens (the report then goes to stderr).
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    write: Option<PathBuf>,

    /// Write the main capture as classic pcap too.
    #[arg(long)]
    pcap: bool,

    /// Run on TUN devices in network namespaces, in wall-clock time: the kernel forwards every packet. Needs root, or
    /// a machine that allows both.
    #[arg(long)]
    tun: bool,

    /// With `--tun`: let the kernel complete checksums and cut large packets into segments, as network cards do. For much
    /// data; captures then show packets larger than the MTU, with incomplete checksums.
    #[arg(long, requires = "tun", conflicts_with = "both")]
    offload: bool,

    /// Run in virtual time and on TUN devices, and show what differs: random numbers and times do by nature, packets
    /// must not. The files of the second run are in `<lab>.tun` beside the folder of the first.
    #[arg(long, conflicts_with = "write")]
    both: bool,

    /// How far times on TUN devices may lie from those expected: 25 ms unless said. In virtual time they are exact.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "devices")]
    tolerance: Option<Duration>,

    /// Keep no packets and write no captures, for long runs: expectations on packets are not judged.
    #[arg(long, conflicts_with_all = ["write", "pcap", "both"])]
    no_capture: bool,

    /// Show pure acknowledgments, and WINDOW_UPDATE of HTTP/2, in the ladder.
    #[arg(long)]
    all: bool,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            labs: vec![MAIN_LAB.into()],
            out: "tunlab-runs".into(),
            seed: 1,
            format: Format::Text,
            write: None,
            pcap: false,
            tun: false,
            offload: false,
            both: false,
            tolerance: None,
            no_capture: false,
            all: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The ladder, the timeline and the findings.
    Text,
    /// The report of `<lab>.json`.
    Json,
    /// JUnit XML for continuous integration: one document, a suite a lab, a case an expectation.
    Junit,
}

/// Where the report goes.
enum Report {
    Stdout,
    Stderr,
}

impl Report {
    fn print(&self, text: &str) -> io::Result<()> {
        match self {
            Self::Stdout => print(text),
            Self::Stderr => io::stderr().lock().write_all(text.as_bytes()),
        }
    }
}

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    let mut plans = Vec::new();
    let mut told = Told::default();
    let mut exit = Exit::Met;
    for name in arguments.labs.iter().flat_map(|name| named(name)) {
        match lab::load(&name) {
            Ok(plan) => plans.push(plan),
            Err(e) => {
                told.suites
                    .push(junit::Suite::could_not_run(&name, &e.to_string()));
                show_load_error(&name, e, colour);
                exit = Exit::CouldNotRun;
            }
        }
    }
    if arguments.write.is_some() && plans.len() > 1 {
        say(
            "error: `-w` writes one capture, and there are several labs\n\nhint: run them one by one, or find each capture in its folder",
        );
        return Ok(Exit::CouldNotRun);
    }
    if arguments.offload {
        say(
            "with offload, captures show packets larger than the MTU and incomplete checksums, as on any host whose network card does that work",
        );
    }
    let mut held = 0;
    if arguments.no_capture {
        plans.iter_mut().for_each(keep_what_events_decide);
    }
    for plan in &plans {
        if arguments.tun || arguments.both {
            announce(plan);
        }
        let done = if arguments.both {
            both::run(arguments, plan, colour, &mut told)
        } else {
            one(arguments, plan, colour, &mut told)
        };
        match done {
            Ok(Exit::Met) => held += 1,
            Ok(worse) => exit = exit.max(worse),
            Err(Problem::Output(e)) => return Err(e),
            Err(Problem::Run(e)) => {
                told.suites
                    .push(junit::Suite::could_not_run(&plan.name, &chain(&e)));
                show_run_error(&plan.name, &e);
                exit = Exit::CouldNotRun;
            }
        }
    }
    if arguments.format == Format::Junit {
        arguments.report().print(&junit::render(&told.suites))?;
    }
    if plans.len() > 1 {
        told.refusals_to(arguments, colour)?;
        say(&format!("{held} of {} labs held", plans.len()));
    }
    Ok(exit)
}

/// What the runs of one call have to say together, in their order.
#[derive(Default)]
struct Told {
    suites: Vec<junit::Suite>,
    refusals: Vec<Refusal>,
}

impl Told {
    /// Prints the certificates that were refused, when there are any: a row each.
    fn refusals_to(&self, arguments: &Arguments, colour: Colour) -> io::Result<()> {
        if self.refusals.is_empty() {
            return Ok(());
        }
        let out = arguments.report();
        match arguments.format {
            Format::Text => {
                let Layout { width, paint, .. } = layout(arguments, colour, &out);
                out.print(&refusal::matrix(&self.refusals, width, paint))
            }
            Format::Json => {
                let document = refusal::document::Document::new(&self.refusals);
                let text = serde_json::to_string_pretty(&document).map_err(io::Error::other)?;
                out.print(&format!("{text}\n"))
            }
            // A suite has its cases, and no place for a table.
            Format::Junit => Ok(()),
        }
    }
}

impl Arguments {
    fn captures_to_stdout(&self) -> bool {
        self.write.as_deref() == Some(Path::new("-"))
    }

    fn tolerance(&self) -> Duration {
        self.tolerance.unwrap_or(TOLERANCE)
    }

    fn report(&self) -> Report {
        if self.captures_to_stdout() {
            Report::Stderr
        } else {
            Report::Stdout
        }
    }
}

/// The labs that a name on the command line means.
fn named(name: &str) -> Vec<String> {
    if !name.ends_with('/') || Path::new(name).is_dir() {
        return vec![name.to_owned()];
    }
    let inside: Vec<String> = lab::shipped()
        .filter(|s| s.name.starts_with(name))
        .map(|s| s.name.to_owned())
        .collect();
    if inside.is_empty() {
        vec![name.to_owned()]
    } else {
        inside
    }
}

enum Problem {
    Run(RunError),
    Output(io::Error),
}

impl From<RunError> for Problem {
    fn from(e: RunError) -> Self {
        // Whoever read the capture has gone, as when a report's reader has.
        if let RunError::Stream(inner) = &e
            && inner.kind() == io::ErrorKind::BrokenPipe
        {
            return Self::Output(inner.kind().into());
        }
        Self::Run(e)
    }
}

/// Without packets, only events can decide: what needs more is not judged, and that is said.
fn keep_what_events_decide(plan: &mut Plan) {
    let all = plan.expectations.len();
    plan.expectations.retain(|e| !e.check.needs_packets());
    let left_out = all - plan.expectations.len();
    if left_out > 0 {
        say(&format!(
            "{}: {left_out} of {all} expectations are on packets and are not judged",
            plan.name
        ));
    }
}

/// Says which programs of this machine a lab is about to run: its file may come from a stranger.
pub(super) fn announce(plan: &Plan) {
    for (node, command, root) in plan.commands() {
        let user = if root { "root" } else { "nobody" };
        say(&format!("{node} runs as {user}: {}", command.join(" ")));
    }
}

impl From<io::Error> for Problem {
    fn from(e: io::Error) -> Self {
        Self::Output(e)
    }
}

fn one(
    arguments: &Arguments,
    plan: &Plan,
    colour: Colour,
    told: &mut Told,
) -> Result<Exit, Problem> {
    let folder = arguments.out.join(&plan.name);
    let mut run = Run::new(plan, arguments.seed);
    if arguments.tun {
        run = run.on_devices().within(arguments.tolerance());
    }
    if arguments.offload {
        run = run.with_offload();
    }
    if arguments.captures_to_stdout() {
        run = run.to_stream(Box::new(io::stdout()));
    }
    let mut judged = Judged::make(arguments, plan, run, &folder)?;
    if let (Some(target), false) = (&arguments.write, arguments.captures_to_stdout()) {
        let main = main_capture(plan, &folder);
        let capture = fs::read(&main).map_err(|e| write_error(&main, e))?;
        write_whole(target, &capture)?;
        judged.outcome.written.push(target.clone());
    }
    told.refusals
        .extend(refusal::refusals(&judged.outcome.record(plan)));
    let out = arguments.report();
    match arguments.format {
        Format::Json => out.print(&format!("{}\n", judged.json))?,
        Format::Text => {
            let layout = layout(arguments, colour, &out);
            let record = judged.outcome.record(plan);
            out.print(&terminal::render(&record, &judged.findings, layout))?;
            out.print(&files_line(plan, &judged))?;
        }
        Format::Junit => told.suites.push(judged.suite(plan)),
    }
    Ok(judged.exit())
}

/// A run that was made, with its files written and its expectations judged.
struct Judged {
    folder: PathBuf,
    outcome: Outcome,
    findings: Vec<Finding>,
    json: String,
}

impl Judged {
    fn make(
        arguments: &Arguments,
        plan: &Plan,
        mut run: Run<'_>,
        folder: &Path,
    ) -> Result<Self, Problem> {
        if arguments.pcap {
            run = run.with_pcap();
        }
        run = if arguments.no_capture {
            fs::create_dir_all(folder).map_err(|e| write_error(folder, e))?;
            run.without_packets()
        } else {
            run.into_folder(folder.to_owned())
        };
        let mut outcome = run.execute()?;
        let record = outcome.record(plan);
        let findings = expect::judge(&record);
        let json = json::render(&record, &findings).map_err(io::Error::other)?;
        let path = folder.join(format!("{}.json", file_stem(plan)));
        write_whole(&path, json.as_bytes())?;
        outcome.written.push(path);
        Ok(Self {
            folder: folder.to_owned(),
            outcome,
            findings,
            json,
        })
    }

    fn exit(&self) -> Exit {
        if self.findings.iter().all(|f| f.holds) {
            Exit::Met
        } else {
            Exit::NotMet
        }
    }

    fn suite(&self, plan: &Plan) -> junit::Suite {
        let record = self.outcome.record(plan);
        junit::Suite::of_run(&record, &self.findings, env!("CARGO_PKG_VERSION"))
    }
}

fn layout(arguments: &Arguments, colour: Colour, out: &Report) -> Layout {
    let coloured = match out {
        Report::Stdout => coloured(colour, &io::stdout()),
        Report::Stderr => coloured(colour, &io::stderr()),
    };
    Layout {
        width: columns(),
        all: arguments.all,
        paint: if coloured {
            Paint::Colour
        } else {
            Paint::Plain
        },
    }
}

/// How much was written where, and how to look at it.
fn files_line(plan: &Plan, judged: &Judged) -> String {
    let main = main_capture(plan, &judged.folder);
    let count = judged.outcome.written.len();
    let files = if count == 1 { "file" } else { "files" };
    let mut lines = format!("  wrote {count} {files} to {}\n", judged.folder.display());
    if judged.outcome.written.contains(&main) {
        lines.push_str(&format!("  open  wireshark {}\n", main.display()));
    }
    lines
}

fn main_capture(plan: &Plan, folder: &Path) -> PathBuf {
    folder.join(format!("{}.pcapng", file_stem(plan)))
}

/// The last part of a lab's name, which its files are called after.
fn file_stem(plan: &Plan) -> &str {
    plan.name.rsplit('/').next().unwrap_or(&plan.name)
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let write = || {
        let mut file = AtomicFile::create(path).map_err(io::Error::other)?;
        file.write_all(bytes)?;
        file.commit().map_err(io::Error::other)
    };
    write().map_err(|e| write_error(path, e))
}

fn write_error(path: &Path, source: io::Error) -> RunError {
    RunError::Write {
        path: path.to_owned(),
        source,
    }
}

/// A lab that could not be loaded, with the place of every mistake.
pub(super) fn show(error: LoadError, colour: Colour) {
    let theme = if coloured(colour, &io::stderr()) {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::unicode_nocolor()
    };
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(columns());
    let mut text = String::new();
    let report = miette::Report::new(error);
    match handler.render_report(&mut text, report.as_ref()) {
        Ok(()) => say(text.trim_end()),
        Err(_) => say(&format!("error: {report}")),
    }
}

/// The same, for a name from the command line.
pub(super) fn show_load_error(name: &str, error: LoadError, colour: Colour) {
    let folder = Path::new(name);
    let is_folder =
        folder.is_dir() && matches!(error, LoadError::Read { .. } | LoadError::Unknown { .. });
    if !is_folder {
        return show(error, colour);
    }
    let files = folder.join("*.toml");
    say(&format!(
        "error: `{name}` is a folder, and no shipped labs are called so\n\nhint: name lab files, as in `{}`, or labs from `tunlab list`",
        files.display()
    ));
}

pub(super) fn show_run_error(lab: &str, error: &RunError) {
    say(&format!("error: `{lab}` could not be run: {error}"));
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        say(&format!("  because {e}"));
        cause = e.source();
    }
}

/// An error and its causes on one line.
fn chain(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        text.push_str(&format!(": {e}"));
        cause = e.source();
    }
    text
}
