//! TIME-WAIT (RFC 9293 §3.4.2): what is left of a connection at the side that closed first. It keeps the addresses and
//! ports from being used again while old segments may still be on their way, and answers a repeated FIN. Buffers and
//! socket are gone: a few numbers remain, as in Linux.

use std::collections::VecDeque;
use std::time::Duration;

use super::Stack;
use super::reset::{Verdict, is_before};
use super::table::FlowTable;
use crate::event::{DropCause, TcpDeed};
use crate::time::Instant;
use crate::wire::packet::{FlowKey, Segment};

/// A connection in TIME-WAIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeWait {
    pub(super) nic: usize,
    /// Our next sequence number (SND.NXT).
    pub(super) sent_to: u32,
    /// The peer's next one (RCV.NXT).
    pub(super) received_to: u32,
    /// The window field of our last segment.
    pub(super) window: u16,
    until: Instant,
}

/// All of a stack's connections in TIME-WAIT.
pub(super) struct TimeWaits {
    lasts: Duration,
    table: FlowTable<TimeWait>,
    /// When they end, in order, as all last equally long. One that was begun again has a later entry too.
    ends: VecDeque<(Instant, FlowKey)>,
}

/// How many sequence numbers a connection that follows one in TIME-WAIT keeps away from it, as in Linux: more than any
/// window without scaling has.
const APART: u32 = 65_535 + 2;

impl TimeWaits {
    pub(super) fn new(lasts: Duration) -> Self {
        Self {
            lasts,
            table: FlowTable::default(),
            ends: VecDeque::new(),
        }
    }

    pub(super) fn begin(
        &mut self,
        key: FlowKey,
        nic: usize,
        (sent_to, received_to, window): (u32, u32, u16),
        now: Instant,
    ) {
        self.expire(now);
        let until = now + self.lasts;
        let waiting = TimeWait {
            nic,
            sent_to,
            received_to,
            window,
            until,
        };
        self.table.insert(key, waiting);
        self.ends.push_back((until, key));
    }

    fn begin_again(&mut self, key: FlowKey, waiting: TimeWait, now: Instant) {
        let numbers = (waiting.sent_to, waiting.received_to, waiting.window);
        self.begin(key, waiting.nic, numbers, now);
    }

    /// Forgets those whose time is over. Nothing else waits for that, so that it needs no timer.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((until, key)) = self.ends.front().copied() {
            if until > now {
                return;
            }
            self.ends.pop_front();
            if self.table.get(&key).is_some_and(|w| w.until == until) {
                self.table.remove(&key);
            }
        }
    }

    pub(super) fn holds(&self, key: &FlowKey) -> bool {
        self.table.get(key).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

/// What a segment for a connection in TIME-WAIT leads to.
pub(super) enum Outcome {
    /// It is dealt with.
    Done,
    /// There is no such connection.
    None,
    /// It opens a new one, whose sequence numbers begin here.
    Opens(u32),
}

impl Stack {
    /// Takes in a segment that belongs to no living connection, when it belongs to one in TIME-WAIT (RFC 9293
    /// §3.10.7.4).
    pub(super) fn in_time_wait(
        &mut self,
        key: FlowKey,
        segment: &Segment<'_>,
    ) -> Result<Outcome, DropCause> {
        if self.time_waits.len() == 0 {
            return Ok(Outcome::None);
        }
        let now = self.clock.now();
        self.time_waits.expire(now);
        let Some(waiting) = self.time_waits.table.get(&key) else {
            return Ok(Outcome::None);
        };
        let flags = segment.flags;
        if flags.rst() {
            let beyond = segment.sequence.wrapping_sub(waiting.received_to) as usize;
            return match Verdict::of(beyond, usize::from(waiting.window)) {
                Verdict::Believe => {
                    self.time_waits.table.remove(&key);
                    Ok(Outcome::Done)
                }
                Verdict::Ignore => Err(DropCause::OutsideWindow),
                Verdict::Challenge => {
                    self.acknowledge(key, &waiting);
                    Err(DropCause::Challenged)
                }
            };
        }
        if flags.syn() && !flags.ack() {
            let newer = is_before(waiting.received_to, segment.sequence);
            if newer && self.listeners.contains_key(&key.local.port()) {
                self.time_waits.table.remove(&key);
                self.note(key, TcpDeed::TimeWaitReused);
                return Ok(Outcome::Opens(waiting.sent_to.wrapping_add(APART)));
            }
            self.acknowledge(key, &waiting);
            return Ok(Outcome::Done);
        }
        if flags.fin() {
            // Our last acknowledgment was lost.
            self.time_waits.begin_again(key, waiting, now);
        }
        if flags.fin() || !segment.payload.is_empty() || segment.sequence != waiting.received_to {
            self.acknowledge(key, &waiting);
        }
        Ok(Outcome::Done)
    }

    fn acknowledge(&mut self, key: FlowKey, waiting: &TimeWait) {
        let numbers = (waiting.sent_to, waiting.received_to, waiting.window);
        self.send_bare_ack(key, waiting.nic, numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_begins_again_ends_later() {
        let key = |port: u16| FlowKey {
            local: ([10, 0, 1, 10], port).into(),
            remote: ([10, 0, 2, 21], 80).into(),
        };
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        let mut waits = TimeWaits::new(Duration::from_secs(60));
        waits.begin(key(1), 0, (5, 6, 7), at(0));
        waits.begin(key(2), 0, (5, 6, 7), at(10));
        let first = waits.table.get(&key(1)).unwrap();
        waits.begin_again(key(1), first, at(30));
        waits.expire(at(60));
        assert_eq!(waits.len(), 2);
        waits.expire(at(70));
        assert!(waits.holds(&key(1)) && !waits.holds(&key(2)));
        waits.expire(at(90));
        assert_eq!(waits.len(), 0);
        assert!(waits.ends.is_empty());
    }
}
