//! The thread control block: one page per thread, GS base inside the enclave.
//!
//! The loader writes the template fields below (the page is measured); the rest of the page is
//! zero and belongs to the runtime. Offsets are bytes from the GS base.

/// `u64`: the block's own address.
pub const SELF: usize = 0x00;
/// `u64`: address of the layout page.
pub const LAYOUT: usize = 0x08;
/// `u64`: index of the thread's block, from 0.
pub const INDEX: usize = 0x10;
/// `u64`: top of the kernel stack (16-byte aligned).
pub const KERNEL_STACK_TOP: usize = 0x18;
/// `u64`: top of the exception stack, used only at CSSA 1.
pub const EXCEPTION_STACK_TOP: usize = 0x20;
/// `u64`: address of the thread's SSA frame 0.
pub const SSA: usize = 0x28;
/// First byte that belongs to the runtime; zero in the template.
pub const RUNTIME: usize = 0x40;

/// Template of a thread control block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadTemplate {
    /// Address of the block.
    pub address: u64,
    /// Address of the layout page.
    pub layout: u64,
    /// Index of the thread's block.
    pub index: u64,
    /// Top of the kernel stack.
    pub kernel_stack_top: u64,
    /// Top of the exception stack.
    pub exception_stack_top: u64,
    /// Address of SSA frame 0.
    pub ssa: u64,
}

impl ThreadTemplate {
    /// Encodes the template as the page the loader adds and measures.
    #[must_use]
    pub fn to_page(&self) -> [u8; 4096] {
        let mut page = [0; 4096];
        let fields = [
            self.address,
            self.layout,
            self.index,
            self.kernel_stack_top,
            self.exception_stack_top,
            self.ssa,
        ];
        for (chunk, field) in page.chunks_exact_mut(8).zip(fields) {
            chunk.copy_from_slice(&field.to_le_bytes());
        }
        page
    }
}
