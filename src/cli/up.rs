//! `tunlab up`

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;

use super::exit::Exit;
use super::run::{MAIN_LAB, announce, show_load_error, show_run_error};
use super::{Colour, coloured, print, say};
use crate::lab::{self, plan::Action, plan::Plan};
use crate::name::Name;
use crate::os::interrupt;
use crate::report::Paint;
use crate::report::live::Lines;
use crate::role::config::{Resolver, Role};
use crate::run::standing::Standing;
use crate::run::up::{Down, Up};
use crate::world::Ended;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The lab: a name from `tunlab list`, or a lab file.
    #[arg(value_name = "LAB", default_value = MAIN_LAB)]
    lab: String,

    /// Folder for the captures: the lab gets a folder of its own name in it. They are there when the lab has ended.
    #[arg(long, value_name = "DIR", default_value = "tunlab-runs")]
    out: PathBuf,

    /// Write no captures.
    #[arg(long)]
    no_capture: bool,

    /// Write the main capture to a file too, or with `-` to stdout, as it happens (all else goes to stderr then).
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    write: Option<PathBuf>,

    /// Seed of random losses on links.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Do the lab's steps too. Where a browser would fetch a page, curl does.
    #[arg(long)]
    steps: bool,

    /// Give the namespaces names, `<NAME>-<node>`, for `ip netns exec`. They end with the lab.
    #[arg(long, value_name = "NAME", value_parser = Name::new)]
    netns_prefix: Option<Name>,

    /// Do not print what happens.
    #[arg(short, long)]
    quiet: bool,

    /// Show pure acknowledgments, and WINDOW_UPDATE of HTTP/2.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    let plan = match lab::load(&arguments.lab) {
        Ok(plan) => plan,
        Err(e) => {
            show_load_error(&arguments.lab, e, colour);
            return Ok(Exit::CouldNotRun);
        }
    };
    interrupt::catch()?;
    let out = Out::new(arguments);
    let paint = if out.is_coloured(colour) {
        Paint::Colour
    } else {
        Paint::Plain
    };
    let mut up = Up::new(&plan, arguments.seed, arguments.steps);
    announce(up.plan());
    let folder = arguments.out.join(&plan.name);
    if !arguments.no_capture {
        up = up.into_folder(folder.clone());
    }
    match arguments.write.as_deref() {
        None => {}
        Some(path) if path == Path::new("-") => up = up.to_stream(Box::new(io::stdout())),
        Some(path) => match std::fs::File::create(path) {
            Ok(file) => up = up.to_stream(Box::new(file)),
            Err(e) => {
                say(&format!("error: failed to write `{}`: {e}", path.display()));
                return Ok(Exit::CouldNotRun);
            }
        },
    }
    if let Some(prefix) = &arguments.netns_prefix {
        up = up.named(prefix.to_string());
    }
    if !arguments.quiet {
        let lines = Lines::new(&plan, arguments.all, paint);
        let out = out.clone();
        up = up.telling(lines, Box::new(move |line| out.print(line)));
    }
    let told = out.clone();
    let done = up.execute(|_, standing| {
        told.print(&door_plate(arguments, &plan, standing, &folder));
    });
    match done {
        Ok(down) => {
            out.print(&last_words(&down, &folder));
            Ok(match down.end {
                Ended::Interrupted => Exit::Met,
                Ended::Quiet | Ended::Stalled | Ended::TimeLimit | Ended::Livelock => {
                    say("error: the lab did more in one instant than a lab can mean");
                    Exit::CouldNotRun
                }
            })
        }
        Err(e) => {
            show_run_error(&plan.name, &e);
            Ok(Exit::CouldNotRun)
        }
    }
}

/// Where what happens is printed. When nobody reads it any more, the lab stays up in silence.
#[derive(Clone)]
struct Out {
    to_stderr: bool,
    gone: Rc<Cell<bool>>,
}

impl Out {
    fn new(arguments: &Arguments) -> Self {
        Self {
            to_stderr: arguments.write.as_deref() == Some(Path::new("-")),
            gone: Rc::default(),
        }
    }

    fn is_coloured(&self, colour: Colour) -> bool {
        if self.to_stderr {
            coloured(colour, &io::stderr())
        } else {
            coloured(colour, &io::stdout())
        }
    }

    fn print(&self, text: &str) {
        if self.gone.get() {
            return;
        }
        let printed = if self.to_stderr {
            io::stderr().lock().write_all(text.as_bytes())
        } else {
            print(text)
        };
        self.gone.set(printed.is_err());
    }
}

/// What there is, and how to enter it.
fn door_plate(arguments: &Arguments, plan: &Plan, standing: &Standing, folder: &Path) -> String {
    let mut text = format!(
        "tunlab up {}   TUN devices, wall clock · process {}\n{}\n\n",
        plan.name, standing.pid, plan.title
    );
    // Writing to a string cannot fail.
    let mut line = |l: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{l}");
    };
    let names = plan.topology.nodes.iter().map(|n| n.name.as_str().len());
    let width = names.max().unwrap_or(0);
    let addresses = |name: &str| {
        let node = plan.topology.nodes.iter().find(|n| n.name.as_str() == name);
        let nics = node.map(|n| n.nics.as_slice()).unwrap_or_default();
        let all = nics
            .iter()
            .map(|n| plan.topology.nics[*n].address.to_string());
        all.collect::<Vec<_>>().join(" ")
    };
    line(format_args!("  programs can be run on"));
    for node in standing.nodes.iter().filter(|n| !n.router) {
        let own = addresses(&node.name);
        line(format_args!("    {:width$}  {own}", node.name));
        for command in suggestions(plan, &node.name) {
            line(format_args!(
                "    {:width$}    tunlab exec {} -- {command}",
                "", node.name
            ));
        }
        if let Some(prefix) = &arguments.netns_prefix {
            line(format_args!(
                "    {:width$}    ip netns exec {prefix}-{} …",
                "", node.name
            ));
        }
    }
    for node in standing.nodes.iter().filter(|n| n.router) {
        let own = addresses(&node.name);
        line(format_args!(
            "    {:width$}  {own}  (a router: the kernel forwards)",
            node.name
        ));
    }
    line(format_args!("  played by tunlab"));
    for name in &standing.ours {
        line(format_args!("    {name:width$}  {}", addresses(name)));
    }
    let servers = plan.roles.iter().filter_map(|(_, role)| match role {
        Role::Resolver(resolver) => Some(resolver),
        Role::Browser(_)
        | Role::Alb(_)
        | Role::App(_)
        | Role::Program(_)
        | Role::Interceptor(_)
        | Role::Attacker(_) => None,
    });
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, address) in servers.flat_map(Resolver::names) {
        let addresses = names.entry(name).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if !names.is_empty() {
        line(format_args!("  names"));
    }
    for (name, addresses) in names {
        line(format_args!("    {name}  {}", addresses.join(" ")));
    }
    line(format_args!(""));
    if !arguments.steps && !plan.steps.is_empty() {
        line(format_args!(
            "  the lab's steps are not done: `--steps` does them; nothing is judged here, `tunlab run --tun` does that"
        ));
    }
    if !arguments.no_capture {
        line(format_args!(
            "  captures will be in {} when the lab has ended",
            folder.display()
        ));
    }
    line(format_args!("  up until Ctrl-C\n"));
    text
}

/// What one might run on a node: what the lab's steps do there, and a shell.
fn suggestions(plan: &Plan, node: &str) -> Vec<String> {
    let steps = plan.steps.iter().filter(|s| s.node.as_str() == node);
    let mut commands: Vec<String> = steps
        .filter_map(|step| match &step.action {
            Action::Get(urls) => {
                let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
                Some(format!("curl {}", urls.join(" ")))
            }
            Action::Errand(errand) => {
                let command = errand.as_command()?;
                let words: Vec<String> = command.iter().map(|w| quoted(w)).collect();
                Some(words.join(" "))
            }
            Action::Run(command) => {
                let words: Vec<String> = command.iter().map(|w| quoted(w)).collect();
                Some(words.join(" "))
            }
            // Not by a program.
            Action::Renew { .. }
            | Action::Register(_)
            | Action::Serve(_)
            | Action::Attack(_)
            | Action::Network(_)
            | Action::Instance { .. }
            | Action::Publish { .. } => None,
        })
        .collect();
    commands.dedup();
    commands.push("bash".into());
    commands
}

/// As a shell reads it as one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn last_words(down: &Down, folder: &Path) -> String {
    let counts = down.counts;
    let mut text = format!(
        "\n  the lab is down: {} packets in the main capture, {} at all NICs, {} dropped\n",
        counts.main, counts.all, counts.dropped
    );
    if let Some(main) = down.written.first() {
        text.push_str(&format!(
            "  wrote {} files to {}\n  open  wireshark {}\n",
            down.written.len(),
            folder.display(),
            main.display()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("--max-time"), "--max-time");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
