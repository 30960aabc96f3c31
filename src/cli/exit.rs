//! How the process ends.

use std::process::ExitCode;

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// 0: every expectation held.
    Met = 0,
    /// 1: an expectation did not hold.
    NotMet = 1,
    /// 2: something could not be read, set up or written.
    CouldNotRun = 2,
}

/// As shown below the help text.
pub(super) const HELP: &str = "\
Exit status: 0 when all expectations held, 1 when one did not, 2 when a lab could not be run.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
