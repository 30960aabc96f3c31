//! Configuring a network interface of the calling thread's namespace, by the ioctls of netdevice(7) and rtnetlink's
//! older brother `SIOCADDRT`. IPv4 only.

use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketType, socket};

fn control() -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::INET, SocketType::DGRAM, None)?)
}

/// An `ifreq` for the interface called `name`.
fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: an `ifreq` is plain data, for which zero is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // The kernel's names have at most 15 bytes and a zero.
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("interface name `{name}` is longer than 15 bytes"),
        ));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    Ok(request)
}

fn call<T>(socket: &OwnedFd, number: libc::Ioctl, argument: &mut T) -> io::Result<()> {
    // SAFETY: every caller pairs the number with the structure that netdevice(7) names for it.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), number, std::ptr::from_mut(argument)) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let inet = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.octets()),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: both have 16 bytes, and `sockaddr` is the type under which the kernel takes the other.
    unsafe { mem::transmute::<libc::sockaddr_in, libc::sockaddr>(inet) }
}

/// Makes a TUN device in which each packet has a `virtio_net_hdr` before it, and which takes incomplete checksums and
/// TCP over IPv4 that is yet to be cut into segments.
pub(super) fn tun_with_offload(name: &str) -> io::Result<OwnedFd> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    let fd = OwnedFd::from(file);
    let mut r = request(name)?;
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    r.ifr_ifru.ifru_flags = flags as libc::c_short;
    call(&fd, libc::TUNSETIFF, &mut r)?;
    let takes = libc::c_ulong::from(libc::TUN_F_CSUM | libc::TUN_F_TSO4);
    // SAFETY: this request's argument is a number.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD, takes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(fd)
}

/// Sets the interface up.
pub(super) fn up(name: &str) -> io::Result<()> {
    let socket = control()?;
    let mut r = request(name)?;
    call(&socket, libc::SIOCGIFFLAGS, &mut r)?;
    // SAFETY: the call above filled this member of the union.
    unsafe { r.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short };
    call(&socket, libc::SIOCSIFFLAGS, &mut r)
}

/// Sets the largest packet, in bytes.
pub(super) fn set_mtu(name: &str, mtu: usize) -> io::Result<()> {
    let mut r = request(name)?;
    r.ifr_ifru.ifru_mtu = i32::try_from(mtu).unwrap_or(i32::MAX);
    call(&control()?, libc::SIOCSIFMTU, &mut r)
}

/// Sets how many packets may wait to be read.
pub(super) fn set_queue(name: &str, packets: i32) -> io::Result<()> {
    let mut r = request(name)?;
    r.ifr_ifru.ifru_metric = packets;
    call(&control()?, libc::SIOCSIFTXQLEN, &mut r)
}

/// Gives the interface its address, for itself alone: routes say what else is behind it.
pub(super) fn set_address(name: &str, address: Ipv4Addr) -> io::Result<()> {
    let socket = control()?;
    let mut r = request(name)?;
    r.ifr_ifru.ifru_addr = socket_address(address);
    call(&socket, libc::SIOCSIFADDR, &mut r)?;
    r.ifr_ifru.ifru_netmask = socket_address(Ipv4Addr::BROADCAST);
    call(&socket, libc::SIOCSIFNETMASK, &mut r)
}

/// Sends what goes to `to` with the prefix length out of the interface.
pub(super) fn add_route(name: &str, to: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    let network = Ipv4Addr::from_bits(to.to_bits() & mask);
    let mut device = [0_u8; libc::IFNAMSIZ];
    device[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: an `rtentry` is plain data, for which zero is a value.
    let mut route: libc::rtentry = unsafe { mem::zeroed() };
    route.rt_dst = socket_address(network);
    route.rt_genmask = socket_address(Ipv4Addr::from_bits(mask));
    route.rt_flags = libc::RTF_UP;
    if prefix == 32 {
        route.rt_flags |= libc::RTF_HOST;
    }
    route.rt_dev = device.as_mut_ptr().cast();
    call(&control()?, libc::SIOCADDRT, &mut route)
}
