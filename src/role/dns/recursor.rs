//! A recursive resolver: it asks the root's servers, or other resolvers, follows referrals and CNAMEs, and remembers.
//! RFC 1034 §5.3.3, RFC 2308, RFC 9520. Whole names are asked for (no RFC 9156), and servers in the order of their names.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};

use super::cache::{Absence, Cache, Known, Trust};
use super::exchange::Question;
use super::stub::chain;
use super::zone::CHAIN_MAX;
use super::{plain, respond};
use crate::event::DnsFact;
use crate::role::Node;
use crate::role::config::{Keeps, Recursion, server_name};
use crate::role::http::within;

/// The most questions that are asked for one answer: what needs more is a trap.
const QUESTIONS_MAX: u32 = 64;
/// How deep the search for a server's address may lead.
const DEPTH_MAX: u32 = 4;
/// How long a question may take altogether, as in BIND (`resolver-query-timeout`).
const TAKES_MAX: Duration = Duration::from_secs(10);

pub(super) struct Recursor {
    node: Node,
    config: Recursion,
    cache: RefCell<Cache>,
    /// What is being found out: whoever asks for the same waits along.
    flights: RefCell<Flights>,
}

type Flights = BTreeMap<(Name, RecordType), Rc<RefCell<Flight>>>;

#[derive(Default)]
struct Flight {
    landed: Option<Resolved>,
    waiting: Vec<Waker>,
}

/// What a question came to.
#[derive(Clone)]
struct Resolved {
    code: ResponseCode,
    records: Vec<Record>,
    soa: Option<Record>,
}

impl Resolved {
    const FAILED: Self = Self {
        code: ResponseCode::ServFail,
        records: Vec::new(),
        soa: None,
    };
}

/// Servers, and the zone that they are asked for.
struct Servers {
    zone: Name,
    addresses: Vec<IpAddr>,
}

/// What a server's answer is.
enum Answer {
    /// The end, good or bad.
    Final(Resolved),
    /// Servers of a zone further down.
    Referral(Servers),
    /// Of no use: another server may know better.
    Useless(ResponseCode),
}

impl Recursor {
    pub(super) const fn new(node: Node, config: Recursion) -> Self {
        let cache = Cache::new(Keeps::TimeToLive, config.negative_max);
        Self {
            node,
            config,
            cache: RefCell::new(cache),
            flights: RefCell::new(BTreeMap::new()),
        }
    }

    /// The answer to a query, and whether it was known already.
    pub(super) async fn answer(&self, query: &Message) -> (Message, bool) {
        let mut answer = respond(query);
        answer.metadata.recursion_available = true;
        let Some(question) = query.queries.first() else {
            answer.metadata.response_code = ResponseCode::FormErr;
            return (answer, false);
        };
        if !query.metadata.recursion_desired {
            // Who does not want to be helped may not look into the cache either, as in BIND.
            answer.metadata.response_code = ResponseCode::Refused;
            return (answer, false);
        }
        let (name, kind) = (question.name(), question.query_type());
        let (resolved, cached) = match self.known(name, kind) {
            Some(known) => (known, true),
            None => (self.fly(name, kind).await, false),
        };
        answer.metadata.response_code = resolved.code;
        answer.add_answers(resolved.records);
        answer.add_authorities(resolved.soa);
        (answer, cached)
    }

    fn known(&self, name: &Name, kind: RecordType) -> Option<Resolved> {
        let (known, _) = self.cache.borrow().find(name, kind, self.node.clock.now());
        match known {
            Known::Records(records) => Some(Resolved {
                code: ResponseCode::NoError,
                records,
                soa: None,
            }),
            Known::Nothing(records, Absence { code, soa }) => Some(Resolved { code, records, soa }),
            Known::Part(..) => None,
        }
    }

    /// Finds out, once for all who ask meanwhile.
    async fn fly(&self, name: &Name, kind: RecordType) -> Resolved {
        let key = (name.clone(), kind);
        let other = self.flights.borrow().get(&key).cloned();
        if let Some(flight) = other {
            return poll_fn(|cx| {
                let mut flight = flight.borrow_mut();
                match &flight.landed {
                    Some(resolved) => Poll::Ready(resolved.clone()),
                    None => {
                        flight.waiting.push(cx.waker().clone());
                        Poll::Pending
                    }
                }
            })
            .await;
        }
        let flight = Rc::<RefCell<Flight>>::default();
        self.flights
            .borrow_mut()
            .insert(key.clone(), flight.clone());
        let mut left = QUESTIONS_MAX;
        let resolving = self.resolve(name.clone(), kind, 0, &mut left);
        let resolved = within(&self.node.clock, TAKES_MAX, resolving).await;
        let resolved = resolved.unwrap_or(Resolved::FAILED);
        if resolved.code == ResponseCode::ServFail {
            let absence = Absence {
                code: ResponseCode::ServFail,
                soa: None,
            };
            let (lives, now) = (self.config.failures, self.node.clock.now());
            let mut cache = self.cache.borrow_mut();
            cache.keep_failure(name, kind, &absence, lives, now);
        }
        self.flights.borrow_mut().remove(&key);
        let mut flight = flight.borrow_mut();
        flight.landed = Some(resolved.clone());
        for waker in flight.waiting.drain(..) {
            waker.wake();
        }
        resolved
    }

    /// From name to name along the CNAMEs, from the cache where it knows.
    fn resolve<'a>(
        &'a self,
        name: Name,
        kind: RecordType,
        depth: u32,
        left: &'a mut u32,
    ) -> Pin<Box<dyn Future<Output = Resolved> + 'a>> {
        Box::pin(async move {
            let (mut records, mut name) = (Vec::new(), name);
            for _ in 0..CHAIN_MAX {
                let (known, _) = self.cache.borrow().find(&name, kind, self.node.clock.now());
                let resolved = match known {
                    Known::Records(found) => {
                        records.extend(found);
                        return Resolved {
                            code: ResponseCode::NoError,
                            records,
                            soa: None,
                        };
                    }
                    Known::Nothing(found, Absence { code, soa }) => {
                        records.extend(found);
                        return Resolved { code, records, soa };
                    }
                    Known::Part(found, end) => {
                        records.extend(found);
                        name = end;
                        self.iterate(&name, kind, depth, left).await
                    }
                };
                let Some(resolved) = resolved else {
                    return Resolved::FAILED;
                };
                let (found, end) = chain(&resolved.records, &name, kind);
                let arrived = found.last().is_some_and(|r| r.record_type() == kind);
                records.extend(found);
                if arrived || end == name || resolved.code != ResponseCode::NoError {
                    return Resolved {
                        records,
                        ..resolved
                    };
                }
                name = end;
            }
            Resolved::FAILED
        })
    }

    /// From server to server down to one that knows. `None`: nobody does.
    async fn iterate(
        &self,
        name: &Name,
        kind: RecordType,
        depth: u32,
        left: &mut u32,
    ) -> Option<Resolved> {
        let recursion = self.config.forwards;
        let mut question = Question::new(&self.node, &self.config.asking, (name, kind), recursion);
        let mut servers = self.closest(name);
        'zones: loop {
            for _ in 0..self.config.asking.attempts {
                for server in servers.addresses.clone() {
                    *left = left.checked_sub(1)?;
                    let Ok((answer, _)) = question.ask(server, false).await else {
                        continue;
                    };
                    match self.read(&answer, &servers.zone, name, kind) {
                        Answer::Final(resolved) => return Some(resolved),
                        Answer::Useless(code) => question.fact_code(server, code),
                        Answer::Referral(below) => {
                            question.fact(DnsFact::Referred {
                                server,
                                question: question.words(),
                                zone: plain(&below.zone),
                            });
                            servers = self.complete(below, depth, left).await?;
                            continue 'zones;
                        }
                    }
                }
            }
            return None;
        }
    }

    /// The servers of the closest zone above a name of which any are known.
    fn closest(&self, name: &Name) -> Servers {
        if !self.config.forwards {
            let (cache, now) = (self.cache.borrow(), self.node.clock.now());
            for labels in (1..=name.iter().count()).rev() {
                let zone = name.trim_to(labels);
                let set = cache.set(&zone, RecordType::NS, Trust::Referral, now);
                let names = set.map(|(records, _)| server_names(&records));
                let addresses = self.addresses(&cache, &names.unwrap_or_default());
                if !addresses.is_empty() {
                    return Servers { zone, addresses };
                }
            }
        }
        Servers {
            zone: Name::root(),
            addresses: self.config.servers.clone(),
        }
    }

    /// The addresses of servers that are known.
    fn addresses(&self, cache: &Cache, servers: &[Name]) -> Vec<IpAddr> {
        let now = self.node.clock.now();
        // The lab's network is IPv4.
        let of = |name| cache.set(name, RecordType::A, Trust::Referral, now);
        let sets = servers.iter().filter_map(of);
        let records = sets.flat_map(|(records, _)| records);
        records.filter_map(|r| r.data.ip_addr()).collect()
    }

    /// A referral without glue: the servers' own addresses are to be found out first.
    async fn complete(&self, below: Servers, depth: u32, left: &mut u32) -> Option<Servers> {
        if !below.addresses.is_empty() {
            return Some(below);
        }
        if depth == DEPTH_MAX {
            return None;
        }
        let now = self.node.clock.now();
        let set = {
            let cache = self.cache.borrow();
            cache.set(&below.zone, RecordType::NS, Trust::Referral, now)
        };
        for server in server_names(&set?.0) {
            let found = self.resolve(server, RecordType::A, depth + 1, left).await;
            let addresses: Vec<IpAddr> = found
                .records
                .iter()
                .filter_map(|r| r.data.ip_addr())
                .collect();
            if !addresses.is_empty() {
                return Some(Servers {
                    zone: below.zone,
                    addresses,
                });
            }
        }
        None
    }

    /// What an answer says, and what of it is kept: only what is inside the zone that its server was asked for.
    fn read(&self, answer: &Message, zone: &Name, name: &Name, kind: RecordType) -> Answer {
        let now = self.node.clock.now();
        let code = answer.metadata.response_code;
        if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            return Answer::Useless(code);
        }
        let inside = |r: &&Record| zone.zone_of(&r.name);
        let answers: Vec<Record> = answer.answers.iter().filter(inside).cloned().collect();
        let (records, end) = chain(&answers, name, kind);
        let mut cache = self.cache.borrow_mut();
        let authorities = answer.authorities.iter().filter(inside);
        let soa = authorities
            .clone()
            .find(|r| r.record_type() == RecordType::SOA && r.name.zone_of(&end));
        let arrived = records.last().is_some_and(|r| r.record_type() == kind);
        // The code of a chain that was cut is about a name that others know better.
        let whole = zone.zone_of(&end);
        if !records.is_empty() || soa.is_some() || (code == ResponseCode::NXDomain && whole) {
            cache.keep(&records, Trust::Answer, now);
            let absent = !arrived && whole && (soa.is_some() || code == ResponseCode::NXDomain);
            if absent {
                let absence = Absence {
                    code,
                    soa: soa.cloned(),
                };
                cache.keep_none(&end, kind, &absence, now);
            }
            return Answer::Final(Resolved {
                code: if absent { code } else { ResponseCode::NoError },
                records,
                soa: soa.filter(|_| absent).cloned(),
            });
        }
        // A forwarder's answer without anything in it is that there is nothing (RFC 2308 §2.2).
        if self.config.forwards || answer.metadata.authoritative {
            return Answer::Final(Resolved {
                code,
                records,
                soa: None,
            });
        }
        let ns: Vec<Record> = authorities
            .filter(|r| r.record_type() == RecordType::NS)
            .filter(|r| r.name.zone_of(name) && r.name.num_labels() > zone.num_labels())
            .cloned()
            .collect();
        let Some(below) = ns.first().map(|r| r.name.clone()) else {
            // Neither an answer nor the way to one: a lame server.
            return Answer::Useless(code);
        };
        cache.keep(&ns, Trust::Referral, now);
        let names = server_names(&ns);
        let additionals = answer.additionals.iter().filter(inside);
        let glue: Vec<Record> = additionals
            .filter(|r| names.contains(&r.name))
            .cloned()
            .collect();
        cache.keep(&glue, Trust::Referral, now);
        // Straight from the answer: what lives no second is in no cache.
        let glued = glue.iter().filter(|r| r.record_type() == RecordType::A);
        let mut addresses: Vec<IpAddr> = glued.filter_map(|r| r.data.ip_addr()).collect();
        if addresses.is_empty() {
            addresses = self.addresses(&cache, &names);
        }
        Answer::Referral(Servers {
            addresses,
            zone: below,
        })
    }
}

fn server_names(records: &[Record]) -> Vec<Name> {
    records.iter().filter_map(server_name).cloned().collect()
}
