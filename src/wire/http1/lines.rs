//! Lines of a head, and what is not as it should be in them.

use super::{Fields, HeadError, Limits, latin1, trim};

/// What a strict reader would have refused or repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// A line ends with a line feed alone (RFC 9112 §2.2 lets a reader take it).
    BareLineFeed,
    /// The request line has no target, as in `GET HTTP/1.1`.
    MissingTarget,
    /// The request line has no version: HTTP/0.9.
    MissingVersion,
    /// White space inside the target, or more than one space around it (RFC 9112 §3.2).
    SpaceInTarget,
    /// White space behind the version.
    SpaceAfterVersion,
    /// A line that begins with white space: it continues the one before (obs-fold, RFC 9112 §5.2). Kept as a field
    /// of its own, its name as it stands; behind `Content-Type`, where folding is of use, it is joined.
    FoldedLine {
        /// The name of the field that it continues; empty behind the request line.
        of: String,
    },
    /// A line without a colon. Kept as a field without a value.
    MissingColon {
        /// The line.
        line: String,
    },
    /// White space between a name and its colon (RFC 9112 §5.1). Kept in the name.
    SpaceBeforeColon {
        /// The name, without it.
        name: String,
    },
    /// Nothing before the colon, or a line of white space.
    EmptyName,
}

/// A line at the start of `bytes`, without its end; how many bytes it took; whether a line feed alone ended it.
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    pub(super) used: usize,
    pub(super) bare: bool,
}

impl<'a> Line<'a> {
    pub(super) fn take(bytes: &'a [u8]) -> Option<Self> {
        let feed = bytes.iter().position(|b| *b == b'\n')?;
        let line = &bytes[..feed];
        let text = line.strip_suffix(b"\r");
        Some(Self {
            text: text.unwrap_or(line),
            used: feed + 1,
            bare: text.is_none(),
        })
    }
}

/// What to do with a line that continues the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folded {
    /// It is a field of its own, but behind `Content-Type`.
    Apart,
    /// It is joined to the value before it, by a space (RFC 9112 §5.2).
    Joined,
}

/// Reads field lines up to the empty line. `None` when that is not there yet.
///
/// # Errors
/// When a line or all of them are longer than `limits`.
pub(super) fn read_fields(
    bytes: &[u8],
    limits: &Limits,
    folded: Folded,
    remarks: &mut Vec<Remark>,
) -> Result<Option<(Fields, usize)>, HeadError> {
    let mut fields = Fields::new();
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let line = Line::take(rest);
        // An unfinished line counts as far as it goes.
        if line.as_ref().map_or(rest.len(), |l| l.text.len()) > limits.field {
            return Err(HeadError::FieldTooLong);
        }
        if line.as_ref().map_or(bytes.len(), |l| at + l.used) > limits.head {
            return Err(HeadError::HeadTooLong);
        }
        let Some(line) = line else {
            return Ok(None);
        };
        at += line.used;
        if line.bare {
            remark(remarks, Remark::BareLineFeed);
        }
        if line.text.is_empty() {
            return Ok(Some((fields, at)));
        }
        read_field(line.text, folded, &mut fields, remarks);
    }
}

fn read_field(line: &[u8], folded: Folded, fields: &mut Fields, remarks: &mut Vec<Remark>) {
    if trim(line).is_empty() {
        return remark(remarks, Remark::EmptyName);
    }
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        let of = fields.iter().last().map(|f| f.name.clone());
        let of = of.unwrap_or_default();
        let joined = folded == Folded::Joined || of.eq_ignore_ascii_case("content-type");
        remark(remarks, Remark::FoldedLine { of });
        if joined {
            if let Some(field) = fields.iter_mut().last() {
                field.value.push(b' ');
                field.value.extend_from_slice(trim(line));
            }
            return;
        }
    }
    let Some(colon) = line.iter().position(|b| *b == b':') else {
        let line = latin1(line);
        if !line.starts_with([' ', '\t']) {
            remark(remarks, Remark::MissingColon { line: line.clone() });
        }
        return fields.push(line, Vec::new());
    };
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    if name.is_empty() {
        remark(remarks, Remark::EmptyName);
    } else if name.ends_with(b" ") || name.ends_with(b"\t") {
        let name = latin1(trim(name));
        remark(remarks, Remark::SpaceBeforeColon { name });
    }
    fields.push(latin1(name), value);
}

/// Notes what is to be said of a head, each thing once.
pub(super) fn remark(remarks: &mut Vec<Remark>, remark: Remark) {
    if !remarks.contains(&remark) {
        remarks.push(remark);
    }
}
