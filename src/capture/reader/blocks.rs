//! What each kind of block adds to a capture that is being read.

use std::net::IpAddr;
use std::time::Duration;

use pcap_file::Endianness;
use pcap_file::pcapng::Block;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::name_resolution::{NameResolutionBlock, Record};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::packet::{PacketBlock, PacketOption};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};

use super::{Capture, Interface, Packet};
use crate::capture::CaptureError;
use crate::capture::pcapng::{DECRYPTION_SECRETS_BLOCK, EPB_PACKETID, TLS_KEY_LOG};
use crate::event::{Direction, PacketId};

/// A capture that grows block by block.
#[derive(Default)]
pub(super) struct Builder {
    /// What was read so far.
    pub(super) capture: Capture,
    /// How many interfaces earlier sections had: each section numbers its own from 0.
    section_starts: usize,
}

impl Builder {
    /// Takes in the next block, which begins at `offset` and is of a section with this byte order.
    pub(super) fn block(
        &mut self,
        block: Block<'_>,
        endianness: Endianness,
        offset: usize,
    ) -> Result<(), CaptureError> {
        match block {
            Block::SectionHeader(section) => self.section(section),
            Block::InterfaceDescription(interface) => self.interface(interface),
            Block::NameResolution(names) => self.names(names),
            Block::InterfaceStatistics(statistics) => self.statistics(&statistics),
            Block::EnhancedPacket(packet) => self.enhanced_packet(packet, endianness, offset)?,
            Block::Packet(packet) => self.packet(packet, offset)?,
            Block::SimplePacket(_) => return Err(CaptureError::Timestamp { offset }),
            Block::Unknown(block) if block.type_ == DECRYPTION_SECRETS_BLOCK => {
                self.secrets(&block.value, endianness)
                    .ok_or(CaptureError::Secrets { offset })?;
            }
            Block::Unknown(_)
            | Block::SystemdJournalExport(_)
            | Block::CustomCopiable(_)
            | Block::CustomNonCopiable(_) => {}
        }
        Ok(())
    }

    fn section(&mut self, section: SectionHeaderBlock<'_>) {
        self.section_starts = self.capture.interfaces.len();
        for option in section.options {
            match option {
                SectionHeaderOption::UserApplication(name) => {
                    self.capture.application = Some(name.into_owned());
                }
                SectionHeaderOption::Common(option) => {
                    self.capture.comments.extend(comment(option));
                }
                SectionHeaderOption::Hardware(_) | SectionHeaderOption::OS(_) => {}
            }
        }
    }

    fn interface(&mut self, block: InterfaceDescriptionBlock<'_>) {
        let mut interface = Interface {
            link_type: block.linktype.into(),
            ..Interface::default()
        };
        for option in block.options {
            if let InterfaceDescriptionOption::IfName(name) = option {
                interface.name = Some(name.into_owned());
            } else if let InterfaceDescriptionOption::IfDescription(text) = option {
                interface.description = Some(text.into_owned());
            }
        }
        self.capture.interfaces.push(interface);
    }

    fn names(&mut self, block: NameResolutionBlock<'_>) {
        for record in block.records {
            let (address, names) = match record {
                Record::Ipv4(record) => (IpAddr::from(record.ip_addr), record.names),
                Record::Ipv6(record) => (IpAddr::from(record.ip_addr), record.names),
                Record::End | Record::Unknown(_) => continue,
            };
            let names = names.into_iter().map(|name| (address, name.into_owned()));
            self.capture.names.extend(names);
        }
    }

    fn statistics(&mut self, block: &InterfaceStatisticsBlock<'_>) {
        let index = self.section_starts + block.interface_id as usize;
        let Some(interface) = self.capture.interfaces.get_mut(index) else {
            return; // the parser accepts only interfaces that the section has
        };
        for option in &block.options {
            if let InterfaceStatisticsOption::IsbIfRecv(count) = option {
                interface.received = Some(*count);
            } else if let InterfaceStatisticsOption::IsbIfDrop(count) = option {
                interface.dropped = Some(*count);
            }
        }
    }

    fn enhanced_packet(
        &mut self,
        block: EnhancedPacketBlock<'_>,
        endianness: Endianness,
        offset: usize,
    ) -> Result<(), CaptureError> {
        let mut packet = Packet {
            interface: self.section_starts + block.interface_id as usize,
            at: nanoseconds(block.timestamp).ok_or(CaptureError::Timestamp { offset })?,
            bytes: block.data.into_owned(),
            original_bytes: block.original_len,
            comments: Vec::new(),
            id: None,
            direction: None,
        };
        for option in block.options {
            match option {
                EnhancedPacketOption::Flags(flags) => packet.direction = direction(flags),
                EnhancedPacketOption::Common(CommonOption::Unknown(option))
                    if option.code == EPB_PACKETID =>
                {
                    packet.id =
                        <[u8; 8]>::try_from(&*option.value)
                            .ok()
                            .map(|bytes| match endianness {
                                Endianness::Little => PacketId(u64::from_le_bytes(bytes)),
                                Endianness::Big => PacketId(u64::from_be_bytes(bytes)),
                            });
                }
                EnhancedPacketOption::Common(option) => packet.comments.extend(comment(option)),
                EnhancedPacketOption::Hash(_) | EnhancedPacketOption::DropCount(_) => {}
            }
        }
        self.capture.packets.push(packet);
        Ok(())
    }

    /// The obsolete packet block, which old files have instead.
    fn packet(&mut self, block: PacketBlock<'_>, offset: usize) -> Result<(), CaptureError> {
        let mut packet = Packet {
            interface: self.section_starts + usize::from(block.interface_id),
            at: nanoseconds(block.timestamp).ok_or(CaptureError::Timestamp { offset })?,
            bytes: block.data.into_owned(),
            original_bytes: block.original_len,
            comments: Vec::new(),
            id: None,
            direction: None,
        };
        for option in block.options {
            match option {
                PacketOption::Flags(flags) => packet.direction = direction(flags),
                PacketOption::Common(option) => packet.comments.extend(comment(option)),
                PacketOption::Hash(_) => {}
            }
        }
        self.capture.packets.push(packet);
        Ok(())
    }

    /// Secrets type, length, then the secrets, padded (pcapng draft §4.7). Bytes of a key log that are no UTF-8 can
    /// only be in its comments, so they may be replaced.
    fn secrets(&mut self, value: &[u8], endianness: Endianness) -> Option<()> {
        let number = |bytes: [u8; 4]| match endianness {
            Endianness::Little => u32::from_le_bytes(bytes),
            Endianness::Big => u32::from_be_bytes(bytes),
        };
        let (kind, rest) = value.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let log = rest.get(..usize::try_from(number(*length)).ok()?)?;
        if number(*kind) == TLS_KEY_LOG {
            let log = String::from_utf8_lossy(log);
            let lines = log.lines().filter(|line| !line.is_empty());
            self.capture.secrets.extend(lines.map(str::to_owned));
        }
        Some(())
    }
}

fn comment(option: CommonOption<'_>) -> Option<String> {
    if let CommonOption::Comment(text) = option {
        Some(text.into_owned())
    } else {
        None
    }
}

/// Bits 0 and 1 of `epb_flags`: 01 inbound, 10 outbound, else unknown.
const fn direction(flags: u32) -> Option<Direction> {
    match flags & 0b11 {
        1 => Some(Direction::In),
        2 => Some(Direction::Out),
        _ => None,
    }
}

fn nanoseconds(since_1970: Duration) -> Option<u64> {
    u64::try_from(since_1970.as_nanos()).ok()
}
