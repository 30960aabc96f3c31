//! TLS 1.2, message by message: what each one lets both ends compute (RFC 5246 §8.1 and §6.3, RFC 7627).

use super::value::{By, End, With};
use super::walk::{Walk, name};
use super::{Gap, PRE_MASTER_SENT};
use crate::dissect::key_schedule::tls12::{extended_master_secret, master_secret, verify_data};
use crate::dissect::key_schedule::tls13::transcript_hash;
use crate::dissect::key_schedule::{SuiteParameters, key_block};
use crate::event::HandshakeKind;
use crate::wire::tls::key_exchange::{
    ClientOffer, ServerChoice, client_key_exchange, rsa_client_key_exchange, server_key_exchange,
    tls12_session_ticket,
};
use crate::wire::tls::{group_name, handshake_type};

const BOTH: By = By::Both;
const MASTER: &str = "master secret";
const CLIENT_RANDOM: &str = "CLIENT_RANDOM";

impl Walk<'_, '_> {
    pub(super) fn tls12_server_hello(
        &mut self,
        frame: usize,
        suite: &SuiteParameters,
        choice: &ServerChoice<'_>,
    ) -> Option<()> {
        self.hello.extended_master_secret = choice.extended_master_secret;
        self.hello.session_id = choice.session_id.to_vec();
        let hello = std::mem::take(&mut self.hello.client);
        let offer = ClientOffer::read(&hello)?;
        // The server says by repeating the client's session id that it resumes (RFC 5246 §7.4.1.3, RFC 5077 §3.4).
        if choice.session_id.is_empty() || choice.session_id != offer.session_id {
            return Some(());
        }
        self.out.handshake = HandshakeKind::Resumed;
        self.sent(End::Server, frame, true, "session id", choice.session_id);
        let ticket = offer.ticket.filter(|t| !t.is_empty());
        if let Some(ticket) = ticket {
            self.sent(End::Client, self.hello.frame, true, "ticket", ticket);
        }
        let by_name = ticket.and_then(|t| self.sessions.master(t));
        let found = by_name.or_else(|| self.sessions.master(choice.session_id));
        if let Some(master) = found.cloned() {
            let formula = "that of the session before";
            self.master(suite, Some((master, formula.into(), "RFC 5246 §7.3")));
        } else {
            self.gap(Gap::Session);
            self.master(suite, None);
        }
        Some(())
    }

    pub(super) fn tls12_message(
        &mut self,
        end: End,
        frame: usize,
        kind: u8,
        message: &[u8],
        clear: bool,
    ) -> Option<()> {
        let suite = self.suite?;
        let body = &message[4..];
        match kind {
            handshake_type::SERVER_KEY_EXCHANGE => {
                if let Some((group, share)) = server_key_exchange(body) {
                    let what = format!("{} share", group_name(group));
                    self.sent(end, frame, clear, &what, share);
                    self.hello.server_share = Some((group, share.to_vec()));
                }
                self.push(name(kind), message);
            }
            handshake_type::CLIENT_KEY_EXCHANGE => {
                self.push(name(kind), message);
                self.client_key_exchange(frame, &suite, body, clear)?;
            }
            handshake_type::NEW_SESSION_TICKET => {
                let ticket = tls12_session_ticket(body)?;
                self.sent(end, frame, clear, "ticket", ticket);
                self.hello.ticket = ticket.to_vec();
                self.push(name(kind), message);
            }
            handshake_type::FINISHED => self.tls12_finished(end, frame, &suite, message, clear),
            _ => self.push(name(kind), message),
        }
        Some(())
    }

    fn client_key_exchange(
        &mut self,
        frame: usize,
        suite: &SuiteParameters,
        body: &[u8],
        clear: bool,
    ) -> Option<()> {
        let shared = match self.hello.server_share.take() {
            Some((group, server_share)) => {
                let share = client_key_exchange(body)?;
                let what = format!("{} share", group_name(group));
                self.sent(End::Client, frame, clear, &what, share);
                self.agreement(group, share, &server_share)
            }
            None => self.encrypted_pre_master(frame, body, clear)?,
        };
        let computed = shared.map(|shared| self.master_of(suite, &shared));
        self.master(suite, computed);
        Some(())
    }

    /// RSA key exchange (RFC 5246 §7.4.7.1): the client draws the pre-master secret, and only who has the certificate's
    /// private key can read it. The inner `None` when nobody told it.
    fn encrypted_pre_master(
        &mut self,
        frame: usize,
        body: &[u8],
        clear: bool,
    ) -> Option<Option<Vec<u8>>> {
        let encrypted = rsa_client_key_exchange(body)?;
        self.sent(End::Client, frame, clear, PRE_MASTER_SENT, encrypted);
        self.pre_master = "pre-master secret";
        let told = self.evidence.pre_master(self.out.ends[0], encrypted);
        self.out.nodes = told.map(|t| t.map(|(node, _)| node.clone()));
        let [client, server] = told.map(|t| t.map(|(_, secret)| secret));
        let Some(secret) = client.or(server) else {
            self.gap(Gap::Agreement);
            return Some(None);
        };
        let formula = "version of the ClientHello, then 46 random bytes: drawn by the client, decrypted by the server";
        let source = "RFC 5246 §7.4.7.1";
        self.computed(self.pre_master, BOTH, formula, source, secret);
        if let (Some(_), Some(server)) = (client, server) {
            self.check(With::Engine(End::Server), server);
        }
        Some(Some(secret.to_vec()))
    }

    /// The master secret under a pre-master secret, its formula and where that is written.
    fn master_of(
        &mut self,
        suite: &SuiteParameters,
        pre_master: &[u8],
    ) -> (Vec<u8>, String, &'static str) {
        let (client, server) = (self.hello.client_random, self.hello.server_random);
        if !self.hello.extended_master_secret {
            let master = master_secret(suite.hash, pre_master, &client, &server);
            let of = self.pre_master;
            let formula = format!("PRF({of}, \"master secret\", client random + server random)");
            return (master, formula, "RFC 5246 §8.1");
        }
        let digest = transcript_hash(suite.hash, &self.messages);
        let name = format!("hash of {}", self.so_far());
        let formula = format!("Hash({})", self.so_far());
        self.computed(&name, BOTH, &formula, "RFC 7627 §3", &digest);
        let master = extended_master_secret(suite.hash, pre_master, &self.messages);
        let formula = format!(
            "PRF({}, \"extended master secret\", hash of {})",
            self.pre_master,
            self.so_far()
        );
        (master, formula, "RFC 7627 §4")
    }

    /// The master secret, computed or else taken from the key log, and the keys under it.
    fn master(
        &mut self,
        suite: &SuiteParameters,
        computed: Option<(Vec<u8>, String, &'static str)>,
    ) {
        let master = match computed {
            Some((master, formula, source)) => {
                self.computed(MASTER, BOTH, &formula, source, &master);
                let confirmed = self.check_log(CLIENT_RANDOM);
                for side in &mut self.sides {
                    side.confirmed = confirmed;
                }
                Some(master)
            }
            None => {
                for side in &mut self.sides {
                    side.confirmed = true;
                }
                self.take_logged(MASTER, CLIENT_RANDOM)
            }
        };
        let Some(master) = master else { return };
        let blocks = key_block(
            suite,
            &master,
            &self.hello.client_random,
            &self.hello.server_random,
        );
        let [client, server] = &blocks;
        let parts = [
            &client.mac,
            &server.mac,
            &client.key,
            &server.key,
            &client.iv,
            &server.iv,
        ];
        let block: Vec<u8> = parts.into_iter().flatten().copied().collect();
        // Client's part before the server's, of each kind; AEAD suites have no MAC keys, CBC suites no IVs.
        let cut = match (client.mac.is_empty(), client.iv.is_empty()) {
            (true, _) => "client key, server key, client IV, server IV",
            (false, true) => "client MAC key, server MAC key, client key, server key",
            (false, false) => {
                "client MAC key, server MAC key, client key, server key, client IV, server IV"
            }
        };
        let formula = format!(
            "PRF(master secret, \"key expansion\", server random + client random), cut in the order {cut}"
        );
        self.computed("key block", BOTH, &formula, "RFC 5246 §6.3", &block);
        self.known.blocks = Some(blocks);
        self.known.master = Some(master);
    }

    /// What `end` sends after it is encrypted.
    pub(super) fn change_cipher_spec(&mut self, end: End) {
        self.sides[end as usize].encrypted = true;
        let Some(blocks) = &self.known.blocks else {
            return;
        };
        let keys = blocks[end as usize].clone();
        let name = match end {
            End::Client => "client_write_key",
            End::Server => "server_write_key",
        };
        let confirmed = self.sides[end as usize].confirmed;
        self.use_keys(end, name, keys, confirmed);
    }

    fn tls12_finished(
        &mut self,
        end: End,
        frame: usize,
        suite: &SuiteParameters,
        message: &[u8],
        clear: bool,
    ) {
        self.sent(end, frame, clear, "verify_data", &message[4..]);
        if let Some(master) = self.known.master.clone() {
            let (label, name) = match end {
                End::Client => ("client finished", "client Finished"),
                End::Server => ("server finished", "server Finished"),
            };
            let digest = transcript_hash(suite.hash, &self.messages);
            let before = format!("hash of {}", self.so_far());
            let formula = format!("Hash({})", self.so_far());
            if !self.out.values.iter().any(|v| v.name == before) {
                self.computed(&before, BOTH, &formula, "RFC 5246 §7.4.9", &digest);
            }
            let data = verify_data(suite.hash, &master, label, &self.messages);
            let formula = format!("PRF(master secret, \"{label}\", hash of {})", self.so_far());
            let value = format!("verify_data of the {}", end.word());
            self.computed(&value, BOTH, &formula, "RFC 5246 §7.4.9", &data);
            self.check(With::Packet { frame }, &message[4..]);
            self.push(name, message);
            // From here on the session can be resumed.
            let (id, ticket) = (self.hello.session_id.clone(), self.hello.ticket.clone());
            self.sessions.keep_master(&id, &master);
            self.sessions.keep_master(&ticket, &master);
        }
        self.known.finished[end as usize] = true;
    }
}
