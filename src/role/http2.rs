//! HTTP/2 (RFC 9113) by hyper: what its tasks run on, and a stream that outlives it, so that a connection is closed in
//! good order.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::world::Executor;

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
