//! What gRPC adds to HTTP/2 (gRPC over HTTP2): messages behind their length, and a status of its own in the trailers.

use std::fmt::Write as _;

/// What the content type of its requests and responses begins with.
pub const CONTENT_TYPE: &str = "application/grpc";

/// Whether a content type is gRPC's: with the message's encoding behind `+`, or with parameters. gRPC-Web's is another
/// one, of another protocol.
#[must_use]
pub fn is_content_type(value: &[u8]) -> bool {
    let rest = value.strip_prefix(CONTENT_TYPE.as_bytes());
    rest.is_some_and(|r| matches!(r.trim_ascii_start().first(), None | Some(b'+' | b';')))
}

/// The status, a number from 0 to 16, and words about it.
pub const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// Names of the status codes, from 0 on (gRPC, "Status codes and their use in gRPC").
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A status code with its name, as in "12 UNIMPLEMENTED".
pub fn named(code: u8) -> String {
    match CODES.get(usize::from(code)) {
        Some(name) => format!("{code} {name}"),
        None => code.to_string(),
    }
}

/// A message as it goes over the wire: a byte that says it is not compressed, its length in four, itself.
pub fn prefixed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut out = vec![0];
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    out
}

/// The fields of a request beside those of any other: without `te` a server knows that somebody on the way does not pass
/// trailers on.
pub const ASKING: [(&str, &str); 2] = [("content-type", CONTENT_TYPE), ("te", "trailers")];

/// The fields that end a call. The words are percent-encoded.
pub fn ending(status: u8, message: &str) -> Vec<(String, String)> {
    let mut fields = vec![(STATUS.to_owned(), status.to_string())];
    if !message.is_empty() {
        let mut encoded = String::new();
        for byte in message.bytes() {
            match byte {
                b'%' | 0..=0x1f | 0x7f.. => {
                    // Writing to a string does not fail.
                    let _ = write!(encoded, "%{byte:02X}");
                }
                _ => encoded.push(byte.into()),
            }
        }
        fields.push((MESSAGE.to_owned(), encoded));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_web_is_another_protocol() {
        for own in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;x=y",
            "application/grpc ; x=y",
        ] {
            assert!(is_content_type(own.as_bytes()), "{own}");
        }
        for other in [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpcs",
            "text/plain",
            "",
        ] {
            assert!(!is_content_type(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_message_stands_behind_its_length() {
        assert_eq!(prefixed(b"abc"), b"\0\0\0\0\x03abc");
        assert_eq!(prefixed(b""), [0; 5]);
    }

    #[test]
    fn a_call_ends_with_its_status() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(ending(0, ""), [pair("grpc-status", "0")]);
        let told = ending(5, "no 100 % \u{e4}\n");
        assert_eq!(told[1], pair("grpc-message", "no 100 %25 %C3%A4%0A"));
        assert_eq!(named(12), "12 UNIMPLEMENTED");
        assert_eq!(named(17), "17");
    }
}
