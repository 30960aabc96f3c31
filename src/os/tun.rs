//! TUN devices: what the kernel routes to one we read, what we write it takes for received.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::{Namespace, interface};
use crate::wire::offload::{self, SegmentSize};

/// How a TUN device is set up.
#[derive(Debug, Clone)]
pub struct TunConfig {
    /// At most 15 bytes.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Largest IP packet, in bytes.
    pub mtu: usize,
    /// Destinations behind it: address, prefix length.
    pub routes: Vec<(IpAddr, u8)>,
    /// Whether each side leaves to the other what a network card does: transport checksums (those of packets read are
    /// incomplete, those of packets written need not be right) and cutting large TCP packets into segments.
    pub offload: bool,
}

/// Packets that may wait in the kernel to be read: more than a window of a megabyte in small packets.
const QUEUE: i32 = 10_000;

/// A TUN device that ends with this handle.
#[derive(Debug)]
pub struct Tun {
    file: File,
    offload: bool,
}

impl Tun {
    /// Makes a device in `namespace` and sets it up.
    ///
    /// # Errors
    /// When the process may not, or an address or route does not fit.
    pub fn create(namespace: &Namespace, config: &TunConfig) -> io::Result<Self> {
        let IpAddr::V4(address) = config.address else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "TUN devices have IPv4 addresses only",
            ));
        };
        namespace.inside(|| {
            // Checked here too: the library would cut a longer name.
            let name = config.name.as_str();
            if name.len() >= libc::IFNAMSIZ {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("interface name `{name}` is longer than 15 bytes"),
                ));
            }
            let fd = if config.offload {
                interface::tun_with_offload(name)?
            } else {
                let device = tun_tap::Iface::without_packet_info(name, tun_tap::Mode::Tun)?;
                // SAFETY: the descriptor is open and given up by its owner.
                unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) }
            };
            fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
            interface::set_mtu(name, config.mtu)?;
            match interface::set_queue(name, QUEUE) {
                // This one ioctl asks for the machine's root, not the namespace's: the default of 500 packets stays.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
                other => other?,
            }
            interface::set_address(name, address)?;
            interface::up(name)?;
            for (to, prefix) in &config.routes {
                if let IpAddr::V4(to) = to {
                    interface::add_route(name, *to, *prefix)?;
                }
            }
            Ok(Self {
                file: File::from(fd),
                offload: config.offload,
            })
        })
    }

    /// Reads one packet into `buffer`, and returns its length and what it is to be cut into. `None` when none is waiting.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, SegmentSize)>> {
        let mut header = [0; Header::BYTES];
        let read = if self.offload {
            let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(buffer)];
            self.file.read_vectored(&mut parts)
        } else {
            self.file.read(buffer)
        };
        match read {
            Ok(n) if self.offload => {
                let length = n.saturating_sub(Header::BYTES);
                Ok(Some((length, Header::read(header).segments())))
            }
            Ok(n) => Ok(Some((n, None))),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Gives a packet to the kernel, which with offload completes its transport checksum, and cuts it into `segments`.
    ///
    /// # Errors
    /// When the kernel takes it for no packet, or has no room.
    pub fn write(&mut self, packet: &mut [u8], segments: SegmentSize) -> io::Result<()> {
        if self.offload {
            let header = Header::of(packet, segments).bytes();
            let parts = [IoSlice::new(&header), IoSlice::new(packet)];
            self.file.write_vectored(&parts).map(drop)
        } else {
            self.file.write(packet).map(drop)
        }
    }
}

/// What goes before each packet on a device with offload: `virtio_net_hdr` of linux/virtio_net.h, in the machine's byte
/// order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Header {
    /// [`Header::NEEDS_CHECKSUM`].
    flags: u8,
    /// [`Header::TCP4`], and perhaps others.
    kind: u8,
    header_bytes: u16,
    segment: u16,
    checksum_start: u16,
    checksum_field: u16,
}

impl Header {
    const BYTES: usize = 10;
    const NEEDS_CHECKSUM: u8 = 1;
    const TCP4: u8 = 1;
    /// A flag beside the kind: congestion is told by a bit in the first segment only.
    const ECN: u8 = 0x80;

    /// That of a packet of ours, whose checksum is left to the kernel.
    fn of(packet: &mut [u8], segments: SegmentSize) -> Self {
        let mut header = Self::default();
        let Some(place) = offload::leave_checksum(packet) else {
            return header;
        };
        header.flags = Self::NEEDS_CHECKSUM;
        (header.checksum_start, header.checksum_field) = (place.start, place.field);
        if let (Some(size), Some(headers)) = (segments, offload::tcp_headers(packet))
            && packet.len() > headers + usize::from(size.get())
        {
            header.kind = Self::TCP4;
            // Two headers of at most 60 bytes.
            header.header_bytes = headers as u16;
            header.segment = size.get();
        }
        header
    }

    fn read(bytes: [u8; Self::BYTES]) -> Self {
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        Self {
            flags: bytes[0],
            kind: bytes[1],
            header_bytes: word(2),
            segment: word(4),
            checksum_start: word(6),
            checksum_field: word(8),
        }
    }

    fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [self.flags, self.kind, 0, 0, 0, 0, 0, 0, 0, 0];
        let words = [
            self.header_bytes,
            self.segment,
            self.checksum_start,
            self.checksum_field,
        ];
        for (to, word) in bytes[2..].chunks_exact_mut(2).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn segments(self) -> SegmentSize {
        NonZeroU16::new(self.segment).filter(|_| self.kind & !Self::ECN == Self::TCP4)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn tcp(payload: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .tcp(1_000, 443, 1, 500)
            .write(&mut bytes, &vec![7; payload])
            .unwrap();
        bytes
    }

    #[test]
    fn a_large_packet_is_given_with_its_segment_size() {
        let size = NonZeroU16::new(1_400);
        let header = Header::of(&mut tcp(10_000), size);
        let expected = Header {
            flags: 1,
            kind: 1,
            header_bytes: 40,
            segment: 1_400,
            checksum_start: 20,
            checksum_field: 16,
        };
        assert_eq!(header, expected);
        assert_eq!(Header::read(header.bytes()), header);
        assert_eq!(header.segments(), size);

        let one = Header::of(&mut tcp(1_400), size);
        assert_eq!((one.flags, one.kind, one.segments()), (1, 0, None));
        let mut none = tcp(0);
        none[9] = 1;
        assert_eq!(Header::of(&mut none, None), Header::default());
    }
}
