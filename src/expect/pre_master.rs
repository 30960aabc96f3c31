//! The RSA key exchange: what the two sides of a connection had and computed. What goes over the wire of it is one
//! encrypted value; the rest is told by the sides themselves.

use super::connection::{Found, find, words};
use super::milestones::fact;
use super::{Evidence, Record, Ruling};
use crate::dissect::message::{Message, TlsKind};
use crate::event::{Fact, PreMaster};
use crate::lab::plan::{Connection, PreMasterCheck};
use crate::name::Name;
use crate::units::Bytes;

/// Judges one thing about the key exchange on a connection.
pub(super) fn check(record: &Record<'_>, connection: &Connection, check: PreMasterCheck) -> Ruling {
    let expected = expected(check);
    let Some(found) = find(record, connection) else {
        let found = format!("no SYN of {}", words(connection));
        return Ruling::broken("no connection", vec![], &expected, &found);
    };
    let mut sides = Vec::new();
    for node in [&connection.from, &connection.to] {
        let Some((event, agreed)) = told(record, node, &found) else {
            let nothing = format!("no RSA key exchange at {node}");
            return Ruling::broken("no RSA key exchange", vec![], &expected, &nothing);
        };
        sides.push((node, event, agreed));
    }
    let mut evidence = record.cite_all(exchange_frames(&found));
    if evidence.is_empty() {
        evidence.extend(sides.iter().map(|(_, event, _)| Evidence::Event(*event)));
    }
    let measured: Vec<Measured> = sides.iter().map(|(_, _, a)| measure(check, a)).collect();
    let same = sides[0].2 == sides[1].2;
    let held = match check {
        PreMasterCheck::Same => same,
        PreMasterCheck::Secret(_)
        | PreMasterCheck::Encrypted(_)
        | PreMasterCheck::WriteKeys(_)
        | PreMasterCheck::Extended(_) => measured.iter().all(|m| m.right),
    };
    let words = if held || measured[0].words == measured[1].words && check != PreMasterCheck::Same {
        measured[0].words.clone()
    } else if check == PreMasterCheck::Same {
        "different values".into()
    } else {
        let said = sides.iter().zip(&measured);
        let said: Vec<_> = said
            .map(|((node, ..), m)| format!("{} at {node}", m.words))
            .collect();
        said.join(", ")
    };
    if held {
        Ruling::held(words, evidence)
    } else {
        Ruling::broken(words.clone(), evidence, &expected, &words)
    }
}

fn expected(check: PreMasterCheck) -> String {
    match check {
        PreMasterCheck::Secret(Bytes(n)) => {
            format!("{n} bytes, the first two the version in the ClientHello")
        }
        PreMasterCheck::Encrypted(Bytes(n)) => format!("{n} bytes"),
        PreMasterCheck::Same => "the same secrets and keys on both sides".into(),
        PreMasterCheck::WriteKeys(n) => format!("{n} encryption keys"),
        PreMasterCheck::Extended(true) => "a master secret bound to the whole handshake".into(),
        PreMasterCheck::Extended(false) => "a master secret made of the two randoms".into(),
    }
}

/// What one side says.
struct Measured {
    words: String,
    right: bool,
}

fn measure(check: PreMasterCheck, agreed: &PreMaster) -> Measured {
    let (words, right) = match check {
        PreMasterCheck::Secret(Bytes(n)) => {
            let version = agreed.secret.iter().take(2);
            let version: Vec<_> = version.map(ToString::to_string).collect();
            let words = format!(
                "{} bytes: version {}, {} random",
                agreed.secret.len(),
                version.join("."),
                agreed.secret.len().saturating_sub(2)
            );
            // Only TLS 1.2 has this key exchange here: 3.3 on the wire (RFC 5246 §6.2.1).
            let right = agreed.secret.len() as u64 == n && agreed.secret.starts_with(&[3, 3]);
            (words, right)
        }
        PreMasterCheck::Encrypted(Bytes(n)) => {
            let length = agreed.encrypted.len();
            (format!("{length} bytes"), length as u64 == n)
        }
        PreMasterCheck::Same => {
            let words = format!(
                "equal: {} bytes of pre-master, {} of master secret, all keys",
                agreed.secret.len(),
                agreed.master.len()
            );
            (words, true)
        }
        PreMasterCheck::WriteKeys(n) => {
            let (client, server) = (&agreed.client_write.key, &agreed.server_write.key);
            let bits = client.len() * 8;
            let keys = if client == server { 1 } else { 2 };
            (format!("{keys} keys of {bits} bits"), keys == n)
        }
        PreMasterCheck::Extended(wanted) => {
            let extended = agreed.session_hash.is_some();
            let words = if extended {
                "bound to the handshake"
            } else {
                "made of the two randoms"
            };
            (words.into(), extended == wanted)
        }
    };
    Measured { words, right }
}

/// What `node` says of the connection: its own end is either side of it.
fn told<'a>(record: &Record<'a>, node: &Name, found: &Found<'_>) -> Option<(usize, &'a PreMaster)> {
    record.events.iter().enumerate().find_map(|(index, event)| {
        let Some(Fact::PreMasterAgreed { flow, agreed }) = fact(event) else {
            return None;
        };
        let ours = flow.local == found.client || flow.remote == found.client;
        (event.node == *node && ours).then_some((index, agreed.as_ref()))
    })
}

/// The frames with a ClientKeyExchange.
fn exchange_frames<'f>(
    found: &'f Found<'f>,
) -> impl Iterator<Item = &'f crate::dissect::message::Frame> {
    let sends =
        |m: &Message| matches!(m, Message::Tls(t) if matches!(t.kind, TlsKind::ClientKeyExchange));
    let frames = found.frames.iter().copied();
    frames.filter(move |f| f.messages.iter().any(sends))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Flow, What, WriteKeys};
    use crate::expect::fixture::{self, connection};

    fn agreed() -> PreMaster {
        let write = |byte| WriteKeys {
            mac: vec![],
            key: vec![byte; 32],
            iv: vec![byte; 4],
        };
        PreMaster {
            client_random: [1; 32],
            server_random: [2; 32],
            secret: [vec![3; 2], vec![9; 46]].concat(),
            encrypted: vec![7; 256],
            session_hash: None,
            master: vec![8; 48],
            client_write: write(1),
            server_write: write(2),
        }
    }

    /// The main lab, as if its two sides had told these values.
    fn judged(sides: [Option<PreMaster>; 2], wanted: PreMasterCheck) -> Ruling {
        let mut run = fixture::main_lab();
        let front = connection("user", "alb", 443);
        let client = find(&run.record(), &front).unwrap().client;
        let server = "198.51.100.10:443".parse().unwrap();
        let flows = [(client, server), (server, client)];
        for ((node, told), (local, remote)) in ["user", "alb"].into_iter().zip(sides).zip(flows) {
            let Some(agreed) = told else { continue };
            run.events.push(Event {
                at: crate::time::Instant::ZERO,
                node: Name::new(node).unwrap(),
                what: What::Fact(Fact::PreMasterAgreed {
                    flow: Flow { local, remote },
                    agreed: Box::new(agreed),
                }),
            });
        }
        check(&run.record(), &front, wanted)
    }

    #[test]
    fn each_value_is_measured_on_both_sides() {
        use PreMasterCheck as C;
        let held = [
            (C::Secret(Bytes(48)), "48 bytes: version 3.3, 46 random"),
            (C::Encrypted(Bytes(256)), "256 bytes"),
            (
                C::Same,
                "equal: 48 bytes of pre-master, 48 of master secret, all keys",
            ),
            (C::WriteKeys(2), "2 keys of 256 bits"),
            (C::Extended(false), "made of the two randoms"),
        ];
        for (wanted, measured) in held {
            let ruling = judged([Some(agreed()), Some(agreed())], wanted);
            assert_eq!(ruling.broken, None, "{wanted:?}");
            assert_eq!(ruling.measured, measured);
            assert_eq!(
                ruling.evidence.len(),
                2,
                "both events: no such message is there"
            );
        }
        for (wanted, broken) in [
            (
                C::Secret(Bytes(46)),
                "expected 46 bytes, the first two the version in the ClientHello; \
                 found 48 bytes: version 3.3, 46 random",
            ),
            (
                C::Encrypted(Bytes(512)),
                "expected 512 bytes; found 256 bytes",
            ),
            (
                C::WriteKeys(1),
                "expected 1 encryption keys; found 2 keys of 256 bits",
            ),
            (
                C::Extended(true),
                "expected a master secret bound to the whole handshake; found made of the two randoms",
            ),
        ] {
            let ruling = judged([Some(agreed()), Some(agreed())], wanted);
            assert_eq!(ruling.broken.as_deref(), Some(broken));
        }
    }

    #[test]
    fn sides_that_differ_or_say_nothing_break_it() {
        let mut other = agreed();
        other.master = vec![0; 48];
        let broken = judged([Some(agreed()), Some(other.clone())], PreMasterCheck::Same).broken;
        assert_eq!(
            broken.unwrap(),
            "expected the same secrets and keys on both sides; found different values"
        );
        other.secret = vec![4; 48];
        let secret = PreMasterCheck::Secret(Bytes(48));
        let broken = judged([Some(agreed()), Some(other)], secret)
            .broken
            .unwrap();
        let found = "found 48 bytes: version 3.3, 46 random at user, 48 bytes: version 4.4, 46 random at alb";
        assert!(broken.ends_with(found), "{broken}");
        let broken = judged([Some(agreed()), None], secret).broken.unwrap();
        assert!(
            broken.ends_with("found no RSA key exchange at alb"),
            "{broken}"
        );
    }
}
