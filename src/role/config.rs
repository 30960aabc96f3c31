//! What a lab file says about each role. Data only.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::name::Name;
use crate::tls::config::{ClientTls, ServerTls};

mod attack;

pub use attack::{
    Attacker, Attempt, Guess, Interceptor, Manner, RecordChoice, Side, Stolen, Terminate, Victim,
};

/// The program on a node.
#[derive(Debug, Clone)]
pub enum Role {
    /// A user's HTTPS client.
    Browser(Browser),
    /// A DNS server.
    Resolver(Resolver),
    /// A load balancer.
    Alb(Alb),
    /// An HTTP application.
    App(App),
    /// A real program, on TUN devices only.
    Program(Program),
    /// An attacker in the middle of connections.
    Interceptor(Interceptor),
    /// An attacker beside connections.
    Attacker(Attacker),
}

impl Role {
    /// Whether it is a real program, which needs TUN devices.
    #[must_use]
    pub const fn is_program(&self) -> bool {
        matches!(self, Self::Program(_))
    }

    /// Whether it needs our own network, in virtual time: the kernel's routers hand nobody foreign flows.
    #[must_use]
    pub const fn is_virtual_only(&self) -> bool {
        matches!(self, Self::Interceptor(_) | Self::Attacker(_))
    }
}

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

/// A DNS server, authoritative for a zone.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// Names and their addresses.
    pub zone: BTreeMap<String, Vec<IpAddr>>,
    /// Time to live of its records, in whole seconds.
    pub ttl: Duration,
    /// How long it thinks before each answer.
    pub takes: Duration,
}

/// A load balancer that behaves like an AWS Application Load Balancer.
#[derive(Debug, Clone)]
pub struct Alb {
    /// As in `fl-production-alb`.
    pub name: String,
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

/// An HTTP application.
#[derive(Debug, Clone)]
pub struct App {
    /// Where it listens.
    pub port: u16,
    /// How long it works on a request.
    pub takes: Duration,
    /// What it answers, by path; other paths get 404.
    pub routes: BTreeMap<String, Reply>,
}

/// An answer of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// As in 200.
    pub status: u16,
    /// As in `application/json`.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// A real program on a node of its own: what it finds on its machine, and what runs there from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Program and arguments. Empty: only steps run programs here.
    pub run: Vec<String>,
    /// A server's TCP port: the lab begins when it listens there, and does not wait for the program to end.
    pub ready: Option<u16>,
    /// The name server in its `/etc/resolv.conf`.
    pub resolver: Option<IpAddr>,
    /// Authorities in its bundle of trusted ones, by name.
    pub trust: Vec<String>,
    /// Files in its private `/tmp`, by name.
    pub files: BTreeMap<String, FileContent>,
    /// Whether it keeps root's rights, inside its namespaces. Else it runs as nobody.
    pub root: bool,
}

/// What stands in a file of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// This text.
    Text(String),
    /// A certificate's chain, PEM: the certificate by name.
    Chain(String),
    /// A certificate's private key, PEM.
    Key(String),
    /// An authority's root certificate, PEM.
    Root(String),
}
