//! Requests and responses on one connection: HTTP/1.1 one after another, HTTP/2 all at once, each on a stream of its
//! own. Then an orderly close.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{COOKIE, HOST, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response, Uri, Version};
use tokio::io::{AsyncRead, AsyncWrite};

use super::cookies::Cookies;
use super::{Browser, Destination};
use crate::event::{Answer, Fact, Flow};
use crate::role::Node;
use crate::role::config::Origin;
use crate::role::http::{Body, Io, Timer, beside, chain, close, empty};
use crate::role::http2::{Shared, Tasks};

impl Browser {
    /// Every request of the step over a connection that speaks HTTP/1.1: the next when the response is whole.
    pub(super) async fn speak_http1<S>(
        &self,
        stream: S,
        flow: Flow,
        to: Destination<'_>,
    ) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .handshake::<_, Body>(Io::new(stream))
            .await
            .map_err(|e| chain(&e))?;
        let mut connection = pin!(connection.without_shutdown());
        let mut ended = None;
        for target in to.targets {
            let request = self.request(flow, to, target, Version::HTTP_11)?;
            self.node.fact(Fact::RequestSent {
                flow,
                stream: None,
                method: request.method().to_string(),
                target: target.clone(),
            });
            let exchange = async {
                sender.ready().await.map_err(|e| chain(&e))?;
                whole(sender.send_request(request).await).await
            };
            let (received, end) = match ended {
                None => beside(connection.as_mut(), exchange).await,
                // It ended with the last response, and says so to whoever asks for another.
                Some(_) => (exchange.await, None),
            };
            ended = ended.or(end);
            let received = received?;
            let (node, cookies) = (&self.node, &self.cookies);
            received.tell(node, cookies, (flow, None), &to.origin(), target);
        }
        // Without a sender the connection has nothing more to do and gives the stream back.
        drop(sender);
        if ended.is_none() {
            ended = Some(connection.await);
        }
        if let Some(Ok(parts)) = ended {
            close(parts.io.stream).await;
            self.node.fact(Fact::Closed(flow));
        }
        Ok(())
    }

    /// Every request of the step over a connection that speaks HTTP/2, at once.
    pub(super) async fn speak_http2<S>(
        &self,
        stream: S,
        flow: Flow,
        to: Destination<'_>,
    ) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let stream = Shared::new(stream);
        let engine = Tasks::new(self.node.executor.clone());
        let (sender, connection) = http2::Builder::new(engine.clone())
            .timer(Timer::new(self.node.clock.clone()))
            .handshake::<_, Body>(Io::new(stream.clone()))
            .await
            .map_err(|e| chain(&e))?;
        engine.spawn(connection);
        let requests = Tasks::new(self.node.executor.clone());
        let errors = Rc::new(RefCell::new(Vec::new()));
        // A client's streams have odd numbers, in the order of their opening (RFC 9113 §5.1.1).
        for (target, number) in to.targets.iter().zip((1_u32..).step_by(2)) {
            let request = self.request(flow, to, target, Version::HTTP_2)?;
            self.node.fact(Fact::RequestSent {
                flow,
                stream: Some(number),
                method: request.method().to_string(),
                target: target.clone(),
            });
            let (mut sender, node, errors) = (sender.clone(), self.node.clone(), errors.clone());
            let (cookies, origin, target) = (self.cookies.clone(), to.origin(), target.clone());
            // Asked for here and not in the task, so that streams are opened in the order of the list.
            let response = sender.send_request(request);
            requests.spawn(async move {
                match whole(response.await).await {
                    Ok(received) => {
                        received.tell(&node, &cookies, (flow, Some(number)), &origin, &target);
                    }
                    Err(error) => errors
                        .borrow_mut()
                        .push(format!("stream {number}: {error}")),
                }
            });
        }
        requests.ended().await;
        // Without senders the connection says GOAWAY and has nothing more to do.
        drop(sender);
        engine.ended().await;
        close(stream).await;
        self.node.fact(Fact::Closed(flow));
        let mut errors = errors.take();
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            n => Err(format!("{} (and {} more)", errors[0], n - 1)),
        }
    }

    /// HTTP/1.1 names the host in a header, HTTP/2 in `:authority`, which hyper takes from the URI (RFC 9113 §8.3.1).
    fn request(
        &self,
        flow: Flow,
        to: Destination<'_>,
        target: &str,
        version: Version,
    ) -> Result<Request<Body>, String> {
        let origin = to.origin();
        let host = origin.authority();
        let request = Request::builder().method(Method::GET);
        let request = if version == Version::HTTP_2 {
            let uri = Uri::builder().scheme("https").authority(host);
            let uri = uri.path_and_query(target).build();
            let uri = uri.map_err(|e| chain(&e))?;
            request.version(version).uri(uri)
        } else {
            request.uri(target).header(HOST, host)
        };
        let request = request.header(USER_AGENT, &self.config.user_agent);
        let request = match self.cookies.show(flow, &origin, target) {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        request.body(empty()).map_err(|e| chain(&e))
    }
}

/// A response that is whole.
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) answer: Answer,
}

impl Whole {
    /// Bytes of a body that are kept.
    const KEPT: usize = 4 * 1024;

    /// Tells of it, and keeps its cookies: `target` was asked for, `on` a connection and, in HTTP/2, a stream.
    pub(super) fn tell(
        self,
        node: &Node,
        cookies: &Cookies,
        on: (Flow, Option<u32>),
        origin: &Origin,
        target: &str,
    ) {
        let fields = self.answer.headers.clone();
        let (flow, stream) = on;
        node.fact(self.fact(flow, stream));
        cookies.keep(&fields, origin, target);
    }

    pub(super) fn fact(self, flow: Flow, stream: Option<u32>) -> Fact {
        Fact::ResponseReceived {
            flow,
            stream,
            status: self.status,
            bytes: self.bytes,
            answer: Some(Box::new(self.answer)),
        }
    }
}

/// A response, once it is whole.
pub(super) async fn whole(response: hyper::Result<Response<Incoming>>) -> Result<Whole, String> {
    let response = response.map_err(|e| chain(&e))?;
    let status = response.status().as_u16();
    let headers = listed(response.headers());
    let body = response.into_body().collect().await;
    let body = body.map_err(|e| chain(&e))?;
    let trailers = body.trailers().map(listed).unwrap_or_default();
    let body = body.to_bytes();
    Ok(Whole {
        status,
        bytes: body.len() as u64,
        answer: Answer {
            headers,
            body: body[..body.len().min(Whole::KEPT)].to_vec(),
            trailers,
        },
    })
}

fn listed(map: &HeaderMap) -> Vec<(String, String)> {
    let pairs = map.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    });
    pairs.collect()
}
