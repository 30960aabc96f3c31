//! `tunlab explain cost`

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::{Args, value_parser};

use super::{Format, columns, paint, show};
use crate::cli::exit::Exit;
use crate::cli::{Colour, say};
use crate::explain::cost::{CostError, Costs, Work, measure, page, prepare, report};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many batches of each operation are measured; the median counts.
    #[arg(long, value_name = "N", default_value_t = BATCHES, value_parser = value_parser!(u64).range(1..=1_000))]
    batches: u64,

    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Batches that are enough for a median that a busy machine does not move.
const BATCHES: u64 = 21;

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    match costs(arguments.batches as usize) {
        Ok(costs) => show(
            arguments.format,
            || page(&costs, columns(), paint(colour)),
            || report(&costs),
        ),
        Err(e) => {
            say(&format!("error: {e}"));
            Ok(Exit::CouldNotRun)
        }
    }
}

/// Measures every operation, and says on a terminal which one.
pub(in crate::cli) fn costs(batches: usize) -> Result<Costs, CostError> {
    let mut now = clock();
    let mut costs = Vec::new();
    for (index, work) in Work::ALL.into_iter().enumerate() {
        progress(&format!(
            "measuring {} of {}: {}",
            index + 1,
            Work::ALL.len(),
            work.name()
        ));
        costs.push(measure(&mut prepare(work)?, batches, &mut now)?);
    }
    progress("");
    Ok(Costs(costs))
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is this machine"
)]
fn clock() -> impl FnMut() -> Duration {
    let begin = std::time::Instant::now();
    move || begin.elapsed()
}

/// Writes over the last line, where a person sees it; nothing is left of an empty one.
pub(in crate::cli) fn progress(text: &str) {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        let _ = write!(err, "\r\x1b[2K{text}");
        let _ = err.flush();
    }
}
