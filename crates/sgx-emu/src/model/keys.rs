//! Key derivation (SDM volume 3D, "EGETKEY", table "Key Derivation").
//!
//! [`KeyDependencies`] has the fields of the SDM's TMP_KEYDEPENDENCIES. A key is the AES-CMAC of
//! them under the platform's root provisioning key, after a prefix that says SIM: even a platform
//! with the fuses of a real processor would derive no key of that processor.
//!
//! The SDM's PADDING field, the PKCS #1 padding of the SIGSTRUCT signature, is the same constant
//! for every enclave that EINIT accepts; it is left out.

use crypto::cmac::aes128_cmac;
use crypto::ct_eq;
use sgx_types::{
    Attributes, CetAttributes, KeyName, KeyPolicy, Miscselect, Mrenclave, Mrsigner, Report,
    TargetInfo,
};

use super::platform::Platform;

/// Separates emulated keys from everything else.
const DOMAIN: &[u8] = b"SIM casemate sgx-emu derivekey 1";

/// What a key depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyDependencies {
    pub(super) keyname: KeyName,
    pub(super) isvfamilyid: [u8; 16],
    pub(super) isvextprodid: [u8; 16],
    pub(super) isvprodid: u16,
    pub(super) isvsvn: u16,
    /// Whether SGXOWNEREPOCH counts.
    pub(super) owner_epoch: bool,
    pub(super) attributes: Attributes,
    pub(super) attributemask: Attributes,
    pub(super) mrenclave: Mrenclave,
    pub(super) mrsigner: Mrsigner,
    pub(super) keyid: [u8; 32],
    /// Whether SEAL_KEY_FUSES count.
    pub(super) seal_fuses: bool,
    pub(super) cpusvn: [u8; 16],
    pub(super) miscselect: Miscselect,
    pub(super) miscmask: Miscselect,
    pub(super) keypolicy: KeyPolicy,
    pub(super) configid: [u8; 64],
    pub(super) configsvn: u16,
    pub(super) cet_attributes: CetAttributes,
    pub(super) cet_attributes_mask: CetAttributes,
}

impl KeyDependencies {
    /// Everything zero: TMP_KEYDEPENDENCIES := 0.
    pub(super) fn new(keyname: KeyName) -> Self {
        Self {
            keyname,
            isvfamilyid: [0; 16],
            isvextprodid: [0; 16],
            isvprodid: 0,
            isvsvn: 0,
            owner_epoch: false,
            attributes: Attributes::default(),
            attributemask: Attributes::default(),
            mrenclave: Mrenclave::default(),
            mrsigner: Mrsigner::default(),
            keyid: [0; 32],
            seal_fuses: false,
            cpusvn: [0; 16],
            miscselect: Miscselect::empty(),
            miscmask: Miscselect::empty(),
            keypolicy: KeyPolicy::empty(),
            configid: [0; 64],
            configsvn: 0,
            cet_attributes: CetAttributes::empty(),
            cet_attributes_mask: CetAttributes::empty(),
        }
    }

    /// derivekey(TMP_KEYDEPENDENCIES).
    pub(super) fn derive(&self, platform: &Platform) -> [u8; 16] {
        let fuses = platform.fuses();
        let mut message = Vec::with_capacity(512);
        message.extend_from_slice(DOMAIN);
        let mut put = |bytes: &[u8]| message.extend_from_slice(bytes);
        put(&(self.keyname as u16).to_le_bytes());
        put(&self.isvfamilyid);
        put(&self.isvextprodid);
        put(&self.isvprodid.to_le_bytes());
        put(&self.isvsvn.to_le_bytes());
        put(if self.owner_epoch { &fuses.owner_epoch } else { &[0; 16] });
        put(&self.attributes.to_bytes());
        put(&self.attributemask.to_bytes());
        put(&self.mrenclave.0);
        put(&self.mrsigner.0);
        put(&self.keyid);
        put(if self.seal_fuses { fuses.root_seal_key() } else { &[0; 16] });
        put(&self.cpusvn);
        put(&self.miscselect.bits().to_le_bytes());
        put(&self.miscmask.bits().to_le_bytes());
        put(&self.keypolicy.bits().to_le_bytes());
        put(&self.configid);
        put(&self.configsvn.to_le_bytes());
        put(&[self.cet_attributes.bits(), self.cet_attributes_mask.bits()]);
        aes128_cmac(fuses.root_provision_key(), &message)
    }
}

/// Derives the report key of a target: what EREPORT makes a MAC with and the target gets from
/// EGETKEY.
#[must_use]
pub fn report_key(platform: &Platform, target: &TargetInfo, keyid: &[u8; 32]) -> [u8; 16] {
    let dependencies = KeyDependencies {
        owner_epoch: true,
        attributes: target.attributes,
        mrenclave: target.measurement,
        keyid: *keyid,
        seal_fuses: true,
        cpusvn: platform.cpusvn(),
        miscselect: target.miscselect,
        configid: target.configid,
        configsvn: target.configsvn,
        cet_attributes: target.cet_attributes,
        ..KeyDependencies::new(KeyName::Report)
    };
    dependencies.derive(platform)
}

/// The MAC of a REPORT under a report key.
pub(super) fn report_mac(key: &[u8; 16], report: &Report) -> [u8; 16] {
    aes128_cmac(key, &report.body.to_bytes())
}

/// Checks that EREPORT on this platform, at its present CPUSVN, made the report for this target.
///
/// A quoting service, which stands in for the quoting enclave, calls it with its own target.
///
/// # Errors
///
/// [`ReportError`] when the MAC does not verify; why it does not cannot be known.
pub fn verify_report(
    platform: &Platform,
    target: &TargetInfo,
    report: &Report,
) -> Result<(), ReportError> {
    let key = report_key(platform, target, &report.keyid);
    if ct_eq(&report_mac(&key, report), &report.mac) {
        return Ok(());
    }
    Err(ReportError { platform: platform.name().to_owned(), target: target.measurement })
}

/// A REPORT whose MAC does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "verify REPORT: MAC is wrong for target MRENCLAVE {target} on emulated platform \"{platform}\": \
     the report was changed, or made for another target, on another platform, or at another CPUSVN"
)]
pub struct ReportError {
    /// Name of the platform the report was checked on.
    pub platform: String,
    /// MRENCLAVE of the target the report was checked for.
    pub target: Mrenclave,
}
