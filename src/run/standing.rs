//! Labs that are up, and how others find them: one file a lab, `<pid>.json`, in a folder of the user's own. It says
//! what there is, where the namespaces are, and what a program finds on each node. It ends with the lab; what a killed
//! one left behind is removed by whoever looks next.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::capture::AtomicFile;
use crate::os::{self, Leftover, Namespace, Process, Program};

/// A lab that is up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Standing {
    /// The process that holds it up.
    pub pid: u32,
    /// When that started, as [`Process::started`].
    pub started: u64,
    /// The lab's name.
    pub lab: String,
    /// Whether it stands in a user namespace, made by a user without root's rights.
    pub user_namespace: bool,
    /// Nodes that can be entered.
    pub nodes: Vec<Enterable>,
    /// Nodes that cannot: they are played by the lab itself.
    pub ours: Vec<String>,
    /// Names of namespaces (mounts, to be taken back).
    pub names: Vec<PathBuf>,
}

/// A node that programs can be run on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enterable {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its network namespace, as `/proc/<pid>/fd/<n>`.
    pub namespace: PathBuf,
    /// Whether it is a router.
    pub router: bool,
    /// Files a program finds in place of the machine's.
    pub replaced: Vec<(PathBuf, String)>,
    /// Files in its private `/tmp`.
    pub files: Vec<(String, String)>,
    /// Whether programs keep root's rights there.
    pub root: bool,
}

/// Why a node could not be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// There is no folder for such files.
    #[error("there is no folder for labs that are up: `XDG_RUNTIME_DIR` is not set")]
    NoFolder,
    /// The files cannot be read.
    #[error("failed to read `{path}`")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No lab is up.
    #[error("no lab is up")]
    NothingUp,
    /// None that is called so.
    #[error("no lab called `{asked}` is up")]
    NoSuchLab {
        /// What was asked for.
        asked: String,
        /// What is up, with the processes.
        up: Vec<(String, u32)>,
    },
    /// More than one.
    #[error("several labs are up")]
    Ambiguous {
        /// Which ones, with their processes.
        up: Vec<(String, u32)>,
    },
    /// The lab has no such node.
    #[error("lab `{lab}` has no node `{node}` that programs can run on")]
    NoSuchNode {
        /// The lab.
        lab: String,
        /// What was asked for.
        node: String,
        /// Whether there is such a node, played by the lab itself.
        ours: bool,
        /// The node that was meant, perhaps.
        nearest: Option<String>,
        /// All of them.
        nodes: Vec<String>,
    },
}

/// The folder: `$TUNLAB_RUNTIME_DIR`, or `/run/tunlab` for root and `$XDG_RUNTIME_DIR/tunlab` for others.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = set("TUNLAB_RUNTIME_DIR") {
        return Some(folder);
    }
    if os::is_root() {
        return Some(PathBuf::from("/run/tunlab"));
    }
    set("XDG_RUNTIME_DIR").map(|folder| folder.join("tunlab"))
}

/// The labs that the user of this process has up, oldest process number first. What ended ones left is removed.
///
/// # Errors
/// When the folder or a file in it cannot be read.
pub fn all(folder: &Path) -> Result<Vec<Standing>, FindError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FindError::Read { path, source }
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(folder)(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed(folder))?.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text = match read_own(&path) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            // Its lab has just ended.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(failed(&path)(e)),
        };
        let standing: Standing = serde_json::from_str(&text)
            .map_err(io::Error::from)
            .map_err(failed(&path))?;
        match Process::open(standing.pid, standing.started) {
            Ok(Some(_)) => found.push(standing),
            Ok(None) => {
                for leftover in standing.leftovers(folder) {
                    leftover.remove();
                }
            }
            Err(e) => return Err(failed(&path)(e)),
        }
    }
    found.sort_by_key(|s| s.pid);
    Ok(found)
}

/// `None` when it is another user's.
fn read_own(path: &Path) -> io::Result<Option<String>> {
    if fs::symlink_metadata(path)?.uid() != os::user() {
        return Ok(None);
    }
    fs::read_to_string(path).map(Some)
}

/// The lab called `lab` (a name, or a process number), or the only one.
///
/// # Errors
/// When there is none, or there are several.
pub fn find(mut up: Vec<Standing>, lab: Option<&str>) -> Result<Standing, FindError> {
    if up.is_empty() {
        return Err(FindError::NothingUp);
    }
    let list = |up: &[Standing]| up.iter().map(|s| (s.lab.clone(), s.pid)).collect();
    if let Some(asked) = lab {
        let known = list(&up);
        up.retain(|s| s.lab == asked || s.pid.to_string() == asked);
        if up.is_empty() {
            let asked = asked.to_owned();
            return Err(FindError::NoSuchLab { asked, up: known });
        }
    }
    match up.pop() {
        Some(only) if up.is_empty() => Ok(only),
        last => {
            up.extend(last);
            Err(FindError::Ambiguous { up: list(&up) })
        }
    }
}

impl Standing {
    /// The node called `node`.
    ///
    /// # Errors
    /// When programs cannot run there, with the name that was meant.
    pub fn node(&self, node: &str) -> Result<&Enterable, FindError> {
        let names = || self.nodes.iter().map(|n| n.name.as_str());
        self.nodes.iter().find(|n| n.name == node).ok_or_else(|| {
            let alike = names().map(|n| (strsim::jaro_winkler(node, n), n));
            let best = alike.max_by(|a, b| a.0.total_cmp(&b.0));
            let nearest = best.filter(|(score, _)| *score >= 0.7);
            FindError::NoSuchNode {
                lab: self.lab.clone(),
                node: node.to_owned(),
                ours: self.ours.iter().any(|n| n == node),
                nearest: nearest.map(|(_, name)| name.to_owned()),
                nodes: names().map(str::to_owned).collect(),
            }
        })
    }

    /// What it leaves behind when it is killed, in the order in which it is to be removed.
    #[must_use]
    pub fn leftovers(&self, folder: &Path) -> Vec<Leftover> {
        let mut leftovers = vec![Leftover::File(self.file(folder))];
        for path in &self.names {
            leftovers.push(Leftover::Mount(path.clone()));
            let Some(name) = path.file_name() else {
                continue;
            };
            let beside = Path::new(SETTINGS).join(name);
            leftovers.push(Leftover::File(beside.join(RESOLVER)));
            leftovers.push(Leftover::Folder(beside));
        }
        for node in &self.nodes {
            leftovers.push(Leftover::File(self.authorities(folder, &node.name)));
        }
        leftovers.push(Leftover::Folder(folder.to_owned()));
        leftovers
    }

    /// Where the authorities that a node trusts are written for programs that enter it by ip-netns(8).
    #[must_use]
    pub fn authorities(&self, folder: &Path, node: &str) -> PathBuf {
        folder.join(format!("{}.{node}.pem", self.pid))
    }

    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.json", self.pid))
    }

    /// Makes it known in `folder`, and gives its namespaces their names.
    ///
    /// # Errors
    /// When a file cannot be written or a name not be given.
    pub(super) fn publish(&self, folder: &Path) -> io::Result<()> {
        // A lab that has just ended may have taken the empty folder with it.
        make_folder(folder)?;
        if !self.names.is_empty() {
            fs::create_dir_all(NAMES)?;
        }
        let text = serde_json::to_string_pretty(self)?;
        write(&self.file(folder), &text, true)?;
        for (node, path) in self.nodes.iter().zip(&self.names) {
            Namespace::open(&node.namespace)?.bind(path)?;
            let Some(name) = path.file_name() else {
                continue;
            };
            for (replaced, content) in &node.replaced {
                if replaced.ends_with(RESOLVER) {
                    let beside = Path::new(SETTINGS).join(name);
                    fs::create_dir_all(&beside)?;
                    write(&beside.join(RESOLVER), content, false)?;
                } else {
                    write(&self.authorities(folder, &node.name), content, false)?;
                }
            }
        }
        Ok(())
    }
}

/// Where ip-netns(8) looks for names, and for files that a namespace has in place of those in `/etc`.
pub(super) const NAMES: &str = "/run/netns";
pub(super) const SETTINGS: &str = "/etc/netns";
const RESOLVER: &str = "resolv.conf";

/// Makes the folder, for nobody else to write in.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
}

fn write(path: &Path, text: &str, private: bool) -> io::Result<()> {
    let begun = if private {
        AtomicFile::create_private(path)
    } else {
        AtomicFile::create(path)
    };
    let mut file = begun.map_err(io::Error::other)?;
    file.write_all(text.as_bytes())?;
    file.commit().map_err(io::Error::other)
}

impl Enterable {
    /// `run` as it is run here from a terminal. It keeps root's rights with `root`, or where the lab says so.
    #[must_use]
    pub fn program(&self, run: Vec<String>, root: bool) -> Program {
        let bytes = |text: &String| text.clone().into_bytes();
        let replaced = self.replaced.iter().map(|(p, t)| (p.clone(), bytes(t)));
        let files = self.files.iter().map(|(n, t)| (n.clone(), bytes(t)));
        Program {
            run,
            replaced: replaced.collect(),
            files: files.collect(),
            environment: Vec::new(),
            root: root || self.root,
            terminal: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(lab: &str, pid: u32) -> Standing {
        let node = |name: &str| Enterable {
            name: name.into(),
            addresses: Vec::new(),
            namespace: PathBuf::from("/proc/1/fd/1"),
            router: false,
            replaced: Vec::new(),
            files: Vec::new(),
            root: false,
        };
        Standing {
            pid,
            started: Process::started(std::process::id()).unwrap(),
            lab: lab.into(),
            user_namespace: false,
            nodes: vec![node("user"), node("internet")],
            ours: vec!["alb".into()],
            names: Vec::new(),
        }
    }

    #[test]
    fn the_only_lab_needs_no_name_and_one_of_several_does() {
        assert!(matches!(find(Vec::new(), None), Err(FindError::NothingUp)));
        assert_eq!(find(vec![standing("a", 1)], None).unwrap().pid, 1);
        let two = || vec![standing("a", 1), standing("a", 2), standing("b", 3)];
        let Err(FindError::Ambiguous { up }) = find(two(), Some("a")) else {
            panic!("two labs called a");
        };
        assert_eq!(up, [("a".to_owned(), 1), ("a".to_owned(), 2)]);
        assert_eq!(find(two(), Some("b")).unwrap().pid, 3);
        assert_eq!(find(two(), Some("2")).unwrap().pid, 2);
        assert!(matches!(
            find(two(), Some("c")),
            Err(FindError::NoSuchLab { up, .. }) if up.len() == 3
        ));
    }

    #[test]
    fn a_node_that_is_not_there_has_a_nearest() {
        let up = standing("a", 1);
        assert_eq!(up.node("user").unwrap().name, "user");
        let Err(FindError::NoSuchNode { nearest, ours, .. }) = up.node("usr") else {
            panic!("there is no usr");
        };
        assert_eq!((nearest.as_deref(), ours), (Some("user"), false));
        let Err(FindError::NoSuchNode { nearest, ours, .. }) = up.node("alb") else {
            panic!("alb is ours");
        };
        assert_eq!((nearest, ours), (None, true));
    }

    #[test]
    fn what_an_ended_lab_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("run");
        make_folder(&folder).unwrap();
        let own = standing("own", std::process::id());
        own.publish(&folder).unwrap();
        // The number is in use, but by a process that started at another time.
        let mut ended = standing("ended", std::process::id());
        ended.started += 1;
        let left = folder.join("1.json");
        fs::write(&left, serde_json::to_string(&ended).unwrap()).unwrap();
        ended.pid = 1;
        fs::write(&left, serde_json::to_string(&ended).unwrap()).unwrap();
        let up = all(&folder).unwrap();
        assert_eq!(up.len(), 1);
        assert_eq!(up[0].lab, "own");
        assert!(!left.exists());
        for leftover in own.leftovers(&folder) {
            leftover.remove();
        }
        assert!(!folder.exists());
    }
}
