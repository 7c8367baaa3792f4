//! What is asked of this machine.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;

use enclave_host::machine::{self, SgxCpu};
use enclave_host::platform::hardware::{AESM_SOCKET, DEVICE, EnterEnclave, PROVISION_DEVICE};

/// ELRANGE of the smallest enclave, in bytes.
const ELRANGE: u64 = 1 << 36;

/// The answers.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) cpu: Option<SgxCpu>,
    /// The processor has RDFSBASE and its kin, and the kernel lets programs use them.
    pub(super) fsgsbase: bool,
    pub(super) vdso: bool,
    /// Linux version, major and minor.
    pub(super) kernel: Option<(u32, u32)>,
    pub(super) device: Result<(), String>,
    pub(super) provision_device: Result<(), String>,
    pub(super) aesm: Result<(), String>,
    /// System calls of a range of addresses can be diverted.
    pub(super) user_dispatch: bool,
    pub(super) cpuid_faulting: bool,
    /// /proc/self/mem writes whatever the protection.
    pub(super) own_memory: bool,
    /// ELRANGE can be reserved from 0x10000 on.
    pub(super) low_addresses: bool,
    pub(super) max_map_count: Option<u64>,
    /// Bytes of memory that can be had.
    pub(super) memory_available: Option<u64>,
}

/// Asks this machine.
pub(super) fn facts() -> Facts {
    let open = |path: &str| {
        File::options().read(true).write(true).open(path).map(drop).map_err(|e| e.to_string())
    };
    Facts {
        cpu: SgxCpu::detect(),
        fsgsbase: machine::has_fsgsbase() && machine::may_use_fsgsbase(),
        vdso: EnterEnclave::find().is_some(),
        kernel: kernel(),
        device: open(DEVICE),
        provision_device: open(PROVISION_DEVICE),
        aesm: UnixStream::connect(AESM_SOCKET).map(drop).map_err(|e| e.to_string()),
        user_dispatch: machine::has_user_dispatch(),
        cpuid_faulting: machine::can_trap_cpuid(),
        own_memory: machine::can_write_own_memory(),
        low_addresses: machine::can_reserve_low(ELRANGE),
        max_map_count: number("/proc/sys/vm/max_map_count"),
        memory_available: memory_available(),
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn kernel() -> Option<(u32, u32)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// What the machine has left, or the control group if that is less.
fn memory_available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10;
    let limit = number("/sys/fs/cgroup/memory.max").unwrap_or(u64::MAX);
    let used = number("/sys/fs/cgroup/memory.current").unwrap_or(0);
    Some(machine.min(limit.saturating_sub(used)))
}

#[cfg(test)]
impl Facts {
    /// A machine that has everything.
    pub(super) fn complete() -> Self {
        use sgx_types::{AttributeFlags, Attributes, Miscselect, Xfrm};
        let flags = AttributeFlags::KSS | AttributeFlags::MODE64BIT | AttributeFlags::DEBUG;
        let cpu = SgxCpu {
            sgx2: true,
            flc: true,
            attributes: Attributes { flags, xfrm: Xfrm::from_bits(0xe7) },
            miscselect: Miscselect::EXINFO,
            elrange_log2: 56,
            epc_size: 8 << 30,
        };
        Self {
            cpu: Some(cpu),
            fsgsbase: true,
            vdso: true,
            kernel: Some((6, 8)),
            device: Ok(()),
            provision_device: Ok(()),
            aesm: Ok(()),
            user_dispatch: true,
            cpuid_faulting: true,
            own_memory: true,
            low_addresses: true,
            max_map_count: Some(65530),
            memory_available: Some(4 << 30),
        }
    }
}
