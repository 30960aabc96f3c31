//! Keep-alive (RFC 9293 §3.8.4): a connection on which nothing was heard for long is asked whether the peer is still
//! there, by a segment without data whose sequence number is one too low, so that the peer answers it.

use smoltcp::socket::tcp::State;

use super::Stack;
use super::flow::{End, Flow};
use crate::event::TcpDeed;
use crate::time::Instant;

impl Flow {
    /// When the next probe is due, or the end if none is left. Data in flight is a probe itself.
    pub(super) fn keep_alive_at(&self) -> Option<Instant> {
        let keep_alive = self.options.keep_alive?;
        let open = matches!(
            self.state(),
            State::Established | State::CloseWait | State::FinWait2
        );
        let at = self.heard + keep_alive.idle + keep_alive.interval * self.probes;
        (open && self.queued == 0).then_some(at)
    }
}

impl Stack {
    /// Sends the probe that is due, or breaks the connection off when none was answered.
    pub(super) fn keep_alive(&mut self, id: u32) {
        let Some(flow) = &mut self.flows[id as usize] else {
            return;
        };
        let (Some(keep_alive), Some((sent_to, received_to, window))) =
            (flow.options.keep_alive, flow.numbers.all())
        else {
            return;
        };
        let (key, nic, probes) = (flow.key, flow.nic, flow.probes);
        if probes >= keep_alive.count {
            flow.end = Some(End::TimedOut);
            // The RST leaves when it is served next.
            flow.socket().abort();
            self.note(key, TcpDeed::KeepAliveFailed { probes });
        } else {
            flow.probes += 1;
            let before = sent_to.wrapping_sub(1);
            self.send_bare_ack(key, nic, (before, received_to, window));
        }
        self.mark(id);
    }
}
