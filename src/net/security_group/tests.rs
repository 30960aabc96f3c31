//! A server in 10.0.2.0/24 behind one group, and packets as they pass its NIC.

use std::time::Duration;

use etherparse::PacketBuilder;

use super::*;
use crate::name::Name;
use crate::net::topology::vpc::{Ports, Protocol, Tracking, Vpc};
use crate::net::topology::{Cidr, Nic};

const SERVER: [u8; 4] = [10, 0, 2, 21];
const ALB: [u8; 4] = [10, 0, 1, 10];
const OTHER: [u8; 4] = [10, 0, 3, 7];

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn range(address: [u8; 4], prefix: u8) -> Peer {
    Peer::Range(Cidr {
        address: address.into(),
        prefix,
    })
}

fn tcp(port: u16, peer: Peer) -> Rule {
    let traffic = Traffic {
        protocol: Protocol::Tcp,
        ports: Ports {
            first: port,
            last: port,
        },
    };
    Rule { traffic, peer }
}

fn everything() -> Rule {
    Rule {
        traffic: Traffic::ALL,
        peer: range([0, 0, 0, 0], 0),
    }
}

/// NIC 0 is the server's and has group 0; NIC 1 is the load balancer's and has group 1, which allows nothing.
fn guard(inbound: Vec<Rule>, outbound: Vec<Rule>, tracking: Tracking) -> Guard {
    let group = |n: &str, inbound, outbound| SecurityGroup {
        name: name(n),
        inbound,
        outbound,
    };
    let nic = |n: &str, address: [u8; 4]| Nic {
        name: name(n),
        node: 0,
        subnet: 0,
        address: address.into(),
    };
    let interface = |nic, tracking| Interface {
        nic,
        groups: vec![nic],
        tracking,
    };
    Guard::new(&Topology {
        nics: vec![nic("server0", SERVER), nic("alb0", ALB)],
        vpc: Vpc {
            security_groups: vec![
                group("web", inbound, outbound),
                group("alb", Vec::new(), Vec::new()),
            ],
            interfaces: vec![interface(0, tracking), interface(1, Tracking::default())],
            ..Vpc::default()
        },
        ..Topology::default()
    })
}

/// "syn", "syn-ack", "ack", "fin" or "rst" of TCP, or a datagram.
fn packet(kind: &str, from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let ip = PacketBuilder::ipv4(from.0, to.0, 64);
    if kind == "udp" {
        ip.udp(from.1, to.1).write(&mut bytes, b"data").unwrap();
        return bytes;
    }
    let tcp = ip.tcp(from.1, to.1, 7, 1_000);
    let tcp = match kind {
        "syn" => tcp.syn(),
        "syn-ack" => tcp.syn().ack(8),
        "ack" => tcp.ack(8),
        "fin" => tcp.fin().ack(8),
        "rst" => tcp.rst(),
        other => panic!("{other}"),
    };
    tcp.write(&mut bytes, &[]).unwrap();
    bytes
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

/// Whether the server's NIC lets through what its client (`in`) or the server itself (`out`) sends, on port 8080.
fn passes(guard: &mut Guard, now: u64, way: Way, kind: &str, client: ([u8; 4], u16)) -> bool {
    let server = (SERVER, 8_080);
    let bytes = match way {
        Inbound => packet(kind, client, server),
        Outbound => packet(kind, server, client),
    };
    let packet = Packet::read(&bytes).unwrap();
    guard.judge(at(now), 0, way, &packet).is_ok()
}

use Way::{Inbound, Outbound};

#[test]
fn answers_need_no_rule_and_what_has_none_says_why() {
    let mut guard = guard(
        vec![tcp(8_080, Peer::Group(1))],
        Vec::new(),
        Tracking::default(),
    );
    let alb = (ALB, 49_152);
    assert!(passes(&mut guard, 0, Inbound, "syn", alb));
    assert!(passes(&mut guard, 0, Outbound, "syn-ack", alb));
    assert!(
        !passes(&mut guard, 0, Inbound, "syn", (OTHER, 49_152)),
        "not in the group"
    );
    let own = packet("syn", (SERVER, 50_000), (ALB, 443));
    let own = Packet::read(&own).unwrap();
    let refusal = guard.judge(at(0), 0, Outbound, &own).unwrap_err();
    assert_eq!(refusal.cause, DropCause::SecurityGroup);
    assert_eq!(
        refusal.why.unwrap(),
        "no outbound rule of security group `web` allows TCP to 10.0.1.10 port 443"
    );
}

#[test]
fn a_tracked_flow_outlives_its_rule_until_it_is_idle() {
    let rule = tcp(8_080, range([10, 0, 1, 0], 24));
    let tracking = Tracking {
        tcp_established: Duration::from_secs(350),
        ..Tracking::default()
    };
    let mut guard = guard(vec![rule], vec![everything()], tracking);
    let alb = (ALB, 49_152);
    assert!(passes(&mut guard, 0, Inbound, "syn", alb));
    assert!(passes(&mut guard, 0, Outbound, "syn-ack", alb));
    assert!(passes(&mut guard, 0, Inbound, "ack", alb));
    assert!(guard.change(0, Inbound, rule, false));
    assert!(!guard.change(0, Inbound, rule, false), "it is gone already");
    assert!(passes(&mut guard, 350, Inbound, "ack", alb));
    assert!(
        !passes(&mut guard, 350, Inbound, "syn", (ALB, 49_153)),
        "a new one"
    );
    assert!(
        !passes(&mut guard, 701, Inbound, "ack", alb),
        "idle for 351 s"
    );
    assert!(guard.change(0, Inbound, rule, true));
    assert!(passes(&mut guard, 701, Inbound, "syn", (ALB, 49_153)));
}

/// The answers may be allowed as all traffic or as TCP to any port.
#[test]
fn a_flow_open_to_everybody_ends_with_its_rule() {
    let any_port = Rule {
        traffic: Traffic {
            protocol: Protocol::Tcp,
            ports: Ports::ALL,
        },
        peer: range([0, 0, 0, 0], 0),
    };
    for answers in [everything(), any_port] {
        let rule = tcp(8_080, range([0, 0, 0, 0], 0));
        let mut guard = guard(vec![rule], vec![answers], Tracking::default());
        let alb = (ALB, 49_152);
        assert!(passes(&mut guard, 0, Inbound, "syn", alb));
        assert!(passes(&mut guard, 0, Outbound, "syn-ack", alb));
        assert!(passes(&mut guard, 0, Inbound, "ack", alb));
        assert!(guard.change(0, Inbound, rule, false));
        // The server's own rule still lets it send; nothing that answers comes in.
        assert!(passes(&mut guard, 1, Outbound, "ack", alb));
        assert!(!passes(&mut guard, 1, Inbound, "ack", alb));
    }
}

#[test]
fn a_closed_connection_is_opened_again_by_a_rule_only() {
    let rule = tcp(8_080, range([10, 0, 1, 0], 24));
    let mut guard = guard(vec![rule], Vec::new(), Tracking::default());
    let alb = (ALB, 49_152);
    for (way, kind) in [
        (Inbound, "syn"),
        (Outbound, "syn-ack"),
        (Inbound, "ack"),
        (Inbound, "fin"),
        (Outbound, "fin"),
        (Inbound, "ack"),
    ] {
        assert!(passes(&mut guard, 0, way, kind, alb), "{kind}");
    }
    guard.change(0, Inbound, rule, false);
    assert!(
        passes(&mut guard, 1, Inbound, "ack", alb),
        "the last one again"
    );
    assert!(!passes(&mut guard, 2, Inbound, "syn", alb));
}

#[test]
fn datagrams_are_remembered_for_longer_once_they_are_a_stream() {
    let rule = Rule {
        traffic: Traffic {
            protocol: Protocol::Udp,
            ports: Ports::ALL,
        },
        peer: range([10, 0, 1, 0], 24),
    };
    let mut guard = guard(vec![rule], Vec::new(), Tracking::default());
    let alb = (ALB, 5_353);
    assert!(passes(&mut guard, 0, Inbound, "udp", alb));
    assert!(passes(&mut guard, 30, Outbound, "udp", alb));
    assert!(!passes(&mut guard, 61, Outbound, "udp", alb), "31 s later");
    assert!(passes(&mut guard, 61, Inbound, "udp", alb));
    assert!(passes(&mut guard, 62, Outbound, "udp", alb));
    assert!(passes(&mut guard, 63, Inbound, "udp", alb));
    assert!(passes(&mut guard, 64, Outbound, "udp", alb));
    assert!(passes(&mut guard, 244, Outbound, "udp", alb), "a stream");
}

#[test]
fn a_full_table_drops_new_connections_and_keeps_the_old() {
    let tracking = Tracking {
        max: 2,
        ..Tracking::default()
    };
    let rule = tcp(8_080, range([10, 0, 0, 0], 8));
    let mut guard = guard(vec![rule], Vec::new(), tracking);
    assert!(passes(&mut guard, 0, Inbound, "syn", (ALB, 1)));
    assert!(passes(&mut guard, 0, Inbound, "syn", (ALB, 2)));
    let third = packet("syn", (ALB, 3), (SERVER, 8_080));
    let third = Packet::read(&third).unwrap();
    let refusal = guard.judge(at(0), 0, Inbound, &third).unwrap_err();
    assert_eq!(refusal.cause, DropCause::TrackingFull);
    assert!(passes(&mut guard, 0, Outbound, "syn-ack", (ALB, 2)));
    // The first was never answered and is forgotten after two minutes.
    assert!(guard.judge(at(121), 0, Inbound, &third).is_ok());
}

#[test]
fn an_error_about_a_packet_comes_back_without_a_rule() {
    let rule = tcp(8_080, range([10, 0, 1, 0], 24));
    let mut guard = guard(vec![rule], Vec::new(), Tracking::default());
    assert!(passes(&mut guard, 0, Inbound, "syn", (ALB, 49_152)));
    let error = |about: &[u8]| {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([10, 0, 2, 1], SERVER, 64)
            .icmpv4(etherparse::Icmpv4Type::DestinationUnreachable(
                etherparse::icmpv4::DestUnreachableHeader::Host,
            ))
            .write(&mut bytes, about)
            .unwrap();
        bytes
    };
    let mut judge = |about: Vec<u8>| {
        let bytes = error(&about);
        let packet = Packet::read(&bytes).unwrap();
        guard.judge(at(0), 0, Inbound, &packet).is_ok()
    };
    assert!(judge(packet("syn-ack", (SERVER, 8_080), (ALB, 49_152))));
    assert!(
        !judge(packet("syn", (SERVER, 50_000), (OTHER, 443))),
        "never sent"
    );
    assert!(!judge(vec![0x45; 3]), "too short to tell");
}
