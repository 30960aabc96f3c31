//! The engine for RSA key exchange against OpenSSL, over loopback: either as client and as server, every suite, with
//! the extended master secret and encrypt-then-MAC and without. Both must log the same secrets, and read each other's
//! data; what the one refuses, the other must be told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::AlertDescription;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use tunlab::rng::Seed;
use tunlab::time::UnixSeconds;
use tunlab::tls::authority::Pki;
use tunlab::tls::config::KeyKind;
use tunlab::tls::key_log::Secrets;
use tunlab::tls::random::Randomness;
use tunlab::tls::static_rsa::{
    self, ClientConfig, Connection, Error, Offer, ServerConfig, Suite, recover,
};

use crate::tools::have;

/// The keys of the shipped lab: an authority, and a server's certificate with an RSA key.
static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let plan = tunlab::lab::load("tls/rsa-key-exchange").unwrap();
    assert!(
        plan.pki
            .certificates
            .iter()
            .any(|c| c.key == KeyKind::Rsa2048)
    );
    Pki::build(&plan.pki, Seed(1)).unwrap()
});

const DATE: UnixSeconds = UnixSeconds::from_ymd(2025, 11, 5);

fn date(of: UnixSeconds) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(of.0))
}

/// OpenSSL's name of a suite. Its security level 0 takes SHA-1 MACs and keys of any size.
fn openssl_name(suite: Suite) -> &'static str {
    match suite {
        Suite::Aes256Gcm => "AES256-GCM-SHA384:@SECLEVEL=0",
        Suite::Aes128Gcm => "AES128-GCM-SHA256:@SECLEVEL=0",
        Suite::Aes256CbcSha256 => "AES256-SHA256:@SECLEVEL=0",
        Suite::Aes128CbcSha256 => "AES128-SHA256:@SECLEVEL=0",
        Suite::Aes256CbcSha => "AES256-SHA:@SECLEVEL=0",
        Suite::Aes128CbcSha => "AES128-SHA:@SECLEVEL=0",
    }
}

/// Every suite with the extensions on and off; encrypt-then-MAC is for CBC suites.
fn offers() -> Vec<Offer> {
    let mut offers = Vec::new();
    for suite in Suite::ALL {
        for extended_master_secret in [true, false] {
            for encrypt_then_mac in [true, false] {
                if suite.is_cbc() || encrypt_then_mac {
                    offers.push(Offer {
                        suites: vec![suite],
                        alpn: vec![],
                        extended_master_secret,
                        encrypt_then_mac,
                    });
                }
            }
        }
    }
    offers
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Certificates and key as files.
fn write_files(folder: &Path) {
    let identity = PKI.identity("your-app").unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("chain.pem", identity.chain_pem());
    write("key.pem", identity.key_pem());
    write("root.pem", PKI.root_pem("lab-root").unwrap());
}

/// An engine at one end of a TCP connection, and all bytes that passed.
struct End {
    connection: Connection,
    tcp: TcpStream,
    sent: Vec<u8>,
    received: Vec<u8>,
    date: UnixTime,
}

impl End {
    fn new(connection: Connection, tcp: TcpStream) -> Self {
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self {
            connection,
            tcp,
            sent: Vec::new(),
            received: Vec::new(),
            date: date(DATE),
        }
    }

    fn flush(&mut self) {
        while let Some(bytes) = self.connection.poll_wire() {
            // A peer that has gone is found out when it is read.
            let _ = self.tcp.write_all(&bytes);
            self.sent.extend(bytes);
        }
    }

    /// Reads once; `false` at the end.
    fn turn(&mut self) -> Result<bool, Error> {
        self.flush();
        let mut bytes = [0; 4096];
        let n = self.tcp.read(&mut bytes).unwrap_or(0);
        self.received.extend(&bytes[..n]);
        let result = self.connection.handle_wire(&bytes[..n], self.date);
        self.flush();
        result.map(|()| n > 0)
    }

    fn handshake(&mut self) -> Result<(), Error> {
        while !self.connection.is_established() {
            assert!(self.turn()?, "the peer left in the handshake");
        }
        Ok(())
    }

    fn read_line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            assert!(self.turn().unwrap(), "no line came");
            line.extend(self.connection.poll_data().unwrap_or_default());
        }
        line
    }

    /// The lines of the key log, as the run of a lab writes them.
    fn secrets(&self) -> Vec<String> {
        let secrets = Secrets::default();
        self.connection.key_exchange().unwrap().log(&secrets);
        secrets.drain()
    }
}

/// The lines of OpenSSL's key log, in lower case, sorted as ours.
fn key_log(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    let mut lines: Vec<String> = lines
        .map(|l| {
            let (label, rest) = l.split_once(' ').unwrap();
            format!("{label} {}", rest.to_lowercase())
        })
        .collect();
    lines.sort();
    lines.reverse();
    lines
}

fn client(name: &str, offer: Offer) -> Connection {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(PKI.root("lab-root").unwrap().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let config = ClientConfig { offer, verifier };
    Connection::client(config, name, Randomness::System).unwrap()
}

/// An `openssl s_server` that sends lines back reversed, and a connection to it.
fn s_server(folder: &Path, cipher: &str) -> (Running, TcpStream) {
    // A port that was free a moment ago: OpenSSL cannot say which one it took.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let child = Command::new("openssl")
        .current_dir(folder)
        .args(["s_server", "-tls1_2", "-rev", "-naccept", "1"])
        .args(["-accept", &format!("127.0.0.1:{port}"), "-cipher", cipher])
        .args(["-cert", "chain.pem", "-cert_chain", "chain.pem"])
        .args(["-key", "key.pem", "-keylogfile", "keys.log"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let running = Running(child);
    for _ in 0..200 {
        if let Ok(tcp) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            return (running, tcp);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("openssl s_server does not listen");
}

#[test]
fn an_openssl_server_understands_the_client() {
    if !have("openssl") {
        return;
    }
    for offer in offers() {
        let folder = tempfile::tempdir().unwrap();
        write_files(folder.path());
        let suite = offer.suites[0];
        let (running, tcp) = s_server(folder.path(), openssl_name(suite));
        let mut end = End::new(client("your-app.com", offer.clone()), tcp);
        end.handshake().unwrap();
        let agreed = end.connection.agreed().unwrap();
        assert_eq!(agreed.suite, suite);
        assert_eq!(agreed.extended_master_secret, offer.extended_master_secret);
        let etm = offer.encrypt_then_mac && suite.is_cbc();
        assert_eq!(agreed.encrypt_then_mac, etm, "{offer:?}");
        end.connection.send(b"ping\n").unwrap();
        assert_eq!(end.read_line(), b"gnip\n", "{offer:?}");
        end.connection.close();
        end.flush();
        drop(running);
        // Only its client logs the pre-master secret too.
        assert_eq!(key_log(&folder.path().join("keys.log")), end.secrets()[1..]);

        let key = PKI.identity("your-app").unwrap().key();
        let recovered = recover(&end.sent, &end.received, &key).unwrap();
        assert_eq!(recovered.client_data, b"ping\n");
        assert_eq!(recovered.server_data, b"gnip\n");
    }
}

#[test]
fn an_openssl_server_is_told_what_is_wrong_with_its_certificate() {
    if !have("openssl") {
        return;
    }
    let late = UnixSeconds::from_ymd(2027, 1, 1);
    for (name, today, alert, said) in [
        (
            "other-app.com",
            DATE,
            AlertDescription::BadCertificate,
            "bad certificate",
        ),
        (
            "your-app.com",
            late,
            AlertDescription::CertificateExpired,
            "certificate expired",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write_files(folder.path());
        let (mut running, tcp) = s_server(folder.path(), openssl_name(Suite::Aes256Gcm));
        let mut end = End::new(client(name, offers().remove(0)), tcp);
        end.date = date(today);
        let error = end.handshake().unwrap_err();
        assert_eq!(error.alert(), Some(alert), "{error}");
        drop(end);
        let mut stderr = String::new();
        let mut pipe = running.0.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        assert!(stderr.contains(said), "{stderr}");
    }
}

/// An `openssl s_client` that says `ping` to a server of ours, and the server's end. `host` is whom it looks for.
fn s_client(folder: &Path, offer: Offer, host: &str) -> (Running, End) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut child = Command::new("openssl")
        .current_dir(folder)
        .args([
            "s_client",
            "-tls1_2",
            "-quiet",
            "-servername",
            "your-app.com",
        ])
        .args(["-connect", &format!("127.0.0.1:{port}")])
        .args(["-cipher", openssl_name(offer.suites[0])])
        .args(["-CAfile", "root.pem", "-verify_return_error"])
        .args(["-verify_hostname", host, "-attime", &DATE.0.to_string()])
        .args(["-keylogfile", "keys.log"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"ping\n").unwrap();
    let running = Running(child);
    let (tcp, _) = listener.accept().unwrap();
    let identity = PKI.identity("your-app").unwrap();
    let config = ServerConfig {
        offer,
        chain: identity.chain().to_vec(),
        key: static_rsa::private_key(&identity.key()).unwrap(),
        tls13: false,
    };
    let connection = Connection::server(config, Randomness::System);
    (running, End::new(connection, tcp))
}

#[test]
fn an_openssl_client_understands_the_server() {
    if !have("openssl") {
        return;
    }
    for offer in offers() {
        let folder = tempfile::tempdir().unwrap();
        write_files(folder.path());
        let (mut running, mut end) = s_client(folder.path(), offer.clone(), "your-app.com");
        end.handshake().unwrap();
        let agreed = end.connection.agreed().unwrap();
        assert_eq!(agreed.extended_master_secret, offer.extended_master_secret);
        let etm = offer.encrypt_then_mac && offer.suites[0].is_cbc();
        assert_eq!(agreed.encrypt_then_mac, etm, "{offer:?}");
        assert_eq!(end.read_line(), b"ping\n");
        end.connection.send(b"pong\n").unwrap();
        end.connection.close();
        end.flush();
        // Told that nothing more comes, the client ends by itself.
        let mut stdout = String::new();
        let mut pipe = running.0.stdout.take().unwrap();
        pipe.read_to_string(&mut stdout).unwrap();
        assert_eq!(stdout, "pong\n", "{offer:?}");
        assert_eq!(key_log(&folder.path().join("keys.log")), end.secrets());
    }
}

#[test]
fn an_openssl_client_tells_what_is_wrong_with_the_certificate() {
    if !have("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    let (_running, mut end) = s_client(folder.path(), offers().remove(0), "other-app.com");
    let error = end.handshake().unwrap_err();
    // OpenSSL has one alert for a chain that it refuses (RFC 5246 §7.2.2, bad_certificate).
    assert_eq!(error, Error::Alerted(AlertDescription::BadCertificate));
}
