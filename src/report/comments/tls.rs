//! What to say about TLS messages.

use super::{Annotator, Ends, way};
use crate::dissect::message::{Frame, Message, TlsKind, TlsMessage};
use crate::report::refusal;
use crate::report::text::millis;
use crate::wire::tls::alert_name;

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
        match &tls.kind {
            TlsKind::ClientHello {
                server_name,
                alpn,
                versions,
                suites,
                shares,
                resumes,
            } => {
                own.hello.get_or_insert(frame.at);
                let mut text = if std::mem::take(&mut own.retried) {
                    format!(
                        "The second ClientHello: the same again, with the key share that was asked for ({}). It costs \
                         a round trip.",
                        shares.join(" and ")
                    )
                } else {
                    client_hello(server_name.as_deref(), alpn, versions, *suites)
                };
                if shares.iter().any(|s| s == "X25519MLKEM768") {
                    text.push_str(
                        " Its key share for X25519MLKEM768 alone has 1216 bytes: 1184 of ML-KEM-768 and 32 of X25519.",
                    );
                }
                if *resumes {
                    text.push_str(" It asks to go on with an earlier session.");
                }
                Some(text)
            }
            TlsKind::ServerHello {
                retry: true, group, ..
            } => {
                own.retried = true;
                Some(format!(
                    "HelloRetryRequest: {from} accepts none of the key shares and asks for one in {}. It is a \
                     ServerHello with a random that every client knows (RFC 8446 §4.1.3).",
                    group.as_deref().unwrap_or("another group")
                ))
            }
            TlsKind::ServerHello {
                version,
                suite,
                resumed,
                ..
            } => {
                own.version = Some(version.clone());
                own.suite.clone_from(suite);
                Some(if *resumed {
                    format!(
                        "ServerHello: {from} accepts the pre-shared key of the earlier session, and {suite}. No \
                         certificate is sent: who knows the key is known. The key shares are new all the same."
                    )
                } else if version != "TLS 1.3" && is_abbreviated(frame) {
                    format!(
                        "ServerHello: {from} goes on with the earlier session, and {suite}. No certificate is sent and no \
                         key exchange made: what both sides remember makes the keys (RFC 5246 §7.3). {from} is the first to \
                         say Finished."
                    )
                } else if version == "TLS 1.3" {
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
            TlsKind::Certificate { chain } if chain.is_empty() => Some(format!(
                "An empty Certificate message: {from} has none to show."
            )),
            TlsKind::Certificate { chain } => {
                let sizes: Vec<_> = chain.iter().map(ToString::to_string).collect();
                let sizes = sizes.join(" + ");
                let who = if tls.encrypted {
                    "encrypted in TLS 1.3, so that nobody on the path sees it"
                } else {
                    "readable by anyone on the path in TLS 1.2"
                };
                let above = match chain.len() {
                    1 => "Nothing above it is sent.".to_owned(),
                    2 => format!("The root is not sent: {to} has its own."),
                    _ => format!(
                        "A root among them is sent in vain: {to} trusts its own roots, whoever sends another."
                    ),
                };
                Some(format!(
                    "Certificate chain of {} ({sizes} bytes): {who}. {above}",
                    chain.len()
                ))
            }
            TlsKind::EncryptedExtensions { alpn: Some(alpn) } if alpn == "h2" => Some(format!(
                "EncryptedExtensions: {from} chooses h2 of the protocols that {to} offered (ALPN), so that HTTP/2 \
                 follows. The offer was in clear; the choice is encrypted."
            )),
            TlsKind::ServerKeyExchange { group } => Some(format!(
                "ServerKeyExchange: {from}'s ephemeral public key{}, signed with the key of its certificate.",
                group
                    .as_ref()
                    .map(|g| format!(" in {g}"))
                    .unwrap_or_default()
            )),
            TlsKind::CertificateRequest => Some(format!(
                "CertificateRequest: {from} wants to know who {to} is, by a certificate too (mutual TLS)."
            )),
            TlsKind::ClientKeyExchange if own.suite.starts_with("TLS_RSA") => Some(format!(
                "ClientKeyExchange: the pre-master secret, which {from} chose, in {} bytes encrypted with the public \
                 key of {to}'s certificate. Only that certificate's private key opens it, today and as long as this \
                 recording exists: who gets the key later can decrypt everything.",
                // Type and length of the message, length of the vector.
                tls.bytes.saturating_sub(6)
            )),
            TlsKind::ClientKeyExchange => Some(format!(
                "ClientKeyExchange: {from}'s ephemeral public key. Both sides compute the same secret from the two; \
                 no session key is ever sent."
            )),
            // Established at the second one: the client's in TLS 1.3 and in resumptions, else the server's.
            TlsKind::Finished if own.finished == 1 => {
                own.finished = 2;
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
                let name = alert_name(*description).unwrap_or("not in the register");
                let refused = self.refused.get(&(source, destination));
                let why = refused.map(|(defect, error)| {
                    format!(" {}", refusal::comment(*defect, error, tls.encrypted))
                });
                Some(format!(
                    "TLS alert {description}, {name} ({level}), from {from}.{}",
                    why.unwrap_or_default()
                ))
            }
            TlsKind::Finished => {
                own.finished += 1;
                None
            }
            TlsKind::EncryptedExtensions { .. }
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

/// Whether a server's flight is that of a resumed session of TLS 1.2: ChangeCipherSpec comes at once, and no Certificate.
fn is_abbreviated(frame: &Frame) -> bool {
    let has = |wanted: fn(&TlsKind) -> bool| {
        frame
            .messages
            .iter()
            .any(|m| matches!(m, Message::Tls(tls) if wanted(&tls.kind)))
    };
    has(|kind| matches!(kind, TlsKind::ChangeCipherSpec))
        && !has(|kind| matches!(kind, TlsKind::Certificate { .. }))
}
