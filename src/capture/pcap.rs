//! The classic pcap writer, for tools that read nothing else: no interfaces, names, comments or secrets.

use std::io::Write;
use std::net::IpAddr;

use pcap_file::pcap::{self, PcapHeader, PcapPacket, PcapTsResolution, PcapWriteError};
use pcap_file::{DataLink, Endianness};

use super::{CaptureError, Interface, Packet, SNAPLEN, since_1970, synthesise};
use crate::time::UnixSeconds;

/// Writes a pcap file with nanosecond timestamps (magic a1b23c4d), little endian, link type Ethernet. Readable after
/// every packet.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    out: pcap::PcapWriter<W>,
    epoch: UnixSeconds,
    nics: Vec<IpAddr>,
    frame: Vec<u8>,
}

impl<W: Write> PcapWriter<W> {
    /// Begins a capture of `interfaces`, in a run that began on the date `epoch`. The file says nothing about the
    /// interfaces; their MAC addresses are in the frames.
    ///
    /// # Errors
    /// [`CaptureError::Write`].
    pub fn new(w: W, epoch: UnixSeconds, interfaces: &[Interface]) -> Result<Self, CaptureError> {
        let header = PcapHeader {
            version_major: 2,
            version_minor: 4,
            ts_correction: 0,
            ts_accuracy: 0,
            snaplen: SNAPLEN,
            datalink: DataLink::ETHERNET,
            ts_resolution: PcapTsResolution::NanoSecond,
            endianness: Endianness::Little,
        };
        Ok(Self {
            out: pcap::PcapWriter::with_header(w, header).map_err(refused)?,
            epoch,
            nics: interfaces.iter().map(|i| i.address).collect(),
            frame: Vec::new(),
        })
    }

    /// Writes a packet, as an Ethernet frame. Its direction shows in the MAC addresses; its number and comments are
    /// left out.
    ///
    /// # Errors
    /// [`CaptureError::Write`]; [`CaptureError::UnknownInterface`]; [`CaptureError::TooLong`]; [`CaptureError::Pcap`]
    /// for a moment after the year 2106. Other than after the first, the file is as before.
    pub fn packet(&mut self, packet: &Packet<'_>) -> Result<(), CaptureError> {
        synthesise(&mut self.frame, &self.nics, packet)?;
        let at = since_1970(self.epoch, packet.at);
        // at most SNAPLEN
        let bytes = self.frame.len() as u32;
        let packet = PcapPacket::new(at, bytes, self.frame.as_slice())
            .map_err(|e| CaptureError::Pcap(e.into()))?;
        self.out.write_packet(&packet).map(drop).map_err(refused)
    }

    /// Hands what was written on.
    ///
    /// # Errors
    /// [`CaptureError::Write`].
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        self.out.flush().map_err(refused)
    }

    /// Ends the capture: flushes.
    ///
    /// # Errors
    /// [`CaptureError::Write`].
    pub fn finish(mut self) -> Result<W, CaptureError> {
        self.flush()?;
        Ok(self.out.into_inner())
    }
}

/// Keeps apart a destination that takes no more and content that does not fit.
fn refused(error: PcapWriteError) -> CaptureError {
    match error {
        PcapWriteError::Io(source) | PcapWriteError::FieldWriteFailed(_, source) => {
            CaptureError::Write(source)
        }
        error @ PcapWriteError::Validation(_) => CaptureError::Pcap(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Direction, PacketId};
    use crate::time::Instant;

    #[test]
    fn every_byte_of_a_small_file_is_as_it_should_be() {
        let nic = Interface {
            name: "user0".into(),
            description: String::new(),
            address: [192, 0, 2, 5].into(),
        };
        let mut writer = PcapWriter::new(Vec::new(), UnixSeconds(1_762_300_800), &[nic]).unwrap();
        let packet = Packet {
            interface: 0,
            at: Instant::from_nanos(1_000_000_002),
            direction: Direction::In,
            id: PacketId(7),
            bytes: &[0x45],
            peer: [192, 0, 2, 1].into(),
            comments: &["left out".into()],
            lost: false,
        };
        writer.packet(&packet).unwrap();
        let elsewhere = Packet {
            interface: 1,
            ..packet
        };
        assert!(matches!(
            writer.packet(&elsewhere).unwrap_err(),
            CaptureError::UnknownInterface {
                interface: 1,
                known: 1
            }
        ));
        let late = Packet {
            at: Instant::FAR_FUTURE,
            ..packet
        };
        assert!(matches!(
            writer.packet(&late).unwrap_err(),
            CaptureError::Pcap(_)
        ));
        let header = [
            0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
        ];
        let record = [
            0x81, 0x93, 0x0a, 0x69, 2, 0, 0, 0, 15, 0, 0, 0, 15, 0, 0, 0, // time, lengths
            2, 0, 192, 0, 2, 5, 2, 0, 192, 0, 2, 1, 8, 0, 0x45,
        ];
        assert_eq!(writer.finish().unwrap(), [&header[..], &record].concat());
    }
}
