//! Which certificate a server sends, where it has several: by the name in the ClientHello (SNI, RFC 6066 §3).

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::KeyProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::event::CertificateFacts;
use crate::tls::authority::{Identity, Pki};
use crate::tls::config::ServerTls;
use crate::tls::facts;
use crate::tls::handshake::SetupError;

/// A server's certificates, which it chooses from as an AWS Application Load Balancer does ("Server certificates for
/// your Application Load Balancer", smart selection): of those in its list that are for the name, and whose key the
/// client can check, the best; without one, or without a name, its default certificate. It never sends an alert
/// (unrecognized_name) for a name that it does not know.
pub(super) struct Choice {
    default: Arc<CertifiedKey>,
    list: Vec<Candidate>,
}

struct Candidate {
    key: Arc<CertifiedKey>,
    leaf: CertificateFacts,
}

impl Choice {
    pub(super) fn new(
        tls: &ServerTls,
        pki: &Pki,
        keys: &dyn KeyProvider,
    ) -> Result<Self, SetupError> {
        // Not rustls' check that key and certificate fit: a lab's server may have the wrong key, and its clients are
        // to find out.
        let certified = |identity: &Identity| {
            let key = keys.load_private_key(identity.key())?;
            let chain = identity.chain().to_vec();
            Ok::<_, SetupError>(Arc::new(CertifiedKey::new(chain, key)))
        };
        let mut list = Vec::new();
        for name in &tls.certificates {
            let identity = pki.identity(name)?;
            if let Some(leaf) = identity.chain().first() {
                list.push(Candidate {
                    key: certified(identity)?,
                    leaf: facts::certificate(leaf),
                });
            }
        }
        // The best first; equal ones in the lab's order.
        list.sort_by_key(|candidate| Reverse(rank(&candidate.leaf)));
        Ok(Self {
            default: certified(pki.identity(&tls.certificate)?)?,
            list,
        })
    }
}

/// The greater, the better: ECDSA before RSA, then the larger key, then the longer validity. The list's other criterion,
/// the hash of the signature, makes no difference here: it is SHA-256 in all certificates of a lab.
fn rank(leaf: &CertificateFacts) -> (bool, u32, u64) {
    let bits = leaf.key.rsplit('-').next().and_then(|b| b.parse().ok());
    let seconds = leaf.not_after.0.saturating_sub(leaf.not_before.0);
    (
        !leaf.key.starts_with("RSA"),
        bits.unwrap_or_default(),
        seconds,
    )
}

/// Whether one of the certificate's names covers `host`: itself, or a wildcard for its first label.
fn is_for(leaf: &CertificateFacts, host: &str) -> bool {
    leaf.names.iter().any(|name| match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
        None => name == host,
    })
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = hello.server_name().and_then(|host| {
            let mut able = self.list.iter().filter(|candidate| {
                let schemes = hello.signature_schemes();
                is_for(&candidate.leaf, host) && candidate.key.key.choose_scheme(schemes).is_some()
            });
            able.next()
        });
        Some(chosen.map_or_else(|| self.default.clone(), |c| c.key.clone()))
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.list.iter().map(|c| &c.leaf.subject);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixSeconds;

    fn leaf(key: &str, days: u64, names: &[&str]) -> CertificateFacts {
        CertificateFacts {
            subject: String::new(),
            issuer: String::new(),
            names: names.iter().map(|n| (*n).to_owned()).collect(),
            not_before: UnixSeconds(0),
            not_after: UnixSeconds(days * 86_400),
            key: key.into(),
            bytes: 0,
        }
    }

    #[test]
    fn ecdsa_then_size_then_validity() {
        let order = [
            leaf("P-384", 1, &[]),
            leaf("P-256", 90, &[]),
            leaf("P-256", 30, &[]),
            leaf("RSA-4096", 30, &[]),
            leaf("RSA-2048", 90, &[]),
        ];
        assert!(order.windows(2).all(|w| rank(&w[0]) > rank(&w[1])));
    }

    #[test]
    fn a_wildcard_is_for_one_label() {
        let leaf = leaf("P-256", 1, &["your-app.com", "*.shop.example"]);
        assert!(is_for(&leaf, "your-app.com"));
        assert!(is_for(&leaf, "www.shop.example"));
        for other in ["www.your-app.com", "shop.example", "a.www.shop.example"] {
            assert!(!is_for(&leaf, other), "{other}");
        }
    }
}
