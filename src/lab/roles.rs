//! What the programs on the nodes are told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::decode::{Fields, Item, all};
use super::error::advice;
use super::intercept;
use super::network::{Network, Programs, Shape};
use super::pki::{Pki, is_host_name};
use super::speech;
use crate::role::config::{
    Alb, App, Browser, FileContent, Listener, Program, Reply, Resolver, Role, Target, TargetGroup,
};
use crate::tls::config::ServerTakes;

/// Reads the programs of all nodes, and the table `target-group`.
pub(super) fn read<'a>(
    root: &mut Fields<'a>,
    network: &Network<'a>,
    pki: &Pki<'a>,
) -> Vec<(usize, Role)> {
    let groups = root.optional("target-group").and_then(Item::fields);
    let groups: Vec<Item<'a>> = groups.map(|t| t.entries().collect()).unwrap_or_default();
    let reader = Reader {
        network,
        pki,
        group_names: groups.iter().map(|g| g.key).collect(),
        groups: groups
            .iter()
            .filter_map(|g| target_group(*g, network))
            .collect(),
    };
    let mut roles = Vec::new();
    for (index, node) in network.nodes.iter().enumerate() {
        let programs = node.programs;
        if let Some(program) = programs.program {
            // It takes the place of whatever the base lets run here, and inherits what that knows.
            roles.extend(reader.program(program, &programs).map(|role| (index, role)));
            continue;
        }
        if let Some(item) = programs.interceptor {
            let role = intercept::interceptor(item, index, network, pki);
            roles.extend(role.map(|role| (index, role)));
            continue;
        }
        let mut ports = BTreeSet::new();
        let of_node = [
            programs.browser.and_then(|i| reader.browser(i)),
            programs.resolver.and_then(resolver),
            programs.alb.and_then(|i| reader.alb(i, &mut ports)),
            programs.app.and_then(|i| app(i, &mut ports)),
        ];
        roles.extend(of_node.into_iter().flatten().map(|role| (index, role)));
    }
    roles
}

struct Reader<'n, 'a> {
    network: &'n Network<'a>,
    pki: &'n Pki<'a>,
    group_names: Vec<&'a str>,
    /// Those without a mistake.
    groups: Vec<TargetGroup>,
}

impl Reader<'_, '_> {
    fn browser(&self, item: Item<'_>) -> Option<Role> {
        let mut table = item.fields()?;
        let resolver = table.or("resolver", None, |i| self.resolver_address(i).map(Some));
        let tls = speech::client(&mut table, self.pki);
        let user_agent = table.or("user-agent", "Mozilla/5.0".to_owned(), Item::header_value);
        let cookie = table.or("cookie", None, |i| i.header_value().map(Some));
        table.finish();
        Some(Role::Browser(Browser {
            resolver: resolver?,
            tls: tls?,
            user_agent: user_agent?,
            cookie: cookie?,
        }))
    }

    fn program(&self, item: Item<'_>, beside: &Programs<'_>) -> Option<Role> {
        let browser = match beside.browser.and_then(|i| self.browser(i)) {
            Some(Role::Browser(browser)) => Some(browser),
            _ => None,
        };
        let port = match beside.app.and_then(|i| app(i, &mut BTreeSet::new())) {
            Some(Role::App(app)) => Some(app.port),
            _ => None,
        };
        let mut table = item.fields()?;
        let run = table.or("run", Vec::new(), command);
        let ready = table.or("ready", port, |i| i.port().map(Some));
        let known = browser.as_ref().and_then(|b| b.resolver);
        let resolver = table.or("resolver", known, |i| self.resolver_address(i).map(Some));
        let known = browser.map(|b| b.tls.trust).unwrap_or_default();
        let trust = table.or("trust", known, |i| i.each(|a| self.pki.authority_of(a)));
        let files = table.or("files", BTreeMap::new(), |item| {
            let files = all(item.fields()?.entries().map(|f| self.file(f)))?;
            Some(files.into_iter().collect())
        });
        let root = table.or("root", false, Item::boolean);
        table.finish();
        Some(Role::Program(Program {
            run: run?,
            ready: ready?,
            resolver: resolver?,
            trust: trust?,
            files: files?,
            root: root?,
        }))
    }

    /// A text, or what the lab's certificates give.
    fn file(&self, item: Item<'_>) -> Option<(String, FileContent)> {
        let name = item.key;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
        if name.starts_with('/') || name.contains("..") || !name.chars().all(plain) {
            let label = "expected a name such as \"nginx.conf\", below the program's `/tmp`";
            item.wrong_key(format!("`{name}` is not a file name here"), label, None);
            return None;
        }
        if let Some(text) = item.as_text() {
            return Some((name.to_owned(), FileContent::Text(text.to_owned())));
        }
        let mut table = item.fields()?;
        let content = table.exactly_one(&["chain", "key", "root"])?;
        table.finish();
        let content = match content.key {
            "chain" => FileContent::Chain(self.pki.certificate_of(content)?),
            "key" => FileContent::Key(self.pki.certificate_of(content)?),
            _ => FileContent::Root(self.pki.authority_of(content)?),
        };
        Some((name.to_owned(), content))
    }

    /// A node that runs a resolver, or an IP address.
    fn resolver_address(&self, item: Item<'_>) -> Option<IpAddr> {
        let word = item.text()?;
        if let Ok(address) = word.parse() {
            return Some(address);
        }
        let node = self.network.node(&item, word)?;
        if self.network.nodes[node].programs.resolver.is_none() {
            let message = format!("`{word}` runs no resolver");
            item.wrong(message, "expected a node with `resolver = { … }`", None);
            return None;
        }
        self.network.only_address(&item, node)
    }

    fn alb(&self, item: Item<'_>, ports: &mut BTreeSet<u16>) -> Option<Role> {
        let mut table = item.fields()?;
        let name = table.required("name", "\"fl-production-alb\"");
        let name = name.and_then(|i| i.prose(32));
        let takes = table.or("takes", AlbTakes::default(), alb_takes);
        let server = takes
            .as_ref()
            .map_or_else(ServerTakes::default, |t| t.server);
        let listeners = table.required("listener", "[{ port = 443, … }]");
        let listeners = listeners.and_then(|i| i.some(|l| self.listener(l, server, ports)));
        table.finish();
        let (takes, listeners) = (takes?, listeners?);
        let wanted = |g: &&TargetGroup| listeners.iter().any(|l| l.forward == g.name);
        Some(Role::Alb(Alb {
            name: name?,
            target_groups: self.groups.iter().filter(wanted).cloned().collect(),
            listeners,
            takes_in: takes.inward,
            takes_out: takes.outward,
        }))
    }

    fn listener(
        &self,
        item: Item<'_>,
        takes: ServerTakes,
        ports: &mut BTreeSet<u16>,
    ) -> Option<Listener> {
        let mut table = item.fields()?;
        let port = table.required("port", "443");
        let port = port.and_then(|i| own_port(i, ports));
        let tls = speech::server(&mut table, self.pki, takes);
        let forward = table.required("forward", "\"web\"");
        let forward = forward.and_then(|i| self.group_of(i));
        table.finish();
        Some(Listener {
            port: port?,
            tls: tls?,
            forward: forward?,
        })
    }

    fn group_of(&self, item: Item<'_>) -> Option<String> {
        let word = item.text()?;
        if !self.group_names.contains(&word) {
            item.wrong(
                format!("unknown target group `{word}`"),
                "no target group has this name",
                advice(word, self.group_names.iter().copied()),
            );
            return None;
        }
        Some(word.to_owned())
    }
}

/// A program and its arguments.
pub(super) fn command(item: Item<'_>) -> Option<Vec<String>> {
    item.some(|word| {
        let text = word.text()?;
        if text.contains('\0') {
            word.wrong("an argument holds a zero byte", "expected text", None);
            return None;
        }
        Some(text.to_owned())
    })
}

#[derive(Default)]
struct AlbTakes {
    server: ServerTakes,
    inward: Duration,
    outward: Duration,
}

fn alb_takes(item: Item<'_>) -> Option<AlbTakes> {
    let mut table = item.fields()?;
    let hello = table.or("server-hello", Duration::ZERO, Item::duration);
    let finish = table.or("server-finish", Duration::ZERO, Item::duration);
    let inward = table.or("in", Duration::ZERO, Item::duration);
    let outward = table.or("out", Duration::ZERO, Item::duration);
    table.finish();
    Some(AlbTakes {
        server: ServerTakes {
            hello: hello?,
            finish: finish?,
        },
        inward: inward?,
        outward: outward?,
    })
}

fn resolver(item: Item<'_>) -> Option<Role> {
    let mut table = item.fields()?;
    let zone = table.required("zone", "{ \"your-app.com\" = \"198.51.100.10\" }");
    let zone = zone.and_then(read_zone);
    let ttl = table.or("ttl", Duration::from_secs(60), |item| {
        let ttl = item.duration()?;
        // RFC 2181 §8: 31 bits.
        if ttl.subsec_nanos() != 0 || ttl.as_secs() > i32::MAX as u64 {
            let label = "expected whole seconds, at most 68 years";
            item.wrong("`ttl` is not a time to live", label, None);
            return None;
        }
        Some(ttl)
    });
    let takes = table.or("takes", Duration::ZERO, Item::duration);
    table.finish();
    Some(Role::Resolver(Resolver {
        zone: zone?,
        ttl: ttl?,
        takes: takes?,
    }))
}

fn read_zone(item: Item<'_>) -> Option<BTreeMap<String, Vec<IpAddr>>> {
    let records = all(item.fields()?.entries().map(|record| {
        let key = zone_name(&record);
        let addresses = match record.as_text() {
            Some(_) => record.ip().map(|a| vec![a]),
            None => record.each(Item::ip),
        };
        Some((key?, addresses?))
    }))?;
    Some(records.into_iter().collect())
}

/// The key as a host name.
fn zone_name(record: &Item<'_>) -> Option<String> {
    let key = record.key;
    if !is_host_name(key) {
        let label = "expected a host name such as \"your-app.com\", in quotes";
        record.wrong_key(format!("`{key}` is not a host name"), label, None);
        return None;
    }
    Some(key.to_ascii_lowercase())
}

fn target_group(item: Item<'_>, network: &Network<'_>) -> Option<TargetGroup> {
    let name = item.key_name();
    let mut table = item.fields()?;
    let targets = table.required("targets", "[\"ec2-a:32768\"]");
    let targets = targets.and_then(|i| i.each(|t| target(t, network)));
    table.finish();
    Some(TargetGroup {
        name: name?.to_string(),
        targets: targets?,
    })
}

/// `ec2-a:32768`: a node with one address, and the port under which it is registered.
fn target(item: Item<'_>, network: &Network<'_>) -> Option<Target> {
    let text = item.text()?;
    let parts = text.rsplit_once(':');
    let parts = parts.and_then(|(node, port)| Some((node, port.parse::<u16>().ok()?)));
    let Some((node, port @ 1..)) = parts else {
        let label = "expected a node and a port such as \"ec2-a:32768\"";
        item.wrong(format!("`{text}` is not a target"), label, None);
        return None;
    };
    let index = network.node(&item, node)?;
    if let Shape::Container { .. } = network.nodes[index].shape {
        let message = format!("`{node}` is inside a docker host");
        let label = "expected the docker host, and the port that it publishes";
        item.wrong(message, label, None);
        return None;
    }
    Some(Target {
        node: network.nodes[index].name.clone(),
        address: (network.only_address(&item, index)?, port).into(),
    })
}

fn app(item: Item<'_>, ports: &mut BTreeSet<u16>) -> Option<Role> {
    let mut table = item.fields()?;
    let port = table.required("port", "8080");
    let port = port.and_then(|i| own_port(i, ports));
    let takes = table.or("takes", Duration::ZERO, Item::duration);
    let routes = table.or("route", BTreeMap::new(), |item| {
        let routes = all(item.fields()?.entries().map(route))?;
        Some(routes.into_iter().collect())
    });
    table.finish();
    Some(Role::App(App {
        port: port?,
        takes: takes?,
        routes: routes?,
    }))
}

fn route(item: Item<'_>) -> Option<(String, Reply)> {
    let path = item.key;
    let is_path = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && c != '?');
    if !is_path {
        let label = "expected a path such as \"/health\"";
        item.wrong_key(format!("`{path}` is not a path"), label, None);
    }
    let mut table = item.fields()?;
    // 1xx answers are not final (RFC 9110 §15.2).
    let status = table.or("status", 200, |i| i.integer(200..=599));
    let content_type = table.or("type", "text/plain".to_owned(), Item::header_value);
    let body = table.or("body", String::new(), |i| i.text().map(str::to_owned));
    table.finish();
    let reply = Reply {
        status: u16::try_from(status?).ok()?,
        content_type: content_type?,
        body: body?,
    };
    is_path.then(|| (path.to_owned(), reply))
}

/// A TCP port that nothing else on the node listens on.
fn own_port(item: Item<'_>, ports: &mut BTreeSet<u16>) -> Option<u16> {
    let port = item.port()?;
    if !ports.insert(port) {
        let message = format!("port {port} is taken on this node");
        item.wrong(message, "expected a port of its own", None);
        return None;
    }
    Some(port)
}
