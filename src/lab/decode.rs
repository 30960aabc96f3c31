//! Reading the tree: a reader for one value ([`Item`]) and one for a table ([`Fields`]). Both record what is wrong and
//! answer `None`, so that the caller reads on and finds the next mistake too. A table knows which of its keys were
//! asked for; the others are unknown.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::error::{Mistakes, Span, advice};
use super::tree::{Entry, Kind, Table, Value};
use crate::name::Name;
use crate::time::UnixSeconds;
use crate::units::{UnitError, parse_duration};

mod fields;
mod moment;

pub(super) use fields::Fields;
use moment::seconds;

/// A value, with the key it is found under.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) key: &'a str,
    pub(super) key_span: Span,
    pub(super) value: &'a Value,
    pub(super) mistakes: &'a Mistakes,
}

impl<'a> Item<'a> {
    /// A key and its value, outside any reader of tables.
    pub(super) fn of(entry: &'a Entry, mistakes: &'a Mistakes) -> Self {
        Self {
            key: &entry.key,
            key_span: entry.key_span,
            value: &entry.value,
            mistakes,
        }
    }

    /// A mistake about the value.
    pub(super) fn wrong(
        &self,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        let span = self.value.span;
        self.mistakes
            .add(span, message.into(), label.into(), help.into());
    }

    /// A mistake about the key.
    pub(super) fn wrong_key(
        &self,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.mistakes
            .add(self.key_span, message.into(), label.into(), help.into());
    }

    /// "`delay` is not a time": it is something else.
    fn is_not(&self, what: &str, example: &str) {
        let found = self.value.kind.noun();
        let label = format!("expected {what} such as {example}, found {found}");
        self.wrong(format!("`{}` is not {what}", self.key), label, None);
    }

    /// The same, when it is a text that cannot be read.
    fn unreadable(&self, what: &str, example: &str, help: impl Into<Option<String>>) {
        let label = format!("expected {what} such as {example}");
        self.wrong(format!("`{}` is not {what}", self.key), label, help);
    }

    /// A word that stands for nothing that is known.
    pub(super) fn unknown<'c>(&self, what: &str, candidates: impl IntoIterator<Item = &'c str>) {
        let word = self.as_text().unwrap_or_default();
        self.wrong(
            format!("unknown {what} `{word}`"),
            format!("no {what} has this name"),
            advice(word, candidates),
        );
    }

    /// The text, when it is one; nothing is recorded.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        match &self.value.kind {
            Kind::Text(text) => Some(text),
            Kind::Integer(_)
            | Kind::Float
            | Kind::Boolean(_)
            | Kind::Date(_)
            | Kind::List(_)
            | Kind::Table(_) => None,
        }
    }

    /// Whether it is true or false; nothing is recorded.
    pub(super) const fn is_boolean(&self) -> bool {
        matches!(self.value.kind, Kind::Boolean(_))
    }

    /// Whether it is a text or a list; nothing is recorded.
    pub(super) const fn is_text_or_list(&self) -> bool {
        matches!(self.value.kind, Kind::Text(_) | Kind::List(_))
    }

    fn text_like(&self, what: &str, example: &str) -> Option<&'a str> {
        let text = self.as_text();
        if text.is_none() {
            self.is_not(what, example);
        }
        text
    }

    /// Any text.
    pub(super) fn text(self) -> Option<&'a str> {
        self.text_like("a text", "\"…\"")
    }

    /// Prose of one line: 1 to `max` characters.
    pub(super) fn prose(self, max: usize) -> Option<String> {
        let text = self.text()?;
        let length = text.chars().count();
        if length == 0 || length > max || text.chars().any(char::is_control) {
            let label = format!("expected one line of 1 to {max} characters, found {length}");
            self.wrong(format!("`{}` does not fit", self.key), label, None);
            return None;
        }
        Some(text.to_owned())
    }

    /// A text of visible ASCII characters and single spaces, as a header field's value (RFC 9110 §5.5).
    pub(super) fn header_value(self) -> Option<String> {
        let text = self.text()?;
        let fits = !text.is_empty()
            && text.len() <= 1_000
            && text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
            && text.trim() == text;
        if !fits {
            let label = "expected 1 to 1000 visible ASCII characters, without spaces at the ends";
            self.wrong(
                format!("`{}` cannot be a header's value", self.key),
                label,
                None,
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// true or false.
    pub(super) fn boolean(self) -> Option<bool> {
        if let Kind::Boolean(yes) = self.value.kind {
            return Some(yes);
        }
        self.is_not("a truth", "true");
        None
    }

    /// An integer within bounds.
    pub(super) fn integer(self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let (least, most) = (*bounds.start(), *bounds.end());
        let Kind::Integer(n) = self.value.kind else {
            self.is_not("an integer", &least.to_string());
            return None;
        };
        let n = n
            .and_then(|n| u64::try_from(n).ok())
            .filter(|n| bounds.contains(n));
        if n.is_none() {
            let label = if most == u64::MAX {
                format!("expected {least} or more")
            } else {
                format!("expected {least} to {most}")
            };
            self.wrong(format!("`{}` is out of range", self.key), label, None);
        }
        n
    }

    /// A TCP or UDP port.
    pub(super) fn port(self) -> Option<u16> {
        let n = self.integer(1..=65_535)?;
        u16::try_from(n).ok()
    }

    /// A quantity with a unit.
    fn quantity<T>(
        self,
        what: &str,
        example: &str,
        read: impl FnOnce(&str) -> Result<T, UnitError>,
    ) -> Option<T> {
        let text = self.text_like(what, example)?;
        match read(text) {
            Ok(quantity) => Some(quantity),
            Err(error) => {
                self.unreadable(what, example, error.to_string());
                None
            }
        }
    }

    /// A length of time.
    pub(super) fn duration(self) -> Option<Duration> {
        self.quantity("a time", "\"9.5 ms\"", parse_duration)
    }

    /// A rate, a size or a probability.
    pub(super) fn unit<T: FromStr<Err = UnitError>>(self, what: &str, example: &str) -> Option<T> {
        self.quantity(what, example, str::parse)
    }

    /// An IP address.
    pub(super) fn ip(self) -> Option<IpAddr> {
        self.parsed("an IP address", "\"10.0.2.21\"")
    }

    /// Something that the standard library reads.
    pub(super) fn parsed<T: FromStr>(self, what: &str, example: &str) -> Option<T> {
        let text = self.text_like(what, example)?;
        let read = text.parse().ok();
        if read.is_none() {
            self.unreadable(what, example, None);
        }
        read
    }

    /// A moment: an RFC 3339 date and time, or a date alone, which is its first second or (`ends`) its last.
    pub(super) fn date(self, ends: bool) -> Option<UnixSeconds> {
        const WHAT: &str = "a date";
        const EXAMPLE: &str = "2025-11-05 or 2025-11-05T00:00:00Z";
        let text = match &self.value.kind {
            Kind::Date(text) | Kind::Text(text) => text,
            Kind::Integer(_) | Kind::Float | Kind::Boolean(_) | Kind::List(_) | Kind::Table(_) => {
                self.is_not(WHAT, EXAMPLE);
                return None;
            }
        };
        let moment = seconds(text, ends);
        if moment.is_none() {
            let help = "times need a zone (`Z` is UTC), years go from 1970 to 9999";
            self.unreadable(WHAT, EXAMPLE, help.to_owned());
        }
        moment
    }

    /// One of a list of words.
    pub(super) fn one_of<T: Copy>(self, what: &str, known: &[(&'static str, T)]) -> Option<T> {
        let word = self.text_like(what, &format!("\"{}\"", known.first()?.0))?;
        let found = known.iter().find(|(w, _)| *w == word);
        if found.is_none() {
            self.unknown(what, known.iter().map(|(w, _)| *w));
        }
        found.map(|(_, value)| *value)
    }

    /// Whether it is a list; nothing is recorded.
    pub(super) const fn is_list(&self) -> bool {
        matches!(self.value.kind, Kind::List(_))
    }

    /// The elements of a list.
    pub(super) fn list(self) -> Option<Vec<Self>> {
        let Kind::List(values) = &self.value.kind else {
            self.is_not("a list", "[…]");
            return None;
        };
        Some(values.iter().map(|value| Self { value, ..self }).collect())
    }

    /// The elements of a list, each read; `None` when one of them is wrong.
    pub(super) fn each<T>(self, mut read: impl FnMut(Self) -> Option<T>) -> Option<Vec<T>> {
        let items = self.list()?;
        all(items.into_iter().map(&mut read))
    }

    /// The same, and there must be one at least.
    pub(super) fn some<T>(self, read: impl FnMut(Self) -> Option<T>) -> Option<Vec<T>> {
        let list = self.each(read)?;
        if list.is_empty() {
            let label = "expected at least one element";
            self.wrong(format!("`{}` is empty", self.key), label, None);
            return None;
        }
        Some(list)
    }

    /// Of the tables of a list, those with a text under both keys: the two texts. Nothing is recorded.
    pub(super) fn pairs_of_text(self, first: &str, second: &str) -> Vec<(&'a str, &'a str)> {
        let Kind::List(values) = &self.value.kind else {
            return Vec::new();
        };
        let text = |table: &'a Table, key: &str| {
            let entry = table.0.iter().find(|e| e.key == key)?;
            match &entry.value.kind {
                Kind::Text(text) => Some(text.as_str()),
                Kind::Integer(_)
                | Kind::Float
                | Kind::Boolean(_)
                | Kind::Date(_)
                | Kind::List(_)
                | Kind::Table(_) => None,
            }
        };
        let pair = |value: &'a Value| match &value.kind {
            Kind::Table(table) => Some((text(table, first)?, text(table, second)?)),
            Kind::Text(_)
            | Kind::Integer(_)
            | Kind::Float
            | Kind::Boolean(_)
            | Kind::Date(_)
            | Kind::List(_) => None,
        };
        values.iter().filter_map(pair).collect()
    }

    /// A table.
    pub(super) fn fields(self) -> Option<Fields<'a>> {
        let Kind::Table(table) = &self.value.kind else {
            self.is_not("a table", "{ … }");
            return None;
        };
        // An element of a list has no key of its own.
        let span = if self.value.span.file == self.key_span.file
            && self.value.span.start >= self.key_span.end
        {
            self.value.span
        } else {
            self.key_span
        };
        Some(Fields::of(span, table, self.mistakes))
    }

    /// The key as a name.
    pub(super) fn key_name(&self) -> Option<Name> {
        Name::new(self.key)
            .map_err(|e| self.bad_name(self.key_span, self.key, &e))
            .ok()
    }

    fn bad_name(&self, span: Span, word: &str, error: &dyn Display) {
        self.mistakes.add(
            span,
            format!("`{word}` is not a name"),
            error.to_string(),
            None,
        );
    }
}

/// All of them, or `None` when one is missing. Every one is asked for.
pub(super) fn all<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = items.collect();
    items.into_iter().collect()
}
