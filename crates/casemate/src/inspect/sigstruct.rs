//! SIGSTRUCT in words.

use sgx_types::{AttributeFlags, Sigstruct, Vendor, signing};

use super::description::{Description, chain, hex32, hex64, unused};
use crate::text::to_hex;

/// Describes a SIGSTRUCT and checks its signature.
pub(crate) fn describe(sigstruct: &Sigstruct) -> Description {
    let mut description = Description::new("SIGSTRUCT");
    identity(&mut description, sigstruct);
    demands(&mut description, sigstruct);
    signature(&mut description, sigstruct);
    warnings(&mut description, sigstruct);
    description
}

fn identity(description: &mut Description, sigstruct: &Sigstruct) {
    description.row("MRENCLAVE", sigstruct.enclavehash.to_string(), "");
    if is_signed(sigstruct) {
        description.mrsigner(sigstruct.mrsigner());
    }
    description.row("ISVPRODID", sigstruct.isvprodid, "product");
    description.row("ISVSVN", sigstruct.isvsvn, "security version");
    let ids = [("ISVEXTPRODID", sigstruct.isvextprodid), ("ISVFAMILYID", sigstruct.isvfamilyid)];
    for (name, id) in ids {
        description.row(name, to_hex(&id), unused(&id));
    }
    description.row("DATE", sigstruct.date.to_string(), "as the signer says");
    let vendor = match sigstruct.vendor {
        Vendor::Intel => "Intel",
        Vendor::Other => "not Intel",
    };
    description.row("VENDOR", hex32(sigstruct.vendor as u32), vendor);
    description.row("SWDEFINED", hex32(sigstruct.swdefined), "");
}

/// What the enclave must be started with: values and which of their bits count.
fn demands(description: &mut Description, sigstruct: &Sigstruct) {
    let (set, mask) = (sigstruct.attributes, sigstruct.attributemask);
    description.row("ATTRIBUTES", hex64(set.flags.bits()), set.flags.to_string());
    let free = AttributeFlags::NAMED.difference(mask.flags);
    description.row("ATTRIBUTEMASK", hex64(mask.flags.bits()), format!("left free: {free}"));
    description.row("XFRM", hex64(set.xfrm.bits()), set.xfrm.to_string());
    let free = sgx_types::Xfrm::NAMED.difference(mask.xfrm);
    description.row("XFRM MASK", hex64(mask.xfrm.bits()), format!("left free: {free}"));
    description.row(
        "MISCSELECT",
        hex32(sigstruct.miscselect.bits()),
        sigstruct.miscselect.to_string(),
    );
    let free = sgx_types::Miscselect::NAMED.difference(sigstruct.miscmask);
    description.row("MISCMASK", hex32(sigstruct.miscmask.bits()), format!("left free: {free}"));
    description.row(
        "CET_ATTRIBUTES",
        format!("{:#04x}", sigstruct.cet_attributes.bits()),
        sigstruct.cet_attributes.to_string(),
    );
    description.row(
        "CET_ATTRIBUTES_MASK",
        format!("{:#04x}", sigstruct.cet_attributes_mask.bits()),
        "",
    );
}

fn signature(description: &mut Description, sigstruct: &Sigstruct) {
    if !is_signed(sigstruct) {
        description.row("SIGNATURE", "none", "");
        description.refuse("unsigned", "it carries no key and no signature yet");
        return;
    }
    match signing::verify(sigstruct) {
        Ok(()) => description.row("SIGNATURE", "valid", "RSA-3072, exponent 3; Q1 and Q2 fit"),
        Err(error) => {
            description.row("SIGNATURE", "invalid", "");
            description.refuse("signature", chain(&error));
        }
    }
}

fn is_signed(sigstruct: &Sigstruct) -> bool {
    [&sigstruct.modulus, &sigstruct.signature, &sigstruct.q1, &sigstruct.q2]
        .iter()
        .any(|number| number.iter().any(|byte| *byte != 0))
}

fn warnings(description: &mut Description, sigstruct: &Sigstruct) {
    let (set, mask) = (sigstruct.attributes.flags, sigstruct.attributemask.flags);
    let free = |flag| !mask.contains(flag);
    let demanded = |flag| mask.contains(flag) && set.contains(flag);
    if demanded(AttributeFlags::DEBUG) {
        description.warn(
            "debug-demanded",
            "only a debug enclave can start with it: a debugger can read all its memory",
        );
    }
    if free(AttributeFlags::DEBUG) {
        description.warn(
            "debug-allowed",
            "the mask allows DEBUG: who starts the enclave may let a debugger read all its memory",
        );
    }
    if set.contains(AttributeFlags::INIT) {
        description.warn("init-demanded", "it demands INIT, so that no enclave can start with it");
    }
    for (flag, code, keys) in [
        (AttributeFlags::PROVISIONKEY, "provisioning-allowed", "provisioning keys"),
        (AttributeFlags::EINITTOKENKEY, "launch-key-allowed", "the launch key"),
    ] {
        if free(flag) || demanded(flag) {
            description.warn(code, format!("the enclave may derive {keys}"));
        }
    }
    if sigstruct.date.ymd().is_none() {
        description.warn("date", format!("DATE {} is not a day", sigstruct.date));
    }
}
