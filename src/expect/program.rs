//! How real programs ended, and what they printed.

use super::{Evidence, Record, Ruling, fact};
use crate::event::Fact;
use crate::name::Name;

/// The last program that ended on `node` did so with this code, and this text is in its output.
pub(super) fn ended(
    record: &Record<'_>,
    node: &Name,
    exit: Option<i32>,
    wanted: Option<&str>,
) -> Ruling {
    let mut expected = format!("the program on {node} to end");
    if let Some(code) = exit {
        expected = format!("{expected} with exit code {code}");
    }
    if let Some(text) = wanted {
        expected = format!("{expected} and `{text}` in its output");
    }
    let events = record.events.iter().enumerate().rev();
    let last = events
        .filter(|(_, e)| e.node == *node)
        .find_map(|(index, e)| {
            if let Some(Fact::ProgramEnded {
                status,
                code,
                output,
                errors,
                ..
            }) = fact(e)
            {
                return Some((index, status, *code, output, errors));
            }
            None
        });
    let Some((index, status, code, output, errors)) = last else {
        return Ruling::broken("did not end", vec![], &expected, "no program that ended");
    };
    let evidence = vec![Evidence::Event(index)];
    let as_wanted = exit.is_none_or(|e| code == Some(e));
    if as_wanted && wanted.is_none_or(|text| output.contains(text)) {
        return Ruling::held(status.clone(), evidence);
    }
    // The last words say most.
    let said = if errors.trim().is_empty() {
        output
    } else {
        errors
    };
    let last_line = said
        .trim()
        .lines()
        .next_back()
        .unwrap_or("and nothing printed");
    let found = format!("{status}: {last_line}");
    Ruling::broken(status.clone(), evidence, &expected, &found)
}
