//! HTTP desync: requests whose end, or whose fields, two readers may see differently, so that one of them takes a part
//! of a body for the next request. Each is classified, and by the mode of the load balancer let through, let through
//! alone on its connections, or refused (AWS "Desync mitigation mode"; classes and reasons as the library
//! `http-desync-guardian` of AWS documents them).

use crate::role::config::DesyncMode;
use crate::wire::http1::{Field, Remark, RequestHead, Version, is_token_byte, latin1_bytes, trim};

/// How far a request is from what RFC 9112 asks for, the least first. One that is as it should be has no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It is not, and nobody is harmed.
    Acceptable,
    /// Readers may differ about it.
    Ambiguous,
    /// It is broken, or made to trick.
    Severe,
}

impl Class {
    /// As in the access log.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Acceptable => "Acceptable",
            Self::Ambiguous => "Ambiguous",
            Self::Severe => "Severe",
        }
    }
}

/// Why a request is not compliant: the access log's `classification_reason`, and those of the reader of raw requests. Of
/// the latter `PartialHeaderLine` and `MissingLastEmptyLine` are missing: they are about a head that ends with its buffer,
/// and here a head that is not whole is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    GetHeadZeroContentLength,
    NonCompliantHeader,
    NonCompliantVersion,
    SpaceInUri,
    NonCrLfLineTermination,
    AmbiguousUri,
    BothTeClPresent,
    DuplicateContentLength,
    EmptyHeader,
    SuspiciousHeader,
    SuspiciousTeClPresent,
    UndefinedContentLengthSemantics,
    UndefinedTransferEncodingSemantics,
    MultilineHeader,
    MissingHeaderColon,
    MissingUri,
    BadContentLength,
    BadHeader,
    BadTransferEncoding,
    BadUri,
    BadMethod,
    BadVersion,
    MultipleContentLength,
    MultipleTransferEncodingChunked,
}

impl Reason {
    /// Its class, and its word in the access log.
    const fn told(self) -> (Class, &'static str) {
        use Class::{Acceptable, Ambiguous, Severe};
        match self {
            Self::GetHeadZeroContentLength => (Acceptable, "GetHeadZeroContentLength"),
            Self::NonCompliantHeader => (Acceptable, "NonCompliantHeader"),
            Self::NonCompliantVersion => (Acceptable, "NonCompliantVersion"),
            Self::SpaceInUri => (Acceptable, "SpaceInUri"),
            Self::NonCrLfLineTermination => (Acceptable, "NonCrLfLineTermination"),
            Self::AmbiguousUri => (Ambiguous, "AmbiguousUri"),
            Self::BothTeClPresent => (Ambiguous, "BothTeClPresent"),
            Self::DuplicateContentLength => (Ambiguous, "DuplicateContentLength"),
            Self::EmptyHeader => (Ambiguous, "EmptyHeader"),
            Self::SuspiciousHeader => (Ambiguous, "SuspiciousHeader"),
            Self::SuspiciousTeClPresent => (Severe, "SuspiciousTeClPresent"),
            Self::UndefinedContentLengthSemantics => (Ambiguous, "UndefinedContentLengthSemantics"),
            Self::UndefinedTransferEncodingSemantics => {
                (Ambiguous, "UndefinedTransferEncodingSemantics")
            }
            Self::MultilineHeader => (Ambiguous, "MultilineHeader"),
            Self::MissingHeaderColon => (Ambiguous, "MissingHeaderColon"),
            Self::MissingUri => (Ambiguous, "MissingUri"),
            Self::BadContentLength => (Severe, "BadContentLength"),
            Self::BadHeader => (Severe, "BadHeader"),
            Self::BadTransferEncoding => (Severe, "BadTransferEncoding"),
            Self::BadUri => (Severe, "BadUri"),
            Self::BadMethod => (Severe, "BadMethod"),
            Self::BadVersion => (Severe, "BadVersion"),
            Self::MultipleContentLength => (Severe, "MultipleContentLength"),
            Self::MultipleTransferEncodingChunked => (Severe, "MultipleTransferEncodingChunked"),
        }
    }

    pub(super) const fn class(self) -> Class {
        self.told().0
    }

    pub(super) const fn word(self) -> &'static str {
        self.told().1
    }
}

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It is forwarded.
    Allow,
    /// It is forwarded, and then both its connections are closed: what may be left of it on them is lost.
    AllowAndClose,
    /// 400, and the client's connection is closed.
    Block,
}

/// What `mode` does with requests of this class.
pub(super) const fn treatment(mode: DesyncMode, class: Class) -> Treatment {
    match (mode, class) {
        (DesyncMode::Monitor, _) | (DesyncMode::Defensive, Class::Acceptable) => Treatment::Allow,
        (DesyncMode::Defensive, Class::Ambiguous) => Treatment::AllowAndClose,
        (DesyncMode::Defensive, Class::Severe) | (DesyncMode::Strictest, _) => Treatment::Block,
    }
}

/// The worst that is to be said of a request; of several that are equally bad, the first.
pub(super) fn classify(head: &RequestHead) -> Option<Reason> {
    let mut worst = Worst(None);
    remarks(head, &mut worst);
    let mut framing = Framing::default();
    for field in &head.fields {
        header(field, &mut framing, &mut worst);
    }
    body(head, &framing, &mut worst);
    if head.method.bytes().any(|b| !is_token_byte(b)) {
        worst.note(Reason::BadMethod);
    }
    version(head, &mut worst);
    target(head, &mut worst);
    worst.0
}

/// The fields that say where a request ends, and those that some reader could take for them.
#[derive(Default)]
struct Framing<'a> {
    codings: Vec<&'a [u8]>,
    lengths: Vec<&'a [u8]>,
    /// One of them only looks like it.
    suspicious: bool,
}

struct Worst(Option<Reason>);

impl Worst {
    fn note(&mut self, reason: Reason) {
        if self.0.is_none_or(|r| r.class() < reason.class()) {
            self.0 = Some(reason);
        }
    }
}

fn remarks(head: &RequestHead, worst: &mut Worst) {
    for remark in &head.remarks {
        match remark {
            Remark::BareLineFeed => worst.note(Reason::NonCrLfLineTermination),
            Remark::MissingTarget => worst.note(Reason::MissingUri),
            // Folding is allowed where it stands for `message/http` (RFC 9112 §5.2).
            Remark::FoldedLine { of } if of.eq_ignore_ascii_case("content-type") => {}
            Remark::FoldedLine { .. } => worst.note(Reason::MultilineHeader),
            Remark::MissingColon { .. } => worst.note(Reason::MissingHeaderColon),
            Remark::EmptyName => worst.note(Reason::EmptyHeader),
            Remark::MissingVersion | Remark::SpaceAfterVersion => {
                worst.note(Reason::NonCompliantVersion);
            }
            Remark::SpaceInTarget => worst.note(Reason::SpaceInUri),
            // Told by the name itself.
            Remark::SpaceBeforeColon { .. } => {}
        }
    }
}

/// NUL and CR end a field for some readers (RFC 9110 §5.5).
const fn is_bad(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}

fn header<'a>(field: &'a Field, framing: &mut Framing<'a>, worst: &mut Worst) {
    let name: Vec<u8> = latin1_bytes(&field.name).collect();
    let bad = |bytes: &[u8]| bytes.iter().copied().any(is_bad);
    let is_field_bad = bad(&name) || bad(&field.value);
    let odd_value = |b: &u8| !matches!(b, b'\t' | b' '..=b'~');
    if is_field_bad {
        worst.note(Reason::BadHeader);
    } else if name.iter().any(|b| !is_token_byte(*b)) || field.value.iter().any(odd_value) {
        worst.note(Reason::NonCompliantHeader);
    }
    let Framing {
        codings,
        lengths,
        suspicious,
    } = framing;
    for (essential, values) in [("transfer-encoding", codings), ("content-length", lengths)] {
        if name.eq_ignore_ascii_case(essential.as_bytes()) {
            values.push(&field.value);
        } else if !is_field_bad && resembles(&name, essential) {
            worst.note(Reason::SuspiciousHeader);
            values.push(&field.value);
            *suspicious = true;
        }
    }
}

/// Whether a reader that tidies names up (case, white space, what comes behind it, delimiters, letters that become ASCII
/// in upper case) could take `name` for `essential`, though it is not.
fn resembles(name: &[u8], essential: &str) -> bool {
    // U+0131 (ı) and U+017F (ſ) in UTF-8.
    let text = String::from_utf8_lossy(name);
    let tidied = |text: &str| {
        let chars = text.chars().map(|c| match c {
            '\u{131}' => 'i',
            '\u{17f}' => 's',
            other => other.to_ascii_lowercase(),
        });
        let letters = chars.filter(char::is_ascii_alphanumeric);
        letters.eq(essential.chars().filter(char::is_ascii_alphanumeric))
    };
    let first_word = text.split_ascii_whitespace().next().unwrap_or_default();
    tidied(&text) || tidied(first_word)
}

fn body(head: &RequestHead, framing: &Framing<'_>, worst: &mut Worst) {
    let has_codings = !framing.codings.is_empty();
    if matches!(head.version, Version::Http09 | Version::Http10) && has_codings {
        // Transfer codings came with HTTP/1.1 (RFC 9112 §6.1).
        return worst.note(Reason::UndefinedTransferEncodingSemantics);
    }
    if head.version == Version::Http09 && !framing.lengths.is_empty() {
        // It has no fields at all.
        return worst.note(Reason::UndefinedContentLengthSemantics);
    }
    transfer_encoding(&framing.codings, worst);
    let length = content_length(&framing.lengths, worst);
    if has_codings && length.is_some() && framing.suspicious {
        worst.note(Reason::SuspiciousTeClPresent);
    }
    if matches!(head.method.as_str(), "GET" | "HEAD") {
        if has_codings {
            worst.note(Reason::UndefinedTransferEncodingSemantics);
        }
        match length {
            Some(0) => worst.note(Reason::GetHeadZeroContentLength),
            Some(_) => worst.note(Reason::UndefinedContentLengthSemantics),
            None => {}
        }
    }
    if has_codings && length.is_some() {
        worst.note(Reason::BothTeClPresent);
    }
}

fn transfer_encoding(codings: &[&[u8]], worst: &mut Worst) {
    const KNOWN: [&[u8]; 5] = [b"chunked", b"compress", b"deflate", b"gzip", b"identity"];
    let members = codings.iter().flat_map(|v| v.split(|b| *b == b','));
    let mut chunked = 0;
    for member in members {
        let coding = trim(member.split(|b| *b == b';').next().unwrap_or_default());
        if !KNOWN.iter().any(|k| k.eq_ignore_ascii_case(coding)) {
            worst.note(Reason::BadTransferEncoding);
        }
        chunked += usize::from(coding.eq_ignore_ascii_case(b"chunked"));
    }
    if chunked > 1 {
        worst.note(Reason::MultipleTransferEncodingChunked);
    }
}

fn content_length(lengths: &[&[u8]], worst: &mut Worst) -> Option<u64> {
    let mut found: Option<u64> = None;
    for value in lengths {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = str::from_utf8(value).ok().filter(|_| digits);
        match (number.and_then(|n| n.parse().ok()), found) {
            (None, _) => worst.note(Reason::BadContentLength),
            (Some(now), Some(before)) if now == before => {
                worst.note(Reason::DuplicateContentLength);
            }
            (Some(_), Some(_)) => worst.note(Reason::MultipleContentLength),
            (Some(now), None) => found = Some(now),
        }
    }
    found
}

fn version(head: &RequestHead, worst: &mut Worst) {
    match &head.version {
        Version::Http10 | Version::Http11 => {}
        Version::Http09 => worst.note(Reason::NonCompliantVersion),
        other if other.is_http11() => worst.note(Reason::NonCompliantVersion),
        Version::Other(_) => worst.note(Reason::BadVersion),
    }
}

fn target(head: &RequestHead, worst: &mut Worst) {
    let bytes: Vec<u8> = latin1_bytes(&head.target).collect();
    if bytes.iter().copied().any(is_bad) {
        worst.note(Reason::BadUri);
    } else if bytes.iter().any(u8::is_ascii_control) {
        worst.note(Reason::AmbiguousUri);
    }
}

#[cfg(test)]
mod tests;
