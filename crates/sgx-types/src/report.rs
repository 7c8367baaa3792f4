//! REPORT and TARGETINFO: local attestation.

use crate::Malformed;
use crate::layout::{Field, Place, copy, structure};
use crate::{Attributes, CetAttributes, Miscselect, Mrenclave, Mrsigner};

structure! {
    /// The part of a REPORT that its MAC covers ("Report (REPORT)"); quotes carry it too.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ReportBody = "REPORT", 384 bytes;
    fields {
        /// Security version of the processor.
        0 CPUSVN: cpusvn: [u8; 16],
        /// Extra information an AEX stores.
        16 MISCSELECT: miscselect: Miscselect,
        /// CET features.
        20 CET_ATTRIBUTES: cet_attributes: CetAttributes,
        /// Extended product number (KSS).
        32 ISVEXTPRODID: isvextprodid: [u8; 16],
        /// Attributes of the enclave.
        48 ATTRIBUTES: attributes: Attributes,
        /// Measurement of the enclave.
        64 MRENCLAVE: mrenclave: Mrenclave,
        /// Signer of the enclave.
        128 MRSIGNER: mrsigner: Mrsigner,
        /// Identity of the configuration (KSS).
        192 CONFIGID: configid: [u8; 64],
        /// Product number.
        256 ISVPRODID: isvprodid: u16,
        /// Security version of the enclave.
        258 ISVSVN: isvsvn: u16,
        /// Security version of the configuration (KSS).
        260 CONFIGSVN: configsvn: u16,
        /// Family of products (KSS).
        304 ISVFAMILYID: isvfamilyid: [u8; 16],
        /// What the enclave said.
        320 REPORTDATA: reportdata: [u8; 64],
    }
    reserved { 21..32, 96..128, 160..192, 262..304, }
}

impl Field for ReportBody {
    const SIZE: usize = ReportBody::SIZE;
    const ZERO: Self = ReportBody::ZERO;

    fn read(bytes: &[u8], _place: Place) -> Result<Self, Malformed> {
        ReportBody::from_slice(bytes)
    }

    fn write(&self, out: &mut [u8]) {
        copy(out, &self.to_bytes());
    }
}

structure! {
    /// REPORT ("Report (REPORT)"), what EREPORT writes. In memory it is aligned to 512 bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Report = "REPORT", 432 bytes;
    fields {
        /// What the MAC covers.
        0 BODY: body: ReportBody,
        /// Wear-out protection value for the report key; goes into KEYREQUEST.KEYID.
        384 KEYID: keyid: [u8; 32],
        /// AES-128-CMAC of the body under the target's report key.
        416 MAC: mac: [u8; 16],
    }
}

structure! {
    /// TARGETINFO ("Report Target Info (TARGETINFO)"), for whom EREPORT makes a REPORT. In memory it
    /// is aligned to 512 bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct TargetInfo = "TARGETINFO", 512 bytes;
    fields {
        /// MRENCLAVE of the target.
        0 MEASUREMENT: measurement: Mrenclave,
        /// Attributes of the target.
        32 ATTRIBUTES: attributes: Attributes,
        /// CET features of the target.
        48 CET_ATTRIBUTES: cet_attributes: CetAttributes,
        /// CONFIGSVN of the target.
        50 CONFIGSVN: configsvn: u16,
        /// MISCSELECT of the target.
        52 MISCSELECT: miscselect: Miscselect,
        /// CONFIGID of the target.
        64 CONFIGID: configid: [u8; 64],
    }
    reserved { 49..50, 56..64, 128..512, }
}

impl TargetInfo {
    /// Names the enclave that a report is about as the target of another.
    pub const fn of(body: &ReportBody) -> Self {
        TargetInfo {
            measurement: body.mrenclave,
            attributes: body.attributes,
            cet_attributes: body.cet_attributes,
            configsvn: body.configsvn,
            miscselect: body.miscselect,
            configid: body.configid,
        }
    }
}
