//! `struct sgx_enclave_run` of Linux (uapi `asm/sgx.h`).

/// ENCLU leaf EENTER.
pub const EENTER: u32 = 2;
/// ENCLU leaf ERESUME.
pub const ERESUME: u32 = 3;
/// ENCLU leaf EEXIT.
pub const EEXIT: u32 = 4;

/// The execution context of `__vdso_sgx_enter_enclave`, 256 bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct SgxEnclaveRun {
    /// TCS to enter.
    pub tcs: u64,
    /// The last leaf seen: EENTER, ERESUME or EEXIT.
    pub function: u32,
    /// Vector of the exception.
    pub exception_vector: u16,
    /// Error code of the exception.
    pub exception_error_code: u16,
    /// Address of the exception.
    pub exception_addr: u64,
    /// Called on every way out, if not 0.
    pub user_handler: u64,
    /// For the handler.
    pub user_data: u64,
    /// Zero.
    pub reserved: [u8; 216],
}

impl SgxEnclaveRun {
    /// A context for a TCS, without handler.
    #[must_use]
    pub fn new(tcs: u64) -> Self {
        Self {
            tcs,
            function: 0,
            exception_vector: 0,
            exception_error_code: 0,
            exception_addr: 0,
            user_handler: 0,
            user_data: 0,
            reserved: [0; 216],
        }
    }
}

const _: () = assert!(size_of::<SgxEnclaveRun>() == 256, "struct sgx_enclave_run is 256 bytes");
