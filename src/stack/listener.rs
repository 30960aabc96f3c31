//! A listening port with its backlog. The SYN makes the socket: there is no pool of listening ones.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Weak;
use std::task::{Poll, Waker};

use super::{Host, Stack, TcpOptions, TcpStream};

pub(super) struct Listener {
    /// Connections whose handshake lasts.
    pub(super) half_open: usize,
    pub(super) options: TcpOptions,
    backlog: usize,
    /// Connections that nobody has accepted yet.
    queue: VecDeque<u32>,
    waker: Option<Waker>,
}

impl Listener {
    pub(super) const fn new(backlog: usize, options: TcpOptions) -> Self {
        Self {
            half_open: 0,
            options,
            backlog,
            queue: VecDeque::new(),
            waker: None,
        }
    }

    /// Over the backlog a SYN is dropped without an answer, as Linux does: the peer tries again.
    pub(super) fn is_full(&self) -> bool {
        self.half_open + self.queue.len() >= self.backlog
    }

    pub(super) fn handshake_over(&mut self, id: u32, established: bool) {
        self.half_open -= 1;
        if established {
            self.queue.push_back(id);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }
}

/// A listening port of a host. Dropping it closes the port and resets what nobody accepted.
pub struct TcpListener {
    host: Host,
    port: u16,
}

impl TcpListener {
    pub(super) const fn new(host: Host, port: u16) -> Self {
        Self { host, port }
    }

    /// The next connection.
    pub async fn accept(&self) -> TcpStream {
        poll_fn(|cx| {
            let mut stack = self.host.stack.borrow_mut();
            let Some(listener) = stack.listeners.get_mut(&self.port) else {
                // Only dropping this very listener closes the port.
                return Poll::Pending;
            };
            match listener.queue.pop_front() {
                Some(id) => Poll::Ready(TcpStream::new(self.host.clone(), id)),
                None => {
                    listener.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        close(&std::rc::Rc::downgrade(&self.host.stack), self.port);
    }
}

fn close(stack: &Weak<RefCell<Stack>>, port: u16) {
    let Some(stack) = stack.upgrade() else {
        return;
    };
    // Dropped while the stack is at work only when the world itself comes down.
    let Ok(mut stack) = stack.try_borrow_mut() else {
        return;
    };
    let Some(listener) = stack.listeners.remove(&port) else {
        return;
    };
    for id in listener.queue {
        if let Some(flow) = &mut stack.flows[id as usize] {
            flow.orphan = true;
            flow.socket().abort();
        }
        stack.mark(id);
    }
}
