//! Plan and seed to a world, its trace and its captures. What the packets mean for the lab is judged elsewhere.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::dissect::message::Frame;
use crate::event::{Event, Trace};
use crate::expect::{Record, TapRecord};
use crate::lab::plan::{Place, Plan};
use crate::net::Totals;
use crate::rng::{Entropy, Seed};
use crate::role::config::Role;
use crate::time::{Instant, UnixSeconds};
use crate::tls::config::Suite;
use crate::tls::random::Randomness;
use crate::world::Ended;

mod build;
mod delayed;
mod devices;
mod files;
mod live;
mod once;
mod programs;
mod recording;
#[cfg(test)]
mod scenarios;
pub mod standing;
pub mod up;

use devices::Kernel;
use files::Files;
use recording::Recording;

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Keys, certificates or a TLS side could not be made.
    #[error("failed to set up TLS on node `{node}`")]
    Tls {
        /// The node.
        node: String,
        /// Why.
        #[source]
        source: crate::tls::handshake::SetupError,
    },
    /// Certificates could not be made.
    #[error("failed to make the lab's certificates")]
    Pki(#[from] crate::tls::authority::PkiError),
    /// A program could not start.
    #[error("failed to start the program on node `{node}`")]
    Start {
        /// The node.
        node: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A step names a node that cannot do it.
    #[error("node `{0}` cannot do its step")]
    CannotAct(String),
    /// The lab has real programs, which run on TUN devices only.
    #[error("node `{0}` is a real program: this lab runs with `--tun` only")]
    NeedsDevices(String),
    /// The lab says so, or has an attacker, for whom the kernel's network has no place.
    #[error("{0}: this lab runs in virtual time only, without `--tun`")]
    VirtualOnly(String),
    /// A real program could meet the teaching engine.
    #[error(
        "node `{0}` speaks TLS with RSA key exchange, and a real program could connect to it: the engine for that is \
         for teaching, and never for the traffic of real programs"
    )]
    StaticRsa(String),
    /// A file could not be written.
    #[error("failed to write `{path}`")]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The lab could not be put on TUN devices.
    #[error("failed to put the lab on TUN devices")]
    Devices(#[source] io::Error),
    /// The lab could not be made known to `tunlab exec`, or its namespaces to others.
    #[error("failed to make the lab known")]
    Standing(#[source] io::Error),
    /// The stream of the main capture could not be written.
    #[error("failed to write the capture stream")]
    Stream(#[source] io::Error),
}

/// A run to be made.
pub struct Run<'a> {
    plan: &'a Plan,
    seed: u64,
    folder: Option<PathBuf>,
    stream: Option<Box<dyn Write>>,
    pcap: bool,
    place: Place,
    tolerance: Duration,
    packets: bool,
    offload: bool,
}

/// How far times may lie from those expected on TUN devices, unless somebody says otherwise. What the machine does
/// late does not add up (see `world`), so this is for one long wait for a processor, not for a whole run's.
pub const TOLERANCE: Duration = Duration::from_millis(25);

impl<'a> Run<'a> {
    /// A run of `plan` in virtual time that writes nothing.
    #[must_use]
    pub const fn new(plan: &'a Plan, seed: u64) -> Self {
        Self {
            plan,
            seed,
            folder: None,
            stream: None,
            pcap: false,
            place: Place::Virtual,
            tolerance: TOLERANCE,
            packets: true,
            offload: false,
        }
    }

    /// Runs on TUN devices, in wall-clock time. The lab's dates are today's: what is valid on the lab's date is valid
    /// now. Randomness is the operating system's; the seed rules the links' impairments only.
    #[must_use]
    pub const fn on_devices(mut self) -> Self {
        self.place = Place::Devices;
        self
    }

    /// On TUN devices, lets the kernel complete checksums and cut large packets into segments, and does so for it, as
    /// network cards do: many times faster where much data passes. Packets are then up to 64 KB large on links of any
    /// MTU, their checksums incomplete, and that is what captures show and impairments act on. Connections have buffers
    /// of 256 KiB. In virtual time it changes nothing.
    #[must_use]
    pub const fn with_offload(mut self) -> Self {
        self.offload = true;
        self
    }

    /// How far times on TUN devices may lie from those expected, [`TOLERANCE`] unless said. In virtual time they are
    /// exact.
    #[must_use]
    pub const fn within(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Writes captures and key log into `folder`, which is made if need be. Each file is complete or absent.
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

    /// Writes the main capture as classic pcap beside the pcapng.
    #[must_use]
    pub const fn with_pcap(mut self) -> Self {
        self.pcap = true;
        self
    }

    /// Keeps events only (the first hundred thousand): no packet is dissected or captured. For long runs, of which
    /// nobody wants to see every packet; expectations on packets cannot be judged then.
    #[must_use]
    pub const fn without_packets(mut self) -> Self {
        self.packets = false;
        self
    }

    /// Makes the run.
    ///
    /// # Errors
    /// When something cannot be set up or written. A failing expectation or a program that gives up is no error.
    pub fn execute(self) -> Result<Outcome, RunError> {
        let seed = Seed(self.seed);
        if let (Place::Virtual, Some(node)) = (self.place, self.plan.program()) {
            return Err(RunError::NeedsDevices(node.to_string()));
        }
        if let (Place::Devices, Some(why)) = (self.place, self.plan.why_virtual_only()) {
            return Err(RunError::VirtualOnly(why));
        }
        if self.plan.program().is_some() {
            refuse_static_rsa(self.plan)?;
        }
        let (plan, entropy) = match self.place {
            Place::Virtual => (self.plan.clone(), seed.into()),
            Place::Devices => {
                let mut bytes = [0; 32];
                Randomness::System.fill(&mut bytes);
                (self.plan.shifted_to(today()), Entropy::System(bytes))
            }
        };
        if self.place == Place::Devices {
            // Before any file is made: who is not root enters a mount namespace here, and files do not go along.
            crate::os::ready().map_err(RunError::Devices)?;
        }
        let offload = self.offload && self.place == Place::Devices;
        let trace = Trace::default();
        // Whoever looks on wants to see packets at once. Files are there at the end, or not at all.
        let waits = self.place == Place::Virtual || self.stream.is_none();
        let files = Files::open(&plan, self.folder, self.stream, self.pcap)?;
        let recording = Rc::new(RefCell::new(Recording::new(
            plan.clone(),
            files,
            self.packets,
            waits,
        )));
        trace.attach(recording.clone());
        let foreign = plan.program().is_some();
        let mut world = build::world(&plan, seed, entropy, offload, &trace);
        let mut kernel = match self.place {
            Place::Virtual => None,
            Place::Devices => Some(Kernel::set_up(&plan, offload).map_err(RunError::Devices)?),
        };
        build::populate(&mut world, &plan, entropy, &trace, kernel.as_ref(), foreign)?;
        let end = match &mut kernel {
            None => world.run(plan.limit),
            Some(kernel) => world
                .run_on_devices(&mut kernel.devices, plan.limit, false)
                .map_err(RunError::Devices)?,
        };
        world.finish();
        let (ended, totals) = (world.clock().now(), world.totals());
        // The world's tasks hold the trace, and it the recording: they go first.
        drop(world);
        drop(trace);
        let mut recorded = recording.take();
        recorded.complete();
        let written = recorded.files.finish(ended)?;
        Ok(Outcome {
            seed: self.seed,
            place: self.place,
            began: plan.clock,
            tolerance: match self.place {
                Place::Virtual => Duration::ZERO,
                Place::Devices => self.tolerance,
            },
            frames: recorded.main,
            observed: recorded.observed,
            taps: recorded.taps,
            events: recorded.events,
            secrets: recorded.secrets,
            ended,
            end,
            totals,
            written,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "on TUN devices the lab's date is the machine's"
)]
fn today() -> UnixSeconds {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixSeconds(since.map_or(0, |d| d.as_secs()))
}

/// What a run left.
#[derive(Debug)]
pub struct Outcome {
    /// With which seed.
    pub seed: u64,
    /// Where its packets went.
    pub place: Place,
    /// The date at which it began: the lab's, or on TUN devices the machine's, to which all dates of the lab move.
    pub began: UnixSeconds,
    /// How far times may lie from those expected: zero in virtual time.
    pub tolerance: Duration,
    /// The main capture, dissected with the run's secrets.
    pub frames: Vec<Frame>,
    /// The same as an observer sees it.
    pub observed: Vec<Frame>,
    /// What every tap saw.
    pub taps: Vec<TapRecord>,
    /// What happened.
    pub events: Vec<Event>,
    /// The key log, line by line.
    pub secrets: Vec<String>,
    /// When it ended.
    pub ended: Instant,
    /// How it ended.
    pub end: Ended,
    /// Counts of the network.
    pub totals: Totals,
    /// The files written, in order.
    pub written: Vec<PathBuf>,
}

impl Outcome {
    /// What expectations and reports read.
    #[must_use]
    pub fn record<'a>(&'a self, plan: &'a Plan) -> Record<'a> {
        Record {
            plan,
            seed: self.seed,
            place: self.place,
            began: self.began,
            tolerance: self.tolerance,
            frames: &self.frames,
            observed: &self.observed,
            taps: &self.taps,
            events: &self.events,
            ended: self.ended,
        }
    }
}

/// Real programs and RSA key exchange do not meet: its engine can be timed, and shows its secrets. (A server that has
/// other suites too leaves it alone where there are real programs.)
fn refuse_static_rsa(plan: &Plan) -> Result<(), RunError> {
    let speaks = |suites: &[Suite]| suites.iter().all(|s| s.is_static_rsa());
    for (index, role) in &plan.roles {
        let found = match role {
            Role::Browser(browser) => speaks(&browser.tls.suites),
            Role::Alb(alb) => {
                let mut sides = alb.listeners.iter().filter_map(|l| l.tls.as_ref());
                sides.any(|tls| speaks(&tls.suites))
            }
            Role::App(app) => app.tls.as_ref().is_some_and(|tls| speaks(&tls.suites)),
            // Attackers run in virtual time only.
            Role::Resolver(_) | Role::Program(_) | Role::Interceptor(_) | Role::Attacker(_) => {
                false
            }
        };
        if found {
            let name = plan.topology.nodes[*index].name.to_string();
            return Err(RunError::StaticRsa(name));
        }
    }
    Ok(())
}
