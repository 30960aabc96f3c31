//! Certificate authorities and server certificates.

use super::decode::{Fields, Item};
use super::error::advice;
use crate::time::UnixSeconds;
use crate::tls::config::{
    AuthoritySpec, CertificateSpec, ChainPart, CrlSpec, Issuer, KeyKind, KeyUse, PkiSpec, Purpose,
    Signature, Validity,
};

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
        let issuer = self.issuer(&mut table);
        let common_name = table.or("common-name", None, |i| i.prose(64).map(Some));
        let names = table.required("names", "[\"your-app.com\"]");
        let names = names.and_then(|i| {
            let names = i.each(|n| host_name(n, true))?;
            // A certificate with nothing but a common name is one that no client of today accepts.
            if names.is_empty() && common_name == Some(None) {
                let label = "expected a host name, or a `common-name` beside it";
                i.wrong("the certificate is for nobody", label, None);
                return None;
            }
            Some(names)
        });
        let valid = table.required("valid", "[2024-01-01, 2025-12-31]");
        let valid = valid.and_then(validity);
        let key = table.or("key", KeyKind::default(), |i| {
            let kinds = [KeyKind::P256, KeyKind::Rsa2048];
            i.one_of("kind of key", &kinds.map(|k| (k.text(), k)))
        });
        let chain = table.optional("chain");
        let purpose = table.or("purpose", Purpose::default(), |i| {
            let known = [("server", Purpose::Server), ("client", Purpose::Client)];
            i.one_of("purpose", &known)
        });
        let key_usage = table.or("key-usage", None, |i| {
            i.some(|u| u.one_of("key usage", &KeyUse::WORDS)).map(Some)
        });
        let signature = table.or("signature", Signature::default(), |i| {
            let known = [("good", Signature::Good), ("broken", Signature::Broken)];
            i.one_of("signature", &known)
        });
        let revoked = table.optional("revoked");
        let private_key_of = table.or("private-key-of", None, |i| {
            let other = self.certificate_of(i)?;
            if other == item.key {
                i.wrong(
                    "a certificate's own key",
                    "expected another certificate",
                    None,
                );
                return None;
            }
            Some(Some(other))
        });
        table.finish();
        let chain = self.chain(chain, issuer.as_ref());
        let revoked = match revoked {
            Some(at) => self.revocation(at, issuer.as_ref()).map(Some),
            None => Some(None),
        };
        let names = names?;
        let first = || names.first().cloned().unwrap_or_default();
        Some(CertificateSpec {
            name: name?.to_string(),
            issuer: issuer?,
            common_name: common_name?.unwrap_or_else(first),
            names,
            key: key?,
            validity: valid?,
            chain: chain?,
            purpose: purpose?,
            key_usage: key_usage?,
            signature: signature?,
            revoked: revoked?,
            private_key_of: private_key_of?,
        })
    }

    /// An authority, or the certificate itself.
    fn issuer(&self, table: &mut Fields<'_>) -> Option<Issuer> {
        let Some(itself) = table.optional("self-signed") else {
            let issuer = table.required("issuer", "\"lab-root\"")?;
            return self.authority_of(issuer).map(Issuer::Authority);
        };
        let issuer = table.optional("issuer");
        if !itself.boolean()? {
            itself.wrong("`self-signed` is true or absent", "expected true", None);
            return None;
        }
        if let Some(issuer) = issuer {
            let label = "expected no `issuer` beside `self-signed`";
            issuer.wrong_key("a self-signed certificate is its own issuer", label, None);
            return None;
        }
        Some(Issuer::Itself)
    }

    /// What the server sends.
    fn chain(&self, item: Option<Item<'_>>, issuer: Option<&Issuer>) -> Option<Vec<ChainPart>> {
        let alone = matches!(issuer, Some(Issuer::Itself));
        let Some(item) = item else {
            return Some(if alone {
                vec![ChainPart::Leaf]
            } else {
                CertificateSpec::CHAIN.to_vec()
            });
        };
        let chain = item.some(|p| p.one_of("part of a chain", &ChainPart::WORDS))?;
        // RFC 8446 §4.4.2: the sender's certificate comes first.
        if chain.first() != Some(&ChainPart::Leaf) {
            let label = "expected \"leaf\" first";
            item.wrong("the server's own certificate comes first", label, None);
            return None;
        }
        if alone && chain.len() > 1 {
            let label = "expected [\"leaf\"]";
            item.wrong(
                "a self-signed certificate has nothing above it",
                label,
                None,
            );
            return None;
        }
        Some(chain)
    }

    /// The date of a revocation, which the issuer's list must be able to hold.
    fn revocation(&self, item: Item<'_>, issuer: Option<&Issuer>) -> Option<UnixSeconds> {
        let at = item.date(false)?;
        // An issuer with a mistake of its own is not looked at.
        let authority = match issuer? {
            Issuer::Authority(name) => self.spec.authorities.iter().find(|a| a.name == *name)?,
            Issuer::Itself => {
                let label = "expected an `issuer` that keeps a list";
                item.wrong_key("nobody can revoke a self-signed certificate", label, None);
                return None;
            }
        };
        match authority.crl {
            Some(list) if at <= list.this_update => Some(at),
            Some(list) => {
                let label = format!("expected a date until {}", list.this_update);
                let message = format!("the list of `{}` was made before", authority.name);
                item.wrong(message, label, None);
                None
            }
            None => {
                let message = format!("`{}` keeps no revocation list", authority.name);
                let help = format!(
                    "add `crl = [2025-11-01, 2025-11-08]` to `authority.{}`: when its list was made, and when the \
                     next is due",
                    authority.name
                );
                item.wrong_key(message, "expected an issuer that keeps one", help);
                None
            }
        }
    }
}

fn authority(item: Item<'_>) -> Option<AuthoritySpec> {
    let name = item.key_name();
    let mut table = item.fields()?;
    // A common name and an organization name have at most 64 characters (RFC 5280, ub-common-name).
    let organization = table.or(
        "organization",
        AuthoritySpec::ORGANIZATION.to_owned(),
        |i| i.prose(64),
    );
    let root = table.required("root", "\"tunlab Root R1\"");
    let root = root.and_then(|i| i.prose(64));
    let intermediate = table.required("intermediate", "\"tunlab Intermediate X1\"");
    let intermediate = intermediate.and_then(|i| i.prose(64));
    let valid = table.required("valid", "[2020-01-01, 2040-01-01]");
    let valid = valid.and_then(validity);
    let root_validity = table.or("root-valid", valid, |i| validity(i).map(Some));
    let intermediate_validity = table.or("intermediate-valid", valid, |i| validity(i).map(Some));
    let domains = |i: Item<'_>| i.some(|d| host_name(d, false));
    let permits = table.or("permits", Vec::new(), domains);
    let excludes = table.or("excludes", Vec::new(), domains);
    let crl = table.or("crl", None, |i| {
        let (this_update, next_update) = validity(i)?;
        Some(Some(CrlSpec {
            this_update,
            next_update,
        }))
    });
    table.finish();
    Some(AuthoritySpec {
        name: name?.to_string(),
        organization: organization?,
        root: root?,
        root_validity: root_validity??,
        intermediate: intermediate?,
        intermediate_validity: intermediate_validity??,
        permits: permits?,
        excludes: excludes?,
        crl: crl?,
    })
}

fn validity(item: Item<'_>) -> Option<Validity> {
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
mod tests;
