//! What attackers did and could read, and what failed.

use super::{Reader, viewer};
use crate::event::Deed;
use crate::lab::decode::{Fields, Item};
use crate::lab::plan::{Check, Outcome, Viewer};
use crate::name::Name;

impl Reader<'_, '_> {
    pub(super) fn attack(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("by", "\"mallory\""));
        let readable = table.optional("is");
        let what = table.exactly_one(&["did", "read"])?;
        if what.key == "read" {
            let text = what.text().filter(|t| !t.is_empty());
            let readable = readable.map_or(Some(true), Item::boolean);
            return Some(Check::Overheard {
                node: node?,
                text: text?.to_owned(),
                readable: readable?,
            });
        }
        if let Some(is) = readable {
            is.wrong_key(
                "a deed has no `is`",
                "expected `is` beside `read` only",
                None,
            );
        }
        let known = Deed::WORDS.map(|word| (word, word));
        let deed = what.one_of("attack", &known);
        Some(Check::Attacked {
            node: node?,
            deed: deed?.to_owned(),
        })
    }

    pub(super) fn recovered(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("by", "\"mallory\""));
        let on = table.required("on", "\"user -> alb:443\"");
        let connection = on.and_then(|i| self.connection(i));
        let what = table.exactly_one(&["text", "fails"])?;
        let text = what.prose(300);
        Some(Check::Recovered {
            node: node?,
            connection: connection?,
            outcome: if what.key == "text" {
                Outcome::Text(text?)
            } else {
                Outcome::Fails(text?)
            },
        })
    }

    pub(super) fn reads(&self, table: &mut Fields<'_>) -> Option<Check> {
        let what = table.required("what", "\"the path\"");
        let what = what.and_then(|i| {
            let word = i.text()?;
            let items = &self.who_reads.as_ref()?.items;
            if !items.iter().any(|item| item.what == word) {
                i.unknown("thing to read", items.iter().map(|item| item.what.as_str()));
                return None;
            }
            Some(word.to_owned())
        });
        let on = table.required("on", "\"user\"");
        let on = on.and_then(|i| {
            let links = &self.who_reads.as_ref()?.on;
            let word = i.text()?;
            let found = links.iter().find(|n| n.as_str() == word);
            if found.is_none() {
                i.unknown("link of `who-reads`", links.iter().map(Name::as_str));
            }
            found.cloned()
        });
        let viewer = table.or("as", Viewer::Observer, viewer);
        let readable = table.or("is", true, Item::boolean);
        Some(Check::Reads {
            what: what?,
            on: on?,
            viewer: viewer?,
            readable: readable?,
        })
    }

    pub(super) fn failed(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let error = table.required("error", "\"close_notify\"");
        let error = error.and_then(|i| i.prose(300));
        Some(Check::Failed {
            node: node?,
            error: error?,
        })
    }
}
