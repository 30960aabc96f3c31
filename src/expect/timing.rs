//! Time: milestones of the first request, and the phases between them. In virtual time exactly, to the nanosecond; on
//! TUN devices within the run's tolerance.

use std::time::Duration;

use super::milestones::milestones;
use super::{Evidence, Record, Ruling};
use crate::dissect::message::{Frame, Message, TcpPart, TlsKind};
use crate::lab::plan::Milestone;
use crate::time::Instant;
use crate::units::show_duration;

/// A milestone was reached at exactly this time.
pub(super) fn at(record: &Record<'_>, milestone: Milestone, wanted: Duration) -> Ruling {
    let expected = format!(
        "{} at {}{}",
        milestone.word(),
        show_duration(wanted),
        record.within()
    );
    let Some((when, index)) = reached(record, milestone) else {
        let found = format!("{} never reached", milestone.word());
        return Ruling::broken("never reached", vec![], &expected, &found);
    };
    let took = when - Instant::ZERO;
    let found = record.show_found(took);
    let evidence = vec![cite(record, milestone, index)];
    let measured = format!("{found}{}", record.within());
    if record.is_close(took, wanted) {
        return Ruling::held(measured, evidence);
    }
    let measured = found.clone();
    Ruling::broken(measured, evidence, &expected, &found)
}

/// From one milestone to another took exactly this long.
pub(super) fn phase(
    record: &Record<'_>,
    from: Milestone,
    to: Milestone,
    wanted: Duration,
) -> Ruling {
    let expected = format!(
        "{}{} from {} to {}",
        show_duration(wanted),
        record.within(),
        from.word(),
        to.word()
    );
    let (start, end) = (reached(record, from), reached(record, to));
    let (Some((start, first)), Some((end, last))) = (start, end) else {
        let missing = if start.is_none() { from } else { to };
        let found = format!("{} never reached", missing.word());
        return Ruling::broken("never reached", vec![], &expected, &found);
    };
    let mut evidence = vec![cite(record, from, first)];
    let second = cite(record, to, last);
    if !evidence.contains(&second) {
        evidence.push(second);
    }
    if end < start {
        let found = format!("{} before {}", to.word(), from.word());
        return Ruling::broken("out of order", evidence, &expected, &found);
    }
    let found = record.show_found(end - start);
    let measured = format!("{found}{}", record.within());
    if record.is_close(end - start, wanted) {
        return Ruling::held(measured, evidence);
    }
    let measured = found.clone();
    Ruling::broken(measured, evidence, &expected, &found)
}

fn reached(record: &Record<'_>, milestone: Milestone) -> Option<(Instant, usize)> {
    milestones(record.events, record.plan)
        .get(&milestone)
        .copied()
}

/// The packet that left or came at that node in that very instant and is what the milestone is about; else the event.
fn cite(record: &Record<'_>, milestone: Milestone, index: usize) -> Evidence {
    let event = &record.events[index];
    let topology = &record.plan.topology;
    let frame = record.everywhere().find(|f| {
        let node = topology.tap(f.tap).node;
        f.at == event.at && topology.nodes[node].name == event.node && shows(milestone, f)
    });
    frame.map_or(Evidence::Event(index), |f| record.cite(f))
}

fn shows(milestone: Milestone, frame: &Frame) -> bool {
    let part = frame.tcp.map(|t| t.part);
    let any = |wanted: fn(&Message) -> bool| frame.messages.iter().any(wanted);
    match milestone {
        Milestone::DnsQuery => any(|m| matches!(m, Message::DnsQuery { .. })),
        Milestone::TcpSyn | Milestone::TargetSyn => part == Some(TcpPart::Syn),
        Milestone::TcpEstablished => part == Some(TcpPart::SynAck),
        Milestone::ClientHello => {
            any(|m| matches!(m, Message::Tls(t) if matches!(t.kind, TlsKind::ClientHello { .. })))
        }
        Milestone::TlsEstablished => {
            any(|m| matches!(m, Message::Tls(t) if t.kind == TlsKind::Finished))
        }
        Milestone::RequestSent
        | Milestone::RequestAtAlb
        | Milestone::RequestToTarget
        | Milestone::RequestAtApp => any(|m| matches!(m, Message::HttpRequest(_))),
        Milestone::ResponseFromApp
        | Milestone::ResponseAtAlb
        | Milestone::ResponseFromAlb
        | Milestone::ResponseAtUser => {
            any(|m| matches!(m, Message::HttpResponse(_) | Message::HttpBodyEnd { .. }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture;
    use crate::lab::plan::Place;

    #[test]
    fn a_milestone_is_exact_to_the_nanosecond() {
        let run = fixture::main_lab();
        let record = run.record();
        let wanted = Duration::from_micros(72_500);
        let held = at(&record, Milestone::TargetSyn, wanted);
        assert_eq!((held.measured.as_str(), held.broken), ("72.5 ms", None));
        assert_eq!(held.evidence, [Evidence::Frame(11)]);
        let broken = at(
            &record,
            Milestone::TargetSyn,
            wanted + Duration::from_nanos(1),
        );
        assert_eq!(
            broken.broken.unwrap(),
            "expected target-syn at 72.500001 ms; found 72.5 ms"
        );
    }

    #[test]
    fn on_tun_devices_times_hold_within_the_tolerance_and_not_a_nanosecond_beyond() {
        let mut run = fixture::main_lab();
        run.place = Place::Devices;
        run.tolerance = Duration::from_millis(2);
        for (index, wanted) in [
            (Duration::from_micros(74_500), true),
            (Duration::from_micros(70_500), true),
            (Duration::from_nanos(74_500_001), false),
            (Duration::from_nanos(70_499_999), false),
        ]
        .into_iter()
        .enumerate()
        {
            let ruling = at(&run.record(), Milestone::TargetSyn, wanted.0);
            assert_eq!(ruling.broken.is_none(), wanted.1, "{index}");
        }
        let held = at(
            &run.record(),
            Milestone::TargetSyn,
            Duration::from_millis(73),
        );
        assert_eq!(held.measured, "72.5 ms within ±2 ms");
        let (from, to) = (Milestone::RequestSent, Milestone::ResponseAtUser);
        let long = phase(&run.record(), from, to, Duration::from_millis(33));
        assert_eq!(
            long.broken.unwrap(),
            "expected 33 ms within ±2 ms from request-sent to response-at-user; found 30 ms"
        );
    }

    #[test]
    fn a_phase_cites_both_of_its_ends() {
        let run = fixture::main_lab();
        let (from, to) = (Milestone::RequestSent, Milestone::ResponseAtUser);
        let held = phase(&run.record(), from, to, Duration::from_millis(30));
        assert_eq!((held.measured.as_str(), &held.broken), ("30 ms", &None));
        assert_eq!(held.evidence, [Evidence::Frame(10), Evidence::Frame(25)]);
        let broken = phase(&run.record(), from, to, Duration::from_millis(31));
        assert!(broken.broken.unwrap().ends_with("found 30 ms"));
        let back = phase(&run.record(), to, from, Duration::ZERO);
        assert_eq!(back.measured, "out of order");
    }

    #[test]
    fn what_was_not_reached_is_said() {
        let mut run = fixture::main_lab();
        run.events.truncate(3);
        let broken = at(&run.record(), Milestone::RequestAtApp, Duration::ZERO);
        assert_eq!(
            broken.broken.unwrap(),
            "expected request-at-app at 0 ms; found request-at-app never reached"
        );
    }
}
