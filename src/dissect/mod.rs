//! Packets to meaning, with state: TCP streams, TLS decryption from the key log, HTTP and DNS, as a list of fields
//! per frame with Wireshark's field names, and as messages for people. The ladder, the filter, the comments in
//! captures and the expectations all read this one dissection. Where packets come from is not known here.
//!
//! Fields are those that Wireshark shows when it has read a file twice (as its window and `tshark -2` do), with its
//! preference `tcp.reassemble_out_of_order`: a field belongs to the frame that completes its message, and the frames
//! before, which carry a piece of it, are TCP only.

mod dns;
pub mod field;
pub mod filter;
mod hpack;
mod http;
mod http2;
mod icmp;
pub mod key_log;
pub mod key_schedule;
pub mod keys;
pub mod message;
pub mod opener;
mod output;
mod reassembly;
mod sequence;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod web;

use std::net::{IpAddr, SocketAddr};

use field::{Fields, Value};
use key_log::KeyLog;
use message::{Frame, TcpNote};
use output::Output;

use crate::event::Crossing;
use crate::wire::dns::PORT;
use crate::wire::packet::{Datagram, Packet, Transport};

/// Bytes of the Ethernet header that captures put before the IP packet.
const ETHERNET_BYTES: usize = 14;

/// With whose eyes the packets are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Of someone who has the key log.
    WithSecrets,
    /// Of someone on the link.
    Observer,
}

/// Reads packets one after the other. Everything said of a frame is said when it is read, and final.
#[derive(Debug)]
pub struct Dissector {
    sight: Sight,
    frames: usize,
    keys: KeyLog,
    streams: tcp::Streams,
}

impl Dissector {
    /// A dissector that has seen nothing.
    #[must_use]
    pub fn new(sight: Sight) -> Self {
        Self {
            sight,
            frames: 0,
            keys: KeyLog::default(),
            streams: tcp::Streams::default(),
        }
    }

    /// Takes one line of a TLS key log (RFC 9850), which must come before the frames that need it. An observer
    /// learns nothing from it; what is no secret is passed over.
    pub fn secret(&mut self, line: &str) {
        match self.sight {
            Sight::WithSecrets => self.keys.line(line),
            Sight::Observer => {}
        }
    }

    /// Takes the next packet; `tap_name` is the name of the capture's interface. Frames are numbered from 1. A
    /// packet that the link then loses was still seen at its tap.
    pub fn frame(&mut self, crossing: &Crossing<'_>, tap_name: &str) -> Frame {
        self.frames += 1;
        let mut fields = Fields(Vec::with_capacity(48));
        let (mut messages, mut unsealed) = (Vec::new(), Vec::new());
        let mut out = Output {
            frame: self.frames,
            fields: &mut fields,
            messages: &mut messages,
            unsealed: &mut unsealed,
        };
        let length = (crossing.bytes.len() + ETHERNET_BYTES) as u64;
        out.present("frame");
        out.number("frame.number", self.frames as u64);
        out.number("frame.len", length);
        out.number("frame.cap_len", length);
        out.text("frame.interface_name", tap_name);
        out.present("eth");

        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let (mut source, mut destination) = (nowhere, nowhere);
        let (mut stream, mut tcp) = (None, None);
        if let Some(packet) = Packet::read(crossing.bytes) {
            (source, destination) = packet.ports().unwrap_or_else(|| {
                (
                    SocketAddr::new(packet.source, 0),
                    SocketAddr::new(packet.destination, 0),
                )
            });
            if packet.source.is_ipv4() {
                push_ipv4(&mut out, crossing.bytes);
            } else {
                push_ipv6(&mut out, &packet, crossing.bytes);
            }
            let ends = (source, destination);
            if let Some((index, note)) = self.transport(&packet, ends, crossing, &mut out) {
                (stream, tcp) = (Some(index), Some(note));
            }
        }
        Frame {
            number: self.frames,
            at: crossing.at,
            tap: crossing.tap,
            direction: crossing.direction,
            packet: crossing.packet,
            lost: crossing.lost,
            bytes: crossing.bytes.to_vec(),
            source,
            destination,
            stream,
            fields,
            tcp,
            messages,
            unsealed,
        }
    }

    fn transport(
        &mut self,
        packet: &Packet<'_>,
        ends: (SocketAddr, SocketAddr),
        crossing: &Crossing<'_>,
        out: &mut Output<'_>,
    ) -> Option<(usize, TcpNote)> {
        match &packet.transport {
            Transport::Tcp(segment) => {
                let at = packet.header_bytes + 12;
                let flags = match crossing.bytes.get(at..at + 2) {
                    Some(b) => u16::from_be_bytes([b[0], b[1]]) & 0xfff,
                    None => u16::from(segment.flags.0),
                };
                let done = self
                    .streams
                    .segment(ends, segment, flags, crossing.at, &self.keys, out);
                return Some((done.stream, done.note));
            }
            Transport::Udp(datagram) => udp(datagram, out),
            Transport::Icmp(icmp) => icmp::dissect(icmp, &self.streams, out),
            Transport::Other(..) => {}
        }
        None
    }
}

fn push_address(out: &mut Output<'_>, names: [&'static str; 3], source: IpAddr, to: IpAddr) {
    let [source_name, destination_name, any] = names;
    for (name, address) in [(source_name, source), (destination_name, to)] {
        out.fields.push(name, Value::Address(address));
        out.fields.push(any, Value::Address(address));
    }
}

/// `header` holds at least the 20 bytes without options.
fn push_ipv4(out: &mut Output<'_>, header: &[u8]) {
    let u16_at = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let address =
        |at: usize| IpAddr::from([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    out.present("ip");
    out.number("ip.version", header[0] >> 4);
    out.number("ip.hdr_len", u64::from(header[0] & 15) * 4);
    out.number("ip.len", u16_at(2));
    out.number("ip.id", u16_at(4));
    out.flag("ip.flags.df", header[6] & 0x40 != 0);
    out.number("ip.ttl", header[8]);
    out.number("ip.proto", header[9]);
    let names = ["ip.src", "ip.dst", "ip.addr"];
    push_address(out, names, address(12), address(16));
}

fn push_ipv6(out: &mut Output<'_>, packet: &Packet<'_>, header: &[u8]) {
    out.present("ipv6");
    out.number("ipv6.plen", u16::from_be_bytes([header[4], header[5]]));
    out.number("ipv6.nxt", header[6]);
    out.number("ipv6.hlim", packet.ttl);
    let names = ["ipv6.src", "ipv6.dst", "ipv6.addr"];
    push_address(out, names, packet.source, packet.destination);
}

fn udp(datagram: &Datagram<'_>, out: &mut Output<'_>) {
    let (source, destination) = (datagram.source_port, datagram.destination_port);
    let length = (datagram.payload.len() + 8) as u16;
    push_udp(out, source, destination, length);
    if source != PORT && destination != PORT {
        return;
    }
    dns::datagram(datagram.payload, out);
}

fn push_udp(out: &mut Output<'_>, source: u16, destination: u16, length: u16) {
    out.present("udp");
    out.number("udp.srcport", source);
    out.number("udp.dstport", destination);
    out.number("udp.port", source);
    out.number("udp.port", destination);
    out.number("udp.length", length);
}
