//! From the engine's error to what is wrong with a certificate.

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::facts;
use super::handshake::{Refused, explain};
use crate::event::CertificateDefect as Defect;

impl Refused {
    /// What the engine's `error` says about `chain`, leaf first, at `now`.
    pub(super) fn new(error: &Error, chain: &[CertificateDer<'_>], now: UnixTime) -> Self {
        let defect = defect(error, chain, now);
        Self {
            defect,
            error: said(defect).map_or_else(|| explain(error), str::to_owned),
            chain: chain.iter().map(facts::certificate).collect(),
            leaf: None,
        }
    }
}

/// Words for what the engine says in its own, or in the same for several defects.
const fn said(defect: Defect) -> Option<&'static str> {
    match defect {
        Defect::MissingIntermediate => {
            Some("the certificate of its issuer was not sent, and is not among the trusted ones")
        }
        Defect::SelfSigned => Some("nobody but itself issued the certificate"),
        Defect::WrongPurpose => Some("the certificate is for another purpose"),
        Defect::Revoked => Some("its issuer has revoked the certificate"),
        Defect::RevocationUnknown => Some("its issuer's revocation list is out of date"),
        Defect::NameConstraint => Some("a certificate above it does not admit its name"),
        Defect::BadSignature => Some("a signature in the chain does not verify"),
        Defect::Expired
        | Defect::NotYetValid
        | Defect::ExpiredIntermediate
        | Defect::ExpiredRoot
        | Defect::WrongName
        | Defect::UntrustedIssuer
        | Defect::KeyUsage
        | Defect::TooLong
        | Defect::WrongKey
        | Defect::Other => None,
    }
}

fn defect(error: &Error, chain: &[CertificateDer<'_>], now: UnixTime) -> Defect {
    use CertificateError as E;
    let Error::InvalidCertificate(refusal) = error else {
        return Defect::Other;
    };
    if matches!(refusal, E::Expired | E::ExpiredContext { .. }) {
        let leaf = chain.first().map(facts::certificate);
        return match leaf {
            Some(leaf) if leaf.not_after.0 >= now.as_secs() => Defect::ExpiredIntermediate,
            Some(_) | None => Defect::Expired,
        };
    }
    if let E::Other(other) = refusal {
        return match other.0.downcast_ref() {
            Some(webpki::Error::NameConstraintViolation) => Defect::NameConstraint,
            // An authority's certificate, or one that is made like it, shown as a server's.
            Some(webpki::Error::CaUsedAsEndEntity) if issuer(chain) == Issuer::Itself => {
                Defect::SelfSigned
            }
            Some(_) | None => Defect::Other,
        };
    }
    if *refusal == E::UnknownIssuer {
        return match issuer(chain) {
            Issuer::Itself => Defect::SelfSigned,
            Issuer::Sent => Defect::UntrustedIssuer,
            Issuer::NotSent => Defect::MissingIntermediate,
        };
    }
    let known = [
        (
            matches!(refusal, E::NotValidYet | E::NotValidYetContext { .. }),
            Defect::NotYetValid,
        ),
        (
            matches!(
                refusal,
                E::NotValidForName | E::NotValidForNameContext { .. }
            ),
            Defect::WrongName,
        ),
        (
            matches!(refusal, E::InvalidPurpose | E::InvalidPurposeContext { .. }),
            Defect::WrongPurpose,
        ),
        (matches!(refusal, E::Revoked), Defect::Revoked),
        (
            matches!(
                refusal,
                E::UnknownRevocationStatus
                    | E::ExpiredRevocationList
                    | E::ExpiredRevocationListContext { .. }
            ),
            Defect::RevocationUnknown,
        ),
        (matches!(refusal, E::BadSignature), Defect::BadSignature),
    ];
    let found = known.into_iter().find(|(is, _)| *is);
    found.map_or(Defect::Other, |(_, defect)| defect)
}

/// Whose certificate says that it issued the leaf.
#[derive(Debug, PartialEq, Eq)]
enum Issuer {
    Itself,
    Sent,
    NotSent,
}

/// By names, as a chain is put together (RFC 5280 §6.1). One that cannot be read names nobody.
fn issuer(chain: &[CertificateDer<'_>]) -> Issuer {
    let parsed: Vec<Certificate> = chain
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect();
    let [leaf, above @ ..] = parsed.as_slice() else {
        return Issuer::NotSent;
    };
    let leaf = leaf.tbs_certificate();
    if leaf.issuer() == leaf.subject() {
        return Issuer::Itself;
    }
    let mut above = above.iter().map(Certificate::tbs_certificate);
    if above.any(|c| c.subject() == leaf.issuer()) {
        Issuer::Sent
    } else {
        Issuer::NotSent
    }
}
