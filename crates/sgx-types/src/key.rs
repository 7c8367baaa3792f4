//! KEYREQUEST: which key EGETKEY is to derive.

use crate::bits::bitset;
use crate::layout::{Place, structure};
use crate::{Attributes, CetAttributes, Malformed, Miscselect};

/// The keys EGETKEY can derive ("Supported KEYName Values").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum KeyName {
    /// Checks EINIT tokens.
    EinitToken = 0,
    /// Provisioning.
    Provision = 1,
    /// Sealing by provisioning enclaves.
    ProvisionSeal = 2,
    /// Checks the MAC of reports made for this enclave.
    Report = 3,
    /// Sealing.
    Seal = 4,
}

impl KeyName {
    /// Returns the key with this number, if there is one.
    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            0 => KeyName::EinitToken,
            1 => KeyName::Provision,
            2 => KeyName::ProvisionSeal,
            3 => KeyName::Report,
            4 => KeyName::Seal,
            _ => return None,
        })
    }
}

bitset! {
    /// KEYREQUEST.KEYPOLICY ("KEY_POLICY Field"): what the key is bound to.
    pub struct KeyPolicy: u16 {
        /// MRENCLAVE.
        MRENCLAVE = 1,
        /// MRSIGNER.
        MRSIGNER = 1 << 1,
        /// Not ISVPRODID (KSS).
        NOISVPRODID = 1 << 2,
        /// CONFIGID and CONFIGSVN (KSS).
        CONFIGID = 1 << 3,
        /// ISVFAMILYID (KSS).
        ISVFAMILYID = 1 << 4,
        /// ISVEXTPRODID (KSS).
        ISVEXTPRODID = 1 << 5,
    }
}

impl KeyPolicy {
    /// The bits that only an enclave with ATTRIBUTES.KSS may set.
    pub const KSS_ONLY: Self = Self(0x3c);

    fn check(self, place: Place) -> Result<(), Malformed> {
        if self.unnamed().is_empty() {
            return Ok(());
        }
        Err(place.refuse("reserved bits 15:6 clear", self.bits().into()))
    }
}

structure! {
    /// KEYREQUEST ("Key Request (KEYREQUEST)"). In memory it is aligned to 512 bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct KeyRequest = "KEYREQUEST", 512 bytes;
    fields {
        /// Number of the key; [`KeyRequest::key_name`] gives its meaning. An unknown number is
        /// kept, for EGETKEY answers it with SGX_INVALID_KEYNAME.
        0 KEYNAME: keyname: u16,
        /// What the key is bound to.
        2 KEYPOLICY: keypolicy: KeyPolicy,
        /// Security version of the enclave the key is for.
        4 ISVSVN: isvsvn: u16,
        /// Which CET attributes the key is bound to.
        6 CET_ATTRIBUTES_MASK: cet_attributes_mask: CetAttributes,
        /// Security version of the processor the key is for.
        8 CPUSVN: cpusvn: [u8; 16],
        /// Which attributes the key is bound to.
        24 ATTRIBUTEMASK: attributemask: Attributes,
        /// Wear-out protection value.
        40 KEYID: keyid: [u8; 32],
        /// Which bits of MISCSELECT the key is bound to.
        72 MISCMASK: miscmask: Miscselect,
        /// Security version of the configuration the key is for (KSS).
        76 CONFIGSVN: configsvn: u16,
    }
    reserved { 7..8, 78..512, }
}

impl KeyRequest {
    /// Returns the key that is asked for, unless its number has no meaning.
    pub const fn key_name(&self) -> Option<KeyName> {
        KeyName::from_number(self.keyname)
    }
}
