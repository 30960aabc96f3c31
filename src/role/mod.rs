//! The programs on the nodes, as async tasks: browser, resolver, load balancer, application. A role sees sockets,
//! the clock and the trace of its node; it never sees a link.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use crate::event::{Fact, Flow, KeyAgreement, PreMaster, Trace};
use crate::name::Name;
use crate::rng::{Entropy, Rng};
use crate::stack::Host;
use crate::time::Clock;
use crate::tls::facts::TlsFacts;
use crate::tls::random::Randomness;
use crate::world::Executor;

pub mod alb;
pub mod app;
pub mod attacker;
pub mod browser;
pub mod config;
pub mod dns;
mod http;
mod http2;
pub mod interceptor;
mod message;
pub mod program;
mod signal;
mod websocket;

/// What a program has of its node. Cloning shares it.
#[derive(Clone)]
pub struct Node {
    /// The node's name.
    pub name: Name,
    /// Its sockets.
    pub host: Host,
    /// The lab clock.
    pub clock: Clock,
    /// For starting tasks.
    pub executor: Executor,
    /// Where facts go.
    pub trace: Trace,
    /// Where randomness comes from.
    pub chance: Chance,
}

impl Node {
    fn fact(&self, fact: Fact) {
        tracing::debug!(node = %self.name, at = %self.clock.now(), ?fact);
        self.trace.fact(self.clock.now(), &self.name, fact);
    }

    /// What the key exchanges on a connection came to.
    fn keys_agreed(&self, flow: Flow, agreed: Vec<KeyAgreement>) {
        for agreement in agreed {
            self.fact(Fact::KeysAgreed { flow, agreement });
        }
    }

    /// What the two sides of a connection agreed on.
    fn tls_established(&self, flow: Flow, facts: &TlsFacts) {
        self.fact(Fact::TlsEstablished {
            flow,
            version: facts.version.clone(),
            suite: facts.suite.clone(),
            group: facts.group.clone(),
            alpn: facts.alpn.clone(),
            handshake: facts.handshake,
        });
    }

    /// What an RSA key exchange on a connection came to, if there was one.
    fn pre_master_agreed(&self, flow: Flow, agreed: Option<Box<PreMaster>>) {
        if let Some(agreed) = agreed {
            self.fact(Fact::PreMasterAgreed { flow, agreed });
        }
    }
}

/// A program's source of randomness: streams named after the node, one for each use, so that a further connection
/// does not change what the others draw.
#[derive(Clone)]
pub struct Chance {
    entropy: Entropy,
    prefix: String,
    uses: Rc<Cell<u64>>,
}

impl Chance {
    /// The randomness of the program on `node`.
    #[must_use]
    pub fn new(entropy: Entropy, node: &Name) -> Self {
        Self {
            entropy,
            prefix: format!("role/{node}"),
            uses: Rc::default(),
        }
    }

    /// Randomness for one more use, as in one side of one connection.
    fn next(&self, what: &str) -> Randomness {
        let n = self.uses.get();
        self.uses.set(n + 1);
        if self.entropy.is_seeded() {
            let stream = format_args!("{}/{what}/{n}", self.prefix);
            Randomness::seeded(self.entropy.stream(stream))
        } else {
            Randomness::System
        }
    }

    /// Fills `bytes` with what every node that asks for `what` has.
    fn shared(&self, what: fmt::Arguments<'_>, bytes: &mut [u8]) {
        self.entropy.stream(what).fill_bytes(bytes);
    }

    /// Fills `bytes` for one more use.
    fn fill(&self, what: &str, bytes: &mut [u8]) {
        self.next(what).fill(bytes);
    }
}
