//! ENCLS[ECREATE]: makes an enclave from an SECS.

use sgx_types::{AttributeFlags, CetAttributes, Measurement, Secs};

use crate::model::enclave::Enclave;
use crate::model::epcm::Epcm;
use crate::model::fault::{LeafResult, require};
use crate::model::mapping::{Fidelity, Mapping};
use crate::model::memory::PAGE_SIZE;
use crate::model::processor::Processor;
use crate::model::tcs::TcsTable;

/// Smallest ELRANGE, in bytes.
const MIN_SIZE: u64 = 2 * PAGE_SIZE;

impl<M> Enclave<M> {
    /// Makes an enclave, not yet initialised and without pages.
    ///
    /// What software wrote to the SECS fields that the processor sets (MRENCLAVE, MRSIGNER,
    /// ISVPRODID, ISVSVN) is ignored.
    ///
    /// # Errors
    ///
    /// #GP for an SECS that this processor cannot run: XFRM, CET fields, MISCSELECT, SSAFRAMESIZE,
    /// size, base, attributes, or CONFIGID and CONFIGSVN without KSS.
    pub fn ecreate(
        secs: &Secs,
        processor: &Processor,
        fidelity: Fidelity,
        memory: M,
    ) -> LeafResult<Self> {
        check(secs, processor)?;
        let secs = Secs {
            mrenclave: Default::default(),
            mrsigner: Default::default(),
            isvprodid: 0,
            isvsvn: 0,
            ..*secs
        };
        Ok(Self {
            measurement: Measurement::ecreate(secs.ssaframesize, secs.size),
            isvextprodid: [0; 16],
            isvfamilyid: [0; 16],
            processor: processor.clone(),
            xsave_pages: u64::from(processor.xsave.size(secs.attributes.xfrm)).div_ceil(PAGE_SIZE),
            epcm: Epcm::new(secs.baseaddr, secs.size),
            tcs: TcsTable::default(),
            fidelity,
            mapping: Mapping::default(),
            memory,
            secs,
        })
    }
}

fn check(secs: &Secs, processor: &Processor) -> LeafResult {
    let flags = secs.attributes.flags;
    let xfrm = secs.attributes.xfrm;
    require(processor.xsave.is_legal(xfrm) && processor.xfrm.contains(xfrm))?;
    // SPEC: without CET the attributes and the bitmap must be absent; this processor has none.
    require(secs.cet_attributes == CetAttributes::empty() && secs.cet_leg_bitmap_offset == 0)?;
    require(processor.miscselect.contains(secs.miscselect))?;
    let frame = PAGE_SIZE.saturating_mul(secs.ssaframesize.into());
    require(frame >= processor.ssa_frame_size(xfrm, secs.miscselect))?;
    check_elrange(secs, processor)?;
    // INIT is not in the mask: only EINIT sets it. 32-bit enclaves are not modelled.
    require(processor.attributes.contains(flags) && flags.contains(AttributeFlags::MODE64BIT))?;
    let configured = secs.configid != [0; 64] || secs.configsvn != 0;
    require(!configured || flags.contains(AttributeFlags::KSS))
}

fn check_elrange(secs: &Secs, processor: &Processor) -> LeafResult {
    require(is_canonical(secs.baseaddr))?;
    require(1u64.checked_shl(processor.enclave_size_bits).is_none_or(|limit| secs.size < limit))?;
    require(secs.size >= MIN_SIZE && secs.size.is_power_of_two())?;
    require(secs.baseaddr & (secs.size - 1) == 0)
}

/// Whether the address is canonical with 48 bits of linear address.
pub(in crate::model) const fn is_canonical(linaddr: u64) -> bool {
    let upper = linaddr >> 47;
    upper == 0 || upper == 0x1_ffff
}
