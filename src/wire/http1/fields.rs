//! The fields of a head or of trailers (RFC 9110 §5, RFC 9112 §5).

use super::{latin1, latin1_bytes, trim};

/// A field line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As written; what is not ASCII as ISO 8859-1. May hold what no name may, when it was read so.
    pub name: String,
    /// Without white space around.
    pub value: Vec<u8>,
}

impl Field {
    /// Whether it is called `name`, whatever the case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value as text; what is not ASCII as ISO 8859-1.
    #[must_use]
    pub fn text(&self) -> String {
        latin1(&self.value)
    }
}

/// Fields in their order, names in their case. Names are found whatever their case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push(Field {
            name: name.into(),
            value: value.into(),
        });
    }

    /// Gives the first `name` this value and removes its others; adds it at the end when there is none.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let Some(first) = self.0.iter().position(|f| f.is(name)) else {
            return self.push(name, value);
        };
        self.0[first].value = value.into();
        let mut at = 0;
        self.0.retain(|f| {
            let keep = at <= first || !f.is(name);
            at += 1;
            keep
        });
    }

    /// Removes all that are called `name`; whether there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|f| !f.is(name));
        self.0.len() < before
    }

    /// Keeps those of which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&Field) -> bool) {
        self.0.retain(keep);
    }

    /// The value of the first `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let first = self.0.iter().find(|f| f.is(name));
        first.map(|f| f.value.as_slice())
    }

    /// The value of the first `name` as text, when it is UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|v| str::from_utf8(v).ok())
    }

    /// The values of all that are called `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |f| f.is(name))
            .map(|f| f.value.as_slice())
    }

    /// The members of the lists in all fields `name`, empty ones left out (RFC 9110 §5.6.1). Quoted strings are not
    /// known: for `Connection`, `Transfer-Encoding` and the like.
    pub fn members<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|b| *b == b','))
            .map(trim)
            .filter(|member| !member.is_empty())
    }

    /// Whether a list in a field `name` has this member, whatever the case.
    #[must_use]
    pub fn has_member(&self, name: &str, member: &str) -> bool {
        self.members(name)
            .any(|m| m.eq_ignore_ascii_case(member.as_bytes()))
    }

    /// Whether there is a field `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.0.iter()
    }

    /// All of them, to be changed.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Field> {
        self.0.iter_mut()
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values as text, in order: for the trace.
    #[must_use]
    pub fn listed(&self) -> Vec<(String, String)> {
        let listed = self.0.iter().map(|f| {
            let value = String::from_utf8_lossy(&f.value).into_owned();
            (f.name.clone(), value)
        });
        listed.collect()
    }

    /// Appends `name: value` lines.
    pub fn write(&self, out: &mut Vec<u8>) {
        for field in &self.0 {
            out.extend(latin1_bytes(&field.name));
            out.extend_from_slice(b": ");
            out.extend_from_slice(&field.value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

impl<N: Into<String>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut all = Self::new();
        all.extend(fields);
        all
    }
}

impl<N: Into<String>, V: Into<Vec<u8>>> Extend<(N, V)> for Fields {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.push(name, value);
        }
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
