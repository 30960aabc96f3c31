//! What the programs on the nodes are told.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::{Fields, Item, all};
use super::network::{Network, Programs};
use super::pki::Pki;
use super::speech;
use super::{alb, app, dns, intercept};
use crate::role::config::{Browser, FileContent, Listener, Program, Role, TargetGroup};

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
            .filter_map(|g| alb::target_group(*g, network))
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
            programs.resolver.and_then(|i| dns::resolver(i, network)),
            name_server(&programs),
            programs
                .alb
                .and_then(|i| reader.alb(i, node.zone.as_ref(), &mut ports)),
            programs.app.and_then(|i| app::app(i, pki, &mut ports)),
            // Last: a node that serves is known by that, though it asks others too.
            programs.browser.and_then(|i| reader.browser(i)),
        ];
        roles.extend(of_node.into_iter().flatten().map(|role| (index, role)));
    }
    join_balancers(&mut roles, network, &reader.groups);
    roles
}

/// What a node of a load balancer cannot know alone: the zones of its other nodes, and which target groups nobody uses. One
/// of them belongs to one load balancer (AWS "Target groups for your Application Load Balancers").
fn join_balancers(roles: &mut [(usize, Role)], network: &Network<'_>, groups: &[TargetGroup]) {
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    let mut zones: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
    for (node, role) in roles.iter() {
        let Role::Alb(alb) = role else { continue };
        for group in alb.listeners.iter().flat_map(Listener::groups) {
            let owner = used
                .entry(group.to_owned())
                .or_insert_with(|| alb.name.clone());
            if let (true, Some(item)) = (*owner != alb.name, network.nodes[*node].programs.alb) {
                let message = format!("`{}` forwards to target group `{group}`", alb.name);
                let label = format!("expected another one: it belongs to `{owner}`");
                item.wrong_key(message, label, None);
                // Once is enough.
                break;
            }
        }
        let of_this = zones.entry(alb.name.clone()).or_default();
        of_this.insert(alb.zone.clone());
    }
    for (_, role) in roles {
        let Role::Alb(alb) = role else { continue };
        let unused = groups.iter().filter(|g| !used.contains_key(&g.name));
        alb.unused_groups = unused.cloned().collect();
        if alb.zones.is_empty() {
            // A node of which nothing is said may be in any zone.
            let all = zones.get(&alb.name).into_iter().flatten().cloned();
            alb.zones = all.collect::<Option<Vec<_>>>().unwrap_or_default();
        }
    }
}

pub(super) struct Reader<'n, 'a> {
    pub(super) network: &'n Network<'a>,
    pub(super) pki: &'n Pki<'a>,
    pub(super) group_names: Vec<&'a str>,
    /// Those without a mistake.
    pub(super) groups: Vec<TargetGroup>,
}

impl Reader<'_, '_> {
    fn browser(&self, item: Item<'_>) -> Option<Role> {
        let mut table = item.fields()?;
        let resolver = table.or("resolver", None, |i| dns::stub(i, self.network).map(Some));
        let tls = speech::client(&mut table, self.pki);
        let own = if item.key == "client" {
            "curl/8.5.0"
        } else {
            "Mozilla/5.0"
        };
        let user_agent = table.or("user-agent", own.to_owned(), Item::header_value);
        let cookie_item = table.optional("cookie");
        let cookie = cookie_item.map_or(Some(None), |i| i.header_value().map(Some));
        // Browsers keep cookies; curl does when it is told to.
        let usual = item.key != "client" && cookie_item.is_none();
        let cookies_item = table.optional("cookies");
        let cookies = cookies_item.map_or(Some(usual), Item::boolean);
        if let (Some(item), Some(_), Some(true)) = (cookies_item, cookie_item, cookies) {
            let label = "expected no `cookie` beside it";
            item.wrong_key("its cookie is always the same", label, None);
        }
        let keep_alive = table.or("keep-alive", None, |i| i.duration().map(Some));
        table.finish();
        Some(Role::Browser(Browser {
            resolver: resolver?,
            tls: tls?,
            user_agent: user_agent?,
            cookie: cookie?,
            cookies: cookies?,
            keep_alive: keep_alive?,
        }))
    }

    fn program(&self, item: Item<'_>, beside: &Programs<'_>) -> Option<Role> {
        let browser = match beside.browser.and_then(|i| self.browser(i)) {
            Some(Role::Browser(browser)) => Some(browser),
            _ => None,
        };
        let port = match beside
            .app
            .and_then(|i| app::app(i, self.pki, &mut BTreeSet::new()))
        {
            Some(Role::App(app)) => Some(app.port),
            _ => None,
        };
        let mut table = item.fields()?;
        let run = table.or("run", Vec::new(), command);
        let ready = table.or("ready", port, |i| i.port().map(Some));
        let known = browser.as_ref().and_then(|b| b.resolver.as_ref());
        let known = known.and_then(|stub| stub.servers.first().copied());
        let resolver = table.or("resolver", known, |i| {
            dns::server(i, self.network).map(Some)
        });
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
}

/// A name server and a resolver would both listen on port 53.
fn name_server(programs: &Programs<'_>) -> Option<Role> {
    let item = programs.name_server?;
    if programs.resolver.is_some() {
        let label = "expected a node of its own for it";
        let message = "a resolver listens on port 53 of this node already";
        item.wrong_key(message, label, None);
    }
    dns::name_server(item)
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

/// A TCP port that nothing else on the node listens on.
pub(super) fn own_port(item: Item<'_>, ports: &mut BTreeSet<u16>) -> Option<u16> {
    let port = item.port()?;
    if !ports.insert(port) {
        let message = format!("port {port} is taken on this node");
        item.wrong(message, "expected a port of its own", None);
        return None;
    }
    Some(port)
}
