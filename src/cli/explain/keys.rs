//! `tunlab explain keys`

use std::io;

use clap::Args;

use super::{Format, columns, paint, show};
use crate::cli::exit::Exit;
use crate::cli::run::{MAIN_LAB, show_load_error, show_run_error};
use crate::cli::{Colour, say};
use crate::explain::keys::{Keys, page, report};
use crate::lab;
use crate::run::Run;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The lab: a name from `tunlab list`, or a lab file. It runs in virtual time, where the seed makes every secret.
    #[arg(value_name = "LAB", default_value = MAIN_LAB)]
    lab: String,

    /// Seed of all randomness.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Show every value to its last byte, and every record.
    #[arg(long)]
    full: bool,

    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    let plan = match lab::load(&arguments.lab) {
        Ok(plan) => plan,
        Err(e) => {
            show_load_error(&arguments.lab, e, colour);
            return Ok(Exit::CouldNotRun);
        }
    };
    let outcome = match Run::new(&plan, arguments.seed).execute() {
        Ok(outcome) => outcome,
        Err(e) => {
            show_run_error(&plan.name, &e);
            return Ok(Exit::CouldNotRun);
        }
    };
    let record = outcome.record(&plan);
    let keys = Keys::of(&record);
    show(
        arguments.format,
        || page(&keys, arguments.full, columns(), paint(colour)),
        || report(&keys),
    )?;
    if keys.differ() {
        say("error: the engines used other keys than the key schedule gives");
        return Ok(Exit::NotMet);
    }
    Ok(Exit::Met)
}
