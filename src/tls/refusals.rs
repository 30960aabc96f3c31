//! Every defect in a handshake of its own, in both versions: what the client says is wrong, and the alert that the
//! server gets. These are the names and alerts of rustls that reports show.

use tokio::io::duplex;

use super::authority::Pki;
use super::client::{ClientSetup, connect};
use super::config::{
    ChainPart, ClientTls, ClockSkew, CrlSpec, Issuer, KeyUse, PkiSpec, Purpose, Revocation,
    ServerTls, Signature, Validation, Validator, Version,
};
use super::facts::TlsFacts;
use super::handshake::Failure;
use super::key_log::Secrets;
use super::random::Randomness;
use super::server::{ServerSetup, accept};
use super::testing::{DATE, Side, Tapped, Writes, run, spec};
use crate::event::CertificateDefect as Defect;
use crate::rng::Seed;
use crate::time::{Clock, UnixSeconds};

const DAY: u64 = 86_400;

/// What the client made of `your-app`, what the server said, and the client's last bytes.
fn handshake(
    version: Version,
    server_name: &str,
    validation: Validation,
    change: impl FnOnce(&mut PkiSpec),
) -> (Result<TlsFacts, Failure>, Option<String>, Vec<u8>) {
    let clock = Clock::new(DATE);
    let secrets = Secrets::default();
    let mut spec = spec();
    change(&mut spec);
    let pki = Pki::build(&spec, Seed(1)).unwrap();
    let client = ClientTls {
        versions: vec![version],
        trust: vec!["lab-root".into()],
        validation,
        ..ClientTls::default()
    };
    let client = ClientSetup::new(&client, &pki, &clock, &secrets).unwrap();
    let server = ServerTls::new("your-app");
    let server = ServerSetup::new(&server, "server:443", &pki, &clock, &secrets).unwrap();
    let writes = Writes::default();
    let (a, b) = duplex(64 * 1024);
    let a = Tapped(a, Side::Client, writes.clone());
    let random = |name| Randomness::seeded(Seed(1).stream(name));
    let (up, down) = run(
        &clock,
        connect(&client, server_name, a, random("client"), &clock),
        accept(&server, b, random("server"), &clock),
    );
    let said = down.err().map(|failure| failure.error);
    let mut writes = writes.lock().unwrap().clone();
    writes.retain(|(_, bytes)| !bytes.is_empty());
    (up.map(|up| up.facts), said, writes.pop().unwrap().1)
}

/// Refused for this defect with this alert in both versions.
fn refused(
    defect: Defect,
    alert: (u8, &str),
    server_name: &str,
    validation: Validation,
    change: fn(&mut PkiSpec),
) {
    for version in [Version::Tls12, Version::Tls13] {
        let (up, said, last) = handshake(version, server_name, validation, change);
        let failure = up.unwrap_err();
        let refused = failure.refused.unwrap();
        assert_eq!(refused.defect, defect, "{version:?}: {}", refused.error);
        assert_eq!(refused.error, failure.error);
        assert!(!refused.chain.is_empty());
        let received = format!("received fatal alert: {}", alert.1);
        assert_eq!(said, Some(received), "{version:?} {defect}");
        if version == Version::Tls12 {
            // In clear: level fatal, description (RFC 5246 §7.2).
            assert_eq!(last, [21, 3, 3, 0, 2, 2, alert.0]);
        } else {
            // Encrypted: alert, content type and tag look like application data.
            assert_eq!(last[last.len() - 24..][..5], [23, 3, 3, 0, 19]);
        }
    }
}

const BAD_CERTIFICATE: (u8, &str) = (42, "BadCertificate");
const UNSUPPORTED: (u8, &str) = (43, "UnsupportedCertificate");
const REVOKED: (u8, &str) = (44, "CertificateRevoked");
const EXPIRED: (u8, &str) = (45, "CertificateExpired");
const UNKNOWN: (u8, &str) = (46, "CertificateUnknown");
const UNKNOWN_CA: (u8, &str) = (48, "UnknownCA");
const DECRYPT_ERROR: (u8, &str) = (51, "DecryptError");

const NAME: &str = "your-app.com";

fn webpki() -> Validation {
    Validation::default()
}

fn with_crl() -> Validation {
    Validation {
        revocation: Revocation::Crl,
        ..Validation::default()
    }
}

fn browser() -> Validation {
    Validation {
        validator: Validator::Browser,
        ..Validation::default()
    }
}

/// The certificate in question is valid for a time that browsers allow.
fn for_a_year(spec: &mut PkiSpec) {
    spec.certificates[0].validity = (
        UnixSeconds::from_ymd(2025, 1, 1),
        UnixSeconds::from_ymd(2025, 12, 31),
    );
}

fn crl(spec: &mut PkiSpec, made_days_ago: u64) {
    spec.authorities[0].crl = Some(CrlSpec {
        this_update: UnixSeconds(DATE.0 - made_days_ago * DAY),
        next_update: UnixSeconds(DATE.0 - made_days_ago * DAY + 7 * DAY),
    });
}

#[test]
fn dates() {
    refused(Defect::Expired, EXPIRED, NAME, webpki(), |s| {
        s.certificates[0].validity.1 = UnixSeconds(DATE.0 - 1);
    });
    refused(Defect::NotYetValid, EXPIRED, NAME, webpki(), |s| {
        s.certificates[0].validity.0 = UnixSeconds(DATE.0 + 1);
    });
    refused(Defect::ExpiredIntermediate, EXPIRED, NAME, webpki(), |s| {
        s.authorities[0].intermediate_validity.1 = UnixSeconds(DATE.0 - 1);
    });
    let behind = Validation {
        clock_skew: ClockSkew(-365 * 2 * DAY.cast_signed()),
        ..webpki()
    };
    refused(Defect::NotYetValid, EXPIRED, NAME, behind, |_| {});
    let ahead = Validation {
        clock_skew: ClockSkew(365 * DAY.cast_signed()),
        ..webpki()
    };
    refused(Defect::Expired, EXPIRED, NAME, ahead, |_| {});
}

#[test]
fn names() {
    let other = "other-app.com";
    refused(Defect::WrongName, BAD_CERTIFICATE, other, webpki(), |_| {});
    // A wildcard stands for one label, and not for none (RFC 9525 §6.3).
    refused(Defect::WrongName, BAD_CERTIFICATE, NAME, webpki(), |s| {
        s.certificates[0].names = vec!["*.your-app.com".into()];
    });
    // The common name does not count.
    refused(Defect::WrongName, BAD_CERTIFICATE, NAME, webpki(), |s| {
        s.certificates[0].names.clear();
    });
    refused(Defect::NameConstraint, UNKNOWN, NAME, webpki(), |s| {
        s.authorities[0].permits = vec!["example.com".into()];
    });
    refused(Defect::NameConstraint, UNKNOWN, NAME, webpki(), |s| {
        s.authorities[0].excludes = vec!["your-app.com".into()];
    });
}

#[test]
fn issuers() {
    refused(Defect::UntrustedIssuer, UNKNOWN_CA, NAME, webpki(), |s| {
        s.certificates[0].issuer = Issuer::Authority("other-root".into());
    });
    // The root in what the server sends makes nobody trust it.
    refused(Defect::UntrustedIssuer, UNKNOWN_CA, NAME, webpki(), |s| {
        s.certificates[0].issuer = Issuer::Authority("other-root".into());
        s.certificates[0].chain.push(ChainPart::Root);
    });
    refused(
        Defect::MissingIntermediate,
        UNKNOWN_CA,
        NAME,
        webpki(),
        |s| s.certificates[0].chain = vec![ChainPart::Leaf],
    );
    refused(Defect::SelfSigned, UNKNOWN_CA, NAME, webpki(), |s| {
        s.certificates[0].issuer = Issuer::Itself;
        s.certificates[0].chain = vec![ChainPart::Leaf];
    });
}

#[test]
fn keys_and_signatures() {
    refused(Defect::WrongPurpose, UNSUPPORTED, NAME, webpki(), |s| {
        s.certificates[0].purpose = Purpose::Client;
    });
    refused(Defect::BadSignature, DECRYPT_ERROR, NAME, webpki(), |s| {
        s.certificates[0].signature = Signature::Broken;
    });
    for validation in [webpki(), browser()] {
        refused(Defect::WrongKey, DECRYPT_ERROR, NAME, validation, |s| {
            for_a_year(s);
            s.certificates[0].private_key_of = Some("old".into());
        });
    }
}

#[test]
fn revocations() {
    refused(Defect::Revoked, REVOKED, NAME, with_crl(), |s| {
        crl(s, 1);
        s.certificates[0].revoked = Some(UnixSeconds(DATE.0 - 2 * DAY));
    });
    refused(
        Defect::RevocationUnknown,
        UNKNOWN_CA,
        NAME,
        with_crl(),
        |s| {
            crl(s, 8);
        },
    );
    let accepted = |validation, change: fn(&mut PkiSpec)| {
        for version in [Version::Tls12, Version::Tls13] {
            let (up, _, _) = handshake(version, NAME, validation, change);
            assert_eq!(up.unwrap().anchor, "Tunlab Root R1");
        }
    };
    // Revoked after the list was made; a fresh list without it; no list at all; nobody who looks.
    accepted(with_crl(), |s| {
        crl(s, 3);
        s.certificates[0].revoked = Some(UnixSeconds(DATE.0 - 2 * DAY));
    });
    accepted(with_crl(), |s| crl(s, 1));
    accepted(with_crl(), |_| {});
    accepted(webpki(), |s| {
        crl(s, 1);
        s.certificates[0].revoked = Some(UnixSeconds(DATE.0 - 2 * DAY));
    });
}

/// A browser's alert is the same whatever is wrong; what it finds and rustls' verifier does not is found.
#[test]
fn browsers() {
    let old_root = |s: &mut PkiSpec| s.authorities[0].root_validity.1 = UnixSeconds(DATE.0 - 1);
    let signs_certificates =
        |s: &mut PkiSpec| s.certificates[0].key_usage = Some(vec![KeyUse::KeyCertSign]);
    let (up, _, _) = handshake(Version::Tls13, NAME, browser(), for_a_year);
    assert_eq!(up.unwrap().anchor, "Tunlab Root R1");
    // 730 days, which rustls' verifier does not count.
    refused(Defect::TooLong, UNKNOWN, NAME, browser(), |_| {});
    refused(Defect::ExpiredRoot, UNKNOWN, NAME, browser(), |s| {
        for_a_year(s);
        s.authorities[0].root_validity.1 = UnixSeconds(DATE.0 - 1);
    });
    refused(Defect::KeyUsage, UNKNOWN, NAME, browser(), |s| {
        for_a_year(s);
        s.certificates[0].key_usage = Some(vec![KeyUse::KeyCertSign]);
    });
    refused(Defect::Expired, UNKNOWN, NAME, browser(), |s| {
        s.certificates[0].validity.1 = UnixSeconds(DATE.0 - 1);
    });
    refused(
        Defect::WrongName,
        UNKNOWN,
        "other-app.com",
        browser(),
        |_| {},
    );
    for unseen in [old_root, signs_certificates] {
        let (up, _, _) = handshake(Version::Tls12, NAME, webpki(), unseen);
        assert_eq!(up.unwrap().chain.len(), 2);
    }
}
