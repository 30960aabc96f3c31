//! One lab in two worlds: what the packets of a run in virtual time and of one on TUN devices have in common. Packets
//! of the main capture are matched within each direction of each connection, by order and summary. What differs by
//! nature (times, random numbers, keys, sequence numbers, sizes of signatures) is told apart from what is really
//! different (a packet more or less, another order, other segments, other flags).

use serde::Serialize;

use super::align::{Step, align};
use super::text::{pad, pad_left, plural, width};
use crate::expect::{Record, milestones};
use crate::lab::plan::Milestone;

mod item;

use item::{Item, Likeness, Way, ways};

/// What two runs of one lab have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// `tunlab-worlds/1`.
    pub schema: &'static str,
    /// The lab's name.
    pub lab: String,
    /// Packets in virtual time, and on TUN devices.
    pub packets: (usize, usize),
    /// Packets that are the same but for their time, sequence numbers and window.
    pub same: usize,
    /// Packets of the same summary, flags and size with other bytes: random numbers, keys, ciphertext, dates.
    pub other_bytes: usize,
    /// Packets whose size differs by what their signatures may.
    pub other_size: usize,
    /// What is really different.
    pub differences: Vec<Difference>,
    /// The first request's life in both worlds.
    pub milestones: Vec<MilestonePair>,
}

/// Something that one world has otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The direction of the connection, as in "user → alb:443".
    pub way: String,
    /// What kind of difference it is.
    pub kind: Kind,
    /// The packets in virtual time.
    pub in_virtual: Vec<Shown>,
    /// The packets in their place on TUN devices.
    pub on_tun: Vec<Shown>,
    /// Whether only acknowledgments without data differ, which the moment of sending decides.
    pub only_acks: bool,
}

/// A kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Not there on TUN devices.
    Missing,
    /// There on TUN devices only.
    Extra,
    /// There in both, at another place among the packets of its direction.
    Reordered,
    /// The same bytes of data in other segments.
    Segments,
    /// Other TCP flags.
    Flags,
    /// Another size of data.
    Size,
    /// Another fate, time to live or TCP options.
    Header,
    /// Something else in the same place.
    Other,
}

/// A packet as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its number in its capture.
    pub number: usize,
    /// In words.
    pub summary: String,
}

/// A milestone in both worlds, in nanoseconds since the start; `None` where it was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MilestonePair {
    /// Which.
    pub milestone: &'static str,
    /// In virtual time.
    pub virtual_ns: Option<u64>,
    /// On TUN devices.
    pub tun_ns: Option<u64>,
}

impl Comparison {
    /// Whether nothing is really different but acknowledgments without data.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differences.iter().all(|d| d.only_acks)
    }

    /// Packets that are really different, counted in the world that has more of them.
    #[must_use]
    pub fn different(&self) -> usize {
        self.differences.iter().map(Difference::packets).sum()
    }

    fn acks(&self) -> usize {
        let acks = self.differences.iter().filter(|d| d.only_acks);
        acks.map(Difference::packets).sum()
    }
}

impl Difference {
    fn packets(&self) -> usize {
        self.in_virtual.len().max(self.on_tun.len())
    }

    /// On one line, with the numbers of both captures.
    #[must_use]
    pub fn line(&self) -> String {
        let kind = match self.kind {
            Kind::Missing => "missing on TUN devices",
            Kind::Extra => "on TUN devices only",
            Kind::Reordered => "in another order",
            Kind::Segments => "cut into other segments",
            Kind::Flags => "other flags",
            Kind::Size => "another size",
            Kind::Header => "another fate, TTL or TCP options",
            Kind::Other => "something else",
        };
        let side = |packets: &[Shown]| {
            let words = packets
                .iter()
                .map(|p| format!("#{} {}", p.number, p.summary));
            let all: Vec<String> = words.collect();
            if all.is_empty() {
                "–".to_owned()
            } else {
                all.join(", ")
            }
        };
        format!(
            "{}: {kind}: virtual {}; TUN {}",
            self.way,
            side(&self.in_virtual),
            side(&self.on_tun)
        )
    }
}

/// Compares the main captures and milestones of two runs of one lab.
#[must_use]
pub fn compare(in_virtual: &Record<'_>, on_tun: &Record<'_>) -> Comparison {
    let (ours, theirs) = (ways(in_virtual), ways(on_tun));
    let mut comparison = Comparison {
        schema: "tunlab-worlds/1",
        lab: in_virtual.plan.name.clone(),
        packets: (in_virtual.frames.len(), on_tun.frames.len()),
        same: 0,
        other_bytes: 0,
        other_size: 0,
        differences: Vec::new(),
        milestones: milestone_pairs(in_virtual, on_tun),
    };
    let mut all: Vec<&Way> = ours.keys().collect();
    all.extend(theirs.keys().filter(|w| !ours.contains_key(w)));
    for way in all {
        let [a, b] = [&ours, &theirs].map(|side| side.get(way).map_or(&[][..], Vec::as_slice));
        comparison.add(&way.words(in_virtual.plan), a, b);
    }
    comparison
        .differences
        .sort_by_key(|d| [&d.in_virtual, &d.on_tun].map(|s| s.first().map(|p| p.number)));
    comparison
}

impl Comparison {
    /// The packets of one direction of one connection.
    fn add(&mut self, way: &str, ours: &[Item], theirs: &[Item]) {
        let first = self.differences.len();
        for step in align(ours, theirs, |a, b| a.is_like(b)) {
            match step {
                Step::Pair(a, b) => match ours[a].likeness(&theirs[b]) {
                    Likeness::Same => self.same += 1,
                    Likeness::OtherBytes => self.other_bytes += 1,
                    Likeness::OtherSize => self.other_size += 1,
                    Likeness::OtherHeader => {
                        self.differ(way, Kind::Header, &ours[a..=a], &theirs[b..=b]);
                    }
                },
                Step::Gap(a, b) => self.gap(way, &ours[a], &theirs[b]),
            }
        }
        // The same packet missing here and more there has changed its place.
        let added = self.differences.split_at_mut(first).1;
        let words =
            |shown: &[Shown]| -> Vec<String> { shown.iter().map(|s| s.summary.clone()).collect() };
        let missing: Vec<_> = added.iter().map(|d| words(&d.in_virtual)).collect();
        let extra: Vec<_> = added.iter().map(|d| words(&d.on_tun)).collect();
        for difference in added {
            let moved = match difference.kind {
                Kind::Missing => extra.contains(&words(&difference.in_virtual)),
                Kind::Extra => missing.contains(&words(&difference.on_tun)),
                Kind::Reordered
                | Kind::Segments
                | Kind::Flags
                | Kind::Size
                | Kind::Header
                | Kind::Other => false,
            };
            if moved {
                difference.kind = Kind::Reordered;
            }
        }
    }

    /// Packets between two that match: acknowledgments apart from the rest, so that they excuse nothing but themselves.
    fn gap(&mut self, way: &str, ours: &[Item], theirs: &[Item]) {
        for acks in [false, true] {
            let of = |side: &[Item]| -> Vec<Item> {
                let kept = side.iter().filter(|i| i.is_pure_ack() == acks);
                kept.cloned().collect()
            };
            let (a, b) = (of(ours), of(theirs));
            if !(a.is_empty() && b.is_empty()) {
                self.differ(way, kind(&a, &b), &a, &b);
            }
        }
    }

    fn differ(&mut self, way: &str, kind: Kind, ours: &[Item], theirs: &[Item]) {
        let shown = |side: &[Item]| side.iter().map(Item::shown).collect();
        self.differences.push(Difference {
            way: way.to_owned(),
            kind,
            in_virtual: shown(ours),
            on_tun: shown(theirs),
            only_acks: ours.iter().chain(theirs).all(Item::is_pure_ack),
        });
    }
}

fn kind(ours: &[Item], theirs: &[Item]) -> Kind {
    let data = |side: &[Item]| side.iter().map(|i| i.data).sum::<usize>();
    if theirs.is_empty() {
        return Kind::Missing;
    }
    if ours.is_empty() {
        return Kind::Extra;
    }
    if ours.len() != theirs.len() {
        return if data(ours) == data(theirs) && data(ours) > 0 {
            Kind::Segments
        } else {
            Kind::Other
        };
    }
    let pairs = || ours.iter().zip(theirs);
    if pairs().any(|(a, b)| a.flags != b.flags) {
        Kind::Flags
    } else if data(ours) == data(theirs) && pairs().any(|(a, b)| a.data != b.data) {
        Kind::Segments
    } else if pairs().all(|(a, b)| a.title == b.title) {
        Kind::Size
    } else {
        Kind::Other
    }
}

fn milestone_pairs(in_virtual: &Record<'_>, on_tun: &Record<'_>) -> Vec<MilestonePair> {
    let reached = |record: &Record<'_>, milestone: Milestone| {
        let all = milestones(record.events, record.plan);
        all.get(&milestone).map(|(at, _)| at.as_nanos())
    };
    let pairs = Milestone::WORDS
        .into_iter()
        .map(|(word, milestone)| MilestonePair {
            milestone: word,
            virtual_ns: reached(in_virtual, milestone),
            tun_ns: reached(on_tun, milestone),
        });
    pairs
        .filter(|p| p.virtual_ns.is_some() || p.tun_ns.is_some())
        .collect()
}

/// The comparison for people, with a line end.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let mut text = String::new();
    let mut line = |l: &str| {
        text.push_str(l.trim_end());
        text.push('\n');
    };
    let by_nature = comparison.other_bytes + comparison.other_size;
    line(&format!(
        "  both worlds   {} in virtual time · {} on TUN devices",
        plural(comparison.packets.0, "packet"),
        comparison.packets.1
    ));
    line("");
    line("  same  only by nature  really different");
    line(&format!(
        "  {}  {}  {}",
        pad_left(&comparison.same.to_string(), 4),
        pad_left(&by_nature.to_string(), 14),
        pad_left(&comparison.different().to_string(), 16)
    ));
    line("  same: but for its time, sequence numbers and window");
    line(&format!(
        "  by nature: {} other bytes (random numbers, keys, dates), {} another size of signatures",
        comparison.other_bytes, comparison.other_size
    ));
    if comparison.acks() > 0 {
        let acks = plural(comparison.acks(), "ACK");
        line(&format!(
            "  really different: {acks} without data, which the moment of sending decides"
        ));
    }
    if !comparison.differences.is_empty() {
        line("");
        for difference in &comparison.differences {
            let sign = if difference.only_acks { "·" } else { "✕" };
            line(&format!("  {sign} {}", difference.line()));
        }
    }
    line("");
    let names = comparison.milestones.iter().map(|p| width(p.milestone));
    let names = names.max().unwrap_or(0).max("milestone".len());
    line(&format!(
        "  {}  {}  {}  {}",
        pad("milestone", names),
        pad_left("virtual ms", 11),
        pad_left("TUN ms", 11),
        pad_left("difference", 11)
    ));
    for pair in &comparison.milestones {
        let difference = pair.virtual_ns.zip(pair.tun_ns).map(|(v, t)| {
            let sign = if t < v { "-" } else { "+" };
            format!("{sign}{}", thousandths(v.abs_diff(t)))
        });
        let cell = |time: Option<u64>| time.map_or_else(|| "–".to_owned(), thousandths);
        line(&format!(
            "  {}  {}  {}  {}",
            pad(pair.milestone, names),
            pad_left(&cell(pair.virtual_ns), 11),
            pad_left(&cell(pair.tun_ns), 11),
            pad_left(difference.as_deref().unwrap_or("–"), 11)
        ));
    }
    text
}

/// Milliseconds with three decimals, rounded half up.
fn thousandths(nanos: u64) -> String {
    let micros = (nanos + 500) / 1_000;
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect::message::TcpPart;
    use crate::expect::fixture::{self, Run};

    fn both(change: impl FnOnce(&mut Run)) -> Comparison {
        let ours = fixture::main_lab();
        let mut theirs = ours.clone();
        change(&mut theirs);
        compare(&ours.record(), &theirs.record())
    }

    fn number(run: &mut Run) {
        for (index, frame) in run.frames.iter_mut().enumerate() {
            frame.number = index + 1;
        }
    }

    #[test]
    fn a_run_is_the_same_as_itself() {
        let comparison = both(|_| {});
        assert_eq!((comparison.same, comparison.different()), (28, 0));
        assert!(comparison.agrees());
        assert_eq!(comparison.milestones.len(), 14);
    }

    #[test]
    fn sequence_numbers_do_not_count_and_other_bytes_are_nature() {
        let comparison = both(|run| {
            // SYN: the sequence number. The query: its identifier.
            for byte in &mut run.frames[2].bytes[24..28] {
                *byte ^= 0x55;
            }
            run.frames[0].bytes[28] ^= 0xff;
        });
        assert_eq!((comparison.same, comparison.other_bytes), (27, 1));
        assert!(comparison.agrees());
    }

    #[test]
    fn a_missing_ack_is_shown_and_excused() {
        let comparison = both(|run| {
            let ack =
                |f: &crate::dissect::message::Frame| f.tcp.is_some_and(|t| t.part == TcpPart::Ack);
            let at = run.frames.iter().position(ack).unwrap();
            run.frames.remove(at);
            number(run);
        });
        assert_eq!((comparison.same, comparison.different()), (27, 1));
        assert!(comparison.agrees());
        let difference = &comparison.differences[0];
        assert_eq!(
            (difference.kind, difference.only_acks),
            (Kind::Missing, true)
        );
    }

    #[test]
    fn a_missing_request_is_not() {
        let comparison = both(|run| {
            run.frames.remove(9);
            number(run);
        });
        assert!(!comparison.agrees());
        assert_eq!(comparison.differences.len(), 1);
        let line = comparison.differences[0].line();
        assert!(
            line.starts_with("user → alb:443: missing on TUN devices: virtual #10 GET /"),
            "{line}"
        );
        assert!(render(&comparison).contains(&format!("  ✕ {line}\n")));
    }

    #[test]
    fn two_that_change_places_are_reordered() {
        let comparison = both(|run| {
            run.frames.swap(8, 9);
            number(run);
        });
        let kinds: Vec<_> = comparison.differences.iter().map(|d| d.kind).collect();
        assert_eq!(kinds, [Kind::Reordered, Kind::Reordered]);
        assert!(!comparison.agrees());
    }

    #[test]
    fn another_size_is_nature_where_signatures_are_and_real_elsewhere() {
        let grow = |number: usize, by: usize| {
            both(|run| {
                let frame = run.frames.iter_mut().find(|f| f.number == number).unwrap();
                frame.tcp.as_mut().unwrap().data += by;
            })
        };
        // Packet 8 completes ServerHello to Finished, with a chain of certificates and a CertificateVerify.
        let signed = grow(8, 2);
        assert_eq!((signed.other_size, signed.different()), (1, 0));
        let too_much = grow(8, 50);
        assert_eq!(too_much.differences[0].kind, Kind::Size);
        let request = grow(10, 1);
        assert_eq!(request.differences[0].kind, Kind::Size);
        assert!(!request.agrees());
    }

    #[test]
    fn times_stand_side_by_side() {
        let text = render(&both(|run| {
            for event in &mut run.events {
                event.at += std::time::Duration::from_nanos(1_500);
            }
        }));
        let line = text.lines().find(|l| l.contains("request-at-alb")).unwrap();
        assert_eq!(
            line,
            "  request-at-alb          72.000       72.002       +0.002"
        );
    }
}
