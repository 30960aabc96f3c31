//! What one lab says otherwise than another: key by key, after both have been laid over their bases.

use super::tree::{Kind, Table, Value};

/// A key that two labs do not agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key, dotted as in TOML; elements of lists are counted from 0: `step[0].user.get`.
    pub key: String,
    /// What the one lab says there, as TOML writes it; `None` when nothing.
    pub one: Option<String>,
    /// What the other says.
    pub other: Option<String>,
}

/// What the two do not agree on, in the order of the first. What a lab says of itself is no matter of this: `own` are
/// those keys.
pub(super) fn changes(one: &Table, other: &Table, own: &[&str]) -> Vec<Change> {
    let mut found = Vec::new();
    tables("", one, other, own, &mut found);
    found
}

fn tables(path: &str, one: &Table, other: &Table, own: &[&str], found: &mut Vec<Change>) {
    let counts = |key: &str| !path.is_empty() || !own.contains(&key);
    for entry in one.0.iter().filter(|e| counts(&e.key)) {
        let theirs = other.entry(&entry.key).map(|e| &e.value);
        values(&below(path, &entry.key), Some(&entry.value), theirs, found);
    }
    for entry in other.0.iter().filter(|e| counts(&e.key)) {
        if one.entry(&entry.key).is_none() {
            values(&below(path, &entry.key), None, Some(&entry.value), found);
        }
    }
}

fn values(path: &str, one: Option<&Value>, other: Option<&Value>, found: &mut Vec<Change>) {
    match (one.map(|v| &v.kind), other.map(|v| &v.kind)) {
        (Some(Kind::Table(one)), Some(Kind::Table(other))) => tables(path, one, other, &[], found),
        (Some(Kind::List(one)), Some(Kind::List(other))) => {
            for index in 0..one.len().max(other.len()) {
                let path = format!("{path}[{index}]");
                values(&path, one.get(index), other.get(index), found);
            }
        }
        (ours, theirs) => {
            let (ours, theirs) = (ours.map(text), theirs.map(text));
            if ours != theirs {
                found.push(Change {
                    key: path.to_owned(),
                    one: ours,
                    other: theirs,
                });
            }
        }
    }
}

fn below(path: &str, key: &str) -> String {
    let key = written(key);
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// A key as TOML writes it: bare where it can be.
fn written(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(is_bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

/// A value as TOML writes it, on one line.
fn text(kind: &Kind) -> String {
    match kind {
        Kind::Text(text) => format!("{text:?}"),
        Kind::Integer(Some(n)) => n.to_string(),
        // No lab that was read has either.
        Kind::Integer(None) | Kind::Float => "a number".to_owned(),
        Kind::Boolean(yes) => yes.to_string(),
        Kind::Date(date) => date.clone(),
        Kind::List(list) => {
            let all: Vec<String> = list.iter().map(|v| text(&v.kind)).collect();
            format!("[{}]", all.join(", "))
        }
        Kind::Table(table) => {
            let entries = table.0.iter();
            let all: Vec<String> = entries
                .map(|e| format!("{} = {}", written(&e.key), text(&e.value.kind)))
                .collect();
            if all.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", all.join(", "))
            }
        }
    }
}
