//! Our TCP against the Linux kernel's. The left host has our stack; the right host's NIC is a TUN device in a network
//! namespace of its own, in which a thread uses the sockets of `std::net`. The router between them is ours. Wall-clock
//! time, so that figures are bounds; nothing leaves the namespace, which knows no other device.

mod meeting;
mod narrow_links;
mod offload;

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, UdpSocket as KernelUdp};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunlab::event::{DropCause, Trace};
use tunlab::impair::Impairment;
use tunlab::net::topology::{Forwarding, NodeKind, Topology};
use tunlab::os::{Namespace, Tun, TunConfig};
use tunlab::stack::TcpOptions;
use tunlab::world::{Device, Ended, World, WorldConfig};

use crate::support::{LEFT, Log, at, config, delay, line};
use crate::tools::have_tun;
use meeting::*;

#[test]
fn connect_and_echo() {
    let Some(met) = Meeting::new(1500).run(
        async |left, clock| {
            let mut stream = we_connect(&left, &clock, 80).await;
            stream.write_all(b"hello").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            back
        },
        || {
            let mut stream = kernel_accepts(80)?;
            let mut all = Vec::new();
            stream.read_to_end(&mut all)?;
            stream.write_all(&all)
        },
    ) else {
        return;
    };
    assert_eq!(met.ours, b"hello");
    assert_eq!(met.totals.dropped, 0);

    let met = Meeting::new(1500).run(
        async |left, _| {
            let listener = left.listen(80, 8).unwrap();
            let mut stream = listener.accept().await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_all(&all).await.unwrap();
            stream.shutdown().await.unwrap();
        },
        || {
            let mut stream = kernel_connects(80)?;
            stream.write_all(b"hello")?;
            stream.shutdown(Shutdown::Write)?;
            let mut back = Vec::new();
            stream.read_to_end(&mut back)?;
            Ok(back)
        },
    );
    assert_eq!(met.unwrap().kernel, b"hello");
}

const HUNDRED_MB: usize = 100_000_000;

#[test]
fn a_hundred_megabytes_both_ways() {
    for mtu in [1500, 9000] {
        let Some(totals) = both_ways(Meeting::new(mtu), HUNDRED_MB) else {
            return;
        };
        assert_eq!(totals.dropped, 0, "mtu {mtu}");
    }
}

/// One end has nothing more to say and listens on.
#[test]
fn half_close() {
    const TOTAL: usize = 300_000;
    let bytes = pattern();
    let expected = (TOTAL, hash_of(&bytes, TOTAL));
    // We close first, the kernel talks.
    let kernels = bytes.clone();
    let Some(met) = Meeting::new(1500).run(
        async |left, clock| {
            let mut stream = we_connect(&left, &clock, 80).await;
            stream.shutdown().await.unwrap();
            we_receive(&mut stream).await
        },
        move || {
            let stream = kernel_accepts(80)?;
            let ours = kernel_receives(&stream)?;
            thread::sleep(Duration::from_millis(50));
            kernel_sends(&stream, &kernels, TOTAL)?;
            Ok(ours.0)
        },
    ) else {
        return;
    };
    assert_eq!((met.ours, met.kernel), (expected, 0));
    // The kernel closes first, we talk.
    let ours = bytes.clone();
    let met = Meeting::new(1500).run(
        async move |left, clock| {
            let listener = left.listen(80, 8).unwrap();
            let mut stream = listener.accept().await;
            let kernels = we_receive(&mut stream).await;
            clock.sleep(Duration::from_millis(50)).await;
            we_send(&mut stream, &ours, TOTAL).await;
            kernels.0
        },
        || {
            let stream = kernel_connects(80)?;
            stream.shutdown(Shutdown::Write)?;
            kernel_receives(&stream)
        },
    );
    let met = met.unwrap();
    assert_eq!((met.ours, met.kernel), (0, expected));
}

/// A reset of the kernel's, by SO_LINGER and by closing with unread data, and the same two of ours.
#[test]
fn resets() {
    let Some(met) = Meeting::new(1500).run(
        async |left, clock| {
            let mut lingering = we_connect(&left, &clock, 80).await;
            let first = lingering.read(&mut [0; 8]).await.unwrap_err().kind();
            let mut unread = we_connect(&left, &clock, 80).await;
            unread.write_all(b"never read").await.unwrap();
            let second = unread.read(&mut [0; 8]).await.unwrap_err().kind();
            let third = unread.write(b"late").await.unwrap_err().kind();
            [first, second, third]
        },
        || {
            let listener = kernel_listens(80)?;
            let lingering = listener.accept()?.0;
            sockopt::set_socket_linger(&lingering, Some(Duration::ZERO))?;
            drop(lingering);
            let stream = listener.accept()?.0;
            patient(&stream)?;
            // Until it is there.
            stream.peek(&mut [0; 1])?;
            Ok(())
        },
    ) else {
        return;
    };
    assert_eq!(met.ours, [ErrorKind::ConnectionReset; 3]);

    let met = Meeting::new(1500).run(
        async |left, clock| {
            let listener = left.listen(80, 8).unwrap();
            // Not at once: the kernel's `connect` itself would fail.
            let mut greeted = listener.accept().await;
            greeted.read_exact(&mut [0; 5]).await.unwrap();
            greeted.abort();
            let _unread = listener.accept().await;
            clock.sleep(Duration::from_millis(50)).await;
        },
        || {
            let mut aborted = kernel_connects(80)?;
            aborted.write_all(b"hello")?;
            let first = aborted.read(&mut [0; 8]).unwrap_err().kind();
            let mut unread = kernel_connects(80)?;
            unread.write_all(b"never read")?;
            let second = unread.read(&mut [0; 8]).unwrap_err().kind();
            Ok([first, second])
        },
    );
    assert_eq!(met.unwrap().kernel, [ErrorKind::ConnectionReset; 2]);
}

#[test]
fn refused() {
    let Some(met) = Meeting::new(1500).run(
        async |left, _| left.connect(at(81)).unwrap().await.err().unwrap().kind(),
        || Ok(kernel_connects(81).unwrap_err().kind()),
    ) else {
        return;
    };
    assert_eq!(met.ours, ErrorKind::ConnectionRefused);
    assert_eq!(met.kernel, ErrorKind::ConnectionRefused);
}

/// The reader stops for a second: the window closes, the sender is held, and nothing is lost.
#[test]
fn a_reader_that_stops() {
    // More than the kernel's buffers grow to.
    const TOTAL: usize = 16_000_000;
    let bytes = pattern();
    let expected = (TOTAL, hash_of(&bytes, TOTAL));
    // The kernel reads.
    let ours = bytes.clone();
    let Some(met) = Meeting::new(1500).run(
        async move |left, clock| {
            let mut stream = we_connect(&left, &clock, 80).await;
            let sent = std::cell::Cell::new(0);
            let send = async {
                for chunk in ours.chunks(10_000).cycle().take(1 + TOTAL / 10_000) {
                    // The last chunk of every round of the pattern is short.
                    let n = chunk.len().min(TOTAL - sent.get());
                    stream.write_all(&chunk[..n]).await.unwrap();
                    sent.set(sent.get() + n);
                }
                while sent.get() < TOTAL {
                    let at = sent.get() % ours.len();
                    let n = (ours.len() - at).min(TOTAL - sent.get());
                    stream.write_all(&ours[at..at + n]).await.unwrap();
                    sent.set(sent.get() + n);
                }
                stream.shutdown().await.unwrap();
            };
            let look = async {
                clock.sleep(Duration::from_millis(500)).await;
                let before = sent.get();
                clock.sleep(Duration::from_millis(300)).await;
                (before, sent.get())
            };
            together(send, look).await.1
        },
        || {
            let stream = kernel_accepts(80)?;
            thread::sleep(Duration::from_secs(1));
            kernel_receives(&stream)
        },
    ) else {
        return;
    };
    assert_eq!(met.kernel, expected);
    assert!(
        met.ours.0 > 0 && met.ours.1 < TOTAL && met.ours.0 == met.ours.1,
        "held: {:?}",
        met.ours
    );
    // We read.
    let kernels = bytes.clone();
    let met = Meeting::new(1500).run(
        async |left, clock| {
            let listener = left.listen(80, 8).unwrap();
            let mut stream = listener.accept().await;
            clock.sleep(Duration::from_secs(1)).await;
            we_receive(&mut stream).await
        },
        move || {
            let stream = kernel_connects(80)?;
            let sent = AtomicUsize::new(0);
            thread::scope(|scope| {
                let look = scope.spawn(|| {
                    thread::sleep(Duration::from_millis(500));
                    let before = sent.load(Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(300));
                    (before, sent.load(Ordering::Relaxed))
                });
                while sent.load(Ordering::Relaxed) < TOTAL {
                    let done = sent.load(Ordering::Relaxed);
                    let from = done % kernels.len();
                    let n = 10_000.min(kernels.len() - from).min(TOTAL - done);
                    (&stream).write_all(&kernels[from..from + n])?;
                    sent.store(done + n, Ordering::Relaxed);
                }
                stream.shutdown(Shutdown::Write)?;
                Ok(look.join().unwrap())
            })
        },
    );
    let met = met.unwrap();
    assert_eq!(met.ours, expected);
    assert!(
        met.kernel.0 > 0 && met.kernel.1 < TOTAL && met.kernel.0 == met.kernel.1,
        "held: {:?}",
        met.kernel
    );
}

/// A hundredth of all packets is lost, there and back; one sends, then the other.
#[test]
fn bytes_survive_loss() {
    const TOTAL: usize = 2_000_000;
    let meeting = || {
        let lossy = || {
            let mut impairments = delay(1);
            impairments.push(Impairment::Loss("1 %".parse().unwrap()));
            impairments
        };
        Meeting::over(line(1500, lossy(), lossy()), 1500)
    };
    let bytes = pattern();
    let expected = (TOTAL, hash_of(&bytes, TOTAL));
    let ours = bytes.clone();
    let Some(met) = meeting().run(
        async move |left, clock| {
            let mut stream = we_connect(&left, &clock, 80).await;
            we_send(&mut stream, &ours, TOTAL).await;
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        },
        || kernel_receives(&kernel_accepts(80)?),
    ) else {
        return;
    };
    assert_eq!(met.kernel, expected);
    assert!(met.totals.dropped > 5, "{:?}", met.totals);

    let met = meeting().run(
        async |left, clock| {
            let mut stream = we_connect(&left, &clock, 80).await;
            we_receive(&mut stream).await
        },
        move || kernel_sends(&kernel_accepts(80)?, &bytes, TOTAL),
    );
    let met = met.unwrap();
    assert_eq!(met.ours, expected);
    assert!(met.totals.dropped > 5, "{:?}", met.totals);
}

const MANY: usize = 200;

/// Connections one after the other, then all at once; we open them.
#[test]
fn many_connections_of_ours() {
    let Some(met) = Meeting::new(1500).run(
        async |left, clock| {
            let mut buffer = [0; 5];
            for _ in 0..MANY {
                let mut stream = we_connect(&left, &clock, 80).await;
                stream.write_all(b"hello").await.unwrap();
                stream.read_exact(&mut buffer).await.unwrap();
            }
            let connecting: Vec<_> = (0..MANY).map(|_| left.connect(at(80)).unwrap()).collect();
            let mut streams = Vec::new();
            for connect in connecting {
                streams.push(connect.await.unwrap());
            }
            for stream in &mut streams {
                stream.write_all(b"hello").await.unwrap();
            }
            for stream in &mut streams {
                stream.read_exact(&mut buffer).await.unwrap();
                assert_eq!(&buffer, b"hello");
            }
        },
        || {
            let listener = kernel_listens(80)?;
            let mut kept = Vec::new();
            for n in 0..2 * MANY {
                let mut stream = listener.accept()?.0;
                patient(&stream)?;
                if n < MANY {
                    let mut buffer = [0; 5];
                    stream.read_exact(&mut buffer)?;
                    stream.write_all(&buffer)?;
                } else {
                    kept.push(stream);
                }
            }
            for stream in &mut kept {
                let mut buffer = [0; 5];
                stream.read_exact(&mut buffer)?;
                stream.write_all(&buffer)?;
            }
            Ok(())
        },
    ) else {
        return;
    };
    assert_eq!(met.totals.dropped, 0);
}

/// The same; the kernel opens them.
#[test]
fn many_connections_of_the_kernels() {
    let Some(met) = Meeting::new(1500).run(
        async |left, _| {
            let listener = left.listen(80, MANY).unwrap();
            let mut kept = Vec::new();
            let mut buffer = [0; 5];
            for n in 0..2 * MANY {
                let mut stream = listener.accept().await;
                if n < MANY {
                    stream.read_exact(&mut buffer).await.unwrap();
                    stream.write_all(&buffer).await.unwrap();
                } else {
                    kept.push(stream);
                }
            }
            for stream in &mut kept {
                stream.read_exact(&mut buffer).await.unwrap();
                stream.write_all(&buffer).await.unwrap();
            }
        },
        || {
            let mut buffer = [0; 5];
            for _ in 0..MANY {
                let mut stream = kernel_connects(80)?;
                stream.write_all(b"hello")?;
                stream.read_exact(&mut buffer)?;
            }
            let mut streams = Vec::new();
            for _ in 0..MANY {
                streams.push(kernel_connects(80)?);
            }
            for stream in &mut streams {
                stream.write_all(b"hello")?;
            }
            for stream in &mut streams {
                stream.read_exact(&mut buffer)?;
                assert_eq!(&buffer, b"hello");
            }
            Ok(())
        },
    ) else {
        return;
    };
    assert_eq!(met.totals.dropped, 0);
}

/// Datagrams come back from both, and a port that nobody opened is told by ICMP.
#[test]
fn datagrams() {
    let mut meeting = Meeting::new(1500);
    meeting.logged = true;
    let Some(met) = meeting.run(
        async |left, clock| {
            let server = left.udp(53, None).unwrap();
            let (data, from, _) = server.receive().await;
            server.send_to(&data, from).unwrap();
            let client = left.udp(0, Some(at(53))).unwrap();
            // The kernel's port was open before it sent.
            client.send_to(b"query", at(53)).unwrap();
            let answer = client.receive().await.0;
            client.send_to(b"nobody", at(54)).unwrap();
            clock.sleep(Duration::from_millis(50)).await;
            answer
        },
        || {
            let server = KernelUdp::bind(at(53))?;
            patient(&server)?;
            let client = KernelUdp::bind(at(0))?;
            patient(&client)?;
            client.connect(SocketAddr::from((LEFT, 53)))?;
            client.send(b"hello")?;
            let mut buffer = [0; 64];
            let n = client.recv(&mut buffer)?;
            assert_eq!(&buffer[..n], b"hello");
            let (n, from) = server.recv_from(&mut buffer)?;
            server.send_to(&buffer[..n], from)?;
            client.connect(SocketAddr::from((LEFT, 54)))?;
            client.send(b"nobody")?;
            Ok(client.recv(&mut buffer).unwrap_err().kind())
        },
    ) else {
        return;
    };
    assert_eq!(met.ours, b"query");
    assert_eq!(met.kernel, ErrorKind::ConnectionRefused);
    let errors = met.packets.iter().filter(|p| p.ends_with("ICMP 3/3"));
    assert_eq!(errors.count(), 2, "{:?}", met.packets);
}

/// Bulk one way over one connection; says something in an optimised build only:
/// `cargo test --release --test it -- --ignored --nocapture throughput`.
#[test]
#[ignore = "prints figures, asserts nothing about them"]
fn throughput() {
    const TOTAL: usize = 1_000_000_000;
    let bytes = pattern();
    for (mtu, offload) in [(1500, false), (9000, false), (1500, true)] {
        for ours in [true, false] {
            let (we, they) = (bytes.clone(), bytes.clone());
            let meeting = Meeting {
                offload,
                ..Meeting::new(mtu)
            };
            let met = meeting.run(
                async move |left, clock| {
                    let mut stream = we_connect(&left, &clock, 80).await;
                    if ours {
                        we_send(&mut stream, &we, TOTAL).await;
                        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
                    } else {
                        let mut buffer = vec![0; 65_536];
                        while stream.read(&mut buffer).await.unwrap() > 0 {}
                    }
                },
                move || {
                    let mut stream = kernel_accepts(80)?;
                    let start = Instant::now();
                    if ours {
                        let mut buffer = vec![0; 65_536];
                        while stream.read(&mut buffer)? > 0 {}
                    } else {
                        kernel_sends(&stream, &they, TOTAL)?;
                        assert_eq!(stream.read(&mut [0; 1])?, 0);
                    }
                    Ok(start.elapsed())
                },
            );
            let Some(met) = met else { return };
            let gigabits = TOTAL as f64 * 8e-9 / met.kernel.as_secs_f64();
            let way = if ours {
                "ours to kernel"
            } else {
                "kernel to ours"
            };
            let how = if offload { " with offload" } else { "" };
            eprintln!("mtu {mtu}{how}, {way}: {gigabits:.2} Gbit/s");
        }
    }
}
