//! Connections to targets. Each front connection has its own: opened on demand, used for its next requests to the
//! same target, closed after it. Requests that are under way at the same time, as HTTP/2 has them, each need one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::access_log::Record;
use super::case::{HeadNext, Mixed};
use super::error::Refusal;
use crate::event::{Fact, Flow};
use crate::role::Node;
use crate::role::http::{Body, Io, incoming, within};

/// No TCP connection to the target within this time is a 504.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The target connections of one front connection.
pub(super) struct Targets {
    node: Node,
    case: HeaderCase,
    open: RefCell<BTreeMap<SocketAddr, Vec<Connection>>>,
}

/// How names of headers are written towards targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderCase {
    /// As in "User-Agent".
    Title,
    /// As HTTP/2 has them, but for those that [`super::case`] knows.
    Lower,
}

struct Connection {
    flow: Flow,
    sender: SendRequest<Incoming>,
    /// To be told of each request.
    head: HeadNext,
}

impl Targets {
    pub(super) fn new(node: Node, case: HeaderCase) -> Self {
        Self {
            node,
            case,
            open: RefCell::default(),
        }
    }

    /// Sends a request to the target at `address` and waits for the head of its response.
    pub(super) async fn send(
        &self,
        address: SocketAddr,
        request: Request<Incoming>,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        // Taken out while it is in use; dropped, and so closed, when anything goes wrong.
        let mut connection = match self.idle(address) {
            Some(connection) => connection,
            None => self.connect(address).await?,
        };
        let flow = connection.flow;
        self.node.fact(Fact::RequestSent {
            flow,
            stream: None,
            method: request.method().to_string(),
            target: request.uri().to_string(),
        });
        record.dispatched();
        connection.head.set();
        let response = connection
            .sender
            .send_request(request)
            .await
            .map_err(|_| Refusal::BadGateway)?;
        record.answered(response.status().as_u16());
        self.node.fact(Fact::ResponseReceived {
            flow,
            stream: None,
            status: response.status().as_u16(),
            bytes: response.body().size_hint().lower(),
        });
        let mut open = self.open.borrow_mut();
        open.entry(address).or_default().push(connection);
        Ok(response.map(incoming))
    }

    /// An open connection that waits for a request. Those that the target has closed are forgotten.
    fn idle(&self, address: SocketAddr) -> Option<Connection> {
        let mut open = self.open.borrow_mut();
        let connections = open.get_mut(&address)?;
        connections.retain(|c| !c.sender.is_closed());
        let ready = connections.iter().position(|c| c.sender.is_ready())?;
        Some(connections.remove(ready))
    }

    async fn connect(&self, remote: SocketAddr) -> Result<Connection, Refusal> {
        let attempt = async {
            let connect = self.node.host.connect(remote)?;
            if let Some(flow) = connect.flow() {
                self.node.fact(Fact::Connecting(flow));
            }
            connect.await
        };
        let connected = within(&self.node.clock, CONNECT_TIMEOUT, attempt).await;
        let stream = match connected {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => return Err(self.failed(remote, &error, Refusal::BadGateway)),
            None => {
                let error = io::ErrorKind::TimedOut.into();
                return Err(self.failed(remote, &error, Refusal::ConnectTimeout));
            }
        };
        let flow = stream.flow();
        self.node.fact(Fact::Connected(flow));
        let head = HeadNext::default();
        let sender = match self.case {
            HeaderCase::Title => self.speak(stream, flow).await?,
            HeaderCase::Lower => self.speak(Mixed::new(stream, head.clone()), flow).await?,
        };
        Ok(Connection { flow, sender, head })
    }

    async fn speak<S>(&self, stream: S, flow: Flow) -> Result<SendRequest<Incoming>, Refusal>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (sender, connection) = Builder::new()
            .title_case_headers(self.case == HeaderCase::Title)
            .handshake(Io::new(stream))
            .await
            .map_err(|_| Refusal::BadGateway)?;
        let node = self.node.clone();
        self.node.executor.spawn(async move {
            // Ends when the sender is gone or the target closes; an error is told to whoever waits for a response.
            let _ = connection.await;
            node.fact(Fact::Closed(flow));
        });
        Ok(sender)
    }

    fn failed(&self, remote: SocketAddr, error: &io::Error, refusal: Refusal) -> Refusal {
        self.node.fact(Fact::ConnectFailed {
            remote,
            error: error.to_string(),
        });
        refusal
    }

    /// Closes all of them, with FIN.
    pub(super) fn close(self: Rc<Self>) {
        self.open.borrow_mut().clear();
    }
}
