//! The extended state in a signal frame, as Linux lays it out (`arch/x86/include/uapi/asm/sigcontext.h`).
//!
//! ```text
//! 0    FXSAVE image; its last 48 bytes say what follows:
//!      464 magic1, 468 size with magic2, 472 features (u64), 480 size without magic2
//! 512  XSAVE header: XSTATE_BV, then zeros
//! 576  AVX, and further components at the offsets that CPUID leaf 0DH gives
//! end  magic2
//! ```

use alloc::{vec, vec::Vec};

use enclave_rt::xstate::{self, COMPONENTS, ExtendedState, HEADER_END, LEGACY_SIZE};

use crate::{
    cpuid,
    errno::{Errno, Result},
    linux::{u32_at, u64_at},
    user::UserMem,
};

const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;
const SOFTWARE: usize = 464;

/// Where a component lies, for all components of this enclave.
fn places() -> Vec<(u32, usize, usize)> {
    let mask = xstate::mask();
    let present = COMPONENTS.into_iter().filter(|(number, _)| mask >> number & 1 == 1);
    present.map(|(number, size)| (number, cpuid::component_offset(number), size)).collect()
}

/// Bytes of the area without magic2.
fn size(places: &[(u32, usize, usize)]) -> usize {
    places.iter().map(|(_, at, size)| at + size).max().unwrap_or(HEADER_END)
}

/// Bytes the state takes in a frame.
pub(crate) fn frame_size() -> usize {
    size(&places()) + 4
}

/// The area with magic2.
pub(crate) fn encode(state: &ExtendedState) -> Vec<u8> {
    let places = places();
    let end = size(&places);
    let mut area = vec![0; end + 4];
    area[..LEGACY_SIZE].copy_from_slice(&state.legacy);
    let features = places.iter().fold(3_u64, |set, (number, ..)| set | 1 << number);
    let mut in_use = 3_u64;
    for (number, at, size) in &places {
        let content =
            state.components.iter().find(|(n, bytes)| n == number && bytes.len() == *size);
        if let Some((_, bytes)) = content {
            area[*at..at + size].copy_from_slice(bytes);
            in_use |= 1 << number;
        }
    }
    let mut put = |at: usize, bytes: &[u8]| area[at..at + bytes.len()].copy_from_slice(bytes);
    let length = |n: usize| u32::try_from(n).unwrap_or(0).to_le_bytes();
    put(SOFTWARE, &[0; 48]);
    put(SOFTWARE, &MAGIC1.to_le_bytes());
    put(SOFTWARE + 4, &length(end + 4));
    put(SOFTWARE + 8, &features.to_le_bytes());
    put(SOFTWARE + 16, &length(end));
    put(LEGACY_SIZE, &in_use.to_le_bytes());
    put(end, &MAGIC2.to_le_bytes());
    area
}

/// Reads what a handler left in its frame. Without the magic words only the legacy part counts, and the rest is
/// initial, as on Linux.
///
/// # Errors
/// EFAULT when the area cannot be read.
pub(crate) fn decode(user: UserMem<'_>, fpstate: u64) -> Result<ExtendedState> {
    let legacy = user.bytes(fpstate, LEGACY_SIZE)?;
    let places = places();
    let end = size(&places);
    let mut state = ExtendedState { components: Vec::new(), legacy };
    let says = |at: usize| u32_at(&state.legacy, at).and_then(|n| usize::try_from(n).ok());
    let ours = u32_at(&state.legacy, SOFTWARE) == Some(MAGIC1) && says(SOFTWARE + 16) == Some(end);
    if !ours || user.u32(fpstate + end as u64)? != MAGIC2 {
        return Ok(state);
    }
    let area = user.bytes(fpstate, end)?;
    let in_use = u64_at(&area, LEGACY_SIZE).ok_or(Errno::EFAULT)?;
    for (number, at, size) in places {
        if in_use >> number & 1 == 1 {
            state.components.push((number, area[at..at + size].to_vec()));
        }
    }
    Ok(state)
}
