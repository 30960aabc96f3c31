//! HTTP/2 at the front of a load balancer: each request, on a stream of its own, becomes an HTTP/1.1 request to a
//! target (AWS "Listeners for your Application Load Balancers", "HTTP headers and Application Load Balancers").

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

use crate::event::{Fact, Serving};
use crate::role::Node;
use crate::role::alb::error::Refusal;
use crate::role::alb::exchange::FromTarget;
use crate::role::alb::{Client, Front, Request as Asked};
use crate::role::http::{Body, Io, Timer, close, hyper_response, incoming, request_head};
use crate::role::http2::{Shared, Tasks};
use crate::time::{Clock, Instant, Sleep};

/// Streams of one connection that may be open at once (SETTINGS_MAX_CONCURRENT_STREAMS).
const STREAMS_AT_ONCE: u32 = 128;

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
                let request = Asked {
                    head,
                    body,
                    http2: true,
                    reuse: true,
                    upgrade: None,
                };
                let answer = front.handle(&client, request, &mut record).await;
                let (head, body) = match answer {
                    FromTarget::Response(head, body) => (head, body),
                    // Nobody asked for another protocol: HTTP/2 has no `Upgrade` (RFC 9113 §8.6).
                    FromTarget::Upgraded(..) => front.refused(&client, &Refusal::Target(502)),
                };
                let mut written = Vec::new();
                head.write(&mut written);
                record
                    .complete(written.len() as u64 + body.size_hint().exact().unwrap_or_default());
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

/// What is known of the streams of a connection.
struct Streams {
    clock: Clock,
    open: Cell<usize>,
    /// When the last one ended.
    rested: Cell<Instant>,
    requests: Cell<usize>,
    /// The limit that was reached by a request.
    reached: Cell<Option<Limit>>,
}

impl Streams {
    /// A request came: a stream is open until what is returned is dropped.
    fn begin(self: &Rc<Self>, limits: &Limits) -> Open {
        self.open.set(self.open.get() + 1);
        self.requests.set(self.requests.get() + 1);
        if self.requests.get() >= limits.requests {
            self.reached.set(Some(Limit::Requests(limits.requests)));
        } else if self.clock.now() >= limits.until {
            self.reached.set(Some(Limit::Until(limits.until)));
        }
        Open(self.clone())
    }

    /// Ready when no stream has been open for `idle`.
    fn poll_idle(
        &self,
        cx: &mut Context<'_>,
        idle: Duration,
        timer: &mut Option<Sleep>,
    ) -> Poll<()> {
        loop {
            let now = self.clock.now();
            if self.open.get() > 0 {
                self.rested.set(now);
            }
            let due = self.rested.get() + idle;
            if now >= due {
                return Poll::Ready(());
            }
            let sleep = timer.get_or_insert_with(|| self.clock.sleep_until(due));
            ready!(Pin::new(sleep).poll(cx));
            *timer = None;
        }
    }
}

/// An open stream.
struct Open(Rc<Streams>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.rested.set(self.0.clock.now());
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
    let streams = Rc::new(Streams {
        clock: node.clock.clone(),
        open: Cell::new(0),
        rested: Cell::new(node.clock.now()),
        requests: Cell::new(0),
        reached: Cell::new(None),
    });
    let idle = limits.idle;
    let opened = streams.clone();
    let service = service_fn(move |request| {
        let open = opened.begin(&limits);
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
            let limit = match streams.reached.get() {
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
    // It speaks of the front connection only, and may be there with the value "trailers" (§8.2.2).
    head.headers.remove(TE);
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
    use std::task::Waker;

    use super::*;
    use crate::time::UnixSeconds;

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
        assert_eq!(headers.len(), 3, "{headers:?}");
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

    /// An open stream holds the connection; the idle timeout begins when the last one ends.
    #[test]
    fn a_connection_without_streams_is_idle() {
        let clock = Clock::new(UnixSeconds(0));
        let idle = Duration::from_secs(60);
        let limits = Limits {
            requests: 2,
            until: Instant::ZERO + Duration::from_secs(3600),
            idle,
        };
        let streams = Rc::new(Streams {
            clock: clock.clone(),
            open: Cell::new(0),
            rested: Cell::new(clock.now()),
            requests: Cell::new(0),
            reached: Cell::new(None),
        });
        let mut timer = None;
        let mut is_idle = |at: u64| {
            clock.advance(Instant::ZERO + Duration::from_secs(at));
            let mut cx = Context::from_waker(Waker::noop());
            streams.poll_idle(&mut cx, idle, &mut timer).is_ready()
        };
        assert!(!is_idle(59));
        let open = streams.begin(&limits);
        assert!(!is_idle(100));
        drop(open);
        assert!(!is_idle(159));
        assert!(is_idle(160));
        assert_eq!(streams.reached.get(), None);
        drop(streams.begin(&limits));
        assert_eq!(streams.reached.get(), Some(Limit::Requests(2)));
    }

    #[test]
    fn a_request_after_the_client_keep_alive_duration_is_the_last() {
        let clock = Clock::new(UnixSeconds(0));
        let streams = Rc::new(Streams {
            clock: clock.clone(),
            open: Cell::new(0),
            rested: Cell::new(clock.now()),
            requests: Cell::new(0),
            reached: Cell::new(None),
        });
        let until = Instant::ZERO + Duration::from_secs(60);
        let limits = Limits {
            requests: REQUESTS_MAX,
            until,
            idle: Duration::from_secs(60),
        };
        drop(streams.begin(&limits));
        assert_eq!(streams.reached.get(), None);
        clock.advance(until);
        drop(streams.begin(&limits));
        assert_eq!(streams.reached.get(), Some(Limit::Until(until)));
    }
}
