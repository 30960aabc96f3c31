//! The body of a client's request, in pieces with pauses between them where the client is slow.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::io::AsyncWrite;

use crate::role::http::{Body, full, send_all};
use crate::time::{Clock, Sleep};

/// So many bytes, and a pause before the next ones.
type Writes = (usize, Duration);

/// For HTTP/2.
pub(super) fn body(bytes: Vec<u8>, writes: Option<Writes>, clock: &Clock) -> Body {
    let Some((at_once, every)) = writes else {
        return full(bytes);
    };
    Box::pin(Slow {
        clock: clock.clone(),
        left: bytes.into(),
        at_once,
        every,
        pause: None,
    })
}

/// For HTTP/1: `head` goes with the first piece.
pub(super) async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    mut head: Vec<u8>,
    body: &[u8],
    writes: Option<Writes>,
    clock: &Clock,
) -> io::Result<()> {
    let (at_once, every) = writes.unwrap_or((body.len(), Duration::ZERO));
    let (first, rest) = body.split_at(at_once.min(body.len()));
    head.extend_from_slice(first);
    send_all(stream, &head).await?;
    for piece in rest.chunks(at_once.max(1)) {
        clock.sleep(every).await;
        send_all(stream, piece).await?;
    }
    Ok(())
}

struct Slow {
    clock: Clock,
    left: Bytes,
    at_once: usize,
    every: Duration,
    /// Until the next piece.
    pause: Option<Sleep>,
}

impl hyper::body::Body for Slow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(pause) = &mut self.pause {
            ready!(Pin::new(pause).poll(cx));
            self.pause = None;
        }
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let at = self.at_once.min(self.left.len());
        let piece = self.left.split_to(at);
        if !self.left.is_empty() {
            self.pause = Some(self.clock.sleep(self.every));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
