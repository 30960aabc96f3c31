//! Certificate authorities and server certificates.

use super::decode::{Fields, Item};
use super::error::advice;
use crate::time::UnixSeconds;
use crate::tls::config::{AuthoritySpec, CertificateSpec, KeyKind, PkiSpec};

/// What certificates are declared, and the names of those with mistakes.
pub(super) struct Pki<'a> {
    pub(super) spec: PkiSpec,
    authorities: Vec<&'a str>,
    certificates: Vec<&'a str>,
}

impl<'a> Pki<'a> {
    /// Reads the tables `authority` and `certificate`.
    pub(super) fn read(root: &mut Fields<'a>) -> Self {
        let entries = |item: Option<Item<'a>>| -> Vec<Item<'a>> {
            let table = item.and_then(Item::fields);
            table.map(|t| t.entries().collect()).unwrap_or_default()
        };
        let authorities = entries(root.optional("authority"));
        let certificates = entries(root.optional("certificate"));
        let mut pki = Self {
            spec: PkiSpec::default(),
            authorities: authorities.iter().map(|i| i.key).collect(),
            certificates: certificates.iter().map(|i| i.key).collect(),
        };
        pki.spec.authorities = authorities.into_iter().filter_map(authority).collect();
        let certificates = certificates.into_iter();
        pki.spec.certificates = certificates.filter_map(|c| pki.certificate(c)).collect();
        pki
    }

    /// The name of an authority, which must exist.
    pub(super) fn authority_of(&self, item: Item<'_>) -> Option<String> {
        known(item, "authority", &self.authorities)
    }

    /// The name of a certificate, which must exist.
    pub(super) fn certificate_of(&self, item: Item<'_>) -> Option<String> {
        known(item, "certificate", &self.certificates)
    }

    fn certificate(&self, item: Item<'_>) -> Option<CertificateSpec> {
        let name = item.key_name();
        let mut table = item.fields()?;
        let issuer = table.required("issuer", "\"lab-root\"");
        let issuer = issuer.and_then(|i| self.authority_of(i));
        let names = table.required("names", "[\"your-app.com\"]");
        let names = names.and_then(|i| i.some(|n| host_name(n, true)));
        let valid = table.required("valid", "[2024-01-01, 2025-12-31]");
        let validity = valid.and_then(validity);
        let key = table.optional("key").map(|i| {
            let kinds = [KeyKind::P256, KeyKind::Rsa2048];
            i.one_of("kind of key", &kinds.map(|k| (k.text(), k)))
        });
        table.finish();
        Some(CertificateSpec {
            name: name?.to_string(),
            issuer: issuer?,
            names: names?,
            key: key.unwrap_or(Some(KeyKind::P256))?,
            validity: validity?,
        })
    }
}

fn authority(item: Item<'_>) -> Option<AuthoritySpec> {
    let name = item.key_name();
    let mut table = item.fields()?;
    // A common name has at most 64 characters (RFC 5280, ub-common-name).
    let root = table.required("root", "\"tunlab Root R1\"");
    let root = root.and_then(|i| i.prose(64));
    let intermediate = table.required("intermediate", "\"tunlab Intermediate X1\"");
    let intermediate = intermediate.and_then(|i| i.prose(64));
    let valid = table.required("valid", "[2020-01-01, 2040-01-01]");
    let validity = valid.and_then(validity);
    table.finish();
    Some(AuthoritySpec {
        name: name?.to_string(),
        root: root?,
        intermediate: intermediate?,
        validity: validity?,
    })
}

fn validity(item: Item<'_>) -> Option<(UnixSeconds, UnixSeconds)> {
    let list = item.list()?;
    let [from, to] = list[..] else {
        let label = "expected the first and the last day, such as [2024-01-01, 2025-12-31]";
        item.wrong("a validity has two dates", label, None);
        return None;
    };
    let (from, to) = (from.date(false), to.date(true));
    let (from, to) = (from?, to?);
    if from > to {
        let label = "expected the first day before the last";
        item.wrong("the validity ends before it begins", label, None);
        return None;
    }
    Some((from, to))
}

fn known(item: Item<'_>, what: &str, names: &[&str]) -> Option<String> {
    let word = item.text()?;
    if !names.contains(&word) {
        item.wrong(
            format!("unknown {what} `{word}`"),
            format!("no {what} has this name"),
            advice(word, names.iter().copied()),
        );
        return None;
    }
    Some(word.to_owned())
}

/// A host name in lower case (RFC 1123 §2.1), its first label `*` where that is allowed.
pub(super) fn host_name(item: Item<'_>, wildcard: bool) -> Option<String> {
    let text = item.text()?;
    let plain = if wildcard {
        text.strip_prefix("*.").unwrap_or(text)
    } else {
        text
    };
    if !is_host_name(plain) {
        let label = "expected a host name such as \"your-app.com\"";
        item.wrong(format!("`{text}` is not a host name"), label, None);
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// Whether `text` is a host name: labels of letters, digits and inner hyphens, the last not a number.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or(text);
    text.len() <= 253 && text.split('.').all(label) && !last.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_checked() {
        for good in ["your-app.com", "localhost", "a.b-c.d1", "Your-App.com"] {
            assert!(is_host_name(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "",
            "a..b",
            "-a.com",
            "a-.com",
            "a_b.com",
            "10.0.2.21",
            &long,
        ] {
            assert!(!is_host_name(bad), "{bad}");
        }
    }
}
