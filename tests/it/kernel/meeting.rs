//! A stack of ours and the kernel's, which meet over a TUN device, and what both do with a connection.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream as KernelStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::{self, Timeout};
use rustix::pipe::pipe;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunlab::event::{DropCause, Trace, What};
use tunlab::net::Totals;
use tunlab::net::topology::Topology;
use tunlab::os::{Namespace, Tun, TunConfig};
use tunlab::stack::{Host, TcpOptions, TcpStream};
use tunlab::time::Clock;
use tunlab::world::{Device, Ended, World, WorldConfig};

use crate::support::{LEFT, Log, RIGHT, at, config, line};
use crate::tools::have_tun;

/// No test lasts longer.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// No call of the kernel's does.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
pub(super) const RIGHT_NIC: usize = 3;

/// A meeting of the two.
pub(super) struct Meeting {
    pub(super) topology: Topology,
    pub(super) tcp: TcpOptions,
    pub(super) seed: u64,
    /// MTU of the kernel's device.
    pub(super) mtu: usize,
    /// Whether packets and events are kept.
    pub(super) logged: bool,
    /// Whether checksums and segments are left to the device.
    pub(super) offload: bool,
}

/// What came of it.
pub(super) struct Met<O, K> {
    pub(super) ours: O,
    pub(super) kernel: K,
    pub(super) totals: Totals,
    /// "ms text" of what passed our NIC.
    pub(super) packets: Vec<String>,
    /// Every drop's cause.
    pub(super) drops: Vec<DropCause>,
}

impl Meeting {
    /// Over links of `mtu` that take no time.
    pub(super) fn new(mtu: usize) -> Self {
        Self::over(line(mtu, vec![], vec![]), mtu)
    }

    pub(super) fn over(topology: Topology, mtu: usize) -> Self {
        Self {
            topology,
            tcp: TcpOptions {
                receive_buffer: 256 * 1024,
                send_buffer: 256 * 1024,
                ..TcpOptions::default()
            },
            seed: 1,
            mtu,
            logged: false,
            offload: false,
        }
    }

    /// Runs `ours` at the left host and `kernel` in the namespace until both are over and every connection of ours is
    /// closed. `None`, said aloud, where there are no TUN devices.
    pub(super) fn run<O: Send + 'static, K: Send>(
        self,
        ours: impl AsyncFnOnce(Host, Clock) -> O + Send + 'static,
        kernel: impl FnOnce() -> io::Result<K> + Send,
    ) -> Option<Met<O, K>> {
        if !have_tun() {
            return None;
        }
        let namespace = Namespace::new().unwrap();
        let tun = TunConfig {
            name: "right0".into(),
            address: RIGHT.into(),
            mtu: self.mtu,
            routes: vec![([0, 0, 0, 0].into(), 0)],
            offload: self.offload,
        };
        let tun = Tun::create(&namespace, &tun).unwrap();
        let (over, kernel_lives) = pipe().unwrap();
        let met = thread::scope(|scope| {
            let world = scope.spawn(move || {
                let (trace, log) = (Trace::default(), Rc::<RefCell<Log>>::default());
                if self.logged {
                    trace.attach(log.clone());
                }
                let mut world = World::new(WorldConfig {
                    offload: self.offload,
                    ..config(self.topology, self.seed, self.tcp, trace)
                });
                let result = Rc::new(RefCell::new(None));
                let (slot, left, clock) = (result.clone(), world.host(0), world.clock().clone());
                world.executor().spawn_foreground(async move {
                    let result = ours(left, clock).await;
                    *slot.borrow_mut() = Some(result);
                });
                let watches = world.watches();
                world.executor().spawn_foreground(async move {
                    use std::os::fd::AsFd;
                    watches.readable(over.as_fd()).await.unwrap();
                });
                let nic = RIGHT_NIC;
                let ended = world
                    .run_on_devices(&mut [Device { nic, tun }], LIMIT, false)
                    .unwrap();
                let log = log.borrow();
                let cause = |e: &tunlab::event::Event| match &e.what {
                    What::Dropped { cause, .. } => Some(*cause),
                    What::Altered { .. }
                    | What::Secret(_)
                    | What::Fact(_)
                    | What::Tcp { .. }
                    | What::Limit { .. }
                    | What::Computing { .. } => None,
                };
                let met = (
                    result.borrow_mut().take(),
                    world.totals(),
                    log.at_tap(0),
                    log.events.iter().filter_map(cause).collect(),
                );
                (ended, met)
            });
            let kernel = namespace.inside(move || {
                let _lives = kernel_lives;
                kernel()
            });
            let (ended, (ours, totals, packets, drops)) = world.join().unwrap();
            assert_eq!(ended, Ended::Quiet, "kernel: {:?}", kernel.as_ref().err());
            Met {
                ours: ours.unwrap(),
                kernel: kernel.unwrap(),
                totals,
                packets,
                drops,
            }
        });
        Some(met)
    }
}

/// The kernel listens. The port is open when this returns.
pub(super) fn kernel_listens(port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(at(port))?;
    patient(&listener)?;
    Ok(listener)
}

pub(super) fn kernel_accepts(port: u16) -> io::Result<KernelStream> {
    let stream = kernel_listens(port)?.accept()?.0;
    patient(&stream)?;
    Ok(stream)
}

pub(super) fn kernel_connects(port: u16) -> io::Result<KernelStream> {
    let stream = KernelStream::connect_timeout(&(LEFT, port).into(), PATIENCE)?;
    patient(&stream)?;
    Ok(stream)
}

pub(super) fn patient(socket: impl std::os::fd::AsFd) -> io::Result<()> {
    for direction in [Timeout::Recv, Timeout::Send] {
        sockopt::set_socket_timeout(&socket, direction, Some(PATIENCE))?;
    }
    Ok(())
}

/// Connects to the kernel's `port`, which may take a moment to open.
pub(super) async fn we_connect(left: &Host, clock: &Clock, port: u16) -> TcpStream {
    loop {
        match left.connect(at(port)).unwrap().await {
            Ok(stream) => return stream,
            Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionRefused),
        }
        clock.sleep(Duration::from_millis(2)).await;
    }
}

/// Bytes that repeat after a prime number of them, so that a segment in the wrong place is told.
pub(super) fn pattern() -> Arc<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut block = Sha256::digest(b"pattern");
    while bytes.len() < 1_000_003 {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    bytes.truncate(1_000_003);
    Arc::new(bytes)
}

/// The hash of the first `total` bytes of the endless pattern.
pub(super) fn hash_of(pattern: &[u8], total: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut left = total;
    while left > 0 {
        let n = left.min(pattern.len());
        hash.update(&pattern[..n]);
        left -= n;
    }
    hash.finalize().into()
}

pub(super) async fn we_send(
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    pattern: &[u8],
    total: usize,
) {
    let mut left = total;
    while left > 0 {
        let n = left.min(pattern.len());
        to.write_all(&pattern[..n]).await.unwrap();
        left -= n;
    }
    to.shutdown().await.unwrap();
}

/// Length and hash of everything up to FIN.
pub(super) async fn we_receive(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
) -> (usize, [u8; 32]) {
    let (mut hash, mut total, mut buffer) = (Sha256::new(), 0, vec![0; 65_536]);
    loop {
        let n = from.read(&mut buffer).await.unwrap();
        if n == 0 {
            return (total, hash.finalize().into());
        }
        hash.update(&buffer[..n]);
        total += n;
    }
}

pub(super) fn kernel_sends(to: &KernelStream, pattern: &[u8], total: usize) -> io::Result<()> {
    let mut left = total;
    while left > 0 {
        let n = left.min(pattern.len());
        (&*to).write_all(&pattern[..n])?;
        left -= n;
    }
    to.shutdown(Shutdown::Write)
}

pub(super) fn kernel_receives(from: &KernelStream) -> io::Result<(usize, [u8; 32])> {
    let (mut hash, mut total, mut buffer) = (Sha256::new(), 0, vec![0; 65_536]);
    loop {
        let n = (&*from).read(&mut buffer)?;
        if n == 0 {
            return Ok((total, hash.finalize().into()));
        }
        hash.update(&buffer[..n]);
        total += n;
    }
}

/// `total` bytes both ways at the same time over one connection that we open.
pub(super) fn both_ways(meeting: Meeting, total: usize) -> Option<Totals> {
    let pattern = pattern();
    let (ours, kernels) = (pattern.clone(), pattern.clone());
    let met = meeting.run(
        async move |left, clock| {
            let stream = we_connect(&left, &clock, 80).await;
            let (mut read, mut write) = tokio::io::split(stream);
            let (received, ()) =
                together(we_receive(&mut read), we_send(&mut write, &ours, total)).await;
            received
        },
        move || {
            let stream = kernel_accepts(80)?;
            thread::scope(|scope| {
                let sent = scope.spawn(|| kernel_sends(&stream, &kernels, total));
                let received = kernel_receives(&stream);
                sent.join().unwrap()?;
                received
            })
        },
    )?;
    let expected = (total, hash_of(&pattern, total));
    assert_eq!(met.ours, expected, "from the kernel");
    assert_eq!(met.kernel, expected, "from us");
    Some(met.totals)
}

/// Polls both until both are ready.
pub(super) async fn together<A, B>(
    a: impl Future<Output = A>,
    b: impl Future<Output = B>,
) -> (A, B) {
    use std::task::Poll;
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(|cx| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(cx)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(cx)
        {
            second = Some(value);
        }
        if first.is_some() && second.is_some() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    (first.unwrap(), second.unwrap())
}
