//! What a `[pki]` may say, and what it may not.

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
