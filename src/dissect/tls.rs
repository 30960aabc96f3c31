//! TLS on one connection: records and handshake messages out of both byte streams, decrypted with the key log's
//! secrets as far as these are at hand, and what is inside handed on.

use super::field::Value;
use super::key_log::{KeyLog, Label};
use super::key_schedule::{
    SuiteParameters, key_block, next_traffic_secret, suite_parameters, traffic_keys,
};
use super::message::{Message, TlsKind, TlsMessage};
use super::opener::Opener;
use super::output::Output;
use super::web::Web;
use crate::wire::tls::{
    ClientHello, RecordHeader, ServerHello, TLS13, certificate_verify_scheme, certificates,
    content_type, encrypted_extensions_alpn, encrypted_pre_master, group_name, handshake_header,
    handshake_type, scheme_name, server_key_exchange_group, suite_name, version_name,
};

/// The longest handshake message that is put together.
const LONGEST_HANDSHAKE: usize = 256 * 1024;

/// Both directions of a TLS connection.
#[derive(Debug)]
pub(super) struct Session {
    /// Which side sent the ClientHello.
    client: Option<usize>,
    client_random: [u8; 32],
    server_random: [u8; 32],
    version: Option<u16>,
    suite: Option<SuiteParameters>,
    /// The key exchange is RSA (RFC 5246 §7.4.7.1).
    rsa: bool,
    /// RFC 7366 was agreed.
    encrypt_then_mac: bool,
    sides: [Side; 2],
    web: Web,
}

#[derive(Debug, Default)]
struct Side {
    /// Bytes of records that are not whole.
    records: Vec<u8>,
    /// Bytes of handshake messages that are not whole.
    handshake: Vec<u8>,
    /// Opens the records that are encrypted now.
    opener: Option<Opener>,
    /// TLS 1.3: the secret under `opener`.
    secret: Vec<u8>,
    /// TLS 1.2: after ChangeCipherSpec.
    encrypted: bool,
    /// No longer TLS, or not to be understood.
    lost: bool,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            client: None,
            client_random: [0; 32],
            server_random: [0; 32],
            version: None,
            suite: None,
            rsa: false,
            encrypt_then_mac: false,
            sides: Default::default(),
            web: Web::new(true),
        }
    }

    /// Takes the next bytes that `side` sent.
    pub(super) fn feed(&mut self, side: usize, data: &[u8], keys: &KeyLog, out: &mut Output<'_>) {
        if self.sides[side].lost {
            return;
        }
        self.sides[side].records.extend_from_slice(data);
        // Taken out while it is read, so that reading may change the session.
        let mut bytes = std::mem::take(&mut self.sides[side].records);
        let mut at = 0;
        while let Some(header) = RecordHeader::read(&bytes[at..]) {
            if !header.is_plausible() {
                self.sides[side].lost = true;
                return;
            }
            let start = at + RecordHeader::BYTES;
            let Some(fragment) = bytes.get(start..start + header.length) else {
                break;
            };
            self.record(side, header, fragment, keys, out);
            at = start + header.length;
        }
        bytes.drain(..at);
        self.sides[side].records = bytes;
    }

    /// No more bytes come from `side`.
    pub(super) fn close(&mut self, side: usize, out: &mut Output<'_>) {
        self.web.close(side, out);
    }

    fn record(
        &mut self,
        side: usize,
        header: RecordHeader,
        fragment: &[u8],
        keys: &KeyLog,
        out: &mut Output<'_>,
    ) {
        if !out.fields.has("tls") {
            out.present("tls");
        }
        out.present("tls.record");
        let is_13 = self.version == Some(TLS13);
        // Before the ServerHello only TLS 1.3 has application data: early data (RFC 8446 §4.2.10), or a recording.
        let may_be_13 = is_13 || self.version.is_none();
        let encrypted = if may_be_13 {
            header.content_type == content_type::APPLICATION_DATA
        } else {
            self.sides[side].encrypted
        };
        let opaque = may_be_13 && encrypted;
        let name = if opaque {
            "tls.record.opaque_type"
        } else {
            "tls.record.content_type"
        };
        out.number(name, header.content_type);
        out.number("tls.record.version", header.version);
        out.number("tls.record.length", header.length as u64);
        if !encrypted {
            return self.content(side, header.content_type, fragment, false, keys, out);
        }

        let opened = self.sides[side]
            .opener
            .as_mut()
            .and_then(|o| o.open(header.content_type, header.version, fragment));
        let Some(mut plain) = opened else {
            match header.content_type {
                content_type::HANDSHAKE => out.present("tls.handshake"),
                content_type::ALERT => out.present("tls.alert_message"),
                content_type::APPLICATION_DATA => out.present("tls.app_data"),
                _ => {}
            }
            return tell(out, true, fragment.len(), TlsKind::Opaque);
        };
        let mut kind = header.content_type;
        if opaque {
            // The inner type is the last byte that is not zero (RFC 8446 §5.2).
            while plain.pop_if(|b| *b == 0).is_some() {}
            let Some(inner) = plain.pop() else {
                return tell(out, true, fragment.len(), TlsKind::Opaque);
            };
            out.number("tls.record.content_type", inner);
            kind = inner;
        }
        out.unsealed.extend_from_slice(&plain);
        self.content(side, kind, &plain, true, keys, out);
    }

    /// The plain content of a record.
    fn content(
        &mut self,
        side: usize,
        kind: u8,
        content: &[u8],
        encrypted: bool,
        keys: &KeyLog,
        out: &mut Output<'_>,
    ) {
        match kind {
            content_type::CHANGE_CIPHER_SPEC => {
                out.present("tls.change_cipher_spec");
                tell(out, encrypted, content.len(), TlsKind::ChangeCipherSpec);
                // In TLS 1.3 it means nothing (RFC 8446 §5).
                if self.version.is_some_and(|v| v < TLS13) {
                    self.sides[side].encrypted = true;
                    self.sides[side].opener = self.tls12_opener(side, keys);
                }
            }
            content_type::ALERT => {
                out.present("tls.alert_message");
                let &[level, description] = content else {
                    return tell(out, encrypted, content.len(), TlsKind::Opaque);
                };
                out.number("tls.alert_message.level", level);
                out.number("tls.alert_message.desc", description);
                let kind = TlsKind::Alert { level, description };
                tell(out, encrypted, content.len(), kind);
                if description == 0 {
                    self.web.close(side, out);
                }
            }
            content_type::HANDSHAKE => self.handshakes(side, content, encrypted, keys, out),
            content_type::APPLICATION_DATA => {
                out.present("tls.app_data");
                if !encrypted {
                    // Early data (RFC 8446 §4.2.10): encrypted before the ServerHello says that anything is.
                    return tell(out, true, content.len(), TlsKind::Opaque);
                }
                tell(out, true, content.len(), TlsKind::ApplicationData);
                self.web.feed(side, content, out);
            }
            _ => tell(out, encrypted, content.len(), TlsKind::Opaque),
        }
    }

    fn handshakes(
        &mut self,
        side: usize,
        content: &[u8],
        encrypted: bool,
        keys: &KeyLog,
        out: &mut Output<'_>,
    ) {
        let mut bytes = std::mem::take(&mut self.sides[side].handshake);
        bytes.extend_from_slice(content);
        let mut at = 0;
        while let Some((kind, length)) = handshake_header(&bytes[at..]) {
            if length > LONGEST_HANDSHAKE {
                self.sides[side].lost = true;
                return;
            }
            let start = at + 4;
            let Some(body) = bytes.get(start..start + length) else {
                break;
            };
            out.present("tls.handshake");
            out.number("tls.handshake.type", kind);
            out.number("tls.handshake.length", length as u64);
            let told = self.handshake(side, kind, body, keys, out);
            tell(out, encrypted, 4 + length, told);
            at = start + length;
        }
        bytes.drain(..at);
        self.sides[side].handshake = bytes;
    }

    /// One handshake message. What is not well-formed is told by its number only.
    fn handshake(
        &mut self,
        side: usize,
        kind: u8,
        body: &[u8],
        keys: &KeyLog,
        out: &mut Output<'_>,
    ) -> TlsKind {
        use handshake_type as t;
        match kind {
            t::CLIENT_HELLO => self.client_hello(side, body, out),
            t::SERVER_HELLO => self.server_hello(side, body, keys, out),
            t::NEW_SESSION_TICKET => Some(TlsKind::NewSessionTicket),
            t::ENCRYPTED_EXTENSIONS => encrypted_extensions_alpn(body).map(|alpn| {
                push_alpn(out, alpn.as_slice());
                self.agreed(alpn.as_deref());
                TlsKind::EncryptedExtensions { alpn }
            }),
            t::CERTIFICATE => certificates(body, self.version.unwrap_or_default()).map(|chain| {
                let chain: Vec<usize> = chain.iter().map(|c| c.len()).collect();
                for bytes in &chain {
                    out.number("tls.handshake.certificate_length", *bytes as u64);
                }
                TlsKind::Certificate { chain }
            }),
            t::SERVER_KEY_EXCHANGE => {
                let curve = server_key_exchange_group(body);
                if let Some(curve) = curve {
                    out.number("tls.handshake.server_named_curve", curve);
                }
                Some(TlsKind::ServerKeyExchange {
                    group: curve.map(group_name),
                })
            }
            t::CERTIFICATE_REQUEST => Some(TlsKind::CertificateRequest),
            t::SERVER_HELLO_DONE => Some(TlsKind::ServerHelloDone),
            t::CERTIFICATE_VERIFY => {
                certificate_verify_scheme(body).map(|scheme| TlsKind::CertificateVerify {
                    scheme: scheme_name(scheme),
                })
            }
            t::CLIENT_KEY_EXCHANGE => {
                if let Some(encrypted) = encrypted_pre_master(body).filter(|_| self.rsa) {
                    out.number("tls.handshake.epms_len", encrypted.len() as u64);
                    let encrypted = Value::Bytes(encrypted.to_vec());
                    out.fields.push("tls.handshake.epms", encrypted);
                }
                Some(TlsKind::ClientKeyExchange)
            }
            t::FINISHED => {
                if self.version == Some(TLS13) {
                    let label = if self.client == Some(side) {
                        Label::ClientTraffic
                    } else {
                        Label::ServerTraffic
                    };
                    let secret = keys.secret(&self.client_random, label);
                    self.use_secret(side, secret.map(<[u8]>::to_vec));
                }
                Some(TlsKind::Finished)
            }
            t::KEY_UPDATE => {
                let next = self
                    .suite
                    .map(|suite| next_traffic_secret(&suite, &self.sides[side].secret));
                self.use_secret(side, next);
                None
            }
            _ => None,
        }
        .unwrap_or(TlsKind::OtherHandshake(kind))
    }

    fn client_hello(&mut self, side: usize, body: &[u8], out: &mut Output<'_>) -> Option<TlsKind> {
        let hello = ClientHello::read(body)?;
        self.client = Some(side);
        self.client_random = hello.random;
        push_hello(out, hello.legacy_version, &hello.random, &hello.suites);
        if let Some(name) = &hello.server_name {
            out.text("tls.handshake.extensions_server_name", name);
        }
        push_alpn(out, &hello.alpn);
        for version in &hello.supported_versions {
            out.number("tls.handshake.extensions.supported_version", *version);
        }
        for group in &hello.groups {
            out.number("tls.handshake.extensions_supported_group", *group);
        }
        for group in &hello.key_shares {
            out.number("tls.handshake.extensions_key_share_group", *group);
        }
        Some(TlsKind::ClientHello {
            shares: hello.key_shares.iter().map(|g| group_name(*g)).collect(),
            resumes: hello.resumes,
            versions: hello.versions().into_iter().map(version_name).collect(),
            suites: hello.suites.len(),
            server_name: hello.server_name,
            alpn: hello.alpn,
        })
    }

    fn server_hello(
        &mut self,
        side: usize,
        body: &[u8],
        keys: &KeyLog,
        out: &mut Output<'_>,
    ) -> Option<TlsKind> {
        let hello = ServerHello::read(body)?;
        push_hello(out, hello.legacy_version, &hello.random, &[hello.suite]);
        push_alpn(out, hello.alpn.as_slice());
        self.agreed(hello.alpn.as_deref());
        if let Some(version) = hello.selected_version {
            out.number("tls.handshake.extensions.supported_version", version);
        }
        if let Some(group) = hello.group {
            // Wireshark has names of its own for the group asked for and the group of a share.
            let name = if hello.is_retry_request() {
                "tls.handshake.extensions_key_share_selected_group"
            } else {
                "tls.handshake.extensions_key_share_group"
            };
            out.number(name, group);
        }
        self.version = Some(hello.version());
        self.server_random = hello.random;
        self.rsa = suite_name(hello.suite).starts_with("TLS_RSA_");
        self.encrypt_then_mac = hello.encrypt_then_mac;
        self.suite = suite_parameters(hello.suite).filter(|s| s.version == hello.version());
        let client = 1 - side;
        let random = self.client_random;
        if hello.version() == TLS13 && !hello.is_retry_request() {
            for (side, label) in [
                (client, Label::ClientHandshake),
                (side, Label::ServerHandshake),
            ] {
                let secret = keys.secret(&random, label);
                self.use_secret(side, secret.map(<[u8]>::to_vec));
            }
        }
        Some(TlsKind::ServerHello {
            version: version_name(hello.version()),
            suite: suite_name(hello.suite),
            group: hello.group.map(group_name),
            retry: hello.is_retry_request(),
            resumed: hello.pre_shared_key,
        })
    }

    /// ALPN's choice decides how application data is read.
    fn agreed(&mut self, protocol: Option<&str>) {
        if let (Some(protocol), Some(client)) = (protocol, self.client) {
            self.web.agreed(protocol, client);
        }
    }

    /// TLS 1.2: opens what `side` sends from here on. Asked for at its ChangeCipherSpec: the master secret is known
    /// only once the client has computed it, after the ServerHello.
    fn tls12_opener(&self, side: usize, keys: &KeyLog) -> Option<Opener> {
        let suite = self.suite?;
        let master = keys.secret(&self.client_random, Label::ClientRandom)?;
        let [client, server] = key_block(&suite, master, &self.client_random, &self.server_random);
        let own = if self.client == Some(side) {
            client
        } else {
            server
        };
        Opener::new(suite, own, self.encrypt_then_mac)
    }

    /// TLS 1.3: from the next record on, `side` encrypts under `secret`.
    fn use_secret(&mut self, side: usize, secret: Option<Vec<u8>>) {
        let secret = secret.unwrap_or_default();
        let this = &mut self.sides[side];
        this.opener = self
            .suite
            .filter(|suite| secret.len() == suite.hash.tag_len())
            .and_then(|suite| Opener::new(suite, traffic_keys(&suite, &secret), false));
        this.secret = secret;
    }
}

fn tell(out: &mut Output<'_>, encrypted: bool, bytes: usize, kind: TlsKind) {
    out.messages.push(Message::Tls(TlsMessage {
        encrypted,
        bytes,
        kind,
    }));
}

fn push_hello(out: &mut Output<'_>, version: u16, random: &[u8; 32], suites: &[u16]) {
    out.number("tls.handshake.version", version);
    out.fields
        .push("tls.handshake.random", Value::Bytes(random.to_vec()));
    for suite in suites {
        out.number("tls.handshake.ciphersuite", *suite);
    }
}

fn push_alpn(out: &mut Output<'_>, protocols: &[String]) {
    for protocol in protocols {
        out.text("tls.handshake.extensions_alpn_str", protocol);
    }
}
