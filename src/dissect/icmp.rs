//! ICMP for IPv4 (RFC 792): its texts, and the head of the packet that an error quotes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::message::Message;
use super::output::Output;
use super::tcp::{Streams, push_flags, push_options, push_ports};
use super::{dns, push_ipv4, push_udp};
use crate::wire::dns::PORT;
use crate::wire::packet::{Icmp, Packet, Transport, protocol};

/// Fields and message of an ICMP message.
pub(super) fn dissect(icmp: &Icmp<'_>, streams: &Streams, out: &mut Output<'_>) {
    out.present("icmp");
    out.number("icmp.type", icmp.kind);
    out.number("icmp.code", icmp.code);
    let [a, b, c, d] = icmp.rest;
    if is_echo(icmp.kind) {
        out.number("icmp.ident", u16::from_be_bytes([a, b]));
        out.number("icmp.seq", u16::from_be_bytes([c, d]));
    }
    if (icmp.kind, icmp.code) == (3, 4) {
        out.number("icmp.mtu", u16::from_be_bytes([c, d]));
    }
    out.messages.push(Message::Icmp {
        kind: icmp.kind,
        code: icmp.code,
        text: icmp.words(),
    });
    if matches!(icmp.kind, 3 | 4 | 5 | 11 | 12) {
        quoted(icmp.payload, streams, out);
    }
}

const fn is_echo(kind: u8) -> bool {
    matches!(kind, 0 | 8)
}

/// Fields of the quoted packet, as far as the quotation goes. Wireshark shows them as it shows those of a packet of
/// its own, but does not analyse them, and takes TCP numbers as they are.
fn quoted(bytes: &[u8], streams: &Streams, out: &mut Output<'_>) {
    let Some(header) = bytes.get(..20).filter(|b| b[0] >> 4 == 4) else {
        return;
    };
    push_ipv4(out, header);
    let Some(data) = bytes.get(usize::from(header[0] & 15) * 4..) else {
        return;
    };
    let Some(head) = data.get(..8) else {
        return;
    };
    let u16_at = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
    let (source, destination) = (u16_at(0), u16_at(2));
    match header[9] {
        protocol::TCP => {
            push_ports(out, source, destination);
            let u32_at = |at: usize| u64::from(u16_at(at)) << 16 | u64::from(u16_at(at + 2));
            out.number("tcp.seq", u32_at(4));
            if data.len() < 20 {
                return;
            }
            let address = |at: usize| {
                let octets = [header[at], header[at + 1], header[at + 2], header[at + 3]];
                IpAddr::V4(Ipv4Addr::from(octets))
            };
            let ends = (
                SocketAddr::new(address(12), source),
                SocketAddr::new(address(16), destination),
            );
            if let Some(stream) = streams.number(ends) {
                out.number("tcp.stream", stream as u64);
            }
            out.number("tcp.ack", u32_at(8));
            out.number("tcp.ack_raw", u32_at(8));
            out.number("tcp.hdr_len", u64::from(data[12] >> 4) * 4);
            push_flags(out, u16_at(12) & 0xfff);
            out.number("tcp.window_size_value", u16_at(14));
            out.number("tcp.window_size", u16_at(14));
            if let Some(Packet {
                transport: Transport::Tcp(segment),
                ..
            }) = Packet::read(bytes)
            {
                let scale = segment.window_scale;
                push_options(out, segment.mss, scale, segment.sack_permitted);
            }
        }
        protocol::UDP => {
            push_udp(out, source, destination, u16_at(4));
            if source == PORT || destination == PORT {
                dns::quoted(&data[head.len()..], out);
            }
        }
        _ => {}
    }
}
