//! Requests by their class, after the vectors of `http-desync-guardian`.

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
    let other_coding = "Content-Length: 3\r\nTransfer-Encoding: gzip\r\n";
    assert_eq!(of_fields(other_coding), Some(Reason::BothTeClPresent));
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
        "Transfer---Encoding",
        "Transfer-Encoding x",
        "\u{2003}Transfer\u{2015}Encoding",
        "Content Length",
        "Content_Length",
    ] {
        let value = if name.contains("Length") {
            "1"
        } else {
            "chunked"
        };
        assert_eq!(
            of_fields(&format!("{name}: {value}\r\n")),
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

/// What only looks like a field that frames the body counts as one: some reader would believe it.
#[test]
fn what_looks_like_framing_is_held_against_the_rest() {
    for (fields, expected) in [
        (
            "Transfer-Encoding : chunked\r\nContent-Length: 3\r\n",
            Reason::SuspiciousTeClPresent,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent_Length: 3\r\n",
            Reason::SuspiciousTeClPresent,
        ),
        (
            "Transfer_Encoding: chunked\r\nContent_Length: 3\r\n",
            Reason::SuspiciousTeClPresent,
        ),
        (
            "Content_Length: 4\r\nContent-Length: 3\r\n",
            Reason::MultipleContentLength,
        ),
        (
            "Transfer-Encoding : chunked\r\nTransfer-Encoding: chunked\r\n",
            Reason::MultipleTransferEncodingChunked,
        ),
        ("Content_Length: x\r\n", Reason::BadContentLength),
        ("Transfer_Encoding: x\r\n", Reason::BadTransferEncoding),
        // The same length twice harms nobody who reads either.
        (
            "Content_Length: 3\r\nContent-Length: 3\r\n",
            Reason::SuspiciousHeader,
        ),
    ] {
        assert_eq!(of_fields(fields), Some(expected), "{fields:?}");
    }
    assert_eq!(Reason::SuspiciousTeClPresent.class(), Class::Severe);
}

#[test]
fn http_0_9_has_no_fields_that_frame() {
    let with = |field: &str| {
        let mut head = RequestHead::parse(b"GET / HTTP/1.1\r\n\r\n", &LIMITS)
            .unwrap()
            .unwrap()
            .0;
        head.version = Version::Http09;
        head.fields.push(field, "3");
        classify(&head)
    };
    assert_eq!(
        with("Content-Length"),
        Some(Reason::UndefinedContentLengthSemantics)
    );
    assert_eq!(
        with("Transfer-Encoding"),
        Some(Reason::UndefinedTransferEncodingSemantics)
    );
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
