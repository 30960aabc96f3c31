//! Listens to the trace: keeps the events, dissects what every tap sees, and hands packets and secrets to the files.

use super::delayed::Delayed;
use super::files::{Comments, Files};
use super::once::Once;
use crate::dissect::message::Frame;
use crate::dissect::{Dissector, Sight};
use crate::event::{Crossing, Direction, DropCause, Event, Fact, PacketId, Sink, TapId, What};
use crate::expect::TapRecord;
use crate::lab::plan::Plan;
use crate::report::comments::{Annotator, fate};
use crate::time::Instant;

/// What has been recorded so far.
#[derive(Default)]
pub(super) struct Recording {
    plan: Option<Plan>,
    pub(super) files: Files,
    pub(super) main: Vec<Frame>,
    pub(super) observed: Vec<Frame>,
    pub(super) taps: Vec<TapRecord>,
    pub(super) events: Vec<Event>,
    pub(super) secrets: Vec<String>,
    /// In labs with real programs: kept until the end, when all secrets are known. A real server keeps its secrets to
    /// itself; ours come from the client, after the ServerHello that they must precede in a capture.
    held: Option<Vec<Held>>,
    /// Packets wait a little before they are written.
    delayed: Option<Delayed>,
    /// There were more events than are kept.
    is_full: bool,
    /// Packets are not recorded at all.
    deaf: bool,
    once: Once,
    annotator: Annotator,
    /// For each tap whose capture is written.
    tap_annotators: Vec<Annotator>,
    main_eyes: Option<Eyes>,
    tap_eyes: Vec<Eyes>,
}

/// More events are not kept, but for how programs and the run end: a run that makes them is a load test, and nobody reads
/// them.
const EVENTS_MAX: usize = 100_000;

/// A crossing that is held.
pub(super) struct Held {
    pub(super) at: Instant,
    pub(super) tap: TapId,
    direction: Direction,
    pub(super) packet: PacketId,
    bytes: Vec<u8>,
    pub(super) lost: Option<DropCause>,
}

impl Held {
    fn new(crossing: &Crossing<'_>) -> Self {
        Self {
            at: crossing.at,
            tap: crossing.tap,
            direction: crossing.direction,
            packet: crossing.packet,
            bytes: crossing.bytes.to_vec(),
            lost: crossing.lost,
        }
    }

    pub(super) fn crossing(&self) -> Crossing<'_> {
        Crossing {
            at: self.at,
            tap: self.tap,
            direction: self.direction,
            packet: self.packet,
            bytes: &self.bytes,
            lost: self.lost,
        }
    }
}

/// One capture, seen with the secrets and without.
struct Eyes {
    holder: Dissector,
    observer: Dissector,
}

impl Eyes {
    fn new() -> Self {
        Self {
            holder: Dissector::new(Sight::WithSecrets),
            observer: Dissector::new(Sight::Observer),
        }
    }
}

impl Recording {
    /// With `waits` packets wait, before they are written, for what becomes of them.
    pub(super) fn new(plan: Plan, files: Files, packets: bool, waits: bool) -> Self {
        let taps = 0..plan.topology.nics.len();
        Self {
            taps: taps
                .clone()
                .map(|n| TapRecord {
                    tap: TapId(n),
                    frames: Vec::new(),
                    observed: Vec::new(),
                })
                .collect(),
            tap_eyes: taps.clone().map(|_| Eyes::new()).collect(),
            tap_annotators: if files.of_taps() {
                taps.map(|_| Annotator::default()).collect()
            } else {
                Vec::new()
            },
            main_eyes: Some(Eyes::new()),
            held: plan.program().is_some().then(Vec::new),
            delayed: waits.then(Delayed::default),
            deaf: !packets,
            plan: Some(plan),
            files,
            ..Self::default()
        }
    }

    /// Everything is known now: what was held is recorded.
    pub(super) fn complete(&mut self) {
        for held in self.held.take().unwrap_or_default() {
            self.crossing(&held.crossing());
        }
        if let Some(delayed) = &mut self.delayed {
            delayed.complete(&mut self.files);
        }
    }
}

impl Sink for Recording {
    fn crossing(&mut self, crossing: &Crossing<'_>) {
        if self.deaf {
            return;
        }
        if let Some(held) = &mut self.held {
            held.push(Held::new(crossing));
            return;
        }
        let Some(plan) = &self.plan else { return };
        let tap = crossing.tap.0;
        let name = plan.topology.nics[tap].name.as_str();
        let (eyes, record) = (&mut self.tap_eyes[tap], &mut self.taps[tap]);
        let mut comments = Comments::default();
        let frame = eyes.holder.frame(crossing, name);
        if let Some(annotator) = self.tap_annotators.get_mut(tap) {
            comments.tap = annotator.comment(&frame, plan);
        }
        record.frames.push(frame);
        record.observed.push(eyes.observer.frame(crossing, name));
        if let Some(eyes) = &mut self.main_eyes
            && plan.in_main(crossing)
            && self.once.is_news(crossing)
        {
            let frame = eyes.holder.frame(crossing, name);
            comments.main = Some(self.annotator.comment(&frame, plan));
            self.main.push(frame);
            self.observed.push(eyes.observer.frame(crossing, name));
        }
        match &mut self.delayed {
            Some(delayed) => delayed.packet(Held::new(crossing), comments, &mut self.files),
            None => self.files.packet(crossing, &comments),
        }
    }

    fn event(&mut self, event: &Event) {
        if let What::Secret(line) = &event.what {
            for eyes in self.tap_eyes.iter_mut().chain(&mut self.main_eyes) {
                eyes.holder.secret(line);
            }
            match &mut self.delayed {
                Some(delayed) => delayed.secret(line),
                None => self.files.secret(line),
            }
            self.secrets.push(line.clone());
        }
        if let What::Fact(fact) = &event.what {
            self.files.log(fact);
        }
        if let (Some(delayed), Some((packet, said))) = (&mut self.delayed, fate(event)) {
            delayed.fate(packet, said, self.held.is_some());
        }
        for annotator in self.tap_annotators.iter_mut().chain([&mut self.annotator]) {
            annotator.event(event);
        }
        // What happens once is kept whatever comes before it.
        let once = matches!(
            event.what,
            What::Limit { .. }
                | What::Fact(
                    Fact::ProgramStarted { .. }
                        | Fact::ProgramEnded { .. }
                        | Fact::StepFailed { .. }
                )
        );
        if once || self.events.len() < EVENTS_MAX {
            self.events.push(event.clone());
        } else if !self.is_full {
            self.is_full = true;
            let limit = format!(
                "{EVENTS_MAX} events; of what comes after, only the ends of programs and of the run are kept"
            );
            self.events.push(Event {
                what: What::Limit { limit },
                ..event.clone()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    /// However much happens, what a program printed is known.
    #[test]
    fn the_end_of_a_program_is_always_kept() {
        let event = |what| Event {
            at: Instant::ZERO,
            node: Name::new("user").unwrap(),
            what: What::Fact(what),
        };
        let asked = event(Fact::LookupSent {
            name: "your-app.com".into(),
        });
        let ended = event(Fact::ProgramEnded {
            command: "wrk".into(),
            status: "exit code 0".into(),
            code: Some(0),
            output: String::new(),
            errors: String::new(),
        });
        let mut recording = Recording::default();
        for _ in 0..EVENTS_MAX + 10 {
            recording.event(&asked);
        }
        recording.event(&ended);
        assert_eq!(recording.events.len(), EVENTS_MAX + 2);
        let said = &recording.events[EVENTS_MAX].what;
        assert!(matches!(said, What::Limit { limit } if limit.starts_with("100000 events;")));
        assert_eq!(recording.events.last(), Some(&ended));
    }
}
