//! Requests over HTTP/2, many at once, each on a stream of its own; and over the next connection what the last one did
//! not answer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use hyper::client::conn::http2;
use hyper::header::{COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Uri, Version};

use super::exchange::whole;
use super::upload;
use super::{Browser, Opened};
use crate::event::{Fact, Flow};
use crate::role::config::Ask;
use crate::role::http::{Body, Io, Timer, chain, close, empty, within};
use crate::role::http2::{Shared, Tasks};
use crate::role::signal::Room;
use crate::time::Instant;

/// Why a connection takes no more requests, in our own words where hyper's are of its own inside ("channel closed").
fn ended(error: &hyper::Error) -> String {
    if error.is_closed() {
        return "the server ended the connection, by GOAWAY or FIN".to_owned();
    }
    chain(error)
}

/// What became of the requests over one connection.
#[derive(Default)]
struct Unanswered {
    /// Those without a response.
    numbers: Vec<u64>,
    /// Why, for the first of them.
    error: Option<String>,
}

impl Browser {
    pub(super) async fn ask_http2(self: &Rc<Self>, opened: Opened, ask: &Rc<Ask>) {
        let mut todo: VecDeque<u64> = (0..ask.repeat).collect();
        let mut opened = Some(opened);
        let began = self.node.clock.now();
        while let Some(connection) = opened.take() {
            let before = todo.len();
            let left = self.ask_over(connection, ask, began, &mut todo).await;
            for number in left.numbers.iter().rev() {
                todo.push_front(*number);
            }
            let Some(error) = left.error else { return };
            // A connection that answered nothing would be followed by others like it.
            if !ask.retry || todo.len() == before {
                let more = todo.len().saturating_sub(1);
                self.failed(match more {
                    0 => error,
                    n => format!("{error} (and {n} more)"),
                });
                return;
            }
            match self.open(true, &ask.origin.host, ask.origin.port).await {
                Ok(next) if next.http2 => opened = Some(next),
                Ok(next) => {
                    close(next.stream).await;
                    self.failed("the server does not speak HTTP/2 any more");
                }
                Err(error) => self.failed(error),
            }
        }
    }

    /// Asks what is to do until it is done, or the connection takes no more. It all `began` when the first was asked.
    async fn ask_over(
        self: &Rc<Self>,
        opened: Opened,
        ask: &Rc<Ask>,
        began: Instant,
        todo: &mut VecDeque<u64>,
    ) -> Unanswered {
        let flow = opened.flow;
        let stream = Shared::new(opened.stream);
        let engine = Tasks::new(self.node.executor.clone());
        let left = Rc::new(RefCell::new(Unanswered::default()));
        let handshake = http2::Builder::new(engine.clone())
            .timer(Timer::new(self.node.clock.clone()))
            .handshake::<_, Body>(Io::new(stream.clone()))
            .await;
        let (mut sender, connection) = match handshake {
            Ok(pair) => pair,
            Err(e) => {
                left.borrow_mut().error = Some(chain(&e));
                return left.take();
            }
        };
        engine.spawn(connection);
        let requests = Tasks::new(self.node.executor.clone());
        let room = Room::new(Some(ask.parallel));
        // A client's streams have odd numbers, in the order of their opening (RFC 9113 §5.1.1).
        let mut number = 1_u32;
        while let Some(next) = todo.front().copied() {
            let place = room.place().await;
            if !ask.every.is_zero() {
                let times = u32::try_from(next).unwrap_or(u32::MAX);
                let due = began + ask.every.saturating_mul(times);
                self.node.clock.sleep_until(due).await;
            }
            if let Err(e) = sender.ready().await {
                left.borrow_mut().error.get_or_insert_with(|| ended(&e));
                break;
            }
            let request = match self.request_http2(flow, ask) {
                Ok(request) => request,
                Err(error) => {
                    left.borrow_mut().error = Some(error);
                    break;
                }
            };
            todo.pop_front();
            self.node.fact(Fact::RequestSent {
                flow,
                stream: Some(number),
                method: ask.method.clone(),
                target: ask.target.clone(),
            });
            let response = sender.send_request(request);
            let (browser, ask, left, on) = (self.clone(), ask.clone(), left.clone(), number);
            number = number.saturating_add(2);
            requests.spawn(async move {
                let node = &browser.node;
                let answer = async { whole(response.await).await };
                let answer = match ask.timeout {
                    Some(limit) => within(&node.clock, limit, answer).await.unwrap_or_else(|| {
                        Err(format!(
                            "no response within {}",
                            crate::units::show_duration(limit)
                        ))
                    }),
                    None => answer.await,
                };
                match answer {
                    Ok(whole) => {
                        let on = (flow, Some(on));
                        whole.tell(node, &browser.cookies, on, &ask.origin, &ask.target);
                    }
                    Err(error) => {
                        let mut left = left.borrow_mut();
                        left.numbers.push(next);
                        left.error.get_or_insert(error);
                    }
                }
                drop(place);
            });
        }
        requests.ended().await;
        // Without senders the connection says GOAWAY and has nothing more to do.
        drop(sender);
        engine.ended().await;
        close(stream).await;
        self.node.fact(Fact::Closed(flow));
        left.take()
    }

    fn request_http2(&self, flow: Flow, ask: &Ask) -> Result<Request<Body>, String> {
        let uri = Uri::builder()
            .scheme("https")
            .authority(ask.origin.authority())
            .path_and_query(ask.target.as_str())
            .build()
            .map_err(|e| chain(&e))?;
        let mut request = Request::builder()
            .method(ask.method.as_str())
            .version(Version::HTTP_2)
            .uri(uri)
            .header(USER_AGENT, &self.config.user_agent);
        let own = ask.headers.iter().map(|(name, _)| name);
        if !own.into_iter().any(|n| n.eq_ignore_ascii_case("cookie"))
            && let Some(cookie) = self.cookies.show(flow, &ask.origin, &ask.target)
        {
            request = request.header(COOKIE, cookie);
        }
        let body = ask.body.clone().map_or_else(empty, |body| {
            upload::body(body, ask.writes, &self.node.clock)
        });
        let mut request = request.body(body).map_err(|e| chain(&e))?;
        let headers = request.headers_mut();
        for (name, value) in &ask.headers {
            // `:authority` has taken its place.
            let name = HeaderName::try_from(name.as_str()).map_err(|e| chain(&e))?;
            let value = HeaderValue::try_from(value.as_str()).map_err(|e| chain(&e))?;
            if name != HOST {
                headers.append(name, value);
            }
        }
        Ok(request)
    }
}
