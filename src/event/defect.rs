//! What can be wrong with a certificate.

use std::fmt;

/// What is wrong with a certificate chain that a client refused: the rule that it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateDefect {
    /// The server's certificate is beyond its last day (RFC 5280 §4.1.2.5).
    Expired,
    /// A certificate is before its first day.
    NotYetValid,
    /// An intermediate certificate is beyond its last day.
    ExpiredIntermediate,
    /// The trust anchor's own certificate is beyond its last day. RFC 5280 §6.1 leaves this check to the client.
    ExpiredRoot,
    /// None of its subject alternative names is the one asked for (RFC 9525 §6.3).
    WrongName,
    /// The chain ends at nobody whom the client trusts.
    UntrustedIssuer,
    /// The certificate of its issuer was not sent, and the client does not have it.
    MissingIntermediate,
    /// It was issued by nobody but itself.
    SelfSigned,
    /// Its extended key usage does not admit servers (RFC 5280 §4.2.1.12).
    WrongPurpose,
    /// Its key usage does not admit what the handshake does with the key (RFC 5280 §4.2.1.3).
    KeyUsage,
    /// Its issuer took it back (RFC 5280 §5).
    Revoked,
    /// Whether it was revoked cannot be said: the list is out of date.
    RevocationUnknown,
    /// A certificate above it does not admit its name (RFC 5280 §4.2.1.10).
    NameConstraint,
    /// It is valid for longer than public certificates may be (CA/Browser Forum BR §6.3.2).
    TooLong,
    /// A signature in the chain does not verify.
    BadSignature,
    /// The server did not prove that it has the certificate's private key (RFC 8446 §4.4.3, RFC 5246 §7.4.3).
    WrongKey,
    /// Something else; the error says what.
    Other,
}

impl CertificateDefect {
    /// All, with their words in lab files and reports.
    pub const WORDS: [(&str, Self); 17] = [
        ("expired", Self::Expired),
        ("not-yet-valid", Self::NotYetValid),
        ("expired-intermediate", Self::ExpiredIntermediate),
        ("expired-root", Self::ExpiredRoot),
        ("wrong-name", Self::WrongName),
        ("untrusted-issuer", Self::UntrustedIssuer),
        ("missing-intermediate", Self::MissingIntermediate),
        ("self-signed", Self::SelfSigned),
        ("wrong-purpose", Self::WrongPurpose),
        ("key-usage", Self::KeyUsage),
        ("revoked", Self::Revoked),
        ("revocation-unknown", Self::RevocationUnknown),
        ("name-constraint", Self::NameConstraint),
        ("too-long-validity", Self::TooLong),
        ("bad-signature", Self::BadSignature),
        ("wrong-key", Self::WrongKey),
        ("other", Self::Other),
    ];

    /// Its word in lab files and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

impl fmt::Display for CertificateDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defect_has_its_own_word() {
        for (word, defect) in CertificateDefect::WORDS {
            assert_eq!(defect.word(), word);
        }
    }
}
