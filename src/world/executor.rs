//! A single-threaded executor: a first-in-first-out queue of ready tasks, nothing that depends on a thread, a clock
//! or an address, so that the same run polls the same tasks in the same order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Ready = Arc<Mutex<VecDeque<usize>>>;

/// Wakes one task. Wakers must be `Send`, hence the lock, which nobody ever waits for.
struct TaskWaker {
    id: usize,
    ready: Ready,
    queued: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push_back(self.id);
        }
    }
}

fn lock(ready: &Ready) -> std::sync::MutexGuard<'_, VecDeque<usize>> {
    ready.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Slot {
    /// Taken out while it is polled.
    task: Option<Task>,
    waker: Arc<TaskWaker>,
}

#[derive(Default)]
struct Tasks {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    foreground: usize,
    /// The scenario is over, and who waits for that has been told.
    over: bool,
    waiting_for_end: Vec<Waker>,
    clearing: bool,
}

/// A handle for starting tasks. Cloning shares the executor.
#[derive(Clone, Default)]
pub struct Executor {
    ready: Ready,
    tasks: Rc<RefCell<Tasks>>,
}

impl Executor {
    /// Starts a task that serves others: the run does not wait for it.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        let id = tasks.free.pop().unwrap_or(tasks.slots.len());
        let waker = Arc::new(TaskWaker {
            id,
            ready: self.ready.clone(),
            queued: AtomicBool::new(false),
        });
        waker.wake_by_ref();
        let slot = Some(Slot {
            task: Some(Box::pin(future)),
            waker,
        });
        if id == tasks.slots.len() {
            tasks.slots.push(slot);
        } else {
            tasks.slots[id] = slot;
        }
    }

    /// Starts a task of the scenario: the run goes on until it has ended.
    pub fn spawn_foreground(&self, future: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().foreground += 1;
        let tasks = Rc::downgrade(&self.tasks);
        self.spawn(async move {
            future.await;
            if let Some(tasks) = tasks.upgrade() {
                tasks.borrow_mut().foreground -= 1;
            }
        });
    }

    /// Tasks of the scenario that have not ended.
    #[must_use]
    pub fn foreground(&self) -> usize {
        self.tasks.borrow().foreground
    }

    /// Completes once the scenario is over: no task of it is left. What programs keep open only in case somebody asks
    /// again, as a pool of idle connections, they close then, so that captures end with FINs and not in the middle.
    pub async fn scenario_over(&self) {
        poll_fn(|cx| {
            let mut tasks = self.tasks.borrow_mut();
            if tasks.over {
                return Poll::Ready(());
            }
            tasks.waiting_for_end.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Tells whoever waits for it that the scenario is over, once, when no task of it is left. Whether it did now.
    pub fn tell_scenario_over(&self) -> bool {
        let waiting = {
            let mut tasks = self.tasks.borrow_mut();
            if tasks.over || tasks.foreground > 0 {
                return false;
            }
            tasks.over = true;
            std::mem::take(&mut tasks.waiting_for_end)
        };
        for waker in waiting {
            waker.wake();
        }
        true
    }

    /// Polls ready tasks until none is. Returns how many polls that took; stops after `limit`.
    pub fn run_until_stalled(&self, limit: usize) -> usize {
        for polls in 0..limit {
            let Some(id) = lock(&self.ready).pop_front() else {
                return polls;
            };
            let Some((mut task, waker)) = self.take(id) else {
                continue;
            };
            let done = task
                .as_mut()
                .poll(&mut Context::from_waker(&Waker::from(waker)));
            match done {
                Poll::Ready(()) => {
                    // Dropped outside the borrow: what it owned may start or wake other tasks.
                    let slot = {
                        let mut tasks = self.tasks.borrow_mut();
                        tasks.free.push(id);
                        tasks.slots[id].take()
                    };
                    drop((slot, task));
                }
                Poll::Pending => {
                    if let Some(slot) = &mut self.tasks.borrow_mut().slots[id] {
                        slot.task = Some(task);
                    }
                }
            }
        }
        limit
    }

    fn take(&self, id: usize) -> Option<(Task, Arc<TaskWaker>)> {
        let mut tasks = self.tasks.borrow_mut();
        let slot = tasks.slots[id].as_mut()?;
        slot.waker.queued.store(false, Ordering::Relaxed);
        Some((slot.task.take()?, slot.waker.clone()))
    }

    /// Whether every task is being ended where it stands: what they own is dropped, and means nothing by it.
    #[must_use]
    pub fn is_clearing(&self) -> bool {
        self.tasks.borrow().clearing
    }

    /// Ends every task where it stands, in the order in which they were started.
    pub fn clear(&self) {
        self.tasks.borrow_mut().clearing = true;
        let slots = std::mem::take(&mut self.tasks.borrow_mut().slots);
        drop(slots);
        *self.tasks.borrow_mut() = Tasks::default();
        lock(&self.ready).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_in_the_order_of_waking() {
        let executor = Executor::default();
        let log = Rc::new(RefCell::new(Vec::new()));
        for name in ["a", "b"] {
            let (log, inner) = (log.clone(), executor.clone());
            executor.spawn_foreground(async move {
                log.borrow_mut().push(name);
                let log2 = log.clone();
                inner.spawn(async move { log2.borrow_mut().push("child") });
                std::future::pending::<()>().await;
            });
        }
        assert_eq!(executor.run_until_stalled(100), 4);
        assert_eq!(*log.borrow(), ["a", "b", "child", "child"]);
        assert_eq!(executor.foreground(), 2);
        executor.clear();
        assert_eq!(executor.foreground(), 0);
    }

    #[test]
    fn the_end_of_the_scenario_is_told_once_and_to_those_who_ask_later() {
        let executor = Executor::default();
        let told = Rc::new(RefCell::new(0));
        let wait = |executor: &Executor| {
            let (own, told) = (executor.clone(), told.clone());
            executor.spawn(async move {
                own.scenario_over().await;
                *told.borrow_mut() += 1;
            });
        };
        wait(&executor);
        executor.spawn_foreground(async {});
        assert!(!executor.tell_scenario_over());
        executor.run_until_stalled(100);
        assert_eq!(*told.borrow(), 0);
        assert!(executor.tell_scenario_over());
        assert!(!executor.tell_scenario_over());
        executor.run_until_stalled(100);
        wait(&executor);
        executor.run_until_stalled(100);
        assert_eq!(*told.borrow(), 2);
    }
}
