//! A connection over an async stream: the handshake, then data both ways.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::time_provider::TimeProvider;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, Error};
use crate::tls::key_log::Secrets;

/// The most that is taken from the stream below at once.
const CHUNK: usize = 16 * 1024;

/// One side of a connection over a stream. Shutting it down sends close_notify, then shuts down the stream below.
pub struct Stream<S> {
    inner: S,
    connection: Connection,
    time: Arc<dyn TimeProvider>,
    secrets: Secrets,
    /// The secrets have been written to the key log.
    logged: bool,
    /// Records for the peer, written up to here.
    output: Vec<u8>,
    written: usize,
    /// The peer's data, read up to here.
    data: Vec<u8>,
    read: usize,
    /// Why no more can come.
    failed: Option<Error>,
}

impl<S> Stream<S> {
    /// `time` is the date on which certificates are judged.
    pub(in crate::tls) fn new(
        connection: Connection,
        inner: S,
        time: Arc<dyn TimeProvider>,
        secrets: Secrets,
    ) -> Self {
        Self {
            inner,
            connection,
            time,
            secrets,
            logged: false,
            output: Vec::new(),
            written: 0,
            data: Vec::new(),
            read: 0,
            failed: None,
        }
    }

    /// The connection.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The stream below.
    pub(in crate::tls) const fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Shakes hands: until both sides' Finished are sent and received.
    ///
    /// # Errors
    /// When the handshake fails; the alert is then ready to be flushed.
    pub(in crate::tls) async fn handshake(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_output(cx))?;
            if self.connection.is_established() {
                return Pin::new(&mut self.inner).poll_flush(cx);
            }
            if !ready!(self.poll_input(cx))? {
                let error = "the peer ended the connection in the handshake";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
            }
        }
    }

    /// Writes all records that wait.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.written == self.output.len() {
                self.written = 0;
                self.output = self.connection.poll_wire().unwrap_or_default();
                if self.output.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            let rest = &self.output[self.written..];
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
        }
    }

    /// Takes in what has come; `false` at the end of the stream below.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut bytes = [0; CHUNK];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        let now = self.time.current_time();
        let now = now.ok_or_else(|| io::Error::other("there is no date"))?;
        let result = self.connection.handle_wire(buffer.filled(), now);
        // Before anything that is encrypted with the secrets leaves.
        if !self.logged
            && let Some(exchange) = self.connection.key_exchange()
        {
            self.logged = true;
            exchange.log(&self.secrets);
        }
        if self.read == self.data.len() {
            self.read = 0;
            self.data = self.connection.poll_data().unwrap_or_default();
        }
        if let Err(error) = result {
            self.failed = Some(error.clone());
            if self.data.is_empty() {
                return Poll::Ready(Err(io::Error::other(error)));
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let rest = &this.data[this.read..];
            if !rest.is_empty() {
                let n = rest.len().min(buffer.remaining());
                buffer.put_slice(&rest[..n]);
                this.read += n;
                return Poll::Ready(Ok(()));
            }
            // Answers that reading made, and the alert of a failure: a peer that reads no more is told no more.
            if let Poll::Ready(Err(error)) = this.poll_output(cx) {
                return Poll::Ready(Err(error));
            }
            if let Some(error) = &this.failed {
                return Poll::Ready(Err(io::Error::other(error.clone())));
            }
            if this.connection.is_closed_by_peer() {
                return Poll::Ready(Ok(()));
            }
            match ready!(this.poll_input(cx)) {
                Ok(true) => {}
                Ok(false) => {
                    let error = "the peer ended the connection without close_notify";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)));
                }
                // Told at the next turn, after its alert.
                Err(error) if this.failed.is_none() => return Poll::Ready(Err(error)),
                Err(_) => {}
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // One record's worth waits at most.
        ready!(this.poll_output(cx))?;
        let n = data.len().min(CHUNK);
        this.connection.send(&data[..n]).map_err(io::Error::other)?;
        if let Poll::Ready(Err(error)) = this.poll_output(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_output(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.close();
        ready!(this.poll_output(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

impl<S: fmt::Debug> fmt::Debug for Stream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.inner).finish()
    }
}
