//! Connection log entries: what a load balancer says of one connection of a client (AWS "Connection logs for your
//! Application Load Balancer", "Connection log entries"). One line a connection, whether TLS came to be or not.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::CertificateDefect;
use super::access_log::{line, or_dash, seconds};
use crate::time::UnixMicros;

/// One connection, as the log has it. What is not known is a dash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRecord {
    /// `timestamp`: when the connection was established, or failed to be.
    pub time: UnixMicros,
    /// `client_ip` and `client_port`.
    pub client: SocketAddr,
    /// `listener_port`.
    pub listener_port: u16,
    /// `tls_protocol`, as in `TLSv1.3`.
    pub tls_protocol: Option<String>,
    /// `tls_cipher`, by its OpenSSL name.
    pub tls_cipher: Option<String>,
    /// `tls_handshake_latency`.
    pub tls_handshake_latency: Option<Duration>,
    /// `leaf_client_cert_subject`.
    pub leaf_subject: Option<String>,
    /// `leaf_client_cert_validity`, as in `NotBefore=…;NotAfter=…`.
    pub leaf_validity: Option<String>,
    /// `leaf_client_cert_serial_number`.
    pub leaf_serial: Option<String>,
    /// `tls_verify_status`: `None` for a connection without TLS.
    pub tls_verify_status: Option<VerifyStatus>,
    /// `conn_trace_id`: the one in the access log's entries for this connection.
    pub conn_trace_id: String,
    /// `tls_keyexchange`, as in `x25519`.
    pub tls_keyexchange: Option<String>,
    /// `elb`, as in `app/my-loadbalancer/50dc6c495c0c9188`.
    pub elb: String,
    /// `ip_address`: the load balancer's.
    pub ip_address: IpAddr,
}

/// How the TLS handshake went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyStatus {
    /// It went well.
    Success,
    /// It failed, for the reason with this code.
    Failed(&'static str),
}

impl VerifyStatus {
    /// What failed for a reason that has no code of its own, as when the client refused the server's certificate, or
    /// nothing could be agreed on.
    pub const UNMAPPED: Self = Self::Failed("UnmappedConnectionError");

    /// The code for a client certificate with this defect.
    #[must_use]
    pub const fn refused(defect: CertificateDefect) -> Self {
        Self::Failed(match defect {
            CertificateDefect::Expired
            | CertificateDefect::ExpiredIntermediate
            | CertificateDefect::ExpiredRoot => "ClientCertExpired",
            CertificateDefect::NotYetValid => "ClientCertNotYetValid",
            CertificateDefect::UntrustedIssuer
            | CertificateDefect::MissingIntermediate
            | CertificateDefect::SelfSigned => "ClientCertUntrusted",
            CertificateDefect::WrongPurpose | CertificateDefect::KeyUsage => {
                "ClientCertPurposeInvalid"
            }
            CertificateDefect::Revoked => "ClientCertCrlHit",
            CertificateDefect::RevocationUnknown => "ClientCertCrlProcessingError",
            CertificateDefect::WrongName
            | CertificateDefect::NameConstraint
            | CertificateDefect::TooLong
            | CertificateDefect::BadSignature
            | CertificateDefect::WrongKey => "ClientCertInvalid",
            CertificateDefect::Other => "UnmappedConnectionError",
        })
    }
}

impl fmt::Display for VerifyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("Success"),
            Self::Failed(code) => write!(f, "Failed:{code}"),
        }
    }
}

/// The fields in order: AWS's name and the key in lab files.
pub const CONNECTION_FIELDS: [(&str, &str); 15] = [
    ("timestamp", "timestamp"),
    ("client_ip", "client-ip"),
    ("client_port", "client-port"),
    ("listener_port", "listener-port"),
    ("tls_protocol", "tls-protocol"),
    ("tls_cipher", "tls-cipher"),
    ("tls_handshake_latency", "tls-handshake-latency"),
    ("leaf_client_cert_subject", "leaf-client-cert-subject"),
    ("leaf_client_cert_validity", "leaf-client-cert-validity"),
    (
        "leaf_client_cert_serial_number",
        "leaf-client-cert-serial-number",
    ),
    ("tls_verify_status", "tls-verify-status"),
    ("conn_trace_id", "conn-trace-id"),
    ("tls_keyexchange", "tls-keyexchange"),
    ("elb", "elb"),
    ("ip_address", "ip-address"),
];

impl ConnectionRecord {
    /// The values in the order of [`CONNECTION_FIELDS`], without quotes.
    #[must_use]
    pub fn values(&self) -> [String; 15] {
        [
            self.time.to_string(),
            self.client.ip().to_string(),
            self.client.port().to_string(),
            self.listener_port.to_string(),
            or_dash(self.tls_protocol.as_ref()),
            or_dash(self.tls_cipher.as_ref()),
            self.tls_handshake_latency
                .map_or_else(|| "-".to_owned(), |d| seconds(Some(d))),
            or_dash(self.leaf_subject.as_ref()),
            or_dash(self.leaf_validity.as_ref()),
            or_dash(self.leaf_serial.as_ref()),
            or_dash(self.tls_verify_status),
            self.conn_trace_id.clone(),
            or_dash(self.tls_keyexchange.as_ref()),
            self.elb.clone(),
            self.ip_address.to_string(),
        ]
    }

    /// The value of the field that has this key in lab files.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<String> {
        let at = CONNECTION_FIELDS.iter().position(|f| f.1 == key)?;
        self.values().get(at).cloned()
    }
}

/// The line, without its end. Quotes stand around a subject, which has spaces.
impl fmt::Display for ConnectionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |(name, _): (&str, &str)| {
            name == "leaf_client_cert_subject" && self.leaf_subject.is_some()
        };
        let quoted = CONNECTION_FIELDS.map(quoted);
        f.write_str(&line(quoted.into_iter().zip(self.values())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixSeconds;

    fn example() -> ConnectionRecord {
        let some = |text: &str| Some(text.to_owned());
        let at = UnixSeconds::from_ymd(2023, 10, 4).0 + 17 * 3600 + 5 * 60 + 15;
        ConnectionRecord {
            time: UnixMicros(at * 1_000_000 + 514_108),
            client: "203.0.113.1:36280".parse().unwrap(),
            listener_port: 443,
            tls_protocol: some("TLSv1.2"),
            tls_cipher: some("ECDHE-RSA-AES128-GCM-SHA256"),
            tls_handshake_latency: Some(Duration::from_millis(4036)),
            leaf_subject: some("CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US"),
            leaf_validity: some("NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z"),
            leaf_serial: some("FEF257372D5C14D4"),
            tls_verify_status: Some(VerifyStatus::Success),
            conn_trace_id: "TID_3180a73013c8ca4bac2f731159d4b0fe".into(),
            tls_keyexchange: some("x25519"),
            elb: "app/my-loadbalancer/50dc6c495c0c9188".into(),
            ip_address: "198.51.100.10".parse().unwrap(),
        }
    }

    /// The first twelve are the example of the user guide; it does not show the last three.
    #[test]
    fn the_line_is_that_of_the_user_guides_example() {
        assert_eq!(
            example().to_string(),
            concat!(
                "2023-10-04T17:05:15.514108Z 203.0.113.1 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 ",
                "\"CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US\" ",
                "NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z FEF257372D5C14D4 Success ",
                "TID_3180a73013c8ca4bac2f731159d4b0fe x25519 app/my-loadbalancer/50dc6c495c0c9188 198.51.100.10",
            )
        );
        assert_eq!(example().value("listener-port").unwrap(), "443");
    }

    #[test]
    fn a_failed_handshake_says_why_and_plain_http_has_no_status() {
        let failed = ConnectionRecord {
            tls_protocol: None,
            tls_cipher: None,
            tls_handshake_latency: None,
            tls_keyexchange: None,
            tls_verify_status: Some(VerifyStatus::refused(CertificateDefect::UntrustedIssuer)),
            ..example()
        };
        let line = failed.to_string();
        assert!(
            line.contains(" 443 - - - \"CN=amazondomains.com,"),
            "{line}"
        );
        assert!(line.contains(" Failed:ClientCertUntrusted TID_"), "{line}");
        let plain = ConnectionRecord {
            leaf_subject: None,
            leaf_validity: None,
            leaf_serial: None,
            tls_verify_status: None,
            ..failed
        };
        assert!(plain.to_string().contains(" 443 - - - - - - - TID_"));
    }
}
