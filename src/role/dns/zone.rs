//! What an authoritative server answers (RFC 1034 §4.3.2), from zones that can lose addresses and get them back. No
//! sockets and no time here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::respond;
use crate::role::config::Zone;

/// The longest chain of CNAMEs that is followed, as common servers do.
pub(super) const CHAIN_MAX: usize = 16;

/// Zones, ready to answer.
pub(super) struct Zones {
    zones: Vec<Loaded>,
    /// Addresses that are not answered with for now.
    withdrawn: BTreeSet<IpAddr>,
    /// For each set of addresses: how often it was asked for, for their order.
    turns: BTreeMap<(Name, RecordType), usize>,
}

struct Loaded {
    origin: Name,
    soa: SOA,
    soa_ttl: u32,
    sets: BTreeMap<Name, BTreeMap<RecordType, Vec<Record>>>,
    aliases: BTreeMap<Name, Name>,
}

/// What a name has of a type.
enum Found {
    /// Records of that type.
    Records(Vec<Record>),
    /// A CNAME instead.
    Elsewhere(Box<Record>, Name),
    /// Servers of a zone below know (RFC 1034 §4.2.1): their NS records.
    Referral(Vec<Record>),
    /// The name is there, such a record is not (NODATA).
    NoRecord,
    /// The name is not there (NXDOMAIN).
    NoName,
}

impl Zones {
    pub(super) fn new(zones: &[Zone]) -> Self {
        Self {
            zones: zones.iter().map(Loaded::new).collect(),
            withdrawn: BTreeSet::new(),
            turns: BTreeMap::new(),
        }
    }

    /// Takes an address out of all answers. The names that had it.
    pub(super) fn withdraw(&mut self, address: IpAddr) -> Vec<Name> {
        self.withdrawn.insert(address);
        let mut names = BTreeSet::new();
        for (name, sets) in self.zones.iter().flat_map(|z| &z.sets) {
            let mut records = sets.values().flatten();
            if records.any(|r| r.data.ip_addr() == Some(address)) {
                names.insert(name.clone());
            }
        }
        names.into_iter().collect()
    }

    /// Puts it back.
    pub(super) fn restore(&mut self, address: IpAddr) {
        self.withdrawn.remove(&address);
    }

    /// The answer to a query with one question.
    pub(super) fn answer(&mut self, query: &Message) -> Message {
        let mut answer = respond(query);
        let Some(question) = query.queries.first() else {
            answer.metadata.response_code = ResponseCode::FormErr;
            return answer;
        };
        let kind = question.query_type();
        let mut name = question.name().clone();
        for link in 0..CHAIN_MAX {
            let Some(zone) = self.zone_of(&name) else {
                // Only the first name is this server's duty: behind a CNAME the asker goes on by itself.
                if link == 0 {
                    answer.metadata.response_code = ResponseCode::Refused;
                }
                return answer;
            };
            let found = self.zones[zone].find(&name, kind);
            if link == 0 {
                // AA is about the first owner name (RFC 1035 §4.1.1).
                answer.metadata.authoritative = !matches!(found, Found::Referral(_));
            }
            match found {
                Found::Records(records) => {
                    let records = self.in_turn(&name, kind, records);
                    if records.is_empty() {
                        answer.add_authority(self.zones[zone].negative_soa());
                    }
                    if kind == RecordType::NS {
                        self.add_glue(zone, &records, &mut answer);
                    }
                    answer.add_answers(records);
                    return answer;
                }
                Found::Elsewhere(record, target) => {
                    answer.add_answer(*record);
                    name = target;
                }
                Found::Referral(servers) => {
                    self.add_glue(zone, &servers, &mut answer);
                    answer.add_authorities(servers);
                    return answer;
                }
                Found::NoRecord => {
                    if let Some(records) = self.alias(zone, &name, kind) {
                        answer.add_answers(records);
                    } else {
                        answer.add_authority(self.zones[zone].negative_soa());
                    }
                    return answer;
                }
                Found::NoName => {
                    // The code is the last name's (RFC 6604 §3).
                    answer.metadata.response_code = ResponseCode::NXDomain;
                    answer.add_authority(self.zones[zone].negative_soa());
                    return answer;
                }
            }
        }
        // A chain without end is the zone's own fault.
        answer.answers.clear();
        answer.metadata.response_code = ResponseCode::ServFail;
        answer
    }

    /// The zone that a name is in: the one with the longest origin.
    fn zone_of(&self, name: &Name) -> Option<usize> {
        let zones = self.zones.iter().enumerate();
        zones
            .filter(|(_, z)| z.origin.zone_of(name))
            .max_by_key(|(_, z)| z.origin.num_labels())
            .map(|(index, _)| index)
    }

    /// Without what is withdrawn, and each time beginning with the next, as load is spread (RFC 1794).
    fn in_turn(&mut self, name: &Name, kind: RecordType, mut records: Vec<Record>) -> Vec<Record> {
        records.retain(|r| !self.is_withdrawn(r));
        if matches!(kind, RecordType::A | RecordType::AAAA) && records.len() > 1 {
            let turn = self.turns.entry((name.clone(), kind)).or_default();
            let first = *turn % records.len();
            *turn += 1;
            records.rotate_left(first);
        }
        records
    }

    fn is_withdrawn(&self, record: &Record) -> bool {
        let address = record.data.ip_addr();
        address.is_some_and(|a| self.withdrawn.contains(&a))
    }

    /// The addresses of another name, under this one. `None` when it is no alias.
    fn alias(&mut self, zone: usize, name: &Name, kind: RecordType) -> Option<Vec<Record>> {
        if !matches!(kind, RecordType::A | RecordType::AAAA) {
            return None;
        }
        let target = self.zones[zone].aliases.get(name)?.clone();
        let of_target = self.zone_of(&target)?;
        let Found::Records(records) = self.zones[of_target].find(&target, kind) else {
            return None;
        };
        let mut records = self.in_turn(name, kind, records);
        for record in &mut records {
            record.name = name.clone();
        }
        (!records.is_empty()).then_some(records)
    }

    /// The addresses of name servers, where this server has them (RFC 1034 §4.2.1).
    fn add_glue(&self, zone: usize, servers: &[Record], answer: &mut Message) {
        for server in servers {
            let RData::NS(name) = &server.data else {
                continue;
            };
            let sets = self.zones[zone].sets.get(&name.0);
            for kind in [RecordType::A, RecordType::AAAA] {
                let records = sets.and_then(|s| s.get(&kind)).into_iter().flatten();
                let records = records.filter(|r| !self.is_withdrawn(r));
                answer.add_additionals(records.cloned());
            }
        }
    }
}

impl Loaded {
    fn new(zone: &Zone) -> Self {
        let mut sets: BTreeMap<Name, BTreeMap<RecordType, Vec<Record>>> = BTreeMap::new();
        for record in &zone.records {
            let of_name = sets.entry(record.name.clone()).or_default();
            let set = of_name.entry(record.record_type()).or_default();
            set.push(record.clone());
        }
        for alias in &zone.aliases {
            sets.entry(alias.name.clone()).or_default();
        }
        let aliases = zone.aliases.iter();
        Self {
            origin: zone.origin.clone(),
            soa: zone.soa.clone(),
            soa_ttl: zone.soa_ttl,
            sets,
            aliases: aliases
                .map(|a| (a.name.clone(), a.target.clone()))
                .collect(),
        }
    }

    fn find(&self, name: &Name, kind: RecordType) -> Found {
        if let Some(servers) = self.cut_above(name) {
            return Found::Referral(servers);
        }
        if *name == self.origin && kind == RecordType::SOA {
            return Found::Records(vec![self.soa_record(self.soa_ttl)]);
        }
        if let Some(sets) = self.sets.get(name) {
            return Self::of(sets, name, kind);
        }
        // A name that only has names below it is there, without records (RFC 8020 §2).
        if *name == self.origin || self.sets.keys().any(|n| name.zone_of(n)) {
            return Found::NoRecord;
        }
        match self.wildcard(name) {
            Some(sets) => Self::of(sets, name, kind),
            None => Found::NoName,
        }
    }

    /// What a name has, under the name it was asked by.
    fn of(sets: &BTreeMap<RecordType, Vec<Record>>, name: &Name, kind: RecordType) -> Found {
        let named = |record: &Record| {
            let mut record = record.clone();
            record.name = name.clone();
            record
        };
        if let Some(records) = sets.get(&kind) {
            return Found::Records(records.iter().map(named).collect());
        }
        let cname = sets.get(&RecordType::CNAME).and_then(|s| s.first());
        if let Some((record, RData::CNAME(target))) = cname.map(|r| (r, &r.data)) {
            return Found::Elsewhere(Box::new(named(record)), target.0.clone());
        }
        Found::NoRecord
    }

    /// The NS records at a cut between the top of the zone and `name`, which may itself be the cut. The highest counts.
    fn cut_above(&self, name: &Name) -> Option<Vec<Record>> {
        let (top, bottom) = (self.origin.iter().count(), name.iter().count());
        (top + 1..=bottom).find_map(|labels| {
            let sets = self.sets.get(&name.trim_to(labels))?;
            sets.get(&RecordType::NS).cloned()
        })
    }

    /// What stands in for a name that is not there: `*` below the closest name that is (RFC 4592 §3.3.1).
    fn wildcard(&self, name: &Name) -> Option<&BTreeMap<RecordType, Vec<Record>>> {
        let mut encloser = name.base_name();
        while encloser != self.origin && !self.sets.keys().any(|n| encloser.zone_of(n)) {
            encloser = encloser.base_name();
        }
        self.sets.get(&encloser.prepend_label("*").ok()?)
    }

    fn soa_record(&self, ttl: u32) -> Record {
        let data = RData::SOA(self.soa.clone());
        Record::from_rdata(self.origin.clone(), ttl, data)
    }

    /// What says how long a negative answer lives (RFC 2308 §3).
    fn negative_soa(&self) -> Record {
        self.soa_record(self.soa_ttl.min(self.soa.minimum))
    }
}

/// An address as record data.
pub(crate) fn address_data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(a) => RData::A(A(a)),
        IpAddr::V6(a) => RData::AAAA(AAAA(a)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::config::Alias;
    use hickory_proto::op::{MessageType, OpCode, Query};
    use hickory_proto::rr::rdata::{CNAME, NS, TXT};

    fn name(text: &str) -> Name {
        Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).unwrap()
    }

    fn at(owner: &str, data: RData) -> Record {
        Record::from_rdata(name(owner), 60, data)
    }

    fn a(owner: &str, last: u8) -> Record {
        at(owner, address_data([198, 51, 100, last].into()))
    }

    fn zone(origin: &str, records: Vec<Record>) -> Zone {
        Zone {
            origin: name(origin),
            soa: SOA::new(name("ns"), name("admin"), 1, 1, 1, 1, 30),
            soa_ttl: 3600,
            records,
            aliases: Vec::new(),
        }
    }

    fn zones() -> Zones {
        let mut app = zone(
            "your-app.com",
            vec![
                a("ns1.your-app.com", 53),
                at("your-app.com", RData::NS(NS(name("ns1.your-app.com")))),
                at("your-app.com", RData::TXT(TXT::new(vec!["v=1".into()]))),
                at("www.your-app.com", RData::CNAME(CNAME(name("lb.elb.com")))),
                at(
                    "old.your-app.com",
                    RData::CNAME(CNAME(name("gone.elb.com"))),
                ),
                at("far.your-app.com", RData::CNAME(CNAME(name("x.org")))),
                at(
                    "loop.your-app.com",
                    RData::CNAME(CNAME(name("loop.your-app.com"))),
                ),
                a("*.dev.your-app.com", 9),
                a("deep.under.your-app.com", 8),
                at(
                    "shop.your-app.com",
                    RData::NS(NS(name("ns.shop.your-app.com"))),
                ),
                a("ns.shop.your-app.com", 7),
            ],
        );
        app.aliases.push(Alias {
            name: name("your-app.com"),
            target: name("lb.elb.com"),
        });
        let elb = zone("elb.com", vec![a("lb.elb.com", 10), a("lb.elb.com", 11)]);
        Zones::new(&[app, elb])
    }

    /// Code and data: "NoError AA A 198.51.100.10; authority NS …".
    fn ask(zones: &mut Zones, host: &str, kind: RecordType) -> String {
        let mut query = Message::new(7, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(name(host), kind));
        let answer = zones.answer(&query);
        let aa = if answer.metadata.authoritative {
            "AA"
        } else {
            "-"
        };
        let mut text = format!("{:?} {aa}", answer.metadata.response_code);
        for (mark, records) in [
            ("", &answer.answers),
            ("auth ", &answer.authorities),
            ("add ", &answer.additionals),
        ] {
            for r in records {
                text += &format!("; {mark}{} {} {}", r.name, r.record_type(), r.data);
            }
        }
        text
    }

    #[test]
    fn names_have_records_or_not() {
        let z = &mut zones();
        assert_eq!(
            ask(z, "NS1.your-app.com", RecordType::A),
            "NoError AA; NS1.your-app.com. A 198.51.100.53"
        );
        let soa = "auth your-app.com. SOA ns. admin. 1 1 1 1 30";
        let none = format!("NoError AA; {soa}");
        assert_eq!(ask(z, "ns1.your-app.com", RecordType::AAAA), none);
        assert_eq!(ask(z, "under.your-app.com", RecordType::A), none);
        let no_name = format!("NXDomain AA; {soa}");
        assert_eq!(ask(z, "nope.your-app.com", RecordType::A), no_name);
        assert_eq!(ask(z, "x.deep.under.your-app.com", RecordType::A), no_name);
        assert_eq!(ask(z, "example.org", RecordType::A), "Refused -");
        assert_eq!(
            ask(z, "your-app.com", RecordType::SOA),
            "NoError AA; your-app.com. SOA ns. admin. 1 1 1 1 30"
        );
    }

    #[test]
    fn a_negative_answer_lives_as_long_as_the_minimum() {
        let mut query = Message::new(7, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(name("nope.your-app.com"), RecordType::A));
        assert_eq!(zones().answer(&query).authorities[0].ttl, 30);
    }

    #[test]
    fn cnames_are_followed_as_far_as_the_zones_go() {
        let z = &mut zones();
        let www = "NoError AA; www.your-app.com. CNAME lb.elb.com.";
        let both = [
            "; lb.elb.com. A 198.51.100.10",
            "; lb.elb.com. A 198.51.100.11",
        ];
        let [one, other] = both;
        let asked = |z: &mut Zones| ask(z, "www.your-app.com", RecordType::A);
        assert_eq!(asked(z), format!("{www}{one}{other}"));
        assert_eq!(asked(z), format!("{www}{other}{one}"));
        assert_eq!(asked(z), format!("{www}{one}{other}"));
        assert_eq!(ask(z, "www.your-app.com", RecordType::CNAME), www);
        assert_eq!(
            ask(z, "old.your-app.com", RecordType::A),
            "NXDomain AA; old.your-app.com. CNAME gone.elb.com.; auth elb.com. SOA ns. admin. 1 1 1 1 30"
        );
        assert_eq!(
            ask(z, "far.your-app.com", RecordType::A),
            "NoError AA; far.your-app.com. CNAME x.org."
        );
        assert_eq!(ask(z, "loop.your-app.com", RecordType::A), "ServFail AA");
    }

    #[test]
    fn an_alias_at_the_top_answers_with_addresses_and_no_cname() {
        let z = &mut zones();
        assert_eq!(
            ask(z, "your-app.com", RecordType::A),
            "NoError AA; your-app.com. A 198.51.100.10; your-app.com. A 198.51.100.11"
        );
        assert_eq!(
            ask(z, "your-app.com", RecordType::TXT),
            "NoError AA; your-app.com. TXT v=1"
        );
    }

    #[test]
    fn wildcards_stand_in_for_names_that_are_not_there() {
        let z = &mut zones();
        assert_eq!(
            ask(z, "a.b.dev.your-app.com", RecordType::A),
            "NoError AA; a.b.dev.your-app.com. A 198.51.100.9"
        );
        assert!(ask(z, "a.dev.your-app.com", RecordType::AAAA).starts_with("NoError AA; auth"));
    }

    #[test]
    fn names_below_a_cut_are_referred_with_glue() {
        let z = &mut zones();
        let referral = "NoError -; auth shop.your-app.com. NS ns.shop.your-app.com.; add ns.shop.your-app.com. A 198.51.100.7";
        assert_eq!(ask(z, "a.shop.your-app.com", RecordType::A), referral);
        assert_eq!(ask(z, "shop.your-app.com", RecordType::NS), referral);
        assert_eq!(ask(z, "ns.shop.your-app.com", RecordType::A), referral);
        assert_eq!(
            ask(z, "your-app.com", RecordType::NS),
            "NoError AA; your-app.com. NS ns1.your-app.com.; add ns1.your-app.com. A 198.51.100.53"
        );
    }

    #[test]
    fn withdrawn_addresses_are_not_answered_with() {
        let z = &mut zones();
        let names = z.withdraw([198, 51, 100, 10].into());
        assert_eq!(names, [name("lb.elb.com")]);
        let one = "NoError AA; lb.elb.com. A 198.51.100.11";
        assert_eq!(ask(z, "lb.elb.com", RecordType::A), one);
        z.restore([198, 51, 100, 10].into());
        let both = "NoError AA; lb.elb.com. A 198.51.100.10; lb.elb.com. A 198.51.100.11";
        assert_eq!(ask(z, "lb.elb.com", RecordType::A), both);
    }
}
