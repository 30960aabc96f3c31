//! Both sides of a connection over an in-memory pipe, in virtual time: what is on the wire, what is logged, what is
//! refused, and when.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::authority::Pki;
use super::client::{ClientSetup, connect};
use super::config::{ClientTakes, ClientTls, Group, ServerTakes, ServerTls, Suite, Version};
use super::facts::TlsFacts;
use super::handshake::Failure;
use super::key_log::Secrets;
use super::random::Randomness;
use super::server::{ServerSetup, accept};
use super::testing::{DATE, Side, Tapped, Writes, run, spec, spec_with_rsa};
use crate::rng::Seed;
use crate::time::{Clock, UnixSeconds};

/// One connection to be: everything that tests vary.
struct Case {
    seed: u64,
    date: UnixSeconds,
    server_name: &'static str,
    certificate: &'static str,
    trust: Vec<&'static str>,
    client: Vec<Version>,
    server: Vec<Version>,
    takes: (ClientTakes, ServerTakes),
    system: bool,
    suites: Vec<Suite>,
    /// When the server's are others.
    server_suites: Option<Vec<Suite>>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            seed: 1,
            date: DATE,
            server_name: "your-app.com",
            certificate: "your-app",
            trust: vec!["lab-root"],
            client: vec![Version::Tls12, Version::Tls13],
            server: vec![Version::Tls12, Version::Tls13],
            takes: (ClientTakes::default(), ServerTakes::default()),
            system: false,
            suites: Suite::USUAL.to_vec(),
            server_suites: None,
        }
    }
}

/// What came of it.
struct Outcome {
    /// Facts or failure of client and server.
    client: Result<TlsFacts, Failure>,
    server: Result<TlsFacts, Failure>,
    /// Writes to the wire of client and server.
    wire: [Vec<Vec<u8>>; 2],
    secrets: Vec<String>,
    /// When each side was established, in ms.
    at: [u64; 2],
}

impl Case {
    fn tls12() -> Self {
        Self {
            server: vec![Version::Tls12],
            ..Self::default()
        }
    }

    fn setups(&self, pki: &Pki, clock: &Clock, secrets: &Secrets) -> (ClientSetup, ServerSetup) {
        let client = ClientTls {
            versions: self.client.clone(),
            alpn: vec!["h2".into(), "http/1.1".into()],
            trust: self.trust.iter().map(|t| (*t).to_owned()).collect(),
            takes: self.takes.0,
            suites: self.suites.clone(),
            ..ClientTls::default()
        };
        let server = ServerTls {
            versions: self.server.clone(),
            alpn: vec!["http/1.1".into()],
            takes: self.takes.1,
            suites: self
                .server_suites
                .clone()
                .unwrap_or_else(|| self.suites.clone()),
            ..ServerTls::new(self.certificate)
        };
        (
            ClientSetup::new(&client, pki, clock, secrets).unwrap(),
            ServerSetup::new(&server, "server:443", pki, clock, secrets).unwrap(),
        )
    }

    /// Handshake; "ping" and "pong" when it succeeds; close_notify from both sides.
    fn run(&self) -> Outcome {
        let clock = Clock::new(self.date);
        let secrets = Secrets::default();
        // An RSA key takes its time: only the tests that want one make it.
        let spec = match self.certificate {
            "rsa" => spec_with_rsa(),
            _ => spec(),
        };
        let pki = Pki::build(&spec, Seed(self.seed)).unwrap();
        let (client, server) = self.setups(&pki, &clock, &secrets);
        let randomness = |name| match self.system {
            true => Randomness::System,
            false => Randomness::seeded(Seed(self.seed).stream(name)),
        };
        let writes = Writes::default();
        let (a, b) = duplex(64 * 1024);
        let a = Tapped(a, Side::Client, writes.clone());
        let b = Tapped(b, Side::Server, writes.clone());
        let at = || clock.now().as_nanos() / 1_000_000;
        let (client, server) = run(
            &clock,
            async {
                let r = randomness("client");
                let mut up = match connect(&client, self.server_name, a, r, &clock).await {
                    Ok(up) => up,
                    Err(failure) => return (Err(failure), at()),
                };
                let since = at();
                up.stream.write_all(b"ping").await.unwrap();
                up.stream.flush().await.unwrap();
                up.stream.shutdown().await.unwrap();
                let mut rest = Vec::new();
                up.stream.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest, b"pong");
                (Ok(up.facts), since)
            },
            async {
                let mut up = match accept(&server, b, randomness("server"), &clock).await {
                    Ok(up) => up,
                    Err(failure) => return (Err(failure), at()),
                };
                let since = at();
                let mut request = Vec::new();
                up.stream.read_to_end(&mut request).await.unwrap();
                assert_eq!(request, b"ping");
                up.stream.write_all(b"pong").await.unwrap();
                up.stream.shutdown().await.unwrap();
                (Ok(up.facts), since)
            },
        );
        let writes = writes.lock().unwrap();
        let by = |side| {
            let own = writes.iter().filter(|(by, _)| *by == side);
            let mut own: Vec<_> = own.map(|(_, bytes)| bytes.clone()).collect();
            let end = own.pop().unwrap();
            assert!(end.is_empty(), "{side:?} did not shut the stream down last");
            own
        };
        Outcome {
            client: client.0,
            server: server.0,
            wire: [Side::Client, Side::Server].map(by),
            secrets: secrets.drain(),
            at: [client.1, server.1],
        }
    }

    /// Why the client refused, and the last write of its side.
    fn refusal(&self) -> (Failure, Vec<u8>, String) {
        let outcome = self.run();
        let alert = outcome.wire[0].last().unwrap().clone();
        let server = outcome.server.unwrap_err();
        assert_eq!(server.refused, None);
        (outcome.client.unwrap_err(), alert, server.error)
    }
}

/// Content types of the records in what was written.
fn records(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        types.push(*kind);
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    types
}

#[test]
fn same_seed_same_bytes_and_secrets() {
    for case in [Case::default, Case::tls12] {
        let (one, two) = (case().run(), case().run());
        assert_eq!(one.wire, two.wire);
        assert_eq!(one.secrets, two.secrets);
        let other = Case { seed: 2, ..case() }.run();
        assert_ne!(one.wire, other.wire);
        assert_ne!(one.secrets, other.secrets);
    }
}

#[test]
fn rsa_keys_sign_in_both_versions_with_either_randomness() {
    let suites = [
        (Version::Tls13, "TLS_AES_256_GCM_SHA384"),
        (Version::Tls12, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ];
    for (version, suite) in suites {
        let case = |system| Case {
            certificate: "rsa",
            server: vec![version],
            system,
            ..Case::default()
        };
        let (one, two) = (case(false).run(), case(false).run());
        assert_eq!(one.wire, two.wire, "{suite}");
        let facts = one.client.unwrap();
        assert_eq!(facts.suite, suite);
        assert_eq!(facts.chain[0].key, "RSA-2048");
        assert_eq!(case(true).run().client.unwrap().suite, suite);
    }
}

/// A case for the teaching engine.
fn static_rsa() -> Case {
    Case {
        certificate: "rsa",
        suites: Suite::STATIC_RSA.to_vec(),
        ..Case::default()
    }
}

#[test]
fn rsa_key_exchange_has_the_shape_of_the_other_engine() {
    let (one, two) = (static_rsa().run(), static_rsa().run());
    assert_eq!(one.wire, two.wire);
    assert_eq!(one.secrets, two.secrets);
    let client = one.client.unwrap();
    assert_eq!(client.version, "TLS 1.2");
    assert_eq!(client.suite, "TLS_RSA_WITH_AES_256_GCM_SHA384");
    assert_eq!((client.group, client.alpn), (None, Some("http/1.1".into())));
    assert_eq!(client.chain[0].key, "RSA-2048");
    assert_eq!(client.anchor, "Tunlab Root R1");
    let server = one.server.unwrap();
    assert_eq!(client.pre_master.unwrap(), server.pre_master.unwrap());
    let [client, server] = &one.wire;
    let client: Vec<_> = client.iter().map(|w| records(w)).collect();
    let server: Vec<_> = server.iter().map(|w| records(w)).collect();
    // ClientHello; ClientKeyExchange, ChangeCipherSpec, Finished; ping; close_notify
    assert_eq!(client, [vec![22], vec![22, 20, 22], vec![23], vec![21]]);
    assert_eq!(server, [vec![22; 3], vec![20, 22], vec![23], vec![21]]);
    let labels = one.secrets.iter().map(|l| l.split(' ').next().unwrap());
    assert_eq!(labels.collect::<Vec<_>>(), ["RSA", "CLIENT_RANDOM"]);

    let system = || Case {
        system: true,
        ..static_rsa()
    };
    let (one, two) = (system().run(), system().run());
    assert_eq!(one.client.unwrap().suite, two.client.unwrap().suite);
    assert_ne!(one.secrets, two.secrets);
}

/// A server with suites of both engines answers with the first of its own that the client has too.
#[test]
fn the_client_hello_decides_which_engine_answers() {
    let both = [&Suite::USUAL[..], &Suite::STATIC_RSA].concat();
    let answer = |client: Vec<Suite>, certificate, system| {
        let case = Case {
            certificate,
            suites: client,
            server_suites: Some(both.clone()),
            system,
            ..Case::default()
        };
        case.run().client.ok().map(|facts| facts.suite)
    };
    let rsa = || Suite::STATIC_RSA.to_vec();
    let gcm = "TLS_RSA_WITH_AES_256_GCM_SHA384";
    assert_eq!(answer(rsa(), "rsa", false).unwrap(), gcm);
    let usual = Suite::USUAL.to_vec();
    let best = "TLS_AES_256_GCM_SHA384";
    assert_eq!(answer(usual, "rsa", false).unwrap(), best);
    // Not with another key, and not where a real program may be the client.
    assert_eq!(answer(rsa(), "your-app", false), None);
    assert_eq!(answer(rsa(), "rsa", true), None);
}

#[test]
fn modelled_time_passes_in_rsa_key_exchange_too() {
    let ms = Duration::from_millis;
    let case = Case {
        takes: (
            ClientTakes {
                wait: ms(0),
                finish: ms(3),
            },
            ServerTakes {
                hello: ms(20),
                finish: ms(100),
            },
        ),
        ..static_rsa()
    };
    assert_eq!(case.run().at, [123, 123]);
}

#[test]
fn rsa_key_exchange_refuses_bad_certificates_with_an_alert() {
    let name = Case {
        server_name: "other-app.com",
        ..static_rsa()
    };
    let (failure, wire, server) = name.refusal();
    assert_eq!(failure.error, "the certificate is not for other-app.com");
    assert_eq!(failure.refused.unwrap().chain.len(), 2);
    assert_eq!(wire, [21, 3, 3, 0, 2, 2, 42]);
    assert_eq!(server, "received fatal alert: BadCertificate");
    let stranger = Case {
        trust: vec!["other-root"],
        ..static_rsa()
    };
    let (failure, wire, server) = stranger.refusal();
    assert_eq!(failure.error, "no trusted authority issued the certificate");
    assert_eq!(wire, [21, 3, 3, 0, 2, 2, 48]);
    assert_eq!(server, "received fatal alert: UnknownCA");
}

#[test]
fn what_does_not_go_with_rsa_key_exchange_is_said() {
    let (clock, secrets) = (Clock::new(DATE), Secrets::default());
    let pki = Pki::build(&spec(), Seed(1)).unwrap();
    let client = |change: fn(&mut ClientTls)| {
        let mut tls = ClientTls {
            suites: Suite::STATIC_RSA.to_vec(),
            trust: vec!["lab-root".into()],
            ..ClientTls::default()
        };
        change(&mut tls);
        let error = ClientSetup::new(&tls, &pki, &clock, &secrets).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        client(|tls| tls.resume = true),
        "RSA key exchange goes without resumption"
    );
    assert_eq!(
        client(|tls| tls.certificate = Some("your-app".into())),
        "RSA key exchange goes without client certificates"
    );
    assert_eq!(
        client(|tls| tls.suites.push(Suite(0x1301))),
        "suites of RSA key exchange are spoken alone"
    );
    let tls = ServerTls {
        suites: Suite::STATIC_RSA.to_vec(),
        ..ServerTls::new("your-app")
    };
    let error = ServerSetup::new(&tls, "server:443", &pki, &clock, &secrets).unwrap_err();
    assert_eq!(
        error.to_string(),
        "RSA key exchange needs a certificate with an RSA key"
    );
}

#[test]
fn a_handshake_of_tls_1_3_has_one_flight_each_way_and_logs_before_the_server_answers() {
    let outcome = Case::default().run();
    let facts = outcome.client.unwrap();
    assert_eq!(facts.version, "TLS 1.3");
    assert_eq!(facts.suite, "TLS_AES_256_GCM_SHA384");
    assert_eq!(facts.group.as_deref(), Some("X25519"));
    assert_eq!(facts.alpn.as_deref(), Some("http/1.1"));
    assert_eq!(facts.anchor, "Tunlab Root R1");
    let subjects: Vec<_> = facts.chain.iter().map(|c| c.subject.as_str()).collect();
    assert_eq!(subjects, ["your-app.com", "Tunlab Intermediate X1"]);
    let server = outcome.server.unwrap();
    assert_eq!((server.suite, server.group), (facts.suite, facts.group));

    let [client, server] = &outcome.wire;
    let client: Vec<_> = client.iter().map(|w| records(w)).collect();
    let server: Vec<_> = server.iter().map(|w| records(w)).collect();
    // ClientHello; change_cipher_spec and Finished; ping; close_notify
    assert_eq!(client, [vec![22], vec![20, 23], vec![23], vec![23]]);
    // ServerHello, change_cipher_spec, EncryptedExtensions to Finished in one record; two tickets in one; pong;
    // close_notify
    assert_eq!(server, [vec![22, 20, 23], vec![23], vec![23], vec![23]]);
    // Each ticket: header 4, lifetime 4, age_add 4, nonce 1 + 32, ticket 2 + 32, extensions 2 (RFC 8446 §4.6.1).
    assert_eq!(outcome.wire[1][1].len(), 5 + 2 * 81 + 1 + 16);
    let labels: Vec<_> = outcome
        .secrets
        .iter()
        .map(|l| l.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        labels,
        [
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET",
        ]
    );
}

#[test]
fn a_handshake_of_tls_1_2_has_two_flights_each_way() {
    let outcome = Case::tls12().run();
    let facts = outcome.client.unwrap();
    assert_eq!(facts.version, "TLS 1.2");
    assert_eq!(facts.suite, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    assert_eq!(facts.group.as_deref(), Some("X25519"));
    assert_eq!(outcome.server.unwrap().version, "TLS 1.2");
    let [client, server] = outcome.wire;
    let client: Vec<_> = client.iter().map(|w| records(w)).collect();
    let server: Vec<_> = server.iter().map(|w| records(w)).collect();
    assert_eq!(client[..2], [vec![22], vec![22, 20, 22]]);
    assert_eq!(server[1], [20, 22], "change_cipher_spec and Finished");
    let [line] = outcome.secrets.try_into().unwrap();
    assert!(line.starts_with("CLIENT_RANDOM "));
}

#[test]
fn the_operating_systems_randomness_never_repeats() {
    let system = || Case {
        system: true,
        ..Case::default()
    };
    let (one, two) = (system().run(), system().run());
    assert_eq!(one.client.unwrap().chain.len(), 2);
    assert_ne!(one.secrets, two.secrets);
}

#[test]
fn bad_certificates_are_refused_with_an_alert() {
    // TLS 1.2 shows the alert on the wire: level fatal, description (RFC 5246 §7.2).
    let alert = |description| vec![21, 3, 3, 0, 2, 2, description];
    let name = Case {
        server_name: "other-app.com",
        ..Case::tls12()
    };
    let (failure, wire, server) = name.refusal();
    assert_eq!(failure.error, "the certificate is not for other-app.com");
    let refused = failure.refused.unwrap();
    assert_eq!(refused.error, failure.error);
    let subjects: Vec<_> = refused.chain.iter().map(|c| c.subject.as_str()).collect();
    assert_eq!(subjects, ["your-app.com", "Tunlab Intermediate X1"]);
    assert_eq!(wire, alert(42));
    assert_eq!(server, "received fatal alert: BadCertificate");

    let old = Case {
        certificate: "old",
        ..Case::tls12()
    };
    let (failure, wire, _) = old.refusal();
    assert_eq!(
        failure.error,
        "a certificate expired at 2025-11-04T00:00:00Z; it is 2025-11-05T00:00:00Z"
    );
    assert_eq!(wire, alert(45));

    let early = Case {
        date: UnixSeconds::from_ymd(2023, 12, 31),
        ..Case::tls12()
    };
    let (failure, wire, _) = early.refusal();
    assert_eq!(
        failure.error,
        "a certificate is valid from 2024-01-01T00:00:00Z on; it is 2023-12-31T00:00:00Z"
    );
    assert_eq!(wire, alert(45));

    let stranger = Case {
        trust: vec!["other-root"],
        ..Case::tls12()
    };
    let (failure, wire, server) = stranger.refusal();
    assert_eq!(failure.error, "no trusted authority issued the certificate");
    assert_eq!(wire, alert(48));
    assert_eq!(server, "received fatal alert: UnknownCA");
}

#[test]
fn in_tls_1_3_the_alert_is_encrypted() {
    let case = Case {
        certificate: "old",
        ..Case::default()
    };
    let (failure, wire, server) = case.refusal();
    assert_eq!(failure.refused.unwrap().chain.len(), 2);
    // change_cipher_spec; a record of alert, content type and tag (2 + 1 + 16 bytes)
    assert_eq!(records(&wire), [20, 23]);
    assert_eq!(wire.len(), 6 + 5 + 19);
    assert_eq!(server, "received fatal alert: CertificateExpired");
}

#[test]
fn the_anchor_is_the_root_that_accepts_alone() {
    let case = Case {
        trust: vec!["other-root", "lab-root"],
        ..Case::default()
    };
    assert_eq!(case.run().client.unwrap().anchor, "Tunlab Root R1");
}

#[test]
fn no_common_version_fails_on_both_sides() {
    let case = Case {
        client: vec![Version::Tls12],
        server: vec![Version::Tls13],
        ..Case::default()
    };
    let (failure, _, server) = case.refusal();
    assert_eq!(failure.refused, None, "certificates were not the reason");
    assert_eq!(failure.error, "received fatal alert: ProtocolVersion");
    assert_eq!(server, "no version in common");
}

#[test]
fn a_setup_names_what_is_missing() {
    let clock = Clock::new(DATE);
    let pki = Pki::build(&spec(), Seed(1)).unwrap();
    let setup = |trust: &[&str], versions: &[Version]| {
        let tls = ClientTls {
            versions: versions.to_vec(),
            trust: trust.iter().map(|t| (*t).to_owned()).collect(),
            ..ClientTls::default()
        };
        let setup = ClientSetup::new(&tls, &pki, &clock, &Secrets::default());
        setup.unwrap_err().to_string()
    };
    assert_eq!(
        setup(&["nobody"], &[Version::Tls13]),
        "no authority is called `nobody`"
    );
    assert_eq!(setup(&[], &[Version::Tls13]), "no authority is trusted");
    assert_eq!(setup(&["lab-root"], &[]), "no version of TLS is allowed");
}

#[test]
fn modelled_time_passes_where_it_should() {
    let ms = Duration::from_millis;
    let takes = (
        ClientTakes {
            wait: ms(1000),
            finish: ms(7),
        },
        ServerTakes {
            hello: ms(30),
            finish: ms(10),
        },
    );
    // 1.3: 30 ms for the ServerHello, 7 ms for the client's Finished; the server's finish counts in 1.2 only
    let outcome = Case {
        takes,
        ..Case::default()
    }
    .run();
    assert_eq!(outcome.at, [37, 37]);
    let outcome = Case {
        takes,
        ..Case::tls12()
    }
    .run();
    assert_eq!(outcome.at, [47, 47]);
}

/// What a connection has that a seed must rule.
#[derive(Debug, PartialEq, Eq)]
struct Spoken {
    group: String,
    writes: Vec<(Side, Vec<u8>)>,
    secrets: Vec<String>,
}

/// A connection whose server speaks one group and one version only. In TLS 1.3 the client's first key shares are for
/// X25519MLKEM768 and X25519, so that the others take a HelloRetryRequest.
fn with_group(group: Group, version: Version) -> Spoken {
    let pki = Pki::build(&spec(), Seed(1)).unwrap();
    let clock = Clock::new(DATE);
    let secrets = Secrets::default();
    let tls = ClientTls {
        versions: vec![version],
        trust: vec!["lab-root".into()],
        groups: Group::WORDS.map(|(_, group)| group).to_vec(),
        ..ClientTls::default()
    };
    let client = ClientSetup::new(&tls, &pki, &clock, &secrets).unwrap();
    let tls = ServerTls {
        versions: vec![version],
        groups: vec![group],
        ..ServerTls::new("your-app")
    };
    let server_setup = ServerSetup::new(&tls, "server:443", &pki, &clock, &secrets).unwrap();
    let writes = Writes::default();
    let (a, b) = duplex(64 * 1024);
    let a = Tapped(a, Side::Client, writes.clone());
    let b = Tapped(b, Side::Server, writes.clone());
    let random = |name| Randomness::seeded(Seed(1).stream(name));
    let (up, _) = run(
        &clock,
        connect(&client, "your-app.com", a, random("client"), &clock),
        accept(&server_setup, b, random("server"), &clock),
    );
    let writes = writes.lock().unwrap().clone();
    Spoken {
        group: up.unwrap().facts.group.unwrap(),
        writes,
        secrets: secrets.drain(),
    }
}

#[test]
fn every_group_is_deterministic_in_both_versions() {
    for (name, group) in Group::WORDS {
        for version in [Version::Tls12, Version::Tls13] {
            if (version, group) == (Version::Tls12, Group::X25519MlKem768) {
                continue;
            }
            let once = with_group(group, version);
            assert_eq!(once.group, name);
            assert_eq!(once, with_group(group, version));
        }
    }
}

/// One client and one server, several connections: whatever kinds of randomness the two sides have, they understand
/// each other, and none is resumed.
#[test]
fn no_session_is_resumed_and_each_side_has_its_own_kind_of_randomness() {
    for version in [Version::Tls12, Version::Tls13] {
        let clock = Clock::new(DATE);
        let secrets = Secrets::default();
        let pki = Pki::build(&spec(), Seed(1)).unwrap();
        let (client, server) = Case {
            client: vec![version],
            ..Case::default()
        }
        .setups(&pki, &clock, &secrets);
        let mut hello_bytes = Vec::new();
        for (n, [client_seeded, server_seeded]) in
            [[true, true], [true, true], [true, false], [false, true]]
                .into_iter()
                .enumerate()
        {
            let kind = |seeded, side: &str| match seeded {
                true => Randomness::seeded(Seed(1).stream(format_args!("{side}/{n}"))),
                false => Randomness::System,
            };
            let writes = Writes::default();
            let (a, b) = duplex(64 * 1024);
            let a = Tapped(a, Side::Client, writes.clone());
            let (up, _) = run(
                &clock,
                async {
                    let random = kind(client_seeded, "client");
                    let up = connect(&client, "your-app.com", a, random, &clock).await;
                    let mut up = up.unwrap();
                    // the server's tickets are in what is read here
                    let mut rest = Vec::new();
                    up.stream.read_to_end(&mut rest).await.unwrap();
                    up.facts
                },
                async {
                    let random = kind(server_seeded, "server");
                    let up = accept(&server, b, random, &clock).await;
                    up.unwrap().stream.shutdown().await.unwrap();
                },
            );
            assert_eq!(up.chain.len(), 2);
            assert_eq!(up.anchor, "Tunlab Root R1");
            let hello = &writes.lock().unwrap()[0].1;
            // No session_ticket extension, which is empty where a client asks for a ticket (RFC 5077 §3.2).
            assert!(!hello.windows(4).any(|w| w == [0, 35, 0, 0]));
            // A client that offers a session does so in a longer ClientHello (RFC 8446 §4.2.11, RFC 5246 §7.4.1.2).
            hello_bytes.push(hello.len());
        }
        // The last is another provider's, which offers the same.
        let first = hello_bytes[0];
        assert_eq!(hello_bytes, [first; 4]);
    }
}
