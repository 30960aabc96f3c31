//! Listens to the trace of a lab that stays up: lines as things happen, packets and secrets to the files, and nothing
//! kept. However long the lab is up, what is remembered is bounded.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::files::{Comments, Files};
use super::once::Once;
use crate::dissect::message::Frame;
use crate::dissect::{Dissector, Sight};
use crate::event::{Crossing, Event, Sink, What};
use crate::lab::plan::Plan;
use crate::report::comments::Annotator;
use crate::report::live::Lines;
use crate::wire::packet::{Packet, Transport};

/// Frames after which a new pair of eyes looks at what begins from then on. A connection is understood for as many at
/// least; one that goes on for longer is shown without what is inside.
const GENERATION_FRAMES: u64 = 10_000;

/// Counts of a lab that was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packets of the main capture.
    pub main: u64,
    /// Packets at all NICs.
    pub all: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// Where lines go.
pub type OnLine = Box<dyn FnMut(&str)>;

/// What listens.
pub(super) struct Live {
    plan: Plan,
    pub(super) files: Files,
    once: Once,
    pub(super) counts: Counts,
    lines: Lines,
    on_line: Option<OnLine>,
    generation_frames: u64,
    /// The younger one first.
    generations: [Generation; 2],
}

/// A dissection, and what it was there to see.
struct Generation {
    eyes: Dissector,
    annotator: Annotator,
    /// Connections whose first packet it saw, under the ends in order.
    flows: BTreeSet<(SocketAddr, SocketAddr)>,
}

impl Generation {
    fn new() -> Self {
        Self {
            eyes: Dissector::new(Sight::WithSecrets),
            annotator: Annotator::default(),
            flows: BTreeSet::new(),
        }
    }
}

impl Live {
    pub(super) fn new(plan: Plan, files: Files, lines: Lines, on_line: Option<OnLine>) -> Self {
        Self {
            plan,
            files,
            once: Once::default(),
            counts: Counts::default(),
            lines,
            on_line,
            generation_frames: GENERATION_FRAMES,
            generations: [Generation::new(), Generation::new()],
        }
    }

    /// The frame, and its comments, from the eyes that saw its connection begin.
    fn look(&mut self, crossing: &Crossing<'_>) -> (Frame, Vec<String>) {
        if self.counts.main.is_multiple_of(self.generation_frames) {
            self.generations.swap(0, 1);
            self.generations[0] = Generation::new();
        }
        let [young, old] = &mut self.generations;
        let ends = ends(crossing.bytes);
        let generation = match ends {
            Some((ends, false)) if !young.flows.contains(&ends) && old.flows.contains(&ends) => old,
            Some((ends, _)) => {
                young.flows.insert(ends);
                young
            }
            None => young,
        };
        let name = self.plan.topology.nics[crossing.tap.0].name.as_str();
        let frame = generation.eyes.frame(crossing, name);
        let comments = generation.annotator.comment(&frame, &self.plan);
        (frame, comments)
    }

    fn tell(&mut self, event: &Event) {
        for generation in &mut self.generations {
            generation.annotator.event(event);
        }
    }

    fn say(&mut self, line: Option<String>) {
        if let (Some(line), Some(on_line)) = (line, &mut self.on_line) {
            on_line(&line);
        }
    }
}

/// The ends of a TCP or UDP packet in order, and whether a connection begins with it.
fn ends(bytes: &[u8]) -> Option<((SocketAddr, SocketAddr), bool)> {
    let packet = Packet::read(bytes)?;
    let (a, b) = packet.ports()?;
    let begins = match &packet.transport {
        Transport::Tcp(tcp) => tcp.flags.syn() && !tcp.flags.ack(),
        Transport::Udp(_) | Transport::Icmp(_) | Transport::Other(..) => false,
    };
    Some(((a.min(b), a.max(b)), begins))
}

impl Sink for Live {
    fn crossing(&mut self, crossing: &Crossing<'_>) {
        self.counts.all += 1;
        // A packet that is lost before it passes a tap of the main capture is told as an event.
        if !self.plan.in_main(crossing) || !self.once.is_news(crossing) {
            self.files.packet(crossing, &Comments::default());
            return;
        }
        self.counts.main += 1;
        let (frame, comments) = self.look(crossing);
        let comments = Comments {
            main: Some(comments),
            ..Comments::default()
        };
        self.files.packet(crossing, &comments);
        let line = self.lines.packet(&frame, self.counts.main, &self.plan);
        self.say(line);
    }

    fn event(&mut self, event: &Event) {
        match &event.what {
            What::Secret(line) => {
                for generation in &mut self.generations {
                    generation.eyes.secret(line);
                }
                self.files.secret(line);
            }
            What::Dropped { .. } => {
                self.counts.dropped += 1;
                self.tell(event);
            }
            What::Fact(_) | What::Tcp { .. } | What::Altered { .. } => self.tell(event),
            What::Limit { .. } | What::Computing { .. } => {}
        }
        let line = self.lines.event(event);
        self.say(line);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::event::{PacketId, TapId};
    use crate::report::Paint;
    use crate::time::Instant;

    /// A UDP packet from port `port` with nothing in it; the checksums are left out, as they may be.
    fn packet(port: u16) -> Vec<u8> {
        let mut bytes = vec![
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 203, 192, 1, 50, 203, 192, 2, 53,
        ];
        bytes.extend(port.to_be_bytes());
        bytes.extend([0, 53, 0, 8, 0, 0]);
        bytes
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_every_packet_a_line() {
        let plan = crate::lab::load("https-through-alb").unwrap();
        let tap = plan.main_taps[0];
        let lines = Lines::new(&plan, false, Paint::Plain);
        let told = Rc::new(RefCell::new(Vec::new()));
        let into = told.clone();
        let on_line: OnLine = Box::new(move |line| into.borrow_mut().push(line.to_owned()));
        let mut live = Live::new(plan, Files::default(), lines, Some(on_line));
        live.generation_frames = 100;
        for n in 0..1_000_u16 {
            live.crossing(&Crossing {
                at: Instant::from_nanos(u64::from(n) * 1_000_000),
                tap: TapId(tap),
                direction: crate::event::Direction::Out,
                packet: PacketId(u64::from(n) + 1),
                bytes: &packet(1_024 + n),
                lost: None,
            });
            let flows: usize = live.generations.iter().map(|g| g.flows.len()).sum();
            assert!(flows <= 200, "{flows} connections remembered");
        }
        assert_eq!(live.counts.main, 1_000);
        let told = told.borrow();
        assert_eq!(told.len(), 1_000);
        assert!(
            told[999].starts_with("    0.999000  user     ──▶ resolver"),
            "{}",
            told[999]
        );
        assert!(told[999].ends_with("  #1000\n"), "{}", told[999]);
    }
}
