//! The life of an application's process: from its start to the end of the last thing that it does.

use std::cell::Cell;
use std::rc::Rc;

use crate::role::signal::Signal;

/// From a start to its end. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Life {
    /// It is to end when nothing is left to do.
    pub(super) stopping: Signal,
    /// It ends where it stands.
    pub(super) killed: Signal,
    /// It has ended.
    pub(super) over: Signal,
    /// What it does: it listens, it serves a connection.
    works: Rc<Cell<usize>>,
}

/// Something that keeps a process alive, until it is dropped.
pub(super) struct Work(Life);

impl Life {
    /// One more thing to do.
    pub(super) fn work(&self) -> Work {
        self.works.set(self.works.get() + 1);
        Work(self.clone())
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_raised()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let left = self.0.works.get() - 1;
        self.0.works.set(left);
        if left == 0 {
            self.0.over.raise();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_as_long_as_there_is_something_to_do() {
        let life = Life::default();
        let listens = life.work();
        let serves = life.clone().work();
        drop(listens);
        assert!(!life.is_over());
        drop(serves);
        assert!(life.is_over());
    }
}
