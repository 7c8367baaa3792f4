//! Answers to CPUID for a limited XFRM: SDM volume 1, chapter 13, and CPUID leaves 1, 7 and 0xD.

use std::arch::x86_64::{__cpuid_count, _xgetbv, CpuidResult};

/// Which vector features a program is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Features {
    /// What the processor has.
    All,
    /// Neither AVX-512 nor its state components 5 to 7.
    NoAvx512,
    /// Neither AVX-512 nor AVX: legacy SSE only.
    NoAvx,
}

impl Features {
    /// From widest to narrowest.
    pub const ALL: [Self; 3] = [Self::All, Self::NoAvx512, Self::NoAvx];

    /// The state components of the host that remain.
    pub fn xfrm(self) -> u64 {
        // SAFETY: every processor this runs on has OSXSAVE.
        let xcr0 = unsafe { xcr0() };
        xcr0 & match self {
            Self::All => !0,
            Self::NoAvx512 => !0xe0,
            Self::NoAvx => !0xe4,
        }
    }
}

/// Which sizes leaf 0xD gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Those of the host's XCR0, which the XSAVE family obeys.
    Host,
    /// Those of the narrower XFRM, as hardware would answer in an enclave.
    Narrowed,
}

/// What CPUID tells a program.
#[derive(Debug, Clone, Copy)]
pub struct Mask {
    /// Feature bits.
    pub features: Features,
    /// Save-area sizes.
    pub sizes: Sizes,
}

/// Bits of leaf 7, subleaf 0, that need AVX-512: EBX, ECX, EDX.
const AVX512: [u32; 3] = [0xdc23_0000, 0x0000_5842, 0x0080_010c];
/// Bits that need AVX: leaf 1 ECX (FMA, AVX, F16C); leaf 7 EBX (AVX2), ECX (VAES, VPCLMULQDQ).
const AVX_LEAF_1: u32 = 1 << 12 | 1 << 28 | 1 << 29;
const AVX2: u32 = 1 << 5;
const VAES_VPCLMULQDQ: u32 = 1 << 9 | 1 << 10;
/// Leaf 7, subleaf 1: AVX512_BF16; and AVX_VNNI, AVX_IFMA in EAX; VNNI_INT8, NE_CONVERT, INT16.
const BF16: u32 = 1 << 5;
const AVX_VNNI_IFMA: u32 = 1 << 4 | 1 << 23;
const AVX_INT8_CONVERT_INT16: u32 = 1 << 4 | 1 << 5 | 1 << 10;

impl Mask {
    /// The answer to CPUID with this leaf and subleaf.
    pub fn answer(self, leaf: u32, subleaf: u32) -> CpuidResult {
        let mut host = __cpuid_count(leaf, subleaf);
        let no_avx = self.features == Features::NoAvx;
        if self.features == Features::All {
            return host;
        }
        match (leaf, subleaf) {
            (1, _) if no_avx => host.ecx &= !AVX_LEAF_1,
            (7, 0) => {
                host.ebx &= !AVX512[0];
                host.ecx &= !AVX512[1];
                host.edx &= !AVX512[2];
                if no_avx {
                    host.ebx &= !AVX2;
                    host.ecx &= !VAES_VPCLMULQDQ;
                }
            }
            (7, 1) => {
                host.eax &= !BF16;
                if no_avx {
                    host.eax &= !AVX_VNNI_IFMA;
                    host.edx &= !AVX_INT8_CONVERT_INT16;
                }
            }
            (0xd, _) if self.sizes == Sizes::Narrowed => self.narrow_sizes(subleaf, &mut host),
            _ => {}
        }
        host
    }

    fn narrow_sizes(self, subleaf: u32, host: &mut CpuidResult) {
        let xfrm = self.features.xfrm();
        let [standard, compacted] = area_sizes(xfrm);
        match subleaf {
            0 => {
                host.eax = xfrm as u32;
                host.edx = (xfrm >> 32) as u32;
                host.ebx = standard;
                host.ecx = standard;
            }
            1 => host.ebx = compacted,
            component if component < 63 && xfrm >> component & 1 == 0 => {
                *host = CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
            }
            _ => {}
        }
    }
}

/// Bytes of the standard and of the compacted XSAVE area for these components (SDM 13.4).
pub(super) fn area_sizes(xfrm: u64) -> [u32; 2] {
    let (mut standard, mut compacted) = (576, 576_u32);
    for component in (2..63).filter(|component| xfrm >> component & 1 == 1) {
        let CpuidResult { eax: size, ebx: offset, ecx: flags, .. } = __cpuid_count(0xd, component);
        standard = standard.max(offset + size);
        let aligned = flags & 2 != 0;
        compacted = if aligned { compacted.next_multiple_of(64) } else { compacted } + size;
    }
    [standard, compacted]
}

#[target_feature(enable = "xsave")]
fn xcr0() -> u64 {
    // SAFETY: XCR0 always exists where XGETBV does.
    unsafe { _xgetbv(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_sizes_equal_the_processors_for_all_of_xcr0() {
        let [standard, compacted] = area_sizes(Features::All.xfrm());
        assert_eq!(standard, __cpuid_count(0xd, 0).ebx);
        let supervisor = __cpuid_count(0xd, 1).ebx;
        assert!(compacted <= supervisor, "{compacted} {supervisor}");
    }
}
