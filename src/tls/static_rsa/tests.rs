//! Two engines against each other, and one against a peer that does what it may not.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;
use rustls::AlertDescription;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{PrivateKeyDer, ServerName, UnixTime};

use super::message::{self, message};
use super::record::{Records, Sealer};
use super::*;
use crate::rng::Seed;
use crate::tls::authority::Pki;
use crate::tls::random::Randomness;
use crate::tls::testing::{DATE, spec_with_rsa};
use crate::wire::tls::{RecordHeader, content_type, handshake_type};

/// RSA keys take their time: made once for all tests.
static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::build(&spec_with_rsa(), Seed(1)).unwrap());

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(DATE.0))
}

fn offer(suite: Suite, extended_master_secret: bool, encrypt_then_mac: bool) -> Offer {
    Offer {
        suites: vec![suite],
        alpn: vec![],
        extended_master_secret,
        encrypt_then_mac,
    }
}

fn plain() -> Offer {
    offer(Suite::Aes256Gcm, false, false)
}

fn key_of_the_server() -> PrivateKeyDer<'static> {
    PKI.identity("rsa").unwrap().key()
}

/// Reading a key checks that its primes are some: once is enough.
static KEY: LazyLock<Arc<rsa::PrivateKey>> =
    LazyLock::new(|| private_key(&key_of_the_server()).unwrap());

fn server_with(offer: Offer, seed: u64) -> Connection {
    let config = ServerConfig {
        offer,
        chain: PKI.identity("rsa").unwrap().chain().to_vec(),
        key: KEY.clone(),
        tls13: false,
    };
    Connection::server(config, Randomness::seeded(Seed(seed).stream("server")))
}

fn client_for(name: &str, offer: Offer, seed: u64) -> Connection {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(PKI.root("lab-root").unwrap().clone()).unwrap();
    let provider = Arc::new(crate::tls::provider::system(&[], &[]));
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let config = ClientConfig {
        offer,
        verifier: verifier.build().unwrap(),
    };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let randomness = Randomness::seeded(Seed(seed).stream("client"));
    Connection::client(config, name, randomness).unwrap()
}

fn client_with(offer: Offer) -> Connection {
    client_for("your-app.com", offer, 1)
}

/// Both sides, and everything that each has sent.
struct Pair {
    client: Connection,
    server: Connection,
    sent: [Vec<u8>; 2],
}

impl Pair {
    fn new(client: Offer, server: Offer) -> Self {
        Self {
            client: client_with(client),
            server: server_with(server, 1),
            sent: Default::default(),
        }
    }

    /// Carries bytes until neither side has any. The first error of client and of server.
    fn run(&mut self) -> [Option<Error>; 2] {
        self.run_with(|_, bytes| bytes)
    }

    /// The same, and `change` may change what a side (0: client) sends.
    fn run_with(&mut self, change: impl Fn(usize, Vec<u8>) -> Vec<u8>) -> [Option<Error>; 2] {
        let mut errors = [None, None];
        loop {
            let mut quiet = true;
            for side in 0..2 {
                let (from, to) = if side == 0 {
                    (&mut self.client, &mut self.server)
                } else {
                    (&mut self.server, &mut self.client)
                };
                if let Some(bytes) = from.poll_wire() {
                    quiet = false;
                    let bytes = change(side, bytes);
                    self.sent[side].extend(&bytes);
                    let result = to.handle_wire(&bytes, now());
                    errors[1 - side] = errors[1 - side].take().or_else(|| result.err());
                }
            }
            if quiet {
                return errors;
            }
        }
    }

    /// "ping" and "pong", and the end from both sides.
    fn exchange(&mut self) {
        self.client.send(b"ping").unwrap();
        assert_eq!(self.run(), [None, None]);
        assert_eq!(self.server.poll_data().unwrap(), b"ping");
        self.server.send(b"pong").unwrap();
        self.client.close();
        self.server.close();
        assert_eq!(self.run(), [None, None]);
        assert_eq!(self.client.poll_data().unwrap(), b"pong");
        assert!(self.client.is_closed_by_peer() && self.server.is_closed_by_peer());
    }
}

/// Type and length of each record.
fn records(mut bytes: &[u8]) -> Vec<(u8, usize)> {
    let mut list = Vec::new();
    while let Some(header) = RecordHeader::read(bytes) {
        list.push((header.content_type, header.length));
        bytes = &bytes[RecordHeader::BYTES + header.length..];
    }
    assert!(bytes.is_empty());
    list
}

fn alert_of(error: &Error) -> AlertDescription {
    error.alert().unwrap()
}

#[test]
fn every_suite_with_and_without_each_extension_and_the_recording_opens_with_the_key() {
    for suite in Suite::ALL {
        for ems in [false, true] {
            for etm in [false, true] {
                let mut pair = Pair::new(offer(suite, ems, etm), offer(suite, ems, etm));
                assert_eq!(pair.run(), [None, None], "{suite:?}");
                assert!(pair.client.is_established() && pair.server.is_established());
                let agreed = pair.client.agreed().unwrap().clone();
                assert_eq!(pair.server.agreed(), Some(&agreed));
                assert_eq!(agreed.extended_master_secret, ems);
                assert_eq!(agreed.encrypt_then_mac, etm && suite.is_cbc());
                let exchange = pair.client.key_exchange().unwrap().clone();
                assert_eq!(pair.server.key_exchange(), Some(&exchange));
                assert_eq!(exchange.session_hash.is_some(), ems);
                pair.exchange();

                let recovered =
                    recover(&pair.sent[0], &pair.sent[1], &key_of_the_server()).unwrap();
                assert_eq!(recovered.exchange, exchange);
                assert_eq!(recovered.client_data, b"ping");
                assert_eq!(recovered.server_data, b"pong");
                assert_eq!(recovered.encrypt_then_mac, agreed.encrypt_then_mac);
            }
        }
    }
}

#[test]
fn the_values_are_those_of_the_rfc() {
    let mut pair = Pair::new(plain(), plain());
    assert_eq!(pair.run(), [None, None]);
    let exchange = pair.client.key_exchange().unwrap();
    assert_eq!(
        exchange.pre_master[..2],
        [3, 3],
        "the version of the ClientHello"
    );
    assert_eq!(exchange.encrypted_pre_master.len(), 256);
    assert_eq!(exchange.master.len(), 48);
    let [client, server] = &exchange.keys;
    assert_eq!(
        (client.key.len(), client.iv.len(), client.mac.len()),
        (32, 4, 0)
    );
    assert_ne!(client.key, server.key);
    assert_ne!(client.iv, server.iv);

    // Hello; 2 + 256 bytes of ClientKeyExchange, ChangeCipherSpec, Finished: nonce 8, message 16, tag 16.
    let client = records(&pair.sent[0]);
    assert_eq!(client[1..], [(22, 4 + 2 + 256), (20, 1), (22, 8 + 16 + 16)]);
    let server = records(&pair.sent[1]);
    let kinds: Vec<u8> = server.iter().map(|r| r.0).collect();
    assert_eq!(kinds, [22, 22, 22, 20, 22]);
    assert_eq!(server[2..], [(22, 4), (20, 1), (22, 40)]);

    let secrets = crate::tls::key_log::Secrets::default();
    exchange.log(&secrets);
    pair.server.key_exchange().unwrap().log(&secrets);
    let lines = secrets.drain();
    assert_eq!(lines.len(), 2, "each line once");
    assert!(lines[0].starts_with("RSA ") && lines[1].starts_with("CLIENT_RANDOM "));
    assert_eq!(lines[0].len(), "RSA ".len() + 16 + 1 + 96);
    assert!(
        !format!("{exchange:?}").contains("master"),
        "no secret in a log"
    );
}

#[test]
fn the_stronger_side_gives_way_and_the_seed_rules() {
    let mut pair = Pair::new(offer(Suite::Aes128CbcSha, true, true), plain());
    let [client, server] = pair.run();
    let told = Error::Alerted(AlertDescription::HandshakeFailure);
    assert_eq!(client, Some(told));
    assert_eq!(
        alert_of(&server.unwrap()),
        AlertDescription::HandshakeFailure
    );

    let every = |ems| Offer {
        suites: Suite::ALL.to_vec(),
        ..offer(Suite::Aes256Gcm, ems, ems)
    };
    let mut pair = Pair::new(every(true), every(false));
    assert_eq!(pair.run(), [None, None]);
    assert!(!pair.client.agreed().unwrap().extended_master_secret);
    let mut again = Pair::new(every(true), every(false));
    again.run();
    assert_eq!(pair.sent, again.sent, "same seed, same bytes");
    let mut other = Pair {
        server: server_with(every(false), 2),
        ..Pair::new(every(true), every(false))
    };
    other.run();
    assert_ne!(pair.sent[1], other.sent[1]);
}

#[test]
fn protocols_are_agreed_on() {
    let speaks = |protocols: &[&str]| Offer {
        alpn: protocols.iter().map(|p| p.as_bytes().to_vec()).collect(),
        ..plain()
    };
    let mut pair = Pair::new(speaks(&["h2", "http/1.1"]), speaks(&["http/1.1", "h2"]));
    assert_eq!(pair.run(), [None, None]);
    let chosen = pair.client.agreed().unwrap().alpn.clone();
    assert_eq!(chosen.unwrap(), b"http/1.1", "the server's order counts");
    let mut pair = Pair::new(speaks(&["h2"]), speaks(&["http/1.1"]));
    let [_, server] = pair.run();
    assert_eq!(
        alert_of(&server.unwrap()),
        AlertDescription::NoApplicationProtocol
    );
    let mut pair = Pair::new(plain(), speaks(&["http/1.1"]));
    assert_eq!(pair.run(), [None, None]);
    assert_eq!(pair.client.agreed().unwrap().alpn, None);
}

#[test]
fn a_certificate_that_does_not_fit_is_refused_with_its_alert() {
    let refused = |mut client: Connection, date: UnixTime| {
        let mut server = server_with(plain(), 1);
        server
            .handle_wire(&client.poll_wire().unwrap(), now())
            .unwrap();
        let error = client
            .handle_wire(&server.poll_wire().unwrap(), date)
            .unwrap_err();
        // Level fatal, as the last two bytes on the wire.
        let wire = client.poll_wire().unwrap();
        assert_eq!(wire[wire.len() - 2..], [2, u8::from(alert_of(&error))]);
        alert_of(&error)
    };
    let late = UnixTime::since_unix_epoch(Duration::from_secs(DATE.0 + 365 * 86_400));
    let other = client_for("other-app.com", plain(), 1);
    assert_eq!(refused(other, now()), AlertDescription::BadCertificate);
    let client = client_with(plain());
    assert_eq!(refused(client, late), AlertDescription::CertificateExpired);
}

/// The client's second flight up to its ClientKeyExchange, with this encrypted pre-master secret; then the server's
/// answer to a Finished under keys that the server cannot have.
fn server_answers(
    encrypted: impl Fn(&rsa::PublicKey, &mut Randomness) -> Vec<u8>,
) -> (Error, u128) {
    let mut client = client_with(plain());
    let mut server = server_with(plain(), 1);
    server
        .handle_wire(&client.poll_wire().unwrap(), now())
        .unwrap();
    server.poll_wire().unwrap();
    let mut randomness = Randomness::seeded(Seed(7).stream("attacker"));
    let encrypted = encrypted(&KEY.to_public_key(), &mut randomness);
    let mut out = Vec::new();
    let mut write = |records: &mut Records, kind, content: &[u8]| {
        let mut randomness = Randomness::seeded(Seed(8).stream("iv"));
        records
            .write(kind, content, &mut randomness, &mut out)
            .unwrap();
    };
    let mut records = Records::default();
    records.agreed = true;
    write(&mut records, 22, &message::client_key_exchange(&encrypted));
    write(&mut records, 20, &[1]);
    let keys = KeyExchange::derive(Suite::Aes256Gcm, [[1; 32], [2; 32]], [3; 48], vec![], None);
    records.sealer = Sealer::new(Suite::Aes256Gcm, &keys.keys[0], false);
    write(
        &mut records,
        22,
        &message(handshake_type::FINISHED, &[0; 12]),
    );
    let sent = server.randomness.position();
    let error = server.handle_wire(&out, now()).unwrap_err();
    (error, server.randomness.position() - sent)
}

#[test]
fn bad_pre_master_secrets_are_answered_alike() {
    let encrypt = |secret: &'static [u8]| {
        move |key: &rsa::PublicKey, randomness: &mut Randomness| {
            key.pkcs1v15_encrypt_with_rng(randomness, secret).unwrap()
        }
    };
    let mut answers = vec![
        // Not for the client of this hello: another version in front.
        server_answers(encrypt(&[9; 48])),
        server_answers(encrypt(&[3; 47])),
        server_answers(encrypt(&[])),
        // No padding at all.
        server_answers(|_, _| vec![1; 256]),
    ];
    let (error, _) = &answers[0];
    assert_eq!(alert_of(error), AlertDescription::BadRecordMac);
    answers.dedup();
    assert_eq!(answers.len(), 1, "one answer, one amount of randomness");
}

#[test]
fn the_version_in_the_pre_master_secret_is_that_of_the_hello_whatever_was_sent() {
    // On the way, the client's secret is replaced by the same with another version in front. The server has the
    // client's secret all the same: had it believed the version, it would tell right guesses from wrong ones.
    let mut pair = Pair::new(plain(), plain());
    let bytes = pair.client.poll_wire().unwrap();
    pair.server.handle_wire(&bytes, now()).unwrap();
    let bytes = pair.server.poll_wire().unwrap();
    pair.client.handle_wire(&bytes, now()).unwrap();
    let secret = pair.client.key_exchange().unwrap().pre_master;
    let mut other = secret;
    other[..2].copy_from_slice(&[3, 2]);
    let mut randomness = Randomness::seeded(Seed(7).stream("attacker"));
    let public = KEY.to_public_key();
    let encrypted = public.pkcs1v15_encrypt_with_rng(&mut randomness, &other);
    let exchange = message::client_key_exchange(&encrypted.unwrap());
    let mut bytes = pair.client.poll_wire().unwrap();
    bytes[5..5 + exchange.len()].copy_from_slice(&exchange);
    let error = pair.server.handle_wire(&bytes, now()).unwrap_err();
    // What arrived is told, and what counts is the version of the hello.
    let (server, client) = (pair.server.key_exchange(), pair.client.key_exchange());
    assert_eq!(server.unwrap().pre_master, other);
    assert_eq!(server.unwrap().master, client.unwrap().master);
    // The keys are the same; the Finished covers the message that was replaced.
    assert_eq!(alert_of(&error), AlertDescription::DecryptError);
}

/// What `server` says to a record that comes instead of the client's flight number `after` (from 0).
fn server_refuses(after: usize, record: &[u8]) -> AlertDescription {
    let mut pair = Pair::new(plain(), plain());
    for _ in 0..after {
        let bytes = pair.client.poll_wire().unwrap();
        pair.server.handle_wire(&bytes, now()).unwrap();
        let bytes = pair.server.poll_wire().unwrap();
        pair.client.handle_wire(&bytes, now()).unwrap();
    }
    let error = pair.server.handle_wire(record, now()).unwrap_err();
    let alert = alert_of(&error);
    let wire = pair.server.poll_wire().unwrap();
    assert_eq!(
        pair.server.handle_wire(record, now()),
        Err(error),
        "it stays so"
    );
    assert_eq!(pair.server.poll_wire(), None, "one alert");
    if after < 2 {
        assert_eq!(wire[wire.len() - 2..], [2, u8::from(alert)]);
    }
    alert
}

#[test]
fn what_may_not_come_is_answered_with_its_alert() {
    use AlertDescription as A;
    let handshake = |kind: u8| [&[22, 3, 3, 0, 4, kind][..], &[0; 3]].concat();
    assert_eq!(
        server_refuses(0, &[20, 3, 3, 0, 1, 1]),
        A::UnexpectedMessage
    );
    assert_eq!(
        server_refuses(1, &[20, 3, 3, 0, 1, 1]),
        A::UnexpectedMessage
    );
    assert_eq!(
        server_refuses(0, &[23, 3, 3, 0, 1, 1]),
        A::UnexpectedMessage
    );
    assert_eq!(server_refuses(0, &[21, 3, 3, 0, 1, 1]), A::DecodeError);
    assert_eq!(server_refuses(0, &handshake(20)), A::UnexpectedMessage);
    assert_eq!(server_refuses(0, &handshake(1)), A::DecodeError);
    assert_eq!(server_refuses(1, &handshake(16)), A::DecodeError);
    assert_eq!(server_refuses(1, &handshake(11)), A::UnexpectedMessage);
    assert_eq!(server_refuses(0, &[22, 3, 1, 0x41, 0]), A::RecordOverflow);
    // A message announced as 2^24 - 1 bytes.
    let long = [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff];
    assert_eq!(server_refuses(0, &long), A::DecodeError);
    // Half a message, then a ChangeCipherSpec.
    let half = [22, 3, 3, 0, 2, 16, 0, 20, 3, 3, 0, 1, 1];
    assert_eq!(server_refuses(1, &half), A::UnexpectedMessage);
    // Once it is encrypted, what is not authentic ends it.
    assert_eq!(
        server_refuses(2, &[23, 3, 3, 0, 30].repeat(7)),
        A::BadRecordMac
    );
}

#[test]
fn older_versions_are_refused() {
    let mut hello = client_with(plain()).poll_wire().unwrap();
    hello[5 + 4 + 1] = 2;
    let error = server_with(plain(), 1)
        .handle_wire(&hello, now())
        .unwrap_err();
    assert_eq!(alert_of(&error), AlertDescription::ProtocolVersion);
}

#[test]
fn a_changed_handshake_ends_at_finished() {
    // One bit of the client's random as the server sees it: the keys differ. With the extended master secret too.
    for ems in [false, true] {
        let offers = offer(Suite::Aes128Gcm, ems, false);
        let mut pair = Pair::new(offers.clone(), offers);
        let [client, server] = pair.run_with(|side, mut bytes| {
            if side == 0 && bytes[5] == handshake_type::CLIENT_HELLO {
                bytes[5 + 4 + 2 + 7] ^= 1;
            }
            bytes
        });
        assert_eq!(alert_of(&server.unwrap()), AlertDescription::BadRecordMac);
        assert_eq!(client, Some(Error::Alerted(AlertDescription::BadRecordMac)));
    }
    // The list of suites is in the Finished and in nothing else: the keys are the same, the proof is not.
    let both = Offer {
        suites: vec![Suite::Aes256Gcm, Suite::Aes128Gcm],
        ..plain()
    };
    let mut pair = Pair::new(both.clone(), both);
    let [client, server] = pair.run_with(|side, mut bytes| {
        if side == 0 && bytes[5] == handshake_type::CLIENT_HELLO {
            let first = 5 + 4 + 2 + 32 + 1 + 2;
            bytes[first + 1] = 0x9c;
        }
        bytes
    });
    assert_eq!(alert_of(&server.unwrap()), AlertDescription::DecryptError);
    assert_eq!(client, Some(Error::Alerted(AlertDescription::DecryptError)));
}

#[test]
fn renegotiation_is_declined_and_the_connection_goes_on() {
    let mut pair = Pair::new(plain(), plain());
    assert_eq!(pair.run(), [None, None]);
    // HelloRequest from the server, under its keys.
    pair.server.write_message(&message(0, &[])).unwrap();
    assert_eq!(pair.run(), [None, None]);
    let hello = client_with(plain()).poll_wire().unwrap();
    pair.client.write_message(&hello[5..]).unwrap();
    assert_eq!(pair.run(), [None, None]);
    pair.exchange();
}

#[test]
fn the_end_is_told_from_a_cut() {
    let mut pair = Pair::new(plain(), plain());
    assert!(pair.client.send(b"early").is_err());
    assert_eq!(pair.run(), [None, None]);
    pair.client.close();
    pair.client.close();
    assert!(pair.client.send(b"late").is_err());
    let bytes = pair.client.poll_wire().unwrap();
    assert_eq!(records(&bytes), [(content_type::ALERT, 8 + 2 + 16)]);
    pair.server.handle_wire(&bytes, now()).unwrap();
    assert!(pair.server.is_closed_by_peer());
    // The other direction stays open, and nothing after close_notify counts.
    pair.server.handle_wire(b"noise", now()).unwrap();
    pair.server.send(b"still").unwrap();
    let bytes = pair.server.poll_wire().unwrap();
    pair.client.handle_wire(&bytes, now()).unwrap();
    assert_eq!(pair.client.poll_data().unwrap(), b"still");
}

#[test]
fn long_chains_and_much_data_go_over_several_records() {
    let mut server = server_with(plain(), 1);
    let chain: Vec<u8> = vec![0x30; 20_000];
    let certificate = message::certificate([chain.as_slice(), &chain]);
    server.write_message(&certificate).unwrap();
    let lengths = records(&server.poll_wire().unwrap());
    assert_eq!(
        lengths,
        [(22, 16_384), (22, 16_384), (22, certificate.len() - 32_768)]
    );

    let mut pair = Pair::new(plain(), plain());
    pair.run();
    pair.client.send(&[7; 40_000]).unwrap();
    let bytes = pair.client.poll_wire().unwrap();
    assert_eq!(records(&bytes).len(), 3);
    pair.server.handle_wire(&bytes, now()).unwrap();
    assert_eq!(pair.server.poll_data().unwrap(), [7; 40_000]);
}

/// Cuts the client's first flights into records of `size` bytes of handshake each.
fn in_small_records(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    let mut joined: Vec<u8> = Vec::new();
    let flush = |joined: &mut Vec<u8>, out: &mut Vec<u8>| {
        for piece in joined.chunks(size) {
            out.extend([22, 3, 3]);
            out.extend((piece.len() as u16).to_be_bytes());
            out.extend(piece);
        }
        joined.clear();
    };
    let mut encrypted = false;
    while let Some(header) = RecordHeader::read(rest) {
        let (record, after) = rest.split_at(RecordHeader::BYTES + header.length);
        rest = after;
        if header.content_type == 22 && !encrypted {
            joined.extend(&record[5..]);
        } else {
            encrypted = true;
            flush(&mut joined, &mut out);
            out.extend(record);
        }
    }
    flush(&mut joined, &mut out);
    out
}

#[test]
fn messages_may_be_cut_and_joined_in_records() {
    // 1 byte a record; all of a flight in one.
    for size in [1, 3, 100, 16_384] {
        let mut pair = Pair::new(plain(), plain());
        assert_eq!(
            pair.run_with(|_, bytes| in_small_records(&bytes, size)),
            [None, None],
            "{size}"
        );
        assert!(pair.client.is_established() && pair.server.is_established());
        let recovered = recover(&pair.sent[0], &pair.sent[1], &key_of_the_server());
        assert!(recovered.is_ok(), "{recovered:?}");
    }
}

#[test]
fn a_recording_that_stays_closed_says_why() {
    let mut pair = Pair::new(plain(), plain());
    pair.run();
    pair.exchange();
    let [client, server] = &pair.sent;
    let why = |client: &[u8], server: &[u8], key: &PrivateKeyDer<'_>| {
        recover(client, server, key).unwrap_err()
    };
    let other = Pki::build(&spec_with_rsa(), Seed(2)).unwrap();
    let other = other.identity("rsa").unwrap().key();
    assert_eq!(why(client, server, &other), Unrecoverable::WrongKey);
    let ec = PKI.identity("your-app").unwrap().key();
    assert_eq!(why(client, server, &ec), Unrecoverable::Key);
    let key = key_of_the_server();
    assert_eq!(
        why(&[], server, &key),
        Unrecoverable::Missing("ClientHello")
    );
    assert_eq!(
        why(client, &[], &key),
        Unrecoverable::Missing("ServerHello")
    );
    let hello = 5 + records(client)[0].1;
    assert_eq!(
        why(&client[..hello], server, &key),
        Unrecoverable::Missing("ClientKeyExchange")
    );
    let mut changed = client.clone();
    *changed.last_mut().unwrap() ^= 1;
    let number = records(client).len();
    let side = "client";
    assert_eq!(
        why(&changed, server, &key),
        Unrecoverable::Record { side, number }
    );
    // Suite and version of the ServerHello: header 5 + 4, version 2, random 32, session id 1.
    let mut ecdhe = server.clone();
    ecdhe[44..46].copy_from_slice(&[0xc0, 0x2f]);
    let suite = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".into();
    assert_eq!(
        why(client, &ecdhe, &key),
        Unrecoverable::Ephemeral { suite }
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = server_with(plain(), 1).handle_wire(&bytes, now());
        let _ = client_with(plain()).handle_wire(&bytes, now());
        let _ = recover(&bytes, &bytes, &key_of_the_server());
        for kind in [1, 2, 11, 14, 16, 20] {
            let content = message(kind, &bytes);
            let mut record = vec![22, 3, 3];
            record.extend((content.len() as u16).to_be_bytes());
            record.extend(content);
            let _ = server_with(plain(), 1).handle_wire(&record, now());
            let _ = client_with(plain()).handle_wire(&record, now());
        }
    }

    /// Both sides with flips on the way: no panic, and whatever comes of it, it is one thing however TCP cuts it.
    #[test]
    fn any_cut_of_the_bytes_gives_the_same(
        cuts in prop::collection::vec(1_usize..200, 1..20),
        flips in prop::collection::vec((0_usize..2, 0_usize..3000, 0_u32..8), 0..2),
        cbc in any::<bool>(),
    ) {
        let suite = if cbc { Suite::Aes256CbcSha } else { Suite::Aes256Gcm };
        let mut one = Pair::new(offer(suite, true, cbc), offer(suite, true, cbc));
        let flip = |sent: &[Vec<u8>; 2], side: usize, mut bytes: Vec<u8>| {
            let before = sent[side].len();
            for (flipped, at, bit) in &flips {
                if *flipped == side && let Some(byte) = at.checked_sub(before).and_then(|n| bytes.get_mut(n)) {
                    *byte ^= 1 << bit;
                }
            }
            bytes
        };
        // Records by flight, whole and cut.
        let mut two = Pair::new(offer(suite, true, cbc), offer(suite, true, cbc));
        let mut results = Vec::new();
        for (pair, cut) in [(&mut one, false), (&mut two, true)] {
            let mut errors = [None, None];
            for _ in 0..4 {
                for side in 0..2 {
                    let Pair { client, server, sent } = pair;
                    let (from, to) = if side == 0 { (client, server) } else { (server, client) };
                    let Some(bytes) = from.poll_wire() else { continue };
                    let bytes = flip(sent, side, bytes);
                    sent[side].extend(&bytes);
                    let mut rest = bytes.as_slice();
                    let mut sizes = cuts.iter().cycle();
                    while !rest.is_empty() {
                        let n = if cut { *sizes.next().unwrap() } else { rest.len() };
                        let (piece, after) = rest.split_at(n.min(rest.len()));
                        let result = to.handle_wire(piece, now());
                        errors[side] = errors[side].take().or_else(|| result.err());
                        rest = after;
                    }
                }
            }
            results.push(errors);
        }
        // Errors of certificates are not comparable.
        prop_assert_eq!(format!("{:?}", results[0]), format!("{:?}", results[1]));
        prop_assert_eq!(&one.sent, &two.sent);
        prop_assert_eq!(one.client.key_exchange(), two.client.key_exchange());
    }
}
