//! A client's resolver: it asks its servers in turn, remembers what it may or will, and hands addresses to whoever
//! connects. RFC 1034 §5.3.1, resolv.conf(5).

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::cache::{Absence, Cache, Known, Trust};
use super::exchange::{NoAnswer, Question};
use super::zone::CHAIN_MAX;
use crate::event::{DnsFact, DnsQuestion, Fact};
use crate::role::{Node, config};

/// The longest that a client keeps that there is no such name, where it keeps anything.
const NEGATIVE_MAX: Duration = Duration::from_secs(3600);

/// A client's resolver, with its memory.
pub(in crate::role) struct Stub {
    node: Node,
    config: config::Stub,
    cache: RefCell<Cache>,
}

impl Stub {
    pub(in crate::role) const fn new(node: Node, config: config::Stub) -> Self {
        let cache = Cache::new(config.keeps, NEGATIVE_MAX);
        Self {
            node,
            config,
            cache: RefCell::new(cache),
        }
    }

    /// The addresses of `name`, best first.
    ///
    /// # Errors
    /// With the reason, in words, when it has none or nobody says so.
    pub(in crate::role) async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let qualified = Name::from_utf8(format!("{name}.")).map_err(|e| e.to_string())?;
        if let Some(known) = self.known(&qualified) {
            return known.and_then(|found| self.usable(found, name));
        }
        self.node.fact(Fact::LookupSent { name: name.into() });
        let result = self.find_out(&qualified, name).await;
        self.node.fact(match &result {
            Ok(addresses) => Fact::LookupAnswered {
                name: name.into(),
                addresses: addresses.clone(),
            },
            Err(error) => Fact::LookupFailed {
                name: name.into(),
                error: error.clone(),
            },
        });
        result
    }

    /// What is remembered, when it is remembered for every type that is asked for.
    fn known(&self, name: &Name) -> Option<Result<Vec<IpAddr>, String>> {
        let now = self.node.clock.now();
        let mut facts = Vec::new();
        let (mut all, mut error) = (Vec::new(), None);
        for kind in &self.config.kinds {
            let (known, left) = self.cache.borrow().find(name, *kind, now);
            let addresses = match known {
                Known::Records(records) => addresses(&records),
                Known::Nothing(_, absence) => {
                    error = Some(absence.code);
                    Vec::new()
                }
                Known::Part(..) => return None,
            };
            all.extend(&addresses);
            facts.push(DnsFact::FromCache {
                question: DnsQuestion {
                    name: super::plain(name),
                    kind: kind.to_string(),
                },
                addresses,
                left,
            });
        }
        for fact in facts {
            self.node.fact(Fact::Dns(fact));
        }
        match error.filter(|_| all.is_empty()) {
            Some(code) if code != ResponseCode::NoError => Some(Err(says(code, name))),
            _ => Some(Ok(all)),
        }
    }

    async fn find_out(&self, qualified: &Name, name: &str) -> Result<Vec<IpAddr>, String> {
        // All types at once, as glibc does: the second answer costs no time.
        let results = match self.config.kinds[..] {
            [first, second] => {
                let both = (self.ask(qualified, first), self.ask(qualified, second));
                let (a, b) = join(both.0, both.1).await;
                vec![a, b]
            }
            _ => {
                let mut all = Vec::new();
                for kind in &self.config.kinds {
                    all.push(self.ask(qualified, *kind).await);
                }
                all
            }
        };
        let mut found = Vec::new();
        let mut error = None;
        for result in results {
            match result {
                Ok(addresses) => found.extend(addresses),
                Err(e) => error = error.or(Some(e)),
            }
        }
        match error.filter(|_| found.is_empty()) {
            Some(error) => Err(error),
            None => self.usable(found, name),
        }
    }

    /// What can be reached first: the rest would only cost time (RFC 6724 §6, rule 1).
    fn usable(&self, mut found: Vec<IpAddr>, name: &str) -> Result<Vec<IpAddr>, String> {
        if found.is_empty() {
            return Err(format!("{name} has no address"));
        }
        found.sort_by_key(|a| self.node.host.address_towards(*a).is_none());
        Ok(found)
    }

    /// One type of records: each server in turn, and all of them again (resolv.conf(5), `attempts`).
    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Vec<IpAddr>, String> {
        let asking = &self.config.asking;
        let mut question = Question::new(&self.node, asking, (name, kind), true);
        let mut failure = String::from("no resolver to ask");
        let mut first = true;
        for _ in 0..asking.attempts {
            for server in &self.config.servers {
                let answer = question.ask(*server, first).await;
                first = false;
                match answer {
                    Ok((answer, _)) => {
                        let code = answer.metadata.response_code;
                        let settled =
                            matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
                        if settled {
                            return self.read(&answer, name, kind);
                        }
                        failure = says(code, name);
                        // With one server there is no other one to ask.
                        if self.config.servers.len() > 1 {
                            question.fact_code(*server, code);
                        }
                    }
                    Err(NoAnswer::NoWay(why)) => {
                        failure = format!("no way to the resolver {server}: {why}");
                    }
                    Err(NoAnswer::Silence) => {
                        failure = format!("no answer from the resolver {server}");
                    }
                }
            }
        }
        Err(failure)
    }

    fn read(&self, answer: &Message, name: &Name, kind: RecordType) -> Result<Vec<IpAddr>, String> {
        let now = self.node.clock.now();
        let code = answer.metadata.response_code;
        let (records, end) = chain(&answer.answers, name, kind);
        let mut cache = self.cache.borrow_mut();
        cache.keep(&records, Trust::Answer, now);
        let found = addresses(&records);
        if found.is_empty() {
            let soa = answer.authorities.iter();
            let mut soa = soa.filter(|r| r.record_type() == RecordType::SOA);
            let absence = Absence {
                code,
                soa: soa.next().cloned(),
            };
            cache.keep_none(&end, kind, &absence, now);
        }
        if code == ResponseCode::NoError {
            Ok(found)
        } else {
            Err(says(code, name))
        }
    }
}

fn says(code: ResponseCode, name: &Name) -> String {
    let (code, name) = (super::code_word(code), super::plain(name));
    format!("the resolver says {code} for {name}")
}

/// The records of an answer that lead from `name` to records of a type, and the name at the end of the CNAMEs.
pub(super) fn chain(answers: &[Record], name: &Name, kind: RecordType) -> (Vec<Record>, Name) {
    let (mut records, mut name) = (Vec::new(), name.clone());
    for _ in 0..CHAIN_MAX {
        let of_name = || answers.iter().filter(|r| r.name == name);
        let before = records.len();
        records.extend(of_name().filter(|r| r.record_type() == kind).cloned());
        if records.len() > before {
            break;
        }
        let cname = of_name().find(|r| r.record_type() == RecordType::CNAME);
        let Some(record) = cname else { break };
        let RData::CNAME(target) = &record.data else {
            break;
        };
        let target = target.0.clone();
        records.push(record.clone());
        name = target;
    }
    (records, name)
}

fn addresses(records: &[Record]) -> Vec<IpAddr> {
    records.iter().filter_map(|r| r.data.ip_addr()).collect()
}

/// Both results, of two things that go on at once.
async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut done_a, mut done_b) = (None, None);
    poll_fn(|cx| {
        if done_a.is_none()
            && let Poll::Ready(done) = a.as_mut().poll(cx)
        {
            done_a = Some(done);
        }
        if done_b.is_none()
            && let Poll::Ready(done) = b.as_mut().poll(cx)
        {
            done_b = Some(done);
        }
        match (done_a.take(), done_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (done_a, done_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
