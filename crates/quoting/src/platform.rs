//! What an endorser knows about one emulated machine.

use crate::pck::PckConfiguration;

/// Identity and TCB of a platform, as its PCK certificate will state them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformFacts {
    /// CPUSVN of the processor. Component `i` of the TCB is byte `i`.
    pub cpusvn: [u8; 16],
    /// ISVSVN of the provisioning certification enclave.
    pub pcesvn: u16,
    /// Which provisioning certification enclave; 0 on all real platforms so far.
    pub pceid: u16,
    /// Family, model, stepping, platform type and custom SKU.
    pub fmspc: [u8; 6],
    /// Platform provisioning id.
    pub ppid: [u8; 16],
    /// Platform instance id, stated only by the Platform CA.
    pub platform_instance_id: [u8; 16],
    /// QE_ID, the first 16 bytes of a quote's user data.
    pub qe_id: [u8; 16],
    /// Kind of memory protection.
    pub sgx_type: SgxType,
    /// Configuration flags, stated only by the Platform CA.
    pub configuration: PckConfiguration,
    /// Which CA issues this platform's PCK certificate.
    pub ca: PckCa,
}

/// How the platform protects enclave memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SgxType {
    /// Client processors: integrity tree.
    Standard,
    /// Server processors: total memory encryption.
    Scalable,
    /// Server processors with cryptographic integrity.
    ScalableWithIntegrity,
}

impl SgxType {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Standard => 0,
            Self::Scalable => 1,
            Self::ScalableWithIntegrity => 2,
        }
    }
}

/// The two CAs that issue PCK certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PckCa {
    /// For single-package platforms.
    Processor,
    /// For registered (multi-package) platforms.
    Platform,
}

impl PckCa {
    /// The word in URLs: `processor` or `platform`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Platform => "platform",
        }
    }

    pub(crate) const fn is_platform(self) -> bool {
        matches!(self, Self::Platform)
    }

    pub(crate) const fn common_name(self) -> &'static str {
        match self {
            Self::Processor => "Casemate Emulated SGX PCK Processor CA",
            Self::Platform => "Casemate Emulated SGX PCK Platform CA",
        }
    }
}
