//! KEYREQUEST in words.

use sgx_types::{KeyName, KeyRequest};

use super::description::{Description, hex32, hex64};
use crate::text::to_hex;

/// Describes a KEYREQUEST.
pub(crate) fn describe(request: &KeyRequest) -> Description {
    let mut description = Description::new("KEYREQUEST");
    let name = match request.key_name() {
        Some(KeyName::EinitToken) => "launch key",
        Some(KeyName::Provision) => "provisioning key",
        Some(KeyName::ProvisionSeal) => "provisioning sealing key",
        Some(KeyName::Report) => "report key",
        Some(KeyName::Seal) => "sealing key",
        None => {
            description
                .refuse("key-name", format!("KEYNAME: expected 0 to 4, found {}", request.keyname));
            "unknown"
        }
    };
    description.row("KEYNAME", request.keyname, name);
    description.row(
        "KEYPOLICY",
        format!("{:#06x}", request.keypolicy.bits()),
        format!("bound to {}", request.keypolicy),
    );
    description.row("ISVSVN", request.isvsvn, "security version of the enclave");
    description.row("CONFIGSVN", request.configsvn, "");
    description.row("CPUSVN", to_hex(&request.cpusvn), "");
    let mask = request.attributemask;
    description.row("ATTRIBUTEMASK", hex64(mask.flags.bits()), mask.flags.to_string());
    description.row("XFRM MASK", hex64(mask.xfrm.bits()), mask.xfrm.to_string());
    description.row("MISCMASK", hex32(request.miscmask.bits()), "");
    description.row(
        "CET_ATTRIBUTES_MASK",
        format!("{:#04x}", request.cet_attributes_mask.bits()),
        "",
    );
    description.row("KEYID", to_hex(&request.keyid), "");
    description
}
