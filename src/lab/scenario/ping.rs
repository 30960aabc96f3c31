//! Echo requests that a client sends.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::lab::decode::Item;
use crate::lab::pki::is_host_name;
use crate::role::config::Ping;

/// The largest IPv4 packet without the headers of IP and ICMP.
const SIZE_MAX: u64 = 65_535 - 20 - 8;

/// A run sends no more in one step.
const COUNT_MAX: u64 = 10_000;

/// `{ to = "203.0.113.60", count = 3, every = "1 s", timeout = "1 s", size = 56, ttl = 64, identifier = 4660 }`.
pub(super) fn ping<'a>(item: Item<'a>, host_item: &mut Option<Item<'a>>) -> Option<Ping> {
    let mut table = item.fields()?;
    *host_item = table.required("to", "\"203.0.113.60\"");
    let host = host_item.and_then(host);
    let count = table.or("count", 1, |i| i.integer(1..=COUNT_MAX));
    let every = table.or("every", Duration::from_secs(1), Item::duration);
    let timeout = table.or("timeout", Duration::from_secs(1), some_time);
    let size = table.or("size", 56, |i| i.integer(0..=SIZE_MAX));
    let ttl = table.or("ttl", 64, |i| i.integer(1..=255));
    let identifier = table.or("identifier", None, |i| {
        Some(u16::try_from(i.integer(0..=65_535)?).ok())
    });
    table.finish();
    Some(Ping {
        host: host?,
        count: u16::try_from(count?).ok()?,
        every: every?,
        timeout: timeout?,
        size: usize::try_from(size?).ok()?,
        ttl: u8::try_from(ttl?).ok()?,
        identifier: identifier?,
    })
}

fn host(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    if !is_host_name(text) && text.parse::<Ipv4Addr>().is_err() {
        let label = "expected a host name or an IPv4 address";
        item.wrong(format!("`{text}` cannot be pinged"), label, None);
        return None;
    }
    Some(text.to_ascii_lowercase())
}

fn some_time(item: Item<'_>) -> Option<Duration> {
    let time = item.duration()?;
    if time.is_zero() {
        let label = "expected a time such as \"1 s\"";
        item.wrong(format!("`{}` is zero", item.key), label, None);
        return None;
    }
    Some(time)
}
