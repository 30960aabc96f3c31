//! The main lab, written down by hand for the tests of `expect` and `report`: DNS, TCP, TLS 1.3, the request, the
//! second connection, the response. 28 packets; 10 ms one way to the user, 1 ms to the target.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Record, TapRecord};
use crate::dissect::message::{Frame, Message, TlsKind};
use crate::event::{Direction, DropCause, Event, PacketId, TapId, What};
use crate::lab::plan::{Connection, Place, Plan};
use crate::name::Name;
use crate::time::Instant;

mod events;
mod packets;
mod plan;

use events::events;
use packets::shots;
use plan::plan;

/// A finished run, owned.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) place: Place,
    pub(crate) tolerance: Duration,
    pub(crate) frames: Vec<Frame>,
    pub(crate) observed: Vec<Frame>,
    pub(crate) taps: Vec<TapRecord>,
    pub(crate) events: Vec<Event>,
}

impl Run {
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            plan: &self.plan,
            seed: 1,
            place: self.place,
            began: self.plan.clock,
            tolerance: self.tolerance,
            frames: &self.frames,
            observed: &self.observed,
            taps: &self.taps,
            events: &self.events,
            ended: at(102.0),
        }
    }

    /// Loses a packet on its first link: nobody but its sender sees it.
    pub(crate) fn lose(&mut self, packet: u64, cause: DropCause) {
        let packet = PacketId(packet);
        let mut captures = vec![&mut self.frames, &mut self.observed];
        for tap in &mut self.taps {
            captures.push(&mut tap.frames);
            captures.push(&mut tap.observed);
        }
        let mut sent = None;
        for frames in captures {
            frames.retain(|f| f.packet != packet || f.direction == Direction::Out);
            for frame in frames.iter_mut().filter(|f| f.packet == packet) {
                frame.lost = Some(cause);
                sent = Some(frame.clone());
            }
            number(frames);
        }
        let sent = sent.unwrap();
        let node = self.plan.topology.tap(sent.tap).node;
        self.events.push(Event {
            at: sent.at,
            node: self.plan.topology.nodes[node].name.clone(),
            what: What::Dropped {
                packet,
                cause,
                why: None,
                link: Some(name("edge")),
                bytes: sent.bytes,
            },
        });
        self.events.sort_by_key(|e| e.at);
    }
}

/// As in "user -> alb:443".
pub(crate) fn connection(from: &str, to: &str, port: u16) -> Connection {
    Connection {
        from: name(from),
        to: name(to),
        port,
        nth: 1,
    }
}

const CLIENT: &str = "203.192.1.50:50000";
const FRONT: &str = "198.51.100.10:443";
const BACK: &str = "10.0.1.10:50000";
const TARGET: &str = "10.0.2.21:32768";
const ASKER: &str = "203.192.1.50:40000";
const DNS: &str = "198.51.100.53:53";
const CONTAINER: &str = "172.17.0.2:8080";
const PATH: &str = "/notification/health/check";

/// The run without any disturbance.
pub(crate) fn main_lab() -> Run {
    let plan = plan();
    let mut frames = Vec::new();
    let mut taps: BTreeMap<usize, Vec<Frame>> = BTreeMap::new();
    for (index, shot) in shots().into_iter().enumerate() {
        let nic = |a: SocketAddr| {
            let mut nics = plan.topology.nics.iter();
            nics.position(|n| n.address == a.ip()).unwrap()
        };
        let (from, to) = (nic(shot.from), nic(shot.to));
        let frame = shot.frame(PacketId(index as u64 + 1));
        for (tap, direction, when) in [
            (from, Direction::Out, shot.sent),
            (to, Direction::In, shot.received),
        ] {
            let seen = Frame {
                at: at(when),
                tap: TapId(tap),
                direction,
                ..frame.clone()
            };
            if plan.main_taps.contains(&tap) {
                frames.push(seen.clone());
            }
            taps.entry(tap).or_default().push(seen);
        }
    }
    number(&mut frames);
    let taps = taps.into_iter().map(|(tap, mut frames)| {
        number(&mut frames);
        TapRecord {
            tap: TapId(tap),
            observed: frames.iter().map(without_secrets).collect(),
            frames,
        }
    });
    Run {
        taps: taps.collect(),
        observed: frames.iter().map(without_secrets).collect(),
        frames,
        events: events(),
        plan,
        place: Place::Virtual,
        tolerance: Duration::ZERO,
    }
}

fn number(frames: &mut [Frame]) {
    frames.sort_by_key(|f| (f.at, f.packet));
    for (index, frame) in frames.iter_mut().enumerate() {
        frame.number = index + 1;
    }
}

fn without_secrets(frame: &Frame) -> Frame {
    let mut seen = frame.clone();
    let encrypted = seen.messages.iter().any(is_inside_tls);
    if encrypted {
        seen.fields.0.retain(|f| f.name != "http");
    }
    for message in &mut seen.messages {
        if let Message::Tls(t) = message
            && t.encrypted
        {
            t.kind = TlsKind::Opaque;
        }
    }
    seen.messages.retain(|m| !is_inside_tls(m));
    seen
}

fn is_inside_tls(m: &Message) -> bool {
    match m {
        Message::HttpRequest(h) | Message::HttpResponse(h) => h.inside_tls,
        Message::HttpBodyEnd { inside_tls, .. } => *inside_tls,
        Message::Http2(h) => h.inside_tls,
        Message::DnsQuery { .. }
        | Message::DnsAnswer { .. }
        | Message::Tls(_)
        | Message::Icmp { .. } => false,
    }
}

fn headers(inside_tls: bool) -> Vec<(String, String)> {
    let own = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    let mut all = vec![own("host", "your-app.com")];
    if !inside_tls {
        all.push(own("x-forwarded-for", "203.192.1.50"));
        all.push(own("x-forwarded-proto", "https"));
        all.push(own("x-forwarded-port", "443"));
    }
    all
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A moment in milliseconds.
pub(crate) fn at(ms: f64) -> Instant {
    Instant::from_nanos((ms * 1e6) as u64)
}
