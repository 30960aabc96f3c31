//! What packets carry, and who sees it.

use std::time::Duration;

use super::{Reader, viewer};
use crate::dissect::filter::Filter;
use crate::lab::decode::{Fields, Item};
use crate::lab::error;
use crate::lab::plan::{Check, Count, PacketFilter, Span, Viewer};

impl Reader<'_, '_> {
    pub(super) fn packets(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.or("on", None, |i| self.tap(i).map(Some));
        let viewer = table.or("as", Viewer::KeyHolder, viewer);
        let filter = table.required("filter", "\"http.request\"");
        let filter = filter.and_then(self::filter);
        let span = span(table);
        let count = count(table);
        Some(Check::Packets {
            on: on?,
            viewer: viewer?,
            filter: filter?,
            span: span?,
            count: count?,
        })
    }

    pub(super) fn readable(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.required("on", "\"user\"");
        let on = on.and_then(|i| self.tap(i));
        let text = table.required("text", "\"GET /\"");
        let text = text.and_then(|i| {
            let text = i.text()?;
            // An empty text stands in every packet, one beyond a packet's size in none.
            if !(1..=1_000).contains(&text.len()) {
                let label = "expected 1 to 1000 bytes";
                i.wrong("`text` does not fit", label, None);
                return None;
            }
            Some(text.to_owned())
        });
        let readable = table.or("is", true, Item::boolean);
        Some(Check::Readable {
            on: on?,
            text: text?,
            readable: readable?,
        })
    }

    pub(super) fn never_sees(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("node", "\"web-a\""));
        let address = table.required("address", "\"203.192.1.50\"");
        let address = address.and_then(Item::ip);
        Some(Check::NeverSees {
            node: node?,
            address: address?,
        })
    }
}

/// The keys that say how many.
const COUNTS: [&str; 3] = ["count", "at-least", "at-most"];

/// How many.
pub(super) fn count(table: &mut Fields<'_>) -> Option<Count> {
    let item = table.exactly_one(&COUNTS)?;
    let n = item.integer(0..=u64::MAX)?;
    Some(match item.key {
        "count" => Count::Exactly(n),
        "at-least" => Count::AtLeast(n),
        _ => Count::AtMost(n),
    })
}

/// How many, where `usual` need not be said.
pub(super) fn count_or(table: &mut Fields<'_>, usual: Count) -> Option<Count> {
    if COUNTS.map(|key| table.optional(key).is_some()) == [false; 3] {
        return Some(usual);
    }
    count(table)
}

/// The part of the run that is meant, by its keys `from` and `by`.
pub(super) fn span(table: &mut Fields<'_>) -> Option<Span> {
    let from = table.or("from", Duration::ZERO, Item::duration);
    let Some(item) = table.optional("by") else {
        return Some(Span {
            from: from?,
            by: None,
        });
    };
    let by = item.duration();
    let (from, by) = (from?, by?);
    if by < from {
        item.wrong("`by` is before `from`", "expected a later time", None);
        return None;
    }
    Some(Span { from, by: Some(by) })
}

fn filter(item: Item<'_>) -> Option<PacketFilter> {
    let text = item.text()?;
    match Filter::parse(text) {
        Ok(filter) => Some(PacketFilter {
            text: text.to_owned(),
            filter,
        }),
        Err(error) => {
            let label = "expected a display filter such as \"http.request\"";
            item.mistakes.add(
                inside(&item, text, error.span),
                error.message,
                label.to_owned(),
                error.help,
            );
            None
        }
    }
}

/// The place of a part of a text value: exact when the text is written without escapes on one line, else the whole.
fn inside(item: &Item<'_>, text: &str, part: std::ops::Range<usize>) -> error::Span {
    let span = item.value.span;
    let quoted_plainly = span.end.saturating_sub(span.start) == text.len() + 2;
    if !quoted_plainly || part.end > text.len() {
        return span;
    }
    let start = span.start + 1;
    error::Span {
        start: start + part.start,
        end: start + part.end,
        ..span
    }
}
