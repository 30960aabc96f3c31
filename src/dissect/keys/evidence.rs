//! What is known beside the packets: agreements and the key log, and what earlier connections left to resume.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::dissect::key_log;
use crate::event::{Event, Fact, KeyAgreement, PreMaster, What};
use crate::name::Name;

/// Agreements and secrets of a run.
pub(super) struct Evidence<'a> {
    /// With the node that told it.
    agreed: Vec<(&'a Name, &'a KeyAgreement)>,
    /// Likewise of RSA key exchanges, with the address of the end that told it.
    pre_masters: Vec<(&'a Name, SocketAddr, &'a PreMaster)>,
    log: BTreeMap<[u8; 32], BTreeMap<&'a str, Vec<Vec<u8>>>>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(events: &'a [Event]) -> Self {
        let mut new = Self {
            agreed: Vec::new(),
            pre_masters: Vec::new(),
            log: BTreeMap::new(),
        };
        for event in events {
            match &event.what {
                What::Fact(Fact::KeysAgreed { agreement, .. }) => {
                    new.agreed.push((&event.node, agreement));
                }
                What::Fact(Fact::PreMasterAgreed { flow, agreed }) => {
                    new.pre_masters.push((&event.node, flow.local, agreed));
                }
                What::Secret(line) => new.line(line),
                What::Fact(_)
                | What::Dropped { .. }
                | What::Altered { .. }
                | What::Tcp { .. }
                | What::Limit { .. }
                | What::Computing { .. } => {}
            }
        }
        new
    }

    fn line(&mut self, line: &'a str) {
        let Some((label, random, secret)) = key_log::parts(line) else {
            return;
        };
        // Two ends that do not see the same handshake log two secrets.
        let secrets = self
            .log
            .entry(random)
            .or_default()
            .entry(label)
            .or_default();
        secrets.push(secret);
    }

    /// What the end that sent `public` agreed on with the one that sent `peer`. Shares are random: they name an
    /// exchange whatever addresses its packets have on the way.
    pub(super) fn agreement(
        &self,
        group: u16,
        public: &[u8],
        peer: &[u8],
    ) -> Option<(&'a Name, &'a KeyAgreement)> {
        let mut agreed = self.agreed.iter().copied();
        agreed.find(|(_, a)| a.group == group && a.public == public && a.peer == peer)
    }

    /// What the ends of a connection with RSA key exchange have as pre-master secret of this encrypted form: the one at
    /// `client`, and the other one.
    pub(super) fn pre_master(
        &self,
        client: SocketAddr,
        encrypted: &[u8],
    ) -> [Option<(&'a Name, &'a [u8])>; 2] {
        [true, false].map(|of_client| {
            let mut told = self.pre_masters.iter();
            told.find(|(_, at, told)| (*at == client) == of_client && told.encrypted == encrypted)
                .map(|(node, _, told)| (*node, told.secret.as_slice()))
        })
    }

    /// The secrets with `label` of the connection whose ClientHello has `random`.
    pub(super) fn logged(&self, random: &[u8; 32], label: &str) -> &[Vec<u8>] {
        let labels = self.log.get(random);
        labels.and_then(|l| l.get(label)).map_or(&[], Vec::as_slice)
    }

    /// The labels of that connection.
    pub(super) fn labels(&self, random: &[u8; 32]) -> impl Iterator<Item = &'a str> {
        let labels = self.log.get(random);
        labels.into_iter().flat_map(|l| l.keys().copied())
    }
}

/// What can be resumed.
#[derive(Default)]
pub(super) struct Sessions {
    /// Pre-shared keys of TLS 1.3 by ticket, with the number of their suite.
    psks: BTreeMap<Vec<u8>, (u16, Vec<u8>)>,
    /// Master secrets of TLS 1.2 by ticket or session id.
    masters: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Sessions {
    pub(super) fn keep_psk(&mut self, ticket: &[u8], suite: u16, psk: Vec<u8>) {
        self.psks.insert(ticket.to_vec(), (suite, psk));
    }

    pub(super) fn psk(&self, ticket: &[u8]) -> Option<&(u16, Vec<u8>)> {
        self.psks.get(ticket)
    }

    pub(super) fn keep_master(&mut self, name: &[u8], master: &[u8]) {
        if !name.is_empty() {
            self.masters.insert(name.to_vec(), master.to_vec());
        }
    }

    pub(super) fn master(&self, name: &[u8]) -> Option<&Vec<u8>> {
        self.masters.get(name)
    }
}
