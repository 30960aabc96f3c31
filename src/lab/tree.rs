//! A TOML document with the place of every key and value, in the order of the file, and a lab laid over its base.

use toml::de::{DeTable, DeValue};

use super::error::{Mistakes, Source, Span};

/// A table, in the order of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

impl Table {
    /// What stands under `key`.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|e| e.key == key)
    }
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Value,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Text(String),
    /// `None` when it does not fit.
    Integer(Option<i64>),
    Float,
    Boolean(bool),
    /// As in RFC 3339, perhaps without its time or its date.
    Date(String),
    List(Vec<Value>),
    Table(Table),
}

impl Kind {
    /// With its article, for "found …".
    pub(super) const fn noun(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Float => "a number with a decimal point",
            Self::Boolean(_) => "true or false",
            Self::Date(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads the document, which is file number `file` of the lab. All syntax errors become mistakes; what could be read
/// in spite of them is not to be relied on.
pub(super) fn parse(source: &Source, file: usize, mistakes: &Mistakes) -> Table {
    let (document, errors) = DeTable::parse_recoverable(source.inner());
    for error in errors {
        let end = source.inner().len();
        let span = Span::new(file, error.span().unwrap_or(end..end));
        let (what, expected) = match error.message().split_once(", expected ") {
            Some((what, expected)) => (what, format!("expected {expected}")),
            None => (error.message(), "here".to_owned()),
        };
        mistakes.add(span, format!("not TOML: {what}"), expected, None);
    }
    table(document.into_inner(), file)
}

/// Lays `lab` over `base`: tables are merged key by key, everything else is the lab's where the lab has it.
pub(super) fn overlay(base: Table, lab: Table) -> Table {
    let mut merged = base;
    for over in lab.0 {
        match merged.0.iter_mut().find(|e| e.key == over.key) {
            Some(under) => {
                under.key_span = over.key_span;
                under.value = overlay_value(std::mem::take(&mut under.value), over.value);
            }
            None => merged.0.push(over),
        }
    }
    merged
}

fn overlay_value(base: Value, lab: Value) -> Value {
    match (base.kind, lab.kind) {
        (Kind::Table(under), Kind::Table(over)) => Value {
            span: lab.span,
            kind: Kind::Table(overlay(under, over)),
        },
        (_, kind) => Value { kind, ..lab },
    }
}

impl Default for Value {
    /// An empty table, at the start of the lab.
    fn default() -> Self {
        Self {
            span: Span::new(0, 0..0),
            kind: Kind::Table(Table::default()),
        }
    }
}

fn table(table: DeTable<'_>, file: usize) -> Table {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| {
            let key_span = Span::new(file, key.span());
            let span = Span::new(file, value.span());
            Entry {
                key: key.into_inner().into_owned(),
                key_span,
                value: Value {
                    span,
                    kind: kind(value.into_inner(), file),
                },
            }
        })
        .collect();
    // The parser sorts by key.
    entries.sort_by_key(|e| e.key_span);
    Table(entries)
}

fn kind(value: DeValue<'_>, file: usize) -> Kind {
    match value {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Integer(n) => Kind::Integer(i64::from_str_radix(n.as_str(), n.radix()).ok()),
        DeValue::Float(_) => Kind::Float,
        DeValue::Boolean(yes) => Kind::Boolean(yes),
        DeValue::Datetime(date) => Kind::Date(date.to_string()),
        DeValue::Array(list) => Kind::List(
            list.into_iter()
                .map(|v| Value {
                    span: Span::new(file, v.span()),
                    kind: kind(v.into_inner(), file),
                })
                .collect(),
        ),
        DeValue::Table(t) => Kind::Table(table(t, file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use miette::NamedSource;
    use std::sync::Arc;

    fn read(file: usize, text: &str) -> Table {
        let source: Source = Arc::new(NamedSource::new("x.toml", Arc::from(text)));
        let mistakes = Mistakes::new(source.clone());
        mistakes.add_source(source.clone());
        let table = parse(&source, file, &mistakes);
        assert_eq!(mistakes.count(), 0);
        table
    }

    /// `key` for every value, with the file it came from: `a0 b1{c1}`.
    fn show(table: &Table) -> String {
        let entries = table.0.iter().map(|e| {
            let mut text = format!("{}{}", e.key, e.value.span.file);
            if let Kind::Table(t) = &e.value.kind {
                text += &format!("{{{}}}", show(t));
            }
            text
        });
        entries.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn entries_keep_the_order_of_the_file() {
        let table = read(0, "z = 1\na = 2\n[node.user]\n[link.x]\n[node.alb]\n");
        assert_eq!(show(&table), "z0 a0 node0{user0{} alb0{}} link0{x0{}}");
    }

    #[test]
    fn a_lab_lies_over_its_base() {
        let base = read(1, "[a]\nx = 1\ny = { p = 1, q = 2 }\nz = [1, 2]\n");
        let lab = read(0, "t = 1\n[a]\ny = { q = 3, r = 4 }\nz = [3]\n");
        assert_eq!(show(&overlay(base, lab)), "a0{x1 y0{p1 q0 r0} z0} t0");
    }
}
