//! Wireshark's fields of HTTP/2 frames.

use super::{FrameHead, flag, kind, word};
use crate::dissect::hpack::Header;
use crate::dissect::output::Output;

/// What every frame has: its head, and its flags by their names.
pub(super) fn head(head: FrameHead, out: &mut Output<'_>) {
    out.present("http2.stream");
    out.number("http2.length", head.length as u64);
    out.number("http2.type", head.kind);
    out.number("http2.flags", head.flags);
    let names: &[(&'static str, u8)] = match head.kind {
        kind::DATA => &[END_STREAM, PADDED],
        kind::HEADERS => &[END_STREAM, END_HEADERS, PADDED, PRIORITY],
        kind::PUSH_PROMISE => &[END_HEADERS, PADDED],
        // CONTINUATION is never padded (RFC 9113 §6.10); Wireshark 4.0 shows the bit all the same.
        kind::CONTINUATION => &[END_HEADERS, PADDED],
        kind::SETTINGS => &[("http2.flags.ack.settings", flag::ACK)],
        kind::PING => &[("http2.flags.ack.ping", flag::ACK)],
        _ => &[],
    };
    for (name, bit) in names {
        out.flag(name, head.has(*bit));
    }
    out.number("http2.streamid", head.stream);
}

const END_STREAM: (&str, u8) = ("http2.flags.end_stream", flag::END_STREAM);
const END_HEADERS: (&str, u8) = ("http2.flags.eh", flag::END_HEADERS);
const PADDED: (&str, u8) = ("http2.flags.padded", flag::PADDED);
const PRIORITY: (&str, u8) = ("http2.flags.priority", flag::PRIORITY);

/// Dependency and weight, of PRIORITY and of HEADERS with that flag (RFC 7540 §6.2; without meaning since RFC 9113).
pub(super) fn priority(payload: &[u8], out: &mut Output<'_>) -> Option<()> {
    let (dependency, weight) = (word(payload)?, *payload.get(4)?);
    out.flag("http2.exclusive", dependency >> 31 == 1);
    out.number("http2.stream_dependency", dependency & 0x7fff_ffff);
    out.number("http2.headers.weight", weight);
    Some(())
}

/// Settings, in order (RFC 9113 §6.5): identifier and value.
pub(super) fn settings(payload: &[u8], out: &mut Output<'_>) -> Vec<(u16, u32)> {
    let (entries, _) = payload.as_chunks::<6>();
    let entries = entries.iter().map(|[a, b, value @ ..]| {
        let id = u16::from_be_bytes([*a, *b]);
        let value = u32::from_be_bytes(*value);
        out.present("http2.settings");
        out.number("http2.settings.id", id);
        let name = match id {
            1 => "http2.settings.header_table_size",
            2 => "http2.settings.enable_push",
            3 => "http2.settings.max_concurrent_streams",
            4 => "http2.settings.initial_window_size",
            5 => "http2.settings.max_frame_size",
            6 => "http2.settings.max_header_list_size",
            8 => "http2.settings.extended_connect",
            _ => "http2.settings.unknown",
        };
        out.number(name, value);
        (id, value)
    });
    entries.collect()
}

/// A header block.
pub(super) fn headers(headers: &[Header], updates: &[usize], out: &mut Output<'_>) {
    for size in updates {
        out.present("http2.header_table_size_update");
        out.number(
            "http2.header_table_size_update.header_table_size",
            *size as u64,
        );
    }
    for (name, value) in headers {
        let (name, value) = (
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(value),
        );
        out.present("http2.header");
        out.text("http2.header.name", &name);
        out.text("http2.header.value", &value);
        if let Ok(at) = NAMED.binary_search_by(|(n, _)| (*n).cmp(&name)) {
            let field = NAMED[at].1;
            match (NUMBERS.contains(&field), value.parse::<u64>()) {
                (true, Ok(number)) => out.number(field, number),
                (true, Err(_)) => {}
                (false, _) => out.text(field, &value),
            }
        }
    }
}

/// Fields that are numbers there.
const NUMBERS: [&str; 4] = [
    "http2.headers.age",
    "http2.headers.content_length",
    "http2.headers.max_forwards",
    "http2.headers.status",
];

/// Wireshark's field for a header, by the header's name.
const NAMED: [(&str, &str); 50] = [
    (":authority", "http2.headers.authority"),
    (":method", "http2.headers.method"),
    (":path", "http2.headers.path"),
    (":scheme", "http2.headers.scheme"),
    (":status", "http2.headers.status"),
    ("accept", "http2.headers.accept"),
    ("accept-charset", "http2.headers.accept_charset"),
    ("accept-encoding", "http2.headers.accept_encoding"),
    ("accept-language", "http2.headers.accept_language"),
    ("accept-ranges", "http2.headers.accept_ranges"),
    (
        "access-control-allow-origin",
        "http2.headers.access_control_allow_origin",
    ),
    ("age", "http2.headers.age"),
    ("allow", "http2.headers.allow"),
    ("authorization", "http2.headers.authorization"),
    ("cache-control", "http2.headers.cache_control"),
    ("content-disposition", "http2.headers.content_disposition"),
    ("content-encoding", "http2.headers.content_encoding"),
    ("content-language", "http2.headers.content_language"),
    ("content-length", "http2.headers.content_length"),
    ("content-location", "http2.headers.content_location"),
    ("content-range", "http2.headers.content_range"),
    ("content-type", "http2.headers.content_type"),
    ("cookie", "http2.headers.cookie"),
    ("date", "http2.headers.date"),
    ("etag", "http2.headers.etag"),
    ("expect", "http2.headers.expect"),
    ("expires", "http2.headers.expires"),
    ("from", "http2.headers.from"),
    ("if-match", "http2.headers.if_match"),
    ("if-modified-since", "http2.headers.if_modified_since"),
    ("if-none-match", "http2.headers.if_none_match"),
    ("if-range", "http2.headers.if_range"),
    ("if-unmodified-since", "http2.headers.if_unmodified_since"),
    ("last-modified", "http2.headers.last_modified"),
    ("link", "http2.headers.link"),
    ("location", "http2.headers.location"),
    ("max-forwards", "http2.headers.max_forwards"),
    ("proxy-authenticate", "http2.headers.proxy_authenticate"),
    ("proxy-authorization", "http2.headers.proxy_authorization"),
    ("range", "http2.headers.range"),
    ("referer", "http2.headers.referer"),
    ("refresh", "http2.headers.refresh"),
    ("retry-after", "http2.headers.retry_after"),
    ("server", "http2.headers.server"),
    ("set-cookie", "http2.headers.set_cookie"),
    (
        "strict-transport-security",
        "http2.headers.strict_transport_security",
    ),
    ("user-agent", "http2.headers.user_agent"),
    ("vary", "http2.headers.vary"),
    ("via", "http2.headers.via"),
    ("www-authenticate", "http2.headers.www_authenticate"),
];
