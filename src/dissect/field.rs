//! Fields of a frame, named and valued as Wireshark does (`tshark -G fields`), so that a filter selects the same
//! frames there and here.

use std::net::IpAddr;

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A protocol, as in `tcp`: present, without a value.
    Present,
    /// A number (also of types that Wireshark prints by name, as `tls.handshake.type`).
    Number(u64),
    /// A flag.
    Flag(bool),
    /// An address.
    Address(IpAddr),
    /// A text.
    Text(String),
    /// Bytes, as of a random.
    Bytes(Vec<u8>),
}

/// One field of a frame. A name may occur several times (`ip.addr`, `tls.handshake.type`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As in `tcp.dstport`.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// The fields of one frame, outer protocols first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<Field>);

impl Fields {
    /// All values of the field `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0
            .iter()
            .filter(move |f| f.name == name)
            .map(|f| &f.value)
    }

    /// Whether the field or protocol `name` is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|f| f.name == name)
    }

    /// Adds a field.
    pub fn push(&mut self, name: &'static str, value: Value) {
        self.0.push(Field { name, value });
    }
}

/// The type of a field, which decides what it can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A protocol: present or not.
    Protocol,
    /// A mark without a value, or one whose value is not kept: present or not.
    Label,
    /// An unsigned number of so many bits.
    Number(u8),
    /// True or false.
    Flag,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// The type of the field `name`; `None` when the dissection never makes it.
#[must_use]
pub fn kind(name: &str) -> Option<(&'static str, Kind)> {
    KNOWN
        .binary_search_by(|(known, _)| (*known).cmp(name))
        .ok()
        .map(|i| KNOWN[i])
}

/// The known field name nearest to `name`, when one is near enough to be meant.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    KNOWN
        .iter()
        .map(|(known, _)| (strsim::jaro_winkler(&lower, known), *known))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// Every field that the dissection can make, by name. The types are those of `tshark -G fields`, but for
/// `tcp.payload` and `tls.app_data`: Wireshark's bytes, here only present, for they would copy whole streams.
pub const KNOWN: &[(&str, Kind)] = &[
    ("dns", Kind::Protocol),
    ("dns.a", Kind::Ipv4),
    ("dns.aaaa", Kind::Ipv6),
    ("dns.cname", Kind::Text),
    ("dns.count.add_rr", Kind::Number(16)),
    ("dns.count.answers", Kind::Number(16)),
    ("dns.count.auth_rr", Kind::Number(16)),
    ("dns.count.queries", Kind::Number(16)),
    ("dns.flags", Kind::Number(16)),
    ("dns.flags.authoritative", Kind::Flag),
    ("dns.flags.rcode", Kind::Number(16)),
    ("dns.flags.recavail", Kind::Flag),
    ("dns.flags.recdesired", Kind::Flag),
    ("dns.flags.response", Kind::Flag),
    ("dns.flags.truncated", Kind::Flag),
    ("dns.id", Kind::Number(16)),
    ("dns.length", Kind::Number(16)),
    ("dns.ns", Kind::Text),
    ("dns.qry.name", Kind::Text),
    ("dns.qry.type", Kind::Number(16)),
    ("dns.resp.name", Kind::Text),
    ("dns.resp.ttl", Kind::Number(32)),
    ("dns.resp.type", Kind::Number(16)),
    ("dns.rr.udp_payload_size", Kind::Number(16)),
    ("dns.soa.minimum_ttl", Kind::Number(32)),
    ("dns.soa.mname", Kind::Text),
    ("dns.txt", Kind::Text),
    ("eth", Kind::Protocol),
    ("frame", Kind::Protocol),
    ("frame.cap_len", Kind::Number(32)),
    ("frame.interface_name", Kind::Text),
    ("frame.len", Kind::Number(32)),
    ("frame.number", Kind::Number(32)),
    ("http", Kind::Protocol),
    ("http.accept", Kind::Text),
    ("http.accept_encoding", Kind::Text),
    ("http.accept_language", Kind::Text),
    ("http.authorization", Kind::Text),
    ("http.cache_control", Kind::Text),
    ("http.connection", Kind::Text),
    ("http.content_encoding", Kind::Text),
    ("http.content_length", Kind::Number(64)),
    ("http.content_length_header", Kind::Text),
    ("http.content_type", Kind::Text),
    ("http.cookie", Kind::Text),
    ("http.date", Kind::Text),
    ("http.host", Kind::Text),
    ("http.last_modified", Kind::Text),
    ("http.location", Kind::Text),
    ("http.proxy_authorization", Kind::Text),
    ("http.referer", Kind::Text),
    ("http.request", Kind::Flag),
    ("http.request.full_uri", Kind::Text),
    ("http.request.line", Kind::Text),
    ("http.request.method", Kind::Text),
    ("http.request.uri", Kind::Text),
    ("http.request.version", Kind::Text),
    ("http.response", Kind::Flag),
    ("http.response.code", Kind::Number(16)),
    ("http.response.line", Kind::Text),
    ("http.response.phrase", Kind::Text),
    ("http.response.version", Kind::Text),
    ("http.server", Kind::Text),
    ("http.set_cookie", Kind::Text),
    ("http.transfer_encoding", Kind::Text),
    ("http.upgrade", Kind::Text),
    ("http.user_agent", Kind::Text),
    ("http.www_authenticate", Kind::Text),
    ("http.x_forwarded_for", Kind::Text),
    ("http2", Kind::Protocol),
    ("http2.exclusive", Kind::Flag),
    ("http2.flags", Kind::Number(8)),
    ("http2.flags.ack.ping", Kind::Flag),
    ("http2.flags.ack.settings", Kind::Flag),
    ("http2.flags.eh", Kind::Flag),
    ("http2.flags.end_stream", Kind::Flag),
    ("http2.flags.padded", Kind::Flag),
    ("http2.flags.priority", Kind::Flag),
    ("http2.goaway.error", Kind::Number(32)),
    ("http2.goaway.last_stream_id", Kind::Number(32)),
    ("http2.header", Kind::Label),
    ("http2.header.name", Kind::Text),
    ("http2.header.value", Kind::Text),
    ("http2.header_table_size_update", Kind::Label),
    (
        "http2.header_table_size_update.header_table_size",
        Kind::Number(32),
    ),
    ("http2.headers.accept", Kind::Text),
    ("http2.headers.accept_charset", Kind::Text),
    ("http2.headers.accept_encoding", Kind::Text),
    ("http2.headers.accept_language", Kind::Text),
    ("http2.headers.accept_ranges", Kind::Text),
    ("http2.headers.access_control_allow_origin", Kind::Text),
    ("http2.headers.age", Kind::Number(64)),
    ("http2.headers.allow", Kind::Text),
    ("http2.headers.authority", Kind::Text),
    ("http2.headers.authorization", Kind::Text),
    ("http2.headers.cache_control", Kind::Text),
    ("http2.headers.content_disposition", Kind::Text),
    ("http2.headers.content_encoding", Kind::Text),
    ("http2.headers.content_language", Kind::Text),
    ("http2.headers.content_length", Kind::Number(64)),
    ("http2.headers.content_location", Kind::Text),
    ("http2.headers.content_range", Kind::Text),
    ("http2.headers.content_type", Kind::Text),
    ("http2.headers.cookie", Kind::Text),
    ("http2.headers.date", Kind::Text),
    ("http2.headers.etag", Kind::Text),
    ("http2.headers.expect", Kind::Text),
    ("http2.headers.expires", Kind::Text),
    ("http2.headers.from", Kind::Text),
    ("http2.headers.if_match", Kind::Text),
    ("http2.headers.if_modified_since", Kind::Text),
    ("http2.headers.if_none_match", Kind::Text),
    ("http2.headers.if_range", Kind::Text),
    ("http2.headers.if_unmodified_since", Kind::Text),
    ("http2.headers.last_modified", Kind::Text),
    ("http2.headers.link", Kind::Text),
    ("http2.headers.location", Kind::Text),
    ("http2.headers.max_forwards", Kind::Number(64)),
    ("http2.headers.method", Kind::Text),
    ("http2.headers.path", Kind::Text),
    ("http2.headers.proxy_authenticate", Kind::Text),
    ("http2.headers.proxy_authorization", Kind::Text),
    ("http2.headers.range", Kind::Text),
    ("http2.headers.referer", Kind::Text),
    ("http2.headers.refresh", Kind::Text),
    ("http2.headers.retry_after", Kind::Text),
    ("http2.headers.scheme", Kind::Text),
    ("http2.headers.server", Kind::Text),
    ("http2.headers.set_cookie", Kind::Text),
    ("http2.headers.status", Kind::Number(16)),
    ("http2.headers.strict_transport_security", Kind::Text),
    ("http2.headers.user_agent", Kind::Text),
    ("http2.headers.vary", Kind::Text),
    ("http2.headers.via", Kind::Text),
    ("http2.headers.weight", Kind::Number(8)),
    ("http2.headers.www_authenticate", Kind::Text),
    ("http2.length", Kind::Number(24)),
    ("http2.magic", Kind::Text),
    ("http2.pad_length", Kind::Number(16)),
    ("http2.ping", Kind::Bytes),
    ("http2.pong", Kind::Bytes),
    ("http2.push_promise.promised_stream_id", Kind::Number(32)),
    ("http2.request.full_uri", Kind::Text),
    ("http2.rst_stream.error", Kind::Number(32)),
    ("http2.settings", Kind::Label),
    ("http2.settings.enable_push", Kind::Number(32)),
    ("http2.settings.extended_connect", Kind::Number(32)),
    ("http2.settings.header_table_size", Kind::Number(32)),
    ("http2.settings.id", Kind::Number(16)),
    ("http2.settings.initial_window_size", Kind::Number(32)),
    ("http2.settings.max_concurrent_streams", Kind::Number(32)),
    ("http2.settings.max_frame_size", Kind::Number(32)),
    ("http2.settings.max_header_list_size", Kind::Number(32)),
    ("http2.settings.unknown", Kind::Number(32)),
    ("http2.stream", Kind::Label),
    ("http2.stream_dependency", Kind::Number(32)),
    ("http2.streamid", Kind::Number(32)),
    ("http2.type", Kind::Number(8)),
    (
        "http2.window_update.window_size_increment",
        Kind::Number(32),
    ),
    ("icmp", Kind::Protocol),
    ("icmp.code", Kind::Number(8)),
    ("icmp.ident", Kind::Number(16)),
    ("icmp.mtu", Kind::Number(16)),
    ("icmp.seq", Kind::Number(16)),
    ("icmp.type", Kind::Number(8)),
    ("ip", Kind::Protocol),
    ("ip.addr", Kind::Ipv4),
    ("ip.dst", Kind::Ipv4),
    ("ip.flags.df", Kind::Flag),
    ("ip.hdr_len", Kind::Number(8)),
    ("ip.id", Kind::Number(16)),
    ("ip.len", Kind::Number(16)),
    ("ip.proto", Kind::Number(8)),
    ("ip.src", Kind::Ipv4),
    ("ip.ttl", Kind::Number(8)),
    ("ip.version", Kind::Number(8)),
    ("ipv6", Kind::Protocol),
    ("ipv6.addr", Kind::Ipv6),
    ("ipv6.dst", Kind::Ipv6),
    ("ipv6.hlim", Kind::Number(8)),
    ("ipv6.nxt", Kind::Number(8)),
    ("ipv6.plen", Kind::Number(16)),
    ("ipv6.src", Kind::Ipv6),
    ("tcp", Kind::Protocol),
    ("tcp.ack", Kind::Number(32)),
    ("tcp.ack_raw", Kind::Number(32)),
    ("tcp.analysis.ack_lost_segment", Kind::Label),
    ("tcp.analysis.duplicate_ack", Kind::Label),
    ("tcp.analysis.duplicate_ack_num", Kind::Number(32)),
    ("tcp.analysis.fast_retransmission", Kind::Label),
    ("tcp.analysis.flags", Kind::Label),
    ("tcp.analysis.keep_alive", Kind::Label),
    ("tcp.analysis.keep_alive_ack", Kind::Label),
    ("tcp.analysis.lost_segment", Kind::Label),
    ("tcp.analysis.out_of_order", Kind::Label),
    ("tcp.analysis.retransmission", Kind::Label),
    ("tcp.analysis.reused_ports", Kind::Label),
    ("tcp.analysis.spurious_retransmission", Kind::Label),
    ("tcp.analysis.window_full", Kind::Label),
    ("tcp.analysis.window_update", Kind::Label),
    ("tcp.analysis.zero_window", Kind::Label),
    ("tcp.analysis.zero_window_probe", Kind::Label),
    ("tcp.analysis.zero_window_probe_ack", Kind::Label),
    ("tcp.dstport", Kind::Number(16)),
    ("tcp.flags", Kind::Number(16)),
    ("tcp.flags.ack", Kind::Flag),
    ("tcp.flags.cwr", Kind::Flag),
    ("tcp.flags.ece", Kind::Flag),
    ("tcp.flags.fin", Kind::Flag),
    ("tcp.flags.push", Kind::Flag),
    ("tcp.flags.reset", Kind::Flag),
    ("tcp.flags.syn", Kind::Flag),
    ("tcp.flags.urg", Kind::Flag),
    ("tcp.hdr_len", Kind::Number(8)),
    ("tcp.len", Kind::Number(32)),
    ("tcp.nxtseq", Kind::Number(32)),
    ("tcp.options.mss_val", Kind::Number(16)),
    ("tcp.options.sack_perm", Kind::Label),
    ("tcp.options.wscale.shift", Kind::Number(8)),
    ("tcp.payload", Kind::Label),
    ("tcp.port", Kind::Number(16)),
    ("tcp.seq", Kind::Number(32)),
    ("tcp.seq_raw", Kind::Number(32)),
    ("tcp.srcport", Kind::Number(16)),
    ("tcp.stream", Kind::Number(32)),
    ("tcp.window_size", Kind::Number(32)),
    ("tcp.window_size_value", Kind::Number(16)),
    ("tls", Kind::Protocol),
    ("tls.alert_message", Kind::Label),
    ("tls.alert_message.desc", Kind::Number(8)),
    ("tls.alert_message.level", Kind::Number(8)),
    ("tls.app_data", Kind::Label),
    ("tls.change_cipher_spec", Kind::Label),
    ("tls.handshake", Kind::Label),
    ("tls.handshake.certificate_length", Kind::Number(24)),
    ("tls.handshake.ciphersuite", Kind::Number(16)),
    ("tls.handshake.epms", Kind::Bytes),
    ("tls.handshake.epms_len", Kind::Number(16)),
    (
        "tls.handshake.extensions.supported_version",
        Kind::Number(16),
    ),
    ("tls.handshake.extensions_alpn_str", Kind::Text),
    ("tls.handshake.extensions_key_share_group", Kind::Number(16)),
    (
        "tls.handshake.extensions_key_share_selected_group",
        Kind::Number(16),
    ),
    ("tls.handshake.extensions_server_name", Kind::Text),
    ("tls.handshake.extensions_supported_group", Kind::Number(16)),
    ("tls.handshake.length", Kind::Number(24)),
    ("tls.handshake.random", Kind::Bytes),
    ("tls.handshake.server_named_curve", Kind::Number(16)),
    ("tls.handshake.type", Kind::Number(8)),
    ("tls.handshake.version", Kind::Number(16)),
    ("tls.record", Kind::Label),
    ("tls.record.content_type", Kind::Number(8)),
    ("tls.record.length", Kind::Number(16)),
    ("tls.record.opaque_type", Kind::Number(8)),
    ("tls.record.version", Kind::Number(16)),
    ("udp", Kind::Protocol),
    ("udp.dstport", Kind::Number(16)),
    ("udp.length", Kind::Number(16)),
    ("udp.port", Kind::Number(16)),
    ("udp.srcport", Kind::Number(16)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_without_doubles() {
        assert!(KNOWN.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn names_are_found_and_near_ones_proposed() {
        assert_eq!(kind("tcp.len"), Some(("tcp.len", Kind::Number(32))));
        assert_eq!(kind("tcp.lenn"), None);
        assert_eq!(nearest("tcp.dst_port"), Some("tcp.dstport"));
        assert_eq!(nearest("HTTP.Host"), Some("http.host"));
        assert_eq!(nearest("zzz"), None);
    }
}
