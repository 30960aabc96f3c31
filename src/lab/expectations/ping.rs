//! What echo requests came to.

use super::Reader;
use super::http::nth;
use crate::lab::decode::{Fields, Item};
use crate::lab::plan::{Check, PingCheck};

impl Reader<'_, '_> {
    /// `{ at = "user", to = "203.0.113.60", sent = 3, received = 3, round-trip = "24 ms" }`.
    pub(super) fn ping(&self, table: &mut Fields<'_>) -> Option<Check> {
        let number = |i: Item<'_>| i.integer(0..=1_000_000).map(Some);
        let node = self.node(table.required("at", "\"user\""));
        let to = table.or("to", None, |i| i.ip().map(Some));
        let nth = table.or("nth", 1, nth);
        let keys = ["sent", "received", "errors", "error", "round-trip"];
        let says = keys.map(|key| table.optional(key).is_some());
        let sent = table.or("sent", None, number);
        let received = table.or("received", None, number);
        let errors = table.or("errors", None, number);
        let error = table.or("error", None, |i| i.prose(255).map(Some));
        let round_trip = table.or("round-trip", None, |i| i.duration().map(Some));
        if says == [false; 5] {
            let label = "expected one of `sent`, `received`, `errors`, `error` and `round-trip`";
            table.wrong("nothing is expected of this ping", label, None);
            return None;
        }
        Some(Check::Ping {
            node: node?,
            nth: nth?,
            check: PingCheck {
                to: to?,
                sent: sent?,
                received: received?,
                errors: errors?,
                error: error?,
                round_trip: round_trip?,
            },
        })
    }
}
