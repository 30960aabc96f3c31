//! Packets on their way into the files. Whether a packet arrives is known later than that it was sent: in virtual time it
//! waits here until that is known, or long enough, so that its comment can say what became of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::files::Files;
use super::recording::Held;
use crate::event::PacketId;

/// A packet that is on its way for longer is written without a word on its fate.
const WAITS: Duration = Duration::from_secs(10);

/// More do not wait.
const WAITING_MAX: usize = 8_192;

#[derive(Default)]
pub(super) struct Delayed {
    waiting: VecDeque<Waiting>,
    /// How many were written: the number of the first that waits.
    written: u64,
    /// For each packet: its last sight in the main capture, by number.
    last: BTreeMap<PacketId, u64>,
    /// What became of those that do not arrive.
    fates: BTreeMap<PacketId, String>,
}

enum Waiting {
    /// With its comments, when it belongs to the main capture.
    Packet(Held, Option<Vec<String>>),
    /// A line of the key log.
    Secret(String),
}

impl Delayed {
    /// A packet passed a tap; what has waited for long enough is written.
    pub(super) fn packet(&mut self, held: Held, comments: Option<Vec<String>>, files: &mut Files) {
        let now = held.at;
        if comments.is_some() {
            let number = self.written + self.waiting.len() as u64;
            self.last.insert(held.packet, number);
        }
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

    /// What became of a packet that does not arrive, as a sentence.
    pub(super) fn fate(&mut self, packet: PacketId, said: String) {
        if self.last.contains_key(&packet) {
            self.fates.insert(packet, said);
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
        match first {
            Waiting::Secret(line) => files.secret(&line),
            Waiting::Packet(held, mut comments) => {
                if let Some(comments) = &mut comments
                    && self.last.get(&held.packet) == Some(&number)
                {
                    self.last.remove(&held.packet);
                    // A packet that its own link lost says so already.
                    let fate = self.fates.remove(&held.packet);
                    comments.extend(fate.filter(|_| held.lost.is_none()));
                }
                files.packet(&held.crossing(), comments.as_deref());
            }
        }
    }
}
