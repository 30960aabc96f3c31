//! Modelled computing time. What arrives of a handshake flight becomes readable only after the time the lab gives
//! for working on it; so the flight that answers it, the key log and the events all come at the same, later moment.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::config::{ClientTakes, ServerTakes};
use crate::time::{Clock, Instant, Sleep};
use crate::wire::tls::{
    ClientHello, HELLO_RETRY_RANDOM, RecordHeader, content_type, handshake_header, handshake_type,
};

/// How long each received flight takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// The server's flight takes `finish`, a HelloRetryRequest before it nothing.
    Client(ClientTakes),
    /// A ClientHello takes `hello`, the client's second flight in TLS 1.2 `finish`.
    Server(ServerTakes),
}

impl Pace {
    /// How long flight number `flight` (from 0), which begins so, takes. `None`: nothing takes any time from here on.
    fn takes(self, flight: usize, begins: Begins) -> Option<Duration> {
        match (self, flight, begins) {
            // Another ClientHello is made at once.
            (Self::Client(_), 0, Begins::Retry) => Some(Duration::ZERO),
            (Self::Client(takes), 0, _) => Some(takes.finish),
            // The flight after a HelloRetryRequest. After a full one nothing of the server's takes time.
            (Self::Client(takes), 1, Begins::ServerHello) => Some(takes.finish),
            (Self::Server(takes), 0, _) => Some(takes.hello),
            (Self::Server(takes), 1, Begins::ClientHello) => Some(takes.hello),
            // A second flight in the clear is TLS 1.2's ClientKeyExchange (or Certificate), which the server answers
            // with its Finished. In TLS 1.3 and in resumptions it is encrypted, and nothing waits for it.
            (Self::Server(takes), 1, Begins::OtherHandshake) => Some(takes.finish),
            (Self::Client(_) | Self::Server(_), _, _) => None,
        }
    }
}

/// What a flight begins with, after ChangeCipherSpec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    ClientHello,
    ServerHello,
    /// A HelloRetryRequest.
    Retry,
    /// Another handshake message in the clear.
    OtherHandshake,
    /// Something else, or encrypted.
    Other,
}

impl Begins {
    /// Reads the first bytes of a flight. Those that tell come in one segment with any MSS in use.
    fn read(mut bytes: &[u8]) -> Self {
        /// A whole record of ChangeCipherSpec (RFC 8446 §D.4).
        const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];
        bytes = bytes.strip_prefix(&CHANGE_CIPHER_SPEC).unwrap_or(bytes);
        let header = RecordHeader::read(bytes);
        if header.is_none_or(|h| h.content_type != content_type::HANDSHAKE) {
            return Self::Other;
        }
        let message = &bytes[RecordHeader::BYTES..];
        match message.first() {
            Some(&handshake_type::CLIENT_HELLO) => Self::ClientHello,
            // Type and length (4 bytes), version (2), random.
            Some(&handshake_type::SERVER_HELLO) => match message.get(6..38) {
                Some(random) if random == HELLO_RETRY_RANDOM => Self::Retry,
                _ => Self::ServerHello,
            },
            _ => Self::OtherHandshake,
        }
    }
}

/// A stream that holds back received handshake flights. A flight ends where this side has written: what arrives after
/// that is the next one.
pub struct Paced<S> {
    inner: S,
    clock: Clock,
    /// `None` once nothing more will be held back: the stream is then the inner one, after what is held.
    pace: Option<Pace>,
    /// Which flight of the peer's is arriving, from 0.
    flight: usize,
    /// How long the flight that is arriving takes; `None` before its first byte.
    takes: Option<Duration>,
    /// Whether this side has written since the last arrival.
    wrote: bool,
    held: Held,
}

impl<S> Paced<S> {
    pub(super) fn new(inner: S, pace: Pace, clock: Clock) -> Self {
        Self {
            inner,
            clock,
            pace: Some(pace),
            flight: 0,
            takes: None,
            wrote: false,
            held: Held::default(),
        }
    }

    /// Ends all modelled time: what arrives from now on is readable at once, after what is still held.
    pub(super) const fn pass_through(&mut self) {
        self.pace = None;
    }

    const fn wrote(&mut self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(1..)) = result {
            self.wrote = true;
        }
    }

    /// Takes note of received bytes, and until when they are held.
    fn hold(&mut self, bytes: &[u8]) {
        if std::mem::take(&mut self.wrote) && self.takes.is_some() {
            self.flight += 1;
            self.takes = None;
        }
        if self.takes.is_none() {
            let begins = Begins::read(bytes);
            self.takes = self.pace.and_then(|p| p.takes(self.flight, begins));
        }
        if self.takes.is_none() {
            self.pace = None;
        }
        let until = self.clock.now() + self.takes.unwrap_or_default();
        self.held.bytes += bytes.len();
        self.held.chunks.push_back((until, bytes.to_vec()));
    }
}

impl<S: fmt::Debug> fmt::Debug for Paced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Paced").field(&self.inner).finish()
    }
}

impl<S: AsyncRead + Unpin> Paced<S> {
    /// Takes in what has arrived. Stops at [`Held::BYTES_MAX`], so that the peer's window closes before memory grows.
    fn fetch(&mut self, cx: &mut Context<'_>) {
        while self.pace.is_some() && self.held.end.is_none() && self.held.bytes < Held::BYTES_MAX {
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buffer) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.held.end = Some(Ok(())),
                Poll::Ready(Ok(())) => self.hold(buffer.filled()),
                Poll::Ready(Err(e)) => self.held.end = Some(Err(e)),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> Paced<S> {
    /// The ClientHello that arrives first, without reading it: the engine will. `None` when something else arrives.
    pub(super) async fn peek_hello(&mut self) -> Option<ClientHello> {
        poll_fn(|cx| {
            self.fetch(cx);
            match first_hello(&self.held.all()) {
                None if self.held.end.is_none() && self.held.bytes < Held::BYTES_MAX => {
                    Poll::Pending
                }
                found => Poll::Ready(found.flatten()),
            }
        })
        .await
    }
}

/// The ClientHello at the start of `bytes`, which may be in several records; the outer `None` when more bytes are needed
/// to tell.
fn first_hello(mut bytes: &[u8]) -> Option<Option<ClientHello>> {
    let mut message = Vec::new();
    loop {
        let header = RecordHeader::read(bytes)?;
        if !header.is_plausible() || header.content_type != content_type::HANDSHAKE {
            return Some(None);
        }
        let rest = &bytes[RecordHeader::BYTES..];
        message.extend_from_slice(rest.get(..header.length)?);
        bytes = &rest[header.length..];
        let Some((kind, length)) = handshake_header(&message) else {
            continue;
        };
        if kind != handshake_type::CLIENT_HELLO {
            return Some(None);
        }
        if let Some(body) = message.get(4..4 + length) {
            return Some(ClientHello::read(body));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.fetch(cx);
        if !this.held.chunks.is_empty() {
            return this.held.poll_read(&this.clock, cx, buffer);
        }
        match this.held.end.take() {
            // The end stays the end, and an error is told once: the inner stream knows both.
            Some(end) => {
                this.pace = None;
                Poll::Ready(end)
            }
            // Everything that has arrived was taken in, and the inner stream will wake the reader.
            None if this.pace.is_some() => Poll::Pending,
            None => Pin::new(&mut this.inner).poll_read(cx, buffer),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, data);
        self.wrote(&result);
        result
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(&result);
        result
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

/// Bytes that have arrived and may not be read yet, in order.
#[derive(Default)]
struct Held {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    /// How many bytes of the first chunk are read already.
    taken: usize,
    /// How many are not, in all chunks.
    bytes: usize,
    /// What comes after them: the end of the stream, or an error.
    end: Option<io::Result<()>>,
    sleep: Option<Sleep>,
}

impl Held {
    /// The most that is taken in: several times the largest handshake flight in use.
    const BYTES_MAX: usize = 64 * 1024;

    /// Everything that is held.
    fn all(&self) -> Vec<u8> {
        let chunks = self.chunks.iter().flat_map(|(_, chunk)| chunk);
        chunks.skip(self.taken).copied().collect()
    }

    /// Reads what is due, at least one byte.
    fn poll_read(
        &mut self,
        clock: &Clock,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut copied = 0;
        while let Some((until, chunk)) = self.chunks.front() {
            if *until > clock.now() {
                if copied > 0 {
                    break;
                }
                let sleep = self.sleep.get_or_insert_with(|| clock.sleep_until(*until));
                ready!(Pin::new(sleep).poll(cx));
            }
            self.sleep = None;
            let rest = &chunk[self.taken..];
            let n = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..n]);
            copied += n;
            self.taken += n;
            self.bytes -= n;
            if self.taken == chunk.len() {
                self.chunks.pop_front();
                self.taken = 0;
            }
            if buffer.remaining() == 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixSeconds;
    use crate::tls::testing::run;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const MS: Duration = Duration::from_millis(1);

    /// What a server sees that answers the ClientHello `hello` after 30 ms and a second flight after 10 ms: the
    /// client sends `second` at 0 ms after the answer, then a byte at a time. Returns the moments of reading, in ms.
    fn server_reads(second: &'static [u8]) -> [u64; 3] {
        let clock = Clock::new(UnixSeconds(0));
        let (mut far, near) = duplex(1024);
        let takes = ServerTakes {
            hello: 30 * MS,
            finish: 10 * MS,
        };
        let mut near = Paced::new(near, Pace::Server(takes), clock.clone());
        let at = || clock.now().as_nanos() / 1_000_000;
        let client = async {
            far.write_all(b"hello").await.unwrap();
            let mut answer = [0; 6];
            far.read_exact(&mut answer).await.unwrap();
            far.write_all(second).await.unwrap();
            clock.sleep(50 * MS).await;
            far.write_all(b"x").await.unwrap();
        };
        let server = async {
            let mut buf = [0; 5];
            near.read_exact(&mut buf).await.unwrap();
            let hello = at();
            near.write_all(b"answer").await.unwrap();
            let mut buf = vec![0; second.len()];
            near.read_exact(&mut buf).await.unwrap();
            assert_eq!(buf, second);
            let finished = at();
            near.write_all(b"ok").await.unwrap();
            near.read_u8().await.unwrap();
            [hello, finished, at()]
        };
        run(&clock, client, server).1
    }

    #[test]
    fn a_server_delays_the_hello_and_only_the_second_flight_of_tls_1_2() {
        assert_eq!(
            server_reads(b"\x16\x03\x03 ClientKeyExchange"),
            [30, 40, 80]
        );
        assert_eq!(server_reads(b"\x14\x03\x03 then encrypted"), [30, 30, 80]);
        assert_eq!(server_reads(b"\x17\x03\x03 encrypted"), [30, 30, 80]);
    }

    #[test]
    fn a_retry_takes_no_time_at_the_client_and_the_hello_again_at_the_server() {
        let record = |kind: u8, message: &[u8]| {
            let length = u16::try_from(message.len()).unwrap().to_be_bytes();
            [&[kind, 3, 3][..], &length, message].concat()
        };
        let retry = [&[2, 0, 0, 84, 3, 3][..], &HELLO_RETRY_RANDOM, &[0; 40]].concat();
        let hello = [&[2, 0, 0, 84, 3, 3][..], &[7; 72]].concat();
        assert_eq!(Begins::read(&record(22, &retry)), Begins::Retry);
        assert_eq!(Begins::read(&record(22, &hello)), Begins::ServerHello);
        let again = [&[20, 3, 3, 0, 1, 1][..], &record(22, &[1, 0, 1, 0])].concat();
        assert_eq!(Begins::read(&again), Begins::ClientHello);
        assert_eq!(Begins::read(b"\x17\x03\x03\x00\x20"), Begins::Other);
        assert_eq!(Begins::read(b"\x16"), Begins::Other);
        let client = Pace::Client(ClientTakes {
            wait: MS,
            finish: 7 * MS,
        });
        assert_eq!(client.takes(0, Begins::Retry), Some(Duration::ZERO));
        assert_eq!(client.takes(1, Begins::ServerHello), Some(7 * MS));
        assert_eq!(client.takes(1, Begins::Other), None);
        let server = Pace::Server(ServerTakes {
            hello: 30 * MS,
            finish: 10 * MS,
        });
        assert_eq!(server.takes(1, Begins::ClientHello), Some(30 * MS));
        assert_eq!(server.takes(1, Begins::OtherHandshake), Some(10 * MS));
        assert_eq!(server.takes(2, Begins::OtherHandshake), None);
    }

    #[test]
    fn each_part_of_a_flight_is_delayed_from_its_own_arrival() {
        let clock = Clock::new(UnixSeconds(0));
        let (mut far, near) = duplex(1024);
        let takes = ClientTakes {
            wait: Duration::ZERO,
            finish: 7 * MS,
        };
        let mut near = Paced::new(near, Pace::Client(takes), clock.clone());
        let server = async {
            far.write_all(b"first").await.unwrap();
            clock.sleep(5 * MS).await;
            far.write_all(b"second").await.unwrap();
            far.shutdown().await.unwrap();
        };
        let client = async {
            let mut seen = Vec::new();
            loop {
                let mut buf = [0; 64];
                let n = near.read(&mut buf).await.unwrap();
                let text = String::from_utf8_lossy(&buf[..n]).into_owned();
                seen.push((clock.now().as_nanos() / 1_000_000, text));
                if n == 0 {
                    return seen;
                }
            }
        };
        let expected = [(7, "first"), (12, "second"), (12, "")];
        assert_eq!(
            run(&clock, server, client).1,
            expected.map(|(t, s)| (t, s.to_owned()))
        );
    }

    #[test]
    fn no_more_is_taken_in_than_the_limit() {
        let clock = Clock::new(UnixSeconds(0));
        let (mut far, near) = duplex(1 << 20);
        let takes = ServerTakes {
            hello: MS,
            finish: MS,
        };
        let mut near = Paced::new(near, Pace::Server(takes), clock.clone());
        let all = vec![7; 200_000];
        let client = async {
            far.write_all(&all).await.unwrap();
            far.shutdown().await.unwrap();
        };
        let server = async {
            assert_eq!(near.read_u8().await.unwrap(), 7);
            let taken = near.held.bytes + 1;
            let mut rest = Vec::new();
            near.read_to_end(&mut rest).await.unwrap();
            (taken, rest.len())
        };
        assert_eq!(run(&clock, client, server).1, (Held::BYTES_MAX, 199_999));
    }

    /// A stream that gives some bytes, and then a reset.
    struct Reset(&'static [u8]);

    impl AsyncRead for Reset {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            buffer.put_slice(std::mem::take(&mut self.0));
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_came_before_a_reset_is_read_before_it() {
        let clock = Clock::new(UnixSeconds(0));
        let takes = ServerTakes {
            hello: 30 * MS,
            finish: MS,
        };
        let mut near = Paced::new(Reset(b"hello"), Pace::Server(takes), clock.clone());
        let reads = async {
            let mut bytes = [0; 5];
            near.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"hello");
            for _ in 0..2 {
                let error = near.read_u8().await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            }
            clock.now()
        };
        let (at, ()) = run(&clock, reads, async {});
        assert_eq!(at, Instant::ZERO + 30 * MS);
    }
}
