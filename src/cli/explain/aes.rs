//! `tunlab explain aes`

use std::io;

use clap::{Args, ValueEnum, value_parser};

use super::{Format, columns, paint, show};
use crate::cli::exit::Exit;
use crate::cli::{Colour, say};
use crate::explain::aes::cipher::{Aes, Block, Size};
use crate::explain::aes::document::report;
use crate::explain::aes::gcm::NONCE;
use crate::explain::aes::page::{Choice, Part, Subject, page};
use crate::explain::aes::unhex;
use crate::rng::Seed;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The key, 16, 24 or 32 bytes in hexadecimal; 00 01 02 … unless said, as in FIPS 197 Appendix C.
    #[arg(long, value_name = "HEX", value_parser = bytes)]
    key: Option<Bytes>,

    /// The block whose rounds are shown, 16 bytes in hexadecimal; 00 11 22 … unless said, as in FIPS 197 Appendix C.
    #[arg(long, value_name = "HEX", value_parser = bytes, conflicts_with = "text")]
    block: Option<Bytes>,

    /// The message that GCM seals; its first 16 bytes, with zeros behind a shorter one, are the block of the rounds
    /// then.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,

    /// Bits of the key: 128, 192 or 256; those of `--key`, or 256.
    #[arg(long, value_enum, value_name = "BITS")]
    size: Option<Bits>,

    /// The nonce of GCM, 12 bytes in hexadecimal.
    #[arg(long, value_name = "HEX", value_parser = bytes)]
    nonce: Option<Bytes>,

    /// Show this part only; may be given several times.
    #[arg(long = "part", value_enum, value_name = "PART")]
    parts: Vec<PartName>,

    /// One line a round, and results instead of the way to them.
    #[arg(long)]
    short: bool,

    /// How many random keys and blocks the avalanche is measured with.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = value_parser!(u64).range(1..=1_000_000))]
    trials: u64,

    /// The seed of those keys and blocks.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bits {
    #[value(name = "128")]
    Aes128,
    #[value(name = "192")]
    Aes192,
    #[value(name = "256")]
    Aes256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    /// The state after every step.
    Rounds,
    /// Where the round keys come from.
    Keys,
    /// A message sealed: counters, key stream, GHASH, tag.
    Gcm,
    /// What one bit changes.
    Avalanche,
}

/// Bytes from the command line. A type of its own, so that clap takes it for one value.
#[derive(Debug, Clone)]
struct Bytes(Vec<u8>);

fn bytes(text: &str) -> Result<Bytes, String> {
    let expected = || "expected pairs of hexadecimal digits".into();
    unhex(text).map(Bytes).ok_or_else(expected)
}

/// Longer messages make no clearer page.
const TEXT_MAX: usize = 1024;

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    let subject = match subject(arguments) {
        Ok(subject) => subject,
        Err(problem) => {
            say(&format!("error: {problem}"));
            return Ok(Exit::CouldNotRun);
        }
    };
    let named = arguments.parts.iter().map(|p| match p {
        PartName::Rounds => Part::Rounds,
        PartName::Keys => Part::Keys,
        PartName::Gcm => Part::Gcm,
        PartName::Avalanche => Part::Avalanche,
    });
    let choice = Choice {
        parts: if arguments.parts.is_empty() {
            Part::ALL.into()
        } else {
            named.collect()
        },
        short: arguments.short,
    };
    show(
        arguments.format,
        || page(&subject, &choice, columns(), paint(colour)),
        || report(&subject),
    )
}

fn subject(arguments: &Arguments) -> Result<Subject, String> {
    let asked = arguments.size.map(|s| match s {
        Bits::Aes128 => Size::Aes128,
        Bits::Aes192 => Size::Aes192,
        Bits::Aes256 => Size::Aes256,
    });
    let key = match &arguments.key {
        Some(Bytes(key)) => key.clone(),
        None => (0..asked.unwrap_or(Size::Aes256).bytes() as u8).collect(),
    };
    let aes = Aes::new(&key).ok_or_else(|| {
        let found = key.len();
        format!("`--key` has {found} bytes\n\nhint: AES takes keys of 16, 24 or 32 bytes")
    })?;
    if let Some(size) = asked.filter(|s| *s != aes.size()) {
        let (found, asked) = (aes.size().bits(), size.bits());
        return Err(format!(
            "`--key` has {found} bits, and `--size` asks for {asked}"
        ));
    }
    let text = arguments.text.as_deref().unwrap_or("GET /api/users");
    if text.len() > TEXT_MAX {
        return Err(format!("`--text` has more than {TEXT_MAX} bytes"));
    }
    let block = match (&arguments.block, &arguments.text) {
        (Some(Bytes(block)), _) => whole("--block", block)?,
        (None, Some(text)) => {
            let mut block: Block = [0; 16];
            for (to, from) in block.iter_mut().zip(text.bytes()) {
                *to = from;
            }
            block
        }
        (None, None) => std::array::from_fn(|i| 0x11 * i as u8),
    };
    let nonce: [u8; NONCE] = match &arguments.nonce {
        Some(Bytes(nonce)) => whole("--nonce", nonce)?,
        None => std::array::from_fn(|i| 0xa0 + i as u8),
    };
    Ok(Subject {
        aes,
        block,
        text: text.as_bytes().to_vec(),
        nonce,
        seed: Seed(arguments.seed),
        trials: arguments.trials,
    })
}

fn whole<const N: usize>(option: &str, bytes: &[u8]) -> Result<[u8; N], String> {
    let found = bytes.len();
    bytes
        .try_into()
        .map_err(|_| format!("`{option}` has {found} bytes, and needs {N}"))
}
