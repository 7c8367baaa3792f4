//! ENCLU[EGETKEY]: derives a key for the enclave.

use sgx_types::{
    AttributeFlags, Attributes, KeyName, KeyPolicy, KeyRequest, SgxError, TargetInfo, Xfrm,
};

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafError, LeafResult, require, require_or};
use crate::model::keys::{KeyDependencies, report_key};
use crate::model::memory::{Access, EpcMemory};
use crate::model::platform::Platform;

/// REQUIRED_SEALING_MASK: attributes that every key depends on, whatever the request says. A debug
/// enclave therefore never gets the key of a production enclave.
const REQUIRED_SEALING_MASK: Attributes =
    Attributes { flags: AttributeFlags::INIT.union(AttributeFlags::DEBUG), xfrm: Xfrm::empty() };

impl<M: EpcMemory> Enclave<M> {
    /// Derives the key that the KEYREQUEST at RBX asks for and stores it at RCX.
    ///
    /// # Errors
    ///
    /// - #GP: a misaligned address (512 and 16 bytes) or one outside ELRANGE; a KEYREQUEST with
    ///   reserved bits; KSS policy bits or a CONFIGSVN without ATTRIBUTES.KSS.
    /// - #PF: an operand on a page that is not a settled PT_REG, or cannot be read (RCX: written).
    /// - SGX_INVALID_KEYNAME, SGX_INVALID_ATTRIBUTE: no such key, or not for this enclave.
    /// - SGX_INVALID_CPUSVN, SGX_INVALID_ISVSVN: a version beyond the platform's or the enclave's.
    pub fn egetkey(&mut self, platform: &Platform, rbx: u64, rcx: u64) -> LeafResult {
        self.check_address(rbx, 512, Access::R)?;
        self.check_address(rcx, 16, Access::W)?;
        let image = self.read_operand::<{ KeyRequest::SIZE }>(rbx)?;
        let request = KeyRequest::from_bytes(&image).map_err(|_| LeafError::GP)?;
        let key = self.derive(platform, &request)?;
        self.memory.write(rcx, &key)?;
        Ok(())
    }
}

impl<M> Enclave<M> {
    /// The key for a request that is well-formed.
    fn derive(&self, platform: &Platform, request: &KeyRequest) -> LeafResult<[u8; 16]> {
        let kss = self.has(AttributeFlags::KSS);
        let uses_kss = request.keypolicy.intersects(KeyPolicy::KSS_ONLY) || request.configsvn > 0;
        require(kss || !uses_kss)?;
        let dependencies = match request.key_name().ok_or(SgxError::InvalidKeyname)? {
            KeyName::Report => return Ok(self.own_report_key(platform, request)),
            KeyName::Seal => self.seal_key(platform, request)?,
            KeyName::EinitToken => self.einittoken_key(platform, request)?,
            KeyName::Provision => self.provision_key(platform, request)?,
            KeyName::ProvisionSeal => self.provision_seal_key(platform, request)?,
        };
        Ok(dependencies.derive(platform))
    }

    fn own_report_key(&self, platform: &Platform, request: &KeyRequest) -> [u8; 16] {
        let own = TargetInfo {
            measurement: self.secs.mrenclave,
            attributes: self.secs.attributes,
            cet_attributes: self.secs.cet_attributes,
            configsvn: self.secs.configsvn,
            miscselect: self.secs.miscselect,
            configid: self.secs.configid,
        };
        report_key(platform, &own, &request.keyid)
    }

    fn seal_key(&self, platform: &Platform, request: &KeyRequest) -> LeafResult<KeyDependencies> {
        self.check_versions(platform, request)?;
        let configsvn_known = request.configsvn <= self.secs.configsvn;
        require_or(configsvn_known, SgxError::InvalidIsvsvn)?;
        let policy = request.keypolicy;
        let dependencies = KeyDependencies {
            owner_epoch: true,
            keyid: request.keyid,
            seal_fuses: true,
            keypolicy: policy,
            attributemask: request.attributemask,
            miscmask: !request.miscmask,
            cet_attributes_mask: request.cet_attributes_mask,
            ..self.common(KeyName::Seal, request)
        };
        let mut dependencies = self.with_product(dependencies, request);
        if policy.contains(KeyPolicy::MRENCLAVE) {
            dependencies.mrenclave = self.secs.mrenclave;
        }
        if policy.contains(KeyPolicy::MRSIGNER) {
            dependencies.mrsigner = self.secs.mrsigner;
        }
        Ok(dependencies)
    }

    fn einittoken_key(
        &self,
        platform: &Platform,
        request: &KeyRequest,
    ) -> LeafResult<KeyDependencies> {
        self.check_authorized(AttributeFlags::EINITTOKENKEY)?;
        self.check_versions(platform, request)?;
        Ok(KeyDependencies {
            isvprodid: self.secs.isvprodid,
            owner_epoch: true,
            mrsigner: self.secs.mrsigner,
            keyid: request.keyid,
            seal_fuses: true,
            ..self.common(KeyName::EinitToken, request)
        })
    }

    fn provision_key(
        &self,
        platform: &Platform,
        request: &KeyRequest,
    ) -> LeafResult<KeyDependencies> {
        self.check_authorized(AttributeFlags::PROVISIONKEY)?;
        self.check_versions(platform, request)?;
        Ok(KeyDependencies {
            isvprodid: self.secs.isvprodid,
            attributemask: request.attributemask,
            mrsigner: self.secs.mrsigner,
            miscmask: !request.miscmask,
            ..self.common(KeyName::Provision, request)
        })
    }

    fn provision_seal_key(
        &self,
        platform: &Platform,
        request: &KeyRequest,
    ) -> LeafResult<KeyDependencies> {
        self.check_authorized(AttributeFlags::PROVISIONKEY)?;
        self.check_versions(platform, request)?;
        let dependencies = KeyDependencies {
            attributemask: request.attributemask,
            mrsigner: self.secs.mrsigner,
            seal_fuses: true,
            miscmask: !request.miscmask,
            keypolicy: request.keypolicy,
            ..self.common(KeyName::ProvisionSeal, request)
        };
        Ok(self.with_product(dependencies, request))
    }

    /// What all keys but the report key take from the request and the SECS.
    fn common(&self, keyname: KeyName, request: &KeyRequest) -> KeyDependencies {
        let mask = Attributes {
            flags: request.attributemask.flags | REQUIRED_SEALING_MASK.flags,
            xfrm: request.attributemask.xfrm | REQUIRED_SEALING_MASK.xfrm,
        };
        KeyDependencies {
            isvsvn: request.isvsvn,
            attributes: self.secs.attributes.masked(mask),
            cpusvn: request.cpusvn,
            miscselect: self.secs.miscselect & request.miscmask,
            cet_attributes: self.secs.cet_attributes & request.cet_attributes_mask,
            ..KeyDependencies::new(keyname)
        }
    }

    /// Adds what KEYPOLICY says about product, family and configuration.
    fn with_product(&self, key: KeyDependencies, request: &KeyRequest) -> KeyDependencies {
        let policy = request.keypolicy;
        let mut key = key;
        if policy.contains(KeyPolicy::ISVFAMILYID) {
            key.isvfamilyid = self.isvfamilyid;
        }
        if !policy.contains(KeyPolicy::NOISVPRODID) {
            key.isvprodid = self.secs.isvprodid;
        }
        if policy.contains(KeyPolicy::CONFIGID) {
            key.configid = self.secs.configid;
            key.configsvn = request.configsvn;
        }
        if policy.contains(KeyPolicy::ISVEXTPRODID) {
            key.isvextprodid = self.isvextprodid;
        }
        key
    }

    fn check_authorized(&self, attribute: AttributeFlags) -> LeafResult {
        require_or(self.has(attribute), SgxError::InvalidAttribute)
    }

    fn check_versions(&self, platform: &Platform, request: &KeyRequest) -> LeafResult {
        require_or(platform.covers(&request.cpusvn), SgxError::InvalidCpusvn)?;
        require_or(request.isvsvn <= self.secs.isvsvn, SgxError::InvalidIsvsvn)
    }

    fn has(&self, attribute: AttributeFlags) -> bool {
        self.secs.attributes.flags.contains(attribute)
    }
}
