//! HTTP/1 messages to be taken apart and put together again as they came (RFC 9112): start lines, fields in their
//! order and case, how a body ends, chunks. Reading is lenient: what a strict reader would refuse is kept, and
//! remarked on, so that whoever reads may judge. [`super::http`] reads heads for people and knows no bodies.

mod chunked;
mod fields;
mod framing;
mod head;
mod lines;
#[cfg(test)]
mod tests;

pub use chunked::{ChunkedDecoder, ChunkedError, chunk, last_chunk};
pub use fields::{Field, Fields};
pub use framing::{Framing, FramingError};
pub use head::{HeadError, Limits, RequestHead, ResponseHead, Version};
pub use lines::Remark;

/// Bytes as text, each byte the character of the same number (ISO 8859-1), so that none is lost.
#[must_use]
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// The bytes of such a text. A character that has no byte becomes `?`.
pub fn latin1_bytes(text: &str) -> impl Iterator<Item = u8> + '_ {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?'))
}

/// Whether `byte` may be in a token, as methods and field names are (RFC 9110 §5.6.2).
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'z' | b'|' | b'~' | b'0'..=b'9' | b'A'..=b'Z'
    )
}

/// The bytes without the white space of HTTP (space and tab) around them.
#[must_use]
pub fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = bytes.iter().position(|b| !blank(b));
    let end = bytes.iter().rposition(|b| !blank(b));
    match (start, end) {
        (Some(start), Some(end)) => &bytes[start..=end],
        _ => &[],
    }
}
