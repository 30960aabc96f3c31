//! Packets that no stack made: what an attacker sends in another's name.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// A packet, and the number of the NIC that it leaves by.
type Leaving = (usize, Vec<u8>);

/// Packets on their way to the network.
#[derive(Clone, Default)]
pub(super) struct RawQueue(Rc<RefCell<VecDeque<Leaving>>>);

impl RawQueue {
    pub(super) fn sender(&self, nic: usize) -> RawSender {
        RawSender {
            queue: self.clone(),
            nic,
        }
    }

    pub(super) fn poll(&self) -> Option<Leaving> {
        self.0.borrow_mut().pop_front()
    }
}

/// Sends IP packets out of one NIC as they are, whatever their source. In virtual time only.
#[derive(Clone)]
pub struct RawSender {
    queue: RawQueue,
    nic: usize,
}

impl RawSender {
    /// The packet leaves in this instant.
    pub fn send(&self, packet: Vec<u8>) {
        self.queue.0.borrow_mut().push_back((self.nic, packet));
    }
}
