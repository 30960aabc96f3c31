//! Links that tables describe: which of the network's are meant, and those between routers, which exist by them.

use std::collections::{BTreeMap, BTreeSet};

use super::Layout;
use crate::lab::decode::Item;
use crate::lab::error::words;
use crate::lab::links::{DeclaredLink, MTU};
use crate::lab::network::Shape;
use crate::lab::range;
use crate::net::topology::Link;

impl<'a> Layout<'_, 'a> {
    /// Links whose two ends are routers exist because a table says so. Gives their indices by table.
    pub(super) fn add_router_links(
        &mut self,
        links: &[DeclaredLink<'_>],
    ) -> BTreeMap<usize, usize> {
        let mut added = BTreeMap::new();
        for (index, link) in links.iter().enumerate() {
            let [Some(a), Some(b)] = link.between.map(|end| self.router(end)) else {
                continue;
            };
            if a == b {
                let label = "expected two different routers";
                self.wrong_end(&link.between[1], "a link has two ends", label, None);
                continue;
            }
            let ports = [(a, b), (b, a)].map(|(router, peer)| {
                // Such a port needs no address of its own: it has that of the router's first subnet.
                let mut subnets = self.network.subnets.iter().enumerate();
                let (subnet, cidr) = subnets
                    .find(|(_, s)| s.router == Some(router))
                    .and_then(|(i, s)| Some((i, s.cidr?)))?;
                self.add_port(router, peer, subnet, range::gateway(&cidr))
            });
            match ports {
                [Some(a), Some(b)] => {
                    added.insert(index, self.add_link(a, b, MTU));
                }
                [None, _] | [_, None] => {
                    let label = "expected routers that serve a subnet each";
                    self.mistake(&link.item, "the link has no end", label, None);
                }
            }
        }
        added
    }

    fn router(&self, item: Item<'_>) -> Option<usize> {
        let word = item.as_text()?;
        let nodes = &self.network.nodes;
        let index = nodes.iter().position(|n| n.name.as_str() == word)?;
        // An internet gateway has its two links, and no others.
        let joins = matches!(nodes[index].shape, Shape::Router) && nodes[index].gateway.is_none();
        joins.then_some(index)
    }

    /// Gives the link that a table means its name, MTU and impairments.
    pub(super) fn apply(&mut self, link: &DeclaredLink<'a>, between_routers: Option<usize>) {
        let routers = link.between.iter().all(|end| self.router(*end).is_some());
        let found = match between_routers {
            None if !routers => self.find(link),
            known => known,
        };
        let Some(index) = found else {
            return;
        };
        if self.named.insert(index, link.item).is_some() {
            let message = "another table describes this link";
            let label = "expected one table a link";
            self.mistake(&link.item, message, label, None);
        }
        let first = link.between[0].as_text().unwrap_or_default();
        let described = &mut self.topology.links[index];
        // "There" is from the end that is named first.
        let [a, b] = described.ends;
        let is_first = |nic: usize| {
            let nic = &self.topology.nics[nic];
            nic.name.as_str() == first || self.topology.nodes[nic.node].name.as_str() == first
        };
        described.ends = if is_first(a) { [a, b] } else { [b, a] };
        described.name = link.name.clone();
        described.mtu = link.mtu.unwrap_or(described.mtu);
        described.impairments.clone_from(&link.impairments);
    }

    fn find(&mut self, link: &DeclaredLink<'_>) -> Option<usize> {
        let [a, b] = link.between.map(|end| self.end(end));
        let (a, b) = (a?, b?);
        let joined = |l: &Link| {
            let [x, y] = l.ends;
            (a.contains(&x) && b.contains(&y)) || (a.contains(&y) && b.contains(&x))
        };
        let links = self.topology.links.iter().enumerate();
        let found: Vec<usize> = links.filter(|(_, l)| joined(l)).map(|(i, _)| i).collect();
        let [first, second] = link.between.map(|end| end.as_text().unwrap_or_default());
        match found[..] {
            [one] => Some(one),
            [] => {
                let message = format!("no link joins `{first}` and `{second}`");
                let label =
                    "expected a node and the router of its subnet, or a container and its host";
                self.wrong_end(&link.between[1], &message, label, self.neighbours(&a));
                None
            }
            [_, ..] => {
                let message = format!("several links join `{first}` and `{second}`");
                let names: Vec<&str> = found
                    .iter()
                    .map(|i| self.topology.links[*i].ends[0])
                    .map(|nic| self.topology.nics[nic].name.as_str())
                    .collect();
                let help = format!(
                    "name the NIC instead of the node: {}",
                    words(&names, " or ")
                );
                self.wrong_end(&link.between[0], &message, "which of them?", Some(help));
                None
            }
        }
    }

    /// The NICs that a node's or NIC's name stands for.
    fn end(&mut self, item: Item<'_>) -> Option<Vec<usize>> {
        let word = item.text()?;
        if let Some(node) = self.topology.node(word) {
            return Some(self.topology.nodes[node].nics.clone());
        }
        let nics = &self.topology.nics;
        let found = nics.iter().position(|n| n.name.as_str() == word);
        if found.is_none() {
            // Records that it is unknown.
            self.network.node(&item, word);
            self.whole = false;
        }
        found.map(|nic| vec![nic])
    }

    fn neighbours(&self, nics: &[usize]) -> Option<String> {
        let peers: BTreeSet<&str> = nics
            .iter()
            .filter_map(|nic| self.topology.peer(*nic))
            .map(|nic| &self.topology.nodes[self.topology.nics[nic].node])
            .map(|node| node.name.as_str())
            .collect();
        let peers: Vec<&str> = peers.into_iter().collect();
        (!peers.is_empty()).then(|| format!("the first is joined to {}", words(&peers, ", ")))
    }

    /// A link is named by its table or like the host's NIC: tables can take each other's or a NIC's name.
    pub(super) fn check_link_names(&mut self) {
        let mut seen = BTreeMap::new();
        let mut clashes = Vec::new();
        for (index, link) in self.topology.links.iter().enumerate() {
            if let Some(other) = seen.insert(link.name.clone(), index) {
                clashes.push([other, index]);
            }
            // A NIC's name is a tap's name; on its own link that is the same thing.
            let taken = self.topology.nics.iter().position(|n| n.name == link.name);
            if taken.is_some_and(|nic| !link.ends.contains(&nic)) {
                clashes.push([index, index]);
            }
        }
        for [a, b] in clashes {
            // One of them has its name from a table: NICs do not share names.
            let tables = [b, a].into_iter().find_map(|link| self.named.get(&link));
            let Some(item) = tables.copied() else {
                continue;
            };
            let name = self.topology.links[b].name.clone();
            let message = format!("`{name}` names two links or a link and another link's NIC");
            let label = "expected a name of its own for each link";
            self.mistake(&item, &message, label, None);
        }
    }

    /// A mistake about one end of a link.
    fn wrong_end(&mut self, end: &Item<'_>, message: &str, label: &str, help: Option<String>) {
        self.whole = false;
        end.wrong(message, label, help);
    }
}
