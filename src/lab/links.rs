//! What a lab says about its links: which two ends, how large a packet, which impairments.

use super::decode::{Fields, Item};
use crate::impair::{Impairment, Matching};
use crate::name::Name;
use crate::units::Bytes;

/// A `[link.NAME]` table.
pub(super) struct DeclaredLink<'a> {
    pub(super) name: Name,
    pub(super) item: Item<'a>,
    /// Nodes or NICs, in the order of the file.
    pub(super) between: [Item<'a>; 2],
    pub(super) mtu: usize,
    /// There, from the first end to the second, and back.
    pub(super) impairments: [Vec<Impairment>; 2],
}

/// The MTU of a link that says nothing else: Ethernet's.
pub(super) const MTU: usize = 1_500;

/// Reads the table `link`. A link with a mistake is left out.
pub(super) fn read<'a>(root: &mut Fields<'a>) -> Vec<DeclaredLink<'a>> {
    let table = root.optional("link").and_then(Item::fields);
    let entries = table.map(|t| t.entries().collect()).unwrap_or_default();
    let entries: Vec<Item<'a>> = entries;
    entries.into_iter().filter_map(read_link).collect()
}

fn read_link(item: Item<'_>) -> Option<DeclaredLink<'_>> {
    let name = item.key_name();
    let mut table = item.fields()?;
    let between = table.required("between", "[\"user\", \"internet\"]");
    let between = between.and_then(ends);
    // The smallest is the least that IPv4 must carry whole (RFC 791 §3.2), the largest an IPv4 packet.
    let mtu = table.or("mtu", MTU as u64, |item| item.integer(68..=65_535));
    let both = Conditions::read(&mut table);
    let there = one_way(table.optional("there"));
    let back = one_way(table.optional("back"));
    table.finish();
    Some(DeclaredLink {
        name: name?,
        item,
        between: between?,
        mtu: usize::try_from(mtu?).ok()?,
        impairments: [there?.or(&both).in_order(), back?.or(&both).in_order()],
    })
}

fn ends(item: Item<'_>) -> Option<[Item<'_>; 2]> {
    let list = item.list()?;
    let Ok(ends) = <[Item<'_>; 2]>::try_from(list) else {
        let label = "expected two nodes, such as [\"user\", \"internet\"]";
        item.wrong("a link has two ends", label, None);
        return None;
    };
    Some(ends)
}

fn one_way(item: Option<Item<'_>>) -> Option<Conditions> {
    let Some(item) = item else {
        return Some(Conditions::default());
    };
    let mut table = item.fields()?;
    let conditions = Conditions::read(&mut table);
    table.finish();
    Some(conditions)
}

/// At most one impairment of each kind. What could not be read is absent: its mistake stands elsewhere.
#[derive(Default)]
struct Conditions {
    rate: Option<Impairment>,
    delay: Option<Impairment>,
    loss: Option<Impairment>,
    drop_nth: Option<Impairment>,
}

impl Conditions {
    fn read(table: &mut Fields<'_>) -> Self {
        let delay = table.optional("delay").and_then(Item::duration);
        let loss = table
            .optional("loss")
            .and_then(|item| item.unit("a probability", "\"2 %\""));
        Self {
            rate: table.optional("rate").and_then(rate),
            delay: delay.map(Impairment::Delay),
            loss: loss.map(Impairment::Loss),
            drop_nth: table.optional("drop-nth").and_then(drop_nth),
        }
    }

    /// Where one direction says nothing, what holds for both counts.
    fn or(self, both: &Self) -> Self {
        Self {
            rate: self.rate.or_else(|| both.rate.clone()),
            delay: self.delay.or_else(|| both.delay.clone()),
            loss: self.loss.or_else(|| both.loss.clone()),
            drop_nth: self.drop_nth.or_else(|| both.drop_nth.clone()),
        }
    }

    /// Drops come last, so that a packet that will be lost has still been in the queue and on the line.
    fn in_order(self) -> Vec<Impairment> {
        [self.rate, self.delay, self.loss, self.drop_nth]
            .into_iter()
            .flatten()
            .collect()
    }
}

fn rate(item: Item<'_>) -> Option<Impairment> {
    const QUEUE: Bytes = Bytes(64 << 10);
    let mut table = item.fields()?;
    let rate = table
        .required("rate", "\"100 Mbit/s\"")
        .and_then(|item| item.unit("a rate", "\"100 Mbit/s\""));
    let queue = table.or("queue", QUEUE, |item| item.unit("a size", "\"64 KiB\""));
    table.finish();
    Some(Impairment::Rate {
        rate: rate?,
        queue: queue?,
    })
}

fn drop_nth(item: Item<'_>) -> Option<Impairment> {
    let mut table = item.fields()?;
    let matching = table.or("matching", Matching::Any, |item| {
        item.one_of("kind of packet", &Matching::WORDS)
    });
    let nth = table
        .required("nth", "[2]")
        .and_then(|item| item.some(|n| n.integer(1..=u64::MAX)));
    table.finish();
    Some(Impairment::DropNth {
        nth: nth?,
        matching: matching?,
    })
}
