//! Claims as lines: all of them as a table, or one in full.

use super::summary::{Judged, Judgement, Shower, Summary, summary_line};
use super::{Claim, Shown, Verdict};
use crate::explain::Sheet;
use crate::report::Paint;
use crate::report::paint::Tone;

/// Columns before the words of a claim: number, verdict, and `ok` or `FAIL` where labs were run.
const LABEL: usize = 17;

/// The claims as a table; with what became of them where labs were run.
#[must_use]
pub fn table(
    claims: &[&'static Claim],
    judged: Option<&[Judged]>,
    columns: usize,
    paint: Paint,
) -> String {
    let mut sheet = Sheet::new(columns, paint);
    for claim in claims {
        let judged = judged.and_then(|all| all.iter().find(|j| j.claim.number == claim.number));
        let verdict = format!("{:<9}", claim.verdict.word());
        let verdict = sheet.dip(tone(claim.verdict), &verdict);
        let mark = match judged {
            Some(j) if j.claim.shown.is_empty() => "–   ".into(),
            Some(j) if j.holds() => sheet.dip(Tone::Good, "ok  "),
            Some(_) => sheet.dip(Tone::Bad, "FAIL"),
            None => String::new(),
        };
        let label = if judged.is_some() {
            format!("{:>3}  {mark}  {verdict}  ", claim.number)
        } else {
            format!("{:>3}  {verdict}  ", claim.number)
        };
        let room = if judged.is_some() {
            LABEL + 5
        } else {
            LABEL - 1
        };
        sheet.hanging_at(room, &label, claim.text);
        let by = shown_by(claim);
        sheet.dim_at(room, &by);
        for judgement in judged
            .iter()
            .flat_map(|j| &j.judgements)
            .filter(|j| !j.holds)
        {
            failure(&mut sheet, room, judgement);
        }
    }
    sheet.blank();
    sheet.hanging("", &summary_line(&Summary::of(claims)));
    if let Some(judged) = judged {
        let shown = || judged.iter().filter(|j| !j.judgements.is_empty());
        let (held, all) = (shown().filter(|j| j.holds()).count(), shown().count());
        let text = format!("{held} of {all} verdicts that are shown hold");
        let tone = if held == all { Tone::Good } else { Tone::Bad };
        let line = sheet.dip(tone, &text);
        sheet.line(line);
    }
    sheet.into_text()
}

fn failure(sheet: &mut Sheet, room: usize, judgement: &Judgement) {
    let by = match &judgement.by {
        Shower::Lab(name) | Shower::Page(name) => name,
    };
    let text = format!("{by}: {}: {}", judgement.that, judgement.found);
    sheet.hanging_at(room, &" ".repeat(room), &text);
}

const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Right => Tone::Good,
        Verdict::Qualified => Tone::Clear,
        Verdict::Wrong => Tone::Bad,
    }
}

fn shown_by(claim: &Claim) -> String {
    let mut by: Vec<&str> = Vec::new();
    for shown in claim.shown {
        let name = match shown {
            Shown::Lab { name, .. } => name,
            Shown::Page(check) => check.page(),
        };
        if !by.contains(&name) {
            by.push(name);
        }
    }
    if by.is_empty() {
        "not shown yet: by its source only".into()
    } else {
        format!("shown by {}", by.join(", "))
    }
}

/// One claim in full, with the frames of the labs that were run for it.
#[must_use]
pub fn one(judged: &Judged, seed: u64, columns: usize, paint: Paint) -> String {
    let claim = judged.claim;
    let mut sheet = Sheet::new(columns, paint);
    sheet.heading(&format!("Claim {}", claim.number));
    let verdict = match claim.verdict {
        Verdict::Right => "right",
        Verdict::Qualified => "right with a qualification",
        Verdict::Wrong => "wrong",
    };
    sheet.hanging("  the text  ", claim.text);
    let verdict = sheet.dip(tone(claim.verdict), verdict);
    sheet.line(format!("  verdict   {verdict}"));
    sheet.hanging("  in fact   ", claim.fact);
    sheet.hanging("  source    ", claim.source);
    if judged.judgements.is_empty() {
        sheet.hanging("  shown     ", "not yet: by its source only");
    }
    let mut last = None;
    for judgement in &judged.judgements {
        if last != Some(&judgement.by) {
            sheet.blank();
            let command = match &judgement.by {
                Shower::Lab(name) => format!("tunlab run {name} --seed {seed}"),
                Shower::Page(page) => format!("tunlab {page}"),
            };
            let line = sheet.dip(Tone::Strong, &format!("  {command}"));
            sheet.line(line);
            last = Some(&judgement.by);
        }
        let (word, tone) = if judgement.holds {
            ("  ok    ", Tone::Good)
        } else {
            ("  FAIL  ", Tone::Bad)
        };
        let label = sheet.dip(tone, word);
        sheet.hanging_at(8, &label, &judgement.that);
        let frames = if judgement.frames.is_empty() {
            String::new()
        } else {
            let s = if judgement.frames.contains(' ') {
                "s"
            } else {
                ""
            };
            format!(" · frame{s} {}", judgement.frames)
        };
        sheet.dim_at(8, &format!("{}{frames}", judgement.found));
    }
    sheet.into_text()
}
