//! What a lab is laid over: a shipped base, another lab, or a file beside it. A lab that is laid over another lab says
//! only how it differs: network, programs and steps are the other's, what it says of itself is its own.

use std::sync::Arc;

use miette::NamedSource;
use toml::de::{DeTable, DeValue};

use super::LabErrors;
use super::decode::Item;
use super::error::{Mistakes, Source, advice, nearest};
use super::shipped;
use super::tree::{self, Kind, Table};

/// The most files that a lab is made of: itself, the lab it differs from, and that one's base.
const FILES_MAX: usize = 3;

/// What a lab says of itself, and no other lab says for it: what it is about and what comes out.
pub(super) const OWN: [&str; 6] = ["title", "text", "look_for", "notes", "expert", "expect"];

/// The lab `source`, laid over its base. What is wrong stands in the mistakes; the table is of use only when nothing is.
/// `beside` gives the name and the text of a base that is not shipped.
pub(super) fn read<E: From<LabErrors>>(
    file_name: &str,
    source: &str,
    beside: impl Fn(&str) -> Result<Option<(String, String)>, E>,
) -> Result<(Table, Mistakes), E> {
    let lab_source = open(file_name, source);
    let mistakes = Mistakes::new(lab_source.clone());
    // The lab first, then what is below it.
    let mut files = vec![tree::parse(&lab_source, 0, &mistakes)];
    while let Some((name, text)) = below(&files, &mistakes, &beside)? {
        let source = open(&name, &text);
        mistakes.add_source(source.clone());
        let number = files.len();
        files.push(tree::parse(&source, number, &mistakes));
    }
    let mut merged = Table::default();
    for mut over in files.into_iter().rev() {
        if is_lab(&merged) {
            merged.0.retain(|e| !OWN.contains(&e.key.as_str()));
        }
        take_away(&mut over, &mut merged, &mistakes);
        merged = tree::overlay(merged, over);
    }
    Ok((merged, mistakes))
}

fn open(name: &str, text: &str) -> Source {
    Arc::new(NamedSource::new(name, text.into()))
}

/// A base has no title: it is for many labs.
fn is_lab(table: &Table) -> bool {
    table.entry("title").is_some()
}

/// The name and the text of the file below the last of `files`.
fn below<E>(
    files: &[Table],
    mistakes: &Mistakes,
    beside: impl Fn(&str) -> Result<Option<(String, String)>, E>,
) -> Result<Option<(String, String)>, E> {
    let Some(entry) = files.last().and_then(|t| t.entry("base")) else {
        return Ok(None);
    };
    let item = Item::of(entry, mistakes);
    // Of the lab itself nobody asks what it is.
    if files.len() > 1 && !files.last().is_some_and(is_lab) {
        let message = "a base has no base of its own";
        item.wrong_key(message, "expected no `base` in a base", None);
        return Ok(None);
    }
    if files.len() == FILES_MAX {
        let message = "a lab is made of three files at most";
        let label = "expected a lab whose base has no base";
        item.wrong_key(message, label, None);
        return Ok(None);
    }
    let Some(name) = item.text() else {
        return Ok(None);
    };
    if let Some(found) = shipped::base(name) {
        return Ok(Some((format!("base/{name}.toml"), found.to_owned())));
    }
    if let Some(lab) = shipped::lab(name) {
        return Ok(Some((format!("{name}.toml"), lab.to_owned())));
    }
    let is_name = crate::name::Name::new(name).is_ok();
    let found = if is_name { beside(name)? } else { None };
    if found.is_none() {
        let bases = shipped::BASES.iter().map(|b| &b.name["base/".len()..]);
        // Labs are too many to list; one that was meant is named all the same.
        let labs = shipped::LABS.iter().map(|l| l.name);
        let help = match nearest(name, labs) {
            Some(lab) if nearest(name, bases.clone()).is_none() => format!("did you mean `{lab}`?"),
            Some(_) | None => advice(name, bases),
        };
        item.wrong(
            format!("unknown base `{name}`"),
            "neither a shipped base or lab nor a file beside this one",
            help,
        );
    }
    Ok(found)
}

/// Takes out of `base` what `lab` says is not there (`without`), so that it can also be said anew.
fn take_away(lab: &mut Table, base: &mut Table, mistakes: &Mistakes) {
    let Some(entry) = lab.0.iter().find(|e| e.key == "without").cloned() else {
        return;
    };
    lab.0.retain(|e| e.key != "without");
    let item = Item::of(&entry, mistakes);
    if lab.entry("base").is_none() {
        let label = "expected no `without` where there is no `base`";
        item.wrong_key("nothing to be without", label, None);
        return;
    }
    for item in item.list().unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        let Some(path) = key_path(text) else {
            let label = "expected a key such as \"link.edge.there.drop-nth\"";
            item.wrong(format!("`{text}` is not a key"), label, None);
            continue;
        };
        if let Err((key, known)) = remove(base, &path) {
            let known = known.iter().map(String::as_str);
            item.wrong(
                format!("the base has no `{text}`"),
                format!("there is no `{key}`"),
                advice(&key, known),
            );
        }
    }
}

/// A dotted key as TOML writes it, quotes included: `node.web.app.route."/"`.
fn key_path(text: &str) -> Option<Vec<String>> {
    let line = format!("{text} = 0");
    let mut table = DeTable::parse(&line).ok()?.into_inner();
    let mut path = Vec::new();
    loop {
        let mut entries = table.into_iter();
        let (key, value) = entries.next()?;
        if entries.next().is_some() {
            return None;
        }
        path.push(key.into_inner().into_owned());
        table = match value.into_inner() {
            DeValue::Table(inner) => inner,
            DeValue::Integer(_) => return Some(path),
            DeValue::String(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => return None,
        };
    }
}

/// Removes what stands at `path`, or says which key is not there and which are.
fn remove(table: &mut Table, path: &[String]) -> Result<(), (String, Vec<String>)> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(());
    };
    let Some(at) = table.0.iter().position(|e| e.key == *key) else {
        let known = table.0.iter().map(|e| e.key.clone()).collect();
        return Err((key.clone(), known));
    };
    if rest.is_empty() {
        table.0.remove(at);
        return Ok(());
    }
    match &mut table.0[at].value.kind {
        Kind::Table(inner) => remove(inner, rest),
        Kind::Text(_)
        | Kind::Integer(_)
        | Kind::Float
        | Kind::Boolean(_)
        | Kind::Date(_)
        | Kind::List(_) => Err((rest[0].clone(), Vec::new())),
    }
}
