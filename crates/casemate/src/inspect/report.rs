//! REPORT and TARGETINFO in words.

use sgx_types::{Report, ReportBody, TargetInfo};

use super::description::{Description, hex32, unused};
use crate::text::to_hex;

/// Describes a REPORT. Its MAC cannot be checked here: only the target enclave has the key.
pub(crate) fn describe(report: &Report) -> Description {
    let mut description = Description::new("REPORT");
    body(&mut description, &report.body);
    description.row("KEYID", to_hex(&report.keyid), "");
    description.row("MAC", to_hex(&report.mac), "only the target enclave can check it");
    description
}

/// Adds the fields of a report's body; quotes carry the same body.
pub(crate) fn body(description: &mut Description, body: &ReportBody) {
    description.row("MRENCLAVE", body.mrenclave.to_string(), "");
    description.mrsigner(body.mrsigner);
    description.row("ISVPRODID", body.isvprodid, "product");
    description.row("ISVSVN", body.isvsvn, "security version");
    description.row("ISVEXTPRODID", to_hex(&body.isvextprodid), unused(&body.isvextprodid));
    description.row("ISVFAMILYID", to_hex(&body.isvfamilyid), unused(&body.isvfamilyid));
    description.row("CONFIGID", to_hex(&body.configid), unused(&body.configid));
    description.row("CONFIGSVN", body.configsvn, "");
    description.attributes(body.attributes);
    description.row("MISCSELECT", hex32(body.miscselect.bits()), body.miscselect.to_string());
    description.row(
        "CET_ATTRIBUTES",
        format!("{:#04x}", body.cet_attributes.bits()),
        body.cet_attributes.to_string(),
    );
    description.row("CPUSVN", to_hex(&body.cpusvn), "");
    description.row("REPORTDATA", to_hex(&body.reportdata), "what the enclave said");
}

/// Describes a TARGETINFO.
pub(crate) fn describe_target(target: &TargetInfo) -> Description {
    let mut description = Description::new("TARGETINFO");
    description.row("MEASUREMENT", target.measurement.to_string(), "MRENCLAVE of the target");
    description.attributes(target.attributes);
    description.row("MISCSELECT", hex32(target.miscselect.bits()), target.miscselect.to_string());
    description.row(
        "CET_ATTRIBUTES",
        format!("{:#04x}", target.cet_attributes.bits()),
        target.cet_attributes.to_string(),
    );
    description.row("CONFIGID", to_hex(&target.configid), unused(&target.configid));
    description.row("CONFIGSVN", target.configsvn, "");
    description
}
