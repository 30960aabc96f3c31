//! The key agreement of a connection: the shared secret of both shares, by our own arithmetic where there is any, and the
//! private values that it was made of.

use super::Gap;
use super::curve;
use super::value::{By, End, How, With};
use super::walk::Walk;
use crate::event::KeyAgreement;
use crate::wire::tls::group_name;

const X25519MLKEM768: u16 = 0x11ec;

impl Walk<'_, '_> {
    /// The shared secret of both shares, with the private values it was made of.
    pub(super) fn agreement(
        &mut self,
        group: u16,
        client_share: &[u8],
        server_share: &[u8],
    ) -> Option<Vec<u8>> {
        self.out.group = Some(group);
        let client = self.evidence.agreement(group, client_share, server_share);
        let server = self.evidence.agreement(group, server_share, client_share);
        for (node, told) in self.out.nodes.iter_mut().zip([client, server]) {
            *node = told.map(|(name, _)| name.clone());
        }
        let (client, server) = (client.map(|(_, a)| a), server.map(|(_, a)| a));
        let Some(agreed) = client.or(server) else {
            self.gap(Gap::Agreement);
            return None;
        };
        let ends = [(End::Client, client), (End::Server, server)];
        for (end, agreed) in ends {
            if let Some(agreed) = agreed {
                self.private_value(end, group, agreed);
            }
        }
        let computed = match (client, server) {
            (Some(client), _) => self.shared_secret(group, client, client_share, server_share),
            (None, Some(server)) => self.shared_secret(group, server, server_share, client_share),
            (None, None) => None,
        };
        let secret = computed.unwrap_or_else(|| agreed.shared.clone());
        let formula = match group {
            X25519MLKEM768 => "ML-KEM secret + X25519 secret".into(),
            _ => format!(
                "{}(own private value, the other end's share)",
                group_name(group)
            ),
        };
        let source = key_exchange_source(group);
        self.computed("shared secret", By::Both, &formula, source, &secret);
        for (end, agreed) in ends {
            if let Some(agreed) = agreed {
                self.check(With::Engine(end), &agreed.shared);
            }
        }
        Some(secret)
    }

    /// What one end drew, and the share that belongs to it.
    fn private_value(&mut self, end: End, group: u16, agreed: &KeyAgreement) {
        let by = By::One(end);
        self.value("private value", by, How::Drawn, "", &agreed.private);
        if let Some(share) = curve::share(group, &agreed.private) {
            let formula = curve::share_formula(group);
            let source = key_exchange_source(group);
            self.computed("share", by, formula, source, &share);
            self.check(With::Share, &agreed.public);
        }
    }

    /// The shared secret by our own arithmetic; `None` for groups that are not computed here. Of X25519MLKEM768
    /// (draft-ietf-tls-ecdhe-mlkem §4) that is the X25519 part: its share and its secret are the last 32 bytes of the
    /// whole.
    fn shared_secret(
        &mut self,
        group: u16,
        own: &KeyAgreement,
        own_share: &[u8],
        peer_share: &[u8],
    ) -> Option<Vec<u8>> {
        const X25519: u16 = 0x001d;
        const PART: usize = 32;
        if group != X25519MLKEM768 {
            return curve::shared(group, &own.private, peer_share);
        }
        let tail = |bytes: &[u8]| bytes[bytes.len().saturating_sub(PART)..].to_vec();
        let (share, peer) = (tail(own_share), tail(peer_share));
        let (_, part) = self.evidence.agreement(X25519, &share, &peer)?;
        let ml_kem = &own.shared[..own.shared.len().saturating_sub(PART)];
        let formula = "ML-KEM-768: the client decapsulates what the server encapsulates";
        self.computed("ML-KEM secret", By::Both, formula, "FIPS 203 §7", ml_kem);
        let secret = curve::shared(X25519, &part.private, &peer)?;
        let formula = "X25519(own private value, the other end's share)";
        let source = key_exchange_source(X25519);
        self.computed("X25519 secret", By::Both, formula, source, &secret);
        Some([ml_kem, &secret].concat())
    }
}

const fn key_exchange_source(group: u16) -> &'static str {
    match group {
        0x001d => "RFC 7748 §5",
        X25519MLKEM768 => "draft-ietf-tls-ecdhe-mlkem §4",
        _ => "RFC 8446 §7.4.2",
    }
}
