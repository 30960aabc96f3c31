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

/// Why a request is not compliant: the access log's `classification_reason`, and those of the reader of raw requests.
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
    for field in &head.fields {
        header(field, &mut worst);
    }
    body(head, &mut worst);
    if head.method.bytes().any(|b| !is_token_byte(b)) {
        worst.note(Reason::BadMethod);
    }
    version(head, &mut worst);
    target(head, &mut worst);
    worst.0
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

fn header(field: &Field, worst: &mut Worst) {
    let name: Vec<u8> = latin1_bytes(&field.name).collect();
    let bad = |bytes: &[u8]| bytes.iter().copied().any(is_bad);
    if bad(&name) || bad(&field.value) {
        return worst.note(Reason::BadHeader);
    }
    let odd_value = |b: &u8| !matches!(b, b'\t' | b' '..=b'~');
    if name.iter().any(|b| !is_token_byte(*b)) || field.value.iter().any(odd_value) {
        worst.note(Reason::NonCompliantHeader);
    }
    if ["transfer-encoding", "content-length"]
        .iter()
        .any(|essential| resembles(&name, essential))
    {
        worst.note(Reason::SuspiciousHeader);
    }
}

/// Whether a reader that tidies names up (case, white space, delimiters, letters that become ASCII in upper case)
/// could take `name` for `essential`, though it is not.
fn resembles(name: &[u8], essential: &str) -> bool {
    if name.eq_ignore_ascii_case(essential.as_bytes()) {
        return false;
    }
    // U+0131 (ı) and U+017F (ſ) in UTF-8.
    let text = String::from_utf8_lossy(name);
    let tidied = text.chars().map(|c| match c {
        '\u{131}' => 'i',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    });
    let letters = tidied.filter(char::is_ascii_alphanumeric);
    letters.eq(essential.chars().filter(char::is_ascii_alphanumeric))
}

fn body(head: &RequestHead, worst: &mut Worst) {
    let codings: Vec<&[u8]> = head.fields.all("transfer-encoding").collect();
    let lengths: Vec<&[u8]> = head.fields.all("content-length").collect();
    let before_1_1 = matches!(head.version, Version::Http09 | Version::Http10);
    if before_1_1 && !codings.is_empty() {
        // Transfer codings came with HTTP/1.1 (RFC 9112 §6.1).
        return worst.note(Reason::UndefinedTransferEncodingSemantics);
    }
    let chunked = transfer_encoding(&codings, worst);
    let length = content_length(&lengths, worst);
    if matches!(head.method.as_str(), "GET" | "HEAD") {
        if chunked {
            worst.note(Reason::UndefinedTransferEncodingSemantics);
        }
        match length {
            Some(0) => worst.note(Reason::GetHeadZeroContentLength),
            Some(_) => worst.note(Reason::UndefinedContentLengthSemantics),
            None => {}
        }
    }
    if chunked && length.is_some() {
        worst.note(Reason::BothTeClPresent);
    }
}

/// Whether the body is chunked.
fn transfer_encoding(codings: &[&[u8]], worst: &mut Worst) -> bool {
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
    chunked > 0
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
mod tests {
    use super::*;
    use crate::wire::http1::Limits;

    const LIMITS: Limits = Limits {
        line: 1024,
        field: 1024,
        head: 4096,
    };

    fn reason(text: &str) -> Option<Reason> {
        let (head, _) = RequestHead::parse(text.as_bytes(), &LIMITS)
            .unwrap()
            .unwrap();
        classify(&head)
    }

    /// Of a POST with these fields.
    fn of_fields(fields: &str) -> Option<Reason> {
        reason(&format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n"))
    }

    #[test]
    fn what_is_compliant_has_no_reason() {
        assert_eq!(of_fields("Content-Length: 3\r\n"), None);
        assert_eq!(
            of_fields("Transfer-Encoding: Chunked\r\nA: \"b\"\r\n"),
            None
        );
        assert_eq!(reason("GET /a?b=%20 HTTP/1.0\r\n\r\n"), None);
        assert_eq!(
            reason("POST / HTTP/1.1\r\nContent-Type: multipart/x;\r\n boundary=y\r\n\r\n"),
            None
        );
    }

    #[test]
    fn what_is_acceptable() {
        let get = |fields: &str| reason(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
        assert_eq!(
            get("Content-Length: 0\r\n"),
            Some(Reason::GetHeadZeroContentLength)
        );
        assert_eq!(get("A: caf\u{e9}\r\n"), Some(Reason::NonCompliantHeader));
        assert_eq!(get("A(b): c\r\n"), Some(Reason::NonCompliantHeader));
        assert_eq!(get("A: b\n"), Some(Reason::NonCrLfLineTermination));
        let line = |line: &str| reason(&format!("{line}\r\n\r\n"));
        assert_eq!(line("GET /a b HTTP/1.1"), Some(Reason::SpaceInUri));
        assert_eq!(line("GET / HTTP/1.5"), Some(Reason::NonCompliantVersion));
        assert_eq!(line("GET / HTTP/1.1 "), Some(Reason::NonCompliantVersion));
        assert_eq!(line("GET /"), Some(Reason::NonCompliantVersion));
    }

    #[test]
    fn what_is_ambiguous() {
        let both = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(of_fields(both), Some(Reason::BothTeClPresent));
        assert_eq!(
            of_fields("Content-Length: 3\r\nContent-Length: 3\r\n"),
            Some(Reason::DuplicateContentLength)
        );
        assert_eq!(of_fields(": a\r\n"), Some(Reason::EmptyHeader));
        assert_eq!(of_fields(" \r\n"), Some(Reason::EmptyHeader));
        assert_eq!(of_fields("A: b\r\n c\r\n"), Some(Reason::MultilineHeader));
        assert_eq!(of_fields("nonsense\r\n"), Some(Reason::MissingHeaderColon));
        assert_eq!(reason("GET HTTP/1.1\r\n\r\n"), Some(Reason::MissingUri));
        assert_eq!(
            reason("GET /\u{1} HTTP/1.1\r\n\r\n"),
            Some(Reason::AmbiguousUri)
        );
        assert_eq!(
            reason("GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"),
            Some(Reason::UndefinedContentLengthSemantics)
        );
        for version in ["GET / HTTP/1.1", "POST / HTTP/1.0"] {
            assert_eq!(
                reason(&format!("{version}\r\nTransfer-Encoding: chunked\r\n\r\n")),
                Some(Reason::UndefinedTransferEncodingSemantics)
            );
        }
        for name in [
            "Transfer-Encoding ",
            "Transfer_Encoding",
            "TransferEncoding",
            "\u{1}Transfer-Encoding",
            "Transfer-Encod\u{131}ng",
            "Tran\u{17f}fer-Encoding",
            "Content Length",
        ] {
            assert_eq!(
                of_fields(&format!("{name}: 1\r\n")),
                Some(Reason::SuspiciousHeader),
                "{name:?}"
            );
        }
        assert_eq!(of_fields("Content-Length-Of: 1\r\n"), None);
    }

    #[test]
    fn what_is_severe() {
        for bad in ["x", "+1", "-1", "1, 1", "", "99999999999999999999"] {
            assert_eq!(
                of_fields(&format!("Content-Length: {bad}\r\n")),
                Some(Reason::BadContentLength),
                "{bad}"
            );
        }
        assert_eq!(
            of_fields("Content-Length: 3\r\nContent-Length: 4\r\n"),
            Some(Reason::MultipleContentLength)
        );
        assert_eq!(
            of_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            Some(Reason::MultipleTransferEncodingChunked)
        );
        assert_eq!(
            of_fields("Transfer-Encoding: xchunked\r\n"),
            Some(Reason::BadTransferEncoding)
        );
        assert_eq!(of_fields("A: b\0c\r\n"), Some(Reason::BadHeader));
        assert_eq!(of_fields("A: b\rc\r\n"), Some(Reason::BadHeader));
        let line = |line: &str| reason(&format!("{line}\r\n\r\n"));
        assert_eq!(line("GET /\0 HTTP/1.1"), Some(Reason::BadUri));
        assert_eq!(line("G(T / HTTP/1.1"), Some(Reason::BadMethod));
        assert_eq!(line("GET / HTTP/2.0"), Some(Reason::BadVersion));
        assert_eq!(line("GET / HTP/1.1"), Some(Reason::BadVersion));
    }

    #[test]
    fn the_worst_is_told() {
        assert_eq!(
            reason("GET /a b HTTP/1.5\r\nContent-Length: x\r\n\r\n"),
            Some(Reason::BadContentLength)
        );
    }

    #[test]
    fn modes_treat_classes_as_aws_says() {
        use Class::{Acceptable, Ambiguous, Severe};
        use Treatment::{Allow, AllowAndClose, Block};
        let all = |mode| [Acceptable, Ambiguous, Severe].map(|c| treatment(mode, c));
        assert_eq!(all(DesyncMode::Monitor), [Allow; 3]);
        assert_eq!(all(DesyncMode::Defensive), [Allow, AllowAndClose, Block]);
        assert_eq!(all(DesyncMode::Strictest), [Block; 3]);
    }
}
