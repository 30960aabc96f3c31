//! Changes of the network that a scenario makes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::net::Change;

/// Changes the network while it runs. Cloning shares it.
#[derive(Clone, Default)]
pub struct Control(Rc<RefCell<VecDeque<Change>>>);

impl Control {
    /// The change happens in this instant.
    pub fn change(&self, change: Change) {
        self.0.borrow_mut().push_back(change);
    }

    pub(super) fn poll(&self) -> Option<Change> {
        self.0.borrow_mut().pop_front()
    }
}
