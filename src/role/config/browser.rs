//! Users' clients.

use std::net::IpAddr;

use crate::tls::config::ClientTls;

/// A user's HTTPS client: looks up, connects, validates, asks.
#[derive(Debug, Clone)]
pub struct Browser {
    /// Where it asks for names (UDP port 53).
    pub resolver: Option<IpAddr>,
    /// How it speaks TLS.
    pub tls: ClientTls,
    /// Value of the User-Agent header.
    pub user_agent: String,
    /// Value of the Cookie header, where it sends one.
    pub cookie: Option<String>,
}
