//! An answer that may still be on its way.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// A future of `T`. One that is ready costs no allocation.
///
/// Dropping it abandons the answer, not the operation.
#[must_use = "an operation's answer says whether it happened"]
pub struct Task<'a, T>(State<'a, T>);

enum State<'a, T> {
    Ready(Option<T>),
    Waiting(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
}

impl<'a, T> Task<'a, T> {
    /// An answer that is there.
    pub const fn ready(value: T) -> Self {
        Task(State::Ready(Some(value)))
    }

    /// An answer that `future` will give.
    pub fn waiting(future: impl Future<Output = T> + Send + 'a) -> Self {
        Task(State::Waiting(Box::pin(future)))
    }
}

impl<T: Unpin> Future for Task<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            State::Ready(value) => {
                Poll::Ready(value.take().expect("a task is polled to its end once"))
            }
            State::Waiting(future) => future.as_mut().poll(context),
        }
    }
}

impl<T> std::fmt::Debug for Task<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            State::Ready(_) => "Task(ready)",
            State::Waiting(_) => "Task(waiting)",
        })
    }
}

/// Waits for `task` on this thread.
pub fn wait<T: Unpin>(task: Task<'_, T>) -> T {
    let mut task = pin!(task);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = task.as_mut().poll(&mut context) {
            return value;
        }
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The two ends of an answer that another thread gives.
pub(crate) fn promise<T: Send + Unpin + 'static>() -> (Promise<T>, Task<'static, Option<T>>) {
    let slot = Arc::new(Mutex::new(Slot { value: None, is_dropped: false, waker: None }));
    let awaited = Awaited(Arc::clone(&slot));
    (Promise(slot), Task::waiting(awaited))
}

struct Slot<T> {
    value: Option<T>,
    is_dropped: bool,
    waker: Option<Waker>,
}

/// The end that gives the answer. If it is dropped instead, the task gives `None`.
pub(crate) struct Promise<T>(Arc<Mutex<Slot<T>>>);

impl<T> Promise<T> {
    pub(crate) fn keep(self, value: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).value = Some(value);
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.is_dropped = true;
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
    }
}

struct Awaited<T>(Arc<Mutex<Slot<T>>>);

impl<T> Future for Awaited<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.value.is_some() || slot.is_dropped {
            return Poll::Ready(slot.value.take());
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_another_thread() {
        let (promise, task) = promise();
        let thread = thread::spawn(move || promise.keep(7));
        assert_eq!(wait(task), Some(7));
        thread.join().unwrap();
    }

    #[test]
    fn a_broken_promise_is_an_answer() {
        let (promise, task) = promise::<u8>();
        drop(promise);
        assert_eq!(wait(task), None);
        assert_eq!(wait(Task::ready(1)), 1);
    }
}
