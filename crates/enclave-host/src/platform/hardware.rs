//! SGX hardware under Linux: `/dev/sgx_enclave`, `__vdso_sgx_enter_enclave` and AESM.
//!
//! Written from the kernel's documentation (`Documentation/arch/x86/sgx.rst`), its uapi header
//! `asm/sgx.h` and the SDM. It has not run on hardware yet: the tests drive it through models of
//! the driver (`model`), of the vDSO with a processor below it (`vdso_model`), and of AESM.

mod aesm;
mod building;
mod driver;
mod enclave;
mod pages;
mod request;
mod stacks;
mod vdso;

#[cfg(test)]
mod entry_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vdso_model;

use std::path::PathBuf;
use std::sync::Arc;

use sgx_types::{AttributeFlags, Attributes, Report, Secs, TargetInfo};

#[cfg(any(test, fuzzing))]
pub(crate) use aesm::fuzz as fuzz_aesm;
pub use aesm::{Aesm, SOCKET as AESM_SOCKET};
pub use driver::{DEVICE, LinuxDriver, PROVISION_DEVICE, SgxDriver, SgxFile};
pub use vdso::EnterEnclave;

use super::{Building, Capabilities, Platform};
use crate::Error;
use crate::machine::SgxCpu;

/// A machine with SGX.
#[derive(Debug)]
pub struct Hardware {
    driver: Arc<dyn SgxDriver>,
    enter: EnterEnclave,
    cpu: SgxCpu,
    aesm: Aesm,
}

impl Hardware {
    /// The machine this process runs on.
    ///
    /// # Errors
    /// [`Error::Platform`] when the processor or the kernel has no SGX.
    pub fn new() -> Result<Self, Error> {
        let unsupported =
            |needed: &str| Error::Unsupported { needed: needed.into(), platform: "hardware" };
        let cpu = SgxCpu::detect().ok_or_else(|| unsupported("a processor with SGX"))?;
        let enter = EnterEnclave::find()
            .ok_or_else(|| unsupported("a kernel with __vdso_sgx_enter_enclave (Linux 5.11)"))?;
        let aesm = Aesm::new(PathBuf::from(AESM_SOCKET));
        Ok(Self { driver: Arc::new(LinuxDriver), enter, cpu, aesm })
    }
}

impl Platform for Hardware {
    fn name(&self) -> &'static str {
        "hardware"
    }

    fn capabilities(&self) -> Capabilities {
        let SgxCpu { attributes, miscselect, sgx2, .. } = self.cpu;
        // PROVISIONKEY is for those who may open its device; see `building`.
        let flags = match self.driver.open_provision() {
            Ok(_) => attributes.flags,
            Err(_) => attributes.flags.difference(AttributeFlags::PROVISIONKEY),
        };
        let attributes = Attributes { flags, xfrm: attributes.xfrm };
        Capabilities { attributes, miscselect, edmm: sgx2 }
    }

    fn create(&self, secs: &Secs) -> Result<Box<dyn Building>, Error> {
        let edmm = self.cpu.sgx2;
        Ok(Box::new(building::HardwareBuilding::create(&*self.driver, self.enter, secs, edmm)?))
    }

    fn quote_target(&self) -> Result<TargetInfo, Error> {
        self.aesm.quote_target()
    }

    fn quote(&self, report: &Report) -> Result<Vec<u8>, Error> {
        self.aesm.quote(report)
    }
}
