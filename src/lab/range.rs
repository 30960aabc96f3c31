//! Address ranges as lab files write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::decode::Item;
use crate::net::topology::Cidr;

/// Reads `10.0.2.0/24`. The prefix leaves room for a gateway and a host: at most 30, or 126 for IPv6.
pub(super) fn parse(text: &str) -> Option<Cidr> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    let most = if address.is_ipv4() { 30 } else { 126 };
    (1..=most)
        .contains(&prefix)
        .then_some(Cidr { address, prefix })
}

/// Any range, of whatever size, as rules and routes have them: `0.0.0.0/0` is everything, `10.0.2.21/32` one address.
pub(super) fn any(item: Item<'_>) -> Option<Cidr> {
    any_of(item.text()?, |message, label| {
        item.wrong(message, label, None)
    })
}

/// The same for a key.
pub(super) fn any_key(item: Item<'_>) -> Option<Cidr> {
    any_of(item.key, |message, label| {
        item.wrong_key(message, label, None);
    })
}

fn any_of(text: &str, wrong: impl Fn(String, &str)) -> Option<Cidr> {
    let parts = text.split_once('/');
    let parts = parts.and_then(|(a, p)| Some((a.parse::<IpAddr>().ok()?, p.parse::<u8>().ok()?)));
    let range = parts.map(|(address, prefix)| Cidr { address, prefix });
    let fits = |c: &Cidr| c.prefix <= if c.address.is_ipv4() { 32 } else { 128 };
    let Some(range) = range.filter(fits) else {
        let label = "expected a range such as \"10.0.1.0/24\", \"0.0.0.0/0\" or \"10.0.2.21/32\"";
        wrong(format!("`{text}` is no range of addresses"), label);
        return None;
    };
    // Shifting away every bit of an address is no shift.
    let starts = match range.prefix {
        0 => range.address.is_unspecified(),
        _ => network(&range) == range.address,
    };
    if !starts {
        let label = "expected the first address of the range";
        wrong(format!("`{text}` is no range of addresses"), label);
        return None;
    }
    Some(range)
}

/// The first address of the range: the network's own.
pub(super) fn network(range: &Cidr) -> IpAddr {
    let host_bits = host_bits(range);
    map(range.address, |bits| bits >> host_bits << host_bits)
}

/// The first address a machine can have: the gateway's.
pub(super) fn gateway(range: &Cidr) -> IpAddr {
    map(network(range), |bits| bits + 1)
}

/// The last address of the range: broadcast in IPv4.
pub(super) fn last(range: &Cidr) -> IpAddr {
    let host_bits = host_bits(range);
    map(network(range), |bits| bits | ((1 << host_bits) - 1))
}

/// Whether two ranges have an address in common.
pub(super) fn overlap(a: &Cidr, b: &Cidr) -> bool {
    a.contains(network(b)) || b.contains(network(a))
}

/// Whether the range is for use inside an organisation only (RFC 1918, RFC 4193).
pub(super) fn is_private(range: &Cidr) -> bool {
    match range.address {
        IpAddr::V4(a) => a.is_private(),
        IpAddr::V6(a) => a.is_unique_local(),
    }
}

/// Why no machine can have this address in this range.
pub(super) fn refuse(range: &Cidr, address: IpAddr) -> Option<String> {
    let special = address.is_unspecified() || address.is_multicast() || address.is_loopback();
    if !range.contains(address) {
        return Some(format!("the subnet is {range}"));
    }
    if special {
        return Some("the address of no single machine".into());
    }
    if address == network(range) {
        return Some("the address of the subnet itself".into());
    }
    if address == gateway(range) {
        return Some("the gateway's address, the first of the subnet".into());
    }
    if address.is_ipv4() && address == last(range) {
        return Some("the broadcast address, the last of the subnet".into());
    }
    None
}

fn host_bits(range: &Cidr) -> u32 {
    let width = if range.address.is_ipv4() { 32 } else { 128 };
    width - u32::from(range.prefix)
}

fn map(address: IpAddr, f: impl FnOnce(u128) -> u128) -> IpAddr {
    match address {
        // A range has a prefix of at least 1, so no result needs more than 32 bits.
        IpAddr::V4(a) => Ipv4Addr::from_bits(f(a.to_bits().into()) as u32).into(),
        IpAddr::V6(a) => Ipv6Addr::from_bits(f(a.to_bits())).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_first_and_a_last_address() {
        let range = parse("172.17.0.1/16").unwrap();
        let ip = |a: &str| a.parse::<IpAddr>().unwrap();
        assert_eq!(network(&range), ip("172.17.0.0"));
        assert_eq!(gateway(&range), ip("172.17.0.1"));
        assert_eq!(last(&range), ip("172.17.255.255"));
        assert!(is_private(&range));
        let six = parse("2001:db8::/64").unwrap();
        assert_eq!(gateway(&six), ip("2001:db8::1"));
        assert_eq!(last(&six), ip("2001:db8::ffff:ffff:ffff:ffff"));
    }

    #[test]
    fn ranges_are_checked() {
        for text in ["10.0.0.0", "10.0.0.0/31", "10.0.0.0/0", "10.0.0/8", "x/8"] {
            assert_eq!(parse(text), None, "{text}");
        }
        let range = |text| parse(text).unwrap();
        assert!(overlap(&range("10.0.0.0/8"), &range("10.0.2.0/24")));
        assert!(!overlap(&range("10.0.1.0/24"), &range("10.0.2.0/24")));
        assert!(!overlap(&range("10.0.1.0/24"), &range("2001:db8::/32")));
    }

    #[test]
    fn a_machine_cannot_have_every_address() {
        let range = parse("10.0.2.0/24").unwrap();
        let why = |a: &str| refuse(&range, a.parse().unwrap());
        assert_eq!(why("10.0.2.21"), None);
        assert!(why("10.0.3.21").unwrap().contains("10.0.2.0/24"));
        assert!(why("10.0.2.0").unwrap().contains("itself"));
        assert!(why("10.0.2.1").unwrap().contains("gateway"));
        assert!(why("10.0.2.255").unwrap().contains("broadcast"));
    }
}
