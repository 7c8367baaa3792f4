//! System calls that enter the library OS without leaving the enclave.
//!
//! A trampoline ends with [`call`], which leaves RCX as the SYSCALL instruction does and jumps through the thread
//! control block. The runtime then calls [`crate::kernel::Kernel::syscall`] as for a trapped call, and returns to
//! the address in RCX.

use crate::backend;

/// Offset in the thread control block of the address that trampolines jump to.
pub(crate) const ENTRY: u32 = 0x140;
const _: () = assert!(ENTRY as usize == enclave_abi::tcb::RUNTIME + 0x100);

/// Bytes of [`call`].
pub const CALL_LEN: usize = 18;

/// Code that makes the system call in RAX and goes on at `return_address`. Changes RCX and R11, as SYSCALL does,
/// and touches neither flags nor stack.
#[must_use]
pub fn call(return_address: u64) -> [u8; CALL_LEN] {
    // movabs $return_address, %rcx; jmp *%gs:ENTRY
    let mut code = [0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0x65, 0xff, 0x24, 0x25, 0, 0, 0, 0];
    code[2..10].copy_from_slice(&return_address.to_le_bytes());
    code[14..18].copy_from_slice(&ENTRY.to_le_bytes());
    code
}

/// System calls of all threads so far: from trampolines, and trapped.
#[must_use]
pub fn counts() -> (u64, u64) {
    backend::call_counts()
}
