//! Whose turn it is among address spaces that need the same addresses.
//!
//! A thread is inside its address space while it runs the program or works on the program's memory, and
//! outside while it waits. Another address space of the seat comes in when no thread of the present one is
//! inside any more: when all of them wait, or when its slice is over and each has passed a system call or an
//! event. The slice is at least ten times what the last exchange took (docs/adr/0005).

use alloc::{
    collections::VecDeque,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::{
    ops::Deref,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use super::{memory::Memory, space::AddressSpace};
use crate::{
    errno::Result,
    process,
    sync::{Lock, Mutex},
    time,
    wait::Waiter,
};

/// Shortest slice in nanoseconds.
const SLICE_MIN_NS: u64 = 4_000_000;
/// A slice in exchanges.
const SLICE_EXCHANGES: u64 = 10;

/// Numbers of address spaces. 0 is nobody.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// An address space and how to get into it.
#[derive(Debug)]
pub(crate) struct Space {
    memory: Lock<AddressSpace>,
    seat: Arc<Seat>,
    id: u64,
    /// Processes that have it: more than one after `vfork(2)`.
    users: AtomicUsize,
}

impl Deref for Space {
    type Target = Lock<AddressSpace>;

    fn deref(&self) -> &Self::Target {
        &self.memory
    }
}

impl Space {
    /// An empty address space on a seat of its own, or on that of all programs with fixed addresses.
    pub(crate) fn new(memory: &Arc<Memory>, fixed: bool) -> Arc<Self> {
        let seat = if fixed { Arc::clone(memory.fixed_seat()) } else { Seat::new() };
        let id = NEXT_ID.fetch_add(1, SeqCst);
        Self::sit_down(AddressSpace::empty(Arc::clone(memory), Arc::clone(&seat), id), seat, id)
    }

    fn sit_down(space: AddressSpace, seat: Arc<Seat>, id: u64) -> Arc<Self> {
        let space =
            Arc::new(Self { memory: Lock::new(space), seat, id, users: AtomicUsize::new(1) });
        space.seat.members.lock().push((id, Arc::downgrade(&space)));
        space
    }

    /// A copy for a forked process. The caller is inside.
    pub(crate) fn fork(&self) -> Result<Arc<Self>> {
        let id = NEXT_ID.fetch_add(1, SeqCst);
        // Held until the copy is among the members, so that nobody misses it.
        let original = self.memory.lock();
        let copy = original.fork(id)?;
        Ok(Self::sit_down(copy, Arc::clone(&self.seat), id))
    }

    /// A number that no other address space has had.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// One more process has it.
    pub(crate) fn share(self: &Arc<Self>) -> Arc<Self> {
        self.users.fetch_add(1, SeqCst);
        Arc::clone(self)
    }

    /// One process less has it; the last one's end frees all memory. The caller is inside.
    pub(crate) fn give_up(&self) {
        if self.users.fetch_sub(1, SeqCst) != 1 {
            return;
        }
        self.memory.lock().clear();
        self.seat.members.lock().retain(|(id, _)| *id != self.id);
    }

    /// Waits until this address space is in, and keeps it in until [`Self::leave`].
    pub(crate) fn enter(&self) {
        let hurry = self.seat.hurry.load(SeqCst);
        if !self.seat.state.lock().enter(self.id, hurry) {
            self.wait_for_turn();
        }
    }

    fn wait_for_turn(&self) {
        let seat = &self.seat;
        let waiter = Waiter::current();
        seat.state.lock().queue.push_back((self.id, Arc::clone(&waiter)));
        loop {
            let hurry = seat.hurry.load(SeqCst);
            let turn = seat.state.lock().turn(self.id, &waiter, hurry);
            match turn {
                Turn::In => return seat.wake_first(),
                Turn::Switch => return self.come_in(),
                Turn::Wait => waiter.park(None),
                Turn::First { since_ns, slice_ns } => {
                    let gone = time::monotonic_ns().saturating_sub(since_ns);
                    match slice_ns.checked_sub(gone) {
                        Some(left) if left > 0 => waiter.park(Some(left)),
                        _ => {
                            seat.hurry.store(true, SeqCst);
                            let resident = seat.state.lock().resident;
                            process::interrupt_in(|space| space.id == resident);
                            waiter.park(None);
                        }
                    }
                }
            }
        }
    }

    fn come_in(&self) {
        let started = time::monotonic_ns();
        if let Err(errno) = self.memory.lock().come_in() {
            // Half of it may be in: nobody can run here any more.
            let text = alloc::format!("no memory left to switch processes: {errno}");
            crate::log::line(crate::log::Level::Error, &text);
            enclave_rt::host::exit_process(256 + 9);
        }
        let now = time::monotonic_ns();
        let mut state = self.seat.state.lock();
        state.switching = false;
        state.since_ns = now;
        state.slice_ns = SLICE_MIN_NS.max((now - started) * SLICE_EXCHANGES);
        self.seat.hurry.store(false, SeqCst);
        let own = state.queue.iter().filter(|(id, _)| *id == self.id);
        let mut waking: Vec<Arc<Waiter>> = own.map(|(_, waiter)| Arc::clone(waiter)).collect();
        waking.extend(state.queue.front().map(|(_, waiter)| Arc::clone(waiter)));
        drop(state);
        waking.iter().for_each(|waiter| waiter.wake());
    }

    /// Lets others of the seat come in.
    pub(crate) fn leave(&self) {
        let last = {
            let mut state = self.seat.state.lock();
            state.inside -= 1;
            state.inside == 0 && !state.queue.is_empty()
        };
        if last {
            self.seat.wake_first();
        }
    }

    /// Whether others of the seat are to have their turn.
    pub(crate) fn is_wanted(&self) -> bool {
        self.seat.hurry.load(SeqCst)
    }

    /// Lets others of the seat have their turn if the slice is over.
    pub(crate) fn pause(&self) {
        if self.is_wanted() {
            self.leave();
            self.enter();
        }
    }
}

/// A place for one address space at a time.
#[derive(Debug)]
pub(crate) struct Seat {
    state: Mutex<State>,
    members: Mutex<Vec<(u64, Weak<Space>)>>,
    /// Somebody waits and the slice is over.
    hurry: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// The address space that is in.
    resident: u64,
    /// Its threads that are inside.
    inside: usize,
    switching: bool,
    queue: VecDeque<(u64, Arc<Waiter>)>,
    since_ns: u64,
    slice_ns: u64,
}

enum Turn {
    /// Its address space is in.
    In,
    /// It is to bring its address space in.
    Switch,
    Wait,
    /// It waits as the first, for the end of the slice.
    First {
        since_ns: u64,
        slice_ns: u64,
    },
}

impl Seat {
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            resident: 0,
            inside: 0,
            switching: false,
            queue: VecDeque::new(),
            since_ns: 0,
            slice_ns: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            members: Mutex::new(Vec::new()),
            hurry: AtomicBool::new(false),
        })
    }

    /// The address spaces on it but one.
    pub(super) fn others(&self, id: u64) -> Vec<Arc<Space>> {
        let members = self.members.lock();
        members.iter().filter(|(m, _)| *m != id).filter_map(|(_, space)| space.upgrade()).collect()
    }

    /// Whether there is more than one address space on it.
    pub(super) fn is_shared(&self) -> bool {
        self.members.lock().len() > 1
    }

    fn wake_first(&self) {
        let first = self.state.lock().queue.front().map(|(_, waiter)| Arc::clone(waiter));
        if let Some(first) = first {
            first.wake();
        }
    }
}

impl State {
    /// Gets in without waiting.
    fn enter(&mut self, id: u64, hurry: bool) -> bool {
        let free = self.resident == id && !self.switching;
        if free && (self.queue.is_empty() || (self.inside > 0 && !hurry)) {
            self.inside += 1;
            return true;
        }
        false
    }

    /// What a thread in the queue does next.
    fn turn(&mut self, id: u64, waiter: &Arc<Waiter>, hurry: bool) -> Turn {
        if self.switching {
            return Turn::Wait;
        }
        let first = self.queue.front().is_some_and(|(_, w)| Arc::ptr_eq(w, waiter));
        let in_already = self.resident == id && (first || (self.inside > 0 && !hurry));
        let comes_in = self.resident != id && self.inside == 0 && first;
        if in_already || comes_in {
            self.queue.retain(|(_, w)| !Arc::ptr_eq(w, waiter));
            self.inside += 1;
        }
        if in_already {
            return Turn::In;
        }
        if comes_in {
            self.resident = id;
            self.switching = true;
            return Turn::Switch;
        }
        if first {
            return Turn::First { since_ns: self.since_ns, slice_ns: self.slice_ns };
        }
        Turn::Wait
    }
}
