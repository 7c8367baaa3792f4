//! `futex(2)`: wait, wake, requeue, bitsets.
//!
//! A waiter queues itself before it looks at the word, so a wake between the two finds it. The word is looked at
//! without the table's lock held: reading it may fault.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::{Call, uint};
use crate::{
    errno::{Errno, Result},
    linux::{
        sched::{
            FUTEX_CLOCK_REALTIME, FUTEX_CMP_REQUEUE, FUTEX_OWNER_DIED, FUTEX_PRIVATE_FLAG,
            FUTEX_REQUEUE, FUTEX_TID_MASK, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAITERS,
            FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP, ROBUST_LIST_LIMIT,
        },
        time::{CLOCK_MONOTONIC, CLOCK_REALTIME},
    },
    process::thread::Thread,
    sync::Mutex,
    time,
    wait::{self, Sleeper, Stop, Waiter},
};

/// Every bit of a bitset.
const MATCH_ANY: u32 = u32::MAX;

/// A word of an address space, or of the memory that several share (number 0).
type Key = (u64, u64);

struct Sleeping {
    key: Key,
    bitset: u32,
    waiter: Arc<Waiter>,
    woken: Arc<AtomicBool>,
}

/// Everybody who waits, oldest first.
static SLEEPING: Mutex<Vec<Sleeping>> = Mutex::new(Vec::new());

fn key(call: &Call<'_>, uaddr: u64) -> Result<Key> {
    key_of(call.thread, uaddr)
}

fn key_of(thread: &Thread, uaddr: u64) -> Result<Key> {
    if !uaddr.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    // Shared memory has the same addresses in every process.
    let shared = thread.space.lock().is_shared(uaddr);
    Ok((if shared { 0 } else { thread.space.id() }, uaddr))
}

/// `futex(2)`.
pub(crate) fn sys_futex(call: &mut Call<'_>) -> Result<u64> {
    let [uaddr, op, val, timeout, uaddr2, val3] = call.args;
    let op = u64::from(uint(op));
    let clock = if op & FUTEX_CLOCK_REALTIME != 0 { CLOCK_REALTIME } else { CLOCK_MONOTONIC };
    match op & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME) {
        FUTEX_WAIT => {
            // Relative, on the monotonic clock whatever the flag says.
            let relative = call.user().timespec_or_none(timeout)?;
            let deadline = relative.map(|t| time::after(t.to_ns()));
            wait_on(call, uaddr, uint(val), MATCH_ANY, deadline)
        }
        FUTEX_WAIT_BITSET => {
            let until = call.user().timespec_or_none(timeout)?;
            let deadline = until.map(|t| time::deadline(clock, t.to_ns())).transpose()?;
            wait_on(call, uaddr, uint(val), uint(val3), deadline)
        }
        FUTEX_WAKE => wake(key(call, uaddr)?, uint(val), MATCH_ANY),
        FUTEX_WAKE_BITSET if uint(val3) == 0 => Err(Errno::EINVAL),
        FUTEX_WAKE_BITSET => wake(key(call, uaddr)?, uint(val), uint(val3)),
        FUTEX_REQUEUE => requeue(call, uaddr, uaddr2, uint(val), uint(timeout)),
        FUTEX_CMP_REQUEUE => {
            if call.user().load_u32(uaddr)? != uint(val3) {
                return Err(Errno::EAGAIN);
            }
            requeue(call, uaddr, uaddr2, uint(val), uint(timeout))
        }
        FUTEX_WAKE_OP => wake_op(call, uaddr, uaddr2, (uint(val), uint(timeout)), uint(val3)),
        _ => Err(Errno::ENOSYS),
    }
}

fn wait_on(
    call: &Call<'_>,
    uaddr: u64,
    val: u32,
    bitset: u32,
    deadline_ns: Option<u64>,
) -> Result<u64> {
    if bitset == 0 {
        return Err(Errno::EINVAL);
    }
    let key = key(call, uaddr)?;
    let woken = Arc::new(AtomicBool::new(false));
    let waiter = Arc::clone(call.thread.waiter());
    SLEEPING.lock().push(Sleeping { key, bitset, waiter, woken: Arc::clone(&woken) });
    let outcome = match call.user().load_u32(uaddr) {
        Err(error) => Err(error),
        Ok(found) if found != val => Err(Errno::EAGAIN),
        Ok(_) => {
            let waited = wait::wait_for(&**call.thread, &[], deadline_ns, || {
                woken.load(SeqCst).then_some(0)
            });
            waited.map_err(|stop| match stop {
                Stop::TimedOut => Errno::ETIMEDOUT,
                Stop::Interrupted if deadline_ns.is_some() => Errno::EINTR,
                Stop::Interrupted => Errno::RESTART,
            })
        }
    };
    SLEEPING.lock().retain(|s| !Arc::ptr_eq(&s.woken, &woken));
    // A wake that came together with another end must not be lost.
    if woken.load(SeqCst) { Ok(0) } else { outcome }
}

/// Wakes up to `count` waiters.
fn wake(key: Key, count: u32, bitset: u32) -> Result<u64> {
    let mut waking = Vec::new();
    SLEEPING.lock().retain(|sleeping| {
        let chosen = sleeping.key == key
            && sleeping.bitset & bitset != 0
            && waking.len() < usize::try_from(count).unwrap_or(usize::MAX);
        if chosen {
            sleeping.woken.store(true, SeqCst);
            waking.push(Arc::clone(&sleeping.waiter));
        }
        !chosen
    });
    for waiter in &waking {
        waiter.wake();
    }
    Ok(waking.len() as u64)
}

fn requeue(call: &Call<'_>, from: u64, to: u64, count: u32, moves: u32) -> Result<u64> {
    let (from, to) = (key(call, from)?, key(call, to)?);
    let woken = wake(from, count, MATCH_ANY)?;
    let mut moved = 0;
    for sleeping in SLEEPING.lock().iter_mut().filter(|s| s.key == from) {
        if moved == moves {
            break;
        }
        sleeping.key = to;
        moved += 1;
    }
    Ok(woken + u64::from(moved))
}

/// `FUTEX_WAKE_OP`: changes the second word and wakes its waiters if the old value passes a comparison.
fn wake_op(
    call: &Call<'_>,
    uaddr: u64,
    uaddr2: u64,
    (count, count2): (u32, u32),
    encoded: u32,
) -> Result<u64> {
    let sign_extend = |v: u32| ((v << 20).cast_signed() >> 20).cast_unsigned();
    let (op, compare) = (encoded >> 28 & 0xf, encoded >> 24 & 0xf);
    let (mut oparg, cmparg) = (sign_extend(encoded >> 12 & 0xfff), sign_extend(encoded & 0xfff));
    if op & 8 != 0 {
        oparg = 1u32.wrapping_shl(oparg);
    }
    let (first, second) = (key(call, uaddr)?, key(call, uaddr2)?);
    let old = loop {
        let old = call.user().load_u32(uaddr2)?;
        let new = match op & 7 {
            0 => oparg,
            1 => old.wrapping_add(oparg),
            2 => old | oparg,
            3 => old & !oparg,
            4 => old ^ oparg,
            _ => return Err(Errno::ENOSYS),
        };
        if call.user().compare_exchange_u32(uaddr2, old, new)? == old {
            break old;
        }
    };
    let (signed, against) = (old.cast_signed(), cmparg.cast_signed());
    let passes = match compare {
        0 => signed == against,
        1 => signed != against,
        2 => signed < against,
        3 => signed <= against,
        4 => signed > against,
        5 => signed >= against,
        _ => return Err(Errno::ENOSYS),
    };
    let woken = wake(first, count, MATCH_ANY)?;
    Ok(woken + if passes { wake(second, count2, MATCH_ANY)? } else { 0 })
}

/// What a thread's end does to its futexes: robust locks are given up, the joiner is woken.
pub(crate) fn leave(thread: &Thread) {
    let head = thread.robust_list.load(SeqCst);
    if head != 0 {
        // A list the program has damaged ends here; the thread ends anyway.
        let _ = give_up_robust(thread, head);
    }
    let tid_word = thread.clear_tid();
    if tid_word != 0 && thread.user().write_u32(tid_word, 0).is_ok() {
        let _ = key_of(thread, tid_word).and_then(|key| wake(key, 1, MATCH_ANY));
    }
}

/// Walks `struct robust_list_head`: next, offset of the futex word, pending entry.
fn give_up_robust(thread: &Thread, head: u64) -> Result<()> {
    let user = thread.user();
    let offset = user.u64(head.wrapping_add(8))?;
    let pending = user.u64(head.wrapping_add(16))?;
    let mut entry = user.u64(head)?;
    for _ in 0..ROBUST_LIST_LIMIT {
        if entry & !1 == head {
            break;
        }
        let next = user.u64(entry & !1)?;
        if entry != pending {
            mark_dead(thread, (entry & !1).wrapping_add(offset))?;
        }
        entry = next;
    }
    if pending != 0 { mark_dead(thread, (pending & !1).wrapping_add(offset)) } else { Ok(()) }
}

fn mark_dead(thread: &Thread, word: u64) -> Result<()> {
    let user = thread.user();
    loop {
        let old = user.load_u32(word)?;
        if old & FUTEX_TID_MASK != thread.tid {
            return Ok(());
        }
        let new = old & FUTEX_WAITERS | FUTEX_OWNER_DIED;
        if user.compare_exchange_u32(word, old, new)? == old {
            if old & FUTEX_WAITERS != 0 {
                wake(key_of(thread, word)?, 1, MATCH_ANY)?;
            }
            return Ok(());
        }
    }
}
