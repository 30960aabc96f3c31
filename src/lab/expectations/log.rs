//! Logs of load balancers and of network interfaces.

use super::Reader;
use crate::event::{ACCESS_FIELDS, CONNECTION_FIELDS, FLOW_FIELDS};
use crate::lab::decode::Fields;
use crate::lab::plan::{Check, Entries, Log};

/// Fields that a lab cannot know beforehand, as they differ from run to run on TUN devices: dates and ids.
const UNFORESEEABLE: [&str; 7] = [
    "time",
    "request-creation-time",
    "timestamp",
    "trace-id",
    "conn-trace-id",
    "start",
    "end",
];

impl Reader<'_, '_> {
    /// `nth` is 1 unless the table says otherwise, or asks for a `count`.
    pub(super) fn log(&self, table: &mut Fields<'_>, log: Log) -> Option<Check> {
        let node = self.node(table.required("at", "\"alb\""));
        let nth = table.optional("nth");
        let count = table.optional("count");
        if let (Some(_), Some(count)) = (nth, count) {
            let label = "expected either `nth` or `count`";
            count.wrong_key("an entry or a number of entries", label, None);
            return None;
        }
        let entries = match (nth, count) {
            (_, Some(count)) => count.integer(0..=u64::MAX).map(Entries::Count),
            (Some(nth), None) => {
                let nth = nth.integer(1..=1_000_000);
                nth.and_then(|n| usize::try_from(n).ok()).map(Entries::Nth)
            }
            (None, None) => Some(Entries::Nth(1)),
        };
        let keys: Vec<&'static str> = match log {
            Log::Access => ACCESS_FIELDS.iter().map(|f| f.1).collect(),
            Log::Connection => CONNECTION_FIELDS.iter().map(|f| f.1).collect(),
            Log::Flow => FLOW_FIELDS.to_vec(),
        };
        let mut fields = Vec::new();
        let mut whole = true;
        for key in keys.into_iter().filter(|k| !UNFORESEEABLE.contains(k)) {
            if let Some(item) = table.optional(key) {
                match item.text() {
                    Some(value) => fields.push((key, value.to_owned())),
                    None => whole = false,
                }
            }
        }
        let (node, entries) = (node?, entries?);
        whole.then_some(Check::Logged {
            node,
            log,
            entries,
            fields,
        })
    }
}
