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
mod tests {
    use super::*;
    use crate::lab::{parse, plan::Plan};

    /// The main lab's network with these lines about certificates.
    fn lab(more: &str) -> Result<Plan, String> {
        let source = format!(
            "base = \"three-tier\"\ntitle = \"t\"\n{more}\n[[step]]\nuser = {{ get = \"https://your-app.com/\" }}\n"
        );
        parse("x.toml", &source).map_err(|errors| {
            let line = |m: &crate::lab::Mistake| {
                let help = miette::Diagnostic::help(m).map_or(String::new(), |h| format!(" | {h}"));
                format!("{}: {m} | {}{help}", m.position().0, m.label())
            };
            let lines: Vec<String> = errors.mistakes().iter().map(line).collect();
            lines.join("\n")
        })
    }

    #[test]
    fn everything_that_can_be_wrong_with_a_certificate_can_be_said() {
        let plan = lab(
            "[authority.lab-root]\norganization = \"Let's Try\"\nroot-valid = [2020-01-01, 2025-10-01]\n\
             permits = [\"your-app.com\"]\nexcludes = [\"Admin.your-app.com\"]\ncrl = [2025-11-01, 2025-11-08]\n\
             [certificate.your-app]\ncommon-name = \"x\"\nnames = []\nkey = \"RSA-2048\"\n\
             chain = [\"leaf\", \"root\"]\npurpose = \"client\"\nkey-usage = [\"key-agreement\"]\n\
             signature = \"broken\"\nrevoked = 2025-10-31\nprivate-key-of = \"other\"\n\
             [certificate.other]\nself-signed = true\nnames = [\"a.b\"]\nvalid = [2025-01-01, 2025-12-31]",
        )
        .unwrap();
        let authority = &plan.pki.authorities[0];
        assert_eq!(authority.organization, "Let's Try");
        assert_eq!(
            authority.root_validity.1.to_string(),
            "2025-10-01T23:59:59Z"
        );
        assert_eq!(
            authority.intermediate_validity.1.to_string(),
            "2040-01-01T23:59:59Z"
        );
        assert_eq!(authority.excludes, ["admin.your-app.com"]);
        let [certificate, other] = &plan.pki.certificates[..] else {
            panic!("two certificates")
        };
        let date = UnixSeconds::from_ymd;
        assert_eq!(
            *certificate,
            CertificateSpec {
                name: "your-app".into(),
                issuer: Issuer::Authority("lab-root".into()),
                common_name: "x".into(),
                names: vec![],
                key: KeyKind::Rsa2048,
                validity: (date(2024, 1, 1), UnixSeconds(date(2026, 1, 1).0 - 1)),
                chain: vec![ChainPart::Leaf, ChainPart::Root],
                purpose: Purpose::Client,
                key_usage: Some(vec![KeyUse::KeyAgreement]),
                signature: Signature::Broken,
                revoked: Some(date(2025, 10, 31)),
                private_key_of: Some("other".into()),
            }
        );
        assert_eq!(
            (&other.issuer, &other.chain[..]),
            (&Issuer::Itself, &[ChainPart::Leaf][..])
        );
    }

    #[test]
    fn all_dates_move_together() {
        let plan = lab(
            "[authority.lab-root]\ncrl = [2025-11-01, 2025-11-08]\n[certificate.your-app]\nrevoked = 2025-10-31",
        )
        .unwrap();
        let day = 86_400;
        let mut later = plan.shifted_to(UnixSeconds(plan.clock.0 + day)).pki;
        let mut before = plan.pki;
        let pairs = before.dates_mut().zip(later.dates_mut());
        let moved: Vec<u64> = pairs.map(|(a, b)| b.0 - a.0).collect();
        assert_eq!(moved, [day; 9]);
    }

    #[test]
    fn certificates_that_cannot_be_are_refused() {
        let all = [
            "[certificate.c]\nself-signed = true\nissuer = \"lab-root\"\nnames = [\"a.b\"]\nvalid = [2025-01-01, 2025-12-31]",
            "[certificate.c]\nself-signed = true\nnames = []\nvalid = [2025-01-01, 2025-12-31]\nchain = [\"leaf\", \"root\"]\nrevoked = 2025-02-01",
            "[certificate.your-app]\nrevoked = 2025-02-01\nchain = [\"root\", \"leave\"]\nprivate-key-of = \"your-app\"",
            "[certificate.your-app]\nself-signed = false\npurpose = \"mail\"\nkey-usage = []\nsignature = \"forged\"",
            "[authority.lab-root]\ncrl = [2025-11-01]\npermits = [\"*.a\"]\nexcludes = []\norganization = \"\"",
            "[authority.lab-root]\ncrl = [2025-11-01, 2025-11-08]\n[certificate.your-app]\nrevoked = 2025-11-02\nchain = [\"intermediate\"]",
        ];
        let said: Vec<String> = all.iter().map(|more| lab(more).unwrap_err()).collect();
        insta::assert_snapshot!(said.join("\n\n"), @r#"
        5: a self-signed certificate is its own issuer | expected no `issuer` beside `self-signed`

        5: the certificate is for nobody | expected a host name, or a `common-name` beside it
        7: a self-signed certificate has nothing above it | expected ["leaf"]
        8: nobody can revoke a self-signed certificate | expected an `issuer` that keeps a list

        4: `lab-root` keeps no revocation list | expected an issuer that keeps one | add `crl = [2025-11-01, 2025-11-08]` to `authority.lab-root`: when its list was made, and when the next is due
        5: unknown part of a chain `leave` | no part of a chain has this name | did you mean `leaf`? known here: `leaf`, `intermediate`, `root`
        6: a certificate's own key | expected another certificate

        4: `self-signed` is true or absent | expected true
        5: unknown purpose `mail` | no purpose has this name | known here: `server`, `client`
        6: `key-usage` is empty | expected at least one element
        7: unknown signature `forged` | no signature has this name | known here: `good`, `broken`

        4: a validity has two dates | expected the first and the last day, such as [2024-01-01, 2025-12-31]
        5: `*.a` is not a host name | expected a host name such as "your-app.com"
        6: `excludes` is empty | expected at least one element
        7: `organization` does not fit | expected one line of 1 to 64 characters, found 0

        6: the list of `lab-root` was made before | expected a date until 2025-11-01T00:00:00Z
        7: the server's own certificate comes first | expected "leaf" first
        "#);
    }

    #[test]
    fn how_a_client_looks_at_certificates() {
        use crate::role::config::Role;
        use crate::tls::config::{ClockSkew, Revocation, Validation, Validator};
        let validation = |more: &str| {
            let plan = lab(&format!("[node.user.browser]\n{more}"))?;
            let found = plan.roles.iter().find_map(|(_, role)| {
                let Role::Browser(browser) = role else {
                    return None;
                };
                Some(browser.tls.validation)
            });
            Ok::<_, String>(found.unwrap())
        };
        assert_eq!(validation(""), Ok(Validation::default()));
        let all = "validator = \"browser\"\nrevocation = \"crl\"\nclock-skew = \"-400 days\"";
        assert_eq!(
            validation(all),
            Ok(Validation {
                validator: Validator::Browser,
                revocation: Revocation::Crl,
                clock_skew: ClockSkew(-400 * 86_400),
            })
        );
        for (text, seconds) in [
            ("90 s", 90),
            ("+1.5 h", 5_400),
            ("1 day", 86_400),
            ("-0", 0),
        ] {
            let read = validation(&format!("clock-skew = \"{text}\""));
            assert_eq!(read.unwrap().clock_skew, ClockSkew(seconds), "{text}");
        }
        let all = [
            "validator = \"chrome\"\nrevocation = \"ocsp\"\nclock-skew = \"-1.5 days\"",
            "clock-skew = \"--1 s\"",
            "clock-skew = \"1 ms\"",
            "clock-skew = \"40000 days\"",
            "clock-skew = 5",
        ];
        let said: Vec<String> = all.iter().map(|m| validation(m).unwrap_err()).collect();
        insta::assert_snapshot!(said.join("\n\n"), @r#"
        4: unknown validator `chrome` | no validator has this name | known here: `webpki`, `browser`
        5: unknown source of revocations `ocsp` | no source of revocations has this name | known here: `off`, `crl`
        6: `clock-skew` is not a signed time | expected whole seconds, hours or days, at most 100 years, such as "-400 days"

        4: `clock-skew` is not a signed time | expected whole seconds, hours or days, at most 100 years, such as "-400 days"

        4: `clock-skew` is not a signed time | expected whole seconds, hours or days, at most 100 years, such as "-400 days"

        4: `clock-skew` is not a signed time | expected whole seconds, hours or days, at most 100 years, such as "-400 days"

        4: `clock-skew` is not a text | expected a text such as "…", found an integer
        "#);
    }

    #[test]
    fn a_listener_has_several_certificates_and_gets_another() {
        use crate::lab::plan::Action;
        const OTHER: &str = "[certificate.other]\nissuer = \"lab-root\"\nnames = [\"a.b\"]\nvalid = [2025-01-01, 2025-12-31]\n";
        let with = |listener: &str, renew: &str| {
            lab(&format!(
                "{OTHER}[node.alb.alb]\nlistener = [{{ port = 443, forward = \"web\", {listener} }}, {{ port = 80, \
                 forward = \"web\" }}]\n[[step]]\nat = \"1 s\"\nalb = {{ renew = {{ {renew} }} }}"
            ))
        };
        let two = "certificate = \"your-app\", certificates = [\"other\"]";
        let plan = with(two, "port = 443, certificate = \"other\"").unwrap();
        let renewed = Action::Renew {
            port: 443,
            certificate: "other".into(),
        };
        assert_eq!(plan.steps[0].action, renewed);
        let all = [
            (two, "port = 80, certificate = \"other\""),
            (two, "port = 443, certificate = \"othr\""),
            (two, "certificates = 5"),
            (
                "certificate = \"your-app\", certificates = [\"other\", \"other\", \"x\"]",
                "port = 443, certificate = \"other\"",
            ),
            (
                "certificates = [\"other\"]",
                "port = 443, certificate = \"other\"",
            ),
        ];
        let said = all.map(|(listener, renew)| with(listener, renew).unwrap_err());
        insta::assert_snapshot!(said.join("\n\n"), @r#"
        11: no listener on port 80 has a certificate | expected the port of an HTTPS listener

        11: unknown certificate `othr` | no certificate has this name | did you mean `other`? known here: `your-app`, `other`

        11: `port` is missing | expected `port` in this table | for example `port = 443`
        11: unknown key `certificates` | not a key of this table | did you mean `certificate`? known here: `port`, `certificate`

        8: named twice | expected each once

        8: a listener without certificate has no `certificates` | expected a `certificate` beside it: this is an HTTP listener
        11: no listener on port 443 has a certificate | expected the port of an HTTPS listener
        "#);
    }

    #[test]
    fn refusals_are_expected_with_their_defect() {
        let expect = |check: &str| {
            lab(&format!(
                "expect = [{{ that = \"x\", certificate = {{ {check} }} }}]"
            ))
            .err()
        };
        assert_eq!(
            expect("at = \"user\", refused = \"a.b\", because = \"expired\""),
            None
        );
        let all = [
            "at = \"user\", refused = \"a.b\"",
            "at = \"user\", refused = \"a.b\", because = \"old\"",
            "at = \"user\", accepted = \"a.b\", because = \"expired\"",
            "at = \"user\", accepted = \"a.b\", refused = \"a.b\"",
            "at = \"user\", refused = \"a.b\", because = \"expired\", nth = 0, anchor = \"R\"",
            "at = \"user\", accepted = \"a.b\", name = \"a b\", until = 5, anchor = \"\", chain = []",
        ];
        let said: Vec<String> = all.iter().map(|check| expect(check).unwrap()).collect();
        insta::assert_snapshot!(said.join("\n\n"), @r#"
        3: a refused certificate has a defect | expected `because` beside it | for example `because = "expired"`

        3: unknown defect `old` | no defect has this name | known here: `expired`, `not-yet-valid`, `expired-intermediate`, `expired-root`, `wrong-name`, `untrusted-issuer`, `missing-intermediate`, `self-signed`, `wrong-purpose`, `key-usage`, `revoked`, `revocation-unknown`, `name-constraint`, `too-long-validity`, `bad-signature`, `wrong-key`, `other`

        3: an accepted certificate has no defect | expected `because` beside `refused` only

        3: `refused` is one too many | expected exactly one of `accepted`, `refused`

        3: `nth` is out of range | expected 1 to 1000
        3: a refused certificate has no `anchor` | expected it beside `accepted` only

        3: `a b` is not a host name | expected a host name such as "your-app.com"
        3: `until` is not a date | expected a date such as 2025-11-05 or 2025-11-05T00:00:00Z, found an integer
        3: `anchor` does not fit | expected one line of 1 to 64 characters, found 0
        3: `chain` is empty | expected at least one element
        "#);
    }

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
