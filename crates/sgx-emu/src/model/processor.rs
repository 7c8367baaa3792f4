//! What the emulated processor supports: the constants that the SDM takes from CPUID and from
//! control registers.

use sgx_types::{AttributeFlags, Attributes, Miscselect, SsaGpr, Xfrm};

/// Size of the legacy region and the XSAVE header, in bytes.
const XSAVE_LEGACY_SIZE: u32 = 576;
/// Size of the EXINFO area in the MISC region, in bytes.
const EXINFO_SIZE: u64 = 16;

/// Features of the emulated processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor {
    /// CR_SGX_ATTRIBUTES_MASK: the attribute flags an enclave may have.
    pub attributes: AttributeFlags,
    /// The XSAVE features an enclave may have: XCR0 of the host, cut to what the emulator supports.
    pub xfrm: Xfrm,
    /// CPUID.(12H,0):EBX: the MISCSELECT bits an enclave may have.
    pub miscselect: Miscselect,
    /// CPUID.(12H,0):EDX[15:8]: ELRANGE is smaller than two to this power.
    pub enclave_size_bits: u32,
    /// Where XSAVE puts each feature.
    pub xsave: XsaveLayout,
}

impl Processor {
    /// The attribute flags the emulator implements.
    pub const ATTRIBUTES: AttributeFlags = AttributeFlags::DEBUG
        .union(AttributeFlags::MODE64BIT)
        .union(AttributeFlags::PROVISIONKEY)
        .union(AttributeFlags::EINITTOKENKEY)
        .union(AttributeFlags::KSS);

    /// A processor with everything the emulator implements and these XSAVE features.
    #[must_use]
    pub const fn new(xfrm: Xfrm, xsave: XsaveLayout) -> Self {
        Self {
            attributes: Self::ATTRIBUTES,
            xfrm,
            miscselect: Miscselect::EXINFO,
            enclave_size_bits: 41,
            xsave,
        }
    }

    /// CR_SGX_ATTRIBUTES_MASK with XFRM.
    #[must_use]
    pub const fn attributes_mask(&self) -> Attributes {
        Attributes { flags: self.attributes, xfrm: self.xfrm }
    }

    /// Smallest SSA frame, in bytes: XSAVE area, MISC region and GPRSGX (SDM volume 3D, section
    /// 36.9).
    #[must_use]
    pub fn ssa_frame_size(&self, xfrm: Xfrm, miscselect: Miscselect) -> u64 {
        let misc = if miscselect.contains(Miscselect::EXINFO) { EXINFO_SIZE } else { 0 };
        u64::from(self.xsave.size(xfrm)) + misc + SsaGpr::SIZE as u64
    }
}

/// Where the standard (not compacted) form of XSAVE puts each extended feature, as
/// CPUID.(0DH,n):EBX and EAX report it. AMD's and Intel's differ above offset 576.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XsaveLayout {
    /// Offset and size in bytes by feature number; zero sizes for what the processor lacks. Entries
    /// 0 and 1 (x87 and SSE) are in the legacy region and unused.
    pub features: [(u32, u32); 64],
}

impl XsaveLayout {
    /// The layout of Intel processors with AVX, AVX-512, PKRU and AMX.
    pub const INTEL: Self = {
        let mut features = [(0, 0); 64];
        features[2] = (576, 256);
        features[3] = (960, 64);
        features[4] = (1024, 64);
        features[5] = (1088, 64);
        features[6] = (1152, 512);
        features[7] = (1664, 1024);
        features[9] = (2688, 8);
        features[17] = (2752, 64);
        features[18] = (2816, 8192);
        Self { features }
    };

    /// Size in bytes of the XSAVE area for these features (CPUID.(0DH,0):EBX for XCR0 = `xfrm`).
    #[must_use]
    pub fn size(&self, xfrm: Xfrm) -> u32 {
        let extended = self.features.iter().enumerate().skip(2);
        extended
            .filter(|(number, _)| xfrm.bits() >> number & 1 == 1)
            .map(|(_, (offset, size))| offset.saturating_add(*size))
            .fold(XSAVE_LEGACY_SIZE, u32::max)
    }

    /// Whether XCR0 could hold `xfrm`: x87 and SSE present, dependent features together.
    #[must_use]
    pub fn is_legal(&self, xfrm: Xfrm) -> bool {
        let all_or_none = |group: Xfrm| !xfrm.intersects(group) || xfrm.contains(group);
        let avx512 = Xfrm::OPMASK | Xfrm::ZMM_HI256 | Xfrm::HI16_ZMM;
        xfrm.contains(Xfrm::LEGACY)
            && all_or_none(Xfrm::BNDREGS | Xfrm::BNDCSR)
            && all_or_none(avx512)
            && all_or_none(Xfrm::TILECFG | Xfrm::TILEDATA)
            && (!xfrm.intersects(avx512) || xfrm.contains(Xfrm::AVX))
    }
}
