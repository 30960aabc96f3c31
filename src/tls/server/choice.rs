//! Which certificate a server sends, where it has several: by the name in the ClientHello (SNI, RFC 6066 §3).

use std::cmp::Reverse;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::KeyProvider;
use rustls::pki_types::CertificateDer;
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
    default: Candidate,
    list: Vec<Candidate>,
    last: Last,
}

/// The certificate that was chosen last, by its name in the lab. All connections share it: it is that of the one that
/// is polled.
#[derive(Debug, Clone, Default)]
pub(super) struct Last(Arc<Mutex<Option<String>>>);

impl Last {
    pub(super) fn take(&self) -> Option<String> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.take()
    }

    fn set(&self, name: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(name.to_owned());
    }
}

struct Candidate {
    name: String,
    key: Arc<CertifiedKey>,
    leaf: CertificateFacts,
}

impl Choice {
    pub(super) fn new(
        tls: &ServerTls,
        pki: &Pki,
        keys: &dyn KeyProvider,
        last: Last,
    ) -> Result<Self, SetupError> {
        // Not rustls' check that key and certificate fit: a lab's server may have the wrong key, and its clients are
        // to find out.
        let certified = |identity: &Identity| {
            let key = keys.load_private_key(identity.key())?;
            let chain = identity.chain().to_vec();
            Ok::<_, SetupError>(Arc::new(CertifiedKey::new(chain, key)))
        };
        let candidate = |name: &String| {
            let identity = pki.identity(name)?;
            // An identity has a leaf; one without would be for no name.
            let leaf = identity.chain().first();
            Ok::<_, SetupError>(Candidate {
                name: name.clone(),
                key: certified(identity)?,
                leaf: facts::certificate(leaf.unwrap_or(&CertificateDer::from_slice(&[]))),
            })
        };
        let list = tls.certificates.iter().map(candidate);
        let mut list = list.collect::<Result<Vec<_>, _>>()?;
        // The best first; equal ones in the lab's order.
        list.sort_by_key(|candidate| Reverse(rank(&candidate.leaf)));
        Ok(Self {
            default: candidate(&tls.certificate)?,
            list,
            last,
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
pub(super) fn is_for(leaf: &CertificateFacts, host: &str) -> bool {
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
        let chosen = chosen.unwrap_or(&self.default);
        self.last.set(&chosen.name);
        Some(chosen.key.clone())
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
