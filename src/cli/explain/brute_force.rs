//! `tunlab explain brute-force`

use std::io;

use clap::{Args, value_parser};

use super::{Format, columns, paint, show};
use crate::cli::Colour;
use crate::cli::exit::Exit;
use crate::explain::brute_force::{BITS_MAX, Rate, Search, page, report};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Bits of the key.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = value_parser!(u32).range(1..=i64::from(BITS_MAX)))]
    bits: u32,

    /// Keys tried in a second: `1e12`, `10^12` or digits.
    #[arg(long, value_name = "KEYS/S", default_value = "1e12")]
    rate: Rate,

    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    let search = Search {
        bits: arguments.bits,
        rate: arguments.rate,
    };
    show(
        arguments.format,
        || page(&search, columns(), paint(colour)),
        || report(&search),
    )
}
