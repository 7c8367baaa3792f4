//! Fuzzes `dcap::fuzz::ratls`: no input may panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dcap::fuzz::ratls(bytes));
