//! Writes pcapng (draft-ietf-opsawg-pcapng): little-endian on every machine, nanoseconds, no custom blocks, nothing of
//! the machine that wrote it.

use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::name_resolution::{
    Ipv4Record, Ipv6Record, NameResolutionBlock, Record,
};
use pcap_file::pcapng::blocks::opt_common::{CommonOption, UnknownOption};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::blocks::unknown::UnknownBlock;
use pcap_file::{DataLink, Endianness};

use super::{CaptureError, Interface, Packet, SNAPLEN, link_layer};
use crate::event::Direction;
use crate::time::{Instant, UnixSeconds};

/// Type of the Decryption Secrets Block (draft §4.7).
pub(super) const DECRYPTION_SECRETS: u32 = 0x0000_000a;
/// Its kind of secrets: a TLS key log, "TLSK".
pub(super) const TLS_KEY_LOG: u32 = 0x544c_534b;
/// Option `epb_packetid` (draft §4.3).
pub(super) const PACKET_ID: u16 = 5;

/// What a capture is about.
#[derive(Debug, Clone, Default)]
pub struct About<'a> {
    /// A line about the whole file.
    pub comment: Option<&'a str>,
    /// Names of addresses.
    pub names: &'a [(IpAddr, String)],
}

/// A pcapng file being written. Section header, interfaces and names are written at once.
pub struct PcapngWriter<W: Write> {
    inner: PcapNgWriter<W>,
    epoch: UnixSeconds,
    interfaces: Vec<Interface>,
    counts: Vec<Counts>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    seen: u64,
    lost: u64,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a file of a run that began on the date `epoch`.
    ///
    /// # Errors
    /// When `writer` cannot be written.
    pub fn new(
        writer: W,
        epoch: UnixSeconds,
        interfaces: &[Interface],
        about: &About<'_>,
    ) -> Result<Self, CaptureError> {
        let application = concat!("tunlab ", env!("CARGO_PKG_VERSION"));
        let mut options = Vec::new();
        if let Some(comment) = about.comment {
            let comment = CommonOption::Comment(comment.into());
            options.push(SectionHeaderOption::Common(comment));
        }
        options.push(SectionHeaderOption::UserApplication(application.into()));
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options,
            ..SectionHeaderBlock::default()
        };
        let mut inner = PcapNgWriter::with_section_header(writer, section)?;
        for interface in interfaces {
            let mut block = InterfaceDescriptionBlock::new(DataLink::ETHERNET, SNAPLEN);
            block.options = vec![
                InterfaceDescriptionOption::IfName(interface.name.as_str().into()),
                InterfaceDescriptionOption::IfDescription(interface.description.as_str().into()),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ];
            inner.write_pcapng_block(block)?;
        }
        if !about.names.is_empty() {
            inner.write_pcapng_block(NameResolutionBlock {
                records: about.names.iter().map(name_record).collect(),
                options: vec![],
            })?;
        }
        Ok(Self {
            inner,
            epoch,
            interfaces: interfaces.to_vec(),
            counts: vec![Counts::default(); interfaces.len()],
        })
    }

    /// Writes lines of a TLS key log. Wireshark wants them before the packet that carries the ServerHello (TLS 1.3) or
    /// the client's ChangeCipherSpec (TLS 1.2).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn secrets(&mut self, lines: &[String]) -> Result<(), CaptureError> {
        let mut text = lines.join("\n");
        text.push('\n');
        let mut value = TLS_KEY_LOG.to_le_bytes().to_vec();
        value.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        value.extend(text.as_bytes());
        self.inner.write_pcapng_block(UnknownBlock {
            type_: DECRYPTION_SECRETS,
            length: 0,
            value: Cow::Owned(value),
        })?;
        Ok(())
    }

    /// Writes a packet with its comments.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn packet(&mut self, packet: &Packet<'_>, comments: &[String]) -> Result<(), CaptureError> {
        let frame = link_layer::frame(packet, &self.interfaces[packet.interface]);
        let counts = &mut self.counts[packet.interface];
        counts.seen += 1;
        counts.lost += u64::from(packet.lost);
        let direction = match packet.direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        let id = packet.id.0.to_le_bytes();
        let id = CommonOption::Unknown(UnknownOption::new(PACKET_ID, &id));
        let mut options = vec![
            EnhancedPacketOption::Flags(direction),
            EnhancedPacketOption::Common(id),
        ];
        for comment in comments {
            let comment = CommonOption::Comment(comment.as_str().into());
            options.push(EnhancedPacketOption::Common(comment));
        }
        self.inner.write_pcapng_block(EnhancedPacketBlock {
            // The interfaces of a lab are few.
            interface_id: packet.interface as u32,
            timestamp: since_1970(self.epoch, packet.at),
            original_len: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            data: Cow::Owned(frame),
            options,
        })?;
        Ok(())
    }

    /// Lets a reader at the other end see all that was written.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        Ok(self.inner.get_mut().flush()?)
    }

    /// Ends the file with the interfaces' statistics, and gives the writer back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, ended: Instant) -> Result<W, CaptureError> {
        for (number, counts) in self.counts.iter().enumerate() {
            let end = since_1970(self.epoch, ended);
            self.inner.write_pcapng_block(InterfaceStatisticsBlock {
                interface_id: number as u32,
                timestamp: end,
                options: vec![
                    InterfaceStatisticsOption::IsbStartTime(since_1970(self.epoch, Instant::ZERO)),
                    InterfaceStatisticsOption::IsbEndTime(end),
                    InterfaceStatisticsOption::IsbIfRecv(counts.seen),
                    InterfaceStatisticsOption::IsbIfDrop(counts.lost),
                ],
            })?;
        }
        self.flush()?;
        Ok(self.inner.into_inner())
    }
}

pub(super) fn since_1970(epoch: UnixSeconds, at: Instant) -> Duration {
    Duration::from_secs(epoch.0) + (at - Instant::ZERO)
}

fn name_record((address, name): &(IpAddr, String)) -> Record<'_> {
    let names = vec![Cow::Borrowed(name.as_str())];
    match *address {
        IpAddr::V4(ip_addr) => Record::Ipv4(Ipv4Record { ip_addr, names }),
        IpAddr::V6(ip_addr) => Record::Ipv6(Ipv6Record { ip_addr, names }),
    }
}
