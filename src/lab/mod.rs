//! A lab file becomes a checked plan: parsed with spans, every mistake at once. Nothing runs here and nothing on the
//! machine is touched but the file that was named, and those below it.
//!
//! A file is read into a tree that knows the place of every value (`tree`), laid over its base, and then decoded table
//! by table (`decode`); readers record mistakes and go on.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub mod plan;

mod alb;
mod app;
mod attacker;
mod base;
mod changes;
mod decode;
mod dns;
mod error;
mod expectations;
mod flow_log;
mod intercept;
mod lay;
mod links;
mod network;
mod network_acl;
mod pki;
mod range;
mod roles;
mod route_table;
mod scenario;
mod security_group;
mod shipped;
mod speech;
mod taps;
mod tcp;
#[cfg(test)]
mod tests;
mod tree;
mod who_reads;
mod zones;

pub use changes::Change;
pub use error::{LabErrors, LoadError, Mistake};
pub use shipped::Shipped;

use decode::{Fields, Item};
use error::Mistakes;
use network::Network;
use pki::Pki;
use plan::Plan;

/// The largest file that is read as a lab, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The labs that are part of the program, the main one first. Bases are not among them.
pub fn shipped() -> impl Iterator<Item = Shipped> {
    shipped::LABS.iter().copied()
}

/// Reads a lab: one that is part of the program, by name, or a file, by a path that ends in `.toml`. A file's base is a
/// shipped one, a shipped lab, or a file beside it.
///
/// # Errors
/// When there is no such lab, when a file cannot be read, or with all mistakes in it.
pub fn load(name_or_path: &str) -> Result<Plan, LoadError> {
    let file = File::open(name_or_path)?;
    let mut plan = read_lab::<LoadError>(&file.name, &file.text, |name| file.beside(name))?;
    if file.path.is_some() {
        plan.called = name_or_path.to_owned();
    }
    Ok(plan)
}

/// What the two labs say otherwise, title and expectations apart. Each is named as for [`load`].
///
/// # Errors
/// When there is no such lab, when a file cannot be read, or with all mistakes of syntax in it.
pub fn changes(one: &str, other: &str) -> Result<Vec<Change>, LoadError> {
    let read = |name_or_path: &str| -> Result<tree::Table, LoadError> {
        let file = File::open(name_or_path)?;
        let beside = |name: &str| file.beside(name);
        let (tree, mistakes) = base::read::<LoadError>(&file.name, &file.text, beside)?;
        mistakes.into_result()?;
        Ok(tree)
    };
    let mut apart = base::OWN.to_vec();
    apart.push("base");
    Ok(changes::changes(&read(one)?, &read(other)?, &apart))
}

/// The name of the lab in which what is wrong in the one called `name_or_path` has been mended, by convention:
/// `X.fixed` for `X`.
#[must_use]
pub fn fixed(name_or_path: &str) -> String {
    match name_or_path.strip_suffix(".toml") {
        Some(path) => format!("{path}.fixed.toml"),
        None => format!("{name_or_path}.fixed"),
    }
}

/// A lab's own file.
struct File {
    /// As in mistakes.
    name: String,
    text: String,
    /// Of one that is not shipped.
    path: Option<PathBuf>,
}

impl File {
    fn open(name_or_path: &str) -> Result<Self, LoadError> {
        if let Some(lab) = shipped().find(|lab| lab.name == name_or_path) {
            return Ok(Self {
                name: format!("{}.toml", lab.name),
                text: lab.source.to_owned(),
                path: None,
            });
        }
        let path = Path::new(name_or_path);
        if path.extension().is_none_or(|e| e != "toml") {
            return Err(LoadError::Unknown {
                name: name_or_path.to_owned(),
                nearest: nearest_labs(name_or_path),
            });
        }
        Ok(Self {
            name: name_or_path.to_owned(),
            text: read(path)?,
            path: Some(path.to_owned()),
        })
    }

    /// The name and the text of the file called `name` in the same folder. A base that is not there is a mistake in the
    /// lab; one that cannot be read is no mistake of the lab's.
    fn beside(&self, name: &str) -> Result<Option<(String, String)>, LoadError> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let path = path.with_file_name(format!("{name}.toml"));
        path.exists()
            .then(|| Ok((path.display().to_string(), read(&path)?)))
            .transpose()
    }
}

/// Reads the lab `source`, whose name is `file_name` below the labs folder. Its base can be a shipped base or lab only.
///
/// # Errors
/// With all mistakes in it.
pub fn parse(file_name: &str, source: &str) -> Result<Plan, LabErrors> {
    let none = |_: &str| Ok::<_, LabErrors>(None);
    read_lab(file_name, source, none)
}

fn nearest_labs(word: &str) -> Vec<&'static str> {
    let alike = |name: &str| strsim::jaro_winkler(word, name);
    let mut names: Vec<(f64, &str)> = shipped().map(|s| (alike(s.name), s.name)).collect();
    names.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = names.first().map_or(0.0, |n| n.0);
    // One clear answer, or the whole list where nothing is much alike.
    let enough = if best >= 0.7 { best - 0.1 } else { 0.0 };
    let kept = names.into_iter().filter(|(score, _)| *score >= enough);
    kept.map(|(_, name)| name).collect()
}

fn read(path: &Path) -> Result<String, LoadError> {
    let failed = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    let mut limited = file.take(FILE_BYTES_MAX + 1);
    limited.read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(LoadError::TooLarge {
            path: path.to_owned(),
            limit: FILE_BYTES_MAX,
        });
    }
    Ok(text)
}

/// `beside` gives the name and the text of a base that is not shipped.
fn read_lab<E: From<LabErrors>>(
    file_name: &str,
    source: &str,
    beside: impl Fn(&str) -> Result<Option<(String, String)>, E>,
) -> Result<Plan, E> {
    let (tree, mistakes) = base::read(file_name, source, beside)?;
    let plan = if mistakes.count() == 0 {
        decode(plan_name(file_name), &tree, &mistakes)
    } else {
        // What follows a syntax error would be misread, and without its base a lab lacks everything.
        None
    };
    mistakes.into_result()?;
    Ok(plan.expect("whatever is missing from the plan is a mistake"))
}

/// The path below the labs folder, without `.toml`.
fn plan_name(file_name: &str) -> String {
    let stem = file_name.strip_suffix(".toml").unwrap_or(file_name);
    if let Some(lab) = shipped().find(|lab| lab.name == stem) {
        return lab.name.to_owned();
    }
    let stem = Path::new(stem).file_name().and_then(|n| n.to_str());
    stem.unwrap_or("lab").to_owned()
}

/// Why a lab runs in virtual time only: a clause that "so it runs in virtual time only" could follow.
fn only_virtual(item: Item<'_>, network: &Network<'_>) -> Option<String> {
    let reason = item.prose(120)?;
    let program = network.nodes.iter().find(|n| n.programs.program.is_some());
    if let Some(node) = program {
        let message = format!("node `{}` is a real program", node.name);
        let label = "expected no `virtual-only` where a node is one: it runs on TUN devices only";
        item.wrong_key(message, label, None);
        return None;
    }
    Some(reason)
}

/// `None` only after a mistake.
fn decode(name: String, tree: &tree::Table, mistakes: &Mistakes) -> Option<Plan> {
    const LIMIT: Duration = Duration::from_secs(3_600);
    let mut root = Fields::root(tree, mistakes);
    // Both were followed before.
    root.optional("base");
    root.optional("without");
    let title = root.required("title", "\"One HTTPS request\"");
    let title = title.and_then(|i| i.prose(100));
    let text = root.or("text", None, |i| i.prose(300).map(Some));
    let look_for = root.or("look_for", Vec::new(), |i| i.each(|l| l.prose(300)));
    let notes = root.or("notes", Vec::new(), |i| i.each(|l| l.prose(1_000)));
    let clock = root.required("clock", "2025-11-05T00:00:00Z");
    let clock = clock.and_then(|i| i.date(false));
    let limit = root.or("limit", LIMIT, |item| {
        let limit = item.duration()?;
        if limit.is_zero() {
            item.wrong("`limit` is zero", "expected a time in which to run", None);
            return None;
        }
        Some(limit)
    });

    let lasts = root.or("lasts", Duration::ZERO, |item| {
        let lasts = item.duration()?;
        if lasts > limit.unwrap_or(LIMIT) {
            let label =
                "expected no more than the run's `limit`, 1 h unless the lab says otherwise";
            item.wrong("`lasts` is longer than the run may be", label, None);
            return None;
        }
        Some(lasts)
    });
    let virtual_only = root.optional("virtual-only");

    let before = mistakes.count();
    let network = Network::read(&mut root);
    let sound = mistakes.count() == before;
    let links = links::read(&mut root);
    // A network with mistakes has no NICs to speak of: what refers to them is looked at when it is right.
    let rules = intercept::read(&network);
    let security_groups = security_group::read(&mut root, &network);
    let network_acls = network_acl::read(&mut root, &network);
    let route_tables = route_table::read(&mut root, &network);
    route_table::check_nat_gateways(&network);
    let flow_log = flow_log::read(&mut root, &network);
    let zones = zones::read(&mut root, &network);
    let topology = sound.then(|| lay::lay(&network, &links)).flatten();
    let topology = topology.map(|laid| intercept::lay(&rules, laid));
    let topology = topology
        .map(|laid| security_group::lay(&security_groups, laid))
        .map(|laid| network_acl::lay(network_acls, laid))
        .map(|laid| route_table::lay(&route_tables, &network, laid))
        .map(|laid| zones::lay(&zones, &network, laid))
        .map(|laid| flow_log::lay(flow_log, laid));
    let named = topology.as_ref().filter(|_| mistakes.count() == before);
    let pki = Pki::read(&mut root);
    let mut roles = roles::read(&mut root, &network, &pki);
    roles.extend(attacker::read(&network, named));
    let virtual_only = virtual_only.map_or(Some(None), |i| only_virtual(i, &network).map(Some));
    let tcp = tcp::read(&network);
    let steps = scenario::steps(&mut root, &network, &pki, &security_groups);
    let timeline = scenario::timeline(&mut root);
    let expert = root.or("expert", Vec::new(), |i| i.each(|line| line.prose(200)));
    let who_reads = who_reads::read(&mut root, named);
    let expectations = expectations::read(&mut root, &network, named, &who_reads);
    root.finish();

    let topology = topology?;
    let (main_taps, told_elsewhere) = taps::main_taps(&topology, &roles, &steps);
    Some(Plan {
        called: name.clone(),
        name,
        title: title?,
        text: text?,
        look_for: look_for?,
        notes: notes?,
        clock: clock?,
        limit: limit?,
        lasts: lasts?,
        virtual_only: virtual_only?,
        main_taps,
        told_elsewhere,
        topology,
        tcp,
        pki: pki.spec,
        roles,
        steps,
        timeline,
        expert: expert?,
        who_reads: who_reads.unwrap_or_default(),
        expectations,
    })
}
