//! The pcapng writer (draft-ietf-opsawg-pcapng). Blocks of one file, in order: section header, interface descriptions,
//! name resolution; then decryption secrets and enhanced packets as they come; last, interface statistics.

use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;

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
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriteError, PcapNgWriter};
use pcap_file::{DataLink, Endianness};

use super::{CaptureError, Interface, Packet, SNAPLEN, mac_address, since_1970, synthesise};
use crate::event::Direction;
use crate::time::{Instant, UnixSeconds};

/// Type of a decryption secrets block (pcapng draft §4.7). pcap-file has none of its own.
pub(super) const DECRYPTION_SECRETS_BLOCK: u32 = 0x0000_000a;
/// The secrets type of a TLS key log, "TLSK".
pub(super) const TLS_KEY_LOG: u32 = 0x544c_534b;
/// The option `epb_packetid` of an enhanced packet block (pcapng draft §4.3): 64 bits, equal for one packet on several
/// interfaces.
pub(super) const EPB_PACKETID: u16 = 5;

/// Writes a pcapng file, block by block. Complete once [`finish`](Self::finish) has been called; readable before.
///
/// A TLS secret must be written before the packet that carries the ServerHello (TLS 1.3) or the client's Finished (TLS
/// 1.2), or Wireshark does not decrypt.
#[derive(Debug)]
pub struct PcapngWriter<W: Write> {
    out: Blocks<W>,
    epoch: UnixSeconds,
    nics: Vec<IpAddr>,
    counts: Vec<Count>,
    frame: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    seen: u64,
    lost: u64,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a capture of `interfaces`, in a run that began on the date `epoch`. `names` say what Wireshark may show
    /// for addresses; `comment` is for people, about the whole file.
    ///
    /// # Errors
    /// [`CaptureError::Write`]; [`CaptureError::UnusableName`]; [`CaptureError::Pcapng`] for a text of more than
    /// 65,535 bytes.
    pub fn new(
        w: W,
        epoch: UnixSeconds,
        interfaces: &[Interface],
        names: &[(IpAddr, String)],
        comment: Option<&str>,
    ) -> Result<Self, CaptureError> {
        let application = concat!("tunlab ", env!("CARGO_PKG_VERSION"));
        Self::with_application(w, application, epoch, interfaces, names, comment)
    }

    fn with_application(
        w: W,
        application: &str,
        epoch: UnixSeconds,
        interfaces: &[Interface],
        names: &[(IpAddr, String)],
        comment: Option<&str>,
    ) -> Result<Self, CaptureError> {
        let mut out = Blocks::new(w, application, comment)?;
        for interface in interfaces {
            out.interface(interface)?;
        }
        out.names(names)?;
        Ok(Self {
            out,
            epoch,
            nics: interfaces.iter().map(|i| i.address).collect(),
            counts: vec![Count::default(); interfaces.len()],
            frame: Vec::new(),
        })
    }

    /// Writes TLS secrets: lines of the NSS key log format (RFC 9850), with or without line end. No lines, no block.
    ///
    /// # Errors
    /// [`CaptureError::Write`].
    pub fn secrets(&mut self, lines: &[String]) -> Result<(), CaptureError> {
        let mut log = String::new();
        for line in lines {
            log.push_str(line.trim_end_matches(['\r', '\n']));
            log.push('\n');
        }
        if log.is_empty() {
            return Ok(());
        }
        self.out.secrets(log.as_bytes())
    }

    /// Writes a packet, as an Ethernet frame.
    ///
    /// # Errors
    /// [`CaptureError::Write`]; [`CaptureError::UnknownInterface`]; [`CaptureError::TooLong`];
    /// [`CaptureError::Pcapng`] for a comment of more than 65,535 bytes or a moment after the year 2554. Other than
    /// after the first, the file is as before.
    pub fn packet(&mut self, packet: &Packet<'_>) -> Result<(), CaptureError> {
        synthesise(&mut self.frame, &self.nics, packet)?;
        self.out.packet(self.epoch, packet, &self.frame)?;
        // `synthesise` has looked the interface up
        let count = &mut self.counts[packet.interface as usize];
        count.seen += 1;
        count.lost += u64::from(packet.lost);
        Ok(())
    }

    /// Hands what was written on, so that a reader at the other end of a pipe sees it.
    ///
    /// # Errors
    /// [`CaptureError::Write`].
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        self.out.0.get_mut().flush().map_err(CaptureError::Write)
    }

    /// Ends the capture at the moment `ended`: writes for every interface how many packets it saw and how many of
    /// those were lost on its link, and flushes.
    ///
    /// # Errors
    /// [`CaptureError::Write`]; [`CaptureError::Pcapng`] for a moment after the year 2554.
    pub fn finish(mut self, ended: Instant) -> Result<W, CaptureError> {
        let start = since_1970(self.epoch, Instant::ZERO);
        let end = since_1970(self.epoch, ended);
        for (interface_id, count) in (0..).zip(&self.counts) {
            self.out.write(InterfaceStatisticsBlock {
                interface_id,
                timestamp: end,
                options: vec![
                    InterfaceStatisticsOption::IsbStartTime(start),
                    InterfaceStatisticsOption::IsbEndTime(end),
                    InterfaceStatisticsOption::IsbIfRecv(count.seen),
                    InterfaceStatisticsOption::IsbIfDrop(count.lost),
                ],
            })?;
        }
        self.flush()?;
        Ok(self.out.0.into_inner())
    }
}

/// The blocks, each from its parts.
struct Blocks<W: Write>(PcapNgWriter<W>);

impl<W: Write> std::fmt::Debug for Blocks<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Blocks").field(self.0.state()).finish()
    }
}

impl<W: Write> Blocks<W> {
    fn new(w: W, application: &str, comment: Option<&str>) -> Result<Self, CaptureError> {
        let mut options = Vec::new();
        if let Some(comment) = comment {
            let comment = CommonOption::Comment(Cow::Borrowed(comment));
            options.push(SectionHeaderOption::Common(comment));
        }
        options.push(SectionHeaderOption::UserApplication(Cow::Borrowed(
            application,
        )));
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            major_version: 1,
            minor_version: 0,
            section_length: -1, // unknown: the file is written as it comes
            options,
        };
        PcapNgWriter::with_section_header(w, section)
            .map(Self)
            .map_err(refused)
    }

    fn interface(&mut self, interface: &Interface) -> Result<(), CaptureError> {
        let mac = mac_address(interface.address);
        let mut options = vec![InterfaceDescriptionOption::IfName(Cow::Borrowed(
            &interface.name,
        ))];
        if !interface.description.is_empty() {
            options.push(InterfaceDescriptionOption::IfDescription(Cow::Borrowed(
                &interface.description,
            )));
        }
        options.push(InterfaceDescriptionOption::IfMacAddr(Cow::Borrowed(&mac)));
        options.push(InterfaceDescriptionOption::IfTsResol(
            InterfaceTsResolution::NANO,
        ));
        self.write(InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: SNAPLEN,
            options,
        })
    }

    fn names(&mut self, names: &[(IpAddr, String)]) -> Result<(), CaptureError> {
        let mut records = Vec::with_capacity(names.len());
        for (address, name) in names {
            if name.is_empty() || name.contains('\0') {
                return Err(CaptureError::UnusableName {
                    address: *address,
                    name: name.clone(),
                });
            }
            let names = vec![Cow::Borrowed(name.as_str())];
            records.push(match *address {
                IpAddr::V4(ip_addr) => Record::Ipv4(Ipv4Record { ip_addr, names }),
                IpAddr::V6(ip_addr) => Record::Ipv6(Ipv6Record { ip_addr, names }),
            });
        }
        if records.is_empty() {
            return Ok(());
        }
        self.write(NameResolutionBlock {
            records,
            options: Vec::new(),
        })
    }

    fn secrets(&mut self, log: &[u8]) -> Result<(), CaptureError> {
        let bytes = u32::try_from(log.len())
            .map_err(|_| CaptureError::Write(std::io::ErrorKind::FileTooLarge.into()))?;
        let mut value = Vec::with_capacity(8 + log.len());
        value.extend(TLS_KEY_LOG.to_le_bytes());
        value.extend(bytes.to_le_bytes());
        value.extend(log);
        // pcap-file computes the length itself
        self.write(UnknownBlock {
            type_: DECRYPTION_SECRETS_BLOCK,
            length: 0,
            value: Cow::Owned(value),
        })
    }

    fn packet(
        &mut self,
        epoch: UnixSeconds,
        packet: &Packet<'_>,
        frame: &[u8],
    ) -> Result<(), CaptureError> {
        // epb_flags, bits 0 and 1: 01 inbound, 10 outbound
        let direction = match packet.direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        let id = packet.id.0.to_le_bytes();
        let mut options = Vec::with_capacity(2 + packet.comments.len());
        options.push(EnhancedPacketOption::Flags(direction));
        options.push(EnhancedPacketOption::Common(CommonOption::Unknown(
            UnknownOption::new(EPB_PACKETID, &id),
        )));
        options.extend(packet.comments.iter().map(|comment| {
            EnhancedPacketOption::Common(CommonOption::Comment(Cow::Borrowed(comment)))
        }));
        self.write(EnhancedPacketBlock {
            interface_id: packet.interface,
            timestamp: since_1970(epoch, packet.at),
            // at most SNAPLEN
            original_len: frame.len() as u32,
            data: Cow::Borrowed(frame),
            options,
        })
    }

    fn write<'a>(&mut self, block: impl PcapNgBlock<'a>) -> Result<(), CaptureError> {
        self.0.write_pcapng_block(block).map(drop).map_err(refused)
    }
}

/// Keeps apart a destination that takes no more (a broken pipe, a full disk) and content that does not fit.
fn refused(error: PcapNgWriteError) -> CaptureError {
    match error {
        PcapNgWriteError::Io(source) => CaptureError::Write(source),
        error @ (PcapNgWriteError::Validation { .. }
        | PcapNgWriteError::InvalidFormat(_)
        | PcapNgWriteError::StateUpdate(_)) => CaptureError::Pcapng(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::PacketId;

    const EPOCH: UnixSeconds = UnixSeconds(1_762_300_800);

    fn user0() -> Interface {
        Interface {
            name: "user0".into(),
            description: "User".into(),
            address: [192, 0, 2, 5].into(),
        }
    }

    fn packet<'a>(bytes: &'a [u8], comments: &'a [String]) -> Packet<'a> {
        Packet {
            interface: 0,
            at: Instant::from_nanos(1),
            direction: Direction::Out,
            id: PacketId(7),
            bytes,
            peer: [192, 0, 2, 1].into(),
            comments,
            lost: true,
        }
    }

    fn hex(bytes: &[u8]) -> Vec<String> {
        // one line a block: type, length, rest
        let mut rest = bytes;
        let mut lines = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
            let (block, after) = rest.split_at(length);
            let words = block.chunks(4).map(|word| {
                word.iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
            });
            lines.push(words.collect::<Vec<_>>().join(" "));
            rest = after;
        }
        lines
    }

    #[test]
    fn every_byte_of_a_small_file_is_as_the_draft_says() {
        let names = [([192, 0, 2, 5].into(), "user".to_owned())];
        let (application, comment) = ("tunlab", Some("hi"));
        let mut writer = PcapngWriter::with_application(
            Vec::new(),
            application,
            EPOCH,
            &[user0()],
            &names,
            comment,
        )
        .unwrap();
        writer.secrets(&["A b c".into(), "D e f\n".into()]).unwrap();
        writer.packet(&packet(&[0x45], &["lost".into()])).unwrap();
        let bytes = writer.finish(Instant::from_nanos(2)).unwrap();
        assert_eq!(EPOCH.0 * 1_000_000_000, 0x1874_f33d_9363_0000);
        assert_eq!(
            hex(&bytes),
            [
                // section header: magic, version 1.0, length unknown; comment, application
                "0a0d0d0a 34000000 4d3c2b1a 01000000 ffffffff ffffffff \
                 01000200 68690000 04000600 74756e6c 61620000 00000000 34000000",
                // interface description: Ethernet, 262144; name, description, MAC, nanoseconds
                "01000000 40000000 01000000 00000400 02000500 75736572 30000000 \
                 03000400 55736572 06000600 0200c000 02050000 09000100 09000000 00000000 40000000",
                // name resolution: IPv4, 9 bytes; end
                "04000000 20000000 01000900 c0000205 75736572 00000000 00000000 20000000",
                // decryption secrets: TLSK, 12 bytes
                "0a000000 20000000 4b534c54 0c000000 41206220 630a4420 6520660a 20000000",
                // enhanced packet: interface, time, 15 of 15 bytes; outbound, number, comment
                "06000000 50000000 00000000 3df37418 01006393 0f000000 0f000000 \
                 0200c000 02010200 c0000205 08004500 02000400 02000000 \
                 05000800 07000000 00000000 01000400 6c6f7374 00000000 50000000",
                // interface statistics: interface, time; start, end, received, dropped
                "05000000 4c000000 00000000 3df37418 02006393 \
                 02000800 3df37418 00006393 03000800 3df37418 02006393 \
                 04000800 01000000 00000000 05000800 01000000 00000000 00000000 4c000000",
            ]
        );
    }

    #[test]
    fn the_application_is_tunlab_and_its_version() {
        let writer = PcapngWriter::new(Vec::new(), EPOCH, &[], &[], None).unwrap();
        let bytes = writer.finish(Instant::ZERO).unwrap();
        let capture = super::super::reader::Capture::parse(&bytes).unwrap();
        let expected = format!("tunlab {}", env!("CARGO_PKG_VERSION"));
        assert_eq!(capture.application, Some(expected));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaves_the_file_as_it_was() {
        let mut out = Vec::new();
        let mut writer = PcapngWriter::new(&mut out, EPOCH, &[user0()], &[], None).unwrap();
        let error = writer
            .packet(&Packet {
                interface: 1,
                ..packet(&[0x45], &[])
            })
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the capture has no interface 1, it has 1"
        );
        let long = vec![0x45; SNAPLEN as usize - 13];
        assert!(matches!(
            writer.packet(&packet(&long, &[])).unwrap_err(),
            CaptureError::TooLong { bytes: 262_145 }
        ));
        let comments = ["x".repeat(65_536)];
        assert!(matches!(
            writer.packet(&packet(&[0x45], &comments)).unwrap_err(),
            CaptureError::Pcapng(_)
        ));
        let late = Packet {
            at: Instant::FAR_FUTURE,
            ..packet(&[0x45], &[])
        };
        assert!(matches!(
            writer.packet(&late).unwrap_err(),
            CaptureError::Pcapng(_)
        ));
        writer.secrets(&[]).unwrap();
        writer.packet(&packet(&long[1..], &[])).unwrap();
        writer.finish(Instant::ZERO).unwrap();
        let capture = super::super::reader::Capture::parse(&out).unwrap();
        assert_eq!(capture.packets.len(), 1);
        assert_eq!(capture.packets[0].bytes.len(), 262_144);
        assert_eq!(capture.interfaces[0].received, Some(1));
        for name in ["", "a\0b"] {
            let names = [([192, 0, 2, 5].into(), name.to_owned())];
            assert!(matches!(
                PcapngWriter::new(Vec::new(), EPOCH, &[], &names, None).unwrap_err(),
                CaptureError::UnusableName { .. }
            ));
        }
    }

    #[test]
    fn a_broken_pipe_can_be_told_from_the_rest() {
        #[derive(Debug)]
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let error = PcapngWriter::new(Broken, EPOCH, &[], &[], None).unwrap_err();
        let CaptureError::Write(source) = error else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), std::io::ErrorKind::BrokenPipe);
    }
}
