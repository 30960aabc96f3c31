//! Who can read what: things that packets say, searched for in the bytes that were captured, as somebody on the link sees
//! them and as somebody who has the keys does.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::packets::seen_on;
use super::{Evidence, Record, Ruling};
use crate::dissect::message::{Frame, Message};
use crate::lab::plan::{Mark, Viewer};
use crate::name::Name;
use crate::wire::packet::{Packet, Transport};

/// Things in rows, places in columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Where, and with whose eyes.
    pub places: Vec<(Name, Viewer)>,
    /// What.
    pub rows: Vec<Row>,
}

/// Where one thing can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub what: String,
    /// For each place, the first packet that says it.
    pub found: Vec<Option<Evidence>>,
}

/// The table that the plan asks for; empty when it asks for none.
#[must_use]
pub fn who_reads(record: &Record<'_>) -> Table {
    let asked = &record.plan.who_reads;
    let both = |link: &Name| [Viewer::Observer, Viewer::KeyHolder].map(|v| (link.clone(), v));
    let places: Vec<(Name, Viewer)> = asked.on.iter().flat_map(both).collect();
    let seen: Vec<Seen<'_>> = places
        .iter()
        .map(|(link, viewer)| Seen::new(seen_on(record, link, *viewer).unwrap_or_default()))
        .collect();
    let rows = asked.items.iter().map(|item| Row {
        what: item.what.clone(),
        found: seen
            .iter()
            .map(|s| s.find(&item.mark).map(|f| record.cite(f)))
            .collect(),
    });
    Table {
        rows: rows.collect(),
        places,
    }
}

/// Something can be read on a link, or cannot.
pub(super) fn reads(
    record: &Record<'_>,
    what: &str,
    on: &Name,
    viewer: Viewer,
    wanted: bool,
) -> Ruling {
    let who = match viewer {
        Viewer::Observer => "anyone",
        Viewer::KeyHolder => "whoever has the keys",
    };
    let not = if wanted { "" } else { "not " };
    let expected = format!("{what} {not}to be readable on {on} for {who}");
    match seen_on(record, on, viewer) {
        Ok(frames) if frames.is_empty() => {
            return Ruling::broken("no packets", vec![], &expected, "no packet there");
        }
        Ok(_) => {}
        Err(why) => return Ruling::broken("not captured", vec![], &expected, &why),
    }
    let table = who_reads(record);
    let place = table
        .places
        .iter()
        .position(|p| p.0 == *on && p.1 == viewer);
    let row = table.rows.iter().find(|r| r.what == what);
    let found = row.zip(place).and_then(|(r, p)| r.found[p].clone());
    let measured = if found.is_some() {
        "readable"
    } else {
        "not readable"
    };
    let evidence: Vec<Evidence> = found.into_iter().collect();
    if evidence.is_empty() == wanted {
        Ruling::broken(measured, evidence, &expected, measured)
    } else {
        Ruling::held(measured, evidence)
    }
}

/// What one pair of eyes sees at one place, direction by direction, so that what stands across two packets is found.
struct Seen<'a> {
    frames: Vec<&'a Frame>,
    /// For each direction, data in order of arrival, without what was sent again, as the byte of a keep-alive is and
    /// mostly that of a window probe; and what was unsealed of it.
    streams: Vec<Stream<'a>>,
}

#[derive(Default)]
struct Stream<'a> {
    bytes: Vec<u8>,
    /// Where each frame's bytes end.
    ends: Vec<(usize, &'a Frame)>,
    /// The last window probe, whose byte may be part of it.
    probe: Option<&'a Frame>,
}

impl<'a> Stream<'a> {
    /// The data of a segment.
    fn take(&mut self, frame: &'a Frame) {
        if frame.fields.has("tcp.analysis.zero_window_probe") {
            self.probe = Some(frame);
            return;
        }
        if frame.fields.has("tcp.analysis.keep_alive") {
            return;
        }
        let bytes = payload(&frame.bytes);
        if let Some(probe) = self.probe.filter(|_| !bytes.is_empty()) {
            self.probe = None;
            let sequence = |f: &Frame| f.tcp.map(|t| t.sequence);
            // Else the byte comes again here.
            if sequence(probe).map(|n| n.wrapping_add(1)) == sequence(frame) {
                self.push(payload(&probe.bytes), probe);
            }
        }
        self.push(bytes, frame);
    }

    fn push(&mut self, bytes: &[u8], frame: &'a Frame) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push((self.bytes.len(), frame));
    }

    /// The frame that completes `text`.
    fn find(&self, text: &[u8]) -> Option<&'a Frame> {
        let at = self.bytes.windows(text.len()).position(|w| w == text)?;
        let last = at + text.len() - 1;
        self.ends.iter().find(|(end, _)| last < *end).map(|e| e.1)
    }
}

impl<'a> Seen<'a> {
    fn new(frames: Vec<&'a Frame>) -> Self {
        let mut raw: BTreeMap<(SocketAddr, SocketAddr), [Stream<'a>; 2]> = BTreeMap::new();
        for frame in &frames {
            if frame.tcp.is_some_and(|t| t.retransmission) {
                continue;
            }
            let [wire, unsealed] = raw.entry((frame.source, frame.destination)).or_default();
            wire.take(frame);
            unsealed.push(&frame.unsealed, frame);
        }
        Self {
            frames,
            streams: raw.into_values().flatten().collect(),
        }
    }

    /// The first frame that says it.
    fn find(&self, mark: &Mark) -> Option<&'a Frame> {
        let text = match mark {
            Mark::Text(text) => text.clone(),
            Mark::Address(address) => address.to_string(),
        };
        let in_streams = self.streams.iter().filter_map(|s| s.find(text.as_bytes()));
        let otherwise = self.frames.iter().filter(|f| match mark {
            Mark::Text(text) => f.messages.iter().any(|m| says(m, text)),
            Mark::Address(address) => has(f, *address),
        });
        in_streams
            .chain(otherwise.copied())
            .min_by_key(|f| (f.at, f.packet))
    }
}

/// The data of a segment or datagram.
fn payload(packet: &[u8]) -> &[u8] {
    match Packet::read(packet).map(|p| p.transport) {
        Some(Transport::Tcp(segment)) => segment.payload,
        Some(Transport::Udp(datagram)) => datagram.payload,
        Some(Transport::Icmp(_) | Transport::Other(..)) | None => &[],
    }
}

fn has(frame: &Frame, address: IpAddr) -> bool {
    [frame.source.ip(), frame.destination.ip()].contains(&address)
}

/// Whether a message says a text in another form than its letters: names in DNS, heads in HTTP/2.
fn says(message: &Message, text: &str) -> bool {
    match message {
        Message::DnsQuery { name, .. } | Message::DnsAnswer { name, .. } => name.contains(text),
        Message::HttpRequest(head) | Message::HttpResponse(head) => {
            let mut headers = head.headers.iter();
            head.target.contains(text) || headers.any(|(n, v)| n.contains(text) || v.contains(text))
        }
        Message::Tls(_)
        | Message::Http2(_)
        | Message::HttpBodyEnd { .. }
        | Message::Icmp { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture;
    use crate::lab::plan::{ReadItem, WhoReads};

    #[test]
    fn what_stands_across_two_packets_is_found() {
        let run = fixture::main_lab();
        let mut stream = Stream::default();
        for (bytes, frame) in [&b"sess"[..], b"ion", b"=9"].iter().zip(&run.frames) {
            stream.push(bytes, frame);
        }
        let found = |text: &str| stream.find(text.as_bytes()).map(|f| f.number);
        assert_eq!(found("ess"), Some(1));
        assert_eq!(found("session"), Some(2));
        assert_eq!(found("n=9"), Some(3));
        assert_eq!(found("session=8"), None);
    }

    #[test]
    fn the_byte_of_a_probe_is_there_once() {
        let run = fixture::main_lab();
        // A segment with data, as the dissector marks it.
        let segment = |sequence: u32, text: &str, asks: Option<&'static str>| {
            let mut frame = run.frames.iter().find(|f| f.tcp.is_some()).unwrap().clone();
            let tcp = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
                .tcp(1, 2, sequence, 1000);
            frame.bytes.clear();
            tcp.write(&mut frame.bytes, text.as_bytes()).unwrap();
            frame.tcp.as_mut().unwrap().sequence = sequence;
            if let Some(field) = asks {
                frame
                    .fields
                    .push(field, crate::dissect::field::Value::Present);
            }
            frame
        };
        let probe = Some("tcp.analysis.zero_window_probe");
        let alive = Some("tcp.analysis.keep_alive");
        for (frames, said) in [
            (
                vec![segment(4, "s", probe), segment(4, "sion=9", None)],
                "session=9",
            ),
            (
                vec![
                    segment(4, "s", probe),
                    segment(4, "s", probe),
                    segment(4, "sion", None),
                ],
                "session",
            ),
            (
                vec![segment(4, "s", probe), segment(5, "ion=9", None)],
                "session=9",
            ),
            (
                vec![segment(3, ".", alive), segment(4, "sion", None)],
                "session",
            ),
        ] {
            let first = segment(1, "ses", None);
            let mut stream = Stream::default();
            for frame in std::iter::once(&first).chain(&frames) {
                stream.take(frame);
            }
            assert_eq!(String::from_utf8_lossy(&stream.bytes), said);
        }
    }

    #[test]
    fn the_keys_make_the_difference() {
        let mut run = fixture::main_lab();
        let link = fixture::name("edge");
        let item = |what: &str, mark| ReadItem {
            what: what.into(),
            mark,
        };
        run.plan.who_reads = WhoReads {
            on: vec![link.clone()],
            items: vec![
                item("secret", Mark::Text("4711".into())),
                item("user", Mark::Address([203, 192, 1, 50].into())),
            ],
        };
        let from_user = |f: &&mut Frame| f.source.port() == 443 || f.destination.port() == 443;
        let taps = run.taps.iter_mut().flat_map(|t| &mut t.frames);
        for frame in taps.filter(from_user) {
            frame.unsealed = b"account=4711".to_vec();
        }
        let record = run.record();
        let table = who_reads(&record);
        let found: Vec<Vec<bool>> = table
            .rows
            .iter()
            .map(|r| r.found.iter().map(Option::is_some).collect())
            .collect();
        assert_eq!(found, [[false, true], [true, true]]);
        let broken = |viewer, wanted| reads(&record, "secret", &link, viewer, wanted).broken;
        assert_eq!(broken(Viewer::Observer, false), None);
        assert_eq!(broken(Viewer::KeyHolder, true), None);
        assert!(broken(Viewer::KeyHolder, false).is_some());
        assert_eq!(
            broken(Viewer::Observer, true).unwrap(),
            "expected secret to be readable on edge for anyone; found not readable"
        );
        let nowhere = reads(
            &record,
            "secret",
            &fixture::name("nowhere"),
            Viewer::Observer,
            true,
        );
        assert_eq!(nowhere.measured, "not captured");
    }
}
