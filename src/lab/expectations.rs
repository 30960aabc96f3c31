//! What must hold: one reader for each family of checks.

use super::decode::{Fields, Item};
use super::error::{Span, advice};
use super::network::Network;
use super::pki::host_name;
use super::plan::{
    Acceptance, Check, Connection, Count, Expectation, KeysCheck, Milestone, Outcome, PacketFilter,
    PreMasterCheck, TlsCheck, Viewer, WhoReads,
};
use super::speech::{group, suite, version};
use crate::dissect::filter::Filter;
use crate::event::{CertificateDefect, Deed, HandshakeKind};
use crate::name::Name;
use crate::net::topology::Topology;
use crate::units::Bytes;
use crate::wire::tls::{alert_names, alert_number};

/// The families, by their keys.
const FAMILIES: [&str; 18] = [
    "recovered",
    "reads",
    "program",
    "attack",
    "failed",
    "tcp",
    "tls",
    "keys",
    "pre-master",
    "certificate",
    "header",
    "status",
    "timing",
    "packets",
    "readable",
    "never-sees",
    "target",
    "clean",
];

/// The handshake messages that are compared, by the names of RFC 8446 §4 and RFC 5246 §7.4.
const MESSAGES: [&str; 11] = [
    "ClientHello",
    "HelloRetryRequest",
    "ServerHello",
    "EncryptedExtensions",
    "Certificate",
    "ServerKeyExchange",
    "CertificateRequest",
    "ServerHelloDone",
    "CertificateVerify",
    "ClientKeyExchange",
    "Finished",
];

/// Reads the list `expect`. Without a topology, which has mistakes then, links and taps are not looked up.
pub(super) fn read(
    root: &mut Fields<'_>,
    network: &Network<'_>,
    topology: Option<&Topology>,
    who_reads: &Option<WhoReads>,
) -> Vec<Expectation> {
    let reader = Reader {
        network,
        topology,
        who_reads,
    };
    root.optional("expect")
        .and_then(|item| item.each(|i| reader.expectation(i)))
        .unwrap_or_default()
}

struct Reader<'n, 'a> {
    network: &'n Network<'a>,
    topology: Option<&'n Topology>,
    /// `None` after a mistake.
    who_reads: &'n Option<WhoReads>,
}

impl Reader<'_, '_> {
    fn expectation(&self, item: Item<'_>) -> Option<Expectation> {
        let mut table = item.fields()?;
        let that = table.required("that", "\"the user gets HTTP 200\"");
        let that = that.and_then(|i| i.prose(120));
        let family = table.exactly_one(&FAMILIES);
        table.finish();
        let check = family.and_then(|family| self.check(family));
        Some(Expectation {
            that: that?,
            check: check?,
        })
    }

    fn check(&self, item: Item<'_>) -> Option<Check> {
        if item.key == "clean" {
            if !item.boolean()? {
                item.wrong("`clean` is true or absent", "expected true", None);
                return None;
            }
            return Some(Check::Clean);
        }
        let mut table = item.fields()?;
        let check = match item.key {
            "tcp" => self.tcp(&mut table),
            "tls" => self.tls(&mut table),
            "keys" => self.keys(&mut table),
            "pre-master" => self.pre_master(&mut table),
            "certificate" => self.certificate(&mut table),
            "header" => self.header(&mut table),
            "status" => self.status(&mut table),
            "timing" => timing(&mut table),
            "packets" => self.packets(&mut table),
            "readable" => self.readable(&mut table),
            "never-sees" => self.never_sees(&mut table),
            "program" => self.program(&mut table),
            "attack" => self.attack(&mut table),
            "failed" => self.failed(&mut table),
            "reads" => self.reads(&mut table),
            "recovered" => self.recovered(&mut table),
            _ => self.target(&mut table),
        };
        table.finish();
        check
    }

    fn program(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let exit = table.or("exit", None, |i| i.integer(0..=255).map(Some));
        let output = table.or("output", None, |i| i.text().map(|t| Some(t.to_owned())));
        Some(Check::Program {
            node: node?,
            exit: exit?.and_then(|code| i32::try_from(code).ok()),
            output: output?,
        })
    }

    fn attack(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("by", "\"mallory\""));
        let readable = table.optional("is");
        let what = table.exactly_one(&["did", "read"])?;
        if what.key == "read" {
            let text = what.text().filter(|t| !t.is_empty());
            let readable = readable.map_or(Some(true), Item::boolean);
            return Some(Check::Overheard {
                node: node?,
                text: text?.to_owned(),
                readable: readable?,
            });
        }
        if let Some(is) = readable {
            is.wrong_key(
                "a deed has no `is`",
                "expected `is` beside `read` only",
                None,
            );
        }
        let known = Deed::WORDS.map(|word| (word, word));
        let deed = what.one_of("attack", &known);
        Some(Check::Attacked {
            node: node?,
            deed: deed?.to_owned(),
        })
    }

    fn recovered(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("by", "\"mallory\""));
        let on = table.required("on", "\"user -> alb:443\"");
        let connection = on.and_then(|i| self.connection(i));
        let what = table.exactly_one(&["text", "fails"])?;
        let text = what.prose(300);
        Some(Check::Recovered {
            node: node?,
            connection: connection?,
            outcome: if what.key == "text" {
                Outcome::Text(text?)
            } else {
                Outcome::Fails(text?)
            },
        })
    }

    fn reads(&self, table: &mut Fields<'_>) -> Option<Check> {
        let what = table.required("what", "\"the path\"");
        let what = what.and_then(|i| {
            let word = i.text()?;
            let items = &self.who_reads.as_ref()?.items;
            if !items.iter().any(|item| item.what == word) {
                i.unknown("thing to read", items.iter().map(|item| item.what.as_str()));
                return None;
            }
            Some(word.to_owned())
        });
        let on = table.required("on", "\"user\"");
        let on = on.and_then(|i| {
            let links = &self.who_reads.as_ref()?.on;
            let word = i.text()?;
            let found = links.iter().find(|n| n.as_str() == word);
            if found.is_none() {
                i.unknown("link of `who-reads`", links.iter().map(Name::as_str));
            }
            found.cloned()
        });
        let viewer = table.or("as", Viewer::Observer, viewer);
        let readable = table.or("is", true, Item::boolean);
        Some(Check::Reads {
            what: what?,
            on: on?,
            viewer: viewer?,
            readable: readable?,
        })
    }

    fn failed(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let error = table.required("error", "\"close_notify\"");
        let error = error.and_then(|i| i.prose(300));
        Some(Check::Failed {
            node: node?,
            error: error?,
        })
    }

    fn tcp(&self, table: &mut Fields<'_>) -> Option<Check> {
        let rtt = table.optional("rtt");
        let which = table.exactly_one(&["handshake", "closed"])?;
        let connection = self.connection(which);
        if which.key == "handshake" {
            let round_trip = match rtt {
                Some(item) => Some(item.duration()?),
                None => None,
            };
            let connection = connection?;
            return Some(Check::Handshake {
                connection,
                round_trip,
            });
        }
        if let Some(rtt) = rtt {
            let label = "expected `rtt` beside `handshake` only";
            rtt.wrong_key("a close has no `rtt`", label, None);
        }
        let connection = connection?;
        Some(Check::OrderlyClose { connection })
    }

    fn tls(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.required("on", "\"user -> alb:443\"");
        let connection = on.and_then(|i| self.connection(i));
        let from = table.optional("from");
        let kinds = [
            "version",
            "suite",
            "group",
            "handshake",
            "messages",
            "mismatch",
            "alert",
        ];
        let what = table.exactly_one(&kinds)?;
        if let Some(from) = from
            && what.key != "alert"
        {
            let label = "expected `from` beside `alert` only";
            from.wrong_key(format!("`{}` has no `from`", what.key), label, None);
        }
        let check = match what.key {
            "version" => version(what).map(TlsCheck::Version),
            "suite" => suite(what).map(TlsCheck::Suite),
            "group" => group(what).map(TlsCheck::Group),
            "handshake" => {
                let kind = what.one_of("handshake", &HandshakeKind::WORDS);
                kind.map(TlsCheck::Handshake)
            }
            "messages" => what.some(message).map(TlsCheck::Messages),
            "mismatch" => {
                let known = ["version", "suite", "group"].map(|word| (word, word));
                what.one_of("mismatch", &known).map(TlsCheck::Mismatch)
            }
            _ => {
                let from = match from {
                    Some(from) => Some(self.node(Some(from))?),
                    None => None,
                };
                alert(what).map(|description| TlsCheck::Alert { description, from })
            }
        };
        Some(Check::Tls {
            connection: connection?,
            check: check?,
        })
    }

    fn keys(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.required("on", "\"user -> alb:443\"");
        let connection = on.and_then(|i| self.connection(i));
        let what = table.exactly_one(&["recomputed", "differ"])?;
        if !what.boolean()? {
            let title = format!("`{}` is true or absent", what.key);
            what.wrong(title, "expected true", None);
            return None;
        }
        let check = match what.key {
            "recomputed" => KeysCheck::Recomputed,
            _ => KeysCheck::Differ,
        };
        Some(Check::Keys {
            connection: connection?,
            check,
        })
    }

    fn pre_master(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.required("on", "\"user -> alb:443\"");
        let connection = on.and_then(|i| self.connection(i));
        let what = table.exactly_one(&["secret", "encrypted", "same", "write-keys", "extended"])?;
        let size = |i: Item<'_>| i.unit::<Bytes>("a size", "\"48 B\"");
        let check = match what.key {
            "secret" => size(what).map(PreMasterCheck::Secret),
            "encrypted" => size(what).map(PreMasterCheck::Encrypted),
            "write-keys" => what.integer(1..=2).map(PreMasterCheck::WriteKeys),
            "extended" => what.boolean().map(PreMasterCheck::Extended),
            _ => {
                if !what.boolean()? {
                    what.wrong("`same` is true or absent", "expected true", None);
                    return None;
                }
                Some(PreMasterCheck::Same)
            }
        };
        Some(Check::PreMaster {
            connection: connection?,
            check: check?,
        })
    }

    fn certificate(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let because = table.optional("because");
        let nth = table.or("nth", 1, |i| i.integer(1..=1_000));
        let nth = nth.and_then(|n| usize::try_from(n).ok());
        let details = ["name", "until", "anchor", "chain"].map(|key| table.optional(key));
        let which = table.exactly_one(&["accepted", "refused"])?;
        let server_name = host_name(which, false);
        if which.key == "accepted" {
            if let Some(because) = because {
                let label = "expected `because` beside `refused` only";
                because.wrong_key("an accepted certificate has no defect", label, None);
            }
            let by = acceptance(details);
            return Some(Check::CertificateAccepted {
                node: node?,
                server_name: server_name?,
                nth: nth?,
                by: by?,
            });
        }
        for extra in details.into_iter().flatten() {
            let message = format!("a refused certificate has no `{}`", extra.key);
            let label = "expected it beside `accepted` only";
            extra.wrong_key(message, label, None);
        }
        let because = match because {
            Some(item) => item.one_of("defect", &CertificateDefect::WORDS),
            None => {
                which.wrong_key(
                    "a refused certificate has a defect",
                    "expected `because` beside it",
                    "for example `because = \"expired\"`".to_owned(),
                );
                None
            }
        };
        Some(Check::CertificateRefused {
            node: node?,
            server_name: server_name?,
            nth: nth?,
            because: because?,
        })
    }

    fn header(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = table.or("at", None, |i| self.node(Some(i)).map(Some));
        let header = table.required("name", "\"X-Forwarded-For\"");
        let header = header.and_then(|i| {
            // A token of RFC 9110 §5.6.2.
            let name = i.text()?;
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || !name.chars().all(token) {
                let label = "expected a header's name such as \"X-Forwarded-For\"";
                i.wrong("`name` is not a header's name", label, None);
                return None;
            }
            Some(name.to_owned())
        });
        let value = table.or("value", None, |i| i.header_value().map(Some));
        Some(Check::HeaderAtApp {
            node: node?,
            header: header?,
            value: value?,
        })
    }

    fn status(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let status = table.required("is", "200");
        let status = status.and_then(|i| i.integer(100..=599));
        Some(Check::Status {
            node: node?,
            status: u16::try_from(status?).ok()?,
        })
    }

    fn packets(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.or("on", None, |i| self.tap(i).map(Some));
        let viewer = table.or("as", Viewer::KeyHolder, viewer);
        let filter = table.required("filter", "\"http.request\"");
        let filter = filter.and_then(self::filter);
        let count = table.exactly_one(&["count", "at-least", "at-most"]);
        let count = count.and_then(|i| {
            let n = i.integer(0..=u64::MAX)?;
            Some(match i.key {
                "count" => Count::Exactly(n),
                "at-least" => Count::AtLeast(n),
                _ => Count::AtMost(n),
            })
        });
        Some(Check::Packets {
            on: on?,
            viewer: viewer?,
            filter: filter?,
            count: count?,
        })
    }

    fn readable(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.required("on", "\"user\"");
        let on = on.and_then(|i| self.tap(i));
        let text = table.required("text", "\"GET /\"");
        let text = text.and_then(|i| {
            let text = i.text()?;
            // An empty text stands in every packet, one beyond a packet's size in none.
            if !(1..=1_000).contains(&text.len()) {
                let label = "expected 1 to 1000 bytes";
                i.wrong("`text` does not fit", label, None);
                return None;
            }
            Some(text.to_owned())
        });
        let readable = table.or("is", true, Item::boolean);
        Some(Check::Readable {
            on: on?,
            text: text?,
            readable: readable?,
        })
    }

    fn never_sees(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("node", "\"web-a\""));
        let address = table.required("address", "\"203.192.1.50\"");
        let address = address.and_then(Item::ip);
        Some(Check::NeverSees {
            node: node?,
            address: address?,
        })
    }

    fn target(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("node", "\"ec2-a\""));
        let address = table.or("address", None, |i| {
            i.parsed("an address with its port", "\"10.0.2.21:32768\"")
                .map(Some)
        });
        Some(Check::Target {
            node: node?,
            address: address?,
        })
    }

    fn node(&self, item: Option<Item<'_>>) -> Option<Name> {
        let index = self.network.node_of(item?)?;
        Some(self.network.nodes[index].name.clone())
    }

    /// `user -> alb:443`, or `user -> alb:443 #2` for the second of them.
    fn connection(&self, item: Item<'_>) -> Option<Connection> {
        let (from, to, port, nth) = connection_parts(item, self.network)?;
        Some(Connection {
            from: self.network.nodes[from].name.clone(),
            to: self.network.nodes[to].name.clone(),
            port,
            nth,
        })
    }

    fn tap(&self, item: Item<'_>) -> Option<Name> {
        tap(item, self.topology?)
    }
}

/// `user -> alb:443`, or `user -> alb:443 #2` for the second of them: the two nodes, the port, the number.
pub(super) fn connection_parts(
    item: Item<'_>,
    network: &Network<'_>,
) -> Option<(usize, usize, u16, usize)> {
    let text = item.text()?;
    let parts = text.split_once("->").and_then(|(from, to)| {
        let (to, port) = to.trim().rsplit_once(':')?;
        let (port, nth) = match port.split_once('#') {
            Some((port, nth)) => (port, nth.trim().parse::<usize>().ok()?),
            None => (port, 1),
        };
        Some((
            from.trim(),
            to.trim(),
            port.trim().parse::<u16>().ok()?,
            nth,
        ))
    });
    let Some((from, to, port @ 1.., nth @ 1..)) = parts else {
        let label = "expected two nodes and a port such as \"user -> alb:443\", perhaps with \"#2\" for the second";
        item.wrong(format!("`{text}` is not a connection"), label, None);
        return None;
    };
    let from = network.node(&item, from);
    let to = network.node(&item, to);
    Some((from?, to?, port, nth))
}

/// A link or a tap, by name.
pub(super) fn tap(item: Item<'_>, topology: &Topology) -> Option<Name> {
    let word = item.text()?;
    let links = topology.links.iter().map(|l| &l.name);
    let names = links.chain(topology.nics.iter().map(|n| &n.name));
    let found = names.clone().find(|n| n.as_str() == word);
    if found.is_none() {
        let mut names: Vec<&str> = names.map(Name::as_str).collect();
        names.sort_unstable();
        names.dedup();
        item.unknown("link or tap", names);
    }
    found.cloned()
}

fn viewer(item: Item<'_>) -> Option<Viewer> {
    let known = [
        ("observer", Viewer::Observer),
        ("key-holder", Viewer::KeyHolder),
    ];
    item.one_of("viewer", &known)
}

/// `name`, `until`, `anchor` and `chain` of an accepted certificate.
fn acceptance(details: [Option<Item<'_>>; 4]) -> Option<Acceptance> {
    let [name, until, anchor, chain] = details;
    let name = name.map(|i| host_name(i, true));
    let until = until.map(|i| i.date(true));
    let anchor = anchor.map(|i| i.prose(64));
    let chain = chain.map(|i| i.some(|c| c.prose(64)));
    let wrong = [
        name == Some(None),
        until == Some(None),
        anchor == Some(None),
        chain == Some(None),
    ];
    (!wrong.contains(&true)).then_some(Acceptance {
        name: name.flatten(),
        until: until.flatten(),
        anchor: anchor.flatten(),
        chain: chain.flatten(),
    })
}

fn timing(table: &mut Fields<'_>) -> Option<Check> {
    let which = table.exactly_one(&["milestone", "from"])?;
    let first = milestone(which);
    if which.key == "milestone" {
        let at = table.required("at", "\"20 ms\"").and_then(Item::duration);
        return Some(Check::At {
            milestone: first?,
            at: at?,
        });
    }
    let to = table.required("to", "\"tls-established\"");
    let to = to.and_then(milestone);
    let takes = table.required("takes", "\"22 ms\"");
    let takes = takes.and_then(Item::duration);
    Some(Check::Phase {
        from: first?,
        to: to?,
        takes: takes?,
    })
}

fn milestone(item: Item<'_>) -> Option<Milestone> {
    item.one_of("milestone", &Milestone::WORDS)
}

fn message(item: Item<'_>) -> Option<String> {
    let word = item.text()?;
    if ["ChangeCipherSpec", "NewSessionTicket"].contains(&word) {
        item.wrong(
            format!("`{word}` is not compared"),
            "expected a message of the handshake itself",
            "ChangeCipherSpec is no handshake message, and tickets may come at any time".to_owned(),
        );
        return None;
    }
    if !MESSAGES.contains(&word) {
        item.wrong(
            format!("unknown handshake message `{word}`"),
            "no handshake message has this name",
            advice(word, MESSAGES),
        );
        return None;
    }
    Some(word.to_owned())
}

fn alert(item: Item<'_>) -> Option<u8> {
    let word = item.text()?;
    let number = alert_number(word);
    if number.is_none() {
        item.unknown("alert", alert_names());
    }
    number
}

fn filter(item: Item<'_>) -> Option<PacketFilter> {
    let text = item.text()?;
    match Filter::parse(text) {
        Ok(filter) => Some(PacketFilter {
            text: text.to_owned(),
            filter,
        }),
        Err(error) => {
            let label = "expected a display filter such as \"http.request\"";
            item.mistakes.add(
                inside(&item, text, error.span),
                error.message,
                label.to_owned(),
                error.help,
            );
            None
        }
    }
}

/// The place of a part of a text value: exact when the text is written without escapes on one line, else the whole.
fn inside(item: &Item<'_>, text: &str, part: std::ops::Range<usize>) -> Span {
    let span = item.value.span;
    let quoted_plainly = span.end.saturating_sub(span.start) == text.len() + 2;
    if !quoted_plainly || part.end > text.len() {
        return span;
    }
    let start = span.start + 1;
    Span {
        start: start + part.start,
        end: start + part.end,
        ..span
    }
}
