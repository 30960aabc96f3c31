//! What a lab says about its links: which two ends, how large a packet, which impairments.

use super::decode::{Fields, Item};
use crate::impair::Impairment;
use crate::name::Name;

mod conditions;

use conditions::Conditions;

/// A `[link.NAME]` table.
pub(super) struct DeclaredLink<'a> {
    pub(super) name: Name,
    pub(super) item: Item<'a>,
    /// Nodes or NICs, in the order of the file.
    pub(super) between: [Item<'a>; 2],
    /// Where it says one.
    pub(super) mtu: Option<usize>,
    /// There, from the first end to the second, and back.
    pub(super) impairments: [Vec<Impairment>; 2],
}

/// The MTU of a link of which nothing else is said: Ethernet's.
pub(super) const MTU: usize = 1_500;

/// Reads the table `link`. A link with a mistake is left out.
pub(super) fn read<'a>(root: &mut Fields<'a>) -> Vec<DeclaredLink<'a>> {
    let table = root.optional("link").and_then(Item::fields);
    let entries = table.map(|t| t.entries().collect()).unwrap_or_default();
    let entries: Vec<Item<'a>> = entries;
    entries.into_iter().filter_map(read_link).collect()
}

fn read_link(item: Item<'_>) -> Option<DeclaredLink<'_>> {
    let name = item.key_name();
    let mut table = item.fields()?;
    let between = table.required("between", "[\"user\", \"internet\"]");
    let between = between.and_then(ends);
    let mtu = table.or("mtu", None, |item| mtu(item).map(Some));
    let both = Conditions::read(&mut table);
    let there = one_way(table.optional("there"));
    let back = one_way(table.optional("back"));
    table.finish();
    Some(DeclaredLink {
        name: name?,
        item,
        between: between?,
        mtu: mtu?,
        impairments: [there?.or(&both).in_order(), back?.or(&both).in_order()],
    })
}

/// The smallest is the least that IPv4 must carry whole (RFC 791 §3.2), the largest an IPv4 packet.
pub(super) fn mtu(item: Item<'_>) -> Option<usize> {
    usize::try_from(item.integer(68..=65_535)?).ok()
}

fn ends(item: Item<'_>) -> Option<[Item<'_>; 2]> {
    let list = item.list()?;
    let Ok(ends) = <[Item<'_>; 2]>::try_from(list) else {
        let label = "expected two nodes, such as [\"user\", \"internet\"]";
        item.wrong("a link has two ends", label, None);
        return None;
    };
    Some(ends)
}

fn one_way(item: Option<Item<'_>>) -> Option<Conditions> {
    let Some(item) = item else {
        return Some(Conditions::default());
    };
    let mut table = item.fields()?;
    let conditions = Conditions::read(&mut table);
    table.finish();
    Some(conditions)
}
