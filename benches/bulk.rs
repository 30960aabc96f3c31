//! Goodput of one transfer user → ALB → app in memory: two TCP connections over links that take no time, the ALB
//! relaying bytes, with and without TLS between user and ALB. Beside it rustls alone, encrypting and decrypting on the
//! same core. The figures to read are the ratios in the summary at the end: they come from one run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench measures wall time and prints"
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tunlab::event::Trace;
use tunlab::rng::Seed;
use tunlab::stack::TcpOptions;
use tunlab::time::UnixSeconds;
use tunlab::tls::authority::Pki;
use tunlab::tls::client::{self, ClientSetup};
use tunlab::tls::config::{AuthoritySpec, CertificateSpec, ClientTls, PkiSpec, ServerTls, Version};
use tunlab::tls::key_log::Secrets;
use tunlab::tls::random::Randomness;
use tunlab::tls::server::{self, ServerSetup};
use tunlab::world::{Ended, World, WorldConfig};

#[path = "../tests/it/support.rs"]
#[allow(unreachable_pub, reason = "shared with the tests")]
mod support;

/// Bytes of one transfer.
const TRANSFER: usize = 64 << 20;
/// Bytes of a TCP buffer.
const BUFFER: usize = 256 << 10;
/// Bytes that the programs read and write at a time.
const PIECE: usize = 64 << 10;
/// Bytes of plaintext in the largest record (RFC 8446 §5.1).
const RECORD: usize = 16 << 10;
/// MTU, and whether the stacks compute and check TCP checksums: nobody looks at these packets.
const NETWORKS: [(usize, bool); 3] = [(1_500, true), (9_000, true), (9_000, false)];
const SUITE: &str = "TLS_AES_256_GCM_SHA384";
const NAME: &str = "app.example.com";
const SEED: Seed = Seed(1);

fn pki() -> Pki {
    let validity = (
        UnixSeconds::from_ymd(2020, 1, 1),
        UnixSeconds::from_ymd(2049, 12, 31),
    );
    let spec = PkiSpec {
        authorities: vec![AuthoritySpec::new("root", "Root", "Intermediate", validity)],
        certificates: vec![CertificateSpec::new(
            "app",
            "root",
            vec![NAME.into()],
            validity,
        )],
    };
    Pki::build(&spec, SEED).unwrap()
}

/// Both sides of TLS between user and ALB.
struct Tls {
    client: ClientSetup,
    server: ServerSetup,
}

impl Tls {
    fn new(pki: &Pki, world: &World) -> Self {
        let (clock, secrets) = (world.clock(), Secrets::default());
        let client = ClientTls {
            versions: vec![Version::Tls13],
            trust: vec!["root".into()],
            ..ClientTls::default()
        };
        let server = ServerTls {
            versions: vec![Version::Tls13],
            ..ServerTls::new("app")
        };
        Self {
            client: ClientSetup::new(&client, pki, clock, &secrets).unwrap(),
            server: ServerSetup::new(&server, "server:443", pki, clock, &secrets).unwrap(),
        }
    }
}

/// Writes [`TRANSFER`] bytes, and no more.
async fn send(mut stream: impl AsyncWrite + Unpin) {
    let piece = vec![0x5a; PIECE];
    for _ in 0..TRANSFER / PIECE {
        stream.write_all(&piece).await.unwrap();
    }
    stream.shutdown().await.unwrap();
}

/// Hands on what comes until there is no more.
async fn relay(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut piece = vec![0; PIECE];
    while let n @ 1.. = from.read(&mut piece).await.unwrap() {
        to.write_all(&piece[..n]).await.unwrap();
    }
    to.shutdown().await.unwrap();
}

/// One transfer, from the first SYN to the last FIN. Gives the wall time it took.
fn transfer(mtu: usize, checksums: bool, pki: Option<&Pki>) -> Duration {
    let tcp = TcpOptions {
        receive_buffer: BUFFER,
        send_buffer: BUFFER,
        ..TcpOptions::default()
    };
    let mut world = World::new(WorldConfig {
        topology: support::chain(mtu),
        epoch: UnixSeconds::from_ymd(2025, 11, 5),
        seed: SEED,
        entropy: SEED.into(),
        tcp,
        tcp_of: BTreeMap::new(),
        checksums,
        offload: false,
        trace: Trace::default(),
    });
    let (user, alb, app) = (world.host(0), world.host(1), world.host(2));
    let tls = pki.map(|pki| Rc::new(Tls::new(pki, &world)));
    let received = Rc::new(Cell::new(0));

    let count = received.clone();
    world.executor().spawn_foreground(async move {
        let mut stream = app.listen(8_080, 16).unwrap().accept().await;
        let mut piece = vec![0; PIECE];
        while let n @ 1.. = stream.read(&mut piece).await.unwrap() {
            count.set(count.get() + n);
        }
    });
    let (setup, clock) = (tls.clone(), world.clock().clone());
    world.executor().spawn_foreground(async move {
        let stream = alb.listen(443, 16).unwrap().accept().await;
        let target = alb.connect(support::at(8_080)).unwrap().await.unwrap();
        match setup {
            None => relay(stream, target).await,
            Some(tls) => {
                let randomness = Randomness::seeded(SEED.stream("alb"));
                let agreed = server::accept(&tls.server, stream, randomness, &clock).await;
                relay(agreed.unwrap().stream, target).await;
            }
        }
    });
    let clock = world.clock().clone();
    world.executor().spawn_foreground(async move {
        let stream = user.connect((support::MIDDLE, 443).into()).unwrap();
        let stream = stream.await.unwrap();
        match tls {
            None => send(stream).await,
            Some(tls) => {
                let randomness = Randomness::seeded(SEED.stream("user"));
                let agreed = client::connect(&tls.client, NAME, stream, randomness, &clock).await;
                let agreed = agreed.unwrap();
                assert_eq!(agreed.facts.suite, SUITE);
                send(agreed.stream).await;
            }
        }
    });
    let start = Instant::now();
    let ended = world.run(Duration::from_secs(60));
    let elapsed = start.elapsed();
    assert_eq!((ended, received.get()), (Ended::Quiet, TRANSFER));
    elapsed
}

/// rustls without any network: a client and a server that have shaken hands.
struct Alone {
    client: ClientConnection,
    server: ServerConnection,
}

impl Alone {
    fn new(pki: &Pki) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = [&rustls::version::TLS13];
        let mut roots = RootCertStore::empty();
        roots.add(pki.root("root").unwrap().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let identity = pki.identity("app").unwrap();
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(identity.chain().to_vec(), identity.key())
            .unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        let suite = client.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(format!("{suite:?}").replace("TLS13_", "TLS_"), SUITE);
        Self { client, server }
    }

    /// Encrypts and decrypts [`TRANSFER`] bytes in full records. Gives the wall time it took.
    fn transfer(&mut self) -> Duration {
        let (data, mut back) = (vec![0x5a; RECORD], vec![0; RECORD]);
        let mut wire = Vec::with_capacity(2 * RECORD);
        let start = Instant::now();
        for _ in 0..TRANSFER / RECORD {
            self.client.writer().write_all(&data).unwrap();
            wire.clear();
            while self.client.wants_write() {
                self.client.write_tls(&mut wire).unwrap();
            }
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                self.server.read_tls(&mut rest).unwrap();
                self.server.process_new_packets().unwrap();
            }
            self.server.reader().read_exact(&mut back).unwrap();
        }
        let elapsed = start.elapsed();
        assert_eq!(back, data);
        elapsed
    }
}

/// Measures `transfer`. Gives the best goodput seen, in Gbit/s.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    mut transfer: impl FnMut() -> Duration,
) -> f64 {
    let mut best = Duration::MAX;
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                let took = transfer();
                best = best.min(took);
                total += took;
            }
            total
        });
    });
    (TRANSFER * 8) as f64 / best.as_nanos() as f64
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let mut group = criterion.benchmark_group("bulk");
    group.throughput(Throughput::Bytes(TRANSFER as u64));
    let pki = pki();
    let mut alone = Alone::new(&pki);
    let rustls = measure(&mut group, BenchmarkId::new("rustls_alone", RECORD), || {
        alone.transfer()
    });
    let mut summary = vec![("rustls alone".to_owned(), rustls)];
    for (mtu, checksums) in NETWORKS {
        for (kind, pki) in [("plain", None), ("tls", Some(&pki))] {
            let unchecked = if checksums { "" } else { ", no checksums" };
            let id = BenchmarkId::new(kind, format!("{mtu}{unchecked}"));
            let goodput = measure(&mut group, id, || transfer(mtu, checksums, pki));
            summary.push((format!("{kind}, MTU {mtu}{unchecked}"), goodput));
        }
    }
    group.finish();
    println!("\nuser → ALB → app                 Gbit/s   of rustls alone");
    for (what, goodput) in &summary {
        println!("{what:<31} {goodput:>7.2}   {:>15.2}", goodput / rustls);
    }
    criterion.final_summary();
}
