//! The `tunlab` command.
fn main() {
    let plan = tunlab::lab::load(
        &std::env::args()
            .nth(1)
            .unwrap_or("https-through-alb".into()),
    )
    .unwrap();
    let outcome = tunlab::run::Run::new(&plan, 1).execute().unwrap();
    let record = outcome.record(&plan);
    let findings = tunlab::expect::judge(&record);
    println!(
        "{}",
        tunlab::report::terminal::render(
            &record,
            &findings,
            tunlab::report::terminal::Layout {
                width: 110,
                all: true,
                paint: tunlab::report::Paint::Plain
            }
        )
    );
    println!("{:?} {:#?}", outcome.end, outcome.secrets);
}
