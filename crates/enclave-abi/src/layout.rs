//! Where everything lies in ELRANGE.
//!
//! ```text
//! 0x0            never mapped
//! 0x1_0000       reserved for the platform (the emulator's jump table), no enclave page
//! 0x2_0000       application memory: EAUG on demand, or added at build time without EDMM
//! RT             = elrange_size - 1 GiB: the runtime area
//!   RT + 0           layout page (measured, R)
//!   RT + 4 KiB       compiled manifest (measured, R), at most 15 MiB
//!   RT + 16 MiB      image: casemate-enclave (measured)
//!   RT + 32 MiB      thread blocks, 1 MiB each, at most 224
//!   RT + 256 MiB     runtime heap, 512 MiB, the first part added at build time
//!   RT + 768 MiB     reserved
//! ```
//!
//! A thread block: TCS, SSA (NSSA frames of 4 pages), thread control block, then the exception
//! stack and the kernel stack, each with an unmapped page below.

use crate::{bytes::u64_at, tcb::ThreadTemplate};

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Smallest ELRANGE.
pub const ELRANGE_MIN: u64 = 1 << 36;
/// Largest ELRANGE: the emulator and the application share 47-bit user space.
pub const ELRANGE_MAX: u64 = 1 << 44;
/// First address an enclave page may have.
pub const LOWEST_ADDRESS: u64 = 0x1_0000;
/// Page inside ELRANGE that no enclave ever adds; the emulator keeps its jump table there.
pub const PLATFORM_PAGE: u64 = 0x1_0000;
/// First address of application memory.
pub const APP_BASE: u64 = 0x2_0000;
/// Size of the runtime area at the end of ELRANGE.
pub const RUNTIME_SIZE: u64 = 1 << 30;
/// SSA frames per thread.
pub const NSSA: u32 = 2;
/// Pages of an SSA frame (SECS.SSAFRAMESIZE).
pub const SSA_FRAME_PAGES: u32 = 4;
/// Largest number of threads without dynamic TCS pages.
pub const THREADS_MAX: u64 = 224;
/// Size of a thread block.
pub const THREAD_STRIDE: u64 = 1 << 20;

const MANIFEST_OFFSET: u64 = PAGE;
const MANIFEST_MAX: u64 = (16 << 20) - PAGE;
const IMAGE_OFFSET: u64 = 16 << 20;
const IMAGE_MAX: u64 = 16 << 20;
const THREADS_OFFSET: u64 = 32 << 20;
const HEAP_OFFSET: u64 = 256 << 20;
const HEAP_MAX: u64 = 512 << 20;

const TCS_OFFSET: u64 = 0;
const SSA_OFFSET: u64 = PAGE;
const TCB_OFFSET: u64 = SSA_OFFSET + NSSA as u64 * SSA_FRAME_PAGES as u64 * PAGE;
const EXCEPTION_STACK_OFFSET: u64 = 0x1_0000;
const EXCEPTION_STACK_SIZE: u64 = 0x1_0000;
const KERNEL_STACK_OFFSET: u64 = 0x4_0000;
const KERNEL_STACK_SIZE: u64 = 0x4_0000;

const MAGIC: u64 = u64::from_le_bytes(*b"CSMLAYT1");
const FLAG_EDMM: u64 = 1;
const FLAG_DEBUG: u64 = 2;

/// Why a layout is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// ELRANGE is not a power of two between the two limits.
    #[error(
        "enclave size is {found:#x} bytes, expected a power of two from {ELRANGE_MIN:#x} to {ELRANGE_MAX:#x}"
    )]
    ElrangeSize {
        /// The size asked for.
        found: u64,
    },
    /// The image does not fit its place.
    #[error("enclave image is {found} bytes in memory, expected 1 to {IMAGE_MAX}")]
    ImageSize {
        /// The image's size in memory.
        found: u64,
    },
    /// The manifest does not fit its place.
    #[error("compiled manifest is {found} bytes, expected 1 to {MANIFEST_MAX}")]
    ManifestSize {
        /// The manifest's length.
        found: u64,
    },
    /// Too few or too many threads.
    #[error("{found} threads asked for, expected 1 to {THREADS_MAX}")]
    Threads {
        /// The number asked for.
        found: u64,
    },
    /// The heap does not fit its place.
    #[error("runtime heap is {found} bytes, expected a multiple of 4096 from 1 MiB to {HEAP_MAX}")]
    HeapSize {
        /// The heap's initial size.
        found: u64,
    },
    /// The bytes are not a layout page.
    #[error("layout page is malformed at byte {offset}")]
    Malformed {
        /// Where decoding stopped.
        offset: usize,
    },
}

/// The measured choices an enclave is laid out by; all addresses follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Size of ELRANGE in bytes; its base is 0.
    pub elrange_size: u64,
    /// Bytes the image occupies in memory, page-aligned.
    pub image_size: u64,
    /// Bytes of the compiled manifest.
    pub manifest_len: u64,
    /// Thread blocks added at build time.
    pub threads: u64,
    /// Bytes of runtime heap added at build time.
    pub heap_initial: u64,
    /// Whether memory is added, restricted and removed at run time (SGX2).
    pub edmm: bool,
    /// Whether the enclave is built for debugging: logs may name more, backtraces are printed.
    pub debug: bool,
}

/// Addresses of one thread's block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadBlock {
    /// Address of the TCS page.
    pub tcs: u64,
    /// Address of SSA frame 0.
    pub ssa: u64,
    /// Address of the thread control block.
    pub tcb: u64,
    /// Exception stack: first byte and length.
    pub exception_stack: (u64, u64),
    /// Kernel stack: first byte and length.
    pub kernel_stack: (u64, u64),
}

impl Layout {
    /// Size of the encoded layout in bytes; the rest of its page is zero.
    pub const ENCODED_SIZE: usize = 64;

    /// Checks the choices against the limits of this ABI.
    ///
    /// # Errors
    /// The first choice that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        let size = self.elrange_size;
        if !size.is_power_of_two() || !(ELRANGE_MIN..=ELRANGE_MAX).contains(&size) {
            return Err(Error::ElrangeSize { found: size });
        }
        if self.image_size == 0
            || self.image_size > IMAGE_MAX
            || !self.image_size.is_multiple_of(PAGE)
        {
            return Err(Error::ImageSize { found: self.image_size });
        }
        if self.manifest_len == 0 || self.manifest_len > MANIFEST_MAX {
            return Err(Error::ManifestSize { found: self.manifest_len });
        }
        if self.threads == 0 || self.threads > THREADS_MAX {
            return Err(Error::Threads { found: self.threads });
        }
        let heap = self.heap_initial;
        if !(1 << 20..=HEAP_MAX).contains(&heap) || !heap.is_multiple_of(PAGE) {
            return Err(Error::HeapSize { found: heap });
        }
        Ok(())
    }

    /// Encodes the layout page's first bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::ENCODED_SIZE] {
        let flags = if self.edmm { FLAG_EDMM } else { 0 } | if self.debug { FLAG_DEBUG } else { 0 };
        let fields = [
            MAGIC,
            flags,
            self.elrange_size,
            self.image_size,
            self.manifest_len,
            self.threads,
            self.heap_initial,
            0,
        ];
        let mut out = [0; Self::ENCODED_SIZE];
        for (chunk, field) in out.chunks_exact_mut(8).zip(fields) {
            chunk.copy_from_slice(&field.to_le_bytes());
        }
        out
    }

    /// Decodes and checks a layout page.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a wrong magic, unknown flags or a short slice, else as [`Self::check`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let field = |i: usize| u64_at(bytes, i * 8).ok_or(Error::Malformed { offset: i * 8 });
        if field(0)? != MAGIC {
            return Err(Error::Malformed { offset: 0 });
        }
        let flags = field(1)?;
        if flags & !(FLAG_EDMM | FLAG_DEBUG) != 0 {
            return Err(Error::Malformed { offset: 8 });
        }
        if field(7)? != 0 {
            return Err(Error::Malformed { offset: 56 });
        }
        let layout = Self {
            elrange_size: field(2)?,
            image_size: field(3)?,
            manifest_len: field(4)?,
            threads: field(5)?,
            heap_initial: field(6)?,
            edmm: flags & FLAG_EDMM != 0,
            debug: flags & FLAG_DEBUG != 0,
        };
        layout.check()?;
        Ok(layout)
    }

    /// Start of the runtime area, which is also the end of application memory.
    #[must_use]
    pub const fn runtime_base(&self) -> u64 {
        self.elrange_size - RUNTIME_SIZE
    }

    /// Address of the layout page.
    #[must_use]
    pub const fn layout_page(&self) -> u64 {
        self.runtime_base()
    }

    /// Address of the compiled manifest.
    #[must_use]
    pub const fn manifest(&self) -> u64 {
        self.runtime_base() + MANIFEST_OFFSET
    }

    /// Address the image is loaded at.
    #[must_use]
    pub const fn image(&self) -> u64 {
        self.runtime_base() + IMAGE_OFFSET
    }

    /// Application memory: first address and end.
    #[must_use]
    pub const fn app(&self) -> (u64, u64) {
        (APP_BASE, self.runtime_base())
    }

    /// Runtime heap: first address and end of its reserved place.
    #[must_use]
    pub const fn heap(&self) -> (u64, u64) {
        let base = self.runtime_base() + HEAP_OFFSET;
        (base, base + HEAP_MAX)
    }

    /// Addresses of thread block `index`.
    ///
    /// # Preconditions
    /// `index` is below [`THREADS_MAX`].
    #[must_use]
    pub const fn thread(&self, index: u64) -> ThreadBlock {
        let base = self.runtime_base() + THREADS_OFFSET + index * THREAD_STRIDE;
        ThreadBlock {
            tcs: base + TCS_OFFSET,
            ssa: base + SSA_OFFSET,
            tcb: base + TCB_OFFSET,
            exception_stack: (base + EXCEPTION_STACK_OFFSET, EXCEPTION_STACK_SIZE),
            kernel_stack: (base + KERNEL_STACK_OFFSET, KERNEL_STACK_SIZE),
        }
    }

    /// The template of thread `index`'s control block.
    #[must_use]
    pub const fn thread_template(&self, index: u64) -> ThreadTemplate {
        let block = self.thread(index);
        ThreadTemplate {
            address: block.tcb,
            layout: self.layout_page(),
            index,
            kernel_stack_top: block.kernel_stack.0 + block.kernel_stack.1,
            exception_stack_top: block.exception_stack.0 + block.exception_stack.1,
            ssa: block.ssa,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout {
            elrange_size: ELRANGE_MIN,
            image_size: 0x8_0000,
            manifest_len: 700,
            threads: 4,
            heap_initial: 1 << 20,
            edmm: true,
            debug: false,
        }
    }

    #[test]
    fn encoding_round_trips() {
        assert_eq!(Layout::from_bytes(&layout().to_bytes()), Ok(layout()));
    }

    #[test]
    fn every_flipped_magic_or_flag_bit_is_refused() {
        for bit in (0..64).chain(66..128) {
            let mut bytes = layout().to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Layout::from_bytes(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused_by_name() {
        let bad = Layout { elrange_size: 3 << 36, ..layout() };
        assert_eq!(bad.check(), Err(Error::ElrangeSize { found: 3 << 36 }));
        assert_eq!(Layout { threads: 0, ..layout() }.check(), Err(Error::Threads { found: 0 }));
        let heap = Layout { heap_initial: 4095, ..layout() };
        assert_eq!(heap.check(), Err(Error::HeapSize { found: 4095 }));
    }

    #[test]
    fn places_do_not_overlap() {
        let l = layout();
        let last = l.thread(THREADS_MAX - 1);
        assert!(last.kernel_stack.0 + last.kernel_stack.1 <= l.heap().0);
        assert!(l.heap().1 <= l.elrange_size);
        assert!(l.thread(0).tcb + PAGE <= l.thread(0).exception_stack.0);
        assert!(l.image() + IMAGE_MAX <= l.thread(0).tcs);
    }
}
