//! Echo requests: what ping(8) does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::Browser;
use crate::event::{Fact, PingFact, PingSummary};
use crate::role::config::Ping;
use crate::role::http::within;
use crate::role::http2::Tasks;
use crate::stack::{EchoAnswer, EchoSocket};
use crate::time::Instant;

/// What became of the requests so far, by sequence number.
#[derive(Default)]
struct Tally {
    sent: u64,
    ended: BTreeMap<u16, Result<Duration, String>>,
}

/// Requests to one address.
struct Pinging {
    browser: Rc<Browser>,
    ping: Ping,
    to: IpAddr,
    socket: EchoSocket,
    tally: RefCell<Tally>,
}

impl Browser {
    pub(super) async fn ping(self: Rc<Self>, ping: Ping) {
        if let Err(error) = self.clone().try_ping(ping).await {
            self.failed(error);
        }
    }

    async fn try_ping(self: Rc<Self>, ping: Ping) -> Result<(), String> {
        let addresses = self.addresses_of(&ping.host).await?;
        let first = addresses.first();
        let to = *first.ok_or_else(|| format!("{} has no address", ping.host))?;
        let socket = self.node.host.echo(ping.identifier);
        let socket = socket.map_err(|e| format!("ping {to}: {e}"))?;
        let (count, every) = (ping.count, ping.every);
        let pinging = Rc::new(Pinging {
            browser: self.clone(),
            ping,
            to,
            socket,
            tally: RefCell::default(),
        });
        let tasks = Tasks::new(self.node.executor.clone());
        let all = every * u32::from(count.saturating_sub(1)) + pinging.ping.timeout;
        let until = self.node.clock.now() + all;
        for sequence in 1..=count {
            if sequence > 1 {
                self.node.clock.sleep(every).await;
            }
            if pinging.send(sequence) {
                let pinging = pinging.clone();
                tasks.spawn(async move { pinging.wait(sequence, until).await });
            }
        }
        tasks.ended().await;
        let tally = pinging.tally.take();
        let mut summary = PingSummary {
            to,
            sent: tally.sent,
            round_trips: Vec::new(),
            errors: Vec::new(),
        };
        for ended in tally.ended.into_values() {
            match ended {
                Ok(took) => summary.round_trips.push(took),
                Err(error) => summary.errors.push(error),
            }
        }
        let failed = summary.round_trips.is_empty().then(|| {
            let why = summary.errors.last();
            let why = why.map_or("nothing came back", String::as_str);
            format!("ping {to}: none of {count} answered: {why}")
        });
        self.node.fact(Fact::Ping(PingFact::Done(summary)));
        failed.map_or(Ok(()), Err)
    }
}

impl Pinging {
    /// Sends a request; whether it left.
    fn send(&self, sequence: u16) -> bool {
        let (ping, to) = (&self.ping, self.to);
        // As ping(8) fills them: every byte has its place's number.
        let data: Vec<u8> = (0..ping.size).map(|n| n as u8).collect();
        let node = &self.browser.node;
        if let Err(error) = self.socket.request(to, ping.ttl, sequence, data) {
            let error = error.to_string();
            self.end(sequence, Err(error.clone()));
            node.fact(Fact::Ping(PingFact::NotSent {
                to,
                sequence,
                error,
            }));
            return false;
        }
        self.tally.borrow_mut().sent += 1;
        node.fact(Fact::Ping(PingFact::Sent {
            to,
            identifier: self.socket.identifier(),
            sequence,
            bytes: ping.size,
        }));
        true
    }

    /// Waits for what comes back for a request. What comes late counts, as it does for ping(8), until nothing more is
    /// waited for.
    async fn wait(&self, sequence: u16, until: Instant) {
        let node = &self.browser.node;
        let (asked, after) = (node.clock.now(), self.ping.timeout);
        let mut came = within(&node.clock, after, self.socket.answer(sequence)).await;
        if came.is_none() {
            node.fact(Fact::Ping(PingFact::TimedOut {
                to: self.to,
                sequence,
                after,
            }));
            let now = node.clock.now();
            if until > now {
                came = within(&node.clock, until - now, self.socket.answer(sequence)).await;
            }
        }
        self.socket.forget(sequence);
        let Some(came) = came else {
            return;
        };
        let fact = match came.answer {
            EchoAnswer::Reply { intact } => {
                let took = node.clock.now() - asked;
                self.end(sequence, Ok(took));
                PingFact::Answered {
                    from: came.from,
                    sequence,
                    ttl: came.ttl,
                    took,
                    intact,
                }
            }
            EchoAnswer::Error(error) => {
                self.end(sequence, Err(error.clone()));
                PingFact::Refused {
                    from: came.from,
                    sequence,
                    error,
                }
            }
        };
        node.fact(Fact::Ping(fact));
    }

    fn end(&self, sequence: u16, how: Result<Duration, String>) {
        self.tally.borrow_mut().ended.insert(sequence, how);
    }
}
