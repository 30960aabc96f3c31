//! Reads pcapng files, ours and others'.

use std::io::Read;
use std::time::Duration;

use pcap_file::pcapng::blocks::block_common::Block;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::{PcapNgReadError, PcapNgReader};
use pcap_file::{DataLink, Endianness};

use super::CaptureError;
use super::pcapng::{DECRYPTION_SECRETS, PACKET_ID, TLS_KEY_LOG};
use crate::event::Direction;

/// A capture in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capture {
    /// Names of the interfaces; empty where there is none.
    pub interfaces: Vec<String>,
    /// Whether all interfaces are Ethernet.
    pub ethernet: bool,
    /// Packets in the order of the file.
    pub packets: Vec<CapturedPacket>,
    /// Lines of the TLS key log.
    pub secrets: Vec<String>,
}

/// A packet of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedPacket {
    /// Number of its interface.
    pub interface: usize,
    /// When, since 1970.
    pub at: Duration,
    /// Which way, where that is said.
    pub direction: Option<Direction>,
    /// `epb_packetid`, where there is one.
    pub id: Option<u64>,
    /// What was captured, from the link layer on.
    pub bytes: Vec<u8>,
    /// Its comments.
    pub comments: Vec<String>,
}

/// Reads a whole pcapng file. Blocks that are not needed are passed over.
///
/// # Errors
/// When it is not pcapng, or is cut or damaged.
pub fn read(source: impl Read) -> Result<Capture, CaptureError> {
    let bad = |e: PcapNgReadError| CaptureError::Read(e.to_string());
    let mut reader = PcapNgReader::new(source).map_err(bad)?;
    let mut capture = Capture {
        ethernet: true,
        ..Capture::default()
    };
    while let Some(next) = reader.next_block() {
        let (block, state) = next.map_err(bad)?;
        let endianness = state.section().endianness;
        take(&mut capture, block, endianness)?;
    }
    Ok(capture)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the formats know many more blocks and options than are of use here"
)]
fn take(
    capture: &mut Capture,
    block: Block<'_>,
    endianness: Endianness,
) -> Result<(), CaptureError> {
    match block {
        Block::InterfaceDescription(interface) => {
            let name = interface.options.iter().find_map(|o| match o {
                InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                _ => None,
            });
            capture.ethernet &= interface.linktype == DataLink::ETHERNET;
            capture.interfaces.push(name.unwrap_or_default());
        }
        Block::EnhancedPacket(packet) => {
            let mut taken = CapturedPacket {
                interface: packet.interface_id as usize,
                at: packet.timestamp,
                direction: None,
                id: None,
                bytes: packet.data.into_owned(),
                comments: Vec::new(),
            };
            for option in packet.options {
                match option {
                    EnhancedPacketOption::Flags(flags) => {
                        taken.direction = match flags & 3 {
                            1 => Some(Direction::In),
                            2 => Some(Direction::Out),
                            _ => None,
                        };
                    }
                    EnhancedPacketOption::Common(CommonOption::Comment(text)) => {
                        taken.comments.push(text.into_owned());
                    }
                    EnhancedPacketOption::Common(CommonOption::Unknown(o))
                        if o.code == PACKET_ID =>
                    {
                        taken.id = <[u8; 8]>::try_from(&*o.value)
                            .ok()
                            .map(|b| match endianness {
                                Endianness::Little => u64::from_le_bytes(b),
                                Endianness::Big => u64::from_be_bytes(b),
                            });
                    }
                    _ => {}
                }
            }
            capture.packets.push(taken);
        }
        Block::Unknown(block) if block.type_ == DECRYPTION_SECRETS => {
            let word = |at: usize| -> Option<u32> {
                let b: [u8; 4] = block.value.get(at..at + 4)?.try_into().ok()?;
                Some(match endianness {
                    Endianness::Little => u32::from_le_bytes(b),
                    Endianness::Big => u32::from_be_bytes(b),
                })
            };
            let cut = || CaptureError::Read("a decryption secrets block is cut".into());
            let (kind, length) = word(0).zip(word(4)).ok_or_else(cut)?;
            if kind == TLS_KEY_LOG {
                let text = block.value.get(8..8 + length as usize).ok_or_else(cut)?;
                let text = String::from_utf8_lossy(text);
                capture.secrets.extend(text.lines().map(str::to_owned));
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::pcapng::{About, PcapngWriter};
    use crate::capture::{Interface, Packet};
    use crate::event::PacketId;
    use crate::time::{Instant, UnixSeconds};
    use proptest::prelude::*;

    fn small() -> Vec<u8> {
        let interface = |name: &str| Interface {
            name: name.into(),
            description: "a tap".into(),
            address: [203, 192, 1, 50].into(),
            peer: [203, 192, 1, 1].into(),
        };
        let interfaces = [interface("user0"), interface("alb-vpc")];
        let names = [([203, 192, 1, 50].into(), "user".to_owned())];
        let about = About {
            comment: Some("a small capture"),
            names: &names,
        };
        let epoch = UnixSeconds::from_ymd(2025, 11, 5);
        let mut writer = PcapngWriter::new(Vec::new(), epoch, &interfaces, &about).unwrap();
        writer.secrets(&["CLIENT_RANDOM ab cd".into()]).unwrap();
        let packet = Packet {
            interface: 1,
            at: Instant::from_nanos(1_500_000_001),
            direction: Direction::Out,
            id: PacketId(7),
            bytes: &[0x45, 1, 2, 3],
            lost: true,
        };
        let comments = ["first".to_owned(), "zweite Zeile ✕".to_owned()];
        writer.packet(&packet, &comments).unwrap();
        writer.finish(Instant::from_nanos(2_000_000_000)).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let capture = read(&*small()).unwrap();
        assert_eq!(capture.interfaces, ["user0", "alb-vpc"]);
        assert_eq!(capture.secrets, ["CLIENT_RANDOM ab cd"]);
        assert!(capture.ethernet);
        let packet = &capture.packets[0];
        assert_eq!(packet.at, Duration::new(1_762_300_801, 500_000_001));
        assert_eq!((packet.interface, packet.id), (1, Some(7)));
        assert_eq!(packet.direction, Some(Direction::Out));
        assert_eq!(packet.comments, ["first", "zweite Zeile ✕"]);
        let header = [2, 0, 203, 192, 1, 1, 2, 0, 203, 192, 1, 50, 8, 0];
        assert_eq!(packet.bytes[..14], header);
        assert_eq!(packet.bytes[14..], [0x45, 1, 2, 3]);
    }

    #[test]
    fn the_head_of_a_file_is_the_same_everywhere() {
        let bytes = small();
        assert_eq!(bytes[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
        assert_eq!(bytes[8..12], [0x4d, 0x3c, 0x2b, 0x1a], "little-endian");
        assert_eq!(bytes, small());
    }

    proptest! {
        #[test]
        fn damage_is_an_error_and_never_a_panic(cut in 0_usize..400, at in 0_usize..400, to in any::<u8>()) {
            let mut bytes = small();
            let length = bytes.len();
            bytes[at % length] = to;
            let _ = read(&bytes[..length - cut % length]);
        }
    }
}
