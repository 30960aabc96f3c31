//! The files of a run: the main capture, one capture a tap, the key log. A write that fails is remembered and told at
//! the end; the run goes on, and no half-written file is left.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::RunError;
use crate::capture::{AtomicFile, CaptureError, Interface, Packet, PcapWriter, PcapngWriter};
use crate::event::{Crossing, Direction, Fact};
use crate::lab::plan::Plan;
use crate::net::topology::{Nic, NodeKind, Topology};
use crate::role::config::Role;
use crate::time::Instant;

/// Where packets and secrets are written. By default nowhere.
#[derive(Default)]
pub(super) struct Files {
    captures: Vec<Capture>,
    /// For each NIC: the address at the other end of its link.
    peers: Vec<IpAddr>,
    key_log: Option<(PathBuf, AtomicFile)>,
    /// The logs of load balancers, where there is one.
    access_log: Option<(PathBuf, AtomicFile)>,
    connection_log: Option<(PathBuf, AtomicFile)>,
    flow_log: Option<(PathBuf, AtomicFile)>,
    /// Secrets that no capture has yet: they are written in one block, before the next packet.
    pending: Vec<String>,
    failed: Option<RunError>,
}

/// What is said of a packet.
#[derive(Default)]
pub(super) struct Comments {
    /// In the main capture; `None` when it does not belong there.
    pub(super) main: Option<Vec<String>>,
    /// In the capture of its tap, which has seen other packets before it.
    pub(super) tap: Vec<String>,
}

/// One capture file.
struct Capture {
    /// `None` is the stream.
    path: Option<PathBuf>,
    writer: Writer,
    /// For each tap of the lab: its interface here.
    interface_of: BTreeMap<usize, usize>,
    /// It is the main capture, in some form.
    main: bool,
}

enum Writer {
    Pcapng(PcapngWriter<AtomicFile>),
    Stream(PcapngWriter<Box<dyn Write>>),
    Pcap(PcapWriter<AtomicFile>),
}

impl Files {
    pub(super) fn open(
        plan: &Plan,
        folder: Option<PathBuf>,
        stream: Option<Box<dyn Write>>,
        pcap: bool,
    ) -> Result<Self, RunError> {
        let mut files = Self {
            peers: peers(&plan.topology),
            ..Self::default()
        };
        let names = names(plan);
        let comment = Some(plan.title.as_str());
        let main = &plan.main_taps;
        if let Some(stream) = stream {
            let interfaces = interfaces(plan, main);
            let mut writer = PcapngWriter::new(stream, plan.clock, &interfaces, &names, comment)
                .map_err(stream_error)?;
            writer.flush().map_err(stream_error)?;
            files.add(None, Writer::Stream(writer), main, true);
        }
        let Some(folder) = folder else {
            return Ok(files);
        };
        fs::create_dir_all(&folder).map_err(|e| write_error(&folder, e))?;
        let lab = plan.name.rsplit('/').next().unwrap_or("lab");
        let pcapng = |path: &Path, taps: &[usize]| {
            let interfaces = interfaces(plan, taps);
            let file = AtomicFile::create(path).map_err(|e| capture_error(path, e))?;
            PcapngWriter::new(file, plan.clock, &interfaces, &names, comment)
                .map(Writer::Pcapng)
                .map_err(|e| capture_error(path, e))
        };
        let path = folder.join(format!("{lab}.pcapng"));
        let writer = pcapng(&path, main)?;
        files.add(Some(path), writer, main, true);
        if pcap {
            let path = folder.join(format!("{lab}.pcap"));
            let file = AtomicFile::create(&path).map_err(|e| capture_error(&path, e))?;
            let writer = PcapWriter::new(file, plan.clock, &interfaces(plan, main))
                .map_err(|e| capture_error(&path, e))?;
            files.add(Some(path), Writer::Pcap(writer), main, true);
        }
        for (tap, nic) in plan.topology.nics.iter().enumerate() {
            let path = folder.join(format!("{lab}.{}.pcapng", nic.name));
            let writer = pcapng(&path, &[tap])?;
            files.add(Some(path), writer, &[tap], false);
        }
        let path = folder.join("keys.log");
        let file = AtomicFile::create_private(&path).map_err(|e| capture_error(&path, e))?;
        files.key_log = Some((path, file));
        let log = |name: &str| {
            let path = folder.join(name);
            let file = AtomicFile::create(&path).map_err(|e| capture_error(&path, e))?;
            Ok::<_, RunError>(Some((path, file)))
        };
        if plan.topology.vpc.flow_log.is_some() {
            files.flow_log = log("flow.log")?;
        }
        if plan
            .roles
            .iter()
            .any(|(_, role)| matches!(role, Role::Alb(_)))
        {
            files.access_log = log("access.log")?;
            files.connection_log = log("connection.log")?;
        }
        Ok(files)
    }

    fn add(&mut self, path: Option<PathBuf>, writer: Writer, taps: &[usize], main: bool) {
        let interface_of = taps.iter().enumerate().map(|(n, tap)| (*tap, n)).collect();
        self.captures.push(Capture {
            path,
            writer,
            interface_of,
            main,
        });
    }

    /// Whether taps have captures of their own.
    pub(super) fn of_taps(&self) -> bool {
        self.captures.iter().any(|c| !c.main)
    }

    /// A packet passed a tap.
    pub(super) fn packet(&mut self, crossing: &Crossing<'_>, comments: &Comments) {
        self.write_pending();
        for capture in &mut self.captures {
            let Some(&interface) = capture.interface_of.get(&crossing.tap.0) else {
                continue;
            };
            let comments = if capture.main {
                comments.main.as_deref()
            } else {
                Some(&comments.tap[..])
            };
            let Some(comments) = comments else {
                continue;
            };
            let packet = Packet {
                // The NICs of a lab are few.
                interface: interface as u32,
                peer: self.peers[crossing.tap.0],
                comments,
                at: crossing.at,
                direction: crossing.direction,
                id: crossing.packet,
                bytes: crossing.bytes,
                lost: crossing.lost.is_some() && crossing.direction == Direction::Out,
            };
            let written = match &mut capture.writer {
                Writer::Pcapng(w) => w.packet(&packet),
                Writer::Pcap(w) => w.packet(&packet),
                Writer::Stream(w) => w.packet(&packet).and_then(|()| w.flush()),
            };
            if let Err(e) = written {
                let error = capture.error(e);
                self.failed.get_or_insert(error);
            }
        }
    }

    /// A TLS secret came to be.
    pub(super) fn secret(&mut self, line: &str) {
        self.pending.push(line.to_owned());
        if let Some((path, file)) = &mut self.key_log
            && let Err(e) = writeln!(file, "{line}")
        {
            let error = write_error(path, e);
            self.failed.get_or_insert(error);
        }
    }

    /// A load balancer or a network interface has an entry for a log.
    pub(super) fn log(&mut self, fact: &Fact) {
        let (file, entry): (_, &dyn Display) = if let Fact::AccessLogged(entry) = fact {
            (&mut self.access_log, entry)
        } else if let Fact::ConnectionLogged(entry) = fact {
            (&mut self.connection_log, entry)
        } else if let Fact::FlowLogged(record) = fact {
            (&mut self.flow_log, record)
        } else {
            return;
        };
        if let Some((path, file)) = file
            && let Err(e) = writeln!(file, "{entry}")
        {
            let error = write_error(path, e);
            self.failed.get_or_insert(error);
        }
    }

    fn write_pending(&mut self) {
        let lines = std::mem::take(&mut self.pending);
        if lines.is_empty() {
            return;
        }
        for capture in &mut self.captures {
            let written = match &mut capture.writer {
                Writer::Pcapng(w) => w.secrets(&lines),
                Writer::Stream(w) => w.secrets(&lines),
                // Classic pcap has no place for secrets: they are in the key log.
                Writer::Pcap(_) => Ok(()),
            };
            if let Err(e) = written {
                let error = capture.error(e);
                self.failed.get_or_insert(error);
            }
        }
    }

    /// Completes every file; with the first error none that is not complete yet.
    pub(super) fn finish(mut self, ended: Instant) -> Result<Vec<PathBuf>, RunError> {
        self.write_pending();
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut written = Vec::new();
        for capture in self.captures {
            let path = capture.path.unwrap_or_default();
            let file = match capture.writer {
                Writer::Stream(w) => {
                    w.finish(ended).map_err(stream_error)?;
                    continue;
                }
                Writer::Pcapng(w) => w.finish(ended),
                Writer::Pcap(w) => w.finish(),
            };
            let file = file.map_err(|e| capture_error(&path, e))?;
            file.commit().map_err(|e| capture_error(&path, e))?;
            written.push(path);
        }
        let logs = [
            self.key_log,
            self.access_log,
            self.connection_log,
            self.flow_log,
        ];
        for (path, file) in logs.into_iter().flatten() {
            file.commit().map_err(|e| capture_error(&path, e))?;
            written.push(path);
        }
        Ok(written)
    }
}

impl Capture {
    fn error(&self, error: CaptureError) -> RunError {
        match &self.path {
            Some(path) => capture_error(path, error),
            None => stream_error(error),
        }
    }
}

fn write_error(path: &Path, source: io::Error) -> RunError {
    RunError::Write {
        path: path.to_owned(),
        source,
    }
}

fn capture_error(path: &Path, error: CaptureError) -> RunError {
    write_error(path, into_io(error))
}

fn stream_error(error: CaptureError) -> RunError {
    RunError::Stream(into_io(error))
}

/// The I/O error inside, so that a broken pipe is known as one.
fn into_io(error: CaptureError) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(e) = cause {
        if let Some(inner) = e.downcast_ref::<io::Error>() {
            return io::Error::new(inner.kind(), inner.to_string());
        }
        cause = e.source();
    }
    io::Error::other(error)
}

fn interfaces(plan: &Plan, taps: &[usize]) -> Vec<Interface> {
    let topology = &plan.topology;
    let one = |tap: &usize| {
        let nic = &topology.nics[*tap];
        let peer = topology.peer(*tap).map_or(nic, |p| &topology.nics[p]);
        let (node, far) = (
            &topology.nodes[nic.node].name,
            &topology.nodes[peer.node].name,
        );
        Interface {
            name: nic.name.to_string(),
            description: format!("{node}, the link to {far}"),
            address: nic.address,
        }
    };
    taps.iter().map(one).collect()
}

fn peers(topology: &Topology) -> Vec<IpAddr> {
    let of = |(tap, nic): (usize, &Nic)| {
        let peer = topology.peer(tap).map_or(nic, |p| &topology.nics[p]);
        peer.address
    };
    topology.nics.iter().enumerate().map(of).collect()
}

/// What addresses are called: hosts before routers, a load balancer by its own name. Two hosts that share an address,
/// as containers on different docker hosts do, share its line too.
fn names(plan: &Plan) -> Vec<(IpAddr, String)> {
    let topology: &Topology = &plan.topology;
    let mut names: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    let is_host = |nic: &&Nic| topology.nodes[nic.node].kind == NodeKind::Host;
    let nics = topology.nics.iter().enumerate();
    for (index, nic) in nics.filter(|(_, nic)| is_host(nic)) {
        let alb = plan.roles.iter().find_map(|(n, role)| match role {
            Role::Alb(alb) if *n == nic.node => Some(alb.name.clone()),
            Role::Alb(_)
            | Role::Browser(_)
            | Role::Resolver(_)
            | Role::App(_)
            | Role::Program(_)
            | Role::Interceptor(_)
            | Role::Attacker(_) => None,
        });
        let name = alb.unwrap_or_else(|| topology.nodes[nic.node].name.to_string());
        for address in topology.reached_by(index) {
            names.entry(address).or_default().push(name.clone());
        }
    }
    for nic in topology.nics.iter().filter(|n| !is_host(n)) {
        let name = topology.nodes[nic.node].name.to_string();
        names.entry(nic.address).or_insert_with(|| vec![name]);
    }
    let joined = names
        .into_iter()
        .map(|(address, names)| (address, names.join("/")));
    joined.collect()
}
