//! Connections to targets. Each node of a load balancer has one pool, which all its clients' connections share: opened
//! on demand, never before, and used again when idle (AWS "How Elastic Load Balancing works", "HTTP connections"). A
//! connection that speaks HTTP/1.1 carries one request at a time: there is no pipelining towards targets. One of HTTP/2
//! carries many: `http2`. The life of an exchange over HTTP/1.1:
//!
//! 1. `idle`: the idle connection that was used last is taken. Those that are not needed reach the idle timeout, and
//!    the one taken is the one whose target has had the least time to close it.
//! 2. `connect`: without one a connection is opened, within 10 s, and TLS spoken over it, within 10 s more.
//! 3. `http1::exchange`: the request is written and the response's head read.
//! 4. `body::TargetBody`: the response's body passes; with its end the connection is idle again.
//! 5. `watch`: an idle connection is closed when its target closes it, when it was idle for the idle timeout, or when
//!    the scenario is over.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::access_log::Record;
use super::exchange::{FromTarget, ToTarget};
use super::failure::Failure;
use super::group::Group;
use crate::event::{Fact, Flow, Serving};
use crate::role::Node;
use crate::role::config::ProtocolVersion;
use crate::role::http::{Duplex, empty, full, within};
use crate::tls::client::ClientSetup;
use crate::wire::http1::{Framing, RequestHead};

mod body;
mod connection;
mod http1;
mod http2;
mod tls;

use body::TargetBody;
use connection::Connection;
pub(super) use tls::secure;

/// No TCP connection to the target within this time is a 504 (AWS "Troubleshoot your Application Load Balancers").
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A body of this size at most, whose length is told, is passed on when it is whole: only so can one that is shorter
/// than `Content-Length` says be a 504. Longer ones pass as they come, and end in the middle. AWS does not say how much
/// its load balancers hold back.
const WHOLE_MAX: u64 = 1024;

/// The target connections of a node.
pub(super) struct Pool {
    node: Node,
    idle_timeout: Duration,
    /// Of HTTP/1.1, by target, in the order in which they became idle.
    idle: RefCell<BTreeMap<Key, Vec<Rc<Idle>>>>,
    /// Of HTTP/2.
    multiplexed: http2::Multiplexed,
    /// Nobody will ask again: what becomes idle is closed.
    over: Cell<bool>,
}

/// A target, and whether TLS is spoken with it: two groups may differ in that.
type Key = (SocketAddr, bool);

/// A connection that waits for a request.
struct Idle {
    /// Gone once it is taken.
    connection: RefCell<Option<Connection>>,
    /// Of the task that watches it.
    watcher: RefCell<Option<Waker>>,
}

impl Pool {
    /// An empty pool for `node`.
    pub(super) fn new(node: Node, idle_timeout: Duration) -> Rc<Self> {
        let pool = Rc::new(Self {
            node,
            idle_timeout,
            idle: RefCell::default(),
            multiplexed: RefCell::default(),
            over: Cell::new(false),
        });
        let own = pool.clone();
        pool.node.executor.spawn(async move {
            own.node.executor.scenario_over().await;
            own.over.set(true);
            // Without senders they take leave by themselves, when their streams have ended.
            drop(own.multiplexed.take());
            let idle = own.idle.take();
            for waiting in idle.into_values().flatten() {
                waiting.close();
            }
        });
        pool
    }

    /// Sends a request to the target of `group` at `address`, as targets of that group are spoken to, and waits for its
    /// response.
    ///
    /// # Errors
    /// Why there is none: the fact has been told.
    pub(super) async fn exchange(
        self: &Rc<Self>,
        group: &Rc<Group>,
        address: SocketAddr,
        request: ToTarget,
        record: &mut Record,
    ) -> Result<FromTarget, Failure> {
        let mut flow = None;
        let result = match group.config.version {
            ProtocolVersion::Http1 => {
                self.exchange_http1(group, address, request, record, &mut flow)
                    .await
            }
            ProtocolVersion::Http2 | ProtocolVersion::Grpc => {
                self.exchange_http2(group, address, request, record, &mut flow)
                    .await
            }
        };
        if let Err(failure) = &result
            && !failure.is_the_clients()
        {
            self.node.fact(Fact::TargetFailed {
                target: address,
                flow,
                status: failure.status(),
                cause: failure.to_string(),
            });
        }
        result
    }

    async fn exchange_http1(
        self: &Rc<Self>,
        group: &Rc<Group>,
        address: SocketAddr,
        request: ToTarget,
        record: &mut Record,
        flow: &mut Option<Flow>,
    ) -> Result<FromTarget, Failure> {
        // Dropped, and so closed, when anything goes wrong, and when the client does not wait for the end.
        let tls = group.tls_of_targets();
        let mut connection = match self.take_idle((address, tls.is_some())) {
            Some(connection) => connection,
            None => self.connect(tls, group.config.version, address).await?,
        };
        *flow = Some(connection.flow);
        let RequestHead { method, target, .. } = &request.head;
        let (method, target) = (method.clone(), target.clone());
        self.node.fact(Fact::RequestSent {
            flow: connection.flow,
            stream: None,
            method: method.clone(),
            target,
        });
        record.dispatched();
        let reuse = request.reuse && request.head.keeps_alive();
        let asks_to_change = request.head.fields.has("upgrade");
        let (head, upload) = http1::exchange(
            &mut connection,
            &self.node.clock,
            self.idle_timeout,
            request,
        )
        .await?;
        record.answered(head.status);
        let framing = head.framing(&method);
        let framing = framing.map_err(|e| Failure::Malformed(e.to_string()))?;
        self.node.fact(Fact::ResponseReceived {
            flow: connection.flow,
            stream: None,
            status: head.status,
            answer: None,
            bytes: match framing {
                Framing::Length(length) => length,
                Framing::None | Framing::Chunked | Framing::UntilClose => 0,
            },
        });
        if head.status == 101 && !asks_to_change {
            // RFC 9110 §15.2.2: it answers `Upgrade`.
            let unasked = "it changes the protocol, which nobody asked for";
            return Err(Failure::Malformed(unasked.into()));
        }
        if head.status == 101 {
            return Ok(FromTarget::Upgraded(head, connection.into_stream()));
        }
        let reuse = reuse && head.keeps_alive();
        let mut body = TargetBody::new(self.clone(), connection, upload, framing, reuse);
        match framing {
            Framing::None => Ok(FromTarget::Response(head, empty())),
            Framing::Length(length) if length <= WHOLE_MAX => {
                let whole = body.whole(length, self.idle_timeout).await?;
                Ok(FromTarget::Response(head, full(whole)))
            }
            Framing::Length(_) | Framing::Chunked | Framing::UntilClose => {
                Ok(FromTarget::Response(head, Box::pin(body)))
            }
        }
    }

    /// A response stopped in the middle of its body.
    fn broken_off(&self, flow: Flow, failure: &Failure) {
        self.node.fact(Fact::Serving(Serving::BrokenOff {
            flow,
            cause: failure.to_string(),
        }));
    }

    /// The idle connection that was used last and is still open.
    fn take_idle(&self, key: Key) -> Option<Connection> {
        loop {
            let waiting = self.idle.borrow_mut().get_mut(&key)?.pop()?;
            let Some(mut connection) = waiting.take() else {
                continue;
            };
            // A FIN that has arrived in this very moment counts: the watcher has not had its turn yet.
            let mut now = Context::from_waker(Waker::noop());
            if connection.poll_ended(&mut now).is_pending() {
                return Some(connection);
            }
        }
    }

    /// A connection has no request any more.
    fn give_back(self: &Rc<Self>, connection: Connection) {
        if self.over.get() {
            connection.close();
            return;
        }
        let key = (connection.flow.remote, connection.tls);
        let waiting = Rc::new(Idle {
            connection: RefCell::new(Some(connection)),
            watcher: RefCell::default(),
        });
        let mut idle = self.idle.borrow_mut();
        idle.entry(key).or_default().push(waiting.clone());
        self.node.executor.spawn(self.clone().watch(key, waiting));
    }

    /// Waits until an idle connection is taken, or is to be closed.
    async fn watch(self: Rc<Self>, key: Key, waiting: Rc<Idle>) {
        let mut timeout = pin!(self.node.clock.sleep(self.idle_timeout));
        let ended = poll_fn(|cx| {
            waiting.watcher.replace(Some(cx.waker().clone()));
            let mut connection = waiting.connection.borrow_mut();
            let Some(connection) = connection.as_mut() else {
                return Poll::Ready(false);
            };
            if connection.poll_ended(cx).is_ready() {
                return Poll::Ready(true);
            }
            timeout.as_mut().poll(cx).map(|()| true)
        })
        .await;
        if ended {
            if let Some(idle) = self.idle.borrow_mut().get_mut(&key) {
                idle.retain(|other| !Rc::ptr_eq(other, &waiting));
            }
            waiting.close();
        }
    }

    async fn connect(
        &self,
        tls: Option<&Rc<ClientSetup>>,
        version: ProtocolVersion,
        remote: SocketAddr,
    ) -> Result<Connection, Failure> {
        let attempt = async {
            let connect = self.node.host.connect(remote)?;
            if let Some(flow) = connect.flow() {
                self.node.fact(Fact::Connecting(flow));
            }
            connect.await
        };
        let connected = within(&self.node.clock, CONNECT_TIMEOUT, attempt).await;
        let failed = |failure: Failure, error: &io::Error| {
            self.node.fact(Fact::ConnectFailed {
                remote,
                error: error.to_string(),
            });
            failure
        };
        let stream = match connected {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => return Err(failed(Failure::connecting(&error), &error)),
            None => {
                let error = io::ErrorKind::TimedOut.into();
                return Err(failed(Failure::ConnectTimeout(CONNECT_TIMEOUT), &error));
            }
        };
        let flow = stream.flow();
        self.node.fact(Fact::Connected(flow));
        let secured: Box<dyn Duplex> = match tls {
            Some(setup) => secure(&self.node, setup, version, stream).await?,
            None => Box::new(stream),
        };
        let node = self.node.clone();
        Ok(Connection::new(node, flow, secured, tls.is_some()))
    }
}

impl Idle {
    fn take(&self) -> Option<Connection> {
        let connection = self.connection.take();
        if let Some(watcher) = self.watcher.take() {
            watcher.wake();
        }
        connection
    }

    fn close(&self) {
        if let Some(connection) = self.take() {
            connection.close();
        }
    }
}
