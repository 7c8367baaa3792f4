//! The driver's requests (uapi `asm/sgx.h`): numbers and argument layouts.

/// SGX_IOC_ENCLAVE_CREATE: `src`.
pub(super) const CREATE: u64 = number(WRITE, 0x00, 1);
/// SGX_IOC_ENCLAVE_ADD_PAGES: `src, offset, length, secinfo, flags, count`.
pub(super) const ADD_PAGES: u64 = number(WRITE | READ, 0x01, 6);
/// SGX_IOC_ENCLAVE_INIT: `sigstruct`.
pub(super) const INIT: u64 = number(WRITE, 0x02, 1);
/// SGX_IOC_ENCLAVE_PROVISION: `fd` of the open provisioning device.
pub(super) const PROVISION: u64 = number(WRITE, 0x03, 1);
/// SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS: `offset, length, permissions, result, count`.
pub(super) const RESTRICT_PERMISSIONS: u64 = number(WRITE | READ, 0x05, 5);
/// SGX_IOC_ENCLAVE_MODIFY_TYPES: `offset, length, page_type, result, count`.
pub(super) const MODIFY_TYPES: u64 = number(WRITE | READ, 0x06, 5);
/// SGX_IOC_ENCLAVE_REMOVE_PAGES: `offset, length, count`.
pub(super) const REMOVE_PAGES: u64 = number(WRITE | READ, 0x07, 3);

/// SGX_PAGE_MEASURE.
pub(super) const PAGE_MEASURE: u64 = 1;

const WRITE: u64 = 1;
const READ: u64 = 2;
const MAGIC: u64 = 0xa4;

/// `_IOC(direction, 0xa4, nr, words * 8)`.
const fn number(direction: u64, nr: u64, words: u64) -> u64 {
    direction << 30 | (words * 8) << 16 | MAGIC << 8 | nr
}

/// Words of a request's argument.
pub(super) const fn words(request: u64) -> u64 {
    (request >> 16 & 0x3fff) / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers a C program prints that includes `asm/sgx.h`.
    #[test]
    fn numbers_are_those_of_the_header() {
        assert_eq!(CREATE, 0x4008_a400);
        assert_eq!(ADD_PAGES, 0xc030_a401);
        assert_eq!(INIT, 0x4008_a402);
        assert_eq!(PROVISION, 0x4008_a403);
        assert_eq!(RESTRICT_PERMISSIONS, 0xc028_a405);
        assert_eq!(MODIFY_TYPES, 0xc028_a406);
        assert_eq!(REMOVE_PAGES, 0xc018_a407);
        assert_eq!(words(ADD_PAGES), 6);
    }
}
