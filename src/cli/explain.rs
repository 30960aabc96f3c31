//! `tunlab explain`: one page a topic.

use std::io;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

mod aes;
mod brute_force;
mod cost;
mod keys;
mod security_policy;

pub(super) use cost::{costs, progress};

use super::exit::Exit;
use super::{Colour, coloured, columns, print};
use crate::report::Paint;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    topic: Topic,
}

#[derive(Debug, Subcommand)]
enum Topic {
    /// AES with the state after every step, GCM around it, and what one flipped bit changes.
    Aes(aes::Arguments),
    /// How many keys there are, and how long it takes to try them all.
    BruteForce(brute_force::Arguments),
    /// What the operations of TLS cost on this machine, beside what the text says.
    Cost(cost::Arguments),
    /// The key schedule of every TLS connection of a lab: who sent and computed what, and which key protects which
    /// record.
    Keys(keys::Arguments),
    /// The security policies of AWS load balancers: versions, suites and groups, and what of them is spoken here.
    SecurityPolicy(security_policy::Arguments),
}

/// What a page is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    match &arguments.topic {
        Topic::Aes(arguments) => aes::run(arguments, colour),
        Topic::BruteForce(arguments) => brute_force::run(arguments, colour),
        Topic::Cost(arguments) => cost::run(arguments, colour),
        Topic::Keys(arguments) => keys::run(arguments, colour),
        Topic::SecurityPolicy(arguments) => security_policy::run(arguments, colour),
    }
}

/// Whether stdout is painted.
pub(super) fn paint(colour: Colour) -> Paint {
    if coloured(colour, &io::stdout()) {
        Paint::Colour
    } else {
        Paint::Plain
    }
}

/// Prints the page in the form that is wanted, and makes no other.
pub(super) fn show<J: Serialize>(
    format: Format,
    text: impl FnOnce() -> String,
    json: impl FnOnce() -> J,
) -> io::Result<Exit> {
    match format {
        Format::Text => print(&text())?,
        Format::Json => {
            let json = serde_json::to_string_pretty(&json()).map_err(io::Error::other)?;
            print(&format!("{json}\n"))?;
        }
    }
    Ok(Exit::Met)
}
