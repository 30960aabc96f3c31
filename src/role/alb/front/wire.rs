//! The bytes of a client's connection that speaks HTTP/1.1: what was read and not taken yet, the body that is coming
//! in, and for how long nothing has moved. Owned by the loop that serves the connection, and by the body of its
//! request.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::Coming;
use crate::role::http::{Duplex, within};
use crate::time::{Clock, Instant, Sleep};
use crate::wire::http1::{HeadError, Limits, RequestHead};

/// What is read ahead of requests that wait for their turn, at most; then TCP's window holds the client back.
const AHEAD_MAX: usize = 64 * 1024;

/// Bytes asked for at once.
const PIECE: usize = 16 * 1024;

/// After the last response, what the client still sends is read for so long, so that nothing is reset (nginx
/// `lingering_timeout`).
const LINGERING: Duration = Duration::from_secs(5);

/// Why nothing more can be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The client will send no more.
    Ended,
    /// It was reset, or TLS broke.
    Failed,
    /// Nothing moved for the idle timeout.
    Idle,
}

/// Why there is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoHead {
    /// The connection stopped; `begun` when a part of it was there.
    Stopped { stop: Stop, begun: bool },
    /// What is there is not one.
    Bad(HeadError),
}

pub(super) struct Wire {
    stream: Box<dyn Duplex>,
    /// Read, and not taken yet.
    pub(super) input: Vec<u8>,
    /// Bytes sent.
    pub(super) sent: u64,
    stopped: Option<Stop>,
    /// The body of the request that was taken last.
    pub(super) coming: Coming,
    /// Who is to be told when that is whole.
    pub(super) waiting: Option<Waker>,
    clock: Clock,
    idle: Duration,
    /// When something last moved.
    moved: Instant,
    /// When the first byte of `input` came.
    began: Instant,
    timer: Option<Sleep>,
}

impl Wire {
    /// The stream itself, once it is no longer HTTP.
    pub(super) fn stream(&mut self) -> &mut dyn Duplex {
        &mut self.stream
    }

    /// Reads more, if it comes before the idle timeout.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        match self.poll_read(cx) {
            Poll::Pending => {
                ready!(self.poll_idle(cx));
                self.stopped = Some(Stop::Idle);
                Poll::Ready(Err(Stop::Idle))
            }
            Poll::Ready(read) => Poll::Ready(read),
        }
    }

    /// Reads more, whenever it comes.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        if let Some(stop) = self.stopped {
            return Poll::Ready(Err(stop));
        }
        let mut piece = [0; PIECE];
        let mut buffer = ReadBuf::new(&mut piece);
        let stop = match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
            Ok(()) if !buffer.filled().is_empty() => {
                self.moved = self.clock.now();
                if self.input.is_empty() {
                    self.began = self.moved;
                }
                self.input.extend_from_slice(buffer.filled());
                return Poll::Ready(Ok(()));
            }
            Ok(()) => Stop::Ended,
            Err(_) => Stop::Failed,
        };
        self.stopped = Some(stop);
        Poll::Ready(Err(stop))
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.moved + self.idle;
            let clock = &self.clock;
            let timer = self.timer.get_or_insert_with(|| clock.sleep_until(due));
            ready!(Pin::new(timer).poll(cx));
            self.timer = None;
            if self.clock.now() >= due {
                return Poll::Ready(());
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &mut &[u8]) -> Poll<Result<(), Stop>> {
        while !bytes.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, bytes) {
                Poll::Ready(Ok(n @ 1..)) => {
                    *bytes = &bytes[n..];
                    self.sent += n as u64;
                    self.moved = self.clock.now();
                }
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Stop::Failed)),
                Poll::Pending => {
                    ready!(self.poll_idle(cx));
                    return Poll::Ready(Err(Stop::Idle));
                }
            }
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        Poll::Ready(flushed.map_err(|_| Stop::Failed))
    }

    /// Ready when the client has gone. What it sends meanwhile is kept for later.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.coming.is_done() {
            // Whoever takes the body reads.
            self.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        while self.input.len() < AHEAD_MAX {
            if ready!(self.poll_read(cx)).is_err() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

/// A client's connection. Cloning shares it.
#[derive(Clone)]
pub(super) struct Line(Rc<RefCell<Wire>>);

impl Line {
    pub(super) fn new(stream: Box<dyn Duplex>, clock: &Clock, idle: Duration) -> Self {
        Self(Rc::new(RefCell::new(Wire {
            stream,
            input: Vec::new(),
            sent: 0,
            stopped: None,
            coming: Coming::none(),
            waiting: None,
            clock: clock.clone(),
            idle,
            moved: clock.now(),
            began: clock.now(),
            timer: None,
        })))
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Wire) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }

    /// The next request's head.
    pub(super) async fn head(&self, limits: &Limits) -> Result<RequestHead, NoHead> {
        poll_fn(|cx| {
            self.with(|wire| {
                loop {
                    match RequestHead::parse(&wire.input, limits) {
                        Ok(Some((head, used))) => {
                            wire.input.drain(..used);
                            return Poll::Ready(Ok(head));
                        }
                        Ok(None) => {}
                        Err(error) => return Poll::Ready(Err(NoHead::Bad(error))),
                    }
                    if let Err(stop) = ready!(wire.poll_more(cx)) {
                        // Empty lines are no beginning (RFC 9112 §2.2).
                        let begun = wire.input.iter().any(|b| !matches!(b, b'\r' | b'\n'));
                        return Poll::Ready(Err(NoHead::Stopped { stop, begun }));
                    }
                }
            })
        })
        .await
    }

    /// Sends all of `bytes`.
    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), Stop> {
        let mut rest = bytes;
        poll_fn(|cx| self.with(|wire| wire.poll_send(cx, &mut rest))).await
    }

    /// What was read and is no request: since when it came, and how much of it.
    pub(super) fn unread(&self) -> (Instant, usize) {
        self.with(|wire| (wire.began, wire.input.len()))
    }

    /// `work`'s result, or `None` when the client goes away before.
    pub(super) async fn unless_gone<W: Future>(&self, work: W) -> Option<W::Output> {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            self.with(|wire| wire.poll_gone(cx)).map(|()| None)
        })
        .await
    }

    /// Nothing has moved since now: waiting for a target is no idleness of the client's.
    pub(super) fn rest_begins(&self) {
        self.with(|wire| wire.moved = wire.clock.now());
    }

    /// close_notify and FIN. A client that has not gone yet is given time to.
    pub(super) async fn close(&self) {
        let shut = poll_fn(|cx| self.with(|wire| Pin::new(&mut wire.stream).poll_shutdown(cx)));
        if shut.await.is_err() {
            return;
        }
        let clock = self.with(|wire| {
            if wire.stopped == Some(Stop::Idle) {
                wire.stopped = None;
            }
            wire.clock.clone()
        });
        let rest = poll_fn(|cx| {
            self.with(|wire| {
                loop {
                    wire.input.clear();
                    if ready!(wire.poll_read(cx)).is_err() {
                        return Poll::Ready(());
                    }
                }
            })
        });
        // Who goes on sending is reset.
        let _ = within(&clock, LINGERING, rest).await;
    }
}
