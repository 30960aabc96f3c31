//! One question to one server: a datagram, and a connection when the answer was cut (RFC 7766 §5).

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::Poll;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::http::{close, within};
use super::{PORT, code_word, plain};
use crate::event::{DnsFact, DnsQuestion, Fact, Transport};
use crate::role::Node;
use crate::role::config::Asking;
use crate::stack::UdpSocket;
use crate::units::show_duration;

/// A question, and how it is asked. One of them keeps its ID and, for each server, its port, however often it is asked.
pub(super) struct Question<'a> {
    pub(super) node: &'a Node,
    pub(super) asking: &'a Asking,
    query: Message,
    sockets: Vec<(IpAddr, UdpSocket)>,
    /// Servers that know no EDNS.
    plain: Vec<IpAddr>,
}

/// Why a server gave no answer.
pub(super) enum NoAnswer {
    /// Its packets, if any, went nowhere.
    NoWay(String),
    /// Nothing came in time, or nothing usable.
    Silence,
}

impl<'a> Question<'a> {
    pub(super) fn new(
        node: &'a Node,
        asking: &'a Asking,
        (name, kind): (&Name, RecordType),
        recursion: bool,
    ) -> Self {
        let mut id = [0; 2];
        node.chance.fill("dns", &mut id);
        let mut query = Message::new(u16::from_be_bytes(id), MessageType::Query, OpCode::Query);
        query.metadata.recursion_desired = recursion;
        query.add_query(Query::query(name.clone(), kind));
        Self {
            node,
            asking,
            query,
            sockets: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// Asks a server, once, by UDP; and again by TCP when the answer does not fit. `quietly` is for a client's first
    /// time, which is what it told that it would do.
    pub(super) async fn ask(
        &mut self,
        server: IpAddr,
        quietly: bool,
    ) -> Result<(Message, Transport), NoAnswer> {
        let mut quietly = quietly;
        loop {
            if !quietly {
                self.fact_asked(server, Transport::Udp);
            }
            let answer = self.by_udp(server).await;
            let answer = answer.inspect_err(|e| self.fact_failed(server, Transport::Udp, e))?;
            let edns = self.asking.payload_max.is_some() && !self.plain.contains(&server);
            let code = answer.metadata.response_code;
            // A server from before EDNS does not know what the OPT record is (RFC 6891 §7).
            if edns && matches!(code, ResponseCode::FormErr | ResponseCode::NotImp) {
                self.fact_code(server, code);
                self.plain.push(server);
                quietly = false;
                continue;
            }
            if !answer.metadata.truncation {
                return Ok((answer, Transport::Udp));
            }
            let question = self.words();
            self.fact(DnsFact::Truncated { server, question });
            if !self.asking.tcp {
                return Ok((answer, Transport::Udp));
            }
            self.fact_asked(server, Transport::Tcp);
            let answer = self.by_tcp(server).await;
            let answer = answer.inspect_err(|e| self.fact_failed(server, Transport::Tcp, e))?;
            return Ok((answer, Transport::Tcp));
        }
    }

    async fn by_udp(&mut self, server: IpAddr) -> Result<Message, NoAnswer> {
        let bytes = self.bytes(server)?;
        let remote = SocketAddr::new(server, PORT);
        if !self.sockets.iter().any(|(s, _)| *s == server) {
            let socket = self.node.host.udp(0, Some(remote)).map_err(no_way)?;
            self.sockets.push((server, socket));
        }
        let socket = self.sockets.iter().find(|(s, _)| *s == server);
        let Some((_, socket)) = socket else {
            return Err(NoAnswer::Silence);
        };
        socket.send_to(&bytes, remote).map_err(no_way)?;
        let answer = async {
            loop {
                let (data, from, _) = socket.receive().await;
                // Anything but an answer to this very question, from where it was asked, is not for us (RFC 5452 §9).
                if let Some(answer) = self.answer(&data)
                    && from == remote
                {
                    return answer;
                }
            }
        };
        let answer_or_failure = either(answer, socket.failure());
        let ended = within(&self.node.clock, self.asking.timeout, answer_or_failure).await;
        ended.ok_or(NoAnswer::Silence)?.map_err(no_way)
    }

    async fn by_tcp(&self, server: IpAddr) -> Result<Message, NoAnswer> {
        let bytes = self.bytes(server)?;
        let exchange = async {
            let remote = SocketAddr::new(server, PORT);
            let connect = self.node.host.connect(remote)?;
            if let Some(flow) = connect.flow() {
                self.node.fact(Fact::Connecting(flow));
            }
            let mut stream = connect.await?;
            self.node.fact(Fact::Connected(stream.flow()));
            stream.write_all(&framed(&bytes)).await?;
            let answer = read_framed(&mut stream).await?;
            // A client that has no more questions closes (RFC 7766 §6.2.3), and does not wait for the server's end of it.
            self.node.fact(Fact::Closed(stream.flow()));
            self.node.executor.spawn_foreground(close(stream));
            Ok::<_, io::Error>(answer)
        };
        let done = within(&self.node.clock, self.asking.timeout, exchange).await;
        let data = done.ok_or(NoAnswer::Silence)?.map_err(no_way)?;
        self.answer(&data).ok_or(NoAnswer::Silence)
    }

    /// The message, when it is an answer to this question.
    fn answer(&self, data: &[u8]) -> Option<Message> {
        let answer = Message::from_vec(data).ok()?;
        let fits = answer.metadata.id == self.query.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && answer.queries == self.query.queries;
        fits.then_some(answer)
    }

    fn bytes(&self, server: IpAddr) -> Result<Vec<u8>, NoAnswer> {
        let mut query = self.query.clone();
        if let Some(payload) = self.asking.payload_max
            && !self.plain.contains(&server)
        {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            query.set_edns(edns);
        }
        let bytes = query.to_vec();
        bytes.map_err(|e| NoAnswer::NoWay(e.to_string()))
    }

    pub(super) fn words(&self) -> DnsQuestion {
        let asked = self.query.queries.first();
        DnsQuestion {
            name: asked.map(|q| plain(q.name())).unwrap_or_default(),
            kind: asked
                .map(|q| q.query_type().to_string())
                .unwrap_or_default(),
        }
    }

    pub(super) fn fact(&self, fact: DnsFact) {
        self.node.fact(Fact::Dns(fact));
    }

    fn fact_asked(&self, server: IpAddr, over: Transport) {
        self.fact(DnsFact::Asked {
            server,
            question: self.words(),
            over,
        });
    }

    /// A server said that it cannot or will not.
    pub(super) fn fact_code(&self, server: IpAddr, code: ResponseCode) {
        self.fact(DnsFact::ServerFailed {
            server,
            question: self.words(),
            code: code_word(code),
        });
    }

    fn fact_failed(&self, server: IpAddr, over: Transport, error: &NoAnswer) {
        self.fact(DnsFact::NoAnswer {
            server,
            question: self.words(),
            over,
            error: match error {
                NoAnswer::NoWay(why) => why.clone(),
                NoAnswer::Silence => {
                    format!("nothing within {}", show_duration(self.asking.timeout))
                }
            },
        });
    }
}

/// What comes first.
async fn either<A: Future, B: Future>(good: A, bad: B) -> Result<A::Output, B::Output> {
    let (mut good, mut bad) = (pin!(good), pin!(bad));
    poll_fn(|cx| {
        if let Poll::Ready(done) = good.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        bad.as_mut().poll(cx).map(Err)
    })
    .await
}

fn no_way(error: io::Error) -> NoAnswer {
    NoAnswer::NoWay(error.to_string())
}

/// A message behind its length, in one write, so that both are in one segment (RFC 1035 §4.2.2, RFC 7766 §8).
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    // No message is longer: the encoder sees to it.
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(&message[..length.into()]);
    framed
}

/// The next message of a connection.
pub(super) async fn read_framed(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}
