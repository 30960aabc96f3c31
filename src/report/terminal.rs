//! The whole report for a terminal, and the plain ladder that is kept as a golden file.

use super::findings::{self, verdict};
use super::health;
use super::ladder::{Ladder, WIDTH_MIN};
use super::paint::{Paint, Tone};
use super::refusal;
use super::rows::Row;
use super::text::{millis, plural, squeeze, width, wrap};
use super::{timeline, who_reads};
use crate::dissect::message::{Message, TlsKind};
use crate::expect::{Finding, Record};
use crate::lab::plan::Place;
use crate::units::show_duration;

/// How to show a run.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Columns of the terminal. Below 80 it is laid out for 80.
    pub width: usize,
    /// Whether pure ACKs are shown too.
    pub all: bool,
    /// Colour or none.
    pub paint: Paint,
}

/// Columns of the golden ladder.
const GOLDEN_WIDTH: usize = 100;

/// The whole: headline, ladder, what was lost, timeline, findings, verdict. Ends with a line end.
#[must_use]
pub fn render(record: &Record<'_>, findings: &[Finding], layout: Layout) -> String {
    let Layout { width, all, paint } = layout;
    let ladder = Ladder::new(record, width);
    let seed = format!("seed {}", record.seed);
    let mut lines = headline(record, width, Some(&seed), paint);
    lines.push(String::new());
    lines.extend(ladder.render(all, paint));
    lines.extend(lost(&ladder, width, paint));
    let columns = width.max(WIDTH_MIN);
    for block in [
        timeline::render(record, width, paint),
        health::render(record, columns, paint),
        refusal::block(record, columns, paint),
        who_reads::render(record, width, paint),
        findings::render(record, findings, width, paint),
    ] {
        if !block.is_empty() {
            lines.push(String::new());
            lines.extend(block);
        }
    }
    lines.push(String::new());
    lines.push(last_line(record, findings, paint));
    finish(&lines)
}

/// Headline and verdict, without what is between. Ends with a line end.
#[must_use]
pub fn summary(record: &Record<'_>, findings: &[Finding], layout: Layout) -> String {
    let Layout { width, paint, .. } = layout;
    let seed = format!("seed {}", record.seed);
    let mut lines = headline(record, width, Some(&seed), paint);
    lines.push(last_line(record, findings, paint));
    finish(&lines)
}

/// The ladder alone, every packet, 100 columns, without colour and without the seed: the golden text of a lab.
#[must_use]
pub fn ladder_text(record: &Record<'_>) -> String {
    let ladder = Ladder::new(record, GOLDEN_WIDTH);
    let mut lines = headline(record, GOLDEN_WIDTH, None, Paint::Plain);
    lines.push(String::new());
    lines.extend(ladder.render(true, Paint::Plain));
    lines.extend(lost(&ladder, GOLDEN_WIDTH, Paint::Plain));
    finish(&lines)
}

/// Without spaces at line ends, which editors and Git dislike.
fn finish(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn headline(record: &Record<'_>, columns: usize, seed: Option<&str>, paint: Paint) -> Vec<String> {
    let mut facts: Vec<String> = seed.map(String::from).into_iter().collect();
    facts.push(match record.place {
        Place::Virtual => "virtual time".into(),
        Place::Devices => format!(
            "TUN devices, wall clock, times within ±{}",
            show_duration(record.tolerance)
        ),
    });
    facts.extend(tls_version(record));
    let streams = record.frames.iter().filter_map(|f| f.stream).max();
    let connections = streams.map_or(0, |s| s + 1);
    facts.push(plural(connections, "TCP connection"));
    facts.push(plural(record.frames.len(), "packet"));
    let title = format!("tunlab run {}", record.plan.name);
    let facts = facts.join(" · ");
    let one = format!("{title}   {facts}");
    if width(&one) <= columns.max(WIDTH_MIN) {
        let title = paint.dip(Tone::Strong, &title);
        return vec![format!("{title}   {facts}")];
    }
    let columns = columns.max(WIDTH_MIN);
    vec![
        paint.dip(Tone::Strong, &squeeze(&title, columns)),
        squeeze(&facts, columns),
    ]
}

/// Of the first ServerHello.
pub(super) fn tls_version(record: &Record<'_>) -> Option<String> {
    let mut messages = record.frames.iter().flat_map(|f| &f.messages);
    messages.find_map(|m| {
        let Message::Tls(t) = m else { return None };
        let TlsKind::ServerHello { version, .. } = &t.kind else {
            return None;
        };
        Some(version.clone())
    })
}

/// Losses with their causes; of many, those alike in one line, so that the one that differs is seen.
fn lost(ladder: &Ladder<'_>, columns: usize, paint: Paint) -> Vec<String> {
    const SHOWN: usize = 8;
    let number = |row: &Row<'_>| {
        if row.in_main {
            format!("#{}", row.frame.number)
        } else {
            "–".into()
        }
    };
    let losses = ladder.troubled().filter_map(|row| {
        let (cause, link) = row.lost.as_ref()?;
        let on = link.as_ref().map(|l| format!(" ({l})")).unwrap_or_default();
        Some((row, format!("{cause}{on}")))
    });
    let all: Vec<(&Row<'_>, String)> = losses.collect();
    let many = all.len() > SHOWN;
    // In the order of the first of each, and how many there are of it.
    let mut kinds: Vec<(&Row<'_>, &str, usize)> = Vec::new();
    for (row, why) in &all {
        let alike = |k: &&mut (&Row<'_>, &str, usize)| {
            many && k.0.label.title == row.label.title && k.1 == why
        };
        match kinds.iter_mut().find(alike) {
            Some((.., count)) => *count += 1,
            None => kinds.push((row, why, 1)),
        }
    }
    let line = |(row, why, count): &(&Row<'_>, &str, usize)| {
        let text = match count {
            1 => format!("  ✕ {} {}: {why}", number(row), row.label),
            _ => format!(
                "  ✕ {} {} (and {} more): {why}",
                number(row),
                row.label.title,
                count - 1
            ),
        };
        // Whole, as the name of the place stands in it: further lines begin under the number.
        let room = columns.max(WIDTH_MIN) - 4;
        let parts = wrap(text.trim_start(), room).into_iter().enumerate();
        parts.map(move |(index, part)| {
            let indent = if index == 0 { "  " } else { "    " };
            paint.dip(Tone::Bad, &format!("{indent}{part}"))
        })
    };
    let mut lines: Vec<String> = kinds.iter().take(SHOWN).flat_map(line).collect();
    if kinds.len() > SHOWN {
        let rest: usize = kinds[SHOWN..].iter().map(|(.., count)| count).sum();
        lines.push(format!("  ✕ and {rest} more"));
    }
    lines
}

fn last_line(record: &Record<'_>, findings: &[Finding], paint: Paint) -> String {
    let mut parts = Vec::new();
    if !findings.is_empty() {
        parts.push(format!("{}.", verdict(findings, paint)));
    }
    // The timeline is that of the first request.
    let (asked, answered) = timeline::requests(record);
    let what = if asked > 1 {
        "the first request"
    } else {
        "total"
    };
    match timeline::total(record) {
        Some((total, Some(text))) => parts.push(format!(
            "{what} {} ms   (the text: {} ms)",
            millis(total),
            millis(text)
        )),
        Some((total, None)) => parts.push(format!("{what} {} ms", millis(total))),
        None if asked > 1 => parts.push("the first request was not answered".into()),
        None if asked == 1 && answered == 0 => parts.push("the request was not answered".into()),
        // Bytes as they are, or nothing, is no request.
        None => {}
    }
    format!("  {}", parts.join("   "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DropCause;
    use crate::expect::{fixture, judge};

    fn report(run: &fixture::Run, width: usize, all: bool, paint: Paint) -> String {
        let record = run.record();
        render(&record, &judge(&record), Layout { width, all, paint })
    }

    /// The part before the timeline.
    fn upper(report: &str) -> String {
        format!("\n{}", &report[..report.find("\n\n  phase").unwrap() + 1])
    }

    fn disturbed() -> fixture::Run {
        let mut run = fixture::main_lab();
        run.lose(6, DropCause::DropNth(1));
        run.lose(8, DropCause::Loss);
        run
    }

    #[test]
    fn eighty_columns() {
        let text = report(&fixture::main_lab(), 80, false, Paint::Plain);
        assert_eq!(upper(&text), LADDER_80);
    }

    #[test]
    fn a_golden_ladder_has_a_hundred_columns_and_every_packet() {
        let text = ladder_text(&fixture::main_lab().record());
        assert_eq!(format!("\n{text}"), LADDER_100);
    }

    #[test]
    fn a_hundred_and_twenty_columns_with_losses() {
        let text = report(&disturbed(), 120, false, Paint::Plain);
        assert_eq!(upper(&text), LADDER_120);
    }

    #[test]
    fn of_many_losses_the_one_that_differs_is_seen() {
        let mut run = fixture::main_lab();
        // From the back: what never reaches the main capture moves the numbers behind it.
        run.lose(28, DropCause::SynQueueFull);
        for number in [15, 13, 12, 11, 7, 5, 4, 3] {
            run.lose(number, DropCause::Loss);
        }
        let text = report(&run, 120, false, Paint::Plain);
        let crosses: Vec<&str> = text.lines().filter(|l| l.starts_with("  ✕")).collect();
        assert!(
            crosses
                .iter()
                .any(|l| l.contains(" SYN (and 1 more): lost")),
            "{crosses:#?}"
        );
        let full = DropCause::SynQueueFull.to_string();
        assert!(crosses.iter().any(|l| l.contains(&full)), "{crosses:#?}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for run in [fixture::main_lab(), disturbed()] {
            for columns in 80..180 {
                for line in report(&run, columns, true, Paint::Plain).lines() {
                    assert!(width(line) <= columns, "{columns}: {line}");
                    assert_eq!(line.trim_end(), line);
                }
            }
            let narrow = report(&run, 20, true, Paint::Plain);
            assert_eq!(narrow, report(&run, 80, true, Paint::Plain));
        }
    }

    #[test]
    fn colour_adds_escapes_and_nothing_else() {
        let run = disturbed();
        let colour = report(&run, 100, false, Paint::Colour);
        let mut plain = String::new();
        let mut rest = colour.as_str();
        while let Some(start) = rest.find('\u{1b}') {
            plain.push_str(&rest[..start]);
            let end = rest[start..].find('m').unwrap();
            rest = &rest[start + end + 1..];
        }
        plain.push_str(rest);
        let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
        let expected = report(&run, 100, false, Paint::Plain);
        assert_eq!(trimmed, expected.lines().collect::<Vec<_>>());
        assert!(colour.len() > plain.len());
    }

    #[test]
    fn a_broken_expectation_shows_its_packets_and_how_to_play_it_again() {
        let text = report(&disturbed(), 100, false, Paint::Plain);
        let at = text.find("  FAIL  clean").unwrap();
        assert_eq!(format!("\n{}", &text[at..]), BROKEN);
    }

    #[test]
    fn a_run_on_tun_devices_says_so() {
        let mut run = disturbed();
        run.place = Place::Devices;
        run.tolerance = std::time::Duration::from_millis(25);
        let text = report(&run, 140, false, Paint::Plain);
        let head = "seed 1 · TUN devices, wall clock, times within ±25 ms · 2 TCP connections";
        assert!(text.lines().next().unwrap().contains(head), "{text}");
        assert!(text.contains("again: tunlab run https-through-alb --seed 1 --tun\n"));
    }

    #[test]
    fn a_run_without_packets_is_still_a_report() {
        let mut run = fixture::main_lab();
        run.frames.clear();
        run.taps.clear();
        run.events.clear();
        let text = report(&run, 80, false, Paint::Plain);
        assert!(text.contains("no packet was captured"));
        assert!(text.ends_with("1 of 18 expectations held.\n"));
    }

    #[test]
    fn more_nodes_than_columns_share_one() {
        let mut run = fixture::main_lab();
        let syn = run.frames[10].clone();
        for n in 0..40 {
            let mut other = syn.clone();
            other
                .destination
                .set_ip(std::net::Ipv4Addr::new(10, 9, 0, n).into());
            other.packet = crate::event::PacketId(100 + u64::from(n));
            other.number = 29 + usize::from(n);
            run.frames.push(other);
        }
        let text = report(&run, 80, false, Paint::Plain);
        assert!(text.lines().all(|l| width(l) <= 80));
        assert!(text.lines().any(|l| l.trim_end().ends_with("#68")));
    }

    const LADDER_80: &str = "
tunlab run https-through-alb
seed 1 · virtual time · TLS 1.3 · 2 TCP connections · 28 packets

 sent ms  resolver          user                   alb                 ec2-a no.
         1  DNS · where is your-app.com? · 20.0 ms
     0.0  ◀─ A your-app.com? ─┤                     │                      │ #1
    11.0  ├─ A 198.51.100.10 ─▶                     │                      │ #2
         2  TCP handshake user ⇄ alb · 20.0 ms, one round trip
    20.0  │                   ├──────── SYN ────────▶                      │ #3
    30.0  │                   ◀────── SYN, ACK ─────┤                      │ #4
    40.0  │                   ├──────── ACK ────────▶                      │ #5
         3  TLS 1.3 handshake · 22.0 ms, one round trip
    40.0  │                   ├─ ClientHello 517 B ─▶                      │ #6
    51.0  │                   ◀══ ServerHello + … ──┤                      │ #8
    62.0  │                   ├═══ Finished 80 B ═══▶                      │ #9
         4  HTTP request inside TLS · only user and alb hold the keys
    62.0  │                   ├ GET /noti…th/check ═▶                      │ #10
    72.0  │                   ◀══ NewSessionTicket ═┤                      │ #21
         5  A second TCP connection, alb ⇄ ec2-a · 2.0 ms, one round trip
    72.5  │                   │                     ├──────── SYN ─────────▶ #11
    73.5  │                   │                     ◀────── SYN, ACK ──────┤ #12
    74.5  │                   │                     ├──────── ACK ─────────▶ #13
         6  The same request, plain text · alb → ec2-a
    74.5  │                   │                     ├ GET /noti…lth/check ─▶ #14
    80.5  │                   │                     ◀─ HTTP 200 1/2 1448 B ┤ #16
    80.5  │                   │                     ◀─ HTTP 200 2/2 1358 B ┤ #17
    80.5  │                   │                     ◀────── FIN, ACK ──────┤ #18
    81.5  │                   │                     ├────── FIN, ACK ──────▶ #20
         7  Response encrypted again for user
    82.0  │                   ◀════ HTTP 200 1/2 ═══┤                      │ #24
    82.0  │                   ◀════ HTTP 200 2/2 ═══┤                      │ #25
    82.0  │                   ◀═ close_notify 24 B ═┤                      │ #26
    82.0  │                   ◀────── FIN, ACK ─────┤                      │ #27
    92.0  │                   ├───── FIN, ACK ──────▶                      │ #28

  ─── anyone on that hop can read it
  ═══ ciphertext to anyone without the keys
  ─ ═ begins readable, goes on encrypted
  5 pure ACKs hidden; --all shows them
";
    const LADDER_100: &str = "
tunlab run https-through-alb   virtual time · TLS 1.3 · 2 TCP connections · 28 packets

 sent ms  resolver          user                             alb                           ec2-a no.
         1  DNS · where is your-app.com? · 20.0 ms
     0.0  ◀─ A your-app.com? ─┤                               │                                │ #1
    11.0  ├─ A 198.51.100.10 ─▶                               │                                │ #2
         2  TCP handshake user ⇄ alb · 20.0 ms, one round trip
    20.0  │                   ├───────────── SYN ─────────────▶                                │ #3
    30.0  │                   ◀─────────── SYN, ACK ──────────┤                                │ #4
    40.0  │                   ├───────────── ACK ─────────────▶                                │ #5
         3  TLS 1.3 handshake · 22.0 ms, one round trip
    40.0  │                   ├────── ClientHello 517 B ──────▶                                │ #6
    50.0  │                   ◀───────────── ACK ─────────────┤                                │ #7
    51.0  │                   ◀════ ServerHello + … 1364 B ───┤                                │ #8
    62.0  │                   ├════════ Finished 80 B ════════▶                                │ #9
         4  HTTP request inside TLS · only user and alb hold the keys
    62.0  │                   ├ GET /notifi…alth/check 151 B ═▶                                │ #10
    72.0  │                   ◀════ NewSessionTicket 271 B ═══┤                                │ #21
         5  A second TCP connection, alb ⇄ ec2-a · 2.0 ms, one round trip
    72.5  │                   │                               ├───────────── SYN ──────────────▶ #11
    73.5  │                   │                               ◀─────────── SYN, ACK ───────────┤ #12
    74.5  │                   │                               ├───────────── ACK ──────────────▶ #13
         6  The same request, plain text · alb → ec2-a
    74.5  │                   │                               ├ GET /notifi…ealth/check 268 B ─▶ #14
    75.5  │                   │                               ◀────────────── ACK ─────────────┤ #15
    80.5  │                   │                               ◀────── HTTP 200 1/2 1448 B ─────┤ #16
    80.5  │                   │                               ◀────── HTTP 200 2/2 1358 B ─────┤ #17
    80.5  │                   │                               ◀─────────── FIN, ACK ───────────┤ #18
    81.5  │                   │                               ├───────────── ACK ──────────────▶ #19
    81.5  │                   │                               ├─────────── FIN, ACK ───────────▶ #20
         7  Response encrypted again for user
    82.0  │                   ◀═════ HTTP 200 1/2 1448 B ═════┤                                │ #24
    82.0  │                   ◀═════ HTTP 200 2/2 1380 B ═════┤                                │ #25
    82.0  │                   ◀══════ close_notify 24 B ══════┤                                │ #26
    82.0  │                   ◀─────────── FIN, ACK ──────────┤                                │ #27
    82.0  │                   ├───────────── ACK ─────────────▶                                │ #22
    82.5  │                   │                               ◀────────────── ACK ─────────────┤ #23
    92.0  │                   ├────────── FIN, ACK ───────────▶                                │ #28

  ─── anyone on that hop can read it    ═══ ciphertext to anyone without the keys
  ─ ═ begins readable, goes on encrypted
";
    const LADDER_120: &str = "
tunlab run https-through-alb   seed 1 · virtual time · 2 TCP connections · 27 packets

 sent ms  resolver          user                                         alb                                   ec2-a no.
         1  DNS · where is your-app.com? · 20.0 ms
     0.0  ◀─ A your-app.com? ─┤                                           │                                        │ #1
    11.0  ├─ A 198.51.100.10 ─▶                                           │                                        │ #2
         2  TCP handshake user ⇄ alb · 20.0 ms, one round trip
    20.0  │                   ├─────────────────── SYN ───────────────────▶                                        │ #3
    30.0  │                   ◀───────────────── SYN, ACK ────────────────┤                                        │ #4
    40.0  │                   ├─────────────────── ACK ───────────────────▶                                        │ #5
         3  TLS handshake
    40.0  │                   ├────────── ClientHello 517 B ───────────✕  │                                        │ #6
    51.0  │                   │  ✕═ ServerHello + Cert + Finished 1364 B ─┤                                        │ –
    62.0  │                   ├══════════════ Finished 80 B ══════════════▶                                        │ #8
         4  HTTP request inside TLS · only user and alb hold the keys
    62.0  │                   ├══ GET /notification/health/check 151 B ═══▶                                        │ #9
    72.0  │                   ◀══════════ NewSessionTicket 271 B ═════════┤                                        │ #20
         5  A second TCP connection, alb ⇄ ec2-a · 2.0 ms, one round trip
    72.5  │                   │                                           ├───────────────── SYN ──────────────────▶ #10
    73.5  │                   │                                           ◀─────────────── SYN, ACK ───────────────┤ #11
    74.5  │                   │                                           ├───────────────── ACK ──────────────────▶ #12
         6  The same request, plain text · alb → ec2-a
    74.5  │                   │                                           ├─ GET /notification/health/check 268 B ─▶ #13
    80.5  │                   │                                           ◀────────── HTTP 200 1/2 1448 B ─────────┤ #15
    80.5  │                   │                                           ◀────────── HTTP 200 2/2 1358 B ─────────┤ #16
    80.5  │                   │                                           ◀─────────────── FIN, ACK ───────────────┤ #17
    81.5  │                   │                                           ├─────────────── FIN, ACK ───────────────▶ #19
         7  Response encrypted again for user
    82.0  │                   ◀═══════════ HTTP 200 1/2 1448 B ═══════════┤                                        │ #23
    82.0  │                   ◀═══════════ HTTP 200 2/2 1380 B ═══════════┤                                        │ #24
    82.0  │                   ◀════════════ close_notify 24 B ════════════┤                                        │ #25
    82.0  │                   ◀───────────────── FIN, ACK ────────────────┤                                        │ #26
    92.0  │                   ├──────────────── FIN, ACK ─────────────────▶                                        │ #27

  ─── anyone on that hop can read it    ═══ ciphertext to anyone without the keys
  ─ ═ begins readable, goes on encrypted    ✕ lost    – not in the main capture
  5 pure ACKs hidden; --all shows them
  ✕ #6 ClientHello 517 B: dropped by the lab: number 1 of those that match (edge)
  ✕ – ServerHello + Certificate + Finished 1364 B: lost at random on the link (edge)
";
    const BROKEN: &str = "
  FAIL  clean                                       2 lost, 0 retransmitted, 0 reset  6 alb-edge:5
        expected no packet lost, retransmitted or reset
        found 2 lost, 0 retransmitted, 0 reset
        sent ms  resolver          user                          alb                       ec2-a no.
           40.0  │                   ├─── ClientHello 517 B ───✕  │                            │ #6
           51.0  │                   │  ✕═ ServerHello + … 1364 B ┤                            │ –
        again: tunlab run https-through-alb --seed 1

  15 of 18 expectations held.   total 92.0 ms   (the text: 140.0 ms)
";
}
