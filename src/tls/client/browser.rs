//! What browsers check on top of the path validation of RFC 5280, for a chain that has passed it.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error, OtherError};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::KeyUsage;

use crate::event::{CertificateDefect, CertificateFacts};
use crate::time::UnixSeconds;
use crate::tls::facts;

/// A rule that is broken: the defect, and why in words.
pub(super) type Broken = (CertificateDefect, String);

/// The dates of a trust anchor. RFC 5280 §6.1.1 gives an anchor a name and a key only; Chromium enforces the dates of
/// anchors that come from the operating system or a policy (`WithEnforceAnchorExpiry`), Firefox and OpenSSL those of
/// all.
pub(super) fn anchor(root: &CertificateFacts, now: UnixSeconds) -> Result<(), Broken> {
    if now > root.not_after {
        let error = format!(
            "the root {} expired at {}; it is {now}",
            root.subject, root.not_after
        );
        return Err((CertificateDefect::ExpiredRoot, error));
    }
    if now < root.not_before {
        let error = format!(
            "the root {} is valid from {} on; it is {now}",
            root.subject, root.not_before
        );
        return Err((CertificateDefect::NotYetValid, error));
    }
    Ok(())
}

/// The rules for the server's own certificate. `signs` says whether the handshake is signed with its key: with RSA key
/// exchange the key decrypts instead, which the engine for it checks.
pub(super) fn leaf(der: &CertificateDer<'_>, signs: bool) -> Result<(), Broken> {
    if signs {
        key_usage(der)?;
    }
    longest_validity(&facts::certificate(der))
}

/// A key that signs handshakes must be for signatures where its certificate says what it is for (RFC 5280 §4.2.1.3,
/// RFC 8446 §4.4.2.2).
fn key_usage(der: &CertificateDer<'_>) -> Result<(), Broken> {
    let parsed = Certificate::from_der(der).ok();
    let usage = parsed.and_then(|c| c.tbs_certificate().get_extension::<KeyUsage>().ok()?);
    match usage {
        Some((_, usage)) if !usage.digital_signature() => Err((
            CertificateDefect::KeyUsage,
            "the certificate's key is not for signatures, with which the server proves that it has it"
                .into(),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Issued from this day on, a public certificate is valid for so many days at most: CA/Browser Forum BR §6.3.2, and
/// §1.2.2 for the dates. Before the first there were other limits, of years.
const LONGEST: [(UnixSeconds, u64); 5] = [
    (UnixSeconds::from_ymd(2018, 3, 1), 825),
    (UnixSeconds::from_ymd(2020, 9, 1), 398),
    (UnixSeconds::from_ymd(2026, 3, 15), 200),
    (UnixSeconds::from_ymd(2027, 3, 15), 100),
    (UnixSeconds::from_ymd(2029, 3, 15), 47),
];

fn longest_validity(leaf: &CertificateFacts) -> Result<(), Broken> {
    let in_force = LONGEST
        .iter()
        .rev()
        .find(|(from, _)| leaf.not_before >= *from);
    let Some((from, days_max)) = in_force else {
        return Ok(());
    };
    // Both ends are included (RFC 5280 §4.1.2.5), and each second beyond a day is a further day (BR §6.3.2).
    let seconds = leaf.not_after.0.saturating_sub(leaf.not_before.0) + 1;
    let days = seconds.div_ceil(86_400);
    if days > *days_max {
        let (year, month, day) = from.to_ymd();
        let error = format!(
            "the certificate is valid for {days} days; {days_max} are allowed for those issued since \
             {year:04}-{month:02}-{day:02}"
        );
        return Err((CertificateDefect::TooLong, error));
    }
    Ok(())
}

/// The error with which a browser ends the handshake. It chooses no alert, so that it is certificate_unknown, the
/// default of its TLS library (BoringSSL `ssl_verify_peer_cert`).
pub(super) fn refusal(error: String) -> Error {
    CertificateError::Other(OtherError(Arc::new(Refusal(error)))).into()
}

#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use crate::tls::authority::Pki;
    use crate::tls::config::KeyUse;
    use crate::tls::testing::spec;

    fn facts(from: UnixSeconds, seconds: u64) -> CertificateFacts {
        CertificateFacts {
            subject: "R".into(),
            issuer: "R".into(),
            names: vec![],
            not_before: from,
            not_after: UnixSeconds(from.0 + seconds),
            key: String::new(),
            bytes: 0,
        }
    }

    #[test]
    fn a_root_is_good_from_its_first_second_to_its_last() {
        let root = facts(UnixSeconds(1_000), 500);
        let at = |now| anchor(&root, UnixSeconds(now)).map_err(|(defect, _)| defect);
        assert_eq!(at(999), Err(CertificateDefect::NotYetValid));
        assert_eq!(at(1_000), Ok(()));
        assert_eq!(at(1_500), Ok(()));
        assert_eq!(at(1_501), Err(CertificateDefect::ExpiredRoot));
    }

    #[test]
    fn the_longest_validity_depends_on_the_day_of_issue() {
        let day = 86_400;
        let mut before = None;
        for (from, days) in LONGEST {
            // One second less than the days, because both ends count.
            let longest = days * day - 1;
            assert_eq!(longest_validity(&facts(from, longest)), Ok(()));
            let (defect, error) = longest_validity(&facts(from, longest + 1)).unwrap_err();
            assert_eq!(defect, CertificateDefect::TooLong);
            assert!(
                error.contains(&format!("valid for {} days; {days} are", days + 1)),
                "{error}"
            );
            // On the day before, the former limit is in force.
            let eve = UnixSeconds(from.0 - 1);
            let last = before.map_or_else(|| u64::from(u32::MAX), |d: u64| d * day - 1);
            assert_eq!(longest_validity(&facts(eve, last)), Ok(()));
            if before.is_some() {
                assert!(longest_validity(&facts(eve, last + 1)).is_err());
            }
            before = Some(days);
        }
    }

    #[test]
    fn a_key_must_be_for_signatures() {
        let leaf_with = |uses: Option<Vec<KeyUse>>| {
            let mut spec = spec();
            let certificate = &mut spec.certificates[0];
            certificate.key_usage = uses;
            // 398 days are allowed for it.
            certificate.validity.1 = UnixSeconds(certificate.validity.0.0 + 398 * 86_400 - 1);
            let pki = Pki::build(&spec, Seed(1)).unwrap();
            leaf(&pki.identity("your-app").unwrap().chain()[0], true).map_err(|(defect, _)| defect)
        };
        assert_eq!(leaf_with(None), Ok(()));
        let both = vec![KeyUse::KeyEncipherment, KeyUse::DigitalSignature];
        assert_eq!(leaf_with(Some(both)), Ok(()));
        for other in [
            KeyUse::KeyEncipherment,
            KeyUse::KeyAgreement,
            KeyUse::KeyCertSign,
        ] {
            let refused = leaf_with(Some(vec![other]));
            assert_eq!(refused, Err(CertificateDefect::KeyUsage));
        }
        // Not one that says nothing about its key.
        assert_eq!(key_usage(&CertificateDer::from(&b"?"[..])), Ok(()));
    }
}
