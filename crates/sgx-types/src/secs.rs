//! SECS: the control structure of an enclave.

use crate::layout::structure;
use crate::{Attributes, CetAttributes, Miscselect, Mrenclave, Mrsigner};

structure! {
    /// SECS ("SGX Enclave Control Structure (SECS)"), as ECREATE reads it.
    ///
    /// The processor keeps more in the reserved bytes after EINIT (EID, ISVEXTPRODID, ISVFAMILYID,
    /// child counts) at places of its own choice; software must supply zeros, so they are no fields.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Secs = "SECS", 4096 bytes;
    fields {
        /// Size of ELRANGE in bytes, a power of two.
        0 SIZE_OFFSET: size: u64,
        /// Base of ELRANGE, aligned to its size.
        8 BASEADDR: baseaddr: u64,
        /// Size of one SSA frame in pages, with XSAVE area, padding, MISC and GPRSGX.
        16 SSAFRAMESIZE: ssaframesize: u32,
        /// Extra information an AEX stores.
        20 MISCSELECT: miscselect: Miscselect,
        /// Page-aligned offset of the CET legacy bitmap from the base of ELRANGE.
        24 CET_LEG_BITMAP_OFFSET: cet_leg_bitmap_offset: u64,
        /// CET features.
        32 CET_ATTRIBUTES: cet_attributes: CetAttributes,
        /// Attributes of the enclave.
        48 ATTRIBUTES: attributes: Attributes,
        /// Measurement; set by the processor.
        64 MRENCLAVE: mrenclave: Mrenclave,
        /// Signer; set by EINIT.
        128 MRSIGNER: mrsigner: Mrsigner,
        /// Identity of the configuration, chosen by who creates the enclave (KSS).
        192 CONFIGID: configid: [u8; 64],
        /// Product number; set by EINIT.
        256 ISVPRODID: isvprodid: u16,
        /// Security version; set by EINIT.
        258 ISVSVN: isvsvn: u16,
        /// Security version of the configuration (KSS).
        260 CONFIGSVN: configsvn: u16,
    }
    reserved { 33..48, 96..128, 160..192, 262..4096, }
}
