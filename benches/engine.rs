//! Cost per link crossing and memory per connection, with 10 to 100 000 connections open at once. Four users, a
//! router and a server; each connection asks 100 bytes of the server once a second of virtual time and gets them
//! back. The figures to read are the ratios in the summary at the end: they come from one run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench measures wall time and prints"
)]

use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunlab::stack::TcpOptions;
use tunlab::world::World;

#[path = "../tests/it/support.rs"]
#[allow(unreachable_pub, reason = "shared with the tests")]
mod support;

const COUNTS: [usize; 4] = [10, 1_000, 10_000, 100_000];
const SECOND: Duration = Duration::from_secs(1);

/// Resident memory in bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// `count` open connections that go on asking for ever.
fn open(count: usize) -> (World, Duration) {
    let tcp = TcpOptions {
        receive_buffer: 2_048,
        send_buffer: 2_048,
        ..TcpOptions::default()
    };
    let mut world = support::silent_world(support::star(4, Duration::from_millis(9)), tcp);
    let server = world.host(support::STAR_SERVER);
    let executor = world.executor().clone();
    world.executor().spawn(async move {
        let listener = server.listen(443, 4_096).unwrap();
        loop {
            let mut stream = listener.accept().await;
            executor.spawn(async move {
                let mut buffer = [0; 128];
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..n]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let connected = Rc::new(Cell::new(0));
    // New connections come evenly over a second of virtual time.
    let step = SECOND / u32::try_from(count).unwrap();
    for n in 0..count {
        let user = world.host(support::STAR_SERVER + 2 + n % 4);
        let (clock, connected) = (world.clock().clone(), connected.clone());
        world.executor().spawn_foreground(async move {
            clock.sleep(step * n as u32).await;
            let mut stream = user.connect(support::at(443)).unwrap().await.unwrap();
            connected.set(connected.get() + 1);
            let mut buffer = [0; 100];
            loop {
                stream.write_all(&[1; 100]).await.unwrap();
                stream.read_exact(&mut buffer).await.unwrap();
                clock.sleep(SECOND).await;
            }
        });
    }
    let now = 2 * SECOND;
    world.run(now);
    assert_eq!(connected.get(), count);
    (world, now)
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let mut group = criterion.benchmark_group("engine");
    let mut summary = Vec::new();
    for count in COUNTS {
        let before = resident();
        let (mut world, mut now) = open(count);
        let memory = resident().saturating_sub(before) / count as u64;
        // A round: every connection asks once. Measured once beforehand for criterion's throughput.
        let crossings = world.totals().crossings;
        now += SECOND;
        world.run(now);
        let crossings = world.totals().crossings - crossings;
        group.throughput(Throughput::Elements(crossings));
        let mut best = f64::INFINITY;
        group.bench_with_input(
            BenchmarkId::new("link_crossings", count),
            &count,
            |bencher, _| {
                bencher.iter_custom(|rounds| {
                    let crossed = world.totals().crossings;
                    let start = Instant::now();
                    for _ in 0..rounds {
                        now += SECOND;
                        world.run(now);
                    }
                    let elapsed = start.elapsed();
                    let crossed = world.totals().crossings - crossed;
                    best = best.min(elapsed.as_nanos() as f64 / crossed as f64);
                    elapsed
                });
            },
        );
        summary.push((count, best, memory));
    }
    group.finish();
    println!(
        "\nconnections   ns per link crossing   bytes per connection (both ends, tasks included)"
    );
    for (count, nanos, memory) in &summary {
        println!("{count:>11}   {nanos:>20.0}   {memory:>20}");
    }
    let cost = |count| summary.iter().find(|s| s.0 == count).map(|s| s.1).unwrap();
    println!("ratio 100 000 : 1 000 = {:.2}", cost(100_000) / cost(1_000));
    criterion.final_summary();
}
