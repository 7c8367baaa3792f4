//! Fuzzes `enclave_host::fuzz::aesm`: answers of Intel's quoting service.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| enclave_host::fuzz::aesm(bytes));
