//! Where the time goes: the phases of the first request as bars, beside those of the text.

use std::time::Duration;

use super::ladder::WIDTH_MIN;
use super::paint::{Paint, Tone};
use super::text::{millis, pad, pad_left, squeeze, width};
use crate::event::{Event, Fact};
use crate::expect::{Record, fact, flow_of, milestones, role_of};
use crate::lab::plan::Milestone;
use crate::role::config::Role;
use crate::time::Instant;

/// A part of the first request's life, between two milestones that do not fall together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase {
    /// In words.
    pub(super) name: String,
    /// The milestone it begins with (the last that falls there), and when.
    pub(super) from: (Milestone, Instant),
    /// The milestone it ends with (the first that falls there), and when.
    pub(super) to: (Milestone, Instant),
    /// The text's beginning and end of it.
    pub(super) text: Option<(Duration, Duration)>,
}

/// The phases of a run. What took no time is left out.
pub(super) fn phases(record: &Record<'_>) -> Vec<Phase> {
    let points = points(record);
    let names = Names::new(record);
    let pairs = points.windows(2).enumerate();
    pairs
        .map(|(index, pair)| {
            let [from, to] = pair else {
                unreachable!("windows of two")
            };
            // A phase that the text does not end ends for it at the next milestone that it names.
            let end = points[index + 1..].iter().find_map(|p| p.text);
            let ends = (from.last, to.first);
            Phase {
                name: names.phase(ends.0, ends.1),
                from: (ends.0, from.at),
                to: (ends.1, to.at),
                text: from.text.zip(end),
            }
        })
        .collect()
}

/// From the first milestone to the last: measured, and in the text.
pub(super) fn total(record: &Record<'_>) -> Option<(Duration, Option<Duration>)> {
    let reached = milestones(record.events, record.plan);
    let (first, _) = reached.values().next()?;
    let (last, _) = reached.get(&Milestone::ResponseAtUser)?;
    let timeline = &record.plan.timeline;
    let text = timeline.first().zip(timeline.last());
    Some((
        *last - *first,
        text.map(|((_, first), (_, last))| last.saturating_sub(*first)),
    ))
}

/// How many requests browsers sent, and how many responses they got.
pub(super) fn requests(record: &Record<'_>) -> (usize, usize) {
    let of_browser = |e: &&Event| matches!(role_of(record.plan, &e.node), Some(Role::Browser(_)));
    let facts = || record.events.iter().filter(of_browser).filter_map(fact);
    let sent = facts().filter(|f| matches!(f, Fact::RequestSent { .. }));
    let got = facts().filter(|f| matches!(f, Fact::ResponseReceived { .. }));
    (sent.count(), got.count())
}

/// The timeline as lines of text; none when fewer than two milestones were reached.
pub(super) fn render(record: &Record<'_>, columns: usize, paint: Paint) -> Vec<String> {
    let phases = phases(record);
    let Some(origin) = phases.first().map(|p| p.from.1) else {
        return vec![];
    };
    let with_text = phases.iter().any(|p| p.text.is_some());
    let figures = if with_text { 26 } else { 13 };
    let longest = phases.iter().map(|p| width(&p.name)).max().unwrap_or(0);
    let names = longest.clamp(10, 30);
    let room = columns.clamp(WIDTH_MIN, 120) - 2 - names - 2 - figures;
    let text_end = phases.iter().filter_map(|p| p.text).map(|(_, end)| end);
    let measured_end = phases.iter().map(|p| p.to.1 - origin);
    let end = measured_end.chain(text_end).max().unwrap_or_default();
    let scale = Scale { end, room };

    let mut lines = vec![head(names, &scale, with_text, paint)];
    for phase in &phases {
        let measured = (phase.from.1 - origin, phase.to.1 - origin);
        let bar = scale.bar(measured, phase.text, paint);
        let took = pad_left(&millis(phase.to.1 - phase.from.1), 13);
        let text = match phase.text {
            Some((from, to)) => pad_left(&millis(to.saturating_sub(from)), 13),
            None if with_text => pad_left("–", 13),
            None => String::new(),
        };
        let name = pad(&squeeze(&phase.name, names), names);
        let text = paint.dip(Tone::Dim, &text);
        lines.push(format!("  {name}  {bar}{took}{text}"));
    }
    let mut key = "  █ measured in this run".to_owned();
    if with_text {
        key.push_str("   ░ the text's timeline   – part of the line above it");
    }
    lines.push(paint.dip(Tone::Dim, &key));
    lines
}

fn head(names: usize, scale: &Scale, with_text: bool, paint: Paint) -> String {
    let half = millis(scale.end / 2);
    let full = millis(scale.end);
    let mut axis = pad("0", scale.room / 2) + &half;
    axis = pad(&axis, scale.room - width(&full)) + &full;
    let figures = if with_text {
        "  measured ms text says ms"
    } else {
        "  measured ms"
    };
    let line = format!("  {}  {axis}{figures}", pad("phase", names));
    paint.dip(Tone::Strong, &line)
}

/// Milestones that fall on the same moment.
#[derive(Debug)]
struct Point {
    at: Instant,
    first: Milestone,
    last: Milestone,
    text: Option<Duration>,
}

fn points(record: &Record<'_>) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    let reached = milestones(record.events, record.plan);
    // What a target still does when the user has got an answer is no part of it.
    let end = reached.get(&Milestone::ResponseAtUser).map(|(at, _)| *at);
    for (milestone, (at, _)) in reached {
        if end.is_some_and(|end| at > end) {
            continue;
        }
        let timeline = &record.plan.timeline;
        let said = timeline.iter().find(|(m, _)| *m == milestone);
        let text = said.map(|(_, d)| *d);
        match points.last_mut() {
            // The text may part what falls together here: then its phase is shown, with no time of ours.
            Some(p) if p.at >= at && (p.text.is_none() || text.is_none()) => {
                p.last = milestone;
                p.text = p.text.or(text);
            }
            Some(_) | None => points.push(Point {
                at,
                first: milestone,
                last: milestone,
                text,
            }),
        }
    }
    points
}

/// Who took part.
struct Names {
    user: String,
    alb: String,
    target: String,
    /// The load balancer speaks TLS with it too.
    secure: bool,
}

impl Names {
    fn new(record: &Record<'_>) -> Self {
        let reached = milestones(record.events, record.plan);
        let node = |m: Milestone| {
            let (_, index) = reached.get(&m)?;
            Some(record.events[*index].node.to_string())
        };
        let chosen = record.events.iter().find_map(|e| {
            let Fact::TargetChosen { target, .. } = fact(e)? else {
                return None;
            };
            Some(target.to_string())
        });
        Self {
            user: node(Milestone::TcpSyn).unwrap_or_else(|| "user".into()),
            alb: node(Milestone::RequestAtAlb).unwrap_or_else(|| "server".into()),
            target: chosen.unwrap_or_else(|| "target".into()),
            secure: reached
                .get(&Milestone::RequestToTarget)
                .and_then(|(_, index)| flow_of(fact(&record.events[*index])?))
                .is_some_and(|back| {
                    let secured =
                        |f: &Fact| matches!(f, Fact::TlsEstablished { flow, .. } if *flow == back);
                    record.events.iter().filter_map(fact).any(secured)
                }),
        }
    }

    /// A phase is named after what it ends with: what it begins with may have been skipped.
    fn phase(&self, from: Milestone, to: Milestone) -> String {
        let Self {
            user,
            alb,
            target,
            secure,
        } = self;
        let how = if *secure { "Encrypted" } else { "Plain" };
        match to {
            Milestone::DnsQuery => "before the look-up".into(),
            Milestone::TcpSyn => "DNS look-up".into(),
            Milestone::TcpEstablished => format!("TCP handshake {user}-{alb}"),
            Milestone::ClientHello => format!("{user} prepares TLS"),
            Milestone::TlsEstablished => "TLS handshake".into(),
            Milestone::RequestSent => format!("{user} prepares the request"),
            Milestone::RequestAtAlb => format!("Request to {alb}"),
            Milestone::TargetSyn => format!("{alb} chooses a target"),
            Milestone::RequestToTarget if from == Milestone::TargetSyn && *secure => {
                format!("TCP and TLS {alb}-{target}")
            }
            Milestone::RequestToTarget if from == Milestone::TargetSyn => {
                format!("TCP handshake {alb}-{target}")
            }
            Milestone::RequestToTarget => format!("{alb} chooses a target"),
            Milestone::RequestAtApp => format!("{how} request to application"),
            Milestone::ResponseFromApp => "Application works".into(),
            Milestone::ResponseAtAlb => format!("{how} response to {alb}"),
            Milestone::ResponseFromAlb if from == Milestone::ResponseAtAlb => {
                format!("{alb} passes the response on")
            }
            Milestone::ResponseFromAlb if from == Milestone::RequestAtAlb => {
                format!("{alb} answers itself")
            }
            Milestone::ResponseFromAlb => format!("{alb} waits, and answers itself"),
            Milestone::ResponseAtUser => format!("Response to {user}"),
        }
    }
}

struct Scale {
    end: Duration,
    room: usize,
}

impl Scale {
    /// The cell of a moment, rounded down.
    fn cell(&self, d: Duration) -> usize {
        let end = self.end.as_nanos().max(1);
        let cell = d.as_nanos() * self.room as u128 / end;
        usize::try_from(cell).unwrap_or(self.room).min(self.room)
    }

    /// The cells from one moment to another: one at least.
    fn cells(&self, (from, to): (Duration, Duration)) -> (usize, usize) {
        let start = self.cell(from).min(self.room - 1);
        (start, self.cell(to).max(start + 1))
    }

    fn bar(
        &self,
        measured: (Duration, Duration),
        text: Option<(Duration, Duration)>,
        paint: Paint,
    ) -> String {
        let solid = self.cells(measured);
        let ghost = text.map(|t| self.cells(t));
        let inside = |x: usize, (from, to): (usize, usize)| (from..to).contains(&x);
        let kind = |x: usize| {
            if inside(x, solid) && measured.0 < measured.1 {
                '█'
            } else if ghost.is_some_and(|g| inside(x, g)) {
                '░'
            } else {
                ' '
            }
        };
        let cells: Vec<char> = (0..self.room).map(kind).collect();
        let runs = cells.chunk_by(|a, b| a == b).map(|run| {
            let text: String = run.iter().collect();
            match run[0] {
                '█' => paint.dip(Tone::Measured, &text),
                '░' => paint.dip(Tone::Dim, &text),
                _ => text,
            }
        });
        runs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture;

    #[test]
    fn the_main_lab_has_eleven_phases_that_add_up() {
        let run = fixture::main_lab();
        let phases = phases(&run.record());
        let sum: Duration = phases.iter().map(|p| p.to.1 - p.from.1).sum();
        assert_eq!(sum, Duration::from_millis(92));
        let total = total(&run.record()).unwrap();
        assert_eq!(total, (sum, Some(Duration::from_millis(140))));
        let text: Duration = phases
            .iter()
            .filter_map(|p| p.text)
            .map(|(a, b)| b - a)
            .sum();
        assert_eq!(text, Duration::from_millis(140));
        assert_eq!(phases.len(), 11);
    }

    #[test]
    fn bars_beside_the_texts_timeline() {
        let run = fixture::main_lab();
        let lines = render(&run.record(), 80, Paint::Plain);
        assert_eq!(format!("\n{}\n", lines.join("\n")), BARS);
    }

    #[test]
    fn without_a_timeline_there_is_no_second_figure() {
        let mut run = fixture::main_lab();
        run.plan.timeline.clear();
        let lines = render(&run.record(), 80, Paint::Plain);
        assert!(!lines.iter().any(|l| l.contains('░') || l.contains("text")));
        assert!(lines.iter().all(|l| width(l) <= 80));
    }

    const BARS: &str = "
  phase                         0          70.0  140.0  measured ms text says ms
  DNS look-up                   ███                            20.0         20.0
  TCP handshake user-alb           ███                         20.0         20.0
  TLS handshake                       ███░░░░░░                22.0         60.0
  Request to alb                         ██    ░               10.0          5.0
  alb chooses a target                     █    ░               0.5          5.0
  TCP handshake alb-ec2-a                  █     ░              2.0         10.0
  Plain request to application             █      ░             1.0          5.0
  Application works                        █       ░            5.0          5.0
  Plain response to alb                     █                   1.0            –
  alb passes the response on                █       ░           0.5          5.0
  Response to user                          ██       ░         10.0          5.0
  █ measured in this run   ░ the text's timeline   – part of the line above it
";
}
