//! Where a connection's randomness comes from. rustls asks static objects for random bytes; the stream to draw from
//! is put in scope while a connection is polled, so that each side of each connection has a stream of its own.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use rand_core::{TryCryptoRng, TryRng};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::event::KeyAgreement;
use crate::rng::{Rng, Stream};

thread_local! {
    /// `System` outside of all scopes, and in the scope of a connection that uses it: there the seeded provider may
    /// not draw.
    static IN_SCOPE: RefCell<Randomness> = const { RefCell::new(Randomness::System) };
}

/// The randomness of one side of one connection. Every side needs a stream of its own: equal streams give equal
/// client randoms, by which a key log is read.
#[derive(Debug)]
pub enum Randomness {
    /// From the run's seed. Boxed, so that entering a scope moves a pointer.
    Seeded(Box<Seeded>),
    /// The operating system's.
    System,
}

/// A stream of the run's seed, and what key exchanges made of it.
#[derive(Debug)]
pub struct Seeded {
    stream: Stream,
    agreed: Vec<KeyAgreement>,
}

impl Randomness {
    /// Randomness from a stream of the run's seed.
    #[must_use]
    pub fn seeded(stream: Stream) -> Self {
        Self::Seeded(Box::new(Seeded {
            stream,
            agreed: Vec::new(),
        }))
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        match self {
            Self::Seeded(seeded) => seeded.stream.fill_bytes(bytes),
            Self::System => {
                // The operating system has randomness, or nothing works on this machine.
                let filled = aws_lc_rs::rand::fill(bytes);
                assert!(filled.is_ok(), "the operating system gave no randomness");
            }
        }
    }

    /// How much was drawn from a seeded stream, in words of 4 bytes.
    #[cfg(test)]
    pub(super) fn position(&self) -> u128 {
        match self {
            Self::Seeded(seeded) => seeded.stream.get_word_pos(),
            Self::System => 0,
        }
    }

    /// The key exchanges that were completed in this scope since the last call, in order.
    pub(super) fn take_agreed(&mut self) -> Vec<KeyAgreement> {
        match self {
            Self::Seeded(seeded) => mem::take(&mut seeded.agreed),
            Self::System => Vec::new(),
        }
    }

    /// Runs `f` with this in scope: what the seeded provider draws meanwhile comes from here. Scopes nest; the
    /// innermost counts.
    pub(super) fn scope<R>(&mut self, f: impl FnOnce() -> R) -> R {
        /// Puts both back, also when `f` panics.
        struct Restore<'a>(&'a mut Randomness);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                IN_SCOPE.with_borrow_mut(|current| mem::swap(current, self.0));
            }
        }
        IN_SCOPE.with_borrow_mut(|current| mem::swap(current, self));
        let _restore = Restore(self);
        f()
    }
}

/// As the RustCrypto crates want it.
impl TryRng for Randomness {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Randomness {}

/// Draws from the stream in scope.
///
/// # Panics
/// When none is: something would be random that the seed does not rule.
pub(super) fn draw(bytes: &mut [u8]) {
    IN_SCOPE.with_borrow_mut(|current| match current {
        Randomness::Seeded(seeded) => seeded.stream.fill_bytes(bytes),
        Randomness::System => panic!("randomness was drawn outside of any seeded scope"),
    });
}

/// Tells the scope of a key exchange that is complete: every group of the seeded provider does so, a hybrid's parts
/// before the whole.
pub(super) fn tell(agreement: KeyAgreement) {
    IN_SCOPE.with_borrow_mut(|current| match current {
        Randomness::Seeded(seeded) => seeded.agreed.push(agreement),
        // A share is drawn in a scope, but nothing obliges anybody to complete it in one.
        Randomness::System => {}
    });
}

/// The stream in scope as the RustCrypto crates want it.
pub(super) struct Drawn;

impl TryRng for Drawn {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        draw(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        draw(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        draw(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

/// A future or stream that draws from its own randomness whenever it is polled, whoever polls it.
#[derive(Debug)]
pub struct Scoped<T> {
    inner: T,
    randomness: Randomness,
}

impl<T> Scoped<T> {
    /// Binds `randomness` to `inner`.
    pub(super) const fn new(inner: T, randomness: Randomness) -> Self {
        Self { inner, randomness }
    }

    /// The inner thing and its randomness.
    pub(super) fn into_parts(self) -> (T, Randomness) {
        (self.inner, self.randomness)
    }

    /// The inner thing.
    pub const fn inner(&self) -> &T {
        &self.inner
    }

    fn poll_in_scope<R>(&mut self, poll: impl FnOnce(Pin<&mut T>) -> R) -> R
    where
        T: Unpin,
    {
        let Self { inner, randomness } = self;
        randomness.scope(|| poll(Pin::new(inner)))
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

    fn eight() -> [u8; 8] {
        let mut bytes = [0; 8];
        draw(&mut bytes);
        bytes
    }

    fn expected(name: &str, skip: usize) -> [u8; 8] {
        let mut stream = Seed(1).stream(name);
        let mut bytes = [0; 8];
        for _ in 0..=skip {
            stream.fill_bytes(&mut bytes);
        }
        bytes
    }

    #[test]
    fn scopes_nest_and_each_stream_goes_on_where_it_was() {
        let mut a = Randomness::seeded(Seed(1).stream("a"));
        let mut b = Randomness::seeded(Seed(1).stream("b"));
        a.scope(|| {
            assert_eq!(eight(), expected("a", 0));
            b.scope(|| assert_eq!(eight(), expected("b", 0)));
            assert_eq!(eight(), expected("a", 1));
        });
        b.scope(|| assert_eq!(eight(), expected("b", 1)));
    }

    #[test]
    #[should_panic(expected = "outside of any seeded scope")]
    fn nobody_draws_outside_a_scope() {
        Randomness::seeded(Seed(1).stream("a")).scope(|| ());
        eight();
    }

    #[test]
    #[should_panic(expected = "outside of any seeded scope")]
    fn a_system_scope_hides_the_outer_stream() {
        let mut a = Randomness::seeded(Seed(1).stream("a"));
        a.scope(|| Randomness::System.scope(eight));
    }

    #[test]
    fn a_scope_ends_also_with_a_panic() {
        let mut a = Randomness::seeded(Seed(1).stream("a"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            a.scope(|| panic!("on purpose"));
        }));
        assert!(panicked.is_err());
        let mut bytes = [0; 8];
        a.fill(&mut bytes);
        assert_eq!(bytes, expected("a", 0), "the stream is back");
        IN_SCOPE.with_borrow(|r| assert!(matches!(r, Randomness::System)));
    }
}
