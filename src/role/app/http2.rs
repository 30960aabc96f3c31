//! The same application over HTTP/2 (RFC 9113): its answers, many at once on one connection, with trailers where the
//! lab says so, and answers of gRPC (gRPC over HTTP2, "Responses"). A connection ends by GOAWAY, so that what is under
//! way is answered.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, SERVER};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::content;
use super::choice::choose;
use super::{Life, Server};
use crate::event::{Fact, Flow};
use crate::role::config::{Failing, Fault, KeepAlive, Reply};
use crate::role::http::{Body, Io, Timer, close, request_head};
use crate::role::http2::{Open, Shared, Streams, Tasks};
use crate::role::signal::Signal;
use crate::stack::TcpStream;
use crate::time::{Clock, Instant, Sleep};
use crate::wire::grpc;

/// How a connection ends before its peer has enough.
#[derive(Clone, Default)]
struct Ending {
    /// No more requests after those that came: GOAWAY.
    leaving: Signal,
    /// At once, whatever is under way.
    cut: Signal,
    resets: Rc<Cell<bool>>,
}

impl Ending {
    fn cut(&self, resets: bool) {
        self.resets.set(resets);
        self.cut.raise();
    }
}

impl Server {
    /// Serves one connection to its end, over `stream`, which is the TCP connection `tcp` itself, or TLS over it.
    pub(super) async fn converse_http2<S>(
        self: &Rc<Self>,
        tcp: &Shared<TcpStream>,
        stream: S,
        flow: Flow,
        life: &Life,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let clock = &self.node.clock;
        let stream = Shared::new(stream);
        let tasks = Tasks::new(self.node.executor.clone());
        let (streams, ending) = (Streams::new(clock), Ending::default());
        let (server, opened, told) = (self.clone(), streams.clone(), ending.clone());
        let service = service_fn(move |request| {
            let (server, open, ending) = (server.clone(), opened.begin(), told.clone());
            async move { server.respond(flow, request, open, ending).await }
        });
        let mut http2 = hyper::server::conn::http2::Builder::new(tasks.clone());
        // hyper answers 431 to a longer head.
        let head_max = u32::try_from(self.config.header_limit).unwrap_or(u32::MAX);
        http2
            .timer(Timer::new(clock.clone()))
            .auto_date_header(false)
            .max_header_list_size(head_max);
        if let Some(most) = self.config.streams {
            http2.max_concurrent_streams(most);
        }
        let connection = http2.serve_connection(Io::new(stream.clone()), service);
        let mut connection = pin!(connection);
        let mut stops = pin!(life.stopping.raised());
        let mut leaves = pin!(ending.leaving.raised());
        let mut cuts = pin!(ending.cut.raised());
        let (mut left, mut timer) = (false, None);
        let cut = poll_fn(|cx| {
            loop {
                // An error here is the peer's: it went away, or did not speak HTTP/2. Its packets tell the story.
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(false);
                }
                if cuts.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(true);
                }
                if left {
                    return Poll::Pending;
                }
                let idle = match self.config.keep_alive {
                    KeepAlive::For(idle) => streams.poll_idle(cx, idle, &mut timer).is_ready(),
                    KeepAlive::Always | KeepAlive::Off => false,
                };
                let told = stops.as_mut().poll(cx).is_ready() | leaves.as_mut().poll(cx).is_ready();
                if !idle && !told {
                    return Poll::Pending;
                }
                left = true;
                connection.as_mut().graceful_shutdown();
            }
        })
        .await;
        if cut && ending.resets.get() {
            tcp.inner().reset();
            return;
        }
        if !cut {
            tasks.ended().await;
        }
        close(stream).await;
    }

    async fn respond(
        &self,
        flow: Flow,
        mut request: Request<Incoming>,
        open: Open,
        ending: Ending,
    ) -> io::Result<Response<Body>> {
        let authority = request.uri().authority();
        if let Some(Ok(host)) = authority.map(|a| HeaderValue::from_str(a.as_str())) {
            request.headers_mut().insert(HOST, host);
        }
        let (head, body) = request_head(request);
        self.node.fact(Fact::RequestReceived {
            flow,
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.fields.listed(),
        });
        let reply = choose(&self.config, &head, self.node.clock.now() - Instant::ZERO);
        let mut reply = reply.into_owned();
        let asked = head.fields.text("content-type").unwrap_or_default();
        if reply.status == 404 && grpc::is_content_type(asked.as_bytes()) {
            reply = Reply::unimplemented();
        }
        if !reply.delivery.early {
            // What it says makes no difference here, and a client that has gone gets no answer.
            drop(body.collect().await);
        }
        let takes = reply.takes.unwrap_or(self.config.takes);
        self.node.clock.sleep(takes).await;
        if self.config.keep_alive == KeepAlive::Off || reply.delivery.closes {
            ending.leaving.raise();
        }
        if let Some(Fault { how, after: None }) = reply.delivery.fault {
            match how {
                // hyper makes RST_STREAM of it.
                Failing::ResetStream => return Err(gave_up()),
                Failing::Reset | Failing::Close => ending.cut(how == Failing::Reset),
                Failing::Silence => {}
            }
            pending::<()>().await;
        }
        let bare = head.method == "HEAD" || matches!(reply.status, 204 | 304);
        let (pieces, every) = if bare {
            Default::default()
        } else {
            pieces_of(&reply)
        };
        self.node.fact(Fact::ResponseSent {
            flow,
            status: reply.status,
            bytes: Some(pieces.iter().map(|p| p.len() as u64).sum()),
        });
        let (headers, trailers) = self.fields(&reply, pieces.is_empty());
        let body = Pieces {
            clock: self.node.clock.clone(),
            left: pieces,
            every,
            pause: None,
            trailers: (!trailers.is_empty()).then_some(trailers),
            fault: reply.delivery.fault.map(|f| f.how),
            rested: false,
            ending,
            _open: open,
        };
        let mut response = Response::new(Box::pin(body) as Body);
        // A lab file cannot ask for another status.
        *response.status_mut() =
            StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Headers and trailers. gRPC's own are trailers, but headers where nothing comes between ("Trailers-Only").
    fn fields(&self, reply: &Reply, empty: bool) -> (HeaderMap, HeaderMap) {
        let date = self.node.clock.date().to_http_date();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (DATE, date.as_str()),
            (SERVER, "tunlab"),
            (CONTENT_TYPE, &reply.content_type),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers.extend(map(&reply.headers));
        if reply.delivery.padding > 0 {
            let padding = usize::try_from(reply.delivery.padding).unwrap_or(usize::MAX);
            if let Ok(value) = HeaderValue::from_bytes(&vec![b'x'; padding]) {
                headers.insert(HeaderName::from_static("x-padding"), value);
            }
        }
        let mut trailers = map(&reply.trailers);
        if let Some(end) = &reply.grpc {
            let own = map(&grpc::ending(end.status, &end.message));
            if empty && trailers.is_empty() {
                headers.extend(own);
            } else {
                trailers.extend(own);
            }
        }
        (headers, trailers)
    }
}

fn gave_up() -> io::Error {
    io::Error::other("the application gave up")
}

/// The body in its pieces, and the time between two: for gRPC messages with their prefix, of which a call that succeeds
/// has one at least, perhaps an empty one.
fn pieces_of(reply: &Reply) -> (VecDeque<Bytes>, Duration) {
    let delivery = &reply.delivery;
    let mut whole = content(&reply.body);
    if let Some(end) = &reply.grpc
        && (end.status == 0 || !whole.is_empty())
    {
        whole = grpc::prefixed(&whole);
        if end.messages > 1 {
            let message = Bytes::from(whole);
            let all = (0..end.messages).map(|_| message.clone());
            return (all.collect(), end.every);
        }
    }
    if let Some(Fault { after: Some(n), .. }) = delivery.fault {
        whole.truncate(usize::try_from(n).unwrap_or(usize::MAX));
    }
    let (count, every) = delivery.pieces.unwrap_or_default();
    let count = usize::try_from(count).unwrap_or(usize::MAX).max(1);
    let size = whole.len().div_ceil(count).max(1);
    let whole = Bytes::from(whole);
    let starts = (0..whole.len()).step_by(size);
    let pieces = starts.map(|at| whole.slice(at..whole.len().min(at + size)));
    (pieces.collect(), every)
}

/// What HTTP cannot hold is left out: a lab file cannot ask for it.
fn map(fields: &[(String, String)]) -> HeaderMap {
    let fields = fields.iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        Some((name, HeaderValue::try_from(value.as_str()).ok()?))
    });
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(name, value);
    }
    map
}

/// A body, piece by piece, then trailers, or what goes wrong.
struct Pieces {
    clock: Clock,
    left: VecDeque<Bytes>,
    every: Duration,
    /// Until the next piece.
    pause: Option<Sleep>,
    trailers: Option<HeaderMap>,
    fault: Option<Failing>,
    /// What came before the fault had its time to leave.
    rested: bool,
    ending: Ending,
    /// The stream counts as open until the body is dropped.
    _open: Open,
}

impl hyper::body::Body for Pieces {
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
        if let Some(piece) = self.left.pop_front() {
            if !self.left.is_empty() && !self.every.is_zero() {
                self.pause = Some(self.clock.sleep(self.every));
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.fault {
            Some(Failing::ResetStream) => {
                if !self.rested {
                    // RST_STREAM overtakes what waits for the connection: that is to leave first.
                    self.rested = true;
                    let mut pause = self.clock.sleep(Duration::from_micros(1));
                    let waits = Pin::new(&mut pause).poll(cx);
                    self.pause = Some(pause);
                    ready!(waits);
                }
                return Poll::Ready(Some(Err(gave_up())));
            }
            Some(Failing::Silence) => return Poll::Pending,
            Some(how @ (Failing::Reset | Failing::Close)) => {
                self.ending.cut(how == Failing::Reset);
                return Poll::Pending;
            }
            None => {}
        }
        let trailers = self.trailers.take();
        Poll::Ready(trailers.map(|t| Ok(Frame::trailers(t))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.trailers.is_none() && self.fault.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let is_plain = self.trailers.is_none() && self.fault.is_none();
        if is_plain && self.left.len() < 2 {
            return SizeHint::with_exact(self.left.iter().map(|p| p.len() as u64).sum());
        }
        SizeHint::default()
    }
}
