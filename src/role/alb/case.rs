//! How the names of headers are written towards targets. What came as HTTP/2 has small letters only, and the load
//! balancer sends it on like that, but for a few names (AWS "How Elastic Load Balancing works", "HTTP headers").

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Names that are always in mixed case.
const MIXED: [&str; 7] = [
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "Host",
    "X-Amzn-Trace-Id",
    "Upgrade",
    "Connection",
];

/// A stream to a target that writes these names so. hyper writes all names alike.
pub(super) struct Mixed<S> {
    stream: S,
    /// The next write begins with a head.
    head: HeadNext,
    /// What hyper has written and the stream has not taken.
    waiting: Vec<u8>,
}

/// Says that a request is about to be sent. hyper writes its head at once, and first.
#[derive(Clone, Default)]
pub(super) struct HeadNext(Rc<Cell<bool>>);

impl HeadNext {
    pub(super) fn set(&self) {
        self.0.set(true);
    }
}

impl<S> Mixed<S> {
    pub(super) const fn new(stream: S, head: HeadNext) -> Self {
        Self {
            stream,
            head,
            waiting: Vec::new(),
        }
    }
}

impl<S: AsyncWrite + Unpin> Mixed<S> {
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Mixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Mixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_waiting(cx))?;
        if !self.head.0.take() {
            return Pin::new(&mut self.stream).poll_write(cx, data);
        }
        self.waiting = data.to_vec();
        in_mixed_case(&mut self.waiting);
        match self.poll_waiting(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The rest leaves with the next write or flush.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(data.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Rewrites the names in the head that `bytes` begin with; what follows the empty line stays as it is.
fn in_mixed_case(bytes: &mut [u8]) {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let head = &mut bytes[..end.unwrap_or(0)];
    for line in head.split_mut(|b| *b == b'\n').skip(1) {
        for name in MIXED {
            if let Some((written, rest)) = line.split_at_mut_checked(name.len())
                && rest.first() == Some(&b':')
                && written.eq_ignore_ascii_case(name.as_bytes())
            {
                written.copy_from_slice(name.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_names_are_in_mixed_case_and_nothing_else_changes() {
        let mut bytes =
            b"GET /host:x HTTP/1.1\r\nx-forwarded-for: host\r\nhost: a\r\nhostess: b\r\n\
            user-agent: connection: c\r\nx-amzn-trace-id: Root=1\r\n\r\nhost: of the body\r\n"
                .to_vec();
        in_mixed_case(&mut bytes);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "GET /host:x HTTP/1.1\r\nX-Forwarded-For: host\r\nHost: a\r\nhostess: b\r\n\
             user-agent: connection: c\r\nX-Amzn-Trace-Id: Root=1\r\n\r\nhost: of the body\r\n"
        );
    }

    #[test]
    fn only_a_head_is_looked_at() {
        let mut bytes = b"host: a\r\nhost: b".to_vec();
        in_mixed_case(&mut bytes);
        assert_eq!(bytes, b"host: a\r\nhost: b");
    }
}
