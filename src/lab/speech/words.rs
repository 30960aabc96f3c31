//! Words for versions, groups, suites and protocols of TLS.

use std::collections::BTreeSet;

use crate::lab::decode::{Fields, Item};
use crate::lab::tree::Kind;
use crate::tls::config::{Group, Suite, Version};
use crate::wire::tls::{suite_names, suite_number};

const VERSIONS: [(&str, Version); 2] = [("1.2", Version::Tls12), ("1.3", Version::Tls13)];

/// Versions that no engine here speaks: a client says hello in them, and no more.
const OLD_VERSIONS: [(&str, u16); 2] = [("1.0", 0x0301), ("1.1", 0x0302)];

/// The highest old version in a client's `tls`, when there is any.
pub(super) fn old_version(item: Item<'_>) -> Option<u16> {
    let Kind::List(values) = &item.value.kind else {
        return None;
    };
    let elements = values.iter().map(|value| Item { value, ..item });
    let words = elements.filter_map(|i| i.as_text());
    let old = words.filter_map(|w| OLD_VERSIONS.iter().find(|(word, _)| *word == w));
    old.map(|(_, number)| *number).max()
}

/// A client of TLS 1.0 or 1.1: `tls = ["1.0"]`, perhaps with suites of that time.
pub(super) fn legacy(
    table: &mut Fields<'_>,
    versions: Item<'_>,
    highest: u16,
) -> Option<(u16, Vec<u16>)> {
    /// With AES and CBC (RFC 8422 §6, RFC 5246 §A.5).
    const SUITES: [u16; 6] = [0xc009, 0xc013, 0xc00a, 0xc014, 0x002f, 0x0035];
    let all_old = versions.some(|i| {
        let word = i.text()?;
        let is_old = OLD_VERSIONS.iter().any(|(old, _)| *old == word);
        if !is_old {
            let label = "expected \"1.0\" and \"1.1\" alone: a client only says hello in them";
            i.wrong("no engine here speaks TLS 1.0 and 1.1", label, None);
        }
        is_old.then_some(())
    });
    let suites = table.or("suites", SUITES.to_vec(), |i| {
        distinct(i, |i| {
            let number = suite_number(i.text()?);
            if number.is_none() {
                i.unknown("cipher suite", suite_names());
            }
            number
        })
    });
    all_old?;
    Some((highest, suites?))
}

/// A list of at least one, each thing once, in its order.
pub(super) fn distinct<T: PartialEq>(
    item: Item<'_>,
    mut read: impl FnMut(Item<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut seen: Vec<T> = Vec::new();
    for one in item.some(Some)? {
        let value = read(one)?;
        if seen.contains(&value) {
            one.wrong("named twice", "expected each once", None);
            return None;
        }
        seen.push(value);
    }
    Some(seen)
}

/// TLS versions, as in `["1.2", "1.3"]`: one at least, each once, lowest first.
pub(super) fn versions(item: Item<'_>) -> Option<Vec<Version>> {
    let list = item.some(version)?;
    let set: BTreeSet<Version> = list.into_iter().collect();
    Some(set.into_iter().collect())
}

/// One TLS version.
pub(in crate::lab) fn version(item: Item<'_>) -> Option<Version> {
    item.one_of("TLS version", &VERSIONS)
}

/// One group, as in `X25519`.
pub(in crate::lab) fn group(item: Item<'_>) -> Option<Group> {
    item.one_of("group", &Group::WORDS)
}

/// One suite that an engine here speaks, by its name in the IANA registry.
pub(in crate::lab) fn suite(item: Item<'_>) -> Option<Suite> {
    let word = item.text()?;
    let known = Suite::USUAL.iter().chain(&Suite::STATIC_RSA);
    let found = suite_number(word).map(Suite);
    let found = found.filter(|s| known.clone().any(|k| k == s));
    if found.is_none() {
        let names: Vec<String> = known.map(|s| s.name()).collect();
        item.unknown("cipher suite", names.iter().map(String::as_str));
    }
    found
}

/// Protocols for ALPN (RFC 7301 §6), best first: a server takes the first of its own that the client offers.
pub(super) fn alpn(item: Item<'_>) -> Option<Vec<String>> {
    const KNOWN: [(&str, &str); 2] = [("http/1.1", "http/1.1"), ("h2", "h2")];
    item.each(|item| item.one_of("protocol", &KNOWN).map(str::to_owned))
}
