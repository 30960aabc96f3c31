//! Events in words.

use super::balancing;
use crate::event::{CertificateFacts, Event, Fact, HandshakeKind, What};
use crate::wire::grpc;
use crate::wire::tls::group_name;

/// A stable word for the kind of event, and a line about it. Secrets are named, not shown.
pub(super) fn words(event: &Event) -> (&'static str, String) {
    match &event.what {
        What::Dropped {
            packet,
            cause,
            why,
            link,
            ..
        } => {
            let why = why.clone().unwrap_or_else(|| cause.to_string());
            let on = link
                .as_ref()
                .map(|l| format!(" on {l}"))
                .unwrap_or_default();
            ("dropped", format!("packet {} dropped{on}: {why}", packet.0))
        }
        What::Altered { packet, how, link } => {
            (how.word(), format!("packet {} on {link}: {how}", packet.0))
        }
        What::Secret(line) => {
            let label = line.split(' ').next().unwrap_or_default();
            ("secret", format!("secret {label}"))
        }
        What::Tcp { flow, deed } => (deed.word(), format!("{flow}: {deed}")),
        What::Limit { limit } => ("limit", format!("limit reached: {limit}")),
        What::Computing { what, takes } => (
            "computing",
            format!("{what} takes {}", crate::units::show_duration(*takes)),
        ),
        What::Fact(fact) => fact_words(fact),
    }
}

fn fact_words(fact: &Fact) -> (&'static str, String) {
    match fact {
        Fact::LookupSent { name } => ("lookup-sent", format!("asks for {name}")),
        Fact::LookupAnswered { name, addresses } => {
            let all: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            (
                "lookup-answered",
                format!("{name} is at {}", all.join(", ")),
            )
        }
        Fact::LookupFailed { name, error } => ("lookup-failed", format!("{name}: {error}")),
        Fact::Dns(fact) => (fact.word(), fact.to_string()),
        Fact::Connecting(flow) => ("connecting", format!("connects {flow}")),
        Fact::Connected(flow) => ("connected", format!("connected {flow}")),
        Fact::ConnectFailed { remote, error } => ("connect-failed", format!("{remote}: {error}")),
        Fact::Accepted(flow) => ("accepted", format!("accepted {}", flow.remote)),
        Fact::TlsStarted { server_name, .. } => {
            ("tls-started", format!("ClientHello for {server_name}"))
        }
        Fact::KeysAgreed { agreement, .. } => (
            "keys-agreed",
            format!(
                "{}: a shared secret of {} bytes",
                group_name(agreement.group),
                agreement.shared.len()
            ),
        ),
        Fact::PreMasterAgreed { agreed, .. } => (
            "pre-master-agreed",
            format!(
                "a pre-master secret of {} bytes, {} bytes when encrypted",
                agreed.secret.len(),
                agreed.encrypted.len()
            ),
        ),
        Fact::TlsEstablished {
            version,
            suite,
            group,
            alpn,
            handshake,
            ..
        } => {
            let parts = [Some(version), Some(suite), group.as_ref(), alpn.as_ref()];
            let mut parts: Vec<_> = parts.into_iter().flatten().map(String::as_str).collect();
            match handshake {
                HandshakeKind::Full => {}
                HandshakeKind::Retried => parts.push("after a HelloRetryRequest"),
                HandshakeKind::Resumed => parts.push("resumed"),
            }
            ("tls-established", parts.join(", "))
        }
        Fact::TlsFailed { error, .. } => ("tls-failed", error.clone()),
        Fact::TlsMismatch { mismatch, .. } => ("tls-mismatch", mismatch.to_string()),
        Fact::CertificateAccepted {
            server_name,
            anchor,
            ..
        } => (
            "certificate-accepted",
            format!("chain for {server_name} up to {anchor}"),
        ),
        Fact::CertificateRefused {
            server_name, error, ..
        } => ("certificate-refused", format!("{server_name}: {error}")),
        Fact::CertificateRenewed { port, certificate } => (
            "certificate-renewed",
            format!(
                "port {port} has a new certificate for {}, valid until {}",
                certificate.subject, certificate.not_after
            ),
        ),
        Fact::ClientCertificateAccepted { chain, .. } => (
            "client-certificate-accepted",
            format!("client is {}", leaf(chain)),
        ),
        Fact::ClientCertificateRefused { error, chain, .. } => (
            "client-certificate-refused",
            format!("client {}: {error}", leaf(chain)),
        ),
        Fact::WebSocketMessage { text, .. } => ("websocket-message", text.clone()),
        Fact::WebSocketClosed { code, .. } => {
            ("websocket-closed", format!("WebSocket closed, code {code}"))
        }
        Fact::Service { port, service } => (
            "service",
            format!("the application on port {port}: {service}"),
        ),
        Fact::RequestSent {
            stream,
            method,
            target,
            ..
        } => (
            "request-sent",
            format!("{method} {target}{}", on_stream(*stream)),
        ),
        Fact::RequestReceived { method, target, .. } => {
            ("request-received", format!("{method} {target}"))
        }
        Fact::TargetChosen {
            target,
            address,
            reason,
            ..
        } => ("target-chosen", format!("{target} at {address}: {reason}")),
        Fact::Serving(serving) => super::serving::words(serving),
        Fact::Balancing(balancing) => balancing::words(balancing),
        Fact::ResponseSent { status, .. } => ("response-sent", format!("HTTP {status}")),
        Fact::ResponseReceived {
            stream,
            status,
            bytes,
            answer,
            ..
        } => {
            let mut text = format!("HTTP {status}{}, {bytes} bytes of body", on_stream(*stream));
            if let Some(code) = answer.as_ref().and_then(|a| a.grpc_status()) {
                text = format!("{text}, gRPC status {}", grpc::named(code));
            }
            ("response-received", text)
        }
        Fact::Cookie(fact) => (fact.word(), fact.to_string()),
        Fact::Ping(fact) => (fact.word(), fact.to_string()),
        Fact::Closed(flow) => ("closed", format!("closes {flow}")),
        Fact::FlowLogged(record) => ("flow-logged", record.to_string()),
        Fact::NetworkChanged(what) => ("network-changed", what.clone()),
        Fact::ProgramStarted { command } => ("program-started", command.clone()),
        Fact::ProgramEnded {
            command,
            status,
            output,
            errors,
            ..
        } => {
            let mut text = format!("{command}: {status}");
            for (what, said) in [("printed", output), ("complained", errors)] {
                if !said.is_empty() {
                    text = format!("{text}; {what}: {said}");
                }
            }
            ("program-ended", text)
        }
        Fact::Intercepted { client, server } => (
            "intercepted",
            format!(
                "takes in {} for {}, and asks there as {}",
                client.remote, client.local, server.local
            ),
        ),
        Fact::Attacked(attack) => ("attacked", attack.deed.to_string()),
        Fact::Overheard {
            readable,
            sealed_records,
            sealed_bytes,
            ..
        } => {
            let read = if readable.is_empty() {
                "nothing".to_owned()
            } else {
                readable.join("; ")
            };
            let sealed = format!("{sealed_records} encrypted records of {sealed_bytes} bytes");
            (
                "overheard",
                format!("could read: {read}; and not: {sealed}"),
            )
        }
        Fact::Recovered { flow, recovery } => (
            "recovered",
            format!(
                "reads the recorded connection {flow}: {} bytes of the client, {} of the server",
                recovery.client_data.len(),
                recovery.server_data.len()
            ),
        ),
        Fact::NotRecovered { flow, error } => (
            "not-recovered",
            format!("cannot read the recorded connection {flow}: {error}"),
        ),
        Fact::TargetFailed {
            target,
            status,
            cause,
            ..
        } => ("target-failed", format!("{target}: {cause}: {status}")),
        Fact::AccessLogged(record) => ("access-logged", record.to_string()),
        Fact::ConnectionLogged(record) => ("connection-logged", record.to_string()),
        Fact::StepFailed { error } => ("step-failed", error.clone()),
    }
}

/// Whose certificate it is.
fn leaf(chain: &[CertificateFacts]) -> &str {
    chain.first().map_or("(none)", |c| c.subject.as_str())
}

fn on_stream(number: Option<u32>) -> String {
    number.map_or_else(String::new, |n| format!(" on stream {n}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture::{at, name};

    #[test]
    fn a_secret_is_named_and_not_shown() {
        let event = Event {
            at: at(0.0),
            node: name("alb"),
            what: What::Secret("CLIENT_RANDOM 00ff aa55".into()),
        };
        let (kind, text) = words(&event);
        assert_eq!((kind, text.as_str()), ("secret", "secret CLIENT_RANDOM"));
    }
}
