//! Load balancers.

use std::net::SocketAddr;
use std::time::Duration;

use crate::name::Name;
use crate::tls::config::ServerTls;

mod attributes;

pub use attributes::{Attributes, DesyncMode, ForwardedFor};

/// A load balancer that behaves like an AWS Application Load Balancer.
#[derive(Debug, Clone)]
pub struct Alb {
    /// As in `fl-production-alb`.
    pub name: String,
    /// How it treats its clients' connections and requests.
    pub attributes: Attributes,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Where it forwards to.
    pub target_groups: Vec<TargetGroup>,
    /// Time between a request's arrival, decrypted, and the SYN or the request to the target.
    pub takes_in: Duration,
    /// Time between a response's arrival and its leaving, encrypted.
    pub takes_out: Duration,
}

/// A listener of a load balancer.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its port.
    pub port: u16,
    /// Its TLS side; `None` for an HTTP listener.
    pub tls: Option<ServerTls>,
    /// The target group its default rule forwards to.
    pub forward: String,
}

/// A target group: HTTP/1.1 targets of one application, chosen round robin.
#[derive(Debug, Clone)]
pub struct TargetGroup {
    /// Its name.
    pub name: String,
    /// Its registered targets.
    pub targets: Vec<Target>,
}

/// A registered target.
#[derive(Debug, Clone)]
pub struct Target {
    /// The node.
    pub node: Name,
    /// Address and port under which it is registered.
    pub address: SocketAddr,
}
