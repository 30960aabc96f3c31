//! TLS 1.3 is taken out of the versions that a ClientHello offers, so that the server chooses TLS 1.2. A server that
//! knows TLS 1.3 then marks its random, and the client gives up with illegal_parameter (RFC 8446 §4.1.3). Without the
//! mark, the Finished messages would tell: the two sides have seen different hellos.

use super::Passage;
use super::records::Record;
use crate::event::Deed;
use crate::role::config::Side;
use crate::wire::hello::without_version;
use crate::wire::tls::{RecordHeader, TLS13, content_type};

pub(super) fn passage(side: Side, record: &Record) -> Passage {
    let is_handshake = record.header.content_type == content_type::HANDSHAKE;
    if side != Side::Client || !is_handshake {
        return Passage::Untouched;
    }
    let Some(hello) = without_version(record.fragment(), TLS13) else {
        return Passage::Untouched;
    };
    let Ok(length) = u16::try_from(hello.len()) else {
        return Passage::Untouched;
    };
    // Type and version of the record as they were.
    let mut bytes = record.bytes[..RecordHeader::BYTES - 2].to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend(hello);
    Passage::Changed(bytes, Deed::VersionStripped, 0)
}
