//! Links smaller than the hosts' MTU, behind our routers and the kernel's.

use super::*;
use crate::support::{narrow, world};

/// The routers clamp: nobody ever sends a packet that is too big.
#[test]
fn a_narrow_link_behind_clamping_routers() {
    let mut meeting = Meeting::over(narrow(Forwarding::default()), 1500);
    meeting.logged = true;
    if let Some(met) = both_ways(meeting, 1_000_000) {
        assert_eq!(met.dropped, 0);
    }
}

/// They do not clamp but say what is too big: both stacks make their packets smaller (RFC 1191).
#[test]
fn a_narrow_link_behind_routers_that_complain() {
    let forwarding = Forwarding {
        mss_clamp: false,
        icmp_errors: true,
        ..Forwarding::default()
    };
    if let Some(met) = both_ways(Meeting::over(narrow(forwarding), 1500), 1_000_000) {
        assert!(met.dropped > 0, "{met:?}");
    }
}

/// They do neither: the handshake and small packets pass, large ones never arrive (RFC 2923 §2.1).
#[test]
fn a_black_hole() {
    let forwarding = Forwarding {
        mss_clamp: false,
        icmp_errors: false,
        ..Forwarding::default()
    };
    let mut meeting = Meeting::over(narrow(forwarding), 1500);
    meeting.logged = true;
    let Some(met) = meeting.run(
        async |left, clock| {
            let mut stream = we_connect(&left, &clock, 80).await;
            let mut greeting = [0; 5];
            stream.read_exact(&mut greeting).await.unwrap();
            stream.write_all(&[7; 10_000]).await.unwrap();
            clock.sleep(Duration::from_millis(1500)).await;
            let arrived = {
                let mut byte = [0; 1];
                let read = stream.read(&mut byte);
                let late = clock.sleep(Duration::from_millis(100));
                first_of(read, late).await.is_some()
            };
            stream.abort();
            (greeting, arrived)
        },
        || {
            let mut stream = kernel_accepts(80)?;
            stream.write_all(b"hello")?;
            thread::sleep(Duration::from_millis(200));
            stream.write_all(&[7; 10_000])?;
            // Ends with our reset.
            Ok(stream.read(&mut [0; 8]).unwrap_err().kind())
        },
    ) else {
        return;
    };
    assert_eq!(
        met.ours,
        (*b"hello", false),
        "the greeting and nothing else"
    );
    assert_eq!(met.kernel, ErrorKind::ConnectionReset);
    assert!(met.drops.iter().all(|cause| *cause == DropCause::TooBig));
    assert!(met.drops.len() > 10, "both sides: {}", met.drops.len());
}

/// What `a` gives, or nothing when `b` is over first.
async fn first_of<A>(a: impl Future<Output = A>, b: impl Future<Output = ()>) -> Option<A> {
    use std::task::Poll;
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    std::future::poll_fn(|cx| match (a.as_mut().poll(cx), b.as_mut().poll(cx)) {
        (Poll::Ready(value), _) => Poll::Ready(Some(value)),
        (Poll::Pending, Poll::Ready(())) => Poll::Ready(None),
        (Poll::Pending, Poll::Pending) => Poll::Pending,
    })
    .await
}

/// The kernel's two routers of [`narrow`], each in a namespace of its own.
pub(super) fn kernel_routers(topology: &Topology, offload: bool) -> Vec<Device> {
    let mut devices = Vec::new();
    for node in topology.nodes.iter().filter(|n| n.kind == NodeKind::Router) {
        let namespace = Namespace::new().unwrap();
        for nic in &node.nics {
            let routes = node.routes.iter().filter(|r| r.nic == *nic);
            let link = topology.links.iter().find(|l| l.ends.contains(nic));
            let config = TunConfig {
                name: format!("tun{nic}"),
                address: topology.nics[*nic].address,
                mtu: link.unwrap().mtu,
                routes: routes.map(|r| (r.to.address, r.to.prefix)).collect(),
                offload,
            };
            let tun = Tun::create(&namespace, &config).unwrap();
            devices.push(Device { nic: *nic, tun });
        }
    }
    devices
}

/// The kernel forwards over a narrow link. It does not clamp, we do at its devices; its ICMP errors are as good as
/// ours, and are kept back where the topology says so.
#[test]
fn kernel_routers_and_a_narrow_link() {
    // Clamp, errors, whether everything arrives, whether anything is too big.
    for (mss_clamp, icmp_errors, arrives, too_big) in [
        (true, true, true, false),
        (false, true, true, true),
        (false, false, false, true),
    ] {
        if !have_tun() {
            return;
        }
        let topology = narrow(Forwarding {
            mss_clamp,
            icmp_errors,
            ..Forwarding::default()
        });
        let mut devices = kernel_routers(&topology, false);
        let (mut world, log) = world(topology, 1, TcpOptions::default());
        let (left, right, clock) = (world.host(0), world.host(2), world.clock().clone());
        world.executor().spawn(async move {
            let listener = right.listen(80, 8).unwrap();
            let mut stream = listener.accept().await;
            let mut all = Vec::new();
            if stream.read_to_end(&mut all).await.is_ok() {
                stream.write_all(&all).await.unwrap();
            }
        });
        let got = Rc::new(RefCell::new(0));
        let count = got.clone();
        world.executor().spawn_foreground(async move {
            let mut stream = left.connect(at(80)).unwrap().await.unwrap();
            let mut back = Vec::new();
            let transfer = async {
                stream.write_all(&[7; 50_000]).await.unwrap();
                stream.shutdown().await.unwrap();
                stream.read_to_end(&mut back).await.unwrap();
            };
            let arrived = first_of(transfer, clock.sleep(Duration::from_millis(1500))).await;
            *count.borrow_mut() = back.len();
            if arrived.is_none() {
                stream.abort();
            }
        });
        let case = (mss_clamp, icmp_errors);
        let ended = world.run_on_devices(&mut devices, LIMIT, false).unwrap();
        assert_eq!(ended, Ended::Quiet, "{case:?}");
        assert_eq!(*got.borrow(), if arrives { 50_000 } else { 0 }, "{case:?}");
        let complaints = log
            .borrow()
            .packets
            .iter()
            .filter(|p| p.text() == "ICMP 3/4")
            .count();
        assert_eq!(complaints > 0, too_big && icmp_errors, "{case:?}");
        let whole = |p: &&crate::support::Seen| p.tap == 0 && p.bytes.len() == 1_500;
        let large = log.borrow().packets.iter().filter(whole).count();
        assert_eq!(large > 0, too_big, "{case:?}");
    }
}
