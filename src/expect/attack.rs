//! Attackers: what they did, what they could read, and how it ended for the others.

use std::net::IpAddr;

use super::milestones::fact;
use super::{Evidence, Record, Ruling, flags};
use crate::dissect::message::Frame;
use crate::event::{Attack, Deed, Fact};
use crate::name::Name;
use crate::wire::packet::Packet;

/// The attacker did this.
pub(super) fn did(record: &Record<'_>, node: &Name, deed: &str) -> Ruling {
    let expected = format!("{node} to do `{deed}`");
    let attacks = record.events.iter().enumerate();
    let found = attacks.filter(|(_, e)| e.node == *node).find_map(|(i, e)| {
        let Fact::Attacked(attack) = fact(e)? else {
            return None;
        };
        (attack.deed.word() == deed).then_some((i, attack))
    });
    let Some((index, attack)) = found else {
        return Ruling::broken("not done", vec![], &expected, "no such attack");
    };
    let mut evidence = record.cite_all(record.everywhere().filter(|f| shows(f, attack)).take(1));
    if evidence.is_empty() {
        evidence.push(Evidence::Event(index));
    }
    Ruling::held(attack.deed.to_string(), evidence)
}

/// The attacker could read this text, or could not.
pub(super) fn read(record: &Record<'_>, node: &Name, text: &str, wanted: bool) -> Ruling {
    let expected = if wanted {
        format!("{node} to read `{text}`")
    } else {
        format!("{node} not to read `{text}`")
    };
    let (mut heard, mut with, mut forgotten) = (Vec::new(), Vec::new(), 0);
    let at_node = record.events.iter().enumerate();
    for (index, event) in at_node.filter(|(_, e)| e.node == *node) {
        if let Some(Fact::Overheard {
            readable, left_out, ..
        }) = fact(event)
        {
            heard.push(Evidence::Event(index));
            forgotten += left_out;
            if readable.iter().any(|r| r.contains(text)) {
                with.push(Evidence::Event(index));
            }
        }
    }
    if heard.is_empty() {
        let found = "no connection that it told of";
        return Ruling::broken("nothing told", vec![], &expected, found);
    }
    if with.is_empty() && forgotten > 0 {
        let found = format!("that {forgotten} bytes it read were not kept");
        return Ruling::broken("not all was kept", heard, &expected, &found);
    }
    let measured = if with.is_empty() { "not read" } else { "read" };
    let evidence = if with.is_empty() { heard } else { with };
    if (measured == "read") == wanted {
        Ruling::held(measured, evidence)
    } else {
        Ruling::broken(measured, evidence, &expected, measured)
    }
}

/// A step of this node failed, for a reason that says so.
pub(super) fn failed(record: &Record<'_>, node: &Name, error: &str) -> Ruling {
    let expected = format!("a step of {node} to fail with `{error}`");
    let at_node = record.events.iter().enumerate();
    let failures: Vec<(usize, &str)> = at_node
        .filter(|(_, e)| e.node == *node)
        .filter_map(|(i, e)| {
            let Fact::StepFailed { error } = fact(e)? else {
                return None;
            };
            Some((i, error.as_str()))
        })
        .collect();
    let cite = |(i, _): &(usize, &str)| Evidence::Event(*i);
    match failures.iter().find(|(_, e)| e.contains(error)) {
        Some(found) => Ruling::held(found.1, vec![cite(found)]),
        None => {
            let evidence = failures.iter().map(cite).collect();
            let found = failures.first().map_or("no failure", |f| f.1);
            Ruling::broken(found, evidence, &expected, found)
        }
    }
}

/// Whether an attack on a stream of bytes is in this frame.
pub(crate) fn shows(frame: &Frame, attack: &Attack) -> bool {
    let Some(tcp) = frame.tcp else {
        return false;
    };
    if let Deed::SynFlood { prefix, .. } = attack.deed {
        let (range, source) = (attack.flow.local.ip(), frame.source.ip());
        let syn = flags(frame).syn() && !flags(frame).ack();
        return syn && frame.destination == attack.flow.remote && share(range, source, prefix);
    }
    if (attack.flow.local, attack.flow.remote) != (frame.source, frame.destination) {
        return false;
    }
    // The first byte of data has the relative sequence number 1.
    let start = u64::from(tcp.sequence.wrapping_sub(1));
    let end = start + tcp.data as u64;
    match attack.deed {
        Deed::Truncated { .. } => flags(frame).fin() && attack.offset == end,
        Deed::Reset { sequence } => {
            let raw = Packet::read(&frame.bytes).and_then(|p| p.tcp().map(|t| t.sequence));
            flags(frame).rst() && raw == Some(sequence)
        }
        Deed::Flipped { .. }
        | Deed::Replayed { .. }
        | Deed::VersionStripped
        | Deed::SynFlood { .. }
        | Deed::HelloReplayed => (start..end).contains(&attack.offset),
    }
}

/// Whether two addresses have their first `prefix` bits in common.
fn share(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            (a.to_bits() ^ b.to_bits()) & mask == 0
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, What};
    use crate::expect::fixture;

    fn with(facts: Vec<Fact>) -> fixture::Run {
        let mut run = fixture::main_lab();
        let at = run.frames[0].at;
        let node = Name::new("mallory").unwrap();
        run.events = facts
            .into_iter()
            .map(|f| Event {
                at,
                node: node.clone(),
                what: What::Fact(f),
            })
            .collect();
        run
    }

    #[test]
    fn an_attack_is_where_its_byte_is() {
        let mut run = fixture::main_lab();
        let index = run
            .frames
            .iter()
            .position(|f| f.tcp.is_some_and(|t| t.data > 1));
        let mut frame = run.frames.remove(index.unwrap());
        let start = 500;
        frame.tcp.as_mut().unwrap().sequence = 501;
        let attack = |offset, deed| Attack {
            flow: crate::event::Flow {
                local: frame.source,
                remote: frame.destination,
            },
            offset,
            deed,
        };
        let flip = Deed::Flipped { record: 1, bit: 0 };
        let data = frame.tcp.unwrap().data as u64;
        assert!(shows(&frame, &attack(start, flip)));
        assert!(shows(&frame, &attack(start + data - 1, flip)));
        assert!(!shows(&frame, &attack(start + data, flip)));
        let cut = Deed::Truncated { record: 1 };
        assert!(!shows(&frame, &attack(start + data, cut)), "no FIN");
    }

    #[test]
    fn what_was_read_is_what_was_told() {
        let node = Name::new("mallory").unwrap();
        let flow = crate::event::Flow {
            local: ([203, 192, 1, 50], 49152).into(),
            remote: ([198, 51, 100, 10], 443).into(),
        };
        let run = with(vec![Fact::Overheard {
            flow,
            readable: vec!["GET /a HTTP/1.1".into()],
            sealed_records: 0,
            sealed_bytes: 0,
            left_out: 0,
        }]);
        let broken = |text, wanted| read(&run.record(), &node, text, wanted).broken;
        assert_eq!(broken("GET /a", true), None);
        assert_eq!(broken("GET /b", false), None);
        assert!(broken("GET /a", false).is_some());
        assert!(broken("GET /b", true).is_some());
        let silent = with(vec![]);
        assert_eq!(
            read(&silent.record(), &node, "GET /b", false).measured,
            "nothing told"
        );
    }

    #[test]
    fn a_failure_says_why() {
        let run = with(vec![Fact::StepFailed {
            error: "no route".into(),
        }]);
        let node = Name::new("mallory").unwrap();
        assert_eq!(failed(&run.record(), &node, "route").broken, None);
        let broken = failed(&run.record(), &node, "close_notify").broken.unwrap();
        assert!(broken.ends_with("found no route"), "{broken}");
        assert_eq!(did(&run.record(), &node, "flip").measured, "not done");
    }
}
