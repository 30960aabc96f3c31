//! UDP ports: one smoltcp socket for each NIC of the stack.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Poll, Waker};

use smoltcp::iface::{PollResult, SocketHandle, SocketSet};
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket, UdpMetadata};
use smoltcp::wire::IpListenEndpoint;

use super::{FlowKey, Host, Stack, endpoint, micros};

/// Datagrams that may wait in each direction, and their bytes.
const DATAGRAMS: usize = 64;
const BYTES: usize = 65_535;

pub(super) struct UdpPort {
    /// One set with one socket for each NIC.
    sets: Vec<SocketSet<'static>>,
    dirty: bool,
    /// Whom it is for, as with connect(2).
    peer: Option<SocketAddr>,
    /// What an ICMP error said about the way there, and nobody was told yet.
    error: Option<io::ErrorKind>,
    waker: Option<Waker>,
}

impl UdpPort {
    pub(super) fn open(port: u16, nics: usize, peer: Option<SocketAddr>) -> io::Result<Self> {
        let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; DATAGRAMS], vec![0; BYTES]);
        let mut sets = Vec::new();
        for _ in 0..nics {
            let mut socket = Socket::new(buffer(), buffer());
            socket
                .bind(IpListenEndpoint { addr: None, port })
                .map_err(|_| io::ErrorKind::AddrInUse)?;
            let mut set = SocketSet::new(Vec::with_capacity(1));
            set.add(socket);
            sets.push(set);
        }
        Ok(Self {
            sets,
            dirty: false,
            peer,
            error: None,
            waker: None,
        })
    }

    fn socket(&mut self, nic: usize) -> &mut Socket<'static> {
        self.sets[nic].get_mut(SocketHandle::default())
    }
}

impl Stack {
    /// A datagram for `port` at NIC `nic`; without such a port smoltcp answers "port unreachable".
    pub(super) fn handle_udp(&mut self, nic: usize, port: u16, bytes: Vec<u8>) {
        let now = micros(self.clock.now());
        let Some(opened) = self.udp.get_mut(&port) else {
            self.answer_as_nobody(nic, bytes);
            return;
        };
        let n = &mut self.nics[nic];
        n.port.incoming = Some(bytes);
        n.interface
            .poll_ingress_single(now, &mut n.port, &mut opened.sets[nic]);
        self.collect(nic, None);
    }

    /// A datagram of ours did not arrive. Only a socket for one destination is told, as in Linux.
    pub(super) fn fail_udp(&mut self, flow: &FlowKey, kind: io::ErrorKind) {
        let opened = self.udp.get_mut(&flow.local.port());
        if let Some(opened) = opened.filter(|o| o.peer == Some(flow.remote)) {
            opened.error = Some(kind);
            if let Some(waker) = opened.waker.take() {
                waker.wake();
            }
        }
    }

    /// Lets UDP ports send what their programs wrote.
    pub(super) fn service_udp(&mut self) {
        let now = micros(self.clock.now());
        for nic in 0..self.nics.len() {
            let n = &mut self.nics[nic];
            for opened in self.udp.values_mut().filter(|p| p.dirty) {
                let set = &mut opened.sets[nic];
                while n.interface.poll_egress(now, &mut n.port, set)
                    == PollResult::SocketStateChanged
                {}
            }
            self.collect(nic, None);
        }
        for opened in self.udp.values_mut() {
            opened.dirty = false;
        }
    }
}

/// An open UDP port of a host. Dropping it closes the port.
pub struct UdpSocket {
    host: Host,
    port: u16,
}

impl UdpSocket {
    pub(super) const fn new(host: Host, port: u16) -> Self {
        Self { host, port }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// `NetworkUnreachable` without a route, `WouldBlock` when too much is waiting, `InvalidInput` for a datagram
    /// larger than the buffer.
    pub fn send_to(&self, data: &[u8], remote: SocketAddr) -> io::Result<()> {
        let mut stack = self.host.stack.borrow_mut();
        let stack = &mut *stack;
        let nic = stack
            .nic_towards(remote.ip())
            .ok_or(io::ErrorKind::NetworkUnreachable)?;
        let address = stack.nics[nic].address;
        let Some(opened) = stack.udp.get_mut(&self.port) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut to = UdpMetadata::from(endpoint(remote));
        to.local_address = Some(address.into());
        let socket = opened.socket(nic);
        if data.len() > socket.payload_send_capacity() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        socket
            .send_slice(data, to)
            .map_err(|_| io::ErrorKind::WouldBlock)?;
        opened.dirty = true;
        stack.notify();
        Ok(())
    }

    /// Waits until the destination of this socket turns out not to be reachable: `ConnectionRefused` when nobody
    /// listens on its port.
    pub async fn failure(&self) -> io::Error {
        poll_fn(|cx| {
            let mut stack = self.host.stack.borrow_mut();
            let Some(opened) = stack.udp.get_mut(&self.port) else {
                // Only dropping this very socket closes the port.
                return Poll::Pending;
            };
            match opened.error.take() {
                Some(kind) => Poll::Ready(kind.into()),
                None => {
                    opened.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The next datagram: its data, who sent it, and to which of our addresses.
    pub async fn receive(&self) -> (Vec<u8>, SocketAddr, Option<IpAddr>) {
        poll_fn(|cx| {
            let mut stack = self.host.stack.borrow_mut();
            let stack = &mut *stack;
            let nics = stack.nics.len();
            let Some(opened) = stack.udp.get_mut(&self.port) else {
                // Only dropping this very socket closes the port.
                return Poll::Pending;
            };
            for nic in 0..nics {
                let socket = opened.socket(nic);
                if let Ok((data, from)) = socket.recv() {
                    let remote = SocketAddr::new(from.endpoint.addr.into(), from.endpoint.port);
                    let local = from.local_address.map(IpAddr::from);
                    return Poll::Ready((data.to_vec(), remote, local));
                }
                socket.register_recv_waker(cx.waker());
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        if let Ok(mut stack) = self.host.stack.try_borrow_mut() {
            // What was written goes out before the port closes.
            stack.service_udp();
            stack.udp.remove(&self.port);
        }
    }
}
