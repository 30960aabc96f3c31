//! TUN devices: what the kernel routes to one we read, what we write it takes for received.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::{Namespace, interface};

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
}

/// Packets that may wait in the kernel to be read: more than a window of a megabyte in small packets.
const QUEUE: i32 = 10_000;

/// A TUN device that ends with this handle.
#[derive(Debug)]
pub struct Tun(File);

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
            let device = tun_tap::Iface::without_packet_info(name, tun_tap::Mode::Tun)?;
            // SAFETY: the descriptor is open and given up by its owner.
            let fd = unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) };
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
            Ok(Self(File::from(fd)))
        })
    }

    /// Reads one packet into `buffer`, and returns its length. `None` when none is waiting.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.0.read(buffer) {
            Ok(n) => Ok(Some(n)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Gives a packet to the kernel.
    ///
    /// # Errors
    /// When the kernel takes it for no packet, or has no room.
    pub fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        self.0.write(packet).map(drop)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
