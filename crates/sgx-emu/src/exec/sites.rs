//! ENCLU sites and the platform area at the bottom of ELRANGE.
//!
//! ```text
//! 0x1_0000  jump slots: 8-byte address of a site's stub each
//! 0x1_1000  GS table: 8-byte record address by (GS base >> 20) & 511
//! ```
//!
//! After EINIT has measured the original bytes, each site becomes `jmp *[slot]`. The slots lie below
//! 2 GiB so that the jump can name them with a 32-bit address and no register.

use std::ptr;

use super::{Error, arch};

/// The jump slots.
pub(super) const JUMP_SLOTS: u64 = enclave_abi::layout::PLATFORM_PAGE;
/// The GS table.
pub(super) const GS_TABLE: u64 = JUMP_SLOTS + 0x1000;
/// End of the platform area.
pub(super) const END: u64 = GS_TABLE + 0x1000;
/// The bytes of a site: ENCLU and a five-byte no-op.
pub(super) const SITE_BYTES: [u8; 8] = [0x0f, 0x01, 0xd7, 0x0f, 0x1f, 0x44, 0x00, 0x00];

/// The bytes that replace site number `index`.
pub(super) fn jump(index: u64) -> Result<[u8; 8], Error> {
    if index >= arch::STUBS {
        return Err(Error::TooManySites { limit: arch::STUBS });
    }
    let slot = u32::try_from(JUMP_SLOTS + index * 8).expect("the slots lie below 2 GiB");
    let mut bytes = [0xff, 0x24, 0x25, 0, 0, 0, 0, 0x90];
    bytes[3..7].copy_from_slice(&slot.to_le_bytes());
    Ok(bytes)
}

/// Index of a GS base in the table.
pub(super) fn gs_index(gs_base: u64) -> u64 {
    (gs_base >> 20) & 511
}

/// Writes eight bytes to the platform area.
pub(super) fn write_platform(address: u64, value: u64) {
    assert!((JUMP_SLOTS..END - 7).contains(&address), "platform area");
    // SAFETY: an enclave exists, so the platform area is mapped read-write for the emulator; it is only ever
    // written here, and the word is aligned.
    unsafe { ptr::with_exposed_provenance_mut::<u64>(address as usize).write_volatile(value) };
}
