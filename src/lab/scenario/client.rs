//! What a client asks, beyond a browser's pages.

use std::time::Duration;

use super::{ping, url};
use crate::lab::app::headers;
use crate::lab::decode::{Fields, Item};
use crate::role::config::{Ask, Errand, Origin, Raw, Talk};
use crate::units::Bytes;
use crate::wire::grpc;

/// A run asks no more often than this in one step.
const REQUESTS_MAX: u64 = 1_000_000;

/// More connections at once have no ports.
const PARALLEL_MAX: u64 = 10_000;

/// A body that a step holds in memory.
const BODY_MAX: u64 = 64 << 20;

/// `request`, `websocket`, `raw` or `ping`, where it is one of them: the errand, if it is right, and the item that says
/// whom it concerns.
pub(super) fn errand<'a>(action: &mut Fields<'a>) -> Option<(Option<Errand>, Option<Item<'a>>)> {
    if let Some(item) = action.optional("request") {
        let mut url = None;
        return Some((request(item, &mut url).map(Errand::Ask), url));
    }
    if let Some(item) = action.optional("websocket") {
        let mut url = None;
        return Some((talk(item, &mut url).map(Errand::Talk), url));
    }
    if let Some(item) = action.optional("ping") {
        let mut host = None;
        return Some((ping::ping(item, &mut host).map(Errand::Ping), host));
    }
    let item = action.optional("raw")?;
    let mut url = None;
    Some((raw(item, &mut url).map(Errand::Raw), url))
}

fn request<'a>(item: Item<'a>, url_item: &mut Option<Item<'a>>) -> Option<Ask> {
    let mut table = item.fields()?;
    *url_item = table.required("url", "\"https://your-app.com/\"");
    let url = url_item.and_then(url::url);
    let method = table.or("method", None, |i| method(i).map(Some));
    let headers = table.or("headers", Vec::new(), headers);
    let body = body(&mut table);
    let method_item = table.optional("method");
    let grpc = table.or("grpc", false, Item::boolean);
    if let (Some(true), Some(item)) = (grpc, method_item) {
        let label = "expected no `method` beside `grpc`";
        item.wrong_key("a gRPC call is always a POST", label, None);
    }
    let timeout = table.or("timeout", None, |i| i.duration().map(Some));
    let timed = table.optional("timeout").is_some();
    let gives_up = table.optional("gives-up");
    if let (Some(item), false) = (gives_up, timed) {
        let label = "expected a `timeout` beside it";
        item.wrong_key("nobody gives up without a limit", label, None);
    }
    let resets = gives_up.map_or(Some(false), |i| {
        i.one_of("way to give up", &[("close", false), ("reset", true)])
    });
    let http10 = table.or("version", false, |i| {
        i.one_of("version", &[("1.1", false), ("1.0", true)])
    });
    let expects_continue = table.or("expect-continue", false, Item::boolean);
    let repeat = table.or("repeat", 1, |i| i.integer(1..=REQUESTS_MAX));
    let every = table.or("every", Duration::ZERO, Item::duration);
    let parallel = table.or("parallel", 1, |i| i.integer(1..=PARALLEL_MAX));
    let follow = table.or("follow", None, |i| {
        let limit = i.integer(0..=1_000)?;
        Some(u32::try_from(limit).ok())
    });
    let retry = table.or("retry", false, Item::boolean);
    let reads = table.or("reads", None, |i| by_and_by(i, "read").map(Some));
    let writes_item = table.optional("writes");
    let writes = table.or("writes", None, |i| by_and_by(i, "written").map(Some));
    table.finish();
    let (url, mut body, mut headers) = (url?, body?, headers?);
    if let (Some(item), None, false) = (writes_item, &body, grpc == Some(true)) {
        let label = "expected a `body` or `size` beside it";
        item.wrong_key("there is nothing to write slowly", label, None);
    }
    if grpc? {
        // A call without a message has an empty one.
        body = Some(grpc::prefixed(&body.unwrap_or_default()));
        let own = grpc::ASKING.map(|(name, value)| (name.to_owned(), value.to_owned()));
        headers.splice(0..0, own);
    }
    let default = if body.is_some() { "POST" } else { "GET" };
    Some(Ask {
        origin: Origin {
            https: url.https,
            host: url.host,
            port: url.port,
        },
        target: url.target,
        method: method?.unwrap_or_else(|| default.to_owned()),
        headers,
        body,
        timeout: timeout?,
        resets: resets?,
        http10: http10?,
        expects_continue: expects_continue?,
        repeat: repeat?,
        every: every?,
        parallel: usize::try_from(parallel?).ok()?,
        follow: follow?,
        retry: retry?,
        reads: reads?,
        writes: writes?,
    })
}

/// A token of RFC 9110 §5.6.2, as all standard methods are.
fn method(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphabetic() || c == '-') {
        let label = "expected a method such as \"POST\"";
        item.wrong(format!("`{text}` is not a method"), label, None);
        return None;
    }
    Some(text.to_owned())
}

/// `body`, a text, or `size`: that many bytes.
fn body(table: &mut Fields<'_>) -> Option<Option<Vec<u8>>> {
    let (text, size) = (table.optional("body"), table.optional("size"));
    match (text, size) {
        (Some(_), Some(size)) => {
            let label = "expected `body` or `size`";
            size.wrong_key("there are two bodies", label, None);
            None
        }
        (Some(text), None) => Some(Some(text.text()?.as_bytes().to_vec())),
        (None, Some(item)) => {
            let Bytes(size) = item.unit("a size", "\"1 MB\"")?;
            if size > BODY_MAX {
                let label = "expected at most 64 MiB";
                item.wrong("`size` is too large", label, None);
                return None;
            }
            Some(Some(vec![b'x'; usize::try_from(size).ok()?]))
        }
        (None, None) => Some(None),
    }
}

/// `{ bytes = "1 kB", every = "1 s" }`.
fn by_and_by(item: Item<'_>, done: &str) -> Option<(usize, Duration)> {
    let mut table = item.fields()?;
    let bytes = table.required("bytes", "\"1 kB\"");
    let bytes = bytes.and_then(|i| {
        let Bytes(n) = i.unit("a size", "\"1 kB\"")?;
        if n == 0 {
            let label = "expected a byte at least";
            i.wrong(format!("nothing is ever {done}"), label, None);
            return None;
        }
        usize::try_from(n).ok()
    });
    let every = table.required("every", "\"1 s\"").and_then(Item::duration);
    table.finish();
    Some((bytes?, every?))
}

fn raw<'a>(item: Item<'a>, url_item: &mut Option<Item<'a>>) -> Option<Raw> {
    let mut table = item.fields()?;
    *url_item = table.required("url", "\"http://203.192.1.60/\"");
    let url = url_item.and_then(url::url);
    let pieces = table.required("send", "[\"GET / HTTP/1.1\\r\\n\"]");
    let pieces = pieces.and_then(|i| i.some(|piece| piece.text().map(|t| t.as_bytes().to_vec())));
    let every = table.or("every", Duration::ZERO, Item::duration);
    let repeat = table.or("repeat", 0, |i| i.integer(0..=REQUESTS_MAX));
    let parallel = table.or("parallel", 1, |i| i.integer(1..=PARALLEL_MAX));
    let wait = table.or("wait", Duration::from_secs(5), Item::duration);
    table.finish();
    let url = url?;
    Some(Raw {
        origin: Origin {
            https: url.https,
            host: url.host,
            port: url.port,
        },
        pieces: pieces?,
        every: every?,
        repeat: repeat?,
        parallel: usize::try_from(parallel?).ok()?,
        wait: wait?,
    })
}

fn talk<'a>(item: Item<'a>, url_item: &mut Option<Item<'a>>) -> Option<Talk> {
    let mut table = item.fields()?;
    *url_item = table.required("url", "\"https://your-app.com/ws\"");
    let url = url_item.and_then(url::url);
    let headers = table.or("headers", Vec::new(), headers);
    let send = table.or("send", Vec::new(), |i| {
        i.each(|text| text.text().map(str::to_owned))
    });
    let every = table.or("every", Duration::from_secs(1), Item::duration);
    let ping = table.or("ping", None, |i| {
        let every = i.duration()?;
        if every.is_zero() {
            let label = "expected a time such as \"30 s\"";
            i.wrong("`ping` is zero", label, None);
            return None;
        }
        Some(Some(every))
    });
    let lasts = table.required("lasts", "\"120 s\"");
    let lasts = lasts.and_then(Item::duration);
    table.finish();
    let url = url?;
    Some(Talk {
        origin: Origin {
            https: url.https,
            host: url.host,
            port: url.port,
        },
        target: url.target,
        headers: headers?,
        send: send?,
        every: every?,
        ping: ping?,
        lasts: lasts?,
    })
}
