//! A client's judgement of a server's chain: the engine's checks (signatures, dates, purpose, name), and a record of
//! what was judged.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::event::{CertificateDefect, CertificateFacts};
use crate::tls::authority::Pki;
use crate::tls::config::Suite;
use crate::tls::handshake::{Refused, SetupError};
use crate::tls::{facts, provider};

/// The authorities that a client trusts.
pub(super) struct Trust {
    /// Trusts them all.
    all: Arc<WebPkiServerVerifier>,
    /// Common name of each root, and a verifier that trusts it alone.
    each: Vec<(String, Arc<WebPkiServerVerifier>)>,
}

impl Trust {
    pub(super) fn new(names: &[String], pki: &Pki) -> Result<Self, SetupError> {
        if names.is_empty() {
            return Err(SetupError::Trust);
        }
        // Checks draw nothing, so that either provider's are right.
        let provider = Arc::new(provider::system(&[], &Suite::USUAL));
        let verifier = |roots| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()
        };
        let mut all = RootCertStore::empty();
        let mut each = Vec::new();
        for name in names {
            let root = pki.root(name)?;
            let mut alone = RootCertStore::empty();
            all.add(root.clone())?;
            alone.add(root.clone())?;
            each.push((facts::certificate(root).subject, verifier(alone)?));
        }
        Ok(Self {
            all: verifier(all)?,
            each,
        })
    }

    /// The root that ends an accepted chain: the first that accepts it alone.
    fn anchor(&self, accepts: impl Fn(&WebPkiServerVerifier) -> bool) -> Option<String> {
        let found = match self.each.as_slice() {
            [only] => Some(only),
            several => several.iter().find(|(_, verifier)| accepts(verifier)),
        };
        found.map(|(name, _)| name.clone())
    }
}

/// What came of judging a chain.
#[derive(Debug)]
pub(super) enum Verdict {
    Accepted {
        /// What the server sent, leaf first.
        chain: Vec<CertificateFacts>,
        /// Common name of the root that ends it.
        anchor: String,
    },
    Refused(Refused),
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.each.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// Judges chains, and keeps the last verdict until it is asked for.
pub(super) struct Judge {
    trust: Arc<Trust>,
    verdict: Mutex<Option<Verdict>>,
}

impl Judge {
    pub(super) fn new(trust: &Arc<Trust>) -> Self {
        Self {
            trust: trust.clone(),
            verdict: Mutex::default(),
        }
    }

    /// The verdict, once; `None` before the server's certificates have come.
    pub(super) fn take(&self) -> Option<Verdict> {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        verdict.take()
    }

    fn decide(&self, decided: Verdict) {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        *verdict = Some(decided);
    }

    /// A chain that was accepted is refused after all when the handshake is not signed with the leaf's key.
    fn proven(
        &self,
        leaf: &CertificateDer<'_>,
        result: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        if result.is_err() {
            let chain = match self.take() {
                Some(Verdict::Accepted { chain, .. }) => chain,
                Some(Verdict::Refused(_)) | None => vec![facts::certificate(leaf)],
            };
            self.decide(Verdict::Refused(Refused {
                defect: CertificateDefect::WrongKey,
                error: "the server does not have the private key of the certificate".into(),
                chain,
            }));
        }
        result
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |verifier: &WebPkiServerVerifier| {
            verifier.verify_server_cert(leaf, intermediates, server_name, ocsp, now)
        };
        let result = verify(&self.trust.all);
        let sent: Vec<_> = std::iter::once(leaf)
            .chain(intermediates)
            .cloned()
            .collect();
        let verdict = match &result {
            Ok(_) => Verdict::Accepted {
                chain: sent.iter().map(facts::certificate).collect(),
                anchor: self
                    .trust
                    .anchor(|verifier| verify(verifier).is_ok())
                    .unwrap_or_default(),
            },
            Err(error) => Verdict::Refused(Refused::new(error, &sent, now)),
        };
        self.decide(verdict);
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = self.trust.all.verify_tls12_signature(message, leaf, signed);
        self.proven(leaf, result)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = self.trust.all.verify_tls13_signature(message, leaf, signed);
        self.proven(leaf, result)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.all.supported_verify_schemes()
    }
}
