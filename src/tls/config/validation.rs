//! How a client looks at a server's certificate.

use crate::time::UnixSeconds;

/// How a client looks at a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validation {
    /// By which rules.
    pub validator: Validator,
    /// How it learns of revocations.
    pub revocation: Revocation,
    /// How far its clock is ahead of the true time, or (negative) behind it.
    pub clock_skew: ClockSkew,
}

/// By which rules a client judges a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Validator {
    /// Those of rustls' own verifier: signatures, dates, names, purpose, constraints. Its alert says what is wrong.
    #[default]
    Webpki,
    /// The same and those that browsers add: dates of the trust anchor, key usage, the longest validity. Its alert is
    /// Chrome's, certificate_unknown whatever is wrong.
    Browser,
    /// None: whatever the server shows is taken, as load balancers do with their targets. Nobody is trusted then, as
    /// nobody needs to be.
    Nothing,
}

impl Validator {
    /// Those that a lab's client may have, with their words in lab files.
    pub const WORDS: [(&str, Self); 2] = [("webpki", Self::Webpki), ("browser", Self::Browser)];
}

/// How a client learns of revocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Revocation {
    /// Not at all.
    #[default]
    Off,
    /// From the lists of the authorities that it trusts, which it has already, as browsers do (CRLSet, CRLite). An
    /// authority without a list revokes nothing; a list that is out of date says nothing, and that is an error.
    Crl,
}

impl Revocation {
    /// All, with their words in lab files.
    pub const WORDS: [(&str, Self); 2] = [("off", Self::Off), ("crl", Self::Crl)];
}

/// How far a clock is ahead of the true time, in whole seconds; negative when it is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockSkew(pub i64);

impl ClockSkew {
    /// What a clock with this skew shows at `date`; never before 1970.
    #[must_use]
    pub const fn shown(self, date: UnixSeconds) -> UnixSeconds {
        UnixSeconds(date.0.saturating_add_signed(self.0))
    }
}
