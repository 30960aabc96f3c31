//! The security policies of AWS load balancers: all of them in a table, or one with its suites, and what of it the
//! engines here speak.

use serde::Serialize;

use super::sheet::{Sheet, Side};
use crate::report::Paint;
use crate::tls::config::Suite;
use crate::tls::policy::{Policy, names, policy};
use crate::wire::tls::{group_name, suite_name, version_name};

/// A policy, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// As in `ELBSecurityPolicy-2016-08`.
    name: String,
    /// Lowest first, as in "TLS 1.2".
    versions: Vec<String>,
    /// Best first.
    suites: Vec<SuiteReport>,
    /// Best first.
    groups: Vec<GroupReport>,
    /// Whether every suite agrees on a key by ECDHE or a hybrid, so that a key stolen later opens no recording.
    forward_secrecy: bool,
    /// Whether it has a hybrid group with ML-KEM.
    post_quantum: bool,
}

/// A suite of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SuiteReport {
    name: String,
    number: u16,
    spoken: bool,
}

/// A group of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct GroupReport {
    name: String,
    number: u16,
    spoken: bool,
}

/// What there is to say about a policy.
#[must_use]
pub fn report(policy: &Policy) -> Report {
    let spoken = policy.spoken();
    let suite = |number: &u16| SuiteReport {
        name: suite_name(*number),
        number: *number,
        spoken: spoken.suites.contains(&Suite(*number)),
    };
    let group = |number: &u16| GroupReport {
        name: group_name(*number),
        number: *number,
        spoken: spoken.groups.iter().any(|g| g.number() == *number),
    };
    Report {
        name: policy.name.clone(),
        versions: policy.versions().into_iter().map(version_name).collect(),
        suites: policy.suites.iter().map(suite).collect(),
        groups: policy.groups.iter().map(group).collect(),
        forward_secrecy: !policy.suites.iter().any(|s| Suite(*s).is_static_rsa()),
        post_quantum: policy
            .groups
            .iter()
            .any(|g| group_name(*g).contains("MLKEM")),
    }
}

/// All policies.
#[must_use]
pub fn reports() -> Vec<Report> {
    let all = names().filter_map(|name| policy(&name));
    all.map(|p| report(&p)).collect()
}

/// The table of all policies.
#[must_use]
pub fn table(columns: usize, paint: Paint) -> String {
    let mut sheet = Sheet::new(columns, paint);
    sheet.heading("Security policies of AWS load balancers");
    sheet.prose(
        "A listener has one of these, and nobody can make others. The server's order of suites counts. Without a word, \
         the command line gives a listener ELBSecurityPolicy-2016-08, the console \
         ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09.",
    );
    sheet.blank();
    let rows: Vec<Vec<String>> = reports()
        .into_iter()
        .map(|r| {
            let first = r.versions.first().cloned().unwrap_or_default();
            let last = r.versions.last().cloned().unwrap_or_default();
            let span = if first == last {
                first
            } else {
                format!("{first} to {}", last.trim_start_matches("TLS "))
            };
            let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
            vec![
                r.name,
                span,
                r.suites.len().to_string(),
                yes(r.forward_secrecy),
                yes(r.post_quantum),
            ]
        })
        .collect();
    sheet.table(
        &[Side::Left, Side::Left, Side::Right, Side::Left, Side::Left],
        &["policy", "versions", "suites", "FS", "PQ"],
        &rows,
    );
    sheet.blank();
    sheet.prose(
        "FS, forward secrecy: no suite with RSA key exchange, so that a key stolen later opens no recording. PQ, \
         post-quantum: hybrid groups with ML-KEM.",
    );
    sheet.into_text()
}

/// The page of one policy.
#[must_use]
pub fn page(policy: &Policy, columns: usize, paint: Paint) -> String {
    let report = report(policy);
    let mut sheet = Sheet::new(columns, paint);
    sheet.heading(&report.name);
    sheet.hanging("  versions         ", &report.versions.join(", "));
    sheet.hanging(
        "  forward secrecy  ",
        if report.forward_secrecy {
            "yes: every suite agrees on a key by ECDHE"
        } else {
            "no: some suites have RSA key exchange, and who steals the key reads every recording made with one of them"
        },
    );
    let mark = |spoken: bool| if spoken { "" } else { "not spoken here" }.to_owned();
    sheet.heading("Cipher suites, best first");
    let suites = report.suites.iter().enumerate();
    let rows: Vec<Vec<String>> = suites
        .map(|(n, s)| {
            vec![
                (n + 1).to_string(),
                format!("0x{:04x}", s.number),
                s.name.clone(),
                mark(s.spoken),
            ]
        })
        .collect();
    let sides = [Side::Right, Side::Left, Side::Left, Side::Left];
    sheet.table(&sides, &[], &rows);
    sheet.heading("Groups, best first");
    let groups = report.groups.iter().enumerate();
    let rows: Vec<Vec<String>> = groups
        .map(|(n, g)| {
            vec![
                (n + 1).to_string(),
                format!("0x{:04x}", g.number),
                g.name.clone(),
                mark(g.spoken),
            ]
        })
        .collect();
    sheet.table(&sides, &[], &rows);
    sheet.heading("Who is turned away");
    for line in turned_away(policy) {
        sheet.prose(&line);
    }
    sheet.into_text()
}

/// Which clients cannot agree on anything with this policy, and what would do.
fn turned_away(policy: &Policy) -> Vec<String> {
    let mut lines = Vec::new();
    let versions = policy.versions();
    let first = versions.first().copied().unwrap_or_default();
    if first > 0x0301 {
        lines.push(format!(
            "Clients that know versions below {} only: alert protocol_version (70).",
            version_name(first)
        ));
    }
    if !policy.suites.iter().any(|s| Suite(*s).is_static_rsa()) {
        lines.push("Clients that know RSA key exchange only: alert handshake_failure (40).".into());
    }
    let groups: Vec<String> = policy.groups.iter().map(|g| group_name(*g)).collect();
    lines.push(format!(
        "Clients of ECDHE with none of the groups {}: alert handshake_failure (40).",
        groups.join(", ")
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_policy_and_a_page_says_what_is_not_spoken() {
        let text = table(100, Paint::Plain);
        for name in names() {
            assert!(text.contains(&name), "{name}");
        }
        let old = policy("ELBSecurityPolicy-2016-08").unwrap();
        let text = page(&old, 80, Paint::Plain);
        assert!(text.contains("TLS 1.0, TLS 1.1, TLS 1.2"), "{text}");
        assert!(text.contains("no: some suites have RSA key exchange"));
        // 8 ECDHE suites with CBC.
        assert_eq!(text.matches("not spoken here").count(), 8, "{text}");
        assert!(!text.contains("RSA key exchange only"));
        let strict = policy("ELBSecurityPolicy-TLS13-1-3-2021-06").unwrap();
        let text = page(&strict, 80, Paint::Plain);
        assert!(text.contains("versions below TLS 1.3 only"), "{text}");
        let json = serde_json::to_value(report(&strict)).unwrap();
        assert_eq!(json["forward_secrecy"], true);
        assert_eq!(json["suites"][0]["name"], "TLS_AES_128_GCM_SHA256");
    }
}
