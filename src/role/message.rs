//! HTTP/1 messages as they come out of a stream, piece by piece, by the lenient readers of `wire::http1`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::time::Clock;
use crate::wire::http1::{
    ChunkedDecoder, ChunkedError, Framing, FramingError, HeadError, Limits, RequestHead,
    ResponseHead,
};
use crate::wire::websocket::{Frame, TooLong};

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The peer closed the connection, and no message had begun.
    #[error("the peer closed the connection")]
    Ended,
    /// The peer closed the connection in the middle of a message.
    #[error("the peer closed the connection in the middle of a message")]
    Cut,
    /// It is not a head.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Nobody can tell how the body ends.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// The body is not in chunks.
    #[error(transparent)]
    Chunks(#[from] ChunkedError),
    /// The connection failed.
    #[error(transparent)]
    Connection(#[from] io::Error),
}

/// A body that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// Its length.
    pub(super) bytes: u64,
    /// How it begins: [`Body::KEPT`] bytes at most.
    pub(super) start: Vec<u8>,
}

impl Body {
    /// Bytes of a body that are kept.
    const KEPT: usize = 4 * 1024;

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let room = Self::KEPT - self.start.len();
        self.start
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// How slowly somebody reads.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// At most so many bytes …
    pub(super) bytes: usize,
    /// … after each pause of this length.
    pub(super) every: Duration,
    /// By this clock.
    pub(super) clock: Clock,
}

/// What came in on a stream and belongs to messages that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    pub(super) pace: Option<Pace>,
}

impl Inbox {
    /// Bytes asked for at once.
    const PIECE: usize = 16 * 1024;

    /// Whether something of the next message is there.
    pub(super) const fn has_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Takes the first `n` bytes away.
    fn used(&mut self, n: usize) {
        self.bytes.drain(..n);
    }

    /// A WebSocket frame, once it is whole.
    pub(super) fn frame(&mut self) -> Result<Option<Frame>, TooLong> {
        let read = Frame::parse(&self.bytes)?;
        Ok(read.map(|(frame, used)| {
            self.used(used);
            frame
        }))
    }

    /// Reads more. `false` at the end of the stream.
    pub(super) async fn more<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<bool> {
        let mut most = Self::PIECE;
        if let Some(pace) = &self.pace {
            pace.clock.sleep(pace.every).await;
            most = pace.bytes.min(most);
        }
        // Not in place: whoever waits may give up in the middle.
        let mut piece = vec![0; most];
        let n = stream.read(&mut piece).await?;
        self.bytes.extend_from_slice(&piece[..n]);
        Ok(n > 0)
    }

    async fn head<S, H>(
        &mut self,
        stream: &mut S,
        parse: impl Fn(&[u8]) -> Result<Option<(H, usize)>, HeadError>,
    ) -> Result<H, Trouble>
    where
        S: AsyncRead + Unpin,
    {
        loop {
            if let Some((head, used)) = parse(&self.bytes)? {
                self.used(used);
                return Ok(head);
            }
            if !self.more(stream).await? {
                return Err(if self.has_begun() {
                    Trouble::Cut
                } else {
                    Trouble::Ended
                });
            }
        }
    }

    /// The head of a request.
    pub(super) async fn request<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        limits: &Limits,
    ) -> Result<RequestHead, Trouble> {
        self.head(stream, |b| RequestHead::parse(b, limits)).await
    }

    /// The head of a response.
    pub(super) async fn response<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        limits: &Limits,
    ) -> Result<ResponseHead, Trouble> {
        self.head(stream, |b| ResponseHead::parse(b, limits)).await
    }

    /// A body.
    pub(super) async fn body<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        framing: Framing,
    ) -> Result<Body, Trouble> {
        let mut body = Body::default();
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                let mut left = length;
                while left > 0 {
                    if !self.has_begun() && !self.more(stream).await? {
                        return Err(Trouble::Cut);
                    }
                    let room = usize::try_from(left).unwrap_or(usize::MAX);
                    let n = self.bytes.len().min(room);
                    body.take(&self.bytes[..n]);
                    self.used(n);
                    left -= n as u64;
                }
            }
            Framing::Chunked => {
                let (mut decoder, mut data) = (ChunkedDecoder::new(), Vec::new());
                while !decoder.is_done() {
                    if !self.has_begun() && !self.more(stream).await? {
                        return Err(Trouble::Cut);
                    }
                    let used = decoder.decode(&self.bytes, &mut data)?;
                    self.used(used);
                    body.take(&data);
                    data.clear();
                }
            }
            Framing::UntilClose => loop {
                body.take(&self.bytes);
                self.bytes.clear();
                if !self.more(stream).await? {
                    break;
                }
            },
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const LIMITS: Limits = Limits {
        line: 1024,
        field: 1024,
        head: 4096,
    };

    /// Memory is always ready.
    fn now<F: Future>(future: F) -> F::Output {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(future).poll(&mut context) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("memory does not wait"),
        }
    }

    #[test]
    fn messages_come_one_after_another() {
        let mut stream: &[u8] = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nPUT /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nxyGET /c HT";
        let mut inbox = Inbox::default();
        let mut next = |inbox: &mut Inbox| {
            let head = now(inbox.request(&mut stream, &LIMITS))?;
            let body = now(inbox.body(&mut stream, head.framing()?))?;
            Ok::<_, Trouble>((head.target, body.bytes, body.start))
        };
        assert_eq!(
            next(&mut inbox).unwrap(),
            ("/a".into(), 5, b"abcde".to_vec())
        );
        assert_eq!(next(&mut inbox).unwrap(), ("/b".into(), 2, b"xy".to_vec()));
        assert!(matches!(next(&mut inbox), Err(Trouble::Cut)));
        let mut nothing: &[u8] = b"";
        let none = now(Inbox::default().request(&mut nothing, &LIMITS));
        assert!(matches!(none, Err(Trouble::Ended)));
    }

    #[test]
    fn a_long_body_is_counted_and_only_its_start_kept() {
        let long = vec![b'x'; 50_000];
        let mut stream: &[u8] = &long;
        let body = now(Inbox::default().body(&mut stream, Framing::UntilClose)).unwrap();
        assert_eq!((body.bytes, body.start.len()), (50_000, Body::KEPT));
        let mut stream: &[u8] = &long;
        let cut = now(Inbox::default().body(&mut stream, Framing::Length(50_001)));
        assert!(matches!(cut, Err(Trouble::Cut)));
    }
}
