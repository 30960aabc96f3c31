//! One TCP connection at one node: its smoltcp socket in a set of its own, and what smoltcp does not remember.

use std::time::Duration;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};

use super::congestion::Congestion;
use super::reset::{Numbers, Verdict};
use super::{TcpLimits, TcpOptions};
use crate::time::Instant;
use crate::wire::packet::{FlowKey, Segment};

mod loss;

/// Laid out as written, from the start of a cache line: what every packet needs comes first. With many connections
/// open, each line of a flow that is touched is a miss.
#[repr(C, align(64))]
pub(super) struct Flow {
    pub(super) set: SocketSet<'static>,
    /// Which of the stack's NICs.
    pub(super) nic: usize,
    pub(super) dirty: bool,
    /// Its stream is gone: it closes by itself and is then forgotten.
    pub(super) orphan: bool,
    acknowledge_now: bool,
    pub(super) end: Option<End>,
    /// What is to be known of a connection that was asked for and is not open yet.
    pub(super) half_open: Option<Box<HalfOpen>>,
    /// Its addresses and ports are no longer its own: TIME-WAIT has them. What is left is data to read.
    pub(super) detached: bool,
    /// How long its program, when it closes, goes on reading what comes and throws it away.
    pub(super) lingers: Option<Duration>,
    /// It does so until then.
    drains_until: Option<Instant>,
    /// How often SYN or SYN-ACK was sent.
    syns: u32,
    /// Keep-alive probes since the peer was last heard.
    pub(super) probes: u32,
    last_ack: Option<u32>,
    /// The window that came with it.
    last_window: u16,
    /// Highest sequence number sent, plus one.
    sent_to: Option<u32>,
    /// What was sent up to this sequence number was too big, and leaves again in smaller segments: no congestion.
    resized_to: Option<u32>,
    send_again: bool,
    duplicate_acks: u32,
    /// As many of them as the socket takes for duplicates.
    duplicates_seen: u32,
    /// What was sent when a segment was found lost: recovery lasts until that is acknowledged (RFC 6582 §3.2).
    recover: Option<u32>,
    /// The last acknowledgment was one of new data, in recovery, and not of all: the next segment is lost too.
    partial_ack: bool,
    /// How often the socket must see the last acknowledgment again to find a loss.
    repeats: u32,
    /// What is sent again next is so because of it.
    resends_partial: bool,
    /// When the peer was last heard.
    pub(super) heard: Instant,
    /// Since when something waits for an acknowledgment.
    waiting_since: Option<Instant>,
    /// `send_queue()` when we last looked.
    pub(super) queued: usize,
    /// Largest segment of data we send, in bytes.
    mss: usize,
    /// Largest packet that the way to the peer carries, where that is known to be less than our NIC's MTU.
    pub(super) path_mtu: Option<usize>,
    congestion: Option<Congestion>,
    pub(super) numbers: Numbers,
    pub(super) options: TcpOptions,
    pub(super) key: FlowKey,
}

/// A connection in a listener's SYN queue.
pub(super) struct HalfOpen {
    /// The listener's.
    pub(super) port: u16,
    /// The SYN-ACK, for a SYN that comes again.
    pub(super) syn_ack: Vec<u8>,
}

/// How a connection ended other than by FIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// RST in answer to our SYN.
    Refused,
    /// RST later.
    Reset,
    /// ICMP said that the destination cannot be reached, while connecting.
    Unreachable,
    /// Nothing was acknowledged for too long.
    TimedOut,
}

impl End {
    pub(super) fn error(self) -> std::io::Error {
        use std::io::ErrorKind;
        let kind = match self {
            Self::Refused => ErrorKind::ConnectionRefused,
            Self::Reset => ErrorKind::ConnectionReset,
            Self::Unreachable => ErrorKind::HostUnreachable,
            Self::TimedOut => ErrorKind::TimedOut,
        };
        kind.into()
    }
}

impl Flow {
    pub(super) fn new(
        key: FlowKey,
        nic: usize,
        mss: usize,
        options: TcpOptions,
        now: Instant,
    ) -> Self {
        let buffer = |n: usize| SocketBuffer::new(vec![0; n]);
        let mut socket = Socket::new(buffer(options.receive_buffer), buffer(options.send_buffer));
        socket.set_nagle_enabled(!options.nodelay);
        socket.set_ack_delay(options.ack_delay.map(|d| {
            let micros = u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
            smoltcp::time::Duration::from_micros(micros)
        }));
        let mut set = SocketSet::new(Vec::with_capacity(1));
        set.add(socket);
        Self {
            set,
            nic,
            dirty: false,
            orphan: false,
            acknowledge_now: false,
            end: None,
            half_open: None,
            detached: false,
            lingers: None,
            drains_until: None,
            syns: 0,
            probes: 0,
            last_ack: None,
            last_window: 0,
            sent_to: None,
            resized_to: None,
            send_again: false,
            duplicate_acks: 0,
            duplicates_seen: 0,
            recover: None,
            partial_ack: false,
            repeats: 0,
            resends_partial: false,
            heard: now,
            waiting_since: None,
            queued: 0,
            mss,
            path_mtu: None,
            congestion: None,
            numbers: Numbers::default(),
            options,
            key,
        }
    }

    pub(super) fn socket(&mut self) -> &mut Socket<'static> {
        // The set holds one socket, in its first place, for life.
        self.set.get_mut(SocketHandle::default())
    }

    pub(super) fn state(&self) -> State {
        self.set
            .get::<Socket<'static>>(SocketHandle::default())
            .state()
    }

    /// Whether the FIN guard holds `segment` back. smoltcp 0.14.0 counts duplicate ACKs while only our FIN is
    /// outstanding, arms a fast retransmission that has nothing to send, and with it disarms the timer that would
    /// send a lost FIN again: the connection hangs for ever. Such an ACK carries nothing we need.
    pub(super) fn guards_against(&mut self, segment: &Segment<'_>) -> bool {
        let pure_ack = segment.flags.0 & 0x17 == 0x10 && segment.payload.is_empty();
        pure_ack
            && self.last_ack == Some(segment.acknowledgment)
            && matches!(
                self.state(),
                State::FinWait1 | State::Closing | State::LastAck
            )
            && self.socket().send_queue() == 0
    }

    /// What becomes of a RST. While the handshake lasts, and at the very end, that is smoltcp's affair.
    pub(super) fn judge_reset(&mut self, segment: &Segment<'_>) -> Verdict {
        match self.state() {
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => self
                .numbers
                .judge(segment.sequence, self.options.receive_buffer),
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::TimeWait => Verdict::Believe,
        }
    }

    /// The program is gone, and reads on without looking: a lingering close.
    pub(super) fn drain(&mut self, lingers: Duration, now: Instant) {
        self.drains_until = Some(now + lingers);
        self.socket().close();
        self.discard(now);
    }

    /// Throws away what came for a program that lingers, before its window closes.
    pub(super) fn discard(&mut self, now: Instant) {
        if self.drains_until.is_some_and(|until| now < until) {
            let socket = self.socket();
            if socket.recv_queue() < socket.recv_capacity() / 2 {
                return;
            }
            // The buffer is a ring: what it holds comes in two pieces at most.
            while socket.can_recv() && socket.recv(|data| (data.len(), ())).is_ok() {}
        }
    }

    /// Notes a segment before the socket sees it.
    pub(super) fn on_segment(&mut self, segment: &Segment<'_>, now: Instant) {
        self.heard = now;
        self.probes = 0;
        self.numbers.on_received(segment);
        if segment.flags.rst() {
            let end = if self.state() == State::SynSent {
                End::Refused
            } else {
                End::Reset
            };
            self.end.get_or_insert(end);
        }
        if let (true, Some(mss)) = (segment.flags.syn(), segment.mss) {
            // Our own segments are no larger than the peer's MSS nor than our MTU allows.
            self.mss = usize::from(mss).min(self.mss).max(64);
            self.congestion = Some(Congestion::new(self.mss));
        }
        self.acknowledge_now |= segment.flags.fin();
        if segment.flags.ack() {
            let again = self.last_ack == Some(segment.acknowledgment);
            let pure = segment.payload.is_empty() && segment.flags.0 & 0x07 == 0;
            self.count_duplicates(again && pure, segment);
            self.partial_ack = false;
            if !again && let Some(recover) = self.recover {
                let before = segment.acknowledgment.wrapping_sub(recover).cast_signed() < 0;
                self.recover = Some(recover).filter(|_| before);
                self.partial_ack = before && pure;
                self.repeats = if self.partial_ack { 3 } else { 0 };
            }
            self.last_window = segment.window;
            self.last_ack = Some(segment.acknowledgment);
        }
    }

    /// Takes note of what the socket did with the last segment.
    pub(super) fn after_segment(&mut self) {
        if self.end.is_some() && self.state() != State::Closed {
            // The RST was out of the window, and ignored (RFC 9293 §3.10.7.4).
            self.end = None;
        }
        let queued = self.socket().send_queue();
        let acknowledged = self.queued.saturating_sub(queued);
        self.queued = queued;
        if let (Some(congestion), 1..) = (&mut self.congestion, acknowledged) {
            congestion.on_acknowledged(acknowledged);
        }
    }

    /// The time to tell the socket so that a pending acknowledgment leaves at once: the last thing a peer sends, its
    /// FIN, is not left waiting, as Linux does when TIME-WAIT begins. smoltcp delays it like any other and has no
    /// switch for it. Only while nothing else is to be sent, which would then be timed wrongly.
    pub(super) fn acknowledge_at(&mut self, now: Instant) -> Option<Instant> {
        if !std::mem::take(&mut self.acknowledge_now) || self.queued > 0 {
            return None;
        }
        self.options.ack_delay.map(|delay| now + delay)
    }

    /// Notes a segment that the socket sends.
    pub(super) fn on_sent(&mut self, segment: &Segment<'_>) {
        self.numbers.on_sent(segment);
        self.syns += u32::from(segment.flags.syn());
        if segment.payload.is_empty() {
            return;
        }
        let end = segment.sequence.wrapping_add(segment.payload.len() as u32);
        let new = self
            .sent_to
            .is_none_or(|to| to.wrapping_sub(end).cast_signed() < 0);
        if new {
            self.sent_to = Some(end);
        } else if self
            .resized_to
            .is_some_and(|to| end.wrapping_sub(to).cast_signed() <= 0)
        {
            // Not lost to congestion.
        } else if std::mem::take(&mut self.resends_partial) {
            // The window was reduced when recovery began.
        } else if let Some(congestion) = &mut self.congestion {
            let timeout = self.duplicate_acks < 3;
            // After a timeout everything is sent again.
            self.recover = self.sent_to.filter(|_| !timeout);
            // Any segment sent again in a go-back-N round is the same loss.
            congestion.on_retransmission(
                self.queued,
                timeout && self.last_ack == Some(segment.sequence),
            );
        }
    }

    /// How many of `wanted` bytes may be given to the socket now.
    pub(super) fn room(&mut self, wanted: usize) -> usize {
        let Some(congestion) = &self.congestion else {
            return 0;
        };
        let room = congestion.window().saturating_sub(self.queued);
        // A piece of a segment would leave at once and waste the window: wait for room for a whole one.
        let least = wanted.min(self.mss);
        if room < least && self.queued > 0 {
            0
        } else {
            room.min(wanted)
        }
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<usize, smoltcp::socket::tcp::SendError> {
        let room = self.room(data.len());
        let written = self.socket().send_slice(&data[..room])?;
        self.queued += written;
        Ok(written)
    }

    /// Whether the peer owes us an acknowledgment for too long; else when that will be.
    pub(super) fn give_up_at(&mut self, limits: &TcpLimits, now: Instant) -> Option<Instant> {
        // The waits after the first SYN and after each that is sent again: 1, 2, 4 s and so on.
        let attempts = |retries: u32| Duration::from_secs((2 << retries) - 1);
        let (waiting, patience) = match self.state() {
            State::SynSent => (true, attempts(limits.syn_retries)),
            State::SynReceived => (true, attempts(limits.synack_retries)),
            State::FinWait1 | State::Closing | State::LastAck => (true, self.options.user_timeout),
            State::Established | State::CloseWait => (self.queued > 0, self.options.user_timeout),
            State::Closed | State::Listen | State::FinWait2 | State::TimeWait => {
                (false, Duration::ZERO)
            }
        };
        if !waiting {
            self.waiting_since = None;
            return None;
        }
        let since = *self.waiting_since.get_or_insert(now);
        Some(since.max(self.heard) + patience)
    }

    /// Whether SYN or SYN-ACK was sent as often as it may: what is left is to wait.
    pub(super) fn is_spent(&self, limits: &TcpLimits) -> bool {
        match self.state() {
            State::SynSent => self.syns > limits.syn_retries,
            State::SynReceived => self.syns > limits.synack_retries,
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::Closed
            | State::Listen
            | State::TimeWait => false,
        }
    }

    /// Whether the program is gone and `segment` brings data for it, which nobody will ever read. Half of a connection
    /// that is closed by `shutdown` goes on reading: its stream lives.
    pub(super) fn has_no_reader_for(&self, segment: &Segment<'_>, now: Instant) -> bool {
        self.orphan
            && self.drains_until.is_none_or(|until| until <= now)
            && matches!(self.state(), State::FinWait1 | State::FinWait2)
            && self.numbers.is_new(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::Flags;

    /// The third duplicate is one whatever the window did, if it reports a gap; the socket sees it as often as it
    /// missed duplicates.
    #[test]
    fn a_window_that_grows_hides_no_loss() {
        let repeats = |acks: &[(u32, u16, bool)]| {
            let key = FlowKey {
                local: ([203, 192, 1, 50], 50_000).into(),
                remote: ([198, 51, 100, 10], 443).into(),
            };
            let options = TcpOptions::default();
            let mut flow = Flow::new(key, 0, 1_460, options, Instant::ZERO);
            let mut all = Vec::new();
            for (acknowledgment, window, sack) in acks {
                let segment = Segment {
                    source_port: 443,
                    destination_port: 50_000,
                    sequence: 1,
                    acknowledgment: *acknowledgment,
                    flags: Flags(0x10),
                    window: *window,
                    mss: None,
                    window_scale: None,
                    sack_permitted: false,
                    sack: *sack,
                    header_bytes: 20,
                    payload: &[],
                };
                flow.on_segment(&segment, Instant::ZERO);
                all.push(flow.repeats);
            }
            all
        };
        let same = (9, 500, false);
        assert_eq!(repeats(&[same, same, same, same, same]), [0, 0, 0, 0, 0]);
        let growing = |sack| {
            [
                (9, 500, sack),
                (9, 501, sack),
                (9, 502, sack),
                (9, 503, sack),
            ]
        };
        assert_eq!(repeats(&growing(true)), [0, 0, 0, 3]);
        assert_eq!(
            repeats(&growing(false)),
            [0, 0, 0, 0],
            "updates of the window"
        );
        let once = [
            (9, 500, true),
            (9, 501, true),
            (9, 501, true),
            (9, 501, true),
        ];
        assert_eq!(repeats(&once), [0, 0, 0, 1]);
    }
}
