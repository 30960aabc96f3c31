//! NAT gateways: connections, echoes and errors, both ways.

use super::*;
use crate::name::Name;
use crate::net::topology::Nic;
use crate::net::topology::vpc::Vpc;

const WORKER: [u8; 4] = [10, 0, 2, 40];
const PARTNER: [u8; 4] = [198, 51, 100, 60];
const PUBLIC: [u8; 4] = [198, 51, 100, 20];

fn gateways() -> Gateways {
    Gateways::new(&topology())
}

fn topology() -> Topology {
    let nic = |n: &str, address: [u8; 4]| Nic {
        name: Name::new(n).unwrap(),
        node: 0,
        subnet: 0,
        address: address.into(),
    };
    Topology {
        nics: vec![nic("nat-public", [10, 0, 0, 20]), nic("nat-edge", PUBLIC)],
        vpc: Vpc {
            nat_gateways: vec![NatGateway {
                inside: 0,
                outside: 1,
            }],
            ..Vpc::default()
        },
        ..Topology::default()
    }
}

fn segment(flags: &str, from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let tcp = PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, 7, 1_000);
    let tcp = match flags {
        "syn" => tcp.syn(),
        "fin" => tcp.fin().ack(4_711),
        "rst" => tcp.rst(),
        _ => tcp.ack(4_711),
    };
    tcp.write(&mut bytes, &[]).unwrap();
    bytes
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn ports(bytes: &[u8]) -> (SocketAddr, SocketAddr) {
    Packet::read(bytes).unwrap().ports().unwrap()
}

#[test]
fn a_connection_is_translated_both_ways_until_it_is_idle() {
    let mut gateways = gateways();
    let (worker, partner) = ((WORKER, 49_152), (PARTNER, 443));
    let mut syn = segment("syn", worker, partner);
    assert_eq!(
        gateways.handle(at(0), 0, &mut syn),
        Some(Outcome::Through(1))
    );
    assert_eq!(ports(&syn), ((PUBLIC, 49_152).into(), partner.into()));
    let mut back = segment("ack", partner, (PUBLIC, 49_152));
    assert_eq!(
        gateways.handle(at(350), 1, &mut back),
        Some(Outcome::Through(0))
    );
    assert_eq!(ports(&back).1, worker.into());

    let mut late = segment("ack", partner, (PUBLIC, 49_152));
    let Some(Outcome::Refused(refusal, None)) = gateways.handle(at(701), 1, &mut late) else {
        panic!("silence for 351 s")
    };
    assert_eq!(refusal.cause, DropCause::NatIdle);
    let mut late = segment("ack", worker, partner);
    let Some(Outcome::Refused(_, Some(reset))) = gateways.handle(at(701), 0, &mut late) else {
        panic!("answered with RST")
    };
    let reset = Packet::read(&reset).unwrap();
    assert_eq!(reset.ports().unwrap(), (partner.into(), worker.into()));
    let tcp = reset.tcp().unwrap();
    assert!(tcp.flags.rst() && tcp.sequence == 4_711);
}

#[test]
fn two_machines_with_one_port_get_two_ports() {
    let mut gateways = gateways();
    let partner = (PARTNER, 443);
    let mut first = segment("syn", (WORKER, 49_152), partner);
    let mut second = segment("syn", ([10, 0, 2, 41], 49_152), partner);
    gateways.handle(at(0), 0, &mut first);
    gateways.handle(at(0), 0, &mut second);
    assert_eq!(ports(&first).0.port(), 49_152);
    assert_eq!(ports(&second).0.port(), 1_024, "the first free one");
    let mut elsewhere = segment("syn", ([10, 0, 2, 41], 49_152), (PARTNER, 80));
    gateways.handle(at(0), 0, &mut elsewhere);
    assert_eq!(ports(&elsewhere).0.port(), 49_152, "another destination");
}

#[test]
fn one_destination_has_room_for_so_many_and_no_more() {
    let mut gateways = gateways();
    let connect = |gateways: &mut Gateways, now, n: u32| {
        let [_, _, high, low] = n.to_be_bytes();
        let from = ([10, 1, high, low], 5_000);
        gateways.handle(at(now), 0, &mut segment("syn", from, (PARTNER, 443)))
    };
    for n in 0..55_000 {
        assert_eq!(connect(&mut gateways, 0, n), Some(Outcome::Through(1)));
    }
    let Some(Outcome::Refused(refusal, None)) = connect(&mut gateways, 0, 55_000) else {
        panic!("no room")
    };
    assert_eq!(refusal.cause, DropCause::NatPorts);
}

#[test]
fn nobody_comes_in_uninvited() {
    let mut gateways = gateways();
    let mut syn = segment("syn", (PARTNER, 40_000), (PUBLIC, 22));
    let Some(Outcome::Refused(..)) = gateways.handle(at(0), 1, &mut syn) else {
        panic!("refused")
    };
    assert_eq!(
        gateways.handle(at(0), 7, &mut syn),
        None,
        "no NAT gateway there"
    );
}

#[test]
fn an_echo_is_translated_by_its_identifier() {
    let mut gateways = gateways();
    let echo = |kind: &str, from: [u8; 4], to: [u8; 4], identifier| {
        let mut bytes = Vec::new();
        let ip = PacketBuilder::ipv4(from, to, 64);
        let icmp = match kind {
            "request" => ip.icmpv4_echo_request(identifier, 1),
            _ => ip.icmpv4_echo_reply(identifier, 1),
        };
        icmp.write(&mut bytes, b"data").unwrap();
        bytes
    };
    let mut first = echo("request", WORKER, PARTNER, 1_030);
    let mut second = echo("request", [10, 0, 2, 41], PARTNER, 1_030);
    for ping in [&mut first, &mut second] {
        assert_eq!(gateways.handle(at(0), 0, ping), Some(Outcome::Through(1)));
    }
    assert_eq!(first, echo("request", PUBLIC, PARTNER, 1_030));
    assert_eq!(
        second,
        echo("request", PUBLIC, PARTNER, 1_024),
        "a free one"
    );
    let mut reply = echo("reply", PARTNER, PUBLIC, 1_024);
    assert_eq!(
        gateways.handle(at(1), 1, &mut reply),
        Some(Outcome::Through(0))
    );
    assert_eq!(reply, echo("reply", PARTNER, [10, 0, 2, 41], 1_030));
    let mut unasked = echo("reply", PARTNER, PUBLIC, 9);
    let Some(Outcome::Refused(refusal, None)) = gateways.handle(at(1), 1, &mut unasked) else {
        panic!("nobody has asked")
    };
    assert_eq!(refusal.cause, DropCause::NatIdle);
    let mut asked = echo("request", PARTNER, PUBLIC, 1_024);
    let Some(Outcome::Refused(refusal, None)) = gateways.handle(at(1), 1, &mut asked) else {
        panic!("a NAT gateway answers no ping")
    };
    assert_eq!(refusal.cause, DropCause::NatUntranslated);
}

/// What a router says of a packet goes to whoever sent it, and speaks of the packet as that one knows it.
#[test]
fn an_error_follows_the_packet_that_it_quotes() {
    let mut gateways = gateways();
    let (worker, partner) = ((WORKER, 50_000), (PARTNER, 443));
    let blocker = segment("syn", ([10, 0, 2, 41], 50_000), partner);
    gateways.handle(at(0), 0, &mut blocker.clone());
    let sent = segment("syn", worker, partner);
    let mut translated = sent.clone();
    gateways.handle(at(0), 0, &mut translated);
    assert_eq!(ports(&translated).0, (PUBLIC, 1_024).into());
    let error = |from: [u8; 4], to: [u8; 4], quoted: &[u8]| {
        use etherparse::Icmpv4Type::DestinationUnreachable;
        use etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded;
        let next_hop_mtu = 1_400;
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(from, to, 64)
            .icmpv4(DestinationUnreachable(FragmentationNeeded { next_hop_mtu }))
            .write(&mut bytes, quoted)
            .unwrap();
        bytes
    };
    let router = [203, 0, 113, 1];
    let mut told = error(router, PUBLIC, &translated);
    assert_eq!(
        gateways.handle(at(1), 1, &mut told),
        Some(Outcome::Through(0))
    );
    assert_eq!(told, error(router, WORKER, &sent));
    let mut strange = error(router, PUBLIC, &segment("syn", (PUBLIC, 9), partner));
    let Some(Outcome::Refused(..)) = gateways.handle(at(1), 1, &mut strange) else {
        panic!("of no connection")
    };

    // And of what came in: the private router's address stays inside.
    let answer = segment("ack", partner, (PUBLIC, 1_024));
    let mut inward = answer.clone();
    gateways.handle(at(2), 1, &mut inward);
    let mut told = error([10, 0, 2, 1], PARTNER, &inward);
    assert_eq!(
        gateways.handle(at(2), 0, &mut told),
        Some(Outcome::Through(1))
    );
    assert_eq!(told, error(PUBLIC, PARTNER, &answer));
}

/// As in AWS: one network interface, whose address an internet gateway makes public.
#[test]
fn a_gateway_with_one_interface_tells_the_directions_apart_by_addresses() {
    let mut topology = topology();
    topology.vpc.nat_gateways[0].outside = 0;
    let mut gateways = Gateways::new(&topology);
    let (worker, own) = ((WORKER, 49_152), [10, 0, 0, 20]);
    let mut syn = segment("syn", worker, (PARTNER, 443));
    assert_eq!(
        gateways.handle(at(0), 0, &mut syn),
        Some(Outcome::Through(0))
    );
    assert_eq!(ports(&syn).0, (own, 49_152).into());
    let mut back = segment("ack", (PARTNER, 443), (own, 49_152));
    assert_eq!(
        gateways.handle(at(0), 0, &mut back),
        Some(Outcome::Through(0))
    );
    assert_eq!(ports(&back).1, worker.into());
}

/// VPC User Guide, "NAT gateway basics": 55,000 connections a minute are as many as there is room for.
#[test]
fn a_connection_that_has_ended_frees_its_port_after_a_minute() {
    let (worker, other, partner) = ((WORKER, 40_000), ([10, 0, 2, 41], 40_000), (PARTNER, 443));
    let port_of_other = |ends: &[(usize, &str)], seconds: u64| {
        let mut gateways = gateways();
        gateways.handle(at(0), 0, &mut segment("syn", worker, partner));
        for (nic, flags) in ends {
            let mut end = match nic {
                0 => segment(flags, worker, partner),
                _ => segment(flags, partner, (PUBLIC, 40_000)),
            };
            gateways.handle(at(1), *nic, &mut end);
        }
        // So many that all of the other ports are taken.
        let busy = CONNECTIONS_MAX as u16 - 1;
        for n in 0..busy {
            let from = ([10, 0, 2, 42], 1_024 + n);
            gateways.handle(at(1), 0, &mut segment("syn", from, partner));
        }
        let mut syn = segment("syn", other, partner);
        gateways.handle(at(seconds), 0, &mut syn) == Some(Outcome::Through(1))
    };
    let closed = [(0, "fin"), (1, "fin")];
    assert!(!port_of_other(&closed, 61));
    assert!(port_of_other(&closed, 62));
    assert!(port_of_other(&[(1, "rst")], 62));
    assert!(!port_of_other(&[(1, "fin")], 62), "half of it is open");
    assert!(!port_of_other(&[], 62));
}

#[test]
fn nobody_is_let_out_to_the_gateway_itself() {
    for own in [[10, 0, 0, 20], PUBLIC] {
        let mut syn = segment("syn", (WORKER, 40_000), (own, 80));
        let Some(Outcome::Refused(refusal, None)) = gateways().handle(at(0), 0, &mut syn) else {
            panic!("it is the gateway's own")
        };
        assert_eq!(refusal.cause, DropCause::NotForUs);
    }
}

/// The route table of the gateway's own subnet leads to the gateway: the commonest mistake.
#[test]
fn what_the_gateway_sent_itself_goes_no_further() {
    let mut gateways = gateways();
    let mut syn = segment("syn", (WORKER, 40_000), (PARTNER, 80));
    let out = gateways.handle(at(0), 0, &mut syn);
    assert_eq!(out, Some(Outcome::Through(1)));
    let Some(Outcome::Refused(refusal, None)) = gateways.handle(at(0), 0, &mut syn) else {
        panic!("it comes back")
    };
    assert_eq!(refusal.cause, DropCause::NoRoute);
}
