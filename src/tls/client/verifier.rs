//! A client's judgement of a server's chain: the engine's checks (signatures, dates, purpose, name, revocation), those
//! that browsers add, and a record of what was judged.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::browser::{self, Broken};
use crate::event::{CertificateDefect, CertificateFacts};
use crate::time::UnixSeconds;
use crate::tls::authority::Pki;
use crate::tls::config::{Revocation, Suite, Validation, Validator};
use crate::tls::handshake::{Refused, SetupError};
use crate::tls::{facts, provider};

/// The authorities that a client trusts, and how it looks at what they issued.
pub(super) struct Trust {
    /// Trusts them all. `None` where nothing is checked.
    all: Option<Arc<WebPkiServerVerifier>>,
    /// Those that signatures in handshakes are checked by.
    algorithms: WebPkiSupportedAlgorithms,
    /// Each root, and a verifier that trusts it alone.
    each: Vec<(CertificateFacts, Arc<WebPkiServerVerifier>)>,
    validator: Validator,
    /// Whether the key exchanges are signed.
    signs: bool,
}

impl Trust {
    pub(super) fn new(
        names: &[String],
        validation: Validation,
        signs: bool,
        pki: &Pki,
    ) -> Result<Self, SetupError> {
        // Checks draw nothing, so that either provider's are right.
        let provider = Arc::new(provider::system(&[], &Suite::USUAL));
        let algorithms = provider.signature_verification_algorithms;
        let checks = match validation.validator {
            Validator::Webpki | Validator::Browser => true,
            Validator::Nothing => false,
        };
        if !checks {
            return Ok(Self {
                all: None,
                algorithms,
                each: Vec::new(),
                validator: validation.validator,
                signs,
            });
        }
        if names.is_empty() {
            return Err(SetupError::Trust);
        }
        let mut crls = Vec::new();
        for name in names {
            match validation.revocation {
                Revocation::Off => {}
                Revocation::Crl => crls.extend(pki.crl(name)?.cloned()),
            }
        }
        let verifier = |roots| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .with_crls(crls.clone())
                .only_check_end_entity_revocation()
                .allow_unknown_revocation_status()
                .enforce_revocation_expiration()
                .build()
        };
        let mut all = RootCertStore::empty();
        let mut each = Vec::new();
        for name in names {
            let root = pki.root(name)?;
            let mut alone = RootCertStore::empty();
            all.add(root.clone())?;
            alone.add(root.clone())?;
            each.push((facts::certificate(root), verifier(alone)?));
        }
        Ok(Self {
            all: Some(verifier(all)?),
            algorithms,
            each,
            validator: validation.validator,
            signs,
        })
    }

    /// Common name of the root that ends an accepted chain: the first that accepts it alone, or what a browser says
    /// against all of those.
    fn anchor(
        &self,
        now: UnixTime,
        accepts: impl Fn(&WebPkiServerVerifier) -> bool,
    ) -> Result<String, Broken> {
        let alone = self.each.len() == 1;
        let able = self
            .each
            .iter()
            .filter(|(_, verifier)| alone || accepts(verifier));
        let mut broken = None;
        for (root, _) in able {
            let good = match self.validator {
                Validator::Webpki | Validator::Nothing => Ok(()),
                Validator::Browser => browser::anchor(root, UnixSeconds(now.as_secs())),
            };
            match good {
                Ok(()) => return Ok(root.subject.clone()),
                Err(why) => broken = broken.or(Some(why)),
            }
        }
        broken.map_or_else(|| Ok(String::new()), Err)
    }

    /// What a browser says against the server's own certificate.
    fn leaf(&self, leaf: &CertificateDer<'_>) -> Result<(), Broken> {
        match self.validator {
            Validator::Webpki | Validator::Nothing => Ok(()),
            Validator::Browser => browser::leaf(leaf, self.signs),
        }
    }

    /// The error that goes to the engine, which chooses the alert by it.
    fn told(&self, refused: &Refused, error: Error) -> Error {
        match self.validator {
            Validator::Webpki | Validator::Nothing => error,
            Validator::Browser => browser::refusal(refused.error.clone()),
        }
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
        let names = self.each.iter().map(|(root, _)| &root.subject);
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
                leaf: None,
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
        let sent: Vec<_> = std::iter::once(leaf)
            .chain(intermediates)
            .cloned()
            .collect();
        let result = match &self.trust.all {
            Some(all) => verify(all),
            None => Ok(ServerCertVerified::assertion()),
        };
        let result = result.map_err(|error| {
            let refused = Box::new(Refused::new(&error, &sent, now));
            (refused, error)
        });
        let judged = result.and_then(|verified| {
            let rules = self.trust.leaf(leaf);
            let anchor = rules.and_then(|()| self.trust.anchor(now, |v| verify(v).is_ok()));
            let chain = sent.iter().map(facts::certificate).collect();
            match anchor {
                Ok(anchor) => Ok((verified, Verdict::Accepted { chain, anchor })),
                Err((defect, error)) => {
                    let told = browser::refusal(error.clone());
                    let refused = Box::new(Refused {
                        defect,
                        error,
                        chain,
                        leaf: None,
                    });
                    Err((refused, told))
                }
            }
        });
        match judged {
            Ok((verified, verdict)) => {
                self.decide(verdict);
                Ok(verified)
            }
            Err((refused, error)) => {
                let told = self.trust.told(&refused, error);
                self.decide(Verdict::Refused(*refused));
                Err(told)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = verify_tls12_signature(message, leaf, signed, &self.trust.algorithms);
        self.proven(leaf, result)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = verify_tls13_signature(message, leaf, signed, &self.trust.algorithms);
        self.proven(leaf, result)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}
