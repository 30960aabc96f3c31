//! Every claim of the text, with the verdict on it, what is true instead, and what shows that: expectations of labs, or
//! checks of what a page of `explain` computes. The claims are data, one file a part of the text; labs are run elsewhere.

use super::cost::Costs;

mod aes;
mod certificates;
mod check;
mod keys;
mod network;
mod page;
mod security;
mod summary;

pub use check::{Check, Checked};
pub use page::{one, table};
pub use summary::{Judged, Judgement, Report, Shower, Summary, report, summary_line};

/// A claim of the text.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// 1 to 80, in the order of the text.
    pub number: u8,
    /// What the text says, shortened.
    pub text: &'static str,
    /// Whether that is so.
    pub verdict: Verdict,
    /// What is so.
    pub fact: &'static str,
    /// Where that stands.
    pub source: &'static str,
    /// What shows it; empty when nothing does yet.
    pub shown: &'static [Shown],
}

/// Whether a claim is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it stands.
    Right,
    /// Right under a condition that the text does not name.
    Qualified,
    /// Not so.
    Wrong,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Right, Self::Qualified, Self::Wrong];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Qualified => "qualified",
            Self::Wrong => "wrong",
        }
    }
}

/// Something that shows what is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Expectations of a lab.
    Lab {
        /// Which lab.
        name: &'static str,
        /// Its expectations, by their words.
        that: &'static [&'static str],
    },
    /// A page, and what it computes.
    Page(Check),
}

/// All claims, in order.
pub fn all() -> impl Iterator<Item = &'static Claim> {
    let parts: [&[Claim]; 5] = [
        network::CLAIMS,
        certificates::CLAIMS,
        keys::CLAIMS,
        aes::CLAIMS,
        security::CLAIMS,
    ];
    let mut claims: Vec<&Claim> = parts.into_iter().flatten().collect();
    claims.sort_by_key(|c| c.number);
    claims.into_iter()
}

/// The claim with this number.
#[must_use]
pub fn numbered(number: u8) -> Option<&'static Claim> {
    all().find(|c| c.number == number)
}

impl Claim {
    /// The labs that show it.
    pub fn labs(&self) -> impl Iterator<Item = &'static str> {
        self.shown.iter().filter_map(|s| match s {
            Shown::Lab { name, .. } => Some(*name),
            Shown::Page(_) => None,
        })
    }

    /// Whether its checks need the costs of this machine.
    #[must_use]
    pub fn needs_costs(&self) -> bool {
        self.shown.iter().any(|s| match s {
            Shown::Lab { .. } => false,
            Shown::Page(check) => check.needs_costs(),
        })
    }
}

const fn lab(name: &'static str, that: &'static [&'static str]) -> Shown {
    Shown::Lab { name, that }
}

const fn page(check: Check) -> Shown {
    Shown::Page(check)
}

const fn right(
    number: u8,
    text: &'static str,
    fact: &'static str,
    source: &'static str,
    shown: &'static [Shown],
) -> Claim {
    Claim {
        number,
        text,
        verdict: Verdict::Right,
        fact,
        source,
        shown,
    }
}

const fn qualified(
    number: u8,
    text: &'static str,
    fact: &'static str,
    source: &'static str,
    shown: &'static [Shown],
) -> Claim {
    Claim {
        verdict: Verdict::Qualified,
        ..right(number, text, fact, source, shown)
    }
}

const fn wrong(
    number: u8,
    text: &'static str,
    fact: &'static str,
    source: &'static str,
    shown: &'static [Shown],
) -> Claim {
    Claim {
        verdict: Verdict::Wrong,
        ..right(number, text, fact, source, shown)
    }
}

/// Judges a check of a page.
#[must_use]
pub fn judge(check: Check, costs: Option<&Costs>) -> Checked {
    check::judge(check, costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eighty_each_once() {
        let numbers: Vec<u8> = all().map(|c| c.number).collect();
        assert_eq!(numbers, (1..=80).collect::<Vec<u8>>());
        for claim in all() {
            for text in [claim.text, claim.fact, claim.source] {
                assert!(!text.is_empty(), "{}", claim.number);
                assert!(!text.contains("  "), "{}: {text}", claim.number);
            }
        }
    }

    #[test]
    fn every_lab_that_shows_a_claim_is_shipped_with_its_expectations() {
        let mut wrong = Vec::new();
        for claim in all() {
            for shown in claim.shown {
                let Shown::Lab { name, that } = shown else {
                    continue;
                };
                assert!(!that.is_empty(), "{}", claim.number);
                if !crate::lab::shipped().any(|l| l.name == *name) {
                    wrong.push(format!("{}: no lab `{name}`", claim.number));
                    continue;
                }
                let plan = crate::lab::load(name).unwrap();
                for that in *that {
                    let found = plan.expectations.iter().filter(|e| e.that == *that).count();
                    if found != 1 {
                        wrong.push(format!("{}: {name} has {found} of `{that}`", claim.number));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Of policies of states there is no lab. Everything else is shown.
    #[test]
    fn what_nothing_shows_yet_is_known() {
        let not_shown = all().filter(|c| c.shown.is_empty()).map(|c| c.number);
        assert_eq!(not_shown.collect::<Vec<_>>(), [73]);
    }

    #[test]
    fn what_pages_compute_bears_the_verdicts_out() {
        for claim in all() {
            for shown in claim.shown {
                let Shown::Page(check) = shown else { continue };
                // What a machine needs for it is no matter for a test.
                if !check.needs_costs() {
                    let checked = judge(*check, None);
                    assert!(checked.holds, "{}: {checked:?}", claim.number);
                }
            }
        }
    }
}
