//! The attributes of a load balancer that are about its clients' connections and the headers of their requests (AWS
//! "Application Load Balancers", "Load balancer attributes").

use std::time::Duration;

/// The attributes, with AWS's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// `idle_timeout.timeout_seconds`: a connection on which nothing moves for so long is closed.
    pub idle_timeout: Duration,
    /// `client_keep_alive.seconds`: after so long, counted from its beginning, a client's connection is ended with the
    /// next response.
    pub client_keep_alive: Duration,
    /// `routing.http2.enabled`: HTTP/2 is offered to clients, on HTTPS listeners that speak it.
    pub http2: bool,
    /// `routing.http.xff_header_processing.mode`, and `routing.http.xff_client_port.enabled`.
    pub forwarded_for: ForwardedFor,
    /// `routing.http.preserve_host_header.enabled`.
    pub preserve_host: bool,
    /// `routing.http.drop_invalid_header_fields.enabled`.
    pub drop_invalid_fields: bool,
    /// `routing.http.desync_mitigation_mode`.
    pub desync: DesyncMode,
    /// `routing.http.x_amzn_tls_version_and_cipher_suite.enabled`.
    pub tls_fields: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            client_keep_alive: Duration::from_secs(3600),
            http2: true,
            forwarded_for: ForwardedFor::Append { port: false },
            preserve_host: false,
            drop_invalid_fields: false,
            desync: DesyncMode::Defensive,
            tls_fields: false,
        }
    }
}

/// What becomes of `X-Forwarded-For` (AWS "X-Forwarded headers").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The client's address is added on the right.
    Append {
        /// With its port.
        port: bool,
    },
    /// It is left as it came.
    Preserve,
    /// It is taken out.
    Remove,
}

/// What becomes of requests that others may read differently (AWS "Desync mitigation mode").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DesyncMode {
    /// All are forwarded.
    Monitor,
    /// Ambiguous ones are forwarded and their connections closed; severe ones are refused.
    Defensive,
    /// Only what complies with RFC 7230 is forwarded.
    Strictest,
}
