//! Requests under way to a target: how many, and their end when the target is gone for good.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{self, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::role::http::{Body, Duplex};

/// What is under way to one target.
#[derive(Debug, Default)]
pub(super) struct Work {
    outstanding: Cell<usize>,
    ended: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Work {
    /// Requests under way.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.get()
    }

    /// The deregistration delay is over: what is under way ends.
    pub(super) fn end(&self) {
        self.ended.set(true);
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Whether it has ended; if not, whoever asks is woken when it does.
    fn has_ended(&self, cx: &Context<'_>) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        if !self.ended.get() && !waiting.iter().any(|w| w.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        self.ended.get()
    }
}

/// One request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Rc<Work>);

impl UnderWay {
    pub(super) fn new(work: &Rc<Work>) -> Self {
        work.outstanding.set(work.outstanding.get() + 1);
        Self(work.clone())
    }

    /// `work` to its end; `None` when the target is gone for good before that.
    pub(super) async fn unless_ended<W: Future>(&self, work: W) -> Option<W::Output> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.0.has_ended(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// The body of its response: with it the request ends, and with the target the body breaks off, after `cut` is told.
    pub(super) fn hold(self, body: Body, cut: impl FnOnce() + 'static) -> Body {
        Box::pin(Held {
            held: body,
            under_way: self,
            cut: Some(Box::new(cut)),
        })
    }

    /// The connection that it has become: with it the request ends, and with the target the connection does.
    pub(super) fn hold_stream(
        self,
        stream: Box<dyn Duplex>,
        cut: impl FnOnce() + 'static,
    ) -> Box<dyn Duplex> {
        Box::new(Held {
            held: stream,
            under_way: self,
            cut: Some(Box::new(cut)),
        })
    }
}

/// What a request is under way for.
struct Held<T> {
    held: T,
    under_way: UnderWay,
    /// To be told that it ends before its time.
    cut: Option<Box<dyn FnOnce()>>,
}

impl<T> Held<T> {
    /// `moved`, unless the target is gone for good while nothing moves.
    fn unless_ended<V>(
        &mut self,
        cx: &Context<'_>,
        moved: Poll<io::Result<V>>,
    ) -> Poll<io::Result<V>> {
        if moved.is_ready() || !self.under_way.0.has_ended(cx) {
            return moved;
        }
        if let Some(cut) = self.cut.take() {
            cut();
        }
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl body::Body for Held<Body> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = self.held.as_mut().poll_frame(cx).map(Option::transpose);
        self.unless_ended(cx, frame).map(Result::transpose)
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.held.size_hint()
    }
}

impl AsyncRead for Held<Box<dyn Duplex>> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.held).poll_read(cx, buffer);
        self.unless_ended(cx, read)
    }
}

impl AsyncWrite for Held<Box<dyn Duplex>> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.held).poll_write(cx, bytes);
        self.unless_ended(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.held).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.held).poll_shutdown(cx)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.outstanding.set(self.0.outstanding.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn work_is_counted_and_ends_with_the_target() {
        let work = Rc::new(Work::default());
        let first = UnderWay::new(&work);
        let second = UnderWay::new(&work);
        assert_eq!(work.outstanding(), 2);
        let mut cx = Context::from_waker(Waker::noop());
        {
            let mut waits = pin!(first.unless_ended(pending::<()>()));
            assert_eq!(waits.as_mut().poll(&mut cx), Poll::Pending);
            work.end();
            assert_eq!(waits.as_mut().poll(&mut cx), Poll::Ready(None));
        }
        // What is done already is not undone.
        let mut done = pin!(second.unless_ended(ready(7)));
        assert_eq!(done.as_mut().poll(&mut cx), Poll::Ready(Some(7)));
        drop(first);
        assert_eq!(work.outstanding(), 1);
    }

    #[test]
    fn a_connection_is_work_until_it_ends_and_ends_with_the_target() {
        let work = Rc::new(Work::default());
        let told = Rc::new(Cell::new(0));
        let (mut client, ours) = tokio::io::duplex(16);
        let cut = told.clone();
        let mut held =
            UnderWay::new(&work).hold_stream(Box::new(ours), move || cut.set(cut.get() + 1));
        let mut cx = Context::from_waker(Waker::noop());
        let mut bytes = [0; 16];
        let mut read = |held: &mut Box<dyn Duplex>| {
            let mut buffer = ReadBuf::new(&mut bytes);
            Pin::new(held).poll_read(&mut cx, &mut buffer)
        };
        assert!(read(&mut held).is_pending());
        assert_eq!(work.outstanding(), 1);
        // What is there already still goes through.
        work.end();
        let mut now = Context::from_waker(Waker::noop());
        let sent = Pin::new(&mut client).poll_write(&mut now, b"last words");
        assert!(sent.is_ready());
        assert!(matches!(read(&mut held), Poll::Ready(Ok(()))));
        assert!(matches!(read(&mut held), Poll::Ready(Err(_))));
        assert!(matches!(read(&mut held), Poll::Ready(Err(_))));
        assert_eq!(told.get(), 1);
        drop(held);
        assert_eq!(work.outstanding(), 0);
    }
}
