//! ATTRIBUTES, MISCSELECT and CET_ATTRIBUTES: what an enclave is allowed and asked to do.

use crate::Malformed;
use crate::bits::bitset;
use crate::layout::{Field, Place, part, put};

bitset! {
    /// The low quadword of ATTRIBUTES ("ATTRIBUTES" in "SGX Enclave Control Structure (SECS)").
    pub struct AttributeFlags: u64 {
        /// EINIT has succeeded. Software must leave it clear.
        INIT = 1,
        /// A debugger may read and write the enclave.
        DEBUG = 1 << 1,
        /// The enclave runs in 64-bit mode.
        MODE64BIT = 1 << 2,
        /// EGETKEY may derive provisioning keys.
        PROVISIONKEY = 1 << 4,
        /// EGETKEY may derive the EINIT token key.
        EINITTOKENKEY = 1 << 5,
        /// CET is enabled in the enclave.
        CET = 1 << 6,
        /// Key separation and sharing: CONFIGID, CONFIGSVN, ISVEXTPRODID and ISVFAMILYID count.
        KSS = 1 << 7,
        /// Threads may ask to be told about AEX.
        AEXNOTIFY = 1 << 10,
    }
}

impl AttributeFlags {
    fn check(self, _place: Place) -> Result<(), Malformed> {
        Ok(())
    }
}

bitset! {
    /// XFRM, the high quadword of ATTRIBUTES: the XSAVE features the enclave uses, as in XCR0.
    pub struct Xfrm: u64 {
        /// Legacy x87 state; always set.
        X87 = 1,
        /// XMM registers and MXCSR; always set.
        SSE = 1 << 1,
        /// Upper halves of the YMM registers.
        AVX = 1 << 2,
        /// MPX bound registers.
        BNDREGS = 1 << 3,
        /// MPX bound configuration.
        BNDCSR = 1 << 4,
        /// AVX-512 mask registers.
        OPMASK = 1 << 5,
        /// Upper halves of ZMM0 to ZMM15.
        ZMM_HI256 = 1 << 6,
        /// ZMM16 to ZMM31.
        HI16_ZMM = 1 << 7,
        /// Protection keys for user pages.
        PKRU = 1 << 9,
        /// AMX tile configuration.
        TILECFG = 1 << 17,
        /// AMX tiles.
        TILEDATA = 1 << 18,
    }
}

impl Xfrm {
    /// The smallest legal value, x87 and SSE.
    pub const LEGACY: Self = Self::X87.union(Self::SSE);

    fn check(self, _place: Place) -> Result<(), Malformed> {
        Ok(())
    }
}

bitset! {
    /// MISCSELECT: extra information an AEX stores in the SSA ("SECS.MISCSELECT Field").
    pub struct Miscselect: u32 {
        /// The address and error code of a page fault or general-protection fault.
        EXINFO = 1,
        /// Information about control-protection faults.
        CPINFO = 1 << 1,
    }
}

impl Miscselect {
    fn check(self, _place: Place) -> Result<(), Malformed> {
        Ok(())
    }
}

bitset! {
    /// CET_ATTRIBUTES: the control-flow features enforced in the enclave ("CET_ATTRIBUTES").
    pub struct CetAttributes: u8 {
        /// Shadow stacks are enabled.
        SH_STK_EN = 1,
        /// WRSS is enabled.
        WR_SHSTK_EN = 1 << 1,
        /// Indirect-branch tracking is enabled.
        ENDBR_EN = 1 << 2,
        /// The legacy bitmap is enabled.
        LEG_IW_EN = 1 << 3,
        /// The no-track prefix is enabled.
        NO_TRACK_EN = 1 << 4,
        /// Indirect branches suppress tracking.
        SUPPRESS_DIS = 1 << 5,
    }
}

impl CetAttributes {
    fn check(self, _place: Place) -> Result<(), Malformed> {
        Ok(())
    }
}

/// ATTRIBUTES: flags and XFRM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Bits 63:0.
    pub flags: AttributeFlags,
    /// Bits 127:64.
    pub xfrm: Xfrm,
}

impl Attributes {
    /// Size of the image in bytes.
    pub const SIZE: usize = 16;

    /// Makes attributes from the two quadwords.
    pub const fn from_bits(flags: u64, xfrm: u64) -> Self {
        Attributes { flags: AttributeFlags::from_bits(flags), xfrm: Xfrm::from_bits(xfrm) }
    }

    /// Returns the bits that are set here and in `mask`.
    pub const fn masked(self, mask: Attributes) -> Self {
        Attributes {
            flags: self.flags.intersection(mask.flags),
            xfrm: self.xfrm.intersection(mask.xfrm),
        }
    }

    /// Encodes the memory image.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        self.write(&mut bytes);
        bytes
    }
}

impl Field for Attributes {
    const SIZE: usize = Attributes::SIZE;
    const ZERO: Self = Attributes::from_bits(0, 0);

    fn read(bytes: &[u8], place: Place) -> Result<Self, Malformed> {
        Ok(Attributes {
            flags: Field::read(part(bytes, 0, 8, place.structure)?, place)?,
            xfrm: Field::read(part(bytes, 8, 8, place.structure)?, place)?,
        })
    }

    fn write(&self, out: &mut [u8]) {
        put(out, 0, &self.flags);
        put(out, 8, &self.xfrm);
    }
}
