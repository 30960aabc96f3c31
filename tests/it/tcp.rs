//! How a node's TCP may be told to behave: its queues, limits and timers, packet by packet at the left NIC. Links take
//! 10 ms each way unless a test says otherwise.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use etherparse::PacketBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunlab::event::What;
use tunlab::impair::{Impairment, Matching};
use tunlab::stack::{KeepAlive, Tcp, TcpLimits, TcpOptions};
use tunlab::wire::packet::Packet;
use tunlab::world::Ended;

use crate::support::{LEFT, RIGHT, at, delay, line, world_of};

const HOUR: Duration = Duration::from_secs(3600);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn limits(change: impl FnOnce(&mut TcpLimits)) -> Tcp {
    let mut tcp = Tcp::default();
    change(&mut tcp.limits);
    tcp
}

fn options(change: impl FnOnce(&mut TcpOptions)) -> Tcp {
    let mut tcp = Tcp::default();
    change(&mut tcp.options);
    tcp
}

fn usual() -> tunlab::net::topology::Topology {
    line(1500, delay(10), delay(10))
}

fn drop_nth(matching: Matching, nth: &[u64]) -> Impairment {
    Impairment::DropNth {
        nth: nth.to_vec(),
        matching,
    }
}

/// With room for two half-open connections and no cookies, the third and fourth SYN are dropped and come again a
/// second later.
#[test]
fn a_full_syn_queue_drops_syns() {
    let right = limits(|l| {
        l.syn_cookies = false;
        l.syn_backlog = 2;
    });
    let (mut world, log) = world_of(usual(), Tcp::default(), right);
    let right = world.host(2);
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await);
        }
    });
    let connected = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..4 {
        let (left, clock, connected) = (world.host(0), world.clock().clone(), connected.clone());
        world.executor().spawn_foreground(async move {
            let _stream = left.connect(at(80)).unwrap().await.unwrap();
            connected.borrow_mut().push(clock.now().as_millis_f64());
        });
    }
    world.run(Duration::from_secs(5));
    assert_eq!(*connected.borrow(), [20.0, 20.0, 1020.0, 1020.0]);
    let dropped = "10 right: the listener's SYN queue was full";
    assert_eq!(log.borrow().deeds(), [dropped, dropped]);
}

/// A backlog of two holds three connections, as in Linux. A fourth is open for its client, which sends a request; the
/// server drops everything of it, and sends its SYN-ACK again, until there is room. A fifth, later, does not come so far.
#[test]
fn a_full_accept_queue_drops_the_last_ack() {
    let (mut world, log) = world_of(usual(), Tcp::default(), Tcp::default());
    let (right, clock) = (world.host(2), world.clock().clone());
    world.executor().spawn(async move {
        let listener = right.listen(80, 2).unwrap();
        clock.sleep(ms(2_500)).await;
        let mut kept = Vec::new();
        loop {
            let mut stream = listener.accept().await;
            let mut request = [0; 3];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(b"200").await.unwrap();
            stream.shutdown().await.unwrap();
            kept.push(stream);
        }
    });
    let answered = Rc::new(RefCell::new(Vec::new()));
    for starts in [0, 0, 40, 40, 100] {
        let (left, clock, answered) = (world.host(0), world.clock().clone(), answered.clone());
        world.executor().spawn_foreground(async move {
            clock.sleep(ms(starts)).await;
            let mut stream = left.connect(at(80)).unwrap().await.unwrap();
            stream.write_all(b"GET").await.unwrap();
            let read = stream.read_exact(&mut [0; 3]).await;
            let now = clock.now().as_millis_f64();
            assert!(read.is_ok(), "{starts} at {now}: {read:?}");
            answered.borrow_mut().push(now);
        });
    }
    world.run(HOUR);
    // The fourth: its request is sent again after 1 and 2 s, at 60 + 1000 + 2000 ms, and answered.
    assert_eq!(*answered.borrow(), [2510.0, 2510.0, 2510.0, 3080.0, 3140.0]);
    let log = log.borrow();
    // Which of the two that is, the executor decides.
    let fourth = log.events.iter().find_map(|e| match &e.what {
        What::Dropped { bytes, .. } => Some(Packet::read(bytes)?.ports()?.0.port()),
        What::Secret(_)
        | What::Altered { .. }
        | What::Fact(_)
        | What::Tcp { .. }
        | What::Limit { .. }
        | What::Computing { .. } => None,
    });
    let fourth = fourth.unwrap();
    let of_fourth: Vec<String> = log
        .packets
        .iter()
        .filter(|p| p.tap == 0)
        .filter(|p| {
            let ports = Packet::read(&p.bytes).and_then(|p| p.ports()).unwrap();
            ports.0.port() == fourth || ports.1.port() == fourth
        })
        .map(|p| format!("{} {}", p.at.as_millis_f64(), p.text()))
        .collect();
    assert_eq!(
        of_fourth,
        [
            "40 SYN",
            "60 SYN ACK",
            "60 ACK",
            "60 ACK 3",
            "1060 SYN ACK",
            "1060 ACK",
            "1060 ACK 3",
            "3060 SYN ACK",
            "3060 ACK",
            "3060 ACK 3",
            "3080 ACK 3",
            "3080 FIN ACK",
            "3080 FIN ACK",
            "3100 ACK",
        ]
    );
    let full = |at: u32| format!("{at} right: the listener's accept queue was full");
    assert_eq!(
        log.deeds(),
        [70, 70, 110, 1070, 1070, 1110].map(full),
        "ACK and request, the fifth's SYN, and all of them again"
    );
}

/// Without room in the SYN queue the SYN-ACK is a cookie: no window scale, no SACK, nothing remembered. Data flows both
/// ways, also when the handshake's ACK is lost and the request brings the cookie back.
#[test]
fn a_syn_cookie_opens_a_connection() {
    for lost in [None, Some(1)] {
        let mut there = delay(10);
        there.extend(lost.map(|n| drop_nth(Matching::PureAck, &[n])));
        let right = limits(|l| l.syn_backlog = 1);
        let (mut world, log) = world_of(line(1500, there, delay(10)), Tcp::default(), right);
        let (right, left) = (world.host(2), world.host(0));
        world.executor().spawn(async move {
            let listener = right.listen(80, 8).unwrap();
            loop {
                let mut stream = listener.accept().await;
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                stream.write_all(&all).await.unwrap();
            }
        });
        // Takes the one place in the SYN queue for ever: nobody is there.
        let mut forged = Vec::new();
        PacketBuilder::ipv4([192, 0, 2, 1], RIGHT, 64)
            .tcp(1_000, 80, 7, 64_240)
            .syn()
            .write(&mut forged, &[])
            .unwrap();
        let stack = world.host(2);
        let clock = world.clock().clone();
        world.executor().spawn_foreground(async move {
            clock.sleep(ms(1)).await;
            stack.stack().borrow_mut().handle_packet(0, forged).unwrap();
            let mut stream = left.connect(at(80)).unwrap().await.unwrap();
            stream.write_all(&[7; 40_000]).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            assert_eq!(back, [7; 40_000]);
        });
        assert_eq!(world.run(HOUR), Ended::Quiet);
        let log = log.borrow();
        let deeds: Vec<String> = log
            .deeds()
            .into_iter()
            .filter(|d| d.contains("cookie"))
            .collect();
        let opened = "a SYN cookie came back: the connection is open, with segments of 1460 bytes";
        assert_eq!(
            deeds[..2],
            [
                "11 right: the SYN queue is full: the SYN is answered with a cookie for segments of 1460 bytes"
                    .to_owned(),
                format!("31 right: {opened}"),
            ]
        );
        let syn_ack = log
            .packets
            .iter()
            .find(|p| p.tap == 0 && p.text() == "SYN ACK");
        let bytes = &syn_ack.unwrap().bytes;
        let view = Packet::read(bytes).unwrap();
        let segment = view.tcp().unwrap();
        assert_eq!(
            (
                segment.mss,
                segment.window_scale,
                segment.sack_permitted,
                segment.header_bytes
            ),
            (Some(1_460), None, false, 24)
        );
        assert!(log.packets.iter().all(|p| !p.text().contains("RST")));
    }
}

/// A half-open connection that nobody confirms: five more SYN-ACKs, and it is forgotten after 63 s. A SYN that comes
/// again is answered again at once.
#[test]
fn syn_acks_are_sent_again_five_times() {
    let (mut world, log) = world_of(usual(), Tcp::default(), Tcp::default());
    let (left, right, clock) = (world.host(2), world.host(2), world.clock().clone());
    let mut syn = Vec::new();
    PacketBuilder::ipv4([203, 192, 1, 99], RIGHT, 64)
        .tcp(1_000, 80, 7, 64_240)
        .syn()
        .write(&mut syn, &[])
        .unwrap();
    world.executor().spawn_foreground(async move {
        let _listener = right.listen(80, 8).unwrap();
        left.stack()
            .borrow_mut()
            .handle_packet(0, syn.clone())
            .unwrap();
        clock.sleep(ms(500)).await;
        left.stack().borrow_mut().handle_packet(0, syn).unwrap();
        clock.sleep(Duration::from_secs(100)).await;
    });
    world.run(HOUR);
    let log = log.borrow();
    let sent: Vec<_> = log
        .at_tap(3)
        .into_iter()
        .filter(|s| s.ends_with("SYN ACK"))
        .collect();
    let times = [0, 500, 1_000, 3_000, 7_000, 15_000, 31_000];
    assert_eq!(sent, times.map(|t| format!("{t} SYN ACK")));
    let forgotten =
        "63000 right: nobody answered the SYN-ACKs: the half-open connection is forgotten";
    assert!(
        log.deeds().contains(&forgotten.to_owned()),
        "{:?}",
        log.deeds()
    );
    assert_eq!(world.host(2).stack().borrow().connections(), 0);
}

/// Three ports: the fourth connection within 60 s finds none, and sends nothing; later ones do. TIME-WAIT is at the side
/// that closed first.
#[test]
fn ports_are_free_again_after_time_wait() {
    let left = limits(|l| l.ports = Some((40_000, 40_002)));
    let (mut world, log) = world_of(usual(), left, Tcp::default());
    let (left, right, clock) = (world.host(0), world.host(2), world.clock().clone());
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        loop {
            let mut stream = listener.accept().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    world.executor().spawn_foreground(async move {
        for _ in 0..3 {
            let mut stream = left.connect(at(80)).unwrap().await.unwrap();
            stream.shutdown().await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        }
        assert_eq!(left.stack().borrow().connections(), 3);
        let error = left.connect(at(80)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        clock.sleep(Duration::from_secs(60)).await;
        let stream = left.connect(at(80)).unwrap().await.unwrap();
        assert_eq!(stream.flow().local.port(), 40_000);
        stream.abort();
    });
    world.run(HOUR);
    let log = log.borrow();
    let none = "120 left: no local port is free towards this destination: nothing is sent";
    assert_eq!(log.deeds(), [none]);
    let syns: Vec<_> = log
        .at_tap(0)
        .into_iter()
        .filter(|s| s.ends_with(" SYN"))
        .collect();
    assert_eq!(syns, ["0 SYN", "40 SYN", "80 SYN", "60120 SYN"]);
}

/// A SYN for a connection in TIME-WAIT opens it anew when its numbers are beyond the old ones, with numbers beyond our
/// own old ones; otherwise it is answered with an ACK. So is the FIN, when it comes again.
#[test]
fn syns_in_time_wait() {
    let (mut world, log) = world_of(usual(), Tcp::default(), Tcp::default());
    let (left, right, clock) = (world.host(0), world.host(2), world.clock().clone());
    let server = world.host(2);
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        loop {
            // Closes first.
            let mut stream = listener.accept().await;
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let seen = log.clone();
    world.executor().spawn_foreground(async move {
        let mut stream = left.connect(at(80)).unwrap().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        drop(stream);
        clock.sleep(ms(100)).await;
        let last = |text: &str| {
            let log = seen.borrow();
            let found = log.packets.iter().rfind(|p| p.tap == 3 && p.text() == text);
            found.unwrap().bytes.clone()
        };
        // What came back last to the server: the client's FIN.
        let fin = seen
            .borrow()
            .packets
            .iter()
            .rfind(|p| p.tap == 3 && p.bytes[12..16] == LEFT && p.text() == "FIN ACK")
            .unwrap()
            .bytes
            .clone();
        let view = Packet::read(&fin).unwrap();
        let next = view.tcp().unwrap().sequence.wrapping_add(1);
        let port = view.tcp().unwrap().source_port;
        let syn = |sequence: u32| {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4(LEFT, RIGHT, 64)
                .tcp(port, 80, sequence, 64_240)
                .syn()
                .write(&mut bytes, &[])
                .unwrap();
            bytes
        };
        let give = |bytes| {
            let mut stack = server.stack().borrow_mut();
            stack.handle_packet(0, bytes).unwrap();
            stack.service();
            let (_, answer, _) = stack.poll_transmit().unwrap();
            answer
        };
        let answer = |bytes| {
            let bytes = give(bytes);
            let view = Packet::read(&bytes).unwrap();
            let segment = view.tcp().unwrap();
            (
                segment.flags.0 & 0x17,
                segment.sequence,
                segment.acknowledgment,
            )
        };
        let sent_to = {
            let bytes = last("ACK");
            Packet::read(&bytes).unwrap().tcp().unwrap().sequence
        };
        assert_eq!(answer(fin.clone()), (0x10, sent_to, next), "the FIN again");
        assert_eq!(
            answer(syn(next.wrapping_sub(5))),
            (0x10, sent_to, next),
            "an old SYN"
        );
        let later = next.wrapping_add(1);
        let first = sent_to.wrapping_add(65_537);
        assert_eq!(
            answer(syn(later)),
            (0x12, first, later.wrapping_add(1)),
            "a new SYN"
        );
    });
    world.run(Duration::from_secs(5));
    let deeds = log.borrow().deeds();
    let reused = "a SYN with newer numbers ends TIME-WAIT and opens the connection anew";
    assert!(deeds.iter().any(|d| d.ends_with(reused)), "{deeds:?}");
}

/// The peer answers the first probe, then it is cut off: three more, two seconds apart, and the connection is given up.
#[test]
fn keep_alive_probes() {
    let left = options(|o| {
        o.keep_alive = Some(KeepAlive {
            idle: Duration::from_secs(10),
            interval: Duration::from_secs(2),
            count: 3,
        });
    });
    // The handshake's ACK and the first probe pass.
    let mut there = delay(10);
    there.push(drop_nth(Matching::PureAck, &[3, 4, 5]));
    let (mut world, log) = world_of(line(1500, there, delay(10)), left, Tcp::default());
    let (left, right) = (world.host(0), world.host(2));
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        let mut stream = listener.accept().await;
        let _ = stream.read(&mut [0]).await;
    });
    world.executor().spawn_foreground(async move {
        let mut stream = left.connect(at(80)).unwrap().await.unwrap();
        let error = stream.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
    assert_eq!(world.run(HOUR), Ended::Quiet);
    let log = log.borrow();
    assert_eq!(
        log.at_tap(0)[3..],
        [
            "10020 ACK",
            "10040 ACK",
            "20040 ACK",
            "22040 ACK",
            "24040 ACK",
            "26040 RST ACK",
        ]
    );
    let numbers: Vec<u32> = log
        .packets
        .iter()
        .filter(|p| p.tap == 0 && p.bytes[12..16] == LEFT && p.text() == "ACK")
        .map(|p| Packet::read(&p.bytes).unwrap().tcp().unwrap().sequence)
        .collect();
    assert!(numbers[1..].iter().all(|n| n.wrapping_add(1) == numbers[0]));
    let failed = "26040 left: 3 keep-alive probes were not answered";
    assert!(
        log.deeds().contains(&failed.to_owned()),
        "{:?}",
        log.deeds()
    );
}

/// Closing with data unread is a RST and no FIN (RFC 1122 §4.2.2.13); so is data that comes after the close.
#[test]
fn closing_over_unread_data_resets() {
    for early in [true, false] {
        let (mut world, log) = world_of(usual(), Tcp::default(), Tcp::default());
        let (left, right, clock) = (world.host(0), world.host(2), world.clock().clone());
        world.executor().spawn(async move {
            let listener = right.listen(80, 8).unwrap();
            let mut stream = listener.accept().await;
            if early {
                clock.sleep(ms(50)).await;
            }
            stream.write_all(b"413").await.unwrap();
            drop(stream);
        });
        let clock = world.clock().clone();
        world.executor().spawn_foreground(async move {
            let mut stream = left.connect(at(80)).unwrap().await.unwrap();
            if !early {
                clock.sleep(ms(50)).await;
            }
            stream.write_all(b"upload").await.unwrap();
            clock.sleep(ms(200)).await;
            // The answer has arrived, and is thrown away.
            let error = stream.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        });
        assert_eq!(world.run(HOUR), Ended::Quiet, "early: {early}");
        let log = log.borrow();
        let seen = log.at_tap(0);
        if early {
            assert_eq!(seen[4..], ["80 ACK", "90 ACK 3", "90 RST ACK"], "{seen:?}");
            let unread = "80 right: closed with 6 bytes unread: no FIN is sent";
            assert_eq!(log.deeds()[..1], [unread]);
        } else {
            assert_eq!(
                seen[3..],
                ["40 ACK 3", "40 FIN ACK", "40 ACK", "70 ACK 6", "90 RST"],
                "{seen:?}"
            );
            let late = "80 right: 6 bytes came for a closed connection: the peer is told by RST";
            assert_eq!(log.deeds()[..1], [late]);
        }
    }
}

/// A server that lingers reads on and throws away: FIN, and no RST, and the answer arrives. After its time the next data
/// is answered with RST.
#[test]
fn a_lingering_close_lets_the_answer_arrive() {
    let (mut world, log) = world_of(usual(), Tcp::default(), Tcp::default());
    let (left, right, clock) = (world.host(0), world.host(2), world.clock().clone());
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        let mut stream = listener.accept().await;
        stream.linger(Duration::from_secs(1));
        clock.sleep(ms(50)).await;
        stream.write_all(b"413").await.unwrap();
        drop(stream);
    });
    let clock = world.clock().clone();
    world.executor().spawn_foreground(async move {
        let mut stream = left.connect(at(80)).unwrap().await.unwrap();
        stream.write_all(&[7; 30_000]).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"413");
        stream.write_all(&[7; 200_000]).await.unwrap();
        clock.sleep(Duration::from_secs(1)).await;
        stream.write_all(b"more").await.unwrap();
        clock.sleep(ms(100)).await;
        assert!(stream.write_all(b"more").await.is_err());
    });
    assert_eq!(world.run(HOUR), Ended::Quiet);
    let deeds = log.borrow().deeds();
    let late = "4 bytes came for a closed connection: the peer is told by RST";
    assert_eq!(deeds.len(), 1);
    assert!(deeds[0].ends_with(late), "{deeds:?}");
}

/// Two small writes with Nagle: the second waits for the acknowledgment of the first, which the other side delays by
/// 40 ms. With TCP_NODELAY it does not.
#[test]
fn nagle_and_the_delayed_ack() {
    for (nodelay, second) in [(false, 80.0), (true, 20.0)] {
        let left = options(|o| o.nodelay = nodelay);
        let (mut world, log) = world_of(usual(), left, Tcp::default());
        let (left, right) = (world.host(0), world.host(2));
        world.executor().spawn(async move {
            let listener = right.listen(80, 8).unwrap();
            let mut stream = listener.accept().await;
            stream.read_exact(&mut [0; 8]).await.unwrap();
            stream.write_all(b"done").await.unwrap();
            let _ = stream.read(&mut [0]).await;
        });
        world.executor().spawn_foreground(async move {
            let mut stream = left.connect(at(80)).unwrap().await.unwrap();
            stream.write_all(b"head").await.unwrap();
            stream.write_all(b"body").await.unwrap();
            stream.read_exact(&mut [0; 4]).await.unwrap();
            stream.abort();
        });
        world.run(HOUR);
        let log = log.borrow();
        let data: Vec<_> = log
            .packets
            .iter()
            .filter(|p| p.tap == 0 && p.bytes[12..16] == LEFT && p.text() == "ACK 4")
            .map(|p| p.at.as_millis_f64())
            .collect();
        assert_eq!(data, [20.0, second], "nodelay: {nodelay}");
    }
}

/// A reader that does not read: its window closes, and the sender asks again and again, with one byte, ever more rarely
/// (RFC 9293 §3.8.6.1), until there is room again.
#[test]
fn a_closed_window_is_probed() {
    let right = options(|o| o.receive_buffer = 4_096);
    let (mut world, log) = world_of(usual(), Tcp::default(), right);
    let (left, right, clock) = (world.host(0), world.host(2), world.clock().clone());
    world.executor().spawn(async move {
        let listener = right.listen(80, 8).unwrap();
        let mut stream = listener.accept().await;
        clock.sleep(Duration::from_secs(10)).await;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [7; 10_000]);
    });
    world.executor().spawn_foreground(async move {
        let mut stream = left.connect(at(80)).unwrap().await.unwrap();
        stream.write_all(&[7; 10_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    assert_eq!(world.run(HOUR), Ended::Quiet);
    let log = log.borrow();
    let seen = log.at_tap(0);
    let probes: Vec<_> = seen.iter().filter(|s| s.ends_with("ACK 1")).collect();
    assert_eq!(
        probes,
        ["1040 ACK 1", "3040 ACK 1", "7040 ACK 1"],
        "{seen:#?}"
    );
}
