//! A checked lab: everything a run needs, with nothing left to be wrong.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::event::Crossing;
use crate::name::Name;
use crate::net::Change;
use crate::net::topology::{Forwarding, Topology};
use crate::role::config::{Attempt, Errand, Role, Service};
use crate::stack::Tcp;
use crate::time::UnixSeconds;
use crate::tls::config::PkiSpec;
use crate::wire::packet::Packet;

mod check;
mod milestone;
mod tls;
mod url;

pub use check::{
    Check, Connection, DnsCheck, Dropped, Entries, Expectation, Log, Outcome, PacketFilter,
    PingCheck, ResponseCheck, Viewer,
};
pub use milestone::Milestone;
pub use tls::{Acceptance, KeysCheck, PreMasterCheck, TlsCheck};
pub use url::Url;

mod balancing;

pub use balancing::{BalancingCheck, Count, HealthWanted, Registration, Span};

/// A lab, ready to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name: the file's path below the labs folder, without `.toml`.
    pub name: String,
    /// What to call it by to run it again: its name when it ships with tunlab, else the path of its file.
    pub called: String,
    /// One line.
    pub title: String,
    /// Which part of the text it checks.
    pub text: Option<String>,
    /// What to look for in the packets.
    pub look_for: Vec<String>,
    /// What else should be said about it.
    pub notes: Vec<String>,
    /// The date at which the run begins.
    pub clock: UnixSeconds,
    /// The run ends at this moment at the latest.
    pub limit: Duration,
    /// The run goes on until this moment at the least, though nobody has anything left to do: what happens by itself,
    /// as health checks do, happens until then.
    pub lasts: Duration,
    /// Why it runs in virtual time only, where it says so.
    pub virtual_only: Option<String>,
    /// The network.
    pub topology: Topology,
    /// For each TCP or UDP path: the NICs tapped in the main capture, each path once, at the initiator's.
    pub main_taps: Vec<usize>,
    /// How TCP behaves on the nodes that say so, by their numbers in the topology.
    pub tcp: BTreeMap<usize, Tcp>,
    /// Of the NICs of resolvers among these: addresses whose packets the main capture has from their own NICs, and not
    /// once more from here.
    pub told_elsewhere: BTreeMap<usize, Vec<IpAddr>>,
    /// Keys and certificates.
    pub pki: PkiSpec,
    /// Programs: node (index into the topology) and what runs there.
    pub roles: Vec<(usize, Role)>,
    /// What is done, in order of the file.
    pub steps: Vec<Step>,
    /// The text's own timeline, where the lab is compared with one.
    pub timeline: Vec<(Milestone, Duration)>,
    /// What Wireshark's experts say of the main capture at severity warning and above, message by message, in order of
    /// frames: what the lab's faults cause, and nothing else.
    pub expert: Vec<String>,
    /// Of what it is asked who can read it, and where.
    pub who_reads: WhoReads,
    /// What must hold.
    pub expectations: Vec<Expectation>,
}

/// Things that packets say, and links on which somebody may listen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WhoReads {
    /// Links or taps.
    pub on: Vec<Name>,
    /// What is looked for.
    pub items: Vec<ReadItem>,
}

/// Something that packets say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadItem {
    /// What it is, as in "the path".
    pub what: String,
    /// How it is found.
    pub mark: Mark,
}

/// How something is found in packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// By its text.
    Text(String),
    /// An address: in the head of a packet, or as text.
    Address(IpAddr),
}

impl Plan {
    /// Whether a packet at a tap belongs into the main capture.
    #[must_use]
    pub fn in_main(&self, crossing: &Crossing<'_>) -> bool {
        let tap = crossing.tap.0;
        let Some(elsewhere) = self.told_elsewhere.get(&tap) else {
            return self.main_taps.contains(&tap);
        };
        let told = Packet::read(crossing.bytes)
            .is_some_and(|p| elsewhere.contains(&p.source) || elsewhere.contains(&p.destination));
        self.main_taps.contains(&tap) && !told
    }

    /// A node that is a real program, when there is one: such a lab runs on TUN devices only.
    #[must_use]
    pub fn program(&self) -> Option<&Name> {
        let (node, _) = self.roles.iter().find(|(_, role)| role.is_program())?;
        Some(&self.topology.nodes[*node].name)
    }

    /// A node that is an attacker with more than a program's means, when there is one: such a lab runs in virtual time
    /// only.
    #[must_use]
    pub fn attacker(&self) -> Option<&Name> {
        let (node, _) = self.roles.iter().find(|(_, role)| role.is_virtual_only())?;
        Some(&self.topology.nodes[*node].name)
    }

    /// Why such a lab runs in virtual time only, when it does: the lab says so, or has an attacker.
    #[must_use]
    pub fn why_virtual_only(&self) -> Option<String> {
        let attacker = |node| format!("node `{node}` is an attacker");
        let said = self.virtual_only.clone();
        let vpc = &self.topology.vpc;
        let routed = !vpc.route_tables.is_empty();
        let routers = "the kernel's routers have no route tables by subnet";
        let translated = !vpc.internet_gateways.is_empty();
        let gateways = "the kernel's routers are no internet gateways";
        let usual = Forwarding::default().icmp_quote;
        let mut nodes = self.topology.nodes.iter();
        let quotes_less = nodes.any(|n| n.forwarding.icmp_quote != usual);
        let quotes = "the kernel's routers quote as much as fits in their ICMP errors";
        said.or_else(|| self.attacker().map(attacker))
            .or_else(|| routed.then(|| routers.to_owned()))
            .or_else(|| translated.then(|| gateways.to_owned()))
            .or_else(|| quotes_less.then(|| quotes.to_owned()))
    }

    /// Whether the program on a node is an attacker beside the path.
    #[must_use]
    pub fn attacks(&self, node: usize) -> bool {
        let mut roles = self.roles.iter();
        roles.any(|(n, role)| *n == node && matches!(role, Role::Attacker(_)))
    }

    /// Every real program that the lab runs, in the order of the file: node, command, whether it keeps root's rights.
    #[must_use]
    pub fn commands(&self) -> Vec<(&Name, &[String], bool)> {
        let mut commands = Vec::new();
        for (node, role) in &self.roles {
            if let Role::Program(program) = role {
                let name = &self.topology.nodes[*node].name;
                if !program.run.is_empty() {
                    commands.push((name, program.run.as_slice(), program.root));
                }
                for step in self.steps.iter().filter(|s| s.node == *name) {
                    if let Action::Run(command) = &step.action {
                        commands.push((name, command.as_slice(), program.root));
                    }
                }
            }
        }
        commands
    }

    /// The same lab on the date `now`: every absolute date in it moves with its clock, so that what was valid is.
    #[must_use]
    pub fn shifted_to(&self, now: UnixSeconds) -> Self {
        let mut plan = self.clone();
        let shift = |t: &mut UnixSeconds| {
            // Dates before 1970 do not occur: a lab's clock is in this century.
            t.0 = (t.0 + now.0).saturating_sub(self.clock.0);
        };
        plan.clock = now;
        plan.pki.dates_mut().for_each(shift);
        plan
    }
}

/// Where a lab's packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In memory, in virtual time.
    Virtual,
    /// Through the kernel, on TUN devices in network namespaces, in wall-clock time.
    Devices,
}

impl Place {
    /// Its word in reports for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Devices => "tun",
        }
    }
}

/// A step of the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When it begins.
    pub at: Duration,
    /// Which node acts.
    pub node: Name,
    /// What it does.
    pub action: Action,
}

/// What a node can be told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A browser fetches URLs of one origin (scheme, host and port), at least one: look-up, TCP, TLS, requests and
    /// responses, close. All over one connection.
    Get(Vec<Url>),
    /// A client does something that a page does not make a browser do.
    Errand(Errand),
    /// A real program runs on the node, to its end.
    Run(Vec<String>),
    /// A load balancer's listener gets another default certificate: connections made from then on see it.
    Renew {
        /// The listener's port.
        port: u16,
        /// The certificate, by name.
        certificate: String,
    },
    /// A target comes into a target group, or leaves it.
    Register(Registration),
    /// An application is stopped, killed or started.
    Serve(Service),
    /// An attacker attacks.
    Attack(Attempt),
    /// The network itself changes.
    Network(Change),
    /// The step's node, an EC2 instance, is stopped or started: it goes off or on, and load balancers are told.
    Instance {
        /// Which node: an index into the topology's.
        node: usize,
        /// Whether it runs from now on.
        runs: bool,
    },
    /// A name server answers with an address no more, or again.
    Publish {
        /// The address.
        address: IpAddr,
        /// Whether it does.
        published: bool,
    },
}
