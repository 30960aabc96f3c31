//! Heads of requests and responses (RFC 9112 §2 to §5).

use std::fmt;

use super::lines::{Folded, Line, read_fields, remark};
use super::{Fields, Remark, latin1, latin1_bytes, trim};

/// How long a head may be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The start line.
    pub line: usize,
    /// One field line.
    pub field: usize,
    /// All field lines, with their ends.
    pub head: usize,
}

/// Why a head is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It begins with what no method and no status line begins with.
    #[error("not HTTP")]
    NotHttp,
    /// The start line is longer than the limit.
    #[error("the start line is too long")]
    LineTooLong,
    /// A field line is.
    #[error("a field is too long")]
    FieldTooLong,
    /// All field lines together are.
    #[error("the head is too long")]
    HeadTooLong,
}

/// The version in a start line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// A request line without a version.
    Http09,
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// Anything else, as written.
    Other(String),
}

impl Version {
    fn read(text: &[u8]) -> Self {
        match text {
            b"" | b"HTTP/0.9" => Self::Http09,
            b"HTTP/1.0" => Self::Http10,
            b"HTTP/1.1" => Self::Http11,
            other => Self::Other(latin1(other)),
        }
    }

    /// Whether it is spoken like HTTP/1.1: a later minor version is (RFC 9110 §2.5).
    #[must_use]
    pub fn is_http11(&self) -> bool {
        match self {
            Self::Http11 => true,
            Self::Http09 | Self::Http10 => false,
            Self::Other(text) => text
                .strip_prefix("HTTP/1.")
                .is_some_and(|minor| matches!(minor.as_bytes(), [b'2'..=b'9'])),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http09 => "HTTP/0.9",
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Other(text) => text,
        })
    }
}

/// The head of a request. Texts that were read may hold any byte, as ISO 8859-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// As in "GET".
    pub method: String,
    /// As in "/index.html?a=b"; empty when the request line has none.
    pub target: String,
    /// As in HTTP/1.1.
    pub version: Version,
    /// Its fields.
    pub fields: Fields,
    /// What was not strict about it. Empty for a head that was not read.
    pub remarks: Vec<Remark>,
}

impl RequestHead {
    /// Reads the head that `bytes` begin with, and tells how many they were. `None` when it is not whole yet. Empty
    /// lines before it are skipped (RFC 9112 §2.2).
    ///
    /// # Errors
    /// When it is longer than `limits`, or begins with a control character or a byte above ASCII, as TLS does.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, HeadError> {
        let mut remarks = Vec::new();
        let Some((line, start)) = start_line(bytes, limits)? else {
            return Ok(None);
        };
        if line.bare {
            remark(&mut remarks, Remark::BareLineFeed);
        }
        let (method, target, version) = request_line(line.text, &mut remarks);
        let mut head = Self {
            method: latin1(method),
            target: latin1(target),
            version: Version::read(version),
            fields: Fields::new(),
            remarks,
        };
        // HTTP/0.9 has no fields: the line is all of it.
        if version.is_empty() {
            return Ok(Some((head, start)));
        }
        let rest = &bytes[start..];
        let fields = read_fields(rest, limits, Folded::Apart, &mut head.remarks)?;
        Ok(fields.map(|(fields, used)| {
            head.fields = fields;
            (head, start + used)
        }))
    }

    /// Appends it as it goes over the wire, with its empty line.
    pub fn write(&self, out: &mut Vec<u8>) {
        for part in [self.method.as_str(), " ", &self.target, " "] {
            out.extend(latin1_bytes(part));
        }
        out.extend(latin1_bytes(&self.version.to_string()));
        out.extend_from_slice(b"\r\n");
        self.fields.write(out);
        out.extend_from_slice(b"\r\n");
    }

    /// Whether the sender goes on with the connection after the response (RFC 9112 §9.3).
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        persists(&self.version, &self.fields)
    }
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// As in HTTP/1.1.
    pub version: Version,
    /// As in 200.
    pub status: u16,
    /// As in "OK"; may be empty.
    pub reason: String,
    /// Its fields; folded lines are joined.
    pub fields: Fields,
}

impl ResponseHead {
    /// Reads the head that `bytes` begin with, and tells how many they were. `None` when it is not whole yet.
    ///
    /// # Errors
    /// When it does not begin with a status line, or is longer than `limits`.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, HeadError> {
        const START: &[u8] = b"HTTP/";
        let known = bytes.len().min(START.len());
        if bytes[..known] != START[..known] {
            return Err(HeadError::NotHttp);
        }
        let Some((line, start)) = start_line(bytes, limits)? else {
            return Ok(None);
        };
        let mut words = line.text.splitn(3, |b| *b == b' ');
        let version = Version::read(words.next().unwrap_or_default());
        let status = words.next().and_then(status).ok_or(HeadError::NotHttp)?;
        let mut head = Self {
            version,
            status,
            reason: latin1(words.next().unwrap_or_default()),
            fields: Fields::new(),
        };
        let fields = read_fields(&bytes[start..], limits, Folded::Joined, &mut Vec::new())?;
        Ok(fields.map(|(fields, used)| {
            head.fields = fields;
            (head, start + used)
        }))
    }

    /// Appends it as it goes over the wire, with its empty line.
    pub fn write(&self, out: &mut Vec<u8>) {
        let line = format!("{} {:03} {}\r\n", self.version, self.status, self.reason);
        out.extend(latin1_bytes(&line));
        self.fields.write(out);
        out.extend_from_slice(b"\r\n");
    }

    /// Whether it is not the last response to its request (RFC 9110 §15.2). 101 is: what follows is another protocol.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// Whether the sender goes on with the connection after this response (RFC 9112 §9.3).
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        persists(&self.version, &self.fields)
    }
}

fn persists(version: &Version, fields: &Fields) -> bool {
    let says = |word| fields.has_member("connection", word);
    !says("close") && (version.is_http11() || *version == Version::Http10 && says("keep-alive"))
}

/// Three digits, from 100 on.
fn status(word: &[u8]) -> Option<u16> {
    let text = str::from_utf8(word).ok()?;
    let digits = word.len() == 3 && word.iter().all(u8::is_ascii_digit);
    text.parse().ok().filter(|s| digits && *s >= 100)
}

/// The first line that is not empty, and the bytes up to its end.
fn start_line<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<Option<(Line<'a>, usize)>, HeadError> {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        match rest.first() {
            None => return Ok(None),
            Some(b'\r' | b'\n') => {}
            Some(b' '..=b'~') => {}
            Some(_) => return Err(HeadError::NotHttp),
        }
        let line = Line::take(rest);
        if line.as_ref().map_or(rest.len(), |l| l.text.len()) > limits.line {
            return Err(HeadError::LineTooLong);
        }
        let Some(line) = line else {
            return Ok(None);
        };
        at += line.used;
        if !line.text.is_empty() {
            return Ok(Some((line, at)));
        }
        // As many empty lines as a start line has room for, and no more.
        if at > limits.line {
            return Err(HeadError::LineTooLong);
        }
    }
}

/// Method, target and version. The target is what is between the first and the last word.
fn request_line<'a>(line: &'a [u8], remarks: &mut Vec<Remark>) -> (&'a [u8], &'a [u8], &'a [u8]) {
    let trimmed = trim(line);
    if line.ends_with(b" ") || line.ends_with(b"\t") {
        remark(remarks, Remark::SpaceAfterVersion);
    }
    let space = |b: &u8| *b == b' ';
    let Some(first) = trimmed.iter().position(space) else {
        remark(remarks, Remark::MissingTarget);
        return (trimmed, &[], &[]);
    };
    let (method, rest) = (&trimmed[..first], &trimmed[first + 1..]);
    let (target, version) = match rest.iter().rposition(space) {
        Some(last) => (&rest[..last], &rest[last + 1..]),
        None if rest.starts_with(b"HTTP/") => {
            remark(remarks, Remark::MissingTarget);
            return (method, &[], rest);
        }
        None => {
            remark(remarks, Remark::MissingVersion);
            return (method, rest, &[]);
        }
    };
    if trim(target).is_empty() {
        remark(remarks, Remark::MissingTarget);
    } else if target.iter().any(|b| matches!(b, b' ' | b'\t')) {
        remark(remarks, Remark::SpaceInTarget);
    }
    (method, trim(target), version)
}
