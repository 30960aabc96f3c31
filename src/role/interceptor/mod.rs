//! An attacker in the middle. Routers hand it the packets of other nodes' connections; it takes each connection in, in
//! the server's name, opens another one to the server, in the client's name, and decides what passes. It has no keys
//! but its own: of TLS it sees records, as anyone on the path does.
//!
//! 1. `Middle::take_in`: a client's connection is there, before the server has heard of it.
//! 2. The server's side is opened; when that fails, the client's is reset.
//! 3. `Middle::pass_records`, or `terminate::serve` when it ends TLS itself: bytes go both ways until both sides ended.
//! 4. What could be read of it is told.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Node;
use super::config::{Interceptor, Manner, Side};
use crate::event::{Attack, Deed, Fact, Flow};
use crate::stack::TcpStream;
use crate::tls::client::ClientSetup;
use crate::tls::server::ServerSetup;

mod flip;
mod overheard;
mod records;
mod replay;
mod strip_version;
mod terminate;
mod truncate;

use overheard::Overheard;
use records::{Record, Records};

/// Connections that are not taken in yet.
const BACKLOG: usize = 128;
/// Bytes read at once.
const PIECE: usize = 16 * 1024;

/// The TLS sides of an interceptor that ends TLS itself.
pub type Sides = (ServerSetup, ClientSetup);

/// Starts the attacker on `node`. `sides` are there when its manner is [`Manner::Terminate`].
///
/// # Errors
/// When a port is taken, or `sides` are missing.
pub fn start(node: Node, config: &Interceptor, sides: Option<Sides>) -> io::Result<()> {
    let terminate = match (&config.manner, sides) {
        (Manner::Terminate(names), Some(sides)) => Some((names.server_name.clone(), sides)),
        (Manner::Terminate(_), None) => return Err(io::ErrorKind::InvalidInput.into()),
        (
            Manner::Relay
            | Manner::Flip { .. }
            | Manner::Replay { .. }
            | Manner::StripVersion
            | Manner::Truncate(_),
            _,
        ) => None,
    };
    let middle = Rc::new(Middle {
        node,
        manner: config.manner.clone(),
        terminate,
    });
    for port in &config.ports {
        let socket = middle.node.host.listen(*port, BACKLOG)?;
        let middle = middle.clone();
        middle.node.executor.clone().spawn(async move {
            loop {
                let client = socket.accept().await;
                middle.node.executor.spawn(middle.clone().take_in(client));
            }
        });
    }
    Ok(())
}

struct Middle {
    node: Node,
    manner: Manner,
    terminate: Option<(String, Sides)>,
}

/// What becomes of a record.
enum Passage {
    /// It goes on as it is.
    Untouched,
    /// These bytes go in its place. The deed, and how many of the bytes stand before what it changed.
    Changed(Vec<u8>, Deed, usize),
    /// It goes on, and once more after this time; its sender waits until then.
    Again(Deed, Duration),
    /// It goes on, and its sender is cut off behind it.
    Last(Deed),
}

impl Middle {
    async fn take_in(self: Rc<Self>, client: TcpStream) {
        let here = client.flow();
        // Its own end of the client's connection is the server's address, and the other way round.
        let opened = self
            .node
            .host
            .connect_as(here.remote.ip(), here.local)
            .map(|connect| (connect.flow(), connect));
        let server = match opened {
            Ok((flow, connect)) => {
                if let Some(flow) = flow {
                    self.node.fact(Fact::Connecting(flow));
                }
                connect.await
            }
            Err(error) => Err(error),
        };
        let server = match server {
            Ok(server) => server,
            Err(error) => {
                self.node.fact(Fact::ConnectFailed {
                    remote: here.local,
                    error: error.to_string(),
                });
                client.abort();
                return;
            }
        };
        self.node.fact(Fact::Intercepted {
            client: here,
            server: server.flow(),
        });
        let overheard = match &self.terminate {
            Some((name, sides)) => terminate::serve(&self.node, name, sides, client, server).await,
            None => self.pass_records(client, server).await,
        };
        let flow = Flow {
            local: here.remote,
            remote: here.local,
        };
        self.node.fact(overheard.into_fact(flow));
    }

    /// Passes bytes on, record by record, until both sides ended or one broke off.
    async fn pass_records(&self, client: TcpStream, server: TcpStream) -> Overheard {
        let (to_client, to_server) = (client.flow(), server.flow());
        let overheard = RefCell::new(Overheard::default());
        let (mut from_client, mut into_client) = tokio::io::split(client);
        let (mut from_server, mut into_server) = tokio::io::split(server);
        let there = self.pass(
            Side::Client,
            &mut from_client,
            &mut into_server,
            to_server,
            &overheard,
        );
        let back = self.pass(
            Side::Server,
            &mut from_server,
            &mut into_client,
            to_client,
            &overheard,
        );
        let whole = both(there, back).await;
        if whole.is_err() {
            // Whoever broke off, the other side is told at once.
            from_client.unsplit(into_client).abort();
            from_server.unsplit(into_server).abort();
        }
        overheard.into_inner()
    }

    /// One direction: what `side` sends goes out on `flow`.
    async fn pass(
        &self,
        side: Side,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        flow: Flow,
        overheard: &RefCell<Overheard>,
    ) -> io::Result<()> {
        let mut records = Records::default();
        let mut piece = vec![0; PIECE];
        let (mut sent, mut cut) = (0_u64, false);
        loop {
            let n = from.read(&mut piece).await?;
            if cut {
                // Read to its end, and thrown away.
                if n == 0 {
                    return Ok(());
                }
                continue;
            }
            records.feed(&piece[..n]);
            // Records that come together leave together.
            let mut out = Vec::new();
            while let Some(record) = records.next() {
                overheard.borrow_mut().record(side, &record);
                let offset = sent + out.len() as u64;
                match self.passage(side, &record) {
                    Passage::Untouched => out.extend(record.bytes),
                    Passage::Changed(bytes, deed, before) => {
                        self.attacked(flow, offset + before as u64, deed);
                        out.extend(bytes);
                    }
                    Passage::Again(deed, after) => {
                        out.extend(&record.bytes);
                        sent += out.len() as u64;
                        to.write_all(&out).await?;
                        out.clear();
                        self.node.clock.sleep(after).await;
                        self.attacked(flow, sent, deed);
                        out.extend(record.bytes);
                    }
                    Passage::Last(deed) => {
                        self.attacked(flow, offset + record.bytes.len() as u64, deed);
                        out.extend(record.bytes);
                        cut = true;
                        break;
                    }
                }
            }
            if n == 0 {
                let rest = records.rest();
                overheard.borrow_mut().plain(side, &rest);
                out.extend(rest);
            } else if let Some(plain) = records.not_tls() {
                overheard.borrow_mut().plain(side, &plain);
                out.extend(plain);
            }
            sent += out.len() as u64;
            to.write_all(&out).await?;
            if n == 0 || cut {
                to.shutdown().await?;
            }
            if n == 0 {
                return Ok(());
            }
        }
    }

    fn attacked(&self, flow: Flow, offset: u64, deed: Deed) {
        let attack = Attack { flow, offset, deed };
        self.node.fact(Fact::Attacked(attack));
    }

    fn passage(&self, side: Side, record: &Record) -> Passage {
        match &self.manner {
            Manner::Relay | Manner::Terminate(_) => Passage::Untouched,
            Manner::Flip {
                record: choice,
                bit,
            } => flip::passage(*choice, *bit, side, record),
            Manner::Replay {
                record: choice,
                after,
            } => replay::passage(*choice, *after, side, record),
            Manner::StripVersion => strip_version::passage(side, record),
            Manner::Truncate(choice) => truncate::passage(*choice, side, record),
        }
    }
}

/// Runs both to their ends, or until one fails.
async fn both(
    a: impl Future<Output = io::Result<()>>,
    b: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_done, mut b_done) = (false, false);
    poll_fn(|cx| {
        if !a_done && let Poll::Ready(end) = a.as_mut().poll(cx) {
            end?;
            a_done = true;
        }
        if !b_done && let Poll::Ready(end) = b.as_mut().poll(cx) {
            end?;
            b_done = true;
        }
        if a_done && b_done {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}
