//! One connection from its first record to its last: records are opened under the keys computed so far, and handshake
//! messages, put together, lead to the next ones.

use std::mem;

use super::evidence::{Evidence, Sessions};
use super::records::{Record, Stream};
use super::value::{By, Check, Content, End, How, ProtectedRecord, RecordKeys, Sent, Value, With};
use super::{Connection, Gap};
use crate::dissect::key_schedule::tls13::message_hash;
use crate::dissect::key_schedule::{SuiteParameters, TrafficKeys, suite_parameters};
use crate::dissect::opener::Opener;
use crate::event::HandshakeKind;
use crate::wire::tls::key_exchange::{ClientOffer, ServerChoice};
use crate::wire::tls::{
    ClientHello, ServerHello, TLS13, alert_name, content_type, group_name, handshake_header,
    handshake_type,
};

/// The longest handshake message that is put together.
const LONGEST_HANDSHAKE: usize = 256 * 1024;

/// Reads a stream; `None` when it holds no ClientHello.
pub(super) fn walk(
    stream: Stream,
    evidence: &Evidence<'_>,
    sessions: &mut Sessions,
) -> Option<Connection> {
    let begins = |r: &&Record| {
        r.header.content_type == content_type::HANDSHAKE
            && r.fragment.first() == Some(&handshake_type::CLIENT_HELLO)
    };
    let client = stream.records.iter().find(begins)?.side;
    let ends = if client == 0 {
        stream.ends
    } else {
        [stream.ends[1], stream.ends[0]]
    };
    let mut walk = Walk {
        evidence,
        sessions,
        out: Connection {
            stream: stream.number,
            ends,
            nodes: [None, None],
            version: None,
            suite: None,
            group: None,
            handshake: HandshakeKind::Full,
            sent: Vec::new(),
            values: Vec::new(),
            keys: Vec::new(),
            gaps: Vec::new(),
            unexplained: Vec::new(),
        },
        messages: Vec::new(),
        last: "",
        suite: None,
        hello: Hello::default(),
        sides: Default::default(),
        checked: Vec::new(),
        pre_master: "shared secret",
        known: Known::default(),
        lost: false,
    };
    for record in &stream.records {
        let end = if record.side == client {
            End::Client
        } else {
            End::Server
        };
        walk.record(end, record);
    }
    Some(walk.end())
}

pub(super) struct Walk<'a, 's> {
    pub(super) evidence: &'a Evidence<'a>,
    pub(super) sessions: &'s mut Sessions,
    pub(super) out: Connection,
    /// The handshake messages so far, one after the other.
    pub(super) messages: Vec<u8>,
    /// The name of the last of them.
    pub(super) last: &'static str,
    pub(super) suite: Option<SuiteParameters>,
    pub(super) hello: Hello,
    pub(super) sides: [Side; 2],
    /// Labels of the key log that a value was compared with.
    checked: Vec<&'static str>,
    /// TLS 1.2: what is the pre-master secret, by its name among the values.
    pub(super) pre_master: &'static str,
    pub(super) known: Known,
    /// The handshake cannot be followed any further.
    lost: bool,
}

/// What the hellos say.
#[derive(Default)]
pub(super) struct Hello {
    pub(super) client_random: [u8; 32],
    pub(super) server_random: [u8; 32],
    /// Body of the last ClientHello.
    pub(super) client: Vec<u8>,
    /// Its frame.
    pub(super) frame: usize,
    pub(super) retried: bool,
    pub(super) extended_master_secret: bool,
    encrypt_then_mac: bool,
    /// TLS 1.2.
    pub(super) session_id: Vec<u8>,
    /// TLS 1.2: the ticket that the server gave.
    pub(super) ticket: Vec<u8>,
    /// TLS 1.2: group and share of the ServerKeyExchange.
    pub(super) server_share: Option<(u16, Vec<u8>)>,
}

/// Secrets computed so far, for each end where there are two.
#[derive(Default)]
pub(super) struct Known {
    /// TLS 1.3: for each pre-shared key on offer, the early secret under it where the key is known.
    pub(super) offered: Vec<Option<Vec<u8>>>,
    pub(super) handshake_traffic: [Option<Vec<u8>>; 2],
    pub(super) main: Option<Vec<u8>>,
    pub(super) traffic: [Option<Vec<u8>>; 2],
    /// How often each end updated its keys.
    pub(super) updates: [u32; 2],
    pub(super) resumption: Option<Vec<u8>>,
    /// Tickets that came before the resumption secret could be computed.
    pub(super) tickets: Vec<(usize, Vec<u8>)>,
    /// TLS 1.2.
    pub(super) master: Option<Vec<u8>>,
    pub(super) blocks: Option<[TrafficKeys; 2]>,
    /// Whose Finished came.
    pub(super) finished: [bool; 2],
}

#[derive(Default)]
pub(super) struct Side {
    /// Bytes of handshake messages that are not whole.
    handshake: Vec<u8>,
    /// The keys in use: where they stand in `out.keys`, and what opens with them.
    using: Option<(usize, Opener)>,
    /// TLS 1.2: after ChangeCipherSpec.
    pub(super) encrypted: bool,
    /// The secret in use is the engines' too.
    pub(super) confirmed: bool,
}

impl Walk<'_, '_> {
    fn end(mut self) -> Connection {
        if self.known.finished != [true; 2] && !self.out.gaps.contains(&Gap::Unfinished) {
            self.out.gaps.push(Gap::Unfinished);
        }
        if self.out.gaps.is_empty() {
            let labels = self.evidence.labels(&self.hello.client_random);
            let left = labels.filter(|l| !self.checked.contains(l));
            self.out.unexplained = left.map(str::to_owned).collect();
        }
        self.out
    }

    fn record(&mut self, end: End, record: &Record) {
        let kind = record.header.content_type;
        let is_13 = self.out.version == Some(TLS13);
        let encrypted = if is_13 {
            kind == content_type::APPLICATION_DATA
        } else {
            self.sides[end as usize].encrypted
        };
        if !encrypted {
            self.content(end, record.frame, kind, &record.fragment, true);
            return;
        }
        let side = &mut self.sides[end as usize];
        let Some((at, opener)) = &mut side.using else {
            // Why there are no keys has been said; what is under them is not read.
            return;
        };
        let at = *at;
        let opened = opener.open(kind, record.header.version, &record.fragment);
        let confirmed = side.confirmed;
        let keys = &mut self.out.keys[at];
        let sequence = keys.records.last().map_or(0, |r| match r.content {
            Content::Opened(_) => r.sequence + 1,
            Content::Changed | Content::Refused => r.sequence,
        });
        keys.records.push(ProtectedRecord {
            frame: record.frame,
            sequence,
            bytes: record.fragment.len(),
            nonce: nonce(&keys.keys, sequence, &record.fragment),
            content: if confirmed {
                Content::Changed
            } else {
                Content::Refused
            },
        });
        let place = keys.records.len() - 1;
        let Some(mut plain) = opened else {
            if self.known.finished != [true; 2] {
                self.lose(Gap::Record {
                    frame: record.frame,
                });
            }
            return;
        };
        let mut kind = kind;
        if is_13 {
            // The inner type is the last byte that is not zero (RFC 8446 §5.2).
            while plain.pop_if(|b| *b == 0).is_some() {}
            kind = plain.pop().unwrap_or_default();
        }
        let inside = self.content(end, record.frame, kind, &plain, false);
        self.out.keys[at].records[place].content = Content::Opened(inside);
    }

    /// The content of a record; what is in it, by name.
    fn content(
        &mut self,
        end: End,
        frame: usize,
        kind: u8,
        content: &[u8],
        clear: bool,
    ) -> Vec<String> {
        match kind {
            content_type::HANDSHAKE => self.handshakes(end, frame, content, clear),
            content_type::CHANGE_CIPHER_SPEC => {
                if self.out.version.is_some_and(|v| v < TLS13) {
                    self.change_cipher_spec(end);
                }
                vec!["ChangeCipherSpec".into()]
            }
            content_type::ALERT => vec![match content {
                [_, description] => alert_name(*description).unwrap_or("alert").into(),
                _ => "alert".into(),
            }],
            content_type::APPLICATION_DATA => {
                vec![format!("{} bytes of application data", content.len())]
            }
            other => vec![format!("content type {other}")],
        }
    }

    fn handshakes(&mut self, end: End, frame: usize, content: &[u8], clear: bool) -> Vec<String> {
        let mut bytes = mem::take(&mut self.sides[end as usize].handshake);
        bytes.extend_from_slice(content);
        let mut names = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((kind, length)) = handshake_header(rest) {
            if length > LONGEST_HANDSHAKE {
                self.lose(Gap::Message { frame });
                return names;
            }
            let Some(message) = rest.get(..4 + length) else {
                break;
            };
            rest = &rest[4 + length..];
            names.push(name(kind).to_owned());
            if !self.lost && self.message(end, frame, kind, message, clear).is_none() {
                self.lose(Gap::Message { frame });
            }
        }
        if !rest.is_empty() {
            names.push("a part of a message".into());
        }
        self.sides[end as usize].handshake = rest.to_vec();
        names
    }

    /// One handshake message, its header included. `None` when it is not well-formed.
    fn message(
        &mut self,
        end: End,
        frame: usize,
        kind: u8,
        message: &[u8],
        clear: bool,
    ) -> Option<()> {
        match kind {
            handshake_type::CLIENT_HELLO => self.client_hello(frame, message),
            handshake_type::SERVER_HELLO => self.server_hello(frame, message),
            _ if self.out.version == Some(TLS13) => {
                self.tls13_message(end, frame, kind, message, clear)
            }
            _ => self.tls12_message(end, frame, kind, message, clear),
        }
    }

    fn client_hello(&mut self, frame: usize, message: &[u8]) -> Option<()> {
        let body = &message[4..];
        let hello = ClientHello::read(body)?;
        let offer = ClientOffer::read(body)?;
        self.hello.client_random = hello.random;
        self.hello.client = body.to_vec();
        self.hello.frame = frame;
        if !self.hello.retried {
            self.sent(End::Client, frame, true, "random", &hello.random);
        }
        for (group, share) in &offer.shares {
            // The reserved values of RFC 8701 are no shares.
            if group & 0x0f0f != 0x0a0a {
                let what = format!("{} share", group_name(*group));
                self.sent(End::Client, frame, true, &what, share);
            }
        }
        self.offered_psks(frame, &offer, message);
        self.push("ClientHello", message);
        Some(())
    }

    fn server_hello(&mut self, frame: usize, message: &[u8]) -> Option<()> {
        let body = &message[4..];
        let hello = ServerHello::read(body)?;
        let choice = ServerChoice::read(body)?;
        self.out.version = Some(hello.version());
        self.out.suite = Some(hello.suite);
        self.suite = suite_parameters(hello.suite).filter(|s| s.version == hello.version());
        let Some(suite) = self.suite else {
            self.lose(Gap::Suite(hello.suite));
            return Some(());
        };
        if hello.is_retry_request() {
            self.hello.retried = true;
            self.out.handshake = HandshakeKind::Retried;
            self.messages = message_hash(suite.hash, &self.messages);
            self.push("HelloRetryRequest", message);
            return Some(());
        }
        self.hello.server_random = hello.random;
        self.hello.encrypt_then_mac = hello.encrypt_then_mac;
        self.sent(End::Server, frame, true, "random", &hello.random);
        self.push("ServerHello", message);
        if hello.version() == TLS13 {
            self.tls13_server_hello(frame, &suite, &choice)
        } else {
            self.tls12_server_hello(frame, &suite, &choice)
        }
    }

    /// From the next record on, `end` writes under `keys`.
    pub(super) fn use_keys(&mut self, end: End, under: &str, keys: TrafficKeys, confirmed: bool) {
        let encrypt_then_mac = self.hello.encrypt_then_mac;
        let opener = (self.suite).and_then(|s| Opener::new(s, keys.clone(), encrypt_then_mac));
        self.sides[end as usize].using = opener.map(|o| (self.out.keys.len(), o));
        self.sides[end as usize].confirmed = confirmed;
        self.out.keys.push(RecordKeys {
            from: end,
            under: under.into(),
            keys,
            records: Vec::new(),
        });
    }

    /// What `end` sends from now on cannot be opened.
    pub(super) fn stop(&mut self, end: End) {
        self.sides[end as usize].using = None;
    }

    /// Adds a handshake message to the transcript.
    pub(super) fn push(&mut self, name: &'static str, message: &[u8]) {
        self.messages.extend_from_slice(message);
        self.last = name;
    }

    /// The messages so far, in words.
    pub(super) fn so_far(&self) -> String {
        match self.last {
            "ClientHello" => "ClientHello".into(),
            last => format!("ClientHello…{last}"),
        }
    }

    pub(super) fn sent(&mut self, by: End, frame: usize, clear: bool, what: &str, bytes: &[u8]) {
        self.out.sent.push(Sent {
            by,
            frame,
            clear,
            what: what.into(),
            bytes: bytes.to_vec(),
        });
    }

    /// A value that was computed here.
    pub(super) fn computed(
        &mut self,
        name: &str,
        by: By,
        formula: &str,
        source: &'static str,
        bytes: &[u8],
    ) {
        let how = How::Computed(formula.into());
        self.value(name, by, how, source, bytes);
    }

    pub(super) fn value(
        &mut self,
        name: &str,
        by: By,
        how: How,
        source: &'static str,
        bytes: &[u8],
    ) {
        self.out.values.push(Value {
            name: name.into(),
            by,
            how,
            source,
            bytes: bytes.to_vec(),
            checks: Vec::new(),
        });
    }

    /// Compares the last value.
    pub(super) fn check(&mut self, with: With, theirs: &[u8]) -> bool {
        let Some(value) = self.out.values.last_mut() else {
            return false;
        };
        let equal = value.bytes == theirs;
        value.checks.push(Check { with, equal });
        equal
    }

    /// Compares the last value with the key log, where it has that label. True when it has the same.
    pub(super) fn check_log(&mut self, label: &'static str) -> bool {
        let logged = self.evidence.logged(&self.hello.client_random, label);
        self.checked.push(label);
        let Some(value) = self.out.values.last_mut() else {
            return false;
        };
        let equal = logged.contains(&value.bytes);
        if !logged.is_empty() {
            let with = With::KeyLog(label);
            value.checks.push(Check { with, equal });
        }
        equal
    }

    /// Takes a secret from the key log, because what it is computed of is not known.
    pub(super) fn take_logged(&mut self, name: &str, label: &'static str) -> Option<Vec<u8>> {
        let logged = self.evidence.logged(&self.hello.client_random, label);
        let secret = logged.first()?.clone();
        self.checked.push(label);
        self.value(name, By::Both, How::Logged, "RFC 9850 §2", &secret);
        Some(secret)
    }

    pub(super) fn gap(&mut self, gap: Gap) {
        if !self.out.gaps.contains(&gap) {
            self.out.gaps.push(gap);
        }
    }

    fn lose(&mut self, gap: Gap) {
        if !self.lost {
            self.gap(gap);
            self.lost = true;
        }
    }
}

/// The nonce of a record (RFC 8446 §5.3, RFC 5288 §3, RFC 7905 §2), or with CBC its initialisation vector (RFC 5246
/// §6.2.3.2).
fn nonce(keys: &TrafficKeys, sequence: u64, fragment: &[u8]) -> Vec<u8> {
    const IMPLICIT: usize = 4;
    const EXPLICIT: usize = 8;
    const CBC: usize = 16;
    let mut nonce = keys.iv.clone();
    match nonce.len() {
        0 => return fragment.iter().take(CBC).copied().collect(),
        IMPLICIT => {
            nonce.extend(fragment.iter().take(EXPLICIT));
            return nonce;
        }
        _ => {}
    }
    for (n, s) in nonce.iter_mut().rev().zip(sequence.to_le_bytes()) {
        *n ^= s;
    }
    nonce
}

/// The name of a handshake message.
pub(super) const fn name(kind: u8) -> &'static str {
    match kind {
        handshake_type::CLIENT_HELLO => "ClientHello",
        handshake_type::SERVER_HELLO => "ServerHello",
        handshake_type::NEW_SESSION_TICKET => "NewSessionTicket",
        handshake_type::ENCRYPTED_EXTENSIONS => "EncryptedExtensions",
        handshake_type::CERTIFICATE => "Certificate",
        handshake_type::SERVER_KEY_EXCHANGE => "ServerKeyExchange",
        handshake_type::CERTIFICATE_REQUEST => "CertificateRequest",
        handshake_type::SERVER_HELLO_DONE => "ServerHelloDone",
        handshake_type::CERTIFICATE_VERIFY => "CertificateVerify",
        handshake_type::CLIENT_KEY_EXCHANGE => "ClientKeyExchange",
        handshake_type::FINISHED => "Finished",
        handshake_type::KEY_UPDATE => "KeyUpdate",
        _ => "another handshake message",
    }
}
