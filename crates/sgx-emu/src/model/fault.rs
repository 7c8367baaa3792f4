//! How a leaf fails.

use sgx_types::SgxError;

use super::memory::MemoryError;

/// An exception that a leaf raises instead of completing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exception {
    /// #GP(0).
    #[error("#GP(0)")]
    GeneralProtection,
    /// #PF at a linear address. Its error code has bit 15 (SGX) set when the EPCM denied the
    /// access.
    #[error("#PF({linaddr:#x})")]
    PageFault {
        /// The faulting address, as the leaf was given it.
        linaddr: u64,
    },
}

/// Why a leaf did not complete. The enclave is unchanged unless it is [`LeafError::Host`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// The leaf faults: the instruction pointer stays at it, no register changes.
    #[error(transparent)]
    Fault(Exception),
    /// The leaf completes with a code; see [`LeafError::registers`].
    #[error(transparent)]
    Code(SgxError),
    /// The host's memory failed, which no processor does. EPCM changes made by the leaf stay, the
    /// mapped access of some pages does not follow them. The caller stops the enclave and shows
    /// the reason.
    #[error(transparent)]
    Host(#[from] MemoryError),
}

/// What a leaf returns.
pub type LeafResult<T = ()> = Result<T, LeafError>;

impl LeafError {
    /// #GP(0).
    pub const GP: Self = Self::Fault(Exception::GeneralProtection);

    /// #PF at this linear address.
    #[must_use]
    pub const fn pf(linaddr: u64) -> Self {
        Self::Fault(Exception::PageFault { linaddr })
    }

    /// What RAX, ZF and CF hold afterwards, unless the leaf faulted.
    #[must_use]
    pub const fn registers(self) -> Option<Registers> {
        let Self::Code(code) = self else { return None };
        // SPEC: EBLOCK is the one leaf that reports with CF, and only these three of its codes.
        let carry =
            matches!(code, SgxError::Blkstate | SgxError::PgIsSecs | SgxError::NotBlockable);
        Some(Registers { rax: code.number() as u64, zf: !carry, cf: carry })
    }
}

impl From<SgxError> for LeafError {
    fn from(code: SgxError) -> Self {
        Self::Code(code)
    }
}

/// What a leaf leaves in RAX and the flags; the other arithmetic flags are clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// RAX: zero, or the number of the code.
    pub rax: u64,
    /// ZF.
    pub zf: bool,
    /// CF.
    pub cf: bool,
}

impl Registers {
    /// After success.
    pub const SUCCESS: Self = Self { rax: 0, zf: false, cf: false };
}

/// Raises #GP(0) unless `condition` holds.
pub(super) fn require(condition: bool) -> LeafResult {
    if condition { Ok(()) } else { Err(LeafError::GP) }
}

/// Raises #PF at `linaddr` unless `condition` holds.
pub(super) fn require_page(condition: bool, linaddr: u64) -> LeafResult {
    if condition { Ok(()) } else { Err(LeafError::pf(linaddr)) }
}

/// Completes with `code` unless `condition` holds.
pub(super) fn require_or(condition: bool, code: SgxError) -> LeafResult {
    if condition { Ok(()) } else { Err(LeafError::Code(code)) }
}
