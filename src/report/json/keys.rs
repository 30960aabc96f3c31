//! The keys of TLS connections in the report of a run: what was compared, and the outcome. Secrets are on the page that
//! `tunlab explain keys` prints.

use serde::Serialize;

use crate::dissect::keys::{Gap, recompute};
use crate::expect::Record;
use crate::wire::tls::{group_name, suite_name, version_name};

/// The keys of a TLS connection.
#[derive(Debug, Serialize)]
pub struct KeysLine {
    /// TCP stream, from 0.
    pub stream: usize,
    /// Address and port of the client.
    pub client: String,
    /// Address and port of the server.
    pub server: String,
    /// As in "TLS 1.3"; absent where no ServerHello came.
    pub version: Option<String>,
    /// As in "TLS_AES_256_GCM_SHA384".
    pub suite: Option<String>,
    /// As in "X25519"; absent without key agreement.
    pub group: Option<String>,
    /// `full`, `retried` or `resumed`.
    pub handshake: &'static str,
    /// Shared secrets that both sides computed, compared.
    pub agreements: usize,
    /// Secrets compared with the key log.
    pub secrets: usize,
    /// Binders compared with the packets.
    pub binders: usize,
    /// Finished compared with the packets.
    pub finished: usize,
    /// Records opened.
    pub records: usize,
    /// Why not everything could be compared.
    pub gaps: Vec<String>,
    /// What was not equal.
    pub differences: Vec<String>,
}

pub(super) fn lines(record: &Record<'_>) -> Vec<KeysLine> {
    let connections = recompute(record.frames, record.events).into_iter();
    let lines = connections.map(|c| {
        let counts = c.counts();
        let [client, server] = c.ends.map(|end| end.to_string());
        KeysLine {
            stream: c.stream,
            client,
            server,
            version: c.version.map(version_name),
            suite: c.suite.map(suite_name),
            group: c.group.map(group_name),
            handshake: c.handshake.word(),
            agreements: counts.agreements,
            secrets: counts.secrets,
            binders: counts.binders,
            finished: counts.finished,
            records: counts.records,
            gaps: c.gaps.iter().map(|g: &Gap| g.text()).collect(),
            differences: c.differences(),
        }
    });
    lines.collect()
}
