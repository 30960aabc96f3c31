//! An attacker beside the path. It records what passes where it listens, sends packets in others' names, and opens
//! connections of its own as anybody can. What it does is told by the lab's steps, one a file.

use std::net::SocketAddr;

use super::Node;
use super::config::{Attempt, Victim};
use crate::event::{Attack, Deed, Fact, Flow};
use crate::tls::authority::Identity;
use crate::world::RawSender;

mod ear;
mod recording;
mod replay_hello;
mod reset;
mod steal_key;
mod syn_flood;

pub use ear::Ear;

/// An attacker on a node.
pub struct Attacker {
    node: Node,
    ear: Ear,
    raw: RawSender,
}

impl Attacker {
    /// An attacker on `node` that records with `ear` and sends with `raw`.
    #[must_use]
    pub const fn new(node: Node, ear: Ear, raw: RawSender) -> Self {
        Self { node, ear, raw }
    }

    /// Does one thing. `key` is the certificate whose key is stolen, where one is. What happened is in the trace; a
    /// failure also as the step's.
    pub async fn attempt(&self, attempt: &Attempt, key: Option<&Identity>) {
        let done = match attempt {
            Attempt::Reset { victim, to, guess } => reset::send(self, victim, *to, *guess),
            Attempt::ReplayHello(victim) => replay_hello::send(self, victim).await,
            Attempt::SynFlood(flood) => syn_flood::send(self, flood).await,
            Attempt::StealKey { victim, stolen, .. } => match key {
                Some(key) => steal_key::read(self, victim, key, *stolen),
                None => Err("there is no such key".into()),
            },
        };
        if let Err(error) = done {
            self.node.fact(Fact::StepFailed { error });
        }
    }

    /// The victim's last connection, as far as it was recorded.
    fn recorded(&self, victim: &Victim) -> Result<recording::Recorded, String> {
        let connections = self
            .ear
            .with(|packets| recording::connections(packets, victim));
        let last = connections.into_iter().next_back();
        last.ok_or_else(|| "no such connection was recorded".into())
    }

    fn attacked(&self, local: SocketAddr, remote: SocketAddr, deed: Deed) {
        self.node.fact(Fact::Attacked(Attack {
            flow: Flow { local, remote },
            offset: 0,
            deed,
        }));
    }
}
