//! What a DNS server is told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::decode::{Item, all};
use super::pki::is_host_name;
use crate::role::config::{Resolver, Role};

pub(super) fn resolver(item: Item<'_>) -> Option<Role> {
    let mut table = item.fields()?;
    let zone = table.required("zone", "{ \"your-app.com\" = \"198.51.100.10\" }");
    let zone = zone.and_then(read_zone);
    let ttl = table.or("ttl", Duration::from_secs(60), |item| {
        let ttl = item.duration()?;
        // RFC 2181 §8: 31 bits.
        if ttl.subsec_nanos() != 0 || ttl.as_secs() > i32::MAX as u64 {
            let label = "expected whole seconds, at most 68 years";
            item.wrong("`ttl` is not a time to live", label, None);
            return None;
        }
        Some(ttl)
    });
    let takes = table.or("takes", Duration::ZERO, Item::duration);
    table.finish();
    Some(Role::Resolver(Resolver {
        zone: zone?,
        ttl: ttl?,
        takes: takes?,
    }))
}

fn read_zone(item: Item<'_>) -> Option<BTreeMap<String, Vec<IpAddr>>> {
    let records = all(item.fields()?.entries().map(|record| {
        let key = zone_name(&record);
        let addresses = match record.as_text() {
            Some(_) => record.ip().map(|a| vec![a]),
            None => record.each(Item::ip),
        };
        Some((key?, addresses?))
    }))?;
    Some(records.into_iter().collect())
}

/// The key as a host name.
fn zone_name(record: &Item<'_>) -> Option<String> {
    let key = record.key;
    if !is_host_name(key) {
        let label = "expected a host name such as \"your-app.com\", in quotes";
        record.wrong_key(format!("`{key}` is not a host name"), label, None);
        return None;
    }
    Some(key.to_ascii_lowercase())
}
