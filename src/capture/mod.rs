//! Captures: what taps saw, as files. Here are the interfaces of a capture, the pcapng and the pcap writer, TLS
//! secrets in a capture, the pcapng reader, and files that are complete or absent.
//!
//! What the bytes of a packet mean is not here (see `dissect`), nor which packets are worth a comment (see `run`).
//!
//! Every file has one link type (Ethernet), one snapshot length and nanosecond timestamps on all its interfaces, little
//! endian, on every machine: libpcap refuses a file that mixes link types, and equal runs have equal bytes. There are
//! no custom blocks, because Wireshark counts them as packets.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::event::{Direction, PacketId};
use crate::time::{Instant, UnixSeconds};

mod ethernet;
mod file;
#[cfg(test)]
mod judge;
mod pcap;
mod pcapng;
pub mod reader;

pub use ethernet::{ETHERNET_HEADER_BYTES, ethernet_header, ethernet_payload, mac_address};
pub use file::AtomicFile;
pub use pcap::PcapWriter;
pub use pcapng::PcapngWriter;

/// The longest frame a capture holds, in bytes: what tcpdump and dumpcap call unlimited.
pub const SNAPLEN: u32 = 262_144;

/// A point where packets are captured: a NIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// As in "user0": Wireshark's `frame.interface_name`.
    pub name: String,
    /// For people. Left out of the file when empty.
    pub description: String,
    /// The NIC's address; its MAC address follows from it, see [`mac_address`].
    pub address: IpAddr,
}

/// A packet that passed an interface.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Which interface: index into the writer's interfaces.
    pub interface: u32,
    /// When.
    pub at: Instant,
    /// Which way, seen from the NIC's node.
    pub direction: Direction,
    /// Which packet: the same at every interface it passes.
    pub id: PacketId,
    /// The IP packet.
    pub bytes: &'a [u8],
    /// The address of the NIC at the other end of the link, from which the other MAC address follows.
    pub peer: IpAddr,
    /// For people, one at a time: Wireshark's `frame.comment`. Each at most 65,535 bytes.
    pub comments: &'a [String],
    /// Whether the link will not deliver it.
    pub lost: bool,
}

/// Why a capture could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// A file could not be begun.
    #[error("failed to create `{}`", path.display())]
    Create {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not get its name.
    #[error("failed to complete `{}`", path.display())]
    Commit {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("failed to read `{}`", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file was read and is not a capture that can be understood.
    #[error("failed to read `{}` as pcapng", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<Self>,
    },
    /// The destination took no more bytes.
    #[error("failed to write a capture")]
    Write(#[source] io::Error),
    /// A packet of an interface that the capture does not have.
    #[error("the capture has no interface {interface}, it has {known}")]
    UnknownInterface {
        /// Which was asked for.
        interface: u32,
        /// How many there are, counted from 0.
        known: usize,
    },
    /// A frame longer than [`SNAPLEN`].
    #[error("a frame of {bytes} bytes is longer than {SNAPLEN}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A name that a name resolution block cannot hold: empty, or with a zero byte.
    #[error("{name:?} cannot be the name of {address}")]
    UnusableName {
        /// Whose.
        address: IpAddr,
        /// The name.
        name: String,
    },
    /// Something a pcapng file cannot hold, such as a comment of more than 65,535 bytes.
    #[error("not writable as pcapng")]
    Pcapng(#[source] pcap_file::pcapng::PcapNgWriteError),
    /// Something a pcap file cannot hold, such as a moment after the year 2106.
    #[error("not writable as pcap")]
    Pcap(#[source] pcap_file::pcap::PcapWriteError),
    /// Not a block of a pcapng file, or cut off.
    #[error("no readable pcapng block at byte {offset}")]
    Block {
        /// Where it begins.
        offset: usize,
        /// What is wrong with it.
        source: pcap_file::pcapng::PcapNgParseError,
    },
    /// A decryption secrets block whose lengths contradict each other.
    #[error("no readable decryption secrets at byte {offset}")]
    Secrets {
        /// Where it begins.
        offset: usize,
    },
    /// A packet without a moment: a simple packet block, or one later than the year 2554.
    #[error("no usable timestamp in the packet at byte {offset}")]
    Timestamp {
        /// Where it begins.
        offset: usize,
    },
}

/// Time since 1970 of a moment of a run that began on the date `epoch`.
const fn since_1970(epoch: UnixSeconds, at: Instant) -> Duration {
    Duration::from_secs(epoch.0).saturating_add(Duration::from_nanos(at.as_nanos()))
}

/// Puts the Ethernet frame of `packet` in `frame`, whose memory is used again.
fn synthesise(
    frame: &mut Vec<u8>,
    interfaces: &[IpAddr],
    packet: &Packet<'_>,
) -> Result<(), CaptureError> {
    let nic = usize::try_from(packet.interface)
        .ok()
        .and_then(|index| interfaces.get(index))
        .ok_or(CaptureError::UnknownInterface {
            interface: packet.interface,
            known: interfaces.len(),
        })?;
    let bytes = ETHERNET_HEADER_BYTES + packet.bytes.len();
    if bytes > SNAPLEN as usize {
        return Err(CaptureError::TooLong { bytes });
    }
    frame.clear();
    frame.extend(ethernet_header(
        *nic,
        packet.peer,
        packet.direction,
        packet.bytes,
    ));
    frame.extend_from_slice(packet.bytes);
    Ok(())
}
