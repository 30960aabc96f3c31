//! What a path answers, and how.

use std::time::Duration;

use super::{some_time, truth};
use crate::lab::decode::{Fields, Item, all};
use crate::role::config::{Content, Delivery, Failing, Fault, Grpc, Reply, Route};
use crate::units::Bytes;

/// A path, or one that ends in `*`, and its answer.
pub(super) fn route(item: Item<'_>, http2: bool) -> Option<(String, Route)> {
    let path = item.key;
    let is_path = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && c != '?');
    if !is_path {
        let label = "expected a path such as \"/health\"";
        item.wrong_key(format!("`{path}` is not a path"), label, None);
    }
    let mut table = item.fields()?;
    let during = table.or("during", Vec::new(), |i| i.some(|i| during(i, http2)));
    let reply = of_table(table, http2);
    let route = Route {
        reply: reply?,
        during: during?,
    };
    is_path.then(|| (path.to_owned(), route))
}

/// An answer for some of the time.
fn during(item: Item<'_>, http2: bool) -> Option<(Duration, Duration, Reply)> {
    let mut table = item.fields()?;
    let from = table.or("from", Duration::ZERO, Item::duration);
    let to = table.or("to", Duration::MAX, Item::duration);
    let reply = of_table(table, http2);
    let (from, to) = (from?, to?);
    if to <= from {
        let label = "expected a `to` that is later than `from`";
        item.wrong("this answer is never given", label, None);
        return None;
    }
    Some((from, to, reply?))
}

pub(super) fn reply(item: Item<'_>, http2: bool) -> Option<Reply> {
    of_table(item.fields()?, http2)
}

/// What HTTP/1.1 has and HTTP/2 has not (RFC 9113 §8.1, §8.2.2), and the bytes of the former.
const OF_HTTP1: [&str; 6] = [
    "chunked",
    "content-length",
    "separate-writes",
    "header-line",
    "raw",
    "websocket",
];

/// What HTTP/2 has and HTTP/1.1 has not here.
const OF_HTTP2: [&str; 2] = ["trailers", "grpc"];

fn of_table(mut table: Fields<'_>, http2: bool) -> Option<Reply> {
    let (strange, label) = if http2 {
        (&OF_HTTP1[..], "expected no such key beside `http2 = true`")
    } else {
        (&OF_HTTP2[..], "expected `http2 = true` in the application")
    };
    for item in strange.iter().filter_map(|key| table.optional(key)) {
        let of = if http2 { "HTTP/1.1" } else { "HTTP/2" };
        item.wrong_key(format!("`{}` is of {of}", item.key), label, None);
    }
    let grpc = table.or("grpc", None, |i| grpc(i).map(Some));
    // 1xx answers are not final (RFC 9110 §15.2).
    let status = table.or("status", 200, |i| i.integer(200..=599));
    let usual = match &grpc {
        Some(Some(_)) => "application/grpc",
        Some(None) | None => "text/plain",
    };
    let content_type = table.or("type", usual.to_owned(), Item::header_value);
    let text = table.optional("body");
    let size = table.optional("size");
    if let (Some(_), Some(size)) = (text, size) {
        let label = "expected `body` or `size`";
        size.wrong_key("there are two bodies", label, None);
    }
    let body = match (text, size) {
        (None, Some(size)) => bytes(size).map(Content::Size),
        (Some(text), _) => text.text().map(|t| Content::Text(t.to_owned())),
        (None, None) => Some(Content::Text(String::new())),
    };
    let trailers = table.or("trailers", Vec::new(), headers);
    let headers = table.or("headers", Vec::new(), headers);
    let takes = table.or("takes", None, |i| i.duration().map(Some));
    let pieces_item = table.optional("pieces");
    let streams = grpc.iter().flatten().any(|g| g.messages > 1);
    if let (true, Some(item)) = (streams, pieces_item) {
        let label = "expected no `pieces` beside `messages`: each is sent on its own";
        item.wrong_key("a stream of messages has its own pauses", label, None);
    }
    let delivery = delivery(&mut table, http2);
    table.finish();
    Some(Reply {
        status: u16::try_from(status?).ok()?,
        content_type: content_type?,
        body: body?,
        headers: headers?,
        trailers: trailers?,
        grpc: grpc?,
        takes: takes?,
        delivery: delivery?,
    })
}

fn delivery(table: &mut Fields<'_>, http2: bool) -> Option<Delivery> {
    let chunked_item = table.optional("chunked");
    let chunked = chunked_item.map_or(Some(false), Item::boolean);
    let length_item = table.optional("content-length");
    let content_length = length_item.map_or(Some(None), |i| i.integer(0..=u64::MAX).map(Some));
    if let (Some(true), Some(item)) = (chunked, length_item) {
        let label = "expected no `content-length` beside `chunked`";
        item.wrong_key("chunks have no `Content-Length`", label, None);
    }
    let pieces = table.or("pieces", None, |i| pieces(i).map(Some));
    let separate_writes = truth(table, "separate-writes");
    let padding = table.or("padding", 0, bytes);
    let header_line = table.or("header-line", None, |i| {
        let line = i.text()?;
        if line.is_empty() || line.contains(['\r', '\n']) {
            let label = "expected one line, as it is to stand among the headers";
            i.wrong("`header-line` is not a line", label, None);
            return None;
        }
        Some(Some(line.to_owned()))
    });
    let raw = table.or("raw", None, |i| i.text().map(|t| Some(t.to_owned())));
    let closes = table.or("connection", false, |i| {
        i.one_of("word", &[("close", true), ("keep-alive", false)])
    });
    let reads_body = table.or("reads-body", true, Item::boolean);
    let echoes = table.or("websocket", false, |i| {
        i.one_of("WebSocket server", &[("echo", true)])
    });
    let after = table.optional("after");
    let how = table.or("fault", None, |i| {
        let words = [
            ("no-answer", Failing::Silence),
            ("reset", Failing::Reset),
            ("close", Failing::Close),
            ("reset-stream", Failing::ResetStream),
        ];
        let how = i.one_of("fault", &words)?;
        if how == Failing::ResetStream && !http2 {
            let label = "expected `http2 = true` in the application";
            i.wrong("HTTP/1.1 has no streams", label, None);
            return None;
        }
        Some(Some(how))
    });
    if let (Some(after), Some(None)) = (after, how) {
        let label = "expected a `fault` beside it: \"no-answer\", \"reset\" or \"close\"";
        after.wrong_key("nothing goes wrong after so many bytes", label, None);
    }
    let after = after.map_or(Some(None), |i| bytes(i).map(Some));
    let (how, after) = (how?, after?);
    Some(Delivery {
        chunked: chunked?,
        content_length: content_length?,
        pieces: pieces?,
        separate_writes: separate_writes?,
        padding: padding?,
        header_line: header_line?,
        raw: raw?,
        closes: closes?,
        early: !reads_body?,
        echoes: echoes?,
        fault: how.map(|how| Fault { how, after }),
    })
}

/// `{ status = 5, message = "no such cart" }`, `{ messages = 10, every = "1 s" }`.
fn grpc(item: Item<'_>) -> Option<Grpc> {
    let mut table = item.fields()?;
    let status = table.or("status", 0, |i| i.integer(0..=16));
    let message = table.or("message", String::new(), |i| i.text().map(str::to_owned));
    let messages = table.or("messages", 1, |i| i.integer(1..=100_000));
    let every = table.or("every", Duration::ZERO, some_time);
    table.finish();
    Some(Grpc {
        messages: messages?,
        every: every?,
        status: u8::try_from(status?).ok()?,
        message: message?,
    })
}

/// `{ count = 10, every = "1 s" }`.
fn pieces(item: Item<'_>) -> Option<(u64, Duration)> {
    let mut table = item.fields()?;
    let count = table.required("count", "10");
    let count = count.and_then(|i| i.integer(1..=100_000));
    let every = table.required("every", "\"1 s\"").and_then(some_time);
    table.finish();
    Some((count?, every?))
}

/// A size that fits memory.
fn bytes(item: Item<'_>) -> Option<u64> {
    const MOST: u64 = 1 << 30;
    let Bytes(size) = item.unit("a size", "\"100 kB\"")?;
    if size > MOST {
        let label = "expected at most 1 GiB";
        item.wrong(format!("`{}` is too large", item.key), label, None);
        return None;
    }
    Some(size)
}

/// `{ Location = "/", Set-Cookie = ["a=1", "b=2"] }`: names, and a value or several.
pub(in crate::lab) fn headers(item: Item<'_>) -> Option<Vec<(String, String)>> {
    let each = item.fields()?.entries().map(|entry| {
        // A token of RFC 9110 §5.6.2.
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let name = entry.key;
        if name.is_empty() || !name.chars().all(token) {
            let label = "expected a header's name such as \"Location\"";
            entry.wrong_key(format!("`{name}` is not a header's name"), label, None);
            return None;
        }
        let values = if entry.as_text().is_some() {
            vec![entry.header_value()?]
        } else {
            entry.some(Item::header_value)?
        };
        let pairs = values.into_iter().map(|value| (name.to_owned(), value));
        Some(pairs.collect::<Vec<_>>())
    });
    Some(all(each)?.into_iter().flatten().collect())
}
