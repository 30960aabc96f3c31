//! A server's judgement of client certificates (mutual TLS): the engine's checks, and a record of what was judged.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::tls::authority::Pki;
use crate::tls::config::{ClientCertificates, MutualMode, Suite};
use crate::tls::handshake::{Refused, SetupError};
use crate::tls::{facts, provider};

/// Judges clients' chains, and keeps the last refusal until it is asked for.
pub(super) struct Judge {
    engine: Arc<dyn ClientCertVerifier>,
    refused: Mutex<Option<Refused>>,
}

impl Judge {
    pub(super) fn new(asks: &ClientCertificates, pki: &Pki) -> Result<Self, SetupError> {
        // Checks draw nothing, so that either provider's are right.
        let provider = Arc::new(provider::system(&[], &Suite::USUAL));
        if asks.mode == MutualMode::Passthrough {
            return Ok(Self {
                engine: Arc::new(Unverified(provider.signature_verification_algorithms)),
                refused: Mutex::default(),
            });
        }
        if asks.trust.is_empty() {
            return Err(SetupError::Trust);
        }
        let mut roots = RootCertStore::empty();
        for name in &asks.trust {
            roots.add(pki.root(name)?.clone())?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = if asks.required {
            builder
        } else {
            builder.allow_unauthenticated()
        };
        let builder = if asks.advertises {
            builder
        } else {
            builder.clear_root_hint_subjects()
        };
        Ok(Self {
            engine: builder.build()?,
            refused: Mutex::default(),
        })
    }

    /// The refusal, once.
    pub(super) fn take(&self) -> Option<Refused> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.take()
    }
}

/// Takes every chain, and sees the client prove that it has the key of the leaf.
#[derive(Debug)]
struct Unverified(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for Unverified {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Judge {
    fn offer_client_auth(&self) -> bool {
        self.engine.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.engine.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.engine.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let result = self.engine.verify_client_cert(leaf, intermediates, now);
        if let Err(error) = &result {
            let chain: Vec<_> = std::iter::once(leaf)
                .chain(intermediates)
                .cloned()
                .collect();
            let refused = Refused {
                leaf: facts::client_leaf(&chain).map(Box::new),
                ..Refused::new(error, &chain, now)
            };
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.engine.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.engine.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.engine.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use crate::tls::testing::spec;

    #[test]
    fn authorities_are_named_to_clients_only_where_they_are_advertised() {
        let pki = Pki::build(&spec(), Seed(1)).unwrap();
        let hints = |advertises| {
            let asks = ClientCertificates {
                mode: MutualMode::Verify,
                trust: vec!["lab-root".into()],
                required: true,
                advertises,
            };
            Judge::new(&asks, &pki).unwrap().root_hint_subjects().len()
        };
        assert_eq!((hints(false), hints(true)), (0, 1));
    }
}
