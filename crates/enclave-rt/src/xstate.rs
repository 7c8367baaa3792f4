//! The application's extended state, taken out and put back around a signal handler.
//!
//! Between traps it stays in the processor: the image never touches the x87 unit or the upper halves of
//! vector registers. A signal frame needs all of it in memory, and the handler starts with none.
//! AMX tiles and PKRU are left alone: they are neither saved nor cleared.

use alloc::{vec, vec::Vec};

use crate::{
    backend,
    context::{self, Context, FCW_DEFAULT, MXCSR_DEFAULT, MXCSR_MASK},
};

/// Size of the legacy region (x87, MXCSR, XMM) in bytes.
pub const LEGACY_SIZE: usize = 512;
/// Bytes of the legacy region and the XSAVE header.
pub const HEADER_END: usize = LEGACY_SIZE + 64;
/// State components beyond the legacy ones that are taken out: number and bytes (SDM volume 1, "XSAVE-managed
/// state"): AVX, opmask, ZMM_Hi256, Hi16_ZMM. Each size is a multiple of 64, so alignment plays no part.
pub const COMPONENTS: [(u32, usize); 4] = [(2, 256), (5, 64), (6, 512), (7, 1024)];
/// x87 and SSE.
const LEGACY: u64 = 3;
const MXCSR: usize = 24;
const XMM: usize = 160;
const AREA_SIZE: usize = HEADER_END + 256 + 64 + 512 + 1024;

/// An XSAVE area for the components of this module, compacted.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Area(pub(crate) [u8; AREA_SIZE]);

/// Extended state in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedState {
    /// The FXSAVE image (SDM volume 1, section 10.5.1).
    pub legacy: Vec<u8>,
    /// Contents of the components that are not in their initial state.
    pub components: Vec<(u32, Vec<u8>)>,
}

/// The components that this enclave has, as a mask for XSAVE.
#[must_use]
pub fn mask() -> u64 {
    let wide = COMPONENTS.iter().fold(0, |mask, (number, _)| mask | 1 << number);
    context::xcr0() & (LEGACY | wide)
}

fn present(mask: u64) -> impl Iterator<Item = (u32, usize)> {
    COMPONENTS.into_iter().filter(move |(number, _)| mask >> number & 1 == 1)
}

impl ExtendedState {
    /// What a program and a signal handler start with.
    #[must_use]
    pub fn initial() -> Self {
        let mut legacy = vec![0; LEGACY_SIZE];
        put(&mut legacy, 0, &FCW_DEFAULT.to_le_bytes());
        put(&mut legacy, MXCSR, &MXCSR_DEFAULT.to_le_bytes());
        put(&mut legacy, MXCSR + 4, &MXCSR_MASK.to_le_bytes());
        Self { legacy, components: Vec::new() }
    }

    /// The state of the thread whose context this is: what the context holds, and the rest from the processor.
    #[must_use]
    pub fn take(context: &Context) -> Self {
        let mut area = Area([0; AREA_SIZE]);
        put(&mut area.0, 0, &Self::initial().legacy);
        backend::xsave(&mut area, mask());
        let in_use = u64_at(&area.0, LEGACY_SIZE);
        let mut state = Self::initial();
        if let Some(legacy) = area.0.get(..LEGACY_SIZE) {
            state.legacy.copy_from_slice(legacy);
        }
        state.components = layout(mask())
            .filter(|(number, ..)| in_use >> number & 1 == 1)
            .filter_map(|(number, at, size)| Some((number, area.0.get(at..at + size)?.to_vec())))
            .collect();
        state.set_context(context);
        state
    }

    /// Overwrites what a context holds itself.
    fn set_context(&mut self, context: &Context) {
        let fcw = context.fcw.to_le_bytes();
        put(&mut self.legacy, 0, &[fcw[0], fcw[1]]);
        put(&mut self.legacy, MXCSR, &context.mxcsr.to_le_bytes());
        for (number, register) in context.xmm.iter().enumerate() {
            put(&mut self.legacy, XMM + number * 16, &register.to_le_bytes());
        }
    }

    /// Gives the calling thread this state: the processor what stays in it, the context the rest. Bits that would
    /// fault are dropped, components that the enclave does not have too.
    pub fn put_back(&self, context: &mut Context) {
        let mask = mask();
        let mut area = Area([0; AREA_SIZE]);
        put(&mut area.0, 0, &self.legacy);
        let mxcsr = u32_at(&self.legacy, MXCSR) & MXCSR_MASK;
        put(&mut area.0, MXCSR, &mxcsr.to_le_bytes());
        let mut in_use = LEGACY;
        for (number, at, size) in layout(mask) {
            let content =
                self.components.iter().find(|(n, bytes)| *n == number && bytes.len() == size);
            if let Some((_, bytes)) = content {
                put(&mut area.0, at, bytes);
                in_use |= 1 << number;
            }
        }
        put(&mut area.0, LEGACY_SIZE, &in_use.to_le_bytes());
        put(&mut area.0, LEGACY_SIZE + 8, &(mask | 1 << 63).to_le_bytes());
        backend::xrstor(&area, mask);
        context.fcw = u32_at(&self.legacy, 0) & 0xffff;
        context.mxcsr = mxcsr;
        for (number, register) in context.xmm.iter_mut().enumerate() {
            let bytes = self.legacy.get(XMM + number * 16..XMM + number * 16 + 16);
            *register = bytes.and_then(|b| b.try_into().ok()).map_or(0, u128::from_le_bytes);
        }
    }
}

/// Number, offset and size of each component of the mask in the compacted area.
fn layout(mask: u64) -> impl Iterator<Item = (u32, usize, usize)> {
    present(mask).scan(HEADER_END, |at, (number, size)| {
        let here = *at;
        *at += size;
        Some((number, here, size))
    })
}

fn put(area: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(slot) = area.get_mut(at..at + bytes.len()) {
        slot.copy_from_slice(bytes);
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    enclave_abi::bytes::u64_at(bytes, at).unwrap_or(0)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    enclave_abi::bytes::u32_at(bytes, at).unwrap_or(0)
}
