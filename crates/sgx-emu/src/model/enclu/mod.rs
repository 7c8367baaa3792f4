//! ENCLU: what an enclave does itself, and how threads get in and out (SDM volume 3D, "User Leaf
//! Functions").
//!
//! Operands are linear addresses as RBX, RCX and RDX hold them, and are checked as the SDM says.
//! That the leaf is executed in enclave mode (or, for EENTER and ERESUME, outside) is for the
//! caller to know.

mod aex;
mod eaccept;
mod eacceptcopy;
mod eenter;
mod eexit;
mod egetkey;
mod emodpe;
mod entry;
mod ereport;
mod eresume;
mod operand;

pub use aex::AsyncExit;
pub use eenter::Entered;
pub use eresume::Resumption;

use sgx_types::Enclu;

use super::enclave::Enclave;
use super::fault::{LeafError, LeafResult};
use super::memory::EpcMemory;
use super::platform::Platform;

impl<M: EpcMemory> Enclave<M> {
    /// Executes a leaf that enclave code may execute without leaving: EREPORT, EGETKEY, EACCEPT,
    /// EMODPE and EACCEPTCOPY.
    ///
    /// # Errors
    ///
    /// Those of the leaf; #GP for every other leaf.
    pub fn enclu(
        &mut self,
        leaf: Enclu,
        platform: &Platform,
        [rbx, rcx, rdx]: [u64; 3],
    ) -> LeafResult {
        match leaf {
            Enclu::Ereport => self.ereport(platform, rbx, rcx, rdx),
            Enclu::Egetkey => self.egetkey(platform, rbx, rcx),
            Enclu::Eaccept => self.eaccept(rbx, rcx),
            Enclu::Emodpe => self.emodpe(rbx, rcx),
            Enclu::Eacceptcopy => self.eacceptcopy(rbx, rcx, rdx),
            Enclu::Eenter
            | Enclu::Eresume
            | Enclu::Eexit
            | Enclu::Everifyreport2
            | Enclu::Edeccssa => Err(LeafError::GP),
        }
    }
}
