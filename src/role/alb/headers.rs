//! The fields a load balancer writes (AWS "HTTP headers and Application Load Balancers", "X-Forwarded headers",
//! "Request tracing"), and those that speak of one connection only.

use std::net::SocketAddr;

use super::error::Refusal;
use super::{Client, mutual};
use crate::role::Node;
use crate::role::config::{Attributes, ForwardedFor};
use crate::wire::http1::{Fields, RequestHead, Version, is_token_byte};

/// The load balancer's own fields.
const FORWARDED_FOR: &str = "X-Forwarded-For";
const FORWARDED_PROTO: &str = "X-Forwarded-Proto";
const FORWARDED_PORT: &str = "X-Forwarded-Port";
const HOST: &str = "Host";
/// Follows a request through all that it causes.
pub(super) const TRACE_ID: &str = "X-Amzn-Trace-Id";
const TLS_VERSION: &str = "X-Amzn-Tls-Version";
const TLS_CIPHER: &str = "X-Amzn-Tls-Cipher-Suite";

/// Fields that speak of one connection (RFC 9110 §7.6.1), beside those that `Connection` names.
const OF_A_CONNECTION: [&str; 3] = ["Connection", "Keep-Alive", "Proxy-Connection"];

/// Names that are in mixed case, whatever the front speaks (AWS "How Elastic Load Balancing works", "HTTP headers").
const MIXED: [&str; 7] = [
    FORWARDED_FOR,
    FORWARDED_PROTO,
    FORWARDED_PORT,
    HOST,
    TRACE_ID,
    "Upgrade",
    "Connection",
];

/// A request with more addresses in X-Forwarded-For is refused with 463.
const ADDRESSES_MAX: usize = 30;

/// With more fields than this, in bytes, the trace ID is written anew.
const TRACED_MAX: usize = 7 * 1024;

/// What the listener adds of its own.
pub(super) struct Listener<'a> {
    /// Whether it speaks TLS.
    pub(super) https: bool,
    /// Its port.
    pub(super) port: u16,
    /// The load balancer's.
    pub(super) attributes: &'a Attributes,
    /// The request came as HTTP/2, names in lower case: they stay so but for a few.
    pub(super) http2: bool,
}

/// The request's fields as the target gets them: the load balancer's own first, then the client's but for those of its
/// connection. What `Connection` names goes before ours come, or a client could have them taken out.
///
/// # Errors
/// When X-Forwarded-For holds too many addresses.
pub(super) fn forwarded(
    node: &Node,
    request: &RequestHead,
    client: &Client,
    listener: &Listener<'_>,
) -> Result<Fields, Refusal> {
    let incoming = &request.fields;
    let attributes = listener.attributes;
    let mut fields = Fields::new();
    forwarded_for(incoming, client.flow.remote, attributes, &mut fields)?;
    let proto = if listener.https { "https" } else { "http" };
    fields.push(FORWARDED_PROTO, proto);
    fields.push(FORWARDED_PORT, listener.port.to_string());
    if attributes.preserve_host && incoming.has(HOST) {
        // As they came, several too.
        fields.extend(incoming.all(HOST).map(|value| (HOST, value)));
    } else {
        fields.push(HOST, host(request, client.flow.local, listener));
    }
    let mut random = [0; 12];
    node.chance.fill("trace-id", &mut random);
    let id = new_trace_id(node.clock.date().0, random);
    fields.push(TRACE_ID, trace_id(incoming, id));
    if attributes.tls_fields {
        let logged = &client.logged;
        for (name, value) in [
            (TLS_VERSION, &logged.tls_protocol),
            (TLS_CIPHER, &logged.tls_cipher),
        ] {
            if let Some(value) = value {
                fields.push(name, value.as_str());
            }
        }
    }
    fields.extend(client.shown.iter().cloned());
    if listener.http2 {
        lower(&mut fields);
    }
    let mut rest = incoming.clone();
    leave_connection(&mut rest);
    let kept = rest.iter().filter(|field| {
        let ours = [
            FORWARDED_FOR,
            FORWARDED_PROTO,
            FORWARDED_PORT,
            HOST,
            TRACE_ID,
        ];
        let claimed =
            attributes.tls_fields && [TLS_VERSION, TLS_CIPHER].iter().any(|n| field.is(n));
        let name = field.name.as_bytes();
        // What a client says of its own certificate is not for the target to believe.
        let shown = name.get(..mutual::PREFIX.len());
        let claimed =
            claimed || shown.is_some_and(|p| p.eq_ignore_ascii_case(mutual::PREFIX.as_bytes()));
        let dropped = attributes.drop_invalid_fields && !is_valid(&field.name);
        !ours.iter().any(|n| field.is(n)) && !claimed && !dropped
    });
    fields.extend(kept.map(|f| (f.name.clone(), f.value.clone())));
    Ok(fields)
}

/// Takes out what speaks of one connection; what `Connection` names goes too.
pub(super) fn leave_connection(fields: &mut Fields) {
    let named: Vec<Vec<u8>> = fields.members("connection").map(<[u8]>::to_vec).collect();
    fields.retain(|f| {
        let named = named
            .iter()
            .any(|n| n.eq_ignore_ascii_case(f.name.as_bytes()));
        !named && !OF_A_CONNECTION.iter().any(|n| f.is(n))
    });
}

/// Makes the head one for a target's connection: what the front has answered itself stays behind. `Content-Length` beside `Transfer-Encoding` is passed on, though RFC 9112 §6.3 asks for its
/// removal: what an ambiguous request does to a target is what the desync mitigation mode is about.
pub(super) fn leave_front(head: &mut RequestHead, upgrade: Option<&str>) {
    if let Some(protocol) = upgrade {
        head.fields.set("Upgrade", protocol);
        head.fields.push("Connection", "Upgrade");
    }
    if head.fields.has_member("expect", "100-continue") {
        head.fields.remove("expect");
    }
    if let Some((_, path)) = absolute(&head.target) {
        head.target = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
    }
    head.version = Version::Http11;
}

/// The protocol that the client wants to change to, when it does (RFC 9110 §7.8).
pub(super) fn upgrade(request: &RequestHead) -> Option<String> {
    let asked = request.version.is_http11() && request.fields.has_member("connection", "upgrade");
    let protocol = request.fields.text("upgrade").filter(|_| asked);
    protocol.filter(|p| !p.is_empty()).map(str::to_owned)
}

/// Names in lower case, but for those that never are.
fn lower(fields: &mut Fields) {
    for field in fields.iter_mut() {
        if !MIXED.iter().any(|n| field.is(n)) {
            field.name.make_ascii_lowercase();
        }
    }
}

/// Letters, digits and hyphens: what `drop_invalid_header_fields` lets through.
fn is_valid(name: &str) -> bool {
    let fits = |b: u8| is_token_byte(b) && (b.is_ascii_alphanumeric() || b == b'-');
    !name.is_empty() && name.bytes().all(fits)
}

fn forwarded_for(
    incoming: &Fields,
    peer: SocketAddr,
    attributes: &Attributes,
    fields: &mut Fields,
) -> Result<(), Refusal> {
    if incoming.members(FORWARDED_FOR).count() > ADDRESSES_MAX {
        return Err(Refusal::TooManyAddresses);
    }
    match attributes.forwarded_for {
        ForwardedFor::Append { port } => {
            let mut value = incoming
                .all(FORWARDED_FOR)
                .collect::<Vec<_>>()
                .join(&b", "[..]);
            if !value.is_empty() {
                value.extend_from_slice(b", ");
            }
            // An IPv6 address with a port is in brackets.
            let peer = if port {
                peer.to_string()
            } else {
                peer.ip().to_string()
            };
            value.extend_from_slice(peer.as_bytes());
            fields.push(FORWARDED_FOR, value);
        }
        ForwardedFor::Preserve => {
            for value in incoming.all(FORWARDED_FOR) {
                fields.push(FORWARDED_FOR, value);
            }
        }
        ForwardedFor::Remove => {}
    }
    Ok(())
}

/// The name without its port, and the port: digits behind the last colon outside of brackets.
pub(super) fn host_and_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            (name, Some(port))
        }
        Some(_) | None => (host, None),
    }
}

/// Host and path of a target in absolute form, as in `http://your-app.com/a` (RFC 9112 §3.2.2).
pub(super) fn absolute(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if !["http", "https"]
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s))
    {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some(rest.split_at(end))
}

/// The host that the request names, as it stands: in its target, else in its first `Host`.
pub(super) fn named_host(request: &RequestHead) -> Option<&str> {
    let absolute = absolute(&request.target).map(|(host, _)| host);
    absolute.or_else(|| request.fields.text(HOST))
}

/// The value of `Host`: in small letters, with the listener's port unless it is 80 or 443; or as it came.
fn host(request: &RequestHead, local: SocketAddr, listener: &Listener<'_>) -> String {
    let named = named_host(request);
    let own = SocketAddr::new(local.ip(), 0).to_string();
    let own = own.strip_suffix(":0").unwrap_or(&own);
    let named = named.map(|host| host_and_port(host).0);
    let name = named.filter(|name| !name.is_empty()).unwrap_or(own);
    let name = name.to_ascii_lowercase();
    match listener.port {
        80 | 443 => name,
        port => format!("{name}:{port}"),
    }
}

/// `1-<8 hex digits of the epoch>-<24 hex digits>`.
fn new_trace_id(seconds: u64, random: [u8; 12]) -> String {
    let random: String = random.iter().map(|b| format!("{b:02x}")).collect();
    format!("1-{:08x}-{random}", seconds & 0xffff_ffff)
}

/// Without a `Root` from the client the load balancer makes one; with one it puts its own id before it, as `Self`,
/// in place of any other `Self`. Other fields, which applications may add, are kept.
fn trace_id(incoming: &Fields, id: String) -> String {
    let mut written = Vec::new();
    incoming.write(&mut written);
    let value = incoming
        .text(TRACE_ID)
        .filter(|_| written.len() <= TRACED_MAX);
    let kept: Vec<&str> = value
        .unwrap_or_default()
        .split(';')
        .map(str::trim)
        .filter(|f| !f.is_empty() && !f.starts_with("Self="))
        .collect();
    let own = if kept.iter().any(|f| f.starts_with("Root=")) {
        "Self"
    } else {
        "Root"
    };
    let kept: String = kept.iter().map(|f| format!(";{f}")).collect();
    format!("{own}={id}{kept}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "203.192.1.50:4711";
    const V6: &str = "[2001:db8::7]:4711";

    fn request(target: &str, fields: &[(&str, &str)]) -> RequestHead {
        RequestHead {
            method: "GET".into(),
            target: target.into(),
            version: Version::Http11,
            fields: fields.iter().copied().collect(),
            remarks: Vec::new(),
        }
    }

    /// X-Forwarded-For as the target gets it.
    fn appended(mode: ForwardedFor, peer: &str, sent: &[&str]) -> Option<String> {
        let attributes = Attributes {
            forwarded_for: mode,
            ..Attributes::default()
        };
        let incoming: Fields = sent.iter().map(|v| ("x-forwarded-for", *v)).collect();
        let mut fields = Fields::new();
        forwarded_for(&incoming, peer.parse().unwrap(), &attributes, &mut fields).ok()?;
        Some(fields.text(FORWARDED_FOR).unwrap_or_default().to_owned())
    }

    #[test]
    fn the_peer_is_appended_on_the_right() {
        let append =
            |peer, sent: &[&str]| appended(ForwardedFor::Append { port: false }, peer, sent);
        assert_eq!(append(V4, &[]).unwrap(), "203.192.1.50");
        assert_eq!(append(V4, &["1.2.3.4"]).unwrap(), "1.2.3.4, 203.192.1.50");
        assert_eq!(
            append(V4, &["1.2.3.4, 5.6.7.8", "9.9.9.9"]).unwrap(),
            "1.2.3.4, 5.6.7.8, 9.9.9.9, 203.192.1.50"
        );
        assert_eq!(append(V6, &[]).unwrap(), "2001:db8::7");
    }

    #[test]
    fn the_port_comes_with_it_when_asked_for() {
        let append = |peer| appended(ForwardedFor::Append { port: true }, peer, &[]);
        assert_eq!(append(V4).unwrap(), V4);
        assert_eq!(append(V6).unwrap(), V6);
    }

    #[test]
    fn the_other_modes_leave_or_remove_it() {
        let sent = ["127.0.0.4"];
        assert_eq!(
            appended(ForwardedFor::Preserve, V4, &sent).unwrap(),
            "127.0.0.4"
        );
        assert_eq!(appended(ForwardedFor::Remove, V4, &sent).unwrap(), "");
    }

    #[test]
    fn more_than_thirty_addresses_are_refused() {
        let append = |n: usize| {
            let sent = vec!["1.2.3.4"; n].join(", ");
            appended(ForwardedFor::Append { port: false }, V4, &[&sent])
        };
        assert!(append(30).is_some());
        assert_eq!(append(31), None);
    }

    #[test]
    fn hosts_follow_the_rules() {
        let local = "198.51.100.10:443".parse().unwrap();
        let host = |port, preserve_host, target, sent: &[(&str, &str)]| {
            let attributes = Attributes {
                preserve_host,
                ..Attributes::default()
            };
            let listener = Listener {
                https: true,
                port,
                attributes: &attributes,
                http2: false,
            };
            host(&request(target, sent), local, &listener)
        };
        let sent = [("host", "Your-App.com:9")];
        assert_eq!(host(443, false, "/", &sent), "your-app.com");
        assert_eq!(host(8443, false, "/", &sent), "your-app.com:8443");
        assert_eq!(host(80, false, "http://Other.com:1/a", &sent), "other.com");
        assert_eq!(
            host(80, false, "/", &[("host", "[2001:DB8::1]:80")]),
            "[2001:db8::1]"
        );
        assert_eq!(
            host(80, false, "/", &[("host", "[2001:db8::1]")]),
            "[2001:db8::1]"
        );
        assert_eq!(host(443, false, "/", &[]), "198.51.100.10");
    }

    #[test]
    fn trace_ids_follow_the_rules() {
        let id = new_trace_id(1_762_300_800, [0xab; 12]);
        assert_eq!(id, format!("1-690a9380-{}", "ab".repeat(12)));
        let trace = |sent: Option<&str>, more: usize| {
            let mut fields: Fields = sent.iter().map(|v| ("x-amzn-trace-id", *v)).collect();
            fields.push("A", vec![b'a'; more]);
            trace_id(&fields, "1-x-y".into())
        };
        assert_eq!(trace(None, 0), "Root=1-x-y");
        let sent = "Self=1-a-b;Root=1-c-d;CalledFrom=app";
        assert_eq!(trace(Some(sent), 0), "Self=1-x-y;Root=1-c-d;CalledFrom=app");
        assert_eq!(trace(Some(sent), TRACED_MAX), "Root=1-x-y");
        assert_eq!(
            trace(Some("Self=1-a-b;CalledFrom=app"), 0),
            "Root=1-x-y;CalledFrom=app"
        );
    }

    #[test]
    fn what_is_of_a_connection_stays_on_it() {
        let mut fields: Fields = [
            ("Connection", "close, X-Hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("X-Own", "kept"),
        ]
        .into_iter()
        .collect();
        leave_connection(&mut fields);
        assert_eq!(fields.listed(), [("X-Own".into(), "kept".into())]);
    }

    #[test]
    fn names_of_http_2_stay_small_but_for_a_few() {
        let mut fields: Fields = [("Host", "a"), ("X-Amzn-Tls-Version", "b")]
            .into_iter()
            .collect();
        lower(&mut fields);
        let names: Vec<_> = fields.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["Host", "x-amzn-tls-version"]);
    }

    #[test]
    fn upgrades_are_asked_for_in_two_fields() {
        let both = [
            ("Upgrade", "websocket"),
            ("Connection", "keep-alive, Upgrade"),
        ];
        assert_eq!(upgrade(&request("/", &both)).as_deref(), Some("websocket"));
        assert_eq!(upgrade(&request("/", &both[..1])), None);
        assert!(is_valid("X-Own-1") && !is_valid("x_own") && !is_valid(""));
    }
}
