//! Packets as a viewer sees them: how many a filter selects, whether a text can be read, who never sees whom.

use std::net::IpAddr;

use super::{Record, Ruling, TapRecord};
use crate::dissect::message::Frame;
use crate::event::Direction;
use crate::lab::plan::{Count, PacketFilter, Span, Viewer};
use crate::name::Name;
use crate::time::Instant;

/// The number of packets that the filter selects, in that part of the run, is as wanted.
pub(super) fn count(
    record: &Record<'_>,
    on: Option<&Name>,
    viewer: Viewer,
    filter: &PacketFilter,
    span: Span,
    wanted: Count,
) -> Ruling {
    let expected = format!(
        "{} for `{}`{}",
        count_words(wanted),
        filter.text,
        span.words()
    );
    let frames: Vec<&Frame> = match (on, viewer) {
        (None, Viewer::KeyHolder) => record.frames.iter().collect(),
        (None, Viewer::Observer) => record.observed.iter().collect(),
        (Some(name), _) => match seen_on(record, name, viewer) {
            Ok(frames) => frames,
            Err(why) => return Ruling::broken("not captured", vec![], &expected, &why),
        },
    };
    let ended = record.ended - Instant::ZERO;
    if span.from > ended + record.tolerance {
        // Nothing could be sent then, so that "none" would hold whatever the lab does.
        let found = format!("the run ended at {}", record.show_found(ended));
        return Ruling::broken("the run was over", vec![], &expected, &found);
    }
    let (selected, other): (Vec<&Frame>, Vec<&Frame>) = frames
        .iter()
        .copied()
        .filter(|f| filter.filter.matches(f))
        .partition(|f| span.holds(f.at - Instant::ZERO, record.tolerance));
    let evidence = record.cite_all(selected.iter().copied());
    let measured = format!("{} of {} packets", selected.len(), frames.len());
    if wanted.admits(selected.len() as u64) {
        return Ruling::held(measured, evidence);
    }
    let mut found = measured.clone();
    if let Some(first) = other.first() {
        let at = record.show_found(first.at - Instant::ZERO);
        found += &format!(", and {} at other times, the first at {at}", other.len());
    }
    let evidence = record.cite_all(selected.into_iter().chain(other));
    Ruling::broken(measured, evidence, &expected, &found)
}

/// The text stands, or does not stand, in the bytes of some packet, as they cross the link.
pub(super) fn readable(record: &Record<'_>, on: &Name, text: &str, wanted: bool) -> Ruling {
    let expected = if wanted {
        format!("`{text}` to be readable on {on}")
    } else {
        format!("`{text}` not to be readable on {on}")
    };
    let frames = match seen_on(record, on, Viewer::Observer) {
        Ok(frames) if frames.is_empty() => {
            return Ruling::broken("no packets", vec![], &expected, "no packet there");
        }
        Ok(frames) => frames,
        Err(why) => return Ruling::broken("not captured", vec![], &expected, &why),
    };
    let holds = |f: &&&Frame| contains(&f.bytes, text.as_bytes());
    let with: Vec<&Frame> = frames.iter().filter(holds).copied().collect();
    let evidence = record.cite_all(with.iter().copied());
    let measured = match with.len() {
        0 => format!("in none of {} packets", frames.len()),
        n => format!("in {n} of {} packets", frames.len()),
    };
    if with.is_empty() != wanted {
        return Ruling::held(measured, evidence);
    }
    let found = measured.clone();
    Ruling::broken(measured, evidence, &expected, &found)
}

/// No packet at any NIC of `node` comes from or goes to `address`.
pub(super) fn never_sees(record: &Record<'_>, node: &Name, address: IpAddr) -> Ruling {
    let expected = format!("no packet from or to {address} at {node}");
    let topology = &record.plan.topology;
    let index = topology.node(node.as_str());
    let at_node = |t: &&TapRecord| Some(topology.tap(t.tap).node) == index;
    let mut frames = Vec::new();
    let mut taps = 0;
    for tap in record.taps.iter().filter(at_node) {
        taps += 1;
        frames.extend(&tap.frames);
    }
    if taps == 0 {
        let found = format!("no capture at {node}");
        return Ruling::broken("not captured", vec![], &expected, &found);
    }
    let seen = |f: &&&Frame| f.source.ip() == address || f.destination.ip() == address;
    let with: Vec<&Frame> = frames.iter().filter(seen).copied().collect();
    if with.is_empty() {
        return Ruling::held(format!("{} packets checked", frames.len()), vec![]);
    }
    let evidence = record.cite_all(with.iter().copied());
    let measured = format!("{} of {} packets", with.len(), frames.len());
    let found = measured.clone();
    Ruling::broken(measured, evidence, &expected, &found)
}

/// The frames on a link (each packet once, as its sender put it there, lost ones too) or at a tap.
pub(super) fn seen_on<'a>(
    record: &Record<'a>,
    name: &Name,
    viewer: Viewer,
) -> Result<Vec<&'a Frame>, String> {
    let topology = &record.plan.topology;
    let seen = |t: &'a TapRecord| match viewer {
        Viewer::KeyHolder => &t.frames,
        Viewer::Observer => &t.observed,
    };
    let tap = |nic: usize| {
        let mut taps = record.taps.iter();
        taps.find(|t| t.tap.0 == nic)
            .ok_or_else(|| format!("no capture at {}", topology.nics[nic].name))
    };
    if let Some(link) = topology.links.iter().find(|l| l.name == *name) {
        let mut frames = Vec::new();
        for end in link.ends {
            let sent = seen(tap(end)?).iter();
            frames.extend(sent.filter(|f| f.direction == Direction::Out));
        }
        frames.sort_by_key(|f| (f.at, f.packet));
        return Ok(frames);
    }
    match topology.nics.iter().position(|n| n.name == *name) {
        Some(nic) => Ok(seen(tap(nic)?).iter().collect()),
        None => Err(format!("no link or tap called {name}")),
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|w| w == text)
}

pub(super) fn count_words(count: Count) -> String {
    match count {
        Count::Exactly(n) => format!("exactly {n}"),
        Count::AtLeast(n) => format!("at least {n}"),
        Count::AtMost(n) => format!("at most {n}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dissect::filter::Filter;
    use crate::expect::{Evidence, fixture};
    use crate::units::show_duration;

    fn filter(text: &str) -> PacketFilter {
        PacketFilter {
            text: text.into(),
            filter: Filter::parse(text).unwrap(),
        }
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn the_key_holder_sees_more_than_the_observer() {
        let run = fixture::main_lab();
        let record = run.record();
        let holder = count(
            &record,
            None,
            Viewer::KeyHolder,
            &filter("http"),
            Span::default(),
            Count::Exactly(4),
        );
        assert_eq!(
            (holder.broken, holder.measured.as_str()),
            (None, "4 of 28 packets")
        );
        let on = name("edge");
        let any = Span::default();
        let observer = |n| {
            count(
                &record,
                Some(&on),
                Viewer::Observer,
                &filter("http"),
                any,
                n,
            )
        };
        assert_eq!(observer(Count::Exactly(0)).broken, None);
        assert_eq!(
            observer(Count::AtLeast(1)).broken.unwrap(),
            "expected at least 1 for `http`; found 0 of 16 packets"
        );
        let unknown = count(
            &record,
            Some(&name("moon")),
            Viewer::Observer,
            &filter("ip"),
            any,
            Count::AtMost(9),
        );
        assert!(
            unknown
                .broken
                .unwrap()
                .ends_with("no link or tap called moon")
        );
    }

    #[test]
    fn packets_are_counted_in_a_part_of_the_run() {
        let mut run = fixture::main_lab();
        let ms = Duration::from_millis;
        let first = {
            let http = filter("http").filter;
            run.frames.iter().find(|f| http.matches(f)).unwrap().at - Instant::ZERO
        };
        let messages = |run: &fixture::Run, from, by, wanted| {
            let filter = filter("http");
            let span = Span { from, by };
            let key_holder = Viewer::KeyHolder;
            count(&run.record(), None, key_holder, &filter, span, wanted)
        };
        // Both ends belong to it.
        let there = messages(&run, first, Some(first), Count::Exactly(1));
        assert_eq!(
            (there.broken, there.measured.as_str()),
            (None, "1 of 28 packets")
        );
        let after = messages(&run, first + ms(1), None, Count::Exactly(3));
        assert_eq!(after.broken, None);
        let before = messages(&run, Duration::ZERO, Some(first - ms(1)), Count::AtLeast(1));
        assert_eq!(
            before.broken.unwrap(),
            format!(
                "expected at least 1 for `http` by {}; found 0 of 28 packets, and 4 at other times, the first \
                 at {}",
                show_duration(first - ms(1)),
                show_duration(first)
            )
        );
        assert_eq!(before.evidence.len(), 4);
        // On TUN devices no closer than the tolerance.
        run.tolerance = ms(1);
        let before = messages(&run, Duration::ZERO, Some(first - ms(1)), Count::AtLeast(1));
        assert_eq!(before.broken, None);
        // The run ends at 102 ms: of what came later nothing can be said.
        let late = messages(&run, ms(104), None, Count::Exactly(0));
        assert_eq!(
            late.broken.unwrap(),
            "expected exactly 0 for `http` from 104 ms on; found the run ended at 102 ms"
        );
    }

    #[test]
    fn a_link_shows_every_packet_once_and_a_tap_both_ways() {
        let run = fixture::main_lab();
        let record = run.record();
        let on_link = seen_on(&record, &name("vpc"), Viewer::KeyHolder).unwrap();
        let at_tap = seen_on(&record, &name("alb-vpc"), Viewer::KeyHolder).unwrap();
        assert_eq!((on_link.len(), at_tap.len()), (11, 11));
        assert!(on_link.iter().all(|f| f.direction == Direction::Out));
    }

    #[test]
    fn the_path_is_readable_in_the_vpc_only() {
        let run = fixture::main_lab();
        let record = run.record();
        let path = "/notification/health/check";
        let vpc = readable(&record, &name("vpc"), path, true);
        assert_eq!(vpc.measured, "in 1 of 11 packets");
        assert_eq!(vpc.evidence, [Evidence::Frame(14)]);
        let edge = readable(&record, &name("edge"), path, false);
        assert_eq!(edge.measured, "in none of 16 packets");
        assert_eq!(edge.broken, None);
        let wrong = readable(&record, &name("vpc"), path, false).broken.unwrap();
        assert_eq!(
            wrong,
            format!("expected `{path}` not to be readable on vpc; found in 1 of 11 packets")
        );
    }

    #[test]
    fn a_node_sees_only_who_speaks_to_it() {
        let run = fixture::main_lab();
        let record = run.record();
        let user: IpAddr = "203.192.1.50".parse().unwrap();
        let app = never_sees(&record, &name("ec2-a"), user);
        assert_eq!(
            (app.broken, app.measured.as_str()),
            (None, "11 packets checked")
        );
        let alb = never_sees(&record, &name("alb"), user);
        assert_eq!(alb.measured, "15 of 26 packets");
        assert!(alb.broken.is_some());
    }
}
