//! Packets on their way into the files. Whether a packet arrives is known later than that it was sent: it waits here until
//! that is known, or long enough, so that its comment can say what became of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::files::{Comments, Files};
use super::recording::Held;
use crate::event::{PacketId, TapId};

/// A packet that is on its way for longer is written without a word on its fate.
const WAITS: Duration = Duration::from_secs(10);

/// More do not wait.
const WAITING_MAX: usize = 8_192;

#[derive(Default)]
pub(super) struct Delayed {
    waiting: VecDeque<Waiting>,
    /// How many were written: the number of the first that waits.
    written: u64,
    /// For each packet that waits: its last sights, by number.
    last: BTreeMap<PacketId, Sights>,
}

/// Where a packet was seen last.
#[derive(Default)]
struct Sights {
    main: Option<u64>,
    at: BTreeMap<TapId, u64>,
    /// What became of it, when it does not arrive.
    fate: Option<String>,
}

enum Waiting {
    Packet(Held, Comments),
    /// A line of the key log.
    Secret(String),
}

impl Delayed {
    /// A packet passed a tap; what has waited for long enough is written.
    pub(super) fn packet(&mut self, held: Held, comments: Comments, files: &mut Files) {
        let now = held.at;
        let number = self.written + self.waiting.len() as u64;
        let sights = self.last.entry(held.packet).or_default();
        if comments.main.is_some() {
            sights.main = Some(number);
        }
        sights.at.insert(held.tap, number);
        self.waiting.push_back(Waiting::Packet(held, comments));
        while let Some(first) = self.waiting.front() {
            let is_due = match first {
                Waiting::Packet(held, _) => {
                    held.at + WAITS < now || self.waiting.len() > WAITING_MAX
                }
                Waiting::Secret(_) => true,
            };
            if !is_due {
                break;
            }
            self.write_first(files);
        }
    }

    /// A TLS secret came to be: it stands before the packets that come after it.
    pub(super) fn secret(&mut self, line: &str) {
        self.waiting.push_back(Waiting::Secret(line.to_owned()));
    }

    /// What became of a packet that does not arrive, as a sentence. `ahead` of its sights when those are recorded later.
    pub(super) fn fate(&mut self, packet: PacketId, said: String, ahead: bool) {
        if ahead {
            self.last.entry(packet).or_default().fate = Some(said);
        } else if let Some(sights) = self.last.get_mut(&packet) {
            sights.fate = Some(said);
        }
    }

    /// Everything is known now.
    pub(super) fn complete(&mut self, files: &mut Files) {
        while !self.waiting.is_empty() {
            self.write_first(files);
        }
    }

    fn write_first(&mut self, files: &mut Files) {
        let number = self.written;
        let Some(first) = self.waiting.pop_front() else {
            return;
        };
        self.written += 1;
        let (held, mut comments) = match first {
            Waiting::Secret(line) => return files.secret(&line),
            Waiting::Packet(held, comments) => (held, comments),
        };
        if let Some(sights) = self.last.get_mut(&held.packet) {
            // A packet that its own link lost says so already.
            let fate = sights.fate.as_ref().filter(|_| held.lost.is_none());
            if sights.main == Some(number) {
                comments
                    .main
                    .iter_mut()
                    .for_each(|c| c.extend(fate.cloned()));
            }
            if sights.at.get(&held.tap) == Some(&number) {
                comments.tap.extend(fate.cloned());
                sights.at.remove(&held.tap);
            }
            if sights.at.is_empty() {
                self.last.remove(&held.packet);
            }
        }
        files.packet(&held.crossing(), &comments);
    }
}
