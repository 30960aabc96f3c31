//! The `tunlab` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tunlab::cli::main()
}
