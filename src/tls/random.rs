//! Where a connection's randomness comes from. rustls asks static objects for random bytes; the stream to draw from
//! is put in scope while a connection is polled, so that each side of each connection has a stream of its own.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::rng::{Rng, Stream};

thread_local! {
    static IN_SCOPE: RefCell<Option<Box<Stream>>> = const { RefCell::new(None) };
}

/// The randomness of one side of one connection.
pub enum Randomness {
    /// A stream of the run's seed. Empty while it is in scope.
    Seeded(Option<Box<Stream>>),
    /// The operating system's.
    System,
}

impl Randomness {
    /// Randomness from a stream of the run's seed.
    #[must_use]
    pub fn seeded(stream: Stream) -> Self {
        Self::Seeded(Some(Box::new(stream)))
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.scope(|seeded| {
            if seeded {
                draw(bytes);
            } else {
                // The operating system has randomness, or nothing works on this machine.
                let filled = aws_lc_rs::rand::fill(bytes);
                assert!(filled.is_ok(), "the operating system gave no randomness");
            }
        });
    }

    /// Runs `f` with this stream in scope; `f` is told whether it is a seeded one.
    fn scope<R>(&mut self, f: impl FnOnce(bool) -> R) -> R {
        /// Puts both streams back, also when `f` panics.
        struct Restore<'a> {
            own: &'a mut Option<Box<Stream>>,
            outer: Option<Box<Stream>>,
        }
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                *self.own = IN_SCOPE.replace(self.outer.take());
            }
        }
        match self {
            Self::System => f(false),
            Self::Seeded(own) => {
                let outer = IN_SCOPE.replace(own.take());
                let _restore = Restore { own, outer };
                f(true)
            }
        }
    }
}

/// Draws from the stream in scope.
///
/// # Panics
/// When none is: something would be random that the seed does not rule.
pub(super) fn draw(bytes: &mut [u8]) {
    IN_SCOPE.with_borrow_mut(|stream| match stream {
        Some(stream) => stream.fill_bytes(bytes),
        None => panic!("randomness was drawn outside of any connection's scope"),
    });
}

/// A future or stream that draws from its own randomness whenever it is polled.
pub struct Scoped<T> {
    inner: T,
    randomness: Randomness,
}

impl<T> Scoped<T> {
    /// Makes the inner thing, with `randomness` in scope already.
    pub(super) fn new(mut randomness: Randomness, make: impl FnOnce() -> T) -> Self {
        let inner = randomness.scope(|_| make());
        Self { inner, randomness }
    }

    /// The inner thing and its randomness.
    pub(super) fn into_parts(self) -> (T, Randomness) {
        (self.inner, self.randomness)
    }

    /// The inner thing.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    fn poll_in_scope<R>(&mut self, poll: impl FnOnce(Pin<&mut T>) -> R) -> R
    where
        T: Unpin,
    {
        let Self { inner, randomness } = self;
        randomness.scope(|_| poll(Pin::new(inner)))
    }
}

impl<T: Future + Unpin> Future for Scoped<T> {
    type Output = T::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        self.poll_in_scope(|inner| inner.poll(cx))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Scoped<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_in_scope(|inner| inner.poll_read(cx, buffer))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Scoped<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_in_scope(|inner| inner.poll_write(cx, data))
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_in_scope(|inner| inner.poll_write_vectored(cx, slices))
    }
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_in_scope(|inner| inner.poll_flush(cx))
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_in_scope(|inner| inner.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn scopes_nest_and_keep_their_place() {
        let mut outer = Randomness::seeded(Seed(1).stream("outer"));
        let mut inner = Randomness::seeded(Seed(1).stream("inner"));
        let mut expected = [0; 8];
        Seed(1).stream("outer").fill_bytes(&mut expected);

        let (mut a, mut b) = ([0; 4], [0; 4]);
        outer.scope(|_| {
            draw(&mut a);
            inner.fill(&mut [0; 100]);
        });
        outer.fill(&mut b);
        assert_eq!([a, b].concat(), expected);
    }

    #[test]
    #[should_panic(expected = "outside of any connection's scope")]
    fn drawing_outside_of_a_scope_is_noticed() {
        draw(&mut [0]);
    }
}
