//! `tunlab claims`

use std::collections::BTreeMap;
use std::io;

use clap::{Args, ValueEnum, value_parser};

use super::exit::Exit;
use super::explain::{Format, costs, paint, progress, show};
use super::run::{show_load_error, show_run_error};
use super::{Colour, columns, print, say};
use crate::expect::{self, Finding};
use crate::explain::claims::{Claim, Judged, Verdict, all, judge, numbered, one, report, table};
use crate::explain::cost::Costs;
use crate::lab;
use crate::run::Run;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Claims to show in full, by number: what shows them is run.
    #[arg(value_name = "NUMBER", value_parser = value_parser!(u8).range(1..=80))]
    numbers: Vec<u8>,

    /// Run everything that shows the claims, in memory, and judge whether the verdicts hold.
    #[arg(long)]
    run: bool,

    /// Only claims with this verdict; may be given several times.
    #[arg(long, value_enum, value_name = "VERDICT")]
    verdict: Vec<Word>,

    /// Only claims that this lab shows; may be given several times.
    #[arg(long, value_name = "NAME")]
    lab: Vec<String>,

    /// The seed of the runs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// As it stands.
    Right,
    /// With a condition that the text does not name.
    Qualified,
    /// Not so.
    Wrong,
}

impl Word {
    const fn verdict(self) -> Verdict {
        match self {
            Self::Right => Verdict::Right,
            Self::Qualified => Verdict::Qualified,
            Self::Wrong => Verdict::Wrong,
        }
    }
}

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    if let Some(unknown) = arguments
        .lab
        .iter()
        .find(|n| !all().any(|c| c.labs().any(|l| l == *n)))
    {
        say(&format!(
            "error: no claim is shown by a lab `{unknown}`\n\nhint: `tunlab claims` names the labs"
        ));
        return Ok(Exit::CouldNotRun);
    }
    let claims = chosen(arguments);
    if !arguments.run && arguments.numbers.is_empty() {
        return show(
            arguments.format,
            || table(&claims, None, columns(), paint(colour)),
            || report(&claims, None),
        );
    }
    let judged = match evidence(&claims, arguments.seed, colour) {
        Some(evidence) => evidence.judge(&claims),
        None => return Ok(Exit::CouldNotRun),
    };
    let whole = |judged: &[Judged]| {
        let page = |j: &Judged| one(j, arguments.seed, columns(), paint(colour));
        judged.iter().map(page).collect::<Vec<_>>().join("\n")
    };
    match arguments.format {
        Format::Text if arguments.numbers.is_empty() => {
            print(&table(&claims, Some(&judged), columns(), paint(colour)))?;
        }
        Format::Text => print(&whole(&judged))?,
        Format::Json => {
            show(Format::Json, String::new, || report(&claims, Some(&judged)))?;
        }
    }
    Ok(if judged.iter().all(Judged::holds) {
        Exit::Met
    } else {
        Exit::NotMet
    })
}

/// The claims that the arguments name, in order.
fn chosen(arguments: &Arguments) -> Vec<&'static Claim> {
    let by_number: Vec<&Claim> = if arguments.numbers.is_empty() {
        all().collect()
    } else {
        arguments
            .numbers
            .iter()
            .filter_map(|n| numbered(*n))
            .collect()
    };
    let verdicts: Vec<Verdict> = arguments.verdict.iter().map(|w| w.verdict()).collect();
    let wanted = |claim: &&&Claim| {
        let verdict = verdicts.is_empty() || verdicts.contains(&claim.verdict);
        let lab =
            arguments.lab.is_empty() || claim.labs().any(|l| arguments.lab.iter().any(|n| n == l));
        verdict && lab
    };
    by_number.iter().filter(wanted).copied().collect()
}

/// What labs and machine say.
struct Evidence {
    findings: BTreeMap<&'static str, Vec<Finding>>,
    costs: Option<Costs>,
}

impl Evidence {
    fn judge(&self, claims: &[&'static Claim]) -> Vec<Judged> {
        let finding = |lab: &str, that: &str| {
            let findings = self.findings.get(lab)?;
            findings.iter().find(|f| f.that == that).cloned()
        };
        let check = |check| judge(check, self.costs.as_ref());
        let judged = claims
            .iter()
            .map(|claim| Judged::new(claim, finding, check));
        judged.collect()
    }
}

/// Runs every lab that shows one of the claims once, in memory, and measures where a claim needs it; `None` when
/// something could not be run, which is said.
fn evidence(claims: &[&'static Claim], seed: u64, colour: Colour) -> Option<Evidence> {
    let mut findings = BTreeMap::new();
    let labs: Vec<&str> = claims.iter().flat_map(|c| c.labs()).collect();
    let all = labs.iter().collect::<std::collections::BTreeSet<_>>().len();
    for name in labs {
        if findings.contains_key(name) {
            continue;
        }
        progress(&format!(
            "running lab {} of {all}: {name}",
            findings.len() + 1
        ));
        let plan = match lab::load(name) {
            Ok(plan) => plan,
            Err(e) => {
                progress("");
                show_load_error(name, e, colour);
                return None;
            }
        };
        match Run::new(&plan, seed).execute() {
            Ok(outcome) => {
                findings.insert(name, expect::judge(&outcome.record(&plan)));
            }
            Err(e) => {
                progress("");
                show_run_error(name, &e);
                return None;
            }
        }
    }
    let costs = if claims.iter().any(|c| c.needs_costs()) {
        match costs(BATCHES) {
            Ok(costs) => Some(costs),
            Err(e) => {
                progress("");
                say(&format!("error: {e}"));
                return None;
            }
        }
    } else {
        None
    };
    progress("");
    Some(Evidence { findings, costs })
}

/// Batches that are enough to tell a factor of a hundred.
const BATCHES: usize = 5;
