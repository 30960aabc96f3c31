//! What the tests of this room share: a lab with two authorities, a pair of futures in virtual time, and a stream that
//! remembers what was written.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::config::{AuthoritySpec, CertificateSpec, KeyKind, PkiSpec};
use crate::time::{Clock, UnixSeconds};

/// Polls both futures until both are done, moving the clock on whenever neither has anything to do.
pub(crate) fn run<A, B>(
    clock: &Clock,
    a: impl Future<Output = A>,
    b: impl Future<Output = B>,
) -> (A, B) {
    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(flag.clone());
    let mut cx = Context::from_waker(&waker);
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_out, mut b_out) = (None, None);
    loop {
        while flag.0.swap(false, Ordering::Relaxed) {
            if a_out.is_none()
                && let Poll::Ready(out) = a.as_mut().poll(&mut cx)
            {
                a_out = Some(out);
            }
            if b_out.is_none()
                && let Poll::Ready(out) = b.as_mut().poll(&mut cx)
            {
                b_out = Some(out);
            }
        }
        match (a_out, b_out) {
            (Some(a), Some(b)) => return (a, b),
            unfinished => (a_out, b_out) = unfinished,
        }
        let next = clock.next_deadline().expect("both futures wait for ever");
        clock.advance(next);
    }
}

/// Whose write it was, and what was written, in order. Nothing was written when the stream was shut down.
pub(crate) type Writes = Arc<Mutex<Vec<(Side, Vec<u8>)>>>;

/// Who wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// A stream that remembers each write below it.
pub(crate) struct Tapped<S>(pub(crate) S, pub(crate) Side, pub(crate) Writes);

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.0).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(n)) = &result {
            let mut all: Vec<u8> = bufs.iter().flat_map(|b| b.iter().copied()).collect();
            all.truncate(*n);
            self.2.lock().unwrap().push((self.1, all));
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.0).poll_shutdown(cx);
        if let Poll::Ready(Ok(())) = &result {
            self.2.lock().unwrap().push((self.1, Vec::new()));
        }
        result
    }
}

/// 2025-11-05, inside every validity below but that of `old`.
pub(crate) const DATE: UnixSeconds = UnixSeconds::from_ymd(2025, 11, 5);

/// Two authorities, `lab-root` and `other-root`; `your-app` and the expired `old` are issued by the first.
pub(crate) fn spec() -> PkiSpec {
    let authority = |name: &str, word: &str| {
        let validity = (
            UnixSeconds::from_ymd(2020, 1, 1),
            UnixSeconds::from_ymd(2040, 1, 1),
        );
        let (root, intermediate) = (format!("{word} Root R1"), format!("{word} Intermediate X1"));
        AuthoritySpec::new(name, root, intermediate, validity)
    };
    let certificate = |name: &str, until| {
        let names = vec!["your-app.com".into(), "*.your-app.com".into()];
        let validity = (UnixSeconds::from_ymd(2024, 1, 1), until);
        CertificateSpec::new(name, "lab-root", names, validity)
    };
    PkiSpec {
        authorities: vec![
            authority("lab-root", "Tunlab"),
            authority("other-root", "Other"),
        ],
        certificates: vec![
            certificate("your-app", UnixSeconds::from_ymd(2025, 12, 31)),
            certificate("old", UnixSeconds::from_ymd(2025, 11, 4)),
        ],
    }
}

/// The same with `rsa`, a certificate like `your-app` with an RSA key.
pub(crate) fn spec_with_rsa() -> PkiSpec {
    let mut spec = spec();
    let mut rsa = spec.certificates[0].clone();
    rsa.name = "rsa".into();
    rsa.key = KeyKind::Rsa2048;
    spec.certificates.push(rsa);
    spec
}
