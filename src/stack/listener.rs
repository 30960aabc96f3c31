//! A listening port with its two queues, as Linux has them: half-open connections in the SYN queue, open ones that the
//! program has not accepted in the accept queue. The SYN makes the socket: there is no pool of listening ones.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Weak;
use std::task::{Poll, Waker};

use super::{Host, Stack, TcpLimits, TcpOptions, TcpStream};
use crate::time::Instant;

pub(super) struct Listener {
    pub(super) options: TcpOptions,
    /// Connections whose handshake lasts: how many the SYN queue holds.
    pub(super) half_open: usize,
    half_open_max: usize,
    /// When the SYN queue last had no room, where that was answered with a cookie.
    pub(super) overflowed: Option<Instant>,
    /// The accept queue.
    queue: VecDeque<u32>,
    backlog: usize,
    waker: Option<Waker>,
}

impl Listener {
    /// The program asks for a `backlog`, the node has its limits.
    pub(super) fn new(backlog: usize, options: TcpOptions, limits: &TcpLimits) -> Self {
        let backlog = backlog.min(limits.accept_backlog);
        Self {
            options,
            half_open: 0,
            half_open_max: backlog.max(1).min(limits.syn_backlog),
            overflowed: None,
            queue: VecDeque::new(),
            backlog,
            waker: None,
        }
    }

    /// Linux: `inet_csk_reqsk_queue_is_full`.
    pub(super) const fn is_syn_queue_full(&self) -> bool {
        self.half_open >= self.half_open_max
    }

    /// Linux: `sk_acceptq_is_full`, which lets one more in than the backlog says.
    pub(super) fn is_accept_queue_full(&self) -> bool {
        self.queue.len() > self.backlog
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
