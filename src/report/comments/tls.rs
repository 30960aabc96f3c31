//! What to say about TLS messages.

use super::{Annotator, Ends, way};
use crate::dissect::message::{Frame, TlsKind, TlsMessage};
use crate::report::text::millis;

impl Annotator {
    pub(super) fn tls(&mut self, tls: &TlsMessage, frame: &Frame, ends: &Ends) -> Option<String> {
        let Ends { from, to, .. } = ends;
        let (source, destination) = way(frame);
        let by_client = !self.connections.contains_key(&(destination, source));
        let key = if by_client {
            (source, destination)
        } else {
            (destination, source)
        };
        let own = self.connections.entry(key).or_default();
        let thirteen = own.version.as_deref() == Some("TLS 1.3");
        match &tls.kind {
            TlsKind::ClientHello {
                server_name,
                alpn,
                versions,
                suites,
            } => {
                own.hello.get_or_insert(frame.at);
                Some(client_hello(
                    server_name.as_deref(),
                    alpn,
                    versions,
                    *suites,
                ))
            }
            TlsKind::ServerHello { version, suite } => {
                own.version = Some(version.clone());
                own.suite.clone_from(suite);
                Some(if version == "TLS 1.3" {
                    format!(
                        "ServerHello: {from} chooses {version} with {suite} and sends its public key share. \
                         Everything after this message is encrypted, with keys that both sides compute and never \
                         send."
                    )
                } else {
                    format!(
                        "ServerHello: {from} chooses {version} with {suite}. The handshake goes on in clear, the \
                         certificate included, until ChangeCipherSpec."
                    )
                })
            }
            TlsKind::Certificate { chain } => {
                let sizes: Vec<_> = chain.iter().map(ToString::to_string).collect();
                let sizes = sizes.join(" + ");
                Some(if tls.encrypted {
                    format!(
                        "Certificate chain of {} ({sizes} bytes): encrypted in TLS 1.3, so that nobody on the path \
                         sees it. The root is not sent: {to} has its own.",
                        chain.len()
                    )
                } else {
                    format!(
                        "Certificate chain of {} ({sizes} bytes): readable by anyone on the path in TLS 1.2. The \
                         root is not sent: {to} has its own.",
                        chain.len()
                    )
                })
            }
            TlsKind::ServerKeyExchange => Some(format!(
                "ServerKeyExchange: {from}'s ephemeral public key, signed with the key of its certificate."
            )),
            TlsKind::ClientKeyExchange if own.suite.starts_with("TLS_RSA") => Some(format!(
                "ClientKeyExchange: the pre-master secret, encrypted with the public key of {to}'s certificate. Who \
                 has that private key later can decrypt this recording."
            )),
            TlsKind::ClientKeyExchange => Some(format!(
                "ClientKeyExchange: {from}'s ephemeral public key. Both sides compute the same secret from the two; \
                 no session key is ever sent."
            )),
            // Established: at the client's Finished in TLS 1.3, which comes second; in TLS 1.2 at the server's.
            TlsKind::Finished if by_client == thirteen && !own.established => {
                own.established = true;
                let took = own
                    .hello
                    .map(|h| format!(", {} ms after the ClientHello", millis(frame.at - h)));
                let at = if by_client { from } else { to };
                Some(format!(
                    "Finished from {from}: it proves that both sides computed the same keys from the same handshake. \
                     TLS is established at {at}{}.",
                    took.unwrap_or_default()
                ))
            }
            TlsKind::NewSessionTicket => {
                let how = if tls.encrypted {
                    "encrypted"
                } else {
                    "in clear"
                };
                Some(format!(
                    "NewSessionTicket, sent {how}: with it {to} can make the handshake of a later visit shorter."
                ))
            }
            TlsKind::Alert { description: 0, .. } => Some(format!(
                "close_notify: {from} will send no more data. Without it, a cut-off answer could pass for a whole \
                 one."
            )),
            TlsKind::Alert { level, description } => {
                let level = if *level == 2 { "fatal" } else { "warning" };
                let name = alert_name(*description);
                Some(format!(
                    "TLS alert {description}, {name} ({level}), from {from}."
                ))
            }
            TlsKind::Finished
            | TlsKind::EncryptedExtensions { .. }
            | TlsKind::CertificateRequest
            | TlsKind::ServerHelloDone
            | TlsKind::CertificateVerify { .. }
            | TlsKind::OtherHandshake(_)
            | TlsKind::ChangeCipherSpec
            | TlsKind::ApplicationData
            | TlsKind::Opaque => None,
        }
    }
}

fn client_hello(
    server_name: Option<&str>,
    alpn: &[String],
    versions: &[String],
    suites: usize,
) -> String {
    let mut offer = vec![versions.join(" and ")];
    offer.push(format!("{suites} cipher suites"));
    if !alpn.is_empty() {
        offer.push(format!("ALPN {}", alpn.join(" and ")));
    }
    let name = match server_name {
        Some(name) => format!("the host name {name} (SNI) included"),
        None => "there is no host name (SNI) in it".into(),
    };
    format!(
        "ClientHello: offers {}. Anyone on the path can read it, {name}.",
        offer.join(", ")
    )
}

/// Names of RFC 8446 §6 and RFC 5246 §7.2.
const fn alert_name(description: u8) -> &'static str {
    match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "not in the register",
    }
}
