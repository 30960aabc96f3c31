//! How a body ends (RFC 9112 §6.3).

use super::{Fields, RequestHead, ResponseHead, trim};

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection: responses only.
    UntilClose,
}

/// Why nobody can tell how a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// `Content-Length` is not a number.
    #[error("Content-Length is not a number")]
    BadContentLength,
    /// There are several, and they differ.
    #[error("several values of Content-Length")]
    DifferentContentLengths,
    /// A transfer coding that is neither `chunked` nor `identity`.
    #[error("an unknown transfer coding")]
    UnknownTransferCoding,
    /// `chunked` twice, or not last.
    #[error("`chunked` is not the last transfer coding, and there once")]
    ChunkedNotLast,
}

impl RequestHead {
    /// How its body ends. With both `Transfer-Encoding` and `Content-Length` the former rules.
    ///
    /// # Errors
    /// When nobody can tell: the request is to be refused.
    pub fn framing(&self) -> Result<Framing, FramingError> {
        of_fields(&self.fields, Framing::None)
    }

    /// How its body ends for who forgives more than RFC 9112 §6.3 does: `chunked` is `chunked` however often it is said,
    /// and of values of `Content-Length` that differ the first one counts. Others may see another end.
    ///
    /// # Errors
    /// When nobody can tell.
    pub fn framing_leniently(&self) -> Result<Framing, FramingError> {
        match self.framing() {
            Err(FramingError::ChunkedNotLast) => {
                let mut codings = self.fields.members("transfer-encoding");
                if codings.all(|c| c.eq_ignore_ascii_case(b"chunked")) {
                    return Ok(Framing::Chunked);
                }
                Err(FramingError::ChunkedNotLast)
            }
            Err(FramingError::DifferentContentLengths) => {
                let first = self.fields.members("content-length").next();
                match first.and_then(number) {
                    Some(0) => Ok(Framing::None),
                    Some(length) => Ok(Framing::Length(length)),
                    None => Err(FramingError::DifferentContentLengths),
                }
            }
            told @ (Ok(_)
            | Err(FramingError::BadContentLength | FramingError::UnknownTransferCoding)) => told,
        }
    }
}

impl ResponseHead {
    /// How its body ends, as an answer to a request with this method. What follows a 101 or a 2xx to CONNECT is no
    /// body; it is not told here.
    ///
    /// # Errors
    /// When nobody can tell: the connection is to be given up.
    pub fn framing(&self, request_method: &str) -> Result<Framing, FramingError> {
        let without_body = match self.status {
            100..=199 | 204 | 304 => true,
            200..=299 if request_method == "CONNECT" => true,
            _ => request_method == "HEAD",
        };
        if without_body {
            return Ok(Framing::None);
        }
        of_fields(&self.fields, Framing::UntilClose)
    }
}

fn of_fields(fields: &Fields, otherwise: Framing) -> Result<Framing, FramingError> {
    let mut chunked = false;
    for member in fields.members("transfer-encoding") {
        let coding = member.split(|b| *b == b';').next().map(trim);
        let coding = coding.unwrap_or_default();
        if chunked {
            return Err(FramingError::ChunkedNotLast);
        }
        if coding.eq_ignore_ascii_case(b"chunked") {
            chunked = true;
        } else if !coding.eq_ignore_ascii_case(b"identity") {
            return Err(FramingError::UnknownTransferCoding);
        }
    }
    if chunked {
        return Ok(Framing::Chunked);
    }
    let mut length = None;
    for value in fields.all("content-length") {
        // A list of the same number is that number (RFC 9110 §8.6).
        for member in value.split(|b| *b == b',').map(trim) {
            let number = number(member).ok_or(FramingError::BadContentLength)?;
            if length.is_some_and(|l| l != number) {
                return Err(FramingError::DifferentContentLengths);
            }
            length = Some(number);
        }
    }
    Ok(match length {
        Some(0) => Framing::None,
        Some(length) => Framing::Length(length),
        None => otherwise,
    })
}

/// Digits only: no sign, no fraction.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(text).ok()?;
    text.parse().ok().filter(|_| digits)
}
