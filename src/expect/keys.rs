//! The keys of a TLS connection: whether they are what the key schedule makes of the packets and the agreement, and
//! whether both directions have keys of their own.

use super::connection::{find, words};
use super::{Evidence, Record, Ruling};
use crate::dissect::keys::{self, Content, End, Gap, With, recompute};
use crate::lab::plan::{Connection, KeysCheck, Place};

/// Judges one thing about the keys of a connection.
pub(super) fn check(record: &Record<'_>, connection: &Connection, check: KeysCheck) -> Ruling {
    let expected = match check {
        KeysCheck::Recomputed => {
            "every secret and every Finished to be what the key schedule gives"
        }
        KeysCheck::Differ => "client and server to write under different keys",
    };
    let stream = find(record, connection).and_then(|f| f.frames.first()?.stream);
    let all = recompute(record.frames, record.events);
    let Some(found) = all.iter().find(|c| Some(c.stream) == stream) else {
        let found = format!("no TLS on {}", words(connection));
        return Ruling::broken("no keys", vec![], expected, &found);
    };
    match check {
        KeysCheck::Recomputed => recomputed(record, found, expected),
        KeysCheck::Differ => differ(record, found, expected),
    }
}

fn recomputed(record: &Record<'_>, found: &keys::Connection, expected: &str) -> Ruling {
    let evidence = cited(record, found);
    let differences = found.differences();
    if !differences.is_empty() {
        let measured = match differences.len() {
            1 => "1 difference".into(),
            n => format!("{n} differences"),
        };
        return Ruling::broken(measured, evidence, expected, &differences.join("; "));
    }
    // On TUN devices the engines keep the shared secret to themselves, and with it what a session leaves to be resumed;
    // what the key log says is checked all the same.
    let unknown = |gap: &Gap| matches!(gap, Gap::Agreement | Gap::Session);
    let tolerated = |gap: &&Gap| record.place == Place::Devices && unknown(gap);
    if let Some(gap) = found.gaps.iter().find(|g| !tolerated(g)) {
        return Ruling::broken("not all", evidence, expected, &gap.text());
    }
    let counts = found.counts();
    let some = |n: usize, one: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    };
    let mut measured = format!(
        "{}, {} Finished, {}",
        some(counts.secrets, "secret"),
        counts.finished,
        some(counts.records, "record")
    );
    if found.gaps.iter().any(unknown) {
        measured = format!("{measured}; from the key log on");
    }
    Ruling::held(measured, evidence)
}

fn differ(record: &Record<'_>, found: &keys::Connection, expected: &str) -> Ruling {
    let evidence = cited(record, found);
    let of = |end| found.keys_of(end).map(|k| &k.keys).collect::<Vec<_>>();
    let (client, server) = (of(End::Client), of(End::Server));
    if client.is_empty() || server.is_empty() {
        let found = "no key in one of the directions";
        return Ruling::broken("not both", evidence, expected, found);
    }
    let same = client
        .iter()
        .find(|c| server.iter().any(|s| s.key == c.key));
    if same.is_some() {
        let found = "the same key in both directions";
        return Ruling::broken("the same", evidence, expected, found);
    }
    let measured = format!("{} keys, all different", client.len() + server.len());
    Ruling::held(measured, evidence)
}

/// The frames whose Finished were compared, then the first under each key.
fn cited(record: &Record<'_>, found: &keys::Connection) -> Vec<Evidence> {
    let checks = found.values.iter().flat_map(|v| &v.checks);
    let finished = checks.filter_map(|c| match c.with {
        With::Packet { frame } => Some(frame),
        With::KeyLog(_) | With::Engine(_) | With::Share => None,
    });
    let first = found.keys.iter().filter_map(|k| {
        let opened = |r: &&keys::ProtectedRecord| matches!(r.content, Content::Opened(_));
        k.records.iter().find(opened).map(|r| r.frame)
    });
    let numbers = finished.chain(first);
    let frames = numbers.filter_map(|n| record.frames.iter().find(|f| f.number == n));
    record.cite_all(frames)
}
