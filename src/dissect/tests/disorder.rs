//! Connections that no stack would make, of segments drawn by lot: numbers behind and ahead, windows that close and
//! open, probes, ports used again. tshark judges each of them, and so do we.

use etherparse::{PacketBuilder, TcpHeader, TcpOptionElement};

use super::super::field::{KNOWN, Kind};
use super::WITHOUT;
use super::judge::{ours, theirs, tshark, write};
use super::wire::Capture;
use crate::rng::{Rng as _, Seed, Stream};

const CONNECTIONS: u16 = 400;
/// In each.
const SEGMENTS: usize = 40;

fn pick<T: Copy, const N: usize>(rng: &mut Stream, from: [T; N]) -> T {
    from[rng.next_u32() as usize % N]
}

/// What a side of a connection has said.
struct Side {
    address: [u8; 4],
    port: u16,
    /// The number behind its last byte.
    next: u32,
    header: TcpHeader,
}

impl Side {
    fn new(address: [u8; 4], port: u16, rng: &mut Stream) -> Self {
        Self {
            address,
            port,
            next: 1_000_000 + rng.next_u32() % 1_000_000,
            header: TcpHeader::default(),
        }
    }

    /// The number up to which the other side may send, if it said one, unless windows are scaled.
    fn edge(&self) -> Option<u32> {
        let edge = self.header.acknowledgment_number + u32::from(self.header.window_size);
        (self.header.acknowledgment_number > 0).then_some(edge)
    }
}

struct Connection<'a> {
    capture: &'a mut Capture,
    rng: Stream,
    sides: [Side; 2],
    scales: [Option<u8>; 2],
}

impl Connection<'_> {
    /// One of the three segments that open it.
    fn opening(&mut self, step: usize) {
        let from = step % 2;
        let mut header = TcpHeader {
            sequence_number: self.sides[from].next,
            window_size: pick(&mut self.rng, [0, 20, 100]),
            syn: step < 2,
            ack: step > 0,
            ..TcpHeader::default()
        };
        if header.ack {
            header.acknowledgment_number = self.sides[1 - from].next;
        }
        if let (true, Some(shift)) = (header.syn, self.scales[from]) {
            let options = [TcpOptionElement::WindowScale(shift)];
            header.set_options(&options).unwrap();
        }
        self.send(from, header, 0);
    }

    /// Any segment, most of them such as an open connection has.
    fn any(&mut self) {
        let rng = &mut self.rng;
        let from = pick(rng, [0, 1, 1]);
        let (own, other) = (&self.sides[from], &self.sides[1 - from]);
        let (next, said) = (own.next, own.header.acknowledgment_number);
        let length = pick(rng, [0, 0, 0, 1, 1, 2, 10, 20, 20]);
        let behind = pick(rng, [1, 1, length, 20]);
        let edge = other.edge().map_or(next, |edge| edge - length);
        let sequence = pick(
            rng,
            [next, next, next, next, next, next - behind, next + 10, edge],
        );
        let ends = rng.next_u32() % 24;
        let header = TcpHeader {
            sequence_number: sequence,
            acknowledgment_number: pick(
                rng,
                [said, said, said, other.next, other.next, other.next + 10],
            ),
            window_size: pick(
                rng,
                [
                    0,
                    own.header.window_size,
                    own.header.window_size,
                    own.header.window_size,
                    20,
                ],
            ),
            ack: ends != 1,
            fin: ends == 2,
            rst: ends == 1 || ends == 3,
            ..TcpHeader::default()
        };
        self.send(from, header, length);
    }

    fn send(&mut self, from: usize, mut header: TcpHeader, length: u32) {
        let waits = [0, 1_000_000, 9_000_000, 30_000_000, 900_000_000];
        self.capture.wait(pick(&mut self.rng, waits));
        header.source_port = self.sides[from].port;
        header.destination_port = self.sides[1 - from].port;
        let counted = u32::from(header.syn || header.fin);
        let end = header.sequence_number.wrapping_add(length + counted);
        let side = &mut self.sides[from];
        if (end.wrapping_sub(side.next) as i32) > 0 {
            side.next = end;
        }
        side.header = header.clone();
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(self.sides[from].address, self.sides[1 - from].address, 64)
            .tcp_header(header)
            .write(&mut bytes, &[b'.'; 32][..length as usize])
            .unwrap();
        self.capture.push(bytes);
    }
}

#[test]
fn tshark_judges_disorder_as_we_do() {
    let mut capture = Capture::default();
    for number in 0..CONNECTIONS {
        let mut rng = Seed(1).stream(number);
        // Every fourth between the ends of another.
        let port = 40_000 + number - u16::from(number % 4 == 3);
        let sides = [
            Side::new([192, 0, 2, 10], port, &mut rng),
            Side::new([198, 51, 100, 10], 9, &mut rng),
        ];
        let scales = [0, 1].map(|_| pick(&mut rng, [None, Some(0), Some(1), Some(1)]));
        // Some are in the middle already, or have their SYN twice.
        let (first, end) = pick(
            &mut rng,
            [(0, 3), (0, 3), (0, 3), (0, 1), (1, 3), (2, 3), (3, 3)],
        );
        let again = pick(&mut rng, [false, false, true]);
        let mut connection = Connection {
            capture: &mut capture,
            rng,
            sides,
            scales,
        };
        for step in first..end {
            connection.opening(step);
            if again {
                connection.capture.again();
            }
        }
        for _ in 0..SEGMENTS {
            connection.any();
        }
    }

    let directory = tempfile::tempdir().unwrap();
    write(&capture, directory.path());
    let analysis: Vec<&(&str, Kind)> = KNOWN
        .iter()
        .filter(|(name, _)| name.starts_with("tcp.analysis.") || *name == "tcp.stream")
        .collect();
    // In one pass: the second one judges the first segments of a connection by numbers that came later.
    let mut arguments = vec!["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"];
    for (name, _) in &analysis {
        arguments.extend(["-e", name]);
    }
    let Some(table) = tshark(directory.path(), false, &arguments) else {
        return;
    };
    let frames = capture.dissect(WITHOUT);
    assert_eq!(table.lines().count(), frames.len());
    let mut seen = vec![0; analysis.len()];
    let mut wrong = Vec::new();
    for (frame, row) in frames.iter().zip(table.lines()) {
        for (n, ((name, kind), cell)) in analysis.iter().zip(row.split('\t')).enumerate() {
            let (ours, theirs) = (ours(frame, name, *kind), theirs(cell, *kind));
            seen[n] += usize::from(!theirs.is_empty());
            if ours != theirs {
                wrong.push(format!(
                    "{name} of frame {}: {ours}, not {theirs}",
                    frame.number
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for ((name, _), seen) in analysis.iter().zip(seen) {
        assert!(seen >= 5, "{name} was there {seen} times");
    }
}
