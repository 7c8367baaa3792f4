//! The safe API's backend inside an enclave.

use core::arch::asm;

use enclave_abi::{
    entry::{ABORT_LEAF, ABORT_NO_ENTROPY},
    layout::{APP_BASE, PAGE},
    ocall::Ocall,
};
use sgx_types::{
    Align16, Align64, Align128, Align512, Enclu, KeyRequest, PageType, Report, SecInfo,
    SecInfoFlags, SgxError, TargetInfo,
};

use super::{abort, app_end};
use crate::{
    FromHost,
    arch::{self, tcb},
    epc::{Perms, Refused},
    from_host::HostRange,
    host,
    user::Fault,
    xstate::Area,
};

/// What the driver says when no EPC page is left.
const ENOMEM: u16 = 12;

pub(crate) fn shared_base() -> u64 {
    tcb::load(tcb::BUFFER_ADDR)
}

pub(crate) fn shared_len() -> usize {
    usize::try_from(tcb::load(tcb::BUFFER_LEN)).unwrap_or(0)
}

/// Address of `len` bytes at `at` in the shared buffer; ends the enclave if they do not fit, which
/// would be a mistake of this crate.
fn shared(at: usize, len: usize) -> u64 {
    let fits = at.checked_add(len).is_some_and(|end| end <= shared_len());
    assert!(fits, "access of {len} bytes at {at} leaves the shared buffer");
    shared_base() + at as u64
}

fn copy(to: u64, from: u64, len: usize) -> usize {
    // SAFETY: the callers below check that one side is host or application memory, to which no
    // reference exists, and that the other is a live Rust buffer of at least `len` bytes or host memory.
    unsafe { arch::casemate_rt_copy(to, from, len) }
}

pub(crate) fn shared_write(at: usize, bytes: &[u8]) {
    let to = shared(at, bytes.len());
    copy(to, bytes.as_ptr() as u64, bytes.len());
}

pub(crate) fn shared_read(at: usize, out: &mut [u8]) {
    let from = shared(at, out.len());
    copy_from_host(from, out);
}

/// Copies host memory that the caller has checked to lie outside ELRANGE.
pub(crate) fn copy_from_host(from: u64, out: &mut [u8]) {
    if copy(out.as_mut_ptr() as u64, from, out.len()) != 0 {
        out.fill(0);
    }
}

pub(crate) fn exit_for_ocall() {
    // SAFETY: the frame was just written at the start of the checked shared buffer; the routine keeps
    // what the ABI says must survive a call.
    unsafe { arch::casemate_rt_ocall(shared_base()) };
}

/// Checks that a range lies in application memory.
fn user_range(address: u64, len: usize, write: bool) -> Result<(), Fault> {
    let end = address.checked_add(len as u64).ok_or(Fault { address, write })?;
    if address < APP_BASE && len > 0 {
        return Err(Fault { address, write });
    }
    if end > app_end() {
        return Err(Fault { address: address.max(app_end()), write });
    }
    Ok(())
}

/// Turns the bytes a copy left over into a fault.
fn finished(left: usize, write: bool) -> Result<(), Fault> {
    if left == 0 { Ok(()) } else { Err(Fault { address: tcb::load(tcb::FAULT_ADDR), write }) }
}

pub(crate) fn user_read(address: u64, out: &mut [u8]) -> Result<(), Fault> {
    user_range(address, out.len(), false)?;
    finished(copy(out.as_mut_ptr() as u64, address, out.len()), false)
}

pub(crate) fn user_write(address: u64, bytes: &[u8]) -> Result<(), Fault> {
    user_range(address, bytes.len(), true)?;
    finished(copy(address, bytes.as_ptr() as u64, bytes.len()), true)
}

pub(crate) fn user_zero(address: u64, len: u64) -> Result<(), Fault> {
    let len = usize::try_from(len).map_err(|_| Fault { address, write: true })?;
    user_range(address, len, true)?;
    // SAFETY: the range is application memory, to which no reference exists.
    finished(unsafe { arch::casemate_rt_zero(address, len) }, true)
}

pub(crate) fn user_copy(from: u64, to: u64, len: u64) -> Result<(), Fault> {
    let len = usize::try_from(len).map_err(|_| Fault { address: to, write: true })?;
    user_range(from, len, false)?;
    user_range(to, len, true)?;
    finished(copy(to, from, len), true)
}

pub(crate) fn user_exchange(one: u64, other: u64, len: u64) -> Result<(), Fault> {
    let bytes = usize::try_from(len).map_err(|_| Fault { address: one, write: true })?;
    user_range(one, bytes, true)?;
    user_range(other, bytes, true)?;
    let aligned = (one | other | len).is_multiple_of(64);
    assert!(aligned, "exchange of {len:#x} bytes at {one:#x} and {other:#x} is not aligned");
    // SAFETY: both ranges are application memory, to which no reference exists; their pages are committed and
    // writable, which the caller answers for: if not, the fault ends the enclave.
    unsafe { arch::casemate_rt_exchange(one, other, len) };
    Ok(())
}

pub(crate) fn user_load_u32(address: u64) -> Result<u32, Fault> {
    user_range(address, 4, false)?;
    if !address.is_multiple_of(4) {
        return Err(Fault { address, write: false });
    }
    let mut word = 0;
    // SAFETY: the word is aligned application memory; `word` is a live local.
    let failed = unsafe { arch::casemate_rt_load_u32(address, &raw mut word) };
    if failed == 0 { Ok(word) } else { Err(Fault { address, write: false }) }
}

pub(crate) fn user_compare_exchange_u32(
    address: u64,
    expected: u32,
    new: u32,
) -> Result<u32, Fault> {
    user_range(address, 4, true)?;
    if !address.is_multiple_of(4) {
        return Err(Fault { address, write: true });
    }
    let mut word = 0;
    // SAFETY: the word is aligned application memory; `word` is a live local.
    let failed =
        unsafe { arch::casemate_rt_compare_exchange_u32(address, expected, new, &raw mut word) };
    if failed == 0 { Ok(word) } else { Err(Fault { address, write: true }) }
}

pub(crate) fn user_to_shared(address: u64, at: usize, len: usize) -> Result<(), Fault> {
    user_range(address, len, false)?;
    finished(copy(shared(at, len), address, len), false)
}

pub(crate) fn shared_to_user(at: usize, address: u64, len: usize) -> Result<(), Fault> {
    user_range(address, len, true)?;
    finished(copy(address, shared(at, len), len), true)
}

/// Runs a leaf on each page of a range; a failure ends the enclave.
fn each_page(leaf: Enclu, secinfo: SecInfo, address: u64, len: u64) {
    if try_each_page(leaf, secinfo, address, len).is_err() {
        abort(ABORT_LEAF, arch::LEAF_FAULT);
    }
}

/// Runs a leaf on each page of a range. `Err` with the first page that could not be had because it is not there; any
/// other failure ends the enclave.
fn try_each_page(leaf: Enclu, secinfo: SecInfo, address: u64, len: u64) -> Result<(), u64> {
    let secinfo = Align64(secinfo.to_bytes());
    let operand = secinfo.0.as_ptr() as u64;
    let mut page = address;
    while page < address + len {
        // SAFETY: EACCEPT and EMODPE read the SECINFO operand and change the page's EPCM entry, not its bytes.
        let code = unsafe { arch::casemate_rt_enclu(leaf as u64, operand, page, 0) };
        match code {
            0 => page += PAGE,
            arch::LEAF_FAULT => return Err(page),
            code => abort(ABORT_LEAF, code),
        }
    }
    Ok(())
}

/// Commits absent pages. When the host has no page left, what was committed is given back.
pub(crate) fn accept_new(address: u64, len: u64) -> Result<(), Refused> {
    let flags = SecInfoFlags::R.union(SecInfoFlags::W).union(SecInfoFlags::PENDING);
    let secinfo = SecInfo::new(PageType::Reg, flags);
    let Err(absent) = try_each_page(Enclu::Eaccept, secinfo, address, len) else { return Ok(()) };
    if absent > address && remove(address, absent - address).is_err() {
        abort(ABORT_LEAF, arch::LEAF_FAULT);
    }
    Err(Refused { address: absent, cause: host::Error::Errno(ENOMEM) })
}

fn flags(perms: Perms) -> SecInfoFlags {
    SecInfoFlags::from_bits(perms.bits())
}

pub(crate) fn extend(address: u64, len: u64, perms: Perms) {
    each_page(Enclu::Emodpe, SecInfo::new(PageType::Reg, flags(perms)), address, len);
}

pub(crate) fn restrict(address: u64, len: u64, perms: Perms) -> Result<(), Refused> {
    page_ocall(Ocall::RestrictPages, address, len, perms.bits())?;
    let restricted = flags(perms).union(SecInfoFlags::PR);
    each_page(Enclu::Eaccept, SecInfo::new(PageType::Reg, restricted), address, len);
    Ok(())
}

pub(crate) fn remove(address: u64, len: u64) -> Result<(), Refused> {
    page_ocall(Ocall::ModifyPages, address, len, PageType::Trim as u64)?;
    each_page(Enclu::Eaccept, SecInfo::new(PageType::Trim, SecInfoFlags::MODIFIED), address, len);
    page_ocall(Ocall::RemovePages, address, len, 0)
}

/// Asks the host for a page operation until the whole range is done.
fn page_ocall(ocall: Ocall, address: u64, len: u64, argument: u64) -> Result<(), Refused> {
    host::Request::new(ocall)
        .value(address)
        .value(len)
        .value(argument)
        .send()
        .map(|_| ())
        .map_err(|cause| Refused { address, cause })
}

pub(crate) fn ereport(target: &TargetInfo, data: &[u8; 64]) -> Report {
    let target = Align512(target.to_bytes());
    let data = Align128(*data);
    let mut out = Align512([0_u8; Report::SIZE]);
    // SAFETY: the three operands are live, aligned as EREPORT asks, and the output is 432 bytes.
    unsafe {
        arch::casemate_rt_enclu(
            Enclu::Ereport as u64,
            target.0.as_ptr() as u64,
            data.0.as_ptr() as u64,
            out.0.as_mut_ptr() as u64,
        )
    };
    match Report::from_bytes(&out.0) {
        Ok(report) => report,
        Err(_) => abort(ABORT_LEAF, Enclu::Ereport as u64),
    }
}

pub(crate) fn egetkey(request: &KeyRequest) -> Result<[u8; 16], SgxError> {
    let request = Align512(request.to_bytes());
    let mut out = Align16([0_u8; 16]);
    // SAFETY: both operands are live and aligned as EGETKEY asks; the output is 16 bytes.
    let code = unsafe {
        arch::casemate_rt_enclu(
            Enclu::Egetkey as u64,
            request.0.as_ptr() as u64,
            out.0.as_mut_ptr() as u64,
            0,
        )
    };
    if code == 0 {
        return Ok(out.0);
    }
    match u32::try_from(code).ok().and_then(SgxError::from_number) {
        Some(error) => Err(error),
        None => abort(ABORT_LEAF, code),
    }
}

pub(crate) fn random_u64() -> u64 {
    for _ in 0..32 {
        let (word, ok): (u64, u8);
        // SAFETY: RDRAND writes one register and the flags.
        unsafe {
            asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) ok, options(nomem, nostack))
        };
        if ok == 1 {
            return word;
        }
    }
    abort(ABORT_NO_ENTROPY, 0)
}

pub(crate) fn tsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: RDTSC writes two registers; it is legal in SGX2 enclaves.
    unsafe {
        asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

pub(crate) fn xcr0() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: XGETBV with ECX 0 writes two registers; every processor with SGX has it (OSXSAVE).
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high,
            options(nomem, nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

pub(crate) fn xsave(area: &mut Area, mask: u64) {
    // SAFETY: the area is aligned to 64, holds every component that a mask of `xstate` can name, and its header is
    // zero, as XSAVEC leaves it.
    unsafe {
        asm!("xsavec [{}]", in(reg) area.0.as_mut_ptr(), in("eax") mask as u32,
            in("edx") (mask >> 32) as u32, options(nostack, preserves_flags));
    }
}

/// Loads the components of the mask. The registers that Rust code uses are kept.
pub(crate) fn xrstor(area: &Area, mask: u64) {
    let mut control = 0_u32;
    // SAFETY: 1. The area is aligned, its header is well-formed and MXCSR has no reserved bit, which `xstate`
    // sees to, so XRSTOR does not fault. 2. XMM registers are declared as overwritten and the image's MXCSR is
    // put back; what else changes, the image never uses.
    unsafe {
        asm!("stmxcsr [{control}]", "xrstor [{area}]", "ldmxcsr [{control}]",
            control = in(reg) &raw mut control, area = in(reg) area.0.as_ptr(),
            in("eax") mask as u32, in("edx") (mask >> 32) as u32,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack, preserves_flags));
    }
}

pub(crate) fn take_events() -> u64 {
    tcb::take_events()
}

pub(crate) fn thread_index() -> u64 {
    tcb::load(tcb::INDEX)
}

pub(crate) fn expect_thread(index: u64) -> u64 {
    super::start::expect(index);
    // Thread blocks are a fixed stride apart: the TCS address follows from this thread's own.
    let own = tcb::load(enclave_abi::tcb::SELF);
    let stride = enclave_abi::layout::THREAD_STRIDE;
    let tcs_of_own = own - own % stride;
    tcs_of_own.wrapping_add(index.wrapping_sub(thread_index()).wrapping_mul(stride))
}

/// Sums the counters of all thread blocks.
pub(crate) fn call_counts() -> (u64, u64) {
    let first = super::start::layout().thread(0).tcb;
    let threads = super::start::layout().threads;
    (0..threads).fold((0, 0), |(fast, trapped), index| {
        let block = first + index * enclave_abi::layout::THREAD_STRIDE;
        let field = |offset: usize| {
            let at = (block + offset as u64) as *const u64;
            // SAFETY: every thread block of the layout was added when the enclave was built; the fields are
            // aligned words that another thread may count up meanwhile.
            unsafe { at.read_volatile() }
        };
        (fast + field(tcb::FAST_CALLS), trapped + field(tcb::TRAPPED_CALLS))
    })
}

pub(crate) fn exit_thread() -> ! {
    // SAFETY: the thread's kernel stack is not used again before its block is entered anew.
    unsafe { arch::casemate_rt_exit_thread() }
}

pub(crate) fn park_word() -> u32 {
    // Any value will do: the host compares it with the same word, and waits or not as it likes.
    let word = HostRange::new(tcb::load(tcb::PARK_ADDR), 4).map(HostRange::read);
    u32::from_le_bytes(word.map_or([0; 4], FromHost::any_will_do))
}
