//! A TCP connection as an async stream of bytes.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use smoltcp::socket::tcp::{RecvError, State};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Host;
use super::flow::{End, Flow};
use crate::event::{self, TcpDeed};

/// A TCP connection. Dropping it sends FIN once all data has left, or RST when received data was never read, as
/// Linux does (RFC 1122 §4.2.2.13, RFC 2525 §2.17); so does data that comes later.
pub struct TcpStream {
    host: Host,
    id: u32,
}

impl TcpStream {
    pub(super) const fn new(host: Host, id: u32) -> Self {
        Self { host, id }
    }

    fn with<R>(&self, f: impl FnOnce(&mut Flow) -> R) -> Option<R> {
        let mut stack = self.host.stack.borrow_mut();
        // The flow of a living stream is never forgotten.
        stack.flows[self.id as usize].as_deref_mut().map(f)
    }

    fn mark(&self) {
        self.host.stack.borrow_mut().mark(self.id);
    }

    /// Both ends.
    #[must_use]
    pub fn flow(&self) -> event::Flow {
        let key = self.with(|f| f.key);
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        event::Flow {
            local: key.map_or(nowhere, |k| k.local),
            remote: key.map_or(nowhere, |k| k.remote),
        }
    }

    /// When the connection is closed by dropping it, what still comes is read and thrown away for so long, so that no RST
    /// reaches the peer before our last words do (RFC 9112 §9.6; nginx: `lingering_close`).
    pub fn linger(&self, lingers: Duration) {
        self.with(|flow| flow.lingers = Some(lingers));
    }

    /// Ends the connection with RST.
    pub fn abort(self) {
        self.reset();
    }

    /// The same, for one of several owners.
    pub fn reset(&self) {
        self.with(|f| f.socket().abort());
        self.mark();
    }

    /// Data may leave now. Whether a small piece waits for an acknowledgment is the socket's affair (Nagle).
    fn wrote(&self) {
        self.host.stack.borrow_mut().serve(self.id);
    }
}

fn closed(flow: &Flow) -> io::Error {
    flow.end
        .map_or_else(|| io::ErrorKind::BrokenPipe.into(), End::error)
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.with(|flow| {
            if let (Some(end @ End::Reset), State::Closed) = (flow.end, flow.state()) {
                // "All segment queues should be flushed" (RFC 9293 §3.10.7.4).
                return Poll::Ready(Err(end.error()));
            }
            let socket = flow.socket();
            if socket.can_recv() {
                let n = socket
                    .recv_slice(buffer.initialize_unfilled())
                    .map_err(|_| io::ErrorKind::NotConnected)?;
                buffer.advance(n);
                return Poll::Ready(Ok(()));
            }
            if socket.may_recv() || socket.state() == State::SynReceived {
                socket.register_recv_waker(cx.waker());
                return Poll::Pending;
            }
            match (socket.recv(|_| (0, ())), flow.end) {
                (_, Some(end)) => Poll::Ready(Err(end.error())),
                (Ok(()) | Err(RecvError::Finished), None) => Poll::Ready(Ok(())),
                (Err(RecvError::InvalidState), None) => {
                    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
                }
            }
        });
        let read = read.unwrap_or_else(|| Poll::Ready(Err(io::ErrorKind::NotConnected.into())));
        if matches!(read, Poll::Ready(Ok(()))) {
            // Room in the buffer: a window update may be due.
            self.mark();
        }
        read
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    /// All slices are one write, so that they share segments.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.with(|flow| {
            let mut total = 0;
            for slice in slices.iter().filter(|s| !s.is_empty()) {
                match flow.write(slice) {
                    Ok(n) => {
                        total += n;
                        if n < slice.len() {
                            break;
                        }
                    }
                    Err(_) => return Poll::Ready(Err(closed(flow))),
                }
            }
            if total == 0 && slices.iter().any(|s| !s.is_empty()) {
                flow.socket().register_send_waker(cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(Ok(total))
        });
        match written {
            Some(Poll::Ready(Ok(n))) => {
                self.wrote();
                Poll::Ready(Ok(n))
            }
            Some(Poll::Ready(Err(e))) => Poll::Ready(Err(e)),
            Some(Poll::Pending) => Poll::Pending,
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Half-closes: FIN follows the data. Reading goes on.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|flow| flow.socket().close());
        self.mark();
        Poll::Ready(Ok(()))
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        // Borrowed only when the world itself comes down, with all its connections.
        if self.host.stack.try_borrow_mut().is_err() {
            return;
        }
        let now = self.host.stack.borrow().clock.now();
        let unread = self.with(|flow| {
            flow.orphan = true;
            let detached = flow.detached;
            if let (Some(lingers), false) = (flow.lingers, detached) {
                flow.drain(lingers, now);
                return None;
            }
            let socket = flow.socket();
            match (socket.recv_queue(), detached) {
                (0, _) => socket.close(),
                // The connection is over in order, whatever was read of it.
                (_, true) => {}
                (bytes @ 1.., false) => {
                    socket.abort();
                    return Some((flow.key, bytes));
                }
            }
            None
        });
        if let Some((key, bytes)) = unread.flatten() {
            let deed = TcpDeed::ClosedUnread { bytes };
            self.host.stack.borrow_mut().note(key, deed);
        }
        self.mark();
    }
}

/// A connection that is being opened; see [`Host::connect`]. Dropping it gives up.
pub struct Connect(Option<TcpStream>);

impl Connect {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self(Some(stream))
    }

    /// Both ends of the connection to be.
    #[must_use]
    pub fn flow(&self) -> Option<event::Flow> {
        self.0.as_ref().map(TcpStream::flow)
    }
}

impl Drop for Connect {
    /// Giving up sends nothing: of a connection that was never there only this side knows (RFC 9293 §3.10.5, ABORT in
    /// SYN-SENT).
    fn drop(&mut self) {
        if let Some(stream) = &self.0
            && let Ok(mut stack) = stream.host.stack.try_borrow_mut()
        {
            stack.abandon(stream.id);
        }
    }
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = self.0.as_ref().and_then(|stream| {
            stream.with(|flow| match flow.socket().state() {
                State::SynSent | State::SynReceived => {
                    flow.socket().register_send_waker(cx.waker());
                    Poll::Pending
                }
                State::Closed => Poll::Ready(Err(closed(flow))),
                State::Listen
                | State::Established
                | State::FinWait1
                | State::FinWait2
                | State::CloseWait
                | State::Closing
                | State::LastAck
                | State::TimeWait => Poll::Ready(Ok(())),
            })
        });
        match (state, self.0.is_some()) {
            (Some(Poll::Pending), _) => Poll::Pending,
            (Some(Poll::Ready(Err(e))), _) => {
                self.0 = None;
                Poll::Ready(Err(e))
            }
            (Some(Poll::Ready(Ok(()))), true) => match self.0.take() {
                Some(stream) => Poll::Ready(Ok(stream)),
                None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            },
            (Some(Poll::Ready(Ok(()))), false) | (None, _) => {
                Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
            }
        }
    }
}
