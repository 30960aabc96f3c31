//! `tunlab run --both`: one lab in virtual time and on TUN devices, and what differs.

use std::io;
use std::path::PathBuf;

use super::{Arguments, Format, Judged, Problem, Told, files_line, layout};
use crate::cli::Colour;
use crate::cli::exit::Exit;
use crate::lab::plan::Plan;
use crate::report::worlds::{self, Comparison};
use crate::report::{junit, refusal, terminal};
use crate::run::Run;

pub(super) fn run(
    arguments: &Arguments,
    plan: &Plan,
    colour: Colour,
    told: &mut Told,
) -> Result<Exit, Problem> {
    // TUN devices first: whether they are allowed is known at once, and nothing is printed in vain.
    let on_tun = Run::new(plan, arguments.seed)
        .on_devices()
        .within(arguments.tolerance());
    let on_tun = Judged::make(arguments, plan, on_tun, &tun_folder(arguments, plan))?;
    let in_virtual = Run::new(plan, arguments.seed);
    let in_virtual = Judged::make(arguments, plan, in_virtual, &arguments.out.join(&plan.name))?;
    told.refusals
        .extend(refusal::refusals(&in_virtual.outcome.record(plan)));
    let comparison = worlds::compare(
        &in_virtual.outcome.record(plan),
        &on_tun.outcome.record(plan),
    );
    match arguments.format {
        Format::Text => {
            let out = arguments.report();
            for judged in [&in_virtual, &on_tun] {
                let record = judged.outcome.record(plan);
                let layout = layout(arguments, colour, &out);
                let report = match judged.exit() {
                    // The ladder of one world is that of both: what differs comes below.
                    Exit::Met => terminal::summary(&record, &judged.findings, layout),
                    Exit::NotMet | Exit::CouldNotRun => {
                        terminal::render(&record, &judged.findings, layout)
                    }
                };
                out.print(&format!("{report}{}\n", files_line(plan, judged)))?;
            }
            out.print(&worlds::render(&comparison))?;
        }
        Format::Json => {
            let all = serde_json::to_string_pretty(&comparison).map_err(io::Error::other)?;
            let out = arguments.report();
            out.print(&format!("{}\n{}\n{all}\n", in_virtual.json, on_tun.json))?;
        }
        Format::Junit => {
            told.suites.push(in_virtual.suite(plan));
            let tun = on_tun.suite(plan).named(format!("{}.tun", plan.name));
            told.suites.push(with_comparison(tun, &comparison));
        }
    }
    let worlds = if comparison.agrees() {
        Exit::Met
    } else {
        Exit::NotMet
    };
    Ok(in_virtual.exit().max(on_tun.exit()).max(worlds))
}

/// Beside the folder of the run in virtual time.
fn tun_folder(arguments: &Arguments, plan: &Plan) -> PathBuf {
    arguments.out.join(format!("{}.tun", plan.name))
}

fn with_comparison(suite: junit::Suite, comparison: &Comparison) -> junit::Suite {
    let real = comparison.differences.iter().filter(|d| !d.only_acks);
    let real: Vec<String> = real.map(worlds::Difference::line).collect();
    let acks = comparison.differences.iter().filter(|d| d.only_acks);
    suite.with_case(
        "the packets are those of the run in virtual time",
        (!real.is_empty()).then(|| real.join("\n")),
        acks.map(worlds::Difference::line).collect(),
    )
}
