//! What of this machine's processor the emulated one inherits.

use core::arch::x86_64::__cpuid_count;

use sgx_types::Xfrm;

use super::{Error, arch};
use crate::model::{Processor, XsaveLayout};

/// XSAVE features that signal frames carry and enclaves may have.
const SUPPORTED: u64 = 0xe7;

/// The emulated processor that this machine can carry: XCR0's features up to AVX-512.
///
/// # Errors
/// [`Error::Unsupported`] when the machine lacks FSGSBASE, which entering an enclave needs.
pub fn processor_of_this_machine() -> Result<Processor, Error> {
    // Bit 1 of AT_HWCAP2: the kernel lets user space use RDFSBASE and its siblings.
    // SAFETY: getauxval reads the auxiliary vector.
    let hwcap2 = unsafe { libc::getauxval(libc::AT_HWCAP2) };
    if hwcap2 & 2 == 0 {
        return Err(Error::Unsupported { what: "FSGSBASE (processor and Linux 5.9 or newer)" });
    }
    // On a thread of the enclave every CPUID of the host's own code costs a signal: the cryptography of EREPORT
    // looks for its instructions now.
    crypto::cmac::aes128_cmac(&[0; 16], &[]);
    Ok(Processor::new(Xfrm::from_bits(arch::xcr0() & SUPPORTED), xsave_layout()))
}

/// Where this processor's XSAVE puts each feature.
fn xsave_layout() -> XsaveLayout {
    let mut features = [(0, 0); 64];
    // Only of features that can be in an XFRM: under a hypervisor each CPUID costs tens of microseconds.
    for (number, slot) in (0..).zip(&mut features).skip(2).filter(|(n, _)| SUPPORTED >> n & 1 != 0)
    {
        let leaf = __cpuid_count(0xd, number);
        *slot = (leaf.ebx, leaf.eax);
    }
    XsaveLayout { features }
}
