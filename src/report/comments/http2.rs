//! What to say about HTTP/2: its frames, and requests on streams.

use super::Ends;
use crate::dissect::message::{Frame, Http2Kind, Http2Message, HttpHead, Message};

/// Nothing of DATA and WINDOW_UPDATE, which are many.
pub(super) fn comment(message: &Http2Message, ends: &Ends) -> Option<String> {
    let Ends { from, to, .. } = ends;
    let Http2Message { stream, kind, .. } = message;
    match kind {
        Http2Kind::Preface => {
            let known = if message.inside_tls {
                "With TLS, ALPN has settled that before"
            } else {
                "In plain text nothing has settled that: it knows beforehand that the other side does (RFC 9113 §3.3)"
            };
            Some(format!(
                "HTTP/2 connection preface: {from} speaks HTTP/2 from its first byte on. {known}; there is no upgrade and \
                 no round trip for it."
            ))
        }
        Http2Kind::Settings { ack: false, values } => Some(settings(values, from, to)),
        Http2Kind::RstStream { .. } => Some(format!(
            "{}: {from} gives up stream {stream}; the connection and its other streams go on.",
            kind.text()
        )),
        Http2Kind::Ping { ack: false } => Some(format!("PING: {to} is to answer at once.")),
        Http2Kind::GoAway { last_stream, .. } => Some(goaway(*last_stream, &kind.text(), from)),
        Http2Kind::PushPromise { .. } => Some(format!(
            "{}: {from} will send an answer to a request that {to} has not made.",
            kind.text()
        )),
        Http2Kind::Data { .. }
        | Http2Kind::HeadersBegin
        | Http2Kind::Headers
        | Http2Kind::Priority
        | Http2Kind::Settings { ack: true, .. }
        | Http2Kind::Ping { ack: true }
        | Http2Kind::WindowUpdate { .. }
        | Http2Kind::Other(_) => None,
    }
}

/// A request; those that come with another in one packet say what is theirs only.
pub(super) fn request(head: &HttpHead, stream: u32, frame: &Frame, ends: &Ends) -> String {
    let Ends { from, to, .. } = ends;
    let HttpHead { method, target, .. } = head;
    let mut requests = frame.messages.iter();
    let first = requests.find_map(|m| match m {
        Message::HttpRequest(h) => Some(h),
        Message::DnsQuery { .. }
        | Message::DnsAnswer { .. }
        | Message::Tls(_)
        | Message::HttpResponse(_)
        | Message::Http2(_)
        | Message::HttpBodyEnd { .. }
        | Message::Icmp { .. } => None,
    });
    if first.is_some_and(|h| h.stream != head.stream) {
        return format!(
            "In the same packet on stream {stream}, {method} {target}: {} bytes of header, for what was said before \
             is referred to.",
            head.bytes
        );
    }
    let bytes = frame.tcp.map_or(0, |t| t.data);
    format!(
        "HTTP/2 request inside TLS on stream {stream}, {method} {target}, with {} bytes of header: {bytes} bytes in \
         this packet that only {from} and {to} can read.",
        head.bytes
    )
}

/// What a side's settings ask of the other (RFC 9113 §6.5.2).
fn settings(values: &[(u16, u32)], from: &str, to: &str) -> String {
    let of = |id| values.iter().rev().find(|(i, _)| *i == id).map(|(_, v)| *v);
    let mut asked = Vec::new();
    if let Some(streams) = of(3) {
        asked.push(format!("at most {streams} streams at once"));
    }
    if of(2) == Some(0) {
        asked.push("no server push".to_owned());
    }
    if let Some(window) = of(4) {
        asked.push(format!(
            "{window} bytes on each stream before a WINDOW_UPDATE"
        ));
    }
    if asked.is_empty() {
        return format!("SETTINGS from {from}: nothing else than the defaults.");
    }
    format!(
        "SETTINGS from {from}, which bind {to}: {}.",
        asked.join(", ")
    )
}

fn goaway(last_stream: u32, name: &str, from: &str) -> String {
    /// The highest number there is says that more is still taken for a moment (RFC 9113 §6.8).
    const NONE_YET: u32 = 0x7fff_ffff;
    let what = match last_stream {
        0 => "none of the other side's streams is under way".to_owned(),
        NONE_YET => "no new streams, please; which was the last follows".to_owned(),
        n => format!(
            "streams up to {n} are answered, later ones may be asked for on another connection"
        ),
    };
    format!("{name}: {from} ends the connection in good order; {what}.")
}
