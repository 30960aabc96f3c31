//! Targets that speak HTTP/2 (AWS "Target groups for your Application Load Balancers", "Protocol version"): one
//! connection to each, which carries the requests of all clients at once, each on a stream of its own. In plain text it
//! begins with the preface, by prior knowledge (RFC 9113 §3.3); over TLS both agree on `h2` by ALPN.
//!
//! A target ends it by GOAWAY, FIN or RST, and then the next request opens another; the load balancer ends it when no
//! stream was open for the idle timeout. What a target refuses is not asked for again: it is a 502, as over HTTP/1.1.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use h2::client::{self, SendRequest};
use hyper::Response;
use hyper::body::{Bytes, Frame, SizeHint};

use super::http1::{IdleTimer, LIMITS, cut};
use super::{Key, Pool};
use crate::event::{Fact, Flow, Serving};
use crate::role::alb::access_log::Record;
use crate::role::alb::exchange::{FromTarget, ToTarget};
use crate::role::alb::failure::Failure;
use crate::role::alb::group::Group;
use crate::role::http::{Body, Duplex, chain, close, empty, response_head};
use crate::role::http2::{Open, Shared, Streams};
use crate::role::signal::Signal;

mod request;
mod upload;

use request::as_http2;
use upload::Upload;

/// As much as h2 may take in of a head: what is longer than a load balancer allows is to be told from nonsense.
const HEAD_MAX: u32 = 256 * 1024;

/// The connections that are open, or being opened, by target.
pub(super) type Multiplexed = RefCell<BTreeMap<Key, Slot>>;

/// One of them.
pub(super) enum Slot {
    Opening(Rc<Opening>),
    Open(Connection),
}

/// A connection that is being opened; all who want one wait for it.
#[derive(Default)]
pub(super) struct Opening {
    result: RefCell<Option<Result<Connection, Failure>>>,
    done: Signal,
}

/// A connection that carries many requests. Cloning shares it.
#[derive(Clone)]
pub(super) struct Connection {
    flow: Flow,
    sender: SendRequest<Bytes>,
    streams: Rc<Streams>,
}

impl Connection {
    /// Whether a stream can be opened: neither side has said GOAWAY, nor closed.
    fn goes_on(&self) -> bool {
        let mut now = Context::from_waker(Waker::noop());
        matches!(
            self.sender.clone().poll_ready(&mut now),
            Poll::Ready(Ok(()))
        )
    }
}

impl Pool {
    /// As [`Pool::exchange`], with a target that speaks HTTP/2.
    pub(super) async fn exchange_http2(
        self: &Rc<Self>,
        group: &Rc<Group>,
        address: SocketAddr,
        request: ToTarget,
        record: &mut Record,
        flow: &mut Option<Flow>,
    ) -> Result<FromTarget, Failure> {
        let Connection {
            flow: own,
            mut sender,
            streams,
        } = self.multiplexed(group, address).await?;
        *flow = Some(own);
        let (request, body) = as_http2(request, group.tls_of_targets().is_some())?;
        let method = request.method().to_string();
        let target = request.uri().path_and_query().map(ToString::to_string);
        let open = streams.begin();
        let earlier = streams.begun() - 1;
        let ends = hyper::body::Body::is_end_stream(&body);
        // Beyond the target's SETTINGS_MAX_CONCURRENT_STREAMS h2 keeps it until a stream ends (RFC 9113 §5.1.2).
        let sent = sender.send_request(request, ends);
        let (mut response, stream) = sent.map_err(|e| failed(e, earlier))?;
        let number = response.stream_id().as_u32();
        self.node.fact(Fact::RequestSent {
            flow: own,
            stream: Some(number),
            method: method.clone(),
            target: target.unwrap_or_default(),
        });
        record.dispatched();
        let mut upload = Upload::new(stream, (!ends).then_some(body));
        let mut timer = IdleTimer::new(&self.node.clock, self.idle_timeout);
        let response = poll_fn(|cx| {
            if let Poll::Ready(Err(failure)) = upload.poll(&mut timer, cx) {
                return Poll::Ready(Err(failure));
            }
            while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
                // As over HTTP/1.1.
                self.node.fact(Fact::Serving(Serving::Interim {
                    flow: own,
                    status: interim.status().as_u16(),
                }));
            }
            match Pin::new(&mut response).poll(cx) {
                Poll::Ready(response) => Poll::Ready(response.map_err(|e| failed(e, earlier))),
                Poll::Pending => {
                    ready!(timer.poll(cx));
                    Poll::Ready(Err(upload.silent(self.idle_timeout)))
                }
            }
        })
        .await?;
        self.answer(
            own,
            number,
            response,
            &method,
            record,
            Under {
                upload,
                timer,
                earlier,
                open,
            },
        )
    }

    /// What the target said, with what is still to come of it.
    fn answer(
        self: &Rc<Self>,
        flow: Flow,
        number: u32,
        response: Response<h2::RecvStream>,
        method: &str,
        record: &mut Record,
        under: Under,
    ) -> Result<FromTarget, Failure> {
        let (head, stream) = response_head(response);
        record.answered(head.status);
        let mut written = Vec::new();
        head.write(&mut written);
        if written.len() > LIMITS.head {
            return Err(Failure::HeadTooLong);
        }
        let ended = stream.is_end_stream();
        let length = head.fields.text("content-length");
        // That of a response to HEAD is of another one (RFC 9110 §8.6).
        let length = length.filter(|_| method != "HEAD");
        let length = if ended {
            Some(0)
        } else {
            length.and_then(|l| l.parse().ok())
        };
        self.node.fact(Fact::ResponseReceived {
            flow,
            stream: Some(number),
            status: head.status,
            answer: None,
            bytes: length.unwrap_or_default(),
        });
        let body: Body = if ended && under.upload.is_over() {
            empty()
        } else {
            Box::pin(Received {
                pool: self.clone(),
                flow,
                stream,
                under,
                left: length,
                trailers_next: false,
            })
        };
        Ok(FromTarget::Response(head, body))
    }

    /// The connection to a target, which is opened when there is none.
    async fn multiplexed(
        self: &Rc<Self>,
        group: &Rc<Group>,
        address: SocketAddr,
    ) -> Result<Connection, Failure> {
        let opening = match self.slot(group, address) {
            Slot::Open(connection) => return Ok(connection),
            Slot::Opening(opening) => opening,
        };
        opening.done.raised().await;
        let result = opening.result.borrow().clone();
        result.unwrap_or_else(|| Err(Failure::NotOpened("nobody opened it".to_owned())))
    }

    /// A connection that takes another stream, or one that is being opened from now on at the latest.
    fn slot(self: &Rc<Self>, group: &Rc<Group>, address: SocketAddr) -> Slot {
        let key = (address, group.tls_of_targets().is_some());
        let mut all = self.multiplexed.borrow_mut();
        match all.get(&key) {
            Some(Slot::Open(open)) if open.goes_on() => return Slot::Open(open.clone()),
            Some(Slot::Opening(opening)) => return Slot::Opening(opening.clone()),
            Some(Slot::Open(_)) | None => {}
        }
        let opening = Rc::<Opening>::default();
        all.insert(key, Slot::Opening(opening.clone()));
        // A task of its own: others wait for it too, whatever becomes of this request.
        let opens = self.clone().open(group.clone(), key, opening.clone());
        self.node.executor.spawn(opens);
        Slot::Opening(opening)
    }

    async fn open(self: Rc<Self>, group: Rc<Group>, key: Key, opening: Rc<Opening>) {
        let result = self.try_open(&group, key).await;
        let mut all = self.multiplexed.borrow_mut();
        match &result {
            Ok(connection) if !self.over.get() => {
                all.insert(key, Slot::Open(connection.clone()));
            }
            Ok(_) | Err(_) => {
                all.remove(&key);
            }
        }
        drop(all);
        opening.result.replace(Some(result));
        opening.done.raise();
    }

    async fn try_open(self: &Rc<Self>, group: &Rc<Group>, key: Key) -> Result<Connection, Failure> {
        let version = group.config.version;
        let connection = self.connect(group.tls_of_targets(), version, key.0).await?;
        let flow = connection.flow;
        let stream: Shared<Box<dyn Duplex>> = Shared::new(connection.into_stream());
        let handshake = client::Builder::new()
            .enable_push(false)
            .max_header_list_size(HEAD_MAX)
            .handshake(stream.clone());
        let (sender, driver) = handshake.await.map_err(|e| failed(e, 0))?;
        let streams = Streams::new(&self.node.clock);
        let drives = self
            .clone()
            .drive(key, flow, driver, stream, streams.clone());
        self.node.executor.spawn(drives);
        Ok(Connection {
            flow,
            sender,
            streams,
        })
    }

    /// Moves the frames of one connection, up to its end.
    async fn drive(
        self: Rc<Self>,
        key: Key,
        flow: Flow,
        mut driver: client::Connection<Shared<Box<dyn Duplex>>, Bytes>,
        stream: Shared<Box<dyn Duplex>>,
        streams: Rc<Streams>,
    ) {
        let mut timer = None;
        let mut left = false;
        poll_fn(|cx| {
            loop {
                // Without streams and senders it says GOAWAY and ends. An error is told to whoever has a stream.
                if Pin::new(&mut driver).poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                if left {
                    return Poll::Pending;
                }
                ready!(streams.poll_idle(cx, self.idle_timeout, &mut timer));
                left = true;
                self.forget(key, &streams);
            }
        })
        .await;
        self.forget(key, &streams);
        self.node.fact(Fact::Closed(flow));
        drop(driver);
        close(stream).await;
    }

    /// No more requests go over the connection with these streams.
    fn forget(&self, key: Key, streams: &Rc<Streams>) {
        let mut all = self.multiplexed.borrow_mut();
        if let Some(Slot::Open(connection)) = all.get(&key)
            && Rc::ptr_eq(&connection.streams, streams)
        {
            all.remove(&key);
        }
    }
}

/// What an exchange that came to nothing says; so many streams were opened before it.
fn failed(error: h2::Error, earlier: u64) -> Failure {
    let reason = error.reason().map(|r| format!("{r:?}"));
    match (reason, error.is_remote()) {
        (Some(reason), true) if error.is_go_away() => Failure::GoneAway(reason),
        (Some(reason), true) => Failure::StreamReset(reason),
        (Some(_), false) | (None, _) => match error.get_io().map(io::Error::kind) {
            // h2 calls the end of the stream so.
            Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => {
                Failure::Closed(earlier)
            }
            Some(_) => Failure::Reset(earlier),
            None => Failure::Malformed(chain(&error)),
        },
    }
}

/// What belongs to an exchange that is not over.
struct Under {
    upload: Upload,
    timer: IdleTimer,
    earlier: u64,
    #[expect(dead_code, reason = "the stream counts as open until it is dropped")]
    open: Open,
}

/// A response's body, as it comes; dropped before its end it resets its stream.
struct Received {
    pool: Rc<Pool>,
    flow: Flow,
    stream: h2::RecvStream,
    under: Under,
    /// Bytes to come, where the head told.
    left: Option<u64>,
    trailers_next: bool,
}

impl Received {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Failure>> {
        let Under {
            upload,
            timer,
            earlier,
            ..
        } = &mut self.under;
        if let Poll::Ready(Err(failure)) = upload.poll(timer, cx) {
            return Poll::Ready(Err(failure));
        }
        if !self.trailers_next {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    timer.restart();
                    // Whoever asks for the next piece has passed the last one on.
                    let released = self.stream.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    let data = Ok(Some(Frame::data(data)));
                    return Poll::Ready(released.map_err(|e| failed(e, *earlier)).and(data));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(failed(error, *earlier))),
                Poll::Ready(None) => self.trailers_next = true,
                Poll::Pending => {
                    ready!(timer.poll(cx));
                    return Poll::Ready(Err(Failure::NoAnswer(self.pool.idle_timeout)));
                }
            }
        }
        match self.stream.poll_trailers(cx) {
            Poll::Ready(trailers) => Poll::Ready(match trailers {
                Ok(trailers) => Ok(trailers.map(Frame::trailers)),
                Err(error) => Err(failed(error, *earlier)),
            }),
            Poll::Pending => {
                ready!(timer.poll(cx));
                Poll::Ready(Err(Failure::NoAnswer(self.pool.idle_timeout)))
            }
        }
    }
}

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = ready!(self.poll_piece(cx));
        if let Err(failure) = &piece {
            self.pool.broken_off(self.flow, failure);
        }
        Poll::Ready(piece.map_err(|failure| cut(&failure)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use h2::Reason;

    use super::*;

    #[test]
    fn an_error_of_ours_is_a_malformed_response() {
        let ours = failed(Reason::PROTOCOL_ERROR.into(), 0);
        assert!(matches!(ours, Failure::Malformed(_)), "{ours}");
        assert_eq!(ours.status(), 502);
    }
}
