//! A DNS server's port 53: datagrams and connections in, answers out, no larger than the asker takes.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use tokio::io::AsyncWriteExt;

use super::super::http::{close, within};
use super::exchange::{framed, read_framed};
use super::recursor::Recursor;
use super::zone::Zones;
use super::{PORT, code_word, plain, respond};
use crate::event::{DnsFact, DnsQuestion, Fact, Transport};
use crate::role::Node;
use crate::role::config::{DnsService, DnsSource, Resolver};
use crate::stack::TcpStream;

/// Room for connections that nobody has accepted yet, as common servers ask for.
const BACKLOG: usize = 128;

/// How long a connection may idle: on the order of a few seconds (RFC 7766 §6.2.3).
const IDLE: Duration = Duration::from_secs(10);

/// What a datagram carries without EDNS (RFC 1035 §4.2.1).
const PLAIN_MAX: usize = 512;

/// A running DNS server. Cloning shares it.
#[derive(Clone)]
pub struct Server(Rc<Inner>);

struct Inner {
    node: Node,
    service: DnsService,
    knowledge: Knowledge,
}

enum Knowledge {
    Zones(RefCell<Zones>),
    Others(Box<Recursor>),
}

/// Starts the server on `node`.
///
/// # Errors
/// When port 53 is taken.
pub fn start(node: Node, config: &Resolver) -> io::Result<Server> {
    let knowledge = match &config.source {
        DnsSource::Zones(zones) => Knowledge::Zones(RefCell::new(Zones::new(zones))),
        DnsSource::Others(recursion) => {
            let recursor = Recursor::new(node.clone(), recursion.clone());
            Knowledge::Others(Box::new(recursor))
        }
    };
    let server = Server(Rc::new(Inner {
        node: node.clone(),
        service: config.service.clone(),
        knowledge,
    }));
    server.listen_udp()?;
    if config.service.tcp {
        server.listen_tcp()?;
    }
    Ok(server)
}

impl Server {
    /// Takes an address out of all answers, as when a machine leaves.
    pub fn withdraw(&self, address: IpAddr) {
        if let Knowledge::Zones(zones) = &self.0.knowledge {
            let names = zones.borrow_mut().withdraw(address);
            let names = names.iter().map(plain).collect();
            let fact = DnsFact::Withdrawn { address, names };
            self.0.node.fact(Fact::Dns(fact));
        }
    }

    /// Puts it back.
    pub fn restore(&self, address: IpAddr) {
        if let Knowledge::Zones(zones) = &self.0.knowledge {
            zones.borrow_mut().restore(address);
            self.0.node.fact(Fact::Dns(DnsFact::Restored { address }));
        }
    }

    fn listen_udp(&self) -> io::Result<()> {
        let node = &self.0.node;
        let socket = Rc::new(node.host.udp(PORT, None)?);
        let server = self.clone();
        node.executor.spawn(async move {
            loop {
                let (data, from, _) = socket.receive().await;
                let (server, socket) = (server.clone(), socket.clone());
                // Each question takes its own time: a slow one does not hold up the next.
                server.0.node.executor.clone().spawn(async move {
                    if let Some(answer) = server.answer(&data, from, Transport::Udp).await {
                        // A full queue loses the answer, as a busy server would; the client asks again.
                        let _ = socket.send_to(&answer, from);
                    }
                });
            }
        });
        Ok(())
    }

    fn listen_tcp(&self) -> io::Result<()> {
        let node = &self.0.node;
        let listener = node.host.listen(PORT, BACKLOG)?;
        let server = self.clone();
        node.executor.spawn(async move {
            loop {
                let stream = listener.accept().await;
                let server = server.clone();
                server.0.node.executor.clone().spawn(async move {
                    // An error here is the peer's: it went away, or did not speak DNS. Its packets tell the story.
                    let _ = server.serve(stream).await;
                });
            }
        });
        Ok(())
    }

    /// Question by question, until the client closes or idles (RFC 7766 §6.2).
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let Inner { node, .. } = &*self.0;
        let flow = stream.flow();
        node.fact(Fact::Accepted(flow));
        while let Some(Ok(data)) = within(&node.clock, IDLE, read_framed(&mut stream)).await {
            let Some(answer) = self.answer(&data, flow.remote, Transport::Tcp).await else {
                break;
            };
            stream.write_all(&framed(&answer)).await?;
        }
        node.fact(Fact::Closed(flow));
        close(stream).await;
        Ok(())
    }

    /// The answer to a query. `None` for what is not a query.
    async fn answer(&self, data: &[u8], client: SocketAddr, over: Transport) -> Option<Vec<u8>> {
        let Inner { node, service, .. } = &*self.0;
        let began = node.clock.now();
        if !service.takes.is_zero() {
            node.clock.sleep(service.takes).await;
        }
        let query = Message::from_vec(data).ok()?;
        if query.metadata.message_type != MessageType::Query {
            return None;
        }
        let (mut answer, cached) = self.find(&query).await;
        let room = match over {
            Transport::Udp => self.room(&query, &mut answer),
            Transport::Tcp => {
                self.room(&query, &mut answer);
                usize::from(u16::MAX)
            }
        };
        let mut bytes = answer.to_vec().ok()?;
        let truncated = bytes.len() > room;
        if truncated {
            // What is left out must not be mistaken for all there is (RFC 2181 §9): none of it is kept.
            answer = answer.truncate();
            bytes = answer.to_vec().ok()?;
        }
        if let Some(question) = query.queries.first() {
            node.fact(Fact::Dns(DnsFact::Answered {
                client,
                question: DnsQuestion {
                    name: plain(question.name()),
                    kind: question.query_type().to_string(),
                },
                over,
                code: code_word(answer.metadata.response_code),
                answers: answer.answers.iter().map(|r| data_words(&r.data)).collect(),
                took: node.clock.now().saturating_since(began),
                cached,
                truncated,
            }));
        }
        Some(bytes)
    }

    /// The answer, and whether it was known without asking.
    async fn find(&self, query: &Message) -> (Message, bool) {
        let failed = |code| {
            let mut answer = respond(query);
            answer.metadata.response_code = code;
            (answer, false)
        };
        if query.metadata.op_code != OpCode::Query {
            return failed(ResponseCode::NotImp);
        }
        if self.speaks_edns() && query.version() > 0 {
            return failed(ResponseCode::BADVERS);
        }
        match &self.0.knowledge {
            Knowledge::Zones(zones) => (zones.borrow_mut().answer(query), false),
            Knowledge::Others(recursor) => {
                let answering: Pin<Box<dyn Future<Output = _>>> = Box::pin(recursor.answer(query));
                answering.await
            }
        }
    }

    fn speaks_edns(&self) -> bool {
        self.0.service.payload_max.is_some()
    }

    /// The room for the answer in a datagram; an OPT record answers one (RFC 6891 §6.1.1, §6.2.3).
    fn room(&self, query: &Message, answer: &mut Message) -> usize {
        let (Some(own), Some(_)) = (self.0.service.payload_max, &query.edns) else {
            return PLAIN_MAX;
        };
        let mut edns = Edns::new();
        edns.set_max_payload(own);
        answer.set_edns(edns);
        usize::from(query.max_payload().min(own)).max(PLAIN_MAX)
    }
}

/// A record's data, names without the root's dot.
fn data_words(data: &hickory_proto::rr::RData) -> String {
    let text = data.to_string();
    match text.strip_suffix('.') {
        Some(short) if !short.is_empty() => short.to_owned(),
        Some(_) | None => text,
    }
}
