//! TCP: the three-way handshake, the orderly close, and a run without any disturbance.

use std::collections::BTreeSet;
use std::time::Duration;

use super::connection::{find, flags, words};
use super::{CITED_MAX, Evidence, Record, Ruling};
use crate::dissect::message::{Frame, TcpPart};
use crate::event::{PacketId, What};
use crate::lab::plan::Connection;
use crate::units::show_duration;

/// Three packets and no more: SYN, SYN-ACK, ACK (RFC 9293 §3.5), and the time from the first to the second as the
/// initiator sees it.
pub(super) fn handshake(
    record: &Record<'_>,
    connection: &Connection,
    round_trip: Option<Duration>,
) -> Ruling {
    let expected = match round_trip {
        Some(d) => format!(
            "SYN, SYN-ACK, ACK with a round trip of {}{}",
            show_duration(d),
            record.within()
        ),
        None => "SYN, SYN-ACK, ACK".into(),
    };
    let Some(found) = find(record, connection) else {
        let none = format!("no SYN of {}", words(connection));
        return Ruling::broken("no connection", vec![], &expected, &none);
    };
    let opening: Vec<(&Frame, TcpPart)> = found
        .frames
        .iter()
        .filter_map(|f| f.tcp.map(|t| (*f, t.part)))
        .filter(|(_, part)| matches!(part, TcpPart::Syn | TcpPart::SynAck | TcpPart::HandshakeAck))
        .collect();
    let evidence = record.cite_all(opening.iter().map(|(f, _)| *f));
    let parts: Vec<TcpPart> = opening.iter().map(|(_, p)| *p).collect();
    if parts != [TcpPart::Syn, TcpPart::SynAck, TcpPart::HandshakeAck] {
        let names: Vec<_> = parts.iter().map(|p| part_name(*p)).collect();
        let measured = format!("{} packets", parts.len());
        return Ruling::broken(measured, evidence, &expected, &names.join(", "));
    }
    let took = opening[1].0.at - opening[0].0.at;
    let measured = record.show_found(took);
    match round_trip {
        Some(wanted) if !record.is_close(took, wanted) => {
            let found = format!("a round trip of {measured}");
            Ruling::broken(measured, evidence, &expected, &found)
        }
        Some(_) => Ruling::held(format!("{measured}{}", record.within()), evidence),
        None => Ruling::held(measured, evidence),
    }
}

/// FIN from both sides, no RST, nothing sent twice.
pub(super) fn orderly_close(record: &Record<'_>, connection: &Connection) -> Ruling {
    let expected = "a FIN from each side, no RST, nothing sent twice";
    let Some(found) = find(record, connection) else {
        let none = format!("no SYN of {}", words(connection));
        return Ruling::broken("no connection", vec![], expected, &none);
    };
    let again = retransmitted(record);
    let (mut fins, mut troubles, mut wrong) = (vec![], vec![], vec![]);
    for frame in &found.frames {
        if flags(frame).rst() {
            troubles.push(*frame);
            wrong.push(format!("RST in packet {}", frame.number));
        } else if again.contains(&frame.packet) {
            troubles.push(*frame);
            wrong.push(format!("packet {} sent again", frame.number));
        } else if flags(frame).fin() {
            fins.push(*frame);
        }
    }
    for (side, ours) in [("initiator", true), ("other side", false)] {
        if !fins.iter().any(|f| found.is_clients(f) == ours) {
            wrong.push(format!("no FIN from the {side}"));
        }
    }
    let evidence = record.cite_all(troubles.iter().chain(&fins).copied());
    if wrong.is_empty() {
        return Ruling::held("FIN from both sides", evidence);
    }
    wrong.truncate(4);
    Ruling::broken(wrong[0].clone(), evidence, expected, &wrong.join(", "))
}

/// Nothing dropped, retransmitted or reset, anywhere.
pub(super) fn clean(record: &Record<'_>) -> Ruling {
    let mut evidence = Vec::new();
    let mut lost = BTreeSet::new();
    for (index, event) in record.events.iter().enumerate() {
        let What::Dropped { packet, .. } = event.what else {
            continue;
        };
        // A packet may be dropped only once, so its identity counts it.
        if lost.insert(packet) {
            let frame = record.everywhere().find(|f| f.packet == packet);
            evidence.push(frame.map_or(Evidence::Event(index), |f| record.cite(f)));
        }
    }
    let again = retransmitted(record);
    let resets: BTreeSet<PacketId> = record
        .everywhere()
        .filter(|f| f.tcp.is_some_and(|t| t.part == TcpPart::Reset))
        .map(|f| f.packet)
        .collect();
    let troubled = record
        .everywhere()
        .filter(|f| again.contains(&f.packet) || resets.contains(&f.packet));
    for cited in record.cite_all(troubled) {
        if !evidence.contains(&cited) {
            evidence.push(cited);
        }
    }
    evidence.truncate(CITED_MAX);
    let measured = format!(
        "{} lost, {} retransmitted, {} reset",
        lost.len(),
        again.len(),
        resets.len()
    );
    if lost.is_empty() && again.is_empty() && resets.is_empty() {
        return Ruling::held(measured, evidence);
    }
    let found = measured.clone();
    let expected = "no packet lost, retransmitted or reset";
    Ruling::broken(measured, evidence, expected, &found)
}

/// Every packet that some tap knows to repeat an earlier one. The main tap alone does not know of packets that were
/// lost on their way to it.
pub(crate) fn retransmitted(record: &Record<'_>) -> BTreeSet<PacketId> {
    record
        .everywhere()
        .filter(|f| f.tcp.is_some_and(|t| t.retransmission))
        .map(|f| f.packet)
        .collect()
}

/// As people write it.
pub(crate) const fn part_name(part: TcpPart) -> &'static str {
    match part {
        TcpPart::Syn => "SYN",
        TcpPart::SynAck => "SYN-ACK",
        TcpPart::HandshakeAck | TcpPart::Ack => "ACK",
        TcpPart::Data => "data",
        TcpPart::Fin => "FIN",
        TcpPart::Reset => "RST",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture::{self, connection};
    use crate::lab::plan::Place;

    fn front() -> Connection {
        connection("user", "alb", 443)
    }

    #[test]
    fn a_handshake_has_three_packets_and_an_exact_round_trip() {
        let run = fixture::main_lab();
        let ms = Duration::from_millis;
        let held = handshake(&run.record(), &front(), Some(ms(20)));
        assert_eq!((held.measured.as_str(), &held.broken), ("20 ms", &None));
        let frames: Vec<_> = [3, 4, 5].map(Evidence::Frame).into();
        assert_eq!(held.evidence, frames);
        let late = handshake(&run.record(), &front(), Some(ms(21)));
        assert_eq!(
            late.broken.unwrap(),
            "expected SYN, SYN-ACK, ACK with a round trip of 21 ms; found a round trip of 20 ms"
        );
        let none = handshake(&run.record(), &connection("user", "alb", 80), None);
        assert!(none.broken.unwrap().ends_with("no SYN of user -> alb:80"));
    }

    #[test]
    fn on_tun_devices_a_round_trip_holds_within_the_tolerance() {
        let mut run = fixture::main_lab();
        run.place = Place::Devices;
        run.tolerance = Duration::from_millis(1);
        let rule = |us| handshake(&run.record(), &front(), Some(Duration::from_micros(us)));
        assert_eq!(rule(21_000).measured, "20 ms within ±1 ms");
        assert_eq!(
            rule(21_001).broken.unwrap(),
            "expected SYN, SYN-ACK, ACK with a round trip of 21.001 ms within ±1 ms; found a round trip of 20 ms"
        );
        let unasked = handshake(&run.record(), &front(), None);
        assert_eq!(unasked.measured, "20 ms");
    }

    #[test]
    fn a_syn_sent_twice_is_not_a_handshake_of_three() {
        let mut run = fixture::main_lab();
        run.frames[3].tcp.as_mut().unwrap().part = TcpPart::Syn;
        let broken = handshake(&run.record(), &front(), None).broken.unwrap();
        assert_eq!(broken, "expected SYN, SYN-ACK, ACK; found SYN, SYN, ACK");
    }

    #[test]
    fn a_close_needs_both_fins_and_nothing_else() {
        let mut run = fixture::main_lab();
        let held = orderly_close(&run.record(), &connection("alb", "ec2-a", 32768));
        assert!(held.broken.is_none(), "{held:?}");
        assert_eq!(held.evidence.len(), 2);
        // Without the last FIN, which the user sends.
        let fin = |f: &Frame| f.source.port() == 50_000 && flags(f).fin();
        run.frames.retain(|f| !fin(f));
        let broken = orderly_close(&run.record(), &front());
        assert_eq!(broken.measured, "no FIN from the initiator");
    }

    #[test]
    fn one_retransmission_anywhere_is_not_clean() {
        let mut run = fixture::main_lab();
        assert!(clean(&run.record()).broken.is_none());
        let tap = &mut run.taps[1].frames;
        let data = tap.iter_mut().find_map(|f| f.tcp.as_mut()).unwrap();
        data.retransmission = true;
        let ruling = clean(&run.record());
        assert_eq!(ruling.measured, "0 lost, 1 retransmitted, 0 reset");
        assert!(ruling.broken.is_some());
    }
}
