//! What the processor says about SGX (CPUID leaf 12H, SDM volume 3D "Enumeration of SGX").

use core::arch::x86_64::{__cpuid, __cpuid_count};
use std::os::unix::fs::FileExt as _;

use sgx_types::{AttributeFlags, Attributes, Miscselect, Xfrm};

/// SGX as this processor has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SgxCpu {
    /// Whether pages can be added, restricted and removed at run time.
    pub sgx2: bool,
    /// Whether any signer may launch (flexible launch control).
    pub flc: bool,
    /// Attribute flags and XFRM bits an enclave may have.
    pub attributes: Attributes,
    /// MISCSELECT bits an enclave may have.
    pub miscselect: Miscselect,
    /// Largest ELRANGE in 64-bit mode, as a power of two.
    pub elrange_log2: u8,
    /// Bytes of EPC.
    pub epc_size: u64,
}

impl SgxCpu {
    /// Asks the processor; `None` when it has no SGX or the firmware has turned it off.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Self::from_cpuid(&|leaf, subleaf| {
            let regs = __cpuid_count(leaf, subleaf);
            [regs.eax, regs.ebx, regs.ecx, regs.edx]
        })
    }

    /// Reads the answers of `cpuid(leaf, subleaf)`: EAX, EBX, ECX, EDX.
    pub fn from_cpuid(cpuid: &dyn Fn(u32, u32) -> [u32; 4]) -> Option<Self> {
        let [max_leaf, ..] = cpuid(0, 0);
        if max_leaf < 0x12 {
            return None;
        }
        let [_, features, features_c, _] = cpuid(7, 0);
        let [leaves, miscselect, _, sizes] = cpuid(0x12, 0);
        if features & 1 << 2 == 0 || leaves & 1 == 0 {
            return None;
        }
        let [flags_low, flags_high, xfrm_low, xfrm_high] = cpuid(0x12, 1);
        let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        Some(Self {
            sgx2: leaves & 1 << 1 != 0,
            flc: features_c & 1 << 30 != 0,
            attributes: Attributes {
                flags: AttributeFlags::from_bits(wide(flags_low, flags_high)),
                xfrm: Xfrm::from_bits(wide(xfrm_low, xfrm_high)),
            },
            miscselect: Miscselect::from_bits(miscselect),
            elrange_log2: sizes.to_le_bytes()[1],
            epc_size: epc_size(cpuid),
        })
    }
}

/// Sums the EPC sections (sub-leaves from 2 until one is invalid).
fn epc_size(cpuid: &dyn Fn(u32, u32) -> [u32; 4]) -> u64 {
    (2..66)
        .map(|subleaf| cpuid(0x12, subleaf))
        .take_while(|[kind, ..]| kind & 0xf == 1)
        .map(|[_, _, low, high]| u64::from(high & 0xf_ffff) << 32 | u64::from(low & !0xfff))
        .sum()
}

/// Whether the processor has RDFSBASE and its kin (CPUID.7.EBX\[0\]).
#[must_use]
pub fn has_fsgsbase() -> bool {
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & 1 != 0
}

/// Whether the kernel lets programs use RDFSBASE and its kin (bit 1 of AT_HWCAP2, Linux 5.9).
#[must_use]
pub fn may_use_fsgsbase() -> bool {
    // SAFETY: reads the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & 2 != 0 }
}

/// Whether system calls of a range of addresses can be diverted to a signal (`prctl(2)`,
/// PR_SET_SYSCALL_USER_DISPATCH, Linux 5.11).
#[must_use]
pub fn has_user_dispatch() -> bool {
    const PR_SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
    const OFF: libc::c_ulong = 0;
    // SAFETY: turns off for this thread what is off already.
    unsafe { libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, OFF, OFF, OFF, OFF) == 0 }
}

/// Whether `len` bytes of address space can be reserved from 0x10000 on, where ELRANGE lies.
#[must_use]
pub fn can_reserve_low(len: u64) -> bool {
    let Ok(start) = usize::try_from(enclave_abi::layout::LOWEST_ADDRESS) else { return false };
    Reserved::new(std::ptr::without_provenance_mut(start), len, libc::PROT_NONE)
        .is_some_and(|reserved| reserved.start.addr() == start)
}

/// Whether `/proc/self/mem` writes to memory whatever its protection, as the emulator needs.
#[must_use]
pub fn can_write_own_memory() -> bool {
    let Some(page) = Reserved::new(std::ptr::null_mut(), 4096, libc::PROT_READ) else {
        return false;
    };
    let memory = std::fs::File::options().read(true).write(true).open("/proc/self/mem");
    memory.is_ok_and(|memory| memory.write_all_at(b"x", page.start.addr() as u64).is_ok())
}

/// A private mapping that nothing refers to.
struct Reserved {
    start: *mut libc::c_void,
    len: usize,
}

impl Reserved {
    fn new(start: *mut libc::c_void, len: u64, protection: libc::c_int) -> Option<Self> {
        let len = usize::try_from(len).ok()?;
        let fixed = if start.is_null() { 0 } else { libc::MAP_FIXED_NOREPLACE };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | fixed;
        // SAFETY: MAP_FIXED_NOREPLACE replaces no mapping.
        let start = unsafe { libc::mmap(start, len, protection, flags, -1, 0) };
        (start != libc::MAP_FAILED).then_some(Self { start, len })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: the mapping is this object's own.
        unsafe { libc::munmap(self.start, self.len) };
    }
}

/// Whether this processor lets user space have CPUID fault (`arch_prctl(2)`, ARCH_SET_CPUID).
#[must_use]
pub fn can_trap_cpuid() -> bool {
    const ARCH_SET_CPUID: libc::c_ulong = 0x1012;
    // SAFETY: an argument of 1 asks that CPUID works for this thread, as it does already; a processor without
    // the facility gives ENODEV.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_CPUID, 1 as libc::c_ulong) == 0 }
}

/// XCR0 as the operating system set it: the extended state programs may use.
#[must_use]
pub fn xcr0() -> Xfrm {
    // CPUID.0DH.0:EDX:EAX lists what XCR0 may hold, which Linux sets whole but for features it
    // grants on request (AMX).
    let regs = __cpuid_count(0xd, 0);
    Xfrm::from_bits(u64::from(regs.edx) << 32 | u64::from(regs.eax))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A processor with SGX2, FLC, KSS, EXINFO and 256 MiB of EPC in two sections.
    fn modelled(leaf: u32, subleaf: u32) -> [u32; 4] {
        match (leaf, subleaf) {
            (0, 0) => [0x1f, 0, 0, 0],
            (7, 0) => [0, 1 << 2 | 1, 1 << 30, 0],
            (0x12, 0) => [3, 1, 0, 0x381f],
            (0x12, 1) => [0xb6, 0, 0xe7, 0],
            (0x12, 2) => [0x7000_0001, 0, 0x0400_0001, 0],
            (0x12, 3) => [0x7000_0001, 0, 0x0c00_0001, 0],
            _ => [0; 4],
        }
    }

    #[test]
    fn a_processor_with_sgx_is_read() {
        let cpu = SgxCpu::from_cpuid(&modelled).unwrap();
        assert!(cpu.sgx2 && cpu.flc);
        assert!(cpu.attributes.flags.contains(AttributeFlags::KSS | AttributeFlags::MODE64BIT));
        assert_eq!(cpu.attributes.xfrm, Xfrm::from_bits(0xe7));
        assert_eq!(cpu.miscselect, Miscselect::EXINFO);
        assert_eq!((cpu.elrange_log2, cpu.epc_size), (0x38, 256 << 20));
    }

    #[test]
    fn a_processor_without_sgx_or_with_it_turned_off_has_none() {
        let without = |leaf, sub| if leaf == 7 { [0; 4] } else { modelled(leaf, sub) };
        assert_eq!(SgxCpu::from_cpuid(&without), None);
        let off = |leaf, sub| if (leaf, sub) == (0x12, 0) { [0; 4] } else { modelled(leaf, sub) };
        assert_eq!(SgxCpu::from_cpuid(&off), None);
        assert_eq!(SgxCpu::from_cpuid(&|_, _| [0xd, 0, 0, 0]), None);
    }
}
