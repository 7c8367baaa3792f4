//! Identity of an enclave: its measurement, its SECS and the SIGSTRUCT that fits both.

use sgx_types::{
    AttributeFlags, Attributes, CetAttributes, Measurement, Miscselect, Mrenclave, Secs, Sigstruct,
    SigstructDate, Vendor, Xfrm,
};

use enclave_abi::layout::SSA_FRAME_PAGES;

use crate::Error;
use crate::platform::Capabilities;
use crate::stream::PageStream;

/// MISCSELECT of every enclave: without EXINFO no fault address can be trusted.
const MISCSELECT: Miscselect = Miscselect::EXINFO;

/// Measures a page stream.
#[must_use]
pub fn mrenclave(stream: &PageStream<'_>) -> Mrenclave {
    let mut measurement = Measurement::ecreate(SSA_FRAME_PAGES, stream.layout().elrange_size);
    for run in stream.runs() {
        for (address, page) in run.pages() {
            if run.measured {
                measurement.page(address, &run.secinfo, &page.0);
            } else {
                measurement.eadd(address, &run.secinfo);
            }
        }
    }
    measurement.finish()
}

/// The flags an enclave has: 64-bit, KSS, and DEBUG if the manifest says so.
#[must_use]
pub fn flags(enclave: &manifest::Enclave) -> AttributeFlags {
    let flags = AttributeFlags::MODE64BIT | AttributeFlags::KSS;
    if enclave.debug { flags | AttributeFlags::DEBUG } else { flags }
}

/// The SIGSTRUCT that a signer completes: everything but key and signature.
///
/// It fixes every attribute flag and, of XFRM, that nothing over the manifest's limit is set; the
/// machine decides which of the allowed features there are.
#[must_use]
pub fn unsigned_sigstruct(
    enclave: &manifest::Enclave,
    mrenclave: Mrenclave,
    date: SigstructDate,
) -> Sigstruct {
    let optional = xfrm_max(enclave).difference(Xfrm::LEGACY);
    Sigstruct {
        vendor: Vendor::Other,
        date,
        miscselect: MISCSELECT,
        miscmask: !Miscselect::empty(),
        cet_attributes_mask: !CetAttributes::empty(),
        attributes: Attributes { flags: flags(enclave), xfrm: Xfrm::LEGACY },
        attributemask: Attributes { flags: !AttributeFlags::empty(), xfrm: !optional },
        enclavehash: mrenclave,
        isvprodid: enclave.isvprodid,
        isvsvn: enclave.isvsvn,
        ..Sigstruct::ZERO
    }
}

/// The SECS of an enclave on a machine.
///
/// # Errors
/// [`Error::Unsupported`] when the machine lacks what every enclave, or this manifest, needs.
pub fn secs(
    enclave: &manifest::Enclave,
    machine: &Capabilities,
    platform: &'static str,
) -> Result<Secs, Error> {
    let missing = |needed: String| Err(Error::Unsupported { needed, platform });
    let wanted = flags(enclave);
    if !machine.attributes.flags.contains(wanted) {
        return missing(format!("ATTRIBUTES {}", wanted.difference(machine.attributes.flags)));
    }
    if !machine.miscselect.contains(MISCSELECT) {
        return missing("MISCSELECT EXINFO".into());
    }
    if enclave.edmm && !machine.edmm {
        return missing("SGX2 (enclave.edmm = true)".into());
    }
    let xfrm = machine.attributes.xfrm.intersection(xfrm_max(enclave));
    Ok(Secs {
        size: enclave.elrange_size,
        ssaframesize: SSA_FRAME_PAGES,
        miscselect: MISCSELECT,
        attributes: Attributes { flags: wanted, xfrm },
        ..Secs::ZERO
    })
}

fn xfrm_max(enclave: &manifest::Enclave) -> Xfrm {
    Xfrm::from_bits(enclave.xfrm_max).union(Xfrm::LEGACY)
}
