//! hyper on our streams and our clock.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::time::{self, Clock};
use crate::wire::http1::{Fields, RequestHead, ResponseHead, Version};

/// The body of a message, wherever it comes from. Roles run on one thread: it need not be `Send`.
pub(super) type Body = Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = io::Error>>>;

/// Writes all of `bytes` and has them leave: of what TLS has encrypted, a part stays with it while TCP takes no more, until
/// somebody writes or flushes again.
pub(super) async fn send_all<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// A body held in memory.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Box::pin(Full::new(bytes.into()).map_err(never))
}

/// No body.
pub(super) fn empty() -> Body {
    Box::pin(Empty::new().map_err(never))
}

/// A body that hyper receives.
pub(super) fn incoming(body: Incoming) -> Body {
    Box::pin(body.map_err(|e| io::Error::other(chain(&e))))
}

/// A stream of bytes in both directions, whatever it is: TCP, or TLS over it.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

fn never(e: Infallible) -> io::Error {
    match e {}
}

/// A tokio stream as hyper wants it.
pub(super) struct Io<S> {
    pub(super) stream: S,
    /// What was read, on its way to hyper, whose buffer cannot be filled in place without `unsafe`. Grows to what the
    /// connection reads at once.
    bytes: Vec<u8>,
}

impl<S> Io<S> {
    /// The first reads of a connection are of heads and small bodies.
    const FIRST: usize = 8 * 1024;
    const MOST: usize = 128 * 1024;

    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> hyper::rt::Read for Io<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.bytes.is_empty() {
            this.bytes.resize(Self::FIRST, 0);
        }
        let room = this.bytes.len().min(buffer.remaining());
        let mut read = ReadBuf::new(&mut this.bytes[..room]);
        ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
        let filled = read.filled().len();
        buffer.put_slice(&this.bytes[..filled]);
        if filled == this.bytes.len() && filled < Self::MOST {
            this.bytes.resize(2 * filled, 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> hyper::rt::Write for Io<S> {
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
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

/// The lab clock as hyper wants it.
#[derive(Clone, Debug)]
pub(super) struct Timer {
    clock: Clock,
    /// hyper counts in the machine's own clock; only differences from this moment are ever used.
    base: Instant,
}

impl Timer {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can be made in no other way; the lab clock is added to it"
    )]
    pub(super) fn new(clock: Clock) -> Self {
        let base = Instant::now();
        Self { clock, base }
    }
}

struct Sleep(time::Sleep);

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl hyper::rt::Sleep for Sleep {}

impl hyper::rt::Timer for Timer {
    fn sleep(&self, d: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleep(self.clock.sleep(d)))
    }
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let since = deadline.saturating_duration_since(self.base);
        Box::pin(Sleep(self.clock.sleep_until(time::Instant::ZERO + since)))
    }
    fn now(&self) -> Instant {
        self.base + (self.clock.now() - time::Instant::ZERO)
    }
}

/// Runs `work` to its end while `engine` is polled beside it. An engine that ends first is let be: `work` learns of
/// it by itself.
pub(super) async fn beside<E: Future, W: Future>(
    engine: Pin<&mut E>,
    work: W,
) -> (W::Output, Option<E::Output>) {
    let mut engine = engine;
    let mut work = pin!(work);
    let mut ended = None;
    poll_fn(|cx| {
        if ended.is_none()
            && let Poll::Ready(end) = engine.as_mut().poll(cx)
        {
            ended = Some(end);
        }
        let done = ready!(work.as_mut().poll(cx));
        Poll::Ready((done, ended.take()))
    })
    .await
}

/// Either `work`'s result, or `None` once `limit` has passed.
pub(super) async fn within<W: Future>(
    clock: &Clock,
    limit: Duration,
    work: W,
) -> Option<W::Output> {
    let mut work = pin!(work);
    let mut sleep = pin!(clock.sleep(limit));
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        sleep.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// close_notify and FIN, then whatever the peer still sends up to its own end: nothing is left unread, so nothing is
/// reset.
pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let ended: io::Result<()> = async {
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    }
    .await;
    // Every response is whole: how the peer takes its leave changes nothing.
    drop(ended);
}

/// A response that hyper received or that was made for it, with names as in "User-Agent": hyper has them in small
/// letters only.
pub(super) fn response_head<B>(response: Response<B>) -> (ResponseHead, B) {
    let (parts, body) = response.into_parts();
    let head = ResponseHead {
        version: Version::Http11,
        status: parts.status.as_u16(),
        reason: match parts.extensions.get::<ReasonPhrase>() {
            Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
            None => parts.status.canonical_reason().unwrap_or_default().into(),
        },
        fields: fields(&parts.headers, in_title_case),
    };
    (head, body)
}

/// A request that hyper received as HTTP/2, with names in small letters.
pub(super) fn request_head<B>(request: Request<B>) -> (RequestHead, B) {
    let (parts, body) = request.into_parts();
    let head = RequestHead {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        version: Version::Http11,
        fields: fields(&parts.headers, str::to_owned),
        remarks: Vec::new(),
    };
    (head, body)
}

/// A response for hyper to send. What it cannot hold is left out.
pub(super) fn hyper_response(head: &ResponseHead, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = header_map(&head.fields);
    response
}

/// Fields as hyper has them. What it cannot hold is left out.
pub(super) fn header_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::new();
    for field in fields {
        if let Ok(name) = HeaderName::from_bytes(field.name.as_bytes())
            && let Ok(value) = HeaderValue::from_bytes(&field.value)
        {
            map.append(name, value);
        }
    }
    map
}

fn fields(map: &HeaderMap, name: impl Fn(&str) -> String) -> Fields {
    let pairs = map.iter().map(|(n, v)| (name(n.as_str()), v.as_bytes()));
    pairs.collect()
}

/// As in "User-Agent".
fn in_title_case(name: &str) -> String {
    let mut begins = true;
    let letters = name.chars().map(|c| {
        let letter = if begins { c.to_ascii_uppercase() } else { c };
        begins = c == '-';
        letter
    });
    letters.collect()
}

/// The whole chain of an error, as one line: hyper's own text rarely says why.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
