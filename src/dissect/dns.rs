//! DNS, in datagrams and in connections: its fields and its messages.

use super::field::Value;
use super::message::Message;
use super::output::Output;
use crate::wire::dns::{Data, Dns};

/// Record type of the OPT pseudo-record (RFC 6891 §6.1.2).
const OPT: u16 = 41;

/// A datagram's payload.
pub(super) fn datagram(payload: &[u8], out: &mut Output<'_>) {
    if let Some(dns) = Dns::read(payload) {
        push(&dns, out);
    }
}

/// A datagram's payload that an ICMP error quotes: its fields, but no message that passes here.
pub(super) fn quoted(payload: &[u8], out: &mut Output<'_>) {
    if let Some(dns) = Dns::read(payload) {
        push_fields(&dns, out);
    }
}

/// One side of a connection: messages, each behind its length (RFC 1035 §4.2.2).
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// What is not complete.
    buffer: Vec<u8>,
}

impl Messages {
    pub(super) fn feed(&mut self, data: &[u8], out: &mut Output<'_>) {
        self.buffer.extend_from_slice(data);
        loop {
            let Some(length) = self.buffer.first_chunk::<2>() else {
                return;
            };
            let length = u16::from_be_bytes(*length);
            let end = 2 + usize::from(length);
            let Some(message) = self.buffer.get(2..end) else {
                return;
            };
            if let Some(dns) = Dns::read(message) {
                out.number("dns.length", length);
                push(&dns, out);
            }
            self.buffer.drain(..end);
        }
    }
}

fn push(dns: &Dns, out: &mut Output<'_>) {
    push_fields(dns, out);
    let question = dns.questions.first();
    let name = question.map(|q| q.name.clone()).unwrap_or_default();
    out.messages.push(if dns.response {
        Message::DnsAnswer {
            name,
            addresses: dns.addresses(),
            aliases: dns.aliases(),
            referral: dns.referral(),
            truncated: dns.truncated,
            response_code: dns.rcode_text.clone(),
        }
    } else {
        Message::DnsQuery {
            name,
            kind: question.map(|q| q.kind_text.clone()).unwrap_or_default(),
        }
    });
}

fn push_fields(dns: &Dns, out: &mut Output<'_>) {
    let bit = |mask: u16| dns.flags & mask != 0;
    out.present("dns");
    out.number("dns.id", dns.id);
    out.number("dns.flags", dns.flags);
    out.flag("dns.flags.response", dns.response);
    out.flag("dns.flags.truncated", dns.truncated);
    out.flag("dns.flags.recdesired", bit(0x0100));
    // Wireshark shows these in responses only, where alone they mean something (RFC 1035 §4.1.1).
    if dns.response {
        out.flag("dns.flags.authoritative", bit(0x0400));
        out.flag("dns.flags.recavail", bit(0x0080));
        out.number("dns.flags.rcode", dns.rcode);
    }
    out.number("dns.count.queries", dns.questions.len() as u64);
    out.number("dns.count.answers", dns.answers.len() as u64);
    out.number("dns.count.auth_rr", dns.authority_count);
    out.number("dns.count.add_rr", dns.additional_count);
    for question in &dns.questions {
        out.text("dns.qry.name", &question.name);
        out.number("dns.qry.type", question.kind);
    }
    for answer in dns.answers.iter().chain(&dns.others) {
        out.text("dns.resp.name", &answer.name);
        out.number("dns.resp.type", answer.kind);
        out.number("dns.resp.ttl", answer.ttl_s);
        match &answer.data {
            Data::Address(address) => {
                let name = if address.is_ipv4() {
                    "dns.a"
                } else {
                    "dns.aaaa"
                };
                out.fields.push(name, Value::Address(*address));
            }
            Data::CanonicalName(name) => out.text("dns.cname", name),
            Data::NameServer(name) => out.text("dns.ns", name),
            Data::Text(texts) => texts.iter().for_each(|t| out.text("dns.txt", t)),
            Data::StartOfAuthority { primary, minimum_s } => {
                out.text("dns.soa.mname", primary);
                out.number("dns.soa.minimum_ttl", *minimum_s);
            }
            Data::Other => {}
        }
    }
    if let Some(payload) = dns.payload_max {
        out.text("dns.resp.name", "<Root>");
        out.number("dns.resp.type", OPT);
        out.number("dns.rr.udp_payload_size", payload);
    }
}
