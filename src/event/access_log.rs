//! Access log entries: what a load balancer says of one request (AWS "Access logs for your Application Load Balancer",
//! "Access log entries"). One line a request, fields separated by spaces.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use crate::time::UnixMicros;

/// The protocol of a logged request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// HTTP/2 over TLS.
    H2,
    /// gRPC over TLS.
    Grpcs,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl RequestKind {
    /// Its word in the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2 => "h2",
            Self::Grpcs => "grpcs",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }
}

/// One request, as the log has it. A time that is not known (the request was not sent on, the target did not answer) is
/// -1 in the log; anything else that is not known is a dash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRecord {
    /// `type`.
    pub kind: RequestKind,
    /// `time`: when the response to the client was generated; for WebSockets, when the connection closed.
    pub time: UnixMicros,
    /// `elb`, as in `app/my-loadbalancer/50dc6c495c0c9188`.
    pub elb: String,
    /// `client:port`.
    pub client: SocketAddr,
    /// `target:port`: the last one that was tried.
    pub target: Option<SocketAddr>,
    /// `request_processing_time`: from the request's arrival until it was sent to the target.
    pub request_processing: Option<Duration>,
    /// `target_processing_time`: from then until the response's head began to arrive.
    pub target_processing: Option<Duration>,
    /// `response_processing_time`: from then until the response was on its way to the client.
    pub response_processing: Option<Duration>,
    /// `elb_status_code`: the response's status as the load balancer made or passed it on.
    pub elb_status: u16,
    /// `target_status_code`.
    pub target_status: Option<u16>,
    /// `received_bytes`: of the request, its head included.
    pub received_bytes: u64,
    /// `sent_bytes`: of the response, its head included.
    pub sent_bytes: u64,
    /// `"request"`: method, protocol://host:port/uri, version.
    pub request: String,
    /// `"user_agent"`.
    pub user_agent: Option<String>,
    /// `ssl_cipher`, by its OpenSSL name.
    pub ssl_cipher: Option<String>,
    /// `ssl_protocol`, as in `TLSv1.2`.
    pub ssl_protocol: Option<String>,
    /// `target_group_arn`.
    pub target_group_arn: Option<String>,
    /// `"trace_id"`: the header X-Amzn-Trace-Id.
    pub trace_id: Option<String>,
    /// `"domain_name"`: the name of the SNI extension; a dash when there is none or no certificate is for it.
    pub domain_name: Option<String>,
    /// `"chosen_cert_arn"`, or `session-reused`.
    pub chosen_cert_arn: Option<String>,
    /// `matched_rule_priority`: 1 to 50,000; 0 the default action; -1 no rule could be evaluated.
    pub matched_rule_priority: Option<i32>,
    /// `request_creation_time`: when the request arrived.
    pub request_creation: UnixMicros,
    /// `"actions_executed"`, as in `forward`.
    pub actions_executed: Vec<&'static str>,
    /// `"redirect_url"`.
    pub redirect_url: Option<String>,
    /// `"error_reason"`: of actions and lambda targets only.
    pub error_reason: Option<String>,
    /// `"target:port_list"`.
    pub targets: Vec<SocketAddr>,
    /// `"target_status_code_list"`.
    pub target_statuses: Vec<u16>,
    /// `"classification"` of desync mitigation: `Acceptable`, `Ambiguous` or `Severe`; a dash when compliant.
    pub classification: Option<&'static str>,
    /// `"classification_reason"`, as in `BothTeClPresent`.
    pub classification_reason: Option<&'static str>,
    /// `conn_trace_id`: that of the connection's entry in the connection log.
    pub conn_trace_id: String,
}

/// The fields in order: AWS's name, the key in lab files, whether quotes stand around it.
pub const ACCESS_FIELDS: [(&str, &str, bool); 30] = [
    ("type", "type", false),
    ("time", "time", false),
    ("elb", "elb", false),
    ("client:port", "client", false),
    ("target:port", "target", false),
    ("request_processing_time", "request-processing-time", false),
    ("target_processing_time", "target-processing-time", false),
    (
        "response_processing_time",
        "response-processing-time",
        false,
    ),
    ("elb_status_code", "elb-status-code", false),
    ("target_status_code", "target-status-code", false),
    ("received_bytes", "received-bytes", false),
    ("sent_bytes", "sent-bytes", false),
    ("request", "request", true),
    ("user_agent", "user-agent", true),
    ("ssl_cipher", "ssl-cipher", false),
    ("ssl_protocol", "ssl-protocol", false),
    ("target_group_arn", "target-group-arn", false),
    ("trace_id", "trace-id", true),
    ("domain_name", "domain-name", true),
    ("chosen_cert_arn", "chosen-cert-arn", true),
    ("matched_rule_priority", "matched-rule-priority", false),
    ("request_creation_time", "request-creation-time", false),
    ("actions_executed", "actions-executed", true),
    ("redirect_url", "redirect-url", true),
    ("error_reason", "error-reason", true),
    ("target:port_list", "target-list", true),
    ("target_status_code_list", "target-status-code-list", true),
    ("classification", "classification", true),
    ("classification_reason", "classification-reason", true),
    ("conn_trace_id", "conn-trace-id", false),
];

impl AccessRecord {
    /// The values in the order of [`ACCESS_FIELDS`], without quotes.
    #[must_use]
    pub fn values(&self) -> [String; 30] {
        [
            self.kind.word().to_owned(),
            self.time.to_string(),
            self.elb.clone(),
            self.client.to_string(),
            or_dash(self.target.as_ref()),
            seconds(self.request_processing),
            seconds(self.target_processing),
            seconds(self.response_processing),
            self.elb_status.to_string(),
            or_dash(self.target_status),
            self.received_bytes.to_string(),
            self.sent_bytes.to_string(),
            self.request.clone(),
            or_dash(self.user_agent.as_ref()),
            or_dash(self.ssl_cipher.as_ref()),
            or_dash(self.ssl_protocol.as_ref()),
            or_dash(self.target_group_arn.as_ref()),
            or_dash(self.trace_id.as_ref()),
            or_dash(self.domain_name.as_ref()),
            or_dash(self.chosen_cert_arn.as_ref()),
            or_dash(self.matched_rule_priority),
            self.request_creation.to_string(),
            list(&self.actions_executed, ","),
            or_dash(self.redirect_url.as_ref()),
            or_dash(self.error_reason.as_ref()),
            list(&self.targets, " "),
            list(&self.target_statuses, " "),
            or_dash(self.classification),
            or_dash(self.classification_reason),
            self.conn_trace_id.clone(),
        ]
    }

    /// The value of the field that has this key in lab files.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<String> {
        let at = ACCESS_FIELDS.iter().position(|f| f.1 == key)?;
        self.values().get(at).cloned()
    }
}

/// The line, without its end.
impl fmt::Display for AccessRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = ACCESS_FIELDS.map(|(_, _, quoted)| quoted);
        f.write_str(&line(quoted.into_iter().zip(self.values())))
    }
}

/// Fields as a line: each with quotes or without.
pub(super) fn line(fields: impl Iterator<Item = (bool, String)>) -> String {
    let words = fields.map(|(quoted, value)| {
        if quoted {
            format!("\"{}\"", escaped(&value))
        } else {
            escaped(&value)
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What would end a field or a line, or is not visible ASCII, is written as `\xHH`, as nginx does.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

pub(super) fn or_dash(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

fn list(values: &[impl fmt::Display], between: &str) -> String {
    if values.is_empty() {
        return "-".to_owned();
    }
    let words: Vec<_> = values.iter().map(ToString::to_string).collect();
    words.join(between)
}

/// Seconds with milliseconds, cut and not rounded; -1 for a time that there is not.
pub(super) fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(
        || "-1".to_owned(),
        |d| format!("{}.{:03}", d.as_secs(), d.subsec_millis()),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::time::UnixSeconds;

    /// The example of the user guide for HTTPS, with an id of the connection, which the guide's example has not.
    const EXAMPLE: &str = concat!(
        r#"https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 "#,
        r#"0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" "#,
        r#"ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 "#,
        r#"arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "#,
        r#""Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "#,
        r#""arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012" 1 "#,
        r#"2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" "#,
        "TID_1234abcd5678ef90",
    );

    fn moment(seconds: u64, micros: u64) -> UnixMicros {
        let day = UnixSeconds::from_ymd(2018, 7, 2).0;
        UnixMicros((day + 22 * 3600 + seconds) * 1_000_000 + micros)
    }

    pub(crate) fn example() -> AccessRecord {
        let ms = |n| Some(Duration::from_millis(n));
        let some = |text: &str| Some(text.to_owned());
        AccessRecord {
            kind: RequestKind::Https,
            time: moment(23 * 60, 186_641),
            elb: "app/my-loadbalancer/50dc6c495c0c9188".into(),
            client: "192.168.131.39:2817".parse().unwrap(),
            target: Some("10.0.0.1:80".parse().unwrap()),
            request_processing: ms(86),
            target_processing: ms(48),
            response_processing: ms(37),
            elb_status: 200,
            target_status: Some(200),
            received_bytes: 0,
            sent_bytes: 57,
            request: "GET https://www.example.com:443/ HTTP/1.1".into(),
            user_agent: some("curl/7.46.0"),
            ssl_cipher: some("ECDHE-RSA-AES128-GCM-SHA256"),
            ssl_protocol: some("TLSv1.2"),
            target_group_arn: some(
                "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067",
            ),
            trace_id: some("Root=1-58337281-1d84f3d73c47ec4e58577259"),
            domain_name: some("www.example.com"),
            chosen_cert_arn: some(
                "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012",
            ),
            matched_rule_priority: Some(1),
            request_creation: moment(22 * 60 + 48, 364_000),
            actions_executed: vec!["authenticate", "forward"],
            redirect_url: None,
            error_reason: None,
            targets: vec!["10.0.0.1:80".parse().unwrap()],
            target_statuses: vec![200],
            classification: None,
            classification_reason: None,
            conn_trace_id: "TID_1234abcd5678ef90".into(),
        }
    }

    /// Splits a line at spaces outside quotes.
    fn fields(line: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut inside = false;
        for c in line.chars() {
            match c {
                '"' => inside = !inside,
                ' ' if !inside => fields.push(String::new()),
                c => fields.last_mut().unwrap().push(c),
            }
        }
        fields
    }

    #[test]
    fn every_field_is_that_of_the_user_guides_example() {
        let record = example();
        let expected = fields(EXAMPLE);
        assert_eq!(expected.len(), ACCESS_FIELDS.len());
        for ((name, key, _), wanted) in ACCESS_FIELDS.iter().zip(&expected) {
            assert_eq!(record.value(key).as_ref(), Some(wanted), "{name}");
        }
        assert_eq!(record.to_string(), EXAMPLE);
    }

    #[test]
    fn what_is_not_known_is_a_dash_or_minus_one() {
        let record = AccessRecord {
            target: None,
            request_processing: None,
            target_processing: None,
            response_processing: None,
            elb_status: 502,
            target_status: None,
            user_agent: Some("a \"b\" \\ \u{e4}\n".into()),
            targets: vec![],
            ..example()
        };
        let line = record.to_string();
        assert!(
            line.contains(" 192.168.131.39:2817 - -1 -1 -1 502 - 0 57 "),
            "{line}"
        );
        assert!(
            line.contains(r#" "a \x22b\x22 \x5C \xC3\xA4\x0A" ECDHE"#),
            "{line}"
        );
        assert_eq!(record.value("target-list").unwrap(), "-");
        assert_eq!(record.value("no-such-field"), None);
    }
}
