//! Captures as files: pcapng with names, TLS secrets, comments and statistics, classic pcap, the Ethernet headers
//! that both need, and files that are complete or absent. What the packets mean is not known here.

use std::net::IpAddr;

use crate::event::{Direction, PacketId};
use crate::time::Instant;

pub mod file;
mod link_layer;
pub mod pcap;
pub mod pcapng;
pub mod reader;

/// Longest packet that is captured, in bytes; the same for every interface, or libpcap refuses the file.
const SNAPLEN: u32 = 262_144;

/// A tap as an interface of a capture. All are Ethernet (libpcap refuses a mixture of link types).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, as in `user0`.
    pub name: String,
    /// A line about it.
    pub description: String,
    /// The NIC's address: its MAC address is made of it.
    pub address: IpAddr,
    /// The address of the NIC at the other end of the link.
    pub peer: IpAddr,
}

/// A packet for a capture.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Number of its interface.
    pub interface: usize,
    /// When it passed.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// Which packet it is, here and at other taps.
    pub id: PacketId,
    /// The IP packet.
    pub bytes: &'a [u8],
    /// Whether the link lost it after this tap.
    pub lost: bool,
}

/// Why a capture could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// Writing failed.
    #[error("failed to write")]
    Io(#[from] std::io::Error),
    /// A pcapng block could not be written.
    #[error("failed to write a pcapng block")]
    Pcapng(#[from] pcap_file::pcapng::PcapNgWriteError),
    /// A pcap record could not be written.
    #[error("failed to write a pcap record")]
    Pcap(#[from] pcap_file::pcap::PcapWriteError),
    /// What was read is not a pcapng file.
    #[error("not a readable pcapng file: {0}")]
    Read(String),
}
