//! A NIC of a stack: smoltcp's interface, what it reaches, and how large its packets are.

use std::collections::BTreeMap;
use std::net::IpAddr;

use smoltcp::iface::{Config, Interface};
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Address, Ipv6Address};

use super::Stack;
use super::device::Port;
use super::moment::micros;
use crate::time::Instant;

pub(super) struct Nic {
    pub(super) interface: Interface,
    /// The same for smaller packets, by their size: smoltcp's sockets ask their interface how much they may send.
    pub(super) narrow: BTreeMap<usize, Interface>,
    pub(super) port: Port,
    pub(super) address: IpAddr,
    pub(super) mtu: usize,
    pub(super) routes: Vec<(IpAddr, u8)>,
    pub(super) transparent: bool,
}

impl Nic {
    /// What a flow sends through, where its way carries packets of `mtu` bytes at most.
    pub(super) fn way_out(&mut self, mtu: Option<usize>) -> (&mut Interface, &mut Port) {
        let narrow = mtu.and_then(|mtu| self.narrow.get_mut(&mtu));
        (narrow.unwrap_or(&mut self.interface), &mut self.port)
    }
}

impl Stack {
    /// Largest segment of data that leaves a NIC: IPv4 and TCP headers without options, as our segments carry none.
    pub(super) fn mss_at(&self, nic: usize) -> usize {
        self.nics[nic].mtu.saturating_sub(40)
    }

    /// The NIC through which `destination` is reached: longest prefix, then the first.
    pub(super) fn nic_towards(&self, destination: IpAddr) -> Option<usize> {
        let mut best: Option<(u8, usize)> = None;
        for (index, nic) in self.nics.iter().enumerate() {
            for (address, prefix) in &nic.routes {
                let inside = prefix_contains(*address, *prefix, destination);
                if inside && best.is_none_or(|(longest, _)| *prefix > longest) {
                    best = Some((*prefix, index));
                }
            }
        }
        best.map(|(_, index)| index)
    }
}

/// A smoltcp interface with one address, for packets of the size that `port` takes.
pub(super) fn interface(address: IpAddr, port: &mut Port, seed: u64, now: Instant) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut interface = Interface::new(config, port, micros(now));
    interface.update_ip_addrs(|addresses| {
        // The prefix plays no part: without an Ethernet below there are no neighbours to tell from gateways.
        let own = IpCidr::new(address.into(), 0);
        // An interface has room for eight addresses, and this is the first.
        let _ = addresses.push(own);
    });
    // The next hop's address plays no part either; a default route must exist.
    let routes = interface.routes_mut();
    let _ = routes.add_default_ipv4_route(Ipv4Address::new(0, 0, 0, 1));
    let _ = routes.add_default_ipv6_route(Ipv6Address::new(0, 0, 0, 0, 0, 0, 0, 1));
    interface
}

fn prefix_contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let bits = |a: IpAddr| match a {
        IpAddr::V4(a) => (u128::from(a.to_bits()) << 96, 4),
        IpAddr::V6(a) => (a.to_bits(), 6),
    };
    let ((a, family), (b, other)) = (bits(network), bits(address));
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    family == other && (a ^ b) & mask == 0
}
