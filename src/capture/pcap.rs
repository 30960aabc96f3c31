//! Writes classic pcap, with nanoseconds: for tools that read nothing newer. It has no names, comments or secrets.

use std::io::Write;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapTsResolution, PcapWriteError};
use pcap_file::{DataLink, Endianness};

use super::pcapng::since_1970;
use super::{CaptureError, Interface, Packet, SNAPLEN, link_layer};
use crate::time::UnixSeconds;

/// A classic pcap file being written.
pub struct PcapWriter<W: Write> {
    inner: pcap_file::pcap::PcapWriter<W>,
    epoch: UnixSeconds,
    interfaces: Vec<Interface>,
}

impl<W: Write> PcapWriter<W> {
    /// Begins a file of a run that began on the date `epoch`.
    ///
    /// # Errors
    /// When `writer` cannot be written.
    pub fn new(
        writer: W,
        epoch: UnixSeconds,
        interfaces: &[Interface],
    ) -> Result<Self, CaptureError> {
        let header = PcapHeader {
            snaplen: SNAPLEN,
            datalink: DataLink::ETHERNET,
            ts_resolution: PcapTsResolution::NanoSecond,
            endianness: Endianness::Little,
            ..PcapHeader::default()
        };
        Ok(Self {
            inner: pcap_file::pcap::PcapWriter::with_header(writer, header)?,
            epoch,
            interfaces: interfaces.to_vec(),
        })
    }

    /// Writes a packet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn packet(&mut self, packet: &Packet<'_>) -> Result<(), CaptureError> {
        let frame = link_layer::frame(packet, &self.interfaces[packet.interface]);
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let at = since_1970(self.epoch, packet.at);
        let record = PcapPacket::new(at, length, frame).map_err(PcapWriteError::from)?;
        self.inner.write_packet(&record)?;
        Ok(())
    }

    /// Ends the file, and gives the writer back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<W, CaptureError> {
        self.inner.flush()?;
        Ok(self.inner.into_inner())
    }
}
