//! `tunlab diff`

use std::io;

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::run::{show_load_error, show_run_error};
use super::{Colour, coloured, columns_up_to, print, say};
use crate::expect::{self, Finding};
use crate::lab::plan::Plan;
use crate::lab::{self, LoadError};
use crate::report::Paint;
use crate::report::difference::{self, Side, Sides};
use crate::report::terminal::Layout;
use crate::run::{Outcome, Run, RunError};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A lab: its name, or the path of a file.
    #[arg(value_name = "LAB")]
    lab: String,

    /// The lab to compare it with: without one, the one in which what is wrong is mended, `LAB.fixed`.
    #[arg(value_name = "OTHER")]
    other: Option<String>,

    /// Seed of all randomness, in both.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Show pure acknowledgments, and WINDOW_UPDATE of HTTP/2, in the ladders.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables, and two ladders: side by side where the terminal is wide enough.
    Text,
    /// The same for programs.
    Json,
}

/// Two ladders are worth more columns than one.
const COLUMNS_MAX: usize = 240;

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    let other = arguments.other.clone();
    let is_guess = other.is_none();
    let names = [
        arguments.lab.clone(),
        other.unwrap_or_else(|| lab::fixed(&arguments.lab)),
    ];
    let mut plans = Vec::new();
    for name in &names {
        match lab::load(name) {
            Ok(plan) => plans.push(plan),
            Err(e) => {
                show_load_error(name, e, colour);
                if is_guess && plans.len() == 1 {
                    say(&format!(
                        "hint: without a second lab, `{}` is compared with `{name}`",
                        arguments.lab
                    ));
                }
                return Ok(Exit::CouldNotRun);
            }
        }
    }
    let changes = match lab::changes(&names[0], &names[1]) {
        Ok(changes) => changes,
        Err(e) => return Ok(could_not(&names[0], e, colour)),
    };
    let mut done = Vec::new();
    for plan in &plans {
        match judged(plan, arguments.seed) {
            Ok(run) => done.push(run),
            Err(e) => {
                show_run_error(&plan.name, &e);
                return Ok(Exit::CouldNotRun);
            }
        }
    }
    let records: Vec<_> = done
        .iter()
        .zip(&plans)
        .map(|(d, p)| d.0.record(p))
        .collect();
    let side = |n: usize| Side {
        record: &records[n],
        findings: &done[n].1,
    };
    let sides = Sides {
        one: side(0),
        other: side(1),
        changes: &changes,
    };
    match arguments.format {
        Format::Text => {
            let paint = if coloured(colour, &io::stdout()) {
                Paint::Colour
            } else {
                Paint::Plain
            };
            let layout = Layout {
                width: columns_up_to(COLUMNS_MAX),
                all: arguments.all,
                paint,
            };
            print(&difference::render(sides, layout))?;
        }
        Format::Json => print(&difference::json(sides).map_err(io::Error::other)?)?,
    }
    let all_held = done
        .iter()
        .all(|(_, findings)| findings.iter().all(|f| f.holds));
    Ok(if all_held { Exit::Met } else { Exit::NotMet })
}

/// A run in memory, judged. Nothing is written.
fn judged(plan: &Plan, seed: u64) -> Result<(Outcome, Vec<Finding>), RunError> {
    let outcome = Run::new(plan, seed).execute()?;
    let findings = expect::judge(&outcome.record(plan));
    Ok((outcome, findings))
}

fn could_not(name: &str, error: LoadError, colour: Colour) -> Exit {
    show_load_error(name, error, colour);
    Exit::CouldNotRun
}
