//! The logs of load balancers and network interfaces as JSON.

use serde::{Serialize, Serializer};

use crate::event::{ACCESS_FIELDS, CONNECTION_FIELDS, FLOW_FIELDS, Fact};
use crate::expect::{Record, fact};

/// An entry: field by field, in AWS's order and by its names. All values are texts, as in the log.
#[derive(Debug)]
pub struct LogEntry(Vec<(&'static str, String)>);

impl Serialize for LogEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

pub(super) fn access(record: &Record<'_>) -> Vec<LogEntry> {
    let facts = record.events.iter().filter_map(fact);
    let entries = facts.filter_map(|fact| {
        let Fact::AccessLogged(entry) = fact else {
            return None;
        };
        let names = ACCESS_FIELDS.iter().map(|f| f.0);
        Some(LogEntry(names.zip(entry.values()).collect()))
    });
    entries.collect()
}

pub(super) fn connections(record: &Record<'_>) -> Vec<LogEntry> {
    let facts = record.events.iter().filter_map(fact);
    let entries = facts.filter_map(|fact| {
        let Fact::ConnectionLogged(entry) = fact else {
            return None;
        };
        let names = CONNECTION_FIELDS.iter().map(|f| f.0);
        Some(LogEntry(names.zip(entry.values()).collect()))
    });
    entries.collect()
}

pub(super) fn flows(record: &Record<'_>) -> Vec<LogEntry> {
    let facts = record.events.iter().filter_map(fact);
    let records = facts.filter_map(|fact| {
        let Fact::FlowLogged(record) = fact else {
            return None;
        };
        Some(LogEntry(
            FLOW_FIELDS.into_iter().zip(record.values()).collect(),
        ))
    });
    records.collect()
}
