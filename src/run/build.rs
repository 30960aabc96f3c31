//! A world's programs and scenario, from the plan.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use super::RunError;
use super::devices::Kernel;
use super::programs::{self, Machines};
use crate::event::{Event, Trace, What};
use crate::lab::plan::{Action, Plan, Registration};
use crate::name::Name;
use crate::net::Change;
use crate::rng::{Entropy, Seed};
use crate::role::attacker::{Attacker, Ear};
use crate::role::browser::{Browser, Destination};
use crate::role::config::{Attempt, Manner, Role};
use crate::role::{Chance, Node, alb, app, dns, interceptor};
use crate::stack::TcpOptions;
use crate::tls::authority::Pki;
use crate::tls::client::ClientSetup;
use crate::tls::config::ServerTls;
use crate::tls::facts;
use crate::tls::handshake::SetupError;
use crate::tls::key_log::Secrets;
use crate::tls::server::ServerSetup;
use crate::world::{World, WorldConfig};

/// Bytes of a connection's buffers with offload: room for several of the largest packets, and no more than a processor's
/// cache holds.
const BULK_BUFFER: usize = 256 * 1024;

/// The plan's network, at rest.
pub(super) fn world(
    plan: &Plan,
    seed: Seed,
    entropy: Entropy,
    offload: bool,
    trace: &Trace,
) -> World {
    let usual = TcpOptions::default();
    let bulk = |mut tcp: TcpOptions| {
        if offload && tcp.receive_buffer == usual.receive_buffer {
            tcp.receive_buffer = BULK_BUFFER;
        }
        if offload && tcp.send_buffer == usual.send_buffer {
            tcp.send_buffer = BULK_BUFFER;
        }
        tcp
    };
    let mut tcp_of = plan.tcp.clone();
    for tcp in tcp_of.values_mut() {
        tcp.options = bulk(tcp.options);
    }
    World::new(WorldConfig {
        topology: plan.topology.clone(),
        epoch: plan.clock,
        seed,
        entropy,
        tcp: bulk(usual),
        tcp_of,
        checksums: true,
        offload,
        trace: trace.clone(),
    })
}

/// Starts every program and every step. `foreign` says whether others than the lab's own nodes may connect. Returns the
/// machines of real programs.
pub(super) fn populate(
    world: &mut World,
    plan: &Plan,
    entropy: Entropy,
    trace: &Trace,
    kernel: Option<&Kernel>,
    foreign: bool,
) -> Result<Machines, RunError> {
    let pki = Rc::new(Pki::build(&plan.pki, entropy)?);
    let machines = match kernel {
        Some(kernel) => programs::start(world, kernel, plan, &pki, entropy, trace)?,
        None => Machines::new(),
    };
    let secrets = Secrets::default();
    publish(world, &secrets, trace);
    let clock = world.clock().clone();
    let server = |tls: &ServerTls, listener: &str| {
        let setup = ServerSetup::new(tls, listener, &pki, &clock, &secrets)?;
        Ok::<_, SetupError>(if foreign {
            setup
        } else {
            setup.among_own_nodes()
        })
    };
    let mut browsers = BTreeMap::new();
    let mut balancers = BTreeMap::new();
    let mut attackers = BTreeMap::new();
    let mut applications = BTreeMap::new();
    let mut name_servers = BTreeMap::new();
    for (index, role) in &plan.roles {
        let name = plan.topology.nodes[*index].name.clone();
        let node = Node {
            name: name.clone(),
            host: world.host(*index),
            clock: clock.clone(),
            executor: world.executor().clone(),
            trace: trace.clone(),
            chance: Chance::new(entropy, &name),
        };
        let started = match role {
            Role::Browser(config) => {
                let tls = ClientSetup::new(&config.tls, &pki, &clock, &secrets)
                    .map_err(|source| tls_error(&name, source))?;
                let browser = Browser::new(node, config.clone(), tls);
                browsers.insert(name.clone(), Rc::new(browser));
                Ok(())
            }
            Role::Attacker(config) => {
                let ear = Ear::at(config.taps.clone());
                trace.attach(ear.sink());
                // An attacker has a NIC, as every host.
                let nic = plan.topology.nodes[*index].nics.first();
                let raw = world.raw_sender(nic.copied().unwrap_or_default());
                attackers.insert(name.clone(), Rc::new(Attacker::new(node, ear, raw)));
                Ok(())
            }
            // Running already.
            Role::Program(_) => Ok(()),
            Role::Resolver(config) => dns::start(node, config).map(|server| {
                name_servers.insert(name.clone(), server);
            }),
            Role::App(config) => {
                let listener = format!("{name}:{}", config.port);
                let setup = config.tls.as_deref().map(|tls| server(tls, &listener));
                let setup = setup.transpose();
                let setup = setup.map_err(|source| tls_error(&name, source))?;
                app::start(node, config.clone(), setup).map(|application| {
                    applications.insert(name.clone(), Rc::new(application));
                })
            }
            Role::Alb(config) => {
                let mut sides = Vec::new();
                for listener in &config.listeners {
                    let at = format!("{name}:{}", listener.port);
                    let setup = listener
                        .tls
                        .as_ref()
                        .map(|tls| server(tls, &at).map_err(|source| tls_error(&name, source)));
                    sides.push(setup.transpose()?);
                }
                let mut behind = BTreeMap::new();
                for (group, tls) in config.behind() {
                    let setup = ClientSetup::new(&tls, &pki, &clock, &secrets)
                        .map_err(|source| tls_error(&name, source))?;
                    behind.insert(group, Rc::new(setup));
                }
                alb::start(node, config, sides, &behind).map(|balancer| {
                    balancers.insert(name.clone(), (Rc::new(balancer), config));
                })
            }
            Role::Interceptor(config) => {
                let sides = match &config.manner {
                    Manner::Terminate(t) => {
                        let setup = || {
                            let server = server(&t.server, name.as_str())?;
                            let client = ClientSetup::new(&t.client, &pki, &clock, &secrets)?;
                            Ok((server, client))
                        };
                        Some(setup().map_err(|source| tls_error(&name, source))?)
                    }
                    Manner::Relay
                    | Manner::Flip { .. }
                    | Manner::Replay { .. }
                    | Manner::StripVersion
                    | Manner::Truncate(_) => None,
                };
                interceptor::start(node, config, sides)
            }
        };
        started.map_err(|source| start_error(&name, source))?;
    }
    if !plan.lasts.is_zero() {
        let (clock, lasts) = (clock.clone(), plan.lasts);
        let until = async move { clock.sleep(lasts).await };
        world.executor().spawn_foreground(until);
    }
    for step in &plan.steps {
        let (clock, at) = (clock.clone(), step.at);
        match step.action.clone() {
            Action::Get(urls) => {
                let browser = browsers.get(&step.node).cloned();
                let browser = browser.ok_or_else(|| RunError::CannotAct(step.node.to_string()))?;
                let targets: Vec<String> = urls.iter().map(|u| u.target.clone()).collect();
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    let Some(url) = urls.first() else { return };
                    let to = Destination {
                        https: url.https,
                        host: &url.host,
                        port: url.port,
                        targets: &targets,
                    };
                    browser.get(to).await;
                });
            }
            Action::Renew { port, certificate } => {
                let found = balancers.get(&step.node).and_then(|(balancer, config)| {
                    let listener = config.listeners.iter().find(|l| l.port == port)?;
                    Some((balancer.clone(), listener.tls.clone()?))
                });
                let (balancer, mut tls) =
                    found.ok_or_else(|| RunError::CannotAct(step.node.to_string()))?;
                let identity = pki.identity(&certificate)?;
                let facts = identity.chain().first().map(facts::certificate);
                let facts = facts.ok_or_else(|| RunError::CannotAct(step.node.to_string()))?;
                tls.certificate = certificate;
                let at_listener = format!("{}:{port}", step.node);
                let setup =
                    server(&tls, &at_listener).map_err(|source| tls_error(&step.node, source))?;
                let setup = Rc::new(setup);
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    balancer.renew(port, setup, facts);
                });
            }
            Action::Errand(errand) => {
                let browser = browsers.get(&step.node).cloned();
                let browser = browser.ok_or_else(|| RunError::CannotAct(step.node.to_string()))?;
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    browser.go(errand).await;
                });
            }
            Action::Register(Registration {
                group,
                target,
                comes,
            }) => {
                // A target group is one thing for all nodes of its load balancer.
                let balancers: Vec<_> = balancers.values().map(|(b, _)| b.clone()).collect();
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    for balancer in balancers {
                        if comes {
                            balancer.register(&group, &target);
                        } else {
                            balancer.deregister(&group, &target);
                        }
                    }
                });
            }
            Action::Serve(service) => {
                let application = applications.get(&step.node).cloned();
                let application =
                    application.ok_or_else(|| RunError::CannotAct(step.node.to_string()))?;
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    application.serve(service);
                });
            }
            Action::Attack(attempt) => {
                let attacker = attackers.get(&step.node).cloned();
                let attacker =
                    attacker.ok_or_else(|| RunError::CannotAct(step.node.to_string()))?;
                let pki = pki.clone();
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    let key = match &attempt {
                        Attempt::StealKey { certificate, .. } => pki.identity(certificate).ok(),
                        Attempt::Reset { .. } | Attempt::ReplayHello(_) | Attempt::SynFlood(_) => {
                            None
                        }
                    };
                    attacker.attempt(&attempt, key).await;
                });
            }
            Action::Network(change) => {
                let control = world.control();
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    control.change(change);
                });
            }
            Action::Instance { node, runs } => {
                let control = world.control();
                let name = step.node.clone();
                let balancers: Vec<_> = balancers.values().map(|(b, _)| b.clone()).collect();
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    control.change(Change::Power { node, on: runs });
                    for balancer in balancers {
                        balancer.instance(&name, runs);
                    }
                });
            }
            Action::Publish { address, published } => {
                let server = name_servers.get(&step.node).cloned();
                let server = server.ok_or_else(|| RunError::CannotAct(step.node.to_string()))?;
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    if published {
                        server.restore(address);
                    } else {
                        server.withdraw(address);
                    }
                });
            }
            Action::Run(command) => {
                let node = plan.topology.node(step.node.as_str());
                let machine = node.and_then(|n| machines.get(&n)).cloned();
                let machine = machine.ok_or_else(|| RunError::CannotAct(step.node.to_string()))?;
                world.executor().spawn_foreground(async move {
                    clock.sleep(at).await;
                    machine.run(command).await;
                });
            }
        }
    }
    Ok(machines)
}

fn tls_error(node: &Name, source: SetupError) -> RunError {
    let node = node.to_string();
    RunError::Tls { node, source }
}

fn start_error(node: &Name, source: io::Error) -> RunError {
    let node = node.to_string();
    RunError::Start { node, source }
}

/// Secrets reach the trace before the packets that they open.
fn publish(world: &mut World, secrets: &Secrets, trace: &Trace) {
    // A secret belongs to a connection, not to a node: it is told in the name of the run.
    let Ok(node) = Name::new("run") else { return };
    let (secrets, trace, clock) = (secrets.clone(), trace.clone(), world.clock().clone());
    world.before_packets(Box::new(move || {
        for line in secrets.drain() {
            trace.event(&Event {
                at: clock.now(),
                node: node.clone(),
                what: What::Secret(line),
            });
        }
    }));
}
