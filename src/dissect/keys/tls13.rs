//! TLS 1.3, message by message: what each one lets both ends compute (RFC 8446 §7.1).

use super::value::{By, End, With};
use super::walk::{Walk, name};
use super::{BINDER, Gap};
use crate::dissect::key_schedule::tls13::{
    derive_secret, extract, finished_key, ticket_psk, transcript_hash, verify_data,
};
use crate::dissect::key_schedule::{
    SuiteParameters, next_traffic_secret, suite_parameters, traffic_keys,
};
use crate::event::HandshakeKind;
use crate::wire::tls::key_exchange::{ClientOffer, ServerChoice, new_session_ticket};
use crate::wire::tls::{group_name, handshake_type};

const SCHEDULE: &str = "RFC 8446 §7.1";
const BOTH: By = By::Both;

/// Names, labels and key log labels of the secrets that both ends have, client's first.
const HANDSHAKE: [(&str, &str, &str); 2] = [
    (
        "client_handshake_traffic_secret",
        "c hs traffic",
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    ),
    (
        "server_handshake_traffic_secret",
        "s hs traffic",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    ),
];
const APPLICATION: [(&str, &str, &str); 2] = [
    (
        "client_application_traffic_secret_0",
        "c ap traffic",
        "CLIENT_TRAFFIC_SECRET_0",
    ),
    (
        "server_application_traffic_secret_0",
        "s ap traffic",
        "SERVER_TRAFFIC_SECRET_0",
    ),
];
const ENDS: [End; 2] = [End::Client, End::Server];

impl Walk<'_, '_> {
    /// The pre-shared keys that a ClientHello offers: what is computed before anybody answers.
    pub(super) fn offered_psks(&mut self, frame: usize, offer: &ClientOffer<'_>, message: &[u8]) {
        self.known.offered.clear();
        let Some(psks) = &offer.psk else { return };
        for (ticket, binder) in psks.identities.iter().zip(&psks.binders) {
            self.sent(End::Client, frame, true, "ticket", ticket);
            self.sent(End::Client, frame, true, "binder", binder);
            let known = self.sessions.psk(ticket).cloned();
            let early = known.and_then(|(suite, psk)| {
                let hash = suite_parameters(suite)?.hash;
                let early = extract(hash, &[], &psk);
                let formula = "HKDF-Extract(0, PSK of the ticket)";
                self.computed("Early Secret", BOTH, formula, SCHEDULE, &early);
                let key = derive_secret(hash, &early, "res binder", &[]);
                let formula = "Derive-Secret(Early Secret, \"res binder\", \"\")";
                self.computed("binder_key", BOTH, formula, SCHEDULE, &key);
                // After a HelloRetryRequest the messages before it are bound too (RFC 8446 §4.2.11.2).
                let bound = [&self.messages[..], &message[..4 + psks.bound]].concat();
                let data = verify_data(hash, &key, &bound);
                let finished = finished_key(hash, &key);
                let formula = "HKDF-Expand-Label(binder_key, \"finished\", \"\")";
                let source = "RFC 8446 §4.2.11.2";
                self.computed(
                    "finished_key of the binder",
                    BOTH,
                    formula,
                    source,
                    &finished,
                );
                let formula =
                    "HMAC(finished_key of the binder, hash of the ClientHello up to its binders)";
                self.computed(BINDER, BOTH, formula, "RFC 8446 §4.2.11.2", &data);
                self.check(With::Packet { frame }, binder);
                // For early data; it comes to be whether or not any is sent.
                let messages = [&self.messages[..], message].concat();
                let secret = derive_secret(hash, &early, "c e traffic", &messages);
                let formula = "Derive-Secret(Early Secret, \"c e traffic\", ClientHello)";
                let name = "client_early_traffic_secret";
                self.computed(name, BOTH, formula, SCHEDULE, &secret);
                self.check_log("CLIENT_EARLY_TRAFFIC_SECRET");
                Some(early)
            });
            self.known.offered.push(early);
        }
    }

    pub(super) fn tls13_server_hello(
        &mut self,
        frame: usize,
        suite: &SuiteParameters,
        choice: &ServerChoice<'_>,
    ) -> Option<()> {
        let shared = match choice.share {
            Some((group, share)) => {
                let what = format!("{} share", group_name(group));
                self.sent(End::Server, frame, true, &what, share);
                let hello = std::mem::take(&mut self.hello.client);
                let offer = ClientOffer::read(&hello)?;
                let (_, own) = *offer.shares.iter().find(|(g, _)| *g == group)?;
                self.agreement(group, own, share)
            }
            // A pre-shared key alone (RFC 8446 §7.1): zeros take the place of the shared secret.
            None => Some(Vec::new()),
        };
        let early = match choice.psk {
            Some(index) => {
                self.out.handshake = HandshakeKind::Resumed;
                let offered = self.known.offered.get(usize::from(index)).cloned();
                let early = offered.flatten();
                if early.is_none() {
                    self.gap(Gap::Session);
                }
                early
            }
            None => {
                let early = extract(suite.hash, &[], &[]);
                self.computed("Early Secret", BOTH, "HKDF-Extract(0, 0)", SCHEDULE, &early);
                Some(early)
            }
        };
        match (early, shared) {
            (Some(early), Some(shared)) => self.handshake_secret(suite, &early, &shared),
            (None, _) | (_, None) => {
                for end in ENDS {
                    let (name, _, label) = HANDSHAKE[end as usize];
                    self.known.handshake_traffic[end as usize] = self.take_logged(name, label);
                }
            }
        }
        for end in ENDS {
            self.use_traffic(end, suite, HANDSHAKE[end as usize], |k| {
                &k.handshake_traffic
            });
        }
        Some(())
    }

    fn handshake_secret(&mut self, suite: &SuiteParameters, early: &[u8], shared: &[u8]) {
        let hash = suite.hash;
        let derived = derive_secret(hash, early, "derived", &[]);
        let formula = "Derive-Secret(Early Secret, \"derived\", \"\")";
        self.computed("derived", BOTH, formula, SCHEDULE, &derived);
        let handshake = extract(hash, &derived, shared);
        let formula = if shared.is_empty() {
            "HKDF-Extract(derived, 0)"
        } else {
            "HKDF-Extract(derived, shared secret)"
        };
        self.computed("Handshake Secret", BOTH, formula, SCHEDULE, &handshake);
        self.transcript(suite);
        self.derive_both(suite, "Handshake Secret", &handshake, HANDSHAKE, |k| {
            &mut k.handshake_traffic
        });
        let derived = derive_secret(hash, &handshake, "derived", &[]);
        let formula = "Derive-Secret(Handshake Secret, \"derived\", \"\")";
        self.computed("derived", BOTH, formula, SCHEDULE, &derived);
        let main = extract(hash, &derived, &[]);
        let formula = "HKDF-Extract(derived, 0)";
        self.computed("Main Secret", BOTH, formula, SCHEDULE, &main);
        self.known.main = Some(main);
    }

    /// The hash of the messages so far, which what follows is computed of.
    fn transcript(&mut self, suite: &SuiteParameters) {
        let digest = transcript_hash(suite.hash, &self.messages);
        let formula = format!("Transcript-Hash({})", self.so_far());
        let name = format!("hash of {}", self.so_far());
        self.computed(&name, BOTH, &formula, "RFC 8446 §4.4.1", &digest);
    }

    fn derive_both(
        &mut self,
        suite: &SuiteParameters,
        under: &str,
        secret: &[u8],
        of: [(&'static str, &'static str, &'static str); 2],
        place: fn(&mut super::walk::Known) -> &mut [Option<Vec<u8>>; 2],
    ) {
        for end in ENDS {
            let (name, label, logged) = of[end as usize];
            let bytes = self.derive(suite, name, under, secret, label, logged);
            place(&mut self.known)[end as usize] = Some(bytes);
        }
    }

    fn derive(
        &mut self,
        suite: &SuiteParameters,
        name: &str,
        under: &str,
        secret: &[u8],
        label: &str,
        logged: &'static str,
    ) -> Vec<u8> {
        let bytes = derive_secret(suite.hash, secret, label, &self.messages);
        let formula = format!("Derive-Secret({under}, \"{label}\", {})", self.so_far());
        self.computed(name, BOTH, &formula, SCHEDULE, &bytes);
        self.check_log(logged);
        bytes
    }

    /// From its next record on, `end` writes under the secret that is its own.
    fn use_traffic(
        &mut self,
        end: End,
        suite: &SuiteParameters,
        (name, _, label): (&str, &str, &str),
        place: fn(&super::walk::Known) -> &[Option<Vec<u8>>; 2],
    ) {
        let Some(secret) = place(&self.known)[end as usize].clone() else {
            self.stop(end);
            return;
        };
        let random = self.hello.client_random;
        let confirmed = self.evidence.logged(&random, label).contains(&secret);
        self.use_keys(end, name, traffic_keys(suite, &secret), confirmed);
    }

    pub(super) fn tls13_message(
        &mut self,
        end: End,
        frame: usize,
        kind: u8,
        message: &[u8],
        clear: bool,
    ) -> Option<()> {
        let suite = self.suite?;
        match kind {
            handshake_type::FINISHED => self.tls13_finished(end, frame, &suite, message, clear),
            handshake_type::NEW_SESSION_TICKET => {
                let ticket = new_session_ticket(&message[4..])?;
                self.sent(end, frame, clear, "ticket nonce", ticket.nonce);
                self.sent(end, frame, clear, "ticket", ticket.ticket);
                self.known.tickets.push((frame, message[4..].to_vec()));
                self.ticket_psks(&suite);
            }
            handshake_type::KEY_UPDATE => self.key_update(end, &suite),
            _ => self.push(name(kind), message),
        }
        Some(())
    }

    fn tls13_finished(
        &mut self,
        end: End,
        frame: usize,
        suite: &SuiteParameters,
        message: &[u8],
        clear: bool,
    ) {
        self.sent(end, frame, clear, "verify_data", &message[4..]);
        if let Some(base) = self.known.handshake_traffic[end as usize].clone() {
            // After the server's Finished the hash is there already.
            if end == End::Server {
                self.transcript(suite);
            }
            let (under, _, _) = HANDSHAKE[end as usize];
            let key = finished_key(suite.hash, &base);
            let name = format!("finished_key of the {}", end.word());
            let formula = format!("HKDF-Expand-Label({under}, \"finished\", \"\")");
            self.computed(&name, BOTH, &formula, "RFC 8446 §4.4.4", &key);
            let data = verify_data(suite.hash, &base, &self.messages);
            let formula = format!("HMAC({name}, hash of {})", self.so_far());
            let name = format!("verify_data of the {}", end.word());
            self.computed(&name, BOTH, &formula, "RFC 8446 §4.4.4", &data);
            self.check(With::Packet { frame }, &message[4..]);
        }
        let name = match end {
            End::Client => "client Finished",
            End::Server => "server Finished",
        };
        self.push(name, message);
        self.known.finished[end as usize] = true;
        match end {
            End::Server => self.application_secrets(suite),
            End::Client => self.resumption_secret(suite),
        }
        self.use_traffic(end, suite, APPLICATION[end as usize], |k| &k.traffic);
    }

    /// After the server's Finished.
    fn application_secrets(&mut self, suite: &SuiteParameters) {
        let Some(main) = self.known.main.clone() else {
            for end in ENDS {
                let (name, _, label) = APPLICATION[end as usize];
                self.known.traffic[end as usize] = self.take_logged(name, label);
            }
            self.take_logged("exporter_secret", "EXPORTER_SECRET");
            return;
        };
        self.transcript(suite);
        self.derive_both(suite, "Main Secret", &main, APPLICATION, |k| &mut k.traffic);
        let logged = "EXPORTER_SECRET";
        self.derive(
            suite,
            "exporter_secret",
            "Main Secret",
            &main,
            "exp master",
            logged,
        );
    }

    /// After the client's Finished.
    fn resumption_secret(&mut self, suite: &SuiteParameters) {
        let Some(main) = self.known.main.clone() else {
            return;
        };
        self.transcript(suite);
        let secret = derive_secret(suite.hash, &main, "res master", &self.messages);
        let formula = format!(
            "Derive-Secret(Main Secret, \"res master\", {})",
            self.so_far()
        );
        self.computed("resumption_secret", BOTH, &formula, SCHEDULE, &secret);
        self.known.resumption = Some(secret);
        self.ticket_psks(suite);
    }

    /// The keys of the tickets that came, once the secret is there from which they are derived.
    fn ticket_psks(&mut self, suite: &SuiteParameters) {
        let (Some(secret), Some(number)) = (self.known.resumption.clone(), self.out.suite) else {
            return;
        };
        for (frame, body) in std::mem::take(&mut self.known.tickets) {
            let Some(ticket) = new_session_ticket(&body) else {
                continue;
            };
            let psk = ticket_psk(suite.hash, &secret, ticket.nonce);
            let formula = "HKDF-Expand-Label(resumption_secret, \"resumption\", ticket nonce)";
            let name = format!("PSK of a ticket in frame {frame}");
            self.computed(&name, BOTH, formula, "RFC 8446 §4.6.1", &psk);
            self.sessions.keep_psk(ticket.ticket, number, psk);
        }
    }

    /// RFC 8446 §7.2.
    fn key_update(&mut self, end: End, suite: &SuiteParameters) {
        let Some(secret) = self.known.traffic[end as usize].clone() else {
            return;
        };
        let next = next_traffic_secret(suite, &secret);
        self.known.updates[end as usize] += 1;
        let number = self.known.updates[end as usize];
        let name = format!("{}_application_traffic_secret_{number}", end.word());
        let formula = "HKDF-Expand-Label(the secret before it, \"traffic upd\", \"\")";
        self.computed(&name, BOTH, formula, "RFC 8446 §7.2", &next);
        let confirmed = self.sides[end as usize].confirmed;
        self.use_keys(end, &name, traffic_keys(suite, &next), confirmed);
        self.known.traffic[end as usize] = Some(next);
    }
}
