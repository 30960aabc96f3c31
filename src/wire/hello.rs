//! Changing a ClientHello, as somebody on the path can: lengths follow, and nothing else changes.

use super::tls::handshake_type;

/// The extension that lists versions (RFC 8446 §4.2.1).
const SUPPORTED_VERSIONS: u16 = 43;

/// The handshake message `message`, a whole ClientHello, without `version` among its supported versions. `None` when it
/// is none, or does not offer this version besides others.
#[must_use]
pub fn without_version(message: &[u8], version: u16) -> Option<Vec<u8>> {
    if message.first() != Some(&handshake_type::CLIENT_HELLO)
        || length(message, 1, 3)? != message.len() - 4
    {
        return None;
    }
    // Header, legacy version, random; then session id, suites, compression methods.
    let mut at = 4 + 2 + 32;
    for width in [1, 2, 1] {
        at += width + length(message, at, width)?;
    }
    let extensions = at;
    at += 2;
    loop {
        let (kind, size) = (length(message, at, 2)?, length(message, at + 2, 2)?);
        if kind == usize::from(SUPPORTED_VERSIONS) {
            let data = message.get(at + 4..at + 4 + size)?;
            let listed = data.get(1..)?;
            let kept: Vec<u8> = listed
                .chunks_exact(2)
                .filter(|v| *v != version.to_be_bytes())
                .flatten()
                .copied()
                .collect();
            let gone = listed.len() - kept.len();
            if gone == 0 || kept.is_empty() || usize::from(data[0]) != listed.len() {
                return None;
            }
            let mut changed = message[..at + 4].to_vec();
            changed.push(data[0] - u8::try_from(gone).ok()?);
            changed.extend(kept);
            changed.extend(&message[at + 4 + size..]);
            for (place, width) in [(1, 3), (extensions, 2), (at + 2, 2)] {
                shorten(&mut changed, place, width, gone);
            }
            return Some(changed);
        }
        at += 4 + size;
    }
}

/// A number of `width` bytes.
fn length(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let digits = bytes.get(at..at + width)?;
    Some(digits.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
}

/// Takes `by` from a length of `width` bytes, which is not less in a hello whose lengths agree.
fn shorten(bytes: &mut [u8], at: usize, width: usize, by: usize) {
    let Some(old) = length(bytes, at, width) else {
        return;
    };
    let new = old.saturating_sub(by).to_be_bytes();
    bytes[at..at + width].copy_from_slice(&new[new.len() - width..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tls::{ClientHello, TLS12, TLS13};

    fn hello(versions: &[u16]) -> Vec<u8> {
        let list: Vec<u8> = versions.iter().flat_map(|v| v.to_be_bytes()).collect();
        let mut extensions = vec![0, 0, 0, 9, 0, 7, 0, 0, 4, b'a', b'.', b'd', b'e'];
        extensions.extend([0, 43, 0, list.len() as u8 + 1, list.len() as u8]);
        extensions.extend(list);
        extensions.extend([0, 23, 0, 0]);
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([2, 8, 8, 0, 2, 0x13, 1, 1, 0, 0, extensions.len() as u8]);
        body.extend(extensions);
        let mut message = vec![1, 0, 0, body.len() as u8];
        message.extend(body);
        message
    }

    #[test]
    fn one_version_goes_and_nothing_else() {
        let without = without_version(&hello(&[TLS13, TLS12]), TLS13);
        assert_eq!(without, Some(hello(&[TLS12])));
        let read = ClientHello::read(&without.unwrap()[4..]).unwrap();
        assert_eq!(read.supported_versions, [TLS12]);
        assert_eq!(read.server_name.as_deref(), Some("a.de"));
        assert_eq!(without_version(&hello(&[TLS12]), TLS13), None);
        assert_eq!(without_version(&hello(&[TLS13]), TLS13), None, "no other");
    }

    #[test]
    fn cut_or_changed_hellos_never_panic() {
        let whole = hello(&[TLS13, TLS12]);
        for n in 0..whole.len() {
            assert_eq!(without_version(&whole[..n], TLS13), None);
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[n] ^= 1 << bit;
                let _ = without_version(&changed, TLS13);
            }
        }
    }
}
