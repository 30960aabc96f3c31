//! What the network refuses, and what a stack puts aside.

use super::Reader;
use super::packets::count;
use crate::lab::decode::{Fields, Item};
use crate::lab::plan::{Check, Dropped};

/// Causes of drops that are a lab's to expect, as [`crate::event::DropCause::word`] has them.
const CAUSES: [(&str, &str); 14] = [
    ("security-group", "security-group"),
    ("network-acl", "network-acl"),
    ("tracking-full", "tracking-full"),
    ("nat-idle", "nat-idle"),
    ("nat-ports", "nat-ports"),
    ("nat-untranslated", "nat-untranslated"),
    ("no-public-address", "no-public-address"),
    ("host-gone", "host-gone"),
    ("no-route", "no-route"),
    ("too-big", "too-big"),
    ("outage", "outage"),
    ("syn-queue-full", "syn-queue-full"),
    ("accept-queue-full", "accept-queue-full"),
    ("outside-window", "outside-window"),
];

impl Reader<'_, '_> {
    pub(super) fn dropped(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = |item: Item<'_>| self.node(Some(item)).map(Some);
        let at = table.or("at", None, node);
        let by = table.or("by", None, |i| i.one_of("cause", &CAUSES).map(Some));
        let from = table.or("from", None, node);
        let to = table.or("to", None, node);
        let count = count(table);
        Some(Check::Dropped(Dropped {
            at: at?,
            by: by?.map(str::to_owned),
            from: from?,
            to: to?,
            count: count?,
        }))
    }
}
