//! Certificates: the client's word on the server's, by events, with the frames that carried it.

use super::milestones::fact;
use super::tls::tls_kinds;
use super::{Evidence, Record, Ruling};
use crate::dissect::message::{Frame, TlsKind};
use crate::event::{CertificateDefect, CertificateFacts, Fact, Flow};
use crate::lab::plan::Acceptance;
use crate::name::Name;
use crate::time::UnixSeconds;

/// The client said that name, dates, issuer and chain are in order.
pub(super) fn accepted(
    record: &Record<'_>,
    node: &Name,
    server_name: &str,
    nth: usize,
    by: &Acceptance,
) -> Ruling {
    let expected = format!("{node} to accept the certificate of {server_name}");
    let Some(judged) = judged(record, node, server_name, nth) else {
        return not_judged(&expected);
    };
    match judged.verdict {
        Ok((chain, anchor)) => match against(record, server_name, chain, anchor, by) {
            None => Ruling::held(said(server_name, chain, anchor, by), judged.evidence),
            Some((expected, found)) => {
                Ruling::broken(found.clone(), judged.evidence, &expected, &found)
            }
        },
        Err((defect, error)) => Ruling::broken(
            format!("refused: {defect}"),
            judged.evidence,
            &expected,
            &format!("refused: {error}"),
        ),
    }
}

/// The client refused the chain for this defect.
pub(super) fn refused(
    record: &Record<'_>,
    node: &Name,
    server_name: &str,
    nth: usize,
    because: CertificateDefect,
) -> Ruling {
    let expected = format!("{node} to refuse the certificate of {server_name}: {because}");
    let Some(judged) = judged(record, node, server_name, nth) else {
        return not_judged(&expected);
    };
    match judged.verdict {
        Err((defect, error)) if defect == because => {
            Ruling::held(error.to_owned(), judged.evidence)
        }
        Err((defect, error)) => Ruling::broken(
            format!("refused: {defect}"),
            judged.evidence,
            &expected,
            &format!("refused: {defect}: {error}"),
        ),
        Ok((chain, anchor)) => Ruling::broken(
            "accepted",
            judged.evidence,
            &expected,
            &format!("accepted: {}", chain_words(chain, anchor)),
        ),
    }
}

fn not_judged(expected: &str) -> Ruling {
    let found = "no certificate judged under that name";
    Ruling::broken("not judged", vec![], expected, found)
}

/// A client's judgement on the certificate of a name, and what it rests on.
struct Judged<'a> {
    /// Chain and trust anchor, or what is wrong and why.
    verdict: Result<(&'a [CertificateFacts], &'a str), (CertificateDefect, &'a str)>,
    evidence: Vec<Evidence>,
}

fn judged<'a>(
    record: &Record<'a>,
    node: &Name,
    server_name: &str,
    nth: usize,
) -> Option<Judged<'a>> {
    let at_node = record
        .events
        .iter()
        .enumerate()
        .filter(|(_, e)| e.node == *node);
    let mut verdicts = at_node.filter_map(|(i, e)| {
        let fact = fact(e)?;
        if let Fact::CertificateAccepted {
            flow,
            server_name: name,
            chain,
            anchor,
            ..
        } = fact
            && name == server_name
        {
            return Some((i, *flow, Ok((chain.as_slice(), anchor.as_str()))));
        }
        if let Fact::CertificateRefused {
            flow,
            server_name: name,
            defect,
            error,
            ..
        } = fact
            && name == server_name
        {
            return Some((i, *flow, Err((*defect, error.as_str()))));
        }
        None
    });
    let (index, flow, verdict) = verdicts.nth(nth.saturating_sub(1))?;
    let mut evidence = record.cite_all(certificate_frames(record, flow));
    if evidence.is_empty() {
        evidence.push(Evidence::Event(index));
    }
    Some(Judged { verdict, evidence })
}

/// What is not as it must be: what was expected, and what was found.
fn against(
    record: &Record<'_>,
    server_name: &str,
    chain: &[CertificateFacts],
    anchor: &str,
    by: &Acceptance,
) -> Option<(String, String)> {
    let leaf = chain.first();
    let covering = leaf.and_then(|l| covering(&l.names, server_name));
    let until = leaf.map(|l| l.not_after);
    let sent: Vec<&str> = chain.iter().map(|c| c.subject.as_str()).collect();
    let text = |t: Option<&str>| t.unwrap_or("no name").to_owned();
    if by.name.is_some() && by.name.as_deref() != covering {
        return Some((text(by.name.as_deref()), text(covering)));
    }
    // The lab's dates may have moved with the run's.
    let moved =
        |d: UnixSeconds| UnixSeconds((d.0 + record.began.0).saturating_sub(record.plan.clock.0));
    let wanted = by.until.map(moved);
    if wanted.is_some() && wanted != until {
        let date = |d: Option<UnixSeconds>| d.map_or_else(|| "no date".into(), |d| d.to_string());
        return Some((date(wanted), date(until)));
    }
    if by.anchor.as_deref().is_some_and(|wanted| wanted != anchor) {
        return Some((text(by.anchor.as_deref()), anchor.to_owned()));
    }
    match &by.chain {
        Some(wanted) if *wanted != sent => Some((wanted.join(", "), sent.join(", "))),
        Some(_) | None => None,
    }
}

/// What was found, of that which was asked for.
fn said(server_name: &str, chain: &[CertificateFacts], anchor: &str, by: &Acceptance) -> String {
    let mut parts = Vec::new();
    let leaf = chain.first();
    if by.name.is_some() {
        let name = leaf.and_then(|l| covering(&l.names, server_name));
        parts.extend(name.map(|n| format!("by the name {n}")));
    }
    if by.until.is_some() {
        parts.extend(leaf.map(|l| format!("valid from {} until {}", l.not_before, l.not_after)));
    }
    if by.anchor.is_some() {
        parts.push(format!("up to {anchor}"));
    }
    if by.chain.is_some() {
        let sent: Vec<&str> = chain.iter().map(|c| c.subject.as_str()).collect();
        parts.push(sent.join(", "));
    }
    if parts.is_empty() {
        return chain_words(chain, anchor);
    }
    parts.join("; ")
}

/// The first of `names` that covers `host`: itself, or a wildcard for its first label (RFC 9525 §6.3).
fn covering<'n>(names: &'n [String], host: &str) -> Option<&'n str> {
    let covers = |name: &str| match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
        None => name == host,
    };
    names.iter().map(String::as_str).find(|name| covers(name))
}

fn chain_words(chain: &[CertificateFacts], anchor: &str) -> String {
    match chain.len() {
        1 => format!("1 certificate up to {anchor}"),
        n => format!("{n} certificates up to {anchor}"),
    }
}

fn certificate_frames<'a>(record: &Record<'a>, flow: Flow) -> impl Iterator<Item = &'a Frame> {
    let to_client = move |f: &&Frame| (f.source, f.destination) == (flow.remote, flow.local);
    let certificate = |f: &&Frame| tls_kinds(f).any(|k| matches!(k, TlsKind::Certificate { .. }));
    let frames = record.frames.iter();
    frames.filter(to_client).filter(certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::What;
    use crate::expect::fixture;

    #[test]
    fn a_refused_certificate_says_why() {
        let mut run = fixture::main_lab();
        let any = Acceptance::default();
        let user = Name::new("user").unwrap();
        let held = accepted(&run.record(), &user, "your-app.com", 1, &any);
        assert_eq!(held.measured, "2 certificates up to Lab Root R1");
        assert_eq!(held.evidence, [Evidence::Frame(8)]);
        for event in &mut run.events {
            let What::Fact(Fact::CertificateAccepted { flow, .. }) = event.what else {
                continue;
            };
            event.what = What::Fact(Fact::CertificateRefused {
                flow,
                server_name: "your-app.com".into(),
                defect: CertificateDefect::Expired,
                error: "certificate expired".into(),
                chain: vec![],
            });
        }
        let broken = accepted(&run.record(), &user, "your-app.com", 1, &any);
        assert_eq!(
            broken.broken.unwrap(),
            "expected user to accept the certificate of your-app.com; found refused: certificate expired"
        );
        let because = |defect| refused(&run.record(), &user, "your-app.com", 1, defect);
        let held = because(CertificateDefect::Expired);
        assert_eq!(
            (held.measured.as_str(), held.broken),
            ("certificate expired", None)
        );
        assert_eq!(held.evidence, [Evidence::Frame(8)]);
        assert_eq!(
            because(CertificateDefect::WrongName).broken.unwrap(),
            "expected user to refuse the certificate of your-app.com: wrong-name; found refused: expired: \
             certificate expired"
        );
        let undisturbed = fixture::main_lab();
        let other = refused(
            &undisturbed.record(),
            &user,
            "your-app.com",
            1,
            CertificateDefect::Expired,
        );
        assert_eq!(other.measured, "accepted");
        let other = accepted(&run.record(), &user, "other.example", 1, &any);
        assert_eq!(other.measured, "not judged");
    }

    #[test]
    fn each_of_the_four_checks_can_be_asked_for() {
        let mut run = fixture::main_lab();
        for event in &mut run.events {
            if let What::Fact(Fact::CertificateAccepted { chain, .. }) = &mut event.what {
                chain[0].names = vec!["your-app.com".into(), "*.your-app.com".into()];
            }
        }
        let user = Name::new("user").unwrap();
        let judge = |by: Acceptance| accepted(&run.record(), &user, "your-app.com", 1, &by);
        let facts = run.events.iter().find_map(|e| {
            let What::Fact(Fact::CertificateAccepted { chain, .. }) = &e.what else {
                return None;
            };
            Some(chain[0].clone())
        });
        let facts = facts.unwrap();
        let right = Acceptance {
            name: Some("your-app.com".into()),
            until: Some(facts.not_after),
            anchor: Some("Lab Root R1".into()),
            chain: None,
        };
        assert_eq!(judge(right.clone()).broken, None);
        let wrong = [
            Acceptance {
                name: Some("*.your-app.com".into()),
                ..right.clone()
            },
            Acceptance {
                until: Some(UnixSeconds(1)),
                ..right.clone()
            },
            Acceptance {
                anchor: Some("Other Root".into()),
                ..right.clone()
            },
            Acceptance {
                chain: Some(vec!["your-app.com".into()]),
                ..right
            },
        ];
        for by in wrong {
            assert!(judge(by.clone()).broken.is_some(), "{by:?}");
        }
        let second = accepted(
            &run.record(),
            &user,
            "your-app.com",
            2,
            &Acceptance::default(),
        );
        assert_eq!(second.measured, "not judged");
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let names = ["a.b".to_owned(), "*.c.d".to_owned()];
        assert_eq!(covering(&names, "a.b"), Some("a.b"));
        assert_eq!(covering(&names, "x.c.d"), Some("*.c.d"));
        for host in ["c.d", "x.y.c.d", "b"] {
            assert_eq!(covering(&names, host), None, "{host}");
        }
    }
}
