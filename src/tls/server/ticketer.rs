//! Stateless session tickets (RFC 5077 §4): the server's whole memory of a session, encrypted with a key that only it
//! has. Whoever else gets that key opens every ticket, and with it the sessions that began or went on with one.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::crypto::SecureRandom;
use rustls::server::ProducesTickets;
use sha2::{Digest, Sha256};

/// Bytes of the name by which a ticket says which key it was encrypted with.
const NAME_LEN: usize = 16;

/// How long a ticket may be used, in seconds: 7 days at most in TLS 1.3 (RFC 8446 §4.6.1).
const LIFETIME: u32 = 86_400;

/// A server's ticket key.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey([u8; 32]);

impl TicketKey {
    /// A key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key of one listener, as in `alb:443`, of those that share a certificate. Each node of a load balancer has its
    /// own: a session is resumed at the IP address that it began at and nowhere else (AWS "Security policies for your
    /// Application Load Balancer").
    #[must_use]
    pub fn of_listener(&self, listener: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(listener);
        Self(hash.finalize().into())
    }

    /// The first bytes of its hash, with which its tickets begin.
    #[must_use]
    pub fn name(&self) -> [u8; NAME_LEN] {
        let digest = Sha256::digest(self.0);
        std::array::from_fn(|i| digest[i])
    }

    /// Seals `state`: the key's name (16 bytes), a nonce (12), and AES-256-GCM of the state with its tag (16).
    #[must_use]
    pub fn seal(&self, state: &[u8], nonce: [u8; NONCE_LEN]) -> Option<Vec<u8>> {
        let name = self.name();
        let mut sealed = state.to_vec();
        let key = self.cipher()?;
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce_used, Aad::from(name), &mut sealed)
            .ok()?;
        Some([&name[..], &nonce, &sealed].concat())
    }

    /// The state inside `ticket`; `None` when it was not sealed with this key, or was changed.
    #[must_use]
    pub fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        if name != self.name() {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut state = sealed.to_vec();
        let key = self.cipher()?;
        let plain = key.open_in_place(nonce, Aad::from(name), &mut state).ok()?;
        Some(plain.to_vec())
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.0).ok()?;
        Some(LessSafeKey::new(key))
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ticket key")
    }
}

/// Makes and reads a server's tickets.
#[derive(Debug)]
pub(super) struct Ticketer {
    pub(super) key: TicketKey,
    /// Where nonces come from.
    pub(super) random: &'static dyn SecureRandom,
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, state: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        self.key.seal(state, nonce)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.key.open(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_with_its_own_key_only_and_unchanged_only() {
        let key = TicketKey::new([1; 32]);
        let ticket = key.seal(b"a session", [7; NONCE_LEN]).unwrap();
        assert_eq!(ticket.len(), 16 + 12 + 9 + 16);
        assert_eq!(key.open(&ticket).unwrap(), b"a session");
        assert_eq!(TicketKey::new([2; 32]).open(&ticket), None);
        for n in 0..ticket.len() {
            assert_eq!(key.open(&ticket[..n]), None);
            let mut changed = ticket.clone();
            changed[n] ^= 1;
            assert_eq!(key.open(&changed), None);
        }
        assert_eq!(format!("{key:?}"), "a ticket key");
    }

    #[test]
    fn each_listener_has_a_key_of_its_own() {
        let key = TicketKey::new([1; 32]);
        let ticket = key.of_listener("alb-a:443").seal(b"x", [7; NONCE_LEN]);
        let opened = |listener| key.of_listener(listener).open(ticket.as_ref().unwrap());
        assert_eq!(opened("alb-a:443").unwrap(), b"x");
        assert_eq!(opened("alb-b:443"), None);
        assert_eq!(opened("alb-a:8443"), None);
    }
}
