//! Impairments at work: what arrives, and what the trace says about the rest.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;
use crate::event::Recorder;
use crate::impair::{Impairment, Matching, Pick, Which};
use crate::net::topology::{Cidr, Forwarding, Link, Nic, Node, Route, Subnet};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `a` and `b` on the two sides of a router `r`; the impairments are on the way from `a` to it.
fn topology(impairments: Vec<Impairment>) -> Topology {
    let cidr = |address: &str| Cidr {
        address: ip(address),
        prefix: 24,
    };
    let node = |text: &str, kind, nics: Vec<usize>, routes| Node {
        name: name(text),
        kind,
        nics,
        routes,
        forwarding: Forwarding::default(),
    };
    let nic = |text: &str, node, subnet, address: &str| Nic {
        name: name(text),
        node,
        subnet,
        address: ip(address),
    };
    let link = |text: &str, ends, there| Link {
        name: name(text),
        ends,
        mtu: 1_500,
        impairments: [there, Vec::new()],
    };
    let default = |nic| Route {
        to: Cidr::everything(ip("10.0.0.1")),
        nic,
    };
    let to = |address: &str, nic| Route {
        to: cidr(address),
        nic,
    };
    Topology {
        subnets: vec![
            Subnet {
                name: name("left"),
                cidr: cidr("10.0.1.0"),
            },
            Subnet {
                name: name("right"),
                cidr: cidr("10.0.2.0"),
            },
        ],
        nodes: vec![
            node("a", NodeKind::Host, vec![0], vec![default(0)]),
            node(
                "r",
                NodeKind::Router,
                vec![1, 2],
                vec![to("10.0.1.0", 1), to("10.0.2.0", 2)],
            ),
            node("b", NodeKind::Host, vec![3], vec![default(3)]),
        ],
        nics: vec![
            nic("a0", 0, 0, "10.0.1.9"),
            nic("r-a", 1, 0, "10.0.1.1"),
            nic("r-b", 1, 1, "10.0.2.1"),
            nic("b0", 2, 1, "10.0.2.9"),
        ],
        links: vec![
            link("near", [0, 1], impairments),
            link("far", [2, 3], vec![]),
        ],
        ..Topology::default()
    }
}

fn datagram(number: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ipv4([10, 0, 1, 9], [10, 0, 2, 9], 64).udp(1, 2);
    builder.write(&mut bytes, &[number, 0, 0, 0]).unwrap();
    bytes
}

/// Sends datagrams 1 to `count`, one each microsecond; gives what arrives and when, in microseconds, and the events.
fn send(impairments: Vec<Impairment>, count: u8) -> (Vec<(u64, u8)>, Vec<What>) {
    let trace = Trace::default();
    let recorder = Rc::new(RefCell::new(Recorder::new(1_000)));
    trace.attach(recorder.clone());
    let mut fabric = Fabric::new(topology(impairments), Seed(1), trace);
    let mut arrived = Vec::new();
    let mut deliver = |fabric: &mut Fabric, until: Option<Instant>| {
        while let Some(at) = fabric.next_delivery()
            && until.is_none_or(|u| at <= u)
        {
            while let Some((_, _, bytes)) = fabric.poll_arrival(at) {
                arrived.push((at.as_nanos() / 1_000, bytes[28]));
            }
        }
    };
    for number in 1..=count {
        let now = Instant::from_nanos(u64::from(number) * 1_000);
        deliver(&mut fabric, Some(now));
        fabric.send(now, 0, datagram(number));
    }
    deliver(&mut fabric, None);
    assert!(fabric.is_idle());
    let events = recorder
        .borrow()
        .events
        .iter()
        .map(|e| e.what.clone())
        .collect();
    (arrived, events)
}

fn nth(numbers: &[u64]) -> Pick {
    Pick {
        matching: Matching::Any,
        which: Which::Nth(numbers.to_vec()),
    }
}

fn altered(packet: u64, how: Alteration) -> What {
    What::Altered {
        packet: PacketId(packet),
        how,
        link: name("near"),
    }
}

#[test]
fn a_duplicate_arrives_twice_and_has_an_identity_of_its_own() {
    let duplicate = Impairment::Duplicate {
        pick: nth(&[2]),
        later: Duration::from_micros(10),
    };
    let (arrived, events) = send(vec![duplicate], 3);
    assert_eq!(arrived, [(1, 1), (2, 2), (3, 3), (12, 2)]);
    let copy = PacketId(3);
    assert_eq!(events, [altered(2, Alteration::Duplicated { copy })]);
}

#[test]
fn later_packets_overtake_or_time_ends_the_wait() {
    let reorder = |by| Impairment::Reorder {
        pick: nth(&[2]),
        by,
        at_most: Duration::from_micros(50),
    };
    let (arrived, events) = send(vec![reorder(2)], 5);
    let order: Vec<u8> = arrived.iter().map(|(_, n)| *n).collect();
    assert_eq!(order, [1, 3, 4, 2, 5]);
    assert_eq!(
        arrived[3].0, 4,
        "right behind the one that overtook it last"
    );
    assert_eq!(events, [altered(2, Alteration::Overtaken { by: 2 })]);
    let (arrived, _) = send(vec![reorder(9)], 3);
    assert_eq!(arrived, [(1, 1), (3, 3), (52, 2)]);
}

#[test]
fn a_flipped_bit_is_told_by_a_checksum() {
    let all = Pick {
        matching: Matching::Any,
        which: Which::Share("100 %".parse().unwrap()),
    };
    let (arrived, events) = send(vec![Impairment::Corrupt(all)], 200);
    assert_eq!(arrived, []);
    let (mut bits, mut drops) = (Vec::new(), Vec::new());
    for what in events {
        if let What::Altered {
            how: Alteration::Corrupted { bit },
            ..
        } = what
        {
            bits.push(bit);
        } else if let What::Dropped { cause, bytes, .. } = what {
            drops.push((cause, bytes));
        } else {
            panic!("{what:?}");
        }
    }
    assert_eq!((bits.len(), drops.len()), (200, 200));
    assert!(drops.iter().all(|(cause, _)| *cause == DropCause::Checksum));
    // In the header it goes no further than the router, which has not counted the time to live down.
    let at_host = drops.iter().filter(|(_, b)| b[8] == 63).count();
    let behind_header = bits.iter().filter(|b| **b >= 20 * 8).count();
    assert_eq!(at_host, behind_header);
}

proptest! {
    /// Why `is_caught` need not compute a checksum.
    #[test]
    fn a_checksum_changes_with_every_single_bit(data in proptest::collection::vec(any::<u8>(), 0..64), bit in 0_usize..2_000) {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([10, 0, 1, 9], [10, 0, 2, 9], 64).tcp(1, 2, 3, 4);
        builder.write(&mut bytes, &data).unwrap();
        let sum = |words: &[u8], start: u32| {
            let word = |c: &[u8]| u32::from(c[0]) << 8 | u32::from(c.get(1).copied().unwrap_or(0));
            let mut sum = start + words.chunks(2).map(word).sum::<u32>();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            sum
        };
        let is_right = |b: &[u8]| {
            let pseudo = sum(&b[12..20], 6 + (b.len() as u32 - 20));
            sum(&b[..20], 0) == 0xffff && sum(&b[20..], pseudo) == 0xffff
        };
        prop_assert!(is_right(&bytes));
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 0x80 >> (bit % 8);
        prop_assert!(!is_right(&bytes));
    }
}
