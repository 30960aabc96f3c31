//! Requests under way to a target: how many, and their end when the target is gone for good.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{self, Frame, SizeHint};

use crate::role::http::Body;

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

    /// The body of its response: with it the request ends, and with the target the body breaks off.
    pub(super) fn hold(self, body: Body) -> Body {
        Box::pin(Held {
            body,
            under_way: self,
        })
    }
}

struct Held {
    body: Body,
    under_way: UnderWay,
}

impl body::Body for Held {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.body.as_mut().poll_frame(cx) {
            Poll::Pending if self.under_way.0.has_ended(cx) => {
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
            }
            frame @ (Poll::Ready(_) | Poll::Pending) => frame,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
}
