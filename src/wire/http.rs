//! One HTTP/1 head: start line, headers, and how long the body is (RFC 9112 §2 to §6). Bodies themselves and the
//! pairing of responses with requests need state, and are in `dissect`.

/// Methods by which the start of a stream is recognised as HTTP (RFC 9110 §9.3, RFC 5789).
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// The longest head that is read.
pub const LONGEST_HEAD: usize = 256 * 1024;

/// A start line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartLine {
    /// Of a request.
    Request {
        /// As in "GET".
        method: String,
        /// As in "/index.html".
        target: String,
        /// As in "HTTP/1.1"; empty when the line ends before it.
        version: String,
    },
    /// Of a response.
    Response {
        /// As in "HTTP/1.1".
        version: String,
        /// As in 200.
        status: u16,
        /// As in "OK"; may be empty.
        phrase: String,
    },
}

/// A head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its first line.
    pub start: StartLine,
    /// Names (as written) and values (without space around), in order.
    pub headers: Vec<(String, String)>,
}

/// How a body ends (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// After so many bytes; zero when there is no body.
    Bytes(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
    /// The connection is no longer HTTP (CONNECT, 101 Switching Protocols).
    Tunnel,
}

/// Whether a stream that begins with `bytes` is HTTP/1; `None` while they are too few to tell.
#[must_use]
pub fn is_start(bytes: &[u8]) -> Option<bool> {
    let mut open = false;
    for mark in METHODS.iter().map(|m| (*m, " ")).chain([("HTTP/1", ".")]) {
        let mark = [mark.0.as_bytes(), mark.1.as_bytes()].concat();
        if bytes.starts_with(&mark) {
            return Some(true);
        }
        open |= mark.starts_with(bytes);
    }
    if open { None } else { Some(false) }
}

/// Bytes of the head at the start of `bytes`, with its empty line; `None` when the empty line is not there.
/// `searched` bytes are known from an earlier call not to hold it. Bare line feeds end lines too (RFC 9112 §2.2).
#[must_use]
pub fn head_length(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let at = |i: usize| bytes.get(i).copied();
    (from..bytes.len())
        .filter(|i| bytes[*i] == b'\n')
        .find_map(|i| match (at(i + 1), at(i + 2)) {
            (Some(b'\n'), _) => Some(i + 2),
            (Some(b'\r'), Some(b'\n')) => Some(i + 3),
            _ => None,
        })
}

impl Head {
    /// Reads a whole head. `None` when its first line is neither a request's nor a response's. Lines without a
    /// colon are left out; a line that begins with space continues the one before (obs-fold).
    #[must_use]
    pub fn read(head: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(head);
        let mut lines = text
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
            .skip_while(|line| line.is_empty());
        let start = start_line(lines.next()?)?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = headers.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                headers.push((name.into(), value.trim().into()));
            }
        }
        Some(Self { start, headers })
    }

    /// The value of the first header `name`, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// How its body ends; for a response, given the method of its request.
    #[must_use]
    pub fn body_length(&self, request_method: Option<&str>) -> BodyLength {
        let none = BodyLength::Bytes(0);
        let otherwise = match &self.start {
            StartLine::Request { .. } => none,
            StartLine::Response { status, .. } => match (*status, request_method) {
                (101, _) | (200..=299, Some("CONNECT")) => return BodyLength::Tunnel,
                (100..=199 | 204 | 304, _) | (_, Some("HEAD")) => return none,
                _ => BodyLength::UntilClose,
            },
        };
        let codings = self.header("transfer-encoding").unwrap_or_default();
        if codings
            .rsplit(',')
            .next()
            .is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"))
        {
            return BodyLength::Chunked;
        }
        self.header("content-length")
            .and_then(|v| v.parse().ok())
            .map_or(otherwise, BodyLength::Bytes)
    }
}

fn start_line(line: &str) -> Option<StartLine> {
    if line.starts_with("HTTP/1.") {
        let mut parts = line.splitn(3, ' ');
        return Some(StartLine::Response {
            version: parts.next()?.into(),
            status: parts.next()?.parse().ok()?,
            phrase: parts.next().unwrap_or_default().into(),
        });
    }
    let (method, rest) = line.split_once(' ')?;
    if method.is_empty() {
        return None;
    }
    let (target, version) = match rest.rsplit_once(' ') {
        Some((target, version)) if version.starts_with("HTTP/") => (target, version),
        // Malformed, or HTTP/0.9; told apart from anything else by its method alone.
        _ if METHODS.contains(&method) => (rest, ""),
        _ => return None,
    };
    Some(StartLine::Request {
        method: method.into(),
        target: target.into(),
        version: version.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Head {
        Head::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn reads_a_request_with_names_as_written() {
        let text =
            "GET /a?b HTTP/1.1\r\nHOST: your-app.com\r\nx-A:1\r\n two\r\nnonsense\r\n\r\nbody";
        assert_eq!(head_length(text.as_bytes(), 0), Some(text.len() - 4));
        let head = read(&text[..text.len() - 4]);
        assert_eq!(
            head.headers,
            [
                ("HOST".into(), "your-app.com".into()),
                ("x-A".into(), "1 two".into())
            ]
        );
        assert_eq!(head.header("host"), Some("your-app.com"));
        let StartLine::Request { method, target, .. } = head.start else {
            panic!("a request")
        };
        assert_eq!((method.as_str(), target.as_str()), ("GET", "/a?b"));
    }

    #[test]
    fn reads_a_response_with_and_without_phrase() {
        let with = read("HTTP/1.1 404 Not Found\r\n\r\n").start;
        let StartLine::Response { status, phrase, .. } = with else {
            panic!("a response")
        };
        assert_eq!((status, phrase.as_str()), (404, "Not Found"));
        assert!(matches!(
            read("HTTP/1.0 200\r\n\r\n").start,
            StartLine::Response { status: 200, .. }
        ));
        assert_eq!(Head::read(b"HTTP/1.1 abc\r\n\r\n"), None);
        assert_eq!(Head::read(b"hello\r\n\r\n"), None);
        assert_eq!(Head::read(b"hello you\r\n\r\n"), None);
        let without_version = StartLine::Request {
            method: "GET".into(),
            target: "/bad".into(),
            version: String::new(),
        };
        assert_eq!(read("GET /bad\r\n\r\n").start, without_version);
    }

    #[test]
    fn finds_the_end_of_a_head_however_it_is_cut() {
        let whole = b"GET / HTTP/1.1\r\nA: b\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(head_length(&whole[..cut], 0), None, "{cut} bytes");
            assert_eq!(head_length(whole, cut), Some(whole.len()), "{cut} searched");
        }
        assert_eq!(head_length(b"GET / HTTP/1.0\n\nx", 0), Some(16));
    }

    #[test]
    fn bodies_end_as_rfc_9112_says() {
        let get = Some("GET");
        let ok = "HTTP/1.1 200 OK\r\n";
        let length = |text: &str, method| read(&format!("{text}\r\n")).body_length(method);
        assert_eq!(length(ok, get), BodyLength::UntilClose);
        let sized = format!("{ok}Content-Length: 12\r\n");
        assert_eq!(length(&sized, get), BodyLength::Bytes(12));
        assert_eq!(length(&sized, Some("HEAD")), BodyLength::Bytes(0));
        assert_eq!(length(ok, Some("CONNECT")), BodyLength::Tunnel);
        let chunked = format!("{sized}Transfer-Encoding: gzip, Chunked\r\n");
        assert_eq!(length(&chunked, get), BodyLength::Chunked);
        assert_eq!(
            length("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n", get),
            BodyLength::Bytes(0)
        );
        assert_eq!(length("POST / HTTP/1.1\r\n", None), BodyLength::Bytes(0));
    }

    #[test]
    fn recognises_http_from_its_first_bytes() {
        assert_eq!(is_start(b"GET /"), Some(true));
        assert_eq!(is_start(b"HTTP/1.1 200"), Some(true));
        assert_eq!(is_start(b"PO"), None);
        assert_eq!(is_start(b"PRI * HTTP/2.0"), Some(false));
        assert_eq!(is_start(&[0x16, 3, 1]), Some(false));
    }
}
