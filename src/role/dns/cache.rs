//! What was answered before, as long as it lives: sets of records, and that there are none. No sockets here, and time
//! is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::zone::CHAIN_MAX;
use crate::role::config::Keeps;
use crate::time::Instant;

/// The most sets of records that are kept; then those that die first go.
const SETS_MAX: usize = 10_000;

/// How far the data is to be believed (RFC 2181 §5.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// It came along with a referral: for finding servers, never for answers.
    Referral,
    /// It answered a question.
    Answer,
}

pub(super) struct Cache {
    keeps: Keeps,
    negative_max: Duration,
    sets: BTreeMap<(Name, RecordType), Kept<Vec<Record>>>,
    /// Without a type: there is no such name at all.
    none: BTreeMap<(Name, Option<RecordType>), Kept<Absence>>,
}

struct Kept<T> {
    what: T,
    trust: Trust,
    since: Instant,
    /// `None`: for ever.
    lives: Option<Duration>,
}

/// That there is nothing: the response code, and the start of authority that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Absence {
    pub(super) code: ResponseCode,
    pub(super) soa: Option<Record>,
}

/// What is known about a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// Its answer, CNAMEs first; times to live are what is left of them.
    Records(Vec<Record>),
    /// That there is none: the CNAMEs on the way, and what is not at their end.
    Nothing(Vec<Record>, Absence),
    /// The CNAMEs on the way, and the name at their end, of which nothing is known.
    Part(Vec<Record>, Name),
}

impl<T> Kept<T> {
    /// How much longer it lives: `None` when it is dead, `Some(None)` for ever.
    fn left(&self, now: Instant) -> Option<Option<Duration>> {
        match self.lives {
            None => Some(None),
            Some(lives) => {
                let left = lives.checked_sub(now.saturating_since(self.since))?;
                (!left.is_zero()).then_some(Some(left))
            }
        }
    }
}

impl Cache {
    pub(super) const fn new(keeps: Keeps, negative_max: Duration) -> Self {
        Self {
            keeps,
            negative_max,
            sets: BTreeMap::new(),
            none: BTreeMap::new(),
        }
    }

    /// Keeps the records, set by set. What is trusted more stays (RFC 2181 §5.4.1).
    pub(super) fn keep(&mut self, records: &[Record], trust: Trust, now: Instant) {
        let mut sets: BTreeMap<(Name, RecordType), Vec<Record>> = BTreeMap::new();
        for record in records {
            let key = (record.name.clone(), record.record_type());
            sets.entry(key).or_default().push(record.clone());
        }
        for (key, records) in sets {
            // The records of a set die together (RFC 2181 §5.2).
            let ttl = records.iter().map(|r| r.ttl).min().unwrap_or_default();
            let Some(lives) = self.lives(seconds(ttl)) else {
                continue;
            };
            let better = |k: &Kept<_>| k.trust > trust && k.left(now).is_some();
            if self.sets.get(&key).is_some_and(better) {
                continue;
            }
            if trust == Trust::Answer {
                self.none.remove(&(key.0.clone(), None));
                self.none.remove(&(key.0.clone(), Some(key.1)));
            }
            self.make_room(now);
            self.sets.insert(
                key,
                Kept {
                    what: records,
                    trust,
                    since: now,
                    lives,
                },
            );
        }
    }

    /// Keeps that there is nothing, as long as the start of authority allows (RFC 2308 §5); without one, not at all.
    pub(super) fn keep_none(
        &mut self,
        name: &Name,
        kind: RecordType,
        none: &Absence,
        now: Instant,
    ) {
        let Some(soa) = &none.soa else { return };
        let lives = seconds(soa_ttl(soa)).min(self.negative_max);
        self.keep_failure(name, kind, none, lives, now);
    }

    /// Keeps that there is nothing for a given time.
    pub(super) fn keep_failure(
        &mut self,
        name: &Name,
        kind: RecordType,
        none: &Absence,
        lives: Duration,
        now: Instant,
    ) {
        let Some(lives) = self.lives(lives) else {
            return;
        };
        // An alias's name is there whatever its target is: only this code is about all types.
        let kind = (none.code != ResponseCode::NXDomain).then_some(kind);
        self.make_room(now);
        self.none.insert(
            (name.clone(), kind),
            Kept {
                what: none.clone(),
                trust: Trust::Answer,
                since: now,
                lives,
            },
        );
    }

    /// `None`: it is not kept. `Some(None)`: for ever.
    fn lives(&self, ttl: Duration) -> Option<Option<Duration>> {
        let lives = match self.keeps {
            Keeps::Nothing => return None,
            Keeps::TimeToLive => ttl,
            Keeps::For(time) => time,
            Keeps::Forever => return Some(None),
        };
        (!lives.is_zero()).then_some(Some(lives))
    }

    fn make_room(&mut self, now: Instant) {
        if self.sets.len() + self.none.len() < SETS_MAX {
            return;
        }
        self.sets.retain(|_, kept| kept.left(now).is_some());
        self.none.retain(|_, kept| kept.left(now).is_some());
        if self.sets.len() + self.none.len() >= SETS_MAX {
            let first = self.sets.iter().min_by_key(|(_, k)| k.left(now));
            if let Some(key) = first.map(|(key, _)| key.clone()) {
                self.sets.remove(&key);
            }
        }
    }

    /// What is known about a question, and how much longer (`None`: for ever).
    pub(super) fn find(
        &self,
        name: &Name,
        kind: RecordType,
        now: Instant,
    ) -> (Known, Option<Duration>) {
        let (mut records, mut name) = (Vec::new(), name.clone());
        let mut left: Option<Duration> = None;
        let mut at_most = |l: Option<Duration>| {
            left = match (left, l) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            left
        };
        for _ in 0..CHAIN_MAX {
            if let Some((set, left)) = self.set(&name, kind, Trust::Answer, now) {
                records.extend(set);
                return (Known::Records(records), at_most(left));
            }
            if let Some((none, left)) = self.nothing(&name, kind, now) {
                return (Known::Nothing(records, none), at_most(left));
            }
            let cname = self.set(&name, RecordType::CNAME, Trust::Answer, now);
            let Some((cname, left)) = cname else { break };
            at_most(left);
            let Some(RData::CNAME(target)) = cname.first().map(|r| &r.data) else {
                break;
            };
            name = target.0.clone();
            records.extend(cname);
        }
        (Known::Part(records, name), at_most(None))
    }

    /// A set of records, with what is left of their time to live.
    pub(super) fn set(
        &self,
        name: &Name,
        kind: RecordType,
        trust: Trust,
        now: Instant,
    ) -> Option<(Vec<Record>, Option<Duration>)> {
        let kept = self.sets.get(&(name.clone(), kind))?;
        let left = kept.left(now).filter(|_| kept.trust >= trust)?;
        let age = now.saturating_since(kept.since).as_secs();
        let mut records = kept.what.clone();
        for record in &mut records {
            let age = u32::try_from(age).unwrap_or(u32::MAX);
            record.ttl = record.ttl.saturating_sub(age);
        }
        Some((records, left))
    }

    fn nothing(
        &self,
        name: &Name,
        kind: RecordType,
        now: Instant,
    ) -> Option<(Absence, Option<Duration>)> {
        let kinds = [None, Some(kind)].into_iter();
        let mut kept = kinds.filter_map(|k| self.none.get(&(name.clone(), k)));
        let (kept, left) = kept.find_map(|k| Some((k, k.left(now)?)))?;
        let age = now.saturating_since(kept.since).as_secs();
        let mut none = kept.what.clone();
        if let Some(soa) = &mut none.soa {
            let age = u32::try_from(age).unwrap_or(u32::MAX);
            soa.ttl = soa_ttl(soa).saturating_sub(age);
        }
        Some((none, left))
    }
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
}

/// The lesser of the record's own time to live and its MINIMUM field (RFC 2308 §5).
fn soa_ttl(soa: &Record) -> u32 {
    let RData::SOA(data) = &soa.data else {
        return 0;
    };
    soa.ttl.min(data.minimum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::dns::zone::address_data;
    use hickory_proto::rr::rdata::{CNAME, SOA};

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn at(seconds: f64) -> Instant {
        Instant::from_nanos((seconds * 1e9) as u64)
    }

    fn a(owner: &str, ttl: u32, last: u8) -> Record {
        let data = address_data([198, 51, 100, last].into());
        Record::from_rdata(name(owner), ttl, data)
    }

    fn cname(owner: &str, ttl: u32, target: &str) -> Record {
        Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
    }

    fn soa(ttl: u32, minimum: u32) -> Record {
        let data = SOA::new(name("ns."), name("admin."), 1, 1, 1, 1, minimum);
        Record::from_rdata(name("com."), ttl, RData::SOA(data))
    }

    fn cache() -> Cache {
        Cache::new(Keeps::TimeToLive, Duration::from_secs(3600))
    }

    /// "CNAME lb. 290, A 198.51.100.10 50; 50 s left".
    fn known(cache: &Cache, host: &str, now: f64) -> String {
        let (known, left) = cache.find(&name(host), RecordType::A, at(now));
        let left = left.map_or_else(|| "for ever".into(), |l| format!("{:.1}", l.as_secs_f64()));
        let list = |records: &[Record]| {
            let all = records.iter();
            let all = all.map(|r| format!("{} {} {}", r.record_type(), r.data, r.ttl));
            all.collect::<Vec<_>>().join(", ")
        };
        match known {
            Known::Records(records) => format!("{}; {left}", list(&records)),
            Known::Nothing(records, none) => {
                let soa = none.soa.map_or(0, |s| s.ttl);
                format!("{}{:?} {soa}; {left}", list(&records), none.code)
            }
            Known::Part(records, name) => format!("{} and {name}?", list(&records)),
        }
    }

    #[test]
    fn times_to_live_count_down_and_the_shortest_ends_a_chain() {
        let mut cache = cache();
        let records = [
            cname("www.", 300, "lb."),
            a("lb.", 60, 10),
            a("lb.", 60, 11),
        ];
        cache.keep(&records, Trust::Answer, at(1.0));
        assert_eq!(
            known(&cache, "www.", 11.9),
            "CNAME lb. 290, A 198.51.100.10 50, A 198.51.100.11 50; 49.1"
        );
        assert_eq!(
            known(&cache, "LB.", 60.9),
            "A 198.51.100.10 1, A 198.51.100.11 1; 0.1"
        );
        assert_eq!(known(&cache, "www.", 61.0), "CNAME lb. 240 and lb.?");
        assert_eq!(known(&cache, "www.", 301.0), " and www.?");
    }

    #[test]
    fn nothing_is_kept_as_long_as_the_lesser_of_both_times() {
        let mut cache = cache();
        let none = |code, soa| Absence { code, soa };
        let nx = none(ResponseCode::NXDomain, Some(soa(900, 30)));
        cache.keep_none(&name("nope."), RecordType::AAAA, &nx, at(0.0));
        assert_eq!(known(&cache, "nope.", 10.0), "NXDomain 20; 20.0");
        assert_eq!(known(&cache, "nope.", 30.0), " and nope.?");

        // Without a record is not without a name.
        let empty = none(ResponseCode::NoError, Some(soa(20, 30)));
        cache.keep_none(&name("v4."), RecordType::AAAA, &empty, at(0.0));
        assert_eq!(known(&cache, "v4.", 1.0), " and v4.?");
        let (aaaa, _) = cache.find(&name("v4."), RecordType::AAAA, at(19.5));
        assert!(matches!(aaaa, Known::Nothing(..)));

        let unsure = none(ResponseCode::NXDomain, None);
        cache.keep_none(&name("bare."), RecordType::A, &unsure, at(0.0));
        assert_eq!(known(&cache, "bare.", 0.0), " and bare.?");
    }

    #[test]
    fn glue_answers_nothing_and_replaces_no_answer() {
        let mut cache = cache();
        cache.keep(&[a("ns.", 60, 1)], Trust::Referral, at(0.0));
        assert_eq!(known(&cache, "ns.", 1.0), " and ns.?");
        let glue = |cache: &Cache| {
            let set = cache.set(&name("ns."), RecordType::A, Trust::Referral, at(2.0));
            set.unwrap().0[0].data.to_string()
        };
        assert_eq!(glue(&cache), "198.51.100.1");
        cache.keep(&[a("ns.", 60, 2)], Trust::Answer, at(1.0));
        cache.keep(&[a("ns.", 60, 3)], Trust::Referral, at(1.5));
        assert_eq!(glue(&cache), "198.51.100.2");
    }

    #[test]
    fn a_client_may_keep_longer_than_it_should() {
        let lived = |keeps, now| {
            let mut cache = Cache::new(keeps, Duration::from_secs(10));
            cache.keep(&[a("lb.", 60, 10)], Trust::Answer, at(0.0));
            known(&cache, "lb.", now)
        };
        let forever = lived(Keeps::Forever, 100_000.0);
        assert_eq!(forever, "A 198.51.100.10 0; for ever");
        let thirty = Keeps::For(Duration::from_secs(30));
        assert_eq!(lived(thirty, 29.0), "A 198.51.100.10 31; 1.0");
        assert_eq!(lived(thirty, 30.0), " and lb.?");
        assert_eq!(lived(Keeps::Nothing, 0.0), " and lb.?");
    }

    #[test]
    fn a_full_cache_forgets_what_dies_first() {
        let mut cache = cache();
        for n in 0..SETS_MAX + 1 {
            let ttl = if n == 7 { 10 } else { 60 };
            cache.keep(&[a(&format!("n{n}."), ttl, 1)], Trust::Answer, at(0.0));
        }
        assert_eq!(cache.sets.len(), SETS_MAX);
        assert_eq!(known(&cache, "n7.", 1.0), " and n7.?");
        assert!(known(&cache, "n8.", 1.0).starts_with("A 198.51.100.1"));
    }
}
