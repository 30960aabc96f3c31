//! AES, from the standards, with real values after every step: the cipher, GCM around it, and what one bit changes.

pub mod avalanche;
pub mod cipher;
pub mod document;
pub mod gcm;
pub mod page;

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Hexadecimal digits as bytes, with spaces, colons and line ends between them as people copy them; `None` when there is
/// anything else.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: char| c.to_digit(16).map(|d| d as u8);
    let kept = text.chars().filter(|c| !c.is_whitespace() && *c != ':');
    let digits: Vec<u8> = kept.map(digit).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(|p| p[0] << 4 | p[1]).collect())
}
