//! An HTTP application: over HTTP/1.1, or HTTP/2, it answers by name and path after a while, well or badly as its lab says, and reports what it
//! saw. It can be stopped, killed and started.

mod answer;
mod choice;
mod conversation;
mod http2;
mod life;
mod websocket;

use std::cell::RefCell;
use std::io;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use super::Node;
use super::config::{App, OnSigterm, Service};
use super::http2::Shared;
use super::signal::{Room, unless};
use crate::event::Fact;
use crate::stack::TcpStream;
use crate::tls::server::{self, ServerSetup};

use life::Life;

/// An application on a node.
pub struct Application {
    server: Rc<Server>,
    /// `None` before its first start.
    life: RefCell<Option<Life>>,
}

/// What the tasks of an application share.
struct Server {
    node: Node,
    config: App,
    /// How it speaks TLS; `None` for plain HTTP.
    tls: Option<ServerSetup>,
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
        if service == Service::Start {
            match self.begin() {
                Ok(()) => self.server.tell("started"),
                Err(e) => {
                    let port = self.server.config.port;
                    self.failed(format!("port {port}: {e}"));
                }
            }
            return;
        }
        let life = self.life.borrow().clone().filter(|l| !l.is_over());
        let Some(life) = life else {
            self.failed("the application does not run".into());
            return;
        };
        match service {
            Service::Crash => self.server.kill(&life, "killed"),
            Service::Stop { timeout } => self.stop(&life, timeout),
            Service::Start => {}
        }
    }

    /// SIGTERM, and SIGKILL when it is still there after a while, as `docker stop` does it.
    fn stop(&self, life: &Life, timeout: Option<Duration>) {
        match self.server.config.on_sigterm {
            OnSigterm::Finish => {
                self.server.tell("stopping");
                life.stopping.raise();
            }
            OnSigterm::End => self.server.kill(life, "ended by SIGTERM"),
            OnSigterm::Ignore => self.server.tell("ignores SIGTERM"),
        }
        let Some(timeout) = timeout else { return };
        let (server, life) = (self.server.clone(), life.clone());
        self.server.node.executor.spawn(async move {
            let waiting = server.node.clock.sleep(timeout);
            if unless(life.over.raised(), waiting).await.is_some() {
                server.kill(&life, "killed, for it was not done in time");
            }
        });
    }

    fn failed(&self, error: String) {
        self.server.node.fact(Fact::StepFailed { error });
    }

    fn begin(&self) -> io::Result<()> {
        let server = self.server.clone();
        let config = &server.config;
        let listener = server.node.host.listen(config.port, config.backlog)?;
        let (room, life) = (Room::new(config.workers), Life::default());
        self.life.replace(Some(life.clone()));
        let own = life.work();
        server.node.executor.clone().spawn(async move {
            let accepting = async {
                loop {
                    // A server takes a connection when it has somebody to serve it; the kernel holds it until then.
                    let place = room.place().await;
                    let stream = listener.accept().await;
                    let (served, life) = (server.clone(), life.clone());
                    let work = life.work();
                    server.node.executor.spawn(async move {
                        served.serve(stream, life).await;
                        drop((place, work));
                    });
                }
            };
            let either = async {
                unless(life.killed.raised(), life.stopping.raised()).await;
            };
            unless(either, accepting).await;
            // The listener goes, and with it whoever was not accepted: the kernel resets them.
            drop((listener, own));
        });
        Ok(())
    }
}

impl Server {
    fn tell(&self, service: &'static str) {
        let port = self.config.port;
        self.node.fact(Fact::Service { port, service });
    }

    /// It ends where it stands.
    fn kill(&self, life: &Life, how: &'static str) {
        self.tell(how);
        life.killed.raise();
    }

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
