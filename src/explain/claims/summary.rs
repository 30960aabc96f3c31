//! Claims that were looked at again, counted and as JSON.

use serde::Serialize;

use super::{Claim, Shown, Verdict};
use crate::expect::Finding;
use crate::explain::claims::Checked;
use crate::report::findings::cited;

/// What decided about a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shower {
    /// A lab.
    Lab(String),
    /// A page: what stands behind `tunlab`.
    Page(String),
}

/// Whether one thing that shows a claim does so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// Who says so.
    pub by: Shower,
    /// What must hold.
    pub that: String,
    /// Whether it does.
    pub holds: bool,
    /// What was found.
    pub found: String,
    /// Frames that decided it, as in "3 4"; empty for pages.
    pub frames: String,
}

/// A claim with all that shows it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The claim.
    pub claim: &'static Claim,
    /// In its order.
    pub judgements: Vec<Judgement>,
}

impl Judged {
    /// Judges a claim: `finding` gives the judgement of a lab's run on one of its expectations, `check` that on what a
    /// page computes.
    #[must_use]
    pub fn new(
        claim: &'static Claim,
        finding: impl Fn(&str, &str) -> Option<Finding>,
        check: impl Fn(super::Check) -> Checked,
    ) -> Self {
        let mut judgements = Vec::new();
        for shown in claim.shown {
            match shown {
                Shown::Lab { name, that } => {
                    judgements.extend(
                        that.iter()
                            .map(|that| of_lab(name, that, finding(name, that))),
                    );
                }
                Shown::Page(page) => {
                    let checked = check(*page);
                    judgements.push(Judgement {
                        by: Shower::Page(page.page().to_owned()),
                        that: page.that().to_owned(),
                        holds: checked.holds,
                        found: checked.found,
                        frames: String::new(),
                    });
                }
            }
        }
        Self { claim, judgements }
    }

    /// Whether the verdict is borne out; a claim that nothing shows has nothing against it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.judgements.iter().all(|j| j.holds)
    }
}

fn of_lab(name: &str, that: &str, finding: Option<Finding>) -> Judgement {
    let (holds, found, frames) = match finding {
        Some(f) => {
            let found = f.explain.unwrap_or(f.measured);
            (f.holds, found, cited(&f.evidence))
        }
        None => (
            false,
            "the lab has no such expectation".into(),
            String::new(),
        ),
    };
    Judgement {
        by: Shower::Lab(name.to_owned()),
        that: that.to_owned(),
        holds,
        found,
        frames,
    }
}

/// Counts of claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All of them.
    pub claims: usize,
    /// Verdict right.
    pub right: usize,
    /// Right with a qualification.
    pub qualified: usize,
    /// Wrong.
    pub wrong: usize,
    /// With something that shows it.
    pub shown: usize,
    /// With nothing but a source yet.
    pub not_shown: usize,
}

impl Summary {
    /// Counts.
    #[must_use]
    pub fn of(claims: &[&Claim]) -> Self {
        let with = |verdict| claims.iter().filter(|c| c.verdict == verdict).count();
        let shown = claims.iter().filter(|c| !c.shown.is_empty()).count();
        Self {
            claims: claims.len(),
            right: with(Verdict::Right),
            qualified: with(Verdict::Qualified),
            wrong: with(Verdict::Wrong),
            shown,
            not_shown: claims.len() - shown,
        }
    }
}

/// As in "80 claims: 21 right, 33 right with a qualification, 26 wrong; 70 are shown, 10 not yet".
#[must_use]
pub fn summary_line(summary: &Summary) -> String {
    let Summary {
        claims,
        right,
        qualified,
        wrong,
        shown,
        not_shown,
    } = summary;
    let s = if *claims == 1 { "" } else { "s" };
    format!(
        "{claims} claim{s}: {right} right, {qualified} right with a qualification, {wrong} wrong; {shown} shown by labs or \
         pages, {not_shown} by sources only"
    )
}

/// The claims for programs.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    summary: Summary,
    /// Whether all verdicts are borne out; absent when nothing was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<bool>,
    claims: Vec<ClaimReport>,
}

#[derive(Debug, Serialize)]
struct ClaimReport {
    number: u8,
    text: &'static str,
    verdict: &'static str,
    fact: &'static str,
    source: &'static str,
    shown_by: Vec<ShownReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    judgements: Vec<Judgement>,
}

#[derive(Debug, Serialize)]
struct ShownReport {
    by: Shower,
    that: Vec<&'static str>,
}

/// The answer for programs, with judgements where labs were run.
#[must_use]
pub fn report(claims: &[&'static Claim], judged: Option<&[Judged]>) -> Report {
    let of_claim = |claim: &&'static Claim| {
        let judged = judged.and_then(|all| all.iter().find(|j| j.claim.number == claim.number));
        let shown = claim.shown.iter().map(|s| match s {
            Shown::Lab { name, that } => ShownReport {
                by: Shower::Lab((*name).to_owned()),
                that: that.to_vec(),
            },
            Shown::Page(check) => ShownReport {
                by: Shower::Page(check.page().to_owned()),
                that: vec![check.that()],
            },
        });
        ClaimReport {
            number: claim.number,
            text: claim.text,
            verdict: claim.verdict.word(),
            fact: claim.fact,
            source: claim.source,
            shown_by: shown.collect(),
            // Of a claim that nothing shows, nothing was judged.
            holds: judged
                .filter(|j| !j.judgements.is_empty())
                .map(Judged::holds),
            judgements: judged.map_or_else(Vec::new, |j| j.judgements.clone()),
        }
    };
    Report {
        schema: "tunlab-claims/1",
        summary: Summary::of(claims),
        holds: judged.map(|all| all.iter().all(Judged::holds)),
        claims: claims.iter().map(of_claim).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::Evidence;
    use crate::explain::claims::{Check, numbered, one, table};
    use crate::report::Paint;

    fn finding(that: &str, holds: bool) -> Finding {
        Finding {
            that: that.into(),
            holds,
            measured: "as measured".into(),
            evidence: vec![Evidence::Frame(3), Evidence::Frame(4)],
            explain: (!holds).then(|| "expected 1; found 2".into()),
        }
    }

    fn checked(holds: bool) -> impl Fn(Check) -> Checked {
        move |_| Checked {
            holds,
            found: "computed".into(),
        }
    }

    #[test]
    fn a_verdict_holds_only_when_all_that_shows_it_does() {
        let claim = numbered(3).unwrap();
        let all = Judged::new(claim, |_, that| Some(finding(that, true)), checked(true));
        assert!(all.holds());
        assert!(all.judgements.iter().all(|j| j.frames == "3 4"));
        let second = |lab: &str, that: &str| Some(finding(that, lab != "timeline-as-written"));
        let one_not = Judged::new(claim, second, checked(true));
        assert!(!one_not.holds());
        let none = Judged::new(claim, |_, _| None, checked(true));
        assert!(!none.holds(), "an expectation that is gone shows nothing");
        let page = Judged::new(numbered(56).unwrap(), |_, _| None, checked(false));
        assert!(!page.holds());
    }

    #[test]
    fn what_does_not_hold_is_said_with_its_reason() {
        let claim = numbered(3).unwrap();
        let judged = [Judged::new(
            claim,
            |_, that| Some(finding(that, false)),
            checked(true),
        )];
        let text = table(&[claim], Some(&judged), 80, Paint::Plain);
        assert!(text.contains("FAIL"), "{text}");
        assert!(text.contains("expected 1; found 2"), "{text}");
        assert!(text.contains("0 of 1 verdicts"), "{text}");
        let text = one(&judged[0], 1, 80, Paint::Plain);
        assert!(
            text.contains("FAIL") && text.contains("frames 3 4"),
            "{text}"
        );
        let json = serde_json::to_value(report(&[claim], Some(&judged))).unwrap();
        assert_eq!(json["holds"], false);
        assert_eq!(json["claims"][0]["judgements"][0]["holds"], false);
    }
}
