//! Users' clients.

use std::time::Duration;

use super::Stub;
use crate::tls::config::ClientTls;

/// A user's HTTPS client: looks up, connects, validates, asks.
#[derive(Debug, Clone)]
pub struct Browser {
    /// How it asks for names.
    pub resolver: Option<Stub>,
    /// How it speaks TLS.
    pub tls: ClientTls,
    /// Value of the User-Agent header.
    pub user_agent: String,
    /// Value of the Cookie header, where it sends one.
    pub cookie: Option<String>,
    /// Whether it keeps the cookies that responses set, and shows them (RFC 6265).
    pub cookies: bool,
    /// How long it keeps a connection between requests of several steps; `None` when it closes it after the step.
    pub keep_alive: Option<Duration>,
}
