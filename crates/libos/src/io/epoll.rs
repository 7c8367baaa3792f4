//! `epoll(7)`: level-triggered, edge-triggered and one-shot interest.
//!
//! What lives in the enclave says itself when it changed (the generation of its wait queue). What lives
//! on the host is polled there; an edge-triggered interest that has been reported is not asked about again
//! until the program has tried to read or write the descriptor, which is when Linux would make a new edge.

use alloc::{
    string::String,
    sync::{Arc, Weak},
    vec::Vec,
};

use super::poll::{self, Interest};
use crate::{
    errno::{Errno, Result},
    fs::file::{File, OpenFile},
    linux::{
        poll::{EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP, POLL_ALWAYS, POLLIN},
        stat::Stat,
    },
    process::{self, thread::Thread},
    sync::Mutex,
    wait::WaitQueue,
};

/// Deepest nesting of epoll instances, as on Linux.
const NESTS_MAX: u32 = 4;

/// An event for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) events: u32,
    pub(crate) data: u64,
}

struct Item {
    fd: i32,
    open: Weak<OpenFile>,
    events: u32,
    data: u64,
    /// Reported and not re-armed (`EPOLLONESHOT`).
    disabled: bool,
    /// Bits reported at this state of the file (`EPOLLET`).
    reported: u32,
    state: (u64, u64, u64),
}

/// An epoll instance.
pub(crate) struct Epoll {
    items: Mutex<Vec<Item>>,
    queue: WaitQueue,
}

/// What changes when an edge-triggered interest may fire again: wake-ups, reads, writes.
fn state_of(file: &Arc<dyn File>) -> (u64, u64, u64) {
    let (reads, writes) = file.activity();
    (file.queue().map_or(0, WaitQueue::generation), reads, writes)
}

impl Epoll {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { items: Mutex::default(), queue: WaitQueue::new() })
    }

    /// `EPOLL_CTL_ADD`.
    pub(crate) fn add(&self, fd: i32, open: &Arc<OpenFile>, event: Event) -> Result<()> {
        let file = open.file();
        if file.queue().is_none() && file.host_fd().is_none() && file.epoll().is_none() {
            return Err(Errno::EPERM);
        }
        if let Some(inner) = file.epoll()
            && (core::ptr::eq(inner, self) || inner.reaches(self, 0)?)
        {
            return Err(Errno::ELOOP);
        }
        let mut items = self.items.lock();
        items.retain(|item| item.open.strong_count() > 0);
        if items.iter().any(|item| item.is(fd, open)) {
            return Err(Errno::EEXIST);
        }
        items.push(Item {
            fd,
            open: Arc::downgrade(open),
            events: event.events,
            data: event.data,
            disabled: false,
            reported: 0,
            state: (0, 0, 0),
        });
        drop(items);
        self.queue.wake_all();
        Ok(())
    }

    fn reaches(&self, target: &Self, depth: u32) -> Result<bool> {
        if depth >= NESTS_MAX {
            return Err(Errno::ELOOP);
        }
        let inner: Vec<_> = self.items.lock().iter().filter_map(|i| i.open.upgrade()).collect();
        for open in inner {
            if let Some(epoll) = open.file().epoll()
                && (core::ptr::eq(epoll, target) || epoll.reaches(target, depth + 1)?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `EPOLL_CTL_MOD`.
    pub(crate) fn modify(&self, fd: i32, open: &Arc<OpenFile>, event: Event) -> Result<()> {
        let mut items = self.items.lock();
        let item = items.iter_mut().find(|item| item.is(fd, open)).ok_or(Errno::ENOENT)?;
        if (item.events | event.events) & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        item.events = event.events;
        item.data = event.data;
        item.disabled = false;
        item.reported = 0;
        drop(items);
        self.queue.wake_all();
        Ok(())
    }

    /// `EPOLL_CTL_DEL`.
    pub(crate) fn delete(&self, fd: i32, open: &Arc<OpenFile>) -> Result<()> {
        let mut items = self.items.lock();
        let at = items.iter().position(|item| item.is(fd, open)).ok_or(Errno::ENOENT)?;
        items.remove(at);
        Ok(())
    }

    /// The armed interests, each with the place of its item.
    fn interests(&self) -> Vec<(Interest, Weak<OpenFile>, i32)> {
        let mut items = self.items.lock();
        items.retain(|item| item.open.strong_count() > 0);
        let mut out = Vec::new();
        for item in items.iter_mut().filter(|item| !item.disabled) {
            let Some(open) = item.open.upgrade() else { continue };
            let file = open.file();
            let mut wanted = item.events & !(EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP);
            let mut disarmed = false;
            if item.events & EPOLLET != 0 {
                let state = state_of(file);
                item.rearm(state, file.host_fd().is_some());
                disarmed = (wanted | POLL_ALWAYS) & !item.reported & !POLL_ALWAYS == 0
                    && item.reported != 0;
                wanted &= !item.reported;
            }
            let mut interest = Interest::new(Arc::clone(file), wanted);
            interest.disarmed = disarmed;
            out.push((interest, item.open.clone(), item.fd));
        }
        out
    }

    /// Takes the ready ones as events and marks them reported; puts them last, so that all get their turn.
    fn collect(&self, found: &[(u32, Weak<OpenFile>, i32)], maxevents: usize) -> Vec<Event> {
        let mut items = self.items.lock();
        let mut events = Vec::new();
        for (revents, open, fd) in found {
            if events.len() == maxevents {
                break;
            }
            let same = |item: &Item| item.fd == *fd && Weak::ptr_eq(&item.open, open);
            let Some(at) = items.iter().position(same) else { continue };
            let mut item = items.remove(at);
            let mut ready = *revents & (item.events | POLL_ALWAYS);
            if item.events & EPOLLET != 0 {
                ready &= !item.reported;
                item.reported |= ready;
            }
            if ready != 0 && !item.disabled {
                events.push(Event { events: ready, data: item.data });
                item.disabled = item.events & EPOLLONESHOT != 0;
            }
            items.push(item);
        }
        events
    }

    /// `epoll_wait(2)`.
    ///
    /// # Errors
    /// EINTR when a signal came before any event.
    pub(crate) fn wait(
        &self,
        thread: &Thread,
        maxevents: usize,
        deadline_ns: Option<u64>,
    ) -> Result<Vec<Event>> {
        loop {
            let generation = self.queue.generation();
            let (mut interests, keys): (Vec<_>, Vec<_>) =
                self.interests().into_iter().map(|(i, open, fd)| (i, (open, fd))).unzip();
            let waited = if deadline_ns == Some(0) {
                poll::look(thread, &mut interests);
                Ok(())
            } else {
                poll::wait(thread, &mut interests, Some(&self.queue), deadline_ns)
            };
            let found: Vec<_> = interests
                .iter()
                .zip(keys)
                .filter(|(interest, _)| interest.revents != 0)
                .map(|(interest, (open, fd))| (interest.revents, open, fd))
                .collect();
            let events = self.collect(&found, maxevents);
            if !events.is_empty() {
                return Ok(events);
            }
            waited?;
            let over = deadline_ns.is_some_and(|d| d == 0 || crate::time::monotonic_ns() >= d);
            if over && generation == self.queue.generation() {
                return Ok(events);
            }
        }
    }
}

impl Item {
    fn is(&self, fd: i32, open: &Arc<OpenFile>) -> bool {
        self.fd == fd && core::ptr::eq(self.open.as_ptr(), Arc::as_ptr(open))
    }

    /// Forgets what was reported where the file has changed since.
    fn rearm(&mut self, state: (u64, u64, u64), on_host: bool) {
        use crate::linux::poll::{POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM};
        if on_host {
            if state.1 != self.state.1 {
                self.reported &= !(POLLIN | POLLRDNORM | POLLRDHUP | POLL_ALWAYS);
            }
            if state.2 != self.state.2 {
                self.reported &= !(POLLOUT | POLLWRNORM | POLL_ALWAYS);
            }
        } else if state.0 != self.state.0 {
            self.reported = 0;
        }
        self.state = state;
    }
}

impl File for Epoll {
    fn stat(&self) -> Result<Stat> {
        Ok(Stat { dev: 0xe, ino: 2, nlink: 1, mode: 0o600, blksize: 4096, ..Stat::default() })
    }

    fn readiness(&self) -> u32 {
        let Some(thread) = process::current() else { return 0 };
        let mut interests: Vec<Interest> =
            self.interests().into_iter().map(|(interest, ..)| interest).collect();
        if poll::look(&thread, &mut interests) { POLLIN } else { 0 }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn epoll(&self) -> Option<&Epoll> {
        Some(self)
    }

    fn label(&self) -> String {
        "anon_inode:[eventpoll]".into()
    }
}
