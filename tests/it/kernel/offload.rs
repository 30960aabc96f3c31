//! The same kernel with what a network card does for it: checksums, and segments of large packets.

use super::narrow_links::kernel_routers;
use super::*;
use crate::support::narrow;

fn offloading(topology: Topology) -> Meeting {
    Meeting {
        offload: true,
        ..Meeting::over(topology, 1500)
    }
}

/// Lengths of the data in packets of a kind at our NIC.
fn data(packets: &[String]) -> Vec<usize> {
    let length = |p: &String| p.split(' ').next_back()?.parse().ok();
    packets.iter().filter_map(length).collect()
}

#[test]
fn a_hundred_megabytes_both_ways() {
    let plain = || line(1500, vec![], vec![]);
    let Some(totals) = both_ways(offloading(plain()), HUNDRED_MB) else {
        return;
    };
    assert_eq!(totals.dropped, 0);
    // One way alone would be 68 493 segments.
    assert!(totals.sent < 50_000, "{totals:?}");
}

/// Large packets really leave, both ways, over a link whose MTU is 1500 bytes.
#[test]
fn packets_larger_than_the_mtu() {
    const TOTAL: usize = 3_000_000;
    for ours in [true, false] {
        let bytes = pattern();
        let expected = (TOTAL, hash_of(&bytes, TOTAL));
        let meeting = Meeting {
            logged: true,
            ..offloading(line(1500, delay(1), delay(1)))
        };
        let (we, they) = (bytes.clone(), bytes);
        let met = meeting.run(
            async move |left, clock| {
                let mut stream = we_connect(&left, &clock, 80).await;
                if ours {
                    we_send(&mut stream, &we, TOTAL).await;
                    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
                    None
                } else {
                    Some(we_receive(&mut stream).await)
                }
            },
            move || {
                let stream = kernel_accepts(80)?;
                if ours {
                    return kernel_receives(&stream).map(Some);
                }
                kernel_sends(&stream, &they, TOTAL)?;
                Ok(None)
            },
        );
        let Some(met) = met else { return };
        assert_eq!(met.ours.or(met.kernel), Some(expected), "ours: {ours}");
        let largest = data(&met.packets).into_iter().max().unwrap();
        assert!((20_000..=65_495).contains(&largest), "{largest}");
    }
}

/// A hundredth of all packets is lost, small and large.
#[test]
fn bytes_survive_loss() {
    const TOTAL: usize = 10_000_000;
    let lossy = || {
        let mut impairments = delay(1);
        impairments.push(Impairment::Loss("1 %".parse().unwrap()));
        impairments
    };
    let Some(totals) = both_ways(offloading(line(1500, lossy(), lossy())), TOTAL) else {
        return;
    };
    assert!(totals.dropped > 2, "{totals:?}");
}

/// Both ends have room for packets of 1500 bytes, a link between them has not: segments shrink, by the routers' clamp or
/// by what their ICMP errors say.
#[test]
fn a_narrow_link() {
    for mss_clamp in [true, false] {
        let topology = narrow(Forwarding {
            mss_clamp,
            icmp_errors: true,
            ..Forwarding::default()
        });
        let Some(totals) = both_ways(offloading(topology), 5_000_000) else {
            return;
        };
        assert_eq!(totals.dropped > 0, !mss_clamp, "{totals:?}");
    }
}

/// The kernel forwards our large packets, over a narrow link too, and each keeps its identity on the way.
#[test]
fn kernel_routers_forward_large_packets() {
    const TOTAL: usize = 2_000_000;
    if !have_tun() {
        return;
    }
    let topology = narrow(Forwarding {
        mss_clamp: true,
        icmp_errors: true,
        ..Forwarding::default()
    });
    let mut devices = kernel_routers(&topology, true);
    let bytes = pattern();
    let expected = (TOTAL, hash_of(&bytes, TOTAL));
    let (trace, log) = (Trace::default(), Rc::<RefCell<Log>>::default());
    trace.attach(log.clone());
    let mut world = World::new(WorldConfig {
        offload: true,
        ..config(topology, 1, TcpOptions::default(), trace)
    });
    let (left, right) = (world.host(0), world.host(2));
    world.executor().spawn_foreground(async move {
        let listener = right.listen(80, 8).unwrap();
        let mut stream = listener.accept().await;
        we_send(&mut stream, &bytes, TOTAL).await;
    });
    let got = Rc::new(RefCell::new(None));
    let slot = got.clone();
    world.executor().spawn_foreground(async move {
        let mut stream = left.connect(at(80)).unwrap().await.unwrap();
        let received = we_receive(&mut stream).await;
        stream.shutdown().await.unwrap();
        *slot.borrow_mut() = Some(received);
    });
    let ended = world.run_on_devices(&mut devices, LIMIT, false).unwrap();
    assert_eq!(ended, Ended::Quiet);
    assert_eq!(*got.borrow(), Some(expected));
    let log = log.borrow();
    assert!(data(&log.at_tap(0)).into_iter().any(|n| n > 10_000));
    let sent = log.packets.iter().filter(|p| p.tap == 0 || p.tap == 3);
    // Every packet is seen at both ends and is one only.
    assert_eq!(sent.count() as u64, 2 * world.totals().sent);
}

/// Datagrams, and ICMP and resets in answer, have right checksums in the kernel's eyes.
#[test]
fn what_is_no_stream() {
    let Some(met) = offloading(line(1500, vec![], vec![])).run(
        async |left, _| {
            let server = left.udp(53, None).unwrap();
            let (question, from, _) = server.receive().await;
            server.send_to(&question, from).unwrap();
            left.connect(at(81)).unwrap().await.err().unwrap().kind()
        },
        || {
            let client = KernelUdp::bind(at(0))?;
            patient(&client)?;
            client.connect(SocketAddr::from((LEFT, 53)))?;
            client.send(b"question")?;
            let mut answer = [0; 16];
            let n = client.recv(&mut answer)?;
            client.connect(SocketAddr::from((LEFT, 54)))?;
            client.send(b"nobody")?;
            let nobody = client.recv(&mut [0; 8]).unwrap_err().kind();
            let refused = kernel_connects(81).unwrap_err().kind();
            Ok((answer[..n].to_vec(), nobody, refused))
        },
    ) else {
        return;
    };
    let refused = ErrorKind::ConnectionRefused;
    assert_eq!(met.ours, refused);
    assert_eq!(met.kernel, (b"question".to_vec(), refused, refused));
}
