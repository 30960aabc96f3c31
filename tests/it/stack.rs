//! TCP between two of our stacks across a router, packet by packet at the left NIC.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use etherparse::PacketBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunlab::event::{DropCause, Trace, What};
use tunlab::impair::{Impairment, Matching};
use tunlab::net::Fabric;
use tunlab::net::topology::Forwarding;
use tunlab::rng::Seed;
use tunlab::stack::TcpOptions;
use tunlab::time::Instant;
use tunlab::world::Ended;

use crate::support::{LEFT, Log, RIGHT, at, delay, line, narrow, world};

const HOUR: Duration = Duration::from_secs(3600);

fn drop_nth(matching: Matching, nth: &[u64]) -> Impairment {
    Impairment::DropNth {
        nth: nth.to_vec(),
        matching,
    }
}

/// A connection, five bytes there, five back, closed from the left. To the tick.
#[test]
fn a_connection_from_syn_to_fin() {
    let (mut world, log) = world(line(1500, delay(10), delay(10)), 1, TcpOptions::default());
    let right = world.host(2);
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        let mut stream = listener.accept().await;
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).await.unwrap();
        stream.write_all(&buffer).await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0, "FIN");
        stream.shutdown().await.unwrap();
    });
    let left = world.host(0);
    world.executor().spawn_foreground(async move {
        let mut stream = left.connect(at(80)).unwrap().await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut buffer = Vec::new();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut buffer).await.unwrap();
        assert_eq!(buffer, b"hello");
    });
    assert_eq!(world.run(HOUR), Ended::Quiet);
    assert_eq!(
        log.borrow().at_tap(0),
        [
            "0 SYN",
            "20 SYN ACK",
            "20 ACK",
            "20 ACK 5",
            "20 FIN ACK",
            "40 ACK 5",
            "40 FIN ACK",
            "40 ACK",
        ]
    );
    assert_eq!(world.totals().dropped, 0);
}

/// Nobody listens: RST, and the program learns "refused"; a reset later is "reset".
#[test]
fn refused_and_reset_are_told_apart() {
    let (mut world, log) = world(line(1500, delay(10), delay(10)), 1, TcpOptions::default());
    let right = world.host(2);
    world.executor().spawn(async move {
        let listener = right.listen(81, 8).unwrap();
        listener.accept().await.abort();
        std::future::pending::<()>().await;
    });
    let left = world.host(0);
    world.executor().spawn_foreground(async move {
        let refused = left.connect(at(80)).unwrap().await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let mut stream = left.connect(at(81)).unwrap().await.unwrap();
        let reset = stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    });
    assert_eq!(world.run(HOUR), Ended::Quiet);
    assert_eq!(
        log.borrow().at_tap(0),
        [
            "0 SYN",
            "20 RST ACK",
            "20 SYN",
            "40 SYN ACK",
            "40 ACK",
            "60 RST ACK"
        ]
    );
}

/// A router without a way to the host answers ICMP, which ends the attempt at once.
#[test]
fn an_unreachable_host_fails_at_once() {
    let (mut world, log) = world(line(1500, delay(10), delay(10)), 1, TcpOptions::default());
    let left = world.host(0);
    world.executor().spawn_foreground(async move {
        let nobody = ([198, 51, 100, 99], 80).into();
        let error = left.connect(nobody).unwrap().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
        let elsewhere = ([192, 0, 2, 1], 80).into();
        let error = left.connect(elsewhere).unwrap().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
    });
    assert_eq!(world.run(HOUR), Ended::Quiet);
    assert_eq!(
        log.borrow().at_tap(0),
        ["0 SYN", "20 ICMP 3/1", "20 SYN", "40 ICMP 3/0"]
    );
}

/// SYNs that nobody answers come at the times of RFC 6298's back-off, and are given up after 127 s.
#[test]
fn an_attempt_that_nobody_answers_is_given_up() {
    let lost = vec![Impairment::Loss("100 %".parse().unwrap())];
    let (mut world, log) = world(line(1500, lost, delay(10)), 1, TcpOptions::default());
    let left = world.host(0);
    world.executor().spawn_foreground(async move {
        let error = left.connect(at(80)).unwrap().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
    assert_eq!(world.run(HOUR), Ended::Quiet);
    assert_eq!(world.clock().now().as_millis_f64(), 127_000.0);
    let syns: Vec<f64> = log
        .borrow()
        .packets
        .iter()
        .map(|p| p.at.as_millis_f64())
        .collect();
    assert_eq!(
        syns,
        [0.0, 1e3, 3e3, 7e3, 15e3, 31e3, 63e3],
        "six retries, as Linux, and no RST at the end"
    );
}

/// Our FIN is lost and three duplicate ACKs come while only it is outstanding. smoltcp 0.14.0 then disarms the
/// timer for ever; the FIN guard keeps it armed. Without the guard this run stalls with the connection open.
#[test]
fn a_lost_fin_is_sent_again_in_spite_of_duplicate_acks() {
    let there = vec![drop_nth(Matching::Fin, &[1])];
    let (mut world, log) = world(
        line(1500, there, vec![]),
        1,
        TcpOptions {
            ack_delay: None,
            ..TcpOptions::default()
        },
    );
    let right = world.host(2);
    let clock = world.clock().clone();
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        let mut stream = listener.accept().await;
        let mut buffer = vec![0; 2_000];
        stream.read_exact(&mut buffer).await.unwrap();
        // The window opens again and again while the FIN is missing: acknowledgments with the same number.
        for _ in 0..8 {
            clock.sleep(Duration::from_millis(1)).await;
            let _ = stream.read(&mut buffer).await;
        }
        stream.shutdown().await.unwrap();
    });
    let left = world.host(0);
    let topology_nic = 3;
    world.executor().spawn_foreground(async move {
        let mut stream = left.connect(at(80)).unwrap().await.unwrap();
        stream.write_all(&[7; 2_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    });
    // Duplicate ACKs as a network that duplicates would make them.
    let duplicates = Rc::new(Cell::new(0));
    for ms in [2, 3, 4, 5] {
        let (log, left, clock) = (log.clone(), world.host(0), world.clock().clone());
        let duplicates = duplicates.clone();
        world.executor().spawn(async move {
            clock.sleep(Duration::from_millis(ms)).await;
            let last_ack = log
                .borrow()
                .packets
                .iter()
                .rfind(|p| p.tap == topology_nic && p.text() == "ACK" && p.bytes[12..16] == RIGHT)
                .map(|p| p.bytes.clone());
            if let Some(bytes) = last_ack {
                duplicates.set(duplicates.get() + 1);
                let _ = left.stack().borrow_mut().handle_packet(0, bytes);
            }
        });
    }
    assert_eq!(world.run(HOUR), Ended::Quiet);
    assert_eq!(duplicates.get(), 4);
    let seen = log.borrow().at_tap(0);
    let fins: Vec<_> = seen.iter().filter(|s| s.contains("FIN")).collect();
    assert_eq!(fins[..2], ["0 FIN ACK", "1000 FIN ACK"], "{seen:#?}");
}

/// A server's flight larger than smoltcp's own initial window of 2048 bytes arrives in one round trip.
#[test]
fn the_initial_window_is_ten_segments() {
    let (mut world, log) = world(line(1500, delay(10), delay(10)), 1, TcpOptions::default());
    let right = world.host(2);
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        let mut stream = listener.accept().await;
        stream.write_all(&[7; 40_000]).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let left = world.host(0);
    world.executor().spawn_foreground(async move {
        let mut stream = left.connect(at(80)).unwrap().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 40_000);
    });
    assert_eq!(world.run(HOUR), Ended::Quiet);
    let data_at = |ms: f64| {
        let log = log.borrow();
        let of = |p: &&crate::support::Seen| {
            p.tap == 0 && p.at.as_millis_f64() == ms && p.bytes.len() > 40
        };
        log.packets
            .iter()
            .filter(of)
            .map(|p| p.bytes.len() - 40)
            .sum::<usize>()
    };
    // The handshake's ACK is at the server at 30; its first flight is here at 40, the second a round trip later.
    assert_eq!(data_at(40.0), 14_600);
    assert_eq!(
        data_at(60.0),
        25_400,
        "the rest: the window has grown to 29 200"
    );
}

/// Two segments of one window are lost: the second leaves again as soon as the first is acknowledged (RFC 6582), and
/// not after a timeout.
#[test]
fn two_losses_in_one_window() {
    let mut there = vec![drop_nth(Matching::Data, &[1, 4])];
    there.extend(delay(10));
    let (mut world, log) = world(line(1500, there, delay(10)), 1, TcpOptions::default());
    let right = world.host(2);
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        let mut stream = listener.accept().await;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [7; 14_600]);
    });
    let left = world.host(0);
    world.executor().spawn_foreground(async move {
        let mut stream = left.connect(at(80)).unwrap().await.unwrap();
        stream.write_all(&[7; 14_600]).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    assert_eq!(world.run(HOUR), Ended::Quiet);
    let seen = log.borrow().at_tap(0);
    let again: Vec<_> = seen
        .iter()
        .filter(|s| s.ends_with("ACK 1460") && !s.starts_with("20 "))
        .collect();
    assert_eq!(again, ["40 ACK 1460", "60 ACK 1460"], "{seen:#?}");
}

/// Every byte arrives, in order, whatever is lost, and nothing is left behind; twenty seeds.
#[test]
fn bytes_survive_loss() {
    for seed in 1..=20 {
        let lossy = || {
            vec![
                Impairment::Delay(Duration::from_millis(5)),
                Impairment::Loss("3 %".parse().unwrap()),
            ]
        };
        let (mut world, log) = world(line(1500, lossy(), lossy()), seed, TcpOptions::default());
        let right = world.host(2);
        world.executor().spawn(async move {
            let listener = right.listen(80, 8).unwrap();
            let mut stream = listener.accept().await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_all(&all).await.unwrap();
        });
        let left = world.host(0);
        let sent: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        let done = Rc::new(Cell::new(false));
        let finished = done.clone();
        world.executor().spawn_foreground(async move {
            let mut stream = left.connect(at(80)).unwrap().await.unwrap();
            stream.write_all(&sent).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            finished.set(back == sent);
        });
        assert_eq!(world.run(HOUR), Ended::Quiet, "seed {seed}");
        assert!(done.get(), "seed {seed}");
        assert!(world.totals().dropped > 0, "seed {seed} lost nothing");
        let causes = log.borrow();
        assert_eq!(
            causes.events.len() as u64,
            world.totals().dropped,
            "seed {seed}: every drop is an event"
        );
    }
}

/// A packet whose time to live ends is answered by the router, from the port at which it came.
#[test]
fn the_router_counts_hops() {
    let (mut world, log) = world(line(1500, delay(10), delay(10)), 1, TcpOptions::default());
    let left = world.host(0);
    world.executor().spawn_foreground(async move {
        let socket = left.udp(0, Some(at(53))).unwrap();
        socket.send_to(b"query", at(53)).unwrap();
        std::future::pending::<()>().await;
    });
    assert_eq!(world.run(HOUR), Ended::Stalled);
    assert_eq!(
        log.borrow().at_tap(0),
        ["0 UDP 5", "20 ICMP 3/3"],
        "port unreachable"
    );
    let log = log.borrow();
    let ttl = |tap| log.packets.iter().find(|p| p.tap == tap).unwrap().bytes[8];
    assert_eq!((ttl(0), ttl(3)), (64, 63));
}

/// A packet whose time to live ends at the router is dropped there, and its source told so by ICMP.
#[test]
fn the_last_hop_is_told_by_icmp() {
    let trace = Trace::default();
    let log = Rc::new(RefCell::new(Log::default()));
    trace.attach(log.clone());
    let mut fabric = Fabric::new(line(1500, delay(10), delay(10)), Seed(1), trace);
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(LEFT, RIGHT, 1)
        .udp(50_000, 33_434)
        .write(&mut bytes, b"traceroute")
        .unwrap();
    fabric.send(Instant::ZERO, 0, bytes);
    let mut arrived = Vec::new();
    while let Some(at) = fabric.next_delivery() {
        while let Some((nic, _, packet)) = fabric.poll_arrival(at) {
            arrived.push((nic, at.as_millis_f64(), packet));
        }
    }
    let [(nic, at, packet)] = &arrived[..] else {
        panic!("{arrived:?}")
    };
    assert_eq!(
        (*nic, *at),
        (0, 20.0),
        "back at the left, a round trip later"
    );
    assert_eq!(packet[12..16], [203, 192, 1, 1], "from the router's port");
    assert_eq!(log.borrow().at_tap(0), ["0 UDP 10", "20 ICMP 11/0"]);
    let log = log.borrow();
    let [event] = &log.events[..] else {
        panic!("{:?}", log.events)
    };
    let What::Dropped { cause, .. } = &event.what else {
        panic!("{event:?}")
    };
    assert_eq!(*cause, DropCause::TimeToLive);
    assert_eq!(event.node.as_str(), "router");
}

/// Two routers with a link of 1400 bytes between them. When they clamp, the handshake settles the size; when they only
/// complain, the first flight is sent twice, and the next connection knows; when they do neither, nothing large passes.
#[test]
fn a_narrow_link() {
    let run = |mss_clamp, icmp_errors| {
        let mut topology = narrow(Forwarding {
            mss_clamp,
            icmp_errors,
            ..Forwarding::default()
        });
        topology.links[0].impairments = [delay(10), delay(10)];
        let (mut world, log) = world(topology, 1, TcpOptions::default());
        let (left, right) = (world.host(0), world.host(2));
        world.executor().spawn(async move {
            let listener = right.listen(80, 8).unwrap();
            loop {
                let mut stream = listener.accept().await;
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                assert_eq!(all, [7; 2_000]);
            }
        });
        world.executor().spawn_foreground(async move {
            for _ in 0..2 {
                let mut stream = left.connect(at(80)).unwrap().await.unwrap();
                stream.write_all(&[7; 2_000]).await.unwrap();
                stream.shutdown().await.unwrap();
                stream.read_to_end(&mut Vec::new()).await.unwrap();
            }
        });
        let ended = world.run(Duration::from_secs(2));
        let seen = log.borrow().at_tap(0);
        (ended, seen)
    };
    let (ended, seen) = run(true, true);
    assert_eq!(ended, Ended::Quiet);
    assert_eq!(seen[3..5], ["20 ACK 1360", "20 ACK 640"], "{seen:#?}");
    let (ended, seen) = run(false, true);
    assert_eq!(ended, Ended::Quiet);
    assert_eq!(
        seen[3..10],
        [
            "20 ACK 1460",
            "20 ACK 540",
            "20 FIN ACK",
            "40 ICMP 3/4",
            "40 ACK",
            "40 ACK 1360",
            "40 FIN ACK 640",
        ],
        "{seen:#?}"
    );
    assert!(
        seen.iter().skip(10).all(|s| !s.contains("1460")),
        "{seen:#?}"
    );
    let (ended, seen) = run(false, false);
    assert_eq!(ended, Ended::TimeLimit);
    let large: Vec<_> = seen.iter().filter(|s| s.contains("1460")).collect();
    assert_eq!(large, ["20 ACK 1460", "1020 ACK 1460"], "{seen:#?}");
}
