//! The handshake messages, out of bytes and into bytes (RFC 5246 §7.4). Reading is strict: every length must fit, and
//! nothing may be left over.

use std::collections::BTreeSet;

use super::Error;
use crate::wire::tls::{self, Reader, TLS12, extension, handshake_type};

/// The suite number by which a client says that it knows RFC 5746.
pub(super) const RENEGOTIATION_SCSV: u16 = 0x00ff;
/// The renegotiation_info extension (RFC 5746).
const RENEGOTIATION_INFO: u16 = 0xff01;
/// The signature_algorithms extension (RFC 5246 §7.4.1.4.1).
const SIGNATURE_ALGORITHMS: u16 = 13;

/// What a ClientHello says, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) version: u16,
    pub(super) random: [u8; 32],
    pub(super) suites: Vec<u16>,
    pub(super) server_name: Option<String>,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) extended_master_secret: bool,
    pub(super) encrypt_then_mac: bool,
    /// It knows RFC 5746, by suite number or by an extension.
    pub(super) renegotiation_info: bool,
}

/// Signature schemes that the client accepts in certificates: RSA-PSS, ECDSA and RSA PKCS #1 v1.5, with SHA-256, -384
/// and -512.
const SCHEMES: [u16; 9] = [
    0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0603,
];

impl ClientHello {
    /// Reads the body of the message.
    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        Self::parse(body).ok_or_else(|| Error::decode("the ClientHello"))
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let mut r = Reader(body);
        let (version, random) = (r.u16()?, r.random()?);
        // A session id of up to 32 bytes: nothing is resumed here.
        if r.vector8()?.0.len() > 32 {
            return None;
        }
        let suites = r.vector16()?.u16s()?;
        let compressions = r.vector8()?;
        if suites.is_empty() || !compressions.0.contains(&0) {
            return None;
        }
        let mut hello = Self {
            version,
            random,
            renegotiation_info: suites.contains(&RENEGOTIATION_SCSV),
            suites,
            server_name: None,
            alpn: Vec::new(),
            extended_master_secret: false,
            encrypt_then_mac: false,
        };
        for (kind, data) in extensions(&mut r)? {
            match kind {
                extension::SERVER_NAME => hello.server_name = Some(server_name(data)?),
                extension::ALPN => hello.alpn = protocols(data)?,
                extension::EXTENDED_MASTER_SECRET => {
                    hello.extended_master_secret = data.is_empty().then_some(true)?;
                }
                extension::ENCRYPT_THEN_MAC => {
                    hello.encrypt_then_mac = data.is_empty().then_some(true)?;
                }
                // Empty in a first handshake (RFC 5746 §3.6).
                RENEGOTIATION_INFO => {
                    hello.renegotiation_info = (data == [0]).then_some(true)?;
                }
                _ => {}
            }
        }
        Some(hello)
    }

    /// The message.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend(self.random);
        body.push(0); // session id
        let suites = self.suites.iter().flat_map(|s| s.to_be_bytes()).collect();
        body.extend(vector16(suites));
        body.extend([1, 0]); // compression methods: null
        let mut extensions = Vec::new();
        if let Some(name) = &self.server_name {
            // RFC 6066 §3: a list of one, of type host_name.
            let name = [vec![0], vector16(name.as_bytes().to_vec())].concat();
            push_extension(&mut extensions, extension::SERVER_NAME, &vector16(name));
        }
        let schemes = SCHEMES.iter().flat_map(|s| s.to_be_bytes()).collect();
        push_extension(&mut extensions, SIGNATURE_ALGORITHMS, &vector16(schemes));
        push_alpn(&mut extensions, &self.alpn);
        if self.encrypt_then_mac {
            push_extension(&mut extensions, extension::ENCRYPT_THEN_MAC, &[]);
        }
        if self.extended_master_secret {
            push_extension(&mut extensions, extension::EXTENDED_MASTER_SECRET, &[]);
        }
        body.extend(vector16(extensions));
        message(handshake_type::CLIENT_HELLO, &body)
    }
}

/// What a ServerHello says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) version: u16,
    pub(super) random: [u8; 32],
    pub(super) suite: u16,
    pub(super) alpn: Option<Vec<u8>>,
    pub(super) extended_master_secret: bool,
    pub(super) encrypt_then_mac: bool,
    pub(super) renegotiation_info: bool,
    /// Extensions that no client of ours offers.
    pub(super) unknown: Vec<u16>,
}

impl ServerHello {
    /// Reads the body of the message.
    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        Self::parse(body).ok_or_else(|| Error::decode("the ServerHello"))
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let mut r = Reader(body);
        let (version, random) = (r.u16()?, r.random()?);
        if r.vector8()?.0.len() > 32 {
            return None;
        }
        let (suite, compression) = (r.u16()?, r.u8()?);
        if compression != 0 {
            return None;
        }
        let mut hello = Self {
            version,
            random,
            suite,
            alpn: None,
            extended_master_secret: false,
            encrypt_then_mac: false,
            renegotiation_info: false,
            unknown: Vec::new(),
        };
        for (kind, data) in extensions(&mut r)? {
            match kind {
                // It says that the name was looked at, and nothing else.
                extension::SERVER_NAME => data.is_empty().then_some(())?,
                extension::ALPN => match <[_; 1]>::try_from(protocols(data)?) {
                    Ok([protocol]) => hello.alpn = Some(protocol),
                    Err(_) => return None,
                },
                extension::EXTENDED_MASTER_SECRET => {
                    hello.extended_master_secret = data.is_empty().then_some(true)?;
                }
                extension::ENCRYPT_THEN_MAC => {
                    hello.encrypt_then_mac = data.is_empty().then_some(true)?;
                }
                RENEGOTIATION_INFO => {
                    hello.renegotiation_info = (data == [0]).then_some(true)?;
                }
                other => hello.unknown.push(other),
            }
        }
        Some(hello)
    }

    /// The message.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut body = TLS12.to_be_bytes().to_vec();
        body.extend(self.random);
        body.push(0); // session id: this session cannot be resumed
        body.extend(self.suite.to_be_bytes());
        body.push(0); // compression method: null
        let mut extensions = Vec::new();
        if self.renegotiation_info {
            push_extension(&mut extensions, RENEGOTIATION_INFO, &[0]);
        }
        push_alpn(&mut extensions, self.alpn.as_slice());
        if self.encrypt_then_mac {
            push_extension(&mut extensions, extension::ENCRYPT_THEN_MAC, &[]);
        }
        if self.extended_master_secret {
            push_extension(&mut extensions, extension::EXTENDED_MASTER_SECRET, &[]);
        }
        // Without any, older peers want no block at all (RFC 5246 §7.4.1.3).
        if !extensions.is_empty() {
            body.extend(vector16(extensions));
        }
        message(handshake_type::SERVER_HELLO, &body)
    }
}

/// The encrypted pre-master secret in the body of a ClientKeyExchange (RFC 5246 §7.4.7.1).
pub(super) fn encrypted_pre_master(body: &[u8]) -> Result<&[u8], Error> {
    tls::encrypted_pre_master(body).ok_or_else(|| Error::decode("the ClientKeyExchange"))
}

/// The same as a message.
pub(super) fn client_key_exchange(encrypted: &[u8]) -> Vec<u8> {
    let body = vector16(encrypted.to_vec());
    message(handshake_type::CLIENT_KEY_EXCHANGE, &body)
}

/// The DER certificates in the body of a Certificate message, leaf first.
pub(super) fn certificates(body: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut r = Reader(body);
    let read = r
        .vector24()
        .filter(|_| r.0.is_empty())
        .and_then(|mut list| {
            let mut chain = Vec::new();
            while !list.0.is_empty() {
                chain.push(list.vector24()?.0);
            }
            Some(chain)
        });
    read.ok_or_else(|| Error::decode("the Certificate message"))
}

/// The same as a message.
pub(super) fn certificate<'a>(chain: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut list = Vec::new();
    for der in chain {
        list.extend(u24(der.len()));
        list.extend(der);
    }
    let body = [&u24(list.len())[..], &list].concat();
    message(handshake_type::CERTIFICATE, &body)
}

/// A handshake message: type, length, body.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &u24(body.len()), body].concat()
}

/// The extensions block to the end of the message, each kind once at most; there may be none (RFC 5246 §7.4.1.2).
fn extensions<'a>(r: &mut Reader<'a>) -> Option<Vec<(u16, &'a [u8])>> {
    let list = r.extensions()?;
    let mut seen = BTreeSet::new();
    let once = list.iter().all(|(kind, _)| seen.insert(*kind));
    (once && r.0.is_empty()).then_some(list)
}

fn server_name(data: &[u8]) -> Option<String> {
    let mut r = Reader(data);
    let mut list = r.vector16()?;
    let (kind, name) = (list.u8()?, list.vector16()?);
    // One host name; other types of name were never defined (RFC 6066 §3).
    let whole = kind == 0 && list.0.is_empty() && r.0.is_empty() && !name.0.is_empty();
    whole.then(|| name.text())
}

fn protocols(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut r = Reader(data);
    let mut list = r.vector16()?;
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let name = list.vector8()?.0;
        protocols.push((!name.is_empty()).then(|| name.to_vec())?);
    }
    (r.0.is_empty() && !protocols.is_empty()).then_some(protocols)
}

fn push_alpn(extensions: &mut Vec<u8>, protocols: &[Vec<u8>]) {
    if protocols.is_empty() {
        return;
    }
    let mut list = Vec::new();
    for name in protocols {
        list.push(name.len() as u8);
        list.extend(name);
    }
    push_extension(extensions, extension::ALPN, &vector16(list));
}

fn push_extension(extensions: &mut Vec<u8>, kind: u16, data: &[u8]) {
    extensions.extend(kind.to_be_bytes());
    extensions.extend(vector16(data.to_vec()));
}

/// `bytes`, at most 2^16 - 1 of them, behind their length.
fn vector16(bytes: Vec<u8>) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()
}

fn u24(n: usize) -> [u8; 3] {
    let [_, a, b, c] = (n as u32).to_be_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_hello() -> ClientHello {
        ClientHello {
            version: TLS12,
            random: [7; 32],
            suites: vec![0x009d, 0x002f],
            server_name: Some("your-app.com".into()),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            extended_master_secret: true,
            encrypt_then_mac: true,
            renegotiation_info: false,
        }
    }

    fn server_hello() -> ServerHello {
        ServerHello {
            version: TLS12,
            random: [8; 32],
            suite: 0x009d,
            alpn: Some(b"h2".to_vec()),
            extended_master_secret: true,
            encrypt_then_mac: false,
            renegotiation_info: true,
            unknown: vec![],
        }
    }

    #[test]
    fn hellos_are_read_as_they_were_written() {
        let message = client_hello().message();
        assert_eq!(ClientHello::read(&message[4..]), Ok(client_hello()));
        let message = server_hello().message();
        assert_eq!(ServerHello::read(&message[4..]), Ok(server_hello()));
        let certificates_message = certificate([&[1, 2][..], &[3]]);
        let read = certificates(&certificates_message[4..]).unwrap();
        assert_eq!(read, [&[1, 2][..], &[3]]);
        let exchange = client_key_exchange(&[9; 256]);
        assert_eq!(exchange.len(), 262);
        assert_eq!(encrypted_pre_master(&exchange[4..]).unwrap(), [9; 256]);
    }

    #[test]
    fn nothing_may_be_missing_or_left_over() {
        let client = client_hello().message();
        // Up to the end of the compression methods it is also a hello without extensions.
        let bare = 2 + 32 + 1 + 6 + 2;
        for n in (0..client.len() - 4).filter(|n| *n != bare) {
            assert!(ClientHello::read(&client[4..4 + n]).is_err(), "{n} bytes");
        }
        let server = server_hello().message();
        for n in (0..server.len() - 4).filter(|n| *n != 2 + 32 + 1 + 2 + 1) {
            assert!(ServerHello::read(&server[4..4 + n]).is_err(), "{n} bytes");
        }
        let more = |message: &[u8]| [&message[4..], &[0]].concat();
        assert!(ClientHello::read(&more(&client)).is_err());
        assert!(ServerHello::read(&more(&server)).is_err());
        assert!(certificates(&more(&certificate([&[1][..]]))).is_err());
        assert!(encrypted_pre_master(&more(&client_key_exchange(&[1]))).is_err());
    }

    #[test]
    fn an_extension_comes_once() {
        let mut twice = Vec::new();
        push_extension(&mut twice, extension::EXTENDED_MASTER_SECRET, &[]);
        push_extension(&mut twice, extension::EXTENDED_MASTER_SECRET, &[]);
        let mut body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0, 0x9d, 1, 0]].concat();
        body.extend(vector16(twice));
        assert!(ClientHello::read(&body).is_err());
    }
}
