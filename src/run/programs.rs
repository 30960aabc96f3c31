//! The machines of real programs: what each finds in its files, and the servers, which run before the lab begins.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use super::RunError;
use super::devices::Kernel;
use crate::event::Trace;
use crate::lab::plan::Plan;
use crate::os::{Child, Program};
use crate::rng::Entropy;
use crate::role::config::{self, FileContent, Role};
use crate::role::program::Machine;
use crate::role::{Chance, Node};
use crate::tls::authority::Pki;
use crate::world::World;

/// Where Debian's programs look for their name server and for the authorities they trust.
const RESOLVER: &str = "/etc/resolv.conf";
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How long a server may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(10);
const READY_CHECK: Duration = Duration::from_millis(10);

/// Machines by node, with their servers running.
pub(super) type Machines = BTreeMap<usize, Machine>;

/// Makes the machines, and starts the programs that run there from the start.
pub(super) fn start(
    world: &World,
    kernel: &Kernel,
    plan: &Plan,
    pki: &Pki,
    entropy: Entropy,
    trace: &Trace,
) -> Result<Machines, RunError> {
    let mut machines = Machines::new();
    for (index, role) in &plan.roles {
        let Role::Program(config) = role else {
            continue;
        };
        let name = plan.topology.nodes[*index].name.clone();
        let failed = |source| RunError::Start {
            node: name.to_string(),
            source,
        };
        let namespace = kernel
            .namespaces
            .iter()
            .find(|(node, _)| node == index)
            .map(|(_, namespace)| namespace.clone());
        let namespace = namespace.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let machine = Machine {
            node: Node {
                name: name.clone(),
                host: world.host(*index),
                clock: world.clock().clone(),
                executor: world.executor().clone(),
                trace: trace.clone(),
                chance: Chance::new(entropy, &name),
            },
            namespace,
            base: base(config, pki)?,
            watches: world.watches(),
        };
        if !config.run.is_empty() {
            begin(&machine, config).map_err(failed)?;
        }
        machines.insert(*index, machine);
    }
    Ok(machines)
}

/// Starts a node's own program: a server, which is waited for until it listens, or a client.
fn begin(machine: &Machine, config: &config::Program) -> io::Result<()> {
    let executor = &machine.node.executor;
    let Some(port) = config.ready else {
        let (machine, command) = (machine.clone(), config.run.clone());
        executor.spawn_foreground(async move { machine.run(command).await });
        return Ok(());
    };
    let program = Program {
        run: config.run.clone(),
        ..machine.base.clone()
    };
    let mut child = program.start(&machine.namespace)?;
    wait_until_it_listens(machine, &mut child, port)?;
    let (machine, text) = (machine.clone(), config.run.join(" "));
    executor.spawn(async move { machine.attend(text, child).await });
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lab's clock does not run yet: a real program is waited for"
)]
fn wait_until_it_listens(machine: &Machine, child: &mut Child, port: u16) -> io::Result<()> {
    for _ in 0..READY_WITHIN.as_millis() / READY_CHECK.as_millis() {
        if let Some(exit) = child.try_wait()? {
            let said = Machine::last_words(child);
            return Err(io::Error::other(format!("it ended with {exit:?}: {said}")));
        }
        if machine.namespace.listens(port)? {
            return Ok(());
        }
        sleep(READY_CHECK);
    }
    let said = Machine::last_words(child);
    Err(io::Error::other(format!(
        "it does not listen on port {port} after {} s: {said}",
        READY_WITHIN.as_secs()
    )))
}

fn base(config: &config::Program, pki: &Pki) -> Result<Program, RunError> {
    let mut replaced = Vec::new();
    if let Some(resolver) = config.resolver {
        let text = format!("nameserver {resolver}\n");
        replaced.push((PathBuf::from(RESOLVER), text.into_bytes()));
    }
    if !config.trust.is_empty() {
        let mut bundle = String::new();
        for name in &config.trust {
            bundle.push_str(&pki.root_pem(name)?);
        }
        replaced.push((PathBuf::from(AUTHORITIES), bundle.into_bytes()));
    }
    let mut files = Vec::new();
    for (name, content) in &config.files {
        let text = match content {
            FileContent::Text(text) => text.clone(),
            FileContent::Chain(name) => pki.identity(name)?.chain_pem(),
            FileContent::Key(name) => pki.identity(name)?.key_pem(),
            FileContent::Root(name) => pki.root_pem(name)?,
        };
        files.push((name.clone(), text.into_bytes()));
    }
    Ok(Program {
        run: Vec::new(),
        replaced: replaced
            .into_iter()
            .filter(|(path, _)| path.exists())
            .collect(),
        files,
        environment: Vec::new(),
        root: config.root,
        terminal: false,
    })
}
