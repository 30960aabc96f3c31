//! Wall time of the main lab: the whole process with its captures and report, the run in memory, and reading the lab.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench measures wall time and prints"
)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use tunlab::lab;
use tunlab::run::Run;
use tunlab::world::Ended;

const LAB: &str = "https-through-alb";
const SEED: u64 = 1;

/// Measures `round`. Gives the name, and the median and the least time of a round.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &'static str,
    mut round: impl FnMut(),
) -> (&'static str, Duration, Duration) {
    let mut times = Vec::new();
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                let start = Instant::now();
                round();
                let took = start.elapsed();
                times.push(took);
                total += took;
            }
            total
        });
    });
    times.sort_unstable();
    let (median, least) = (times.get(times.len() / 2), times.first());
    let or_zero = |time: Option<&Duration>| time.copied().unwrap_or_default();
    (name, or_zero(median), or_zero(least))
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let mut group = criterion.benchmark_group("lab");
    let folder = tempfile::tempdir().unwrap();
    let mut runs = 0;
    let plan = lab::load(LAB).unwrap();
    let summary = [
        measure(&mut group, "process", || {
            // A folder of its own for each: some file systems write a file out before another is renamed over it.
            runs += 1;
            let status = Command::new(env!("CARGO_BIN_EXE_tunlab"))
                .args(["run", LAB, "--out"])
                .arg(folder.path().join(runs.to_string()))
                .stdout(Stdio::null())
                .status();
            assert!(status.unwrap().success());
        }),
        measure(&mut group, "run", || {
            let outcome = Run::new(&plan, SEED).execute().unwrap();
            assert_eq!(outcome.end, Ended::Quiet);
        }),
        measure(&mut group, "load", || drop(lab::load(LAB).unwrap())),
    ];
    group.finish();
    println!("\n{LAB}   median ms   least ms");
    for (name, median, least) in summary {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (median, least) = (ms(median), ms(least));
        println!("{name:<17}   {median:>9.3}   {least:>8.3}");
    }
    criterion.final_summary();
}
