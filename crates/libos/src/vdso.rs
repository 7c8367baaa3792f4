//! The vDSO: clocks that the application reads by itself.
//!
//! Time is published in memory of the image, for all processes at once; each process has the code, mapped by the
//! loader. A reader that meets a writer, a clock without a rate or one whose anchor is old makes the system call.

use core::sync::atomic::{AtomicU64, Ordering};

use enclave_rt::vdso::{CLOCK_WORDS, object};

use crate::{
    errno::Result,
    rt,
    sync::Lock,
    vm::{
        PAGE,
        area::{Area, Label, Prot},
        space::AddressSpace,
    },
};

/// Which clock, as the vDSO's code counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Real = 0,
    Monotonic = 1,
}

/// A clock's state: `enclave_rt::vdso` names the words.
#[derive(Debug)]
#[repr(align(64))]
struct Published([AtomicU64; CLOCK_WORDS]);

static CLOCKS: [Published; 2] =
    [const { Published([const { AtomicU64::new(0) }; CLOCK_WORDS]) }; 2];

/// What a clock says until it is published again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) tsc: u64,
    pub(crate) ns: u64,
    /// Nanoseconds per tick with 32 fraction bits; 0: ask.
    pub(crate) rate: u64,
    /// Ticks that this is good for.
    pub(crate) ticks: u64,
}

/// Publishes what `read` finds. Nobody reads the clock meanwhile, so `read` knows the latest time that anybody can
/// have seen. One caller at a time for each clock.
pub(crate) fn publish(which: Which, read: impl FnOnce() -> Reading) -> Reading {
    let [sequence, tsc, ns, rate, ticks, ..] = &CLOCKS[which as usize].0;
    let before = sequence.fetch_or(1, Ordering::SeqCst);
    let reading = read();
    tsc.store(reading.tsc, Ordering::SeqCst);
    ns.store(reading.ns, Ordering::SeqCst);
    rate.store(reading.rate, Ordering::SeqCst);
    ticks.store(reading.ticks, Ordering::SeqCst);
    sequence.store((before | 1).wrapping_add(1), Ordering::SeqCst);
    reading
}

/// Maps the vDSO and returns its address, which `AT_SYSINFO_EHDR` announces.
///
/// # Errors
/// ENOMEM.
pub(crate) fn map(space: &Lock<AddressSpace>) -> Result<u64> {
    let bytes = object(core::ptr::from_ref(&CLOCKS).addr() as u64);
    let mut space = space.lock();
    let reserved = space.memory().reserve_below(space.bounds().end, PAGE)?;
    let (at, page) = (reserved.start(), reserved.range());
    space.map(page.clone(), Area::labelled(Prot::READ_WRITE, Label::Vdso))?;
    let _ = space.populate(page.clone());
    rt::write_user(at, &bytes).map_err(|_| crate::errno::Errno::ENOMEM)?;
    space.protect(page, Prot::READ.union(Prot::EXEC))?;
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_marked_while_it_is_written() {
        let word = |index: usize| CLOCKS[1].0[index].load(Ordering::SeqCst);
        let reading = Reading { tsc: 1, ns: 2, rate: 3, ticks: 4 };
        let before = word(0);
        publish(Which::Monotonic, || {
            assert_eq!(word(0) % 2, 1, "odd while it is written");
            reading
        });
        assert_eq!(word(0) % 2, 0);
        assert_ne!(word(0), before);
        assert_eq!([word(1), word(2), word(3), word(4)], [1, 2, 3, 4]);
    }
}
