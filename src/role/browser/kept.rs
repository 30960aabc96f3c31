//! Connections, in use and between requests: kept for a while in case somebody asks again, closed when the time is over,
//! the server closes, or the scenario ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Browser, Opened};
use crate::event::{Fact, Flow};
use crate::role::config::Origin;
use crate::role::http::{Duplex, close, within};
use crate::role::http2::Shared;
use crate::role::message::Inbox;
use crate::role::signal::{Signal, unless};
use crate::stack::TcpStream;

/// A connection that speaks HTTP/1.
pub(super) struct Connection {
    pub(super) stream: Shared<Box<dyn Duplex>>,
    tcp: Shared<TcpStream>,
    pub(super) flow: Flow,
    /// What came in and belongs to the next response.
    pub(super) inbox: Inbox,
    /// Responses so far.
    pub(super) answered: u64,
}

impl Connection {
    pub(super) fn new(opened: Opened) -> Self {
        Self {
            stream: Shared::new(opened.stream),
            tcp: opened.tcp,
            flow: opened.flow,
            inbox: Inbox::default(),
            answered: 0,
        }
    }
}

/// Those that nobody uses now, by server; the last one used is used first.
#[derive(Default)]
pub(super) struct Kept(RefCell<BTreeMap<Origin, Vec<Waiting>>>);

#[derive(Clone)]
struct Waiting {
    connection: Rc<RefCell<Option<Connection>>>,
    /// Somebody took it.
    taken: Signal,
}

impl Browser {
    /// A connection that was kept, if one is left.
    pub(super) fn take_kept(&self, origin: &Origin) -> Option<Connection> {
        let mut kept = self.kept.0.borrow_mut();
        let of_origin = kept.get_mut(origin)?;
        while let Some(waiting) = of_origin.pop() {
            if let Some(connection) = waiting.connection.take() {
                waiting.taken.raise();
                return Some(connection);
            }
        }
        None
    }

    /// Keeps it, or closes it where this client keeps none.
    pub(super) async fn put_back(self: &Rc<Self>, origin: &Origin, connection: Connection) {
        let Some(limit) = self.config.keep_alive else {
            self.leave(connection).await;
            return;
        };
        let stream = connection.stream.clone();
        let waiting = Waiting {
            connection: Rc::new(RefCell::new(Some(connection))),
            taken: Signal::default(),
        };
        let mut kept = self.kept.0.borrow_mut();
        kept.entry(origin.clone())
            .or_default()
            .push(waiting.clone());
        let browser = self.clone();
        self.node.executor.spawn(async move {
            browser.watch(waiting, stream, limit).await;
        });
    }

    async fn watch(&self, waiting: Waiting, mut stream: Shared<Box<dyn Duplex>>, limit: Duration) {
        let mut byte = [0];
        // Whatever a server says unasked is the end of the connection (RFC 9112 §9.5).
        let spoken = async { stream.read(&mut byte).await.is_ok_and(|n| n > 0) };
        let over = self.node.executor.scenario_over();
        let idle = within(&self.node.clock, limit, unless(over, spoken));
        // Who took it is looked for first: reading once more would take the stream's wake-up from them.
        if unless(idle, waiting.taken.raised()).await.is_none()
            && let Some(connection) = waiting.connection.take()
        {
            self.leave(connection).await;
        }
    }

    /// Closes it in good order.
    pub(super) async fn leave(&self, connection: Connection) {
        self.node.fact(Fact::Closed(connection.flow));
        close(connection.stream).await;
    }

    /// Has enough of it: close_notify and FIN, or RST, and nothing more is read.
    pub(super) async fn give_up(&self, mut connection: Connection, resets: bool) {
        self.node.fact(Fact::Closed(connection.flow));
        if resets {
            connection.tcp.inner().reset();
        } else {
            // A server that is gone already needs no FIN.
            let _ = connection.stream.shutdown().await;
        }
    }
}
