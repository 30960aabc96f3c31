//! Writes the connection log: one entry for each connection of a client, when TLS is established or has failed. What
//! the connection agreed on is in the access log's entries for its requests too.

use std::net::SocketAddr;
use std::time::Duration;

use super::arn;
use crate::event::{ConnectionRecord, Fact, Flow, HandshakeKind, RequestKind, VerifyStatus};
use crate::role::Node;
use crate::tls::facts::TlsFacts;
use crate::tls::handshake::Failure;
use crate::wire::tls::openssl_suite_name;

/// What all requests of a front connection have in common in the access log.
pub(super) struct Connection {
    /// What it speaks.
    pub(super) kind: RequestKind,
    /// The load balancer's resource ID.
    pub(super) elb: String,
    /// The client's address.
    pub(super) client: SocketAddr,
    /// The listener's.
    pub(super) listener: SocketAddr,
    /// As in `ECDHE-RSA-AES128-GCM-SHA256`.
    pub(super) tls_cipher: Option<String>,
    /// As in `TLSv1.2`.
    pub(super) tls_protocol: Option<String>,
    /// The name the client asked for, when a certificate is for it.
    pub(super) domain_name: Option<String>,
    /// The certificate, or `session-reused`.
    pub(super) chosen_cert_arn: Option<String>,
    /// The connection's ID.
    pub(super) conn_trace_id: String,
}

impl Connection {
    /// Of a URL.
    pub(super) const fn scheme(&self) -> &'static str {
        match self.kind {
            RequestKind::Http | RequestKind::Ws => "http",
            RequestKind::Https | RequestKind::H2 | RequestKind::Grpcs | RequestKind::Wss => "https",
        }
    }
}

/// A connection was accepted on an HTTP listener.
pub(super) fn plain(node: &Node, balancer: &str, flow: Flow) -> Connection {
    let connection = Connection {
        kind: RequestKind::Http,
        elb: arn::load_balancer(balancer),
        client: flow.remote,
        listener: flow.local,
        tls_cipher: None,
        tls_protocol: None,
        domain_name: None,
        chosen_cert_arn: None,
        conn_trace_id: trace_id(node, flow),
    };
    write(node, entry(node, balancer, flow));
    connection
}

/// TLS was established on a connection, in a handshake that took so long.
pub(super) fn established(
    node: &Node,
    balancer: &str,
    flow: Flow,
    facts: &TlsFacts,
    took: Duration,
) -> Connection {
    let protocol = Some(facts.version.replace("TLS ", "TLSv"));
    let cipher = Some(openssl_suite_name(&facts.suite));
    let client = facts.client.as_ref();
    write(
        node,
        ConnectionRecord {
            tls_protocol: protocol.clone(),
            tls_cipher: cipher.clone(),
            tls_handshake_latency: Some(took),
            leaf_subject: client.map(|c| c.subject.clone()),
            leaf_validity: client
                .map(|c| format!("NotBefore={};NotAfter={}", c.not_before, c.not_after)),
            leaf_serial: client.map(|c| c.serial.clone()),
            tls_verify_status: Some(VerifyStatus::Success),
            tls_keyexchange: facts.group.as_deref().map(key_exchange),
            ..entry(node, balancer, flow)
        },
    );
    let certificate = match facts.handshake {
        HandshakeKind::Resumed => Some("session-reused".to_owned()),
        HandshakeKind::Full | HandshakeKind::Retried => {
            facts.certificate.as_deref().map(arn::certificate)
        }
    };
    Connection {
        kind: match facts.alpn.as_deref() {
            Some("h2") => RequestKind::H2,
            Some(_) | None => RequestKind::Https,
        },
        elb: arn::load_balancer(balancer),
        client: flow.remote,
        listener: flow.local,
        tls_cipher: cipher,
        tls_protocol: protocol,
        domain_name: facts.server_name.clone(),
        chosen_cert_arn: certificate,
        conn_trace_id: trace_id(node, flow),
    }
}

/// The TLS handshake on a connection failed.
pub(super) fn failed(node: &Node, balancer: &str, flow: Flow, failure: &Failure) {
    let refused = failure.refused.as_ref();
    let client = refused.and_then(|r| r.leaf.as_ref());
    let status = refused.map_or(VerifyStatus::UNMAPPED, |r| VerifyStatus::refused(r.defect));
    write(
        node,
        ConnectionRecord {
            leaf_subject: client.map(|c| c.subject.clone()),
            leaf_validity: client
                .map(|c| format!("NotBefore={};NotAfter={}", c.not_before, c.not_after)),
            leaf_serial: client.map(|c| c.serial.clone()),
            tls_verify_status: Some(status),
            ..entry(node, balancer, flow)
        },
    );
}

/// What is known of any connection.
fn entry(node: &Node, balancer: &str, flow: Flow) -> ConnectionRecord {
    ConnectionRecord {
        time: node.clock.date_micros(),
        client: flow.remote,
        listener_port: flow.local.port(),
        tls_protocol: None,
        tls_cipher: None,
        tls_handshake_latency: None,
        leaf_subject: None,
        leaf_validity: None,
        leaf_serial: None,
        tls_verify_status: None,
        conn_trace_id: trace_id(node, flow),
        tls_keyexchange: None,
        elb: arn::load_balancer(balancer),
        ip_address: flow.local.ip(),
    }
}

fn write(node: &Node, record: ConnectionRecord) {
    node.fact(Fact::ConnectionLogged(Box::new(record)));
}

/// Ports are used again: the moment tells connections apart that have the same ends.
fn trace_id(node: &Node, flow: Flow) -> String {
    let at = node.clock.date_micros();
    arn::connection(&format!("{}/{flow}/{at}", node.name))
}

/// A group by the name it has in s2n-tls, the library that the load balancers use.
fn key_exchange(group: &str) -> String {
    match group {
        "X25519" => "x25519".to_owned(),
        "P-256" => "secp256r1".to_owned(),
        "P-384" => "secp384r1".to_owned(),
        "P-521" => "secp521r1".to_owned(),
        other => other.to_owned(),
    }
}
