//! Attackers in the middle: which flows routers hand to them, and what they do with them.

use std::net::SocketAddr;
use std::time::Duration;

use super::decode::{Fields, Item};
use super::network::{Network, Shape};
use super::pki::Pki;
use crate::net::topology::{Intercept, Topology};
use crate::role::config::{Interceptor, Manner, RecordChoice, Role, Side, Terminate};
use crate::tls::config::{ClientTls, ServerTls};

/// A rule of a router.
pub(super) struct Rule {
    to: SocketAddr,
    router: usize,
    by: usize,
}

/// Reads the key `intercept` of every router, and checks the nodes that it names.
pub(super) fn read(network: &Network<'_>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for (router, node) in network.nodes.iter().enumerate() {
        let Some(list) = node.intercept.and_then(Item::list) else {
            continue;
        };
        for item in list {
            let Some(rule) = rule(item, router, network) else {
                continue;
            };
            if rules.iter().any(|r| r.router == router && r.to == rule.to) {
                let message = format!("flows to {} are handed over twice", rule.to);
                item.wrong(message, "expected one rule for each server", None);
                continue;
            }
            rules.push(rule);
        }
    }
    rules
}

fn rule(item: Item<'_>, router: usize, network: &Network<'_>) -> Option<Rule> {
    let mut table = item.fields()?;
    let to = table.required("to", "\"198.51.100.10:443\"");
    let to = to
        .and_then(|i| i.parsed::<SocketAddr>("an address with its port", "\"198.51.100.10:443\""));
    let by = table.required("by", "\"mallory\"");
    let by = by.and_then(|i| {
        let node = network.node_of(i)?;
        stands_between(i, node, router, network).then_some(node)
    });
    table.finish();
    Some(Rule {
        to: to?,
        router,
        by: by?,
    })
}

/// Whether a node can be in the middle of flows through a router.
fn stands_between(item: Item<'_>, node: usize, router: usize, network: &Network<'_>) -> bool {
    let declared = &network.nodes[node];
    if declared.programs.interceptor.is_none() {
        let message = format!("`{}` is no interceptor", declared.name);
        item.wrong(message, "expected a node with `interceptor = { … }`", None);
        return false;
    }
    let addresses = match &declared.shape {
        Shape::Host { addresses, .. } => addresses,
        // A mistake of its own.
        Shape::Unknown => return false,
        Shape::Docker { .. } | Shape::Container { .. } | Shape::Router => {
            let message = format!("`{}` cannot stand between others", declared.name);
            item.wrong(message, "expected a node with two addresses", None);
            return false;
        }
    };
    let here = |a: &super::network::Address| network.subnets[a.subnet].router == Some(router);
    if addresses.len() != 2 || !addresses.iter().all(here) {
        let message = format!("`{}` does not stand between others", declared.name);
        let label = format!(
            "expected a node with two addresses in subnets of `{}`: towards the clients, then towards the servers",
            network.nodes[router].name
        );
        item.wrong(message, label, None);
        return false;
    }
    true
}

/// Puts the rules into a topology, whose nodes are those of the network.
pub(super) fn lay(rules: &[Rule], mut topology: Topology) -> Topology {
    for rule in rules {
        let nics = &topology.nodes[rule.by].nics;
        let ports: Vec<usize> = nics.iter().filter_map(|n| topology.peer(*n)).collect();
        if let [client_side, server_side] = ports[..] {
            topology.intercepts.push(Intercept {
                to: rule.to,
                router: rule.router,
                by: rule.by,
                client_side,
                server_side,
            });
        }
    }
    topology
}

/// Reads the program of the node `index`.
pub(super) fn interceptor(
    item: Item<'_>,
    index: usize,
    network: &Network<'_>,
    pki: &Pki<'_>,
) -> Option<Role> {
    let node = &network.nodes[index];
    let programs = &node.programs;
    let beside = [
        programs.browser,
        programs.resolver,
        programs.alb,
        programs.app,
    ];
    for extra in beside.into_iter().flatten() {
        let message = format!("an interceptor has no `{}`", extra.key);
        let label = "expected no other program beside `interceptor`";
        extra.wrong_key(message, label, None);
    }
    let ports = ports(index, network);
    if ports.is_empty() {
        let message = format!("no router hands `{}` a flow", node.name);
        let help = format!(
            "for example `router.internet.intercept = [{{ to = \"198.51.100.10:443\", by = \"{}\" }}]`",
            node.name
        );
        item.wrong_key(message, "expected a router with `intercept`", help);
    }
    let mut table = item.fields()?;
    let manner = manner(&mut table, pki);
    table.finish();
    Some(Role::Interceptor(Interceptor {
        ports,
        manner: manner?,
    }))
}

/// The ports that routers' rules name for a node, read without a word: their mistakes are found elsewhere.
fn ports(node: usize, network: &Network<'_>) -> Vec<u16> {
    let name = network.nodes[node].name.as_str();
    let mut ports = Vec::new();
    for item in network.nodes.iter().filter_map(|n| n.intercept) {
        for (to, by) in item.pairs_of_text("to", "by") {
            let port = to.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            if let (true, Some(port)) = (by == name, port)
                && !ports.contains(&port)
            {
                ports.push(port);
            }
        }
    }
    ports
}

const MANNERS: [&str; 5] = ["certificate", "flip", "replay", "strip-version", "truncate"];

/// One at most; none is a relay.
fn manner(table: &mut Fields<'_>, pki: &Pki<'_>) -> Option<Manner> {
    let trust = table.optional("trust");
    let found: Vec<Item<'_>> = MANNERS.iter().filter_map(|k| table.optional(k)).collect();
    if let [first, more @ ..] = &found[..] {
        for extra in more {
            let message = format!("`{}` is one too many beside `{}`", extra.key, first.key);
            extra.wrong_key(message, "expected one manner of attack", None);
        }
        if !more.is_empty() {
            return None;
        }
    }
    let chosen = found.first().copied();
    if let Some(trust) = trust
        && chosen.is_none_or(|c| c.key != "certificate")
    {
        let label = "expected a `certificate` beside it: only who ends TLS trusts anybody";
        trust.wrong_key(
            "an interceptor without certificate has no `trust`",
            label,
            None,
        );
    }
    let Some(item) = chosen else {
        return Some(Manner::Relay);
    };
    match item.key {
        "certificate" => terminate(item, trust, pki),
        "flip" => {
            let mut table = item.fields()?;
            let record = record(&mut table);
            // A fragment has 2^14 + 2048 bytes at most.
            let bit = table.or("bit", 0, |i| i.integer(0..=147_455));
            table.finish();
            Some(Manner::Flip {
                record: record?,
                bit: bit?,
            })
        }
        "strip-version" => {
            if !item.boolean()? {
                item.wrong("`strip-version` is true or absent", "expected true", None);
                return None;
            }
            Some(Manner::StripVersion)
        }
        "replay" => {
            let mut table = item.fields()?;
            let record = record(&mut table);
            let after = table.or("after", Duration::ZERO, Item::duration);
            table.finish();
            Some(Manner::Replay {
                record: record?,
                after: after?,
            })
        }
        _ => {
            let mut table = item.fields()?;
            let record = record(&mut table);
            table.finish();
            Some(Manner::Truncate(record?))
        }
    }
}

fn record(table: &mut Fields<'_>) -> Option<RecordChoice> {
    let from = table.required("from", "\"client\"");
    let from = from.and_then(side);
    let number = table.required("record", "2");
    let number = number.and_then(|i| i.integer(1..=u64::MAX));
    Some(RecordChoice {
        from: from?,
        number: number?,
    })
}

/// "client" or "server".
pub(super) fn side(item: Item<'_>) -> Option<Side> {
    let known = [("client", Side::Client), ("server", Side::Server)];
    item.one_of("side", &known)
}

/// The attacker's TLS is a usual one; only whose certificate it has is not.
fn terminate(item: Item<'_>, trust: Option<Item<'_>>, pki: &Pki<'_>) -> Option<Manner> {
    let certificate = pki.certificate_of(item)?;
    let Some(trust) = trust else {
        let label = "expected the authorities by which the attacker judges the server";
        let help = "for example `trust = [\"lab-root\"]`".to_owned();
        item.wrong_key("`trust` is missing beside `certificate`", label, help);
        return None;
    };
    let trust = trust.each(|a| pki.authority_of(a))?;
    let spec = pki.spec.certificates.iter();
    let server_name = spec
        .filter(|c| c.name == certificate)
        .find_map(|c| c.names.first())?
        .trim_start_matches("*.")
        .to_owned();
    let alpn = vec!["http/1.1".to_owned()];
    Some(Manner::Terminate(Box::new(Terminate {
        server: ServerTls {
            alpn: alpn.clone(),
            ..ServerTls::new(certificate)
        },
        client: ClientTls {
            alpn,
            trust,
            ..ClientTls::default()
        },
        server_name,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::parse;

    const NODE: &str = "address = { west = \"192.0.2.66\", east = \"192.0.2.166\" }";
    const RULE: &str = "{ to = \"203.192.1.60:80\", by = \"mallory\" }";

    /// A lab with mallory, its rules and program.
    fn lab(rules: &str, node: &str, interceptor: &str) -> String {
        format!(
            "title = \"t\"\nclock = 2025-11-05T00:00:00Z\n\
             step = [{{ user = {{ get = \"http://203.192.1.60/\" }} }}]\n\
             [subnet]\nhome = \"203.192.1.0/24\"\nwest = \"192.0.2.0/25\"\neast = \"192.0.2.128/25\"\n\
             [router.internet]\nsubnets = [\"home\", \"west\", \"east\"]\nintercept = [{rules}]\n\
             [node.user]\naddress.home = \"203.192.1.50\"\nbrowser.trust = []\n\
             [node.web]\naddress.home = \"203.192.1.60\"\napp.port = 80\n\
             [authority.a]\nroot = \"R\"\nintermediate = \"X\"\nvalid = [2020-01-01, 2040-01-01]\n\
             [certificate.c]\nissuer = \"a\"\nnames = [\"*.b.de\"]\nvalid = [2020-01-01, 2040-01-01]\n\
             [node.mallory]\n{node}\ninterceptor = {interceptor}\n"
        )
    }

    /// Place, message and label of each mistake.
    fn wrong(rules: &str, node: &str, interceptor: &str) -> Vec<String> {
        let errors = parse("x.toml", &lab(rules, node, interceptor)).expect_err("wrong");
        let line = |m: &crate::lab::Mistake| {
            let (line, column) = m.position();
            format!("{line}:{column} {m} | {}", m.label())
        };
        errors.mistakes().iter().map(line).collect()
    }

    #[test]
    fn a_rule_becomes_two_ports_of_the_router() {
        let plan = parse("x.toml", &lab(RULE, NODE, "{}")).unwrap();
        let topology = &plan.topology;
        let [intercept] = topology.intercepts[..] else {
            panic!("one rule")
        };
        let port = |nic: usize| topology.nics[nic].name.as_str();
        assert_eq!(port(intercept.client_side), "internet-mallory");
        assert_eq!(port(intercept.server_side), "internet-mallory-2");
        assert_eq!(intercept.to, ([203, 192, 1, 60], 80).into());
        // It faces the server with its second address, and everybody else too.
        let node = &topology.nodes[intercept.by];
        let out = node.routes.iter().find(|r| r.to.prefix == 0).unwrap();
        assert_eq!(port(out.nic), "mallory-east");
        assert_eq!(plan.main_taps, [0, node.nics[1]]);
        assert_eq!(plan.attacker().unwrap().as_str(), "mallory");
    }

    #[test]
    fn every_manner_is_read() {
        let manner = |text: &str| {
            let plan = parse("x.toml", &lab(RULE, NODE, text)).unwrap();
            let found = plan.roles.iter().find_map(|(_, role)| {
                let Role::Interceptor(i) = role else {
                    return None;
                };
                Some((i.ports.clone(), i.manner.clone()))
            });
            let (ports, manner) = found.unwrap();
            assert_eq!(ports, [80]);
            manner
        };
        assert!(matches!(manner("{}"), Manner::Relay));
        assert!(matches!(
            manner("{ strip-version = true }"),
            Manner::StripVersion
        ));
        let flip = manner("{ flip = { from = \"client\", record = 2, bit = 9 } }");
        let Manner::Flip { record, bit: 9 } = flip else {
            panic!("{flip:?}")
        };
        assert_eq!((record.from, record.number), (Side::Client, 2));
        let replay = manner("{ replay = { from = \"server\", record = 1, after = \"2 ms\" } }");
        let Manner::Replay { after, .. } = replay else {
            panic!("{replay:?}")
        };
        assert_eq!(after, Duration::from_millis(2));
        let ends = manner("{ certificate = \"c\", trust = [\"a\"] }");
        let Manner::Terminate(ends) = ends else {
            panic!("{ends:?}")
        };
        assert_eq!(ends.server_name, "b.de");
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        let with_app = format!("{NODE}\napp.port = 80");
        let twice = format!("{RULE}, {RULE}");
        let cases = [
            ("", NODE, "{}"),
            (
                "{ to = \"203.192.1.60\", by = \"web\" }, { by = \"malory\", too = 1 }",
                NODE,
                "{}",
            ),
            (&twice, NODE, "{}"),
            (RULE, "address.west = \"192.0.2.66\"", "{}"),
            (RULE, &with_app, "{ strip-version = false, trust = [] }"),
            (
                RULE,
                NODE,
                "{ flip = { from = \"client\", record = 1 }, truncate = {} }",
            ),
            (RULE, NODE, "{ truncate = { from = \"user\", record = 0 } }"),
            (RULE, NODE, "{ replay = {}, x = 1 }"),
            (RULE, NODE, "{ certificate = \"d\" }"),
            (RULE, NODE, "{ certificate = \"c\" }"),
        ];
        let said = cases.map(|(rules, node, interceptor)| {
            format!(
                "{interceptor}\n  {}\n",
                wrong(rules, node, interceptor).join("\n  ")
            )
        });
        insta::assert_snapshot!(said.concat());
    }
}
