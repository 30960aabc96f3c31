//! The chunked transfer coding (RFC 9112 §7.1).

use super::lines::{Folded, Line, read_fields};
use super::{Fields, Limits, trim};

/// A chunk-size line longer than this is refused.
const SIZE_LINE_MAX: usize = 4096;

/// Trailers may be as long as this.
const TRAILERS: Limits = Limits {
    line: 16 * 1024,
    field: 16 * 1024,
    head: 64 * 1024,
};

/// Why bytes are not chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkedError {
    /// A chunk does not begin with its size.
    #[error("not a chunk size")]
    BadSize,
    /// A chunk is longer than its size says.
    #[error("a chunk does not end where its size says")]
    BadEnd,
    /// The trailers are too long.
    #[error("the trailers are too long")]
    TrailersTooLong,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    End,
    Trailers,
    Done(Fields),
}

/// Takes chunks apart as they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkedDecoder {
    state: State,
    /// Of a line that is not whole yet.
    line: Vec<u8>,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// Before the first chunk.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Size,
            line: Vec::new(),
        }
    }

    /// Appends to `data` what the chunks in `bytes` hold, and tells how many bytes were used: all of them, but for
    /// what follows the body's end.
    ///
    /// # Errors
    /// When they are no chunks.
    pub fn decode(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<usize, ChunkedError> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.state {
                State::Data(left) => {
                    let room = usize::try_from(*left).unwrap_or(usize::MAX);
                    let n = rest.len().min(room);
                    data.extend_from_slice(&rest[..n]);
                    at += n;
                    *left -= n as u64;
                    if *left == 0 {
                        self.state = State::End;
                    }
                }
                State::Done(_) => break,
                State::Size | State::End | State::Trailers => {
                    let feed = rest.iter().position(|b| *b == b'\n');
                    let n = feed.map_or(rest.len(), |f| f + 1);
                    self.line.extend_from_slice(&rest[..n]);
                    at += n;
                    self.handle_line(feed.is_some())?;
                }
            }
        }
        Ok(at)
    }

    /// One more line, or a part of one, is in `line`.
    fn handle_line(&mut self, whole: bool) -> Result<(), ChunkedError> {
        match self.state {
            State::Size if whole => {
                let line = Line::take(&self.line).map_or(&[][..], |l| l.text);
                let size = size(line).ok_or(ChunkedError::BadSize)?;
                self.state = match size {
                    0 => State::Trailers,
                    size => State::Data(size),
                };
                self.line.clear();
            }
            State::Size if self.line.len() > SIZE_LINE_MAX => return Err(ChunkedError::BadSize),
            State::End if whole => {
                if Line::take(&self.line).is_none_or(|l| !l.text.is_empty()) {
                    return Err(ChunkedError::BadEnd);
                }
                self.state = State::Size;
                self.line.clear();
            }
            State::End if self.line != b"\r" => return Err(ChunkedError::BadEnd),
            // Read as a whole, once: when the empty line is there, or never can be within the limit.
            State::Trailers
                if ends_with_empty_line(&self.line) || self.line.len() > TRAILERS.head =>
            {
                let read = read_fields(&self.line, &TRAILERS, Folded::Joined, &mut Vec::new());
                if let Some((fields, _)) = read.map_err(|_| ChunkedError::TrailersTooLong)? {
                    self.state = State::Done(fields);
                    self.line.clear();
                }
            }
            State::Size | State::End | State::Trailers | State::Data(_) | State::Done(_) => {}
        }
        Ok(())
    }

    /// The trailers, once the body is whole.
    #[must_use]
    pub const fn trailers(&self) -> Option<&Fields> {
        match &self.state {
            State::Done(fields) => Some(fields),
            State::Size | State::Data(_) | State::End | State::Trailers => None,
        }
    }

    /// Whether the body is whole.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.trailers().is_some()
    }
}

fn ends_with_empty_line(lines: &[u8]) -> bool {
    matches!(lines, b"\n" | b"\r\n") || lines.ends_with(b"\n\n") || lines.ends_with(b"\n\r\n")
}

/// The size at the start of a line; extensions behind it are let be.
fn size(line: &[u8]) -> Option<u64> {
    let digits = trim(line.split(|b| *b == b';').next()?);
    let hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let text = str::from_utf8(digits).ok()?;
    u64::from_str_radix(text, 16).ok().filter(|_| hex)
}

/// Appends `data` as a chunk. Nothing when it is empty: that would be the last.
pub fn chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    out.extend_from_slice(format!("{:X}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk, and trailers.
pub fn last_chunk(trailers: &Fields, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    trailers.write(out);
    out.extend_from_slice(b"\r\n");
}
