//! One DNS message (RFC 1035 §4), read by hickory-proto and laid out flat. Which answer belongs to which query is
//! not known here.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{Name, RData, Record};

/// The UDP port of DNS servers.
pub const PORT: u16 = 53;

/// A DNS message, without what nobody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Transaction ID.
    pub id: u16,
    /// The 16 bits of flags, as they stand on the wire.
    pub flags: u16,
    /// Whether it is a response (QR).
    pub response: bool,
    /// Whether it was cut to fit (TC).
    pub truncated: bool,
    /// Response code number, four bits.
    pub rcode: u8,
    /// Response code, as in "NXDOMAIN".
    pub rcode_text: String,
    /// The question section.
    pub questions: Vec<Question>,
    /// The answer section.
    pub answers: Vec<Answer>,
    /// The authority and additional sections, without EDNS.
    pub others: Vec<Answer>,
    /// The largest datagram that the sender takes, when it knows EDNS (RFC 6891 §6.2.3).
    pub payload_max: Option<u16>,
    /// Number of records in the authority section.
    pub authority_count: u16,
    /// Number of records in the additional section, EDNS included.
    pub additional_count: u16,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// As in "your-app.com": without the root's dot.
    pub name: String,
    /// Type number.
    pub kind: u16,
    /// Type, as in "A".
    pub kind_text: String,
}

/// A resource record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Owner, as in "your-app.com".
    pub name: String,
    /// Type number.
    pub kind: u16,
    /// Time to live, in seconds.
    pub ttl_s: u32,
    /// What it says.
    pub data: Data,
}

/// Record data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// CNAME.
    CanonicalName(String),
    /// NS.
    NameServer(String),
    /// TXT: its strings.
    Text(Vec<String>),
    /// SOA.
    StartOfAuthority {
        /// The primary server.
        primary: String,
        /// How long it is kept that there is nothing, in seconds (RFC 2308 §4).
        minimum_s: u32,
    },
    /// Another type.
    Other,
}

impl Dns {
    /// Reads a whole message; `None` when it is not well-formed.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let message = Message::from_vec(bytes).ok()?;
        let number = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let flags = number(2)?;
        Some(Self {
            id: message.metadata.id,
            flags,
            response: message.metadata.message_type == MessageType::Response,
            truncated: message.metadata.truncation,
            rcode: (flags & 0xf) as u8,
            // As the registry has them (IANA "DNS RCODEs").
            rcode_text: format!("{:?}", message.metadata.response_code).to_uppercase(),
            questions: message
                .queries
                .iter()
                .map(|q| Question {
                    name: plain(&q.name),
                    kind: q.query_type.into(),
                    kind_text: q.query_type.to_string(),
                })
                .collect(),
            answers: message.answers.iter().map(answer).collect(),
            others: message
                .authorities
                .iter()
                .chain(&message.additionals)
                .map(answer)
                .collect(),
            payload_max: message.edns.as_ref().map(|e| e.max_payload()),
            authority_count: number(8)?,
            additional_count: number(10)?,
        })
    }

    /// The addresses in the answer section.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.answers
            .iter()
            .filter_map(|a| match a.data {
                Data::Address(address) => Some(address),
                Data::CanonicalName(_)
                | Data::NameServer(_)
                | Data::Text(_)
                | Data::StartOfAuthority { .. }
                | Data::Other => None,
            })
            .collect()
    }

    /// The names that CNAMEs in the answer section lead to.
    #[must_use]
    pub fn aliases(&self) -> Vec<String> {
        let names = self.answers.iter().filter_map(|a| match &a.data {
            Data::CanonicalName(name) => Some(name.clone()),
            Data::Address(_)
            | Data::NameServer(_)
            | Data::Text(_)
            | Data::StartOfAuthority { .. }
            | Data::Other => None,
        });
        names.collect()
    }

    /// The zone whose servers it refers to, when it answers nothing else (RFC 1034 §4.3.1).
    #[must_use]
    pub fn referral(&self) -> Option<String> {
        /// The flag AA.
        const AUTHORITATIVE: u16 = 0x0400;
        if !self.answers.is_empty() || self.rcode != 0 || self.flags & AUTHORITATIVE != 0 {
            return None;
        }
        let mut zones = self.others.iter();
        let zone = zones.find(|a| matches!(a.data, Data::NameServer(_)))?;
        Some(zone.name.clone())
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the types of records are not ours, and open"
)]
fn answer(record: &Record) -> Answer {
    Answer {
        name: plain(&record.name),
        kind: record.record_type().into(),
        ttl_s: record.ttl,
        data: match &record.data {
            RData::A(a) => Data::Address(a.0.into()),
            RData::AAAA(a) => Data::Address(a.0.into()),
            RData::CNAME(n) => Data::CanonicalName(plain(&n.0)),
            RData::NS(n) => Data::NameServer(plain(&n.0)),
            RData::TXT(t) => {
                let strings = t.txt_data.iter();
                Data::Text(strings.map(|s| String::from_utf8_lossy(s).into()).collect())
            }
            RData::SOA(s) => Data::StartOfAuthority {
                primary: plain(&s.mname),
                minimum_s: s.minimum,
            },
            _ => Data::Other,
        },
    }
}

/// The name without the root's dot, and the root itself as Wireshark writes it.
fn plain(name: &Name) -> String {
    let text = name.to_ascii();
    match text.strip_suffix('.').unwrap_or(&text) {
        "" => "<Root>".into(),
        short => short.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{OpCode, Query, ResponseCode};
    use hickory_proto::rr::RecordType;
    use hickory_proto::rr::rdata::{A, CNAME};

    fn message() -> Message {
        let name = Name::from_ascii("your-app.com.").unwrap();
        let lb = Name::from_ascii("lb.example.").unwrap();
        let mut m = Message::response(0x1234, OpCode::Query);
        m.add_query(Query::query(name.clone(), RecordType::A));
        m.add_answer(Record::from_rdata(
            name,
            60,
            RData::CNAME(CNAME(lb.clone())),
        ));
        m.add_answer(Record::from_rdata(
            lb,
            30,
            RData::A(A::new(198, 51, 100, 10)),
        ));
        m
    }

    #[test]
    fn reads_an_answer() {
        let dns = Dns::read(&message().to_vec().unwrap()).unwrap();
        assert_eq!((dns.id, dns.response, dns.truncated), (0x1234, true, false));
        assert_eq!((dns.rcode, dns.rcode_text.as_str()), (0, "NOERROR"));
        assert_eq!(dns.questions[0].name, "your-app.com");
        assert_eq!(dns.questions[0].kind_text, "A");
        assert_eq!(
            dns.answers[0].data,
            Data::CanonicalName("lb.example".into())
        );
        assert_eq!((dns.answers[1].kind, dns.answers[1].ttl_s), (1, 30));
        assert_eq!(dns.addresses(), [IpAddr::from([198, 51, 100, 10])]);
    }

    #[test]
    fn names_the_response_code() {
        let mut m = message();
        m.answers.clear();
        m.metadata.response_code = ResponseCode::NXDomain;
        let dns = Dns::read(&m.to_vec().unwrap()).unwrap();
        assert_eq!((dns.rcode, dns.rcode_text.as_str()), (3, "NXDOMAIN"));
    }

    #[test]
    fn a_cut_message_is_none_and_never_a_panic() {
        let whole = message().to_vec().unwrap();
        for n in 0..whole.len() {
            assert_eq!(Dns::read(&whole[..n]), None, "{n} bytes");
        }
    }
}
