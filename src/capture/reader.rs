//! The pcapng reader: a whole file, ours or another tool's, of either byte order, with any number of sections and
//! interfaces and any timestamp resolution down to the nanosecond. It says what is in the file, not what it means.
//!
//! Blocks that hold none of this (custom blocks, journal entries, secrets other than TLS key logs) are passed over.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use pcap_file::pcapng::PcapNgParser;

use super::{CaptureError, ethernet_payload};
use crate::event::{Direction, PacketId};

mod blocks;

// Numbers of tcpdump.org's link-layer header types.
const LINKTYPE_ETHERNET: u32 = 1;
const LINKTYPE_RAW: u32 = 101;
const LINKTYPE_IPV4: u32 = 228;
const LINKTYPE_IPV6: u32 = 229;

/// What a pcapng file holds. Everything is in the file's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capture {
    /// The program that wrote it.
    pub application: Option<String>,
    /// The comments on the file as a whole.
    pub comments: Vec<String>,
    /// The interfaces, of all sections one after the other.
    pub interfaces: Vec<Interface>,
    /// The packets.
    pub packets: Vec<Packet>,
    /// Lines of the TLS key logs, without line ends and empty lines.
    pub secrets: Vec<String>,
    /// Names of addresses. An address may have several.
    pub names: Vec<(IpAddr, String)>,
}

/// An interface of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// As in "user0".
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Number of the link type: 1 for Ethernet, 101 for bare IP packets (tcpdump.org, link-layer header types).
    pub link_type: u32,
    /// Packets seen, by the interface's statistics.
    pub received: Option<u64>,
    /// Packets lost, by the interface's statistics.
    pub dropped: Option<u64>,
}

/// A packet of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Index into the file's interfaces.
    pub interface: usize,
    /// Nanoseconds since 1970-01-01 00:00:00 UTC.
    pub at: u64,
    /// What was captured, with the link's header.
    pub bytes: Vec<u8>,
    /// Length on the link, at least that of `bytes`.
    pub original_bytes: u32,
    /// For people.
    pub comments: Vec<String>,
    /// The packet's number, if it has one: the same on every interface it passes.
    pub id: Option<PacketId>,
    /// Which way it passed the interface, if the file says so.
    pub direction: Option<Direction>,
}

impl Capture {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// [`CaptureError::Open`]; [`CaptureError::File`] with what [`parse`](Self::parse) says.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| CaptureError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&bytes).map_err(|source| CaptureError::File {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Reads a file's bytes. All blocks must be whole and in order.
    ///
    /// # Errors
    /// [`CaptureError::Block`], [`CaptureError::Secrets`], [`CaptureError::Timestamp`], each with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, CaptureError> {
        let mut builder = blocks::Builder::default();
        // The parser's own state needs the first block, and gives it to nobody: it is read twice.
        let (_, mut parser) =
            PcapNgParser::new(bytes).map_err(|source| CaptureError::Block { offset: 0, source })?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = bytes.len() - rest.len();
            let (after, block) = parser
                .next_block(rest)
                .map_err(|source| CaptureError::Block { offset, source })?;
            rest = after;
            builder.block(block, parser.state().endianness(), offset)?;
        }
        Ok(builder.capture)
    }

    /// The IP packet in a packet of this capture: of an Ethernet frame what follows the header, on a link of bare IP
    /// all of it. `None` when it holds no IP or the link is of another type. Padding may follow it.
    #[must_use]
    pub fn ip_packet<'a>(&self, packet: &'a Packet) -> Option<&'a [u8]> {
        match self.interfaces.get(packet.interface)?.link_type {
            LINKTYPE_ETHERNET => ethernet_payload(&packet.bytes),
            LINKTYPE_RAW | LINKTYPE_IPV4 | LINKTYPE_IPV6 => Some(&packet.bytes),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
    use pcap_file::pcapng::blocks::interface_description::{
        InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
    };
    use pcap_file::pcapng::blocks::opt_common::{CommonOption, UnknownOption};
    use pcap_file::pcapng::blocks::simple_packet::SimplePacketBlock;
    use pcap_file::pcapng::blocks::unknown::UnknownBlock;
    use pcap_file::pcapng::{Block, PcapNgBlock, PcapNgWriter};
    use pcap_file::{DataLink, Endianness};
    use proptest::prelude::*;

    use super::*;
    use crate::capture::pcapng::{DECRYPTION_SECRETS_BLOCK, EPB_PACKETID, TLS_KEY_LOG};
    use crate::capture::{self, PcapngWriter};
    use crate::time::{Instant, UnixSeconds};

    /// Two interfaces, three packets, secrets and names of both address families.
    fn ours() -> Vec<u8> {
        let nic = |name: &str, description: &str, address: [u8; 4]| capture::Interface {
            name: name.into(),
            description: description.into(),
            address: address.into(),
        };
        let nics = [
            nic("user0", "User", [203, 0, 113, 50]),
            nic("alb-vpc", "", [10, 0, 1, 10]),
        ];
        let names = [
            ("203.0.113.50".parse().unwrap(), "user".to_owned()),
            ("2001:db8::1".parse().unwrap(), "alb.example".to_owned()),
        ];
        let epoch = UnixSeconds(1_762_300_800);
        let mut writer = PcapngWriter::new(Vec::new(), epoch, &nics, &names, Some("run")).unwrap();
        let comments = ["SYN".to_owned(), "zwei\nZeilen →".to_owned()];
        let packet = capture::Packet {
            interface: 0,
            at: Instant::ZERO,
            direction: Direction::Out,
            id: PacketId(1),
            bytes: &[0x45, 1, 2],
            peer: [203, 0, 113, 1].into(),
            comments: &comments,
            lost: true,
        };
        writer.packet(&packet).unwrap();
        writer.secrets(&["CLIENT_RANDOM 00 11".into()]).unwrap();
        let next = capture::Packet {
            interface: 1,
            at: Instant::from_nanos(20_016_641),
            direction: Direction::In,
            id: PacketId(u64::MAX),
            bytes: &[0x60],
            peer: [10, 0, 1, 1].into(),
            comments: &[],
            lost: false,
        };
        writer.packet(&next).unwrap();
        writer
            .packet(&capture::Packet {
                interface: 0,
                ..next
            })
            .unwrap();
        writer.finish(Instant::from_nanos(30_000_000)).unwrap()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let capture = Capture::parse(&ours()).unwrap();
        assert_eq!(capture.comments, ["run"]);
        let interface = |name: &str, description: Option<&str>, received, dropped| Interface {
            name: Some(name.into()),
            description: description.map(str::to_owned),
            link_type: 1,
            received: Some(received),
            dropped: Some(dropped),
        };
        assert_eq!(
            capture.interfaces,
            [
                interface("user0", Some("User"), 2, 1),
                interface("alb-vpc", None, 1, 0)
            ]
        );
        assert_eq!(capture.secrets, ["CLIENT_RANDOM 00 11"]);
        assert_eq!(
            capture.names,
            [
                ("203.0.113.50".parse().unwrap(), "user".to_owned()),
                ("2001:db8::1".parse().unwrap(), "alb.example".to_owned()),
            ]
        );
        assert_eq!(capture.packets.len(), 3);
        let first = &capture.packets[0];
        assert_eq!(first.interface, 0);
        assert_eq!(first.at, 1_762_300_800_000_000_000);
        assert_eq!(first.direction, Some(Direction::Out));
        assert_eq!(first.id, Some(PacketId(1)));
        assert_eq!(first.comments, ["SYN", "zwei\nZeilen →"]);
        assert_eq!(first.original_bytes, 17);
        assert_eq!(capture.ip_packet(first), Some(&[0x45, 1, 2][..]));
        let second = &capture.packets[1];
        assert_eq!(second.interface, 1);
        assert_eq!(second.at, 1_762_300_800_020_016_641);
        assert_eq!(second.direction, Some(Direction::In));
        assert_eq!(second.id, Some(PacketId(u64::MAX)));
        assert_eq!(second.comments, [""; 0]);
        assert_eq!(capture.ip_packet(second), Some(&[0x60][..]));
    }

    /// Writes one section in this byte order, with a microsecond interface of bare IP packets.
    fn theirs(out: Vec<u8>, endianness: Endianness) -> PcapNgWriter<Vec<u8>> {
        let mut writer = PcapNgWriter::with_endianness(out, endianness).unwrap();
        writer
            .write_pcapng_block(InterfaceDescriptionBlock::new(DataLink::RAW, 0))
            .unwrap();
        writer
    }

    #[test]
    fn files_of_other_tools_are_read() {
        let id = 9_u64.to_be_bytes();
        let options = vec![EnhancedPacketOption::Common(CommonOption::Unknown(
            UnknownOption::new(EPB_PACKETID, &id),
        ))];
        let packet = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_micros(1_762_300_800_000_123),
            original_len: 1500,
            data: [0x45].as_slice().into(),
            options,
        };
        let mut big = theirs(Vec::new(), Endianness::Big);
        big.write_pcapng_block(packet.clone()).unwrap();
        let secret = |kind: u32, log: &[u8]| {
            let length = log.len() as u32;
            [&kind.to_be_bytes()[..], &length.to_be_bytes(), log].concat()
        };
        for value in [
            secret(TLS_KEY_LOG, b"# caf\xe9\r\nA b c\r\n\r\n"),
            secret(0x5353_484b, b"not TLS"),
        ] {
            let block = UnknownBlock {
                type_: DECRYPTION_SECRETS_BLOCK,
                length: 0,
                value: value.into(),
            };
            big.write_pcapng_block(block).unwrap();
        }
        let mut little = theirs(big.into_inner(), Endianness::Little);
        // each section numbers its interfaces from 0; the second here counts milliseconds
        little
            .write_pcapng_block(InterfaceDescriptionBlock {
                linktype: DataLink::PPP,
                snaplen: 0,
                options: vec![InterfaceDescriptionOption::IfTsResol(
                    InterfaceTsResolution::MILLI,
                )],
            })
            .unwrap();
        little
            .write_pcapng_block(EnhancedPacketBlock {
                interface_id: 1,
                options: vec![EnhancedPacketOption::Flags(0)],
                ..packet
            })
            .unwrap();
        let capture = Capture::parse(&little.into_inner()).unwrap();
        let link_types: Vec<_> = capture.interfaces.iter().map(|i| i.link_type).collect();
        assert_eq!(link_types, [101, 101, 9]);
        assert_eq!(capture.secrets, ["# caf\u{fffd}", "A b c"]);
        let [first, second] = &capture.packets[..] else {
            panic!("{:?}", capture.packets);
        };
        assert_eq!(first.interface, 0);
        assert_eq!(first.at, 1_762_300_800_000_123_000);
        assert_eq!(first.id, Some(PacketId(9)));
        assert_eq!(first.original_bytes, 1500);
        assert_eq!(capture.ip_packet(first), Some(&[0x45][..]));
        assert_eq!(second.interface, 2);
        assert_eq!(second.at, 1_762_300_800_000_000_000);
        assert_eq!(second.direction, None);
        assert_eq!(capture.ip_packet(second), None, "PPP");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        let whole = ours();
        let cut = Capture::parse(&whole[..whole.len() - 1]).unwrap_err();
        let last = whole.len() - 76; // an interface statistics block
        assert_eq!(
            cut.to_string(),
            format!("no readable pcapng block at byte {last}")
        );
        for bytes in [&b""[..], b"\xd4\xc3\xb2\xa1", b"not a capture at all"] {
            assert!(matches!(
                Capture::parse(bytes).unwrap_err(),
                CaptureError::Block { offset: 0, .. }
            ));
        }
        let start = 48; // after a section header without options and an interface without options
        let with = |block: Block<'_>| {
            let mut writer = theirs(Vec::new(), Endianness::Little);
            writer.write_block(&block).unwrap();
            Capture::parse(&writer.into_inner()).unwrap_err()
        };
        let simple = SimplePacketBlock {
            original_len: 1,
            data: [0x45].as_slice().into(),
        };
        assert!(matches!(
            with(simple.into_block()),
            CaptureError::Timestamp { offset } if offset == start
        ));
        let short = [&TLS_KEY_LOG.to_le_bytes()[..], &[9, 0, 0, 0], b"A b c"].concat();
        let short = UnknownBlock {
            type_: DECRYPTION_SECRETS_BLOCK,
            length: 0,
            value: short.into(),
        };
        assert!(matches!(
            with(short.into_block()),
            CaptureError::Secrets { offset } if offset == start
        ));
        let late = EnhancedPacketBlock {
            timestamp: Duration::from_secs(1 << 40),
            ..EnhancedPacketBlock::default()
        };
        assert!(matches!(
            with(late.into_block()),
            CaptureError::Timestamp { offset } if offset == start
        ));
    }

    #[test]
    fn a_file_cut_inside_a_block_gives_an_error() {
        let whole = ours();
        let readable = (0..=whole.len()).filter(|cut| Capture::parse(&whole[..*cut]).is_ok());
        // after each of: section, 2 interfaces, names, packet, secrets, 2 packets, 2 statistics
        assert_eq!(readable.count(), 10);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.pcapng");
        let shown = path.display();
        assert_eq!(
            Capture::read(&path).unwrap_err().to_string(),
            format!("failed to read `{shown}`")
        );
        fs::write(&path, "text").unwrap();
        assert_eq!(
            Capture::read(&path).unwrap_err().to_string(),
            format!("failed to read `{shown}` as pcapng")
        );
        fs::write(&path, ours()).unwrap();
        assert_eq!(
            Capture::read(&path).unwrap(),
            Capture::parse(&ours()).unwrap()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Changed bytes give another capture or an error, whole or cut.
        #[test]
        fn damaged_files_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = ours();
            for (place, byte) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            if let Ok(capture) = Capture::parse(&bytes) {
                for packet in &capture.packets {
                    prop_assert!(packet.interface < capture.interfaces.len());
                    let _ = capture.ip_packet(packet);
                }
            }
            let cut = cut.index(bytes.len());
            let _ = Capture::parse(&bytes[..cut]);
        }

        #[test]
        fn noise_after_a_section_header_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = theirs(Vec::new(), Endianness::Little).into_inner();
            bytes.extend(&noise);
            let _ = Capture::parse(&bytes);
        }
    }
}
