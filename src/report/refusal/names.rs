//! What people see when a certificate is refused: for each defect the error names of Chrome, Firefox and curl, rustls'
//! own, and the alert that each of them sends. Data, with where it comes from.
//!
//! Chrome sends certificate_unknown whatever the reason is: it verifies inside the handshake and leaves the alert to
//! BoringSSL, whose default that is (Chromium `net/socket/ssl_client_socket_impl.cc`, BoringSSL
//! `ssl_verify_peer_cert`). Its names are those of Chromium's `net/base/net_error_list.h`, chosen by
//! `MapPathBuilderErrorsToCertStatus` in `net/cert/cert_verify_proc_builtin.cc`. Firefox's alerts are those of NSS
//! `ssl3_SendAlertForCertError`.

use std::fmt;

use crate::event::CertificateDefect;

/// What people see for one defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// Chrome; `None` where it accepts the certificate.
    pub chrome: Option<Shown>,
    /// Firefox.
    pub firefox: Option<Shown>,
    /// curl with OpenSSL 3.0, and the number of OpenSSL's verification error.
    pub curl: Option<Shown>,
    /// rustls, with its own verifier.
    pub rustls: Option<Shown>,
    /// What the person in front of a browser sees, in one sentence.
    pub user: &'static str,
}

/// What one client shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The error's name or text.
    pub name: &'static str,
    /// Its number, where there is one.
    pub number: Option<i32>,
    /// The alert it sends; `None` where it sends none.
    pub alert: Option<u8>,
    /// How this is known.
    pub known: Known,
}

/// How an entry is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The tests of this project measure it.
    Measured,
    /// It stands in the client's source.
    Source,
    /// From memory, checked against nothing.
    Remembered,
}

impl Known {
    /// A word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Source => "source",
            Self::Remembered => "remembered",
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{} ({number})", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// What people see for this defect.
#[must_use]
pub const fn names(defect: CertificateDefect) -> Names {
    match defect {
        CertificateDefect::Expired => Names {
            chrome: chrome("net::ERR_CERT_DATE_INVALID", -201),
            firefox: firefox("SEC_ERROR_EXPIRED_CERTIFICATE", 45),
            curl: curl("certificate has expired", 10, 45),
            rustls: rustls("Expired", 45),
            user: "A full-page warning says that the certificate has expired; it can be passed by, but not on a site \
                   with HSTS.",
        },
        CertificateDefect::NotYetValid => Names {
            chrome: chrome("net::ERR_CERT_DATE_INVALID", -201),
            firefox: firefox("MOZILLA_PKIX_ERROR_NOT_YET_VALID_CERTIFICATE", 42),
            curl: curl("certificate is not yet valid", 9, 42),
            rustls: rustls("NotValidYet", 45),
            user: "A full-page warning says that the certificate is not valid yet, or that the computer's clock is \
                   behind; it can be passed by, but not on a site with HSTS.",
        },
        CertificateDefect::ExpiredIntermediate => Names {
            chrome: chrome("net::ERR_CERT_DATE_INVALID", -201),
            firefox: firefox("SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE", 48),
            curl: curl("certificate has expired", 10, 45),
            rustls: rustls("Expired", 45),
            user: "A full-page warning speaks of an expired certificate, though the site's own is valid; it can be \
                   passed by, but not on a site with HSTS.",
        },
        CertificateDefect::ExpiredRoot => Names {
            // Enforced for anchors of the operating system and of policies, not for those of Chrome's own store.
            chrome: chrome("net::ERR_CERT_DATE_INVALID", -201),
            firefox: firefox("SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE", 48),
            curl: curl("certificate has expired", 10, 45),
            rustls: None,
            user: "A full-page warning speaks of an expired certificate, on old devices only: newer ones have another \
                   root.",
        },
        CertificateDefect::WrongName => Names {
            chrome: chrome("net::ERR_CERT_COMMON_NAME_INVALID", -200),
            firefox: firefox("SSL_ERROR_BAD_CERT_DOMAIN", 42),
            // After the handshake: curl compares the names itself, and closes without a word.
            curl: Some(Shown {
                name: "no alternative certificate subject name matches",
                number: None,
                alert: None,
                known: Known::Measured,
            }),
            rustls: rustls("NotValidForName", 42),
            user: "A full-page warning says that the certificate is another site's; it can be passed by, but not on a \
                   site with HSTS.",
        },
        CertificateDefect::UntrustedIssuer => Names {
            chrome: chrome("net::ERR_CERT_AUTHORITY_INVALID", -202),
            firefox: firefox("SEC_ERROR_UNKNOWN_ISSUER", 48),
            curl: curl("unable to get local issuer certificate", 20, 48),
            rustls: rustls("UnknownIssuer", 48),
            user: "A full-page warning says that nobody trusted issued the certificate; it can be passed by, but not \
                   on a site with HSTS.",
        },
        CertificateDefect::MissingIntermediate => Names {
            // Chrome first asks the address in the certificate (AIA) for its issuer, and succeeds where there is one.
            chrome: chrome("net::ERR_CERT_AUTHORITY_INVALID", -202),
            firefox: firefox("SEC_ERROR_UNKNOWN_ISSUER", 48),
            curl: curl("unable to get local issuer certificate", 20, 48),
            rustls: rustls("UnknownIssuer", 48),
            user: "Often nothing in a browser, which fetches or remembers the intermediate; programs fail, and a new \
                   browser profile shows a warning.",
        },
        CertificateDefect::SelfSigned => Names {
            chrome: chrome("net::ERR_CERT_AUTHORITY_INVALID", -202),
            firefox: firefox("MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT", 42),
            curl: curl("self-signed certificate", 18, 48),
            rustls: rustls("UnknownIssuer", 48),
            user: "A full-page warning says that nobody trusted issued the certificate; it can be passed by, but not \
                   on a site with HSTS.",
        },
        CertificateDefect::WrongPurpose => Names {
            chrome: chrome("net::ERR_CERT_INVALID", -207),
            firefox: firefox("SEC_ERROR_INADEQUATE_CERT_TYPE", 46),
            curl: curl("unsuitable certificate purpose", 26, 43),
            rustls: rustls("InvalidPurpose", 43),
            user: "A full-page error says that the certificate is not valid; there is no way past it.",
        },
        CertificateDefect::KeyUsage => Names {
            chrome: Some(Shown {
                name: "net::ERR_SSL_KEY_USAGE_INCOMPATIBLE",
                number: Some(-181),
                // BoringSSL's own check, not the verifier's: illegal_parameter.
                alert: Some(47),
                known: Known::Remembered,
            }),
            firefox: firefox("SEC_ERROR_INADEQUATE_KEY_USAGE", 46),
            curl: curl("unsuitable certificate purpose", 26, 43),
            rustls: None,
            user: "A full-page error says that the site sent an invalid response; there is no way past it.",
        },
        CertificateDefect::Revoked => Names {
            // When the list it was sent (CRLSet) knows.
            chrome: chrome("net::ERR_CERT_REVOKED", -206),
            firefox: firefox("SEC_ERROR_REVOKED_CERTIFICATE", 44),
            // With `--crlfile`; without it curl asks nobody.
            curl: curl("certificate revoked", 23, 44),
            rustls: rustls("Revoked", 44),
            user: "A full-page error says that the certificate was revoked; there is no way past it.",
        },
        CertificateDefect::RevocationUnknown => Names {
            chrome: None,
            firefox: None,
            curl: curl("CRL has expired", 12, 45),
            rustls: rustls("ExpiredRevocationList", 48),
            user: "Nothing: a browser that learns nothing about revocation goes on.",
        },
        CertificateDefect::NameConstraint => Names {
            // -212, NAME_CONSTRAINT_VIOLATION, is for Chromium's own list of limited authorities.
            chrome: chrome("net::ERR_CERT_INVALID", -207),
            firefox: firefox("SEC_ERROR_CERT_NOT_IN_NAME_SPACE", 42),
            curl: curl("permitted subtree violation", 47, 46),
            rustls: rustls("Other(NameConstraintViolation)", 46),
            user: "A full-page error says that the certificate is not valid; there is no way past it.",
        },
        CertificateDefect::TooLong => Names {
            // For roots of public authorities.
            chrome: chrome("net::ERR_CERT_VALIDITY_TOO_LONG", -213),
            firefox: None,
            curl: None,
            rustls: None,
            user: "In Chrome and Safari a full-page warning; in Firefox and in programs nothing.",
        },
        CertificateDefect::BadSignature => Names {
            chrome: chrome("net::ERR_CERT_AUTHORITY_INVALID", -202),
            firefox: firefox("SEC_ERROR_BAD_SIGNATURE", 42),
            // OpenSSL's own text for 7 is "certificate signature failure".
            curl: curl("asn1 encoding routines::EVP lib", 7, 51),
            rustls: rustls("BadSignature", 51),
            user: "A full-page warning says that the certificate cannot be trusted; it can be passed by in Chrome, but \
                   not on a site with HSTS.",
        },
        CertificateDefect::WrongKey => Names {
            chrome: Some(Shown {
                name: "net::ERR_SSL_PROTOCOL_ERROR",
                number: Some(-107),
                alert: Some(51),
                known: Known::Remembered,
            }),
            firefox: Some(Shown {
                name: "SEC_ERROR_BAD_SIGNATURE",
                number: None,
                alert: Some(51),
                known: Known::Remembered,
            }),
            curl: Some(Shown {
                name: "bad signature",
                number: None,
                alert: Some(51),
                known: Known::Remembered,
            }),
            rustls: rustls("BadSignature", 51),
            user: "A full-page error says that the connection cannot be made; there is no way past it.",
        },
        CertificateDefect::Other => Names {
            chrome: Some(Shown {
                name: "net::ERR_CERT_INVALID",
                number: Some(-207),
                alert: Some(46),
                known: Known::Remembered,
            }),
            firefox: None,
            curl: None,
            rustls: rustls("Other", 46),
            user: "A full-page error says that the certificate is not valid.",
        },
    }
}

const fn chrome(name: &'static str, number: i32) -> Option<Shown> {
    Some(Shown {
        name,
        number: Some(number),
        alert: Some(46),
        known: Known::Source,
    })
}

const fn firefox(name: &'static str, alert: u8) -> Option<Shown> {
    Some(Shown {
        name,
        number: None,
        alert: Some(alert),
        known: Known::Source,
    })
}

const fn curl(name: &'static str, number: i32, alert: u8) -> Option<Shown> {
    Some(Shown {
        name,
        number: Some(number),
        alert: Some(alert),
        known: Known::Measured,
    })
}

const fn rustls(name: &'static str, alert: u8) -> Option<Shown> {
    Some(Shown {
        name,
        number: None,
        alert: Some(alert),
        known: Known::Measured,
    })
}
