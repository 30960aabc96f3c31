//! DNS: servers of zones, resolvers that ask them, and how clients ask.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// A DNS server.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// What it answers from.
    pub source: DnsSource,
    /// How it serves.
    pub service: DnsService,
}

impl Resolver {
    /// The addresses in the zones that it serves: what names here lead to.
    pub fn published(&self) -> impl Iterator<Item = IpAddr> {
        let zones = match &self.source {
            DnsSource::Zones(zones) => zones.as_slice(),
            DnsSource::Others(_) => &[],
        };
        let records = zones.iter().flat_map(|z| &z.records);
        records.filter_map(|r| r.data.ip_addr())
    }

    /// The names in its zones with their addresses, both as text; of an alias its target's name.
    pub fn names(&self) -> impl Iterator<Item = (String, String)> {
        let zones = match &self.source {
            DnsSource::Zones(zones) => zones.as_slice(),
            DnsSource::Others(_) => &[],
        };
        let text = |name: &Name| name.to_ascii().trim_end_matches('.').to_owned();
        zones.iter().flat_map(move |zone| {
            let records = zone.records.iter().filter_map(move |record| {
                Some((text(&record.name), record.data.ip_addr()?.to_string()))
            });
            let aliases = zone.aliases.iter();
            records.chain(aliases.map(move |a| (text(&a.name), text(&a.target))))
        })
    }

    /// The servers that it asks itself.
    #[must_use]
    pub fn asks(&self) -> &[IpAddr] {
        match &self.source {
            DnsSource::Zones(_) => &[],
            DnsSource::Others(recursion) => &recursion.servers,
        }
    }
}

/// What a DNS server answers from.
#[derive(Debug, Clone)]
pub enum DnsSource {
    /// Zones of its own: an authoritative server.
    Zones(Vec<Zone>),
    /// Other servers, and what it remembers of their answers: a recursive resolver.
    Others(Recursion),
}

/// The name of the server that an NS record names.
pub(crate) fn server_name(record: &Record) -> Option<&Name> {
    if let RData::NS(name) = &record.data {
        Some(&name.0)
    } else {
        None
    }
}

/// How a DNS server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsService {
    /// How long it thinks before each answer.
    pub takes: Duration,
    /// Whether it listens on TCP port 53 too, as it must (RFC 7766 §5).
    pub tcp: bool,
    /// The largest answer by UDP, in bytes, for clients that take it (RFC 6891 §6.2.5). `None`: it knows no EDNS.
    pub payload_max: Option<u16>,
}

/// The UDP payload that fits through any path without fragments (DNS Flag Day 2020).
pub const PAYLOAD: u16 = 1232;

impl Default for DnsService {
    fn default() -> Self {
        Self {
            takes: Duration::ZERO,
            tcp: true,
            payload_max: Some(PAYLOAD),
        }
    }
}

/// A zone (RFC 1034 §4.2).
#[derive(Debug, Clone)]
pub struct Zone {
    /// The name at its top.
    pub origin: Name,
    /// Its start of authority.
    pub soa: SOA,
    /// Time to live of the start of authority, in seconds.
    pub soa_ttl: u32,
    /// All other records.
    pub records: Vec<Record>,
    /// Names that answer with another name's addresses, as Route 53's alias records do.
    pub aliases: Vec<Alias>,
}

/// A name that answers with another name's addresses: no CNAME, so that it may stand at the top of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub name: Name,
    /// Whose addresses: a name in a zone of the same server.
    pub target: Name,
}

/// How a recursive resolver finds answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recursion {
    /// Whom it asks first.
    pub servers: Vec<IpAddr>,
    /// Whether these are other resolvers, which do all the rest; else they are the root's servers.
    pub forwards: bool,
    /// How it asks.
    pub asking: Asking,
    /// The longest that it keeps that there is no such name or record (RFC 2308 §5: one to three hours).
    pub negative_max: Duration,
    /// How long it keeps that it found nothing out (RFC 9520 §3.2: one second to five minutes). Zero: not at all.
    pub failures: Duration,
}

/// How questions are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// How long it waits for an answer.
    pub timeout: Duration,
    /// How often it asks each server.
    pub attempts: u32,
    /// The largest answer it takes by UDP, told by EDNS; `None`: it knows no EDNS, and takes 512 bytes.
    pub payload_max: Option<u16>,
    /// Whether it asks again by TCP when an answer was cut (RFC 7766 §5).
    pub tcp: bool,
}

impl Asking {
    /// As glibc's resolver: five seconds, and then once more (resolv.conf(5), `timeout` and `attempts`), without EDNS.
    #[must_use]
    pub const fn stub() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            attempts: 2,
            payload_max: None,
            tcp: true,
        }
    }

    /// As recursive resolvers: they give up a server soon, as there are others.
    #[must_use]
    pub const fn recursive() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            attempts: 2,
            payload_max: Some(PAYLOAD),
            tcp: true,
        }
    }
}

/// A client's part of DNS: it asks resolvers, and does nothing by itself (RFC 1034 §5.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// The resolvers, in the order in which they are asked.
    pub servers: Vec<IpAddr>,
    /// How it asks.
    pub asking: Asking,
    /// For records of which types: A, AAAA.
    pub kinds: Vec<RecordType>,
    /// What it remembers.
    pub keeps: Keeps,
}

impl Stub {
    /// A stub that asks for A records only and remembers nothing, as a program with glibc's resolver.
    #[must_use]
    pub fn of(servers: Vec<IpAddr>) -> Self {
        Self {
            servers,
            asking: Asking::stub(),
            kinds: vec![RecordType::A],
            keeps: Keeps::Nothing,
        }
    }
}

/// What a client remembers of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing.
    Nothing,
    /// Each as long as it may: its time to live.
    TimeToLive,
    /// Each this long, whatever its time to live is, as a Java machine does (`networkaddress.cache.ttl`).
    For(Duration),
    /// Each as long as the program runs, as a Java machine with a security manager does.
    Forever,
}
