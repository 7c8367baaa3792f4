//! The SGX extension of a PCK certificate: which platform, at which TCB.
//!
//! Layout: Intel SGX PCK Certificate and CRL Profile Specification, OID 1.2.840.113741.1.13.1, a
//! SEQUENCE of SEQUENCE { OID, value }.

use crate::asn1;
use crate::certificate::Extension;
use crate::platform::{PlatformFacts, SgxType};

/// The extension's OID; the parts have it as their prefix.
pub const SGX_EXTENSION: &[u64] = &[1, 2, 840, 113_741, 1, 13, 1];

/// Content of the extension. Parts that are `None` are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PckExtension {
    /// .1: platform provisioning id.
    pub ppid: Vec<u8>,
    /// .2.1 to .2.16: SVNs of the TCB components, which TCB levels are matched with.
    pub components: [u8; 16],
    /// .2.17: ISVSVN of the provisioning certification enclave.
    pub pcesvn: u16,
    /// .2.18: raw CPUSVN.
    pub cpusvn: Vec<u8>,
    /// .3: PCE id, big endian.
    pub pceid: Vec<u8>,
    /// .4: family, model, stepping, platform type, custom SKU.
    pub fmspc: Vec<u8>,
    /// .5: kind of memory protection.
    pub sgx_type: SgxType,
    /// .6: platform instance id; certificates of the Platform CA have it.
    pub platform_instance_id: Option<Vec<u8>>,
    /// .7: configuration; certificates of the Platform CA have it.
    pub configuration: Option<PckConfiguration>,
}

/// Configuration flags of a multi-package platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PckConfiguration {
    /// .7.1: packages can be added after registration.
    pub dynamic_platform: bool,
    /// .7.2: the registration service keeps the platform root keys.
    pub cached_keys: bool,
    /// .7.3: simultaneous multithreading is on.
    pub smt_enabled: bool,
}

impl PckExtension {
    /// The extension that describes `platform`.
    pub fn for_platform(platform: &PlatformFacts) -> Self {
        let by_platform_ca = platform.ca.is_platform();
        Self {
            ppid: platform.ppid.to_vec(),
            components: platform.cpusvn,
            pcesvn: platform.pcesvn,
            cpusvn: platform.cpusvn.to_vec(),
            pceid: platform.pceid.to_be_bytes().to_vec(),
            fmspc: platform.fmspc.to_vec(),
            sgx_type: platform.sgx_type,
            platform_instance_id: by_platform_ca.then(|| platform.platform_instance_id.to_vec()),
            configuration: by_platform_ca.then_some(platform.configuration),
        }
    }

    /// The extension as a certificate carries it (not critical).
    pub fn to_extension(&self) -> Extension {
        Extension { oid: SGX_EXTENSION.to_vec(), critical: false, value: self.to_der() }
    }

    /// DER of the extension's value.
    pub fn to_der(&self) -> Vec<u8> {
        let mut parts = vec![
            part(&[1], asn1::octet_string(&self.ppid)),
            part(&[2], self.tcb()),
            part(&[3], asn1::octet_string(&self.pceid)),
            part(&[4], asn1::octet_string(&self.fmspc)),
            part(&[5], asn1::enumerated(self.sgx_type.code())),
        ];
        parts.extend(self.platform_instance_id.iter().map(|id| part(&[6], asn1::octet_string(id))));
        parts.extend(self.configuration.map(|configuration| part(&[7], configuration.to_der())));
        asn1::sequence(parts)
    }

    fn tcb(&self) -> Vec<u8> {
        let components = (1..).zip(self.components);
        let components =
            components.map(|(number, svn)| part(&[2, number], asn1::integer(u64::from(svn))));
        asn1::sequence(components.chain([
            part(&[2, 17], asn1::integer(u64::from(self.pcesvn))),
            part(&[2, 18], asn1::octet_string(&self.cpusvn)),
        ]))
    }
}

impl PckConfiguration {
    fn to_der(self) -> Vec<u8> {
        asn1::sequence([
            part(&[7, 1], asn1::boolean(self.dynamic_platform)),
            part(&[7, 2], asn1::boolean(self.cached_keys)),
            part(&[7, 3], asn1::boolean(self.smt_enabled)),
        ])
    }
}

fn part(arcs: &[u64], value: Vec<u8>) -> Vec<u8> {
    let oid: Vec<u64> = SGX_EXTENSION.iter().chain(arcs).copied().collect();
    asn1::sequence([asn1::object_identifier(&oid), value])
}
