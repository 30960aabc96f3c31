//! Display filters in lab files are checked when the file is read.

use std::ops::Range;

/// What is wrong with a filter, and where in its text.
pub(super) struct FilterMistake {
    /// Bytes of the filter.
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Checks that `text` is a display filter. Every text of one line passes as long as nothing reads the language.
pub(super) fn check_filter(text: &str) -> Result<(), FilterMistake> {
    match text.find(char::is_control) {
        None => Ok(()),
        Some(at) => Err(FilterMistake {
            range: at..at + 1,
            message: "a filter has one line".into(),
            help: None,
        }),
    }
}
