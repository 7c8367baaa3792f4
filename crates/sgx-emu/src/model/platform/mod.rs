//! The identity of an emulated platform: what fuses, microcode and the provisioning service give a
//! real one.
//!
//! A [`Platform`] is the root of every report and key. Platforms live in a [`PlatformStore`], a
//! directory of the user, are made on first use and have names, so that "another machine" and "an
//! out-of-date machine" can be had. Nothing about one is secret from whoever can read the
//! directory: an emulated platform proves nothing, and its evidence chains to the emulator's own
//! root.

mod file;
mod store;

use crypto::Secret;

pub use file::FileError;
pub use store::{PlatformError, PlatformStore};

/// FMSPC of emulated platforms: "SIM" and a number, so that it is no processor's.
pub const SIM_FMSPC: [u8; 6] = *b"SIM\0\0\x01";

/// CPUSVN that a platform has unless another is asked for.
pub const DEFAULT_CPUSVN: [u8; 16] = [8, 8, 8, 8, 8, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0];

/// An emulated platform.
#[derive(Clone, Debug)]
pub struct Platform {
    name: String,
    public: PlatformInfo,
    fuses: Fuses,
}

/// What a platform may tell about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformInfo {
    /// CR_CPUSVN: security version of processor and microcode, 16 components.
    pub cpusvn: [u8; 16],
    /// Security version of the provisioning certification enclave, for the PCK certificate.
    pub pcesvn: u16,
    /// PCEID, for the PCK certificate.
    pub pceid: u16,
    /// FMSPC: family, model, stepping, platform type and custom SKU.
    pub fmspc: [u8; 6],
    /// PPID: identifier of the processor.
    pub ppid: [u8; 16],
    /// Identifier of the quoting enclave on this platform.
    pub qe_id: [u8; 16],
    /// Platform instance ID of multi-package platforms.
    pub platform_instance_id: [u8; 16],
}

/// What a platform keeps to itself.
#[derive(Clone, Debug)]
pub(super) struct Fuses {
    /// Keys derivekey(); on a processor shared with the manufacturer.
    root_provision_key: Secret<[u8; 16]>,
    /// CR_SEAL_FUSES; on a processor known to nobody else.
    root_seal_key: Secret<[u8; 16]>,
    /// CR_SGXOWNEREPOCH.
    pub(super) owner_epoch: [u8; 16],
    /// CR_REPORT_KEYID; a processor takes a new one at each start, this platform never restarts.
    pub(super) report_keyid: [u8; 32],
}

impl Fuses {
    pub(super) fn root_provision_key(&self) -> &[u8; 16] {
        self.root_provision_key.expose()
    }

    pub(super) fn root_seal_key(&self) -> &[u8; 16] {
        self.root_seal_key.expose()
    }
}

impl Platform {
    /// Makes a platform that is kept nowhere, from random bytes.
    ///
    /// `random` is called a few times and fills what it is given.
    pub fn generate(name: &str, mut random: impl FnMut(&mut [u8])) -> Self {
        let mut key = || bytes::<16>(&mut random);
        let fuses = Fuses {
            root_provision_key: Secret::new(key()),
            root_seal_key: Secret::new(key()),
            owner_epoch: key(),
            report_keyid: [0; 32],
        };
        let public = PlatformInfo {
            cpusvn: DEFAULT_CPUSVN,
            pcesvn: 13,
            pceid: 0,
            fmspc: SIM_FMSPC,
            ppid: key(),
            qe_id: key(),
            platform_instance_id: key(),
        };
        let fuses = Fuses { report_keyid: bytes(&mut random), ..fuses };
        Self { name: name.to_owned(), public, fuses }
    }

    /// The same machine as it was before updates: same fuses and identifiers, this CPUSVN and
    /// PCESVN.
    ///
    /// # Errors
    ///
    /// [`PlatformError::NotOlder`] unless every component of `cpusvn` is at most the present one.
    pub fn older(&self, name: &str, cpusvn: [u8; 16], pcesvn: u16) -> Result<Self, PlatformError> {
        if !self.covers(&cpusvn) || pcesvn > self.public.pcesvn {
            return Err(PlatformError::NotOlder { name: self.name.clone() });
        }
        let public = PlatformInfo { cpusvn, pcesvn, ..self.public };
        Ok(Self { name: name.to_owned(), public, fuses: self.fuses.clone() })
    }

    /// The name in its store.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the platform tells about itself.
    #[must_use]
    pub fn info(&self) -> &PlatformInfo {
        &self.public
    }

    /// CR_CPUSVN.
    #[must_use]
    pub fn cpusvn(&self) -> [u8; 16] {
        self.public.cpusvn
    }

    /// Whether `cpusvn` is not beyond this platform's, in any of its components.
    #[must_use]
    pub fn covers(&self, cpusvn: &[u8; 16]) -> bool {
        self.public.cpusvn.iter().zip(cpusvn).all(|(own, asked)| asked <= own)
    }

    pub(super) fn fuses(&self) -> &Fuses {
        &self.fuses
    }
}

fn bytes<const N: usize>(random: &mut impl FnMut(&mut [u8])) -> [u8; N] {
    let mut bytes = [0; N];
    random(&mut bytes);
    bytes
}
