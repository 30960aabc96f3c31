//! A recorded connection as bytes of each side: its records, its handshake messages in clear, its data once there are keys.

use super::Unrecoverable;
use crate::dissect::opener::Opener;
use crate::wire::tls::{RecordHeader, content_type, handshake_header};

/// A handshake message of the recording, header included.
pub(in crate::tls) struct Recorded {
    pub(in crate::tls) kind: u8,
    pub(in crate::tls) whole: Vec<u8>,
}

impl Recorded {
    /// The message without its header.
    pub(in crate::tls) fn body(&self) -> &[u8] {
        &self.whole[4..]
    }
}

/// Whole records: header and fragment.
pub(super) fn records(mut bytes: &[u8]) -> impl Iterator<Item = (RecordHeader, &[u8])> {
    std::iter::from_fn(move || {
        let header = RecordHeader::read(bytes).filter(RecordHeader::is_plausible)?;
        let end = RecordHeader::BYTES + header.length;
        let (record, rest) = bytes.split_at_checked(end)?;
        bytes = rest;
        Some((header, &record[RecordHeader::BYTES..]))
    })
}

pub(super) fn changes_cipher(bytes: &[u8]) -> bool {
    records(bytes).any(|(header, _)| header.content_type == content_type::CHANGE_CIPHER_SPEC)
}

/// The handshake messages before ChangeCipherSpec.
pub(in crate::tls) fn clear_messages(bytes: &[u8]) -> Vec<Recorded> {
    let mut joined = Vec::new();
    for (header, fragment) in records(bytes) {
        match header.content_type {
            content_type::CHANGE_CIPHER_SPEC => break,
            content_type::HANDSHAKE => joined.extend_from_slice(fragment),
            _ => {}
        }
    }
    let mut messages = Vec::new();
    let mut rest = joined.as_slice();
    while let Some((kind, length)) = handshake_header(rest) {
        let Some((whole, after)) = rest.split_at_checked(4 + length) else {
            break;
        };
        let whole = whole.to_vec();
        messages.push(Recorded { kind, whole });
        rest = after;
    }
    messages
}

/// The application data of one side.
pub(in crate::tls) fn open(
    bytes: &[u8],
    side: &'static str,
    mut opener: Opener,
) -> Result<Vec<u8>, Unrecoverable> {
    let mut data = Vec::new();
    let mut encrypted = false;
    for (n, (header, fragment)) in records(bytes).enumerate() {
        if !encrypted {
            encrypted = header.content_type == content_type::CHANGE_CIPHER_SPEC;
            continue;
        }
        let plain = opener.open(header.content_type, header.version, fragment);
        let number = n + 1;
        let plain = plain.ok_or(Unrecoverable::Record { side, number })?;
        if header.content_type == content_type::APPLICATION_DATA {
            data.extend(plain);
        }
    }
    Ok(data)
}
