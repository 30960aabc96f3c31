//! What a link does to packets, as a lab says it: at most one impairment of each kind, for both directions or for one.

use std::time::Duration;

use crate::impair::{Distribution, Impairment, Jitter, Matching, Pick, Span, Which};
use crate::lab::decode::{Fields, Item};
use crate::units::Bytes;

/// At most one impairment of each kind. What could not be read is absent: its mistake stands elsewhere.
#[derive(Default)]
pub(super) struct Conditions {
    outage: Option<Impairment>,
    rate: Option<Impairment>,
    delay: Option<Impairment>,
    jitter: Option<Impairment>,
    loss: Option<Impairment>,
    drop_nth: Option<Impairment>,
    corrupt: Option<Impairment>,
    reorder: Option<Impairment>,
    duplicate: Option<Impairment>,
}

impl Conditions {
    pub(super) fn read(table: &mut Fields<'_>) -> Self {
        let delay = table.optional("delay").and_then(Item::duration);
        let loss = table
            .optional("loss")
            .and_then(|item| item.unit("a probability", "\"2 %\""));
        Self {
            rate: table.optional("rate").and_then(rate),
            delay: delay.map(Impairment::Delay),
            loss: loss.map(Impairment::Loss),
            drop_nth: table.optional("drop-nth").and_then(drop_nth),
            jitter: table.optional("jitter").and_then(jitter),
            reorder: table.optional("reorder").and_then(reorder),
            duplicate: table.optional("duplicate").and_then(duplicate),
            corrupt: table.optional("corrupt").and_then(corrupt),
            outage: table.optional("outage").and_then(outage),
        }
    }

    /// Where one direction says nothing, what holds for both counts.
    pub(super) fn or(self, both: &Self) -> Self {
        Self {
            outage: self.outage.or_else(|| both.outage.clone()),
            rate: self.rate.or_else(|| both.rate.clone()),
            delay: self.delay.or_else(|| both.delay.clone()),
            jitter: self.jitter.or_else(|| both.jitter.clone()),
            loss: self.loss.or_else(|| both.loss.clone()),
            drop_nth: self.drop_nth.or_else(|| both.drop_nth.clone()),
            corrupt: self.corrupt.or_else(|| both.corrupt.clone()),
            reorder: self.reorder.or_else(|| both.reorder.clone()),
            duplicate: self.duplicate.or_else(|| both.duplicate.clone()),
        }
    }

    /// What is down takes nothing in. Other drops come late, so that a packet that will be lost has still been in the
    /// queue and on the line; and what comes twice or behind others comes last, because it is what arrives.
    pub(super) fn in_order(self) -> Vec<Impairment> {
        [
            self.outage,
            self.rate,
            self.delay,
            self.jitter,
            self.loss,
            self.drop_nth,
            self.corrupt,
            self.reorder,
            self.duplicate,
        ]
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
    let packets = table.or("queue-packets", None, |item| {
        item.integer(0..=1_000_000).map(Some)
    });
    table.finish();
    Some(Impairment::Rate {
        rate: rate?,
        queue: queue?,
        packets: packets?,
    })
}

fn matching(table: &mut Fields<'_>) -> Option<Matching> {
    table.or("matching", Matching::Any, |item| {
        item.one_of("kind of packet", &Matching::WORDS)
    })
}

fn numbers(item: Item<'_>) -> Option<Vec<u64>> {
    item.some(|n| n.integer(1..=u64::MAX))
}

fn drop_nth(item: Item<'_>) -> Option<Impairment> {
    let mut table = item.fields()?;
    let matching = matching(&mut table);
    let nth = table.required("nth", "[2]").and_then(numbers);
    table.finish();
    Some(Impairment::DropNth {
        nth: nth?,
        matching: matching?,
    })
}

fn jitter(item: Item<'_>) -> Option<Impairment> {
    let mut table = item.fields()?;
    let up_to = table.required("up-to", "\"5 ms\"").and_then(Item::duration);
    let distribution = table.or("distribution", Distribution::Uniform, |item| {
        item.one_of("distribution", &Distribution::WORDS)
    });
    let reorder = table.or("reorder", false, Item::boolean);
    table.finish();
    Some(Impairment::Jitter(Jitter {
        up_to: up_to?,
        distribution: distribution?,
        reorder: reorder?,
    }))
}

/// Which packets: a share of them, or the ones with these numbers.
fn pick(table: &mut Fields<'_>) -> Option<Pick> {
    let matching = matching(table);
    let which = table.exactly_one(&["share", "nth"]);
    let which = which.and_then(|item| match item.key {
        "share" => item.unit("a probability", "\"2 %\"").map(Which::Share),
        _ => numbers(item).map(Which::Nth),
    });
    Some(Pick {
        matching: matching?,
        which: which?,
    })
}

fn reorder(item: Item<'_>) -> Option<Impairment> {
    const AT_MOST: Duration = Duration::from_millis(100);
    let mut table = item.fields()?;
    let pick = pick(&mut table);
    let by = table.or("by", 1, |item| item.integer(1..=1_000));
    let at_most = table.or("at-most", AT_MOST, Item::duration);
    table.finish();
    Some(Impairment::Reorder {
        pick: pick?,
        by: by?,
        at_most: at_most?,
    })
}

fn duplicate(item: Item<'_>) -> Option<Impairment> {
    let mut table = item.fields()?;
    let pick = pick(&mut table);
    let later = table.or("later", Duration::ZERO, Item::duration);
    table.finish();
    Some(Impairment::Duplicate {
        pick: pick?,
        later: later?,
    })
}

fn corrupt(item: Item<'_>) -> Option<Impairment> {
    let mut table = item.fields()?;
    let pick = pick(&mut table);
    table.finish();
    pick.map(Impairment::Corrupt)
}

/// One time, or a list of them.
fn outage(item: Item<'_>) -> Option<Impairment> {
    let spans = if item.is_list() {
        item.some(span)
    } else {
        span(item).map(|s| vec![s])
    };
    spans.map(Impairment::Outage)
}

fn span(item: Item<'_>) -> Option<Span> {
    let mut table = item.fields()?;
    let from = table
        .required("from", "\"100 ms\"")
        .and_then(Item::duration);
    let to = table.required("to", "\"400 ms\"");
    let until = to.and_then(Item::duration);
    table.finish();
    let span = Span {
        from: from?,
        to: until?,
    };
    if span.to <= span.from
        && let Some(to) = to
    {
        to.wrong(
            "the outage ends before it begins",
            "expected a time after `from`",
            None,
        );
        return None;
    }
    Some(span)
}
