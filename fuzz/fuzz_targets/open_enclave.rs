//! Fuzzes `dcap::fuzz::open_enclave`: no input may panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dcap::fuzz::open_enclave(bytes));
