//! What filters in the network refused: how many packets, where, by what.

use std::net::IpAddr;

use super::{CITED_MAX, Evidence, Record, Ruling};
use crate::event::{PacketId, What};
use crate::lab::plan::{Count, Dropped};
use crate::name::Name;
use crate::wire::packet::Packet;

/// As many packets were dropped as is wanted.
pub(super) fn dropped(record: &Record<'_>, wanted: &Dropped) -> Ruling {
    let Dropped {
        at,
        by,
        from,
        to,
        count,
    } = wanted;
    let mut expected = format!("{} packets dropped", super::packets::count_words(*count));
    for (word, value) in [("by", by.clone()), ("at", at.as_ref().map(Name::to_string))] {
        if let Some(value) = value {
            expected.push_str(&format!(" {word} {value}"));
        }
    }
    let mut packets: Vec<PacketId> = Vec::new();
    let mut evidence = Vec::new();
    let mut others = Vec::new();
    for (index, event) in record.events.iter().enumerate() {
        let What::Dropped {
            packet,
            cause,
            bytes,
            ..
        } = &event.what
        else {
            continue;
        };
        let read = Packet::read(bytes);
        let is_at = |node: &Option<Name>, address: Option<IpAddr>| {
            node.as_ref().is_none_or(|name| {
                address.is_some_and(|a| super::has_address(&record.plan.topology, name, a))
            })
        };
        let matches = at.as_ref().is_none_or(|n| *n == event.node)
            && by.as_ref().is_none_or(|b| b == cause.word())
            && is_at(from, read.map(|p| p.source))
            && is_at(to, read.map(|p| p.destination));
        if !matches {
            others.push(format!("{} at {}", cause.word(), event.node));
            continue;
        }
        packets.push(*packet);
        if evidence.len() < CITED_MAX {
            let seen = record.everywhere().find(|f| f.packet == *packet);
            let cited = seen.map_or(Evidence::Event(index), |f| record.cite(f));
            evidence.push(cited);
        }
    }
    let measured = format!("{} dropped", packets.len());
    if admits(*count, packets.len()) {
        return Ruling::held(measured, evidence);
    }
    others.sort();
    others.dedup();
    let beside = if others.is_empty() {
        String::new()
    } else {
        format!(", and others: {}", others.join(", "))
    };
    let found = format!("{measured}{beside}");
    Ruling::broken(measured, evidence, &expected, &found)
}

const fn admits(count: Count, found: usize) -> bool {
    count.admits(found as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DropCause;
    use crate::expect::fixture;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn drops_are_counted_by_place_cause_and_ends() {
        let mut run = fixture::main_lab();
        run.lose(8, DropCause::SecurityGroup);
        let record = run.record();
        let all = Dropped {
            at: None,
            by: None,
            from: None,
            to: None,
            count: Count::Exactly(1),
        };
        let ruling = dropped(&record, &all);
        assert_eq!(
            (ruling.broken, ruling.measured.as_str()),
            (None, "1 dropped")
        );
        let by = Dropped {
            by: Some("security-group".into()),
            from: Some(name("alb")),
            to: Some(name("user")),
            ..all.clone()
        };
        assert_eq!(dropped(&record, &by).broken, None);
        let elsewhere = Dropped {
            at: Some(name("user")),
            ..by.clone()
        };
        assert_eq!(
            dropped(&record, &elsewhere).broken.unwrap(),
            "expected exactly 1 packets dropped by security-group at user; \
             found 0 dropped, and others: security-group at alb"
        );
        let back = Dropped {
            from: Some(name("user")),
            to: None,
            ..by
        };
        assert!(dropped(&record, &back).broken.is_some());
    }
}
