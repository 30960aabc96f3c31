//! What DNS servers, resolvers and clients are told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::rr::rdata::{CNAME, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::decode::{Fields, Item, all};
use super::network::Network;
use crate::role::config::{
    Alias, Asking, DnsService, DnsSource, Keeps, PAYLOAD, Recursion, Resolver, Role, Stub, Zone,
    server_name,
};
use crate::role::dns::zone::address_data;

/// Time to live of a start of authority, as in a new zone of Route 53.
const SOA_TTL: Duration = Duration::from_secs(900);
/// What else a new zone of Route 53 says there: serial number, refresh, retry, expire.
const SOA_NUMBERS: (u32, i32, i32, i32) = (1, 7_200, 900, 1_209_600);
/// Time to live of other records: an hour is common.
const TTL: Duration = Duration::from_secs(3_600);

/// `resolver = { … }`: a resolver that asks others, or one that answers from the names it is told.
pub(super) fn resolver(item: Item<'_>, network: &Network<'_>) -> Option<Role> {
    let mut table = item.fields()?;
    let what = table.exactly_one(&["zone", "hints", "forward"]);
    let mut service = Some(DnsService::default());
    let source = match what.map(|w| (w, w.key)) {
        None => None,
        Some((zone, "zone")) => {
            let ttl = table.or("ttl", Duration::from_secs(60), time_to_live);
            let zone = read_names(zone).zip(ttl);
            zone.map(|(names, ttl)| DnsSource::Zones(vec![names_only(&names, ttl)]))
        }
        Some((servers, key)) => {
            let servers = servers_of(servers, network);
            let asking = read_asking(&mut table, Asking::recursive());
            let negative_max = table.or("negative-ttl-max", 3 * TTL, time_to_live);
            let failures = table.or("failure-ttl", Duration::from_secs(5), |item| {
                let time = item.duration()?;
                // RFC 9520 §3.2.
                if time > Duration::from_secs(300) {
                    let label = "expected at most 5 min";
                    item.wrong("failures are not kept so long", label, None);
                    return None;
                }
                Some(time)
            });
            let recursion = (|| {
                Some(Recursion {
                    servers: servers?,
                    forwards: key == "forward",
                    asking: asking?,
                    negative_max: negative_max?,
                    failures: failures?,
                })
            })();
            // It asks by EDNS with what it offers its clients too.
            if let (Some(r), Some(s)) = (&recursion, &mut service) {
                s.payload_max = r.asking.payload_max;
            }
            recursion.map(DnsSource::Others)
        }
    };
    let takes = table.or("takes", Duration::ZERO, Item::duration);
    table.finish();
    let mut service = service?;
    service.takes = takes?;
    Some(Role::Resolver(Resolver {
        source: source?,
        service,
    }))
}

/// `name-server = { zone."your-app.com" = { … } }`: an authoritative server.
pub(super) fn name_server(item: Item<'_>) -> Option<Role> {
    let mut table = item.fields()?;
    let zones = table.required(
        "zone",
        "{ \"your-app.com\" = { record = { \"your-app.com\" = { a = \"198.51.100.10\" } } } }",
    );
    let read = zones.and_then(|i| all(i.fields()?.entries().map(zone)));
    let takes = table.or("takes", Duration::ZERO, Item::duration);
    let tcp = table.or("tcp", true, Item::boolean);
    let payload_max = table.or("edns", Some(PAYLOAD), payload);
    table.finish();
    let read = read?;
    for alias in read.iter().flat_map(|z| &z.aliases) {
        if !read.iter().any(|z| z.origin.zone_of(&alias.target)) {
            zones?.wrong(
                format!(
                    "the target of an alias, `{}`, is in none of these zones",
                    alias.target
                ),
                "expected a zone of this server for it",
                None,
            );
            return None;
        }
    }
    Some(Role::Resolver(Resolver {
        source: DnsSource::Zones(read),
        service: DnsService {
            takes: takes?,
            tcp: tcp?,
            payload_max: payload_max?,
        },
    }))
}

/// A client's `resolver`: a node or an address, several of them in turn, or a table that says more.
pub(super) fn stub(item: Item<'_>, network: &Network<'_>) -> Option<Stub> {
    if item.is_text_or_list() {
        return Some(Stub::of(servers_of(item, network)?));
    }
    let mut table = item.fields()?;
    let servers = table.required("servers", "[\"resolver\"]");
    let servers = servers.and_then(|i| servers_of(i, network));
    let asking = read_asking(&mut table, Asking::stub());
    let aaaa = table.or("aaaa", false, Item::boolean);
    let keeps = table.or("cache", Keeps::Nothing, |item| {
        const WORDS: [(&str, Keeps); 3] = [
            ("none", Keeps::Nothing),
            ("ttl", Keeps::TimeToLive),
            ("for-ever", Keeps::Forever),
        ];
        let time = item
            .as_text()
            .is_some_and(|t| t.starts_with(|c: char| c.is_ascii_digit()));
        if time {
            return item.duration().map(Keeps::For);
        }
        item.one_of("memory", &WORDS)
    });
    table.finish();
    let mut kinds = vec![RecordType::A];
    if aaaa? {
        kinds.push(RecordType::AAAA);
    }
    Some(Stub {
        servers: servers?,
        asking: asking?,
        kinds,
        keeps: keeps?,
    })
}

fn read_asking(table: &mut Fields<'_>, usual: Asking) -> Option<Asking> {
    let timeout = table.or("timeout", usual.timeout, |item| {
        let time = item.duration()?;
        if time.is_zero() {
            item.wrong("`timeout` is zero", "expected a time to wait", None);
            return None;
        }
        Some(time)
    });
    let attempts = table.or("attempts", u64::from(usual.attempts), |i| i.integer(1..=5));
    let payload_max = table.or("edns", usual.payload_max, payload);
    let tcp = table.or("tcp", usual.tcp, Item::boolean);
    Some(Asking {
        timeout: timeout?,
        attempts: u32::try_from(attempts?).ok()?,
        payload_max: payload_max?,
        tcp: tcp?,
    })
}

/// `1232`, the largest payload by UDP; or false, for no EDNS. More would not fit into one packet.
fn payload(item: Item<'_>) -> Option<Option<u16>> {
    if item.is_boolean() {
        if item.boolean()? {
            return Some(Some(PAYLOAD));
        }
        return Some(None);
    }
    u16::try_from(item.integer(512..=1432)?).ok().map(Some)
}

/// A node that runs a DNS server, or an address; one or several.
fn servers_of(item: Item<'_>, network: &Network<'_>) -> Option<Vec<IpAddr>> {
    if item.as_text().is_some() {
        return server(item, network).map(|a| vec![a]);
    }
    item.some(|i| server(i, network))
}

/// A node that runs a DNS server, or an address.
pub(super) fn server(item: Item<'_>, network: &Network<'_>) -> Option<IpAddr> {
    let word = item.text()?;
    if let Ok(address) = word.parse() {
        return Some(address);
    }
    let node = network.node(&item, word)?;
    let programs = &network.nodes[node].programs;
    if programs.resolver.is_none() && programs.name_server.is_none() {
        let message = format!("`{word}` runs no resolver");
        item.wrong(message, "expected a node with `resolver = { … }`", None);
        return None;
    }
    network.only_address(&item, node)
}

/// Whole seconds, as records have them.
fn time_to_live(item: Item<'_>) -> Option<Duration> {
    let ttl = item.duration()?;
    // RFC 2181 §8: 31 bits.
    if ttl.subsec_nanos() != 0 || ttl.as_secs() > i32::MAX as u64 {
        let label = "expected whole seconds, at most 68 years";
        let message = format!("`{}` is not a time to live", item.key);
        item.wrong(message, label, None);
        return None;
    }
    Some(ttl)
}

fn seconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX)
}

/// Names and their addresses, for a resolver that answers by itself.
fn read_names(item: Item<'_>) -> Option<BTreeMap<Name, Vec<IpAddr>>> {
    let records = all(item.fields()?.entries().map(|record| {
        let key = owner(&record);
        let addresses = one_or_each(record, |i| i.ip());
        Some((key?, addresses?))
    }))?;
    Some(records.into_iter().collect())
}

/// A zone at the root that knows some names, and that there are no others.
fn names_only(names: &BTreeMap<Name, Vec<IpAddr>>, ttl: Duration) -> Zone {
    let records = names.iter().flat_map(|(name, addresses)| {
        let record = |a: &IpAddr| Record::from_rdata(name.clone(), seconds(ttl), address_data(*a));
        addresses.iter().map(record)
    });
    Zone {
        origin: Name::root(),
        soa: start_of_authority(&Name::root(), None, ttl),
        soa_ttl: seconds(ttl),
        records: records.collect(),
        aliases: Vec::new(),
    }
}

fn start_of_authority(origin: &Name, server: Option<Name>, negative: Duration) -> SOA {
    let below = |label: &str| origin.prepend_label(label);
    let (serial, refresh, retry, expire) = SOA_NUMBERS;
    SOA::new(
        server.unwrap_or_else(|| below("ns").unwrap_or_default()),
        below("hostmaster").unwrap_or_default(),
        serial,
        refresh,
        retry,
        expire,
        seconds(negative),
    )
}

fn zone(item: Item<'_>) -> Option<Zone> {
    let origin = owner(&item);
    let mut table = item.fields()?;
    let ttl = table.or("ttl", TTL, time_to_live);
    let negative = table.or("negative-ttl", SOA_TTL, time_to_live);
    let names = table.required(
        "record",
        "{ \"www.your-app.com\" = { a = \"198.51.100.10\" } }",
    );
    table.finish();
    let (origin, ttl, negative) = (origin?, ttl?, negative?);
    let owned = all(names?.fields()?.entries().map(|i| owned(i, &origin, ttl)))?;
    let mut zone = Zone {
        soa: start_of_authority(&origin, None, negative),
        origin,
        soa_ttl: seconds(negative),
        records: Vec::new(),
        aliases: Vec::new(),
    };
    for (records, alias) in owned {
        zone.records.extend(records);
        zone.aliases.extend(alias);
    }
    let top = zone.records.iter().filter(|r| r.name == zone.origin);
    let mut servers = top.filter_map(server_name);
    if let Some(server) = servers.next().cloned() {
        zone.soa.mname = server;
    }
    Some(zone)
}

/// All that a name has: `{ a = ["198.51.100.10"], ttl = "60 s" }`.
fn owned(item: Item<'_>, origin: &Name, ttl: Duration) -> Option<(Vec<Record>, Option<Alias>)> {
    let name = owner(&item);
    let mut table = item.fields()?;
    let ttl = table.or("ttl", ttl, time_to_live);
    let a = table.or("a", Vec::new(), |i| {
        one_or_each(i, |i| address(i, IpAddr::is_ipv4, "IPv4"))
    });
    let aaaa = table.or("aaaa", Vec::new(), |i| {
        one_or_each(i, |i| address(i, IpAddr::is_ipv6, "IPv6"))
    });
    let ns = table.or("ns", Vec::new(), |i| one_or_each(i, named));
    let txt = table.or("txt", Vec::new(), |i| one_or_each(i, |i| i.prose(255)));
    let cname = table.optional("cname");
    let target = cname.map(named);
    let alias_item = table.optional("alias");
    let alias = alias_item.map(named);
    table.finish();
    let (name, ttl) = (name?, ttl?);
    if !origin.zone_of(&name) {
        let message = format!("`{}` is not in this zone", item.key);
        let label = "expected the zone's own name, or one that ends in it";
        item.wrong_key(message, label, None);
        return None;
    }
    let mut data: Vec<RData> = Vec::new();
    data.extend(a?.into_iter().chain(aaaa?).map(address_data));
    data.extend(ns?.into_iter().map(|n| RData::NS(NS(n))));
    let has_addresses = data.iter().any(|d| d.ip_addr().is_some());
    data.extend(txt?.into_iter().map(|t| RData::TXT(TXT::new(vec![t]))));
    if let (Some(item), true) = (alias_item, has_addresses) {
        let label = "expected either of them";
        item.wrong_key("an alias stands beside addresses", label, None);
        return None;
    }
    if let (Some(item), Some(target)) = (cname, target) {
        let help = "an `alias` answers with the other name's addresses, and may stand here";
        let wrong = if name == *origin {
            Some("the top of a zone has no CNAME: its SOA and NS records are there")
        } else if alias_item.is_some() || !data.is_empty() {
            Some("a CNAME stands alone")
        } else {
            None
        };
        if let Some(message) = wrong {
            // RFC 1034 §3.6.2.
            let label = "expected no other record beside it";
            item.wrong_key(message, label, help.to_owned());
            return None;
        }
        data.push(RData::CNAME(CNAME(target?)));
    }
    let alias = match alias {
        Some(target) => Some(Alias {
            name: name.clone(),
            target: target?,
        }),
        None => None,
    };
    if data.is_empty() && alias.is_none() {
        let label = "expected `a`, `aaaa`, `ns`, `cname`, `txt` or `alias`";
        item.wrong("this name has no record", label, None);
        return None;
    }
    let record = |data| Record::from_rdata(name.clone(), seconds(ttl), data);
    Some((data.into_iter().map(record).collect(), alias))
}

fn address(item: Item<'_>, fits: fn(&IpAddr) -> bool, version: &str) -> Option<IpAddr> {
    let address = item.ip()?;
    if !fits(&address) {
        let message = format!("{address} is no {version} address");
        item.wrong(message, format!("expected an {version} address"), None);
        return None;
    }
    Some(address)
}

fn one_or_each<'a, T>(
    item: Item<'a>,
    mut read: impl FnMut(Item<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    match item.as_text() {
        Some(_) => read(item).map(|one| vec![one]),
        None => item.each(read),
    }
}

/// The key as a domain name.
fn owner(item: &Item<'_>) -> Option<Name> {
    let name = domain_name(item.key);
    if name.is_none() {
        let label = "expected a host name such as \"your-app.com\", in quotes";
        item.wrong_key(format!("`{}` is not a host name", item.key), label, None);
    }
    name
}

/// The value as a domain name.
fn named(item: Item<'_>) -> Option<Name> {
    let text = item.text()?;
    let name = domain_name(text).filter(|n| !n.is_wildcard());
    if name.is_none() {
        let label = "expected a domain name such as \"your-app.com\"";
        item.wrong(format!("`{text}` is not a domain name"), label, None);
    }
    name
}

/// A whole name, with or without the root's dot; "." is the root. Labels may have underscores, and the first may be a
/// wildcard.
fn domain_name(text: &str) -> Option<Name> {
    let short = text.strip_suffix('.').unwrap_or(text);
    let label = |(at, l): (usize, &str)| {
        let plain = (1..=63).contains(&l.len())
            && l.chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !l.starts_with('-')
            && !l.ends_with('-');
        plain || (at == 0 && l == "*")
    };
    let is_name = text == "." || (short.len() <= 253 && short.split('.').enumerate().all(label));
    let is_address = text.parse::<IpAddr>().is_ok();
    if !is_name || is_address {
        return None;
    }
    let name = Name::from_ascii(format!("{}.", short.to_ascii_lowercase()));
    name.ok()
}
