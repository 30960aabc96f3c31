//! Modelled computing time. What arrives of a handshake flight becomes readable only after the time the lab gives
//! for working on it; so the flight that answers it, the key log and the events all come at the same, later moment.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::config::{ClientTakes, ServerTakes};
use crate::time::{Clock, Instant, Sleep};

/// Record content type 22 (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// How long each received flight takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// The server's first flight takes `finish`; what comes after it nothing.
    Client(ClientTakes),
    /// The ClientHello takes `hello`, the client's second flight in TLS 1.2 `finish`.
    Server(ServerTakes),
}

impl Pace {
    /// How long flight number `flight` (from 0), which begins with a record of this type, takes. `None`: nothing
    /// takes any time from here on.
    fn takes(self, flight: usize, content_type: u8) -> Option<Duration> {
        match (self, flight) {
            (Self::Client(takes), 0) => Some(takes.finish),
            (Self::Server(takes), 0) => Some(takes.hello),
            // A second flight in the clear is TLS 1.2's ClientKeyExchange (or Certificate), which the server answers
            // with its Finished. In TLS 1.3 and in resumptions it begins with ChangeCipherSpec or is encrypted, and
            // nothing waits for it.
            (Self::Server(takes), 1) if content_type == HANDSHAKE => Some(takes.finish),
            (Self::Client(_) | Self::Server(_), _) => None,
        }
    }
}

/// A stream that holds back received handshake flights.
pub struct Paced<S> {
    inner: S,
    clock: Clock,
    /// `None` once nothing is held back any more: the stream is then the inner one.
    pace: Option<Pace>,
    flight: Option<usize>,
    takes: Duration,
    /// The next byte read begins a flight.
    turn: bool,
    held: VecDeque<(Instant, Vec<u8>)>,
    ended: Option<io::Result<()>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) const fn new(inner: S, pace: Pace, clock: Clock) -> Self {
        Self {
            inner,
            clock,
            pace: Some(pace),
            flight: None,
            takes: Duration::ZERO,
            turn: true,
            held: VecDeque::new(),
            ended: None,
            sleep: None,
        }
    }

    /// Takes note of received bytes, and until when they are held.
    fn hold(&mut self, bytes: &[u8]) {
        if self.turn {
            self.turn = false;
            let flight = self.flight.map_or(0, |n| n + 1);
            self.flight = Some(flight);
            let takes = self.pace.and_then(|p| p.takes(flight, bytes[0]));
            self.takes = takes.unwrap_or_default();
            if takes.is_none() {
                self.pace = None;
            }
        }
        self.held
            .push_back((self.clock.now() + self.takes, bytes.to_vec()));
    }
}

impl<S: AsyncRead + Unpin> Paced<S> {
    /// Reads whatever has arrived.
    fn fetch(&mut self, cx: &mut Context<'_>) {
        while self.ended.is_none() {
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buffer) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.ended = Some(Ok(())),
                Poll::Ready(Ok(())) => self.hold(buffer.filled()),
                Poll::Ready(Err(e)) => self.ended = Some(Err(e)),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.pace.is_none() && this.held.is_empty() && this.ended.is_none() {
            return Pin::new(&mut this.inner).poll_read(cx, buffer);
        }
        this.fetch(cx);
        loop {
            let Some((at, bytes)) = this.held.front_mut() else {
                return match this.ended.take() {
                    Some(Ok(())) => {
                        // The end stays the end, however often it is asked for.
                        this.ended = Some(Ok(()));
                        Poll::Ready(Ok(()))
                    }
                    Some(Err(e)) => Poll::Ready(Err(e)),
                    None => Poll::Pending,
                };
            };
            if *at <= this.clock.now() {
                let n = bytes.len().min(buffer.remaining());
                buffer.put_slice(&bytes[..n]);
                bytes.drain(..n);
                if bytes.is_empty() {
                    this.held.pop_front();
                }
                return Poll::Ready(Ok(()));
            }
            let until = *at;
            let sleep = this
                .sleep
                .get_or_insert_with(|| Box::pin(this.clock.sleep_until(until)));
            ready!(sleep.as_mut().poll(cx));
            this.sleep = None;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.turn = true;
        Pin::new(&mut self.inner).poll_write(cx, data)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.turn = true;
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
