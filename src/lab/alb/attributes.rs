//! Attributes of a load balancer: AWS's names, shortened.

use std::time::Duration;

use crate::lab::decode::{Fields, Item};
use crate::role::config::{Attributes, DesyncMode, ForwardedFor};

/// Reads them from the table of the load balancer.
pub(super) fn attributes(table: &mut Fields<'_>) -> Option<Attributes> {
    let default = Attributes::default();
    let idle_timeout = table.or("idle-timeout", default.idle_timeout, |i| {
        seconds(i, 1, 4000)
    });
    let client_keep_alive = table.or("client-keep-alive", default.client_keep_alive, |i| {
        seconds(i, 60, 604_800)
    });
    let http2 = table.or("http2", default.http2, Item::boolean);
    let forwarded_for = forwarded_for(table);
    let preserve_host = table.or("preserve-host-header", default.preserve_host, Item::boolean);
    let drop_invalid_fields = table.or(
        "drop-invalid-header-fields",
        default.drop_invalid_fields,
        Item::boolean,
    );
    let desync = table.or("desync-mitigation-mode", default.desync, |item| {
        item.one_of(
            "desync mitigation mode",
            &[
                ("monitor", DesyncMode::Monitor),
                ("defensive", DesyncMode::Defensive),
                ("strictest", DesyncMode::Strictest),
            ],
        )
    });
    let tls_fields = table.or(
        "tls-version-and-cipher-suite-headers",
        default.tls_fields,
        Item::boolean,
    );
    cross_zone(table);
    Some(Attributes {
        idle_timeout: idle_timeout?,
        client_keep_alive: client_keep_alive?,
        http2: http2?,
        forwarded_for: forwarded_for?,
        preserve_host: preserve_host?,
        drop_invalid_fields: drop_invalid_fields?,
        desync: desync?,
        tls_fields: tls_fields?,
    })
}

/// `load_balancing.cross_zone.enabled`: AWS lets nobody turn it off for an Application Load Balancer, only for its target
/// groups (AWS "Cross-zone load balancing").
fn cross_zone(table: &mut Fields<'_>) {
    if let Some(item) = table.optional("cross-zone")
        && item.boolean() == Some(false)
    {
        let message = "an Application Load Balancer always crosses zones";
        let help = "`[target-group.NAME]` may say `cross-zone = false`".to_owned();
        item.wrong(message, "expected true, or nothing", help);
    }
}

fn forwarded_for(table: &mut Fields<'_>) -> Option<ForwardedFor> {
    let append = ForwardedFor::Append { port: false };
    let mode = table.or("xff-header-processing", append, |item| {
        item.one_of(
            "way to process X-Forwarded-For",
            &[
                ("append", append),
                ("preserve", ForwardedFor::Preserve),
                ("remove", ForwardedFor::Remove),
            ],
        )
    });
    let port = table.optional("xff-client-port");
    let with_port = port.map_or(Some(false), Item::boolean);
    let (mode, with_port) = (mode?, with_port?);
    match mode {
        ForwardedFor::Append { .. } => Some(ForwardedFor::Append { port: with_port }),
        ForwardedFor::Preserve | ForwardedFor::Remove => {
            if let (Some(item), true) = (port, with_port) {
                let message = "`xff-client-port` has nothing to add its port to";
                let label = "only with `xff-header-processing = \"append\"`";
                item.wrong_key(message, label, None);
                return None;
            }
            Some(mode)
        }
    }
}

/// Whole seconds within AWS's bounds.
fn seconds(item: Item<'_>, least: u64, most: u64) -> Option<Duration> {
    let time = item.duration()?;
    let fits = time.subsec_nanos() == 0 && (least..=most).contains(&time.as_secs());
    if !fits {
        let message = format!("`{}` is out of range", item.key);
        let label = format!("expected whole seconds, {least} s to {most} s");
        item.wrong(message, label, None);
    }
    fits.then_some(time)
}
