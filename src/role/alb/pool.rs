//! Connections to targets. Each node of a load balancer has one pool, which all its clients' connections share: opened
//! on demand, never before, and used again when idle (AWS "How Elastic Load Balancing works", "HTTP connections"). A
//! connection carries one request at a time: there is no pipelining towards targets. The life of an exchange:
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
use crate::event::{Fact, Flow};
use crate::role::Node;
use crate::role::http::{Duplex, empty, full, within};
use crate::tls::client::ClientSetup;
use crate::wire::http1::{Framing, RequestHead};

mod body;
mod connection;
mod http1;
mod tls;

use body::TargetBody;
use connection::Connection;

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
    /// How TLS is spoken with the targets that want it (AWS "Target groups", protocol HTTPS).
    tls: BTreeMap<SocketAddr, Rc<ClientSetup>>,
    /// By target, in the order in which they became idle.
    idle: RefCell<BTreeMap<SocketAddr, Vec<Rc<Idle>>>>,
    /// Nobody will ask again: what becomes idle is closed.
    over: Cell<bool>,
}

/// A connection that waits for a request.
struct Idle {
    /// Gone once it is taken.
    connection: RefCell<Option<Connection>>,
    /// Of the task that watches it.
    watcher: RefCell<Option<Waker>>,
}

impl Pool {
    /// An empty pool for `node`.
    pub(super) fn new(
        node: Node,
        idle_timeout: Duration,
        tls: BTreeMap<SocketAddr, Rc<ClientSetup>>,
    ) -> Rc<Self> {
        let pool = Rc::new(Self {
            node,
            idle_timeout,
            tls,
            idle: RefCell::default(),
            over: Cell::new(false),
        });
        let own = pool.clone();
        pool.node.executor.spawn(async move {
            own.node.executor.scenario_over().await;
            own.over.set(true);
            let idle = own.idle.take();
            for waiting in idle.into_values().flatten() {
                waiting.close();
            }
        });
        pool
    }

    /// Sends a request to the target at `address` and waits for its response.
    ///
    /// # Errors
    /// Why there is none: the fact has been told.
    pub(super) async fn exchange(
        self: &Rc<Self>,
        address: SocketAddr,
        request: ToTarget,
        record: &mut Record,
    ) -> Result<FromTarget, Failure> {
        let mut flow = None;
        let result = self.try_exchange(address, request, record, &mut flow).await;
        if let Err(failure) = &result {
            self.node.fact(Fact::TargetFailed {
                target: address,
                flow,
                status: failure.status(),
                cause: failure.to_string(),
            });
        }
        result
    }

    async fn try_exchange(
        self: &Rc<Self>,
        address: SocketAddr,
        request: ToTarget,
        record: &mut Record,
        flow: &mut Option<Flow>,
    ) -> Result<FromTarget, Failure> {
        // Dropped, and so closed, when anything goes wrong, and when the client does not wait for the end.
        let mut connection = match self.take_idle(address) {
            Some(connection) => connection,
            None => self.connect(address).await?,
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

    /// The idle connection that was used last and is still open.
    fn take_idle(&self, address: SocketAddr) -> Option<Connection> {
        loop {
            let waiting = self.idle.borrow_mut().get_mut(&address)?.pop()?;
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
        let address = connection.flow.remote;
        let waiting = Rc::new(Idle {
            connection: RefCell::new(Some(connection)),
            watcher: RefCell::default(),
        });
        let mut idle = self.idle.borrow_mut();
        idle.entry(address).or_default().push(waiting.clone());
        self.node
            .executor
            .spawn(self.clone().watch(address, waiting));
    }

    /// Waits until an idle connection is taken, or is to be closed.
    async fn watch(self: Rc<Self>, address: SocketAddr, waiting: Rc<Idle>) {
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
            if let Some(idle) = self.idle.borrow_mut().get_mut(&address) {
                idle.retain(|other| !Rc::ptr_eq(other, &waiting));
            }
            waiting.close();
        }
    }

    async fn connect(&self, remote: SocketAddr) -> Result<Connection, Failure> {
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
        let tls = self.tls.get(&remote);
        let secured: Box<dyn Duplex> = match tls {
            Some(setup) => tls::secure(&self.node, setup, stream).await?,
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
