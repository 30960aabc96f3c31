//! The headers a load balancer writes (AWS "HTTP headers and Application Load Balancers", "Request tracing").

use hyper::HeaderMap;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue};

use super::{Client, mutual};
use crate::role::Node;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(super) const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The request's headers as the target gets them: the load balancer's own first, then the client's.
pub(super) fn forwarded(
    node: &Node,
    incoming: &HeaderMap,
    client: &Client,
    https: bool,
    listener_port: u16,
) -> HeaderMap {
    let text = |name: &HeaderName| incoming.get(name).and_then(|v| v.to_str().ok());
    let peer = client.flow.remote.ip().to_string();
    let forwarded_for = append(incoming, &peer);
    let root = || {
        let mut random = [0; 12];
        node.chance.fill("trace-id", &mut random);
        new_trace_id(node.clock.date().0, random)
    };
    let own = [
        (FORWARDED_FOR, forwarded_for),
        (FORWARDED_PROTO, if https { "https" } else { "http" }.into()),
        (FORWARDED_PORT, listener_port.to_string()),
        (HOST, text(&HOST).unwrap_or_default().to_owned()),
        (TRACE_ID, trace_id(text(&TRACE_ID), root())),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in own {
        if let Ok(value) = HeaderValue::try_from(value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
    for (name, value) in &client.shown {
        headers.insert(name.clone(), value.clone());
    }
    for (name, value) in incoming {
        // `Connection` speaks of the front connection only (RFC 9110 §7.6.1).
        let ours = [
            &FORWARDED_FOR,
            &FORWARDED_PROTO,
            &FORWARDED_PORT,
            &HOST,
            &TRACE_ID,
            &CONNECTION,
        ];
        // What a client says of its own certificate is not for the target to believe.
        let claimed = name.as_str().starts_with(mutual::PREFIX);
        if !ours.contains(&name) && !claimed {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// Mode `append`: what the client sent stays on the left, its address as we see it comes last.
fn append(incoming: &HeaderMap, peer: &str) -> String {
    let mut entries: Vec<&str> = incoming
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect();
    entries.push(peer);
    entries.join(", ")
}

/// `1-<8 hex digits of the epoch>-<24 hex digits>`.
fn new_trace_id(seconds: u64, random: [u8; 12]) -> String {
    let random: String = random.iter().map(|b| format!("{b:02x}")).collect();
    format!("1-{:08x}-{random}", seconds & 0xffff_ffff)
}

/// Without a `Root` from the client the load balancer makes one; with one it puts its own id before it, as `Self`,
/// in place of any other `Self`.
fn trace_id(incoming: Option<&str>, id: String) -> String {
    match incoming {
        Some(value) if value.split(';').any(|f| f.trim().starts_with("Root=")) => {
            let kept: Vec<&str> = value
                .split(';')
                .map(str::trim)
                .filter(|f| !f.is_empty() && !f.starts_with("Self="))
                .collect();
            format!("Self={id};{}", kept.join(";"))
        }
        _ => format!("Root={id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_is_appended_on_the_right() {
        let mut headers = HeaderMap::new();
        assert_eq!(append(&headers, "203.192.1.50"), "203.192.1.50");
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("1.2.3.4"));
        assert_eq!(append(&headers, "203.192.1.50"), "1.2.3.4, 203.192.1.50");
    }

    #[test]
    fn trace_ids_follow_the_rules() {
        let id = new_trace_id(1_762_300_800, [0xab; 12]);
        assert_eq!(id, format!("1-690a9380-{}", "ab".repeat(12)));
        let id = || String::from("1-x-y");
        assert_eq!(trace_id(None, id()), "Root=1-x-y");
        assert_eq!(
            trace_id(Some("Self=1-a-b;Root=1-c-d;CalledFrom=app"), id()),
            "Self=1-x-y;Root=1-c-d;CalledFrom=app"
        );
        assert_eq!(trace_id(Some("CalledFrom=app"), id()), "Root=1-x-y");
    }
}
