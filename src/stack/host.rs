//! A program's view of its node's stack.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::listener::Listener;
use super::udp::UdpPort;
use super::{
    Connect, FlowKey, Shared, Stack, TcpListener, TcpOptions, TcpStream, UdpSocket, endpoint,
};
use crate::event::TcpDeed;
use crate::stack::flow::Flow;

/// A handle on a node's stack, for the programs that run there. Cloning shares the stack.
#[derive(Clone)]
pub struct Host {
    pub(super) stack: Shared,
}

impl Host {
    /// Shares `stack` with programs.
    #[must_use]
    pub fn new(stack: Stack) -> Self {
        Self {
            stack: Rc::new(RefCell::new(stack)),
        }
    }

    /// The stack itself, for the world that drives it.
    #[must_use]
    pub fn stack(&self) -> &RefCell<Stack> {
        &self.stack
    }

    /// Opens a TCP connection to `remote`; the SYN leaves at once.
    ///
    /// # Errors
    /// The future ends with `ConnectionRefused` (RST), `HostUnreachable` (ICMP), `TimedOut`; at once with
    /// `NetworkUnreachable` without a route and `AddrNotAvailable` without a free port.
    pub fn connect(&self, remote: SocketAddr) -> io::Result<Connect> {
        let options = self.stack.borrow().options;
        self.connect_with(remote, options)
    }

    /// As [`Host::connect`], with the connection's own options.
    ///
    /// # Errors
    /// As [`Host::connect`].
    pub fn connect_with(&self, remote: SocketAddr, options: TcpOptions) -> io::Result<Connect> {
        self.open(None, remote, options)
    }

    /// As [`Host::connect`], in the name of `source`, which is another node's address: the answers reach this host only
    /// where the network hands them to it. For hosts with transparent NICs.
    ///
    /// # Errors
    /// As [`Host::connect`]; and at once with `AddrNotAvailable` on a host that answers to its own addresses only.
    pub fn connect_as(&self, source: IpAddr, remote: SocketAddr) -> io::Result<Connect> {
        let options = self.stack.borrow().options;
        self.open(Some(source), remote, options)
    }

    fn open(
        &self,
        source: Option<IpAddr>,
        remote: SocketAddr,
        options: TcpOptions,
    ) -> io::Result<Connect> {
        let mut stack = self.stack.borrow_mut();
        let stack = &mut *stack;
        let nic = stack
            .nic_towards(remote.ip())
            .ok_or(io::ErrorKind::NetworkUnreachable)?;
        if source.is_some() && !stack.nics[nic].transparent {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let address = source.unwrap_or(stack.nics[nic].address);
        let Some(port) = stack.take_port(address, remote) else {
            let nowhere = FlowKey {
                local: SocketAddr::new(address, 0),
                remote,
            };
            stack.note(nowhere, TcpDeed::PortsExhausted);
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        let key = FlowKey {
            local: SocketAddr::new(address, port),
            remote,
        };
        let now = stack.clock.now();
        let mut flow = Flow::new(key, nic, stack.mss_at(nic), options, now);
        let context = stack.nics[nic].interface.context();
        flow.socket()
            .connect(context, endpoint(remote), endpoint(key.local))
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        let id = stack.insert(flow);
        stack.service_flow(id);
        Ok(Connect::new(TcpStream::new(self.clone(), id)))
    }

    /// Listens on `port` of every address, with room for `backlog` connections that nobody has accepted yet, and one
    /// more, as `listen(2)` has it; [`TcpLimits`](super::TcpLimits) says what the node allows.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there.
    pub fn listen(&self, port: u16, backlog: usize) -> io::Result<TcpListener> {
        let options = self.stack.borrow().options;
        self.listen_with(port, backlog, options)
    }

    /// As [`Host::listen`], with the connections' own options.
    ///
    /// # Errors
    /// As [`Host::listen`].
    pub fn listen_with(
        &self,
        port: u16,
        backlog: usize,
        options: TcpOptions,
    ) -> io::Result<TcpListener> {
        let stack = &mut *self.stack.borrow_mut();
        if port == 0 || stack.listeners.contains_key(&port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        stack
            .listeners
            .insert(port, Listener::new(backlog, options, &stack.limits));
        Ok(TcpListener::new(self.clone(), port))
    }

    /// Opens a UDP port; port 0 takes a free one, for talking to `towards`, whose errors the socket then tells.
    ///
    /// # Errors
    /// `AddrInUse`, `NetworkUnreachable`, or `AddrNotAvailable` without a free port.
    pub fn udp(&self, port: u16, towards: Option<SocketAddr>) -> io::Result<UdpSocket> {
        let mut stack = self.stack.borrow_mut();
        let port = match (port, towards) {
            (0, Some(remote)) => {
                let nic = stack
                    .nic_towards(remote.ip())
                    .ok_or(io::ErrorKind::NetworkUnreachable)?;
                let address = stack.nics[nic].address;
                stack
                    .take_port(address, remote)
                    .ok_or(io::ErrorKind::AddrNotAvailable)?
            }
            (port, _) => port,
        };
        if port == 0 || stack.udp.contains_key(&port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let opened = UdpPort::open(port, stack.nics.len(), towards)?;
        stack.udp.insert(port, opened);
        Ok(UdpSocket::new(self.clone(), port))
    }

    /// The address this host uses towards `destination`.
    #[must_use]
    pub fn address_towards(&self, destination: IpAddr) -> Option<IpAddr> {
        let stack = self.stack.borrow();
        stack
            .nic_towards(destination)
            .map(|nic| stack.nics[nic].address)
    }
}
