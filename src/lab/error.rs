//! What is wrong with a lab file: every mistake with its place, its reason and a way out.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No shipped lab has this name.
    #[error("no lab is called `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names most like it, best first; all of them when none is alike.
        nearest: Vec<&'static str>,
    },
    /// The file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any lab.
    #[error("`{}` is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The largest that is read.
        limit: u64,
    },
    /// The file was read, and is wrong.
    #[error(transparent)]
    Lab(#[from] LabErrors),
}

/// More names are no advice.
const NEAREST_MAX: usize = 8;

impl Diagnostic for LoadError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self {
            Self::Unknown { name, .. } if Path::new(name).is_dir() => Some(Box::new(format!(
                "it is a folder: name its files, as in `{}/*.toml`",
                name.trim_end_matches('/')
            ))),
            Self::Unknown { nearest, .. } if nearest.len() > NEAREST_MAX => Some(Box::new(
                "`tunlab list` has all of them; the path of a file ends in `.toml`",
            )),
            Self::Unknown { nearest, .. } => Some(Box::new(format!(
                "did you mean {}? The path of a file ends in `.toml`",
                words(nearest, " or ")
            ))),
            Self::Read { .. } | Self::TooLarge { .. } => None,
            Self::Lab(errors) => errors.help(),
        }
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self {
            Self::Lab(errors) => errors.related(),
            Self::Unknown { .. } | Self::Read { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// All mistakes of a lab file and of its base, in order: those of the lab first.
#[derive(Debug, Clone)]
pub struct LabErrors {
    file: String,
    mistakes: Vec<Mistake>,
    left_out: usize,
}

impl LabErrors {
    /// The mistakes, at least one.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// How many more there are: only the first hundred are kept.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }
}

impl fmt::Display for LabErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.len() + self.left_out {
            1 => write!(f, "one mistake in the lab `{}`", self.file),
            n => write!(f, "{n} mistakes in the lab `{}`", self.file),
        }
    }
}

impl std::error::Error for LabErrors {}

impl Diagnostic for LabErrors {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let n = self.left_out;
        (n > 0).then(|| Box::new(format!("{n} more mistakes are not shown")) as Box<_>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.mistakes.iter().map(|m| m as &dyn Diagnostic)))
    }
}

/// One mistake.
#[derive(Debug, Clone)]
pub struct Mistake {
    source: Source,
    span: Span,
    message: String,
    label: String,
    help: Option<String>,
}

impl Mistake {
    /// The file it is in.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Where in the file: line and column of the first character, both from 1.
    #[must_use]
    pub fn position(&self) -> (usize, usize) {
        let before = &self.source.inner()[..self.span.start];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        (line, before[start..].chars().count() + 1)
    }

    /// What was expected there.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span.start..self.span.end;
        let label = LabeledSpan::new_with_span(Some(self.label.clone()), span);
        Some(Box::new(std::iter::once(label)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<_>)
    }
}

/// A file's name and text.
pub(super) type Source = Arc<NamedSource<Arc<str>>>;

/// A place in one of the files of a lab. Byte offsets, on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// 0 is the lab, 1 its base, 2 the base of that one.
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn new(file: usize, range: Range<usize>) -> Self {
        Self {
            file,
            start: range.start,
            end: range.end,
        }
    }
}

/// Where mistakes are collected while reading goes on.
pub(super) struct Mistakes {
    sources: RefCell<Vec<Source>>,
    list: RefCell<Vec<Mistake>>,
    left_out: Cell<usize>,
}

impl Mistakes {
    const KEPT_MAX: usize = 100;

    pub(super) fn new(lab: Source) -> Self {
        Self {
            sources: RefCell::new(vec![lab]),
            list: RefCell::default(),
            left_out: Cell::default(),
        }
    }

    /// A file below joins; the first has number 1 in spans.
    pub(super) fn add_source(&self, base: Source) {
        self.sources.borrow_mut().push(base);
    }

    pub(super) fn count(&self) -> usize {
        self.list.borrow().len() + self.left_out.get()
    }

    pub(super) fn add(&self, span: Span, message: String, label: String, help: Option<String>) {
        if self.list.borrow().len() >= Self::KEPT_MAX {
            self.left_out.set(self.left_out.get() + 1);
            return;
        }
        let source = self.sources.borrow()[span.file].clone();
        let text = source.inner();
        // Parsers may point behind the last character, where nothing can be shown, or into the middle of one.
        let start = text.floor_char_boundary(span.start.min(text.len().saturating_sub(1)));
        let end = text.floor_char_boundary(span.end.max(start));
        let span = Span { start, end, ..span };
        // A load balancer's table is read for each of its nodes: a mistake is said once.
        let same = |m: &Mistake| m.span == span && m.message == message && m.label == label;
        if self.list.borrow().iter().any(same) {
            return;
        }
        self.list.borrow_mut().push(Mistake {
            source,
            span,
            message,
            label,
            help,
        });
    }

    /// What was collected; `Ok` when that is nothing.
    pub(super) fn into_result(self) -> Result<(), LabErrors> {
        let mut mistakes = self.list.into_inner();
        if mistakes.is_empty() {
            return Ok(());
        }
        mistakes.sort_by_key(|m| m.span);
        // Parsers say some things twice.
        mistakes.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        Err(LabErrors {
            file: self.sources.borrow()[0].name().to_owned(),
            mistakes,
            left_out: self.left_out.get(),
        })
    }
}

/// The candidate most like `word`, when one is alike enough to be meant.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // Comparing costs the product of the lengths.
    let short = |w: &str| w.len() <= 64;
    if !short(word) {
        return None;
    }
    let alike = |c: &str| strsim::normalized_damerau_levenshtein(word, c);
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates.into_iter().filter(|c| short(c)) {
        let score = alike(candidate);
        if score >= 0.5 && best.is_none_or(|(b, _)| score > b) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// "did you mean `a`? known here are `a`, `b`": the way out of a wrong word.
pub(super) fn advice<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    const LISTED_MAX: usize = 20;
    let all: Vec<&str> = candidates.into_iter().collect();
    let known = match all.len() {
        0 => "there is none that could stand here".to_owned(),
        1..=LISTED_MAX => format!("known here: {}", words(&all, ", ")),
        n => format!("{n} are known here"),
    };
    match nearest(word, all.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {known}"),
        None => known,
    }
}

/// The words in back quotes, joined.
pub(super) fn words(list: &[&str], joint: &str) -> String {
    let quoted: Vec<String> = list.iter().map(|w| format!("`{w}`")).collect();
    quoted.join(joint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_one_that_could_be_meant() {
        let keys = ["between", "delay", "mtu"];
        assert_eq!(nearest("delya", keys), Some("delay"));
        assert_eq!(nearest("mut", keys), Some("mtu"));
        assert_eq!(nearest("certificate", keys), None);
        assert_eq!(
            advice("delya", keys),
            "did you mean `delay`? known here: `between`, `delay`, `mtu`"
        );
    }

    #[test]
    fn only_a_hundred_mistakes_are_kept() {
        let source: Source = Arc::new(NamedSource::new("a.toml", Arc::from("ä")));
        let mistakes = Mistakes::new(source);
        for n in 0..103 {
            // The middle of a character and a place behind the end are made harmless.
            let message = format!("mistake {n}");
            mistakes.add(Span::new(0, 1..9), message, "l".into(), None);
        }
        let errors = mistakes.into_result().unwrap_err();
        assert_eq!((errors.mistakes().len(), errors.left_out()), (100, 3));
        assert_eq!(errors.mistakes()[0].position(), (1, 1));
        assert_eq!(errors.to_string(), "103 mistakes in the lab `a.toml`");
    }
}
