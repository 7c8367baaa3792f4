//! Finding `__vdso_sgx_enter_enclave` in the vDSO.
//!
//! The kernel passes the vDSO's address in AT_SYSINFO_EHDR. It is an ELF shared object whose dynamic
//! symbols say where its functions are (gABI chapter 5; `Documentation/ABI/stable/vdso`).

use std::ops::Range;

use enclave_abi::bytes::{u32_at, u64_at};

use crate::arch::{VdsoCall, casemate_host_call_vdso};
use crate::platform::SgxEnclaveRun;

/// Name of the function.
const NAME: &[u8] = b"__vdso_sgx_enter_enclave";
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const SYMBOL_SIZE: usize = 24;

pub(super) type Function =
    unsafe extern "C" fn(u64, u64, u64, u32, u64, u64, *mut SgxEnclaveRun) -> libc::c_int;

/// The function, and where its code lies.
#[derive(Debug, Clone, Copy)]
pub struct EnterEnclave {
    function: Function,
    len: usize,
}

impl EnterEnclave {
    /// Finds the function, if this kernel has it.
    #[must_use]
    pub fn find() -> Option<Self> {
        let (base, vdso) = mapped_vdso()?;
        let symbol = symbol(vdso, NAME)?;
        let address = base.checked_add(symbol.start)?;
        let function = std::ptr::with_exposed_provenance::<()>(address);
        // SAFETY: the kernel exports a function of this type under this name.
        let function = unsafe { std::mem::transmute::<*const (), Function>(function) };
        Some(Self { function, len: symbol.len() })
    }

    /// Wraps code of the same kind, for tests.
    #[cfg(test)]
    pub(super) fn of(function: Function, len: usize) -> Self {
        Self { function, len }
    }

    /// Addresses of the function's code.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        let start = self.function as usize;
        start..start + self.len
    }

    /// Calls the function with RDI, RSI and RDX on the stack that ends at `stack_top`.
    ///
    /// # Safety
    /// `run` must name a TCS of an initialised enclave, the stack must be unused and large enough, and the caller
    /// answers for what the enclave does to this process.
    pub(super) unsafe fn call(
        &self,
        registers: [u64; 3],
        leaf: u32,
        run: &mut SgxEnclaveRun,
        stack_top: u64,
    ) -> i32 {
        let call = VdsoCall {
            function: self.function as usize as u64,
            stack_top,
            run: std::ptr::from_mut(run).expose_provenance() as u64,
            leaf: u64::from(leaf),
            registers,
        };
        // SAFETY: the caller's promise.
        unsafe { casemate_host_call_vdso(&raw const call) }
    }
}

/// The vDSO of this process with its address.
fn mapped_vdso() -> Option<(usize, &'static [u8])> {
    // SAFETY: reads the auxiliary vector, which the kernel made.
    let base = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    let base = usize::try_from(base).ok().filter(|&base| base != 0)?;
    let pointer = std::ptr::with_exposed_provenance::<u8>(base);
    // SAFETY: the vDSO starts with an ELF header and is at least one page long.
    let page = unsafe { std::slice::from_raw_parts(pointer, 4096) };
    let len = loaded_len(page)?;
    // SAFETY: the kernel maps the one loadable segment whole, read-only, for the process's life.
    Some((base, unsafe { std::slice::from_raw_parts(pointer, len) }))
}

fn program_headers(elf: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let count = u32_at(elf, 56)? & 0xffff;
    let table = usize::try_from(u64_at(elf, 32)?).ok()?;
    let len = usize::try_from(count).ok()?.checked_mul(56)?;
    Some(elf.get(table..table.checked_add(len)?)?.chunks_exact(56))
}

fn loaded_len(elf: &[u8]) -> Option<usize> {
    let load = program_headers(elf)?.find(|h| u32_at(h, 0) == Some(PT_LOAD))?;
    usize::try_from(u64_at(load, 40)?).ok()
}

/// Addresses of a defined function symbol, relative to the object's start.
fn symbol(elf: &[u8], name: &[u8]) -> Option<Range<usize>> {
    // The vDSO is linked at 0, so addresses in it are offsets.
    let dynamic = program_headers(elf)?.find(|h| u32_at(h, 0) == Some(PT_DYNAMIC))?;
    let start = usize::try_from(u64_at(dynamic, 16)?).ok()?;
    let len = usize::try_from(u64_at(dynamic, 40)?).ok()?;
    let entries = elf.get(start..start.checked_add(len)?)?;
    let value = |tag: u64| {
        let entry = entries.chunks_exact(16).find(|e| u64_at(e, 0) == Some(tag))?;
        usize::try_from(u64_at(entry, 8)?).ok()
    };
    let (symbols, strings) = (value(DT_SYMTAB)?, value(DT_STRTAB)?);
    let count = match (value(DT_HASH), value(DT_GNU_HASH)) {
        (Some(hash), _) => usize::try_from(u32_at(elf, hash.checked_add(4)?)?).ok()?,
        (None, Some(hash)) => gnu_count(elf, hash)?,
        (None, None) => return None,
    };
    // A damaged count costs no more than a walk over the object.
    (0..count.min(elf.len() / SYMBOL_SIZE)).find_map(|i| {
        let at = symbols.checked_add(i.checked_mul(SYMBOL_SIZE)?)?;
        let string = strings.checked_add(usize::try_from(u32_at(elf, at)?).ok()?)?;
        let found = elf.get(string..)?.split(|&b| b == 0).next()? == name;
        let defined = u32_at(elf, at + 4)? >> 16 != 0;
        let start = usize::try_from(u64_at(elf, at + 8)?).ok()?;
        let len = usize::try_from(u64_at(elf, at + 16)?).ok()?;
        (found && defined).then_some(start..start.checked_add(len)?)
    })
}

/// Number of symbols by the GNU hash table: one more than the last of the last chain.
fn gnu_count(elf: &[u8], at: usize) -> Option<usize> {
    let word = |i: usize| u32_at(elf, at.checked_add(i.checked_mul(4)?)?);
    let (buckets, first) = (usize::try_from(word(0)?).ok()?, usize::try_from(word(1)?).ok()?);
    let buckets = buckets.min(elf.len() / 4);
    let bloom = usize::try_from(word(2)?).ok()?;
    let table = 4usize.checked_add(bloom.checked_mul(2)?)?;
    let chains = table.checked_add(buckets)?;
    let last = (0..buckets).filter_map(|i| word(table + i)).max()?;
    let mut symbol = usize::try_from(last).ok()?;
    if symbol < first {
        return Some(first);
    }
    // The chain of the largest bucket ends at the first word whose lowest bit is set.
    while word(chains + (symbol - first))? & 1 == 0 {
        symbol += 1;
    }
    Some(symbol + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_running_kernel_are_found() {
        let (base, vdso) = mapped_vdso().expect("Linux maps a vDSO");
        let clock = symbol(vdso, b"__vdso_clock_gettime").expect("every x86-64 vDSO has it");
        assert!(clock.end <= vdso.len() && !clock.is_empty());
        assert_eq!(symbol(vdso, b"__vdso_no_such_function"), None);
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let function = std::ptr::with_exposed_provenance::<()>(base + clock.start);
        type Clock = unsafe extern "C" fn(i32, *mut libc::timespec) -> i32;
        // SAFETY: the symbol is of this type (vdso(7)).
        let function = unsafe { std::mem::transmute::<*const (), Clock>(function) };
        // SAFETY: `time` is writable.
        assert_eq!(unsafe { function(libc::CLOCK_REALTIME, &raw mut time) }, 0);
        assert!(time.tv_sec > 1_600_000_000);
    }

    #[test]
    fn damaged_objects_never_panic() {
        let (_, vdso) = mapped_vdso().expect("Linux maps a vDSO");
        for at in 0..vdso.len().min(1024) {
            let mut damaged = vdso.to_vec();
            damaged[at] = damaged[at].wrapping_add(0x81);
            let _ = symbol(&damaged, NAME);
            assert_eq!(symbol(&damaged[..at], NAME), None);
        }
    }
}
