//! HTTP/2 at the front of a load balancer: each request, on a stream of its own, takes the form of HTTP/1.1 and goes to a
//! target, in whatever HTTP that speaks (AWS "Listeners for your Application Load Balancers", "HTTP headers and Application Load Balancers").

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{
    CONNECTION, COOKIE, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::uri::PathAndQuery;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, Uri, Version};
use tokio::io::{AsyncRead, AsyncWrite};

use super::http1;
use crate::event::{Fact, RequestKind, Serving};
use crate::role::Node;
use crate::role::alb::access_log::Record;
use crate::role::alb::error::Refusal;
use crate::role::alb::exchange::FromTarget;
use crate::role::alb::{Client, Front, Request as Asked, is_grpc};
use crate::role::http::{Body, Io, Timer, close, hyper_response, incoming, request_head};
use crate::role::http2::{Open, Shared, Streams, Tasks};
use crate::time::{Clock, Instant};
use crate::wire::http1::{HeadError, Limits as Limits1, RequestHead};

/// Streams of one connection that may be open at once (SETTINGS_MAX_CONCURRENT_STREAMS).
const STREAMS_AT_ONCE: u32 = 128;

/// SETTINGS_MAX_HEADER_LIST_SIZE, which counts 32 bytes more for each field (RFC 9113 §6.5.2): no request that is within
/// the load balancer's own limits is refused by it.
const HEADER_LIST_MAX: u32 = 256 * 1024;

/// After so many requests a connection is ended with GOAWAY (AWS "Troubleshoot your Application Load Balancers").
const REQUESTS_MAX: usize = 10_000;

impl Front {
    /// Serves one connection to its end.
    pub(in crate::role::alb) async fn speak_http2<S>(self: Rc<Self>, stream: S, client: Rc<Client>)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let front = self.clone();
        let flow = client.flow;
        let attributes = &self.config.attributes;
        let limits = Limits {
            requests: REQUESTS_MAX,
            until: client.since + attributes.client_keep_alive,
            idle: attributes.idle_timeout,
        };
        let leaving = |limit| {
            self.node.fact(Fact::Serving(match limit {
                Limit::Requests(count) => Serving::LastRequest {
                    flow,
                    limit: format!("{count} requests came on this connection"),
                },
                Limit::Until(_) => Serving::LastRequest {
                    flow,
                    limit: "the client keep-alive duration is over".into(),
                },
                Limit::Idle(after) => Serving::IdleTimeout { flow, after },
            }));
        };
        serve(&self.node, stream, limits, leaving, move |request| {
            let (front, client) = (front.clone(), client.clone());
            let (head, body) = request_head(as_http1(request).map(incoming));
            async move {
                let mut record = front.begin(&client, &head, "HTTP/2.0");
                if is_grpc(&head) {
                    record.with(|entry| entry.kind = RequestKind::Grpcs);
                }
                let too_long = too_long(&head);
                let body = record.receives(body);
                let request = Asked {
                    head,
                    body,
                    http2: true,
                    reuse: true,
                    upgrade: None,
                };
                let (head, body) = match too_long {
                    Some(refusal) => {
                        let (head, body) = front.refused(&client, &refusal);
                        front.responds(&client, &mut record, &head, &body);
                        (head, body)
                    }
                    None => match front.handle(&client, request, &mut record).await {
                        FromTarget::Response(head, body) => (head, body),
                        // Nobody asked for another protocol: HTTP/2 has no `Upgrade` (RFC 9113 §8.6).
                        FromTarget::Upgraded(..) => front.refused(&client, &Refusal::Target(502)),
                    },
                };
                let mut written = Vec::new();
                head.write(&mut written);
                // How much of it was sent shows at its end.
                let body: Body = Box::pin(Counted {
                    body,
                    sent: written.len() as u64,
                    record: Some(record),
                });
                hyper_response(&head, body)
            }
        })
        .await;
        self.node.fact(Fact::Closed(flow));
    }
}

/// What ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// As many requests.
    Requests(usize),
    /// A request after this moment: the client keep-alive duration.
    Until(Instant),
    /// No stream open for so long. PING is no traffic (AWS "Application Load Balancers", "Connection idle timeout").
    Idle(Duration),
}

/// The limits of a connection.
struct Limits {
    /// [`Limit::Requests`].
    requests: usize,
    /// [`Limit::Until`].
    until: Instant,
    /// [`Limit::Idle`].
    idle: Duration,
}

/// The limit that the requests of a connection have reached.
struct Reached {
    clock: Clock,
    requests: Cell<usize>,
    limit: Cell<Option<Limit>>,
}

impl Reached {
    fn new(clock: &Clock) -> Rc<Self> {
        Rc::new(Self {
            clock: clock.clone(),
            requests: Cell::new(0),
            limit: Cell::new(None),
        })
    }

    /// A request came.
    fn count(&self, limits: &Limits) {
        self.requests.set(self.requests.get() + 1);
        if self.requests.get() >= limits.requests {
            self.limit.set(Some(Limit::Requests(limits.requests)));
        } else if self.clock.now() >= limits.until {
            self.limit.set(Some(Limit::Until(limits.until)));
        }
    }
}

/// A response's body that keeps its stream open.
struct Held {
    body: Body,
    _open: Open,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is longer than a load balancer takes, as over HTTP/1.1. The library that reads heads lets more through:
/// [`HEADER_LIST_MAX`].
fn too_long(head: &RequestHead) -> Option<Refusal> {
    let Limits1 {
        line,
        field,
        head: all,
    } = http1::LIMITS;
    if head.method.len() + head.target.len() > line {
        return Some(Refusal::TargetTooLong);
    }
    let lengths = head.fields.iter().map(|f| f.name.len() + f.value.len());
    if lengths.clone().any(|length| length > field) {
        return Some(Refusal::BadRequest(HeadError::FieldTooLong.to_string()));
    }
    let sum: usize = lengths.sum();
    (sum > all).then(|| Refusal::BadRequest(HeadError::HeadTooLong.to_string()))
}

/// A response's body: with its end the access log entry is written.
struct Counted {
    body: Body,
    sent: u64,
    record: Option<Record>,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len);
            self.sent += length as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // The last word is the record's: at the end of a run nothing is written.
        if let Some(mut record) = self.record.take() {
            record.with(|entry| entry.sent_bytes = self.sent);
        }
    }
}

/// Serves one connection to its end. `leaving` is told of the limit that ends it.
async fn serve<S, F>(
    node: &Node,
    stream: S,
    limits: Limits,
    leaving: impl Fn(Limit),
    handle: impl Fn(Request<Incoming>) -> F,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    let stream = Shared::new(stream);
    let tasks = Tasks::new(node.executor.clone());
    let (streams, reached) = (Streams::new(&node.clock), Reached::new(&node.clock));
    let idle = limits.idle;
    let (opened, counted) = (streams.clone(), reached.clone());
    let service = service_fn(move |request| {
        let open = opened.begin();
        counted.count(&limits);
        let response = handle(request);
        async move {
            let response = without_connection_headers(response.await);
            let held = response.map(|body| -> Body { Box::pin(Held { body, _open: open }) });
            Ok::<_, Infallible>(held)
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(tasks.clone())
        .timer(Timer::new(node.clock.clone()))
        .auto_date_header(false)
        .max_concurrent_streams(STREAMS_AT_ONCE)
        .max_header_list_size(HEADER_LIST_MAX)
        .serve_connection(Io::new(stream.clone()), service);
    let mut connection = pin!(connection);
    let mut left = false;
    let mut timer = None;
    // An error here is the client's: it went away, or did not speak HTTP/2. Its packets tell the story.
    let _ = poll_fn(|cx| {
        loop {
            if let Poll::Ready(end) = connection.as_mut().poll(cx) {
                return Poll::Ready(end);
            }
            if left {
                return Poll::Pending;
            }
            let limit = match reached.limit.get() {
                Some(limit) => limit,
                None => {
                    ready!(streams.poll_idle(cx, idle, &mut timer));
                    Limit::Idle(idle)
                }
            };
            left = true;
            leaving(limit);
            connection.as_mut().graceful_shutdown();
        }
    })
    .await;
    tasks.ended().await;
    close(stream).await;
}

/// The request as HTTP/1.1 has it (RFC 9113 §8.3.1): the target is path and query, `:authority` is `Host`. Cookies
/// that came in several fields are one again (§8.2.3).
fn as_http1<B>(request: Request<B>) -> Request<B> {
    let (mut head, body) = request.into_parts();
    head.version = Version::HTTP_11;
    let uri = std::mem::take(&mut head.uri).into_parts();
    if let Some(authority) = uri.authority
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
    let target = uri.path_and_query;
    head.uri = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    // It may be there with the value "trailers" only (§8.2.2); gRPC's servers want to see that.
    let te = head.headers.remove(TE);
    if let Some(te) = te.filter(|te| te == "trailers") {
        head.headers.insert(TE, te);
    }
    let cookies = head.headers.get_all(COOKIE).iter();
    let cookies: Vec<&[u8]> = cookies.map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        head.headers.insert(COOKIE, joined);
    }
    Request::from_parts(head, body)
}

/// The response without what speaks of the target's connection, which HTTP/2 does not allow (RFC 9113 §8.2.2).
fn without_connection_headers<B>(mut response: Response<B>) -> Response<B> {
    const OURS: [HeaderName; 5] = [
        CONNECTION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    let headers = response.headers_mut();
    for name in named_by_connection(headers).iter().chain(&OURS) {
        headers.remove(name);
    }
    response
}

/// The headers that `Connection` says are of one connection only (RFC 9110 §7.6.1).
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let words = values
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    words.filter_map(|w| w.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixSeconds;

    #[test]
    fn heads_have_the_limits_of_http_1() {
        let of = |target: usize, fields: &[usize]| {
            let head = RequestHead {
                method: "GET".into(),
                target: "a".repeat(target),
                version: crate::wire::http1::Version::Http11,
                fields: fields
                    .iter()
                    .map(|length| ("x".to_owned(), "a".repeat(*length)))
                    .collect(),
                remarks: Vec::new(),
            };
            too_long(&head).map(|refusal| refusal.status().as_u16())
        };
        assert_eq!(of(100, &[16_000, 16_000, 16_000]), None);
        assert_eq!(of(17_000, &[]), Some(414));
        assert_eq!(of(100, &[17_000]), Some(400));
        assert_eq!(of(100, &[14_000; 5]), Some(400));
    }

    #[test]
    fn a_request_gets_the_host_and_the_form_of_http_1() {
        let request = Request::builder()
            .version(Version::HTTP_2)
            .uri("https://your-app.com/a?b=c")
            .header(COOKIE, "a=1")
            .header(COOKIE, "b=2")
            .header(TE, "trailers")
            .header("x-own", "kept")
            .body(())
            .unwrap();
        let request = as_http1(request);
        assert_eq!(request.version(), Version::HTTP_11);
        assert_eq!(request.uri().to_string(), "/a?b=c");
        let headers: Vec<_> = request.headers().iter().collect();
        assert_eq!(headers.len(), 4, "{headers:?}");
        assert_eq!(request.headers()[TE], "trailers");
        assert_eq!(request.headers()[HOST], "your-app.com");
        assert_eq!(request.headers()[COOKIE], "a=1; b=2");
        assert_eq!(request.headers()["x-own"], "kept");
    }

    #[test]
    fn a_response_loses_what_is_of_the_targets_connection() {
        let response = Response::builder()
            .header(CONNECTION, "close, X-Hop")
            .header("keep-alive", "timeout=5")
            .header(TRANSFER_ENCODING, "chunked")
            .header("x-hop", "1")
            .header("server", "s")
            .body(())
            .unwrap();
        let response = without_connection_headers(response);
        let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["server"]);
    }

    #[test]
    fn the_last_request_is_one_after_the_client_keep_alive_duration_or_one_of_many() {
        let clock = Clock::new(UnixSeconds(0));
        let reached = Reached::new(&clock);
        let until = Instant::ZERO + Duration::from_secs(60);
        let limits = Limits {
            requests: 3,
            until,
            idle: Duration::from_secs(60),
        };
        reached.count(&limits);
        assert_eq!(reached.limit.get(), None);
        clock.advance(until);
        reached.count(&limits);
        assert_eq!(reached.limit.get(), Some(Limit::Until(until)));
        reached.count(&limits);
        assert_eq!(reached.limit.get(), Some(Limit::Requests(3)));
    }
}
