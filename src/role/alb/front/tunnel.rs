//! A connection that is no longer HTTP: bytes go through, both ways, until one side ends or nothing moves for the idle
//! timeout (AWS "Listeners for your Application Load Balancers", "WebSockets").

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncWrite, ReadBuf};

use super::wire::Line;
use crate::role::http::Duplex;
use crate::time::{Clock, Instant, Sleep};

/// Held for a side that does not read, at most; then the other one is not read either.
const HELD: usize = 16 * 1024;

/// What went through.
pub(super) struct Passed {
    pub(super) from_client: u64,
    pub(super) from_target: u64,
    /// Nothing moved any more.
    pub(super) idle: bool,
}

/// One direction.
#[derive(Default)]
struct Way {
    held: Vec<u8>,
    bytes: u64,
    /// The side that sends has ended.
    ended: bool,
    /// TLS holds records back until it is told to send them, and as long as TCP takes no more.
    unflushed: bool,
}

impl Way {
    /// Moves what can be moved; whether anything was. Ready when it is over.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Duplex,
        to: &mut dyn Duplex,
        moved: &mut bool,
    ) -> Poll<()> {
        loop {
            if self.unflushed {
                self.unflushed = Pin::new(&mut *to).poll_flush(cx).is_pending();
            }
            if self.held.is_empty() && !self.ended {
                let mut piece = [0; HELD];
                let mut buffer = ReadBuf::new(&mut piece);
                match ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer)) {
                    Ok(()) if !buffer.filled().is_empty() => {
                        self.held.extend_from_slice(buffer.filled());
                        self.bytes += buffer.filled().len() as u64;
                        *moved = true;
                    }
                    Ok(()) | Err(_) => self.ended = true,
                }
            }
            if self.held.is_empty() {
                return if self.unflushed {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                };
            }
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.held)) {
                Ok(n @ 1..) => {
                    self.held.drain(..n);
                    self.unflushed = true;
                    *moved = true;
                }
                Ok(0) | Err(_) => {
                    self.held.clear();
                    self.ended = true;
                }
            }
        }
    }
}

/// Passes bytes between the client on `line` and `target` until it is over, and closes the target's connection. The
/// client's is left to be closed.
pub(super) async fn run(
    line: &Line,
    mut target: Box<dyn Duplex>,
    clock: &Clock,
    idle: Duration,
) -> Passed {
    let held = line.with(|wire| std::mem::take(&mut wire.input));
    let mut there = Way {
        bytes: held.len() as u64,
        held,
        ..Way::default()
    };
    let mut back = Way::default();
    let mut last = clock.now();
    let mut timer: Option<Sleep> = None;
    let over_by_idleness = poll_fn(|cx| {
        line.with(|wire| {
            let client = wire.stream();
            let mut moved = false;
            let there_over = there.poll(cx, client, &mut target, &mut moved);
            let back_over = back.poll(cx, &mut target, client, &mut moved);
            if there_over.is_ready() || back_over.is_ready() {
                return Poll::Ready(false);
            }
            if moved {
                last = clock.now();
            }
            poll_idle(cx, clock, last + idle, &mut timer).map(|()| true)
        })
    });
    let idle = over_by_idleness.await;
    // FIN to both at the same time: nobody waits for the other.
    let shut = poll_fn(|cx| Pin::new(&mut target).poll_shutdown(cx)).await;
    // How the target takes it changes nothing any more.
    drop((shut, target));
    Passed {
        from_client: there.bytes,
        from_target: back.bytes,
        idle,
    }
}

fn poll_idle(
    cx: &mut Context<'_>,
    clock: &Clock,
    due: Instant,
    timer: &mut Option<Sleep>,
) -> Poll<()> {
    loop {
        if clock.now() >= due {
            return Poll::Ready(());
        }
        let sleep = timer.get_or_insert_with(|| clock.sleep_until(due));
        ready!(Pin::new(sleep).poll(cx));
        *timer = None;
    }
}
