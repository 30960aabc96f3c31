//! A lab that is up until somebody ends it: on TUN devices, its users machines that real programs can be run on. It is
//! not judged: what happens is up to those programs.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{FlockOperation, flock};

use super::devices::{Kernel, has_namespace};
use super::files::Files;
use super::live::Live;
pub use super::live::{Counts, OnLine};
use super::programs::Machines;
use super::standing::{self, Enterable, Standing};
use super::{RunError, build, today};
use crate::event::Trace;
use crate::lab::plan::{Action, Plan};
use crate::name::Name;
use crate::net::topology::NodeKind;
use crate::os::{self, Leftover, Process, Watchdog};
use crate::report::live::Lines;
use crate::rng::{Entropy, Seed};
use crate::role::config::{Program, Role};
use crate::tls::random::Randomness;
use crate::world::Ended;

/// A lab to bring up.
pub struct Up {
    plan: Plan,
    seed: u64,
    folder: Option<PathBuf>,
    stream: Option<Box<dyn Write>>,
    prefix: Option<String>,
    lines: Option<(Lines, OnLine)>,
}

/// What a lab leaves that was up.
#[derive(Debug)]
pub struct Down {
    /// How it ended.
    pub end: Ended,
    /// What passed.
    pub counts: Counts,
    /// The files written, in order.
    pub written: Vec<PathBuf>,
}

impl Up {
    /// `plan` with machines in place of its browsers, and without its steps unless `steps`: those of browsers are
    /// then done by curl.
    #[must_use]
    pub fn new(plan: &Plan, seed: u64, steps: bool) -> Self {
        Self {
            plan: inhabited(plan, steps),
            seed,
            folder: None,
            stream: None,
            prefix: None,
            lines: None,
        }
    }

    /// What is brought up.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Writes captures and key log into `folder`. They are there when the lab is down, complete.
    #[must_use]
    pub fn into_folder(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Writes the main capture to `stream` too, block by block as the packets pass.
    #[must_use]
    pub fn to_stream(mut self, stream: Box<dyn Write>) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Gives the namespaces names for ip-netns(8): `prefix`, a hyphen, the node's name.
    #[must_use]
    pub fn named(mut self, prefix: String) -> Self {
        self.prefix = Some(prefix);
        self
    }

    /// Tells what happens, line by line.
    #[must_use]
    pub fn telling(mut self, lines: Lines, on_line: OnLine) -> Self {
        self.lines = Some((lines, on_line));
        self
    }

    /// Brings the lab up, calls `ready`, and keeps it up until somebody asks the process to end (see
    /// [`os::interrupt`]). Whatever ends the process, nothing is left behind. The process must have one thread.
    ///
    /// # Errors
    /// When something cannot be set up or written.
    pub fn execute(self, ready: impl FnOnce(&Plan, &Standing)) -> Result<Down, RunError> {
        super::refuse_static_rsa(&self.plan)?;
        // Before the process becomes another user in a namespace of its own.
        let place = standing::folder();
        os::ready().map_err(RunError::Devices)?;
        if let Some(why) = self.plan.why_virtual_only() {
            return Err(RunError::VirtualOnly(why));
        }
        let plan = self.plan.shifted_to(today());
        let mut bytes = [0; 32];
        Randomness::System.fill(&mut bytes);
        let (seed, entropy) = (Seed(self.seed), Entropy::System(bytes));

        let names = names(&plan, self.prefix.as_deref()).map_err(RunError::Standing)?;
        let mut known = Standing {
            pid: std::process::id(),
            started: Process::started(std::process::id()).unwrap_or(0),
            lab: plan.name.clone(),
            user_namespace: os::in_user_namespace(),
            nodes: enterable(&plan),
            ours: Vec::new(),
            names,
        };
        let watched = match place {
            Some(folder) => Some(Watched::start(&known, folder).map_err(RunError::Standing)?),
            None => None,
        };

        let trace = Trace::default();
        let files = Files::open(&plan, self.folder, self.stream, false)?;
        let (lines, on_line) = match self.lines {
            Some((lines, on_line)) => (lines, Some(on_line)),
            None => (Lines::new(&plan, false, crate::report::Paint::Plain), None),
        };
        let live = Live::new(plan.clone(), files, lines, on_line);
        let live = Rc::new(RefCell::new(live));
        trace.attach(live.clone());
        let mut world = build::world(&plan, seed, entropy, false, &trace);
        let mut kernel = Kernel::set_up(&plan, false).map_err(RunError::Devices)?;
        let machines = build::populate(&mut world, &plan, entropy, &trace, Some(&kernel), true)?;
        known.complete(&plan, &kernel, &machines);
        if let Some(watched) = &watched {
            watched.publish(&known).map_err(RunError::Standing)?;
        }
        ready(&plan, &known);
        let end = world
            .run_on_devices(&mut kernel.devices, plan.limit, true)
            .map_err(RunError::Devices)?;
        let ended = world.clock().now();
        // First it is not known any more, then it is not there.
        drop(watched);
        let mut live = live.borrow_mut();
        let (counts, files) = (live.counts, std::mem::take(&mut live.files));
        Ok(Down {
            end,
            counts,
            written: files.finish(ended)?,
        })
    }
}

/// The place where the lab is made known, and the process that removes what stands there.
struct Watched {
    folder: PathBuf,
    /// While names are being taken, so that two labs do not take the same.
    lock: File,
    _watchdog: Watchdog,
}

impl Watched {
    fn start(known: &Standing, folder: PathBuf) -> io::Result<Self> {
        standing::make_folder(&folder)?;
        let lock = File::open(&folder)?;
        flock(&lock, FlockOperation::LockExclusive)?;
        // What killed labs have left is no reason to refuse a name.
        standing::all(&folder).map_err(io::Error::other)?;
        let mut leftovers = known.leftovers(&folder);
        if let Some(taken) = known.names.iter().find(|n| n.exists()) {
            let text = format!("`{}` is there already", taken.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        if !known.names.is_empty() {
            for shared in [standing::NAMES, standing::SETTINGS] {
                if !Path::new(shared).exists() {
                    leftovers.push(Leftover::Folder(shared.into()));
                }
            }
        }
        Ok(Self {
            _watchdog: Watchdog::start(&leftovers)?,
            folder,
            lock,
        })
    }

    fn publish(&self, known: &Standing) -> io::Result<()> {
        known.publish(&self.folder)?;
        Ok(flock(&self.lock, FlockOperation::Unlock)?)
    }
}

/// Names of the namespaces, node by node as in [`enterable`].
fn names(plan: &Plan, prefix: Option<&str>) -> io::Result<Vec<PathBuf>> {
    let Some(prefix) = prefix else {
        return Ok(Vec::new());
    };
    if !os::is_root() {
        let text = "names of namespaces are for root: run it as root, or without `--netns-prefix`";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    let nodes = enterable(plan);
    let path =
        |node: &Enterable| Path::new(standing::NAMES).join(format!("{prefix}-{}", node.name));
    Ok(nodes.iter().map(path).collect())
}

/// The nodes that have a namespace; what is in them is not known yet.
fn enterable(plan: &Plan) -> Vec<Enterable> {
    let topology = &plan.topology;
    let nodes = topology.nodes.iter().enumerate();
    let inside = nodes.filter(|(index, _)| has_namespace(plan, *index));
    let one = |(_, node): (usize, &crate::net::topology::Node)| Enterable {
        name: node.name.to_string(),
        addresses: node
            .nics
            .iter()
            .map(|n| topology.nics[*n].address)
            .collect(),
        namespace: PathBuf::new(),
        router: node.kind == NodeKind::Router,
        replaced: Vec::new(),
        files: Vec::new(),
        root: node.kind == NodeKind::Router,
    };
    inside.map(one).collect()
}

impl Standing {
    /// Fills in what is known when the lab stands.
    fn complete(&mut self, plan: &Plan, kernel: &Kernel, machines: &Machines) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let number = |name: &str| plan.topology.node(name);
        for node in &mut self.nodes {
            let Some(index) = number(&node.name) else {
                continue;
            };
            if let Some((_, namespace)) = kernel.namespaces.iter().find(|(n, _)| *n == index) {
                let descriptor = namespace.as_fd().as_raw_fd();
                node.namespace = PathBuf::from(format!("/proc/{}/fd/{descriptor}", self.pid));
            }
            if let Some(machine) = machines.get(&index) {
                let base = &machine.base;
                node.root = base.root;
                let replaced = base.replaced.iter();
                node.replaced = replaced.map(|(p, c)| (p.clone(), text(c))).collect();
                let files = base.files.iter();
                node.files = files.map(|(n, c)| (n.clone(), text(c))).collect();
            }
        }
        let all = plan.topology.nodes.iter().map(|n| n.name.to_string());
        let known = |name: &String| self.nodes.iter().any(|n| n.name == *name);
        self.ours = all.filter(|name| !known(name)).collect();
    }
}

/// Machines for programs in place of browsers, which find the browser's resolver and trust what it trusts.
fn inhabited(plan: &Plan, steps: bool) -> Plan {
    let mut plan = plan.clone();
    let servers: Vec<usize> = plan
        .roles
        .iter()
        .filter(|(_, role)| matches!(role, Role::App(_) | Role::Alb(_)))
        .map(|(node, _)| *node)
        .collect();
    for (node, role) in &mut plan.roles {
        // A server that asks others goes on by itself.
        if let Role::Browser(browser) = role
            && !servers.contains(node)
        {
            *role = Role::Program(Program {
                run: Vec::new(),
                ready: None,
                resolver: browser
                    .resolver
                    .as_ref()
                    .and_then(|r| r.servers.first().copied()),
                trust: browser.tls.trust.clone(),
                files: std::collections::BTreeMap::new(),
                root: false,
            });
        }
    }
    if !steps {
        plan.steps.clear();
    }
    let programs = |plan: &Plan, node: &Name| {
        let index = plan.topology.node(node.as_str());
        let mut roles = plan.roles.iter();
        roles.any(|(n, role)| Some(*n) == index && role.is_program())
    };
    // What no program does for us stays undone.
    let here = plan.clone();
    plan.steps.retain(|step| {
        let Action::Errand(errand) = &step.action else {
            return true;
        };
        errand.as_curl().is_some() || !programs(&here, &step.node)
    });
    for step in &mut plan.steps {
        if !programs(&here, &step.node) {
            continue;
        }
        if let Action::Errand(errand) = &step.action
            && let Some(command) = errand.as_curl()
        {
            step.action = Action::Run(command);
        }
        if let Action::Get(urls) = &step.action {
            let mut command = ["curl", "-sS"].map(str::to_owned).to_vec();
            command.extend(urls.iter().map(ToString::to_string));
            step.action = Action::Run(command);
        }
    }
    plan
}
