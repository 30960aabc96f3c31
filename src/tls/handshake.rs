//! What both sides have in common: what comes of a handshake, why a side cannot speak TLS at all, and the words the
//! engine uses for the lab's.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, SupportedProtocolVersion};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::authority::PkiError;
use super::config::Version;
use super::facts::{ClientLeaf, TlsFacts};
use super::random::Randomness;
use super::static_rsa;
use crate::event::{CertificateDefect, CertificateFacts, KeyAgreement, Mismatch, PreMaster};
use crate::time::{Clock, UnixSeconds};

/// A connection on which TLS is established.
#[derive(Debug)]
pub struct Established<S> {
    /// Application data, in the clear on this side. Shutting it down sends close_notify, then shuts down the stream
    /// below.
    pub stream: S,
    /// What was agreed.
    pub facts: TlsFacts,
}

/// A handshake that failed. The alert, where there is one to send, has been sent, and the stream shut down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Why.
    pub error: String,
    /// The refused certificates, when that was the reason.
    pub refused: Option<Refused>,
    /// At a server: what could not be agreed on, when that was the reason.
    pub mismatch: Option<Mismatch>,
    /// The key exchanges of this side up to there, where the seed rules; else none.
    pub agreed: Vec<KeyAgreement>,
    /// The RSA key exchange of this side, where it came to one.
    pub pre_master: Option<Box<PreMaster>>,
}

/// A certificate chain that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong with it.
    pub defect: CertificateDefect,
    /// Why, in words.
    pub error: String,
    /// What the peer sent, leaf first.
    pub chain: Vec<CertificateFacts>,
    /// At a server: the leaf, in the words of a load balancer, where it can be read.
    pub leaf: Option<Box<ClientLeaf>>,
}

/// Why a side cannot speak TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A certificate or authority is missing.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A client trusts nobody.
    #[error("no authority is trusted")]
    Trust,
    /// No protocol version is allowed.
    #[error("no version of TLS is allowed")]
    Versions,
    /// Suites of RSA key exchange stand beside others.
    #[error("suites of RSA key exchange are spoken alone")]
    Suites,
    /// RSA key exchange with something that its engine does not have.
    #[error("RSA key exchange goes without {0}")]
    Without(&'static str),
    /// RSA key exchange needs a certificate with an RSA key.
    #[error("RSA key exchange needs a certificate with an RSA key")]
    RsaKey,
    /// The engine refuses.
    #[error("failed to set up TLS")]
    Engine(#[from] rustls::Error),
    /// The engine refuses the trust anchors.
    #[error("failed to set up certificate validation")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

/// One thing for each kind of [`Randomness`]. The kind a connection has picks its configuration, so that a seeded
/// provider never meets the operating system's randomness, nor the other way round.
pub(super) struct PerKind<T> {
    pub(super) seeded: T,
    pub(super) system: T,
}

impl<T> PerKind<T> {
    pub(super) const fn of(&self, randomness: &Randomness) -> &T {
        match randomness {
            Randomness::Seeded(_) => &self.seeded,
            Randomness::System => &self.system,
        }
    }
}

/// The engine's names of `wanted`.
pub(super) fn versions(
    wanted: &[Version],
) -> Result<Vec<&'static SupportedProtocolVersion>, SetupError> {
    if wanted.is_empty() {
        return Err(SetupError::Versions);
    }
    let one = |v: &Version| match v {
        Version::Tls12 => &rustls::version::TLS12,
        Version::Tls13 => &rustls::version::TLS13,
    };
    Ok(wanted.iter().map(one).collect())
}

/// ALPN as the engine wants it.
pub(super) fn protocols(names: &[String]) -> Vec<Vec<u8>> {
    names.iter().map(|p| p.clone().into_bytes()).collect()
}

/// The lab clock as the engine wants it.
#[derive(Debug)]
pub(super) struct LabTime(pub(super) Clock);

impl TimeProvider for LabTime {
    fn current_time(&self) -> Option<UnixTime> {
        let date = Duration::from_secs(self.0.date().0);
        Some(UnixTime::since_unix_epoch(date))
    }
}

/// The engine's error inside an I/O error, if it is one.
pub(super) fn engine_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    match inner.downcast_ref() {
        // The verifier is rustls's in the teaching engine too.
        Some(static_rsa::Error::Certificate(error)) => Some(error),
        Some(static_rsa::Error::Alerted(_) | static_rsa::Error::Refused { .. }) | None => {
            inner.downcast_ref()
        }
    }
}

/// The engine's error in the lab's words; its own where those say it well.
pub(super) fn explain(error: &rustls::Error) -> String {
    let date = |at: &UnixTime| UnixSeconds(at.as_secs());
    if let rustls::Error::InvalidCertificate(refusal) = error {
        if let CertificateError::ExpiredContext { time, not_after } = refusal {
            return format!(
                "a certificate expired at {}; it is {}",
                date(not_after),
                date(time)
            );
        }
        if let CertificateError::NotValidYetContext { time, not_before } = refusal {
            return format!(
                "a certificate is valid from {} on; it is {}",
                date(not_before),
                date(time)
            );
        }
        if let CertificateError::NotValidForNameContext { expected, .. } = refusal {
            return format!("the certificate is not for {}", expected.to_str());
        }
        if *refusal == CertificateError::UnknownIssuer {
            return "no trusted authority issued the certificate".into();
        }
    }
    error.to_string()
}

/// Ends the stream of a failed handshake: the alert, which the engine has written, leaves before the FIN.
pub(super) async fn give_up<S: AsyncWrite + Unpin>(mut stream: S) {
    // The handshake's own error is the one to tell: a peer that has gone cannot be told anything more.
    let _ = stream.flush().await;
    let _ = stream.shutdown().await;
}

impl<T> fmt::Debug for PerKind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerKind")
    }
}
