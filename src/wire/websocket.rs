//! WebSocket frames and the keys of its handshake (RFC 6455).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// What a frame is (RFC 6455 §11.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message.
    Continuation,
    /// A message of text, or its beginning.
    Text,
    /// A message of bytes, or its beginning.
    Binary,
    /// The sender sends nothing more.
    Close,
    /// The other side is to answer.
    Ping,
    /// The answer.
    Pong,
    /// One that nobody has defined.
    Reserved(u8),
}

impl Opcode {
    const fn number(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
            Self::Reserved(n) => n & 0x0f,
        }
    }

    const fn read(number: u8) -> Self {
        match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            n => Self::Reserved(n),
        }
    }
}

/// A frame that nobody here takes: longer than [`Frame::LONGEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a WebSocket frame is too long")]
pub struct TooLong;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whether it is the last of its message.
    pub last: bool,
    /// What it is.
    pub opcode: Opcode,
    /// The masking key; clients must have one, servers must not (§5.1).
    pub mask: Option<[u8; 4]>,
    /// What it carries, unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The longest that is read.
    pub const LONGEST: u64 = 1 << 24;

    /// A whole message, or a control frame.
    #[must_use]
    pub const fn whole(opcode: Opcode, mask: Option<[u8; 4]>, payload: Vec<u8>) -> Self {
        Self {
            last: true,
            opcode,
            mask,
            payload,
        }
    }

    /// Reads the frame that `bytes` begin with, and tells how many they were. `None` when it is not whole yet.
    ///
    /// # Errors
    /// When it is too long.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, TooLong> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (size, at) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
            }
            (126 | 127, _) => return Ok(None),
            (size, _) => (u64::from(size), 2),
        };
        if size > Self::LONGEST {
            return Err(TooLong);
        }
        // It fits: it is no longer than the longest.
        let size = size as usize;
        let masked = second & 0x80 != 0;
        let start = at + if masked { 4 } else { 0 };
        let Some(payload) = bytes.get(start..start + size) else {
            return Ok(None);
        };
        let mask = match bytes[at..start] {
            [a, b, c, d] => Some([a, b, c, d]),
            _ => None,
        };
        let frame = Self {
            last: first & 0x80 != 0,
            opcode: Opcode::read(first & 0x0f),
            mask,
            payload: apply(mask, payload),
        };
        Ok(Some((frame, start + size)))
    }

    /// Appends it as it goes over the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        let last = if self.last { 0x80 } else { 0 };
        out.push(last | self.opcode.number());
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        match self.payload.len() {
            n @ 0..126 => out.push(masked | n as u8),
            n @ 126..=0xffff => {
                out.push(masked | 126);
                out.extend_from_slice(&(n as u16).to_be_bytes());
            }
            n => {
                out.push(masked | 127);
                out.extend_from_slice(&(n as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(self.mask.as_ref().map_or(&[], |m| &m[..]));
        out.extend(apply(self.mask, &self.payload));
    }

    /// The status code of a Close frame (§7.1.5): 1005 where it has none.
    #[must_use]
    pub fn close_code(&self) -> u16 {
        match self.payload[..] {
            [a, b, ..] => u16::from_be_bytes([a, b]),
            _ => 1005,
        }
    }
}

fn apply(mask: Option<[u8; 4]>, bytes: &[u8]) -> Vec<u8> {
    let mask = mask.unwrap_or_default();
    let pairs = bytes.iter().zip(mask.iter().cycle());
    pairs.map(|(byte, key)| byte ^ key).collect()
}

/// `Sec-WebSocket-Key` of 16 random bytes (§4.1).
#[must_use]
pub fn key(random: [u8; 16]) -> String {
    base64(&random)
}

/// `Sec-WebSocket-Accept`, the answer to a key (§4.2.2): it shows that the server knows what it was asked.
#[must_use]
pub fn accept(key: &str) -> String {
    const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let both = format!("{key}{GUID}");
    base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, both.as_bytes()).as_ref())
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 0x3f) as usize];
            text.push(if place <= group.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §1.3 and RFC 4648 §10.
    #[test]
    fn keys_are_those_of_the_rfc() {
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_eq!(key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    /// RFC 6455 §5.7.
    #[test]
    fn frames_are_those_of_the_rfc() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let hello = Frame::whole(Opcode::Text, None, b"Hello".to_vec());
        let mut out = Vec::new();
        hello.write(&mut out);
        assert_eq!(out, [0x81, 5, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        let masked = Frame::whole(Opcode::Text, Some(mask), b"Hello".to_vec());
        let mut out = Vec::new();
        masked.write(&mut out);
        let wire = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        assert_eq!(out, wire);
        for cut in 0..wire.len() {
            assert_eq!(Frame::parse(&wire[..cut]), Ok(None), "{cut} bytes");
        }
        assert_eq!(Frame::parse(&wire), Ok(Some((masked, wire.len()))));
        let close = Frame::whole(Opcode::Close, None, 1001_u16.to_be_bytes().to_vec());
        assert_eq!(close.close_code(), 1001);
    }

    #[test]
    fn long_frames_have_longer_lengths_and_limits() {
        for size in [125, 126, 65_535, 65_536] {
            let frame = Frame::whole(Opcode::Binary, Some([1, 2, 3, 4]), vec![7; size]);
            let mut out = Vec::new();
            frame.write(&mut out);
            assert_eq!(Frame::parse(&out), Ok(Some((frame, out.len()))), "{size}");
        }
        let huge = [0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(Frame::parse(&huge), Err(TooLong));
    }
}
