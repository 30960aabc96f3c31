//! An HTTP application: over HTTP/1.1, or HTTP/2, it answers by name and path after a while, well or badly as its lab says, and reports what it
//! saw. It can be stopped, killed and started.

mod answer;
mod choice;
mod conversation;
mod http2;
mod websocket;

use std::cell::RefCell;
use std::io;
use std::mem;
use std::rc::Rc;

use super::Node;
use super::config::{App, Service};
use super::http2::Shared;
use super::signal::{Room, Signal, unless};
use crate::event::Fact;
use crate::stack::TcpStream;
use crate::tls::server::{self, ServerSetup};

/// An application on a node.
pub struct Application {
    server: Rc<Server>,
    /// `None` while it does not run.
    life: RefCell<Option<Life>>,
}

/// What the tasks of an application share.
struct Server {
    node: Node,
    config: App,
    /// How it speaks TLS; `None` for plain HTTP.
    tls: Option<ServerSetup>,
}

/// From a start to its end. Cloning shares it.
#[derive(Clone, Default)]
struct Life {
    /// It is to end when nothing is left to do.
    stopping: Signal,
    /// It ends where it stands.
    killed: Signal,
}

/// Starts the application on `node`.
///
/// # Errors
/// When its port is taken.
pub fn start(node: Node, config: App, tls: Option<ServerSetup>) -> io::Result<Application> {
    let application = Application {
        server: Rc::new(Server { node, config, tls }),
        life: RefCell::default(),
    };
    application.begin()?;
    Ok(application)
}

impl Application {
    /// Does something to it, as its machine's init would.
    pub fn serve(&self, service: Service) {
        let node = &self.server.node;
        let port = self.server.config.port;
        let life = match service {
            Service::Start => {
                let began = self.begin();
                match began {
                    Ok(()) => node.fact(Fact::Service {
                        port,
                        service: "started",
                    }),
                    Err(e) => node.fact(Fact::StepFailed {
                        error: format!("port {port}: {e}"),
                    }),
                }
                return;
            }
            Service::Stop | Service::Crash => self.life.take(),
        };
        let Some(life) = life else {
            node.fact(Fact::StepFailed {
                error: "the application does not run".into(),
            });
            return;
        };
        let (signal, word) = match service {
            Service::Crash => (life.killed, "killed"),
            Service::Stop | Service::Start => (life.stopping, "stopping"),
        };
        node.fact(Fact::Service {
            port,
            service: word,
        });
        signal.raise();
    }

    fn begin(&self) -> io::Result<()> {
        let server = self.server.clone();
        let config = &server.config;
        let listener = server.node.host.listen(config.port, config.backlog)?;
        let (room, life) = (Room::new(config.workers), Life::default());
        self.life.replace(Some(life.clone()));
        let ended = life.clone();
        server.node.executor.clone().spawn(async move {
            let accepting = async {
                loop {
                    // A server takes a connection when it has somebody to serve it; the kernel holds it until then.
                    let place = room.place().await;
                    let stream = listener.accept().await;
                    let (served, life) = (server.clone(), life.clone());
                    server.node.executor.spawn(async move {
                        served.serve(stream, life).await;
                        drop(place);
                    });
                }
            };
            let either = async {
                unless(ended.killed.raised(), ended.stopping.raised()).await;
            };
            unless(either, accepting).await;
            // The listener goes, and with it whoever was not accepted: the kernel resets them.
        });
        Ok(())
    }
}

impl Server {
    async fn serve(self: Rc<Self>, stream: TcpStream, life: Life) {
        let flow = stream.flow();
        self.node.fact(Fact::Accepted(flow));
        // Killed, it leaves the connection to its machine: FIN, or RST where something was not read.
        unless(life.killed.raised(), self.speak(stream, &life)).await;
        self.node.fact(Fact::Closed(flow));
    }

    /// HTTP, over TLS where it is told how.
    async fn speak(self: &Rc<Self>, stream: TcpStream, life: &Life) {
        let flow = stream.flow();
        let shared = Shared::new(stream);
        let Some(setup) = &self.tls else {
            if self.config.http2 {
                let stream = shared.clone();
                return self.converse_http2(&shared, stream, flow, life).await;
            }
            return self.converse(&shared, shared.clone(), flow, life).await;
        };
        let randomness = self.node.chance.next("tls");
        match server::accept(setup, shared.clone(), randomness, &self.node.clock).await {
            Ok(established) => {
                let mut facts = established.facts;
                self.node.keys_agreed(flow, mem::take(&mut facts.agreed));
                self.node.pre_master_agreed(flow, facts.pre_master.take());
                self.node.tls_established(flow, &facts);
                let stream = established.stream;
                if facts.alpn.as_deref() == Some("h2") {
                    self.converse_http2(&shared, stream, flow, life).await;
                } else {
                    self.converse(&shared, stream, flow, life).await;
                }
            }
            Err(failure) => {
                self.node.keys_agreed(flow, failure.agreed);
                self.node.pre_master_agreed(flow, failure.pre_master);
                if let Some(mismatch) = failure.mismatch {
                    self.node.fact(Fact::TlsMismatch { flow, mismatch });
                }
                self.node.fact(Fact::TlsFailed {
                    flow,
                    error: failure.error,
                });
            }
        }
    }
}
