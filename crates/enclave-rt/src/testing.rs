//! The runtime's API over a fake host and fake page tables, for tests of everything above it.
//!
//! A [`Machine`] is installed per thread; threads of one test can share one. The fake host is a
//! closure, so a test can lie at any ocall. What it does not model: entry, exceptions, real
//! concurrency of page accesses, and keys (EREPORT and EGETKEY give recognisable constants).

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use enclave_abi::{bytes::u64_at, ocall};

use crate::epc::Perms;

/// Where the fake shared buffer pretends to lie.
pub const SHARED_BASE: u64 = 0x7f00_0000_0000;
const SHARED_LEN: usize = 1 << 20;
const PAGE: u64 = 4096;

/// An ocall as the fake host sees it.
#[derive(Debug)]
pub struct Call<'a> {
    /// The ocall's number, see [`ocall::Ocall`].
    pub number: u64,
    /// The system call's number for `Ocall::Syscall`.
    pub detail: u64,
    /// Arguments; addresses point into the shared buffer.
    pub args: [u64; 6],
    /// Second result word.
    pub extra: u64,
    buffer: &'a mut [u8],
}

impl Call<'_> {
    /// The `len` bytes of the shared buffer at address `address`.
    ///
    /// # Panics
    /// When the range is not in the buffer: the code under test passed a wrong address.
    pub fn bytes(&mut self, address: u64, len: usize) -> &mut [u8] {
        let at = usize::try_from(address - SHARED_BASE).expect("shared addresses fit usize");
        self.buffer.get_mut(at..at + len).expect("argument lies in the shared buffer")
    }
}

/// The fake host: answers an ocall with its result word.
pub type Host = dyn FnMut(&mut Call<'_>) -> i64 + Send;

struct Page {
    bytes: Box<[u8; 4096]>,
    perms: Perms,
}

/// A fake enclave for one test.
pub struct Machine {
    pages: Mutex<BTreeMap<u64, Page>>,
    host: Mutex<Box<Host>>,
    log: Mutex<Vec<String>>,
    epc_pages: Mutex<u64>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

struct Thread {
    machine: Arc<Machine>,
    index: u64,
    buffer: Vec<u8>,
    random: u64,
    events: u64,
}

thread_local! {
    static THREAD: RefCell<Option<Thread>> = const { RefCell::new(None) };
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// A machine whose host answers with `host`. Log lines are kept, not passed to it.
    pub fn new(host: impl FnMut(&mut Call<'_>) -> i64 + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            pages: Mutex::default(),
            host: Mutex::new(Box::new(host)),
            log: Mutex::default(),
            epc_pages: Mutex::new(u64::MAX),
        })
    }

    /// Makes the calling thread thread block `index` of this machine.
    pub fn install(self: &Arc<Self>, index: u64) {
        let thread = Thread {
            machine: Arc::clone(self),
            index,
            buffer: vec![0; SHARED_LEN],
            random: 0x9e37_79b9_7f4a_7c15,
            events: 0,
        };
        THREAD.with(|slot| *slot.borrow_mut() = Some(thread));
    }

    /// Tells the calling thread of events, as an entry does.
    pub fn tell(events: u64) {
        with(|thread| thread.events |= events);
    }

    /// Limits the pages that can be committed.
    pub fn set_epc_pages(&self, pages: u64) {
        *lock(&self.epc_pages) = pages;
    }

    /// Replaces the host.
    pub fn set_host(&self, host: impl FnMut(&mut Call<'_>) -> i64 + Send + 'static) {
        *lock(&self.host) = Box::new(host);
    }

    /// Log lines so far.
    pub fn log_lines(&self) -> Vec<String> {
        lock(&self.log).clone()
    }

    /// Permissions of the page at `address`, if it is committed.
    pub fn perms(&self, address: u64) -> Option<Perms> {
        lock(&self.pages).get(&(address / PAGE)).map(|page| page.perms)
    }

    /// Number of committed pages.
    pub fn committed(&self) -> usize {
        lock(&self.pages).len()
    }

    fn for_each(&self, address: u64, len: u64, mut change: impl FnMut(u64, &mut Page)) {
        let mut pages = lock(&self.pages);
        for number in address / PAGE..(address + len).div_ceil(PAGE) {
            let page = pages.get_mut(&number).expect("page operation on an absent page");
            change(number, page);
        }
    }
}

fn with<R>(run: impl FnOnce(&mut Thread) -> R) -> R {
    THREAD
        .with(|slot| run(slot.borrow_mut().as_mut().expect("no Machine installed on this thread")))
}

fn machine() -> Arc<Machine> {
    with(|thread| Arc::clone(&thread.machine))
}

/// What the safe API calls; the image has its own.
pub(crate) mod backend {
    use sgx_types::{KeyRequest, Report, SgxError, TargetInfo};

    use super::{
        BTreeMap, Call, PAGE, Page, SHARED_BASE, SHARED_LEN, lock, machine, ocall, u64_at, with,
    };
    use crate::{
        epc::{Perms, Refused},
        user::Fault,
        xstate::Area,
    };

    pub(crate) fn shared_base() -> u64 {
        SHARED_BASE
    }

    pub(crate) fn shared_len() -> usize {
        SHARED_LEN
    }

    pub(crate) fn shared_write(at: usize, bytes: &[u8]) {
        with(|thread| thread.buffer[at..at + bytes.len()].copy_from_slice(bytes));
    }

    pub(crate) fn shared_read(at: usize, out: &mut [u8]) {
        with(|thread| out.copy_from_slice(&thread.buffer[at..at + out.len()]));
    }

    pub(crate) fn exit_for_ocall() {
        let (machine, mut buffer) =
            with(|thread| (machine_of(thread), std::mem::take(&mut thread.buffer)));
        let word = |i: usize| u64_at(&buffer, i * 8).expect("the frame fits the buffer");
        let mut args = [0; 6];
        for (i, arg) in args.iter_mut().enumerate() {
            *arg = word(i + 2);
        }
        let (number, detail) = (word(0), word(1));
        let mut call = Call { number, detail, args, extra: 0, buffer: &mut buffer };
        let result = if number == ocall::Ocall::Log as u64 {
            let len = usize::try_from(args[2]).expect("log lines are short");
            let text = String::from_utf8_lossy(call.bytes(args[1], len)).into_owned();
            lock(&machine.log).push(text);
            0
        } else {
            let mut host = lock(&machine.host);
            (*host)(&mut call)
        };
        let extra = call.extra;
        buffer[ocall::RESULT..ocall::RESULT + 8].copy_from_slice(&result.to_le_bytes());
        buffer[ocall::EXTRA..ocall::EXTRA + 8].copy_from_slice(&extra.to_le_bytes());
        with(|thread| thread.buffer = buffer);
    }

    fn machine_of(thread: &super::Thread) -> std::sync::Arc<super::Machine> {
        std::sync::Arc::clone(&thread.machine)
    }

    fn walk(
        pages: &mut BTreeMap<u64, Page>,
        address: u64,
        len: usize,
        write: bool,
        mut copy: impl FnMut(&mut [u8], usize),
    ) -> Result<(), Fault> {
        let mut done = 0;
        while done < len {
            let at = address.checked_add(done as u64).ok_or(Fault { address, write })?;
            let within = usize::try_from(at % PAGE).expect("page offsets are small");
            let n = (4096 - within).min(len - done);
            let allowed = |page: &&mut Page| if write { page.perms.write } else { page.perms.read };
            let page = pages.get_mut(&(at / PAGE)).filter(allowed);
            let page = page.ok_or(Fault { address: at, write })?;
            copy(&mut page.bytes[within..within + n], done);
            done += n;
        }
        Ok(())
    }

    pub(crate) fn user_read(address: u64, out: &mut [u8]) -> Result<(), Fault> {
        let machine = machine();
        let len = out.len();
        walk(&mut lock(&machine.pages), address, len, false, |page, done| {
            out[done..done + page.len()].copy_from_slice(page);
        })
    }

    pub(crate) fn user_write(address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let machine = machine();
        walk(&mut lock(&machine.pages), address, bytes.len(), true, |page, done| {
            page.copy_from_slice(&bytes[done..done + page.len()]);
        })
    }

    pub(crate) fn user_zero(address: u64, len: u64) -> Result<(), Fault> {
        let machine = machine();
        let len = usize::try_from(len).expect("lengths fit usize");
        walk(&mut lock(&machine.pages), address, len, true, |page, _| page.fill(0))
    }

    pub(crate) fn user_copy(from: u64, to: u64, len: u64) -> Result<(), Fault> {
        let mut bytes = vec![0; usize::try_from(len).expect("lengths fit usize")];
        user_read(from, &mut bytes)?;
        user_write(to, &bytes)
    }

    pub(crate) fn user_exchange(one: u64, other: u64, len: u64) -> Result<(), Fault> {
        let len = usize::try_from(len).expect("lengths fit usize");
        let (mut first, mut second) = (vec![0; len], vec![0; len]);
        user_read(one, &mut first)?;
        user_read(other, &mut second)?;
        user_write(one, &second).expect("the pages of an exchange are writable");
        user_write(other, &first).expect("the pages of an exchange are writable");
        Ok(())
    }

    pub(crate) fn user_load_u32(address: u64) -> Result<u32, Fault> {
        if !address.is_multiple_of(4) {
            return Err(Fault { address, write: false });
        }
        let mut bytes = [0; 4];
        user_read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(crate) fn user_compare_exchange_u32(
        address: u64,
        expected: u32,
        new: u32,
    ) -> Result<u32, Fault> {
        if !address.is_multiple_of(4) {
            return Err(Fault { address, write: true });
        }
        let machine = machine();
        let mut old = 0;
        walk(&mut lock(&machine.pages), address, 4, true, |page, _| {
            old = u32::from_le_bytes(page.try_into().expect("an aligned word lies in one page"));
            if old == expected {
                page.copy_from_slice(&new.to_le_bytes());
            }
        })?;
        Ok(old)
    }

    pub(crate) fn user_to_shared(address: u64, at: usize, len: usize) -> Result<(), Fault> {
        let mut bytes = vec![0; len];
        user_read(address, &mut bytes)?;
        shared_write(at, &bytes);
        Ok(())
    }

    pub(crate) fn shared_to_user(at: usize, address: u64, len: usize) -> Result<(), Fault> {
        let mut bytes = vec![0; len];
        shared_read(at, &mut bytes);
        user_write(address, &bytes)
    }

    pub(crate) fn accept_new(address: u64, len: u64) -> Result<(), Refused> {
        let machine = machine();
        let mut pages = lock(&machine.pages);
        if pages.len() as u64 + len / PAGE > *lock(&machine.epc_pages) {
            return Err(Refused { address, cause: crate::host::Error::Errno(12) });
        }
        for number in address / PAGE..(address + len).div_ceil(PAGE) {
            let page = Page { bytes: Box::new([0; 4096]), perms: Perms::RW };
            assert!(pages.insert(number, page).is_none(), "page {number:#x} accepted twice");
        }
        Ok(())
    }

    pub(crate) fn extend(address: u64, len: u64, perms: Perms) {
        machine().for_each(address, len, |_, page| {
            page.perms.read |= perms.read;
            page.perms.write |= perms.write;
            page.perms.execute |= perms.execute;
        });
    }

    #[allow(clippy::unnecessary_wraps, reason = "the image's backend can be refused")]
    pub(crate) fn restrict(address: u64, len: u64, perms: Perms) -> Result<(), Refused> {
        machine().for_each(address, len, |_, page| {
            page.perms.read &= perms.read;
            page.perms.write &= perms.write;
            page.perms.execute &= perms.execute;
        });
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "the image's backend can be refused")]
    pub(crate) fn remove(address: u64, len: u64) -> Result<(), Refused> {
        let machine = machine();
        let mut pages = lock(&machine.pages);
        for number in address / PAGE..(address + len).div_ceil(PAGE) {
            assert!(pages.remove(&number).is_some(), "page {number:#x} removed while absent");
        }
        Ok(())
    }

    pub(crate) fn ereport(target: &TargetInfo, data: &[u8; 64]) -> Report {
        let mut report = Report::default();
        report.body.reportdata = *data;
        report.body.mrenclave = target.measurement;
        report
    }

    #[allow(clippy::unnecessary_wraps, reason = "the image's backend can refuse")]
    pub(crate) fn egetkey(_request: &KeyRequest) -> Result<[u8; 16], SgxError> {
        Ok([0x42; 16])
    }

    pub(crate) fn random_u64() -> u64 {
        with(|thread| {
            // splitmix64: reproducible, which is all a test wants.
            thread.random = thread.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = thread.random;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        })
    }

    pub(crate) fn call_counts() -> (u64, u64) {
        (0, 0)
    }

    pub(crate) fn tsc() -> u64 {
        static TICKS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        TICKS.fetch_add(1000, std::sync::atomic::Ordering::Relaxed)
    }

    /// As if every wide component were initial.
    pub(crate) fn xsave(_area: &mut Area, _mask: u64) {}

    pub(crate) fn xrstor(area: &Area, mask: u64) {
        let word = |at: usize| u64_at(&area.0, at).expect("the header lies in the area");
        assert_eq!(word(520), mask | 1 << 63, "XCOMP_BV");
        assert_eq!(word(512) & !mask, 0, "XSTATE_BV names what the enclave has");
    }

    pub(crate) fn take_events() -> u64 {
        with(|thread| std::mem::take(&mut thread.events))
    }

    pub(crate) fn xcr0() -> u64 {
        7
    }

    pub(crate) fn thread_index() -> u64 {
        with(|thread| thread.index)
    }

    pub(crate) fn expect_thread(index: u64) -> u64 {
        index
    }

    pub(crate) fn exit_thread() -> ! {
        panic!("thread {} exited", thread_index())
    }

    pub(crate) fn park_word() -> u32 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{epc, host, user};

    #[test]
    fn a_request_reaches_the_host_and_its_output_comes_back() {
        let machine = Machine::new(|call| {
            assert_eq!((call.number, call.detail, call.args[0]), (1, 0, 7));
            let (address, len) = (call.args[1], 5);
            call.bytes(address, len).copy_from_slice(b"hello");
            5
        });
        machine.install(0);
        let reply =
            host::Request::syscall(ocall::READ).value(7).output(64).value(64).send().unwrap();
        let mut out = [0; 5];
        reply.copy_out(1, &mut out);
        assert_eq!((reply.value, &out), (5, b"hello"));
    }

    #[test]
    fn a_longer_answer_than_asked_for_is_a_lie() {
        Machine::new(|_| 65).install(0);
        let answer = host::Request::syscall(ocall::READ).value(7).output(64).value(64).send();
        assert_eq!(answer.unwrap_err(), host::Error::Lie("read"));
    }

    #[test]
    fn user_memory_faults_where_nothing_is_committed() {
        Machine::new(|_| 0).install(0);
        epc::accept(0x40_0000, 4096, epc::Perms::R).unwrap();
        let mut out = [0; 8];
        assert_eq!(user::read(0x40_0ffc, &mut out).unwrap_err().address, 0x40_1000);
        assert_eq!(
            user::write(0x40_0000, &[1]).unwrap_err(),
            user::Fault { address: 0x40_0000, write: true }
        );
    }
}
