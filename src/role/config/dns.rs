//! DNS servers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// A DNS server, authoritative for a zone.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// Names and their addresses.
    pub zone: BTreeMap<String, Vec<IpAddr>>,
    /// Time to live of its records, in whole seconds.
    pub ttl: Duration,
    /// How long it thinks before each answer.
    pub takes: Duration,
}
