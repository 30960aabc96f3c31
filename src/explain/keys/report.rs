//! The page for programs: schema `tunlab-keys/1`. Every value is whole, in hexadecimal.

use serde::Serialize;

use super::Keys;
use crate::dissect::keys::{By, Connection, Content, How};
use crate::explain::aes::hex;
use crate::wire::tls::{group_name, suite_name, version_name};

/// The page as data.
#[must_use]
pub fn report(keys: &Keys<'_>) -> Report {
    Report {
        schema: "tunlab-keys/1",
        lab: keys.record.plan.name.clone(),
        seed: keys.record.seed,
        equal: !keys.differ(),
        connections: keys.connections.iter().map(|c| line(keys, c)).collect(),
    }
}

/// The page.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `tunlab-keys/1`.
    pub schema: &'static str,
    /// The lab's name.
    pub lab: String,
    /// The seed of the run.
    pub seed: u64,
    /// Whether everything is what the engines used.
    pub equal: bool,
    /// TLS connections, in the order of their streams.
    pub connections: Vec<ConnectionLine>,
}

/// A TLS connection.
#[derive(Debug, Serialize)]
pub struct ConnectionLine {
    /// As Wireshark's `tcp.stream`.
    pub stream: usize,
    /// The client's node.
    pub client: String,
    /// The server's node.
    pub server: String,
    /// Address and port of the client, then of the server.
    pub addresses: [String; 2],
    /// As in "TLS 1.3".
    pub version: Option<String>,
    /// As in "TLS_AES_256_GCM_SHA384".
    pub suite: Option<String>,
    /// As in "X25519".
    pub group: Option<String>,
    /// `full`, `retried` or `resumed`.
    pub handshake: &'static str,
    /// What was sent of the key exchange.
    pub sent: Vec<SentLine>,
    /// What was computed.
    pub values: Vec<ValueLine>,
    /// The keys of records.
    pub keys: Vec<KeyLine>,
    /// Why not everything could be computed.
    pub gaps: Vec<String>,
    /// What is other than what the engines used.
    pub differences: Vec<String>,
}

/// Something that was sent.
#[derive(Debug, Serialize)]
pub struct SentLine {
    /// The frame of the main capture.
    pub frame: usize,
    /// `client` or `server`.
    pub by: &'static str,
    /// Whether anybody on the path reads it.
    pub clear: bool,
    /// What it is.
    pub what: String,
    /// Its bytes.
    pub value: String,
}

/// Something that was computed.
#[derive(Debug, Serialize)]
pub struct ValueLine {
    /// Its name.
    pub name: String,
    /// `client`, `server` or `both`.
    pub by: &'static str,
    /// `drawn`, `computed` or `logged`.
    pub how: &'static str,
    /// The formula of what was computed.
    pub formula: Option<String>,
    /// Where that is written.
    pub source: &'static str,
    /// Its bytes.
    pub value: String,
    /// What it was compared with.
    pub checks: Vec<CheckLine>,
}

/// A comparison.
#[derive(Debug, Serialize)]
pub struct CheckLine {
    /// With what.
    pub with: String,
    /// Whether both are equal.
    pub equal: bool,
}

/// The keys of one end.
#[derive(Debug, Serialize)]
pub struct KeyLine {
    /// Who writes under them: `client` or `server`.
    pub from: &'static str,
    /// The secret they come from.
    pub under: String,
    /// The MAC key of a CBC suite; empty else.
    pub mac: String,
    /// The encryption key.
    pub key: String,
    /// The implicit part of nonces; empty with CBC.
    pub iv: String,
    /// The records.
    pub records: Vec<RecordLine>,
}

/// A record.
#[derive(Debug, Serialize)]
pub struct RecordLine {
    /// The frame that completes it.
    pub frame: usize,
    /// Its number under the key, from 0.
    pub sequence: u64,
    /// Bytes of its fragment.
    pub bytes: usize,
    /// Its nonce, or IV.
    pub nonce: String,
    /// `opened`, `changed` or `refused`.
    pub content: &'static str,
    /// What is inside.
    pub inside: Vec<String>,
}

fn line(keys: &Keys<'_>, c: &Connection) -> ConnectionLine {
    use crate::dissect::keys::End;
    ConnectionLine {
        stream: c.stream,
        client: keys.node(c, End::Client),
        server: keys.node(c, End::Server),
        addresses: c.ends.map(|end| end.to_string()),
        version: c.version.map(version_name),
        suite: c.suite.map(suite_name),
        group: c.group.map(group_name),
        handshake: c.handshake.word(),
        sent: c
            .sent
            .iter()
            .map(|s| SentLine {
                frame: s.frame,
                by: s.by.word(),
                clear: s.clear,
                what: s.what.clone(),
                value: hex(&s.bytes),
            })
            .collect(),
        values: c.values.iter().map(value).collect(),
        keys: c.keys.iter().map(key).collect(),
        gaps: c.gaps.iter().map(|g| g.text()).collect(),
        differences: c.differences(),
    }
}

fn value(v: &crate::dissect::keys::Value) -> ValueLine {
    let (how, formula) = match &v.how {
        How::Drawn => ("drawn", None),
        How::Computed(formula) => ("computed", Some(formula.clone())),
        How::Logged => ("logged", None),
    };
    ValueLine {
        name: v.name.clone(),
        by: match v.by {
            By::One(end) => end.word(),
            By::Both => "both",
        },
        how,
        formula,
        source: v.source,
        value: hex(&v.bytes),
        checks: v
            .checks
            .iter()
            .map(|c| CheckLine {
                with: c.with.text(),
                equal: c.equal,
            })
            .collect(),
    }
}

fn key(k: &crate::dissect::keys::RecordKeys) -> KeyLine {
    let records = k.records.iter().map(|r| {
        let (content, inside) = match &r.content {
            Content::Opened(inside) => ("opened", inside.clone()),
            Content::Changed => ("changed", Vec::new()),
            Content::Refused => ("refused", Vec::new()),
        };
        RecordLine {
            frame: r.frame,
            sequence: r.sequence,
            bytes: r.bytes,
            nonce: hex(&r.nonce),
            content,
            inside,
        }
    });
    KeyLine {
        from: k.from.word(),
        under: k.under.clone(),
        mac: hex(&k.keys.mac),
        key: hex(&k.keys.key),
        iv: hex(&k.keys.iv),
        records: records.collect(),
    }
}
