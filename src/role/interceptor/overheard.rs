//! What somebody in the middle can make of a connection without its keys: the hellos, and in TLS 1.2 the certificate;
//! of the rest how much there is. Where the connection is not encrypted, or the attacker ends TLS itself, everything.

use rustls::pki_types::CertificateDer;

use super::records::Record;
use crate::event::{Fact, Flow};
use crate::role::config::Side;
use crate::tls::facts;
use crate::wire::tls::{
    ClientHello, ServerHello, TLS12, TLS13, certificates, content_type, handshake_header,
    handshake_type, suite_name, version_name,
};

/// Bytes of each direction's plain text that are kept.
const PLAIN_MAX: usize = 64 * 1024;
/// The longest handshake message that is put together.
const HANDSHAKE_MAX: usize = 256 * 1024;

/// What has been overheard so far.
#[derive(Debug, Default)]
pub(super) struct Overheard {
    readable: Vec<String>,
    sealed_records: u64,
    sealed_bytes: u64,
    /// Bytes of plain text beyond what is kept.
    left_out: u64,
    /// The server chose TLS 1.3, in which ChangeCipherSpec means nothing (RFC 8446 §5).
    tls13: bool,
    sides: [Heard; 2],
}

#[derive(Debug, Default)]
struct Heard {
    /// Of handshake messages that are not whole.
    handshake: Vec<u8>,
    /// TLS 1.2: after ChangeCipherSpec.
    encrypted: bool,
    plain: Vec<u8>,
}

impl Overheard {
    /// A record passed.
    pub(super) fn record(&mut self, side: Side, record: &Record) {
        let heard = &mut self.sides[side as usize];
        match record.header.content_type {
            content_type::CHANGE_CIPHER_SPEC => heard.encrypted |= !self.tls13,
            content_type::HANDSHAKE if !heard.encrypted => {
                heard.handshake.extend_from_slice(record.fragment());
                self.handshakes(side);
            }
            content_type::ALERT if !heard.encrypted => {
                if let [_, description] = record.fragment() {
                    self.readable.push(format!("alert {description}"));
                }
            }
            _ => {
                self.sealed_records += 1;
                self.sealed_bytes += record.fragment().len() as u64;
            }
        }
    }

    /// Bytes passed that were not encrypted, or no longer.
    pub(super) fn plain(&mut self, side: Side, bytes: &[u8]) {
        let plain = &mut self.sides[side as usize].plain;
        let kept = bytes.len().min(PLAIN_MAX.saturating_sub(plain.len()));
        plain.extend_from_slice(&bytes[..kept]);
        self.left_out += (bytes.len() - kept) as u64;
    }

    /// The fact about the connection `flow`, whose local end is the client's.
    pub(super) fn into_fact(mut self, flow: Flow) -> Fact {
        for heard in &self.sides {
            let text = String::from_utf8_lossy(&heard.plain);
            let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
            self.readable.extend(lines.map(str::to_owned));
        }
        Fact::Overheard {
            flow,
            readable: self.readable,
            sealed_records: self.sealed_records,
            sealed_bytes: self.sealed_bytes,
            left_out: self.left_out,
        }
    }

    fn handshakes(&mut self, side: Side) {
        let mut bytes = std::mem::take(&mut self.sides[side as usize].handshake);
        while let Some((kind, length)) = handshake_header(&bytes) {
            if length > HANDSHAKE_MAX {
                // Not to be understood: what comes after it neither.
                self.sides[side as usize].encrypted = true;
                return;
            }
            if kind == handshake_type::SERVER_HELLO {
                let hello = bytes.get(4..4 + length).and_then(ServerHello::read);
                self.tls13 |= hello.is_some_and(|h| h.version() == TLS13);
            }
            let Some(body) = bytes.get(4..4 + length) else {
                break;
            };
            self.readable.extend(read(kind, body));
            bytes.drain(..4 + length);
        }
        self.sides[side as usize].handshake = bytes;
    }
}

/// What a handshake message in clear says.
fn read(kind: u8, body: &[u8]) -> Vec<String> {
    match kind {
        handshake_type::CLIENT_HELLO => ClientHello::read(body).map_or_else(Vec::new, |hello| {
            let versions = hello.versions().into_iter().map(version_name);
            let versions: Vec<String> = versions.collect();
            let name = hello.server_name.map(|n| format!("server name {n}"));
            let offer = format!("client offers {}", versions.join(" and "));
            name.into_iter().chain([offer]).collect()
        }),
        handshake_type::SERVER_HELLO => ServerHello::read(body).map_or_else(Vec::new, |hello| {
            let version = version_name(hello.version());
            let suite = suite_name(hello.suite);
            vec![format!("server chooses {version} with {suite}")]
        }),
        // In TLS 1.3 it is never in clear.
        handshake_type::CERTIFICATE => {
            let chain = certificates(body, TLS12).unwrap_or_default();
            let chain = chain.into_iter().map(|der| {
                let facts = facts::certificate(&CertificateDer::from(der));
                format!(
                    "certificate of {}, issued by {}",
                    facts.subject, facts.issuer
                )
            });
            chain.collect()
        }
        _ => Vec::new(),
    }
}
