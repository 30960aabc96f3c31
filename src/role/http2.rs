//! HTTP/2 (RFC 9113) by hyper: what its tasks run on, and a stream that outlives it, so that a connection is closed in
//! good order.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::time::{Clock, Instant, Sleep};
use crate::world::Executor;

/// The streams of one connection: how many are open, and since when none is.
pub(super) struct Streams {
    clock: Clock,
    open: Cell<usize>,
    begun: Cell<u64>,
    /// When the last one ended.
    rested: Cell<Instant>,
}

impl Streams {
    /// None yet.
    pub(super) fn new(clock: &Clock) -> Rc<Self> {
        Rc::new(Self {
            clock: clock.clone(),
            open: Cell::new(0),
            begun: Cell::new(0),
            rested: Cell::new(clock.now()),
        })
    }

    /// One more, which is open until what is returned is dropped.
    pub(super) fn begin(self: &Rc<Self>) -> Open {
        self.open.set(self.open.get() + 1);
        self.begun.set(self.begun.get() + 1);
        Open(self.clone())
    }

    /// How many there were.
    pub(super) const fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// Ready when no stream has been open for `idle`. `timer` is kept from one call to the next.
    pub(super) fn poll_idle(
        &self,
        cx: &mut Context<'_>,
        idle: Duration,
        timer: &mut Option<Sleep>,
    ) -> Poll<()> {
        loop {
            let now = self.clock.now();
            if self.open.get() > 0 {
                self.rested.set(now);
            }
            let due = self.rested.get() + idle;
            if now >= due {
                return Poll::Ready(());
            }
            let sleep = timer.get_or_insert_with(|| self.clock.sleep_until(due));
            ready!(Pin::new(sleep).poll(cx));
            *timer = None;
        }
    }
}

/// An open stream.
pub(super) struct Open(Rc<Streams>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.rested.set(self.0.clock.now());
    }
}

/// Tasks that belong together, and whose end can be waited for. Cloning shares them.
#[derive(Clone)]
pub(super) struct Tasks {
    executor: Executor,
    live: Rc<Live>,
}

#[derive(Default)]
struct Live {
    count: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

impl Tasks {
    pub(super) fn new(executor: Executor) -> Self {
        Self {
            executor,
            live: Rc::default(),
        }
    }

    /// Starts one more.
    pub(super) fn spawn(&self, task: impl Future + 'static) {
        let live = self.live.clone();
        live.count.set(live.count.get() + 1);
        self.executor.spawn(async move {
            task.await;
            live.count.set(live.count.get() - 1);
            if live.count.get() == 0
                && let Some(waker) = live.waiting.take()
            {
                waker.wake();
            }
        });
    }

    /// Waits until none is left. One task may wait.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| {
            if self.live.count.get() == 0 {
                return Poll::Ready(());
            }
            self.live.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}

/// A stream with several owners. hyper drops its own when it has shut the connection down, and a TCP stream that is
/// dropped with bytes unread sends RST: whoever holds the other part reads what still comes.
pub(super) struct Shared<S>(Rc<RefCell<S>>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    /// What is owned, for what is done to it beside reading and writing.
    pub(super) fn inner(&self) -> std::cell::Ref<'_, S> {
        self.0.borrow()
    }

    fn with<R>(&self, poll: impl FnOnce(Pin<&mut S>) -> R) -> R {
        poll(Pin::new(&mut *self.0.borrow_mut()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Shared<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|s| s.poll_read(cx, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Shared<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|s| s.poll_write(cx, data))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|s| s.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|s| s.poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|s| s.poll_write_vectored(cx, slices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixSeconds;

    /// An open stream holds the connection; the idle timeout begins when the last one ends.
    #[test]
    fn a_connection_without_streams_is_idle() {
        let clock = Clock::new(UnixSeconds(0));
        let idle = Duration::from_secs(60);
        let streams = Streams::new(&clock);
        let mut timer = None;
        let mut is_idle = |at: u64| {
            clock.advance(Instant::ZERO + Duration::from_secs(at));
            let mut cx = Context::from_waker(Waker::noop());
            streams.poll_idle(&mut cx, idle, &mut timer).is_ready()
        };
        assert!(!is_idle(59));
        let open = streams.begin();
        assert!(!is_idle(100));
        drop(open);
        assert!(!is_idle(159));
        assert!(is_idle(160));
        assert_eq!(streams.begun(), 1);
    }
}
