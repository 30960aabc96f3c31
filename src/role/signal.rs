//! Things that tasks of one node wait for together: a signal that is raised once, and a room with so many places.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Raised once, for all who wait. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Signal(Rc<Inner>);

#[derive(Default)]
struct Inner {
    raised: Cell<bool>,
    next: Cell<u64>,
    waiting: RefCell<BTreeMap<u64, Waker>>,
}

impl Signal {
    pub(super) fn raise(&self) {
        self.0.raised.set(true);
        // In the order in which they came to wait.
        for waker in self.0.waiting.take().into_values() {
            waker.wake();
        }
    }

    pub(super) fn is_raised(&self) -> bool {
        self.0.raised.get()
    }

    /// Waits for it.
    pub(super) fn raised(&self) -> Raised {
        let id = self.0.next.get();
        self.0.next.set(id + 1);
        Raised {
            signal: self.clone(),
            id,
        }
    }
}

/// Ends when a signal is raised.
pub(super) struct Raised {
    signal: Signal,
    id: u64,
}

impl Future for Raised {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.signal.is_raised() {
            return Poll::Ready(());
        }
        let mut waiting = self.signal.0.waiting.borrow_mut();
        waiting.insert(self.id, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.signal.0.waiting.borrow_mut().remove(&self.id);
    }
}

/// `work`'s result, or `None` when `end` comes first. At the same moment work goes first.
pub(super) async fn unless<W: Future, E: Future>(end: E, work: W) -> Option<W::Output> {
    let mut work = pin!(work);
    let mut end = pin!(end);
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        end.as_mut().poll(cx).map(|_| None)
    })
    .await
}

/// So many places, each held by whoever has a [`Place`]. Cloning shares the room.
#[derive(Clone)]
pub(super) struct Room(Rc<RefCell<Places>>);

struct Places {
    /// `None` is as many as are wanted.
    free: Option<usize>,
    waiting: Option<Waker>,
}

impl Room {
    pub(super) fn new(places: Option<usize>) -> Self {
        Self(Rc::new(RefCell::new(Places {
            free: places,
            waiting: None,
        })))
    }

    /// Waits for a place. One task may wait.
    pub(super) async fn place(&self) -> Place {
        poll_fn(|cx| {
            let mut places = self.0.borrow_mut();
            match &mut places.free {
                Some(0) => {
                    places.waiting = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Some(free) => *free -= 1,
                None => {}
            }
            Poll::Ready(Place(self.clone()))
        })
        .await
    }
}

/// A place in a room, until it is dropped.
pub(super) struct Place(Room);

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.0.0.borrow_mut();
        if let Some(free) = &mut places.free {
            *free += 1;
        }
        if let Some(waker) = places.waiting.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Executor;

    #[test]
    fn a_signal_wakes_all_who_wait_and_forgets_who_left() {
        let executor = Executor::default();
        let (signal, heard) = (Signal::default(), Rc::new(Cell::new(0)));
        for _ in 0..2 {
            let (raised, heard) = (signal.raised(), heard.clone());
            executor.spawn(async move {
                raised.await;
                heard.set(heard.get() + 1);
            });
        }
        executor.run_until_stalled(10);
        drop(signal.raised());
        assert_eq!((heard.get(), signal.0.waiting.borrow().len()), (0, 2));
        signal.raise();
        executor.run_until_stalled(10);
        assert_eq!((heard.get(), signal.0.waiting.borrow().len()), (2, 0));
    }

    #[test]
    fn a_room_has_so_many_places() {
        let executor = Executor::default();
        let (room, served) = (Room::new(Some(2)), Rc::new(RefCell::new(Vec::new())));
        let (inner, all) = (room.clone(), served.clone());
        executor.spawn(async move {
            for n in 0..3 {
                let place = inner.place().await;
                all.borrow_mut().push((n, place));
            }
        });
        executor.run_until_stalled(10);
        let numbers = || served.borrow().iter().map(|s| s.0).collect::<Vec<_>>();
        assert_eq!(numbers(), [0, 1]);
        drop(served.borrow_mut().remove(0));
        executor.run_until_stalled(10);
        assert_eq!(numbers(), [1, 2]);
    }
}
