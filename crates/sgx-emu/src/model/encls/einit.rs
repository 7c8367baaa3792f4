//! ENCLS[EINIT]: finishes the measurement, checks the SIGSTRUCT and makes the enclave ready to run.

use sgx_types::signing;
use sgx_types::{AttributeFlags, Mrsigner, SgxError, Sigstruct};

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafResult, require, require_or};

/// Which signers something is granted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedSigners {
    /// Every signer.
    Any,
    /// Only these MRSIGNERs; none when the list is empty.
    Only(Vec<Mrsigner>),
}

impl AllowedSigners {
    /// Whether this signer is one of them.
    #[must_use]
    pub fn allows(&self, mrsigner: &Mrsigner) -> bool {
        match self {
            Self::Any => true,
            Self::Only(signers) => signers.contains(mrsigner),
        }
    }
}

/// Launch control: who may launch enclaves, and who may give them the two key attributes.
///
/// A processor compares MRSIGNER with the one hash in IA32_SGXLEPUBKEYHASH; Linux writes the
/// enclave's own MRSIGNER there before each EINIT, so that every signer may launch, and keeps the
/// provisioning attribute behind a device file. The rules here stand for both.
///
/// EINIT tokens are not modelled: EINITTOKEN.VALID counts as 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchControl {
    /// Whose enclaves may be launched (MRSIGNER = IA32_SGXLEPUBKEYHASH).
    pub launch: AllowedSigners,
    /// Whose enclaves may have ATTRIBUTES.PROVISIONKEY (`/dev/sgx_provision`).
    pub provisionkey: AllowedSigners,
    /// Whose enclaves may have ATTRIBUTES.EINITTOKENKEY.
    pub einittokenkey: AllowedSigners,
}

impl Default for LaunchControl {
    /// Every signer may launch, none may have a key attribute.
    fn default() -> Self {
        Self {
            launch: AllowedSigners::Any,
            provisionkey: AllowedSigners::Only(Vec::new()),
            einittokenkey: AllowedSigners::Only(Vec::new()),
        }
    }
}

impl<M> Enclave<M> {
    /// Initialises the enclave with the bytes of a SIGSTRUCT.
    ///
    /// # Errors
    ///
    /// - #GP: the enclave is already initialised.
    /// - SGX_INVALID_SIG_STRUCT: constants, vendor, exponent or reserved bytes are wrong, or
    ///   ISVFAMILYID is set without KSS.
    /// - SGX_INVALID_SIGNATURE: the signature, Q1 or Q2 is wrong.
    /// - SGX_INVALID_MEASUREMENT: ENCLAVEHASH is not the measurement.
    /// - SGX_INVALID_ATTRIBUTE: attributes or MISCSELECT differ under the masks, or a key attribute
    ///   is not granted to this signer.
    /// - SGX_INVALID_EINITTOKEN: this signer may not launch.
    pub fn einit(
        &mut self,
        sigstruct: &[u8; Sigstruct::SIZE],
        control: &LaunchControl,
    ) -> LeafResult {
        let sigstruct = Sigstruct::from_bytes(sigstruct).map_err(|_| SgxError::InvalidSigStruct)?;
        require_or(signing::verify(&sigstruct).is_ok(), SgxError::InvalidSignature)?;
        require(!self.is_initialized())?;
        let kss = self.secs.attributes.flags.contains(AttributeFlags::KSS);
        let without_family = sigstruct.isvfamilyid == [0; 16];
        require_or(kss || without_family, SgxError::InvalidSigStruct)?;
        let mrenclave = self.measurement();
        require_or(sigstruct.enclavehash == mrenclave, SgxError::InvalidMeasurement)?;
        let mrsigner = sigstruct.mrsigner();
        self.check_granted(&mrsigner, control)?;
        self.check_masks(&sigstruct)?;
        require_or(control.launch.allows(&mrsigner), SgxError::InvalidEinitToken)?;

        self.secs.mrenclave = mrenclave;
        self.secs.mrsigner = mrsigner;
        self.secs.isvprodid = sigstruct.isvprodid;
        self.secs.isvsvn = sigstruct.isvsvn;
        self.isvextprodid = sigstruct.isvextprodid;
        self.isvfamilyid = sigstruct.isvfamilyid;
        let flags = &mut self.secs.attributes.flags;
        *flags = *flags | AttributeFlags::INIT;
        Ok(())
    }

    /// Checks the attributes that only some signers may have.
    fn check_granted(&self, mrsigner: &Mrsigner, control: &LaunchControl) -> LeafResult {
        let flags = self.secs.attributes.flags;
        for (attribute, signers) in [
            (AttributeFlags::EINITTOKENKEY, &control.einittokenkey),
            (AttributeFlags::PROVISIONKEY, &control.provisionkey),
        ] {
            let granted = !flags.contains(attribute) || signers.allows(mrsigner);
            require_or(granted, SgxError::InvalidAttribute)?;
        }
        Ok(())
    }

    /// Checks what the signer demands of ATTRIBUTES, MISCSELECT and CET_ATTRIBUTES under its masks.
    fn check_masks(&self, sigstruct: &Sigstruct) -> LeafResult {
        let mask = sigstruct.attributemask;
        let attributes = self.secs.attributes.masked(mask) == sigstruct.attributes.masked(mask);
        let mask = sigstruct.miscmask;
        let misc = self.secs.miscselect & mask == sigstruct.miscselect & mask;
        let mask = sigstruct.cet_attributes_mask;
        let cet = self.secs.cet_attributes & mask == sigstruct.cet_attributes & mask;
        require_or(attributes && misc && cet, SgxError::InvalidAttribute)
    }
}
