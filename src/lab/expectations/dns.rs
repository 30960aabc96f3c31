//! Look-ups of names, and what servers answered.

use super::Reader;
use crate::event::Transport;
use crate::lab::decode::{Fields, Item};
use crate::lab::plan::{Check, DnsCheck};

impl Reader<'_, '_> {
    /// `{ at = "user", name = "your-app.com", answer = ["198.51.100.10"], takes = "20 ms" }`.
    pub(super) fn dns(&self, table: &mut Fields<'_>) -> Option<Check> {
        const OVER: [(&str, Transport); 2] = [("udp", Transport::Udp), ("tcp", Transport::Tcp)];
        let node = self.node(table.required("at", "\"user\""));
        let name = table.required("name", "\"your-app.com\"");
        let name = name.and_then(|i| i.prose(255));
        let kind = table.or("type", None, |i| i.prose(20).map(Some));
        let nth = table.or("nth", 1, |i| i.integer(1..=1_000_000));
        let answer = table.or("answer", None, |i| {
            i.each(|i| i.prose(255).map(plain)).map(Some)
        });
        let fails = table.or("fails", None, |i| i.prose(255).map(Some));
        let takes = table.or("takes", None, |i| i.duration().map(Some));
        let from_cache = table.or("from-cache", None, |i| i.boolean().map(Some));
        let by = table.or("by", None, |i: Item<'_>| {
            i.one_of("transport", &OVER).map(Some)
        });
        let check = DnsCheck {
            kind: kind?,
            answer: answer?,
            fails: fails?,
            takes: takes?,
            from_cache: from_cache?,
            by: by?,
        };
        if check.answer.is_some() && check.fails.is_some() {
            let label = "expected `answer` or `fails`";
            table.wrong("a look-up that fails has no answer", label, None);
            return None;
        }
        Some(Check::Dns {
            node: node?,
            name: plain(name?),
            nth: usize::try_from(nth?).ok()?,
            check,
        })
    }
}

/// Without the root's dot.
fn plain(name: String) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
