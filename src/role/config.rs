//! What a lab file says about each role. Data only.

mod alb;
mod app;
mod attack;
mod browser;
mod client;
mod dns;
mod program;

pub use alb::{
    Action, Alb, Algorithm, Attributes, Condition, DesyncMode, FixedResponse, Forward,
    ForwardedFor, HealthCheck, HealthyMinimum, Listener, Pattern, ProtocolVersion, QueryPattern,
    Redirect, Rule, SourceRange, Stickiness, StickinessKind, Target, TargetGroup, TargetProtocol,
    Weighted,
};
pub use app::{
    App, Believes, Content, Delivery, Failing, Fault, Grpc, HttpsOnly, KeepAlive, OnSigterm, Reply,
    Route, Service,
};
pub use attack::{
    Attacker, Attempt, Guess, Interceptor, Manner, RecordChoice, Side, Stolen, SynFlood, Terminate,
    Victim,
};
pub use browser::Browser;
pub use client::{Ask, Errand, Origin, Ping, Raw, Talk};
pub(crate) use dns::server_name;
pub use dns::{
    Alias, Asking, DnsService, DnsSource, Keeps, PAYLOAD, Recursion, Resolver, Stub, Zone,
};
pub use program::{FileContent, Program};

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
