//! Heads, framing and chunks, however they are cut.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    line: 64,
    field: 64,
    head: 128,
};

fn request(text: &str) -> RequestHead {
    let (head, used) = RequestHead::parse(text.as_bytes(), &LIMITS)
        .unwrap()
        .unwrap();
    assert_eq!(used, text.len());
    head
}

fn response(text: &str) -> ResponseHead {
    let read = ResponseHead::parse(text.as_bytes(), &LIMITS);
    read.unwrap().unwrap().0
}

#[test]
fn a_strict_request_is_read_without_remarks_and_written_as_it_came() {
    let text = "GET /a?b HTTP/1.1\r\nHOST: x\r\nx-A: 1, 2\r\nx-a: \r\n\r\n";
    let head = request(text);
    assert_eq!(
        (head.method.as_str(), head.target.as_str()),
        ("GET", "/a?b")
    );
    assert_eq!(head.version, Version::Http11);
    assert_eq!(head.remarks, []);
    assert_eq!(head.fields.get("host"), Some(&b"x"[..]));
    assert_eq!(head.fields.all("X-A").count(), 2);
    assert_eq!(head.fields.members("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
    let mut written = Vec::new();
    head.write(&mut written);
    assert_eq!(str::from_utf8(&written).unwrap(), text);
}

#[test]
fn a_head_is_not_whole_before_its_empty_line() {
    let text = b"\r\nPOST / HTTP/1.0\r\nA: b\r\n\r\nbody";
    let head = text.len() - 4;
    for cut in 0..head {
        assert_eq!(RequestHead::parse(&text[..cut], &LIMITS), Ok(None), "{cut}");
    }
    let (_, used) = RequestHead::parse(text, &LIMITS).unwrap().unwrap();
    assert_eq!(used, head);
}

#[test]
fn what_is_not_strict_is_kept_and_remarked_on() {
    let fields = |text: &str| {
        let head = request(&format!("GET / HTTP/1.1\r\n{text}\r\n"));
        let names = head.fields.iter().map(|f| f.name.clone());
        (names.collect::<Vec<_>>(), head.remarks)
    };
    assert_eq!(
        fields("A: b\r\n two\r\n"),
        (
            vec!["A".into(), " two".into()],
            vec![Remark::FoldedLine { of: "A".into() }]
        )
    );
    assert_eq!(
        fields("A : b\r\n"),
        (
            vec!["A ".into()],
            vec![Remark::SpaceBeforeColon { name: "A".into() }]
        )
    );
    assert_eq!(
        fields("nonsense\r\n"),
        (
            vec!["nonsense".into()],
            vec![Remark::MissingColon {
                line: "nonsense".into()
            }]
        )
    );
    assert_eq!(
        fields(": b\r\n"),
        (vec![String::new()], vec![Remark::EmptyName])
    );
    assert_eq!(fields(" \t\r\n"), (vec![], vec![Remark::EmptyName]));
    assert_eq!(
        fields("A: b\n"),
        (vec!["A".into()], vec![Remark::BareLineFeed])
    );
}

#[test]
fn request_lines_are_read_as_far_as_they_go() {
    let line = |text: &str| {
        let read = RequestHead::parse(format!("{text}\r\n\r\n").as_bytes(), &LIMITS);
        let head = read.unwrap().unwrap().0;
        (head.method, head.target, head.version, head.remarks)
    };
    let http = |text: &str| Version::Other(text.into());
    let expected = |m: &str, t: &str, v, r| (m.into(), t.into(), v, r);
    assert_eq!(
        line("GET /a"),
        expected("GET", "/a", Version::Http09, vec![Remark::MissingVersion])
    );
    assert_eq!(
        line("GET HTTP/1.1"),
        expected("GET", "", Version::Http11, vec![Remark::MissingTarget])
    );
    assert_eq!(
        line("GET"),
        expected("GET", "", Version::Http09, vec![Remark::MissingTarget])
    );
    assert_eq!(
        line("GET /a b HTTP/1.1"),
        expected("GET", "/a b", Version::Http11, vec![Remark::SpaceInTarget])
    );
    assert_eq!(
        line("GET /a HTTP/1.1 "),
        expected(
            "GET",
            "/a",
            Version::Http11,
            vec![Remark::SpaceAfterVersion]
        )
    );
    assert_eq!(
        line("GET / HTTP/2.0"),
        expected("GET", "/", http("HTTP/2.0"), vec![])
    );
    assert!(http("HTTP/1.2").is_http11());
    assert!(!http("HTTP/2.0").is_http11());
}

#[test]
fn http_0_9_is_one_line() {
    let (head, used) = RequestHead::parse(b"GET /\r\nmore", &LIMITS)
        .unwrap()
        .unwrap();
    assert_eq!((head.version, used), (Version::Http09, 7));
}

#[test]
fn limits_hold_before_the_head_is_whole() {
    let parse = |text: String| RequestHead::parse(text.as_bytes(), &LIMITS);
    assert_eq!(
        parse(format!("GET /{}", "a".repeat(60))),
        Err(HeadError::LineTooLong)
    );
    assert_eq!(parse(format!("GET /{}", "a".repeat(59))), Ok(None));
    let line = "GET / HTTP/1.1\r\n";
    assert_eq!(
        parse(format!("{line}A: {}", "b".repeat(62))),
        Err(HeadError::FieldTooLong)
    );
    let field = format!("A: {}\r\n", "b".repeat(50));
    assert_eq!(
        parse(format!("{line}{field}{field}{field}")),
        Err(HeadError::HeadTooLong)
    );
    assert_eq!(parse("\r\n".repeat(40)), Err(HeadError::LineTooLong));
    assert_eq!(parse("\u{16}\u{3}".into()), Err(HeadError::NotHttp));
}

#[test]
fn responses_are_read_with_and_without_reason() {
    let head = response("HTTP/1.1 404 Not Found\r\nA: b\r\n c\r\n\r\n");
    assert_eq!((head.status, head.reason.as_str()), (404, "Not Found"));
    assert_eq!(head.fields.get("a"), Some(&b"b c"[..]));
    assert_eq!(response("HTTP/1.0 200\r\n\r\n").reason, "");
    for bad in [
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 abc\r\n",
        "HTTP/1.1\r\n",
        "SSH-2",
    ] {
        let read = ResponseHead::parse(bad.as_bytes(), &LIMITS);
        assert_eq!(read, Err(HeadError::NotHttp), "{bad}");
    }
    assert_eq!(ResponseHead::parse(b"HTT", &LIMITS), Ok(None));
}

#[test]
fn connections_persist_as_rfc_9112_says() {
    let persists =
        |version, fields| request(&format!("GET / {version}\r\n{fields}\r\n")).keeps_alive();
    assert!(persists("HTTP/1.1", ""));
    assert!(!persists("HTTP/1.1", "Connection: x, Close\r\n"));
    assert!(!persists("HTTP/1.0", ""));
    assert!(persists("HTTP/1.0", "Connection: Keep-Alive\r\n"));
    assert!(persists("HTTP/1.2", ""));
}

#[test]
fn requests_are_framed_as_rfc_9112_says() {
    let framing = |fields: &str| request(&format!("POST / HTTP/1.1\r\n{fields}\r\n")).framing();
    assert_eq!(framing(""), Ok(Framing::None));
    let lenient =
        |fields: &str| request(&format!("POST / HTTP/1.1\r\n{fields}\r\n")).framing_leniently();
    for (fields, end) in [
        (
            "Content-Length: 7\r\nContent-Length: 8\r\n",
            Framing::Length(7),
        ),
        ("Content-Length: 0, 8\r\n", Framing::None),
        ("Transfer-Encoding: chunked, Chunked\r\n", Framing::Chunked),
        ("Content-Length: 7\r\n", Framing::Length(7)),
    ] {
        assert_eq!(lenient(fields), Ok(end), "{fields}");
    }
    for fields in [
        "Content-Length: x\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ] {
        assert!(lenient(fields).is_err(), "{fields}");
    }
    assert_eq!(framing("Content-Length: 12\r\n"), Ok(Framing::Length(12)));
    assert_eq!(framing("Content-Length: 0\r\n"), Ok(Framing::None));
    assert_eq!(framing("Content-Length: 7, 7\r\n"), Ok(Framing::Length(7)));
    assert_eq!(
        framing("Content-Length: 7\r\nContent-Length: 8\r\n"),
        Err(FramingError::DifferentContentLengths)
    );
    for bad in ["+1", "-1", "1.0", "x", "", "99999999999999999999"] {
        assert_eq!(
            framing(&format!("Content-Length: {bad}\r\n")),
            Err(FramingError::BadContentLength),
            "{bad}"
        );
    }
    assert_eq!(
        framing("Content-Length: 7\r\nTransfer-Encoding: Chunked\r\n"),
        Ok(Framing::Chunked)
    );
    assert_eq!(
        framing("Transfer-Encoding: identity\r\nContent-Length: 7\r\n"),
        Ok(Framing::Length(7))
    );
    assert_eq!(
        framing("Transfer-Encoding: chunked, identity\r\n"),
        Err(FramingError::ChunkedNotLast)
    );
    assert_eq!(
        framing("Transfer-Encoding: gzip, chunked\r\n"),
        Err(FramingError::UnknownTransferCoding)
    );
}

#[test]
fn responses_are_framed_by_their_request_too() {
    let framing = |status: &str, method| {
        response(&format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n")).framing(method)
    };
    assert_eq!(framing("200 OK", "GET"), Ok(Framing::Length(5)));
    assert_eq!(framing("200 OK", "HEAD"), Ok(Framing::None));
    assert_eq!(framing("200 OK", "CONNECT"), Ok(Framing::None));
    assert_eq!(framing("304 Not Modified", "GET"), Ok(Framing::None));
    assert_eq!(framing("100 Continue", "GET"), Ok(Framing::None));
    let open = response("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(open.framing("GET"), Ok(Framing::UntilClose));
    assert!(response("HTTP/1.1 103\r\n\r\n").is_interim());
    assert!(!response("HTTP/1.1 101\r\n\r\n").is_interim());
}

#[test]
fn chunks_are_taken_apart_with_extensions_and_trailers() {
    let mut decoder = ChunkedDecoder::new();
    let mut data = Vec::new();
    let text = b"4;a=b\r\nWiki\r\nA \r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\nGET /";
    let used = decoder.decode(text, &mut data).unwrap();
    assert_eq!(&text[used..], b"GET /");
    assert_eq!(data, b"Wiki0123456789");
    assert_eq!(decoder.trailers().unwrap().text("x-sum"), Some("1"));
}

#[test]
fn what_is_no_chunk_is_refused() {
    let decode = |text: &str| ChunkedDecoder::new().decode(text.as_bytes(), &mut Vec::new());
    assert_eq!(decode("x\r\n"), Err(ChunkedError::BadSize));
    assert_eq!(decode("-1\r\n"), Err(ChunkedError::BadSize));
    assert_eq!(decode("\r\n"), Err(ChunkedError::BadSize));
    assert_eq!(decode("11111111111111111\r\n"), Err(ChunkedError::BadSize));
    assert_eq!(decode(&"1".repeat(5000)), Err(ChunkedError::BadSize));
    assert_eq!(decode("1\r\nab\r\n"), Err(ChunkedError::BadEnd));
    assert_eq!(
        decode(&format!("0\r\n{}", "A: b\r\n".repeat(20_000))),
        Err(ChunkedError::TrailersTooLong)
    );
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = RequestHead::parse(&bytes, &LIMITS);
        let _ = ResponseHead::parse(&bytes, &LIMITS);
        let _ = ChunkedDecoder::new().decode(&bytes, &mut Vec::new());
    }

    /// Whatever the head: written and read again it is the same, and a cut of it is never taken for the whole.
    #[test]
    fn a_head_survives_the_wire(
        method in "[A-Z]{1,8}",
        target in "/[!-~]{0,20}",
        fields in proptest::collection::vec(("[A-Za-z0-9-]{1,8}", "([!-~]{1,8})?"), 0..4),
        cut in 0..1000_usize,
    ) {
        let head = RequestHead {
            method,
            target,
            version: Version::Http11,
            fields: fields.into_iter().collect(),
            remarks: Vec::new(),
        };
        let mut written = Vec::new();
        head.write(&mut written);
        let cut = cut % written.len();
        prop_assert_eq!(RequestHead::parse(&written[..cut], &LIMITS), Ok(None));
        let length = written.len();
        prop_assert_eq!(RequestHead::parse(&written, &LIMITS), Ok(Some((head, length))));
    }

    /// Chunks come out as they went in, wherever the bytes are cut on their way.
    #[test]
    fn chunks_survive_the_wire(
        data in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5),
        pieces in proptest::collection::vec(1..20_usize, 0..40),
    ) {
        let mut written = Vec::new();
        for part in &data {
            chunk(part, &mut written);
        }
        let trailers: Fields = [("Sum", "1")].into_iter().collect();
        last_chunk(&trailers, &mut written);
        let mut decoder = ChunkedDecoder::new();
        let (mut read, mut rest) = (Vec::new(), written.as_slice());
        for piece in pieces.into_iter().chain([usize::MAX]) {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            prop_assert_eq!(decoder.decode(now, &mut read), Ok(now.len()));
            rest = later;
        }
        prop_assert_eq!(read, data.concat());
        prop_assert_eq!(decoder.trailers(), Some(&trailers));
    }
}
