//! The reader of a table: it knows which keys it was asked for, and says in the end which are unknown or missing.

use super::Item;
use crate::lab::error::{Mistakes, Span, advice, nearest, words};
use crate::lab::tree::Table;

/// A table being read.
pub(in crate::lab) struct Fields<'a> {
    /// Where it is, for what is missing.
    pub(in crate::lab) span: Span,
    table: &'a Table,
    mistakes: &'a Mistakes,
    known: Vec<&'static str>,
    /// Keys that are not there and must be, with an example each.
    missing: Vec<(&'static str, String)>,
}

impl<'a> Fields<'a> {
    /// The whole document.
    pub(in crate::lab) fn root(table: &'a Table, mistakes: &'a Mistakes) -> Self {
        Self::of(Span::new(0, 0..0), table, mistakes)
    }

    /// A table at a place.
    pub(in crate::lab) fn of(span: Span, table: &'a Table, mistakes: &'a Mistakes) -> Self {
        Self {
            span,
            table,
            mistakes,
            known: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// The value of `key`, when it is there. `key` is known from now on.
    pub(in crate::lab) fn optional(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.known.push(key);
        self.entries().find(|e| e.key == key)
    }

    /// The value of `key`; its absence is a mistake.
    pub(in crate::lab) fn required(
        &mut self,
        key: &'static str,
        example: &str,
    ) -> Option<Item<'a>> {
        let item = self.optional(key);
        if item.is_none() {
            self.missing.push((key, example.to_owned()));
        }
        item
    }

    /// The value of `key`, read, or `default` when it is not there.
    pub(in crate::lab) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(Item<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.optional(key) {
            Some(item) => read(item),
            None => Some(default),
        }
    }

    /// Exactly one of `keys`; none or several are a mistake.
    pub(in crate::lab) fn exactly_one(&mut self, keys: &[&'static str]) -> Option<Item<'a>> {
        let mut found: Vec<Item<'a>> = keys.iter().filter_map(|k| self.optional(k)).collect();
        let first = (!found.is_empty()).then(|| found.remove(0));
        let listed = words(keys, ", ");
        for extra in &found {
            let message = format!("`{}` is one too many", extra.key);
            let label = format!("expected exactly one of {listed}");
            extra.wrong_key(message, label, None);
        }
        if first.is_none() && !self.has_unknown() {
            let message = "there is nothing to check or do here".to_owned();
            let label = format!("expected exactly one of {listed}");
            self.mistakes.add(self.span, message, label, None);
        }
        first.filter(|_| found.is_empty())
    }

    /// All entries, in order: for tables whose keys are names.
    pub(in crate::lab) fn entries(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let mistakes = self.mistakes;
        self.table.0.iter().map(move |e| Item {
            key: &e.key,
            key_span: e.key_span,
            value: &e.value,
            mistakes,
        })
    }

    /// Entries that nobody asked for.
    pub(in crate::lab) fn unread(&self) -> impl Iterator<Item = Item<'a>> {
        self.entries().filter(|e| !self.known.contains(&e.key))
    }

    fn has_unknown(&self) -> bool {
        self.unread().next().is_some()
    }

    /// A mistake about the table as a whole.
    pub(in crate::lab) fn wrong(
        &self,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.mistakes
            .add(self.span, message.into(), label.into(), help.into());
    }

    /// Everything has been asked for: what is left is unknown, and what was not there is missing, unless an unknown
    /// key is a slip for it.
    pub(in crate::lab) fn finish(self) {
        for (key, example) in &self.missing {
            let known = || self.known.iter().copied();
            let mut unread = self.unread();
            if unread.any(|item| nearest(item.key, known()) == Some(key)) {
                continue;
            }
            self.wrong(
                format!("`{key}` is missing"),
                format!("expected `{key}` in this table"),
                format!("for example `{key} = {example}`"),
            );
        }
        for item in self.unread() {
            item.wrong_key(
                format!("unknown key `{}`", item.key),
                "not a key of this table",
                advice(item.key, self.known.iter().copied()),
            );
        }
    }
}
