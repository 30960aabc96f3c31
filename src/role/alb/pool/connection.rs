//! One connection to a target, plain or TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::event::{Fact, Flow, Serving};
use crate::role::Node;
use crate::role::http::{self, Duplex};

/// A connection to a target. Dropping it ends it: with FIN, or with RST when the target said something that nobody
/// read.
pub(super) struct Connection {
    node: Node,
    pub(super) flow: Flow,
    /// Gone once it is given away.
    stream: Option<Box<dyn Duplex>>,
    /// Whether TLS is spoken, which takes leave before the FIN.
    pub(super) tls: bool,
    /// What was read and not used.
    pub(super) read: Vec<u8>,
    /// Requests so far.
    pub(super) requests: u64,
}

impl Connection {
    /// Over `stream`, whose TCP connection is `flow`.
    pub(super) fn new(node: Node, flow: Flow, stream: Box<dyn Duplex>, tls: bool) -> Self {
        Self {
            node,
            flow,
            stream: Some(stream),
            tls,
            read: Vec::new(),
            requests: 0,
        }
    }

    /// The target said something before its response (RFC 9110 §15.2). RFC 9110 wants a proxy to pass it on; of its
    /// load balancers AWS says only that they answer `Expect: 100-continue` themselves. What is not documented ends here,
    /// and the trace says so.
    pub(super) fn keep_back(&self, status: u16) {
        let flow = self.flow;
        self.node
            .fact(Fact::Serving(Serving::Interim { flow, status }));
    }

    /// Reads more into `read`. `Ok(0)` is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        /// As much as is read at once.
        const ROOM: usize = 16 * 1024;
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(0));
        };
        let before = self.read.len();
        self.read.resize(before + ROOM, 0);
        let mut buffer = ReadBuf::new(&mut self.read[before..]);
        let read = Pin::new(stream).poll_read(cx, &mut buffer);
        let n = buffer.filled().len();
        self.read.truncate(before + n);
        read.map(|result| result.map(|()| n))
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_write(cx, data),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Ready when an idle connection is of no use any more: it has ended, or the target says something unasked.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.read.is_empty() {
            return Poll::Ready(());
        }
        self.poll_read(cx).map(drop)
    }

    /// The stream, for another protocol; what was read comes first.
    pub(super) fn into_stream(mut self) -> Box<dyn Duplex> {
        let read = std::mem::take(&mut self.read);
        match self.stream.take() {
            Some(stream) => Box::new(Preceded { read, stream }),
            None => Box::new(tokio::io::empty()),
        }
    }

    /// Ends it in good order.
    pub(super) fn close(mut self) {
        let Some(stream) = self.stream.take() else {
            return;
        };
        self.node.fact(Fact::Closed(self.flow));
        if self.tls {
            self.node.executor.spawn(http::close(stream));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.stream.is_some() && !self.node.executor.is_clearing() {
            self.node.fact(Fact::Closed(self.flow));
        }
    }
}

/// A stream before which something was read already.
struct Preceded {
    read: Vec<u8>,
    stream: Box<dyn Duplex>,
}

impl AsyncRead for Preceded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let n = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..n]);
        self.read.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Preceded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
