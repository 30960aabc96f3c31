//! Attackers beside the path: where they listen, and what steps have them do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::decode::{Fields, Item};
use super::expectations::{connection_parts, tap};
use super::intercept::side;
use super::network::{Network, Shape};
use super::pki::Pki;
use super::range;
use crate::event::{Direction, TapId};
use crate::name::Name;
use crate::net::topology::Topology;
use crate::role::config::{Attacker, Attempt, Guess, Role, Side, Stolen, SynFlood, Victim};

/// Reads the key `attacker` of every node. Without a topology, which has mistakes then, links and taps are not looked
/// up.
pub(super) fn read(network: &Network<'_>, topology: Option<&Topology>) -> Vec<(usize, Role)> {
    let nodes = network.nodes.iter().enumerate();
    nodes
        .filter_map(|(index, node)| {
            let programs = &node.programs;
            let item = programs.attacker?;
            let beside = [
                programs.browser,
                programs.resolver,
                programs.name_server,
                programs.alb,
                programs.app,
                programs.program,
                programs.interceptor,
            ];
            for extra in beside.into_iter().flatten() {
                let message = format!("an attacker has no `{}`", extra.key);
                let label = "expected no other program beside `attacker`";
                extra.wrong_key(message, label, None);
            }
            match &node.shape {
                Shape::Host { .. } | Shape::Unknown => {}
                Shape::Docker { .. } | Shape::Container { .. } | Shape::Router => {
                    let label = "expected a node with an address in a subnet";
                    item.wrong_key(format!("`{}` cannot attack", node.name), label, None);
                }
            }
            let mut table = item.fields()?;
            let listens = table.or("listens", Vec::new(), |i| {
                i.each(|link| topology.and_then(|t| Some(ears(&tap(link, t)?, t))))
            });
            table.finish();
            let taps = listens?.concat();
            Some((index, Role::Attacker(Attacker { taps })))
        })
        .collect()
}

/// Where to listen so that every packet on a link is heard once; at a tap, so that all are.
fn ears(name: &Name, topology: &Topology) -> Vec<(TapId, Direction)> {
    if let Some(link) = topology.links.iter().find(|l| l.name == *name) {
        return link.ends.map(|nic| (TapId(nic), Direction::Out)).into();
    }
    let nic = topology.nics.iter().position(|n| n.name == *name);
    let both = |nic| [Direction::In, Direction::Out].map(|d| (TapId(nic), d));
    nic.map(both).map(Vec::from).unwrap_or_default()
}

/// Reads what a step has an attacker do.
pub(super) fn attempt(
    table: &mut Fields<'_>,
    network: &Network<'_>,
    pki: &Pki<'_>,
) -> Option<Attempt> {
    let what = table.exactly_one(&[
        "reset",
        "replay-hello",
        "steal-key",
        "steal-ticket-key",
        "syn-flood",
    ])?;
    if what.key == "replay-hello" {
        return victim(what, network).map(Attempt::ReplayHello);
    }
    if what.key == "syn-flood" {
        return syn_flood(what, network).map(Attempt::SynFlood);
    }
    let mut table = what.fields()?;
    let on = table.required("on", "\"user -> alb:443\"");
    let victim = on.and_then(|i| victim(i, network));
    let attempt = if what.key == "reset" {
        let sequence = table.required("sequence", "\"exact\"");
        let guess = sequence.and_then(guess);
        let to = table.or("to", Side::Server, side);
        match (victim, to, guess) {
            (Some(victim), Some(to), Some(guess)) => Some(Attempt::Reset { victim, to, guess }),
            (None, _, _) | (_, None, _) | (_, _, None) => None,
        }
    } else {
        let certificate = table.required("certificate", "\"your-app\"");
        let certificate = certificate.and_then(|i| pki.certificate_of(i));
        victim
            .zip(certificate)
            .map(|(victim, certificate)| Attempt::StealKey {
                victim,
                certificate,
                stolen: if what.key == "steal-key" {
                    Stolen::PrivateKey
                } else {
                    Stolen::TicketKey
                },
            })
    };
    table.finish();
    attempt
}

/// More in one step fill a trace, and teach nothing new.
const SYNS_MAX: u64 = 100_000;

fn syn_flood(item: Item<'_>, network: &Network<'_>) -> Option<SynFlood> {
    let mut table = item.fields()?;
    let to = table.required("to", "\"server:80\"");
    let to = to.and_then(|i| listener(i, network));
    let sources = table.required("sources", "\"192.0.2.0/24\"");
    let sources = sources.and_then(sources_of);
    let syns = table.required("syns", "40");
    let syns = syns.and_then(|i| u32::try_from(i.integer(1..=SYNS_MAX)?).ok());
    let over = table.or("over", Duration::ZERO, Item::duration);
    table.finish();
    Some(SynFlood {
        to: to?,
        sources: sources?,
        syns: syns?,
        over: over?,
    })
}

/// `server:80`: a node, by its first address, and a port.
fn listener(item: Item<'_>, network: &Network<'_>) -> Option<SocketAddr> {
    let text = item.text()?;
    let parts = text.rsplit_once(':');
    let parts = parts.and_then(|(node, port)| Some((node, port.parse::<u16>().ok()?)));
    let Some((node, port @ 1..)) = parts else {
        let label = "expected a node and a port such as \"server:80\"";
        item.wrong(format!("`{text}` is no listener"), label, None);
        return None;
    };
    let node = network.node(&item, node)?;
    let address = network.addresses(node).first().copied();
    Some(SocketAddr::new(address?, port))
}

fn sources_of(item: Item<'_>) -> Option<(Ipv4Addr, u8)> {
    let text = item.text()?;
    let range = range::parse(text).filter(|r| range::network(r) == r.address);
    match range.map(|r| (r.address, r.prefix)) {
        Some((IpAddr::V4(network), prefix)) => Some((network, prefix)),
        Some((IpAddr::V6(_), _)) | None => {
            let label = "expected an IPv4 range such as \"192.0.2.0/24\"";
            item.wrong(format!("`{text}` is no range"), label, None);
            None
        }
    }
}

/// "blind", "exact", or a number of bytes beyond the right one.
fn guess(item: Item<'_>) -> Option<Guess> {
    if item.as_text().is_some() {
        return item.one_of(
            "sequence number",
            &[("blind", Guess::Blind), ("exact", Guess::Exact)],
        );
    }
    // The largest window offered.
    let beyond = item.integer(1..=65_534)?;
    u32::try_from(beyond).ok().map(Guess::InWindow)
}

fn victim(item: Item<'_>, network: &Network<'_>) -> Option<Victim> {
    let (from, to, port, nth) = connection_parts(item, network)?;
    if nth != 1 {
        let label = "expected no `#`: an attack is about the last connection, or about all";
        item.wrong("an attack does not count connections", label, None);
        return None;
    }
    Some(Victim {
        client: network.addresses(from),
        server: network.addresses(to),
        port,
        listener: format!("{}:{port}", network.name(to)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::parse;
    use crate::lab::plan::{Action, Plan};

    fn lab(attacker: &str, step: &str) -> String {
        format!(
            "base = \"three-tier\"\ntitle = \"t\"\n\
             [node.mallory]\naddress.dns = \"203.192.2.66\"\nattacker = {attacker}\n\
             [[step]]\nmallory = {step}\n"
        )
    }

    fn plan(attacker: &str, step: &str) -> Plan {
        parse("x.toml", &lab(attacker, step)).unwrap()
    }

    #[test]
    fn ears_and_attempts() {
        let taps = |listens: &str| {
            let plan = plan(listens, "{ replay-hello = \"user -> alb:443\" }");
            let role = plan.roles.iter().find_map(|(_, role)| {
                let Role::Attacker(attacker) = role else {
                    return None;
                };
                Some(attacker.taps.clone())
            });
            role.unwrap().len()
        };
        assert_eq!(taps("{}"), 0);
        // A link from both of its ends, a tap in both directions.
        assert_eq!(taps("{ listens = [\"user\", \"alb-edge\"] }"), 4);

        let attempt = |step: &str| {
            let Action::Attack(attempt) = plan("{}", step).steps.remove(0).action else {
                panic!("an attack");
            };
            attempt
        };
        let reset = |sequence: &str| {
            let on = "on = \"user -> alb:443\"";
            let step = format!("{{ reset = {{ {on}, sequence = {sequence} }} }}");
            match attempt(&step) {
                Attempt::Reset { victim, guess, .. } => {
                    assert_eq!(victim.server.len(), 2, "the load balancer has two");
                    guess
                }
                Attempt::ReplayHello(_) | Attempt::StealKey { .. } | Attempt::SynFlood(_) => {
                    panic!("a reset")
                }
            }
        };
        assert_eq!(reset("\"blind\""), Guess::Blind);
        assert_eq!(reset("\"exact\""), Guess::Exact);
        assert_eq!(reset("1000"), Guess::InWindow(1_000));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |attacker: &str, step: &str| -> String {
            let errors = parse("x.toml", &lab(attacker, step)).expect_err("wrong");
            let said = errors.mistakes().iter().map(|m| {
                let (line, column) = m.position();
                format!("{line}:{column} {m} | {}\n", m.label())
            });
            said.collect()
        };
        let on = "on = \"user -> alb:443\"";
        let said = [
            wrong(
                "{ listens = [\"usr\"], x = 1 }",
                "{ get = \"https://a.de/\" }",
            ),
            wrong("{}", "{ replay-hello = \"user -> alb:443 #2\" }"),
            wrong("{}", "{ reset = { on = \"user\", sequence = 0 } }"),
            wrong(
                "{}",
                &format!("{{ reset = {{ {on}, sequence = \"any\" }}, steal-key = {{}} }}"),
            ),
            wrong(
                "{}",
                "{ steal-key = { on = \"me -> alb:443\", certificate = \"x\" } }",
            ),
            wrong(
                "{}",
                "{ syn-flood = { to = \"alb\", sources = \"192.0.2.9/24\", syns = 0 } }",
            ),
            wrong("{}", "{ syn-flood = { to = \"al:80\", over = \"1 s\" } }"),
            wrong(
                "{}\napp.port = 80",
                &format!("{{ steal-key = {{ {on} }} }}"),
            ),
        ];
        insta::assert_snapshot!(said.join("\n"));
    }
}
