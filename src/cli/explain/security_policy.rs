//! `tunlab explain security-policy`

use std::io;

use clap::Args;

use super::{Format, columns, paint, show};
use crate::cli::exit::Exit;
use crate::cli::{Colour, say};
use crate::explain::security_policy::{page, report, reports, table};
use crate::tls::policy::{PREFIX, names, policy};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One policy, as in `ELBSecurityPolicy-2016-08` or, for short, `2016-08`; without it, a table of all.
    #[arg(value_name = "POLICY")]
    policy: Option<String>,

    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    let Some(name) = &arguments.policy else {
        return show(
            arguments.format,
            || table(columns(), paint(colour)),
            reports,
        );
    };
    let long = format!("{PREFIX}{name}");
    let Some(found) = policy(name).or_else(|| policy(&long)) else {
        let distance = |n: &String| strsim::levenshtein(name, n).min(strsim::levenshtein(&long, n));
        let nearest = names().min_by_key(distance).unwrap_or_default();
        say(&format!(
            "error: no security policy is called `{name}`\n\nhint: did you mean `{nearest}`? `tunlab explain \
             security-policy` lists all"
        ));
        return Ok(Exit::CouldNotRun);
    };
    show(
        arguments.format,
        || page(&found, columns(), paint(colour)),
        || report(&found),
    )
}
