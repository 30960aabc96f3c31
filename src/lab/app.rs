//! What an application is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::decode::{Fields, Item, all};
use super::pki::{Pki, is_host_name};
use super::roles::own_port;
use super::speech;
use crate::role::config::{App, Believes, HttpsOnly, KeepAlive, OnSigterm, Reply, Role};
use crate::tls::config::{ServerTakes, ServerTls};
use crate::units::Bytes;

mod reply;

pub(super) use reply::headers;
use reply::{reply, route};

/// More at once is not served in one process.
const CONNECTIONS_MAX: u64 = 100_000;

pub(super) fn app(item: Item<'_>, pki: &Pki<'_>, ports: &mut BTreeSet<u16>) -> Option<Role> {
    let mut table = item.fields()?;
    let port = table.required("port", "8080");
    let port = port.and_then(|i| own_port(i, ports));
    let tls = speech::server(&mut table, pki, ServerTakes::default(), speech::Owner::App);
    let http2 = truth(&mut table, "http2");
    let streams_item = table.optional("max-concurrent-streams");
    let streams = table.or("max-concurrent-streams", None, |i| {
        let most = i.integer(1..=u64::from(u32::MAX))?;
        Some(u32::try_from(most).ok())
    });
    let tls = tls.map(|tls| tls.map(|tls| with_http2(tls, http2 == Some(true))));
    if let (Some(item), Some(false)) = (streams_item, http2) {
        let label = "expected `http2 = true` beside it";
        item.wrong_key("HTTP/1.1 has no streams", label, None);
    }
    let takes = table.or("takes", Duration::ZERO, Item::duration);
    let routes = table.or("route", BTreeMap::new(), |item| {
        let each = item.fields()?.entries();
        let routes = all(each.map(|i| route(i, http2 == Some(true))))?;
        Some(routes.into_iter().collect())
    });
    let hosts = table.or("hosts", Vec::new(), |i| i.some(host));
    let default_server = table.optional("default-server");
    if let (Some(item), None) = (default_server, table.optional("hosts")) {
        let label = "expected `hosts` beside it: without, every name is answered";
        item.wrong_key("nobody reaches the default server", label, None);
    }
    let nobody = || Some(Reply::text(404, "no such server\n"));
    let default_server = default_server.map_or_else(nobody, |i| reply(i, http2 == Some(true)));
    let https_only = table.or("https-only", None, |i| {
        let words = [
            ("connection", HttpsOnly::Connection),
            ("x-forwarded-proto", HttpsOnly::ForwardedProto),
        ];
        i.one_of("way to know https", &words).map(Some)
    });
    let keep_alive = table.or("keep-alive", KeepAlive::Always, keep_alive);
    let header_timeout = table.or("header-timeout", None, |i| some_time(i).map(Some));
    let header_limit = table.or("header-limit", App::HEADER_LIMIT, |i| {
        let Bytes(size) = i.unit("a size", "\"16 KiB\"")?;
        usize::try_from(size).ok()
    });
    let workers = table.or("workers", None, |i| count(i).map(Some));
    let backlog = table.or("backlog", App::BACKLOG, count);
    let believes = table.or("believes", Believes::TransferEncoding, |i| {
        let words = [
            ("transfer-encoding", Believes::TransferEncoding),
            ("content-length", Believes::ContentLength),
        ];
        i.one_of("header", &words)
    });
    let on_sigterm = table.or("on-sigterm", OnSigterm::default(), |i| {
        let words = [
            ("finish", OnSigterm::Finish),
            ("end", OnSigterm::End),
            ("ignore", OnSigterm::Ignore),
        ];
        i.one_of("way to take SIGTERM", &words)
    });
    let lingering_close = truth(&mut table, "lingering-close");
    table.finish();
    Some(Role::App(App {
        port: port?,
        tls: tls?.map(Box::new),
        http2: http2?,
        streams: streams?,
        takes: takes?,
        routes: routes?,
        hosts: hosts?,
        default_server: default_server?,
        https_only: https_only?,
        keep_alive: keep_alive?,
        header_timeout: header_timeout?,
        header_limit: header_limit?,
        workers: workers?,
        backlog: backlog?,
        believes: believes?,
        on_sigterm: on_sigterm?,
        lingering_close: lingering_close?,
    }))
}

/// Those who can speak HTTP/2 are to.
fn with_http2(mut tls: ServerTls, http2: bool) -> ServerTls {
    if http2 && !tls.alpn.iter().any(|protocol| protocol == "h2") {
        tls.alpn.insert(0, "h2".to_owned());
    }
    tls
}

fn truth(table: &mut Fields<'_>, key: &'static str) -> Option<bool> {
    table.or(key, false, Item::boolean)
}

fn count(item: Item<'_>) -> Option<usize> {
    let n = item.integer(1..=CONNECTIONS_MAX)?;
    usize::try_from(n).ok()
}

/// A time that passes.
fn some_time(item: Item<'_>) -> Option<Duration> {
    let time = item.duration()?;
    if time.is_zero() {
        let label = "expected a time such as \"5 s\"";
        item.wrong(format!("`{}` is zero", item.key), label, None);
        return None;
    }
    Some(time)
}

/// "5 s", or false.
fn keep_alive(item: Item<'_>) -> Option<KeepAlive> {
    if item.as_text().is_some() {
        return some_time(item).map(KeepAlive::For);
    }
    Some(if item.boolean()? {
        KeepAlive::Always
    } else {
        KeepAlive::Off
    })
}

/// "your-app.com", or "*.your-app.com".
fn host(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    if !is_host_name(text.strip_prefix("*.").unwrap_or(text)) {
        let label = "expected a name such as \"your-app.com\" or \"*.your-app.com\"";
        item.wrong(format!("`{text}` is not a host name"), label, None);
        return None;
    }
    Some(text.to_owned())
}
